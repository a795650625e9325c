"""Block-wise supervision: every stage of a supernet learns to do what a teacher's stage does.

Used from Python: no command trains a supernet so.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from ...data.devices import resolve_device
from ...data.images import Images
from ...data.seeds import Seed, as_generator
from ...errors import ParameterError
from ..training import (
    EpochTraining,
    Progress,
    State,
    epochs_shown,
    run_training,
    weights_digest,
    with_changes,
)
from .layers import uniform_codes
from .network import Supernet
from .options import SharedWeightOptions
from .train import SupernetHistory, history_of


def train_blockwise(
    supernet: Supernet,
    teacher: nn.Sequential,
    images: Images,
    options: SharedWeightOptions | None = None,
    *,
    device: str = "auto",
    seed: Seed = None,
    checkpoint: Path | None = None,
    checkpoint_seconds: float = 30.0,
    progress: Progress | None = None,
    **changes: Any,
) -> SupernetHistory:
    """Losses and costs of training each stage of a supernet to give what a teacher's stage gives.

    A step draws one path; each of its stages is applied to the output of the teacher's previous
    stage, and its loss is the squared distance of its output from that of the teacher's stage, over
    the variance of that. No gradient passes between stages. Stochastic gradient descent with
    momentum 0.9 and a cosine learning rate.

    Parameters
    ----------
    supernet : Supernet
        Ends on ``device``; its head is left as it was.
    teacher : torch.nn.Sequential
        A trained network of ``build_network``, of the supernet's space and sizes, any
        architecture. Ends on ``device`` in evaluation mode.
    images : Images
    options : SharedWeightOptions, optional
        By default with a learning rate of 0.05.
    device, seed, checkpoint, checkpoint_seconds, progress, **changes
        As for ``train_supernet``.

    Raises
    ------
    ParameterError
        If the teacher has another skeleton or other widths than the supernet.
    NasurgeError
        As ``run_training``.

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
    options = options or SharedWeightOptions(learning_rate=0.05)
    options = with_changes(options, changes, "block-wise training")
    rng, device = as_generator(seed), resolve_device(device)
    drawn, start = int(rng.integers(2**63)), rng.bit_generator.state
    supernet.to(device)
    teacher.to(device).eval()
    _check_teacher(supernet, teacher, torch.tensor(images.train_x[:1], device=device))
    first = {name: tensor.clone() for name, tensor in supernet.state_dict().items()}

    def make(size: int) -> BlockTraining:
        supernet.load_state_dict(first)
        rng.bit_generator.state = start
        training = BlockTraining(
            supernet, images, options, size, clip=options.clip, seed=drawn, device=device
        )
        training.teacher, training.rng = teacher, rng
        return training

    training = run_training(
        make,
        identity={
            "training": "blocks",
            "options": options.to_dict(),
            "seed": drawn,
            "images": images.digest,
            "network": {"space": supernet.space.name, **supernet.sizes},
            "teacher": weights_digest(teacher.state_dict()),
        },
        batch_size=options.batch_size,
        device=device,
        checkpoint=checkpoint,
        checkpoint_seconds=checkpoint_seconds,
        progress=epochs_shown(progress),
    )
    return history_of(training)


class BlockTraining(EpochTraining):
    """Training of every stage of a supernet by the same stage of a teacher, at some epoch."""

    nesterov = False
    network: Supernet
    teacher: nn.Sequential
    rng: np.random.Generator

    def begin_epoch(self) -> None:
        """Draw a path for every step."""
        self.paths = iter(uniform_codes(self.network.space, self.batches.steps, self.rng))

    def batch_losses(self, x: Tensor, y: Tensor) -> list[Tensor]:  # noqa: ARG002 -- needs no labels
        """Loss of every stage of a path."""
        return _block_losses(self.network, self.teacher, next(self.paths), x)

    def state(self) -> State:
        """All that the epochs left depend on."""
        tensors, about = super().state()
        return tensors, {**about, "random": self.rng.bit_generator.state}

    def load(self, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
        """Go to where ``state`` was taken."""
        super().load(tensors, about)
        self.rng.bit_generator.state = about["random"]


@torch.no_grad()
def rate_blockwise(
    supernet: Supernet,
    teacher: nn.Sequential,
    codes: ArrayLike,
    images: Images,
    *,
    limit: int = 512,
) -> NDArray[np.float64]:
    """Normalised loss of every stage of each path, shape (n, stages).

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
    losses = [[float(v) for v in _block_losses(supernet, teacher, code, x)] for code in rows]
    supernet.train(mode)
    for buffer, value in zip(supernet.buffers(), kept, strict=True):
        buffer.copy_(value)
    return np.array(losses).reshape(len(rows), len(supernet.blocks))


def _block_losses(
    supernet: Supernet, teacher: nn.Sequential, code: ArrayLike, x: Tensor
) -> list[Tensor]:
    """Squared distance of each stage's output from the teacher's, over the variance of that."""
    losses = []
    for block in supernet.blocks:
        with torch.no_grad():
            target = teacher[block](x)
        output = supernet(x, code, layers=block)
        losses.append((output - target).square().mean() / (target.var() + 1e-8))
        x = target
    return losses


@torch.no_grad()
def _check_teacher(supernet: Supernet, teacher: nn.Sequential, x: Tensor) -> None:
    """Refuse a teacher whose stages have outputs of other shapes than the supernet's."""
    code = supernet.space.sample(1, seed=0)[0]
    mode = supernet.training
    supernet.eval()
    try:
        for block in supernet.blocks:
            target = teacher[block](x)
            if len(teacher) != len(supernet.layers) or (
                target.shape != supernet(x, code, layers=block).shape
            ):
                raise ParameterError(
                    "the teacher's stages must give what the supernet's give: build it with the "
                    f"same space and sizes, {supernet.sizes}"
                )
            x = target
    except (RuntimeError, IndexError) as error:
        raise ParameterError(
            f"the teacher does not fit the supernet ({error}): build it with the same space and "
            f"sizes, {supernet.sizes}"
        ) from error
    finally:
        supernet.train(mode)
