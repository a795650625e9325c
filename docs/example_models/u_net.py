"""A U-Net whose connections are chosen: each level of its way up says what it takes in."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from nasurge.nn import Choice, Conv2d, Elastic, Inputs


def block(width: Elastic, kernel: int = 3, dilation: int = 1) -> nn.Module:
    """Convolution, normalisation and ReLU that keep size and width."""
    return nn.Sequential(
        Conv2d(width, width, kernel, dilation=dilation),
        nn.BatchNorm2d(width.largest),
        nn.ReLU(),
    )


class UNet(nn.Module):
    """A class for every pixel: levels down, each half as large, and as many up again."""

    def __init__(self, channels: int = 3, classes: int = 4, levels: int = 3) -> None:
        super().__init__()
        width = Elastic(8, 12, 16, name="width")
        self.stem = Conv2d(channels, width, 3)
        self.down = nn.ModuleList(
            Choice(conv3=block(width), conv5=block(width, 5), dilated=block(width, 3, 2))
            for _ in range(levels)
        )
        # Of what the level below gives and all that was seen on the way down, one or two.
        self.inputs = nn.ModuleList(Inputs(levels + 1, choose=(1, 2)) for _ in range(levels))
        self.up = nn.ModuleList(block(width) for _ in range(levels))
        self.head = nn.Conv2d(width.largest, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        seen: list[Tensor] = []
        for down in self.down:
            seen.append(down(x))
            x = functional.max_pool2d(seen[-1], 2)
        for inputs, up, level in zip(self.inputs, self.up, reversed(seen), strict=True):
            offered = [resized(tensor, level.shape[-2:]) for tensor in (x, *seen)]
            x = up(inputs(offered))
        return self.head(x)


def resized(x: Tensor, size: torch.Size) -> Tensor:
    """Feature maps of another size."""
    return x if x.shape[-2:] == size else functional.interpolate(x, size=size)
