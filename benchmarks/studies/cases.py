"""Rows of a study by case, and what was measured of each case over its trials."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from ...data.types import Values
from ..intervals import interval
from .journal import Row

AnyRow = TypeVar("AnyRow", bound=Mapping[str, Any])


def grouped(rows: Iterable[AnyRow], *keys: str) -> dict[Any, list[AnyRow]]:
    """Rows by the values of some columns, or by that of one, in the order of their first rows.

    Examples
    --------
    >>> grouped([{"a": 1, "b": 2}, {"a": 0, "b": 2}, {"a": 1, "b": 3}], "a")
    {1: [{'a': 1, 'b': 2}, {'a': 1, 'b': 3}], 0: [{'a': 0, 'b': 2}]}
    """
    groups: dict[Any, list[AnyRow]] = {}
    for row in rows:
        values = tuple(row.get(key) for key in keys)
        groups.setdefault(values if len(keys) > 1 else values[0], []).append(row)
    return groups


def numbers(rows: Iterable[Row], column: str) -> Values:
    """One column, shape (n,); NaN where a row has None, as JSON keeps it, or no such column."""
    found = [row.get(column) for row in rows]
    return np.array([np.nan if value is None else value for value in found], dtype=np.float64)


def measured_cases(
    rows: Iterable[Row], case: Sequence[str], ranges: Mapping[str, tuple[float, float]]
) -> list[Row]:
    """One entry per case: its columns, and the intervals of its measures over the rows.

    Parameters
    ----------
    rows : iterable of dict
    case : sequence of str
        Columns, two or more, that tell cases apart.
    ranges : mapping from str to (float, float)
        Least and largest possible value of each measure.

    Examples
    --------
    >>> rows = [{"method": "a", "n": 5, "tau": tau} for tau in (0.5, 0.75)]
    >>> measured_cases(rows, ("method", "n"), {"tau": (-1, 1)})[0]["tau"]["mean"]
    0.625
    """
    return [
        dict(zip(case, key, strict=True))
        | {
            name: interval(numbers(members, name), least=least, most=most)
            for name, (least, most) in ranges.items()
        }
        for key, members in grouped(rows, *case).items()
    ]


def leading(groups: Sequence[Any]) -> list[int]:
    """Numbers of the rows that begin a group, of each row's group.

    Examples
    --------
    >>> leading(["a", "a", "b"])
    [0, 2]
    """
    return [k for k, group in enumerate(groups) if k == 0 or group != groups[k - 1]]
