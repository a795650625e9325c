"""Searches on tables, repeated over trials: curves, regret, and queries to the optimum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ...benchmarks.intervals import interval
from ...benchmarks.objectives import Problem
from ...benchmarks.studies import (
    Journal,
    Progress,
    Row,
    fingerprint,
    versions,
    write_rows,
)
from ...data.devices import one_thread
from ...data.spaces import Codes, Space
from ...errors import ParameterError
from ...predictors.base import Predictor
from ..base import Searcher
from ..loop import oracle_curve, queries_to_reach, selected_curve
from ..store import storage_of
from .asynchronous import run_simulated
from .units import Settings, run_units, searched, until


class Factory(Protocol):
    """Makes a searcher; must be picklable."""

    def __call__(
        self, space: Space, *, pool: Codes | None, seed: int, **objectives: Any
    ) -> Searcher:
        """Return a searcher for ``space``, limited to the architectures of ``pool``."""
        ...


@dataclass(frozen=True)
class Contender:
    """A searcher in a study: its name, the predictor that guides it, how it is made."""

    searcher: str
    predictor: str | None
    factory: Factory

    @property
    def label(self) -> str:
        """Name of searcher and predictor, for pictures."""
        return f"{self.searcher} + {self.predictor}" if self.predictor else self.searcher

    @property
    def path(self) -> str:
        """Name of searcher and predictor, for the names of Optuna studies."""
        return self.label.replace(" ", "")


@dataclass(frozen=True)
class SearchStudy:
    """What ``search_tables`` found.

    Attributes
    ----------
    summary : list of dict
        One entry per task and searcher.
    rows : list of dict
        One entry per query.
    curves : list of dict
        Per task and searcher ``selected`` and ``oracle`` after each query, with intervals.
    folder : Path
    about : dict
    """

    summary: list[Row]
    rows: list[Row]
    curves: list[Row]
    folder: Path
    about: dict[str, Any]


def search_tables(
    problems: Sequence[Problem],
    contenders: Sequence[Contender],
    *,
    budget: int,
    trials: int,
    constraints: Sequence[str] = (),
    batch: int = 5,
    seed: int = 0,
    jobs: int = -1,
    timeout: float | None = None,
    storage: str | None = None,
    study: str | None = None,
    workers: int | None = None,
    out: Path | None = None,
    command: str = "",
    progress: Progress | None = None,
) -> SearchStudy:
    """Run every searcher on every task ``trials`` times and return how they did.

    A search sees the searched column only (validation accuracy where there is one); ``selected``
    is the reported column of its incumbent, ``oracle`` the best reported value among all it
    evaluated, which no search could pick.

    Parameters
    ----------
    problems : sequence of Problem
    contenders : sequence of Contender
    budget : int
        Architectures evaluated per trial.
    trials : int
    constraints : sequence of str
        Those that the problems were limited by, as they were given.
    batch : int
        Architectures asked for at once; a guided search refits once per batch.
    seed : int
    jobs : int
        Processes; -1 is one per core.
    timeout : float, optional
        Seconds after which no further batch is begun.
    storage : str, optional
        Database in which every search is an Optuna study: one that was stopped goes on there, and
        several workers may run the same call at once. Otherwise it begins again.
    study : str, optional
        How the names of these studies begin: ``STUDY/TABLE/TASK/SEARCHER+PREDICTOR/TRIAL``.
    workers : int, optional
        Asynchronous workers in simulated time, of which the summary then tells; the table has to
        know how long training takes.
    out : Path, optional
        Folder of the study; by default ``runs/search-XXXXXXXX``. One that is there goes on,
        also with other searchers or trials: what it has of them is used, and all it has is kept.
    command : str
    progress : callable, optional

    Raises
    ------
    ParameterError
        If budget, trials or batch are not positive, the budget exceeds a table, nothing is
        searched, or ``out`` holds another study.
    StoppedError
        If the time was up.
    """
    check_request(problems, contenders, budget, trials, batch, constraints)
    about = {
        "kind": "search",
        "tables": {p.address: p.table.digest for p in problems},
        "searched": {p.address: p.search_label for p in problems},
        "reported": {p.address: p.report_label for p in problems},
        "searchers": [contender.label for contender in contenders],
        "budget": budget,
        "trials": trials,
        "batch": batch,
        "seed": seed,
        "versions": versions(),
        **({"constraints": list(constraints)} if constraints else {}),
        **({"study": study} if study else {}),
        **({"workers": workers} if workers else {}),
    }
    if workers and (storage or study):
        raise ParameterError("simulated workers keep no database: leave --storage and --study out")
    settings = Settings(
        budget, batch, seed, until(timeout), storage_of(storage, study), study, workers
    )
    if workers:
        for problem in problems:
            problem.training_seconds(problem.codes[:1])  # refused here if the table has none
    folder = out or Path("runs") / f"search-{fingerprint(about)}"
    journal = Journal(folder, about, grows=("searchers", "trials"))
    units = trial_units(problems, contenders, trials, settings)
    prepare = partial(_preload, tuple(contenders), problems[0].space)
    rows = run_units(
        journal, units, trial_rows, settings, jobs=jobs, prepare=prepare, progress=progress
    )
    write_rows(folder, rows)
    summary, curves = summarise(rows, problems, contenders, budget)
    return SearchStudy(summary, rows, curves, folder, {**about, "command": command})


class Task(Protocol):
    """What a study searches: a ``Problem`` or several objectives of one."""

    @property
    def address(self) -> str:
        """``TABLE/TASK``."""

    @property
    def codes(self) -> Codes:
        """Codes of the architectures that may be proposed."""


def check_request(
    problems: Sequence[Task],
    contenders: Sequence[Contender],
    budget: int,
    trials: int,
    batch: int,
    constraints: Sequence[str] = (),
) -> None:
    """Check that a study can be run.

    Raises
    ------
    ParameterError
        If a number is not positive, nothing is searched, or the budget exceeds a table.
    """
    if not problems or not contenders or min(budget, trials, batch) < 1:
        raise ParameterError(
            "search needs at least one table, one searcher, and a budget, trials and batch above "
            f"0; received {len(problems)}, {len(contenders)}, {budget}, {trials} and {batch}"
        )
    within = f" that meet {' and '.join(constraints)}" if constraints else ""
    for problem in problems:
        if budget > len(problem.codes):
            raise ParameterError(
                f"a budget of {budget} exceeds the {len(problem.codes)} measured architectures of "
                f"{problem.address}{within}: lower --budget"
            )


def trial_units(
    problems: Sequence[Task], contenders: Sequence[Contender], trials: int, settings: Settings
) -> dict[str, tuple[Any, ...]]:
    """Return the units of a study: a trial of a contender on a task, by name, with arguments."""
    return {
        f"{p.address} {c.label} trial={trial}": (p, c, trial, settings)
        for trial in range(trials)
        for p in problems
        for c in contenders
    }


def _preload(contenders: tuple[Contender, ...], space: Space) -> None:
    """Import what the predictors need, so that no timing includes it."""
    for contender in contenders:
        predictor = getattr(contender.factory(space, pool=None, seed=0), "predictor", None)
        if isinstance(predictor, Predictor):
            predictor.preload()


def trial_rows(
    problem: Problem, contender: Contender, trial: int, settings: Settings
) -> list[Row] | None:
    """Run one search; the work of one unit. Return None if the time was up before its end."""
    pool = problem.codes if len(problem.codes) < problem.space.size else None
    searcher = contender.factory(problem.space, pool=pool, seed=settings.trial_seed(trial))
    ended = None
    with one_thread():
        if settings.workers is None:
            trace = searched(
                searcher,
                problem.search,
                settings,
                study=f"{problem.address}/{contender.path}/{trial}",
                about={"table": problem.table.digest, "searched": problem.search_label},
            )
        else:
            trace, ended = run_simulated(
                searcher,
                problem.search,
                problem.training_seconds,
                budget=settings.budget,
                workers=settings.workers,
            )
    if trace is None:
        return None
    report = problem.report(trace.codes)
    return [
        {
            "table": problem.table.name,
            "task": problem.task,
            "searcher": contender.searcher,
            "predictor": contender.predictor,
            "trial": trial,
            "query": query,
            "architecture": architecture,
            "search_value": trace.values[query],
            "report_value": report[query],
            "search_seconds": trace.seconds[query],
            **({} if ended is None else {"ended_at": ended[query]}),
        }
        for query, architecture in enumerate(problem.space.format(trace.codes))
    ]


def summarise(
    rows: Sequence[Row], problems: Sequence[Problem], contenders: Sequence[Contender], budget: int
) -> tuple[list[Row], list[Row]]:
    """Return the summary and the curves of all searches, one entry per task and searcher."""
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        key = (row["table"], row["task"], row["searcher"], row["predictor"])
        groups.setdefault(key, []).append(row)
    summary, curves = [], []
    for problem in problems:
        for contender in contenders:
            shared = {
                "table": problem.table.name,
                "task": problem.task,
                "searcher": contender.searcher,
                "predictor": contender.predictor,
            }
            members = groups[tuple(shared.values())]
            looked = by_trial(members, "search_value", budget)
            reported = by_trial(members, "report_value", budget)
            selected, oracle = selected_curve(looked, reported), oracle_curve(reported)
            optimum = float(problem.search_values.max())
            best = float(problem.report_values.max())
            reached = queries_to_reach(looked, optimum)
            # The searched value of the incumbent is the running best itself.
            search_regret = optimum - np.fmax.accumulate(looked, axis=1)[:, -1]
            own = by_trial(members, "search_seconds", rest=0.0).sum(axis=1)
            summary.append(
                {
                    **shared,
                    "searched": problem.search_label,
                    "reported": problem.report_label,
                    "budget": budget,
                    "trials": len(looked),
                    "selected": interval(selected[:, -1]),
                    "oracle": interval(oracle[:, -1]),
                    "regret": interval(best - selected[:, -1]),
                    "search_regret": interval(search_regret),
                    "regret_at": {
                        str(q): interval(best - selected[:, q - 1])
                        for q in (25, 50, 100, 200)
                        if q <= budget
                    },
                    "queries_to_optimum": {
                        "mean": float(reached.mean()),
                        "median": float(np.median(reached)),
                        "reached": int((reached <= budget).sum()),
                        "n": len(reached),
                    },
                    "failures": int(np.isnan(by_trial(members, "search_value", rest=0.0)).sum()),
                    "search_seconds": interval(own),
                    **_simulated(members),
                }
            )
            curves.append(
                {
                    **shared,
                    "label": contender.label,
                    "best": best,
                    "selected": [interval(selected[:, q]) for q in range(budget)],
                    "oracle": [interval(oracle[:, q]) for q in range(budget)],
                }
            )
    return summary, curves


def _simulated(rows: Sequence[Row]) -> Row:
    """Return when the searches ended, if they were in simulated time."""
    if "ended_at" not in rows[0]:
        return {}
    return {"simulated_seconds": interval(by_trial(rows, "ended_at").max(axis=1))}


def by_trial(
    rows: Sequence[Row], measure: str, queries: int | None = None, *, rest: float = np.nan
) -> NDArray[np.float64]:
    """Return one measure as an array of shape (trials, queries).

    ``rest`` stands after the end of a search that ended before the longest, or before ``queries``.
    """
    numbers = {trial: k for k, trial in enumerate(sorted({row["trial"] for row in rows}))}
    width = queries or 1 + max(row["query"] for row in rows)
    found = np.full((len(numbers), width), rest)
    for row in rows:
        value = row[measure]
        found[numbers[row["trial"]], row["query"]] = np.nan if value is None else value
    return found
