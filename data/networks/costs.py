"""Costs of the networks of a space, for all architectures at once."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

import numpy as np
from numpy.typing import ArrayLike

from ...errors import ParameterError, UnknownNameError
from ..arguments import checked
from ..spaces import Space
from ..types import Values

COSTS = ("flops", "parameters")
"""Costs that can be computed from codes, in millions."""


@checked
def has_network_costs(space: Space) -> bool:
    """Whether costs can be computed: by a formula, or on networks that can be built.

    Examples
    --------
    >>> from nasurge.data.spaces import make_space
    >>> has_network_costs(make_space("nb201")), has_network_costs(make_space("nbgraph"))
    (True, False)
    """
    from .cells import why_no_network

    return space.costs is not None or why_no_network(space) is None


@checked
def counts_each(space: Space) -> bool:
    """Whether costs are counted on the network of every architecture, about a millisecond each.

    Examples
    --------
    >>> from nasurge.data.spaces import make_space
    >>> counts_each(make_space("nb201"))
    False
    """
    return space.networks is not None and space.cell is None and space.chain is None


@checked
def network_costs(space: Space, codes: ArrayLike, cost: str) -> Values:
    """FLOPs or parameters of each architecture's network, in millions, shape (n,).

    Of a published space with a formula (``space.costs``) the published network counts. Else the
    network is that of ``build_network`` with its defaults, for images of 3 x 32 x 32 and ten
    classes. Every edge counts, also one that no data passes, as in the published table of
    NAS-Bench-201. So a cost is a sum over edges, and one network per operation tells them all;
    in a chain of unequal layers, one per layer and operation. Of other spaces the network of
    every architecture is built.

    Parameters
    ----------
    space : Space
    codes : array_like of int, shape (n, d)
    cost : {"flops", "parameters"}

    Raises
    ------
    ParameterError
        If the space has neither a formula nor networks.
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
    from .cells import why_no_network

    if cost not in COSTS:
        raise UnknownNameError("cost", cost, COSTS)
    if space.costs is not None:
        return space.costs(codes)[cost]
    if reason := why_no_network(space):
        raise ParameterError(reason)
    checked = space.check(codes).astype(np.int64)
    if space.cell is None and space.chain is None:
        return _built_costs(space, checked, cost)
    base, edges = _edge_costs(space, cost)
    summed: Values = base + edges[np.arange(checked.shape[1]), checked].sum(axis=1)
    return summed


def _built_costs(space: Space, codes: Iterable[ArrayLike], cost: str) -> Values:
    """Cost of each network in millions, counted on the network itself, shape (n,)."""
    import torch

    from .cells import build_network, count_flops, count_parameters

    costs = []
    with torch.random.fork_rng(devices=[]):
        for code in codes:
            network = build_network(space, code, classes=10)
            flops = cost == "flops"
            costs.append(count_flops(network, (3, 32, 32)) if flops else count_parameters(network))
    return np.array(costs) / 1e6


@cache
def _edge_costs(space: Space, cost: str) -> tuple[float, Values]:
    """Cost of the empty network, and what each operation adds on each edge or layer, (d, k)."""
    d, cardinality = space.n_variables, max(space.cardinalities)
    zero = [k for k, operation in enumerate(space.operations) if operation.kind == "zero"]
    if zero:  # cells of one operation only have no dead edge, and their edges cost the same
        costs = _built_costs(space, (np.full(d, k) for k in range(cardinality)), cost)
        base = costs[zero[0]]
        return float(base), np.broadcast_to((costs - base) / d, (d, cardinality))
    # A chain: all layers at their first value, and one of them at another.
    changes = np.eye(d, dtype=np.int64)
    [base] = _built_costs(space, [np.zeros(d, dtype=np.int64)], cost)
    parts = [_built_costs(space, k * changes, cost) - base for k in range(cardinality)]
    return float(base), np.stack(parts, axis=1)
