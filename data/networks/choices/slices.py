"""Layers of PyTorch that take fewer channels than they have weights for: a slice of these."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from torch import Tensor, nn
from torch.nn import functional

from ....errors import ParameterError

NORMALISATIONS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)

_CONVOLUTIONS: dict[type, Callable[..., Tensor]] = {
    nn.Conv1d: functional.conv1d,
    nn.Conv2d: functional.conv2d,
    nn.Conv3d: functional.conv3d,
}


def convolve(
    layer: Any, x: Tensor, function: Callable[..., Tensor], outputs: int, kernel: tuple[int, ...]
) -> Tensor:
    """Convolution with a slice of the weights: first channels, middle of the kernel.

    Parameters
    ----------
    layer : Conv1d, Conv2d or Conv3d
    x : Tensor, shape (n, channels, ...)
        Of the first so many channels that the layer has weights for.
    function : callable
        Of ``torch.nn.functional``.
    outputs : int
        Channels to give.
    kernel : tuple of int
        Size of the kernel in each dimension.
    """
    weight, bias, groups = convolution_slice(layer, x.shape[1], outputs, kernel)
    padding = padding_of(layer, kernel)
    if layer.padding_mode != "zeros":
        x = functional.pad(x, _sides(layer, padding, kernel), mode=layer.padding_mode)
        padding = 0
    return function(x, weight, bias, layer.stride, padding, layer.dilation, groups)


def padding_of(layer: Any, kernel: tuple[int, ...]) -> Any:
    """Padding of a convolution, as PyTorch takes it, with a kernel cut to a size.

    What is cut from the kernel at each side is not padded for either.
    """
    if isinstance(layer.padding, str):
        return layer.padding
    cut = (
        d * (whole - k) // 2
        for d, whole, k in zip(layer.dilation, layer.kernel_size, kernel, strict=True)
    )
    return tuple(max(0, p - c) for p, c in zip(layer.padding, cut, strict=True))


def _sides(layer: Any, padding: Any, kernel: tuple[int, ...]) -> list[int]:
    """Padding before and after, of the last dimension first, as ``functional.pad`` takes it."""
    if padding == "valid":
        pairs = [(0, 0) for _ in kernel]
    elif padding == "same":
        whole = [d * (k - 1) for d, k in zip(layer.dilation, kernel, strict=True)]
        pairs = [(total // 2, total - total // 2) for total in whole]
    else:
        pairs = [(p, p) for p in padding]
    return [side for pair in reversed(pairs) for side in pair]


def convolution_slice(
    layer: Any, inputs: int, outputs: int, kernel: tuple[int, ...]
) -> tuple[Tensor, Tensor | None, int]:
    """Weight, bias and number of groups of a convolution of fewer channels.

    Raises
    ------
    ParameterError
        If the channels cannot be shared among the groups.
    """
    depthwise = layer.groups == layer.in_channels and layer.groups > 1
    groups = inputs if depthwise else layer.groups
    if depthwise and layer.out_channels % layer.in_channels == 0:
        outputs = min(outputs, inputs * (layer.out_channels // layer.in_channels))
    if inputs % groups or outputs % groups:
        raise ParameterError(
            f"{inputs} channels to {outputs} cannot be shared among {groups} groups: choose widths "
            "that are multiples of the groups"
        )
    window = tuple(
        slice((whole - k) // 2, (whole - k) // 2 + k)
        for whole, k in zip(layer.kernel_size, kernel, strict=True)
    )
    weight = layer.weight[(slice(outputs), slice(inputs // groups), *window)]
    bias = None if layer.bias is None else layer.bias[:outputs]
    return weight, bias, groups


def _convolution(base: type) -> Callable[[Any, Tensor], Tensor]:
    function = _CONVOLUTIONS[base]

    def forward(layer: Any, x: Tensor) -> Tensor:
        if x.shape[1] == layer.in_channels:
            result: Tensor = base.forward(layer, x)  # type: ignore[attr-defined]
            return result
        return convolve(layer, x, function, layer.out_channels, layer.kernel_size)

    return forward


def _cut_convolution(layer: Any, width: int) -> None:
    weight, bias, groups = convolution_slice(layer, width, layer.out_channels, layer.kernel_size)
    layer.weight, layer.groups, layer.in_channels = _own(weight), groups, width
    layer.out_channels = len(weight)
    layer.bias = None if bias is None else _own(bias[: len(weight)])


def _linear(layer: Any, x: Tensor) -> Tensor:
    return functional.linear(x, layer.weight[:, : x.shape[-1]], layer.bias)


def _cut_linear(layer: Any, width: int) -> None:
    layer.weight, layer.in_features = _own(layer.weight[:, :width]), width


def _batch_norm(layer: Any, x: Tensor) -> Tensor:
    c = x.shape[1]
    rate = 0.0 if layer.momentum is None else layer.momentum
    if layer.training and layer.track_running_stats and layer.num_batches_tracked is not None:
        layer.num_batches_tracked.add_(1)
        if layer.momentum is None:
            rate = 1.0 / float(layer.num_batches_tracked)
    kept = not layer.training or layer.track_running_stats
    mean, var = (None if t is None else t[:c] for t in (layer.running_mean, layer.running_var))
    weight, bias = (None if t is None else t[:c] for t in (layer.weight, layer.bias))
    batch = layer.training or mean is None
    return functional.batch_norm(
        x, mean if kept else None, var if kept else None, weight, bias, batch, rate, layer.eps
    )


def _cut_batch_norm(layer: Any, width: int) -> None:
    layer.num_features = width
    _cut_affine(layer, width)
    for name in ("running_mean", "running_var"):
        if (values := getattr(layer, name)) is not None:
            setattr(layer, name, values[:width].clone())


def _layer_norm(layer: Any, x: Tensor) -> Tensor:
    if len(layer.normalized_shape) > 1:
        return nn.LayerNorm.forward(layer, x)
    c = x.shape[-1]
    weight, bias = (None if t is None else t[:c] for t in (layer.weight, layer.bias))
    return functional.layer_norm(x, (c,), weight, bias, layer.eps)


def _cut_layer_norm(layer: Any, width: int) -> None:
    layer.normalized_shape = (width,)
    _cut_affine(layer, width)


def _groups_of(layer: Any, width: int) -> int:
    """Groups of so many channels, each as large as among all."""
    size = layer.num_channels // layer.num_groups
    if width % size:
        raise ParameterError(
            f"{width} channels are no whole number of groups of {size}: choose widths that are "
            "multiples of it"
        )
    return int(width // size)


def _group_norm(layer: Any, x: Tensor) -> Tensor:
    c = x.shape[1]
    weight, bias = (None if t is None else t[:c] for t in (layer.weight, layer.bias))
    return functional.group_norm(x, _groups_of(layer, c), weight, bias, layer.eps)


def _cut_group_norm(layer: Any, width: int) -> None:
    layer.num_groups, layer.num_channels = _groups_of(layer, width), width
    _cut_affine(layer, width)


def _cut_affine(layer: Any, width: int) -> None:
    for name in ("weight", "bias"):
        if (values := getattr(layer, name)) is not None:
            setattr(layer, name, _own(values[:width]))


def _prelu(layer: Any, x: Tensor) -> Tensor:
    weight = layer.weight if layer.num_parameters == 1 else layer.weight[: x.shape[1]]
    return functional.prelu(x, weight)


def _cut_prelu(layer: Any, width: int) -> None:
    if layer.num_parameters > 1:
        layer.num_parameters, layer.weight = width, _own(layer.weight[:width])


def _own(values: Tensor) -> nn.Parameter:
    """Copy of some weights as weights of their own."""
    return nn.Parameter(values.detach().clone(), requires_grad=values.requires_grad)


class Following(NamedTuple):
    """How a layer of PyTorch follows the width of what it receives."""

    layer: type[nn.Module]
    """The same layer, which takes fewer channels."""
    width: Callable[[Any], int]
    """Channels or features that it has weights for."""
    axis: int
    """Of what it receives, that they lie on."""
    cut: Callable[[Any, int], None]
    """What leaves it the weights of so many only."""


def _following(
    base: type[nn.Module],
    forward: Callable[[Any, Tensor], Tensor],
    width: Callable[[Any], int],
    axis: int,
    cut: Callable[[Any, int], None],
) -> tuple[type[nn.Module], Following]:
    layer = type(base.__name__, (base,), {"forward": forward, "__module__": __name__})
    return base, Following(layer, width, axis, cut)


FOLLOWING: dict[type[nn.Module], Following] = dict(
    [
        *(
            _following(b, _convolution(b), lambda m: int(m.in_channels), 1, _cut_convolution)
            for b in _CONVOLUTIONS
        ),
        _following(nn.Linear, _linear, lambda m: int(m.in_features), -1, _cut_linear),
        *(
            _following(b, _batch_norm, lambda m: int(m.num_features), 1, _cut_batch_norm)
            for b in NORMALISATIONS
        ),
        _following(
            nn.LayerNorm, _layer_norm, lambda m: int(m.normalized_shape[-1]), -1, _cut_layer_norm
        ),
        _following(nn.GroupNorm, _group_norm, lambda m: int(m.num_channels), 1, _cut_group_norm),
        _following(nn.PReLU, _prelu, lambda m: int(m.num_parameters), 1, _cut_prelu),
    ]
)
"""Layers of PyTorch that follow a chosen width by themselves."""

PLAIN = {following.layer: base for base, following in FOLLOWING.items()}
"""The layer of PyTorch that each following one was."""


def follow(model: nn.Module) -> None:
    """Let the plain layers of a model follow the width of what they receive, in place."""
    for module in model.modules():
        if type(module) in FOLLOWING:
            module.__class__ = FOLLOWING[type(module)].layer


def unfollow(model: nn.Module) -> None:
    """Make following layers plain ones again, in place."""
    for module in model.modules():
        if type(module) in PLAIN:
            module.__class__ = PLAIN[type(module)]
