"""Data-adapted pruning: a supernet on growing data that gives up its weakest operations.

Used from Python: no command trains a supernet so.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from ...data.arguments import InShort
from ...data.images import Images
from ...data.seeds import Seed, as_generator
from ...data.spaces import Codes
from ...errors import ParameterError
from .layers import uniform_codes, value_mask
from .shared import SharedWeights
from .train import SupernetHistory, train_supernet


@dataclass(frozen=True, repr=False)
class PruneResult(InShort):
    """Operations that are left of a space, and the rounds that chose them.

    Attributes
    ----------
    allowed : bool array, shape (d, k)
        The values that every variable may still take.
    scores : float array, shape (rounds, d, k)
        Mean validation accuracy, in percent, of the drawn paths through each operation when it was
        judged; NaN for operations that had been given up or were not drawn.
    images : tuple of int
        Training images of each round.
    histories : tuple of SupernetHistory
    """

    allowed: NDArray[np.bool_]
    scores: NDArray[np.float64]
    images: tuple[int, ...]
    histories: tuple[SupernetHistory, ...]


def train_pruned(
    supernet: SharedWeights,
    images: Images,
    *,
    rounds: int = 3,
    first: float = 0.3,
    paths: int = 40,
    limit: int | None = 256,
    epochs: int = 10,
    device: str = "auto",
    seed: Seed = None,
    checkpoint: Path | None = None,
    **training: Any,
) -> PruneResult:
    """Operations left after training on few easy images first, then on more with fewer operations.

    After every round but the last, paths are drawn and evaluated with inherited weights; each
    variable gives up the operation whose paths are worst on average. The next round gets more
    images, those first that the paths found easiest (least mean loss); the classes keep their
    proportions.

    Parameters
    ----------
    supernet : Supernet or ModuleSupernet
        Trained in place.
    images : Images
    rounds : int
        Rounds of ``epochs`` each; one operation less per variable after each but the last.
    first : float
        Share of the training images in the first round; it grows evenly to all.
    paths : int
        Paths evaluated after a round.
    limit : int, optional
        Validation images they are evaluated on.
    epochs, device, seed, **training
        As for ``train_supernet``.
    checkpoint : Path, optional
        Round k keeps its state beside it, in ``NAME.k``. A training that was killed goes on from
        these: rounds that are done are only read, and judged again.

    Raises
    ------
    ParameterError
        If a number is outside its range, there are as many rounds as operations and more, or some
        variables of the space have an effect under values of others only.
    NasurgeError
        As ``train_supernet``.

    References
    ----------
    X. Dai et al. DA-NAS: Data adapted pruning for efficient neural architecture search. ECCV 2020,
    arXiv 2003.12563.

    Examples
    --------
    >>> from nasurge.benchmarks.supernet import Supernet
    >>> from nasurge.data.images import load_images
    >>> from nasurge.data.spaces import make_space
    >>> images, space = load_images("digits", limit=100), make_space("nb201")
    >>> supernet = Supernet(space, classes=10, in_channels=1, width=2, cells=1, seed=0)
    >>> found = train_pruned(supernet, images, rounds=2, epochs=1, paths=8, device="cpu", seed=0)
    >>> found.allowed.sum(axis=1).tolist(), found.images
    ([4, 4, 4, 4, 4, 4], (30, 100))
    """
    space = supernet.space
    if not 1 <= rounds <= min(space.cardinalities) or not 0 < first <= 1 or paths < 1:
        raise ParameterError(
            f"rounds must be 1 to {min(space.cardinalities)}, first above 0 and at most 1, paths "
            f"at least 1, not {rounds}, {first} and {paths}"
        )
    if space.conditional:
        raise ParameterError(
            f"some variables of space {space.name!r} have an effect under values of others only: "
            "their values cannot be judged alike; train it with train_supernet"
        )
    rng = as_generator(seed)
    allowed = value_mask(space)
    hardness = rng.random(len(images.train_y))  # nothing is known yet
    scores, histories, sizes = [], [], []
    for part, share in enumerate(np.linspace(first if rounds > 1 else 1.0, 1.0, rounds)):
        chosen = _easiest(hardness, images.train_y, float(share))
        few = replace(images, train_x=images.train_x[chosen], train_y=images.train_y[chosen])
        histories.append(
            train_supernet(
                supernet,
                few,
                allowed=allowed,
                epochs=epochs,
                device=device,
                seed=rng,
                checkpoint=checkpoint and checkpoint.with_name(f"{checkpoint.name}.{part + 1}"),
                **training,
            )
        )
        sizes.append(len(chosen))
        if part < rounds - 1:
            codes = uniform_codes(space, paths, rng, allowed)
            reached = supernet.evaluate(codes, images, limit=limit).accuracy
            scores.append(_operation_scores(codes, reached, allowed))
            allowed = _without_worst(scores[-1], allowed)
            hardness = _hardness(supernet, codes[np.argsort(-reached)[:3]], images)
    shape = (len(scores), *allowed.shape)
    return PruneResult(allowed, np.array(scores).reshape(shape), tuple(sizes), tuple(histories))


def _easiest(
    hardness: NDArray[np.float64], labels: NDArray[np.int64], share: float
) -> NDArray[np.int64]:
    """Rows of the easiest images of every class, in stored order."""
    kept = []
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        n = max(1, round(share * len(members)))
        kept.append(members[np.argsort(hardness[members], kind="stable")[:n]])
    return np.sort(np.concatenate(kept))


def _operation_scores(
    codes: Codes, reached: NDArray[np.float64], allowed: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Mean accuracy of the paths through each operation; NaN where there is none."""
    through = codes[:, :, None] == np.arange(allowed.shape[1])
    counts = through.sum(axis=0)
    sums = np.tensordot(reached, through, axes=1)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def _without_worst(scores: NDArray[np.float64], allowed: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Allowed values once every variable has lost its worst judged operation, shape (d, k)."""
    left = allowed.copy()
    judged = np.where(allowed & ~np.isnan(scores), scores, np.inf)
    rows = np.flatnonzero(allowed.sum(axis=1) > 1)
    left[rows, judged.argmin(axis=1)[rows]] = False
    return left


@torch.no_grad()
def _hardness(supernet: SharedWeights, codes: Codes, images: Images) -> NDArray[np.float64]:
    """Mean loss of each training image over some paths, by batch statistics."""
    kept = [buffer.clone() for buffer in supernet.buffers()]
    supernet.train()
    device = supernet.device
    x, y = torch.tensor(images.train_x), torch.tensor(images.train_y)
    total = torch.zeros(len(y))
    order = torch.from_numpy(np.random.default_rng(0).permutation(len(y)))  # classes mixed
    for rows in order.tensor_split(-(-len(y) // 256)):
        for code in codes:
            logits = supernet(x[rows].to(device), code)
            losses = functional.cross_entropy(logits, y[rows].to(device), reduction="none")
            total[rows] += losses.float().cpu()
    for buffer, value in zip(supernet.buffers(), kept, strict=True):
        buffer.copy_(value)
    mean: NDArray[np.float64] = total.double().numpy() / len(codes)
    return mean
