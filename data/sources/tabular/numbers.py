"""Numbers as people write them: points or commas, percent signs, units, mean and deviation."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ....errors import DataFileError
from ...types import Values
from .cells import Cells
from .units import KNOWN, UNITS, are_of_one_kind

if TYPE_CHECKING:
    import pyarrow as pa

_EMPTY = {
    "",
    "na",
    "n/a",
    "#n/a",
    "<na>",
    "nan",
    "-nan",
    "null",
    "none",
    "nil",
    "-",
    "\u2013",
    "\u2014",
}
_BLANKS = "'\u2019_ \u00a0\u2009\u202f"  # what stands between thousands beside a comma or point
_NUMBER = re.compile(
    rf"(?P<sign>[+\-\u2212]?)(?P<body>[.,]?\d(?:[\d.,{_BLANKS}]*\d)?[.,]?)(?P<power>[eE][+-]?\d+)?"
    rf"(?P<unit>\s*(?:{KNOWN})|\s+[^\W\d_][^\s\d]{{0,11}})?"
)
_LIST = re.compile(r"\d+(?: \d+)+")  # whole numbers apart: each is one of several
_DEVIATION = re.compile(r"\s*(?:±|\+/-|\+-|\\pm)\s*")


@dataclass(frozen=True)
class Numbers:
    """Values of a column.

    Attributes
    ----------
    values : float array, shape (n,)
        NaN where a cell is empty.
    deviations : float array, shape (n,), or None
        What stands behind a plus-minus sign.
    unit : str
        What stands behind every number, or behind most of those that others were converted to.
    converted : tuple of str
        The other units.
    """

    values: Values
    deviations: Values | None = None
    unit: str = ""
    converted: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Parts:
    """A number in pieces: what stands before the decimal sign and behind it."""

    whole: str
    fraction: str
    exponent: str
    decimal: str
    """``","``, ``"."``, or ``""`` where it has none, ``"?"`` where it may be a group of three."""
    grouped: str
    """What stands between the thousands."""
    unit: str

    @property
    def value(self) -> float:
        return float(f"{self.whole or '0'}.{self.fraction or '0'}{self.exponent}")


def _parts(text: str) -> _Parts | None:
    """A number in pieces, or None."""
    found = _NUMBER.fullmatch(text)
    if not found:
        return None
    body, sign = found["body"], found["sign"].replace("\u2212", "-").replace("+", "")
    blanks = {char for char in body if char in _BLANKS}
    signs = [char for char in body if char in ".,"]
    decimal, grouped = "", "".join(blanks)
    if len(blanks) > 1:
        return None
    if len(set(signs)) == 2:
        decimal = signs[-1]
        if signs.count(decimal) > 1 or blanks:
            return None
        grouped = signs[0]
    elif len(signs) > 1:
        grouped = signs[0]
        if blanks:
            return None
    elif signs:
        whole, _, fraction = body.partition(signs[0])
        three = len(fraction) == 3 and re.fullmatch("[1-9][0-9]{0,2}", whole) and not blanks
        decimal = "?" if three else signs[0]
    at = signs[0] if decimal == "?" else decimal
    whole, _, fraction = body.partition(at) if at else (body, "", "")
    if grouped:
        if not re.fullmatch(rf"\d{{1,3}}(?:{re.escape(grouped)}\d{{3}})+", whole):
            return None
        whole = whole.replace(grouped, "")
    if decimal == "?":
        decimal = f"?{at}"
    unit = (found["unit"] or "").strip()
    return _Parts(f"{sign}{whole}", fraction, found["power"] or "", decimal, grouped, unit)


def is_empty(text: str) -> bool:
    """Whether a cell says that there is no number."""
    return text.casefold() in _EMPTY


def is_number(text: str) -> bool:
    """Whether a cell is a number in any of the ways in which people write them."""
    first, *rest = _DEVIATION.split(text)
    return _parts(first) is not None and all(_parts(part) is not None for part in rest)


def shares_of_numbers(cells: Cells) -> list[float]:
    """Share of each column's cells that are numbers, empty ones left aside; NaN if all are."""
    return [_share(column) for column in cells.columns]


def _share(column: pa.ChunkedArray) -> float:
    fast = _plain(column)
    if fast is not None:
        return np.nan if np.isnan(fast).all() else 1.0
    full = {text: count for text, count in _counted(column).items() if not is_empty(text)}
    if all(_LIST.fullmatch(text) for text in full):
        return 0.0
    total = sum(full.values())
    return sum(n for text, n in full.items() if is_number(text)) / total if total else np.nan


def _counted(column: pa.ChunkedArray) -> dict[str, int]:
    """How often each cell occurs, without the blanks around it."""
    import pyarrow.compute as pc

    counts = pc.value_counts(pc.utf8_trim_whitespace(column))
    return {entry["values"]: entry["counts"] for entry in counts.to_pylist()}


def decimal_sign(cells: Cells, columns: Iterable[int], path: Path) -> str:
    """Decimal sign of a file, ``"."`` or ``","``, from the numbers that leave no doubt.

    Raises
    ------
    DataFileError
        If some can only be read with one sign and some only with the other.
    """
    seen: dict[str, str] = {}
    places = list(columns)
    for column in places:
        if _plain(cells.columns[column]) is not None:
            if (example := _with_a_point(cells.columns[column])) is not None:
                seen.setdefault(".", example)
            continue
        for text in _counted(cells.columns[column]):
            for piece in _DEVIATION.split(text):
                parts = _parts(piece)
                if parts is None:
                    continue
                sign = parts.decimal
                if parts.grouped in (",", "."):
                    sign = "." if parts.grouped == "," else ","
                if sign in (".", ","):
                    seen.setdefault(sign, piece)
    if len(seen) == 2:
        raise DataFileError(
            f"{path}: {seen['.']!r} has a decimal point and {seen[',']!r} a decimal comma: write "
            "all numbers in one way"
        )
    doubtful = () if seen else [_thousand(cells.columns[column]) for column in places]
    if unsure := [text for text in doubtful if text]:
        raise DataFileError(
            f"{path}: {unsure[0]!r} may have a decimal point or be a group of thousands, beside "
            'whole numbers: write it without \'.\', or say decimal = "." or "," in a schema'
        )
    return next(iter(seen), ".")


def numbers(cells: Cells, column: int, *, decimal: str, path: Path) -> Numbers:
    """Values of a column.

    Parameters
    ----------
    cells : Cells
    column : int
    decimal : str
        ``"."`` or ``","``.
    path : Path
        For messages.

    Raises
    ------
    DataFileError
        Naming the first cell that is no finite number, that could be read in two ways, or that
        has another unit than the others.
    """
    fast = _plain(cells.columns[column]) if decimal == "." else None
    if fast is not None and not np.isinf(fast).any():
        return Numbers(fast)
    counted = _counted(cells.columns[column])
    grouping = {p.grouped for text in counted if (p := _parts(text)) and p.grouped}
    found: dict[str, tuple[float, float, str | None]] = {}
    faults: dict[str, str] = {}
    for text in counted:
        try:
            found[text] = _read(text, decimal, grouping)
        except ValueError as error:
            faults[text] = str(error)
    often = Counter[str]()
    for text, (_, _, unit) in found.items():
        often.update({} if unit is None else {unit: counted[text]})
    units = [unit for unit, _ in often.most_common()]
    if len(units) > 1 and are_of_one_kind(set(units)):
        found = {text: _converted(*one, units[0]) for text, one in found.items()}
    elif len(units) > 1:
        faults |= _other_unit(found, units)
    cell_texts = cells.texts(column)
    if faults:
        row = next(k for k, text in enumerate(cell_texts) if text in faults)
        raise DataFileError(
            f"{path}: column {cells.names[column]!r} holds {cell_texts[row][:60]!r} in row "
            f"{cells.lines[row]}, {faults[cell_texts[row]]}"
        )
    values = np.array([found[text][0] for text in cell_texts])
    deviations = np.array([found[text][1] for text in cell_texts])
    known = not np.isnan(deviations).all()
    return Numbers(
        values, deviations if known else None, units[0] if units else "", tuple(units[1:])
    )


def _converted(
    value: float, deviation: float, unit: str | None, wanted: str
) -> tuple[float, float, str | None]:
    """Value and deviation in another unit of the same kind."""
    if unit in (None, wanted):
        return value, deviation, unit
    size, own = UNITS[unit][1], UNITS[wanted][1]
    return value * size / own, deviation * size / own, wanted


def _other_unit(
    found: Mapping[str, tuple[float, float, str | None]], units: Sequence[str]
) -> dict[str, str]:
    """Fault of each cell with the rarest unit; the units are in the order of their counts."""
    other, rare = units[0], units[-1]
    fault = (
        f"which has {f'the unit {rare!r}' if rare else 'no unit'}, while others have "
        f"{f'{other!r}' if other else 'none'}; write all in one unit, or put it into the column's "
        "name"
    )
    return {text: fault for text, one in found.items() if one[2] == rare}


def _plain(column: pa.ChunkedArray) -> Values | None:
    """Values of a column of plain numbers and empty cells, or None."""
    import pyarrow as pa
    import pyarrow.compute as pc

    texts = pc.utf8_trim_whitespace(column)
    empty = pc.is_in(pc.utf8_lower(texts), pa.array(sorted(_EMPTY)))
    try:
        found = pc.if_else(empty, pa.scalar(None, pa.string()), texts).cast(pa.float64())
    except pa.ArrowInvalid:
        return None
    values: Values = found.to_numpy(zero_copy_only=False).astype(np.float64)
    return values


def _with_a_point(column: pa.ChunkedArray) -> str | None:
    """Some cell whose point cannot stand between thousands."""
    import pyarrow.compute as pc

    sure = pc.match_substring_regex(
        column, r"(^|[^0-9])0?\.|[0-9]{4}\.|\.([0-9]{0,2}|[0-9]{4,})($|[^0-9])"
    )
    found = column.filter(sure)
    return found[0].as_py() if len(found) else None


def _thousand(column: pa.ChunkedArray) -> str | None:
    """Some cell that is a thousand as soon as the column's whole numbers have no decimals."""
    import pyarrow.compute as pc

    texts = pc.utf8_trim_whitespace(column)
    whole = pc.match_substring_regex(texts, r"^[+-]?[0-9]+$")
    found = texts.filter(pc.match_substring_regex(texts, r"^[+-]?[1-9][0-9]{0,2}\.[0-9]{3}$"))
    return found[0].as_py() if len(found) and pc.any(whole).as_py() else None


def _read(text: str, decimal: str, grouping: set[str]) -> tuple[float, float, str | None]:
    """Value, deviation and unit of a cell; the unit of an empty one is None."""
    if is_empty(text):
        return np.nan, np.nan, None
    pieces = [_parts(piece) for piece in _DEVIATION.split(text)]
    if len(pieces) > 2 or None in pieces:
        raise ValueError("which is no finite number; leave the cell empty if it was not measured")
    read = [_value(parts, decimal, grouping) for parts in pieces if parts is not None]
    if not np.isfinite(read).all():
        raise ValueError("which is no finite number")
    named = list(dict.fromkeys(parts.unit for parts in pieces if parts and parts.unit))
    if len(named) > 1:
        raise ValueError(f"which has two units, {named[0]!r} and {named[1]!r}; write it in one")
    unit = named[0] if named else ""
    return read[0], read[1] if len(read) > 1 else np.nan, unit


def _value(parts: _Parts, decimal: str, grouping: set[str]) -> float:
    """Number that the pieces are, with the file's decimal sign."""
    other = "," if decimal == "." else "."
    if parts.decimal == f"?{other}":
        if grouping == {other}:  # other numbers of the column leave no doubt
            return float(f"{parts.whole}{parts.fraction}{parts.exponent}")
        raise ValueError(
            f"which may be a decimal or a group of thousands; write it without {other!r}, or say "
            f'decimal = "{other}" in a schema'
        )
    if parts.decimal == other or parts.grouped == decimal:
        raise ValueError(f"which is no number with the decimal sign {decimal!r} of this file")
    return parts.value
