"""Epochs of gradient steps on augmented images: what all trainings of networks have in common."""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from ...data.images import Images
from .loop import State, load_optimiser_state, optimiser_state, with_prefix, without_prefix
from .recipe import EpochOptions

Progress = Callable[[int, int], None]
"""Called with the epochs done and all of them."""

Optimiser = tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]
"""An optimiser, and the schedule of its learning rate."""


class EpochTraining(ABC):
    """Training of a network in epochs of gradient steps, one a batch, at some epoch.

    Its optimiser is stochastic gradient descent with momentum 0.9 and a cosine learning rate.

    Parameters
    ----------
    network : torch.nn.Module
        Whose weights are learnt. Ends on the device.
    images : Images
    options : EpochOptions
    batch_size : int
        Instead of that of the options, where memory is short.
    seed : int
        Of the batches.
    device : str
    clip : float
        The norm to which longer gradients are cut; 0 cuts none.

    Attributes
    ----------
    losses : list of float
        Mean loss of every epoch so far.
    seconds : float
        Wall-clock time of the steps.
    diverged : bool
    """

    nesterov = True
    losses_per_batch = 1

    def __init__(
        self,
        network: nn.Module,
        images: Images,
        options: EpochOptions,
        batch_size: int,
        *,
        seed: int,
        device: str,
        clip: float = 0.0,
    ) -> None:
        self.network, self.device, self.epochs, self.clip = network, device, options.epochs, clip
        self.batches = image_batches(network, images, options, batch_size, seed=seed, device=device)
        self.weights = list(network.parameters())
        self.optimiser, self.schedule = self.make_optimiser(options)
        self.losses: list[float] = []
        self.seconds, self.diverged = 0.0, False

    def make_optimiser(self, options: EpochOptions) -> Optimiser:
        """Optimiser of the weights, and the schedule of its learning rate."""
        optimiser = momentum_sgd(self.weights, options, nesterov=self.nesterov)
        return optimiser, cosine_schedule(optimiser, options.epochs * self.batches.steps)

    @abstractmethod
    def batch_losses(self, x: Tensor, y: Tensor) -> Iterable[Tensor]:
        """Losses of a step, each differentiated before the next one is computed."""

    def begin_epoch(self) -> None:  # noqa: B027 -- most trainings draw nothing more
        """Draw what an epoch needs beside its batches."""

    def backward(self, loss: Tensor) -> None:
        """Add the gradients of a loss to those of the weights."""
        loss.backward()  # type: ignore[no-untyped-call]

    def total_of(self, total: Tensor) -> Tensor:
        """Sum of the losses of an epoch over all processes."""
        return total

    @property
    def over(self) -> bool:
        """Whether no epoch is left."""
        return self.diverged or len(self.losses) >= self.epochs

    @property
    def steps(self) -> int:
        """Steps taken."""
        return len(self.losses) * self.batches.steps

    def step(self) -> None:
        """Train one epoch."""
        start = time.perf_counter()
        self.network.train()
        self.begin_epoch()
        total = torch.zeros((), device=self.device)
        for x, y in self.batches.epoch():
            self.optimiser.zero_grad()
            for loss in self.batch_losses(x, y):
                if loss.requires_grad:  # not that of a path without weights
                    self.backward(loss)
                total += loss.detach()
            if self.clip:
                nn.utils.clip_grad_norm_(self.weights, self.clip)
            self.optimiser.step()
            self.schedule.step()
        # The one wait for the device in an epoch.
        mean = float(self.total_of(total)) / self.batches.steps / self.losses_per_batch
        self.diverged = not math.isfinite(mean)
        self.losses.append(mean)
        self.seconds += time.perf_counter() - start

    def state(self) -> State:
        """All that the epochs left depend on."""
        moments, rest = optimiser_state(self.optimiser)
        return {
            "generator": self.batches.generator.get_state(),
            **with_prefix("network.", self.network.state_dict()),
            **with_prefix("optimiser.", moments),
        }, {
            "batch_size": self.batches.batch_size,
            "losses": self.losses,
            "seconds": self.seconds,
            "optimiser": rest,
            "schedule": self.schedule.state_dict(),
        }

    def load(self, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
        """Go to where ``state`` was taken."""
        self.batches.generator.set_state(tensors["generator"])
        self.network.load_state_dict(without_prefix("network.", tensors))
        moments = without_prefix("optimiser.", tensors)
        load_optimiser_state(self.optimiser, moments, about["optimiser"])
        self.schedule.load_state_dict(about["schedule"])
        self.losses, self.seconds = list(about["losses"]), about["seconds"]


def epochs_shown(progress: Progress | None) -> Callable[[EpochTraining], None] | None:
    """Progress of ``run_training`` that tells the epochs done, and all of them."""
    if progress is None:
        return None
    return lambda training: progress(len(training.losses), training.epochs)


def momentum_sgd(
    weights: Iterable[nn.Parameter], options: EpochOptions, *, nesterov: bool = True
) -> torch.optim.SGD:
    """Stochastic gradient descent with momentum 0.9."""
    rate, decay = options.learning_rate, options.weight_decay
    return torch.optim.SGD(weights, rate, momentum=0.9, weight_decay=decay, nesterov=nesterov)


def cosine_schedule(
    optimiser: torch.optim.Optimizer, steps: int
) -> torch.optim.lr_scheduler.LRScheduler:
    """Learning rate that falls to nothing along half a cosine."""
    return torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)


def on_device(
    x: NDArray[Any], y: NDArray[Any], device: str, layout: torch.memory_format
) -> tuple[Tensor, Tensor]:
    """Copies of images and labels on the device."""
    placed = torch.tensor(x, device=device).contiguous(memory_format=layout)
    return placed, torch.tensor(y, device=device)


def image_batches(
    network: nn.Module,
    images: Images,
    options: EpochOptions,
    batch_size: int,
    *,
    seed: int,
    device: str,
) -> Batches:
    """Augmented batches of the training images on a device, where the network is put too.

    Parameters
    ----------
    network, images, options, batch_size, seed, device
        As of ``EpochTraining``.
    """
    channels, height, _ = images.train_x.shape[1:]
    layout = torch.channels_last if options.channels_last else torch.contiguous_format
    network.to(device=device).to(memory_format=layout)  # type: ignore[call-overload]
    train = on_device(images.train_x, images.train_y, device, layout)
    mirrored = channels > 1 if options.flip is None else options.flip
    moved = height // 8 if options.shift is None else options.shift
    return Batches(*train, batch_size, mirrored, moved, layout, seed)


class Batches:
    """Augmented batches of images that stay on their device; random numbers come from the CPU."""

    def __init__(
        self,
        x: Tensor,
        y: Tensor,
        batch_size: int,
        flip: bool,
        shift: int,
        layout: torch.memory_format,
        seed: int,
    ) -> None:
        self.x, self.y = functional.pad(x, (shift,) * 4), y
        self.height, self.width = x.shape[2:]
        self.flip, self.shift, self.layout = flip, shift, layout
        self.batch_size, self.steps = batch_size, -(-len(y) // batch_size)
        self.generator = torch.Generator().manual_seed(seed)

    def epoch(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Every image once, mirrored and shifted, with its label, in batches of equal size."""
        n, device = len(self.y), self.y.device
        order = torch.randperm(n, generator=self.generator).to(device)
        corner = torch.randint(2 * self.shift + 1, (2, n, 1), generator=self.generator)
        mirrored = torch.rand((n, 1), generator=self.generator) < 0.5 * self.flip
        across = torch.arange(self.width)
        rows = (corner[0] + torch.arange(self.height)).to(device)
        columns = torch.where(mirrored, across.flip(0), across)
        columns = (corner[1] + columns).to(device)
        for batch in order.tensor_split(self.steps):
            # Indexing puts the channels last: (n, height, width, channels).
            x = self.x[batch[:, None, None], :, rows[batch, :, None], columns[batch, None, :]]
            yield x.permute(0, 3, 1, 2).contiguous(memory_format=self.layout), self.y[batch]
