"""A teacher: what a network learns from its answers, and a vector that describes it.

``embed_teacher`` is used from Python.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ...data.arguments import checked
from ...data.images import Images
from ...data.types import Values
from ...errors import ParameterError

TEMPERATURE = 4.0
"""By which a teacher's and a student's logits are divided before they are compared."""
SHARE = 0.5
"""Of the loss that is the teacher's; the rest is that of the labels."""
PROBES, PROJECTED = 64, 16
_GRID = 4  # pixels a side of the noise, before it is enlarged to the size of the images


def distillation_loss(
    student: Tensor, teacher: Tensor, labels: Tensor, *, smoothing: float = 0.0
) -> Tensor:
    """Loss of logits that are to agree with labels and with a teacher's logits.

    Parameters
    ----------
    student, teacher : Tensor, shape (n, classes)
    labels : int Tensor, shape (n,)
    smoothing : float
        Of the labels.

    References
    ----------
    G. Hinton, O. Vinyals, J. Dean. Distilling the knowledge in a neural network. 2015.
    """
    hard = functional.cross_entropy(student, labels, label_smoothing=smoothing)
    shares = (teacher / TEMPERATURE).softmax(dim=1)
    soft = functional.cross_entropy(student / TEMPERATURE, shares)
    return (1 - SHARE) * hard + SHARE * TEMPERATURE**2 * soft


def check_teacher(teacher: nn.Module, x: Tensor, classes: int) -> None:
    """Refuse a teacher that does not answer images, shape (n, c, h, w), in so many classes.

    Raises
    ------
    ParameterError
    """
    try:
        with torch.no_grad():
            shape = tuple(teacher(x[:2]).shape)
    except RuntimeError as error:
        raise ParameterError(
            f"the teacher does not take images of {tuple(x.shape[1:])}: {error}"
        ) from error
    if shape != (len(x[:2]), classes):
        raise ParameterError(
            f"the teacher answers with shape {shape}, students with {classes} classes: train it on "
            "the same images"
        )


@checked
def embed_teacher(teacher: nn.Module, images: Images) -> Values:
    """Vector that describes a teacher, whatever its network and number of classes, shape (21,).

    The teacher sees 64 images of smooth noise, the same for every teacher up to their size, and
    the first 256 validation images. The vector holds which noise it answers alike (16 random
    projections of the cosines of its answers), its certainty of noise and of images (mean entropy
    over the largest possible, at the temperature of distillation and without), and its accuracy.
    Fit for ``vectors`` of ``Transfer``, behind the data set's own.

    Parameters
    ----------
    teacher : torch.nn.Module
        From images to logits. Is put into evaluation mode, and not changed otherwise.
    images : Images
        Of the task that it teaches.

    Returns
    -------
    float array, shape (21,)

    Raises
    ------
    ParameterError
        If the teacher does not answer these images in their classes.

    References
    ----------
    A teacher as a function of noise: H. Lee, S. An, M. Kim, S. J. Hwang. Meta-prediction model for
    distillation-aware NAS on unseen datasets (DaSS). ICLR 2023.

    Examples
    --------
    >>> from nasurge.data.images import load_images
    >>> images = load_images("digits", limit=100)
    >>> embed_teacher(nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), images).shape
    (21,)
    """
    device = next((p.device for p in teacher.parameters()), torch.device("cpu"))
    channels, *size = images.valid_x.shape[1:]
    drawn = torch.Generator().manual_seed(0)
    noise = torch.randn(PROBES, 1, _GRID, _GRID, generator=drawn)
    noise = functional.interpolate(noise, tuple(size), mode="bilinear").expand(-1, channels, -1, -1)
    seen = torch.from_numpy(images.valid_x[:256])
    classes = len(images.classes)
    teacher.eval()
    check_teacher(teacher, noise.to(device), classes)
    with torch.no_grad():
        answers = [teacher(x.to(device)).double().cpu() for x in (noise, seen)]
    centred = answers[0] - answers[0].mean(dim=0)
    alike = functional.normalize(centred, dim=1) @ functional.normalize(centred, dim=1).T
    above = alike[tuple(torch.triu_indices(PROBES, PROBES, 1))]
    directions = torch.randn(PROJECTED, len(above), generator=drawn, dtype=torch.float64)
    right = (answers[1].argmax(dim=1).numpy() == images.valid_y[:256]).mean()
    sure = [_entropy(logits / t) for logits in answers for t in (1.0, TEMPERATURE)]
    return np.array([*(directions @ above / len(above) ** 0.5).tolist(), *sure, right])


def _entropy(logits: Tensor) -> float:
    """Mean entropy of answers, over the largest possible."""
    logs: Any = logits.log_softmax(dim=1)
    return float(-(logs.exp() * logs).sum(dim=1).mean() / np.log(logits.shape[1]))
