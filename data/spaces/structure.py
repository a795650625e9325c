"""Structure of architectures beside their variables: operations, paths, graphs, networks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..types import Codes, Index, Mask, Values

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


def identities_first(codes: Codes, changes: Sequence[bool], *, identity: int) -> Codes:
    """Chains with their identities moved to the front of each run that keeps the shape, (n, d).

    Where an identity stands between layers of one shape makes no difference to the function.

    Parameters
    ----------
    codes : int array, shape (n, d)
        Operations of layers.
    changes : sequence of bool
        Whether each layer changes the shape of what it gets, so that its identity is none.
    identity : int
        Number of the operation.
    """
    moved = codes.copy()
    starts = [i + 1 for i, change in enumerate(changes) if change]
    stops = [i for i, change in enumerate(changes) if change]
    for start, stop in zip([0, *starts], [*stops, len(changes)], strict=True):
        part = moved[:, start:stop]
        order = np.argsort(part != identity, axis=1, kind="stable")
        moved[:, start:stop] = np.take_along_axis(part, order, axis=1)
    return moved


class CostFormula(Protocol):
    """Formula that a space's costs follow from its codes by."""

    def __call__(self, codes: ArrayLike) -> dict[str, Values]:
        """Costs of each architecture by name, in millions: ``flops``, ``parameters``, (n,) each."""
        ...


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
    ) -> nn.Module:
        """Network of one architecture, from images (n, in_channels, h, w) to logits (n, classes).

        Where it is a ``torch.nn.Sequential``, its last two layers are the pooling to features,
        shape (n, channels), and the classifier.
        For the arguments see ``nasurge.data.networks.build_network``.
        """
        ...
