"""Whatever an objective returns, as values of architectures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...data.types import Values
from ...errors import ObjectiveError


@dataclass(frozen=True)
class Evaluated:
    """Values of a batch.

    Attributes
    ----------
    values : float array, shape (n,) or (n, k)
        NaN where the evaluation failed.
    reasons : list of str
        Why each evaluation failed; empty where it did not.
    error : ObjectiveError or None
        What ends the search once the values are kept.
    """

    values: Values
    reasons: list[str]
    error: ObjectiveError | None = None


def evaluated(result: Any, n: int, width: int) -> Evaluated:
    """Values of ``n`` architectures in whatever an objective returned.

    Parameters
    ----------
    result : number, list, array, tensor or iterator
        One number for each architecture, a single one for one; for several columns a row each.
        Tensors are detached; what is masked, None, NaN or infinite has failed.
    n, width : int
        Architectures, and columns of values.

    Raises
    ------
    ObjectiveError
        If the shape is another.

    Examples
    --------
    >>> evaluated([94.1, float("inf"), None], 3, 1).values
    array([94.1,  nan,  nan])
    >>> evaluated(94.1, 1, 1).values
    array([94.1])
    """
    if result is None:
        raise ObjectiveError(f"{_wanted(n, width)}: it returned None, as without a return")
    rows = _rows(result, n, width)
    if rows is None:
        raise ObjectiveError(f"{_wanted(n, width)}: it returned {_shown(result)}")
    values, reasons = np.full((n, width), np.nan), [""] * n
    unreadable = []
    for position, row in enumerate(rows):
        try:
            numbers = _numbers(row, width)
        except (TypeError, ValueError):
            reasons[position] = f"{row!r:.60} is no number"
            unreadable.append(reasons[position])
            continue
        values[position] = np.where(np.isfinite(numbers), numbers, np.nan)
        if not np.isfinite(numbers).all():
            reasons[position] = "infinite" if np.isinf(numbers).any() else "NaN"
    if len(unreadable) == n:
        raise ObjectiveError(f"{_wanted(n, width)}: it returned {_shown(result)}")
    error = None
    if unreadable:
        error = ObjectiveError(f"{_wanted(n, width)}: {unreadable[0]}; the others are kept")
    return Evaluated(values if width > 1 else values[:, 0], reasons, error)


def _rows(result: Any, n: int, width: int) -> Any:
    """Part of a result for each architecture, unchecked; None if its shape is another."""
    found = plain(list(result) if isinstance(result, Iterator) else result)
    try:
        shape = np.shape(found)
    except ValueError:  # rows of different lengths
        return found if len(found) == n else None
    if n == 1 and shape == ((width,) if width > 1 else ()):
        return [found]
    fits = shape[1:] in (((), (1,)) if width == 1 else ((width,),))
    return found if fits and shape[:1] == (n,) else None


def plain(value: Any) -> Any:
    """Lists and NumPy arrays of whatever tensors, masks and frames are in a value."""
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    if isinstance(value, np.ma.MaskedArray):
        return np.ma.filled(value.astype(np.float64), np.nan)
    if hasattr(value, "detach"):  # a tensor, wherever it is and with whatever gradient
        return value.detach().cpu().double().numpy()
    return np.asarray(value) if hasattr(value, "__array__") else value


def _numbers(row: Any, width: int) -> Values:
    """Numbers of one architecture, shape (width,)."""
    if np.asarray(row).dtype.kind in "cmM":  # complex, or a time or date, of which NumPy makes one
        raise TypeError
    return np.asarray(row, dtype=np.float64).reshape(width)


def _wanted(n: int, width: int) -> str:
    """What an objective was given and what it has to return, in words."""
    columns = f"a row of {width} numbers" if width > 1 else "one number"
    return f"the objective was given {n} architectures and must return {columns} (or NaN) for each"


def _shown(result: Any) -> str:
    """What an objective returned, in words: it may have cost much."""
    kind = type(result).__name__
    shape = getattr(result, "shape", None)
    return f"{kind}{'' if shape is None else f' of shape {tuple(shape)}'}: {result!r:.200}"
