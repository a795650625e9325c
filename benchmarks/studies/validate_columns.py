"""What ``validate`` found: a column for every way to score, their correlations and their costs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from ...data.types import Values
from ..intervals import Interval, kendall_tau_interval
from ..metrics import kendall_tau
from .cases import grouped, numbers
from .inherit import SupernetRecipe
from .journal import Row
from .trainings import seed_agreement

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


def total_cost(cost: Mapping[str, Any]) -> Row:
    """Cost with the sum of its parts."""
    each = cost["architectures"] * cost["seconds_per_architecture"]
    return {**cost, "seconds": cost["once_seconds"] + each}


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
