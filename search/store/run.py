"""A search that is kept in a database: killed, it goes on; several workers share it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ...data.arguments import checked
from ...data.types import Values
from ...errors import ExhaustedError, MissingExtraError, ParameterError, StorageError
from ...predictors.saving.names import predictor_name
from ..base import Searcher
from ..loop import Evaluator, Objective, Trace
from ..searchers.names import searcher_name
from .ledger import Asked, Ledger

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

DEFAULT_STORAGE = "sqlite:///nasurge.db"
LOCK_SECONDS = 60  # how long a worker waits for another that is writing to the same SQLite file
POLL_SECONDS = 0.5
CONNECTS = 5


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
) -> Trace:
    """Run a search as ``run`` does, with every evaluation kept in an Optuna study.

    A study that is there goes on: the searcher takes the state it had, what was interrupted is
    evaluated first, and all evaluations count towards the budget. One worker that is killed and
    started again evaluates exactly what it would have evaluated uninterrupted. Several workers,
    processes or machines, may run the same call at once: each evaluates what no other does, and
    what a dead one had begun is evaluated by another. They then draw random numbers of their own.

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

    Returns
    -------
    Trace
        All that is known.

    Raises
    ------
    ObjectiveError
        As in ``run``.
    ParameterError
        If ``budget`` or ``batch`` is too small, or the study is another search.
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
    if budget < 0 or batch < 1:
        raise ParameterError(
            f"budget must be at least 0 and batch at least 1, not {budget} and {batch}"
        )
    with opened(storage) as database:
        ledger = Ledger(
            searcher.space,
            database,
            study,
            about={"space": searcher.space.spec(), **_kind(searcher), **(about or {})},
            objectives=len(searcher.bounds),
        )
        with ledger.at_work():
            loop = _StoredSearch(searcher, Evaluator(searcher, objective), ledger, budget, batch)
            loop.run(callback, timeout)
    seconds = np.array([ledger.seconds.get(key, np.nan) for key in loop.told], dtype=np.float64)
    return Trace(searcher.codes_.copy(), searcher.values_.copy(), seconds)


Place = TypeVar("Place", bound="str | BaseStorage")


@checked
def storage_of(storage: Place | None, study: str | None) -> Place | str | None:
    """Storage of a study: a SQLite file if only its name is given, None without a name.

    Raises
    ------
    ParameterError
        If a storage is given and no name.
    """
    if storage is not None and not study:
        raise ParameterError("storage needs the name of a study too: study=NAME, or --study NAME")
    return DEFAULT_STORAGE if storage is None and study else storage


def _kind(searcher: Searcher) -> dict[str, Any]:
    """Entries of a study that name its searcher and predictor."""
    predictor = getattr(searcher, "predictor", None)
    return {
        "searcher": searcher_name(type(searcher)),
        "predictor": None if predictor is None else predictor_name(type(predictor)),
    }


class _StoredSearch:
    """One worker's part of a search."""

    def __init__(
        self, searcher: Searcher, evaluate: Evaluator, ledger: Ledger, budget: int, batch: int
    ) -> None:
        self._searcher, self._evaluate, self._ledger = searcher, evaluate, ledger
        self._budget, self._size = budget, batch
        self.told: dict[int, None] = {}
        self._batch: list[int] = []  # asked for and not told yet
        self._alone = True
        self._own_seconds = 0.0

    def run(self, callback: Callable[[Searcher], None] | None, timeout: float | None) -> None:
        """Ask, claim, evaluate and tell until the budget is spent."""
        start = time.monotonic()
        self._restore()
        while len(self._ledger.values) < self._budget:
            if timeout is not None and time.monotonic() - start >= timeout:
                break
            mine = self._next()
            if mine:
                self._ledger.record(*self._evaluate(self._searcher.space.from_index(mine)))
            elif mine is None:
                if not self._ledger.running:
                    break
                time.sleep(POLL_SECONDS)
            self._tell(self._batch)
            self._batch = []
            self._catch_up()
            if mine and callback is not None:
                callback(self._searcher)
        self._tell(list(self._ledger.values))

    def _restore(self) -> None:
        """Put the searcher where the study is."""
        ledger, space = self._ledger, self._searcher.space
        ledger.refresh()
        last = next((asked for asked in reversed(ledger.asked) if asked.state), None)
        if last is None or last.state is None:
            given = space.index(self._searcher.codes_)
            keys, first = np.unique(given, return_index=True)
            new = np.sort(first[~np.isin(keys, list(ledger.values))])
            ledger.give(given[new].tolist(), self._searcher.values_[new])
            self.told = dict.fromkeys(given.tolist())
            self._batch = space.index(self._searcher.pending_)[: self._size].tolist()
        else:
            in_order = (key for asked in ledger.asked for key in asked.batch)
            known = [k for k in dict.fromkeys([*in_order, *ledger.values]) if k in ledger.values]
            self._batch = last.batch
            self.told = dict.fromkeys(k for k in known if k not in last.batch)
            self._searcher.load_state_dict(
                {
                    **_thawed(last.state),
                    "codes": space.from_index(list(self.told)),
                    "values": self._values(self.told),
                    "pending": space.from_index(last.batch),
                }
            )
        self._catch_up()

    def _values(self, keys: Mapping[int, None] | list[int]) -> Values:
        """Known values of architectures, in the shape a searcher is told."""
        rows = np.array([self._ledger.values[key] for key in keys], dtype=np.float64)
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
        self._searcher.reserve(self._searcher.space.from_index(elsewhere))

    def _tell(self, keys: list[int]) -> None:
        """Tell the searcher those of the architectures that are known and news to it."""
        new = [k for k in keys if k in self._ledger.values and k not in self.told]
        if new:
            begin = time.perf_counter()
            self._searcher.tell(self._searcher.space.from_index(new), self._values(new))
            self._own_seconds += time.perf_counter() - begin
            self.told |= dict.fromkeys(new)

    def _next(self) -> list[int] | None:
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
            self._batch = self._searcher.space.index(codes).tolist()
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


@contextmanager
def opened(storage: str | BaseStorage) -> Iterator[BaseStorage]:
    """Yield an Optuna storage; one that was made from a URL is closed at the end.

    Raises
    ------
    StorageError
        If the database cannot be read or written.
    MissingExtraError
        If its driver is not installed.
    """
    import optuna
    from sqlalchemy.exc import SQLAlchemyError

    if not isinstance(storage, str):
        yield storage
        return
    try:
        database = _connect(storage)
        try:
            yield optuna.storages.get_storage(database)
        finally:
            database.engine.dispose()
    except (SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        cause = str(error.__cause__ or error).split("\n")[0]
        raise StorageError(
            f"the database {_shown(storage)} cannot be read or written: {cause}; what was done is "
            "kept, and the same call goes on from there"
        ) from error


def _connect(storage: str) -> Any:
    """Storage at a URL or the path of a SQLite file."""
    from optuna.storages import RDBStorage
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

    url = storage if "://" in storage else f"sqlite:///{storage}"
    url = re.sub(r"^postgres(ql)?://", "postgresql+psycopg://", url)
    options = {"connect_args": {"timeout": LOCK_SECONDS}} if url.startswith("sqlite") else {}
    attempt = 0
    while True:
        try:
            return RDBStorage(url, engine_kwargs={"pool_pre_ping": True, **options})
        except ImportError as error:
            raise MissingExtraError(
                f"the driver of {_shown(storage)} is not installed; for PostgreSQL: "
                "pip install nasurge[postgresql]"
            ) from error
        except (ArgumentError, NoSuchModuleError) as error:
            raise ParameterError(
                f"{_shown(storage)!r} is no URL of a database ({error}); one looks like "
                "sqlite:///runs.db or postgresql://user@host/database"
            ) from error
        except SQLAlchemyError:  # two workers make the tables at once: one is refused
            attempt += 1
            if attempt == CONNECTS:
                raise
            time.sleep(0.05 * 2**attempt)


def _shown(url: str) -> str:
    """A URL without its password."""
    return re.sub(r"(://[^/@:]*):[^/@]*@", r"\1:***@", url)
