"""Block-wise supervision: every stage of a supernet learns to do what a teacher's stage does."""

from __future__ import annotations

import time

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from ...data.images import Images
from ...data.seeds import Seed, as_generator
from ...errors import ParameterError
from ..training import Progress
from .layers import uniform_codes
from .network import Supernet
from .train import SupernetHistory, image_batches


def train_blockwise(
    supernet: Supernet,
    teacher: nn.Sequential,
    images: Images,
    *,
    epochs: int = 20,
    batch_size: int = 64,
    learning_rate: float = 0.05,
    weight_decay: float = 5e-4,
    clip: float = 5.0,
    device: str = "auto",
    seed: Seed = None,
    progress: Progress | None = None,
) -> SupernetHistory:
    """Train each stage of a supernet alone: from the teacher's features to its next features.

    A step draws one path; each of its stages is given what the teacher's previous stage gave, and
    its output's squared distance from what the teacher's stage gave, over the variance of that, is
    its loss. No gradient passes between stages. Stochastic gradient descent with momentum 0.9 and
    a cosine learning rate.

    Parameters
    ----------
    supernet : Supernet
        Ends on ``device``; its head is left as it was.
    teacher : torch.nn.Sequential
        A trained network of ``build_network``, of the supernet's space and sizes, any
        architecture. Ends on ``device`` in evaluation mode.
    images : Images
    epochs, batch_size, learning_rate, weight_decay, clip, device, seed, progress
        As for ``train_supernet``.

    Raises
    ------
    ParameterError
        If the teacher has another skeleton or other widths than the supernet.
    DeviceError
        If ``device`` is not there.

    References
    ----------
    C. Li et al. Block-wisely supervised neural architecture search with knowledge distillation.
    CVPR 2020.
    G. Wang et al. DNA family: Boosting weight-sharing NAS with block-wise supervisions. TPAMI
    2024, arXiv 2403.01326.

    Examples
    --------
    >>> from nasurge.data.images import load_images
    >>> from nasurge.data.spaces import make_space
    >>> images, space = load_images("digits", limit=100), make_space("nb201")
    >>> supernet = Supernet(space, classes=10, in_channels=1, width=2, cells=1, seed=0)
    >>> teacher = supernet.extract([3, 3, 3, 3, 3, 3])  # to be trained first
    >>> train_blockwise(supernet, teacher, images, epochs=1, device="cpu", seed=0).steps
    2
    >>> rate_blockwise(supernet, teacher, space.sample(3, seed=0), images).shape
    (3, 3)
    """
    if epochs < 1 or batch_size < 2 or learning_rate <= 0:
        raise ParameterError(
            "epochs must be at least 1, batch_size at least 2 and learning_rate above 0, not "
            f"{epochs}, {batch_size} and {learning_rate}"
        )
    rng = as_generator(seed)
    drawn = int(rng.integers(2**63))
    batches = image_batches(supernet, images, batch_size, None, None, device, drawn)
    teacher.to(batches.y.device).eval()
    _check_teacher(supernet, teacher, batches.x[:1])
    weights = list(supernet.parameters())
    optimiser = torch.optim.SGD(weights, learning_rate, momentum=0.9, weight_decay=weight_decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs * batches.steps)
    losses: list[float] = []
    watch = _Watch()
    while len(losses) < epochs and np.isfinite(losses).all():
        with watch:
            supernet.train()
            total = torch.zeros((), device=batches.y.device)
            codes = uniform_codes(supernet.space, batches.steps, rng)
            for code, (x, _) in zip(codes, batches.epoch(), strict=True):
                optimiser.zero_grad()
                for loss in _block_losses(supernet, teacher, code, x):
                    if loss.requires_grad:
                        loss.backward()  # type: ignore[no-untyped-call]
                    total += loss.detach()
                if clip:
                    nn.utils.clip_grad_norm_(weights, clip)
                optimiser.step()
                schedule.step()
            losses.append(float(total) / batches.steps)
        if progress:
            progress(len(losses), epochs)
    return SupernetHistory(
        losses=tuple(losses),
        seconds=watch.seconds,
        steps=len(losses) * batches.steps,
        device=str(batches.y.device),
        diverged=not np.isfinite(losses[-1]),
        batch_size=batch_size,
    )


@torch.no_grad()
def rate_blockwise(
    supernet: Supernet,
    teacher: nn.Sequential,
    codes: ArrayLike,
    images: Images,
    *,
    limit: int = 512,
) -> NDArray[np.float64]:
    """Return the normalised loss of every stage of each path, shape (n, stages).

    Minus its sum over the stages is a path's score. Batch normalisation uses the statistics of the
    images, ``limit`` of the validation part, in one batch.

    Parameters
    ----------
    supernet : Supernet
        Trained by ``train_blockwise``; left in its mode, its statistics as they were.
    teacher : torch.nn.Sequential
    codes : array_like of int, shape (n, d)
    images : Images
    limit : int

    Raises
    ------
    ArchitectureError
        If a row of ``codes`` is not in the space.
    """
    rows = supernet.space.check(codes)
    drawn = as_generator(0).permutation(len(images.valid_y))[:limit]  # files come class by class
    x = torch.tensor(images.valid_x[drawn], device=supernet.device)
    mode, kept = supernet.training, [buffer.clone() for buffer in supernet.buffers()]
    supernet.train()
    teacher.to(supernet.device).eval()
    found = [[float(v) for v in _block_losses(supernet, teacher, code, x)] for code in rows]
    supernet.train(mode)
    for buffer, value in zip(supernet.buffers(), kept, strict=True):
        buffer.copy_(value)
    return np.array(found).reshape(len(rows), len(supernet.blocks))


class _Watch:
    """Adds up the time spent in its blocks."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __enter__(self) -> None:
        self.seconds -= time.perf_counter()

    def __exit__(self, *error: object) -> None:
        self.seconds += time.perf_counter()


def _block_losses(
    supernet: Supernet, teacher: nn.Sequential, code: ArrayLike, x: Tensor
) -> list[Tensor]:
    """Return each stage's squared distance from the teacher's, over the variance of that."""
    losses = []
    for block in supernet.blocks:
        with torch.no_grad():
            wanted = teacher[block](x)
        given = supernet(x, code, layers=block)
        losses.append((given - wanted).square().mean() / (wanted.var() + 1e-8))
        x = wanted
    return losses


@torch.no_grad()
def _check_teacher(supernet: Supernet, teacher: nn.Sequential, x: Tensor) -> None:
    """Refuse a teacher whose stages give other shapes than the supernet's."""
    code = supernet.space.sample(1, seed=0)[0]
    mode = supernet.training
    supernet.eval()
    try:
        for block in supernet.blocks:
            wanted = teacher[block](x)
            if len(teacher) != len(supernet.layers) or (
                wanted.shape != supernet(x, code, layers=block).shape
            ):
                raise ParameterError(
                    "the teacher's stages must give what the supernet's give: build it with the "
                    f"same space and sizes, {supernet.sizes}"
                )
            x = wanted
    except (RuntimeError, IndexError) as error:
        raise ParameterError(
            f"the teacher does not fit the supernet ({error}): build it with the same space and "
            f"sizes, {supernet.sizes}"
        ) from error
    finally:
        supernet.train(mode)
