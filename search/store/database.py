"""The database of a search: opened, waited for when it does not answer, given up with the truth.

Everything a search reads and writes goes through ``Patient``. A connection that is lost, a file
that has gone, a lock that somebody holds: it waits, as long as ``WAIT_SECONDS``, and then the
search ends. A damaged file is not waited for.
"""

from __future__ import annotations

import json
import logging
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from ...data.arguments import checked
from ...errors import MissingExtraError, ParameterError, StorageError

if TYPE_CHECKING:
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial

DEFAULT_STORAGE = "sqlite:///nasurge.db"
LOCK_SECONDS = 60  # how long a worker waits for another that is writing to the same SQLite file
WAIT_SECONDS = 300.0  # how long a search waits for a database that does not answer
LONGEST_NAME = 512  # characters of a study's name: Optuna's column has no more
_PAUSE = 1.0  # seconds between two attempts
_CONNECTS = 5

logger = logging.getLogger(__name__)


@overload
def storage_of(storage: str | os.PathLike[str] | None, study: str | None) -> str | None: ...


@overload
def storage_of(
    storage: str | os.PathLike[str] | BaseStorage | None, study: str | None
) -> str | BaseStorage | None: ...


@checked
def storage_of(
    storage: str | os.PathLike[str] | BaseStorage | None, study: str | None
) -> str | BaseStorage | None:
    """Storage of a study: a SQLite file if only its name is given, None without a name.

    Raises
    ------
    ParameterError
        If a storage is given and no name, or one of them is no text that a database takes.
    """
    if storage is not None and not study:
        raise ParameterError("storage needs the name of a study too: study=NAME, or --study NAME")
    if study:
        check_name(study)
    if isinstance(storage, os.PathLike):
        storage = os.fspath(storage)
    if isinstance(storage, str):
        _check_text("storage", storage)
    return DEFAULT_STORAGE if storage is None and study else storage


def check_name(study: str) -> None:
    """Raise if a database would not take the name of a study.

    Raises
    ------
    ParameterError
        If it is too long, or no text.
    """
    if not isinstance(study, str):
        raise ParameterError(f"the name of a study is text, not {study!r:.60}")
    _check_text("the name of a study", study)
    if len(study) > LONGEST_NAME:
        raise ParameterError(
            f"the name of a study has at most {LONGEST_NAME} characters, not {len(study)}: "
            f"{study[:40]!r}...; give a shorter one with study=, or --study"
        )


def _check_text(what: str, text: str) -> None:
    """Raise if a text has bytes that are no characters, or ones that databases do not take."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ParameterError(f"{what} has bytes that are no UTF-8: {text!r:.100}") from None
    if "\0" in text:
        raise ParameterError(f"{what} has a character of code 0: {text!r:.100}")


@contextmanager
def opened(storage: str | BaseStorage) -> Iterator[Patient]:
    """Yield an Optuna storage that waits; one that was made from a URL is closed at the end.

    Raises
    ------
    StorageError
        If the database cannot be opened, read or written.
    MissingExtraError
        If its driver is not installed.
    """
    import optuna
    from sqlalchemy.exc import SQLAlchemyError

    failures = (SQLAlchemyError, optuna.exceptions.StorageInternalError)
    if not isinstance(storage, str):
        yield Patient(storage, type(storage).__name__)
        return
    try:
        database = _connect(storage)
    except (*failures, RuntimeError) as error:
        raise StorageError(
            f"the database {shown(storage)} cannot be opened: {_cause(error)}; nothing was "
            f"evaluated; {_advice(error)}"
        ) from error
    file = database.engine.url.database if database.engine.dialect.name == "sqlite" else None
    patient = Patient(database, shown(storage), file)
    try:
        yield patient
    except failures as error:
        if not patient.at_work:
            raise StorageError(patient.refused(error)) from error
        raise StorageError(
            f"the database {shown(storage)} fails: {_cause(error)}; the search ends here, and "
            "what was recorded before may be damaged: keep a copy of the database and look at it "
            "before going on"
        ) from error
    finally:
        with suppress(*failures):
            database.engine.dispose()


class Patient:
    """An Optuna storage whose calls wait for a database that does not answer.

    Parameters
    ----------
    storage : optuna.storages.BaseStorage
    name : str
        What messages call it.
    file : str, optional
        Path of a SQLite file. It has to be there: SQLite would make an empty one.
    """

    def __init__(self, storage: BaseStorage, name: str, file: str | None = None) -> None:
        self._storage, self._name = storage, name
        plain = file and file != ":memory:" and not file.startswith("file:")
        self._file = Path(file).absolute() if file and plain else None
        self.at_work = False
        """Whether it is waited for: not before a search has read and written it."""
        self._end = ""  # what every further call says, once the database was given up
        self.outages = 0
        """How often it did not answer and then did."""

    @property
    def lost(self) -> bool:
        """Whether the database was given up: every further call fails at once."""
        return bool(self._end)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._storage, name)
        return lambda *arguments, **named: self._call(lambda: method(*arguments, **named))

    def create_new_trial(self, study_id: int, trial: FrozenTrial) -> int:
        """Number of a new trial; made once, even if the answer to its making was lost."""

        def again() -> int:
            made = [
                known
                for known in self._storage.get_all_trials(study_id, deepcopy=False)
                if (known.state, known.params) == (trial.state, trial.params)
                and known.system_attrs == json.loads(json.dumps(trial.system_attrs))
            ]
            if made:
                return int(made[-1]._trial_id)  # noqa: SLF001 -- Optuna has no other way
            return self._storage.create_new_trial(study_id, trial)

        found: int = self._call(lambda: self._storage.create_new_trial(study_id, trial), again)
        return found

    def at_once(self, name: str, *arguments: Any) -> None:
        """Call a method without waiting; not at all if it is known that nobody answers."""
        if not self.lost and not self._gone():
            getattr(self._storage, name)(*arguments)

    def remove_session(self) -> None:
        """Close this thread's session."""
        with suppress(Exception):
            self._storage.remove_session()

    def _gone(self) -> bool:
        return self._file is not None and not self._file.exists()

    def _look(self) -> None:
        if self._gone():
            raise FileNotFoundError("there is no such file")

    def _call(self, first: Callable[[], Any], again: Callable[[], Any] | None = None) -> Any:
        """Result of a call, tried until it is there or the time is up."""
        start, attempt = time.monotonic(), first
        waited = False
        while True:
            if self.lost:
                raise StorageError(self._end)
            try:
                self._look()
                found = attempt()
            except Exception as error:
                if not _passing(error):
                    raise
                if not self.at_work:
                    raise StorageError(self.refused(error)) from error
                if _full(error) or time.monotonic() - start >= WAIT_SECONDS:
                    self._end = self._given_up(error)
                    raise StorageError(self._end) from error
                if not waited:
                    logger.warning(
                        "the database %s does not answer (%s): waiting for up to %.0f seconds",
                        self._name,
                        _cause(error),
                        WAIT_SECONDS,
                    )
                waited, attempt = True, again or first
                self._pause()
                continue
            if waited:
                self.outages += 1
                logger.warning("the database %s answers again", self._name)
            return found

    def _pause(self) -> None:
        """Wait a moment; an interruption is for all that would still be called."""
        try:
            self.remove_session()
            time.sleep(_PAUSE)
        except BaseException:
            self._end = f"the database {self._name} was not waited for any longer"
            raise

    def refused(self, error: Exception) -> str:
        """What is true of a database that could not be used from the start."""
        return (
            f"the database {self._name} cannot be read or written: {_cause(error)}; nothing was "
            f"evaluated; {_advice(error)}"
        )

    def _given_up(self, error: Exception) -> str:
        """What is true of a database that was waited for in vain."""
        if self._gone():
            return (
                f"the database file {self._file} was moved or deleted while the search ran, and "
                f"was waited for {WAIT_SECONDS:.0f} seconds: put it back, and the same call goes "
                "on from what is in it"
            )
        if _full(error):
            return (
                f"the database {self._name} cannot be written: {_cause(error)}; the search ends "
                "here; what was recorded before is in it, and the same call goes on from there "
                "once there is space"
            )
        return (
            f"the database {self._name} has not answered for {WAIT_SECONDS:.0f} seconds "
            f"({_cause(error)}): the search ends here; what was recorded before is in it, and once "
            "it answers the same call goes on from there"
        )


def _passing(error: Exception) -> bool:
    """Whether an error is of a connection or a lock, which may be mended while one waits."""
    from sqlalchemy.exc import InterfaceError, OperationalError

    if isinstance(error, FileNotFoundError):
        return True
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, OperationalError | InterfaceError):
        cause = cause.__cause__
    return cause is not None and "no such " not in str(cause)  # a table or column


def _full(error: Exception) -> bool:
    """Whether the database's disk is full: that is not mended by waiting."""
    return any(words in _cause(error).lower() for words in ("disk is full", "no space left"))


def _cause(error: Exception) -> str:
    """First line of what the database itself said."""
    deepest: BaseException = error
    while (deeper := deepest.__cause__ or getattr(deepest, "orig", None)) is not None:
        deepest = deeper
    return (str(deepest) or type(deepest).__name__).split("\n", maxsplit=1)[0]


def _advice(error: Exception) -> str:
    """What to do about a database that cannot be opened."""
    if "not a database" in str(error) or "malformed" in str(error):
        return "it is damaged or no SQLite file: give another with storage=, or --storage"
    return "see that it is there and may be written, or give another with storage=, or --storage"


def _connect(storage: str) -> Any:
    """Storage at a URL or the path of a SQLite file."""
    from optuna.storages import RDBStorage
    from sqlalchemy.exc import ArgumentError, DatabaseError, NoSuchModuleError, SQLAlchemyError

    url = storage if "://" in storage else f"sqlite:///{storage}"
    url = re.sub(r"^postgres(ql)?://", "postgresql+psycopg://", url)
    options = {"connect_args": {"timeout": LOCK_SECONDS}} if url.startswith("sqlite") else {}
    attempt = 0
    while True:
        try:
            return RDBStorage(url, engine_kwargs={"pool_pre_ping": True, **options})
        except ImportError as error:
            raise MissingExtraError(
                f"the driver of {shown(storage)} is not installed; for PostgreSQL: "
                "pip install nasurge[postgresql]"
            ) from error
        except (ArgumentError, NoSuchModuleError) as error:
            raise ParameterError(
                f"{shown(storage)!r} is no URL of a database ({error}); one looks like "
                "sqlite:///runs.db or postgresql://user@host/database"
            ) from error
        except SQLAlchemyError as error:  # two workers make the tables at once: one is refused
            attempt += 1
            if attempt == _CONNECTS or type(error) is DatabaseError:  # no SQLite file: it stays so
                raise
            time.sleep(0.05 * 2**attempt)


def shown(url: str) -> str:
    """A URL without its password."""
    return re.sub(r"(://[^/@:]*):[^/@]*@", r"\1:***@", url)
