"""What networks on graphs are given: the soft graphs of architectures, path sums standardised."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from ...data.spaces import Codes, Space
from ..relaxed import relaxation
from .soft_graphs import Kinds, SoftGraphs, soft_graphs

# Unlabelled architectures that say what is usual in a space.
_SAMPLE = 2000


class GraphReader(nn.Module):
    """From codes to soft graphs whose path sums have mean 0 and deviation 1 over the space.

    A module, so that its tensors move between devices and are saved with the network it feeds.

    Parameters
    ----------
    space : Space
    path_sums : bool
        Whether to give path sums; those that never vary are left out.
    """

    cuts: Tensor
    passes: Tensor
    lengths: Tensor
    varies: Tensor
    centre: Tensor
    spread: Tensor

    def __init__(self, space: Space, *, path_sums: bool = True) -> None:
        super().__init__()
        self.space = space
        for name, tensor in Kinds.of(space, "cpu")._asdict().items():
            self.register_buffer(name, tensor)
        sums = self._graphs(space.canonical(space.sample(_SAMPLE, seed=0))).sums
        spread, centre = torch.std_mean(sums, dim=0)
        varies = spread > 1e-4  # less is the rounding of equal sums
        if not path_sums:
            varies = torch.zeros_like(varies)
        self.register_buffer("varies", varies)
        self.register_buffer("centre", centre[varies])
        self.register_buffer("spread", spread[varies])

    @property
    def kinds(self) -> Kinds:
        """What the node types of the space do."""
        return Kinds(self.cuts, self.passes, self.lengths)

    def _graphs(self, codes: Codes) -> SoftGraphs:
        graphs = self.space.graphs(codes)
        device = self.cuts.device
        nodes = torch.as_tensor(graphs.nodes, device=device)
        return soft_graphs(
            nn.functional.one_hot(nodes, len(self.space.node_types)).float(),
            torch.as_tensor(graphs.adjacency.astype(np.float32), device=device),
            torch.as_tensor(graphs.mask.astype(np.float32), device=device),
            self.kinds,
        )

    def scale_sums(self, graphs: SoftGraphs) -> SoftGraphs:
        """Graphs with their path sums standardised."""
        return graphs._replace(sums=(graphs.sums[:, self.varies] - self.centre) / self.spread)

    def forward(self, codes: Codes) -> SoftGraphs:
        """Graphs of canonical codes, shape (n, d)."""
        return self.scale_sums(self._graphs(codes))

    def relaxed_graphs(self, shares: Tensor) -> SoftGraphs:
        """Graphs of relaxed architectures, shares (n, s): see ``Relaxation``."""
        nodes, adjacency = relaxation(self.space, str(self.cuts.device)).graphs(shares)
        mask = torch.ones_like(nodes[:, :, 0])
        return self.scale_sums(soft_graphs(nodes, adjacency, mask, self.kinds))
