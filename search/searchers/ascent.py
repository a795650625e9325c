"""Gradient ascent on hundreds of relaxed architectures at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ...data.spaces import Codes
from ...predictors.relaxed import Relaxation

ScoreFunction = Callable[[Tensor], Tensor]


def ascent_codes(
    score: ScoreFunction,
    relaxation: Relaxation,
    logits: Tensor,
    *,
    steps: int,
    learning_rate: float,
    temperatures: tuple[float, float],
    generator: torch.Generator,
    gumbel: float = 0.0,
    straight_through: bool = False,
    violation: ScoreFunction | None = None,
) -> Codes:
    """Nearest architecture of every point on the way of every ascent.

    All ascents take a step together: one forward and one backward pass. With constraints, what is
    climbed is a Lagrangian whose multipliers, one per ascent, rise as long as it violates them.

    Parameters
    ----------
    score : callable
        From shares (n, s) to values (n,), differentiable.
    relaxation : Relaxation
    logits : Tensor, shape (n, s)
        Where the ascents start.
    steps : int
        Gradient steps, by Adam.
    learning_rate : float
        Of the logits.
    temperatures : tuple of float
        Of the softmax at the first step and at the last; between them it falls geometrically.
    generator : torch.Generator
        On the CPU; of the Gumbel noise.
    gumbel : float
        Scale of the Gumbel noise on the logits, drawn afresh at every step; 0 for none, 1 for
        samples of the categorical distribution that the logits describe.
    straight_through : bool
        Score the nearest architecture instead, with the gradient of the relaxed one.
    violation : callable, optional
        From shares (n, s) to how far they break the constraints, (n,), 0 for not at all.

    Returns
    -------
    int8 array, shape (m, d)
        Each once, valid or not, in no particular order.
    """
    # Adam as a function: its class imports PyTorch's compiler, which takes seconds.
    from torch.optim.adam import adam

    logits = logits.clone().requires_grad_()
    mean, square, taken = torch.zeros_like(logits), torch.zeros_like(logits), torch.zeros(())
    multipliers = torch.ones(len(logits), dtype=torch.double, device=logits.device)
    visited = [nearest_codes(relaxation, logits)]
    first, last = temperatures
    for step in range(steps):
        noisy = logits
        if gumbel:
            # Clamped, as the two logarithms are infinite at 0 and at 1.
            noise = torch.rand(logits.shape, generator=generator).clamp(1e-6, 1 - 1e-6)
            noisy = logits - gumbel * torch.log(-torch.log(noise)).to(logits.device)
        temperature = first * (last / first) ** (step / max(1, steps - 1))
        shares = relaxation.softmax(noisy, temperature)
        if straight_through:
            hot = relaxation.one_hot(nearest_codes(relaxation, noisy))
            shares = hot + shares - shares.detach()
        objective = score(shares)
        if violation is not None:
            broken = violation(shares)
            objective = objective - multipliers * broken
            multipliers = multipliers + broken.detach()
        (gradient,) = torch.autograd.grad(-objective.sum(), logits)
        with torch.no_grad():
            # Shorter memories than usual: an ascent is over after ten steps or so.
            adam(
                [logits],
                [torch.nan_to_num(gradient)],
                [mean],
                [square],
                [],
                [taken],
                amsgrad=False,
                maximize=False,
                beta1=0.8,
                beta2=0.99,
                lr=learning_rate,
                weight_decay=0.0,
                eps=1e-8,
            )
        visited.append(nearest_codes(relaxation, logits))
    return np.unique(np.concatenate(visited), axis=0)


def nearest_codes(relaxation: Relaxation, logits: Tensor) -> Codes:
    """Likeliest architecture, (n, d), of every row of logits, (n, s), inactive variables at 0."""
    space = relaxation.space
    table = relaxation.pad_values(logits.detach(), -torch.inf)
    codes: Codes = table.argmax(dim=2).cpu().numpy().astype(space.dtype)
    return space.without_inactive(codes) if space.conditional else codes
