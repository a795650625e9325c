"""Capabilities of a space beside its variables: asked for by name, None where missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from numpy.typing import ArrayLike

if TYPE_CHECKING:
    from torch import nn


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
