"""Units of a search study: one search each, in a journal, a database or simulated time."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...benchmarks.studies import Journal, Progress, Row, bound, in_parallel
from ...errors import StoppedError
from ..base import Searcher
from ..loop import Objective, Trace, run
from ..store import opened, run_stored

Work = Callable[..., list[Row] | None]


@dataclass(frozen=True)
class Settings:
    """How every search of a study is run.

    Attributes
    ----------
    budget, batch, seed : int
    until : float or None
        By ``time.time()``, when no further batch is begun.
    storage, name : str or None
        Where each search is kept as an Optuna study, and how the names of these begin.
    workers : int or None
        Workers of a simulated search.
    goal : float or None
        A value at which a search ends before its budget; not for one kept in a database.
    """

    budget: int
    batch: int
    seed: int
    until: float | None = None
    storage: str | None = None
    name: str | None = None
    workers: int | None = None
    goal: float | None = None

    def trial_seed(self, trial: int) -> int:
        """Return the seed of a trial's searchers."""
        return int(np.random.default_rng([self.seed, trial]).integers(2**31))


def until(timeout: float | None) -> float | None:
    """Return the time of the day, in seconds, at which a timeout ends."""
    return None if timeout is None else time.time() + timeout


def searched(
    searcher: Searcher,
    objective: Objective,
    settings: Settings,
    *,
    study: str,
    about: Mapping[str, Any],
) -> Trace | None:
    """Run one search and return its trace, or None if the time was up before its end.

    ``study`` is its name without the beginning that all studies share, ``about`` what tells it from
    another search.
    """
    left = None if settings.until is None else settings.until - time.time()
    limits: dict[str, Any] = {
        "budget": settings.budget,
        "batch": settings.batch,
        "timeout": left,
    }
    if settings.storage is None:
        trace = run(searcher, objective, goal=settings.goal, **limits)
    else:
        trace = run_stored(
            searcher,
            objective,
            storage=settings.storage,
            study=f"{settings.name}/{study}",
            about={"batch": settings.batch, "seed": settings.seed, **about},
            **limits,
        )
    reached = settings.goal is not None and (trace.values >= settings.goal).any()
    if len(trace.values) < settings.budget and not reached:
        return None
    kept = slice(settings.budget)  # a study may hold a search that went on further
    return Trace(trace.codes[kept], trace.values[kept], trace.seconds[kept])


def run_units(
    journal: Journal,
    units: Mapping[str, tuple[Any, ...]],
    work: Work,
    settings: Settings,
    *,
    jobs: int,
    prepare: Callable[[], None],
    progress: Progress | None,
) -> list[Row]:
    """Run units with their journal, or without where each is kept in a database; return all rows.

    Raises
    ------
    StoppedError
        If the time was up.
    """
    if settings.storage is None:
        return journal.run(bound(units, work), jobs=jobs, prepare=prepare, progress=progress)
    with opened(settings.storage):  # what is wrong with it shows here, and its tables are made once
        pass
    done: dict[str, list[Row]] = {}
    for name, rows in in_parallel(bound(units, work), jobs=jobs, prepare=prepare):
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
