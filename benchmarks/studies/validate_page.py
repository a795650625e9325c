"""The report of ``validate``: tables, ranks against ranks, and correlation against cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .digits import interval_text, number_text
from .journal import Row
from .page import Page, Section, TextTable
from .pictures import COLOURS, panels, plain_ticks, to_svg
from .validate_choice import GROUPS
from .validate_columns import column_values

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TRUTH = "trained_accuracy"
_MARKERS = dict(zip(GROUPS, ("^", "o", "o", "s", "x", "."), strict=True))


def truth_column(columns: Mapping[str, str]) -> str:
    """Column that all others are held against: what trained networks are ranked by."""
    return "trained_score" if "trained_score" in columns else TRUTH


def tau_between(correlations: Sequence[Row], a: str, b: str) -> Mapping[str, Any] | None:
    """Kendall tau between two columns, or None if there is none."""
    return next((t["kendall_tau"] for t in correlations if {t["a"], t["b"]} == {a, b}), None)


def correlation_table(correlations: Sequence[Row], columns: Mapping[str, str]) -> TextTable:
    """All pairs of columns as text, those with what trained networks reach first."""
    last = truth_column(columns)
    pairs = sorted(correlations, key=lambda t: last not in (t["a"], t["b"]))
    rows = [
        [columns[t["a"]], columns[t["b"]], str(t["n"]), interval_text(t["kendall_tau"])]
        for t in pairs
    ]
    return TextTable(("between", "and", "architectures", "Kendall tau"), rows)


def cost_table(
    costs: Sequence[Row], correlations: Sequence[Row], columns: Mapping[str, str]
) -> TextTable:
    """Cost of each column as text, beside what it is worth."""
    rows = []
    for cost in costs:
        tau = tau_between(correlations, cost["column"], truth_column(columns))
        rows.append(
            [
                columns[cost["column"]],
                f"{cost['once_seconds']:.1f}",
                f"{cost['seconds_per_architecture']:.3g}",
                str(cost["architectures"]),
                f"{cost['seconds']:.1f}",
                interval_text(tau) if tau else "",
            ]
        )
    headings = ("", "once, s", "each, s", "architectures", "in all, s", "tau with trained")
    return TextTable(headings, rows)


def architecture_table(
    rows: Sequence[Row], columns: Mapping[str, str], *, most: int | None = None
) -> TextTable:
    """Architectures as text, the best of the first column first; at most so many."""
    values = column_values(rows, next(iter(columns)))
    order = np.argsort(np.where(np.isfinite(values), -values, np.inf), kind="stable")
    text = [
        [
            rows[k]["architecture"],
            rows[k]["group"],
            *(_number(rows[k].get(name)) for name in columns),
            f"{rows[k]['parameters']:,}" if "parameters" in rows[k] else "",
            f"{rows[k]['train_seconds']:.1f}" if "train_seconds" in rows[k] else "",
        ]
        for k in order[:most]
    ]
    short = [words.removeprefix("predicted by ") for words in columns.values()]
    more = len(rows) - len(text)
    return TextTable(
        ["architecture", "group", *short, "parameters", "seconds"],
        text,
        note=f"and {more} more in the report" if more else "",
    )


def _number(value: float | None) -> str:
    return "" if value is None or not np.isfinite(value) else number_text(value, digits=2)


def rank_picture(
    rows: Sequence[Row], correlations: Sequence[Row], columns: Mapping[str, str]
) -> str:
    """Picture of ranks against ranks, a panel for each pair of columns; 1 is the best."""
    from scipy.stats import rankdata

    pairs = pairs_that_matter(columns)
    figure, axes = panels(len(pairs), width=4.2, height=3.8, legend=1.2)
    compared = [row for row in rows if row["group"] != "learnt"]
    for axis, (a, b) in zip(axes, pairs, strict=True):
        x, y = column_values(compared, a), column_values(compared, b)
        both = np.isfinite(x) & np.isfinite(y)
        x, y = rankdata(-x[both]), rankdata(-y[both])
        groups = np.array([row["group"] for row in compared])[both]
        for number, group in enumerate(GROUPS):
            members = groups == group
            if members.any():
                axis.scatter(
                    x[members],
                    y[members],
                    s=26,
                    label=group,
                    marker=_MARKERS[group],
                    color=COLOURS[number],
                )
        axis.plot([1, max(2, len(x))], [1, max(2, len(x))], color="black", linewidth=0.7)
        tau = tau_between(correlations, a, b)
        axis.set(xlabel=f"rank by {columns[a]}", ylabel=f"rank by {columns[b]}")
        axis.set_title(f"tau {interval_text(tau)}" if tau else "", fontsize=9)
    _shared_legend(figure, axes)
    return to_svg(figure)


def cost_picture(
    costs: Sequence[Row], correlations: Sequence[Row], columns: Mapping[str, str]
) -> str:
    """Picture of Kendall's tau against the seconds of a column, one panel for each truth."""
    against = [key for key in (truth_column(columns), "table_value") if key in columns]
    figure, axes = panels(len(against), width=4.6, height=3.6, legend=2.2)
    for axis, key in zip(axes, against, strict=True):
        for number, cost in enumerate(costs):
            tau = tau_between(correlations, cost["column"], key)
            if tau is None or tau["mean"] is None:
                continue
            low, high = (tau["mean"] if tau[e] is None else tau[e] for e in ("low", "high"))
            axis.errorbar(
                cost["seconds"],
                tau["mean"],
                [[tau["mean"] - low], [high - tau["mean"]]],
                color=COLOURS[number % len(COLOURS)],
                marker="o",
                capsize=3,
                label=columns[cost["column"]],
            )
        axis.set_xscale("log")
        plain_ticks(axis)
        axis.set(xlabel="seconds in all", ylabel=f"Kendall tau with {columns[key]}")
    _shared_legend(figure, axes)
    return to_svg(figure)


def _shared_legend(figure: Figure, axes: Sequence[Axes]) -> None:
    """Name once, beside the panels, what any of them shows."""
    handles: dict[str, Any] = {}
    for axis in axes:
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    figure.legend(handles.values(), handles, loc="outside right upper", frameon=False, fontsize=8)


def pairs_that_matter(columns: Mapping[str, str]) -> list[tuple[str, str]]:
    """Every column with what trained networks reach, and inherited with the table's."""
    last = truth_column(columns)
    found = [(key, last) for key in columns if key not in (last, TRUTH)]
    inherited = [key for key in columns if key.startswith("inherited_")]
    return found + [(key, "table_value") for key in inherited if "table_value" in columns]


def validate_page(found: Mapping[str, Any]) -> Page:
    """Report of a validation: ranks, correlations, costs, architectures."""
    about, rows, taus = found["about"], found["architectures"], found["correlations"]
    columns, costs = about["columns"], found["costs"]
    lead = [f"{sum('train_seconds' in row for row in rows)} networks were trained"]
    lead += [
        f"{columns[a]} and {columns[b]} agree with Kendall tau {interval_text(tau)}"
        for a, b in pairs_that_matter(columns)
        if (tau := tau_between(taus, a, b))
    ]
    over = (
        "Kendall tau with its 95 % interval over the choice of architectures, for all that have "
        f"both values. {ceiling_text(found['ceiling'], columns)}"
    )
    groups = [f"{g}: {words}" for g, words in GROUPS.items() if about["counts"].get(g)]
    sections = [
        Section("Ranks against ranks", _networks(about), [rank_picture(rows, taus, columns)]),
        Section.of("Rank correlations", correlation_table(taus, columns), over),
        Section.of(
            "What it costs",
            cost_table(costs, taus, columns),
            "Seconds of one thread, other work beside it. Once: to learn or to train the supernet, "
            "with the trainings a predictor learnt from; each: per architecture. What a table cost "
            "is not known.",
            [cost_picture(costs, taus, columns)],
        ),
        Section.of("Architectures", architecture_table(rows, columns), "; ".join(groups) + "."),
    ]
    hidden = ("kind", "checksum", "label", "columns", "image_options", "search")
    made = {key: value for key, value in about.items() if key not in hidden and value is not None}
    if "checksum" in about:
        made["table checksum"] = about["checksum"][:12]
    return Page(lead="; ".join(lead) + ".", sections=sections, made=made)


def _networks(about: Mapping[str, Any]) -> str:
    """How the networks were trained, in sentences."""
    recipe = about["recipe"]
    text = (
        f"Trained on {about['images']}: {recipe['width']} channels after the stem, cells a stage "
        f"{recipe['cells']}, {recipe['reduction']} reductions, epochs {recipe['epochs']}, seeds "
        f"{about['seeds']}, on {about['device']}."
    )
    if "label" in about:
        text += f" The table's value is {about['label']}."
    return text + (
        " On another data set and with a short training the ranking need not be the same. Ranks, "
        "1 is the best."
    )


def ceiling_text(ceiling: Mapping[str, Any] | None, columns: Mapping[str, str]) -> str:
    """How far two trainings of the same networks agree, in words."""
    if ceiling is None:
        return "Networks were trained with one seed: how far two would agree is not known."
    trained, tau = columns[truth_column(columns)], interval_text(ceiling)
    return (
        f"Two seeds of {trained} agree with Kendall tau {tau}: no score ranks a single training "
        "better."
    )
