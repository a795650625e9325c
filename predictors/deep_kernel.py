"""Features that many tasks share: a network under a Gaussian process, learnt over earlier tasks."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..data.devices import one_thread
from ..data.seeds import Seed, as_generator, torch_seed
from .training import OneCycleAdamW

Matrix = NDArray[np.float64]

_JITTER = 1e-4
_TASKS_A_STEP = 4
_CONCENTRATION = 0.3  # of the mixtures: mostly one or two tasks


class DeepKernel(nn.Module):
    """A Matern and a linear kernel on the outputs of a small network.

    Parameters
    ----------
    inputs, width, outputs : int
        Columns of the input, hidden units of the two layers, and features.
    """

    def __init__(self, inputs: int, *, width: int = 64, outputs: int = 16) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Linear(inputs, width),
            nn.SiLU(),
            nn.Linear(width, width),
            nn.SiLU(),
            nn.Linear(width, outputs),
        )
        self.amplitudes = nn.Parameter(torch.zeros(2))
        self.length = nn.Parameter(torch.ones(()))
        self.noise = nn.Parameter(torch.tensor(-2.0))

    def forward(self, x: Tensor) -> Tensor:
        """Return the kernel of the rows with each other, noise included, shape (n, n)."""
        features: Tensor = self.features(x)
        products = features @ features.T
        norms = torch.diagonal(products)
        squares = (norms[:, None] + norms[None] - 2 * products).clamp_min(1e-9)
        root = (3 * squares).sqrt() * torch.exp(-self.length)
        curved: Tensor = self.amplitudes[0].exp() * (1 + root) * torch.exp(-root)
        straight = self.amplitudes[1].exp() * products / features.shape[1]
        own = (self.noise.exp() + _JITTER) * torch.eye(len(x))
        kernel: Tensor = curved + straight + own
        return kernel


def _loss(kernel: Tensor, labels: Tensor) -> Tensor:
    """Return minus the mean log marginal likelihood of the columns of labels, per row."""
    factor = torch.linalg.cholesky(kernel)
    white = torch.linalg.solve_triangular(factor, labels, upper=False)
    bulk = torch.log(torch.diagonal(factor)).sum()
    loss: Tensor = (0.5 * (white**2).sum(dim=0) + bulk).mean() / len(labels)
    return loss


def _mixtures(scores: Matrix, rng: np.random.Generator) -> Matrix:
    """Return random tasks, shape (4, n): signed mixtures of the earlier ones, standardised."""
    count = len(scores)
    weights = rng.dirichlet(np.full(count, _CONCENTRATION), size=_TASKS_A_STEP)
    weights *= np.where(rng.random(weights.shape) < 0.15, -1, 1)
    mixed = weights @ scores
    deviation = np.maximum(mixed.std(axis=1, keepdims=True), 1e-6)
    return np.asarray((mixed - mixed.mean(axis=1, keepdims=True)) / deviation)


def shared_features(
    x: Matrix,
    scores: Matrix,
    *,
    steps: int = 1000,
    rows: int = 60,
    outputs: int = 16,
    seed: Seed = None,
) -> Matrix:
    """Return features in which a few labels of a new task tell the most, shape (n, outputs).

    A network's outputs are the inputs of a Gaussian process. In every step a few architectures and
    random mixtures of the earlier tasks are drawn, and the network, with the kernel, raises the
    marginal likelihood of their scores: it learns to learn from so few labels.

    Parameters
    ----------
    x : ndarray of float, shape (n, columns)
        Plain features of the architectures.
    scores : ndarray of float, shape (tasks, n)
        Their scores on each earlier task, of about unit variance.
    steps : int
    rows : int
        Architectures of a step.
    outputs : int
    seed : int, Generator or None

    References
    ----------
    M. Wistuba and J. Grabocka. Few-shot Bayesian optimization with deep kernel surrogates. ICLR
    2021, arXiv 2101.07667. There the tasks are used as they are; the mixtures are ours.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x = rng.standard_normal((200, 8))
    >>> shared_features(x, np.sin(x[:, :3]).T, steps=20, seed=0).shape
    (200, 16)
    """
    rng = as_generator(seed)
    inputs = torch.as_tensor(x, dtype=torch.float32)
    with torch_seed(rng), one_thread():
        network = DeepKernel(x.shape[1], outputs=outputs)
        optimiser = OneCycleAdamW(
            list(network.parameters()), learning_rate=4e-3, weight_decay=0.0, steps=steps
        )
        for step in range(steps):
            drawn = rng.choice(len(x), min(rows, len(x)), replace=False)
            labels: Any = torch.as_tensor(_mixtures(scores[:, drawn], rng), dtype=torch.float32)
            loss = _loss(network(inputs[torch.as_tensor(drawn)]), labels.T)
            loss.backward()  # type: ignore[no-untyped-call]  # torch has no type for it
            optimiser.step(step)
        with torch.inference_mode():
            return np.asarray(network.features(inputs).double().numpy())
