"""Layers of graph networks: node states (n, v, w) in, new node states out.

A one-way layer (``OneWay``) takes the flow into each node, ``incoming[:, i, j]`` from j to i; which
end of an arrow that is, ``TwoWay`` decides. All take soft flows and are differentiable in them.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from .soft_graphs import SoftGraphs

# Graphs of more nodes are gated connection by connection where at most a quarter of those that
# could be are there: in a chain of 48 nodes, all pairs take forty times as long.
_FEW_NODES = 16
_SPARSE = 4


class TwoWay(nn.Module):
    """Messages along the data flow and against it, with separate weights, then a residual."""

    def __init__(self, along: nn.Module, against: nn.Module | None, width: int) -> None:
        super().__init__()
        self.along, self.against = along, against
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, operations: Tensor, graphs: SoftGraphs) -> Tensor:
        """Node states (n, v, width)."""
        messages = self.along(x, graphs.flow.transpose(1, 2), operations)
        if self.against is not None:
            messages = messages + self.against(x, graphs.flow, operations)
        new: Tensor = x + torch.relu(self.norm(messages))
        return new


class DenseLayer(nn.Module):
    """A dense convolution of PyTorch Geometric, which has no use for the operations."""

    def __init__(self, convolution: nn.Module) -> None:
        super().__init__()
        self.convolution = convolution

    def forward(self, x: Tensor, incoming: Tensor, operations: Tensor) -> Tensor:  # noqa: ARG002
        """Messages (n, v, width)."""
        messages: Tensor = self.convolution(x, incoming)
        return messages


def isomorphism_layer(width: int) -> TwoWay:
    """A layer of a graph isomorphism network, both ways along the flow."""
    from torch_geometric.nn import DenseGINConv

    def one_way() -> nn.Module:
        perceptron = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))
        return DenseLayer(DenseGINConv(perceptron, train_eps=True))

    return TwoWay(one_way(), one_way(), width)


def _attend(logits: Tensor, weights: Tensor) -> Tensor:
    """Attention (..., v, v) that is a softmax where the weights are 1 and nothing at 0."""
    shares = torch.exp(logits - logits.amax(dim=-1, keepdim=True).detach()) * weights
    return shares / (shares.sum(dim=-1, keepdim=True) + 1e-6)  # no flow in: no attention, not NaN


class Attention(nn.Module):
    """Graph attention over a node itself and what flows into it."""

    def __init__(self, width: int, heads: int = 4) -> None:
        super().__init__()
        self.heads = heads
        self.values = nn.Linear(width, width, bias=False)
        self.ends = nn.Linear(width, 2 * heads, bias=False)

    def forward(self, x: Tensor, incoming: Tensor, operations: Tensor) -> Tensor:  # noqa: ARG002
        """Messages (n, v, width)."""
        n, v, width = x.shape
        values = self.values(x)
        to, source = self.ends(values).transpose(1, 2).chunk(2, dim=1)
        logits = functional.leaky_relu(to[..., :, None] + source[..., None, :], 0.2)
        itself = torch.eye(v, device=x.device)
        attention = _attend(logits, (incoming + itself)[:, None])
        split = values.view(n, v, self.heads, width // self.heads).transpose(1, 2)
        messages: Tensor = (attention @ split).transpose(1, 2).reshape(n, v, width)
        return messages


class Gated(nn.Module):
    """A gated graph convolution: a gate per edge and channel, normalised over a node's edges."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.four = nn.Linear(width, 4 * width)

    def forward(self, x: Tensor, incoming: Tensor, operations: Tensor) -> Tensor:  # noqa: ARG002
        """Messages (n, v, width)."""
        own, values, to, source = self.four(x).chunk(4, dim=-1)
        if x.shape[1] > _FEW_NODES and not incoming.requires_grad:
            place = incoming.nonzero(as_tuple=True)
            if len(place[0]) * _SPARSE < incoming.numel():
                summed: Tensor = own + _gated_sums(values, to, source, incoming, place)
                return summed
        gates = torch.sigmoid(to[:, :, None] + source[:, None]) * incoming[..., None]
        total = gates.sum(dim=2)
        messages: Tensor = own + (gates * values[:, None]).sum(dim=2) / (total + 1e-6)
        return messages


def _gated_sums(
    values: Tensor, to: Tensor, source: Tensor, incoming: Tensor, place: tuple[Tensor, ...]
) -> Tensor:
    """Gated means of what flows into each node, (n, v, width), from the connections there are."""
    row, target, start = place
    gates = torch.sigmoid(to[row, target] + source[row, start]) * incoming[place][:, None]
    node = row * values.shape[1] + target
    empty = torch.zeros_like(values).flatten(0, 1)
    total = empty.index_add(0, node, gates)
    sums = empty.index_add(0, node, gates * values[row, start])
    means: Tensor = (sums / (total + 1e-6)).view_as(values)
    return means


class OperationGate(nn.Module):
    """Information that flows in, let through by a gate that the node's operation sets."""

    def __init__(self, width: int, *, keep: bool) -> None:
        super().__init__()
        self.flow = nn.Linear(width, width, bias=False)
        self.gate = nn.Linear(width, width)
        self.keep = keep

    def forward(self, x: Tensor, incoming: Tensor, operations: Tensor) -> Tensor:
        """Messages (n, v, width), with the node's own state if ``keep``."""
        values = self.flow(x)
        messages: Tensor = torch.sigmoid(self.gate(operations)) * (incoming @ values)
        return messages + values if self.keep else messages


class DualFlow(nn.Module):
    """The mean of a dense graph flow and a graph attention, both gated by the operation."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.dense = OperationGate(width, keep=True)
        self.attention = Attention(width)
        self.gate = nn.Linear(width, width)

    def forward(self, x: Tensor, incoming: Tensor, operations: Tensor) -> Tensor:
        """Messages (n, v, width)."""
        attended = torch.sigmoid(self.gate(operations)) * self.attention(x, incoming, operations)
        messages: Tensor = (self.dense(x, incoming, operations) + attended) / 2
        return messages


class FlowTransformer(nn.Module):
    """Self-attention whose heads look upstream, downstream, at the next nodes and everywhere."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
        self.three = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width)
        self.feed = nn.Sequential(
            nn.Linear(width, 2 * width), nn.ReLU(), nn.Linear(2 * width, width)
        )

    def forward(self, x: Tensor, operations: Tensor, graphs: SoftGraphs) -> Tensor:  # noqa: ARG002
        """Node states (n, v, width)."""
        n, v, width = x.shape
        parts = self.three(self.first(x)).view(n, v, 3, 4, width // 4).permute(2, 0, 3, 1, 4)
        query, key, value = parts.unbind(dim=0)
        itself = torch.eye(v, device=x.device)
        near = graphs.flow + graphs.flow.transpose(1, 2)
        present = graphs.live[:, None, :].expand(n, v, v)
        masks = [graphs.reach.transpose(1, 2) + itself, graphs.reach + itself, near, present]
        logits = query @ key.transpose(-1, -2) / (width // 4) ** 0.5
        attended = _attend(logits, torch.stack(masks, dim=1)) @ value
        x = x + self.out(attended.transpose(1, 2).reshape(n, v, width))
        new: Tensor = x + self.feed(self.second(x))
        return new
