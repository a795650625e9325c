"""How well predicted scores order architectures, from two plain arrays.

Every metric takes labels ``y_true`` and scores ``y_pred``, bigger is better for both, in any units
unless it says otherwise, each of shape (n,) or (trials, n); an (n,) array is compared with every
trial of the other. Two (n,) arrays give a float, anything else an array of shape (trials,). All
raise :class:`~nasurge.errors.LabelError` for NaN, infinite or non-numeric values, for shapes that
do not fit, and for fewer than two architectures.

Row order never matters. Where predictions tie at the edge of the predicted top ``k``, the result
is the exact expectation over breaking the ties at random, after McSherry (2008). Where true values
tie, the true rank of an architecture is 1 + the number strictly better, and a true top includes
all that tie with its last member. A correlation with a constant array is undefined: NaN, as in
SciPy, without its warning. Intervals for these numbers: :mod:`nasurge.benchmarks.intervals`.

References
----------
M. G. Kendall, The treatment of ties in ranking problems, Biometrika 33, 1945.
S. Vigna, A weighted correlation index for rankings with ties, WWW 2015.
X. Ning et al., Evaluating efficient performance estimators of neural architectures, NeurIPS 2021.
K. Järvelin and J. Kekäläinen, Cumulated gain-based evaluation of IR techniques, TOIS 20, 2002.
F. McSherry and M. Najork, Computing information retrieval performance measures efficiently in the
presence of tied scores, ECIR 2008.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from numbers import Real
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from ..data.types import Values
from ..errors import ParameterError
from .pairs import (
    Score,
    check_k,
    constant_rows,
    expected_smallest,
    kth_largest,
    metric,
    predicted_top,
    row_correlations,
    tau_b,
)


@metric
def kendall_tau(y_true: Values, y_pred: Values) -> Score:
    """Kendall's tau-b: agreeing minus disagreeing pairs, over untied pairs (Kendall 1945).

    From -1 to 1; NaN where either side is constant.

    Examples
    --------
    >>> kendall_tau([93.1, 91.0, 94.2], [0.5, 0.1, 0.4])
    0.3333333333333333
    """
    return tau_b(y_true, y_pred)


@metric
def kendall_tau_top(y_true: Values, y_pred: Values, *, top: float = 0.05) -> Score:
    """Kendall's tau-b among the architectures of the true best fraction, where searches end up.

    From -1 to 1; NaN where either side is constant within the fraction.

    Parameters
    ----------
    top : float, in (0, 1]
        The fraction: ``ceil(top * n)`` architectures but at least 2, and all that tie with the
        last of them.

    Raises
    ------
    ParameterError
        If ``top`` is outside (0, 1].

    Examples
    --------
    >>> kendall_tau_top([1, 2, 3, 4, 5, 6], [6, 5, 4, 1, 2, 3], top=0.5)
    1.0
    """
    if not isinstance(top, Real) or not 0 < top <= 1:
        raise ParameterError(f"top must be a fraction above 0 and at most 1, received {top!r}")
    n = y_true.shape[-1]
    # The subtraction keeps 0.07 * 100 = 7.000000000000001 from counting as 8.
    members = y_true >= kth_largest(y_true, max(2, int(np.ceil(top * n - 1e-9))))
    y_true, y_pred, members = np.broadcast_arrays(y_true, y_pred, members)
    sizes = members.sum(axis=-1)
    result = np.empty(len(y_true))
    for size in np.unique(sizes):  # trials differ in size only where the boundary ties
        rows = sizes == size
        chosen = members[rows]
        shape = len(chosen), size
        result[rows] = tau_b(
            y_true[rows][chosen].reshape(shape), y_pred[rows][chosen].reshape(shape)
        )
    return result


@metric
def weighted_tau(y_true: Values, y_pred: Values) -> Score:
    """Weighted tau in which exchanges near the top cost more (Vigna 2015).

    As ``scipy.stats.weightedtau`` with its defaults: hyperbolic weights, added.

    From -1 to 1; NaN where either side is constant.

    Examples
    --------
    >>> weighted_tau([1, 2, 3, 4], [1, 2, 4, 3]) < weighted_tau([1, 2, 3, 4], [2, 1, 3, 4])
    True
    """
    # Copies: the oldest SciPy refuses arrays that may not be written to.
    rows = zip(*map(np.array, np.broadcast_arrays(y_true, y_pred)), strict=True)
    return np.array([stats.weightedtau(t, p).statistic for t, p in rows])


@metric
def spearman(y_true: Values, y_pred: Values) -> Score:
    """Spearman's rho: the Pearson correlation of the ranks, tied values sharing their mean.

    From -1 to 1; NaN where either side is constant.

    Examples
    --------
    >>> round(spearman([93.1, 91.0, 94.2], [0.5, 0.1, 0.4]), 3)
    0.5
    """
    ranks = stats.rankdata(y_true, axis=-1), stats.rankdata(y_pred, axis=-1)
    return row_correlations(*ranks)


@metric
def pearson(y_true: Values, y_pred: Values) -> Score:
    """Pearson's linear correlation.

    From -1 to 1; NaN where either side is constant.

    Examples
    --------
    >>> round(pearson([1, 2, 3], [10, 30, 20]), 3)
    0.5
    """
    return row_correlations(y_true, y_pred)


@metric
def r2(y_true: Values, y_pred: Values) -> Score:
    """Coefficient of determination: the share of the labels' variance explained.

    At most 1; 0 for predicting the mean; NaN where the labels are constant. Scores are in the units
    of the labels; one that only ranks has no meaningful value here.

    Examples
    --------
    >>> r2([1, 2, 3], [1, 2, 2])
    0.5
    """
    deviation = y_true - y_true.mean(axis=-1, keepdims=True)
    # In units of the largest deviation, labels that are tiny do not underflow when squared.
    unit = np.where(constant_rows(y_true), np.nan, np.abs(deviation).max(axis=-1, keepdims=True))
    with np.errstate(over="ignore"):  # a diverged predictor scores -inf
        residual = (((y_true - y_pred) / unit) ** 2).sum(axis=-1)
        return 1 - residual / ((deviation / unit) ** 2).sum(axis=-1)


@metric
def mae(y_true: Values, y_pred: Values) -> Score:
    """Mean absolute error, in units of the labels; smaller is better.

    At least 0. Scores are in the units of the labels; one that only ranks has no meaningful value
    here.

    Examples
    --------
    >>> mae([93.0, 91.0], [92.0, 91.5])
    0.75
    """
    return np.abs(y_true - y_pred).mean(axis=-1)


@metric
def precision_at_k(y_true: Values, y_pred: Values, *, k: int) -> Score:
    """Share of the predicted top ``k`` in the true top ``k`` (Ning 2021).

    From 0 to 1; ``k / n`` for a constant predictor if the k-th best label does not tie.

    Parameters
    ----------
    k : int, from 1 to n

    Raises
    ------
    ParameterError
        If ``k`` is not an integer from 1 to n.

    Examples
    --------
    >>> precision_at_k([94, 93, 92, 91], [4, 1, 3, 2], k=2)
    0.5
    >>> precision_at_k([94, 93, 92, 91], [1, 1, 1, 1], k=1)
    0.25
    """
    check_k(k, y_true)
    good = y_true >= kth_largest(y_true, k)
    above, tied, places = predicted_top(y_pred, k)
    chance = places[:, 0] / tied.sum(axis=-1)
    return ((above & good).sum(axis=-1) + chance * (tied & good).sum(axis=-1)) / k


@metric
def best_rank_in_top_k(y_true: Values, y_pred: Values, *, k: int) -> Score:
    """Best true rank (1 = best) in the predicted top ``k``, as Ning (2021).

    From 1 to n, smaller is better; ``(n + 1) / (k + 1)`` by chance if no labels tie.

    Parameters
    ----------
    k : int, from 1 to n

    Raises
    ------
    ParameterError
        If ``k`` is not an integer from 1 to n.

    Examples
    --------
    >>> best_rank_in_top_k([94, 93, 92, 91], [1, 4, 3, 2], k=2)
    2.0
    """
    check_k(k, y_true)
    ranks = stats.rankdata(-y_true, method="min", axis=-1)
    return expected_smallest(ranks, y_pred, k)


@metric
def regret_at_k(y_true: Values, y_pred: Values, *, k: int) -> Score:
    """Best label minus the best label among the predicted top ``k``.

    In units of the labels, at least 0; smaller is better.

    Parameters
    ----------
    k : int, from 1 to n

    Raises
    ------
    ParameterError
        If ``k`` is not an integer from 1 to n.

    Examples
    --------
    >>> regret_at_k([94.5, 93.0, 92.0, 91.0], [1, 4, 3, 2], k=2)
    1.5
    """
    check_k(k, y_true)
    loss = y_true.max(axis=-1, keepdims=True) - y_true
    return expected_smallest(loss, y_pred, k)


@metric
def ndcg(y_true: Values, y_pred: Values) -> Score:
    """Normalised discounted cumulative gain of the predicted order (Järvelin 2002).

    The gain of an architecture is its relevance itself (not ``2**relevance - 1``), and its
    relevance is the share of the other architectures with a strictly lower label: 1 for the single
    best, 0 for the worst. Only the order of the labels counts. A random order scores about 0.9.
    Equal to ``sklearn.metrics.ndcg_score(relevance, y_pred, ignore_ties=False)``.

    From 0 to 1; NaN where the labels are constant.

    Examples
    --------
    >>> round(ndcg([91, 92, 93], [1, 3, 2]), 4)
    0.8597
    """
    n = y_true.shape[-1]
    relevance = (stats.rankdata(y_true, method="min", axis=-1) - 1) / (n - 1)
    discount = 1 / np.log2(np.arange(n) + 2)
    ideal = -np.sort(-relevance, axis=-1) @ discount
    # Averaging the gains within a tie and averaging the discounts give the same sum.
    upto = np.concatenate(([0.0], np.cumsum(discount)))
    first = stats.rankdata(-y_pred, method="min", axis=-1).astype(np.intp)
    last = stats.rankdata(-y_pred, method="max", axis=-1).astype(np.intp)
    shared = (upto[last] - upto[first - 1]) / (last - first + 1)
    return (relevance * shared).sum(axis=-1) / np.where(ideal > 0, ideal, np.nan)


@dataclass(frozen=True)
class Metric:
    """A metric as ``compare`` reports it: the function, and how its values are read and shown.

    Attributes
    ----------
    name : str
        Column of ``rows.parquet`` and key of the summary.
    function : callable
        From labels and scores to a score, as all of this module.
    label : str
        What it is, in words.
    heading : str or None
        Column of the terminal's table; a metric without one is in the files only.
    shown : {"interval", "mean"}
        Whether that column has the interval over trials, too.
    digits : int
        Decimals in that column.
    larger_is_better : bool
    least, most : float
        Range of its values; no interval leaves it.
    fewest : int
        Architectures below which it is undefined: NaN.

    Examples
    --------
    >>> METRICS["regret_at_10"].larger_is_better
    False
    >>> METRICS["precision_at_10"].measure([1, 2, 3], [1, 2, 3])
    nan
    """

    name: str
    function: Callable[..., Score]
    label: str
    heading: str | None = None
    shown: Literal["interval", "mean"] = "mean"
    digits: int = 3
    larger_is_better: bool = True
    least: float = -1.0
    most: float = 1.0
    fewest: int = 2

    def __call__(self, y_true: ArrayLike, y_pred: ArrayLike) -> Score:
        """Metric of labels and scores, a float, or one a trial, shape (trials,)."""
        return self.function(y_true, y_pred)

    def measure(self, y_true: ArrayLike, y_pred: ArrayLike) -> float:
        """Metric of one trial; NaN for fewer architectures than it needs."""
        if len(np.asarray(y_true)) < self.fewest:
            return float("nan")
        return float(self.function(y_true, y_pred))


_RECORDS = (
    Metric("kendall_tau", kendall_tau, "Kendall's tau-b", "Kendall tau", "interval"),
    Metric("spearman", spearman, "Spearman's rho", "Spearman"),
    Metric("pearson", pearson, "Pearson's linear correlation"),
    Metric("r2", r2, "coefficient of determination", least=-np.inf),
    Metric(
        "mae",
        mae,
        "mean absolute error, in units of the label",
        larger_is_better=False,
        least=0.0,
        most=np.inf,
    ),
    Metric("weighted_tau", weighted_tau, "weighted tau, in which the top counts more"),
    Metric(
        "kendall_tau_top5",
        partial(kendall_tau_top, top=0.05),
        "Kendall's tau-b among the best 5 % by label",
        "tau in the top 5 %",
        "interval",
    ),
    Metric(
        "precision_at_10",
        partial(precision_at_k, k=10),
        "share of the predicted top 10 in the true top 10",
        least=0.0,
        fewest=10,
    ),
    Metric(
        "best_rank_in_top_10",
        partial(best_rank_in_top_k, k=10),
        "best true rank in the predicted top 10; 1 is the best",
        larger_is_better=False,
        least=1.0,
        most=np.inf,
        fewest=10,
    ),
    Metric(
        "regret_at_10",
        partial(regret_at_k, k=10),
        "best label minus the best in the predicted top 10, in units of the label",
        "regret@10",
        larger_is_better=False,
        least=0.0,
        most=np.inf,
        fewest=10,
    ),
    Metric("ndcg", ndcg, "normalised discounted cumulative gain", least=0.0),
)
METRICS: dict[str, Metric] = {metric.name: metric for metric in _RECORDS}
"""What ``compare`` reports, by name; another metric is one more entry of ``_RECORDS``."""
