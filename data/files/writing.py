"""Files: where they live, and how they are written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ...errors import StorageError


def home() -> Path:
    """Folder of tables: ``$NASURGE_HOME``, else the user's data folder.

    Raises
    ------
    StorageError
        If the variable names a file, or there is no variable and the user has no home.
    """
    chosen = os.environ.get("NASURGE_HOME")
    try:
        if chosen:
            folder = Path(chosen).expanduser().absolute()
        else:
            import platformdirs

            folder = platformdirs.user_data_path("nasurge")
        usable = folder.is_dir() or not folder.exists()
    except (RuntimeError, LookupError, ValueError, OSError) as error:
        raise StorageError(
            f"there is no folder for tables ({error}): name one with the environment variable "
            "NASURGE_HOME"
        ) from error
    if not usable:
        raise StorageError(
            f"{folder} is a file, but NASURGE_HOME names the folder of tables: name another"
        )
    return folder


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
