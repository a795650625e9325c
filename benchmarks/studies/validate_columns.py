"""What ``validate`` found: a column for every way to score, their costs, and the report of both."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
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
from .panels import COLOURS, Key, Panel, Picture, plain_ticks, scatter_named
from .trainings import seed_agreement
from .validate_choice import GROUPS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

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
        if "n_train" in about or "unlearnt" in about:
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
_COLOURS = dict(zip(GROUPS, COLOURS, strict=False))


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
                interval_text(tau) if tau else "",
                f"{cost['seconds']:.1f}",
                f"{cost['once_seconds']:.1f}",
                f"{cost['seconds_per_architecture']:.3g}",
                str(cost["architectures"]),
            ]
        )
    # What a narrow terminal leaves out is the last.
    headings = ("", "tau with trained", "in all, s", "once, s", "each, s", "architectures")
    return TextTable(headings, rows)


def architecture_table(
    rows: Sequence[Row], columns: Mapping[str, str], *, most: int | None = None
) -> TextTable:
    """Architectures as text, the best of the first column first; at most so many."""
    values = column_values(rows, next(iter(columns)))
    order = np.argsort(np.where(np.isfinite(values), -values, np.inf), kind="stable")
    truth = truth_column(columns)
    shown = [truth, *(name for name in columns if name != truth)]  # first, and never left out
    text = [
        [
            rows[k]["architecture"],
            rows[k]["group"],
            *(_number(rows[k].get(name)) for name in shown),
            f"{rows[k]['parameters']:,}" if "parameters" in rows[k] else "",
            f"{rows[k]['train_seconds']:.1f}" if "train_seconds" in rows[k] else "",
        ]
        for k in order[:most]
    ]
    short = [columns[name].removeprefix("predicted by ") for name in shown]
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
) -> Picture:
    """Picture of ranks against ranks, a panel for each pair of columns; 1 is the best."""
    compared = [row for row in rows if row["group"] != "learnt"]
    panels = []
    for a, b in pairs_that_matter(columns):
        x, y = column_values(compared, a), column_values(compared, b)
        both = np.isfinite(x) & np.isfinite(y)
        members = [row for row, kept in zip(compared, both, strict=True) if kept]
        tau = tau_between(correlations, a, b)
        agree = f"tau {interval_text(tau)}" if tau else ""
        words = (
            f"Ranks of {len(members)} architectures by {columns[b]} against those by {columns[a]}, "
            f"1 is the best; {agree or 'without a correlation'}."
        )
        draw = partial(_draw_ranks, rows=members, pair=(a, b), columns=columns)
        panels.append(Panel(agree, words, draw, height=0.9))
    shown = {row["group"] for row in compared}
    legend = [Key(g, _COLOURS[g], "", _MARKERS[g]) for g in GROUPS if g in shown]
    return Picture("ranks", "Ranks of the same architectures by two columns", panels, legend)


def _draw_ranks(
    axis: Axes, *, rows: Sequence[Row], pair: tuple[str, str], columns: Mapping[str, str]
) -> None:
    """Draw the ranks of one pair of columns, each point with its architecture."""
    from scipy.stats import rankdata

    x, y = (rankdata(-column_values(rows, column)) for column in pair)
    names = [
        f"{row['architecture']} ({row['group']}): "
        + ", ".join(f"{columns[column]} {_number(row[column])}" for column in pair)
        for row in rows
    ]
    axis.plot([1, max(2, len(x))], [1, max(2, len(x))], color="black", linewidth=0.7)
    for group in GROUPS:
        members = [k for k, row in enumerate(rows) if row["group"] == group]
        style: dict[str, Any] = {"s": 26, "marker": _MARKERS[group], "color": _COLOURS[group]}
        scatter_named(axis, x[members], y[members], [names[k] for k in members], **style)
    axis.set(xlabel=f"rank by {columns[pair[0]]}", ylabel=f"rank by {columns[pair[1]]}")


def cost_picture(
    costs: Sequence[Row], correlations: Sequence[Row], columns: Mapping[str, str]
) -> Picture:
    """Picture of Kendall's tau against the seconds of a column, one panel for each truth."""
    colour = {cost["column"]: COLOURS[k % len(COLOURS)] for k, cost in enumerate(costs)}
    panels: list[Panel] = []
    legend: dict[str, Key] = {}
    for key in (truth_column(columns), "table_value"):
        if key not in columns:
            continue
        known = [
            (cost, tau)
            for cost in costs
            if (tau := tau_between(correlations, cost["column"], key)) and tau["mean"] is not None
        ]
        for cost, _ in known:
            column = cost["column"]
            legend.setdefault(column, Key(columns[column], colour[column], "", "o"))
        worth = "; ".join(
            f"{columns[cost['column']]} {cost['seconds']:.3g} s, tau {tau['mean']:.3f}"
            for cost, tau in known
        )
        words = f"Kendall's tau with {columns[key]} against seconds: {worth or 'no values'}."
        draw = partial(_draw_costs, known=known, columns=columns, colour=colour)
        panels.append(Panel(f"Kendall tau with {columns[key]}", words, draw))
    return Picture("costs", "Kendall's tau against what a column costs", panels, [*legend.values()])


def _draw_costs(
    axis: Axes,
    *,
    known: Sequence[tuple[Row, Mapping[str, Any]]],
    columns: Mapping[str, str],
    colour: Mapping[str, str],
) -> None:
    """Draw what each column costs and is worth."""
    for cost, tau in known:
        low, high = (tau["mean"] if tau[e] is None else tau[e] for e in ("low", "high"))
        own, at = colour[cost["column"]], ([cost["seconds"]], [tau["mean"]])
        axis.errorbar(*at, [[tau["mean"] - low], [high - tau["mean"]]], color=own, capsize=3)
        text = f"{columns[cost['column']]}: tau {interval_text(tau)}, {cost['seconds']:.3g} s"
        scatter_named(axis, *at, [text], s=30, color=own)
    axis.set_xscale("log")
    plain_ticks(axis)
    axis.set(xlabel="seconds in all", ylabel="Kendall tau")


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
    hidden = ("kind", "checksum", "label", "columns", "image_options", "search", "command")
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
