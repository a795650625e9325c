"""Losses that neural predictors share; each takes scores and targets of shape (..., n)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..errors import ParameterError


def mse(scores: Tensor, targets: Tensor) -> Tensor:
    """Return the mean squared error."""
    return torch.nn.functional.mse_loss(scores, targets.expand_as(scores))


def hinge(scores: Tensor, targets: Tensor, margin: float = 0.1) -> Tensor:
    """Return the mean hinge over all pairs: the better one should score ``margin`` more.

    References
    ----------
    X. Ning et al. A generic graph-based neural architecture encoding scheme for predictor-based
    NAS (GATES). ECCV 2020.
    """
    targets = targets.expand_as(scores)
    better = (targets[..., :, None] > targets[..., None, :]).to(scores.dtype)
    short = torch.relu(margin - (scores[..., :, None] - scores[..., None, :]))
    return (short * better).sum() / better.sum().clamp(min=1)


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"mse": mse, "hinge": hinge}


def make_loss(name: str) -> Callable[[Tensor, Tensor], Tensor]:
    """Return the loss of that name.

    Raises
    ------
    ParameterError
        If there is none.
    """
    if name not in LOSSES:
        raise ParameterError(f"loss must be one of {', '.join(LOSSES)}, not {name!r}")
    return LOSSES[name]
