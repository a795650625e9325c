"""Trains networks on real images, given or made of architectures: the truth of all scores.

``train_architecture`` is what studies call; ``train_architectures`` is used from Python.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn
from torch.nn import functional

from ...data.arguments import InShort, checked
from ...data.devices import parallel, resolve_device
from ...data.images import Images
from ...data.networks import build_network, count_parameters
from ...data.networks.failures import failures_told
from ...data.seeds import Seed, as_generator, torch_seed
from ...data.spaces import Space
from ...errors import ParameterError
from .distillation import check_teacher, distillation_loss
from .divergence import diverging_module
from .epochs import (
    EpochTraining,
    Optimiser,
    Progress,
    cosine_schedule,
    epochs_shown,
    momentum_sgd,
    on_device,
)
from .loop import State, run_training, weights_digest
from .recipe import EpochOptions, Recipe, make_recipe

EVALUATION_BATCH = 1024


@dataclass(frozen=True, repr=False)
class TrainResult(InShort):
    """Result of one training.

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
        Mean loss of the training steps of every epoch: of images before the network learnt from
        them, label smoothing included.
    diverged : bool
        Whether the loss became infinite or NaN, which ends the training.
    batch_size : int
        The recipe's, or what was left of it after halving it whenever the device was out of memory.
    parameters : int
        Weights of the network.
    diverged_in : str
        Module whose output was the first that is not finite, or ``the loss``; empty if none was.
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
    parameters: int
    diverged_in: str = ""


@checked
def train_network(
    network: nn.Module,
    images: Images,
    recipe: Recipe | None = None,
    *,
    teacher: nn.Module | None = None,
    device: str = "auto",
    seed: Seed = None,
    checkpoint: Path | None = None,
    checkpoint_seconds: float = 30.0,
    progress: Progress | None = None,
    **changes: Any,
) -> TrainResult:
    """Accuracies of a network after training it in place.

    The images are put on the device once. A device that is out of memory is given the training
    again from its start with half the batch size, as often as it takes.

    Parameters
    ----------
    network : torch.nn.Module
        From images to logits. Ends on ``device``, trained, in evaluation mode.
    images : Images
    recipe : Recipe, optional
        What it says of the network's size has no meaning here.
    teacher : torch.nn.Module, optional
        Trained on the same images, from which the network learns beside the labels (distillation:
        ``nasurge.benchmarks.training.distillation``). Ends on ``device``, in evaluation mode.
    device : str
        As for ``nasurge.data.devices.resolve_device``.
    seed : int, Generator or None
        Chooses batches and augmentation, the same ones on every device. On one machine, on its
        CPU and with the same number of torch threads, the same seed gives the same result (a GPU
        may round differently from run to run); torch's global random state is neither read nor
        written, unless ``network`` itself draws from it, as dropout does.
    checkpoint, checkpoint_seconds
        As for ``run_training``: a training that was killed goes on where it was.
    progress : callable, optional
        Called with (epochs done, epochs in all) after every epoch.
    **changes
        Fields of the recipe to have other values, such as ``epochs=2``.

    Raises
    ------
    ParameterError
        If a number is outside its range, the teacher does not answer in the images' classes, or
        the network does not give logits of these images, naming the module.
    NasurgeError
        As ``run_training``.

    Examples
    --------
    >>> from nasurge.data.images import load_images
    >>> from nasurge.data.networks import build_network
    >>> from nasurge.data.seeds import as_generator, torch_seed
    >>> from nasurge.data.spaces import make_space
    >>> images = load_images("digits", limit=200)
    >>> with torch_seed(as_generator(0)):
    ...     space, code = make_space("nb201"), [3, 1, 0, 1, 0, 1]
    ...     network = build_network(space, code, classes=10, in_channels=1, width=4, cells=1)
    >>> result = train_network(network, images, epochs=1, device="cpu", seed=0)
    >>> result.epochs, len(result.curve), result.diverged
    (1, 1, False)
    """
    kept = {"checkpoint": checkpoint, "checkpoint_seconds": checkpoint_seconds}
    recipe = make_recipe(recipe, **changes)
    with failures_told("the network"):
        return _train(
            network, images, recipe, teacher, device=device, seed=seed, progress=progress, **kept
        )


def _train(
    network: nn.Module,
    images: Images,
    recipe: Recipe,
    teacher: nn.Module | None = None,
    *,
    device: str,
    seed: Seed,
    progress: Progress | None = None,
    **kept: Any,
) -> TrainResult:
    """Accuracies of a network after training it in place, as ``train_network`` does."""
    device = resolve_device(device)
    drawn = int(as_generator(seed).integers(2**63))
    network.to(device)
    first = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    identity = {
        "recipe": recipe.to_dict(),
        "seed": drawn,
        "images": images.digest,
        "weights": weights_digest(first),
    }
    if teacher is not None:
        teacher.to(device).eval()
        check_teacher(teacher, torch.from_numpy(images.train_x[:2]).to(device), len(images.classes))
        identity["teacher"] = weights_digest(teacher.state_dict())

    def make(size: int) -> NetworkTraining:
        network.load_state_dict(first)
        return NetworkTraining(network, images, recipe, size, teacher, seed=drawn, device=device)

    training = run_training(
        make,
        identity=identity,
        batch_size=recipe.batch_size,
        device=device,
        progress=epochs_shown(progress),
        **kept,
    )
    result = training.result()
    if result.diverged:
        del training  # its images, on a device whose memory may be short
        result = replace(result, diverged_in=diverging_module(make(result.batch_size)))
        network.eval()
    return result


class NetworkTraining(EpochTraining):
    """Training of a network by a recipe, measured on the validation images after every epoch."""

    def __init__(
        self,
        network: nn.Module,
        images: Images,
        recipe: Recipe,
        batch_size: int,
        teacher: nn.Module | None = None,
        **place: Any,
    ) -> None:
        super().__init__(network, images, recipe, batch_size, **place)
        self.recipe, self.teacher, self.classes = recipe, teacher, len(images.classes)
        # Evaluation remembers nothing for gradients: as a rule it fits where training does.
        self.evaluation_batch = max(1, EVALUATION_BATCH * batch_size // recipe.batch_size)
        self.compiled = torch.compile(network) if recipe.compile else network
        layout = self.batches.layout
        self.valid = on_device(images.valid_x, images.valid_y, self.device, layout)
        self.test = on_device(images.test_x, images.test_y, self.device, layout)
        self.curve: list[float] = []
        self.valid_loss = float("nan")

    def make_optimiser(self, options: EpochOptions) -> Optimiser:
        """Optimiser and schedule of the recipe."""
        recipe, steps = cast(Recipe, options), options.epochs * self.batches.steps
        rate, schedules = recipe.learning_rate, torch.optim.lr_scheduler
        optimiser: torch.optim.Optimizer = momentum_sgd(self.weights, recipe)
        if recipe.optimiser == "adamw":
            optimiser = torch.optim.AdamW(self.weights, rate, weight_decay=recipe.weight_decay)
        if recipe.schedule == "cosine":
            return optimiser, cosine_schedule(optimiser, steps)
        if recipe.schedule == "constant":
            return optimiser, schedules.ConstantLR(optimiser, factor=1.0)
        one_cycle = schedules.OneCycleLR(optimiser, rate, total_steps=steps, cycle_momentum=False)
        return optimiser, one_cycle

    def batch_losses(self, x: Tensor, y: Tensor) -> Iterator[Tensor]:
        """Loss of a batch by the labels, and by the teacher if there is one."""
        smoothing = self.recipe.label_smoothing
        with self.mixed():
            logits = self.compiled(x)
            self._check(logits, x)
            if self.teacher is None:
                loss = functional.cross_entropy(logits, y, label_smoothing=smoothing)
            else:
                with torch.no_grad():
                    answers = self.teacher(x)
                loss = distillation_loss(logits, answers, y, smoothing=smoothing)
        yield loss

    def _check(self, logits: Any, x: Tensor) -> None:
        """Refuse what are no logits of a batch, or teach the network nothing.

        Raises
        ------
        ParameterError
        """
        classes = self.classes
        if not isinstance(logits, Tensor):
            shown = type(logits).__name__
        elif logits.ndim != 2 or len(logits) != len(x) or logits.shape[1] < classes:
            shown = f"shape {tuple(logits.shape)}"
        elif not logits.requires_grad and any(weight.requires_grad for weight in self.weights):
            raise ParameterError(
                "the network cannot learn: its output follows from none of its weights with a "
                "gradient (does forward use torch.no_grad() or detach()?)"
            )
        else:
            return
        raise ParameterError(
            f"the network gives {shown} for {len(x)} images of {tuple(x.shape[1:])}; training "
            f"takes logits, a number for each of {classes} classes: shape ({len(x)}, {classes})"
        )

    def step(self) -> None:
        """Train one epoch and measure."""
        super().step()
        accuracy, self.valid_loss = self.evaluate(*self.valid)
        self.curve.append(accuracy)

    def mixed(self) -> AbstractContextManager[Any]:
        """Mixed precision inside the block, if the recipe says so."""
        mixed = self.recipe.precision == "bfloat16"
        return torch.autocast(self.device.split(":")[0], torch.bfloat16, enabled=mixed)

    @torch.no_grad()
    def evaluate(self, x: Tensor, y: Tensor) -> tuple[float, float]:
        """Percentage of images whose largest logit is the right one's, and the mean loss."""
        self.network.eval()
        right, loss = 0, 0.0
        for start in range(0, len(y), self.evaluation_batch):
            part = slice(start, start + self.evaluation_batch)
            with self.mixed():
                logits = self.network(x[part])
            right += int((logits.argmax(dim=1) == y[part]).sum())
            loss += float(functional.cross_entropy(logits.float(), y[part], reduction="sum"))
        return 100 * right / len(y), loss / len(y)

    def state(self) -> State:
        """All that the epochs left depend on."""
        tensors, about = super().state()
        return tensors, {**about, "curve": self.curve, "valid_loss": self.valid_loss}

    def load(self, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
        """Go to where ``state`` was taken."""
        # The first checkpoints had no losses, and were written of diverged trainings too.
        super().load(tensors, {"losses": [math.nan] * len(about["curve"]), **about})
        self.curve, self.valid_loss = list(about["curve"]), about["valid_loss"]
        self.diverged = about.get("diverged", False)

    def result(self) -> TrainResult:
        """Accuracies and costs of the training."""
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
            batch_size=self.batches.batch_size,
            parameters=count_parameters(self.network),
        )


@checked
def train_architectures(
    space: Space,
    codes: ArrayLike,
    images: Images,
    recipe: Recipe | None = None,
    *,
    seed: Seed = None,
    device: str = "auto",
    n_jobs: int = 1,
    threads: int = 1,
    progress: Progress | None = None,
    **changes: Any,
) -> list[TrainResult]:
    """Results of training the network of every architecture, in their order.

    Initial weights and batches of an architecture follow from ``seed`` and the architecture alone:
    what else is trained, in which order and in how many processes, changes nothing.

    Parameters
    ----------
    space : CellSpace
    codes : array_like of int, shape (n, d)
    images : Images
    recipe : Recipe, optional
        The default is a small network: on one core, the digits take from half a second (light
        cells) to 2 s (six 3x3 convolutions) and good cells reach 97 %; an epoch of 8,000 images
        of 32x32 pixels takes 5 to 25 s.
    seed : int, Generator or None
        ``None`` draws fresh weights and batches.
    device : str
        As for ``nasurge.data.devices.resolve_device``.
    n_jobs : int
        Processes, as joblib counts them; -1 is one per core.
    threads : int
        Torch threads of each training. Networks of this size gain little from more than one, and
        results of different numbers of threads differ by rounding.
    progress : callable, optional
        Called with (architectures done, n) after every architecture.
    **changes
        Fields of the recipe to have other values, such as ``epochs=2``.

    Returns
    -------
    list of TrainResult

    Raises
    ------
    ArchitectureError
        If a row of ``codes`` is not in the space.
    ParameterError
        If the space has no cells or a number is outside its range.
    DeviceError
        If ``device`` is not there, or has no memory for one of them.

    Examples
    --------
    >>> from nasurge.data.images import load_images
    >>> from nasurge.data.spaces import make_space
    >>> images, cells = load_images("digits", limit=200), [[3, 1, 0, 1, 0, 1], [0, 0, 0, 0, 0, 0]]
    >>> good, empty = train_architectures(
    ...     make_space("nb201"), cells, images, width=4, epochs=2, device="cpu", seed=0
    ... )
    >>> good.test_accuracy > empty.test_accuracy
    True
    """
    from joblib import delayed

    codes, recipe = space.check(codes), make_recipe(recipe, **changes)
    if threads < 1:
        raise ParameterError(f"threads must be at least 1, not {threads}")
    rng = as_generator(seed)
    starts = [deepcopy(rng) for _ in codes]  # each begins from the same state
    rng.integers(2**63)  # and the caller's goes on from another
    device = resolve_device(device)
    jobs = parallel(n_jobs, return_as="generator")(
        delayed(train_architecture)(
            space, code, images, recipe, seed=start, device=device, threads=threads
        )
        for code, start in zip(codes, starts, strict=True)
    )
    results = []
    for result in jobs:
        results.append(result)
        if progress:
            progress(len(results), len(codes))
    return results


@checked
def network_for(space: Space, code: ArrayLike, images: Images, recipe: Recipe) -> nn.Module:
    """Fresh network of an architecture, as large as a recipe says, for some images."""
    return build_network(
        space,
        code,
        classes=len(images.classes),
        in_channels=images.train_x.shape[1],
        **recipe.skeleton,
    )


@checked
def train_architecture(
    space: Space,
    code: ArrayLike,
    images: Images,
    recipe: Recipe,
    *,
    seed: Seed,
    device: str = "auto",
    threads: int = 1,
    checkpoint: Path | None = None,
    keep_checkpoint: bool = True,
) -> TrainResult:
    """Result of training the network of one architecture, as ``train_architectures`` trains it.

    Parameters
    ----------
    space : CellSpace
    code : array_like of int, shape (d,)
    images : Images
    recipe : Recipe
    seed, device, threads
        As for ``train_architectures``.
    checkpoint : Path, optional
        As for ``train_network``.
    keep_checkpoint : bool
        Whether the file stays when the training has ended.

    Raises
    ------
    OutOfMemoryError
        If the device has no memory for it, naming the architecture and the module.
    NasurgeError
        As ``train_architectures`` and ``train_network``.
    """
    (row,) = space.check(np.asarray(code)[None])
    root, (key,) = int(as_generator(seed).integers(2**63)), space.keys(row[None]).tolist()
    index = int.from_bytes(key, "little") if isinstance(key, bytes) else key
    rng, device = np.random.default_rng((root, index)), resolve_device(device)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with failures_told(f"architecture {space.format(row[None])[0]}"):
            with torch_seed(rng, device):
                network = network_for(space, row, images, recipe)
            result = _train(network, images, recipe, device=device, seed=rng, checkpoint=checkpoint)
    finally:
        torch.set_num_threads(before)
    if checkpoint and not keep_checkpoint:
        checkpoint.unlink(missing_ok=True)
    return result
