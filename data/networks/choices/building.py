"""Plain networks of the architectures that a model with decisions holds."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from ....errors import SchemaError
from .decisions import Selection
from .elastic import Linear, Positions, SelfAttention, _Convolution
from .exploring import deciding_modules, evaluating, named_failures
from .modules import Deciding, Mixture
from .slices import FOLLOWING, NORMALISATIONS, PLAIN, unfollow

Widths = dict[str, int | None]
"""Channels or features that each called module receives, by its path; None for one without."""

SLICED = (_Convolution, Linear, SelfAttention, Positions)
"""Modules with slices, which follow the width of what they receive."""


def width_axis(module: nn.Module) -> int | None:
    """Dimension of what a module receives whose length it follows; None where it follows none."""
    if type(module) in PLAIN:
        return FOLLOWING[PLAIN[type(module)]].axis
    if isinstance(module, SLICED):
        return 1 if isinstance(module, _Convolution) else -1
    return None


def select(model: nn.Module, selection: Selection | None, mixture: Mixture | None = None) -> None:
    """Choose what a model computes from now on."""
    for module in model.modules():
        if isinstance(module, Deciding):
            module.selection, module.mixture = selection, mixture


def received_widths(model: nn.Module, selection: Selection, example: Any) -> tuple[Widths, Any]:
    """Width that each module with slices receives under a selection, and the output.

    Raises
    ------
    SchemaError
        If the model cannot be computed, naming the module; or if one module is called with several
        widths.
    """
    widths: Widths = {}
    handles = []

    def watch(path: str, axis: int | None) -> Any:
        def enter(module: nn.Module, args: Any) -> None:
            width = None if axis is None else int(args[0].shape[axis])
            if widths.setdefault(path, width) != width:
                raise SchemaError(
                    f"{path} ({type(module).__name__}) is used with {widths[path]} and with "
                    f"{width} channels in one network: make it two layers"
                )

        return enter

    for path, module in model.named_modules():
        if (axis := width_axis(module)) is not None or isinstance(module, Deciding):
            handles.append(module.register_forward_pre_hook(watch(path, axis)))
    select(model, selection)
    inputs = example if isinstance(example, tuple) else (example,)
    try:
        with evaluating(model), named_failures(model):
            return widths, model(*inputs)
    finally:
        select(model, None)
        for handle in handles:
            handle.remove()


def plain_network(
    model: nn.Module, selection: Selection, widths: Widths, *, fresh: bool = False
) -> nn.Module:
    """Network of a selection as a plain module, its weights copied from a model.

    Parameters
    ----------
    model : Module
        One whose decisions have names; left as it was.
    selection : mapping of str to int
    widths : dict
        Of ``received_widths``.
    fresh : bool
        Whether layers that hold a slice of the weights draw theirs anew, as layers of their size
        do. Weights come from torch's global random state.
    """
    memo: dict[int, Any] = {}
    cut: list[nn.Module] = []
    for path, module in reversed(list(model.named_modules())):
        if path not in widths:
            continue
        width = widths[path]
        if isinstance(module, Deciding):
            memo[id(module)] = made = module.plain(selection, memo, width)
            if isinstance(module, SLICED):
                cut.append(made)
        elif type(module) in PLAIN and width is not None:
            memo[id(module)] = made = deepcopy(module)
            following = FOLLOWING[PLAIN[type(module)]]
            if width != following.width(made):
                following.cut(made, width)
                cut.append(made)
    network = deepcopy(model, memo)
    unfollow(network)
    if fresh:
        for part in cut:
            reset(part)
    return network.train()


def reset(network: nn.Module) -> None:
    """Weights of every layer that can draw them, drawn anew from torch's global random state."""
    for module in network.modules():
        draw = getattr(module, "reset_parameters", None)
        if callable(draw):
            draw()


def on_meta(model: nn.Module) -> nn.Module:
    """Copy of a model that has shapes only: it computes nothing and takes no memory."""
    with torch.no_grad():
        copy = deepcopy(model).to("meta")
    for module in copy.modules():
        # Without data PyTorch takes normalisation apart in Python: milliseconds a layer.
        if isinstance(module, NORMALISATIONS):
            module.forward = _same  # type: ignore[method-assign]
    return copy


def _same(input: Tensor) -> Tensor:  # noqa: A002 -- the name it has in PyTorch
    """Shape of what a normalisation gives."""
    return input


def has_slices(model: nn.Module) -> bool:
    """Whether widths in a model are chosen, so that its layers have to follow them."""
    return any(
        part in ("out_channels", "out_features", "heads") or module.decisions[part]
        for _, module in deciding_modules(model)
        for part in module.decisions
        if part
    )
