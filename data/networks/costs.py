"""What the networks of a space cost, for all architectures at once."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...errors import ParameterError, UnknownNameError
from ..spaces import Space

Values = NDArray[np.float64]

COSTS = ("flops", "parameters")
"""What can be computed from codes, in millions."""


def has_network_costs(space: Space) -> bool:
    """Return whether costs can be computed: whether the space's networks can be built.

    Examples
    --------
    >>> from nasurge.data.spaces import make_space
    >>> has_network_costs(make_space("nb201")), has_network_costs(make_space("nbgraph"))
    (True, False)
    """
    from .cells import why_no_network

    return why_no_network(space) is None


def network_costs(space: Space, codes: ArrayLike, cost: str) -> Values:
    """Return FLOPs or parameters of each architecture's network, in millions, shape (n,).

    The network is that of ``build_network`` with its defaults, for images of 3 x 32 x 32 and ten
    classes. Every edge counts, also one that no data passes, as in the published table of
    NAS-Bench-201. So a cost is a sum over edges, and one network per operation tells them all;
    in a chain of unequal layers, one per layer and operation.

    Parameters
    ----------
    space : CellSpace or Mobile
    codes : array_like of int, shape (n, d)
    cost : {"flops", "parameters"}

    Raises
    ------
    ParameterError
        If the space has no networks.
    UnknownNameError
        If there is no such cost.
    ArchitectureError
        If a row is not in the space.

    Examples
    --------
    >>> from nasurge.data.spaces import make_space
    >>> network_costs(make_space("nb201"), [[3, 3, 3, 3, 3, 3]], "parameters")
    array([1.531546])
    """
    if cost not in COSTS:
        raise UnknownNameError("cost", cost, COSTS)
    base, edges = _edge_costs(space, cost)
    checked = space.check(codes).astype(np.int64)
    summed: Values = base + edges[np.arange(checked.shape[1]), checked].sum(axis=1)
    return summed


@cache
def _edge_costs(space: Space, cost: str) -> tuple[float, Values]:
    """Return a network's cost, and what each operation adds to it on each edge or layer."""
    import torch

    from .cells import build_network, count_flops, count_parameters, why_no_network

    if reason := why_no_network(space):
        raise ParameterError(reason)

    def whole(codes: Iterable[ArrayLike]) -> Values:
        """Return the cost of each network."""
        found = []
        with torch.random.fork_rng(devices=[]):
            for code in codes:
                network = build_network(space, code, classes=10)
                flops = cost == "flops"
                found.append(
                    count_flops(network, (3, 32, 32)) if flops else count_parameters(network)
                )
        return np.array(found) / 1e6

    d, cardinality = space.n_variables, max(space.cardinalities)
    zero = [k for k, operation in enumerate(space.operations) if operation.kind == "zero"]
    if zero:  # cells of one operation only have no dead edge, and their edges cost the same
        costs = whole(np.full(d, k) for k in range(cardinality))
        base = costs[zero[0]]
        return float(base), np.broadcast_to((costs - base) / d, (d, cardinality))
    # A chain: all layers at their first value, and one of them at another.
    changes = np.eye(d, dtype=np.int64)
    base = whole([np.zeros(d, dtype=np.int64)])[0]
    parts = [whole(k * changes) - base for k in range(cardinality)]
    return float(base), np.stack(parts, axis=1)
