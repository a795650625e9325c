"""Searches for several objectives on tables: hypervolume and Pareto fronts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...benchmarks.intervals import Interval, interval
from ...benchmarks.objectives import Problem
from ...benchmarks.quantities import ManyObjectives, many_objectives
from ...benchmarks.studies import (
    Parts,
    Row,
    Section,
    TextTable,
    grouped,
    interval_text,
    listed,
    mean_text,
)
from ...data.types import Values
from ...errors import ParameterError
from ..loop import Trace
from ..pareto import Scale, front_history, hypervolume_curve, non_dominated
from .found import address_of, front_found, front_tables
from .options import SearchOptions
from .pictures import fronts_picture, references, volumes_picture
from .searches import MARKS, ContenderSearches, SearchedEntry, trials_text
from .units import QueryRow, TrialUnit

_CLOUD = 1500  # architectures that a picture shows beside the fronts


class FrontRow(QueryRow):
    """One query of one search for several objectives, in the table's units."""

    feasible: Annotated[bool, "whether it meets every constraint"]


class FrontEntry(SearchedEntry):
    """One searcher for several objectives on one task, over trials."""

    objectives: Annotated[list[str], "their names, as they were given"]
    searched: Annotated[dict[str, str], "column of each objective that searches see"]
    reported: Annotated[dict[str, str], "column of each by which they are judged"]
    directions: Annotated[dict[str, str], "which way each is better, and what says so"]
    architectures: Annotated[int, "those that meet the constraints"]
    ideal: Annotated[dict[str, float], "best value of each on the true front of searched values"]
    nadir: Annotated[dict[str, float], "worst value of each there"]
    reference_point: Annotated[dict[str, float], "that of the hypervolume of searched values"]
    reported_reference_point: Annotated[dict[str, float], "that of the reported ones"]
    selected_share: Annotated[
        Interval,
        "hypervolume of the reported values of the front selected by the searched ones, divided by "
        "that of the front of all reported values",
    ]
    hypervolume: Annotated[
        Interval,
        "that of the searched values, the objectives scaled to 1 (ideal) and 0 (nadir), against "
        "the point at -0.1",
    ]
    hypervolume_share: Annotated[Interval, "``hypervolume`` divided by ``true_hypervolume``"]
    hypervolume_share_at: Annotated[
        dict[str, Interval], "the same after 25, 50, 100 and 200 queries"
    ]
    true_hypervolume: Annotated[float, "that of the true front of the searched values"]
    front_size: Annotated[Interval, "architectures on the front of a search"]
    true_front_size: Annotated[int, "architectures on the true front"]
    true_front_found: Annotated[Interval, "share of the true front that was evaluated"]
    infeasible: Annotated[int, "evaluations outside the constraints, over all trials"]


@dataclass(frozen=True)
class FrontUnit(TrialUnit[ManyObjectives]):
    """One trial of one searcher on one task with several objectives."""

    @property
    def objectives(self) -> dict[str, Any]:
        """Number of objectives and bounds, as searchers take them."""
        return {"n_objectives": len(self.task.objectives), "bounds": self.task.bounds}

    @property
    def told(self) -> tuple[tuple[str, ...], tuple[float, ...]]:
        """Objectives, then what has bounds."""
        objectives, bounded = self.task.objectives, self.task.told
        names = (*(q.name for q in objectives), *(q.name for q, _ in bounded))
        signs = (*(q.sign for q in objectives), *(-1.0 if c.upper else 1.0 for _, c in bounded))
        return names, signs

    @property
    def identity(self) -> dict[str, Any]:
        """Table, searched columns and bounds."""
        return {
            "table": self.task.table.digest,
            "objectives": [quantity.label for quantity in self.task.objectives],
            "bounds": [None if bound == -np.inf else bound for bound in self.task.bounds],
        }

    def columns(self, trace: Trace) -> dict[str, NDArray[Any]]:
        """Feasibility, then searched and reported values of each objective."""
        values = trace.values.reshape(len(trace.values), -1)
        reported = self.task.report(trace.codes)
        objectives = list(enumerate(self.task.objectives))
        return {
            "feasible": np.asarray((values >= np.asarray(self.task.bounds)).all(axis=1)),
            **{q.name: q.sign * values[:, k] for k, q in objectives},
            **{f"reported_{q.name}": q.sign * reported[:, k] for k, q in objectives},
        }


class TrueFront:
    """Measure of the searches of a task against the Pareto fronts of its table.

    Parameters
    ----------
    problem : ManyObjectives
    budget : int
    """

    def __init__(self, problem: ManyObjectives, budget: int) -> None:
        self.problem, self.budget = problem, budget
        searched, reported = problem.search_values, problem.report_values
        front = non_dominated(searched)
        self.rows = problem.feasible_rows[front]
        self.front = searched[front]
        self.scale = Scale.of(self.front)
        reported_front = reported[non_dominated(reported)]
        self.reported_scale = Scale.of(reported_front)
        self.volume = self.scale.hypervolume(self.front)
        self.reported_volume = self.reported_scale.hypervolume(reported_front)

    def __call__(self, rows: Sequence[Row]) -> tuple[Row, Row]:
        """Summary and curves of all trials of one searcher."""
        trials = grouped(rows, "trial")
        measured = [self._measure(trials[trial]) for trial in sorted(trials)]
        return self._summary(measured), self._curves(measured)

    def _measure(self, rows: Sequence[Row]) -> dict[str, Any]:
        """Curves and front of one trial."""
        rows = sorted(rows, key=lambda row: int(row["query"]))
        names, signs = zip(*((q.name, q.sign) for q in self.problem.objectives), strict=True)
        searched, reported = (
            np.array([[row[f"{prefix}{name}"] for name in names] for row in rows], dtype=float)
            * np.array(signs)
            for prefix in ("", "reported_")
        )
        feasible = np.array([row["feasible"] for row in rows], dtype=bool)
        failed = np.isnan(searched).any(axis=1)
        history = front_history(searched, feasible)
        codes = self.problem.space.parse([row["architecture"] for row in rows])
        return {
            "hypervolume": hypervolume_curve(searched, history, self.scale),
            "selected": hypervolume_curve(reported, history, self.reported_scale),
            "front": searched[history[-1]],
            "names": [rows[k]["architecture"] for k in history[-1]],
            "evaluated": float(np.isin(self.rows, self.problem.table.rows(codes)).mean()),
            "failures": int(failed.sum()),
            "infeasible": int((~feasible & ~failed).sum()),
            "seconds": float(sum(row["search_seconds"] for row in rows)),
        }

    def _summary(self, measured: Sequence[Mapping[str, Any]]) -> Row:
        """Summary of one searcher."""
        problem, budget = self.problem, self.budget
        volume = np.stack([one["hypervolume"] for one in measured])
        selected = np.stack([one["selected"] for one in measured])

        def named(values: Values) -> dict[str, float]:
            pairs = zip(problem.objectives, values, strict=True)
            return {q.name: float(q.sign * value) for q, value in pairs}

        return {
            "objectives": [q.name for q in problem.objectives],
            "searched": {q.name: q.label for q in problem.objectives},
            "reported": {q.name: q.report_label for q in problem.objectives},
            "directions": {q.name: q.direction for q in problem.objectives},
            "architectures": len(problem.feasible_rows),
            "ideal": named(self.scale.ideal),
            "nadir": named(self.scale.nadir),
            "reference_point": named(self.scale.reference),
            "reported_reference_point": named(self.reported_scale.reference),
            "budget": budget,
            "trials": len(measured),
            "selected_share": _share(selected[:, -1] / self.reported_volume),
            "hypervolume": interval(volume[:, -1], least=0),
            "hypervolume_share": _share(volume[:, -1] / self.volume),
            "hypervolume_share_at": {
                str(q): _share(volume[:, q - 1] / self.volume) for q in MARKS if q <= budget
            },
            "true_hypervolume": self.volume,
            "front_size": interval([len(one["front"]) for one in measured], least=0),
            "true_front_size": len(self.front),
            "true_front_found": _share([one["evaluated"] for one in measured]),
            "failures": sum(one["failures"] for one in measured),
            "infeasible": sum(one["infeasible"] for one in measured),
            "search_seconds": interval([one["seconds"] for one in measured], least=0),
        }

    def _curves(self, measured: Sequence[Mapping[str, Any]]) -> Row:
        """Contents of the pictures of one searcher, in published units."""
        problem = self.problem
        volume = np.stack([one["hypervolume"] for one in measured]) / self.volume
        selected = np.stack([one["selected"] for one in measured]) / self.reported_volume
        median = int(np.argsort(volume[:, -1], kind="stable")[(len(volume) - 1) // 2])
        signs = np.array([q.sign for q in problem.objectives])
        values = problem.search_values
        some = np.random.default_rng(0).permutation(len(values))[:_CLOUD]
        return {
            "objectives": [q.label for q in problem.objectives],
            "hypervolume": [_share(column) for column in volume.T],
            "selected": [_share(column) for column in selected.T],
            "span": 1.0,
            "final": selected[:, -1].tolist(),
            "front": (signs * measured[median]["front"]).tolist(),
            "front_names": measured[median]["names"],
            "true_front": (signs * self.front).tolist(),
            "cloud": (signs * values[some]).tolist(),
        }


def _share(values: ArrayLike) -> Interval:
    """Mean share over trials and its interval, between 0 and 1."""
    return interval(values, least=0, most=1)


class FrontsStudy(ContenderSearches[ManyObjectives]):
    """Searches for the Pareto front of several objectives on tables.

    A search sees the searched columns only. ``selected`` measures the reported values of its front
    against the front of all reported values; ``hypervolume`` the searched values against theirs.

    Parameters
    ----------
    options : SearchOptions
        With ``objectives``.
    contenders : sequence of Contender
        Whose factories take ``n_objectives`` and ``bounds``.

    Raises
    ------
    ParameterError, UnknownNameError, InfeasibleError
        As ``ContenderSearches``; also if there are not two different objectives, or ``metric`` is
        none of them.
    """

    kind = "fronts"
    folder_kind = "search"
    title = "Searches for several objectives"
    command = "search --objectives"
    row = FrontRow
    entry = FrontEntry
    unit_class = FrontUnit
    judge_class = TrueFront
    headings = (
        "selected share",
        "hypervolume share",
        "hypervolume",
        "front",
        "true front found",
        "infeasible",
        "own seconds",
    )
    leads = "selected_share"
    on_the_way = (
        "hypervolume_share_at",
        "Hypervolume share on the way",
        "the searched values",
    )
    lead = ("Largest share of the true front's hypervolume", "on {0} {1}, {2}")
    made = ("objectives", "reported", "constraints")
    modules = ("pymoo.algorithms.moo.nsga2",)

    def task_of(self, problem: Problem, options: SearchOptions) -> ManyObjectives:
        """Table's task with its objectives and constraints."""
        names = options.objectives or ()
        many = many_objectives(
            problem, listed(names) if isinstance(names, str) else names, options.constraints
        )
        quantities = [*many.objectives, *(quantity for quantity, _ in many.told)]
        if options.metric and str(problem.search_column) not in {q.label for q in quantities}:
            raise ParameterError(
                f"--metric {options.metric} is none of the objectives: leave it out, or name it in "
                "--objectives too"
            )
        return many

    @classmethod
    def found(cls, task: ManyObjectives, rows: Sequence[Row]) -> list[Row]:
        """Front of one searcher over its trials."""
        return front_found(task, rows)

    def asked(self) -> dict[str, Any]:
        """Searched and reported columns of each task, and the constraints."""
        return {
            "objectives": {p.address: {q.name: q.label for q in p.objectives} for p in self.tasks},
            "reported": {
                p.address: {q.name: q.report_label for q in p.objectives} for p in self.tasks
            },
            "constraints": self.constraints,
        }

    @classmethod
    def columns(cls) -> dict[str, str]:
        """Columns of ``rows.parquet`` and what each means; those of objectives have their names."""
        return {
            **super().columns(),
            "NAME": "searched value of the objective of that name",
            "reported_NAME": "its reported value",
        }

    @classmethod
    def cells(cls, entry: Mapping[str, Any]) -> list[str]:
        """Cells of one entry of the summary."""
        on_front = entry["true_front_found"]["mean"] * entry["true_front_size"]
        return [
            interval_text(entry["selected_share"]),
            interval_text(entry["hypervolume_share"]),
            mean_text(entry["hypervolume"]),
            mean_text(entry["front_size"], digits=1),
            f"{on_front:.1f}/{entry['true_front_size']}",
            str(entry["infeasible"]),
            f"{entry['search_seconds']['mean']:.2f}",
        ]

    @classmethod
    def tables_of(cls, found: Parts) -> list[TextTable]:
        """Searchers, and the front of each task."""
        # Folders of before it was kept, or of which way is better, have none.
        kept = found.get("found") if "directions" in found["summary"][0] else None
        fronts = front_tables(kept, found["summary"]) if kept else []
        return [cls.table_of(found), *fronts]

    @classmethod
    def notes(cls, found: Parts) -> list[str]:
        """Reference points, what the objectives are, and how the numbers were made."""
        about = found["about"]
        lines = references(found["summary"])
        directions = {address_of(e): e.get("directions", {}) for e in found["summary"]}
        for task, labels in about["objectives"].items():
            reported = about["reported"][task]
            parts = (
                (label if label == reported[name] else f"{label} (reported: {reported[name]})")
                + (f", {said}" if (said := directions.get(task, {}).get(name)) else "")
                for name, label in labels.items()
            )
            lines.append(f"{task}: {'; '.join(parts)}")
        lines.append(
            f"{trials_text(about)}; shares are of the true front's hypervolume, over the reported "
            "values of the selected front (selected) and over the searched values"
        )
        return lines

    @classmethod
    def sections(cls, found: Parts, table: TextTable) -> list[Section]:
        """Fronts, curves of the hypervolume, and the table."""
        limits = " and ".join(found["about"]["constraints"])
        return [
            Section(
                "Fronts",
                "Black: the true Pareto front of the table, by the values that searches see; grey: "
                "other architectures. Rings: the front that each searcher found in its median "
                "trial." + (f" Only what meets {limits} counts." if limits else ""),
                [fronts_picture(found["curves"])],
            ),
            *cls.found_sections(found),
            Section(
                "Hypervolume against evaluations",
                "Share of the true front's hypervolume, mean over trials. Solid: the reported "
                "values of the front that the search would select by the values it sees, against "
                "the front of all reported values, with a 95 % interval of five trials or more. "
                "Dotted: the values it sees, against their own front.",
                [volumes_picture(found["curves"])],
            ),
            Section.of(
                "After the whole budget",
                table,
                "Hypervolume is of objectives scaled so that the true front spans 0 (nadir) to 1 "
                "(ideal), against the point at -0.1. "
                f"{'. '.join(references(found['summary']))}.",
            ),
        ]
