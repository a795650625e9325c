"""Text, JSON and TOML of files that may be damaged: read with one error that says what to do."""

from __future__ import annotations

import json
import lzma
import struct
import tomllib
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tokenize import TokenError
from typing import Any

from ...errors import DataFileError, LimitError, NasurgeError, StorageError
from .limits import check_limit, read_bounded

DAMAGED = (
    *(ValueError, LookupError, TypeError, AttributeError, ArithmeticError, EOFError),
    *(RuntimeError, MemoryError, SyntaxError),
    *(struct.error, zlib.error, lzma.LZMAError, zipfile.BadZipFile, TokenError),
)
"""What Python and NumPy raise when a file does not hold what it should."""
_VALUE_BYTES = 32  # what a character of JSON takes in memory, at most
_KINDS = {dict: "an object", list: "a list", str: "a text", bool: "a truth value"}
_SHOWN = 200  # characters of a message that comes from elsewhere


@contextmanager
def damage_told(what: str, remedy: str, *other: type[Exception]) -> Iterator[None]:
    """Say of stored work that it is damaged where its parts do not fit together.

    Parameters
    ----------
    what, remedy : str
        What is damaged, and what to do.
    *other : exception classes
        Let through, as errors of ours are: they say something else than damage.

    Raises
    ------
    DataFileError
        Instead of what Python raises for a value that is missing or of another kind.
    """
    let_through: tuple[type[Exception], ...] = (NasurgeError, *other)
    try:
        yield
    except let_through:
        raise
    except DAMAGED as error:
        reason = f"{type(error).__name__}: {str(error)[:_SHOWN]}"
        raise DataFileError(f"{what} ({reason}): {remedy}") from error


def read_text(path: Path, *, missing: str = "", remedy: str) -> str:
    """Text of a file in UTF-8.

    Parameters
    ----------
    path : Path
    missing : str
        Message where it cannot be read; by default the system's reason.
    remedy : str
        What to do about a damaged file: ends the message.

    Raises
    ------
    StorageError
        If the file cannot be read.
    DataFileError
        If it is no text in UTF-8, or over the limits.

    Examples
    --------
    >>> read_text(Path("nothing.json"), missing="no such study", remedy="")
    Traceback (most recent call last):
    nasurge.errors.StorageError: no such study
    """
    try:
        with path.open("rb") as file:
            content = read_bounded(file, str(path))
    except LimitError:
        raise
    except (OSError, ValueError) as error:  # a path with a NUL, for one
        reason = getattr(error, "strerror", None) or error
        raise StorageError(missing or f"cannot read {path}: {reason}") from error
    return decode(content, str(path), remedy=remedy)


def decode(content: bytes, where: str, *, remedy: str) -> str:
    """Text of bytes in UTF-8.

    Raises
    ------
    DataFileError
        If they are none; the message names the first byte that is not.

    Examples
    --------
    >>> decode(bytes([0x7b, 0xff]), "a.json", remedy="delete it")
    Traceback (most recent call last):
    nasurge.errors.DataFileError: a.json is damaged or no text in UTF-8 (byte 2 is 0xff): delete it
    """
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataFileError(
            f"{where} is damaged or no text in UTF-8 (byte {error.start + 1} is "
            f"{content[error.start]:#04x}): {remedy}"
        ) from error


def parse_json(
    text: str, where: str, *, keys: Sequence[str] = (), remedy: str = "save it again"
) -> dict[str, Any]:
    """Object written in JSON that has some keys.

    Parameters
    ----------
    text : str
    where : str
        The file's name and perhaps the line, for messages.
    keys : sequence of str
        That it must have.
    remedy : str
        As for ``read_text``.

    Raises
    ------
    DataFileError
        If it is no JSON, something else than an object, nested too deeply or without a key.

    Examples
    --------
    >>> parse_json("[1]", "study.json")
    Traceback (most recent call last):
    nasurge.errors.DataFileError: study.json is damaged (a list, not an object): save it again
    """
    check_limit("memory", _VALUE_BYTES * len(text), where)
    try:
        found = json.loads(text)
    except RecursionError:
        check_limit("depth", 1000, where)
        raise
    except ValueError as error:
        raise DataFileError(
            f"{where} is damaged or no JSON ({str(error)[:_SHOWN]}): {remedy}"
        ) from error
    if not isinstance(found, dict):
        raise DataFileError(f"{where} is damaged ({_kind(found)}, not an object): {remedy}")
    check_depth(found, where)
    if lacking := [key for key in keys if key not in found]:
        raise DataFileError(f"{where} is damaged (no {', '.join(lacking)} in it): {remedy}")
    return found


def read_document(
    path: Path, *, keys: Sequence[str] = (), missing: str = "", remedy: str = "save it again"
) -> dict[str, Any]:
    """Object in a JSON file: ``read_text`` and ``parse_json`` in one.

    Raises
    ------
    StorageError, DataFileError
        As they do.
    """
    text = read_text(path, missing=missing, remedy=remedy)
    return parse_json(text, str(path), keys=keys, remedy=remedy)


def parse_toml(text: str, where: str) -> dict[str, Any]:
    """Values written in TOML.

    Raises
    ------
    DataFileError
        If it is no TOML, or nested too deeply.

    Examples
    --------
    >>> parse_toml("a.b = 1", "x.toml")
    {'a': {'b': 1}}
    """
    try:
        found = tomllib.loads(text)
    except RecursionError:
        check_limit("depth", 1000, where)
        raise
    except ValueError as error:
        raise DataFileError(f"{where} is not valid TOML: {str(error)[:_SHOWN]}") from error
    check_depth(found, where)
    return found


def check_depth(value: Any, where: str) -> None:
    """Refuse lists and objects within each other deeper than the limits allow.

    Raises
    ------
    LimitError
    """
    level, depth = [value], 0
    while level := [
        part
        for outer in level
        if isinstance(outer, (dict, list))
        for part in (outer.values() if isinstance(outer, dict) else outer)
    ]:
        depth += 1
        check_limit("depth", depth, where)


def _kind(value: Any) -> str:
    """What a JSON value is, in words."""
    return "null" if value is None else _KINDS.get(type(value), "a number")
