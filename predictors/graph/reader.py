"""What networks on graphs are given: the soft graphs of architectures, path sums standardised."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from ...data.spaces import Codes, Space
from ..relaxed import relaxation
from .one_flow import ChosenNodes, SharedNodes, one_flow, one_flow_sums
from .slots import NodeSlots, SlotEmbedding
from .soft_graphs import Kinds, SoftGraphs, soft_graphs, soft_sums

# Unlabelled architectures that say what is usual in a space.
_SAMPLE = 2000
_NUMBERS_AT_ONCE = 10_000_000  # one-hot node types at once: about 100 MB


class GraphReader(nn.Module):
    """From codes to soft graphs whose path sums have mean 0 and deviation 1 over the space.

    A module, so that its tensors move between devices and are saved with the network it feeds.

    Parameters
    ----------
    space : Space
    path_sums : bool
        Whether to give path sums; those that never vary are left out.
    slots : bool
        Whether to give the places and numbers of nodes where these are the variables.
    """

    cuts: Tensor
    passes: Tensor
    lengths: Tensor
    varies: Tensor
    centre: Tensor
    spread: Tensor

    def __init__(self, space: Space, *, path_sums: bool = True, slots: bool = False) -> None:
        super().__init__()
        self.space = space
        self.slots = NodeSlots(space) if slots and space.nodes_are_variables else None
        for name, tensor in Kinds.of(space, "cpu")._asdict().items():
            self.register_buffer(name, tensor)
        sums = self._sums(space.canonical(space.sample(_SAMPLE, seed=0)))
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

    def _dense(self, codes: Codes) -> tuple[Tensor, Tensor, Tensor]:
        """Nodes, adjacency and mask of canonical codes, as ``soft_graphs`` takes them."""
        graphs = self.space.graphs(codes)
        device = self.cuts.device
        nodes = torch.as_tensor(graphs.nodes, device=device)
        alike = graphs.adjacency.strides[0] == 0  # one array for all
        adjacency = graphs.adjacency[:1] if alike else graphs.adjacency
        joined = torch.as_tensor(adjacency.astype(np.float32), device=device)
        return (
            nn.functional.one_hot(nodes, len(self.space.node_types)).float(),
            joined.expand(graphs.adjacency.shape),
            torch.as_tensor(graphs.mask.astype(np.float32), device=device),
        )

    def _sums(self, codes: Codes) -> Tensor:
        """Path sums of canonical codes, shape (n, f)."""
        per_row = (self.space.n_variables + 2) * len(self.space.node_types)
        step = max(1, _NUMBERS_AT_ONCE // per_row)
        starts = range(0, max(1, len(codes)), step)
        return torch.cat([self._some_sums(codes[k : k + step]) for k in starts])

    def _some_sums(self, codes: Codes) -> Tensor:
        """Path sums of a part of the codes."""
        flow = one_flow(self.space, str(self.cuts.device))
        if flow is None:
            return soft_sums(*self._dense(codes), self.kinds)
        types = torch.as_tensor(self.space.graphs(codes).nodes, device=self.cuts.device)
        nodes = ChosenNodes(types, len(self.space.node_types))
        return one_flow_sums(nodes, flow, self.kinds)

    def _relaxed(self, shares: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Nodes, adjacency and mask of relaxed architectures, shares (n, s)."""
        nodes, adjacency = relaxation(self.space, str(self.cuts.device)).graphs(shares)
        return nodes, adjacency, torch.ones_like(nodes[:, :, 0])

    def _standardised(self, sums: Tensor) -> Tensor:
        return (sums[:, self.varies] - self.centre) / self.spread

    @property
    def _slots(self) -> NodeSlots | None:
        """None for a reader of a file of earlier versions, too."""
        return getattr(self, "slots", None)

    def slot_embedding(self, width: int) -> SlotEmbedding | None:
        """Fresh layer from what nodes say beside their types to states; None if that is nothing."""
        return None if self._slots is None else SlotEmbedding(self._slots, width)

    def node_graphs(self, nodes: Tensor, adjacency: Tensor, mask: Tensor) -> SoftGraphs:
        """Graphs of soft node types, as ``soft_graphs`` takes them, path sums standardised."""
        graphs = self._scaled(soft_graphs(nodes, adjacency, mask, self.kinds))
        if self._slots is None:
            return graphs
        return graphs._replace(slots=self._slots.of_nodes(nodes))

    def _scaled(self, graphs: SoftGraphs) -> SoftGraphs:
        return graphs._replace(sums=self._standardised(graphs.sums))

    def sums(self, codes: Codes) -> Tensor:
        """Standardised path sums of canonical codes, shape (n, f)."""
        return self._standardised(self._sums(codes))

    def relaxed_sums(self, shares: Tensor) -> Tensor:
        """Standardised path sums of relaxed architectures, shape (n, f)."""
        flow = one_flow(self.space, str(self.cuts.device))
        if flow is None:
            return self._standardised(soft_sums(*self._relaxed(shares), self.kinds))
        relaxed = relaxation(self.space, str(self.cuts.device))
        nodes = SharedNodes(relaxed.node_shares(shares), len(flow.order), len(self.cuts))
        return self._standardised(one_flow_sums(nodes, flow, self.kinds))

    def forward(self, codes: Codes) -> SoftGraphs:
        """Graphs of canonical codes, shape (n, d)."""
        graphs = self._scaled(soft_graphs(*self._dense(codes), self.kinds))
        if self._slots is None:
            return graphs
        return graphs._replace(slots=self._slots.of_codes(codes, self.space.active(codes)))

    def relaxed_graphs(self, shares: Tensor) -> SoftGraphs:
        """Graphs of relaxed architectures, shares (n, s): see ``Relaxation``."""
        graphs = self._scaled(soft_graphs(*self._relaxed(shares), self.kinds))
        if self._slots is None:
            return graphs
        relaxed = relaxation(self.space, str(self.cuts.device))
        values = relaxed.pad_values(relaxed.active_shares(shares), 0.0)
        return graphs._replace(slots=self._slots.of_shares(values))
