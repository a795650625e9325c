"""A search that is kept in a database: killed, it goes on; several workers share it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...data.arguments import checked
from ...data.types import Values
from ...errors import ExhaustedError, ObjectiveError, StorageError
from ..base import Searcher
from ..loop import Evaluated, Evaluator, Objective, Trace, check_limits
from .database import check_name, opened
from .identity import identity
from .keys import Key, codes_of, keys_of
from .ledger import Asked, Ledger, whole_record

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

POLL_SECONDS = 0.5
MOST_SHOWN = 20  # evaluations that could not be recorded, in an error

logger = logging.getLogger(__name__)


@checked
def run_stored(
    searcher: Searcher,
    objective: Objective,
    *,
    storage: str | BaseStorage,
    study: str,
    budget: int,
    batch: int = 1,
    about: Mapping[str, Any] | None = None,
    callback: Callable[[Searcher], None] | None = None,
    timeout: float | None = None,
    retry_failed: bool = False,
    track: Callable[[Trace], None] | None = None,
) -> Trace:
    """Run a search as ``run`` does, with every evaluation kept in an Optuna study.

    A study that is there goes on: the searcher takes the state it had, what was interrupted is
    evaluated first, and all evaluations count towards the budget. A larger budget goes on to that;
    a smaller one evaluates nothing, and all that is known is returned. One worker that is killed
    and started again evaluates exactly what it would have evaluated uninterrupted. Several workers,
    processes or machines, may run the same call at once: each evaluates what no other does, and
    what a dead one had begun is evaluated by another. They then draw random numbers of their own.

    A study that is another search is refused: its space, searcher, predictor, their settings, the
    pool, the seed, what ``about`` says, or the name of the objective differ. What has no name or no
    value, such as a lambda, is not compared; neither is a seed that is a generator or None. An
    objective whose code is another than at the beginning goes on, for it may have been mended,
    and a warning is logged.

    A database that does not answer, once it was opened, is waited for, 300 seconds at most.

    Parameters
    ----------
    searcher : Searcher
        What it was told before goes into a new study; in one that is there, the study counts.
    objective : callable
        As in ``run``.
    storage : str or optuna.storages.BaseStorage
        URL of a database, such as ``sqlite:///runs.db``, or the path of a SQLite file.
    study : str
        Name of the Optuna study.
    budget : int
        Evaluations of all workers together, failed ones among them.
    batch : int
        How many architectures are asked for and evaluated at once; a kill costs at most these.
    about : mapping, optional
        What else tells this search from another one, as JSON values.
    callback : callable, optional
        Called with the searcher after every batch.
    timeout : float, optional
        Seconds after which no further batch is started.
    retry_failed : bool
        Evaluate again what has failed, such as by an objective that is mended since.
    track : callable, optional
        Called with the trace so far: with what is stored at the beginning, after every batch, and
        at the end.

    Returns
    -------
    Trace
        All that is known.

    Raises
    ------
    ObjectiveError
        As in ``run``.
    ParameterError
        If ``budget`` or ``batch`` is too small, ``timeout`` no number of at least 0, or the study
        is another search.
    StorageError
        If the database cannot be read or written.
    MissingExtraError
        If the database's driver is not installed.

    Examples
    --------
    >>> import tempfile
    >>> from nasurge.data.spaces import make_space
    >>> from nasurge.search.searchers import RandomSearch
    >>> space = make_space("nb201")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for budget in (4, 6, 6):
    ...         trace = run_stored(
    ...             RandomSearch(space, seed=0),
    ...             lambda codes: codes.sum(axis=1),
    ...             storage=f"sqlite:///{folder}/runs.db",
    ...             study="sums",
    ...             budget=budget,
    ...         )
    >>> trace.codes.shape
    (6, 6)
    """
    check_limits(budget, batch, timeout)
    check_name(study)
    with opened(storage) as database:
        ledger = Ledger(
            searcher.space,
            database,
            study,
            about={**identity(searcher, objective), **(about or {})},
            objectives=len(searcher.bounds),
            retry_failed=retry_failed,
        )
        with ledger.at_work():
            loop = _StoredSearch(searcher, Evaluator(searcher, objective), ledger, budget, batch)
            loop.run(callback, timeout, track)
    return loop.trace()


class _StoredSearch:
    """One worker's part of a search."""

    def __init__(
        self, searcher: Searcher, evaluate: Evaluator, ledger: Ledger, budget: int, batch: int
    ) -> None:
        self._searcher, self._evaluate, self._ledger = searcher, evaluate, ledger
        self._budget, self._size = budget, batch
        self.told: dict[Key, None] = {}
        self._batch: list[Key] = []  # asked for and not told yet
        self._again: set[Key] = set()  # told as failed, and evaluated again now
        self._alone = True
        self._own_seconds = 0.0

    def run(
        self,
        callback: Callable[[Searcher], None] | None,
        timeout: float | None,
        track: Callable[[Trace], None] | None,
    ) -> None:
        """Ask, claim, evaluate and tell until the budget is spent."""
        start = time.monotonic()
        self._restore()
        if track is not None:
            track(self.trace())
        self._say_what_failed()
        while len(self._ledger.values) < self._budget:
            if timeout is not None and time.monotonic() - start >= timeout:
                break
            mine = self._next()
            if mine:
                self._record(mine, self._evaluate(codes_of(self._searcher.space, mine)))
            elif mine is None:
                if not self._ledger.running:
                    break
                time.sleep(POLL_SECONDS)
            self._tell(self._batch)
            self._batch = []
            self._catch_up()
            if mine and track is not None:
                track(self.trace())
            if mine and callback is not None:
                callback(self._searcher)
        self._tell(list(self._ledger.values))
        if track is not None:
            track(self.trace())
        broken = self._evaluate.broken()
        if broken is not None and not np.isfinite(list(self._ledger.values.values())).any():
            raise self._with_failures(broken)

    def trace(self) -> Trace:
        """All that is known, in the order in which it was told."""
        searcher, told = self._searcher, list(self.told)
        seconds = [self._ledger.seconds.get(key, np.nan) for key in told]
        return replace(
            Trace.of(searcher, np.array(seconds, dtype=np.float64)),
            codes=codes_of(searcher.space, told),
            values=self._values(told),
        )

    def _record(self, mine: list[Key], found: Evaluated) -> None:
        """Keep the values of a batch, then say what was wrong with them."""
        try:
            self._ledger.record(found.values, found.reasons)
        except StorageError as error:
            names = self._searcher.space.format(codes_of(self._searcher.space, mine))
            pairs = zip(names[:MOST_SHOWN], found.values.tolist(), strict=False)
            lost = ", ".join(f"{name} = {value}" for name, value in pairs)
            raise StorageError(f"{error}; evaluated and not recorded: {lost}") from error
        if found.error is not None:
            raise self._with_failures(found.error)

    def _failures(self) -> int:
        """Number of evaluations that the study holds as failed."""
        return sum(bool(np.isnan(value).any()) for value in self._ledger.values.values())

    def _with_failures(self, error: ObjectiveError) -> ObjectiveError:
        """An objective's error that says what is stored."""
        said = ObjectiveError(
            f"{error}; study {self._ledger.name!r} holds {self._failures()} failed of "
            f"{len(self._ledger.values)} evaluations: the same call with retry_failed=True "
            "(--retry-failed) evaluates those again"
        )
        said.__cause__ = error.__cause__
        return said

    def _say_what_failed(self) -> None:
        """Log that failed evaluations stay so, or that they do not."""
        name, known = self._ledger.name, len(self._ledger.values)
        if retried := len(self._ledger.lost_failures):
            logger.warning("study %r: %d failed evaluations are tried again", name, retried)
        if failed := self._failures():
            logger.warning(
                "study %r goes on with %d evaluations, %d of them failed: retry_failed=True "
                "(--retry-failed) evaluates those again",
                name,
                known,
                failed,
            )

    def _restore(self) -> None:
        """Put the searcher where the study is."""
        ledger, space = self._ledger, self._searcher.space
        ledger.refresh()
        last = next((asked for asked in reversed(ledger.asked) if asked.state), None)
        if last is None or last.state is None:
            given = keys_of(space, self._searcher.codes_)
            self.told = dict.fromkeys(given)
            first = {key: row for row, key in reversed(list(enumerate(given)))}
            new = sorted(first[key] for key in first if key not in ledger.values)
            ledger.give([given[k] for k in new], self._searcher.values_[new])
            self._batch = keys_of(space, self._searcher.pending_)[: self._size]
        else:
            in_order = (key for asked in ledger.asked for key in asked.batch)
            every = dict.fromkeys([*ledger.values, *ledger.lost_failures])
            known = [k for k in dict.fromkeys([*in_order, *every]) if k in every]
            self._batch = last.batch
            self.told = dict.fromkeys(k for k in known if k not in last.batch)
            with whole_record(ledger.name):
                kept = _thawed(last.state)
            self._searcher.load_state_dict(
                {
                    **kept,
                    "codes": codes_of(space, self.told),
                    "values": self._values(self.told),
                    "pending": codes_of(space, last.batch),
                }
            )
        self._again = set(ledger.lost_failures) & set(self.told)
        self._catch_up()

    def _values(self, keys: Mapping[Key, None] | list[Key]) -> Values:
        """Known values of architectures, in the shape a searcher is told."""
        failed = [np.nan] * len(self._searcher.bounds)
        rows = np.array([self._ledger.values.get(k, failed) for k in keys], dtype=np.float64)
        return rows.reshape(len(keys), *self._searcher.values_.shape[1:])

    def _catch_up(self) -> None:
        """Tell the searcher what others have found out, and leave to them what they are at."""
        ledger = self._ledger
        ledger.refresh()
        if ledger.others:
            self._part()
        elsewhere = [k for k, (_, by) in ledger.running.items() if by != ledger.worker.name]
        self._batch = [k for k in self._batch if k not in elsewhere]
        self._tell([k for k in ledger.values if k not in self._batch])
        self._searcher.reserve(codes_of(self._searcher.space, elsewhere))

    def _tell(self, keys: list[Key]) -> None:
        """Tell the searcher those of the architectures that are known and news to it."""
        known = self._ledger.values
        new = [k for k in keys if k in known and (k not in self.told or k in self._again)]
        if new:
            begin = time.perf_counter()
            self._searcher.tell(codes_of(self._searcher.space, new), self._values(new))
            self._own_seconds += time.perf_counter() - begin
            self.told |= dict.fromkeys(new)
            self._again -= set(new)

    def _next(self) -> list[Key] | None:
        """Architectures to evaluate now; None if there is nothing but to wait for other workers."""
        ledger = self._ledger
        asked = None
        if not self._batch:
            self._batch = ledger.lost[: self._size]
        elif not ledger.asked:
            asked = self._asked()  # of a searcher that was asked before the study was made
        if not self._batch:
            left = self._budget - len(ledger.values) - len(ledger.running)
            if left <= 0:
                return None
            begin = time.perf_counter()
            try:
                codes = self._searcher.ask(min(self._size, left))
            except ExhaustedError:
                return None
            self._own_seconds += time.perf_counter() - begin
            self._batch = keys_of(self._searcher.space, codes)
            asked = self._asked()
        missing = [key for key in self._batch if key not in ledger.values]
        mine = ledger.claim(missing, self._budget, asked)
        if len(mine) < len(missing):
            self._part()
        return mine

    def _asked(self) -> Asked:
        """Record of the batch that was asked for last."""
        seconds, self._own_seconds = self._own_seconds, 0.0
        return Asked(self._batch, _frozen(self._searcher.state_dict()), seconds)

    def _part(self) -> None:
        """Go on with random numbers of one's own: workers of one seed would ask the same."""
        if self._alone:
            self._alone = False
            state = self._searcher.state_dict()
            own = np.random.default_rng(int(self._ledger.worker.name, 16))
            self._searcher.load_state_dict({**state, "rng": own.bit_generator.state})


def _frozen(state: dict[str, Any]) -> dict[str, Any]:
    """A searcher's state as JSON values, without what the trials say."""
    return {k: _plain(v) for k, v in state.items() if k not in ("codes", "values", "pending")}


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return {"dtype": str(value.dtype), "shape": value.shape, "array": value.ravel().tolist()}
    return value


def _thawed(state: dict[str, Any]) -> dict[str, Any]:
    """A state as ``_frozen`` received it."""

    def array(value: dict[str, Any]) -> NDArray[Any]:
        return np.array(value["array"], dtype=value["dtype"]).reshape(value["shape"])

    return {
        key: array(value) if isinstance(value, dict) and set(value) == _ARRAY else value
        for key, value in state.items()
    }


_ARRAY = {"dtype", "shape", "array"}
