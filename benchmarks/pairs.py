"""Checked pairs of labels and scores, and the ranks and correlations that metrics are made of."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from ..data.types import Mask, Values
from ..errors import LabelError, ParameterError

P = ParamSpec("P")
Score = Any  # float or Values, by the shapes of the arguments: a union would burden every caller

# Comparing all pairs beats SciPy's n log n routine, called once a trial, up to about n = 350.
_PAIRWISE_LIMIT = 300
_PAIRS_AT_ONCE = 2**20  # 4 MB an array, mostly the fastest of 2**16 to 2**22

_PARAMETERS = "Parameters\n----------\n"
_PAIR = "y_true, y_pred : array_like, shape (n,) or (trials, n)\n"
_RETURNS = "Returns\n-------\nfloat, or float array of shape (trials,)\n\n"


def checked_pair(y_true: ArrayLike, y_pred: ArrayLike) -> tuple[Values, Values, bool]:
    """Labels and scores as checked arrays, shape (trials or 1, n), and whether a float is due."""
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
    """Finite float array of one or two dimensions, or an error that says what is wrong."""
    array = real_numbers(name, values)
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
    return array


def real_numbers(name: str, values: ArrayLike) -> Values:
    """Float array of any shape, or an error that names it."""
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise LabelError(f"{name} is not an array of numbers: {error}") from None
    if array.dtype.kind not in "biuf":
        raise LabelError(f"{name} must hold real numbers, received dtype {array.dtype}")
    return array.astype(np.float64, copy=False)


def check_k(k: int, true: Values) -> None:
    """Error if ``k`` is not an integer from 1 to the number of architectures."""
    n = true.shape[-1]
    if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or not 1 <= k <= n:
        raise ParameterError(f"k must be an integer from 1 to n, {n} here; received {k!r}")


def metric(
    compute: Callable[Concatenate[Values, Values, P], Score],
) -> Callable[Concatenate[ArrayLike, ArrayLike, P], Score]:
    """Metric of any labels and scores, made of one of checked ones of shape (trials or 1, n).

    What all metrics take and give is added to its documentation.
    """

    @functools.wraps(compute)
    def of_pair(y_true: ArrayLike, y_pred: ArrayLike, *args: P.args, **options: P.kwargs) -> Score:
        true, pred, single = checked_pair(y_true, y_pred)
        values = compute(true, pred, *args, **options)
        return values.item() if single else values

    text = inspect.cleandoc(compute.__doc__ or "")
    head, *sections = re.split("^(?=Raises$|Examples$)", text, maxsplit=1, flags=re.MULTILINE)
    if _PARAMETERS not in head:
        head += f"{_PARAMETERS}\n"
    of_pair.__doc__ = head.replace(_PARAMETERS, _PARAMETERS + _PAIR) + _RETURNS + "".join(sections)
    return of_pair  # type: ignore[return-value]


def constant_rows(values: Values) -> Mask:
    """Whether each row holds one value only, shape (rows, 1)."""
    return np.asarray(values.max(axis=-1, keepdims=True) == values.min(axis=-1, keepdims=True))


def row_correlations(x: Values, y: Values) -> Values:
    """Pearson correlation of each pair of rows, shape (rows,)."""
    return np.asarray(np.clip((_standard(x) * _standard(y)).sum(axis=-1), -1, 1))


def _standard(values: Values) -> Values:
    """Rows of mean 0 and length 1, shape (rows, n); NaN where a row is constant."""
    # Dividing first keeps the squares of very large and very small values within range.
    unit = np.where(constant_rows(values), np.nan, np.abs(values).max(axis=-1, keepdims=True))
    centred = values / unit
    centred -= centred.mean(axis=-1, keepdims=True)
    return np.asarray(centred / np.sqrt((centred**2).sum(axis=-1, keepdims=True)))


def tau_b(x: Values, y: Values) -> Values:
    """Tau-b of each pair of rows, shape (rows,)."""
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
    """Tau-b of each pair of rows from the signs of all n * n differences, shape (rows,)."""
    x_signs, y_signs = _pair_signs(x), _pair_signs(y)
    untied = _dot(x_signs, x_signs) * _dot(y_signs, y_signs)
    return _dot(x_signs, y_signs) / np.sqrt(np.where(untied > 0, untied, np.nan))


def _pair_signs(values: Values) -> NDArray[np.float32]:
    """Sign of every difference within each row, shape (rows, n * n)."""
    # Dense ranks are integers, so clipping their differences gives signs, faster than np.sign.
    ranks = stats.rankdata(values, method="dense", axis=-1).astype(np.float32)
    difference = ranks[:, :, None] - ranks[:, None, :]
    return np.clip(difference, -1, 1, out=difference).reshape(len(values), -1)


def _dot(a: NDArray[np.float32], b: NDArray[np.float32]) -> Values:
    """Inner product of each pair of rows, shape (rows,), exact while it is below 2**24."""
    return (a[:, None, :] @ b[:, :, None])[:, 0, 0].astype(np.float64)


def kth_largest(values: Values, k: int) -> Values:
    """k-th largest value of each row, shape (rows, 1)."""
    return np.partition(values, -k, axis=-1)[:, -k, None]


def predicted_top(pred: Values, k: int) -> tuple[Mask, Mask, NDArray[np.int64]]:
    """Masks of who is surely in the top k and who ties for its last places, and places left."""
    cut = kth_largest(pred, k)
    above = pred > cut
    return above, pred == cut, k - above.sum(axis=-1, keepdims=True)


def expected_smallest(loss: Values, pred: Values, k: int) -> Values:
    """Expected smallest loss among the predicted top k, shape (rows,); ties broken at random."""
    above, tied, places = predicted_top(pred, k)
    sure = np.where(above, loss, np.inf).min(axis=-1, keepdims=True)
    ordered = np.sort(np.where(tied, loss, np.inf), axis=-1)
    # The j-th smallest of the tied is the smallest drawn if it is drawn and none before it is.
    left = np.maximum(tied.sum(axis=-1, keepdims=True) - np.arange(loss.shape[-1]), 1)
    drawn = np.minimum(places / left, 1)
    missed = np.cumprod(1 - drawn, axis=-1)
    chance = drawn * np.concatenate((np.ones_like(missed[:, :1]), missed[:, :-1]), axis=-1)
    smallest = np.where(chance > 0, np.minimum(sure, ordered), 0)
    return np.asarray((chance * smallest).sum(axis=-1))
