"""Searches on tables, repeated over trials: curves, regret, and queries to the optimum."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..benchmarks.intervals import interval
from ..benchmarks.objectives import Problem
from ..benchmarks.study import (
    Progress,
    Row,
    Study,
    fingerprint,
    in_parallel,
    versions,
    write_rows,
)
from ..data.devices import one_thread
from ..data.spaces import Codes, Space
from ..errors import ParameterError, StoppedError
from ..predictors.base import Predictor
from .base import Searcher
from .loop import Trace, oracle_curve, queries_to_reach, run, selected_curve
from .storage import opened, run_stored, storage_of


class Factory(Protocol):
    """Makes a searcher; must be picklable."""

    def __call__(self, space: Space, *, pool: Codes | None, seed: int) -> Searcher:
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


@dataclass(frozen=True)
class Settings:
    """How every search of a study is run.

    Attributes
    ----------
    budget, batch, seed : int
    until : float or None
        By ``time.time()``, when no further batch is started.
    storage, name : str or None
        Where each search is kept as an Optuna study, and how the names of these begin.
    """

    budget: int
    batch: int
    seed: int
    until: float | None = None
    storage: str | None = None
    name: str | None = None


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
    budget: int = 100,
    trials: int = 20,
    batch: int = 5,
    seed: int = 0,
    jobs: int = -1,
    timeout: float | None = None,
    storage: str | None = None,
    study: str | None = None,
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
    batch : int
        Architectures asked for at once; a guided search refits once per batch.
    seed : int
    jobs : int
        Processes; -1 is one per core.
    timeout : float, optional
        Seconds after which no further batch is started.
    storage : str, optional
        URL of a database in which every search is an Optuna study, ``STUDY/TABLE/TASK/SEARCHER/
        TRIAL``: stopped in the middle it goes on there, and several workers may run the same call
        at once. Otherwise a search that is stopped begins again.
    study : str, optional
        How the names of these studies begin.
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
    if not problems or not contenders or min(budget, trials, batch) < 1:
        raise ParameterError(
            "search needs at least one table, one searcher, and a budget, trials and batch above "
            f"0; received {len(problems)}, {len(contenders)}, {budget}, {trials} and {batch}"
        )
    for problem in problems:
        if budget > len(problem.rows):
            raise ParameterError(
                f"a budget of {budget} exceeds the {len(problem.rows)} measured architectures of "
                f"{problem.address}: lower --budget"
            )
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
        **({"study": study} if study else {}),
    }
    until = None if timeout is None else time.time() + timeout
    storage = storage_of(storage, study)
    settings = Settings(budget, batch, seed, until, storage, study)
    folder = out or Path("runs") / f"search-{fingerprint(about)}"
    journal = Study(folder, about, grows=("searchers", "trials"))
    units = {
        f"{p.address} {c.label} trial={trial}": (p, c, trial, settings)
        for trial in range(trials)
        for p in problems
        for c in contenders
    }
    prepare = partial(_preload, tuple(contenders), problems[0].space)
    if storage is None:
        rows = journal.run(units, _trial, jobs=jobs, prepare=prepare, progress=progress)
    else:
        rows = _run_stored(units, storage, jobs=jobs, prepare=prepare, progress=progress)
    write_rows(folder, rows)
    summary, curves = summarise(rows, problems, contenders, budget)
    return SearchStudy(summary, rows, curves, folder, {**about, "command": command})


def _preload(contenders: tuple[Contender, ...], space: Space) -> None:
    """Import what the predictors need, so that no timing includes it."""
    for contender in contenders:
        predictor = getattr(contender.factory(space, pool=None, seed=0), "predictor", None)
        if isinstance(predictor, Predictor):
            predictor.preload()


def _run_stored(
    units: dict[str, tuple[Any, ...]],
    storage: str,
    *,
    jobs: int,
    prepare: Callable[[], None],
    progress: Progress | None,
) -> list[Row]:
    """Run the units without a journal, for each is kept in the storage; return their rows."""
    with opened(storage):  # what is wrong with it shows here, and its tables are made once
        pass
    done: dict[str, list[Row]] = {}
    for name, rows in in_parallel(units, _trial, jobs=jobs, prepare=prepare):
        if rows is not None:
            done[name] = rows
            if progress:
                progress(len(done), len(units), name)
    if len(done) < len(units):
        raise StoppedError(
            f"stopped at the time limit, {len(done)} of {len(units)} searches are complete and all "
            "evaluations are kept: the same command again goes on from there"
        )
    return [row for name in units for row in done[name]]


def _trial(
    problem: Problem, contender: Contender, trial: int, settings: Settings
) -> list[Row] | None:
    """Run one search; the work of one unit. Return None if the time was up before its end."""
    with one_thread():
        trace = _searched(problem, contender, trial, settings)
    if len(trace.values) < settings.budget:
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
        }
        for query, architecture in enumerate(problem.space.format(trace.codes[: settings.budget]))
    ]


def _searched(problem: Problem, contender: Contender, trial: int, settings: Settings) -> Trace:
    """Return what one search has found when it ends."""
    pool = problem.codes if len(problem.codes) < problem.space.size else None
    child = int(np.random.default_rng([settings.seed, trial]).integers(2**31))
    searcher = contender.factory(problem.space, pool=pool, seed=child)
    timeout = None if settings.until is None else settings.until - time.time()
    if settings.storage is None:
        return run(
            searcher,
            problem.search,
            budget=settings.budget,
            batch=settings.batch,
            timeout=timeout,
        )
    guided = f"+{contender.predictor}" if contender.predictor else ""
    return run_stored(
        searcher,
        problem.search,
        storage=settings.storage,
        study=f"{settings.name}/{problem.address}/{contender.searcher}{guided}/{trial}",
        budget=settings.budget,
        batch=settings.batch,
        about={
            "table": problem.table.digest,
            "searched": problem.search_label,
            "batch": settings.batch,
            "seed": settings.seed,
        },
        timeout=timeout,
    )


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
            looked = _by_trial(members, "search_value")
            reported = _by_trial(members, "report_value")
            selected, oracle = selected_curve(looked, reported), oracle_curve(reported)
            optimum = float(problem.search_values.max())
            best = float(problem.report_values.max())
            reached = queries_to_reach(looked, optimum)
            # The searched value of the incumbent is the running best itself.
            search_regret = optimum - np.fmax.accumulate(looked, axis=1)[:, -1]
            own = _by_trial(members, "search_seconds").sum(axis=1)
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
                    "failures": int(np.isnan(looked).sum()),
                    "search_seconds": interval(own),
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


def _by_trial(rows: Sequence[Row], measure: str) -> NDArray[np.float64]:
    """Return one measure as an array of shape (trials, queries)."""
    trials: dict[int, list[tuple[int, float]]] = {}
    for row in rows:
        value = np.nan if row[measure] is None else row[measure]
        trials.setdefault(row["trial"], []).append((row["query"], value))
    return np.array([[v for _, v in sorted(trials[t])] for t in sorted(trials)], dtype=float)
