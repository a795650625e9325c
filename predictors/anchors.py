"""Which architectures to measure first, so that few labels say most about all others."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..data.spaces import Codes, Space
from ..errors import ParameterError

Matrix = NDArray[np.float64]


def candidates(
    space: Space, n: int, *, among: ArrayLike | None, most: int, rng: np.random.Generator
) -> Codes:
    """Return different architectures of which ``n`` may be chosen, at most ``most``, drawn.

    Parameters
    ----------
    space : Space
    n : int
    among : array_like of int, shape (m, d), optional
        Those that can be measured; by default all of the space.
    most : int
    rng : Generator

    Raises
    ------
    ParameterError
        If ``n`` is not between 1 and ``most``, or more than there are.
    ArchitectureError
        If a row of ``among`` is not in the space.
    """
    given = None if among is None else np.unique(space.check(among), axis=0)
    count = min(most, space.size if given is None else len(given))
    if not 1 <= n <= count:
        raise ParameterError(f"between 1 and {count} architectures are measured, not {n}")
    if given is None:
        return space.sample(count, seed=rng, unique=True)
    return np.asarray(given[rng.choice(len(given), count, replace=False)])


def most_telling(covariance: Matrix, noise: float, n: int) -> list[int]:
    """Return the rows that, measured one after another, leave the least variance over all rows.

    Parameters
    ----------
    covariance : float array, shape (m, m)
        Of the values before any is measured.
    noise : float
        Variance of a measurement.
    n : int

    References
    ----------
    D. A. Cohn. Neural network exploration using optimal experiment design. NeurIPS 1994.

    Examples
    --------
    >>> import numpy as np
    >>> alike = np.array([[1, 0.9, 0.9, 0], [0.9, 1, 0.8, 0], [0.9, 0.8, 1, 0], [0, 0, 0, 1]])
    >>> most_telling(alike, 0.1, 2)
    [0, 3]
    """
    left = covariance.copy()
    chosen: list[int] = []
    for _ in range(n):
        gain = (left**2).sum(axis=0) / (np.diag(left) + noise)
        gain[chosen] = -1
        best = int(gain.argmax())
        chosen.append(best)
        left -= np.outer(left[:, best], left[best] / (left[best, best] + noise))
    return chosen
