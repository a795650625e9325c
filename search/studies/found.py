"""Architectures that searches on tables found: the best of each searcher, or its front."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ...benchmarks.intervals import Interval, interval
from ...benchmarks.objectives import Problem
from ...benchmarks.quantities import ManyObjectives, known_costs
from ...benchmarks.studies import (
    Findings,
    Panel,
    Picture,
    Row,
    Section,
    TextTable,
    grouped,
    interval_text,
    task_named,
)
from ...data.spaces import Space
from ...data.spaces.pictures import Drawn, architecture_graph, draw_graph
from ...errors import LabelError, ParameterError
from ..pareto import non_dominated

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_DRAWN = 6  # architectures that a report draws
_ABREAST = 5  # operations side by side that a panel has room for; more make it wide
_LAYERS = 14  # that a wide panel has room for
_MOST = 20  # architectures of a front in a terminal


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
    graphs: dict[str, Any] = field(default_factory=dict)
    """Per task the nodes and edges of a few found architectures by name, for the report."""

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
        return front_of(list(first.values()), self.summary)


def address_of(entry: Mapping[str, Any]) -> str:
    """``TABLE/TASK`` of an entry of a summary."""
    return f"{entry['table']}/{entry['task']}"


def front_of(found: Sequence[Row], summary: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Entries of one task that none of them dominates, whatever searcher they are of."""
    address = address_of(found[0])
    directions = next(e["directions"] for e in summary if address_of(e) == address)
    signs = [-1.0 if said.startswith("smaller") else 1.0 for said in directions.values()]
    values = np.array([[e["values"][name] for name in directions] for e in found], dtype=float)
    return [found[k] for k in non_dominated(signs * values)]


def best_found(problem: Problem, rows: Sequence[Row]) -> list[Row]:
    """Best architecture by the searched value of a searcher's rows, of equals the first.

    None is in the list where all evaluations have failed.
    """
    known = [row for row in in_order(rows) if _is_number(row["search_value"])]
    if not known:
        return []
    best = max(known, key=lambda row: float(row["search_value"]))
    reported = best["report_value"]
    values = {
        "value": float(best["search_value"]),
        "report_value": None if reported is None else float(reported),
        "measured": _measured(problem, best["architecture"], float(best["search_value"])),
    }
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


def _measured(problem: Problem, architecture: str, value: float) -> Interval:
    """Searched value of an architecture with its interval over the table's training runs."""
    runs = problem.table.runs(problem.roles.search)
    if runs is None:
        return interval([value])
    least, most = problem.search_column.range
    own = runs[problem.table.rows(problem.space.parse([architecture]))[0]]
    sign = -1.0 if problem.search_column.minimise else 1.0
    values = sign * own[np.isfinite(own)] if np.isfinite(own).any() else [value]
    ends = sorted((sign * least, sign * most))
    return interval(values, least=ends[0], most=ends[1])


def answer_lines(entry: Mapping[str, Any], start: str, of: str) -> list[str]:
    """Architecture that a search found, in full: its text, as a dict, its value and its costs.

    Parameters
    ----------
    entry : mapping
        Of what was found, with one value.
    start : str
        Beginning of the first line.
    of : str
        What a value was measured in, such as ``evaluation``.
    """
    lines = [f"{start} {entry['value']:.6g}: {entry['architecture']} ({_searcher(entry)})"]
    lines.append(f"  as a dict: {json.dumps(entry['variables'])}")
    if measured := entry.get("measured"):  # folders of before it was kept have none
        lines.append(f"  its value: {measured_words(measured, of)}")
    if known := [f"{name} {_number(value)}" for name, value in entry["costs"].items()]:
        lines.append(f"  its costs: {', '.join(known)}")
    return lines


def measured_words(measured: Mapping[str, Any], of: str) -> str:
    """How sure a value is: its interval, its repetitions, or that there are none.

    Examples
    --------
    >>> measured_words({"mean": 1.0, "low": None, "high": None, "n": 1}, "training")
    'of one training, so that it has no interval'
    >>> measured_words({"mean": 1.5, "low": 1.2, "high": 1.8, "n": 6}, "training")
    '1.500 [1.200, 1.800] over 6 trainings'
    """
    n = measured["n"]
    if n < 2:
        return f"of one {of}, so that it has no interval"
    if len(set(measured.get("values") or [measured["low"], measured["high"]])) == 1:
        return f"the same in each of {n} {of}s"
    if measured["low"] is None:
        return f"mean of {n} {of}s: {interval_text(measured)}"
    return f"{interval_text(measured)} over {n} {of}s"


def found_lines(found: Sequence[Mapping[str, Any]]) -> list[str]:
    """Lines for each task with the best that was found on it."""
    return [
        line
        for entry in best_of_each_task(found)
        for line in answer_lines(
            entry, f"{address_of(entry)}: best found, searched value", "training"
        )
    ]


def front_tables(
    found: Sequence[Mapping[str, Any]], summary: Sequence[Mapping[str, Any]]
) -> list[TextTable]:
    """Front of each task, of all searchers together, the best by the first objective first."""
    tables = []
    for of_task in grouped(found, "table", "task").values():
        first = {entry["architecture"]: dict(entry) for entry in reversed(of_task)}
        front = front_of(list(reversed(first.values())), summary)
        names = list(front[0]["values"])
        said = next(e for e in summary if address_of(e) == address_of(front[0]))["directions"]
        sign = 1.0 if said[names[0]].startswith("smaller") else -1.0
        front.sort(key=lambda entry: sign * float(entry["values"][names[0]]))
        costs = list(dict.fromkeys(c for e in front for c in e["costs"] if c not in names))
        rows = [
            [
                _searcher(entry),
                *(f"{value:.6g}" for value in entry["values"].values()),
                *(_number(entry["costs"].get(name)) for name in costs),
                entry["architecture"],
            ]
            for entry in front[:_MOST]
        ]
        more = f", and {len(front) - _MOST} more with --json" if len(front) > _MOST else ""
        note = f"front of {address_of(front[0])}, of all searchers over all trials{more}"
        tables.append(TextTable(("searcher", *names, *costs, "architecture"), rows, note=note))
    return tables


def found_section(found: Sequence[Row], graphs: Mapping[str, Any]) -> Section:
    """Section of a report with the best of each searcher, or its front, and drawings of a few.

    Parameters
    ----------
    found : sequence of dict
    graphs : mapping
        As ``graphs_of`` returns them; empty in folders of before.
    """
    costs = list(dict.fromkeys(name for entry in found for name in entry["costs"]))
    front = [name for entry in found[:1] for name in entry.get("values", ())]
    costs = [name for name in costs if name not in front]
    rows = [
        [
            f"{entry['table']}/{entry['task']}",
            _searcher(entry),
            entry["architecture"],
            *(f"{value:.6g}" for value in _values(entry).values()),
            *(_number(entry["costs"].get(name)) for name in costs),
        ]
        for entry in found
    ]
    columns = ("table", "searcher", "architecture", *(front or ["searched value"]), *costs)
    if front:
        text = "The front of each searcher over all trials, by the values that searches see"
        leading = []
    else:
        best = [id(entry) for entry in best_of_each_task(found)]
        leading = [k for k, entry in enumerate(found) if id(entry) in best]
        text = (
            "The best architecture of each searcher over all trials, by the value that searches see"
        )
    text += ", and what the table knows of it before training."
    drawn = found_picture(found, graphs)
    return Section.of("Found", TextTable(columns, rows, leading), text, [drawn] if drawn else [])


def few_of(found: Sequence[Row], most: int = _DRAWN) -> list[Row]:
    """Some of what was found, each architecture of a task once.

    They are the best of each task first, or those at even steps along the fronts.
    """
    each = list({(e["table"], e["task"], e["architecture"]): e for e in found}.values())
    if not any("values" in entry for entry in each):
        best = [id(entry) for entry in best_of_each_task(each)]
        return sorted(each, key=lambda entry: id(entry) not in best)[:most]
    name = next(iter(each[0]["values"]))
    each.sort(key=lambda entry: float(entry["values"].get(name, 0.0)))
    places = np.linspace(0, len(each) - 1, min(most, len(each))).round().astype(int)
    return [each[k] for k in dict.fromkeys(places.tolist())]


def graphs_of(space: Space, found: Sequence[Row]) -> dict[str, Any]:
    """Graphs of a few found architectures by name, of those that have one which can be looked at.

    Parameters
    ----------
    space : Space
    found : sequence of dict
        With ``architecture``.
    """
    names = [entry["architecture"] for entry in few_of(found)]
    graphs = [architecture_graph(space, code) for code in space.parse(names)] if names else []
    # The line of variables of a space without structure says no more than its name.
    least = 2 if space.cell is None else 1
    return {
        name: {"nodes": graph.nodes, "colours": graph.colours, "edges": graph.edges}
        for name, graph in zip(names, graphs, strict=True)
        if graph is not None and least <= graph.rows and max(graph.layers) < _LAYERS
    }


def found_picture(found: Sequence[Row], graphs: Mapping[str, Any]) -> Picture | None:
    """Picture of the graphs of a few found architectures, a panel each; None if there are none."""
    panels = []
    for entry in few_of([e for e in found if e["architecture"] in graphs]):
        kept = graphs[entry["architecture"]]
        edges = [(int(a), int(b), str(label)) for a, b, label in kept["edges"]]
        graph = Drawn("", kept["nodes"], kept["colours"], edges)
        values = {**_values(entry), **entry["costs"]}
        numbers = "; ".join(f"{n} {v:.6g}".strip() for n, v in values.items() if _is_number(v))
        where = f"{entry['table']}/{entry['task']}: " if entry["table"] else ""
        flow = ", ".join(f"{graph.nodes[a]} to {graph.nodes[b]}" for a, b, _ in edges)
        wide = graph.rows > _ABREAST
        height = 0.048 * (graph.rows + 1) if wide else 0.13 * (max(graph.layers) + 1.4)
        panels.append(
            Panel(
                f"{where}{_searcher(entry)}",
                f"Graph of {entry['architecture']}: {flow}. {numbers}.",
                partial(_draw_found, graph=graph, downward=not wide),
                height,
                f"{numbers}. {entry['architecture']}",
                wide,
            )
        )
    return Picture("found", "Architectures that were found", panels) if panels else None


def _draw_found(axis: Axes, *, graph: Drawn, downward: bool) -> None:
    """Draw the graph of one architecture, as large as the letters of its figure are."""
    draw_graph(axis, graph, size=0.85 * float(axis.xaxis.label.get_fontsize()), downward=downward)


def _values(entry: Row) -> Mapping[str, float]:
    """Searched values of an entry by name."""
    values: Mapping[str, float] = entry.get("values") or {"value": entry["value"]}
    return values


def _searcher(entry: Mapping[str, Any]) -> str:
    guide = f" + {entry['predictor']}" if entry["predictor"] else ""
    return f"{entry['searcher']}{guide}"


def _number(value: float | None) -> str:
    return f"{value:.6g}" if _is_number(value) else ""
