"""Bytes of a table's file: unpacked, as UTF-8, in parts and within the limits."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, cast

from ....errors import DataFileError, NasurgeError, StorageError
from ...files.limits import check_limit, check_unpacked

MAGIC = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"\x28\xb5\x2f\xfd": "zstandard",
    b"PK\x03\x04": "zip",
}
"""How packed files begin."""
PARQUET = b"PAR1"
_DAMAGE = (
    EOFError,
    ValueError,
    RuntimeError,  # a zip archive with a password, or with a packing that is not known
    zlib.error,
    lzma.LZMAError,
    zipfile.BadZipFile,
    tarfile.TarError,
    gzip.BadGzipFile,
)
_OFFICE = "it is a spreadsheet: save the sheet as CSV (UTF-8)"
_STRANGERS = {
    "[Content_Types].xml": _OFFICE,
    "mimetype": _OFFICE,
    ".npy": "it is an npz archive of arrays: write them as CSV, one row per architecture",
    ".pkl": (
        "it is a file of PyTorch, such as the official one of NAS-Bench-201: read it with the "
        "benchmark's own package, and write a CSV file with one row per architecture"
    ),
}


class Stream(io.RawIOBase):
    """Bytes that can be looked at before they are read; refuses more than the limits allow.

    Parameters
    ----------
    source : callable
        Gives at most so many bytes, none at the end.
    what : str
        The file's name, for messages.
    stored : int
        Size of the file.
    """

    def __init__(self, source: Callable[[int], bytes], what: str, stored: int) -> None:
        super().__init__()
        self._source, self._what, self._stored = source, what, stored
        self._ahead, self._total = b"", 0

    def readable(self) -> bool:
        """Whether bytes can be read from it: always, as PyArrow asks."""
        return True

    def _more(self, n: int) -> bytes:
        block = self._source(n)
        self._total += len(block)
        check_unpacked(self._total, self._stored, self._what)
        return block

    def peek(self, n: int) -> bytes:
        """First ``n`` bytes that are not read yet, or all there are."""
        while len(self._ahead) < n and (block := self._more(n - len(self._ahead))):
            self._ahead += block
        return self._ahead[:n]

    def read(self, n: int = -1) -> bytes:
        """At most ``n`` bytes, or all."""
        if n is None or n < 0:
            return b"".join(iter(lambda: self.read(1 << 20), b""))
        if self._ahead:
            found, self._ahead = self._ahead[:n], self._ahead[n:]
            return found
        return self._more(n)


@contextmanager
def opened(path: Path) -> Iterator[tuple[Stream, str]]:
    """Text of a file, unpacked and as UTF-8 without a mark at the start, and how it was packed.

    Raises
    ------
    StorageError
        If it cannot be read.
    DataFileError
        If it is damaged, an archive of several files, or no archive of a table.
    LimitError
        As soon as more is unpacked than may be.
    """
    try:
        with path.open("rb") as file:
            stream, packed = _unpacked(file, path)
            yield _as_utf8(stream, path), packed
    except NasurgeError:
        raise
    except _DAMAGE as error:
        raise damaged(path, error) from error
    except OSError as error:
        if error.errno is None:  # bzip2 says so of what it cannot unpack
            raise damaged(path, error) from error
        raise StorageError(f"cannot read {path}: {error.strerror or error}") from error


def damaged(path: Path, error: BaseException | str) -> DataFileError:
    """Error of a file that is not what it should be."""
    reason = " ".join(str(error).split()) or type(error).__name__
    return DataFileError(
        f"{path} is empty, truncated or neither CSV nor Parquet ({reason}); a table is UTF-8 text "
        "of one header line and one row per architecture"
    )


def packing(start: bytes) -> str | None:
    """Name of the packing that a file begins as."""
    return next((name for magic, name in MAGIC.items() if start.startswith(magic)), None)


def _unpacked(file: IO[bytes], path: Path) -> tuple[Stream, str]:
    """Innermost file, and the packings around it."""
    stored = path.stat().st_size
    stream = Stream(file.read, str(path), stored)
    packings: list[str] = []
    for _ in range(3):
        name = packing(stream.peek(8))
        tar = stream.peek(512)[257:262] == b"ustar"
        if name is None and not tar:
            break
        if name == "zip" and packings:
            raise DataFileError(f"{path}: an archive within {packings[0]}: unpack the outer one")
        packings.append(name or "tar")
        stream = Stream(_opener(name or "tar", stream, file, path), str(path), stored)
    if stream.peek(4) == PARQUET and packings:
        raise DataFileError(f"{path} is a Parquet file within {packings[0]}: unpack it first")
    return stream, ", ".join(packings)


def _opener(name: str, stream: Stream, file: IO[bytes], path: Path) -> Callable[[int], bytes]:
    """Reader of what is packed in an open file."""
    if name == "gzip":
        return gzip.GzipFile(fileobj=stream).read
    if name == "bzip2":
        return bz2.BZ2File(stream).read
    if name == "xz":
        return lzma.LZMAFile(cast(IO[bytes], stream)).read
    if name == "zstandard":
        import pyarrow as pa

        return pa.CompressedInputStream(pa.PythonFile(stream, mode="r"), "zstd").read  # type: ignore[no-any-return]
    if name == "zip":
        file.seek(0)
        archive = zipfile.ZipFile(file)
        chosen = _only([i.filename for i in archive.infolist() if not i.is_dir()], path)
        return archive.open(chosen).read
    return _tar_member(stream, path)


def _tar_member(stream: Stream, path: Path) -> Callable[[int], bytes]:
    """Reader of the one table in a tar archive, which is gone through once to find it."""
    with opened_again(path) as first, tarfile.open(fileobj=first, mode="r|") as archive:
        chosen = _only([m.name for m in _members(archive, path)], path)
    archive = tarfile.open(fileobj=stream, mode="r|")  # noqa: SIM115 -- read by the caller
    member = next(m for m in archive if m.name == chosen)
    found = archive.extractfile(member)
    if found is None:
        raise damaged(path, "its member is no file")
    return found.read


@contextmanager
def opened_again(path: Path) -> Iterator[IO[bytes]]:
    """The tar archive in a file that may be packed once more."""
    with path.open("rb") as file:
        stream = Stream(file.read, str(path), path.stat().st_size)
        name = packing(stream.peek(8))
        if name is not None:
            stream = Stream(_opener(name, stream, file, path), str(path), path.stat().st_size)
        yield cast("IO[bytes]", stream)


def _members(archive: tarfile.TarFile, path: Path) -> Iterator[tarfile.TarInfo]:
    for number, member in enumerate(archive, start=1):
        check_limit("members", number, str(path))
        check_limit("memory", member.size, f"{member.name!r} of {path}")
        if member.isfile():
            yield member


def _only(names: list[str], path: Path) -> str:
    """The one file of an archive, what systems put beside it left aside."""
    for ending, message in _STRANGERS.items():
        if any(name == ending or (ending[0] == "." and name.endswith(ending)) for name in names):
            raise DataFileError(f"{path} holds no CSV file; {message}")
    own = [name for name in names if not _companion(name)]
    if len(own) != 1:
        listed = ", ".join(map(repr, own[:5])) + (", ..." if len(own) > 5 else "")
        raise DataFileError(
            f"{path} holds {len(own)} files ({listed}): pack one CSV file, or import each by itself"
        )
    return own[0]


def _companion(name: str) -> bool:
    """Whether a file was put into an archive by a Mac or by Windows."""
    parts = PurePosixPath(name).parts
    hidden = parts[-1].startswith(("._", ".DS_Store")) if parts else True
    return hidden or "__MACOSX" in parts or parts[-1].lower() in ("thumbs.db", "desktop.ini")


def _as_utf8(stream: Stream, path: Path) -> Stream:
    """The text as UTF-8, from UTF-16 where its mark says so; the mark itself is passed over."""
    start = stream.peek(3)
    if start.startswith(codecs.BOM_UTF8):
        stream.read(3)
        return stream
    name = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}.get(start[:2])
    if name is None:
        return stream
    stream.read(2)
    decoder = codecs.getincrementaldecoder(name)()

    def read(n: int) -> bytes:
        while block := stream.read(max(n // 2, 2)):
            if text := decoder.decode(block):
                return text.encode()
        return decoder.decode(b"", final=True).encode()

    return Stream(read, str(path), path.stat().st_size)
