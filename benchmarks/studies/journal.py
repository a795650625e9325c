"""Many units of work, in parallel, each kept the moment it is done: the frame of every command.

A study is a folder: ``study.json`` says what it is, ``rows.jsonl`` has one line per finished unit.
A study that was stopped goes on where it was; one that is complete is only read.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import pickle
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from ...data.devices import parallel
from ...data.files import (
    atomic_write,
    damage_told,
    decode,
    make_folder,
    parse_json,
    read_document,
)
from ...data.files.limits import read_bounded
from ...errors import (
    DataFileError,
    ParameterError,
    StoppedError,
    StorageError,
    WorkerError,
)
from .identity import alike, disagree, together

logger = logging.getLogger(__name__)

Row = dict[str, Any]
Progress = Callable[[int, int, str], None]
"""Called with units done, units in all, and the last one's name."""
Unit = Callable[[], list[Row] | None]
"""One part of the work: picklable; returns its rows, or None if its time was up."""


def jsonable(value: Any) -> Any:
    """Value with NumPy numbers as Python's and NaN as None, as JSON needs it."""
    if isinstance(value, Mapping):
        return {str(k): jsonable(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [jsonable(v) for v in value]
    if isinstance(value, np.ndarray):
        return jsonable(value.tolist())
    if isinstance(value, np.generic):
        return jsonable(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def fingerprint(about: Mapping[str, Any]) -> str:
    """Eight characters that tell one study from another."""
    text = json.dumps(jsonable(about), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


class Journal:
    """The folder of one study, its finished units, and how to add to them.

    Parameters
    ----------
    folder : Path
        Made if it is missing.
    about : mapping
        What the study is: JSON values. A folder that holds another study is refused.
    grows : sequence of str
        Keys of ``about`` in which a study may differ: numbers and lists that say how much is asked
        for. What is in the folder is used again, and the folder's own ``study.json`` says all that
        was ever asked for.

    Raises
    ------
    ParameterError
        If the folder holds another study, or files that are none of ours.
    StorageError
        If it cannot be written or read.
    DataFileError
        If its files are damaged beyond the last, half-written line.
    """

    def __init__(
        self, folder: Path, about: Mapping[str, Any], *, grows: Sequence[str] = ()
    ) -> None:
        self.folder = make_folder(folder)
        self.about = jsonable(about)
        self._grows = grows
        path = folder / "study.json"
        self._journal = folder / "rows.jsonl"
        if self._journal.exists() and not path.exists():
            raise DataFileError(
                f"{folder} has results but not what they are of (study.json is missing): give "
                "another folder with --out, or delete this one"
            )
        if not path.exists():
            _require_empty(folder)
        if path.exists():  # perhaps since a moment: somebody else has begun the same study
            found = read_about(folder)
            changed = [
                k
                for k in sorted({*found, *self.about})
                if (
                    disagree(found.get(k), self.about.get(k))
                    if k in grows
                    else not alike(k, found.get(k), self.about.get(k))
                )
            ]
            if changed:
                raise ParameterError(
                    f"{folder} holds another study (different: {', '.join(changed)}): give "
                    "another folder with --out, or delete this one"
                )
        else:
            found = self.about
            self._write(found)
        self._asked = found  # what study.json says
        self.done = read_units(folder)

    @property
    def is_begun(self) -> bool:
        """Whether the folder keeps anything of the work, beside what the study is."""
        files = self.folder.iterdir() if self.folder.is_dir() else ()
        return any(file.name != "study.json" and file.stat().st_size for file in files)

    def _write(self, about: Row) -> None:
        self._asked = about
        with atomic_write(self.folder / "study.json") as file:
            file.write(json.dumps(about, indent=1).encode())

    def _grow(self) -> None:
        """Let the folder say what was asked for before and what is asked for now."""
        found = read_about(self.folder)
        grown = {
            key: together(found.get(key), self.about.get(key))
            for key in self._grows
            if key in found or key in self.about
        }
        if found != {**found, **grown}:
            self._write({**found, **grown})

    @property
    def rows(self) -> list[Row]:
        """All rows of all finished units."""
        return [row for unit in self.done.values() for row in unit]

    def add(self, unit: str, rows: Sequence[Row]) -> None:
        """Keep the rows of a finished unit.

        Raises
        ------
        StorageError
            If the disk is full or the folder read-only; what was kept before stays whole.
        """
        self.restore()
        try:
            with self._journal.open("a", encoding="utf-8") as file:
                file.write(_line(unit, rows))
        except OSError as error:
            raise StorageError(
                f"cannot write {self._journal}: {error.strerror or error}; {len(self.done)} "
                "finished units are kept: free some space and run the same command again"
            ) from error
        self.done[unit] = list(rows)

    def restore(self) -> None:
        """Write again what was deleted from the folder meanwhile, such as all of it.

        Raises
        ------
        StorageError
            If the folder cannot be written.
        """
        lost = bool(self.done) and not self._journal.exists()
        if lost or not (self.folder / "study.json").exists():
            logger.warning("%s was deleted while the study ran: written again", self.folder)
            self._write(self._asked)
        if lost:
            with atomic_write(self._journal) as file:
                file.writelines(_line(unit, rows).encode() for unit, rows in self.done.items())

    def run(
        self,
        units: Mapping[str, Unit],
        *,
        jobs: int = -1,
        prepare: Callable[[], None] | None = None,
        progress: Progress | None = None,
        whole: Callable[[Sequence[Row]], bool] = lambda rows: True,  # noqa: ARG005
    ) -> list[Row]:
        """Rows of all units, after those that were not done have been called.

        Parameters
        ----------
        units : mapping from a unit's name to its call
        jobs : int
            Processes, as in joblib; -1 is one per core. The joblib backend in force is used, so a
            Ray or Dask cluster serves without other code.
        prepare : callable, optional
            Called in each process before a unit: imports that all units share.
        progress : callable, optional
        whole : callable, optional
            Whether the rows of a unit that is done are all of it: if not, it is called again.

        Raises
        ------
        ParameterError
            If ``jobs`` is 0.
        WorkerError
            If a process died: out of memory, or killed.
        StoppedError
            If the time was up for a unit.
        Exception
            Whatever a unit raises. Finished units are always kept.
        """

        def left() -> dict[str, Unit]:
            kept = self.done
            return {k: v for k, v in units.items() if k not in kept or not whole(kept[k])}

        with self._alone(left()):
            if jobs == 0:
                raise ParameterError("jobs is a number of processes, or -1 for one per core; not 0")
            return self._run(units, left(), jobs=jobs, prepare=prepare, progress=progress)

    @contextmanager
    def _alone(self, units: Mapping[str, Unit]) -> Iterator[None]:  # noqa: ARG002 -- of any units
        """Keep other processes from adding to the same study meanwhile."""
        with ExitStack() as last, self._locked(wait=False):
            last.callback(self._forget_if_empty)  # once the lock file has gone
            self._grow()
            self.done = read_units(self.folder)  # what another run has added since
            yield

    @contextmanager
    def _locked(self, name: str = ".lock", *, wait: bool) -> Iterator[None]:
        """Hold a lock file of the folder; a process that dies gives it back."""
        import filelock

        path = self.folder / name
        lock = filelock.FileLock(path, timeout=-1 if wait else 0)
        try:
            lock.acquire()
        except filelock.Timeout:
            raise ParameterError(
                f"another run is working in {self.folder}: wait for it, or give another folder "
                "with --out"
            ) from None
        except OSError as error:
            raise StorageError(f"cannot write {path}: {error.strerror or error}") from error
        try:
            yield
        finally:
            with suppress(OSError):  # the folder may have gone
                path.unlink()
            lock.release()

    def _run(
        self,
        units: Mapping[str, Unit],
        todo: Mapping[str, Unit],
        *,
        jobs: int,
        prepare: Callable[[], None] | None,
        progress: Progress | None,
    ) -> list[Row]:
        left = set(todo)
        finished = len(units) - len(todo)
        if progress:
            progress(finished, len(units), "")
        if todo:
            self._end_line()
            try:
                for name, rows in in_parallel(todo, jobs=jobs, prepare=prepare):
                    if rows is None:
                        continue
                    self.add(name, rows)
                    left.discard(name)
                    finished += 1
                    if progress:
                        progress(finished, len(units), name)
            except WorkerError as error:
                raise WorkerError(
                    f"{error}; {len(self.done)} finished units are kept: run the same command "
                    "again, with fewer --jobs if memory is short"
                ) from error
        if left:
            raise StoppedError(
                f"stopped at the time limit, {len(units) - len(left)} of {len(units)} parts are "
                "done and kept: the same command again goes on from there"
            )
        return [row for name in units for row in self.done[name]]

    def _forget_if_empty(self) -> None:
        """Leave no trace of a study of which nothing could be done."""
        if not self._journal.exists():
            with suppress(OSError):  # the folder holds something else, or has gone
                (self.folder / "study.json").unlink()
                self.folder.rmdir()

    def _end_line(self) -> None:
        """Cut off what a killed run left half-written at the end of the journal."""
        if not self._journal.exists():
            return
        content = self._journal.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) < len(content):
            with atomic_write(self._journal) as file:
                file.write(whole)


def _line(unit: str, rows: Sequence[Row]) -> str:
    """Line of the journal."""
    return json.dumps({"unit": unit, "rows": jsonable(rows)}) + "\n"


def _require_empty(folder: Path) -> None:
    """Raise if a folder has somebody's files, which a report would be written over."""
    foreign = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    if foreign and "study.json" not in foreign:
        shown = ", ".join(foreign[:5]) + (", ..." if len(foreign) > 5 else "")
        raise ParameterError(
            f"{folder} is not empty and holds no study of NASurge ({shown}): give a new or an "
            "empty folder with --out"
        )


def in_parallel(
    todo: Mapping[str, Unit],
    *,
    jobs: int = -1,
    prepare: Callable[[], None] | None = None,
) -> Iterator[tuple[str, list[Row] | None]]:
    """Name and rows of each unit as it is finished, run as ``Journal.run`` does.

    Raises
    ------
    WorkerError
        If a process died: out of memory, or killed.
    ParameterError
        If a part cannot be sent to another process.
    """
    from concurrent.futures.process import BrokenProcessPool

    from joblib import delayed, effective_n_jobs
    from joblib.parallel import get_active_backend

    calls = [delayed(_named)(name, unit, prepare) for name, unit in todo.items()]
    count = min(jobs, len(todo)) if jobs > 0 else jobs
    try:
        with _quiet_joblib():
            if get_active_backend()[0].supports_return_generator:
                yield from parallel(count, return_as="generator_unordered")(calls)
            else:  # Ray's backend: a few rounds of units, so that what is done is kept
                size = 2 * effective_n_jobs(count)
                for start in range(0, len(calls), size):
                    yield from parallel(count)(calls[start : start + size])
    except BrokenProcessPool as error:
        raise WorkerError("a worker process died (out of memory, or killed)") from error
    except pickle.PicklingError as error:
        last = str(error.__cause__ or error).strip('" \n').splitlines()[-1]  # of a whole trace
        raise ParameterError(
            f"a class or function of yours cannot be sent to another process ({last}): give it "
            "what it needs where it is called, or run it in this process, with jobs=1 (-j 1)"
        ) from error


@contextmanager
def _quiet_joblib() -> Iterator[None]:
    """Silence what joblib says of its workers: nothing a user can act on.

    It takes a worker that grew by importing torch for one that leaks memory and replaces it, and it
    counts the tasks it cancels when a run is stopped.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "A worker stopped while some jobs")
        warnings.filterwarnings("ignore", "(?s).*have been (successfully executed|cancelled)")
        yield


def _named(
    name: str, unit: Unit, prepare: Callable[[], None] | None
) -> tuple[str, list[Row] | None]:
    if prepare:
        prepare()
    return name, unit()


def read_about(folder: Path) -> dict[str, Any]:
    """What a study's folder says it is: JSON values.

    Raises
    ------
    StorageError
        If there is no study.
    DataFileError
        If the file is damaged.
    """
    lacks = "holds no results of NASurge (no readable study.json)"
    return read_document(
        folder / "study.json",
        missing=f"{folder} {lacks if folder.exists() else 'does not exist'}: give the folder "
        "that a study printed, such as one of compare, search or validate",
        remedy="delete the folder and run again",
    )


@contextmanager
def whole_study(folder: Path) -> Iterator[None]:
    """Say of a study's folder that it is damaged where its contents do not fit together.

    Raises
    ------
    DataFileError
        Instead of what Python raises for a value that is missing or of another kind.
    """
    with damage_told(
        f"{folder} does not hold what a study of its kind writes",
        "run its command again, or delete the folder",
    ):
        yield


def read_units(folder: Path) -> dict[str, list[Row]]:
    """Rows of every finished unit of a study by its name; a half-written last line is left out.

    Raises
    ------
    DataFileError
        If another line is damaged.
    """
    path = folder / "rows.jsonl"
    if not path.exists():
        return {}
    remedy = "delete that line, its unit is then done again"
    try:
        with path.open("rb") as file:
            lines = read_bounded(file, str(path)).split(b"\n")
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror or error}") from error
    done = {}
    for number, line in enumerate(lines[:-1]):  # the last is empty, or was cut by a kill
        where = f"{path}: line {number + 1}"
        text = decode(line, where, remedy=remedy)
        entry = parse_json(text, where, keys=("unit", "rows"), remedy=remedy)
        rows = entry["rows"]
        if not isinstance(entry["unit"], str) or not isinstance(rows, list):
            raise DataFileError(f"{where} is damaged (no unit and rows): {remedy}")
        if not all(isinstance(row, dict) for row in rows):
            raise DataFileError(f"{where} is damaged (rows that are no objects): {remedy}")
        done[entry["unit"]] = rows
    return done


def write_rows(folder: Path, rows: Sequence[Row]) -> Path:
    """Path of ``rows.parquet``, after tidy rows were written there and to ``rows.csv``."""
    import pandas as pd

    frame = pd.DataFrame(rows)
    path = folder / "rows.parquet"
    with atomic_write(path) as file:
        frame.to_parquet(file, index=False)
    with atomic_write(folder / "rows.csv") as file:
        frame.to_csv(file, index=False)
    return path


def versions() -> dict[str, str]:
    """Versions that results depend on, by package."""
    import platform
    from importlib.metadata import version

    names = ("nasurge", "numpy", "scikit-learn", "torch", "torch-geometric", "xgboost")
    return {"python": platform.python_version(), **{name: version(name) for name in names}}
