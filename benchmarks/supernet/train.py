"""Training of supernets: one loop for all rules, with checkpoints and several processes."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ...data.devices import resolve_device
from ...data.images import Images
from ...data.seeds import Seed, as_generator
from ...data.spaces import Codes
from ...errors import MissingExtraError, ParameterError, UnknownNameError
from ..training import (
    Batches,
    Progress,
    below,
    halving,
    load_optimiser_state,
    on_device,
    optimiser_state,
    own_checkpoint,
    write_checkpoint,
)
from .network import Supernet, operations_of
from .rules import RULES, Allowed

PRECISIONS = ("float32", "bfloat16")


@dataclass(frozen=True)
class SupernetHistory:
    """How a training of a supernet went.

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


def train_supernet(
    supernet: Supernet,
    images: Images,
    *,
    rule: str = "spos",
    allowed: Allowed | None = None,
    epochs: int = 20,
    batch_size: int = 64,
    learning_rate: float = 0.1,
    weight_decay: float = 5e-4,
    clip: float = 5.0,
    distil: bool = True,
    flip: bool | None = None,
    shift: int | None = None,
    precision: str = "float32",
    channels_last: bool = False,
    compile: bool = False,  # noqa: A002 - as recipes call it
    device: str = "auto",
    seed: Seed = None,
    checkpoint: Path | None = None,
    checkpoint_seconds: float = 30.0,
    distributed: bool = False,
    progress: Progress | None = None,
) -> SupernetHistory:
    """Train the shared weights in place and return how it went.

    Stochastic gradient descent with Nesterov momentum 0.9 and a cosine learning rate. A step
    computes the rule's paths, sums their gradients and changes the weights they used. A device
    that is out of memory is given the training again from its start with half the batch size, as
    often as it takes; not if it is ``distributed``.

    Parameters
    ----------
    supernet : Supernet
        Ends on ``device``.
    images : Images
    rule : {"spos", "fairnas", "sandwich"}
        One path drawn uniformly; all operations of every edge once; the largest, the smallest and
        two others.
    allowed : bool array, shape (d, k), optional
        The values that each variable may take; by default all.
    epochs, batch_size : int
    learning_rate, weight_decay : float
    clip : float
        The norm to which longer gradients are cut; 0 cuts none.
    distil : bool
        With ``sandwich``, teach the other paths what the largest says instead of the labels.
    flip, shift
        As for ``train_network``.
    precision : {"float32", "bfloat16"}
        ``bfloat16`` computes the layers that bear it in mixed precision.
    channels_last : bool
        Keep images and weights in channels-last memory order.
    compile : bool
        Compile every operation with ``torch.compile``: pays for long trainings only.
    device : str
        As for ``nasurge.data.devices.resolve_device``.
    seed : int, Generator or None
        Chooses paths, batches and augmentation; on one CPU with the same number of threads the
        same seed gives the same weights. Global random state is neither read nor written.
    checkpoint : Path, optional
        File in which the state of the training is kept. A training that was killed goes on from
        it and ends as if it had not been; it must be given the same arguments.
    checkpoint_seconds : float
        The state is written after an epoch when so long has passed, and at the end.
    distributed : bool
        Share every batch among the processes that ``torchrun`` started, through Hugging Face's
        ``accelerate`` (``pip install nasurge[distributed]``). All are given the same seed.
    progress : callable, optional
        Called with (epochs done, ``epochs``) after every epoch.

    Raises
    ------
    ParameterError
        If a number is outside its range, or the checkpoint is of another training.
    UnknownNameError
        If there is no such rule.
    DeviceError
        If ``device`` is not there, or has no memory for a batch of two images.
    DataFileError, StorageError
        If the checkpoint is damaged, or cannot be written.
    MissingExtraError
        If ``distributed`` and ``accelerate`` is not installed.

    Examples
    --------
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
    if rule not in RULES:
        raise UnknownNameError("rule", rule, RULES)
    least = {"epochs": (epochs, 1), "batch_size": (batch_size, 2), "clip": (clip, 0)}
    for name, (value, lowest) in least.items():
        if value < lowest:
            raise ParameterError(f"{name} must be at least {lowest}, not {value}")
    if learning_rate <= 0 or weight_decay < 0 or precision not in PRECISIONS:
        raise ParameterError(
            "learning_rate must be above 0, weight_decay at least 0 and precision one of "
            f"{', '.join(PRECISIONS)}, not {learning_rate}, {weight_decay} and {precision!r}"
        )
    if distributed and seed is None:
        raise ParameterError("a distributed training needs a seed: its processes draw alike")
    shares = _accelerator(device) if distributed else None
    where = _place(shares) if shares else resolve_device(device)
    rng = as_generator(seed)
    drawn, root = (int(number) for number in rng.integers(2**63, size=2))
    about = {
        "rule": rule,
        "allowed": None if allowed is None else allowed.tolist(),
        "epochs": epochs,
        "batch_size": batch_size,
        "rates": [learning_rate, weight_decay, clip],
        "root": root,
        "images": [images.name, len(images.train_y)],
        "network": {"space": supernet.space.name, **supernet.sizes},
    }
    found = own_checkpoint(checkpoint, about) if checkpoint else None
    begin = found[1].get("batch_size", batch_size) if found else batch_size
    first = {name: tensor.clone() for name, tensor in supernet.state_dict().items()}
    if compile:
        for operation in operations_of(supernet):
            operation.compile()

    def attempt(size: int) -> SupernetHistory:
        training = _Training(
            supernet,
            image_batches(supernet, images, size, flip, shift, where, drawn, channels_last),
            rule=rule,
            allowed=allowed,
            root=root,
            distil=distil and rule == "sandwich",
            clip=clip,
            precision=precision,
            accelerator=shares,
        )
        training.optimise(learning_rate, weight_decay, epochs)
        if found and size == begin:
            training.load(*found)
        else:
            supernet.load_state_dict(first)
        return training.run(epochs, about, checkpoint, checkpoint_seconds, progress)

    # Processes that share a batch would each halve it when their own memory is short.
    return attempt(begin) if shares else halving(attempt, begin, device=where)


def _accelerator(device: str) -> Any:
    """Return the processes that torchrun started, as accelerate sees them."""
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
    """Return the device of this process, as ``resolve_device`` names it."""
    device = accelerator.device
    return "cpu" if device.type == "cpu" else str(device)


def image_batches(
    supernet: Supernet,
    images: Images,
    batch_size: int,
    flip: bool | None,
    shift: int | None,
    device: str,
    drawn: int,
    channels_last: bool = False,
) -> Batches:
    """Put supernet and training images on the device, and return augmented batches of them.

    ``drawn`` is what their random numbers begin from.
    """
    channels, height, _ = images.train_x.shape[1:]
    device = resolve_device(device)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    supernet.to(device=device).to(memory_format=layout)  # type: ignore[call-overload]
    train = on_device(images.train_x, images.train_y, device, layout)
    mirrored = channels > 1 if flip is None else flip
    moved = height // 8 if shift is None else shift
    return Batches(*train, batch_size, mirrored, moved, layout, drawn)


class _Training:
    """One training at some epoch: weights, batches, optimiser and what was measured so far."""

    def __init__(
        self,
        supernet: Supernet,
        batches: Batches,
        *,
        rule: str,
        allowed: Allowed | None,
        root: int,
        distil: bool,
        clip: float,
        precision: str,
        accelerator: Any = None,
    ) -> None:
        self.supernet, self.batches = supernet, batches
        self.accelerator = accelerator
        self.network = accelerator.prepare_model(supernet) if accelerator else supernet
        self.rule, self.allowed, self.root = rule, allowed, root
        self.distil, self.clip, self.precision = distil, clip, precision
        self.device = str(batches.y.device)
        self.losses: list[float] = []
        self.seconds, self.diverged = 0.0, False

    def optimise(self, learning_rate: float, weight_decay: float, epochs: int) -> None:
        """Make the optimiser and its schedule."""
        self.optimiser = torch.optim.SGD(
            self.supernet.parameters(),
            learning_rate,
            momentum=0.9,
            weight_decay=weight_decay,
            nesterov=True,
        )
        self.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(
            self.optimiser, epochs * self.batches.steps
        )

    def done(self, epochs: int) -> bool:
        """Whether no epoch is left."""
        return self.diverged or len(self.losses) >= epochs

    def epoch(self) -> None:
        """Train one epoch; its paths follow from the seed and its number alone."""
        start = time.perf_counter()
        self.supernet.train()
        rng = np.random.default_rng((self.root, len(self.losses)))
        codes = RULES[self.rule](self.supernet.space, self.batches.steps, rng, self.allowed)
        total = torch.zeros((), device=self.device)
        for paths, (x, y) in zip(codes, self.batches.epoch(), strict=True):
            if self.accelerator:
                own = slice(self.accelerator.process_index, None, self.accelerator.num_processes)
                x, y = x[own], y[own]
            self.optimiser.zero_grad()
            for loss in self._losses(paths, x, y):
                if self.accelerator:
                    self.accelerator.backward(loss)
                else:
                    loss.backward()  # type: ignore[no-untyped-call]
                total += loss.detach()
            if self.clip:
                nn.utils.clip_grad_norm_(self.supernet.parameters(), self.clip)
            self.optimiser.step()
            self.schedule.step()
        if self.accelerator:
            total = self.accelerator.reduce(total, "mean")
        mean = float(total) / codes.shape[0] / codes.shape[1]  # the one wait per epoch
        self.diverged = not np.isfinite(mean)
        self.losses.append(mean)
        self.seconds += time.perf_counter() - start

    def _losses(self, paths: Codes, x: Tensor, y: Tensor) -> Iterator[Tensor]:
        """Yield the loss of every path of a step, each computed when the last is done with."""
        teacher: Tensor | None = None
        kind = self.device.partition(":")[0]
        for code in paths:
            mixed = self.precision == "bfloat16"
            with torch.autocast(kind, torch.bfloat16, enabled=mixed):
                logits = self.network(x, code)
                yield functional.cross_entropy(logits, y if teacher is None else teacher)
            if self.distil and teacher is None:
                teacher = logits.detach().float().softmax(dim=1)

    def run(
        self,
        epochs: int,
        about: dict[str, Any],
        checkpoint: Path | None,
        checkpoint_seconds: float,
        progress: Progress | None,
    ) -> SupernetHistory:
        """Train the epochs that are left."""
        kept = time.perf_counter()
        while not self.done(epochs):
            self.epoch()
            late = time.perf_counter() - kept >= checkpoint_seconds or self.done(epochs)
            first = self.accelerator is None or self.accelerator.is_main_process
            if checkpoint and late and first and not self.diverged:
                self.keep(checkpoint, about)
                kept = time.perf_counter()
            if progress:
                progress(len(self.losses), epochs)
        return self.history()

    def keep(self, path: Path, about: dict[str, Any]) -> None:
        """Write all that the epochs left depend on."""
        tensors, rest = optimiser_state(self.optimiser)
        kept = {
            "generator": self.batches.generator.get_state(),
            **{f"network.{name}": value for name, value in self.supernet.state_dict().items()},
            **{f"optimiser.{name}": value for name, value in tensors.items()},
        }
        state = {
            "about": about,
            "batch_size": self.batches.batch_size,
            "losses": self.losses,
            "seconds": self.seconds,
            "optimiser": rest,
            "schedule": self.schedule.state_dict(),
        }
        write_checkpoint(path, kept, state)

    def load(self, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        """Go to where a checkpoint was written."""
        self.batches.generator.set_state(tensors["generator"])
        self.supernet.load_state_dict(below(tensors, "network."))
        load_optimiser_state(self.optimiser, below(tensors, "optimiser."), state["optimiser"])
        self.schedule.load_state_dict(state["schedule"])
        self.losses, self.seconds = list(state["losses"]), state["seconds"]

    def history(self) -> SupernetHistory:
        """Return what was measured."""
        return SupernetHistory(
            losses=tuple(self.losses),
            seconds=self.seconds,
            steps=len(self.losses) * self.batches.steps,
            device=self.device,
            diverged=self.diverged,
            batch_size=self.batches.batch_size,
        )
