"""A vision transformer whose depth, width, heads and MLP ratios are chosen."""

from torch import Tensor, nn

from nasurge.nn import Conv2d, Elastic, Linear, Positions, Repeat, SelfAttention


class Block(nn.Module):
    """Attention and a multilayer perceptron, each normalised before and added to what came in."""

    def __init__(self, width: Elastic, place: int) -> None:
        super().__init__()
        heads = Elastic(2, 3, 4, name=f"heads.{place}")
        ratio = Elastic(2, 3, 4, name=f"ratio.{place}")
        self.norm1 = nn.LayerNorm(width.largest)
        self.attention = SelfAttention(width, heads, head_size=16)
        self.norm2 = nn.LayerNorm(width.largest)
        self.mlp = nn.Sequential(
            Linear(width, width * ratio), nn.GELU(), Linear(width * ratio, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class VisionTransformer(nn.Module):
    """Transformer over patches of images; the defaults are for 8 x 8 digits."""

    def __init__(self, image: int = 8, channels: int = 1, patch: int = 2, classes: int = 10):
        super().__init__()
        width = Elastic(32, 48, 64, name="width")
        self.patches = Conv2d(channels, width, patch, stride=patch, padding=0)
        self.positions = Positions((image // patch) ** 2, width)
        self.blocks = Repeat(lambda place: Block(width, place), times=(2, 3, 4, 5), name="depth")
        self.norm = nn.LayerNorm(width.largest)
        self.head = nn.Linear(width.largest, classes)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patches(x).flatten(2).transpose(1, 2)
        tokens = self.blocks(self.positions(tokens))
        return self.head(self.norm(tokens).mean(dim=1))
