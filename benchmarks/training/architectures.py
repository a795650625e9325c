"""Trains the networks of architectures, one or many: the truth that scores are held against.

``train_architecture`` is what studies call; ``train_architectures`` is used from Python.
"""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike

from ...data.arguments import checked
from ...data.devices import resolve_device
from ...data.images import Images
from ...data.networks import build_network
from ...data.seeds import Seed, as_generator, torch_seed
from ...data.spaces import Space
from ...errors import ParameterError
from .epochs import Progress
from .networks import TrainResult, train_network
from .recipe import Recipe, make_recipe


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
    rng = as_generator(seed)
    starts = [deepcopy(rng) for _ in codes]  # each begins from the same state
    rng.integers(2**63)  # and the caller's goes on from another
    device = resolve_device(device)
    jobs = Parallel(n_jobs=n_jobs, return_as="generator")(
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
    NasurgeError
        As ``train_architectures`` and ``train_network``.
    """
    (row,) = space.check(np.asarray(code)[None])
    root, index = int(as_generator(seed).integers(2**63)), int(space.index(row[None])[0])
    rng, device = np.random.default_rng((root, index)), resolve_device(device)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch_seed(rng, device):
            network = build_network(
                space,
                row,
                classes=len(images.classes),
                in_channels=images.train_x.shape[1],
                **recipe.skeleton,
            )
        result = train_network(
            network, images, recipe, device=device, seed=rng, checkpoint=checkpoint
        )
    finally:
        torch.set_num_threads(before)
    if checkpoint and not keep_checkpoint:
        checkpoint.unlink(missing_ok=True)
    return result
