"""The training loop that neural predictors share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from .losses import Loss


def train(
    module: torch.nn.Module,
    inputs: Sequence[Tensor],
    targets: Tensor,
    *,
    criterion: Loss,
    steps: int,
    batch_size: int,
    learning_rate: float,
    weight_decay: float,
    rng: np.random.Generator,
) -> None:
    """Train ``module`` in place with AdamW and a one-cycle learning rate.

    Parameters
    ----------
    module : torch.nn.Module
        Called with a batch of each of ``inputs``.
    inputs : sequence of Tensor, each (n, ...)
        On the module's device.
    targets : Tensor, shape (n,)
    criterion : callable
        From the module's output and the batch's targets to what is minimised.
    steps : int
        Number of batches, whatever ``n`` is: the cost of a fit hardly grows with the labels.
    batch_size : int
        Architectures a batch; all of them where there are fewer.
    learning_rate, weight_decay : float
    rng : Generator
        Draws the batches.
    """
    optimiser = torch.optim.AdamW(module.parameters(), lr=learning_rate, weight_decay=weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, learning_rate, total_steps=steps)
    module.train()
    for batch in _batches(len(targets), batch_size, steps, rng):
        picked = torch.as_tensor(batch, device=targets.device)
        optimiser.zero_grad(set_to_none=True)
        value = criterion(module(*(tensor[picked] for tensor in inputs)), targets[picked])
        value.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
    module.eval()


def _batches(
    n: int, size: int, steps: int, rng: np.random.Generator
) -> list[np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """Return ``steps`` batches of indices, going through fresh permutations."""
    if n <= size:
        return [np.arange(n)] * steps
    rounds = -(-steps * size // n)
    order = np.concatenate([rng.permutation(n) for _ in range(rounds)])
    return [order[k * size : (k + 1) * size] for k in range(steps)]
