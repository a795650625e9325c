"""Training of supernets, by all rules, with checkpoints and in several processes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ...data.arguments import InShort, checked
from ...data.devices import resolve_device
from ...data.images import Images
from ...data.seeds import Seed, as_generator
from ...errors import MissingExtraError, ParameterError
from ..training import (
    EpochTraining,
    Progress,
    epochs_shown,
    run_training,
    with_changes,
)
from .options import SupernetOptions
from .rules import DRAWS, Allowed
from .shared import SharedWeights


@dataclass(frozen=True, repr=False)
class SupernetHistory(InShort):
    """Losses and costs of a training of a supernet.

    Attributes
    ----------
    losses : tuple of float
        Mean loss of the sampled paths, one per epoch.
    seconds : float
        Wall-clock time of the steps.
    steps : int
        Optimiser steps.
    device : str
    diverged : bool
        Whether the loss became infinite or NaN, which ends the training: the weights are lost, a
        checkpoint is that of the epoch before.
    batch_size : int
        As asked for, or what was left of it after halving it whenever the device was out of memory.
    """

    losses: tuple[float, ...]
    seconds: float
    steps: int
    device: str
    diverged: bool
    batch_size: int


@checked
def train_supernet(
    supernet: SharedWeights,
    images: Images,
    options: SupernetOptions | None = None,
    *,
    allowed: Allowed | None = None,
    distil: bool = True,
    device: str = "auto",
    seed: Seed = None,
    checkpoint: Path | None = None,
    checkpoint_seconds: float = 30.0,
    distributed: bool = False,
    progress: Progress | None = None,
    **changes: Any,
) -> SupernetHistory:
    """Losses and costs of training the shared weights of a supernet in place.

    Stochastic gradient descent with Nesterov momentum 0.9 and a cosine learning rate. A step
    computes the rule's paths, sums their gradients and changes the weights they used. A device
    that is out of memory is given the training again from its start with half the batch size, as
    often as it takes; not if it is ``distributed``.

    Parameters
    ----------
    supernet : Supernet or ModuleSupernet
        Ends on ``device``.
    images : Images
    options : SupernetOptions, optional
        How it is trained.
    allowed : bool array, shape (d, k), optional
        The values that each variable may take; by default all.
    distil : bool
        With the rule ``sandwich``, the other paths learn the answers of the largest instead of the
        labels.
    device : str
        As for ``nasurge.data.devices.resolve_device``.
    seed : int, Generator or None
        Chooses paths, batches and augmentation; on one CPU with the same number of threads the
        same seed gives the same weights. Global random state is neither read nor written.
    checkpoint, checkpoint_seconds
        As for ``run_training``: a training that was killed goes on where it was.
    distributed : bool
        Share every batch among the processes that ``torchrun`` started, through Hugging Face's
        ``accelerate`` (``pip install nasurge[distributed]``). All are given the same seed.
    progress : callable, optional
        Called with (epochs done, ``epochs``) after every epoch.
    **changes
        Fields of the options to have other values, such as ``epochs=2``.

    Raises
    ------
    ParameterError
        If a number is outside its range, or the network does not take the images.
    UnknownNameError
        If there is no such rule.
    MissingExtraError
        If ``distributed`` and ``accelerate`` is not installed.
    NasurgeError
        As ``run_training``.

    Examples
    --------
    >>> from nasurge.benchmarks.supernet import Supernet
    >>> from nasurge.data.images import load_images
    >>> from nasurge.data.spaces import make_space
    >>> images, space = load_images("digits", limit=200), make_space("nb201")
    >>> supernet = Supernet(space, classes=10, in_channels=1, width=4, cells=1, seed=0)
    >>> history = train_supernet(supernet, images, epochs=2, seed=0, device="cpu")
    >>> history.steps, history.diverged
    (8, False)
    >>> supernet.evaluate(space.sample(3, seed=0), images).accuracy.shape
    (3,)
    """
    options = with_changes(options or SupernetOptions(), changes, "training of a supernet")
    if distributed and seed is None:
        raise ParameterError("a distributed training needs a seed: its processes draw alike")
    supernet.check_images(images)
    shares = _accelerator(device) if distributed else None
    device = _place(shares) if shares else resolve_device(device)
    drawn, root = (int(number) for number in as_generator(seed).integers(2**63, size=2))
    identity: dict[str, Any] = {
        "rule": options.rule,
        "allowed": None if allowed is None else allowed.tolist(),
        "epochs": options.epochs,
        "batch_size": options.batch_size,
        "rates": [options.learning_rate, options.weight_decay, options.clip],
        "root": root,
        "images": [images.name, len(images.train_y)],
        "network": {"space": supernet.space.name, **supernet.sizes},
    }
    names = ("flip", "shift", "precision", "channels_last")
    identity["options"] = {"distil": distil, **{name: getattr(options, name) for name in names}}
    first = {name: tensor.clone() for name, tensor in supernet.state_dict().items()}
    if options.compile:
        for operation in supernet.operations():
            operation.compile()

    def make(size: int) -> SupernetTraining:
        supernet.load_state_dict(first)
        return SupernetTraining(
            supernet,
            images,
            options,
            size,
            allowed=allowed,
            distil=distil,
            root=root,
            accelerator=shares,
            seed=drawn,
            device=device,
        )

    training = run_training(
        make,
        identity=identity,
        batch_size=options.batch_size,
        device=device,
        checkpoint=checkpoint,
        checkpoint_seconds=checkpoint_seconds,
        progress=epochs_shown(progress),
        rank=shares and shares.process_index,
    )
    return history_of(training)


def history_of(training: EpochTraining) -> SupernetHistory:
    """Losses and costs of a training that has ended."""
    return SupernetHistory(
        losses=tuple(training.losses),
        seconds=training.seconds,
        steps=training.steps,
        device=training.device,
        diverged=training.diverged,
        batch_size=training.batches.batch_size,
    )


def _accelerator(device: str) -> Any:
    """Processes that torchrun started, as accelerate sees them."""
    try:
        from accelerate import Accelerator, DistributedDataParallelKwargs
    except ImportError as error:
        raise MissingExtraError(
            "training on several devices needs accelerate: pip install nasurge[distributed]"
        ) from error
    # A step uses some of the weights only, the same ones in every process.
    handler = DistributedDataParallelKwargs(find_unused_parameters=True)
    return Accelerator(cpu=device == "cpu", kwargs_handlers=[handler])


def _place(accelerator: Any) -> str:
    """Device of this process, as ``resolve_device`` names it."""
    device = accelerator.device
    return "cpu" if device.type == "cpu" else str(device)


class SupernetTraining(EpochTraining):
    """Training of the paths of a supernet, drawn by a rule, at some epoch."""

    def __init__(
        self,
        supernet: SharedWeights,
        images: Images,
        options: SupernetOptions,
        batch_size: int,
        *,
        allowed: Allowed | None,
        distil: bool,
        root: int,
        accelerator: Any,
        **place: Any,
    ) -> None:
        super().__init__(supernet, images, options, batch_size, clip=options.clip, **place)
        self.space, self.options, self.allowed, self.root = supernet.space, options, allowed, root
        self.distil = distil and options.rule == "sandwich"
        self.accelerator = accelerator
        self.computed = accelerator.prepare_model(supernet) if accelerator else supernet

    def begin_epoch(self) -> None:
        """Draw the paths of an epoch: they follow from the seed and its number alone."""
        rng = np.random.default_rng((self.root, len(self.losses)))
        codes = DRAWS[self.options.rule](self.space, self.batches.steps, rng, self.allowed)
        self.losses_per_batch, self.paths = codes.shape[1], iter(codes)

    def batch_losses(self, x: Tensor, y: Tensor) -> Iterator[Tensor]:
        """Loss of every path of a step."""
        if self.accelerator:
            part = slice(self.accelerator.process_index, None, self.accelerator.num_processes)
            x, y = x[part], y[part]
        kind, mixed = self.device.partition(":")[0], self.options.precision == "bfloat16"
        teacher: Tensor | None = None
        for code in next(self.paths):
            with torch.autocast(kind, torch.bfloat16, enabled=mixed):
                logits = self.computed(x, code)
                yield functional.cross_entropy(logits, y if teacher is None else teacher)
            if self.distil and teacher is None:
                teacher = logits.detach().float().softmax(dim=1)

    def backward(self, loss: Tensor) -> None:
        """Add the gradients of a loss to those of the weights, in every process alike."""
        if self.accelerator:
            self.accelerator.backward(loss)
        else:
            super().backward(loss)

    def total_of(self, total: Tensor) -> Tensor:
        """Mean over the processes of their sums of losses."""
        if self.accelerator:
            total = self.accelerator.reduce(total, "mean")
        return total
