"""Ranks as normal scores."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arguments import checked


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
