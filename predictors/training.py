"""The training loop that neural predictors share."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from ..errors import ParameterError
from .losses import hinge, make_loss

_HELD_OUT = 0.2  # share of the labels that early stopping looks at
_EVERY = 5  # steps between two looks


def train(
    module: torch.nn.Module,
    inputs: Sequence[Tensor],
    targets: Tensor,
    *,
    loss: str,
    steps: int,
    batch_size: int,
    learning_rate: float,
    weight_decay: float,
    rng: np.random.Generator,
    patience: int | None = None,
) -> int:
    """Train ``module`` in place with AdamW and a one-cycle learning rate; return the steps taken.

    Parameters
    ----------
    module : torch.nn.Module
        Called with a batch of each of ``inputs``; returns scores of shape (..., batch).
    inputs : sequence of Tensor, each (n, ...)
        On the module's device.
    targets : Tensor, shape (n,)
    loss : str
        A name in ``losses.LOSSES``.
    steps : int
        Number of batches, whatever ``n`` is: the cost of a fit hardly grows with the labels.
    batch_size : int
        Architectures a batch; all of them where there are fewer.
    learning_rate, weight_decay : float
    rng : Generator
        Draws the batches.
    patience : int, optional
        Hold out a fifth of the targets and stop when their ranking loss has not fallen for so many
        steps; the weights are then those at which it was least. Looked at every fifth step.

    Raises
    ------
    ParameterError
        If there is no such loss, or patience is below 1.
    """
    criterion: Callable[[Tensor, Tensor], Tensor] = make_loss(loss)
    if patience is not None and patience < 1:
        raise ParameterError(f"patience is a number of steps above 0, or None; not {patience}")
    optimiser = torch.optim.AdamW(module.parameters(), lr=learning_rate, weight_decay=weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, learning_rate, total_steps=steps)
    order = np.arange(len(targets)) if patience is None else rng.permutation(len(targets))
    out = 0 if patience is None else max(2, int(_HELD_OUT * len(targets)))
    held_out, rest = torch.as_tensor(order[:out], device=targets.device), order[out:]
    best, best_step, weights = float("inf"), 0, None
    step = 0
    module.train()
    for batch in _batches(len(rest), batch_size, steps, rng):
        picked = torch.as_tensor(rest[batch], device=targets.device)
        optimiser.zero_grad(set_to_none=True)
        value = criterion(module(*(tensor[picked] for tensor in inputs)), targets[picked])
        value.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
        step += 1
        if patience is not None and step % _EVERY == 0:
            found = ranking_loss(module, [tensor[held_out] for tensor in inputs], targets[held_out])
            if found < best:
                best, best_step = found, step
                weights = {name: item.clone() for name, item in module.state_dict().items()}
            elif step - best_step >= patience:
                break
    if weights is not None:
        module.load_state_dict(weights)
    module.eval()
    return step


def ranking_loss(module: torch.nn.Module, inputs: Sequence[Tensor], targets: Tensor) -> float:
    """Return the mean hinge over all pairs, without dropout; the module is left training."""
    module.eval()
    with torch.no_grad():
        found = float(hinge(module(*inputs), targets))
    module.train()
    return found


def _batches(
    n: int, size: int, steps: int, rng: np.random.Generator
) -> list[np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """Return ``steps`` batches of indices, going through fresh permutations."""
    if n <= size:
        return [np.arange(n)] * steps
    rounds = -(-steps * size // n)
    order = np.concatenate([rng.permutation(n) for _ in range(rounds)])
    return [order[k * size : (k + 1) * size] for k in range(steps)]
