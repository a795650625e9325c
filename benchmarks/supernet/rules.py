"""Rules by which the steps of a supernet's training draw their paths."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ...data.spaces import Codes, Space
from .layers import uniform_codes

Allowed = NDArray[np.bool_]


def spos(space: Space, steps: int, rng: np.random.Generator, allowed: Allowed | None) -> Codes:
    """One path a step, shape (steps, 1, d), drawn uniformly among the live ones.

    References
    ----------
    Z. Guo et al. Single path one-shot neural architecture search with uniform sampling. ECCV 2020.
    """
    return uniform_codes(space, steps, rng, allowed)[:, None]


def fairnas(space: Space, steps: int, rng: np.random.Generator, allowed: Allowed | None) -> Codes:
    """Paths that use every operation of every edge once a step, shape (steps, k, d).

    Where fewer operations are allowed than elsewhere, some are used again.

    References
    ----------
    X. Chu, B. Zhang, R. Xu. FairNAS: Rethinking evaluation fairness of weight sharing neural
    architecture search. ICCV 2021.
    """
    most = max(space.cardinalities)
    columns = []
    for variable, cardinality in enumerate(space.cardinalities):
        values = np.arange(cardinality) if allowed is None else np.flatnonzero(allowed[variable])
        orders = rng.permuted(np.tile(values, (steps, 1)), axis=1)
        columns.append(orders[:, np.arange(most) % len(values)])
    codes: Codes = np.stack(columns, axis=2).astype(np.int8)
    return codes if allowed is None else codes[:, : int(allowed.sum(axis=1).max())]


def sandwich(space: Space, steps: int, rng: np.random.Generator, allowed: Allowed | None) -> Codes:
    """Largest path of each step, two drawn ones and the smallest, shape (steps, 4, d).

    Largest and smallest: the operation of most and of least depth at every place, cuts left out.

    References
    ----------
    J. Yu, T. Huang. Universally slimmable networks and improved training techniques. ICCV 2019.
    """
    drawn = uniform_codes(space, 2 * steps, rng, allowed).reshape(steps, 2, -1)
    ends = [np.broadcast_to(end, (steps, 1, end.size)) for end in extremes(space, allowed)]
    return np.concatenate([ends[0], drawn, ends[1]], axis=1)


def extremes(space: Space, allowed: Allowed | None = None) -> tuple[Codes, Codes]:
    """Largest and smallest architecture, shape (d,) each.

    Examples
    --------
    >>> from nasurge.data.spaces import make_space
    >>> [code.tolist() for code in extremes(make_space("nb201"))]
    [[3, 3, 3, 3, 3, 3], [1, 1, 1, 1, 1, 1]]
    """
    operations = space.operations[: max(space.cardinalities)]
    depth = np.array([operation.depth for operation in operations])
    cuts = np.array([operation.kind == "zero" for operation in operations])
    usable = np.ones((space.n_variables, len(depth)), dtype=bool) if allowed is None else allowed
    large = np.where(usable, np.where(cuts, -1.0, depth), -2.0).argmax(axis=1)
    small = np.where(usable, np.where(cuts, 1e6, depth), 1e7).argmin(axis=1)
    return large.astype(np.int8), small.astype(np.int8)


DRAWS: dict[str, Callable[[Space, int, np.random.Generator, Allowed | None], Codes]] = {
    "spos": spos,
    "fairnas": fairnas,
    "sandwich": sandwich,
}
"""Rules of ``RULES``: codes, shape (steps, paths, d), of (space, steps, generator, allowed)."""
