"""Costs of the architectures of a model: every part is computed once, on shapes alone."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from copy import deepcopy
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from ....errors import SchemaError
from .building import SLICED, Widths, plain_network, received_widths, select, width_axis
from .decisions import Selection
from .exploring import deciding_modules
from .modules import Deciding
from .slices import FOLLOWING, PLAIN

_COMPARED = 8
"""Architectures of which the costs by parts are compared with those of the whole network."""

_MOST_DECISIONS = 3
"""Decisions inside a module up to which it is remembered; of more there are too many kinds."""

_FAILURES = (SchemaError, RuntimeError, ValueError, TypeError, IndexError, AttributeError, KeyError)


class Remembered(NamedTuple):
    """What calling a module with inputs of some shapes came to."""

    output: Any
    flops: int
    widths: Widths


class Counts:
    """FLOPs and parameters of architectures.

    Parameters
    ----------
    model : Module
        One that has shapes only, or one with weights.
    example : Tensor, or tuple of Tensor
    """

    def __init__(self, model: nn.Module, example: Any) -> None:
        self._model = model
        whole = example if isinstance(example, tuple) else (example,)
        self._example = tuple(x[:1] for x in whole)
        shapes = all(x.is_meta for x in whole)
        self._parts = ByParts(model) if shapes else None
        self._compared = 0

    def __call__(self, selection: Selection) -> tuple[float, float]:
        """FLOPs, a multiply-add counting as one, and parameters of an architecture."""
        found = None
        if self._parts is not None:
            try:
                found = self._parts(selection, self._example)
            except _FAILURES:  # said better by what computes the whole
                found = None
        if found is not None and self._compared >= _COMPARED:
            return found
        truth = self._whole(selection)
        self._compared += 1
        if found != truth:
            self._parts = None
        return truth

    def _whole(self, selection: Selection) -> tuple[float, float]:
        """Counted on the network itself."""
        counter = FlopCounterMode(display=False)
        # What PyTorch computes on a CPU in one kernel has no formula there; its products have.
        with sdpa_kernel(SDPBackend.MATH), counter:
            widths, _ = received_widths(self._model, selection, self._example)
        network = plain_network(self._model, selection, widths)
        weights = sum(parameter.numel() for parameter in network.parameters())
        return counter.get_total_flops() / 2, float(weights)


class ByParts:
    """Model of which a module is computed once for the same decisions inside and the same shapes.

    Parameters
    ----------
    model : Module
        One that has shapes only.
    """

    def __init__(self, model: nn.Module) -> None:
        self._model = deepcopy(model).eval()
        self._known: dict[Hashable, Remembered] = {}
        self._own: dict[Hashable, int] = {}
        self._widths: Widths = {}
        self._paths = {id(module): path for path, module in self._model.named_modules()}
        self._selection: Selection = {}
        self._counter = FlopCounterMode(display=False)
        self._remembered = 0
        for path, module in list(self._model.named_modules())[1:]:
            module.forward = self._remembering(path, module)

    def __call__(self, selection: Selection, example: Any) -> tuple[float, float]:
        """FLOPs and parameters of an architecture."""
        self._selection, self._widths, self._remembered = selection, {}, 0
        self._counter = FlopCounterMode(display=False)
        select(self._model, selection)
        with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), self._counter:
            self._model(*example)
        return self._flops() / 2, float(self._parameters(selection))

    def _flops(self) -> int:
        return int(self._counter.get_total_flops()) + self._remembered

    def _remembering(self, path: str, module: nn.Module) -> Callable[..., Any]:
        """Forward of a module that looks up what it came to before."""
        forward, axis = module.forward, width_axis(module)
        names = sorted(
            {
                decision.name
                for _, inner in deciding_modules(module)
                for decisions in inner.decisions.values()
                for decision in decisions
            }
        )

        def remembered(*args: Any, **kwargs: Any) -> Any:
            own = None if axis is None else int(args[0].shape[axis])
            follows = axis is not None or isinstance(module, Deciding)
            if follows and self._widths.setdefault(path, own) != own:
                raise SchemaError(f"{path} is used with several widths")
            if len(names) > _MOST_DECISIONS:
                return forward(*args, **kwargs)
            key = (path, *(self._selection[name] for name in names), _shapes((args, kwargs)))
            if key not in self._known:
                before, outside = self._flops(), self._widths
                self._widths = {path: own} if follows else {}
                output = forward(*args, **kwargs)
                self._known[key] = Remembered(output, self._flops() - before, self._widths)
                self._widths = outside
            else:
                self._remembered += self._known[key].flops
            part = self._known[key]
            self._widths.update(part.widths)
            return part.output

        return remembered

    def _parameters(self, selection: Selection) -> int:
        """Parameters of the plain network."""
        total, seen, whole = 0, set(), {}
        waiting: list[nn.Module] = [self._model]
        while waiting:
            module = waiting.pop()
            if id(module) in seen:
                continue
            seen.add(id(module))
            path = self._paths[id(module)]
            width = self._widths.get(path)
            called = path in self._widths
            if called and isinstance(module, SLICED):
                chosen = (d.name for own in module.decisions.values() for d in own)
                key = (path, width, *(selection[name] for name in chosen))
                total += self._size(key, partial(module.plain, selection, {}, width))
            elif called and isinstance(module, Deciding):
                waiting += module.inner(selection)
            elif type(module) in PLAIN and width is not None:
                total += self._size((path, width), partial(_cut, module, width))
            else:
                own = module.parameters(recurse=False)
                whole.update({id(parameter): parameter.numel() for parameter in own})
                waiting += module.children()
        return total + sum(whole.values())

    def _size(self, key: Hashable, make: Callable[[], nn.Module]) -> int:
        """Parameters of what is made, which is made once."""
        if key not in self._own:
            self._own[key] = sum(parameter.numel() for parameter in make().parameters())
        return self._own[key]


def _cut(module: Any, width: int) -> nn.Module:
    """Copy of a layer that follows, for so many channels."""
    made: nn.Module = deepcopy(module)
    FOLLOWING[PLAIN[type(module)]].cut(made, width)
    return made


def _shapes(values: Any) -> Hashable:
    """Shapes of tensors and values of all else in some arguments."""
    return tuple(
        (tuple(value.shape), value.dtype) if isinstance(value, Tensor) else value
        for value in tree_leaves(values)
    )
