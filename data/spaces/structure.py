"""Structure of architectures beside their variables: operations, paths, graphs, networks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..types import Index, Mask

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Operation:
    """One operation of a space.

    Attributes
    ----------
    name : str
        The official name, as it stands in architecture strings.
    kind : str
        ``"zero"`` (cuts the connection), ``"skip"`` (passes its input on), ``"conv"`` (learns
        weights) or ``"pool"`` (computes without weights).
    depth : float
        How much one application adds to the depth of a path; 1 for a 3x3 convolution.
    """

    name: str
    kind: str
    depth: float = 0.0


class PathSet(NamedTuple):
    """Input-to-output paths of ``n`` architectures, at most ``p`` each of at most ``l`` steps."""

    operations: NDArray[np.signedinteger[Any]]
    """(n, p, l) index of the operation of each step; -1 past the end of a path."""
    variables: NDArray[np.signedinteger[Any]]
    """(n, p, l) the variable of the space that chose it; -1 past the end."""
    alive: Mask
    """(n, p) whether the path exists and no zero operation cuts it."""


class Graphs(NamedTuple):
    """Dense directed graphs of ``n`` architectures, ``v`` nodes each."""

    nodes: Index
    """(n, v) index into ``Space.node_types``."""
    adjacency: Mask
    """(n, v, v) whether data flows from the first node to the second."""
    mask: Mask
    """(n, v) whether the node is alive: data can reach it and it can reach the output."""


class CellShape(NamedTuple):
    """A cell: nodes that sum what arrives, and edges whose operations the variables choose."""

    n_nodes: int
    """Node 0 is the cell's input, the last its output."""
    edges: tuple[tuple[int, int], ...]
    """(source, target) node of each variable."""


class Layer(NamedTuple):
    """The shape of one layer of a chain, whose operation one variable chooses."""

    widening: int
    """Channels that it gives, in multiples of the first stage's."""
    stride: int
    """2 where it halves height and width."""


class NetworkBuilder(Protocol):
    """Maker of the PyTorch networks of a space's architectures."""

    def __call__(
        self,
        code: ArrayLike,
        *,
        classes: int,
        in_channels: int,
        width: int,
        cells: int,
        affine: bool,
        reduction: str,
    ) -> nn.Sequential:
        """Network of one architecture, from images (n, in_channels, h, w) to logits (n, classes).

        Its last two layers are the pooling to features, shape (n, channels), and the classifier.
        For the arguments see ``nasurge.data.networks.build_network``.
        """
        ...
