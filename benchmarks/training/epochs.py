"""One training, epoch by epoch: its data, optimiser and schedule, and a state that can be kept."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from ...data.images import Images
from .checkpoints import load_optimiser_state, optimiser_state, write_checkpoint
from .distillation import taught
from .recipe import Recipe

Progress = Callable[[int, int], None]

EVALUATION_BATCH = 1024


@dataclass(frozen=True)
class TrainResult:
    """What one training came to.

    Attributes
    ----------
    valid_accuracy, test_accuracy : float
        Of the network after its last epoch, in percent.
    valid_loss, test_loss : float
        Mean cross-entropy then; infinite or NaN when the training diverged.
    train_seconds : float
        Wall-clock time of the training steps; evaluations are not in it.
    epochs : int
        Epochs trained; fewer than asked for when the training diverged.
    device : str
        Where it ran.
    curve : tuple of float
        Validation accuracy after every epoch, in percent.
    losses : tuple of float
        Mean loss of the training steps of every epoch: what the networks said of images before
        they learnt from them, label smoothing included.
    diverged : bool
        Whether the loss became infinite or NaN, which ends the training.
    batch_size : int
        The recipe's, or what was left of it after halving it whenever the device was out of memory.
    """

    valid_accuracy: float
    test_accuracy: float
    valid_loss: float
    test_loss: float
    train_seconds: float
    epochs: int
    device: str
    curve: tuple[float, ...]
    losses: tuple[float, ...]
    diverged: bool
    batch_size: int


class Training:
    """One training at some epoch: its network, data, optimiser and what was measured so far."""

    def __init__(
        self,
        network: nn.Module,
        images: Images,
        recipe: Recipe,
        batch_size: int,
        device: str,
        drawn: int,
        teacher: nn.Module | None = None,
    ) -> None:
        self.teacher = teacher
        channels, height, _ = images.train_x.shape[1:]
        layout = torch.channels_last if recipe.channels_last else torch.contiguous_format
        self.network, self.recipe, self.device = network, recipe, device
        self.batch_size = batch_size
        # Evaluation remembers nothing for gradients: as a rule it fits where training does.
        self.evaluation_batch = max(1, EVALUATION_BATCH * batch_size // recipe.batch_size)
        self.compiled = torch.compile(network) if recipe.compile else network
        train = on_device(images.train_x, images.train_y, device, layout)
        self.valid = on_device(images.valid_x, images.valid_y, device, layout)
        self.test = on_device(images.test_x, images.test_y, device, layout)
        self.batches = Batches(
            *train,
            batch_size,
            channels > 1 if recipe.flip is None else recipe.flip,
            height // 8 if recipe.shift is None else recipe.shift,
            layout,
            drawn,
        )
        self.optimiser = _optimiser(network, recipe)
        self.schedule = _schedule(self.optimiser, recipe, recipe.epochs * self.batches.steps)
        self.curve: list[float] = []
        self.losses: list[float] = []
        self.seconds = 0.0
        self.valid_loss = float("nan")
        self.diverged = False

    def run(
        self,
        about: dict[str, Any],
        checkpoint: Path | None,
        checkpoint_seconds: float,
        progress: Progress | None,
    ) -> TrainResult:
        """Train the epochs that are left."""
        start = kept = time.perf_counter()
        while not self.done:
            self.epoch()
            since = start if self.done else kept
            if checkpoint and time.perf_counter() - since >= checkpoint_seconds:
                tensors, state = self.state()
                write_checkpoint(checkpoint, tensors, {**about, **state})
                kept = time.perf_counter()
            if progress:
                progress(len(self.curve), self.recipe.epochs)
        test_accuracy, test_loss = self.evaluate(*self.test)
        return TrainResult(
            valid_accuracy=self.curve[-1],
            test_accuracy=test_accuracy,
            valid_loss=self.valid_loss,
            test_loss=test_loss,
            train_seconds=self.seconds,
            epochs=len(self.curve),
            device=self.device,
            curve=tuple(self.curve),
            losses=tuple(self.losses),
            diverged=self.diverged,
            batch_size=self.batch_size,
        )

    @property
    def done(self) -> bool:
        """Whether no epoch is left."""
        return self.diverged or len(self.curve) == self.recipe.epochs

    def epoch(self) -> None:
        """Train one epoch and measure."""
        start = time.perf_counter()
        self.network.train()
        total = torch.zeros((), device=self.device)
        smoothing = self.recipe.label_smoothing
        for x, y in self.batches.epoch():
            with self.mixed():
                logits = self.compiled(x)
                if self.teacher is None:
                    loss = functional.cross_entropy(logits, y, label_smoothing=smoothing)
                else:
                    with torch.no_grad():
                        wanted = self.teacher(x)
                    loss = taught(logits, wanted, y, smoothing=smoothing)
            self.optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimiser.step()
            self.schedule.step()
            total += loss.detach()
        mean = float(total) / self.batches.steps  # the one wait for the device per epoch
        self.diverged = not math.isfinite(mean)
        self.seconds += time.perf_counter() - start
        accuracy, self.valid_loss = self.evaluate(*self.valid)
        self.curve.append(accuracy)
        self.losses.append(mean)

    def mixed(self) -> AbstractContextManager[Any]:
        """Compute in mixed precision inside the block, if the recipe says so."""
        mixed = self.recipe.precision == "bfloat16"
        return torch.autocast(self.device.split(":")[0], torch.bfloat16, enabled=mixed)

    @torch.no_grad()
    def evaluate(self, x: Tensor, y: Tensor) -> tuple[float, float]:
        """Return the percentage of images whose largest logit is the right one's, and the loss."""
        self.network.eval()
        right, loss = 0, 0.0
        for start in range(0, len(y), self.evaluation_batch):
            part = slice(start, start + self.evaluation_batch)
            with self.mixed():
                logits = self.network(x[part])
            right += int((logits.argmax(dim=1) == y[part]).sum())
            loss += float(functional.cross_entropy(logits.float(), y[part], reduction="sum"))
        return 100 * right / len(y), loss / len(y)

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return all that the epochs left depend on: tensors, and JSON values."""
        tensors, rest = optimiser_state(self.optimiser)
        return {
            "generator": self.batches.generator.get_state(),
            **{f"network.{name}": tensor for name, tensor in self.network.state_dict().items()},
            **{f"optimiser.{name}": tensor for name, tensor in tensors.items()},
        }, {
            "batch_size": self.batch_size,
            "curve": self.curve,
            "losses": self.losses,
            "seconds": self.seconds,
            "valid_loss": self.valid_loss,
            "diverged": self.diverged,
            "optimiser": rest,
            "schedule": self.schedule.state_dict(),
        }

    def load(self, tensors: dict[str, Tensor], about: dict[str, Any]) -> None:
        """Go to where ``state`` was taken."""

        def below(prefix: str) -> dict[str, Tensor]:
            return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}

        self.batches.generator.set_state(tensors["generator"])
        self.network.load_state_dict(below("network."))
        load_optimiser_state(self.optimiser, below("optimiser."), about["optimiser"])
        self.schedule.load_state_dict(about["schedule"])
        self.curve, self.seconds = list(about["curve"]), about["seconds"]
        # Not in checkpoints that were written before they were kept.
        self.losses = list(about.get("losses", [math.nan] * len(self.curve)))
        self.valid_loss, self.diverged = about["valid_loss"], about["diverged"]


def _optimiser(network: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    rate, decay = recipe.learning_rate, recipe.weight_decay
    if recipe.optimiser == "adamw":
        return torch.optim.AdamW(network.parameters(), rate, weight_decay=decay)
    return torch.optim.SGD(
        network.parameters(), rate, momentum=0.9, weight_decay=decay, nesterov=True
    )


def _schedule(
    optimiser: torch.optim.Optimizer, recipe: Recipe, steps: int
) -> torch.optim.lr_scheduler.LRScheduler:
    schedules = torch.optim.lr_scheduler
    if recipe.schedule == "one-cycle":
        return schedules.OneCycleLR(
            optimiser, recipe.learning_rate, total_steps=steps, cycle_momentum=False
        )
    if recipe.schedule == "cosine":
        return schedules.CosineAnnealingLR(optimiser, steps)
    return schedules.ConstantLR(optimiser, factor=1.0)


def on_device(
    x: NDArray[Any], y: NDArray[Any], device: str, layout: torch.memory_format
) -> tuple[Tensor, Tensor]:
    """Return copies of images and labels on the device."""
    placed = torch.tensor(x, device=device).contiguous(memory_format=layout)
    return placed, torch.tensor(y, device=device)


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
        drawn: int,
    ) -> None:
        self.x, self.y = functional.pad(x, (shift,) * 4), y
        self.height, self.width = x.shape[2:]
        self.flip, self.shift, self.layout = flip, shift, layout
        self.batch_size, self.steps = batch_size, -(-len(y) // batch_size)
        self.generator = torch.Generator().manual_seed(drawn)

    def epoch(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield every image once, mirrored and shifted, in batches of equal size."""
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
