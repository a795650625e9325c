"""Ranks as normal scores."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arguments import checked
from ..types import Values


@checked
def rank_scores(values: NDArray[Any], *, axis: int | None = None) -> NDArray[np.float64]:
    """Normal quantile of each value's rank, in the shape of ``values``; ties share their mean rank.

    The best of many have about 2, the median 0 (van der Waerden scores).

    Parameters
    ----------
    values : ndarray, shape (n,), or of more dimensions with ``axis``
    axis : int, optional
        Along which values are ranked.

    Examples
    --------
    >>> import numpy as np
    >>> rank_scores(np.array([10.0, 94.0, 90.0])).round(2)
    array([-0.97,  0.97,  0.  ])
    """
    from scipy.special import ndtri
    from scipy.stats import rankdata

    n = values.size if axis is None else values.shape[axis]
    return np.asarray(ndtri((rankdata(values, axis=axis) - 0.5) / n))


def normal_scores(values: Values, reference: Values) -> Values:
    """Normal scores of values (n, k) by their places in ``reference``, shape (m, k).

    Straight between two reference values; beyond the outermost by at most a half. Strictly
    increasing in each column, unless the reference is constant.
    """
    scores = np.zeros_like(values)
    for column, (x, known) in enumerate(zip(values.T, reference.T, strict=True)):
        xs, first = np.unique(known, return_index=True)
        zs = rank_scores(known)[first]
        scale = np.subtract(*np.quantile(known, [0.75, 0.25])) or np.ptp(known) or 1.0
        beyond = (x - np.clip(x, xs[0], xs[-1])) / scale
        scores[:, column] = np.interp(x, xs, zs) + beyond / (1 + np.abs(beyond)) / 2
    return scores
