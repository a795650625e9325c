"""The worth of a model's guesses for several objectives: expected hypervolume improvement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from ...data.types import Index, Values
from ...predictors.processes import Array, namespace
from ..pareto import Scale, feasible_rows, non_dominated
from .acquisition import log_expected_improvement, special_functions

MOST_BOXES = 3000
"""Boxes that a volume is summed over at most: milliseconds for a thousand architectures."""
_LEAST_DEVIATION = 1e-9
# Ends of a box are no nearer than rounding: the logarithm of their difference is finite.
_LEAST_GAP = 1e-12
_UNDERFLOW = 1e-200  # volumes below it are computed by logarithms
_AT_ONCE = 2**17


def open_boxes(front: Values, reference: Values) -> tuple[Values, Values]:
    """Disjoint boxes of all that exceeds the reference point and that no row dominates.

    From everything above the reference point one row after another takes what it dominates: a box
    that it cuts leaves a box for every column in which it goes on beyond the row.

    Parameters
    ----------
    front : float array, shape (f, k)
        Bigger is better. Where all rows leave thousands of boxes (four objectives and more), every
        second one is left out until they do not.
    reference : float array, shape (k,)

    Returns
    -------
    lower, upper : float arrays, shape (b, k)
        Corners, at infinity where a box has no end.

    Examples
    --------
    >>> lower, upper = open_boxes(np.array([[2.0, 1.0], [1.0, 2.0]]), np.zeros(2))
    >>> np.stack([lower, upper], axis=1).tolist()
    [[[2.0, 0.0], [inf, inf]], [[1.0, 1.0], [2.0, inf]], [[0.0, 2.0], [1.0, inf]]]
    """
    lower, upper = reference[None], np.full((1, len(reference)), np.inf)
    # Rows that dominate much go first: that leaves fewer boxes.
    for row in front[np.argsort(-front.sum(axis=1), kind="stable")]:
        cut = (lower < row).all(axis=1)
        low, high = lower[cut], upper[cut]
        parts = [(lower[~cut], upper[~cut])]
        for column in range(len(row)):
            beyond = high[:, column] > row[column]
            start, end = low[beyond], high[beyond]
            start[:, column] = np.maximum(start[:, column], row[column])
            end[:, :column] = np.minimum(end[:, :column], row[:column])
            parts.append((start, end))
        lower, upper = (np.concatenate(corners) for corners in zip(*parts, strict=True))
        if len(lower) > MOST_BOXES:
            return open_boxes(front[::2], reference)
    return lower, upper


def log_expected_gain(mean: Array, std: Array, lower: Values, upper: Values) -> Array:
    """Logarithm of the volume that a point is expected to add to some boxes, shape (n,).

    The volume of a box below a point is a product over the objectives. Of independent ones its
    expectation is the product of expectations, each a difference of two expected improvements, so
    that the sum over boxes is exact for any number of objectives. Numpy arrays and torch tensors,
    differentiable.

    Parameters
    ----------
    mean, std : arrays of float, shape (n, k)
        Of independent normal distributions.
    lower, upper : float arrays, shape (b, k)
        Corners of the boxes, as ``open_boxes`` returns them.

    References
    ----------
    K. Yang, M. Emmerich, A. Deutz, T. Baeck. Efficient computation of expected hypervolume
    improvement using box decomposition algorithms. Journal of Global Optimization 75, 2019.
    S. Ament et al. Unexpected improvements to expected improvement. NeurIPS 2023 (logarithms).

    Examples
    --------
    >>> corners = open_boxes(np.array([[2.0, 1.0], [1.0, 2.0]]), np.zeros(2))
    >>> sure = np.full((1, 2), 1e-9)
    >>> np.exp(log_expected_gain(np.array([[3.0, 3.0]]), sure, *corners)).round(6)
    array([6.])
    """
    xp = namespace(mean)
    total: Any = 0.0
    for column in range(lower.shape[1]):
        levels, at, until = _levels(lower[:, column], upper[:, column])
        own = mean[:, column, None], std[:, column, None]
        ends = levels if xp is np else mean.new_tensor(levels)
        logs = log_expected_improvement(*own, ends)
        logs = xp.concatenate([logs, xp.full_like(own[0], -np.inf)], axis=1)
        gap = xp.clip(logs[:, until] - logs[:, at], None, -_LEAST_GAP)
        total = total + logs[:, at] + xp.log(-xp.expm1(gap))
    most = xp.amax(total, 1)
    return most + xp.log(xp.exp(total - most[:, None]).sum(1))


def _levels(lower: Values, upper: Values) -> tuple[Values, Index, Index]:
    """Different finite ends of intervals, and which each begins and ends at, the last at none."""
    levels, rows = np.unique(np.concatenate([lower, upper]), return_inverse=True)
    finite = levels[np.isfinite(levels)]
    return finite, rows[: len(lower)], rows[len(lower) :]


def _log_gains(mean: Values, std: Values, lower: Values, upper: Values) -> Values:
    """As ``log_expected_gain`` of many architectures, some times faster."""
    from scipy.special import ndtr

    volumes: Any = 1.0
    for column in range(lower.shape[1]):
        levels, at, until = _levels(lower[:, column], upper[:, column])
        own = std[:, column, None]
        gap = (mean[:, column, None] - levels) / own
        density = np.exp(-(gap**2) / 2) / np.sqrt(2 * np.pi)
        expected = np.concatenate([own * (density + gap * ndtr(gap)), 0 * own], axis=1)
        volumes = volumes * (expected[:, at] - expected[:, until])
    total: Values = volumes.sum(axis=1)
    # Where floats end, logarithms go on.
    few = ~(total > _UNDERFLOW)
    gains = np.log(np.where(few, 1.0, total))
    if few.any():
        gains[few] = log_expected_gain(mean[few], std[few], lower, upper)
    return gains


@dataclass(frozen=True, eq=False)
class FrontTarget:
    """What a search for several objectives wants next: more hypervolume within the bounds.

    The score is the logarithm of the expected hypervolume improvement, and of the probability that
    every bound is kept; the latter alone as long as nothing observed keeps them.

    Attributes
    ----------
    lower, upper : float arrays, shape (b, k)
        Boxes of what no observed architecture dominates; none before one is feasible.
    bounds : float array, shape (c,)
        The least feasible value of each column, of the objectives and of further ones.
    """

    lower: Values
    upper: Values
    bounds: Values

    @classmethod
    def of(cls, columns: Values, bounds: Sequence[float] | Values, n_objectives: int) -> Self:
        """Target after observed columns, shape (n, c), in the units of the model.

        The reference point lies below the worst observed values, by a tenth of their range: below
        those of the front alone, a first front of small networks would shut large ones out.
        """
        limits: Values = np.asarray(bounds, dtype=np.float64)
        objectives = columns[feasible_rows(columns, bounds)][:, :n_objectives]
        if not len(objectives):
            none = np.empty((0, n_objectives))
            return cls(none, none, limits)
        reference = Scale.of(columns[:, :n_objectives]).reference
        return cls(*open_boxes(objectives[non_dominated(objectives)], reference), limits)

    def score(self, mean: Array, std: Array) -> Array:
        """Worth of architectures with these predictions, each (n, c), shape (n,)."""
        special = special_functions(mean)
        std = namespace(mean).clip(std, _LEAST_DEVIATION, None)
        total: Any = 0.0 * mean[:, 0]
        if len(self.lower):
            k = self.lower.shape[1]
            total = total + self._gain(mean[:, :k], std[:, :k])
        for column in np.flatnonzero(np.isfinite(self.bounds)).tolist():
            gap = (mean[:, column] - float(self.bounds[column])) / std[:, column]
            total = total + special.log_ndtr(gap)
        return total

    def _gain(self, mean: Array, std: Array) -> Array:
        """Logarithm of the expected hypervolume improvement, shape (n,)."""
        if not isinstance(mean, np.ndarray):
            return log_expected_gain(mean, std, self.lower, self.upper)
        # So many at once that their products with all boxes stay in the cache.
        step = max(1, _AT_ONCE // len(self.lower))
        parts = [slice(start, start + step) for start in range(0, len(mean), step)]
        gains = [_log_gains(mean[part], std[part], self.lower, self.upper) for part in parts]
        return np.concatenate([np.empty(0), *gains])
