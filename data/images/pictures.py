"""Single pictures in files: those named, and those in folders."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ...errors import DataFileError, ParameterError, StorageError
from ..arguments import as_path, checked
from ..files.limits import check_limit
from ..types import Pixels
from .episodes import in_channels
from .sets import SUFFIXES, decode_image


@checked
def load_pictures(
    paths: Sequence[str | Path], *, size: int, channels: int = 3
) -> tuple[list[Path], Pixels]:
    """Files of pictures, and their pixels from 0 to 255, shape (n, channels, size, size).

    Parameters
    ----------
    paths : sequence of str or Path
        PNG or JPEG files, and folders: of these all such files in them and below, by name.
    size : int
        Every picture is resized to ``size`` x ``size`` pixels, as ``load_classes`` does.
    channels : {3, 1}
        Colour or grey; the other is converted.

    Raises
    ------
    ParameterError
        If there is no path, or a number is none of these.
    StorageError
        If a file is missing or cannot be read.
    DataFileError
        If one is no image, or a folder has none; the message names it.

    Examples
    --------
    >>> import tempfile
    >>> from PIL import Image
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Image.new("RGB", (40, 30), "red").save(Path(folder) / "a.png")
    ...     files, pixels = load_pictures([folder], size=8)
    >>> files[0].name, pixels.shape, pixels[0, :, 0, 0].tolist()
    ('a.png', (1, 3, 8, 8), [255.0, 0.0, 0.0])
    """
    if size < 1 or channels not in (1, 3) or not len(paths):
        raise ParameterError(
            f"one path or more, a size of at least 1 and 1 or 3 channels are asked for, not "
            f"{len(paths)} paths, {size} and {channels}"
        )
    files = [file for path in paths for file in _files(as_path(path).expanduser())]
    check_limit("memory", 4 * len(files) * channels * size * size, f"{len(files)} pictures")
    pixels = np.empty((len(files), channels, size, size), dtype=np.float32)
    for row, file in enumerate(files):
        plain = decode_image(_content(file), size, str(file)).astype(np.float32)
        pixels[row] = in_channels(plain.transpose(2, 0, 1)[None], channels, str(file))[0]
    return files, pixels


def _files(path: Path) -> list[Path]:
    """The file itself, or all pictures of a folder."""
    if not path.is_dir():
        return [path]
    found = sorted(
        file
        for file in path.rglob("*")
        if file.name.lower().endswith(SUFFIXES) and not file.name.startswith(".")
    )
    if not found:
        raise DataFileError(f"{path} holds no pictures: none of its files ends in .jpg or .png")
    return found


def _content(file: Path) -> bytes:
    try:
        check_limit("memory", file.stat().st_size, str(file))
        return file.read_bytes()
    except OSError as error:
        raise StorageError(
            f"cannot read {file}: {error.strerror or error}; give PNG or JPEG files, or a folder"
        ) from error
