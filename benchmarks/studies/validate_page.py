"""The report of ``validate``: tables, ranks against ranks, and correlation against cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .journal import Row
from .page import Page, Section, interval_text, read_summary, render
from .pictures import COLOURS, panels, plain_ticks, to_svg
from .validate_choice import GROUPS
from .validate_columns import column

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TRUTH = "trained_accuracy"
_MARKERS = dict(zip(GROUPS, ("^", "o", "o", "s", "x", "."), strict=True))
CORRELATION_COLUMNS = ("between", "and", "architectures", "Kendall tau")
COST_COLUMNS = ("", "once, s", "each, s", "architectures", "in all, s", "tau with trained")


def truth(columns: Mapping[str, str]) -> str:
    """Return the column that all others are held against: what trained networks are ranked by."""
    return "trained_score" if "trained_score" in columns else TRUTH


def tau_between(correlations: Sequence[Row], a: str, b: str) -> Mapping[str, Any] | None:
    """Return the Kendall tau between two columns, or None if there is none."""
    return next((t["kendall_tau"] for t in correlations if {t["a"], t["b"]} == {a, b}), None)


def correlation_rows(correlations: Sequence[Row], columns: Mapping[str, str]) -> list[list[str]]:
    """Return all pairs of columns as text, those with what trained networks reach first."""
    last = truth(columns)
    pairs = sorted(correlations, key=lambda t: last not in (t["a"], t["b"]))
    return [
        [columns[t["a"]], columns[t["b"]], str(t["n"]), interval_text(t["kendall_tau"])]
        for t in pairs
    ]


def cost_rows(
    costs: Sequence[Row], correlations: Sequence[Row], columns: Mapping[str, str]
) -> list[list[str]]:
    """Return what each column has cost as text, beside what it is worth."""
    rows = []
    for cost in costs:
        tau = tau_between(correlations, cost["column"], truth(columns))
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
    return rows


def architecture_rows(
    rows: Sequence[Row], columns: Mapping[str, str]
) -> tuple[list[str], list[list[str]]]:
    """Return names of columns, and architectures as text, the best of the first column first."""
    values = column(rows, next(iter(columns)))
    order = np.argsort(np.where(np.isfinite(values), -values, np.inf), kind="stable")
    text = [
        [
            rows[k]["architecture"],
            rows[k]["group"],
            *(_number(rows[k].get(name)) for name in columns),
            f"{rows[k]['parameters']:,}" if "parameters" in rows[k] else "",
            f"{rows[k]['train_seconds']:.1f}" if "train_seconds" in rows[k] else "",
        ]
        for k in order
    ]
    short = [words.removeprefix("predicted by ") for words in columns.values()]
    return ["architecture", "group", *short, "parameters", "seconds"], text


def _number(value: float | None) -> str:
    return "" if value is None or not np.isfinite(value) else f"{value:.2f}"


def rank_picture(
    rows: Sequence[Row], correlations: Sequence[Row], columns: Mapping[str, str]
) -> str:
    """Return ranks against ranks, a panel for each pair of columns; 1 is the best."""
    from scipy.stats import rankdata

    pairs = pairs_that_matter(columns)
    figure, axes = panels(len(pairs), width=4.2, height=3.8, legend=1.2)
    compared = [row for row in rows if row["group"] != "learnt"]
    for axis, (a, b) in zip(axes, pairs, strict=True):
        x, y = column(compared, a), column(compared, b)
        both = np.isfinite(x) & np.isfinite(y)
        x, y = rankdata(-x[both]), rankdata(-y[both])
        groups = np.array([row["group"] for row in compared])[both]
        for number, group in enumerate(GROUPS):
            mine = groups == group
            if mine.any():
                axis.scatter(
                    x[mine],
                    y[mine],
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
    """Return Kendall's tau against the seconds that a column has cost, one panel for each truth."""
    against = [key for key in (truth(columns), "table_value") if key in columns]
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
    """Return every column with what trained networks reach, and inherited with the table's."""
    last = truth(columns)
    found = [(key, last) for key in columns if key not in (last, TRUTH)]
    inherited = [key for key in columns if key.startswith("inherited_")]
    return found + [(key, "table_value") for key in inherited if "table_value" in columns]


def validate_report(folder: Path) -> Path:
    """Write the report of a finished validation and return its path.

    Raises
    ------
    StorageError, DataFileError
        If the folder holds no finished validation.
    """
    found = read_summary(folder)
    about, rows, taus = found["about"], found["architectures"], found["correlations"]
    columns, recipe = about["columns"], about["recipe"]
    networks = (
        f"Trained on {about['images']}: {recipe['width']} channels after the stem, cells a stage "
        f"{recipe['cells']}, {recipe['reduction']} reductions, epochs {recipe['epochs']}, seeds "
        f"{about['seeds']}, on {about['device']}."
    )
    if "label" in about:
        networks += f" The table's value is {about['label']}."
    networks += (
        " On another data set and with a short training the ranking need not be the same. Ranks, "
        "1 is the best."
    )
    names, text = architecture_rows(rows, columns)
    groups = [f"{g}: {words}" for g, words in GROUPS.items() if about["counts"].get(g)]
    pairs = pairs_that_matter(columns)
    lead = [f"{sum('train_seconds' in row for row in rows)} networks were trained"]
    lead += [
        f"{columns[a]} and {columns[b]} agree with Kendall tau {interval_text(tau)}"
        for a, b in pairs
        if (tau := tau_between(taus, a, b))
    ]
    costs = (
        "Seconds of one thread, other work beside it. Once: to learn or to train the supernet, "
        "with the trainings a predictor learnt from; each: per architecture. What a table cost "
        "is not known."
    )
    sections = [
        Section("Ranks against ranks", networks, [rank_picture(rows, taus, columns)]),
        Section(
            "Rank correlations",
            "Kendall tau with its 95 % interval over the choice of architectures, for all that "
            "have both values. " + ceiling_text(found["ceiling"], columns),
            (),
            CORRELATION_COLUMNS,
            correlation_rows(taus, columns),
        ),
        Section(
            "What it costs",
            costs,
            [cost_picture(found["costs"], taus, columns)],
            COST_COLUMNS,
            cost_rows(found["costs"], taus, columns),
        ),
        Section("Architectures", "; ".join(groups) + ".", (), names, text),
    ]
    hidden = ("kind", "checksum", "label", "columns", "image_options", "search")
    made = {key: value for key, value in about.items() if key not in hidden and value is not None}
    if "checksum" in about:
        made["table checksum"] = about["checksum"][:12]
    return render(
        folder / "report.html",
        Page(lead="; ".join(lead) + ".", sections=sections, made=made),
        title="Scores validated by training",
        command=found["command"],
    )


def ceiling_text(ceiling: Mapping[str, Any] | None, columns: Mapping[str, str]) -> str:
    """Return in words how far two trainings of the same networks agree."""
    if ceiling is None:
        return "Networks were trained with one seed: how far two would agree is not known."
    return (
        f"Two seeds of {columns[truth(columns)]} agree with Kendall tau {interval_text(ceiling)}: "
        "no score ranks a single training better."
    )
