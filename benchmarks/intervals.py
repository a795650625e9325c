"""How sure a measured number is: intervals over trials and architectures, and the noise ceiling.

An interval is the JSON object that every report prints, ``{"mean", "low", "high", "n"}``; what is
undefined is ``None`` there, since JSON knows no NaN.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NotRequired, TypedDict

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from ..data.arguments import checked
from ..data.seeds import Seed, as_generator
from ..data.types import Values
from ..errors import LabelError, ParameterError
from .metrics import kendall_tau, kendall_tau_top
from .pairs import real_numbers

FEWEST_DRAWS = 5  # fewer are shown one by one, not as an interval
_RESAMPLED_AT_ONCE = 2**20  # architectures: 8 MB an array
_NOISE_WINDOW = 101  # cells with repeated runs that share a variance


class Interval(TypedDict):
    """A measured quantity; ``None`` for what is undefined."""

    mean: float | None
    low: float | None
    high: float | None
    n: int
    values: NotRequired[list[float]]


@checked
def interval(
    values: ArrayLike,
    level: float = 0.95,
    *,
    least: float = -math.inf,
    most: float = math.inf,
) -> Interval:
    """Mean over trials and Student's t interval around it; the values where they are few.

    Parameters
    ----------
    values : array_like, shape (trials,)
        One number a trial, in any unit. NaN (a metric undefined in that trial) is left out.
    level : float, between 0 and 1
        The confidence level.
    least, most : float
        Range of the measure, such as -1 and 1 for a correlation; the interval ends there.

    Returns
    -------
    dict
        ``n`` counts the trials used. For fewer than five of them ``low`` and ``high`` are ``None``
        and ``values`` holds each: the interval of so few covers less than it says, or everything.
        Without a trial, or where a value is infinite, ``mean`` is ``None``, too.

    Raises
    ------
    LabelError
        If ``values`` is not one-dimensional or not numeric.
    ParameterError
        If ``level`` is not between 0 and 1.

    References
    ----------
    Student, The probable error of a mean, Biometrika 6, 1908.

    Examples
    --------
    >>> found = interval([0.70, 0.74, 0.72, 0.71, 0.73, float("nan")])
    >>> found["n"], found["low"] < found["mean"] < found["high"]
    (5, True)
    >>> interval([0.75, 0.25])
    {'mean': 0.5, 'low': None, 'high': None, 'n': 2, 'values': [0.75, 0.25]}
    """
    _check_level(level)
    used = _row("values", values)
    used = used[~np.isnan(used)]
    n = len(used)
    if not n or np.isinf(used).any():
        return {"mean": None, "low": None, "high": None, "n": n}
    mean = float(used.mean())
    if n < FEWEST_DRAWS:
        return {"mean": mean, "low": None, "high": None, "n": n, "values": used.tolist()}
    error = used.std(ddof=1) / np.sqrt(n)
    half = float(error * stats.t.ppf((1 + level) / 2, n - 1))
    return {"mean": mean, "low": max(least, mean - half), "high": min(most, mean + half), "n": n}


@checked
def bootstrap_interval(
    metric: Callable[..., Any],
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    level: float = 0.95,
    resamples: int = 1000,
    seed: Seed = 0,
) -> Interval:
    """Metric and its percentile bootstrap interval over architectures.

    It says how the metric would vary had other architectures been drawn to test the same
    predictor. For metrics of the whole order; those of the single best (regret, best rank) are not
    smooth, and the bootstrap is known to fail for extremes.

    Parameters
    ----------
    metric : callable
        One of ``nasurge.benchmarks.metrics``, or any that takes two (trials, n) arrays and
        returns one value a trial.
    y_true, y_pred : array_like, shape (n,)
        Labels and scores.
    level : float, between 0 and 1
        The confidence level.
    resamples : int, at least 2
        How many times n architectures are drawn with replacement. Resamples in which the metric
        is undefined (NaN) are left out.
    seed : int, Generator or None

    Returns
    -------
    dict
        ``mean`` is the metric of the data as they are, ``n`` the number of architectures.

    Raises
    ------
    LabelError
        If the arrays do not fit together or hold NaN.
    ParameterError
        If ``level``, ``resamples`` or ``seed`` is outside its range.

    References
    ----------
    B. Efron, Bootstrap methods: another look at the jackknife, Annals of Statistics 7, 1979.

    Examples
    --------
    >>> y = np.arange(50.0)
    >>> found = bootstrap_interval(kendall_tau, y, y + 20 * np.sin(y))
    >>> found["low"] < found["mean"] < found["high"]
    True
    """
    _check_level(level)
    if isinstance(resamples, bool) or not isinstance(resamples, int) or resamples < 2:
        raise ParameterError(f"resamples must be an integer of at least 2, received {resamples!r}")
    rng = as_generator(seed)
    true, pred = _row("y_true", y_true), _row("y_pred", y_pred)
    mean = float(metric(true, pred))  # also checks that the two fit together
    n = len(true)
    step = max(1, _RESAMPLED_AT_ONCE // n)
    parts = []
    for start in range(0, resamples, step):
        drawn = rng.integers(n, size=(min(step, resamples - start), n))
        parts.append(np.asarray(metric(true[drawn], pred[drawn]), dtype=np.float64))
    found = np.concatenate(parts)
    found = found[np.isfinite(found)]
    if not np.isfinite(mean) or not len(found):
        return {"mean": None, "low": None, "high": None, "n": n}
    low, high = np.quantile(found, [(1 - level) / 2, (1 + level) / 2])
    return {"mean": mean, "low": float(low), "high": float(high), "n": n}


@checked
def kendall_tau_interval(y_true: ArrayLike, y_pred: ArrayLike, *, level: float = 0.95) -> Interval:
    """Kendall's tau-b and its interval over architectures by Fisher's z, in closed form.

    ``arctanh(tau)`` is close to normal with variance ``0.437 / (n - 4)``. That was found for
    untied, bivariate normal samples with tau below about 0.8; elsewhere, and for many ties, prefer
    ``bootstrap_interval``. A perfect order of a sample is no proof of a perfect predictor: where
    tau is 1 the low end is that of a sample with one pair in the wrong order.

    Parameters
    ----------
    y_true, y_pred : array_like, shape (n,)
        Labels and scores of at least 5 architectures.
    level : float, between 0 and 1
        The confidence level.

    Returns
    -------
    dict
        ``n`` is the number of architectures; the rest is ``None`` where tau is undefined.

    Raises
    ------
    LabelError
        If the arrays do not fit together, hold NaN, or have fewer than 5 architectures.
    ParameterError
        If ``level`` is not between 0 and 1.

    References
    ----------
    E. C. Fieller, H. O. Hartley and E. S. Pearson, Tests for rank correlation coefficients I,
    Biometrika 44, 1957.

    Examples
    --------
    >>> found = kendall_tau_interval(range(10), [0, 2, 1, 3, 5, 4, 6, 9, 8, 7])
    >>> found["low"] < 0.7777 < found["mean"] < found["high"] < 1
    True
    """
    _check_level(level)
    true, pred = _row("y_true", y_true), _row("y_pred", y_pred)
    tau = kendall_tau(true, pred)
    n = len(true)
    if n < 5:
        raise LabelError(
            f"the interval of tau needs at least 5 architectures, received {n}; "
            "use bootstrap_interval, or interval over repeated trials"
        )
    if np.isnan(tau):
        return {"mean": None, "low": None, "high": None, "n": n}
    one_wrong = 1 - 4 / (n * (n - 1))
    z = np.arctanh(np.clip(tau, -one_wrong, one_wrong))
    half = stats.norm.ppf((1 + level) / 2) * np.sqrt(0.437 / (n - 4))
    low, high = float(np.tanh(z - half)), float(np.tanh(z + half))
    return {"mean": tau, "low": min(low, tau), "high": max(high, tau), "n": n}


@checked
def noise_ceiling(
    runs: ArrayLike, *, top: float | None = None, seed: Seed = 0, draws: int = 20
) -> float:
    """Kendall tau that a perfect predictor would reach against noisy labels.

    The label of an architecture is the mean of its training runs. A predictor that knows what each
    would score without the noise of training still disagrees with such labels. The variance of a
    run is pooled over about 100 architectures of similar accuracy, as better ones vary less; the
    means stand for the noise-free values, normal noise of variance ``s**2 / k`` is added for an
    architecture of ``k`` runs, and the tau between the two is averaged over ``draws``. As the
    means are already spread by noise, the result is slightly too high.

    Parameters
    ----------
    runs : array_like, shape (architectures, k)
        Accuracy of repeated runs, NaN where there was none; architectures without any are left
        out. Any units, bigger is better.
    top : float in (0, 1], optional
        Only inside the best fraction by the noisy labels, as ``kendall_tau_top``; default all.
    seed : int, Generator or None
    draws : int, at least 1
        How many noisy tables are simulated.

    Returns
    -------
    float
        Tau-b, to divide a measured one by. NaN if all means are the same.

    Raises
    ------
    LabelError
        If ``runs`` is not such an array, is infinite somewhere, has fewer than two architectures
        with a run, or none with two runs.
    ParameterError
        If ``top``, ``draws`` or ``seed`` is outside its range.

    Examples
    --------
    >>> runs = [[90.0, 90.2], [91.1, 91.0], [93.0, 93.1], [94.0, np.nan]]
    >>> noise_ceiling(runs) > 0.9
    True
    """
    if isinstance(draws, bool) or not isinstance(draws, int) or draws < 1:
        raise ParameterError(f"draws must be an integer of at least 1, received {draws!r}")
    rng = as_generator(seed)
    means, counts, variances = _label_noise(runs)
    scale = np.sqrt(variances / counts)
    noisy = means + scale * rng.standard_normal((draws, len(means)))
    taus = kendall_tau(noisy, means) if top is None else kendall_tau_top(noisy, means, top=top)
    return float(taus.mean())


def _label_noise(runs: ArrayLike) -> tuple[Values, Values, Values]:
    """Mean, number and local variance of the runs of each architecture, each of shape (n,)."""
    table = real_numbers("runs", runs)
    if table.ndim != 2 or np.isinf(table).any():
        raise LabelError(
            f"runs must be finite or NaN, of shape (architectures, k), received {table.shape}"
            f"{' with infinite values' if np.isinf(table).any() else ''}"
        )
    counts = (~np.isnan(table)).sum(axis=1)
    table, counts = table[counts > 0], counts[counts > 0]
    if len(counts) < 2 or counts.max() < 2:
        raise LabelError(
            "the noise needs two architectures and two runs of at least one, received "
            f"{len(counts)} with a run and {(counts > 1).sum()} with two; give one column a run"
        )
    means = np.nanmean(table, axis=1)
    squares = np.nansum((table - means[:, None]) ** 2, axis=1)
    order = np.argsort(means, kind="stable")
    repeated = np.flatnonzero(counts[order] > 1)  # positions, from worst to best
    pooled = _window_sums(squares[order][repeated]) / _window_sums(counts[order][repeated] - 1.0)
    variances = np.empty(len(means))
    variances[order] = np.interp(np.arange(len(means)), repeated, pooled)
    return means, counts.astype(np.float64), variances


def _window_sums(values: Values) -> Values:
    """Sum of each value and its neighbours, shape (n,); the window shrinks at both ends."""
    sums = np.concatenate(([0.0], np.cumsum(values)))
    centres = np.arange(len(values))
    first = np.maximum(centres - _NOISE_WINDOW // 2, 0)
    last = np.minimum(centres + _NOISE_WINDOW // 2 + 1, len(values))
    # Differences of a running sum can round to just below zero where the noise is zero.
    return np.asarray(np.maximum(sums[last] - sums[first], 0))


def _check_level(level: float) -> None:
    """Error if ``level`` is not a confidence level."""
    if not 0 < level < 1:
        raise ParameterError(f"level must be between 0 and 1, such as 0.95; received {level!r}")


def _row(name: str, values: ArrayLike) -> Values:
    """Float array of shape (n,), or an error that names it."""
    array = real_numbers(name, values)
    if array.ndim != 1:
        raise LabelError(f"{name} must have shape (n,) here, received {array.shape}")
    return array
