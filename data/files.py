"""Files: where they live; written whole or not at all, and read without running anything."""

from __future__ import annotations

import os
import pickle
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from ..errors import DataFileError, StorageError, UnsafePickleError


def home() -> Path:
    """Folder of tables: ``$NASURGE_HOME``, else the user's data folder."""
    chosen = os.environ.get("NASURGE_HOME")
    if chosen:
        return Path(chosen).expanduser().absolute()
    import platformdirs

    return platformdirs.user_data_path("nasurge")


def make_folder(folder: Path) -> Path:
    """Create ``folder`` if it is missing, and return it.

    Raises
    ------
    StorageError
        If it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _cannot_write(folder, error) from error
    return folder


def _cannot_write(path: Path, error: OSError) -> StorageError:
    if isinstance(error, FileExistsError | NotADirectoryError):
        return StorageError(
            f"cannot make the folder {path}: a file is in the way; choose another (NASURGE_HOME "
            "for tables, --out for results)"
        )
    return StorageError(
        f"cannot write {path}: {error.strerror or error}; free some space or make it writable "
        "(tables live in the folder named by the environment variable NASURGE_HOME, results in "
        "the one given with --out)"
    )


@contextmanager
def atomic_write(path: Path) -> Iterator[BinaryIO]:
    """Open a file beside ``path`` that takes its place when the block ends without an error.

    Raises
    ------
    StorageError
        If it cannot be written (full disk, read-only folder); ``path`` is then as it was.
    """
    make_folder(path.parent)
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise _cannot_write(path, error) from error
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except OSError as error:
        Path(name).unlink(missing_ok=True)
        raise _cannot_write(path, error) from error
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


class Record:
    """Stand-in of a foreign object when a pickle is read: its attributes and nothing else."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)


class _AllowList(pickle.Unpickler):
    """An unpickler that knows only the given classes and functions."""

    def __init__(
        self,
        file: BinaryIO,
        allowed: Mapping[tuple[str, str], Callable[..., Any]],
        encoding: str,
    ) -> None:
        super().__init__(file, encoding=encoding)
        self._allowed = allowed

    def find_class(self, module: str, name: str) -> Any:
        """Stand-in of a class on the list; every other is refused."""
        try:
            return self._allowed[module, name]
        except KeyError:
            allowed = ", ".join(f"{m}.{n}" for m, n in self._allowed) or "none"
            raise UnsafePickleError(
                f"the pickle asks for {module}.{name}, which is not on the allow-list ({allowed}): "
                "nothing of it was run: get the file from its publisher again"
            ) from None


def read_pickle(path: Path, allowed: Mapping[tuple[str, str], Callable[..., Any]]) -> Any:
    """Object in a pickle, its classes replaced by the stand-ins in ``allowed``.

    No code of the file or of the packages it names is imported or run.

    Parameters
    ----------
    path : Path
    allowed : mapping from (module, name) to callable
        What may be built, and what stands in for it.

    Raises
    ------
    UnsafePickleError
        If the pickle names anything else.
    DataFileError
        If the file is empty, truncated or no pickle.
    StorageError
        If it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return unpickle(file, allowed, where=str(path))
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror or error}") from error


def unpickle(
    file: BinaryIO,
    allowed: Mapping[tuple[str, str], Callable[..., Any]],
    *,
    where: str,
    encoding: str = "ASCII",
) -> Any:
    """Object in an open pickle, as ``read_pickle`` reads it.

    Parameters
    ----------
    file : binary file
    allowed : mapping from (module, name) to callable
    where : str
        The file's name, for messages.
    encoding : str
        Of the strings in a pickle of Python 2.

    Raises
    ------
    UnsafePickleError, DataFileError
        As ``read_pickle``.
    OSError
        If the file cannot be read.
    """
    try:
        return _AllowList(file, allowed, encoding).load()
    except UnsafePickleError as error:
        raise UnsafePickleError(f"{where}: {error}") from None
    except OSError:
        raise
    except Exception as error:
        raise DataFileError(
            f"{where} is empty, truncated or not a pickle ({type(error).__name__}: {error}); "
            "get it again from its publisher"
        ) from error
