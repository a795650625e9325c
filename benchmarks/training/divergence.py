"""Where a training diverged: the module whose output was the first that is not finite."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.utils._pytree import tree_leaves

from .epochs import EpochTraining

LOSS = "the loss"


class _FoundError(Exception):
    """Ends a training at the first output that is not finite; its text names the module."""


def diverging_module(training: EpochTraining) -> str:
    """Module whose output is the first that is not finite in a training, by its path and class.

    Parameters
    ----------
    training : EpochTraining
        At its start: its epochs are repeated up to that output.

    Returns
    -------
    str
        ``LOSS`` if the outputs of all modules are finite.
    """
    with _watched(training.network):
        try:
            while not training.over:
                training.step()
        except _FoundError as found:
            return str(found)
    return LOSS


@contextmanager
def _watched(network: nn.Module) -> Iterator[None]:
    """Let a forward pass end at the first output that is not finite, innermost module first."""

    def look(path: str) -> Any:
        def hook(module: nn.Module, _: Any, output: Any) -> None:
            tensors = [leaf for leaf in tree_leaves(output) if isinstance(leaf, torch.Tensor)]
            if not all(bool(torch.isfinite(tensor).all()) for tensor in tensors):
                kind = type(module).__name__
                raise _FoundError(f"{path} ({kind})" if path else kind)

        return hook

    hooks = [module.register_forward_hook(look(path)) for path, module in network.named_modules()]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
