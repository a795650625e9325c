"""Searches followed by an experiment tracker: what each evaluation was, once, as it comes."""

from __future__ import annotations

import logging
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from .trace import Trace

logger = logging.getLogger(__name__)


class TrackedRun(ABC):
    """One run of a tracker: what one search has evaluated."""

    @property
    @abstractmethod
    def logged(self) -> int:
        """Number of evaluations that the run has."""

    @abstractmethod
    def log(self, step: int, architecture: str, numbers: Mapping[str, float]) -> None:
        """Add an evaluation: its number, from 0, and finite numbers by name."""

    @abstractmethod
    def close(self, files: Sequence[Path]) -> None:
        """Add files, and end the run."""


class Tracker(ABC):
    """Where searches are followed; picklable, since searches run in other processes too."""

    @abstractmethod
    def open(
        self, name: str, *, key: str | None, group: str, about: Mapping[str, Any]
    ) -> TrackedRun:
        """Run of a search.

        Parameters
        ----------
        name : str
            What is shown.
        key : str, optional
            By which the run is found again, if the search was followed before; without one it is
            always new.
        group : str
            What searches of one study share.
        about : mapping
            How the search was made: text and numbers.
        """


@dataclass(frozen=True)
class Tracking:
    """Trackers of a search, and what they call it.

    Attributes
    ----------
    trackers : tuple of Tracker
    group : str
        What the searches of a study share.
    key : str or None
        By which the study is found again.
    names, signs
        As of a ``Trace``.
    """

    trackers: tuple[Tracker, ...] = ()
    group: str = "search"
    key: str | None = None
    names: tuple[str, ...] = ()
    signs: tuple[float, ...] = ()
    about: Mapping[str, Any] = field(default_factory=dict)

    @contextmanager
    def search(self, name: str, **about: Any) -> Iterator[Follower | None]:
        """What is called with the trace of one search after every batch; None without trackers."""
        if not self.trackers:
            yield None
            return
        with Follower(self, name, about) as follower:
            yield follower

    def prepared(self) -> Tracking:
        """The same, with the trackers that answer: each has a run for the files of the study.

        Servers and databases are so made ready before several processes use them.
        """
        follower = Follower(self, f"{self.group}: report", {})
        follower.add(None)
        return replace(self, trackers=follower.trackers)

    def study(self, files: Sequence[Path]) -> None:
        """Add the files of a whole study, once, to a run of its own."""
        Follower(self, f"{self.group}: report", {}).add(files)


def stored_key(storage: object, study: str) -> str:
    """Key of a study in a database; a file's is told from others of its name by its folder."""
    place = f"{Path.cwd()}/" if storage is None or "sqlite" in str(storage) else ""
    return f"{place}{storage}/{study}"


class Follower:
    """A search as trackers see it; one that fails is given up, and the search goes on."""

    def __init__(self, tracking: Tracking, name: str, about: Mapping[str, Any]) -> None:
        self._tracking, self._name = tracking, name
        self._about = {**tracking.about, **about}
        self._runs: dict[Tracker, TrackedRun] = {}
        self._given_up: set[Tracker] = set()
        self._trace: Trace | None = None
        self._grown: set[TrackedRun] = set()  # those that were told something new

    def __enter__(self) -> Follower:
        return self

    def __exit__(self, *_: object) -> None:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "evaluations.csv"
            if self._trace is not None:
                self._trace.to_frame().to_csv(file, index=False)
            self._each(lambda run: run.close([file] if run in self._grown else []))

    def __call__(self, trace: Trace) -> None:
        """Log what is new in a trace."""
        names = self._tracking.names
        fits = len(names) == len(trace.bounds)
        trace = replace(trace, names=names, signs=self._tracking.signs) if fits else trace
        self._trace = trace
        self._each(lambda run: self._log(run, trace))

    def add(self, files: Sequence[Path] | None) -> None:
        """Add files to a run that has none yet, and end it; without any only open it."""
        self._each(lambda run: None if files is None else _log_files(run, files))

    @property
    def trackers(self) -> tuple[Tracker, ...]:
        """Those that have not failed."""
        every = self._tracking.trackers
        return tuple(tracker for tracker in every if tracker not in self._given_up)

    def _log(self, run: TrackedRun, trace: Trace) -> None:
        """Log the evaluations that a run does not have."""
        for step, architecture, numbers in trace.evaluations(run.logged):
            run.log(step, architecture, numbers)
            self._grown.add(run)

    def _each(self, work: Callable[[TrackedRun], None]) -> None:
        """Let every tracker that has not failed do something."""
        for tracker in self.trackers:
            try:
                if tracker not in self._runs:
                    self._runs[tracker] = self._open(tracker)
                work(self._runs[tracker])
            except Exception as error:
                self._given_up.add(tracker)
                logger.warning(
                    "%r failed and no longer follows the search %r, which goes on: %s: %s",
                    tracker,
                    self._name,
                    type(error).__name__,
                    " ".join(str(error).split()),
                )
                logger.debug("where it failed", exc_info=True)

    def _open(self, tracker: Tracker) -> TrackedRun:
        tracking = self._tracking
        key = None if tracking.key is None else f"{tracking.key}/{self._name}"
        return tracker.open(self._name, key=key, group=tracking.group, about=self._about)


def _log_files(run: TrackedRun, files: Sequence[Path]) -> None:
    """Add files to a run that has none yet, and end it."""
    new = run.logged == 0
    if new:
        run.log(0, "", {"failed": 0.0, "files": float(len(files))})
    run.close(files if new else ())
