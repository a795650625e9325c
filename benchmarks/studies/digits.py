"""Measured quantities as text, with as many digits as their spread needs."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

_NUMBER = re.compile(r"[<>~+-]?\.?\d|undefined|diverged|$")
_MOST_DECIMALS = 6  # more are written as a power of ten
_ROUNDING = 1e-9  # a spread below this share of the numbers is that of rounding


class Measured(str):
    """A measured quantity as text, which can be written again with other digits.

    Parameters
    ----------
    numbers : sequence of float
        What is shown.
    layout : callable
        Text of the numbers as text, in their order.
    digits : int
        Decimals, unless the numbers need more.
    """

    numbers: tuple[float, ...]
    layout: Callable[[list[str]], str]
    digits: int

    def __new__(
        cls, numbers: Sequence[float], layout: Callable[[list[str]], str], digits: int
    ) -> Measured:
        """Text with the digits that the numbers need by themselves."""
        style = _style(numbers, digits, alone=True)
        made = super().__new__(cls, layout([_formatted(number, style) for number in numbers]))
        made.numbers, made.layout, made.digits = tuple(numbers), layout, digits
        return made

    def styled(self, style: str) -> str:
        """Text with its numbers in a format, such as ``.3f``."""
        return self.layout([_formatted(number, style) for number in self.numbers])

    def __getnewargs__(self) -> tuple[Any, ...]:
        return self.numbers, self.layout, self.digits


def aligned(rows: Sequence[Sequence[str]]) -> list[list[str]]:
    """Rows of a table whose measured quantities have, in each column, the same digits.

    Examples
    --------
    >>> aligned([[number_text(0.52312)], [number_text(0.52334)]])
    [['0.52312'], ['0.52334']]
    >>> aligned([[number_text(0.52312)], [number_text(0.61)]])
    [['0.523'], ['0.610']]
    """
    found = [list(row) for row in rows]
    for k in range(max(map(len, found), default=0)):
        cells = [row[k] for row in found if k < len(row)]
        measured = [cell for cell in cells if isinstance(cell, Measured)]
        if not measured:
            continue
        numbers = [number for cell in measured for number in cell.numbers]
        style = _style(numbers, max(cell.digits for cell in measured))
        for row in found:
            if k < len(row) and isinstance(cell := row[k], Measured):
                row[k] = cell.styled(style)
    return found


def numeric_columns(rows: Sequence[Sequence[str]], width: int) -> list[bool]:
    """Whether each of ``width`` columns of a table has numbers, which stand to the right.

    Examples
    --------
    >>> numeric_columns([["gp", "0.7 [0.6, 0.8]", ""], ["nb201", "undefined", "12"]], 3)
    [False, True, True]
    """
    return [all(_NUMBER.match(row[k]) for row in rows) for k in range(width)]


def _style(numbers: Iterable[float], digits: int, *, alone: bool = False) -> str:
    """Format in which numbers have these decimals, or two digits of what tells them apart.

    Numbers of one quantity alone are told apart by nothing: what counts is how large they are.
    """
    known = [number for number in numbers if math.isfinite(number)]
    largest = max(map(abs, known), default=0.0)
    spread = max(known, default=0.0) - min(known, default=0.0)
    if alone or spread <= _ROUNDING * largest:
        spread = largest
    if spread == 0 or 10 * 10.0**-digits <= spread < 10.0**_MOST_DECIMALS:
        return f".{digits}f"
    decimals = 1 - math.floor(math.log10(spread))
    if digits < decimals <= _MOST_DECIMALS:
        return f".{decimals}f"
    if decimals <= digits:
        return ",.0f" if largest < 1e15 else ".3e"
    return f".{min(15, max(2, decimals + math.floor(math.log10(largest))))}e"


def _formatted(number: float, style: str) -> str:
    """Number in a format; zero needs no power of ten."""
    return "0" if number == 0 and style.endswith("e") else f"{number:{style}}"


def interval_text(measured: Mapping[str, Any], *, digits: int = 3) -> str:
    """Measured quantity as ``mean [low, high]``; each value where they are too few for that.

    Parameters
    ----------
    measured : mapping
        ``{"mean", "low", "high", "n"}``, and ``values`` where they are few.
    digits : int
        Decimals; more where the numbers are too small for them.

    Examples
    --------
    >>> interval_text({"mean": 0.8123, "low": 0.8, "high": 0.8246, "n": 10})
    '0.812 [0.800, 0.825]'
    >>> interval_text({"mean": 0.8, "low": None, "high": None, "n": 2, "values": [0.81, 0.79]})
    '0.810, 0.790'
    >>> interval_text({"mean": 8.1e-10, "low": 7.9e-10, "high": 8.3e-10, "n": 10})
    '8.10e-10 [7.90e-10, 8.30e-10]'
    """
    if measured["mean"] is None:
        return "undefined"
    if measured["low"] is None:
        return Measured(measured.get("values") or [measured["mean"]], ", ".join, digits)
    return Measured([measured[key] for key in ("mean", "low", "high")], _bracketed, digits)


def mean_text(measured: Mapping[str, Any], *, digits: int = 3) -> str:
    """Mean of a measured quantity as text."""
    return "undefined" if measured["mean"] is None else number_text(measured["mean"], digits=digits)


def number_text(value: float, *, digits: int = 3) -> str:
    """Number as text.

    Examples
    --------
    >>> number_text(0.7), number_text(7.1e-11), number_text(0.0)
    ('0.700', '7.10e-11', '0.000')
    """
    return Measured([value], "".join, digits)


def _bracketed(texts: list[str]) -> str:
    mean, low, high = texts
    return f"{mean} [{low}, {high}]"
