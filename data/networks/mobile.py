"""The space ``mobile`` as PyTorch networks: inverted residuals and projections."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor, nn

from ..spaces import Mobile

HEAD = 2  # channels before the classifier, in multiples of the last stage's


class Place(NamedTuple):
    """What a layer of the chain is given and has to give."""

    inputs: int
    outputs: int
    stride: int
    affine: bool


def _conv_norm(
    inputs: int, outputs: int, kernel: int, *, stride: int = 1, groups: int = 1, affine: bool
) -> tuple[nn.Module, nn.Module]:
    """Return a convolution without bias and its normalisation."""
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
        """Return the block's output, plus ``x`` where the shape stays."""
        result: Tensor = self.block(x)
        return x + result if self.residual else result


def _skip(place: Place) -> nn.Module:
    """Return the identity, or a projection where the shape changes."""
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


def mobile_layers(
    space: Mobile,
    make: Callable[[int, Place], nn.Module],
    *,
    classes: int,
    in_channels: int,
    width: int,
    affine: bool,
) -> list[nn.Module]:
    """Return the layers of a network: stem, what ``make`` gives for each variable, head."""
    layers: list[nn.Module] = [
        nn.Sequential(
            nn.Conv2d(in_channels, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU6(),
        )
    ]
    channels = width
    for variable, layer in enumerate(space.layers):
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
