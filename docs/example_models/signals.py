"""A one-dimensional convolutional network for signals, such as those of a sensor."""

from torch import Tensor, nn

from nasurge.nn import Choice, Conv1d, Elastic, Repeat


class Layer(nn.Module):
    """Inverted bottleneck along time, added to what came in: its kernel and expansion are open."""

    def __init__(self, width: Elastic, name: str) -> None:
        super().__init__()
        inner = width * Elastic(1, 2, 4, name=f"{name}.expansion")
        kernel = Elastic(3, 7, 11, name=f"{name}.kernel")
        self.layers = nn.Sequential(
            Conv1d(width, inner, 1),
            nn.BatchNorm1d(inner.largest),
            nn.ReLU(),
            Conv1d(inner, inner, kernel, groups=inner),
            nn.BatchNorm1d(inner.largest),
            nn.ReLU(),
            Conv1d(inner, width, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


class SignalNet(nn.Module):
    """Classes of signals of shape (n, channels, time)."""

    def __init__(self, channels: int = 3, classes: int = 5) -> None:
        super().__init__()
        first, second = Elastic(8, 16, name="width1"), Elastic(16, 24, 32, name="width2")
        self.stem = Conv1d(channels, first, 7, stride=2)
        self.stage1 = Repeat(lambda place: Layer(first, f"stage1.{place}"), times=(1, 2))
        self.shrink = Choice(average=nn.AvgPool1d(2), maximum=nn.MaxPool1d(2))
        self.widen = Conv1d(first, second, 1)
        self.stage2 = Repeat(lambda place: Layer(second, f"stage2.{place}"), times=(1, 2, 3))
        self.head = nn.Linear(second.largest, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.shrink(self.stage1(self.stem(x)))
        return self.head(self.stage2(self.widen(x)).mean(dim=2))
