"""How the rows of a text file are written: what separates cells, and where the names stand."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ....errors import DataFileError, LimitError
from ...files.limits import check_limit
from .opening import Stream, damaged

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}
SAMPLE = 1 << 20  # bytes from which the dialect is told
_ROWS = 500
_SEP = re.compile(r"sep=(.)")  # what spreadsheets read the separator from
_NAMELESS = re.compile(r"Unnamed: \d+|__index_level_\d+__")
_STEERING = {"Cc", "Cs", "Zl", "Zp"}
_TURNING = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@dataclass(frozen=True)
class Dialect:
    """Separator, the names in the header line, the lines before the first row, and a look at rows.

    Attributes
    ----------
    separator : str
    names : tuple of str
    lines : int
        Lines of the file above the first row of numbers.
    start : int
        Bytes above it.
    rows : list of list of str
        The first rows.
    """

    separator: str
    names: tuple[str, ...]
    lines: int
    start: int
    rows: list[list[str]]


def dialect_of(stream: Stream, path: Path) -> Dialect:
    """Dialect of a text, by its beginning; nothing is read.

    Raises
    ------
    DataFileError
        If it is no text, or its lines are not rows of cells.
    LimitError
        If it has too many columns, or a cell is too long.
    """
    text = _sample(stream, path)
    above = _above(text)
    wanted = next(filter(None, (_SEP.fullmatch(line.strip("\r\n")) for line in above)), None)
    body = text[len("".join(above)) :]
    commented = [line for line in above if line.startswith("#")]
    candidates = [wanted[1]] if wanted else list(SEPARATORS)
    found = {one: records for one in candidates if (records := _records(body, one))}
    if not found and body.strip():
        raise LimitError(
            f"{path}: a cell is longer than {csv.field_size_limit():,} characters: is a quotation "
            "mark missing?"
        )
    if not found:
        raise DataFileError(f"{path} has no rows; a table has one row per architecture")
    separator = max(found, key=lambda one: (_even(found[one]), len(found[one][0][0])))
    records = found[separator]
    names, ends = records[0]
    header = body.splitlines(keepends=True)[:ends]
    lines, rows = len(above) + ends, [row for row, _ in records[1:] if row]
    if commented and _is_header(named := commented[-1].lstrip("# "), separator, names):
        # numpy.savetxt writes the names as a comment
        rows, names, header = [names, *rows], _cells(named, separator), []
        lines -= ends
    check_limit("columns", len(names), str(path))
    names = clean_names(names, path)
    if rows and len(names) > 1 and all(len(row) == len(names) + 1 and not row[-1] for row in rows):
        names = [*names, ""]  # a separator ends every row, and not the header line
    start = len("".join([*above, *header]).encode())
    return Dialect(separator, tuple(names), lines, start, rows)


def _sample(stream: Stream, path: Path) -> str:
    """Beginning of the text, in whole lines."""
    block = stream.peek(SAMPLE)
    whole = len(block) < SAMPLE
    if b"\0" in block:
        raise damaged(path, "it holds bytes of zero")
    end = len(block) if whole else max(block.rfind(b"\n"), block.rfind(b"\r")) + 1
    if not end and block:
        raise LimitError(f"{path}: its first line is longer than {SAMPLE:,} bytes: is it a table?")
    try:
        return block[:end].decode()
    except UnicodeDecodeError as error:
        raise DataFileError(
            f"{path} is not UTF-8 text (byte {block[error.start]:#04x} in line "
            f"{block[: error.start].count(10) + 1}): save it as CSV in UTF-8"
        ) from None


def _above(text: str) -> list[str]:
    """Lines above the names: blank ones, comments, and what names the separator."""
    above = []
    for line in text.splitlines(keepends=True):
        if line.strip() and not line.startswith("#") and not _SEP.fullmatch(line.strip("\r\n")):
            break
        above.append(line)
    return above


def _records(text: str, separator: str) -> list[tuple[list[str], int]]:
    """First rows of cells, each with the number of lines up to its end; none of a long cell."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    found: list[tuple[list[str], int]] = []
    try:
        for row in reader:
            found.append((row, reader.line_num))
            if len(found) > _ROWS:
                break
    except csv.Error:
        return []
    return found


def _cells(line: str, separator: str) -> list[str]:
    return next(csv.reader([line], delimiter=separator), [])


def _even(records: list[tuple[list[str], int]]) -> bool:
    """Whether all rows have as many cells as there are names, and more than one."""
    widths = {len(row) for row, _ in records[1:] if row}
    names = len(records[0][0])
    trailing = all(not row[-1] for row, _ in records[1:] if row)
    return names > 1 and (widths <= {names} or (trailing and widths == {names + 1}))


def _is_header(line: str, separator: str, first: list[str]) -> bool:
    """Whether a comment names the cells of the row below it."""
    names = _cells(line.strip(), separator)
    return len(names) == len(first) > 1 and any(map(_is_number, first))


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _plain_name(name: str) -> str:
    """Name with single blanks; empty for one that pandas gave a column without a name."""
    return "" if _NAMELESS.fullmatch(name) else " ".join(name.split())


def clean_names(names: Sequence[str], path: Path) -> list[str]:
    """Names with single blanks; refuses what could steer a terminal, and a name that occurs twice.

    Raises
    ------
    DataFileError
    """
    found = [_plain_name(name) for name in names]
    for position, name in enumerate(found, start=1):
        check_limit("cell", len(name), f"the name of column {position} of {path}")
        if set(name) & _TURNING or {unicodedata.category(char) for char in name} & _STEERING:
            raise DataFileError(
                f"{path}: column {position} is called {name[:60]!r}: a name holds no control "
                "characters; rename it"
            )
    twice = next((name for name, count in Counter(found).items() if name and count > 1), None)
    if twice is not None:
        raise DataFileError(f"{path}: two columns are called {twice!r}; rename one")
    return found
