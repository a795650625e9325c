"""Where the files of the corpus are put, and what is expected of a case."""

from __future__ import annotations

import lzma
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from damage import damaged

V0 = Path(__file__).parents[1] / "old" / "v0"


class Case(NamedTuple):
    """A file, what reads it, and whether it may be read: a flipped bit may do no harm."""

    name: str
    read: Callable[[], object]
    harmless: bool = False


class Corpus:
    """Writes files into a folder of their own each.

    Parameters
    ----------
    folder : Path
    seed : int
    """

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.canary = folder / "was-run"
        self.rng = np.random.default_rng(seed)

    def place(self, name: str) -> Path:
        """A new folder."""
        path = self.folder / "files" / name
        path.mkdir(parents=True)
        return path

    def write(self, name: str, file: str, content: bytes) -> Path:
        """A file in a new folder."""
        path = self.place(name) / file
        path.write_bytes(content)
        return path

    def variants(
        self,
        reader: str,
        file: str,
        content: bytes,
        read: Callable[[Path], object],
        *,
        flips: int = 3,
        harmless: tuple[str, ...] = ("flipped", "zeros"),
    ) -> Iterator[Case]:
        """Yield cases of one file that is damaged in every way."""
        for label, changed in damaged(content, self.rng, flips):
            name = f"{reader}-{label}"
            path = self.write(name, file, changed)
            yield Case(name, partial(read, path), label.startswith(harmless))

    def files(
        self, reader: str, file: str, contents: dict[str, bytes], read: Callable[[Path], object]
    ) -> Iterator[Case]:
        """Yield a case of each of several files."""
        for label, content in contents.items():
            yield Case(
                f"{reader}-{label}", partial(read, self.write(f"{reader}-{label}", file, content))
            )


def old(place: str) -> bytes:
    """Content of a file of the first version."""
    return lzma.decompress((V0 / f"{place}.xz").read_bytes())
