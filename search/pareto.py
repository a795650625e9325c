"""Pareto fronts and their hypervolume, by pymoo; here bigger is better in every column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..data.arguments import as_numbers, checked
from ..data.types import Index, Mask, Values
from ..errors import LabelError, ParameterError

MARGIN = 0.1
"""How far the reference point lies beyond the nadir, as a share of the front's extent."""


def _objectives(values: ArrayLike) -> Values:
    """Values as an array of shape (n, k) without NaN."""
    array: Values = as_numbers("values", values)
    if array.ndim != 2 or not array.shape[1]:
        raise LabelError(f"objectives have shape (n, k), received {array.shape}")
    if not np.isfinite(array).all():
        raise LabelError("objectives must be finite: leave failed evaluations out")
    return array


@checked
def non_dominated(values: ArrayLike) -> Index:
    """Rows that no other dominates, in their order.

    A row dominates another if it is at least as good in every column and better in one; of equal
    rows all stay.

    Parameters
    ----------
    values : array_like of float, shape (n, k)
        Bigger is better in every column.

    Raises
    ------
    LabelError
        If the shape is another, or a value is not finite.

    Examples
    --------
    >>> non_dominated([[94.0, -200.0], [91.0, -40.0], [90.0, -50.0]])
    array([0, 1])
    """
    array = _objectives(values)
    if not len(array):
        return np.empty(0, dtype=np.int64)
    from pymoo.util.nds.non_dominated_sorting import find_non_dominated

    found: Index = np.asarray(find_non_dominated(-array), dtype=np.int64)
    return found


def feasible_rows(columns: Values, bounds: Sequence[float] | Values) -> Mask:
    """Whether each evaluation has succeeded and is within the bounds, shape (n,).

    Examples
    --------
    >>> feasible_rows(np.array([[94.0, 1.0], [95.0, -1.0], [np.nan, 1.0]]), (-np.inf, 0.0))
    array([ True, False, False])
    """
    # A NaN is within no bound, not even that of minus infinity.
    return np.asarray((columns >= np.asarray(bounds)).all(axis=1), dtype=bool)


def shortfalls(columns: Values, observed: Values, bounds: Sequence[float]) -> Values:
    """By how much each row misses each bound, shape (n, bounds that are no infinity).

    In units of the range observed: bounds in different units are added up.

    Examples
    --------
    >>> shortfalls(np.array([[94.0, 1.0]]), np.array([[90.0, 1.0], [92.0, 5.0]]), (-np.inf, 3.0))
    array([[0.5]])
    """
    limits = np.asarray(bounds)
    limited = np.isfinite(limits)
    known = observed[:, limited]
    known = known[~np.isnan(known).any(axis=1)]
    extent = np.ptp(known, axis=0) if len(known) else np.ones(limited.sum())
    short: Values = np.maximum(limits[limited] - columns[:, limited], 0)
    return short / np.where(extent > 0, extent, 1.0)


def best_row(columns: Values, bounds: Sequence[float]) -> int:
    """Row with the largest first value of those within the bounds; of equals the first.

    Raises
    ------
    LabelError
        If no evaluation has succeeded, or none is within the bounds.

    Examples
    --------
    >>> best_row(np.array([[np.nan], [94.0], [91.0]]), (-np.inf,))
    1
    """
    if not np.isfinite(columns[:, 0]).any():
        raise LabelError(
            f"no incumbent yet: {len(columns)} values were told, none of them a number"
        )
    feasible = np.flatnonzero(feasible_rows(columns, bounds))
    if not len(feasible):
        missed = np.nanmax(columns, axis=0) < np.asarray(bounds)
        raise LabelError(
            f"no incumbent yet: none of {len(columns)} told architectures is within the bounds"
            + (f"; column {int(np.argmax(missed))} never was" if missed.any() else "")
        )
    return int(feasible[np.argmax(columns[feasible, 0])])


@checked
def hypervolume(values: ArrayLike, reference: ArrayLike) -> float:
    """Volume that is dominated by some row and dominates the reference point.

    Parameters
    ----------
    values : array_like of float, shape (n, k)
        Bigger is better in every column. Dominated rows, and rows that do not exceed the reference
        point in every column, add nothing.
    reference : array_like of float, shape (k,)

    Raises
    ------
    LabelError
        If the shapes do not fit, or a value is not finite.

    Examples
    --------
    >>> hypervolume([[2.0, 1.0], [1.0, 2.0]], [0.0, 0.0])
    3.0

    References
    ----------
    E. Zitzler and L. Thiele. Multiobjective evolutionary algorithms: a comparative case study and
    the strength Pareto approach. IEEE Transactions on Evolutionary Computation 3(4), 1999.
    """
    array, point = _objectives(values), as_numbers("reference", reference)
    if point.shape != array.shape[1:]:
        raise LabelError(
            f"a reference point of {array.shape[1]} objectives has shape ({array.shape[1]},), "
            f"received {point.shape}"
        )
    inside = array[np.all(array > point, axis=1)]
    if not len(inside):
        return 0.0
    if array.shape[1] == 1:
        return float((inside - point).max())
    from pymoo.indicators.hv import HV

    return float(HV(ref_point=-point)(-inside))


@dataclass(frozen=True, eq=False)
class Scale:
    """The unit in which objectives are compared: the true front spans 0 (nadir) to 1 (ideal).

    Attributes
    ----------
    ideal, nadir : float array, shape (k,)
        Best and worst value of each objective on the true front.
    """

    ideal: Values
    nadir: Values

    @classmethod
    def of(cls, front: ArrayLike) -> Scale:
        """Scale of a true front, shape (f, k).

        Raises
        ------
        LabelError
            If the front is empty or no array of finite numbers.

        Examples
        --------
        >>> scale = Scale.of([[94.0, -200.0], [60.0, -10.0]])
        >>> scale([[77.0, -105.0]]).tolist()
        [[0.5, 0.5]]
        """
        array = _objectives(front)
        if not len(array):
            raise LabelError("a scale needs at least one point of the true front")
        return cls(array.max(axis=0), array.min(axis=0))

    def __call__(self, values: ArrayLike) -> Values:
        """Values in this unit, shape (n, k)."""
        extent = self.ideal - self.nadir
        scaled: Values = (np.asarray(values) - self.nadir) / np.where(extent > 0, extent, 1.0)
        return scaled

    @property
    def reference(self) -> Values:
        """The reference point in the objectives' own units."""
        extent = self.ideal - self.nadir
        return self.nadir - MARGIN * np.where(extent > 0, extent, 1.0)

    def hypervolume(self, values: ArrayLike) -> float:
        """Hypervolume of values, shape (n, k), in this unit.

        The reference point is at -0.1 in every objective, so that the ends of the front count.
        """
        scaled = self(_objectives(values))
        return hypervolume(scaled, np.full(scaled.shape[1], -MARGIN))


def front_history(values: ArrayLike, feasible: ArrayLike | None = None) -> list[Index]:
    """Pareto front of all evaluated so far, after each query.

    Parameters
    ----------
    values : array_like of float, shape (b, k)
        In the order evaluated; a row with NaN has failed.
    feasible : array_like of bool, shape (b,), optional
        Which may count; by default all that did not fail.

    Returns
    -------
    list of int arrays
        Rows on the front, in their order; the same array as long as the front is the same.

    Examples
    --------
    >>> [front.tolist() for front in front_history([[0.0, 1.0], [0.0, 0.5], [1.0, 0.0]])]
    [[0], [0], [0, 2]]
    """
    array: Values = as_numbers("values", values)
    counts = np.asarray(np.isfinite(array).all(axis=1), dtype=bool)
    if feasible is not None:
        counts &= np.asarray(feasible, dtype=bool)
    front = np.empty(0, dtype=np.int64)
    history = []
    for query, row in enumerate(array):
        if counts[query] and not _dominates(array[front], row).any():
            front = np.append(front[~_dominates(row, array[front])], query)
        history.append(front)
    return history


def _dominates(first: Values, second: Values) -> NDArray[np.bool_]:
    """Whether rows of one dominate those of the other; one of them may be a single row."""
    better = (first >= second).all(axis=-1) & (first > second).any(axis=-1)
    return np.asarray(better, dtype=bool)


def hypervolume_curve(values: ArrayLike, history: Sequence[Index], scale: Scale) -> Values:
    """Hypervolume of the fronts of ``front_history``, shape (b,).

    Parameters
    ----------
    values : array_like of float, shape (b, k)
        Those that the fronts were made of, or others of the same architectures.
    history : sequence of int arrays
    scale : Scale

    Examples
    --------
    >>> values = np.array([[0.0, 1.0], [0.0, 0.5], [1.0, 0.0]])
    >>> hypervolume_curve(values, front_history(values), Scale.of(values)).round(2)
    array([0.11, 0.11, 0.21])
    """
    array: Values = as_numbers("values", values)
    curve = np.zeros(len(history))
    for query, front in enumerate(history):
        unchanged = query > 0 and front is history[query - 1]
        curve[query] = curve[query - 1] if unchanged else scale.hypervolume(array[front])
    return curve


def column_bounds(n_objectives: int, bounds: Sequence[float]) -> tuple[float, ...]:
    """A bound for each objective and each column that is a constraint only.

    Raises
    ------
    ParameterError
        If there is no objective, or a bound is no number.
    """
    if not isinstance(n_objectives, (int, np.integer)) or n_objectives < 1:
        raise ParameterError(f"n_objectives must be an integer of at least 1, not {n_objectives!r}")
    try:
        checked = tuple(float(bound) for bound in bounds)
    except (TypeError, ValueError):
        raise ParameterError(
            f"bounds are numbers, one per column and -inf for none; received {bounds!r}"
        ) from None
    if any(np.isnan(bound) or bound == np.inf for bound in checked):
        raise ParameterError(f"bounds are numbers, or -inf for none; received {bounds!r}")
    return checked + (-np.inf,) * (n_objectives - len(checked))
