"""Searches for one objective on tables: curves, regret, and queries to the optimum."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np

from ...benchmarks.intervals import Interval, interval
from ...benchmarks.objectives import Problem
from ...benchmarks.quantities import constrained
from ...benchmarks.studies import (
    Parts,
    Row,
    Section,
    TextTable,
    interval_text,
)
from ...data.types import Values
from ..base import Searcher
from ..loop import Trace, oracle_curve, queries_to_reach, selected_curve
from .asynchronous import run_simulated
from .found import address_of, best_found, found_lines
from .options import SearchOptions
from .pictures import regret_section
from .searches import (
    MARKS,
    ContenderSearches,
    SearchedEntry,
    searcher_text,
    trials_text,
)
from .units import Contender, QueryRow, TrialUnit


class SearchRow(QueryRow, total=False):
    """One query of one search for one objective; values to be minimised are negated."""

    search_value: Annotated[float, "what the search was told; none if the evaluation failed"]
    report_value: Annotated[float, "what is reported of the architecture"]
    ended_at: Annotated[float, "second at which training ended, with simulated workers"]


class SearchEntry(SearchedEntry, total=False):
    """One searcher for one objective on one task, over trials."""

    searched: Annotated[str, "column that the search was told"]
    reported: Annotated[str, "column that is reported"]
    selected: Annotated[Interval, "reported value of the best architecture by the searched one"]
    oracle: Annotated[Interval, "best reported value evaluated, which no search could pick"]
    regret: Annotated[Interval, "how far ``selected`` is below the table's best"]
    search_regret: Annotated[Interval, "how far the best searched value is below the table's best"]
    regret_at: Annotated[dict[str, Interval], "``regret`` after 25, 50, 100 and 200 queries"]
    queries_to_optimum: Annotated[
        dict[str, float],
        "queries until the best searched value: mean, median, of how many trials that reached it; "
        "a trial that never did counts as budget + 1",
    ]
    simulated_seconds: Annotated[Interval, "when simulated workers had ended"]


@dataclass(frozen=True)
class SearchUnit(TrialUnit[Problem]):
    """One trial of one searcher on one task."""

    @property
    def identity(self) -> dict[str, Any]:
        """Table and searched column."""
        return {"table": self.task.table.digest, "searched": self.task.search_label}

    def columns(self, trace: Trace) -> dict[str, Values]:
        """Searched and reported values."""
        return {"search_value": trace.values, "report_value": self.task.report(trace.codes)}

    def search(
        self, searcher: Searcher, track: Callable[[Trace], None] | None
    ) -> tuple[Trace | None, Mapping[str, Values]]:
        """Trace of the search, in simulated time if it has workers."""
        if self.settings.workers is None:
            return super().search(searcher, track)
        trace, ended = run_simulated(
            searcher,
            self.task.search,
            self.task.training_seconds,
            budget=self.settings.budget,
            workers=self.settings.workers,
        )
        if track is not None:
            track(trace)
        return trace, {"ended_at": ended}


@dataclass(frozen=True)
class BestOfTable:
    """Measure of the searches of a task against the best values of its table."""

    problem: Problem
    budget: int

    def __call__(self, rows: Sequence[Row]) -> tuple[Row, Row]:
        """Summary and curves of all trials of one searcher."""
        problem, budget = self.problem, self.budget
        searched = by_trial(rows, "search_value", budget)
        reported = by_trial(rows, "report_value", budget)
        selected, oracle = selected_curve(searched, reported), oracle_curve(reported)
        optimum = float(problem.search_values.max())
        least, best = float(problem.report_values.min()), float(problem.report_values.max())
        reached = queries_to_reach(searched, optimum)
        seconds = by_trial(rows, "search_seconds", rest=0.0)
        summary = {
            "searched": problem.search_label,
            "reported": problem.report_label,
            "budget": budget,
            "trials": len(searched),
            "selected": interval(selected[:, -1], least=least, most=best),
            "oracle": interval(oracle[:, -1], least=least, most=best),
            "regret": interval(best - selected[:, -1], least=0),
            # The searched value of the incumbent is the best that was searched.
            "search_regret": interval(optimum - oracle_curve(searched)[:, -1], least=0),
            "regret_at": {
                str(q): interval(best - selected[:, q - 1], least=0) for q in MARKS if q <= budget
            },
            "queries_to_optimum": {
                "mean": float(reached.mean()),
                "median": float(np.median(reached)),
                "reached": int((reached <= budget).sum()),
                "n": len(reached),
            },
            "failures": int(np.isnan(by_trial(rows, "search_value", rest=0.0)).sum()),
            "search_seconds": interval(seconds.sum(axis=1), least=0),
        }
        if "ended_at" in rows[0]:
            summary["simulated_seconds"] = interval(by_trial(rows, "ended_at").max(axis=1), least=0)
        curves = {
            "best": best,
            "span": best - least or 1.0,  # of equal values there is no difference
            "final": selected[:, -1].tolist(),
            "selected": [interval(column, least=least, most=best) for column in selected.T],
            "oracle": [interval(column, least=least, most=best) for column in oracle.T],
        }
        return summary, curves


class SearchStudy(ContenderSearches[Problem]):
    """Searches for one objective on tables.

    A search sees the searched column only (validation accuracy where there is one); ``selected``
    is the reported column of its incumbent, ``oracle`` the best reported value among all it
    evaluated, which no search could pick.

    Parameters
    ----------
    options : SearchOptions
    contenders : sequence of Contender

    Raises
    ------
    ParameterError, UnknownNameError, InfeasibleError
        As ``ContenderSearches``; also if a table does not know how long training takes, and
        workers are to be simulated.
    """

    kind = "search"
    title = "Searches compared"
    command = "search"
    row = SearchRow
    entry = SearchEntry
    unit_class = SearchUnit
    judge_class = BestOfTable
    headings = ("selected", "regret", "oracle", "queries to optimum", "reached", "own seconds")
    leads = "selected"
    on_the_way = (
        "regret_at",
        "Regret on the way",
        "the selected architecture",
    )
    lead = ("Best", "on {0} {1}, {2}, regret {3}")
    made = ("searched", "reported")

    def __init__(self, options: SearchOptions, contenders: Sequence[Contender]) -> None:
        super().__init__(options, contenders)
        if options.workers:
            for problem in self.tasks:
                problem.training_seconds(problem.codes[:1])  # refused here if the table has none

    def task_of(self, problem: Problem, options: SearchOptions) -> Problem:
        """Table's task with the architectures that meet the constraints."""
        return constrained(problem, options.constraints)

    @classmethod
    def found(cls, task: Problem, rows: Sequence[Row]) -> list[Row]:
        """Best architecture of one searcher."""
        return best_found(task, rows)

    def asked(self) -> dict[str, Any]:
        """Searched and reported column of each task."""
        return searched_columns(self.tasks)

    @classmethod
    def cells(cls, entry: Mapping[str, Any]) -> list[str]:
        """Cells of one entry of the summary."""
        queries = entry["queries_to_optimum"]
        missed = queries["reached"] < queries["n"]
        return [
            interval_text(entry["selected"]),
            interval_text(entry["regret"]),
            interval_text(entry["oracle"]),
            (">" if missed else "") + f"{queries['mean']:.0f}",
            f"{queries['reached']}/{queries['n']}",
            f"{entry['search_seconds']['mean']:.2f}",
        ]

    @classmethod
    def notes(cls, found: Parts) -> list[str]:
        """What was found, simulated times, failures, and how the numbers were made."""
        about = found["about"]
        simulated = [
            f"{address_of(entry)}: {searcher_text(entry)} takes "
            f"{interval_text(entry['simulated_seconds'])} simulated seconds with "
            f"{about['workers']} workers"
            for entry in found["summary"]
            if "simulated_seconds" in entry
        ]
        failed = [
            f"{address_of(entry)}: {entry['failures']} evaluations of {searcher_text(entry)} failed"
            for entry in found["summary"]
            if entry["failures"]
        ]
        searched, reported = (
            ", ".join(dict.fromkeys(about[key].values())) for key in ("searched", "reported")
        )
        misses = f"a trial that misses the optimum counts {about['budget'] + 1} queries"
        made = f"{trials_text(about)}; searched: {searched}; reported: {reported}; {misses}"
        return [*found_lines(found.get("found", ())), *simulated, *failed, made]

    @classmethod
    def sections(cls, found: Parts, table: TextTable) -> list[Section]:
        """Curves of the regret, and the table."""
        about = found["about"]
        searched = ". ".join(
            f"On {task} searches look at {label}"
            + (
                ", which is also what is reported: oracle and selected coincide"
                if label == about["reported"][task]
                else f"; reported is {about['reported'][task]}"
            )
            for task, label in about["searched"].items()
        )
        text = (
            f"{searched}. A trial that never evaluates the optimum of the searched value counts as "
            f"{about['budget'] + 1} queries, so a mean over such trials is a lower bound (>); "
            "'reached' says how many did."
        )
        curves = regret_section(
            found["curves"],
            "How far the reported value lies below the best in the table, mean over trials. Solid: "
            "the architecture the search would select (best by the value it sees), with a 95 % "
            "interval of five trials or more. Dotted: the best reported value among all it "
            "evaluated (the oracle), which no search could pick.",
        )
        after = Section.of("After the whole budget", table, text)
        return [*cls.found_sections(found), curves, after]


def searched_columns(problems: Sequence[Problem]) -> dict[str, Any]:
    """Entries of a study's description that say what is searched and reported on each task."""
    return {
        "searched": {p.address: p.search_label for p in problems},
        "reported": {p.address: p.report_label for p in problems},
    }


def by_trial(
    rows: Sequence[Row], measure: str, queries: int | None = None, *, rest: float = np.nan
) -> Values:
    """One measure of all trials, shape (trials, queries).

    Parameters
    ----------
    rows : sequence of dict
        Of one searcher on one task.
    measure : str
        A column of numbers; None counts as NaN.
    queries : int, optional
        By default those of the longest search.
    rest : float
        Value after the end of a search that ended before.
    """
    numbers = {trial: k for k, trial in enumerate(sorted({row["trial"] for row in rows}))}
    width = queries or 1 + max(row["query"] for row in rows)
    values = np.full((len(numbers), width), rest)
    for row in rows:
        value = row[measure]
        values[numbers[row["trial"]], row["query"]] = np.nan if value is None else value
    return values
