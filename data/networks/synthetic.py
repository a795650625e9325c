"""Scores of networks on synthetic tasks: regression of signals, flatness, smooth functions."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from .cells import Reduction

_SIGNALS = 8
_RATES = {"gennas": 0.01, "genas": 0.003}
_PERTURBATIONS = (0.01, 0.02, 0.05)
_POINTS, _WAVES, _SINES = 128, 16, 32


def gennas(
    network: nn.Sequential,
    images: Tensor,
    labels: Tensor | None = None,  # noqa: ARG001 -- one signature for both tasks
    *,
    steps: int = 20,
) -> float:
    """Negative error of a network that learnt to draw waves, for a few steps.

    Each stage's output, through one linear map per stage, is regressed to eight plane waves of
    random frequency, whose phase differs from image to image. ``network`` is trained.

    References
    ----------
    Y. Li et al. Generic neural architecture search via regression. NeurIPS 2021.
    """
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        shapes = [tuple(output.shape) for output in _stages(network, images)]
    targets = [_waves(n, height, generator).to(images) for n, _, height, _ in shapes]
    heads = [
        nn.Parameter(torch.randn(_SIGNALS, c, generator=generator).to(images) / math.sqrt(c))
        for _, c, _, _ in shapes
    ]

    def error() -> Tensor:
        drawn = [
            torch.einsum("kc,nchw->nkhw", head, output)
            for head, output in zip(heads, _stages(network, images), strict=True)
        ]
        errors = [functional.mse_loss(d, t) for d, t in zip(drawn, targets, strict=True)]
        return torch.stack(errors).mean()

    return -_train([*network[:-2].parameters(), *heads], error, steps, _RATES["gennas"])


def genas(network: nn.Sequential, images: Tensor, labels: Tensor, *, steps: int = 20) -> float:
    """Negative mean loss around the weights that a few steps of training reached.

    The labels may be random. The weights are moved by noise of 1, 2 and 5 % of each layer's
    norm: a flat minimum stays low. ``network`` is trained.

    References
    ----------
    J. Jeong et al. GeNAS: Neural architecture search with better generalization. IJCAI 2023.
    """
    generator = torch.Generator().manual_seed(0)
    weights = list(network.parameters())

    def loss() -> Tensor:
        return functional.cross_entropy(network(images), labels)

    _train(weights, loss, steps, _RATES["genas"])
    losses = []
    with torch.no_grad():
        for share in _PERTURBATIONS:
            noise = [torch.randn(w.shape, generator=generator).to(w) for w in weights]
            moves = [share * w.norm() * n / n.norm() for w, n in zip(weights, noise, strict=True)]
            for weight, move in zip(weights, moves, strict=True):
                weight.add_(move)
            losses.append(float(loss()))
            for weight, move in zip(weights, moves, strict=True):
                weight.sub_(move)
    return -sum(losses) / len(losses)


def fourier(network: nn.Sequential, shape: tuple[int, int, int]) -> float:
    """Share of a network's features that is no smooth function of what images are made from.

    Images of ``shape`` (channels, height, width) are random Fourier features of points of a cube:
    sums of plane waves whose phases move with the point. The pooled features of the untrained
    network are regressed on slow sines of the points; the result is the share of their variance
    that is left. Networks that make more of their input leave more.

    References
    ----------
    A. Rahimi and B. Recht. Random features for large-scale kernel machines. NeurIPS 2007.

    M. Le et al. Efficacy of neural prediction-based zero-shot NAS for image classification.
    arXiv 2308.16775, 2023 (sums of sines as what a network is given).
    """
    generator = torch.Generator().manual_seed(0)
    channels, height, width = shape

    def draw(*size: int) -> Tensor:
        return torch.randn(*size, generator=generator)

    def phases(n: int) -> Tensor:
        return 2 * math.pi * torch.rand(n, generator=generator)

    points = 2 * torch.rand(_POINTS, 3, generator=generator) - 1
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    places = torch.stack([rows, columns]).float().flatten(1)
    moved = points @ draw(3, channels * _WAVES) + phases(channels * _WAVES)
    waves = ((draw(channels * _WAVES, 2) @ places)[None] + moved[:, :, None]).sin()
    images = waves.view(_POINTS, channels, _WAVES, height, width).mean(dim=2) * math.sqrt(_WAVES)
    slow = (points @ draw(3, _SINES) + phases(_SINES)).sin()
    basis = torch.cat([slow, torch.ones(_POINTS, 1)], dim=1).double()
    where = next(network.parameters()).device
    with torch.no_grad():
        features = network.train()[:-1](images.to(where)).double().cpu()
    features = (features - features.mean(dim=0)) / (features.std(dim=0) + 1e-6)
    # In NumPy: torch's products differ in the last bits from call to call.
    given, known = features.numpy(), np.linalg.qr(basis.numpy())[0]
    left = given - known @ (known.T @ given)
    return float(np.square(left).sum() / (np.square(given).sum() + 1e-6))


def _stages(network: nn.Sequential, images: Tensor) -> list[Tensor]:
    """Output of each stage: before every reduction and before pooling."""
    x, found = images, []
    for module in list(network.train())[:-2]:
        if isinstance(module, Reduction):
            found.append(x)
        x = module(x)
    return [*found, x]


def _waves(n: int, side: int, generator: torch.Generator) -> Tensor:
    """Plane waves of unit variance, shape (n, signals, side, side)."""
    frequency = math.pi * torch.rand(_SIGNALS, 2, 1, 1, generator=generator)
    phase = 2 * math.pi * torch.rand(n, _SIGNALS, 1, 1, generator=generator)
    place = torch.arange(side).float()
    across = frequency[:, 0] * place[:, None] + frequency[:, 1] * place
    return math.sqrt(2) * (across[None] + phase).sin()


def _train(weights: Sequence[Tensor], loss: Callable[[], Tensor], steps: int, rate: float) -> float:
    """Take steps of Adam and return the mean loss of the last quarter of them."""
    optimiser = torch.optim.Adam(weights, lr=rate)
    losses = []
    for _ in range(steps):
        now = loss()
        for weight, gradient in zip(
            weights, torch.autograd.grad(now, weights, allow_unused=True), strict=True
        ):
            weight.grad = gradient
        optimiser.step()
        losses.append(float(now.detach()))
    last = losses[-max(1, steps // 4) :]
    return sum(last) / len(last)
