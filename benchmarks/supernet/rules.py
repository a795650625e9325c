"""Rules by which the steps of a supernet's training draw their paths."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ...data.networks.choices import value_sizes
from ...data.spaces import Codes, Space
from ...data.types import Values
from .layers import described_rows, uniform_codes, value_mask

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

    Where fewer operations are allowed than elsewhere, some are used again. A variable that has an
    effect under some values of another only is decided in the paths that have these.

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
    paths = most if allowed is None else int(allowed.sum(axis=1).max())
    rows = np.stack(columns, axis=2)[:, :paths]
    return described_rows(space, rows.reshape(-1, space.n_variables)).reshape(rows.shape)


def sandwich(space: Space, steps: int, rng: np.random.Generator, allowed: Allowed | None) -> Codes:
    """Largest path of each step, two drawn ones and the smallest, shape (steps, 4, d).

    Largest and smallest: see ``extremes``.

    References
    ----------
    J. Yu, T. Huang. Universally slimmable networks and improved training techniques. ICCV 2019.
    """
    drawn = uniform_codes(space, 2 * steps, rng, allowed).reshape(steps, 2, -1)
    ends = [np.broadcast_to(end, (steps, 1, end.size)) for end in extremes(space, allowed)]
    return np.concatenate([ends[0], drawn, ends[1]], axis=1)


def extremes(space: Space, allowed: Allowed | None = None) -> tuple[Codes, Codes]:
    """Largest and smallest architecture, shape (d,) each.

    The operation of most and of least depth at every place, cuts left out. Of a model: the option
    of most and of fewest parameters, the largest and smallest number, most and fewest inputs.

    Examples
    --------
    >>> from nasurge.data.spaces import make_space
    >>> [code.tolist() for code in extremes(make_space("nb201"))]
    [[3, 3, 3, 3, 3, 3], [1, 1, 1, 1, 1, 1]]
    """
    large, small = _amounts(space)
    usable = value_mask(space) if allowed is None else allowed
    ends = [
        np.where(usable, large, -np.inf).argmax(axis=1),
        np.where(usable, small, np.inf).argmin(axis=1),
    ]
    largest, smallest = described_rows(space, np.stack(ends))
    return largest, smallest


def _amounts(space: Space) -> tuple[Values, Values]:
    """How much each value computes, shape (d, k), for the largest and for the smallest path."""
    shape = space.n_variables, max(space.cardinalities)
    if space.model is not None:
        found, known = np.zeros(shape), value_sizes(space.model)
        for row, name in zip(found, space.variables, strict=True):
            row[: len(known[name])] = known[name]
        return found, found
    operations = space.operations[: shape[1]]
    depth = np.array([operation.depth for operation in operations])
    cuts = np.array([operation.kind == "zero" for operation in operations])
    return (
        np.broadcast_to(np.where(cuts, -1.0, depth), shape),
        np.broadcast_to(np.where(cuts, 1e6, depth), shape),
    )


DRAWS: dict[str, Callable[[Space, int, np.random.Generator, Allowed | None], Codes]] = {
    "spos": spos,
    "fairnas": fairnas,
    "sandwich": sandwich,
}
"""Rules of ``RULES``: codes, shape (steps, paths, d), of (space, steps, generator, allowed)."""
