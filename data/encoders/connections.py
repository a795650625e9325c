"""Features of which operation feeds which in an architecture's graph, skips contracted."""

from __future__ import annotations

import numpy as np

from ..spaces import Codes, Space
from ..types import Index, Values
from .base import Encoder, Features

_MOST_NODES_AT_ONCE = 100_000


class Connections(Encoder):
    """Counts of which kind of operation feeds which, and the share of paths through each.

    Operations are nodes; a skip is contracted, so that what it joins is joined directly, and what
    lies on no live path is left out. The first columns count the connections between two kinds of
    node (input, output, or an operation). The last three per operation sum, over its nodes, the
    share of the input-to-output paths through the node, its square, and whether it is all of them:
    a chain is told from parallel branches of the same operations.

    Parameters
    ----------
    space : Space

    References
    ----------
    N. Shervashidze et al. Weisfeiler-Lehman graph kernels. JMLR 12, 2011 (one round of it).

    Examples
    --------
    >>> from nasurge.data.spaces import make_space
    >>> space = make_space("nb201")
    >>> Connections(space).fit_transform(space.sample(3, seed=0)).shape
    (3, 34)
    """

    @property
    def n_pairs(self) -> int:
        """Number of columns, the first ones, that count connections."""
        return (len(self._weighed) + 2) ** 2

    def _names(self) -> list[str]:
        operations = [self.space.operations[k].name for k in self._weighed]
        kinds = ["input", "output", *operations]
        return [
            *(f"feeds:{a}>{b}" for a in kinds for b in kinds),
            *(f"{what}:{name}" for what in ("share", "share2", "all") for name in operations),
        ]

    def _features(self, codes: Codes) -> Features:
        """Features of each architecture, shape (n, f)."""
        v = len(self.space.graphs(codes[:1]).nodes[0])
        step = max(1, _MOST_NODES_AT_ONCE // v**2)
        parts = [self._chunk(codes[i : i + step]) for i in range(0, len(codes), step)]
        return np.concatenate(parts)

    def _chunk(self, codes: Codes) -> Features:
        """Features of a few thousand architectures, shape (n, f)."""
        nodes, links = _contracted(self.space, codes)
        kinds = [0, 1, *(k + 2 for k in self._weighed)]
        kind = np.stack([nodes == k for k in kinds], axis=2).astype(np.float64)
        joined = (links > 0).astype(np.float64)
        pairs = np.einsum("nak,nab,nbl->nkl", kind, joined, kind, optimize=True)
        after, before = kind[:, :, 0], kind[:, :, 1]  # paths from the input, to the output
        forward, backward = after, before
        for _ in range(nodes.shape[1]):
            forward = np.einsum("na,nab->nb", forward, links)
            backward = np.einsum("nab,nb->na", links, backward)
            if not forward.any() and not backward.any():
                break
            after, before = after + forward, before + backward
        total = np.maximum((after * kind[:, :, 1]).sum(axis=1, keepdims=True), 1)
        share = after * before / total
        # Through all paths but for the rounding of their sum.
        weights = (share, share**2, (share > 1 - 1e-9).astype(np.float64))
        sums = [np.einsum("nv,nvk->nk", weight, kind[:, :, 2:]) for weight in weights]
        return np.concatenate([pairs.reshape(len(codes), -1), *sums], axis=1)


def _contracted(space: Space, codes: Codes) -> tuple[Index, Values]:
    """Kinds of nodes (n, v), -1 for what is gone, and the number of direct links (n, v, v)."""
    graphs = space.graphs(codes)
    kinds = np.array(["input", "output", *(operation.kind for operation in space.operations)])
    skip = (kinds[graphs.nodes] == "skip") & graphs.mask
    alive = graphs.mask[:, :, None] & graphs.mask[:, None, :]
    direct = (graphs.adjacency & alive).astype(np.float64)
    links = through = direct
    for _ in range(direct.shape[1]):
        through = (through * skip[:, None, :]) @ direct
        if not through.any():
            break
        links = links + through
    kept = graphs.mask & ~skip & (kinds[graphs.nodes] != "zero")
    nodes = np.where(kept, graphs.nodes, -1)
    return nodes, links * kept[:, :, None] * kept[:, None, :]
