"""Tar archives of many files, read one after the other within the limits."""

from __future__ import annotations

import bz2
import gzip
import lzma
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .limits import Unpacked, check_limit, check_unpacked

Member = tuple[str, Callable[[], bytes] | None]
"""Name in an archive, and what reads the content where it is a file."""
_PACKED: dict[bytes, Callable[[Path], Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\x00": lzma.open,
}


@contextmanager
def open_tar(path: Path) -> Iterator[Iterator[Member]]:
    """Members of a tar archive, compressed or not, in stored order; nothing is written anywhere.

    Raises
    ------
    OSError, tarfile.TarError, EOFError, zlib.error, lzma.LZMAError
        If it cannot be read, or is damaged.
    LimitError
        If it is over the limits.
    """
    if not path.is_file():
        raise FileNotFoundError(2, "no such file", str(path))
    with path.open("rb") as file:
        start = file.read(6)
    unpack = next((u for begin, u in _PACKED.items() if start.startswith(begin)), None)
    with unpack(path) if unpack else path.open("rb") as opened:
        stored = path.stat().st_size
        stream: Any = Unpacked(opened, str(path), stored)
        with tarfile.open(fileobj=stream, mode="r:") as archive:
            yield _members(archive, stream, stored, str(path))


def _members(
    archive: tarfile.TarFile, stream: Unpacked, stored: int, where: str
) -> Iterator[Member]:
    number = 0
    while (member := archive.next()) is not None:
        archive.members = []  # type: ignore[attr-defined]  # or it would keep every one
        number += 1
        check_limit("members", number, where)

        def read(member: tarfile.TarInfo = member) -> bytes:
            """Content, which a sparse file claims to be more than is stored."""
            check_unpacked(member.size, stored, f"{member.name[:200]} of {where}")
            content = archive.extractfile(member)
            return content.read() if content else b""

        yield member.name, read if member.isreg() else None
    if stream.tell() <= archive.offset:  # what ends an archive was not read
        raise tarfile.ReadError("unexpected end of data")
    while stream.read(1 << 20):  # the checksum of a compressed file ends it
        pass
