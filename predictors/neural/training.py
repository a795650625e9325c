"""The training loop that neural predictors share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ...errors import ParameterError
from .losses import Loss, hinge

_HELD_OUT = 0.2  # share of the labels that early stopping looks at
_EVERY = 5  # steps between two looks


class OneCycleAdamW:
    """AdamW with a one-cycle learning rate and first momentum, as ``OneCycleLR`` has them.

    It is PyTorch's own fused step, called as a function: the classes of ``torch.optim`` import the
    whole compiler first, which costs a second and 70 MB that no small network is worth.

    Parameters
    ----------
    parameters : sequence of Parameter
    learning_rate : float
        The highest; it rises from a 25th of it over 30 % of the steps and then falls to nothing.
    weight_decay : float
    steps : int

    References
    ----------
    I. Loshchilov and F. Hutter. Decoupled weight decay regularization. ICLR 2019. L. N. Smith and
    N. Topin. Super-convergence. arXiv 1708.07120.
    """

    def __init__(
        self,
        parameters: Sequence[torch.nn.Parameter],
        *,
        learning_rate: float,
        weight_decay: float,
        steps: int,
    ) -> None:
        self.parameters = list(parameters)
        self.weight_decay = weight_decay
        self.means = [torch.zeros_like(p) for p in self.parameters]
        self.squares = [torch.zeros_like(p) for p in self.parameters]
        self.taken = [torch.zeros((), device=p.device) for p in self.parameters]
        peak, last, at = 0.3 * steps - 1, steps - 1, np.arange(steps)
        rising = at <= peak
        rise, descent = at / (peak or 1), (at - peak) / (last - peak)
        place = np.where(rising, rise, descent)
        fall = (1 + np.cos(np.pi * place)) / 2  # from 1 to 0 in each of the two phases
        low, lowest = learning_rate / 25, learning_rate / 25e4
        end = np.where(rising, learning_rate, lowest)
        self.rates = end + (np.where(rising, low, learning_rate) - end) * fall
        self.momenta = np.where(rising, 0.85 + 0.1 * fall, 0.95 - 0.1 * fall)

    def step(self, number: int) -> None:
        """Move the parameters that have gradients, and forget the gradients."""
        from torch.optim.adamw import adamw

        found = [p.grad for p in self.parameters]
        moved = [k for k, gradient in enumerate(found) if gradient is not None]
        with torch.no_grad():
            adamw(
                [self.parameters[k] for k in moved],
                [gradient for gradient in found if gradient is not None],
                [self.means[k] for k in moved],
                [self.squares[k] for k in moved],
                [],
                [self.taken[k] for k in moved],
                fused=True,
                amsgrad=False,
                maximize=False,
                beta1=float(self.momenta[number]),
                beta2=0.999,
                lr=float(self.rates[number]),
                weight_decay=self.weight_decay,
                eps=1e-8,
            )
        for parameter in self.parameters:
            parameter.grad = None


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
    patience: int | None = None,
) -> int:
    """Train ``module`` in place with AdamW and a one-cycle learning rate; return the steps taken.

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
        Largest step of the cycle, and decay of the weights.
    rng : Generator
        Draws the batches.
    patience : int, optional
        Hold out a fifth of the targets and stop when their ranking loss has not fallen for so many
        steps; the weights are then those at which it was least. Looked at every fifth step.
        Held-out targets that are all equal rank nothing: then all are learnt, in all steps.

    Raises
    ------
    ParameterError
        If the weights grow beyond all bounds.
    """
    optimiser = OneCycleAdamW(
        list(module.parameters()),
        learning_rate=learning_rate,
        weight_decay=weight_decay,
        steps=steps,
    )
    order = np.arange(len(targets)) if patience is None else rng.permutation(len(targets))
    out = 0 if patience is None else max(2, int(_HELD_OUT * len(targets)))
    if patience is not None and bool((targets[order[:out]] == targets[order[0]]).all()):
        out, patience = 0, None  # ties rank nothing: they cannot tell when to stop
    held_out, rest = torch.as_tensor(order[:out], device=targets.device), order[out:]
    best, best_step, weights = float("inf"), 0, None
    step = 0
    module.train()
    for batch in _batches(len(rest), batch_size, steps, rng):
        picked = torch.as_tensor(rest[batch], device=targets.device)
        value = criterion(module(*(tensor[picked] for tensor in inputs)), targets[picked])
        value.backward()  # type: ignore[no-untyped-call]
        optimiser.step(step)
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
    if not all(bool(torch.isfinite(weight).all()) for weight in module.parameters()):
        raise ParameterError(
            f"weights grew beyond all bounds in {step} steps: take a smaller learning_rate than "
            f"{learning_rate:g} or weight_decay than {weight_decay:g}"
        )
    module.eval()
    return step


def ranking_loss(module: torch.nn.Module, inputs: Sequence[Tensor], targets: Tensor) -> float:
    """Mean hinge over all pairs, without dropout; the module is left training."""
    module.eval()
    with torch.no_grad():
        found = float(hinge(module(*inputs), targets))
    module.train()
    return found


def _batches(
    n: int, size: int, steps: int, rng: np.random.Generator
) -> list[np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """Indices of ``steps`` batches, from fresh permutations."""
    if n <= size:
        return [np.arange(n)] * steps
    rounds = -(-steps * size // n)
    order = np.concatenate([rng.permutation(n) for _ in range(rounds)])
    return [order[k * size : (k + 1) * size] for k in range(steps)]
