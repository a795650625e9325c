"""Trains networks on real images, one or many: the truth that scores are held against."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from ...data.devices import resolve_device
from ...data.images import Images
from ...data.networks import build_network
from ...data.seeds import Seed, as_generator, torch_seed
from ...data.spaces import Codes, Space
from ...errors import ParameterError
from .checkpoints import read_checkpoint
from .distillation import check_teacher
from .epochs import Progress, Training, TrainResult
from .memory import halving
from .recipe import Recipe, make_recipe


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
    """Train ``network`` in place and return its accuracies.

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
    checkpoint : Path, optional
        File in which the state of the training is kept. A training that was killed goes on from
        it and ends as if it had not been; one that is done is only read.
    checkpoint_seconds : float
        The state is written after an epoch when so long has passed, and at the end of a training
        that took longer than this.
    progress : callable, optional
        Called with (epochs done, epochs in all) after every epoch.
    **changes
        Fields of the recipe to have other values, such as ``epochs=2``.

    Raises
    ------
    ParameterError
        If a number is outside its range, the teacher does not answer in the images' classes, or the
        checkpoint is of another training.
    DataFileError
        If the checkpoint is damaged.
    StorageError
        If it cannot be written.
    DeviceError
        If ``device`` is not there, or has no memory for a batch of two images.

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
    recipe = make_recipe(recipe, **changes)
    device = resolve_device(device)
    drawn = int(as_generator(seed).integers(2**63))
    layout = torch.channels_last if recipe.channels_last else torch.contiguous_format
    network.to(device=device).to(memory_format=layout)  # type: ignore[call-overload]
    first = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    about = {
        "recipe": recipe.to_dict(),
        "seed": drawn,
        "images": images.digest,
        "weights": _digest(first),
    }
    if teacher is not None:
        teacher.to(device).eval()
        check_teacher(teacher, torch.from_numpy(images.train_x[:2]).to(device), len(images.classes))
        about["teacher"] = _digest(teacher.state_dict())
    found = read_checkpoint(checkpoint) if checkpoint else None
    compared = dict.fromkeys((*about, "teacher"))
    if found and (changed := [k for k in compared if found[1].get(k) != about.get(k)]):
        raise ParameterError(
            f"{checkpoint} is of another training (different: {', '.join(changed)}): delete it, or "
            "name another file"
        )
    begin = found[1]["batch_size"] if found else recipe.batch_size

    def attempt(batch_size: int) -> TrainResult:
        training = Training(network, images, recipe, batch_size, device, drawn, teacher)
        if found and batch_size == begin:
            training.load(*found)
        else:
            network.load_state_dict(first)
        return training.run(about, checkpoint, checkpoint_seconds, progress)

    return halving(attempt, begin, device=device)


def _digest(tensors: dict[str, Tensor]) -> str:
    """Return a checksum of tensors."""
    digest = hashlib.sha256()
    for name, tensor in tensors.items():
        digest.update(name.encode())
        digest.update(tensor.cpu().contiguous().numpy().data)
    return digest.hexdigest()[:16]


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
    """Train the network of every architecture and return the results in the same order.

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

    codes, recipe = space.check(codes), make_recipe(recipe, **changes)
    if threads < 1:
        raise ParameterError(f"threads must be at least 1, not {threads}")
    root = int(as_generator(seed).integers(2**63))
    device = resolve_device(device)
    jobs = Parallel(n_jobs=n_jobs, return_as="generator")(
        delayed(_train_one)(space, code, images, recipe, (root, int(index)), device, threads)
        for code, index in zip(codes, space.index(codes), strict=True)
    )
    results = []
    for result in jobs:
        results.append(result)
        if progress:
            progress(len(results), len(codes))
    return results


def train_architecture(
    space: Space,
    code: ArrayLike,
    images: Images,
    recipe: Recipe,
    *,
    seed: int,
    device: str = "auto",
    threads: int = 1,
    checkpoint: Path | None = None,
    keep_checkpoint: bool = True,
) -> TrainResult:
    """Train the network of one architecture, as ``train_architectures`` trains it among others.

    Parameters
    ----------
    space : CellSpace
    code : array_like of int, shape (d,)
    images : Images
    recipe : Recipe
    seed : int
    device : str
    threads : int
    checkpoint : Path, optional
        As for ``train_network``.
    keep_checkpoint : bool
        Whether the file stays when the training has ended.

    Raises
    ------
    NasurgeError
        As ``train_architectures`` and ``train_network``.
    """
    (row,) = space.check(np.asarray(code)[None])
    root = int(as_generator(seed).integers(2**63))
    place = root, int(space.index(row[None])[0])
    where = resolve_device(device)
    result = _train_one(space, row, images, recipe, place, where, threads, checkpoint)
    if checkpoint and not keep_checkpoint:
        checkpoint.unlink(missing_ok=True)
    return result


def _train_one(
    space: Space,
    code: Codes,
    images: Images,
    recipe: Recipe,
    seed: tuple[int, int],
    device: str,
    threads: int,
    checkpoint: Path | None = None,
) -> TrainResult:
    """Build and train one network, with its own random numbers and number of threads."""
    rng = np.random.default_rng(seed)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch_seed(rng, device):
            network = build_network(
                space,
                code,
                classes=len(images.classes),
                in_channels=images.train_x.shape[1],
                **recipe.skeleton,
            )
        return train_network(
            network, images, recipe, device=device, seed=rng, checkpoint=checkpoint
        )
    finally:
        torch.set_num_threads(before)
