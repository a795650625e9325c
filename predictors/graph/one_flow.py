"""Path sums where all architectures of a space are connected in one way, along long paths.

What arrives at a node follows from the nodes before it, once for each, and of the shares of node
types only those are touched that a node may have: chains of a hundred variables stay quick.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from ...data.spaces import Space
from ...errors import ParameterError
from ..relaxed import NodeShares
from .soft_graphs import FEW_HOPS, Kinds, flow_order, longest_path, path_logs, path_weights


class Nodes(Protocol):
    """Node types of architectures, nodes first."""

    def weigh(self, table: Tensor) -> Tensor:
        """Numbers of the types, table (t, f), summed over the types of each node, (v, n, f)."""

    def totals(self, weights: Tensor) -> Tensor:
        """Share of each type, (n, t), summed over nodes that count by weights (v, n)."""


class ChosenNodes(NamedTuple):
    """One type for each node, (n, v), among ``n_types``."""

    types: Tensor
    n_types: int

    def weigh(self, table: Tensor) -> Tensor:
        """Numbers of the types, table (t, f), of each node, (v, n, f)."""
        return table[self.types.T]

    def totals(self, weights: Tensor) -> Tensor:
        """Share of each type, (n, t), summed over nodes that count by weights (v, n)."""
        none = weights.new_zeros(len(self.types), self.n_types)
        return none.scatter_add(1, self.types, weights.T)


class SharedNodes(NamedTuple):
    """Shares of the types that each node may have."""

    shares: NodeShares
    n_nodes: int
    n_types: int

    def weigh(self, table: Tensor) -> Tensor:
        """Numbers of the types, table (t, f), summed over the types of each node, (v, n, f)."""
        values, nodes, types = self.shares
        parts = values.T.to(table.dtype)[:, :, None] * table[types][:, None]
        none = parts.new_zeros(self.n_nodes, *parts.shape[1:])
        return none.index_add(0, nodes, parts)

    def totals(self, weights: Tensor) -> Tensor:
        """Share of each type, (n, t), summed over nodes that count by weights (v, n)."""
        values, nodes, types = self.shares
        none = weights.new_zeros(self.n_types, weights.shape[1])
        return none.index_add(0, types, values.T * weights[nodes]).T


class OneFlow(NamedTuple):
    """Connections that all architectures of a space have."""

    order: Tensor
    """(v,) nodes, each after all that flow into it."""
    flow: Tensor
    """(v, v) flow from the first node to the second, in that order."""


@cache
def one_flow(space: Space, device: str) -> OneFlow | None:
    """Connections of all architectures of a space; None if they differ, or no path is long."""
    try:
        frame = space.frame
    except ParameterError:
        return None
    if len(frame.flows) != 1 or frame.topology is not None or frame.opens is not None:
        return None
    flow = torch.as_tensor(frame.flows, dtype=torch.double, device=device)
    order = flow_order(flow) if longest_path(flow) > FEW_HOPS else None
    if order is None:
        return None
    return OneFlow(torch.as_tensor(order, device=device), flow[0][order][:, order])


class _Passed(torch.autograd.Function):
    """What arrives at each node, (v, m), of the one unit that starts at a node.

    Each node passes on what arrived, at most ``most``, times a factor, and what arrived from others
    times another one. With its own gradient, as PyTorch would keep a copy of all nodes for each.
    """

    @staticmethod
    def forward(
        ctx: Any, flow: Tensor, start: int, factors: Tensor, bridged: Tensor | None, most: float
    ) -> Tensor:
        arriving, passed = torch.zeros_like(factors), torch.zeros_like(factors)
        arrived = torch.zeros_like(factors)
        into = flow.T.to(factors.dtype).contiguous()
        for node in range(len(flow)):
            if node:
                torch.mv(passed[:node].T, into[node, :node], out=arriving[node])
            torch.add(arriving[node], float(node == start), out=arrived[node])
            arrived[node].clamp_(max=most)
            torch.mul(arrived[node], factors[node], out=passed[node])
            if bridged is not None:
                passed[node] += bridged[node] * arriving[node]
        ctx.save_for_backward(into, factors, bridged, arriving, arrived)
        ctx.start, ctx.most = start, most
        return arrived

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        into, factors, bridged, arriving, arrived = ctx.saved_tensors
        pulls = torch.zeros_like(gradient)  # by what arrives from others
        of_passed = torch.zeros_like(gradient)
        for node in reversed(range(len(into))):
            later = slice(node + 1, None)
            torch.mv(pulls[later].T, into[later, node], out=of_passed[node])
            whole = gradient[node] + of_passed[node] * factors[node]
            free = arriving[node] + float(node == ctx.start) <= ctx.most
            torch.mul(whole, free, out=pulls[node])
            if bridged is not None:
                pulls[node] += of_passed[node] * bridged[node]
        of_bridged = None if bridged is None else of_passed * arriving
        return None, None, of_passed * arrived, of_bridged, None


def _passed(
    flow: Tensor,
    start: int,
    factors: Tensor,
    bridged: Tensor | None = None,
    *,
    most: float = torch.inf,
) -> Tensor:
    """What arrives at each node: see ``_Passed``."""
    apply: Any = _Passed.apply
    arrived: Tensor = apply(flow, start, factors, bridged, most)
    return arrived


def _reached(flow: OneFlow, present: Tensor, bridged: Tensor | None, *, backwards: bool) -> Tensor:
    """Share of the data that arrives at each node from the input, or the output, (v, n)."""
    order, connections = flow
    if backwards:
        order, connections = order.flip(0), connections.flip(0, 1).T
    start = int((order == int(backwards)).nonzero())
    over = None if bridged is None else bridged[order]
    arrived = _passed(connections, start, present[order], over, most=1.0)
    return arrived[torch.argsort(order)]


def _live(nodes: Nodes, flow: OneFlow, kinds: Kinds) -> Tensor:
    """How much each operation takes part, (v, n); 0 for the input and the output."""
    passes, kept = bool(kinds.passes.any()), 1 - kinds.cuts - kinds.passes
    present, bridged = nodes.weigh(torch.stack([kept, kinds.passes], dim=1)).unbind(dim=2)
    live = present
    if not bool(kept.all()):  # else all take part
        over = bridged if passes else None
        live = present * _reached(flow, present, over, backwards=False)
        live = live * _reached(flow, present, over, backwards=True)
    return torch.cat([torch.zeros_like(live[:2]), live[2:]])


def one_flow_sums(nodes: Nodes, flow: OneFlow, kinds: Kinds) -> Tensor:
    """Path sums as ``soft_sums`` has them, shape (n, f), of architectures connected in one way."""
    counts = nodes.totals(_live(nodes, flow, kinds)) * (1 - kinds.cuts - kinds.passes)
    factors = nodes.weigh(path_weights(kinds))[flow.order]
    start, end = (int((flow.order == node).nonzero()) for node in (0, 1))
    arrived = _passed(flow.flow, start, factors.flatten(1))
    logs = path_logs(arrived[end].view(factors.shape[1:]), kinds)
    return torch.cat([logs, counts[:, 2:]], dim=1)
