"""The network around the layers of a graph predictor, and an ensemble of such networks."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from .slots import SlotEmbedding
from .soft_graphs import SoftGraphs


class Network(nn.Module):
    """Nodes embedded, layers, and a perceptron on the mean, the output node and path sums."""

    def __init__(
        self,
        types: int,
        sums: int,
        layers: list[nn.Module],
        width: int,
        dropout: float,
        *,
        slots: SlotEmbedding | None = None,
    ) -> None:
        super().__init__()
        self.embedding = nn.Linear(types, width, bias=False)
        self.slots = slots
        self.layers = nn.ModuleList(layers)
        self.norm = nn.LayerNorm(2 * width)
        self.inputs = 2 * width + sums
        self.head: nn.Module = nn.Sequential(
            nn.Dropout(dropout), nn.Linear(self.inputs, width), nn.ReLU(), nn.Linear(width, 1)
        )

    def readout(self, graphs: SoftGraphs) -> Tensor:
        """Input of the head, shape (n, 2 * width + sums)."""
        live = graphs.live[:, :, None]
        operations: Tensor = self.embedding(graphs.types)
        if graphs.slots.shape[2] and self.slots is not None:
            operations = operations + self.slots(graphs.slots) * live
        x = operations
        for layer in self.layers:
            x = layer(x, operations, graphs) * live
        pooled = torch.cat([x.sum(dim=1) / live.sum(dim=1), x[:, 1]], dim=1)
        return torch.cat([self.norm(pooled), graphs.sums], dim=1)

    def forward(self, *graphs: Tensor) -> Tensor:
        """Scores, shape (n,)."""
        scores: Tensor = self.head(self.readout(SoftGraphs(*graphs)))
        return scores.squeeze(-1)


class Members(nn.Module):
    """Independent networks that see the same data; a loop, which beats ``vmap`` on CPUs."""

    kept: Tensor

    def __init__(self, networks: list[Network], dropout: float, samples: int) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)
        kept = torch.full((samples, len(networks), 1, networks[0].inputs), 1 - dropout)
        self.register_buffer("kept", torch.bernoulli(kept) / (1 - dropout))

    def forward(self, *graphs: Tensor) -> Tensor:
        """Score of each member, shape (members, n)."""
        return torch.stack([network(*graphs) for network in self.networks])

    def sampled(self, *graphs: Tensor) -> Tensor:
        """Scores, shape (samples * members, n), each of a network with units dropped.

        A sample drops the same units for all architectures: it is one function of them.
        """
        seen = SoftGraphs(*graphs)
        scores = []
        for network, kept in zip(self.networks, self.kept.unbind(dim=1), strict=True):
            scores.append(network.head(network.readout(seen) * kept).squeeze(-1))  # type: ignore[operator]
        return torch.cat(scores)


def networks(members: nn.Module) -> list[Any]:
    """Networks of an ensemble (``Members``)."""
    return list(members.get_submodule("networks").children())
