"""Architectures that searches on tables found: the best of each searcher, or its front."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...benchmarks.objectives import Problem
from ...benchmarks.quantities import ManyObjectives, known_costs
from ...benchmarks.studies import Findings, Row, Section, TextTable, task_named
from ...errors import LabelError, ParameterError
from ..pareto import non_dominated

_SHOWN = 120  # characters of an architecture in a line of a terminal


@dataclass(frozen=True, repr=False)
class CurveFindings(Findings):
    """Outcome of searches on tables: an entry per task and searcher, a row per query."""

    curves: list[Row]
    """Per task and searcher what pictures show: measures after each query, with intervals."""


@dataclass(frozen=True, repr=False)
class SearchFindings(CurveFindings):
    """Outcome of ``nasurge search``.

    Attributes
    ----------
    found : list of dict
        Per task and searcher the best architecture over all trials, by the value that it was
        selected by; of several objectives those on the front.
    paired : list of dict
        Per pair of searchers and task, and over all tasks: difference of what they found in common
        trials, wins, ties, losses, Wilcoxon's test.
    """

    found: list[Row]
    paired: list[Row] = field(default_factory=list)

    def best(self, address: str | None = None) -> Row:
        """Entry of ``found`` with the highest searched value on a task, of equals the first.

        Parameters
        ----------
        address : str, optional
            ``TABLE/TASK``, where there are several.

        Raises
        ------
        ParameterError
            If there are several tasks and none is named, or several objectives: ``found`` has
            their fronts.
        UnknownNameError
            If no such task was searched.
        LabelError
            If no evaluation has succeeded on it.
        """
        if "objectives" in self.about:
            raise ParameterError(
                "of several objectives no architecture is the best: front() returns those that "
                "none is better than"
            )
        address = task_named(self.summary, address)
        best = [e for e in best_of_each_task(self.found) if address_of(e) == address]
        if not best:
            raise LabelError(f"no evaluation on {address} has succeeded")
        return dict(best[0])

    def front(self, address: str | None = None) -> list[Row]:
        """Entries of ``found`` that no other on the task dominates, by the searched values.

        Those of all searchers together, each architecture once; of one objective the best alone.

        Parameters
        ----------
        address : str, optional
            ``TABLE/TASK``, where there are several.

        Raises
        ------
        ParameterError, UnknownNameError, LabelError
            As ``best``.
        """
        if "objectives" not in self.about:
            return [self.best(address)]
        address = task_named(self.summary, address)
        first: dict[str, Row] = {}
        for entry in self.found:
            if address_of(entry) == address:
                first.setdefault(entry["architecture"], entry)
        if not first:
            raise LabelError(f"no evaluation on {address} has succeeded within the bounds")
        directions = next(e["directions"] for e in self.summary if address_of(e) == address)
        signs = [-1.0 if said.startswith("smaller") else 1.0 for said in directions.values()]
        kept = list(first.values())
        values = np.array([[e["values"][name] for name in directions] for e in kept], dtype=float)
        return [kept[k] for k in non_dominated(signs * values)]


def address_of(entry: Mapping[str, Any]) -> str:
    """``TABLE/TASK`` of an entry of a summary."""
    return f"{entry['table']}/{entry['task']}"


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
