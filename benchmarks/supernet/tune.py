"""A few steps of training from inherited weights: how fast a sub-network goes on from there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from torch.nn import functional

from ...data.arguments import InShort, checked
from ...data.devices import resolve_device
from ...data.images import Images
from ...data.spaces import Codes
from ...errors import ParameterError
from ..training import (
    Batches,
    EpochOptions,
    State,
    image_batches,
    momentum_sgd,
    run_training,
    weights_digest,
    with_changes,
)
from .shared import SharedWeights

_WARM = 5  # steps in which the learning rate rises


@checked
def tuned_losses(
    supernet: SharedWeights,
    codes: ArrayLike,
    images: Images,
    options: EpochOptions | None = None,
    *,
    steps: int = 120,
    device: str = "auto",
    seed: int = 0,
    checkpoint: Path | None = None,
    checkpoint_seconds: float = 30.0,
    progress: Callable[[int, int], None] | None = None,
    **changes: Any,
) -> NDArray[np.float64]:
    """Mean training loss of sub-networks over a few steps from inherited weights, shape (n,).

    Inherited weights suit all paths a little and none well. A hundred steps let each sub-network
    show how fast it learns with its own; the sum of training losses is known to rank networks
    sooner than their accuracy does. All see the same batches. Stochastic gradient descent with
    Nesterov momentum 0.9; the learning rate rises over five steps and then falls to nothing. The
    supernet is left as it was.

    Parameters
    ----------
    supernet : Supernet or ModuleSupernet
        Ends on ``device``.
    codes : array_like of int, shape (n, d)
    images : Images
    options : EpochOptions, optional
        By default batches of 32 images and a learning rate of 0.05; epochs have no meaning here.
    steps : int
    device : str
        As for ``nasurge.data.devices.resolve_device``.
    seed : int
    checkpoint, checkpoint_seconds
        As for ``train_supernet``; the state is written after sub-networks.
    progress : callable, optional
        Called with (sub-networks done, n) after every one.
    **changes
        Fields of the options to have other values.

    Returns
    -------
    float array, shape (n,)
        Smaller is better; NaN where it became infinite.

    Raises
    ------
    ArchitectureError
        If a row of ``codes`` is not in the space.
    NasurgeError
        As ``run_training``.

    References
    ----------
    B. Ru, C. Lyle, L. Schut, M. Fil, M. van der Wilk, Y. Gal. Speedy performance estimation for
    neural architecture search. NeurIPS 2021.

    Examples
    --------
    >>> from nasurge.benchmarks.supernet import Supernet
    >>> from nasurge.data.images import load_images
    >>> from nasurge.data.spaces import make_space
    >>> images, space = load_images("digits", limit=100), make_space("nb201")
    >>> supernet = Supernet(space, classes=10, in_channels=1, width=2, cells=1, seed=0)
    >>> tuned_losses(supernet, space.sample(3, seed=0), images, steps=2, device="cpu").shape
    (3,)
    """
    rows = supernet.space.check(codes)
    if steps < 1:
        raise ParameterError(f"steps must be at least 1, not {steps}")
    options = options or EpochOptions(batch_size=32, learning_rate=0.05)
    options = with_changes(options, changes, "tuning")
    device = resolve_device(device)

    def make(size: int) -> Tuning:
        batches = image_batches(supernet, images, options, size, seed=seed, device=device)
        return Tuning(supernet, rows, batches, options, steps, seed)

    tuning = run_training(
        make,
        identity={
            "training": "tuning",
            "options": {**options.to_dict(), "steps": steps, "seed": seed},
            "codes": rows.tolist(),
            "images": images.digest,
            "weights": weights_digest(supernet.state_dict()),
        },
        batch_size=options.batch_size,
        device=device,
        checkpoint=checkpoint,
        checkpoint_seconds=checkpoint_seconds,
        progress=lambda tuning: progress and progress(len(tuning.losses), len(rows)),
    )
    losses = np.array(tuning.losses, dtype=np.float64)
    return np.where(np.isfinite(losses), losses, np.nan)


@dataclass(eq=False, repr=False)
class Tuning(InShort):
    """Training of sub-networks, one after the other, from the same weights."""

    supernet: SharedWeights
    codes: Codes
    batches: Batches
    options: EpochOptions
    steps: int
    seed: int
    losses: list[float] = field(default_factory=list)
    diverged: bool = False  # one that diverges has a loss of NaN, and the next one begins

    @property
    def over(self) -> bool:
        """Whether no sub-network is left."""
        return len(self.losses) == len(self.codes)

    def step(self) -> None:
        """Train one sub-network, on the same batches as the others."""
        self.batches.generator.manual_seed(self.seed)
        network = self.supernet.extract(self.codes[len(self.losses)])
        network.to(memory_format=self.batches.layout).train()  # type: ignore[call-overload]
        optimiser = momentum_sgd(network.parameters(), self.options)
        total = torch.zeros((), device=self.batches.y.device)
        taken = 0
        while taken < self.steps:
            for x, y in self.batches.epoch():
                rising, falling = min(1.0, (taken + 1) / _WARM), 1 - taken / self.steps
                optimiser.param_groups[0]["lr"] = self.options.learning_rate * rising * falling
                loss = functional.cross_entropy(network(x), y)
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
                total += loss.detach()
                taken += 1
                if taken == self.steps:
                    break
        self.losses.append(float(total) / self.steps)

    def state(self) -> State:
        """Losses of the sub-networks so far."""
        return {}, {"batch_size": self.batches.batch_size, "losses": self.losses}

    def load(self, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:  # noqa: ARG002
        """Go to where ``state`` was taken."""
        self.losses = list(about["losses"])
