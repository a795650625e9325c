"""What supernets have in common: weights that the architectures of a space inherit."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import update_bn

from ...data.arguments import InShort
from ...data.images import Images
from ...data.networks.failures import failures_told
from ...data.seeds import Seed, as_generator
from ...data.spaces import Space
from ...errors import ParameterError

Part = Literal["train", "valid", "test"]
NO_STAGES = (
    "is a model of one's own: it has no stages or layers that could be trained by themselves. "
    "make_supernet makes the supernet of its architectures, and train_supernet trains that as a "
    "whole"
)
"""What is so of the space of a model."""


@dataclass(frozen=True, repr=False)
class Inherited(InShort):
    """Accuracies of architectures with the weights of a supernet.

    Attributes
    ----------
    accuracy : float array, shape (n,)
        In percent.
    loss : float array, shape (n,)
        Mean cross-entropy.
    seconds : float
        Wall-clock time of all.
    """

    accuracy: NDArray[np.float64]
    loss: NDArray[np.float64]
    seconds: float


class SharedWeights(nn.Module, ABC):
    """One set of weights for all architectures of a space: what all supernets have in common.

    Attributes
    ----------
    space : Space
    sizes : dict of str to int, bool or str
        What tells its network from others of the space, ``classes`` and ``in_channels`` with it.
    """

    space: Space
    sizes: dict[str, Any]

    @abstractmethod
    def forward(
        self,
        x: Tensor,
        code: ArrayLike | None = None,
        *,
        mixture: Tensor | None = None,
        layers: slice | None = None,
    ) -> Tensor:
        """Logits of one sub-network, or of a mixture of all, shape (n, classes).

        Parameters
        ----------
        x : Tensor, shape (n, channels, height, width)
        code : array_like of int, shape (d,), optional
            The path to compute. With a mixture: the one operation of every variable that is
            computed and multiplied by its weight, the others being left out.
        mixture : Tensor, shape (d, k), optional
            Weights of the operations of every variable; every operation is computed unless
            ``code`` chooses.
        layers : slice, optional
            Compute only these layers, on the output of the layers before them.

        Raises
        ------
        ParameterError
            If neither is given, or there are no such layers or mixtures.
        ArchitectureError
            If ``code`` is not in the space.
        """

    @abstractmethod
    def extract(self, code: ArrayLike) -> nn.Module:
        """Stand-alone network of one architecture, with copies of the weights.

        It computes what the path computes. Its running statistics are those of the supernet: give
        it its own with ``recalibrate`` or by training it (``train_network``).

        Raises
        ------
        ArchitectureError
            If ``code`` is not in the space.
        """

    @property
    @abstractmethod
    def blocks(self) -> list[slice]:
        """The layers of each stage, the stem with the first, without the head.

        Raises
        ------
        ParameterError
            If it has no stages.
        """

    @abstractmethod
    def operations(self) -> list[nn.Module]:
        """Modules that a path is made of, those with weights."""

    def require_mixable(self) -> None:
        """Refuse a space whose values cannot all be computed together, weighted and added.

        Raises
        ------
        ParameterError
            Naming the variable.
        """

    def check_images(self, images: Images) -> None:
        """Refuse images that its network does not take.

        Raises
        ------
        ParameterError
            If they have other channels, or more classes than it has outputs.
        """
        channels, classes = images.train_x.shape[1], len(images.classes)
        if channels != self.sizes["in_channels"] or classes > self.sizes["classes"]:
            raise ParameterError(
                f"the network takes {self.sizes['in_channels']} channels and has "
                f"{self.sizes['classes']} outputs; {images.name} has {channels} channels and "
                f"{classes} classes: make it for these images"
            )

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    def evaluate(
        self,
        codes: ArrayLike,
        images: Images,
        *,
        part: Part = "valid",
        limit: int | None = None,
        calibration: int = 8,
        batch_size: int = 128,
        seed: Seed = 0,
    ) -> Inherited:
        """Accuracies of sub-networks with inherited weights and statistics of their own.

        Parameters
        ----------
        codes : array_like of int, shape (n, d)
        images : Images
        part : {"train", "valid", "test"}
            The images that are classified.
        limit : int, optional
            Only so many of them, drawn by ``seed``, the same ones for all sub-networks.
        calibration : int
            Batches of training images for the statistics of batch normalisation; 0 normalises
            every batch that is classified by itself.
        batch_size : int
        seed : int, Generator or None
            Chooses those, and the training images of the calibration.

        Raises
        ------
        ArchitectureError
            If a row of ``codes`` is not in the space.
        ParameterError
            If a number is outside its range.
        OutOfMemoryError
            If the device has no memory for a sub-network, naming it and the module.
        """
        rows = self.space.check(codes)
        self.check_images(images)
        if calibration < 0 or batch_size < 2:
            raise ParameterError(
                "calibration must be at least 0 and batch_size at least 2, not "
                f"{calibration} and {batch_size}"
            )
        start = time.perf_counter()
        x, y = self._some(*_part(images, part), limit, seed)
        few = max(2, calibration * batch_size)
        train = self._some(images.train_x, images.train_y, few, seed)[0] if calibration else None
        measured = np.empty((len(rows), 2))
        for row, (code, name) in enumerate(zip(rows, self.space.format(rows), strict=True)):
            with failures_told(f"architecture {name}"):
                network = self.extract(code)
                if train is not None:
                    recalibrate(network, train, batch_size=batch_size)
                measured[row] = _measure(network.train(train is None), x, y, batch_size)
        return Inherited(measured[:, 0], measured[:, 1], time.perf_counter() - start)

    def _some(
        self, x: NDArray[Any], y: NDArray[Any], limit: int | None, seed: Seed
    ) -> tuple[Tensor, Tensor]:
        """At most ``limit`` images and labels, drawn, on the device of the weights.

        They are mixed: files come class by class, and the statistics of a batch of one class are
        not those of training.
        """
        rows = as_generator(seed).permutation(len(y))[:limit]
        x, y = x[rows], y[rows]
        return torch.tensor(x, device=self.device), torch.tensor(y, device=self.device)


def _part(images: Images, part: Part) -> tuple[NDArray[Any], NDArray[Any]]:
    """Images and labels of one part."""
    if part not in get_args(Part):
        raise ParameterError(f"part must be one of {', '.join(get_args(Part))}, not {part!r}")
    return getattr(images, f"{part}_x"), getattr(images, f"{part}_y")


def recalibrate(network: nn.Module, x: Tensor, *, batch_size: int = 128) -> None:
    """Give the network's batch normalisation the mean statistics of some images.

    Parameters
    ----------
    network : torch.nn.Module
        From images to logits; left in evaluation mode, its weights as they were.
    x : Tensor, shape (n, channels, height, width)
        Training images, on the device of the network.
    batch_size : int
        The images are cut into equal batches of at most this size.

    References
    ----------
    J. Yu et al. Universally slimmable networks and improved training techniques. ICCV 2019.

    Examples
    --------
    >>> layer = nn.BatchNorm2d(1)
    >>> recalibrate(layer, torch.arange(4.0).reshape(4, 1, 1, 1))
    >>> layer.running_mean
    tensor([1.5000])
    """
    update_bn(x.tensor_split(-(-len(x) // batch_size)), network)
    network.eval()


@torch.no_grad()
def _measure(network: nn.Module, x: Tensor, y: Tensor, batch_size: int) -> tuple[float, float]:
    """Accuracy in percent and mean loss, in the mode the network is in."""
    right = torch.zeros((), device=x.device)
    loss = torch.zeros((), device=x.device)
    batches = -(-len(y) // batch_size)
    for images, labels in zip(x.tensor_split(batches), y.tensor_split(batches), strict=True):
        logits = network(images)
        right += (logits.argmax(dim=1) == labels).sum()
        loss += functional.cross_entropy(logits, labels, reduction="sum")
    return 100 * float(right) / len(y), float(loss) / len(y)
