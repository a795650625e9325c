"""Trains networks on real images, one or many: the truth that scores are held against."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn
from torch.nn import functional

from ..data.devices import resolve_device
from ..data.images import Images
from ..data.networks import build_network
from ..data.seeds import Seed, as_generator, torch_seed
from ..data.spaces import Codes, Space
from ..errors import ParameterError

Progress = Callable[[int, int], None]

EVALUATION_BATCH = 1024


@dataclass(frozen=True)
class TrainResult:
    """What one training came to.

    Attributes
    ----------
    valid_accuracy, test_accuracy : float
        Of the network after its last epoch, in percent.
    train_seconds : float
        Wall-clock time of the training steps; evaluations are not in it.
    epochs : int
        Epochs trained; fewer than asked for when the training diverged.
    device : str
        Where it ran.
    curve : tuple of float
        Validation accuracy after every epoch, in percent.
    diverged : bool
        Whether the loss became infinite or NaN, which ends the training.
    """

    valid_accuracy: float
    test_accuracy: float
    train_seconds: float
    epochs: int
    device: str
    curve: tuple[float, ...]
    diverged: bool = False


def train_network(
    network: nn.Module,
    images: Images,
    *,
    epochs: int = 8,
    batch_size: int = 64,
    learning_rate: float = 0.1,
    weight_decay: float = 5e-4,
    flip: bool | None = None,
    shift: int | None = None,
    device: str = "auto",
    seed: Seed = None,
    channels_last: bool = False,
    progress: Progress | None = None,
) -> TrainResult:
    """Train ``network`` in place and return its accuracies.

    Stochastic gradient descent with Nesterov momentum 0.9 and a one-cycle learning rate that
    rises to ``learning_rate`` over the first 30 % of the steps. The images are put on the device
    once.

    Parameters
    ----------
    network : torch.nn.Module
        From images to logits. Ends on ``device``, trained, in evaluation mode.
    images : Images
    epochs : int
    batch_size : int
        The images of an epoch are cut into equal batches of at most this size.
    learning_rate : float
        The highest of the cycle.
    weight_decay : float
    flip : bool, optional
        Mirror half of the training images left to right. By default only images of several
        channels: grey ones are mostly signs, which a mirror turns into others.
    shift : int, optional
        Move training images by up to so many pixels, zeros coming in; by default an eighth of
        the height.
    device : str
        As for ``nasurge.data.devices.resolve_device``.
    seed : int, Generator or None
        Chooses batches and augmentation, the same ones on every device. On one machine, on its
        CPU and with the same number of torch threads, the same seed gives the same result (a GPU
        may round differently from run to run); torch's global random state is neither read nor
        written, unless ``network`` itself draws from it, as dropout does.
    channels_last : bool
        Keep images and weights in channels-last memory order, which some GPUs prefer.
    progress : callable, optional
        Called with (epochs done, ``epochs``) after every epoch.

    Raises
    ------
    ParameterError
        If a number is outside its range.
    DeviceError
        If ``device`` is not there.

    Examples
    --------
    >>> from nasurge.data.images import load_images
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
    channels, height, _ = images.train_x.shape[1:]
    flip = channels > 1 if flip is None else flip
    shift = height // 8 if shift is None else shift
    least = {"epochs": (epochs, 1), "batch_size": (batch_size, 2), "shift": (shift, 0)}
    for name, (value, lowest) in least.items():
        if value < lowest:
            raise ParameterError(f"{name} must be at least {lowest}, not {value}")
    if learning_rate <= 0 or weight_decay < 0:
        raise ParameterError(
            "learning_rate must be above 0 and weight_decay at least 0, "
            f"not {learning_rate} and {weight_decay}"
        )
    device = resolve_device(device)
    rng = as_generator(seed)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    network.to(device=device).to(memory_format=layout)  # type: ignore[call-overload]
    train = _on(images.train_x, images.train_y, device)
    valid = _on(images.valid_x, images.valid_y, device)
    test = _on(images.test_x, images.test_y, device)
    batches = _Batches(*train, batch_size, flip, shift, layout, rng)
    optimiser = torch.optim.SGD(
        network.parameters(), learning_rate, momentum=0.9, weight_decay=weight_decay, nesterov=True
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, learning_rate, total_steps=epochs * batches.steps, cycle_momentum=False
    )
    curve: list[float] = []
    seconds, diverged = 0.0, False
    while len(curve) < epochs and not diverged:
        start = time.perf_counter()
        network.train()
        total = torch.zeros((), device=device)
        for x, y in batches.epoch():
            loss = functional.cross_entropy(network(x), y)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
            total += loss.detach()
        diverged = not bool(torch.isfinite(total))  # the one wait for the device per epoch
        seconds += time.perf_counter() - start
        curve.append(_accuracy(network, *valid))
        if progress:
            progress(len(curve), epochs)
    return TrainResult(
        valid_accuracy=curve[-1],
        test_accuracy=_accuracy(network, *test),
        train_seconds=seconds,
        epochs=len(curve),
        device=device,
        curve=tuple(curve),
        diverged=diverged,
    )


def train_architectures(
    space: Space,
    codes: ArrayLike,
    images: Images,
    *,
    width: int = 8,
    cells: int = 1,
    epochs: int = 8,
    seed: Seed = None,
    device: str = "auto",
    n_jobs: int = 1,
    threads: int = 1,
    progress: Progress | None = None,
    **training: Any,
) -> list[TrainResult]:
    """Train the network of every architecture and return the results in the same order.

    Initial weights and batches of an architecture follow from ``seed`` and the architecture alone:
    what else is trained, in which order and in how many processes, changes nothing.

    Parameters
    ----------
    space : CellSpace
    codes : array_like of int, shape (n, d)
    images : Images
    width, cells : int
        As for ``build_network``. The defaults are small networks: on one core, the digits take
        from half a second (light cells) to 2 s (six 3x3 convolutions) and good cells reach 97 %;
        an epoch of 8,000 images of 32x32 pixels takes 5 to 25 s.
    epochs : int
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
    **training
        Further arguments of ``train_network``, such as ``batch_size``.

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
        If ``device`` is not there.

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
    from joblib import Parallel, delayed

    codes = space.check(codes)
    if threads < 1:
        raise ParameterError(f"threads must be at least 1, not {threads}")
    root = int(as_generator(seed).integers(2**63))
    training |= {"epochs": epochs, "device": resolve_device(device)}
    jobs = Parallel(n_jobs=n_jobs, return_as="generator")(
        delayed(_train_one)(
            space, code, images, width, cells, (root, int(index)), threads, training
        )
        for code, index in zip(codes, space.index(codes), strict=True)
    )
    results = []
    for result in jobs:
        results.append(result)
        if progress:
            progress(len(results), len(codes))
    return results


def _train_one(
    space: Space,
    code: Codes,
    images: Images,
    width: int,
    cells: int,
    seed: tuple[int, int],
    threads: int,
    training: dict[str, Any],
) -> TrainResult:
    """Build and train one network, with its own random numbers and number of threads."""
    rng = np.random.default_rng(seed)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch_seed(rng, training["device"]):
            network = build_network(
                space,
                code,
                classes=len(images.classes),
                in_channels=images.train_x.shape[1],
                width=width,
                cells=cells,
            )
        return train_network(network, images, seed=rng, **training)
    finally:
        torch.set_num_threads(before)


def _on(x: NDArray[Any], y: NDArray[Any], device: str) -> tuple[Tensor, Tensor]:
    """Return copies of images and labels on the device."""
    return torch.tensor(x, device=device), torch.tensor(y, device=device)


class _Batches:
    """Augmented batches of images that stay on their device; random numbers come from the CPU."""

    def __init__(
        self,
        x: Tensor,
        y: Tensor,
        batch_size: int,
        flip: bool,
        shift: int,
        layout: torch.memory_format,
        rng: np.random.Generator,
    ) -> None:
        self.x, self.y = functional.pad(x, (shift,) * 4), y
        self.height, self.width = x.shape[2:]
        self.flip, self.shift, self.layout = flip, shift, layout
        self.steps = -(-len(y) // batch_size)
        self.generator = torch.Generator().manual_seed(int(rng.integers(2**63)))

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


@torch.no_grad()
def _accuracy(network: nn.Module, x: Tensor, y: Tensor) -> float:
    """Return the percentage of images whose largest logit is the right one's."""
    network.eval()
    right = 0
    for start in range(0, len(y), EVALUATION_BATCH):
        part = slice(start, start + EVALUATION_BATCH)
        right += int((network(x[part]).argmax(dim=1) == y[part]).sum())
    return 100 * right / len(y)
