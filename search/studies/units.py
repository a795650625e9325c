"""Units of studies of searches: one search each, kept in a journal or in a database."""

from __future__ import annotations

import importlib
import json
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Generic, Protocol, TypedDict, TypeVar

import numpy as np
from numpy.typing import NDArray

from ...benchmarks.objectives import Problem
from ...benchmarks.studies import Progress, Row, Unit, in_parallel
from ...data.devices import one_thread
from ...data.spaces import Codes, Space
from ...data.types import Values
from ...errors import StoppedError
from ...predictors.base import Predictor
from ..base import Searcher
from ..loop import Trace, Tracking, run, stored_key
from ..store import opened, run_stored
from .options import SearchOptions

FILES = ("rows.parquet", "summary.json", "report.html")
"""Files of a study that its trackers get."""
# A table's task for one objective or for several.
SearchTask = TypeVar("SearchTask", bound=Problem)


class SearcherFactory(Protocol):
    """Maker of a searcher; picklable."""

    def __call__(
        self, space: Space, *, pool: Codes | None, seed: int, **objectives: Any
    ) -> Searcher:
        """Searcher of a space, limited to the architectures of ``pool``."""
        ...


@dataclass(frozen=True)
class Contender:
    """A searcher in a study: its name, the predictor that guides it, how it is made.

    Attributes
    ----------
    several_objectives : bool
        Whether it takes several.
    code : str or None
        Checksum of classes of somebody's own.
    """

    searcher: str
    predictor: str | None
    factory: SearcherFactory
    several_objectives: bool = False
    code: str | None = None

    @property
    def label(self) -> str:
        """Name of searcher and predictor, for pictures."""
        return f"{self.searcher} + {self.predictor}" if self.predictor else self.searcher

    @property
    def path(self) -> str:
        """Name of searcher and predictor, for the names of Optuna studies."""
        return self.label.replace(" ", "")


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
    tracking : Tracking
        Who follows the searches.
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
    tracking: Tracking = field(default_factory=Tracking)

    def trial_seed(self, trial: int) -> int:
        """Seed of a trial's searchers."""
        return int(np.random.default_rng([self.seed, trial]).integers(2**31))


class QueryRow(TypedDict):
    """One query of one search: what the rows of all studies of searches have."""

    table: Annotated[str, "name of the table"]
    task: Annotated[str, "its task"]
    searcher: Annotated[str, "what searches"]
    predictor: Annotated[str | None, "what guides it"]
    trial: Annotated[int, "number of the search, from 0"]
    query: Annotated[int, "number of the evaluation, from 0"]
    architecture: Annotated[str, "what was evaluated"]
    search_seconds: Annotated[
        float, "time of the search itself; a batch's is shared by its architectures"
    ]


@dataclass(frozen=True)
class TrialUnit(ABC, Generic[SearchTask]):
    """One trial of one contender on one task; calling it gives a row per query."""

    task: SearchTask
    contender: Contender
    trial: int
    settings: Settings

    @property
    def objectives(self) -> dict[str, Any]:
        """Arguments of a searcher of several objectives."""
        return {}

    @property
    def study(self) -> str:
        """Name of the search in a database."""
        start = f"{self.settings.name}/{self.task.address}"
        return f"{start}/{self.contender.path}/{self.trial}"

    @property
    @abstractmethod
    def identity(self) -> dict[str, Any]:
        """Description that tells the search from others in a database, beside batch and seed."""

    @abstractmethod
    def columns(self, trace: Trace) -> Mapping[str, Sequence[Any] | NDArray[Any]]:
        """Columns of the rows that only this kind of study has."""

    @property
    def told(self) -> tuple[tuple[str, ...], tuple[float, ...]]:
        """Name of each column that a searcher is told, and -1 where its sign was turned."""
        column = self.task.search_column
        return (str(column),), (-1.0 if column.minimise else 1.0,)

    def search(
        self, searcher: Searcher, track: Callable[[Trace], None] | None
    ) -> tuple[Trace | None, Mapping[str, Values]]:
        """Trace of the search, None if its time was up; and further columns of the rows."""
        return self._in_time(searcher, track), {}

    def __call__(self) -> list[Row] | None:
        """Rows of the search, one per query; None if the time was up before its end."""
        task = self.task
        pool = task.codes if len(task.codes) < task.space.size else None
        searcher = self.contender.factory(
            task.space, pool=pool, seed=self.settings.trial_seed(self.trial), **self.objectives
        )
        label, names = f"{task.address} {self.contender.label} {self.trial}", self.told
        about = {"task": task.address, "searcher": self.contender.label, "trial": self.trial}
        tracking = replace(self.settings.tracking, names=names[0], signs=names[1])
        with one_thread(), tracking.search(label, **about) as track:
            trace, further = self.search(searcher, track)
        if trace is None:
            return None
        columns = {**self.columns(trace), "search_seconds": trace.seconds, **further}
        return [
            {
                "table": task.table.name,
                "task": task.task,
                "searcher": self.contender.searcher,
                "predictor": self.contender.predictor,
                "trial": self.trial,
                "query": query,
                "architecture": architecture,
                **{name: values[query] for name, values in columns.items()},
            }
            for query, architecture in enumerate(task.space.format(trace.codes))
        ]

    def _in_time(self, searcher: Searcher, track: Callable[[Trace], None] | None) -> Trace | None:
        """Trace of the search up to its budget or goal; None if the time was up before."""
        settings, until = self.settings, self.settings.until
        limits: dict[str, Any] = {
            "budget": settings.budget,
            "batch": settings.batch,
            "timeout": None if until is None else max(until - time.time(), 0.0),
            "track": track,
        }
        if settings.storage is None:
            trace = run(searcher, self.task.search, goal=settings.goal, **limits)
        else:
            trace = run_stored(
                searcher,
                self.task.search,
                storage=settings.storage,
                study=self.study,
                about={"batch": settings.batch, "seed": settings.seed, **self.identity},
                **limits,
            )
        reached = settings.goal is not None and (trace.values >= settings.goal).any()
        if len(trace.values) < settings.budget and not reached:
            return None
        return trace


def tracking_of(options: SearchOptions, about: Mapping[str, Any], folder: Path) -> Tracking:
    """Who follows the searches of a study, which its folder, or a database, tells from others."""
    key = str(folder.resolve())
    if options.study:
        key = stored_key(options.storage, options.study)
    made = {name: _told(value) for name, value in about.items() if value not in (None, [], {}, "")}
    return Tracking(tuple(options.track or ()), folder.name, key, about=made)  # type: ignore[arg-type]


def _told(value: Any) -> str | int | float:
    """What trackers, which take text and numbers, are told of a part of a description."""
    if isinstance(value, str | int | float):
        return value
    if isinstance(value, Mapping) and "variables" in value:
        return str(value["name"])  # a space, which may be large
    return json.dumps(value)


def preload(
    contenders: Sequence[Contender],
    space: Space,
    objectives: Mapping[str, Any],
    modules: Sequence[str],
) -> None:
    """Import modules and what searchers and predictors need, so that no timing includes it."""
    for module in modules:
        importlib.import_module(module)
    for contender in contenders:
        searcher = contender.factory(space, pool=None, seed=0, **objectives)
        predictor = getattr(searcher, "predictor", None)
        if isinstance(predictor, Predictor):
            predictor.preload()


def stored_rows(
    units: Mapping[str, Unit],
    storage: str,
    *,
    jobs: int,
    prepare: Callable[[], None] | None,
    progress: Progress | None,
) -> list[Row]:
    """Rows of searches of which a database keeps each, so that no journal is needed.

    Raises
    ------
    StoppedError
        If the time was up.
    StorageError
        If the database cannot be used.
    """
    with opened(storage):  # what is wrong with it shows here, and its tables are made once
        pass
    done: dict[str, list[Row]] = {}
    for name, rows in in_parallel(units, jobs=jobs, prepare=prepare):
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
