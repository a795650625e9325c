"""What the networks of a cell space cost, for all architectures at once."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import ParameterError, UnknownNameError
from .spaces import Space

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
    from .networks import why_no_network

    return why_no_network(space) is None


def network_costs(space: Space, codes: ArrayLike, cost: str) -> Values:
    """Return FLOPs or parameters of each architecture's network, in millions, shape (n,).

    The network is that of ``build_network`` with its defaults, for images of 3 x 32 x 32 and ten
    classes. Every edge counts, also one that no data passes, as in the published table of
    NAS-Bench-201. So a cost is a sum over edges, and one network per operation tells them all.

    Parameters
    ----------
    space : CellSpace
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
    """Return the cost of a network without operations, and what each adds on each edge."""
    import torch

    from .networks import build_network, count_flops, count_parameters, why_no_network

    if reason := why_no_network(space):
        raise ParameterError(reason)
    cardinality = max(space.cardinalities)
    # Cells of one operation only have no dead edge, and their edges cost the same.
    whole = np.empty(cardinality)
    with torch.random.fork_rng(devices=[]):
        for operation in range(cardinality):
            network = build_network(space, np.full(space.n_variables, operation), classes=10)
            counted = (
                count_flops(network, (3, 32, 32)) if cost == "flops" else count_parameters(network)
            )
            whole[operation] = counted / 1e6
    zero = [k for k, operation in enumerate(space.operations) if operation.kind == "zero"]
    base = whole[zero[0]]
    edges = np.broadcast_to((whole - base) / space.n_variables, (space.n_variables, cardinality))
    return float(base), edges
