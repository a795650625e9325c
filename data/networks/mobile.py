"""Chains of layers as PyTorch networks: inverted residuals and projections."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from torch import Tensor, nn

if TYPE_CHECKING:  # spaces ask for their networks, so that networks import no space
    from ..spaces import Layer, Space

HEAD = 2  # channels before the classifier, in multiples of the last stage's


class Place(NamedTuple):
    """Shapes that a layer of the chain is given and has to give."""

    inputs: int
    outputs: int
    stride: int
    affine: bool


def _conv_norm(
    inputs: int, outputs: int, kernel: int, *, stride: int = 1, groups: int = 1, affine: bool
) -> tuple[nn.Module, nn.Module]:
    """Convolution without bias and its normalisation."""
    return (
        nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs, affine=affine),
    )


class InvertedResidual(nn.Module):
    """Expansion, depthwise convolution, projection; the input is added where the shape stays."""

    def __init__(self, place: Place, *, expansion: int, kernel: int) -> None:
        super().__init__()
        inputs, outputs, stride, affine = place
        inner = expansion * inputs
        self.residual = stride == 1 and inputs == outputs
        self.block = nn.Sequential(
            *_conv_norm(inputs, inner, 1, affine=affine),
            nn.ReLU6(),
            *_conv_norm(inner, inner, kernel, stride=stride, groups=inner, affine=affine),
            nn.ReLU6(),
            *_conv_norm(inner, outputs, 1, affine=affine),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Output of the block, plus ``x`` where the shape stays."""
        result: Tensor = self.block(x)
        return x + result if self.residual else result


def _skip(place: Place) -> nn.Module:
    """Identity, or a projection where the shape changes."""
    inputs, outputs, stride, affine = place
    if stride == 1 and inputs == outputs:
        return nn.Identity()
    return nn.Sequential(
        nn.AvgPool2d(stride, stride=stride, ceil_mode=True),
        *_conv_norm(inputs, outputs, 1, affine=affine),
    )


LAYERS: dict[str, Callable[[Place], nn.Module]] = {
    "skip": _skip,
    "mb3k3": lambda place: InvertedResidual(place, expansion=3, kernel=3),
    "mb6k5": lambda place: InvertedResidual(place, expansion=6, kernel=5),
}
"""Maker of each operation, from its place in the chain."""


def chain_layers(
    chain: Sequence[Layer],
    make: Callable[[int, Place], nn.Module],
    *,
    classes: int,
    in_channels: int,
    width: int,
    affine: bool,
) -> list[nn.Module]:
    """Layers of a network: stem, what ``make`` gives for each layer of the chain, head."""
    layers: list[nn.Module] = [
        nn.Sequential(
            nn.Conv2d(in_channels, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU6(),
        )
    ]
    channels = width
    for variable, layer in enumerate(chain):
        place = Place(channels, layer.widening * width, layer.stride, affine)
        layers.append(make(variable, place))
        channels = place.outputs
    last = HEAD * channels
    return [
        *layers,
        nn.Sequential(*_conv_norm(channels, last, 1, affine=True), nn.ReLU6()),
        nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()),
        nn.Linear(last, classes),
    ]


class ChainNetworks:
    """Maker of the networks of a space whose variables choose the layers of a chain.

    Parameters
    ----------
    space : Space
        One with a ``chain``.
    """

    def __init__(self, space: Space) -> None:
        self.space = space

    def __call__(
        self,
        code: ArrayLike,
        *,
        cells: int,  # noqa: ARG002 -- a chain has none
        reduction: str,  # noqa: ARG002 -- its own layers reduce
        **skeleton: Any,
    ) -> nn.Sequential:
        """Network of one architecture; for the arguments see ``build_network``."""
        [row] = self.space.check(np.asarray(code)[None])
        names = [self.space.operations[value].name for value in row]

        def layer(variable: int, place: Place) -> nn.Module:
            return LAYERS[names[variable]](place)

        return nn.Sequential(*chain_layers(self.space.chain or (), layer, **skeleton))
