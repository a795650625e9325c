"""Architectures that searches on tables found: the best of each searcher, or its front."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, TypedDict

import numpy as np

from ...benchmarks.objectives import Problem
from ...benchmarks.quantities import ManyObjectives, known_costs
from ...benchmarks.studies import Row, Section, TextTable
from ..pareto import non_dominated

_SHOWN = 120  # characters of an architecture in a line of a terminal


class FoundEntry(TypedDict, total=False):
    """One architecture that a searcher found on a task, over all its trials."""

    table: Annotated[str, "name of the table"]
    task: Annotated[str, "its task"]
    searcher: Annotated[str, "what searched"]
    predictor: Annotated[str | None, "what guided it"]
    trial: Annotated[int, "number of the search that found it first, from 0"]
    architecture: Annotated[str, "as the space writes it"]
    variables: Annotated[dict[str, str], "choice of each variable of the space, by its name"]
    value: Annotated[float, "searched value, by which it was selected; bigger is better"]
    report_value: Annotated[float, "reported value; bigger is better"]
    values: Annotated[dict[str, float], "searched value of each objective, in the table's units"]
    costs: Annotated[dict[str, float], "what the table knows before training, in its units"]


def best_found(problem: Problem, rows: Sequence[Row]) -> list[Row]:
    """Best architecture by the searched value of a searcher's rows, of equals the first.

    None is in the list where all evaluations have failed.
    """
    known = [row for row in in_order(rows) if _is_number(row["search_value"])]
    if not known:
        return []
    best = max(known, key=lambda row: float(row["search_value"]))
    values = {"value": best["search_value"], "report_value": best["report_value"]}
    return _entries(problem, [best], [values])


def front_found(problem: ManyObjectives, rows: Sequence[Row]) -> list[Row]:
    """Pareto front by the searched values of a searcher's rows over all trials, each once."""
    first: dict[str, Row] = {}
    for row in in_order(rows):
        if row["feasible"]:
            first.setdefault(row["architecture"], row)
    if not first:
        return []
    kept = list(first.values())
    signs = np.array([one.sign for one in problem.objectives])
    names = [one.name for one in problem.objectives]
    values = signs * np.array([[row[name] for name in names] for row in kept], dtype=float)
    kept = [kept[k] for k in non_dominated(values)]
    return _entries(
        problem, kept, [{"values": {name: row[name] for name in names}} for row in kept]
    )


def in_order(rows: Sequence[Row]) -> list[Row]:
    """Rows of searches, trial by trial as they were evaluated."""
    return sorted(rows, key=lambda row: (int(row["trial"]), int(row["query"])))


def _is_number(value: Any) -> bool:
    return value is not None and not np.isnan(value)


def _entries(problem: Problem, rows: Sequence[Row], values: Sequence[Row]) -> list[Row]:
    """Entries of some rows and their values."""
    space, names = problem.space, [row["architecture"] for row in rows]
    codes = space.parse(names)
    costs = known_costs(problem, codes)
    return [
        {
            "trial": row["trial"],
            "architecture": row["architecture"],
            "variables": {
                variable: choices[choice]
                for variable, choices, choice in zip(
                    space.variables, space.choices, code.tolist(), strict=True
                )
            },
            **values[k],
            "costs": {name: float(column[k]) for name, column in costs.items()},
        }
        for k, (row, code) in enumerate(zip(rows, codes, strict=True))
    ]


def best_of_each_task(found: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Best entry of each task, of equals the first."""
    best: dict[tuple[str, str], Mapping[str, Any]] = {}
    for entry in found:
        address = entry["table"], entry["task"]
        if address not in best or entry["value"] > best[address]["value"]:
            best[address] = entry
    return list(best.values())


def found_lines(found: Sequence[Mapping[str, Any]]) -> list[str]:
    """A line for each task with the best that was found on it."""
    lines = []
    for entry in best_of_each_task(found):
        text = entry["architecture"]
        text = text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."
        lines.append(
            f"{entry['table']}/{entry['task']}: best found, searched value {entry['value']:.6g}: "
            f"{text} ({_searcher(entry)})"
        )
    return lines


def found_section(found: Sequence[Mapping[str, Any]]) -> Section:
    """Section of a report with the best of each searcher."""
    costs = list(dict.fromkeys(name for entry in found for name in entry["costs"]))
    best = [id(entry) for entry in best_of_each_task(found)]
    rows = [
        [
            f"{entry['table']}/{entry['task']}",
            _searcher(entry),
            entry["architecture"],
            f"{entry['value']:.6g}",
            *(_number(entry["costs"].get(name)) for name in costs),
        ]
        for entry in found
    ]
    columns = ("table", "searcher", "architecture", "searched value", *costs)
    leading = [k for k, entry in enumerate(found) if id(entry) in best]
    text = (
        "The best architecture of each searcher over all trials, by the value that searches see, "
        "and what the table knows of it before training."
    )
    return Section.of("Found", TextTable(columns, rows, leading), text)


def _searcher(entry: Mapping[str, Any]) -> str:
    guide = f" + {entry['predictor']}" if entry["predictor"] else ""
    return f"{entry['searcher']}{guide}"


def _number(value: float | None) -> str:
    return f"{value:.6g}" if _is_number(value) else ""
