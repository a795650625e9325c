"""Layers whose width, kernel or heads are chosen: slices of one set of weights."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from ....errors import ParameterError
from .decisions import Decision, Elastic, Selection, current, largest
from .modules import Deciding
from .slices import convolution_slice, convolve, padding_of

_Size = int | Elastic
_Whole = int | tuple[int, ...]


def _decisions(parts: Mapping[str, Any]) -> dict[str, tuple[Decision, ...]]:
    """Decisions of the parts that are elastic."""
    return {name: n.decisions for name, n in parts.items() if isinstance(n, Elastic)}


class _Convolution(Deciding):
    """What elastic convolutions of all dimensions share."""

    layer: nn.Module
    _base: type[Any]
    _function: Any

    def __init__(
        self,
        in_channels: _Size,
        out_channels: _Size,
        kernel_size: _Whole | Elastic,
        stride: _Whole = 1,
        padding: _Whole | str | None = None,
        dilation: _Whole = 1,
        groups: _Size = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
    ) -> None:
        super().__init__()
        for name, value in (("stride", stride), ("padding", padding), ("dilation", dilation)):
            if isinstance(value, Elastic):
                raise ParameterError(
                    f"{name} of a convolution is not elastic: put several convolutions into a "
                    "nasurge.nn.Choice"
                )
        if isinstance(groups, Elastic) and not _same(groups, in_channels):
            raise ParameterError(
                f"groups may be elastic where they are the in_channels (a depthwise convolution); "
                f"received {groups!r} and {in_channels!r}: put several convolutions into a "
                "nasurge.nn.Choice"
            )
        kernel = kernel_size.largest if isinstance(kernel_size, Elastic) else kernel_size
        self.out_channels, self.kernel_size = out_channels, kernel_size
        if isinstance(kernel_size, Elastic) and len(np.unique(kernel_size.numbers % 2)) > 1:
            raise ParameterError(
                f"kernels are cut around their middle: {kernel_size!r} mixes odd and even sizes"
            )
        if padding is None:
            shaped = self._base(1, 1, kernel, dilation=dilation, device="meta")  # draws nothing
            sizes = zip(shaped.dilation, shaped.kernel_size, strict=True)
            padding = tuple(d * (k // 2) for d, k in sizes)
        self.layer = self._base(
            largest(in_channels),
            largest(out_channels),
            kernel,
            stride,
            padding,
            dilation,
            largest(groups),
            bias,
            padding_mode,
        )

    @property
    def decisions(self) -> dict[str, tuple[Decision, ...]]:
        """Width and kernel, where they are chosen."""
        return _decisions({"out_channels": self.out_channels, "kernel_size": self.kernel_size})

    @property
    def width(self) -> int:
        """Channels that it has weights for."""
        return int(self.layer.in_channels)  # type: ignore[arg-type]

    def _kernel(self, selection: Selection | None) -> tuple[int, ...]:
        whole: tuple[int, ...] = self.layer.kernel_size  # type: ignore[assignment]
        if not isinstance(self.kernel_size, Elastic):
            return whole
        return (self.kernel_size.at(selection),) * len(whole)

    def forward(self, x: Tensor) -> Tensor:
        """Convolution of the chosen width and kernel."""
        outputs = current(self.out_channels, self.selection)
        kernel = self._kernel(self.selection)
        return convolve(self.layer, x, self._function, outputs, kernel)

    def plain(self, selection: Selection, memo: dict[int, Any], width: int | None) -> nn.Module:
        """Convolution of PyTorch of the chosen width and kernel."""
        del memo
        old: Any = self.layer
        outputs, kernel = current(self.out_channels, selection), self._kernel(selection)
        inputs = old.in_channels if width is None else width
        weight, bias, groups = convolution_slice(old, inputs, outputs, kernel)
        made = self._base(
            inputs,
            len(weight),
            kernel,
            old.stride,
            padding_of(old, kernel),
            old.dilation,
            groups,
            bias is not None,
            old.padding_mode,
            device=weight.device,
            dtype=weight.dtype,
        )
        return _filled(made, weight, bias)


class Conv2d(_Convolution):
    """Convolution of images whose width and kernel may be chosen.

    Takes what ``torch.nn.Conv2d`` takes, but for device and dtype; weights are held for the largest
    of each, and a chosen one uses the first channels and the middle of the kernel. Channels that it
    receives need not be elastic: it follows. A depthwise convolution is one with ``groups`` equal
    to ``in_channels``.

    Parameters
    ----------
    in_channels, out_channels : int or Elastic
    kernel_size : int, tuple of int, or Elastic
    stride : int or tuple of int
    padding : int, tuple of int, or str, optional
        For the largest kernel, smaller ones have as much less; by default half of the kernel, so
        that with stride 1 the size stays.
    dilation : int or tuple of int
    groups : int or Elastic
        Elastic where they are the ``in_channels``.
    bias : bool
    padding_mode : {"zeros", "reflect", "replicate", "circular"}

    Raises
    ------
    ParameterError
        If kernel sizes mix odd and even ones, or stride, padding, dilation or groups are elastic.

    References
    ----------
    H. Cai et al. Once-for-all: Train one network and specialize it for efficient deployment.
    ICLR 2020.

    Examples
    --------
    >>> width = Elastic(8, 16)
    >>> Conv2d(3, width, Elastic(3, 5))(torch.ones(1, 3, 6, 6)).shape
    torch.Size([1, 16, 6, 6])
    """

    _base = nn.Conv2d
    _function = staticmethod(functional.conv2d)


class Conv1d(_Convolution):
    """Convolution of signals whose width and kernel may be chosen: see ``Conv2d``.

    Examples
    --------
    >>> Conv1d(2, Elastic(4, 8), 3)(torch.ones(1, 2, 10)).shape
    torch.Size([1, 8, 10])
    """

    _base = nn.Conv1d
    _function = staticmethod(functional.conv1d)


class Linear(Deciding):
    """Linear layer whose width may be chosen.

    Parameters
    ----------
    in_features, out_features : int or Elastic
        It follows what it receives.
    bias : bool

    Examples
    --------
    >>> Linear(4, Elastic(8, 16))(torch.ones(2, 4)).shape
    torch.Size([2, 16])
    """

    def __init__(self, in_features: _Size, out_features: _Size, bias: bool = True) -> None:
        super().__init__()
        self.out_features = out_features
        self.layer = nn.Linear(largest(in_features), largest(out_features), bias)

    @property
    def decisions(self) -> dict[str, tuple[Decision, ...]]:
        """The width, where it is chosen."""
        return _decisions({"out_features": self.out_features})

    @property
    def width(self) -> int:
        """Features that it has weights for."""
        return self.layer.in_features

    def forward(self, x: Tensor) -> Tensor:
        """Linear map with the chosen width."""
        outputs, layer = current(self.out_features, self.selection), self.layer
        bias = None if layer.bias is None else layer.bias[:outputs]
        return functional.linear(x, layer.weight[:outputs, : x.shape[-1]], bias)

    def plain(self, selection: Selection, memo: dict[int, Any], width: int | None) -> nn.Module:
        """Linear layer of PyTorch of the chosen width."""
        del memo
        inputs = self.layer.in_features if width is None else width
        outputs, old = current(self.out_features, selection), self.layer
        weight = old.weight[:outputs, :inputs]
        made = nn.Linear(
            inputs, outputs, old.bias is not None, device=weight.device, dtype=weight.dtype
        )
        return _filled(made, weight, None if old.bias is None else old.bias[:outputs])


class _Heads(nn.Module):
    """Self-attention of plain layers, its heads side by side."""

    def __init__(self, qkv: nn.Linear, out: nn.Linear, heads: int) -> None:
        super().__init__()
        self.qkv, self.out, self.heads = qkv, out, heads

    def forward(self, x: Tensor) -> Tensor:
        qkv = self.qkv(x)
        q, k, v = qkv.unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)
        mixed = functional.scaled_dot_product_attention(q, k, v)
        result: Tensor = self.out(mixed.transpose(1, 2).flatten(2))
        return result


class SelfAttention(Deciding):
    """Self-attention over tokens whose number of heads may be chosen.

    Each head has ``head_size`` features; a chosen number uses the first heads. Tokens of a chosen
    width are followed, and the output is as wide as what came in.

    Parameters
    ----------
    features : int or Elastic
        Of a token.
    heads : int or Elastic
    head_size : int

    References
    ----------
    M. Chen et al. AutoFormer: Searching transformers for visual recognition. ICCV 2021.

    Examples
    --------
    >>> SelfAttention(Elastic(16, 32), Elastic(2, 4), 8)(torch.ones(1, 5, 32)).shape
    torch.Size([1, 5, 32])
    """

    def __init__(self, features: _Size, heads: _Size, head_size: int) -> None:
        super().__init__()
        self.heads, self.head_size = heads, head_size
        most = largest(heads) * head_size
        self.qkv = nn.Linear(largest(features), 3 * most)
        self.out = nn.Linear(most, largest(features))

    @property
    def decisions(self) -> dict[str, tuple[Decision, ...]]:
        """The number of heads, where it is chosen."""
        return _decisions({"heads": self.heads})

    @property
    def width(self) -> int:
        """Features of a token that it has weights for."""
        return self.qkv.in_features

    def _weights(self, heads: int, width: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Weights and biases of both maps for so many heads and features."""
        inner = heads * self.head_size
        whole = self.qkv.out_features // 3
        rows = self.qkv.weight.view(3, whole, -1)[:, :inner, :width].flatten(0, 1)
        bias = self.qkv.bias.view(3, whole)[:, :inner].flatten()
        return rows, bias, self.out.weight[:width, :inner], self.out.bias[:width]

    def forward(self, x: Tensor) -> Tensor:
        """Attention among the tokens, shape (n, tokens, features) like ``x``."""
        heads = current(self.heads, self.selection)
        inside, inside_bias, outside, outside_bias = self._weights(heads, x.shape[-1])
        qkv = functional.linear(x, inside, inside_bias)
        q, k, v = qkv.view(*x.shape[:2], 3, heads, -1).permute(2, 0, 3, 1, 4).unbind(0)
        mixed = functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        return functional.linear(mixed, outside, outside_bias)

    def plain(self, selection: Selection, memo: dict[int, Any], width: int | None) -> nn.Module:
        """Module of torch.fx with the linear layers of the chosen heads."""
        del memo
        heads = current(self.heads, selection)
        features = self.qkv.in_features if width is None else width
        inside, inside_bias, outside, outside_bias = self._weights(heads, features)
        qkv = nn.Linear(features, len(inside), device=inside.device, dtype=inside.dtype)
        out = nn.Linear(outside.shape[1], features, device=inside.device, dtype=inside.dtype)
        _filled(qkv, inside, inside_bias)
        _filled(out, outside, outside_bias)
        return fx.symbolic_trace(_Heads(qkv, out, heads))


class Positions(Deciding):
    """Learnt positions added to tokens, of whichever width these have.

    Parameters
    ----------
    tokens : int
    features : int or Elastic
        Of a token, at most.

    Examples
    --------
    >>> Positions(5, Elastic(16, 32))(torch.zeros(1, 5, 16)).shape
    torch.Size([1, 5, 16])
    """

    def __init__(self, tokens: int, features: _Size) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(tokens, largest(features)))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the positions anew."""
        nn.init.normal_(self.weight, std=0.02)

    @property
    def decisions(self) -> dict[str, tuple[Decision, ...]]:
        """None of its own: it follows."""
        return {}

    @property
    def width(self) -> int:
        """Features that it has positions for."""
        return self.weight.shape[1]

    def forward(self, x: Tensor) -> Tensor:
        """Tokens with their positions, shape (n, tokens, features) like ``x``."""
        return x + self.weight[:, : x.shape[-1]]

    def plain(self, selection: Selection, memo: dict[int, Any], width: int | None) -> nn.Module:
        """Module of torch.fx that adds the positions."""
        del selection, memo
        root, graph = nn.Module(), fx.Graph()
        root.weight = nn.Parameter(self.weight.detach()[:, :width].clone())
        x = graph.placeholder("x")
        graph.output(graph.call_function(operator.add, (x, graph.get_attr("weight"))))
        return fx.GraphModule(root, graph, class_name="Positions")


def _same(a: Elastic, b: _Size) -> bool:
    """Whether two elastic numbers are always equal."""
    return (
        isinstance(b, Elastic)
        and a.decisions == b.decisions
        and np.array_equal(a.numbers, b.numbers)
    )


def _filled(layer: Any, weight: Tensor, bias: Tensor | None) -> nn.Module:
    """Layer with copies of some weights."""
    with torch.no_grad():
        layer.weight.copy_(weight)
        if bias is not None:
            layer.bias.copy_(bias)
    made: nn.Module = layer
    return made
