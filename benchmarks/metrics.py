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
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from ..errors import LabelError, ParameterError

Values = NDArray[np.float64]
Mask = NDArray[np.bool_]
Score = Any  # float or Values, by the shapes of the arguments: a union would burden every caller

# Comparing all pairs beats SciPy's n log n routine, called once a trial, up to about n = 350.
_PAIRWISE_LIMIT = 300
_PAIRS_AT_ONCE = 2**20  # 4 MB an array, mostly the fastest of 2**16 to 2**22


def kendall_tau(y_true: ArrayLike, y_pred: ArrayLike) -> Score:
    """Return Kendall's tau-b: agreeing minus disagreeing pairs, over untied pairs (Kendall 1945).

    Parameters
    ----------
    y_true, y_pred : array_like, shape (n,) or (trials, n)

    Returns
    -------
    float or ndarray of shape (trials,)
        From -1 to 1; NaN where either side is constant.

    Examples
    --------
    >>> kendall_tau([93.1, 91.0, 94.2], [0.5, 0.1, 0.4])
    0.3333333333333333
    """
    true, pred, single = _pair(y_true, y_pred)
    return _score(_tau_b(true, pred), single)


def kendall_tau_top(y_true: ArrayLike, y_pred: ArrayLike, *, top: float = 0.05) -> Score:
    """Return tau-b among the architectures of the true best fraction, where searches end up.

    Parameters
    ----------
    y_true, y_pred : array_like, shape (n,) or (trials, n)
    top : float, in (0, 1]
        The fraction: ``ceil(top * n)`` architectures but at least 2, and all that tie with the
        last of them.

    Returns
    -------
    float or ndarray of shape (trials,)
        From -1 to 1; NaN where either side is constant within the fraction.

    Raises
    ------
    ParameterError
        If ``top`` is outside (0, 1].

    Examples
    --------
    >>> kendall_tau_top([1, 2, 3, 4, 5, 6], [6, 5, 4, 1, 2, 3], top=0.5)
    1.0
    """
    if not 0 < top <= 1:
        raise ParameterError(f"top must be a fraction above 0 and at most 1, received {top!r}")
    true, pred, single = _pair(y_true, y_pred)
    n = true.shape[-1]
    # The subtraction keeps 0.07 * 100 = 7.000000000000001 from counting as 8.
    members = true >= _kth_largest(true, max(2, int(np.ceil(top * n - 1e-9))))
    true, pred, members = np.broadcast_arrays(true, pred, members)
    sizes = members.sum(axis=-1)
    result = np.empty(len(true))
    for size in np.unique(sizes):  # trials differ in size only where the boundary ties
        rows = sizes == size
        chosen = members[rows]
        shape = len(chosen), size
        result[rows] = _tau_b(true[rows][chosen].reshape(shape), pred[rows][chosen].reshape(shape))
    return _score(result, single)


def weighted_tau(y_true: ArrayLike, y_pred: ArrayLike) -> Score:
    """Return the weighted tau in which exchanges near the top cost more (Vigna 2015).

    As ``scipy.stats.weightedtau`` with its defaults: hyperbolic weights, added.

    Parameters
    ----------
    y_true, y_pred : array_like, shape (n,) or (trials, n)

    Returns
    -------
    float or ndarray of shape (trials,)
        From -1 to 1; NaN where either side is constant.

    Examples
    --------
    >>> weighted_tau([1, 2, 3, 4], [1, 2, 4, 3]) < weighted_tau([1, 2, 3, 4], [2, 1, 3, 4])
    True
    """
    true, pred, single = _pair(y_true, y_pred)
    rows = zip(*np.broadcast_arrays(true, pred), strict=True)
    return _score(np.array([stats.weightedtau(t, p).statistic for t, p in rows]), single)


def spearman(y_true: ArrayLike, y_pred: ArrayLike) -> Score:
    """Return Spearman's rho: the Pearson correlation of the ranks, tied values sharing their mean.

    Parameters
    ----------
    y_true, y_pred : array_like, shape (n,) or (trials, n)

    Returns
    -------
    float or ndarray of shape (trials,)
        From -1 to 1; NaN where either side is constant.

    Examples
    --------
    >>> round(spearman([93.1, 91.0, 94.2], [0.5, 0.1, 0.4]), 3)
    0.5
    """
    true, pred, single = _pair(y_true, y_pred)
    ranks = stats.rankdata(true, axis=-1), stats.rankdata(pred, axis=-1)
    return _score(_correlation(*ranks), single)


def pearson(y_true: ArrayLike, y_pred: ArrayLike) -> Score:
    """Return Pearson's linear correlation.

    Parameters
    ----------
    y_true, y_pred : array_like, shape (n,) or (trials, n)

    Returns
    -------
    float or ndarray of shape (trials,)
        From -1 to 1; NaN where either side is constant.

    Examples
    --------
    >>> round(pearson([1, 2, 3], [10, 30, 20]), 3)
    0.5
    """
    true, pred, single = _pair(y_true, y_pred)
    return _score(_correlation(true, pred), single)


def r2(y_true: ArrayLike, y_pred: ArrayLike) -> Score:
    """Return the coefficient of determination: the share of the labels' variance explained.

    Parameters
    ----------
    y_true, y_pred : array_like, shape (n,) or (trials, n)
        Labels, and scores in the same units; a score that only ranks has no meaningful value here.

    Returns
    -------
    float or ndarray of shape (trials,)
        At most 1; 0 for predicting the mean; NaN where the labels are constant.

    Examples
    --------
    >>> r2([1, 2, 3], [1, 2, 2])
    0.5
    """
    true, pred, single = _pair(y_true, y_pred)
    deviation = true - true.mean(axis=-1, keepdims=True)
    # In units of the largest deviation, labels that are tiny do not underflow when squared.
    unit = np.where(_constant(true), np.nan, np.abs(deviation).max(axis=-1, keepdims=True))
    with np.errstate(over="ignore"):  # a diverged predictor scores -inf
        residual = (((true - pred) / unit) ** 2).sum(axis=-1)
        return _score(1 - residual / ((deviation / unit) ** 2).sum(axis=-1), single)


def mae(y_true: ArrayLike, y_pred: ArrayLike) -> Score:
    """Return the mean absolute error, in units of the labels; smaller is better.

    Parameters
    ----------
    y_true, y_pred : array_like, shape (n,) or (trials, n)
        Labels, and scores in the same units; a score that only ranks has no meaningful value here.

    Returns
    -------
    float or ndarray of shape (trials,)
        At least 0.

    Examples
    --------
    >>> mae([93.0, 91.0], [92.0, 91.5])
    0.75
    """
    true, pred, single = _pair(y_true, y_pred)
    return _score(np.abs(true - pred).mean(axis=-1), single)


def precision_at_k(y_true: ArrayLike, y_pred: ArrayLike, *, k: int) -> Score:
    """Return the share of the predicted top ``k`` in the true top ``k`` (Ning 2021).

    Parameters
    ----------
    y_true, y_pred : array_like, shape (n,) or (trials, n)
    k : int, from 1 to n

    Returns
    -------
    float or ndarray of shape (trials,)
        From 0 to 1; ``k / n`` for a constant predictor if the k-th best label does not tie.

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
    true, pred, single = _pair(y_true, y_pred)
    _check_k(k, true)
    good = true >= _kth_largest(true, k)
    above, tied, places = _predicted_top(pred, k)
    chance = places[:, 0] / tied.sum(axis=-1)
    return _score(((above & good).sum(axis=-1) + chance * (tied & good).sum(axis=-1)) / k, single)


def best_rank_in_top_k(y_true: ArrayLike, y_pred: ArrayLike, *, k: int) -> Score:
    """Return the best true rank (1 = best) in the predicted top ``k``, as Ning (2021).

    Parameters
    ----------
    y_true, y_pred : array_like, shape (n,) or (trials, n)
    k : int, from 1 to n

    Returns
    -------
    float or ndarray of shape (trials,)
        From 1 to n, smaller is better; ``(n + 1) / (k + 1)`` by chance if no labels tie.

    Raises
    ------
    ParameterError
        If ``k`` is not an integer from 1 to n.

    Examples
    --------
    >>> best_rank_in_top_k([94, 93, 92, 91], [1, 4, 3, 2], k=2)
    2.0
    """
    true, pred, single = _pair(y_true, y_pred)
    _check_k(k, true)
    ranks = stats.rankdata(-true, method="min", axis=-1)
    return _score(_expected_smallest(ranks, pred, k), single)


def regret_at_k(y_true: ArrayLike, y_pred: ArrayLike, *, k: int) -> Score:
    """Return the best label minus the best label among the predicted top ``k``.

    Parameters
    ----------
    y_true, y_pred : array_like, shape (n,) or (trials, n)
    k : int, from 1 to n

    Returns
    -------
    float or ndarray of shape (trials,)
        In units of the labels, at least 0; smaller is better.

    Raises
    ------
    ParameterError
        If ``k`` is not an integer from 1 to n.

    Examples
    --------
    >>> regret_at_k([94.5, 93.0, 92.0, 91.0], [1, 4, 3, 2], k=2)
    1.5
    """
    true, pred, single = _pair(y_true, y_pred)
    _check_k(k, true)
    loss = true.max(axis=-1, keepdims=True) - true
    return _score(_expected_smallest(loss, pred, k), single)


def ndcg(y_true: ArrayLike, y_pred: ArrayLike) -> Score:
    """Return the normalised discounted cumulative gain of the predicted order (Järvelin 2002).

    The gain of an architecture is its relevance itself (not ``2**relevance - 1``), and its
    relevance is the share of the other architectures with a strictly lower label: 1 for the single
    best, 0 for the worst. Only the order of the labels counts. A random order scores about 0.9.
    Equal to ``sklearn.metrics.ndcg_score(relevance, y_pred, ignore_ties=False)``.

    Parameters
    ----------
    y_true, y_pred : array_like, shape (n,) or (trials, n)

    Returns
    -------
    float or ndarray of shape (trials,)
        From 0 to 1; NaN where the labels are constant.

    Examples
    --------
    >>> round(ndcg([91, 92, 93], [1, 3, 2]), 4)
    0.8597
    """
    true, pred, single = _pair(y_true, y_pred)
    n = true.shape[-1]
    relevance = (stats.rankdata(true, method="min", axis=-1) - 1) / (n - 1)
    discount = 1 / np.log2(np.arange(n) + 2)
    ideal = -np.sort(-relevance, axis=-1) @ discount
    # Averaging the gains within a tie and averaging the discounts give the same sum.
    upto = np.concatenate(([0.0], np.cumsum(discount)))
    first = stats.rankdata(-pred, method="min", axis=-1).astype(np.intp)
    last = stats.rankdata(-pred, method="max", axis=-1).astype(np.intp)
    shared = (upto[last] - upto[first - 1]) / (last - first + 1)
    return _score((relevance * shared).sum(axis=-1) / np.where(ideal > 0, ideal, np.nan), single)


METRICS: dict[str, Callable[..., Score]] = {
    "kendall_tau": kendall_tau,
    "spearman": spearman,
    "pearson": pearson,
    "r2": r2,
    "mae": mae,
    "weighted_tau": weighted_tau,
    "kendall_tau_top5": partial(kendall_tau_top, top=0.05),
    "precision_at_10": partial(precision_at_k, k=10),
    "best_rank_in_top_10": partial(best_rank_in_top_k, k=10),
    "regret_at_10": partial(regret_at_k, k=10),
    "ndcg": ndcg,
}
"""What ``compare`` reports: name to callable of ``(y_true, y_pred)``."""

SMALLER_IS_BETTER = frozenset({"mae", "best_rank_in_top_10", "regret_at_10"})
"""The names in ``METRICS`` for which smaller is better."""


def _pair(y_true: ArrayLike, y_pred: ArrayLike) -> tuple[Values, Values, bool]:
    """Return both as checked (trials or 1, n) arrays, and whether a single float is due."""
    true, pred = _array("y_true", y_true), _array("y_pred", y_pred)
    if true.shape[-1] != pred.shape[-1]:
        raise LabelError(
            f"y_true has {true.shape[-1]} architectures and y_pred {pred.shape[-1]}; "
            "pass one score for every label, in the same order"
        )
    if true.shape[-1] < 2:
        raise LabelError(
            f"metrics need at least 2 architectures, y_true and y_pred have {true.shape[-1]}"
        )
    if true.ndim == pred.ndim == 2 and len(true) != len(pred):
        raise LabelError(
            f"y_true has {len(true)} trials and y_pred {len(pred)}; pass as many, "
            "or one array of shape (n,) to compare with every trial of the other"
        )
    return np.atleast_2d(true), np.atleast_2d(pred), true.ndim == pred.ndim == 1


def _array(name: str, values: ArrayLike) -> Values:
    """Return ``values`` as a finite float array of one or two dimensions, or say what is wrong."""
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise LabelError(f"{name} is not an array of numbers: {error}") from None
    if array.dtype.kind not in "biuf":
        raise LabelError(f"{name} must hold real numbers, received dtype {array.dtype}")
    if array.ndim not in (1, 2) or not len(array):
        raise LabelError(
            f"{name} must have shape (n,) or (trials, n) and not be empty, received {array.shape}"
        )
    bad = ~np.isfinite(array)
    if bad.any():
        where = np.argwhere(bad)[0].tolist()
        raise LabelError(
            f"{name}{where} is {array[tuple(where)]} ({bad.sum()} of {array.size} values are NaN "
            "or infinite); leave those architectures out of both y_true and y_pred"
        )
    return array.astype(np.float64, copy=False)


def _check_k(k: int, true: Values) -> None:
    """Raise if ``k`` is not an integer from 1 to the number of architectures."""
    n = true.shape[-1]
    if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or not 1 <= k <= n:
        raise ParameterError(f"k must be an integer from 1 to n, {n} here; received {k!r}")


def _score(values: Values, single: bool) -> Score:
    """Return a float for a single comparison, else one value a trial."""
    return values.item() if single else values


def _constant(values: Values) -> Mask:
    """Return which rows hold one value only, shape (rows, 1)."""
    return np.asarray(values.max(axis=-1, keepdims=True) == values.min(axis=-1, keepdims=True))


def _correlation(x: Values, y: Values) -> Values:
    """Return the Pearson correlation of each pair of rows."""
    return np.asarray(np.clip((_standard(x) * _standard(y)).sum(axis=-1), -1, 1))


def _standard(values: Values) -> Values:
    """Return rows of mean 0 and length 1; NaN where a row is constant."""
    # Dividing first keeps the squares of very large and very small values within range.
    unit = np.where(_constant(values), np.nan, np.abs(values).max(axis=-1, keepdims=True))
    centred = values / unit
    centred -= centred.mean(axis=-1, keepdims=True)
    return np.asarray(centred / np.sqrt((centred**2).sum(axis=-1, keepdims=True)))


def _tau_b(x: Values, y: Values) -> Values:
    """Return tau-b of each pair of rows."""
    x, y = np.broadcast_arrays(x, y)
    trials, n = x.shape
    if n > _PAIRWISE_LIMIT:
        rows = zip(x, y, strict=True)
        # The p-value is not used, and the exact one takes time.
        return np.array([stats.kendalltau(a, b, method="asymptotic").statistic for a, b in rows])
    step = max(1, _PAIRS_AT_ONCE // n**2)
    parts = [_tau_b_pairwise(x[i : i + step], y[i : i + step]) for i in range(0, trials, step)]
    return np.concatenate(parts)


def _tau_b_pairwise(x: Values, y: Values) -> Values:
    """Return tau-b of each pair of rows from the signs of all n * n differences."""
    x_signs, y_signs = _pair_signs(x), _pair_signs(y)
    untied = _dot(x_signs, x_signs) * _dot(y_signs, y_signs)
    return _dot(x_signs, y_signs) / np.sqrt(np.where(untied > 0, untied, np.nan))


def _pair_signs(values: Values) -> NDArray[np.float32]:
    """Return the sign of every difference within each row, shape (rows, n * n)."""
    # Dense ranks are integers, so clipping their differences gives signs, faster than np.sign.
    ranks = stats.rankdata(values, method="dense", axis=-1).astype(np.float32)
    difference = ranks[:, :, None] - ranks[:, None, :]
    return np.clip(difference, -1, 1, out=difference).reshape(len(values), -1)


def _dot(a: NDArray[np.float32], b: NDArray[np.float32]) -> Values:
    """Return the inner product of each pair of rows, exact while it is below 2**24."""
    return (a[:, None, :] @ b[:, :, None])[:, 0, 0].astype(np.float64)


def _kth_largest(values: Values, k: int) -> Values:
    """Return the k-th largest value of each row, shape (rows, 1)."""
    return np.partition(values, -k, axis=-1)[:, -k, None]


def _predicted_top(pred: Values, k: int) -> tuple[Mask, Mask, NDArray[np.int64]]:
    """Return who is surely in the top k, who ties for its last places, and how many are left."""
    cut = _kth_largest(pred, k)
    above = pred > cut
    return above, pred == cut, k - above.sum(axis=-1, keepdims=True)


def _expected_smallest(loss: Values, pred: Values, k: int) -> Values:
    """Return the expected smallest loss among the predicted top k, ties broken at random."""
    above, tied, places = _predicted_top(pred, k)
    sure = np.where(above, loss, np.inf).min(axis=-1, keepdims=True)
    ordered = np.sort(np.where(tied, loss, np.inf), axis=-1)
    # The j-th smallest of the tied is the smallest drawn if it is drawn and none before it is.
    left = np.maximum(tied.sum(axis=-1, keepdims=True) - np.arange(loss.shape[-1]), 1)
    drawn = np.minimum(places / left, 1)
    missed = np.cumprod(1 - drawn, axis=-1)
    chance = drawn * np.concatenate((np.ones_like(missed[:, :1]), missed[:, :-1]), axis=-1)
    smallest = np.where(chance > 0, np.minimum(sure, ordered), 0)
    return np.asarray((chance * smallest).sum(axis=-1))
