"""What ``validate`` found: a column for every way to score, their costs, and the report of both."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from ...data.types import Values
from ..intervals import Interval, kendall_tau_interval
from ..metrics import kendall_tau
from .cases import grouped, numbers
from .digits import interval_text, number_text
from .inherit import SupernetRecipe
from .journal import Row
from .page import Page, Section, TextTable
from .pictures import COLOURS, panels, plain_ticks, to_svg
from .trainings import seed_agreement
from .validate_choice import GROUPS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SCORES: dict[str, tuple[str, Callable[[Row], float]]] = {
    "accuracy": ("test accuracy after the last epoch", lambda run: run["test_accuracy"]),
    "curve": ("mean validation accuracy over the epochs", lambda run: float(np.mean(run["curve"]))),
    "training": ("minus the training loss of the last epoch", lambda run: -run["losses"][-1]),
    "loss": ("minus the test loss after the last epoch", lambda run: -run["test_loss"]),
}
"""What may rank trained networks, by name: words, and the number of one training."""

_FEW = 5  # fewer architectures have no interval


def columns_of(about: Mapping[str, Any]) -> dict[str, str]:
    """Every column that a validation with these settings has, and what it is in words."""
    names, counts = about["predictors"], about["counts"]
    several = len(names) > 1
    found: dict[str, str] = {}
    for number, name in enumerate(names):
        key = predictor_column(name, first=number == 0)
        if "n_train" in about:
            found[key] = f"predicted by {name}" if several else "predicted score"
        if counts.get("learnt"):
            found[own_column(key)] = f"{name} from own trainings"
    if "searched" in about:
        found["searched"] = "searched value"
    if about["supernet"]:
        score = about["supernet"]["score"]
        found[f"inherited_{score}"] = f"inherited {score}"
        if about["supernet"]["tune"]:
            found["inherited_tuned"] = "loss tuned from inherited"
    if "table" in about:
        found["table_value"] = "table value"
    found["trained_accuracy"] = "trained accuracy"
    if about["score"] != "accuracy":
        found["trained_score"] = f"trained: {SCORES[about['score']][0]}"
    return found


def predictor_column(name: str, *, first: bool) -> str:
    """Column of a predictor's scores; the first one's has no name in it."""
    return "predicted" if first else f"predicted_{name}"


def own_column(key: str) -> str:
    """Column of a predictor's scores that learnt from networks trained in the study."""
    return f"own_{key}"


def add_trainings(rows: Sequence[Row], runs: Sequence[Row], score: str) -> None:
    """Add to every architecture the result of its trainings, the mean of those that ended well."""
    found = grouped(runs, "architecture")
    for row in rows:
        if mine := found.get(row["architecture"]):
            row |= _reached(mine, score)


def _reached(runs: Sequence[Row], score: str) -> Row:
    """Result of the trainings of one architecture."""
    ended = [run for run in runs if not run["diverged"]]

    def mean(value: Callable[[Row], float]) -> float:
        return float(np.mean([value(run) for run in ended])) if ended else float("nan")

    return {
        "trained_accuracy": mean(lambda run: run["test_accuracy"]),
        "trained_valid_accuracy": mean(lambda run: run["valid_accuracy"]),
        **({} if score == "accuracy" else {"trained_score": mean(SCORES[score][1])}),
        "train_seconds": sum(run["train_seconds"] for run in runs),
        "parameters": runs[0]["parameters"],
        "diverged": not ended,
        "device": runs[0]["device"],
    }


def add_inherited(
    rows: Sequence[Row], found: Mapping[str, Any], recipe: SupernetRecipe
) -> list[Row]:
    """Costs of inherited accuracies, after these were added to every architecture.

    The accuracy and the loss are both kept, and what a few steps from there give; a supernet that
    diverged gives none. The supernet is a part of the cost of each.
    """
    for key in ("accuracy", "loss", *(("tuned",) if recipe.tune else ())):
        values = found[key] or [float("nan")] * len(rows)
        for row, value in zip(rows, values, strict=True):
            row[f"inherited_{key}"] = value
    spent = {recipe.score: "evaluate_seconds"} | ({"tuned": "tune_seconds"} if recipe.tune else {})
    return [
        {
            "column": f"inherited_{key}",
            "architectures": len(rows),
            "once_seconds": found["seconds"],
            "seconds_per_architecture": (found[seconds] or 0.0) / len(rows),
        }
        for key, seconds in spent.items()
    ]


def add_own(rows: Sequence[Row], found: Sequence[Row]) -> list[Row]:
    """Costs of own predictors, after their scores were added to who was not learnt from.

    The trainings that were learnt from are part of the cost.
    """
    trainings = sum(row["train_seconds"] for row in rows if row["group"] == "learnt")
    others = [row for row in rows if row["group"] != "learnt"]
    costs = []
    for unit in found:
        for row, value in zip(others, unit["scores"], strict=True):
            row[unit["column"]] = value
        cost = {key: value for key, value in unit.items() if key != "scores"}
        costs.append({**cost, "once_seconds": cost["once_seconds"] + trainings})
    return costs


def training_cost(rows: Sequence[Row]) -> Row:
    """Cost of training the compared architectures alone."""
    seconds = [r["train_seconds"] for r in rows if r["group"] != "learnt" and "train_seconds" in r]
    return {
        "column": "trained_accuracy",
        "architectures": len(seconds),
        "once_seconds": 0.0,
        "seconds_per_architecture": float(np.mean(seconds)),
    }


def correlations(rows: Sequence[Row], columns: Sequence[str]) -> list[Row]:
    """Kendall's tau between each two columns, with its 95 % interval.

    It is over the architectures that have both values, without those that predictors learnt
    from. The interval is over the choice of architectures, by Fisher's z for tau (Fieller et al.
    1957). A loss is turned round: bigger is better everywhere.
    """
    compared = [row for row in rows if row["group"] != "learnt"]
    values = {key: column_values(compared, key) for key in columns}
    found = []
    for a, b in combinations(columns, 2):
        both = np.isfinite(values[a]) & np.isfinite(values[b])
        tau = tau_of_some(values[a][both], values[b][both])
        found.append({"a": a, "b": b, "n": int(both.sum()), "kendall_tau": tau})
    return found


def column_values(rows: Sequence[Row], key: str) -> Values:
    """One column, bigger is better, shape (n,); NaN where an architecture has no value."""
    sign = -1.0 if key in ("inherited_loss", "inherited_tuned") else 1.0
    return sign * numbers(rows, key)


def tau_of_some(x: Values, y: Values) -> Interval:
    """Kendall's tau and its interval, as far as so many architectures have them."""
    if len(x) >= _FEW:
        return kendall_tau_interval(x, y)
    tau = float(kendall_tau(x, y)) if len(x) > 1 else float("nan")
    mean = tau if np.isfinite(tau) else None
    return {"mean": mean, "low": None, "high": None, "n": len(x)}


def seed_ceiling(rows: Sequence[Row], runs: Sequence[Row], score: str) -> dict[str, Any] | None:
    """Kendall's tau between two seeds of the compared trainings, or None for one seed."""
    found: dict[str, list[float]] = {}
    learnt = {row["architecture"] for row in rows if row["group"] == "learnt"}
    for run in runs:
        if run["architecture"] not in learnt:
            value = float("nan") if run["diverged"] else SCORES[score][1](run)
            found.setdefault(run["architecture"], []).append(value)
    return seed_agreement(np.array(list(found.values())))


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
