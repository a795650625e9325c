"""Arrays of ``npz`` files that may be damaged or larger than they look."""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import DataFileError, LimitError, StorageError
from .documents import DAMAGED
from .limits import check_limit, check_unpacked

_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def read_npz(
    path: str | Path, *, names: Sequence[str] = (), remedy: str = "get or make it again"
) -> dict[str, NDArray[Any]]:
    """Arrays of an ``npz`` file by name; none of them is unpickled.

    Parameters
    ----------
    path : str or Path
    names : sequence of str
        That it must have.
    remedy : str
        What to do about a damaged file: ends the message.

    Raises
    ------
    StorageError
        If it cannot be read.
    DataFileError
        If it is no ``npz`` archive, damaged, over the limits, or lacks an array; or if one holds
        Python objects.
    """
    path = Path(path)
    try:
        with path.open("rb") as file, zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            check_limit("members", len(members), str(path))
            unpacked = sum(member.file_size for member in members)
            check_unpacked(unpacked, path.stat().st_size, str(path))
            found = {m.filename.removesuffix(".npy"): _array(archive.read(m)) for m in members}
    except LimitError:
        raise
    except (*DAMAGED, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # bzip2 raises it without
            raise StorageError(f"cannot read {path}: {error.strerror or error}") from error
        raise DataFileError(
            f"{path} is damaged or no npz archive of plain arrays ({type(error).__name__}: "
            f"{error}): {remedy}"
        ) from error
    if lacking := [name for name in names if name not in found]:
        raise DataFileError(
            f"{path} has no array {', '.join(lacking)}, but {', '.join(found) or 'none'}: {remedy}"
        )
    return found


def _array(content: bytes) -> NDArray[Any]:
    """Array in an ``npy`` file, if its header fits what follows."""
    file = io.BytesIO(content)
    version = np.lib.format.read_magic(file)
    if version not in _HEADERS:
        raise ValueError(f"an array of format {version}")
    shape, fortran, dtype = _HEADERS[version](file)
    if dtype.hasobject:
        raise ValueError("an array of Python objects")
    start = file.tell()
    if math.prod(shape) * dtype.itemsize != len(content) - start:
        raise ValueError(f"an array of shape {shape} in {len(content) - start} bytes")
    flat = np.frombuffer(bytearray(content), dtype, math.prod(shape), offset=start)
    return flat.reshape(shape, order="F" if fortran else "C")
