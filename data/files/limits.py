"""Limits of what a file may cost: memory, pixels, members of an archive, depth, columns.

The environment variable ``NASURGE_LIMITS`` changes them, in worker processes too:
``NASURGE_LIMITS="memory=16e9,pixels=2e8"``.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import IO

from ...errors import LimitError, ParameterError

VARIABLE = "NASURGE_LIMITS"
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Limits:
    """Bounds of what is read from one file, folder or archive.

    Attributes
    ----------
    memory : int
        Bytes that its content may take in memory, unpacked and decoded.
    ratio : int
        How many times larger than stored a compressed file may become, from 64 MiB on.
    pixels : int
        Pixels of one image.
    members : int
        Files in one archive or folder.
    depth : int
        Brackets within brackets in JSON and TOML.
    columns : int
        Columns of a table.
    cell : int
        Characters in one cell of a table.
    """

    memory: int = 4 << 30
    ratio: int = 250
    pixels: int = 50_000_000
    members: int = 2_000_000
    depth: int = 100
    columns: int = 10_000
    cell: int = 100_000


_FREE = 64 << 20  # bytes of any file that are unpacked whatever their ratio


def limits() -> Limits:
    """Limits in force: the defaults, changed by the environment variable ``NASURGE_LIMITS``.

    Raises
    ------
    ParameterError
        If the variable names no limit, or gives one no positive number.

    Examples
    --------
    >>> limits().pixels
    50000000
    """
    return _parsed(os.environ.get(VARIABLE, ""))


@lru_cache(8)
def _parsed(text: str) -> Limits:
    known = [field.name for field in fields(Limits)]
    chosen = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, number = (piece.strip() for piece in part.partition("="))
        try:
            value = int(float(number))
        except (ValueError, OverflowError):
            value = 0
        if name not in known or value < 1:
            raise ParameterError(
                f"the environment variable {VARIABLE} holds {part!r}: write NAME=NUMBER, several "
                f"separated by commas, numbers above 0; names: {', '.join(known)}"
            )
        chosen[name] = value
    return Limits(**chosen)


def check_limit(name: str, needed: int, what: str) -> None:
    """Refuse what needs more than a limit allows.

    Parameters
    ----------
    name : str
        Field of ``Limits``.
    needed : int
    what : str
        Beginning of the message, such as ``"x.png of a.tar"``.

    Raises
    ------
    LimitError
        Naming the limit, what is needed and how to raise it.

    Examples
    --------
    >>> check_limit("pixels", 100, "a.png")
    """
    allowed: int = getattr(limits(), name)
    if needed > allowed:
        raise LimitError(
            f"{what} is over the limit of {name}: {_amount(name, needed)} where at most "
            f"{_amount(name, allowed)} are read; if the file is what it should be, raise the limit "
            f"with the environment variable {VARIABLE}={name}={needed:.1e}"
        )


def _amount(name: str, number: int) -> str:
    return f"{number:,} {'bytes of memory' if name == 'memory' else _UNITS.get(name, name)}"


_UNITS = {"ratio": "times the stored size", "depth": "levels", "cell": "characters"}


def check_ratio(unpacked: int, stored: int, what: str) -> None:
    """Refuse a compressed file that has become too many times larger.

    Parameters
    ----------
    unpacked, stored : int
        Bytes.
    what : str
        As for ``check_limit``.

    Raises
    ------
    LimitError
    """
    if unpacked > _FREE:
        check_limit("ratio", unpacked // max(stored, 1), what)


def check_unpacked(unpacked: int, stored: int, what: str) -> None:
    """Refuse what ``check_ratio`` refuses, and what would take too much memory.

    Raises
    ------
    LimitError
    """
    check_limit("memory", unpacked, what)
    check_ratio(unpacked, stored, what)


def read_bounded(file: IO[bytes], what: str, *, stored: int | None = None, used: int = 0) -> bytes:
    """Rest of an open file, which may be compressed, read in parts within the limits.

    Parameters
    ----------
    file : binary file
    what : str
        As for ``check_limit``.
    stored : int, optional
        Bytes of the compressed file, where it is one.
    used : int
        Bytes that what was read before takes.

    Raises
    ------
    LimitError
        As soon as more is read than may be.
    """
    parts, total = [], 0
    while block := file.read(_BLOCK):
        parts.append(block)
        total += len(block)
        check_limit("memory", used + total, what)
        if stored is not None:
            check_ratio(total, stored, what)
    return b"".join(parts)


class Unpacked:
    """A compressed file as it is unpacked, for one that reads and seeks in it, within the limits.

    Parameters
    ----------
    file : binary file
        That unpacks what is read from it.
    what : str
        As for ``check_limit``.
    stored : int
        Bytes of the compressed file.
    """

    def __init__(self, file: IO[bytes], what: str, stored: int) -> None:
        self._file, self._what, self._stored = file, what, stored

    def read(self, size: int = -1) -> bytes:
        """So many bytes, or as many as are left.

        Raises
        ------
        LimitError
        """
        parts, total = [], 0
        while size < 0 or total < size:
            block = self._file.read(_BLOCK if size < 0 else min(_BLOCK, size - total))
            if not block:
                break
            parts.append(block)
            total += len(block)
            check_limit("memory", total, self._what)
            check_ratio(self._file.tell(), self._stored, self._what)
        return b"".join(parts)

    def seek(self, place: int, whence: int = 0) -> int:
        """Go on from another place, unpacking what lies before it.

        Raises
        ------
        LimitError
        """
        target = place + (self._file.tell() if whence == 1 else 0)
        check_ratio(target, self._stored, self._what)
        return self._file.seek(target)

    def tell(self) -> int:
        """Bytes read so far."""
        return self._file.tell()
