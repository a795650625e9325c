"""Curves that say how searches went, after each query."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...data.types import Index, Values
from ...errors import LabelError


def incumbent_curve(values: ArrayLike) -> Index:
    """Position of the best value so far, after each query.

    Parameters
    ----------
    values : array_like of float, shape (..., b)
        One row of ``b`` queries per trial; NaN has failed and is never the incumbent.

    Returns
    -------
    int array, shape (..., b)
        Of equal values the first; -1 as long as every query has failed.

    Examples
    --------
    >>> incumbent_curve([float("nan"), 1.0, 3.0, 3.0, 2.0, 4.0])
    array([-1,  1,  2,  2,  2,  5])
    """
    array = _queries("values", values)
    known = np.where(np.isnan(array), -np.inf, array)
    best = np.maximum.accumulate(known, axis=-1)
    before = np.full_like(best, -np.inf)
    before[..., 1:] = best[..., :-1]
    position = np.where(known > before, np.arange(array.shape[-1]), -1)
    return np.maximum.accumulate(position, axis=-1)


def selected_curve(search_values: ArrayLike, report_values: ArrayLike) -> Values:
    """Reported value of the architecture that the search would pick, after each query.

    The search sees one value (say, validation accuracy) and is judged by another (test accuracy);
    its pick is the best by the one it sees. This is the curve to lead with.

    Parameters
    ----------
    search_values, report_values : array_like of float, shape (..., b)

    Returns
    -------
    float array, shape (..., b)
        NaN as long as every query has failed.

    Raises
    ------
    LabelError
        If the shapes differ.

    Examples
    --------
    >>> selected_curve([1.0, 3.0, 2.0], [70.0, 72.0, 75.0])
    array([70., 72., 72.])
    """
    position = incumbent_curve(search_values)
    report = _queries("report_values", report_values)
    if report.shape != position.shape:
        raise LabelError(
            f"search and reported values must have one shape, not {position.shape} and "
            f"{report.shape}"
        )
    picked = np.take_along_axis(report, np.maximum(position, 0), axis=-1)
    return np.where(position < 0, np.nan, picked)


def oracle_curve(report_values: ArrayLike) -> Values:
    """Best reported value among all queries so far, which no search could pick.

    Parameters
    ----------
    report_values : array_like of float, shape (..., b)

    Returns
    -------
    float array, shape (..., b)
        NaN is passed over, and stands only before the first number.

    Examples
    --------
    >>> oracle_curve([70.0, 72.0, float("nan"), 75.0])
    array([70., 72., 72., 75.])
    """
    return np.fmax.accumulate(_queries("report_values", report_values), axis=-1)


def queries_to_reach(search_values: ArrayLike, optimum: ArrayLike) -> Index:
    """Number of queries that each trial took to see a value of at least ``optimum``, shape (...).

    Parameters
    ----------
    search_values : array_like of float, shape (..., b)
    optimum : float, or array_like of float, shape (...)
        For all trials, or one for each; compared without tolerance, so both in one precision.

    Returns
    -------
    int array, shape (...)
        From 1; ``b + 1`` where it was not reached.

    Examples
    --------
    >>> queries_to_reach([[1.0, 3.0, 3.0], [1.0, 2.0, 2.5]], 3.0)
    array([2, 4])
    """
    values = _queries("search_values", search_values)
    hit = values >= np.asarray(optimum, dtype=np.float64)[..., None]
    never = np.ones((*hit.shape[:-1], 1), dtype=bool)
    first: Index = np.argmax(np.concatenate([hit, never], axis=-1), axis=-1)
    return first + 1


def _queries(name: str, values: ArrayLike) -> NDArray[np.float64]:
    """Values as floats with queries along the last axis."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim == 0:
        raise LabelError(f"{name} must have shape (b,) or (trials, b), not that of a single number")
    return array
