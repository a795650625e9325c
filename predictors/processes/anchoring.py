"""Which architectures to measure first, so that few labels say most about all others."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...data.arguments import checked
from ...data.seeds import Seed, as_generator
from ...data.spaces import Codes, Space
from ...data.types import Matrix
from ...errors import ParameterError
from .covariance import Term
from .features import feature_groups
from .grouped import GroupedGP

CANDIDATES = 1500
"""Architectures of which those to measure are chosen."""
_OFFSET, _NOISE = 0.2, 0.3  # variances of a constant and of a measurement; an architecture's is 1


@checked
def anchors(space: Space, n: int, *, among: ArrayLike | None = None, seed: Seed = None) -> Codes:
    """Different architectures to measure first, shape (n, d).

    One after another is chosen from 1,500 drawn at random: the one that leaves the least unknown
    of all of them, where unknown is a smooth function of structure (a Gaussian process, Matern-3/2
    kernel, over the groups of features of ``auto``). No label is needed for that, so that all can
    be measured at once. No two compute the same function as long as there are others.

    Parameters
    ----------
    space : Space
    n : int
    among : array_like of int, shape (m, d), optional
        Those that can be measured; by default all of the space.
    seed : int, Generator or None
        With the same number, the first of many anchors are the few.

    Raises
    ------
    ParameterError
        If ``n`` is not between 1 and 1,500, or more than there are.
    ArchitectureError
        If a row of ``among`` is not in the space.

    References
    ----------
    D. A. Cohn. Neural network exploration using optimal experiment design. NeurIPS 1994.

    Examples
    --------
    >>> from nasurge.data.spaces import make_space
    >>> space = make_space("nb201")
    >>> space.format(anchors(space, 20, seed=0))[0]
    '|skip_connect~0|+|none~0|nor_conv_1x1~1|+|nor_conv_3x3~0|avg_pool_3x3~1|skip_connect~2|'
    """
    pool = candidates(space, n, among=among, most=CANDIDATES, rng=as_generator(seed))
    codes = space.canonical(pool)
    groups = feature_groups(space, codes, untrained=False)
    lengths = np.full(len(groups), 0.5 * np.log(len(groups)))
    process = GroupedGP([Term(tuple(groups), 1.5)]).set_theta(np.array([0.0, *lengths, 0.0]))
    covariance = process.kernel(groups, groups) + _OFFSET
    return np.asarray(pool[_most_telling(covariance, space.keys(codes), n)])


def candidates(
    space: Space, n: int, *, among: ArrayLike | None, most: int, rng: np.random.Generator
) -> Codes:
    """Drawn architectures of which ``n`` are chosen, at most ``most``, shape (m, d).

    Parameters and errors are those of ``anchors``.
    """
    given = None if among is None else np.unique(space.check(among), axis=0)
    count = min(most, space.size if given is None else len(given))
    if not 1 <= n <= count:
        raise ParameterError(f"between 1 and {count} architectures are measured, not {n}")
    if given is None:
        return space.sample(count, seed=rng, unique=True)
    return np.asarray(given[rng.choice(len(given), count, replace=False)])


def _most_telling(covariance: Matrix, functions: NDArray[np.int64], n: int) -> list[int]:
    """Rows that, measured one after another, leave the least variance over all rows."""
    left, noise = covariance.copy(), _NOISE * float(np.diag(covariance).mean())
    chosen: list[int] = []
    for _ in range(n):
        gain = np.einsum("ij,ij->j", left, left) / (np.diag(left) + noise)
        again = np.isin(functions, functions[chosen])
        if not again.all():
            gain[again] = -1
        gain[chosen] = -1
        best = int(gain.argmax())
        chosen.append(best)
        left -= np.outer(left[:, best], left[best] / (left[best, best] + noise))
    return chosen
