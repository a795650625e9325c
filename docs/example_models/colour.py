"""Convolutional network for small colour images: two stages of bottlenecks, and a width."""

from torch import Tensor, nn

from nasurge.nn import Choice, Conv2d, Elastic


class Bottleneck(nn.Module):
    """Inverted bottleneck: as wide inside as its expansion says, of one kernel."""

    def __init__(self, width: Elastic, expansion: int, kernel: int) -> None:
        super().__init__()
        inner = width * expansion
        most = inner.largest
        self.layers = nn.Sequential(
            Conv2d(width, inner, 1, bias=False),
            nn.BatchNorm2d(most),
            nn.ReLU(),
            nn.Conv2d(most, most, kernel, padding=kernel // 2, groups=most, bias=False),
            nn.BatchNorm2d(most),
            nn.ReLU(),
            Conv2d(inner, width, 1, bias=False),
            nn.BatchNorm2d(width.largest),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


def place(width: Elastic) -> Choice:
    """Nothing, or a bottleneck of one of four sorts."""
    blocks = {
        f"mb{expansion}-{kernel}x{kernel}": Bottleneck(width, expansion, kernel)
        for expansion in (2, 4)
        for kernel in (3, 5)
    }
    return Choice({"skip": nn.Identity(), **blocks})


class Net(nn.Module):
    """Network for images of 3 x 32 x 32: five places, a pooling in their middle."""

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        width = Elastic(8, 16, 24, name="width")
        self.stem = nn.Sequential(
            Conv2d(3, width, 3, stride=2), nn.BatchNorm2d(width.largest), nn.ReLU()
        )
        self.high = nn.Sequential(*[place(width) for _ in range(2)])
        self.pool = nn.MaxPool2d(2)
        self.low = nn.Sequential(*[place(width) for _ in range(3)])
        self.head = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width.largest, classes)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.low(self.pool(self.high(self.stem(x)))))
