"""Graphs of soft operations: what is dead fades, what only passes on is bridged.

All is torch and differentiable in the node types, and exact where these are one-hot.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ...data.spaces import Space
from ...errors import ParameterError

# Powers of a path's length that path sums use: about its minimum, softer, and its maximum.
_POWERS = (-3.0, -1.0, 1.0, 3.0)
# Longer paths are added up by doubling: step by step each would cost a product of matrices.
FEW_HOPS = 10
_NUMBERS_AT_ONCE = 4_000_000  # entries of a matrix between nodes: about 100 MB in all


class SoftGraphs(NamedTuple):
    """Dense graphs of ``n`` architectures as networks see them."""

    types: Tensor
    """(n, v, t) share of each node type in a node; 0 for what is dead, cut or bridged."""
    flow: Tensor
    """(n, v, v) how much data flows from the first node to the second, skips bridged."""
    live: Tensor
    """(n, v) how much a node takes part: 1 or 0 where types are one-hot."""
    reach: Tensor
    """(n, v, v) whether the second node comes after the first."""
    sums: Tensor
    """(n, f) path sums: see ``path_sums``."""
    slots: Tensor
    """(n, v, c) what nodes say beside their types: see ``NodeSlots``. ``c`` is 0 where they say
    nothing, and in what ``soft_graphs`` returns."""


class Kinds(NamedTuple):
    """What the node types of a space do."""

    cuts: Tensor
    """(t,) 1 for a zero operation."""
    passes: Tensor
    """(t,) 1 for a skip."""
    lengths: Tensor
    """(t, w) what a node of the type adds to each measure of a path's length."""

    @classmethod
    def of(cls, space: Space, device: str) -> Kinds:
        """Kinds of a space's node types: input, output, operations."""
        kinds = np.array(["input", "output", *(o.kind for o in space.operations)])
        depth = np.array([0.0, 0.0, *(o.depth for o in space.operations)])
        names = [k for k in np.unique(kinds[2:]) if k not in ("zero", "skip")]
        columns = [depth, *(kinds == name for name in names)]
        if 1 < len(space.operations) <= 16:  # more are positions rather than kinds
            same = np.eye(len(kinds))[2:]
            columns += [row for row, kind in zip(same, kinds[2:], strict=True) if kind in names]
        lengths = np.unique(np.stack(columns, axis=1).astype(np.float32), axis=1)
        lengths = lengths[:, lengths.any(axis=0)]
        arrays = ((kinds == "zero"), (kinds == "skip"), lengths)
        return cls(*(torch.as_tensor(a.astype(np.float32), device=device) for a in arrays))


def _checked(nodes: Tensor, adjacency: Tensor, mask: Tensor, kinds: Kinds) -> list[slice]:
    """Parts of the rows of graphs whose shapes belong together, few enough for the memory."""
    n, v, t = nodes.shape if nodes.ndim == 3 else (0, 0, 0)
    if t != len(kinds.cuts) or adjacency.shape != (n, v, v) or mask.shape != (n, v):
        raise ParameterError(
            f"graphs are nodes (n, v, {len(kinds.cuts)}), adjacency (n, v, v) and mask (n, v), "
            f"received {tuple(nodes.shape)}, {tuple(adjacency.shape)} and {tuple(mask.shape)}"
        )
    step = max(1, _NUMBERS_AT_ONCE // max(1, v * v))
    return [slice(first, first + step) for first in range(0, max(1, n), step)]


def soft_graphs(nodes: Tensor, adjacency: Tensor, mask: Tensor, kinds: Kinds) -> SoftGraphs:
    """Graphs without dead operations, in which every skip is replaced by its connections.

    Cells that compute the same function by other skips and zeros then look alike. With soft types
    a node is in part bridged and in part cut.

    Parameters
    ----------
    nodes : Tensor, shape (n, v, t)
        Soft node types; node 0 is the input and node 1 the output.
    adjacency : Tensor, shape (n, v, v)
        Data flow from the first node to the second, without cycles.
    mask : Tensor, shape (n, v)
        0 for nodes that do not exist.
    kinds : Kinds

    Raises
    ------
    ParameterError
        If the shapes do not belong together.
    """
    parts = []
    for rows in _checked(nodes, adjacency, mask, kinds):
        types, flow, live, sums, hops = _parts(nodes[rows], adjacency[rows], mask[rows], kinds)
        flow = flow * live[:, :, None] * live[:, None, :]
        parts.append(SoftGraphs(types, flow, live, _reaching(flow, hops), sums, types[..., :0]))
    if len(parts) == 1:
        return parts[0]
    return SoftGraphs(*(torch.cat(tensors) for tensors in zip(*parts, strict=True)))


def soft_sums(nodes: Tensor, adjacency: Tensor, mask: Tensor, kinds: Kinds) -> Tensor:
    """Path sums of ``soft_graphs``, shape (n, f), without the rest."""
    rows = _checked(nodes, adjacency, mask, kinds)
    sums = [_parts(nodes[some], adjacency[some], mask[some], kinds)[3] for some in rows]
    return sums[0] if len(sums) == 1 else torch.cat(sums)


def _parts(
    nodes: Tensor, adjacency: Tensor, mask: Tensor, kinds: Kinds
) -> tuple[Tensor, Tensor, Tensor, Tensor, int]:
    """Types, flow among all nodes, what is live, path sums, and steps of the longest path."""
    # Rows that are one array in memory need no copies of it.
    alike = len(mask) > 0 and adjacency.stride(0) == 0 and bool(mask.all())
    hops = longest_path(adjacency[:1]) if alike else 0
    if hops > FEW_HOPS:
        adjacency = adjacency[:1]
    else:
        adjacency = adjacency * mask[:, :, None] * mask[:, None, :]
        hops = hops or longest_path(adjacency)
    flow = _bridging(adjacency, (nodes @ kinds.passes)[:, None, :], hops)
    keep = nodes * (1 - kinds.cuts - kinds.passes)
    present = keep.sum(dim=2) * mask
    live = (
        present
        * _reached(flow, present, 0, hops)
        * _reached(flow.transpose(1, 2), present, 1, hops)
    )
    live = torch.cat([torch.ones_like(live[:, :2]), live[:, 2:]], dim=1)
    types = keep * live[:, :, None]
    counts = types[:, 2:].sum(dim=1)[:, 2:]
    sums = torch.cat([path_sums(nodes, adjacency, kinds, hops), counts], dim=1)
    return types, flow, live, sums, hops


def longest_path(adjacency: Tensor) -> int:
    """Number of steps of the longest path in any of the graphs."""
    union = adjacency.detach().amax(dim=0) > 0 if len(adjacency) else adjacency.new_zeros(1, 1)
    ends, hops = union.any(dim=0), 0
    while bool(ends.any()) and hops < len(union):
        ends, hops = (union & ends[:, None]).any(dim=0), hops + 1
    return hops


def _bridging(adjacency: Tensor, bridged: Tensor, hops: int) -> Tensor:
    """Flow between nodes, direct or over nodes that are bridged, shape (n, v, v).

    Long paths are added up by doubling, which is exact as no path has more than ``hops`` steps.
    """
    if hops <= FEW_HOPS:
        flow = adjacency
        for _ in range(hops - 1):
            flow = adjacency + (adjacency * bridged) @ flow
        return flow
    power = adjacency * bridged
    if not bool(power.detach().any()):
        return adjacency
    flow, steps = adjacency, 1
    while steps < hops:  # flow is over fewer than ``steps`` bridges, power over ``steps``
        flow, power, steps = flow + power @ flow, power @ power, 2 * steps
    return flow


def _reaching(flow: Tensor, hops: int) -> Tensor:
    """Whether each node comes after another, shape (n, v, v)."""
    reach = flow.clamp(max=1)
    if hops <= FEW_HOPS:
        for _ in range(hops - 1):
            reach = (flow + flow @ reach).clamp(max=1)
        return reach
    steps = 1
    while steps < hops:
        reach, steps = (reach + reach @ reach).clamp(max=1), 2 * steps
    return reach


def _reached(flow: Tensor, present: Tensor, start: int, hops: int) -> Tensor:
    """Share of the data from node ``start`` that arrives at each node, shape (n, v)."""
    first = torch.zeros_like(present)
    first[:, start] = 1
    order = flow_order(flow) if hops > FEW_HOPS else None
    if order is not None:
        amounts = _passed_on(first[:, :, None], flow, present[:, :, None], order, most=1.0)
        return amounts.squeeze(2)
    reached = first
    for _ in range(hops):
        arriving = ((reached * present).unsqueeze(1) @ flow).squeeze(1)
        reached = (first + arriving).clamp(max=1)
    return reached


def flow_order(flow: Tensor) -> list[int] | None:
    """Nodes in an order in which all graphs flow; None if two flow against each other."""
    union = flow.detach().amax(dim=0).cpu().numpy() > 0
    order: list[int] = []
    left = np.ones(len(union), dtype=bool)
    while left.any():
        first = np.flatnonzero(left & ~union[left].any(axis=0))
        if not len(first):
            return None
        order += first.tolist()
        left[first] = False
    return order


def _passed_on(
    start: Tensor, flow: Tensor, factors: Tensor, order: list[int], *, most: float = torch.inf
) -> Tensor:
    """What arrives at each node that passes it on by its factors, shape (n, v, f).

    Node by node, each after all that flow into it: what as many steps as there are nodes give.
    """
    flow = flow[:, order][:, :, order]
    start, factors = start[:, order], factors[:, order]
    arrived = [start[:, 0]]
    passed = [arrived[0] * factors[:, 0]]
    for node in range(1, len(order)):
        arriving = flow[:, None, :node, node] @ torch.stack(passed, dim=1)
        arrived.append((start[:, node] + arriving.squeeze(1)).clamp(max=most))
        passed.append(arrived[-1] * factors[:, node])
    back = torch.as_tensor(np.argsort(order), device=flow.device)
    return torch.stack(arrived, dim=1)[:, back]


def path_sums(nodes: Tensor, adjacency: Tensor, kinds: Kinds, hops: int) -> Tensor:
    """Log-sum-exp of the lengths of all input-to-output paths, shape (n, f).

    With a power ``b``, ``log(sum(exp(b * length))) / b`` goes from about the shortest path to about
    the longest; with 0 it is the logarithm of their number. A cut path counts nothing, a skip adds
    no length. The sums over all paths are products of transfer matrices, so no path is listed.
    """
    nodes, adjacency = nodes.double(), adjacency.double()
    factors = nodes @ path_weights(kinds)
    start = torch.zeros_like(factors)
    start[:, 0] = 1
    arrived = start
    order = flow_order(adjacency) if hops > FEW_HOPS else None
    if order is not None:
        arrived, hops = _passed_on(start, adjacency, factors, order), 0
    for _ in range(hops):
        arrived = start + adjacency.transpose(1, 2) @ (arrived * factors)
    return path_logs(arrived[:, 1], kinds)


def path_weights(kinds: Kinds) -> Tensor:
    """Factor by which each node type multiplies the paths through it, for each sum, (t, f)."""
    lengths = kinds.lengths.double()
    exponents = (lengths[:, :, None] * lengths.new_tensor(_POWERS)).flatten(1)  # (t, w * powers)
    exponents = torch.cat([torch.zeros_like(exponents[:, :1]), exponents], dim=1)
    return torch.exp(exponents) * (1 - kinds.cuts.double())[:, None]


def path_logs(arrived: Tensor, kinds: Kinds) -> Tensor:
    """Path sums (n, f) of what arrives at the output, (n, f)."""
    # A network without a path is worth one that is shorter and rarer than any.
    logs = torch.log(arrived + 1e-5)
    powers = logs.new_tensor(_POWERS)
    scale = torch.cat([powers.new_ones(1), powers.repeat(kinds.lengths.shape[1])])
    return (logs / scale).to(kinds.lengths.dtype)
