"""Vectors that describe an image task: Fisher information of a probe, and class Gaussians."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn
from torch.nn import functional

from ...data.arguments import InShort, checked
from ...data.images import Images
from ...data.seeds import as_generator, torch_seed
from ...data.types import Values
from ...errors import ParameterError

Kind = Literal["fisher", "transport"]

KINDS: tuple[Kind, ...] = ("fisher", "transport")
SIDE = 12  # pixels that the probe looks at
CHANNELS = (16, 32, 64)  # of the probe's convolutions
PROJECTED = 12  # dimensions of the class Gaussians
_PROBE_SEED = 6  # of the probe: embeddings are compared only with those of the same one
_SHRINKAGE = 0.1
_HEAD_STEPS = 20


@dataclass(frozen=True, eq=False, repr=False)
class TaskEmbedding(InShort):
    """Description of a task, for distances to other tasks.

    Attributes
    ----------
    fisher : float array, shape (112,)
        Fisher information of the probe's filters, the mean over their weights.
    weights : float array, shape (classes,)
        Shares of the classes.
    means : float array, shape (classes, 12)
        Of the probe's features, projected.
    covariances : float array, shape (classes, 12, 12)
    seconds : float
        Processor time that it took.
    """

    fisher: Values
    weights: Values
    means: Values
    covariances: Values
    seconds: float

    def vector(self) -> Values:
        """Vector of the data set, whatever the number and the order of its classes, shape (36,).

        The probe's features are pooled over the classes: the mean of their means, and the
        logarithms of the deviations between classes and within. Fit for ``vectors`` of
        ``Transfer``.

        Returns
        -------
        float array, shape (36,)

        References
        ----------
        H. Lee, E. Hyung, S. J. Hwang. Rapid neural architecture search by learning to generate
        graphs from datasets (MetaD2A). ICLR 2021: sets of classes, there with learnt encoders.

        Examples
        --------
        >>> from nasurge.data.images import load_images
        >>> embed_task(load_images("digits", limit=100)).vector().shape
        (36,)
        """
        centre = self.weights @ self.means
        between = self.weights @ (self.means - centre) ** 2
        within = self.weights @ np.diagonal(self.covariances, axis1=1, axis2=2)
        spread = np.sqrt(between + within)
        deviations = [0.5 * np.log(part + 1e-9) for part in (between, within)]
        return np.concatenate([centre / spread.mean(), *deviations])

    def arrays(self) -> dict[str, Values]:
        """Arrays by name, to be stored."""
        return {name: getattr(self, name) for name in ARRAYS}


ARRAYS = ("fisher", "weights", "means", "covariances")


def read_embedding(values: Mapping[str, Any]) -> TaskEmbedding:
    """Embedding of arrays, or lists of numbers, by name, and its seconds."""
    arrays = {name: np.asarray(values[name], dtype=np.float64) for name in ARRAYS}
    return TaskEmbedding(**arrays, seconds=values["seconds"])


@checked
def embed_task(images: Images, *, limit: int = 256, seed: int = 0) -> TaskEmbedding:
    """Embedding of a task, from training images alone.

    The probe is a fixed random convolutional network of three layers that sees every task as
    images of 12x12 pixels and three channels. A linear head is fitted to its features; the Fisher
    information is that of the filters, with labels drawn from the head's probabilities.

    Parameters
    ----------
    images : Images
    limit : int
        Use at most so many training images.
    seed : int
        Chooses them, and draws the labels. Torch's global random state is not touched.

    Raises
    ------
    ParameterError
        If ``limit`` is less than 2.

    References
    ----------
    A. Achille et al. Task2Vec: Task embedding for meta-learning. ICCV 2019.
    D. Alvarez-Melis, N. Fusi. Geometric dataset distances via optimal transport. NeurIPS 2020.

    Examples
    --------
    >>> from nasurge.data.images import load_images
    >>> embedding = embed_task(load_images("digits", limit=100))
    >>> embedding.fisher.shape, embedding.means.shape
    ((112,), (10, 12))
    """
    if limit < 2:
        raise ParameterError(f"limit must be at least 2 images, not {limit}")
    start = time.process_time()
    rng = as_generator(seed)
    rows = np.sort(rng.permutation(len(images.train_y))[:limit])
    x, y = _seen(images.train_x[rows]), torch.from_numpy(images.train_y[rows])
    drawn = torch.Generator().manual_seed(int(rng.integers(2**63)))
    probe = _probe()
    with torch.no_grad():
        features = probe(x)
    fisher = _fisher(probe, x, features, y, len(images.classes), drawn)
    weights, means, covariances = _class_gaussians(features.double().numpy(), images.train_y[rows])
    return TaskEmbedding(fisher, weights, means, covariances, time.process_time() - start)


def _seen(x: NDArray[np.float32]) -> Tensor:
    """Images as the probe takes them, shape (n, 3, 12, 12)."""
    size = (SIDE, SIDE)
    seen = torch.from_numpy(x)
    if seen.shape[2:] != size:
        seen = functional.interpolate(seen, size, mode="bilinear", antialias=True)
    return seen.expand(-1, 3, -1, -1) if seen.shape[1] == 1 else seen[:, :3]


def _probe() -> nn.Sequential:
    """Fixed random network, from images to 64 features."""
    with torch_seed(as_generator(_PROBE_SEED)):
        layers: list[nn.Module] = []
        before = 3
        for channels in CHANNELS:
            conv = nn.Conv2d(before, channels, 3, padding=1, bias=False)
            nn.init.kaiming_normal_(conv.weight)
            layers += [conv, nn.ReLU(), nn.AvgPool2d(2)]
            before = channels
    return nn.Sequential(*layers[:-1], nn.AdaptiveAvgPool2d(1), nn.Flatten())


def _head(features: Tensor, y: Tensor, classes: int) -> tuple[Tensor, Tensor]:
    """Weight and bias of a linear classifier of standardised features."""
    mean, deviation = features.mean(0), features.std(0) + 1e-6
    scaled = (features - mean) / deviation
    weight = torch.zeros(classes, features.shape[1], requires_grad=True)
    bias = torch.zeros(classes, requires_grad=True)
    optimiser = torch.optim.LBFGS([weight, bias], max_iter=_HEAD_STEPS)

    def loss() -> float:
        optimiser.zero_grad()
        value = functional.cross_entropy(scaled @ weight.T + bias, y)
        value = value + 0.01 * (weight**2).sum()
        value.backward()  # type: ignore[no-untyped-call]
        return float(value.detach())

    optimiser.step(loss)  # type: ignore[no-untyped-call]
    # Weights of the features as they are: the standardisation is multiplied in.
    plain = weight.detach() / deviation
    return plain, bias.detach() - plain @ mean


def _fisher(
    probe: nn.Sequential,
    x: Tensor,
    features: Tensor,
    y: Tensor,
    classes: int,
    drawn: torch.Generator,
) -> Values:
    """Diagonal of the Fisher information, a mean for every filter, shape (112,)."""
    weight, bias = _head(features, y, classes)
    shares = (features @ weight.T + bias).softmax(dim=1)
    labels = torch.multinomial(shares, 1, generator=drawn)[:, 0]
    parameters = {name: value.detach() for name, value in probe.named_parameters()}

    def loss(parameters: dict[str, Tensor], image: Tensor, label: Tensor) -> Tensor:
        features = torch.func.functional_call(probe, parameters, (image[None],))
        return functional.cross_entropy(features @ weight.T + bias, label[None])

    every = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0, 0))(parameters, x, labels)
    filters = [(gradient**2).mean(dim=(0, 2, 3, 4)) for gradient in every.values()]
    diagonal: Values = torch.cat(filters).double().numpy()
    return diagonal


def _class_gaussians(features: Values, y: NDArray[np.int64]) -> tuple[Values, Values, Values]:
    """Shares, means and covariances of the classes, in a few fixed directions."""
    rng = np.random.default_rng(_PROBE_SEED)
    directions = np.linalg.qr(rng.standard_normal((features.shape[1], PROJECTED)))[0]
    seen = features @ directions
    common = np.cov(seen.T)
    labels, counts = np.unique(y, return_counts=True)
    means = np.stack([seen[y == label].mean(axis=0) for label in labels])
    spreads = np.stack(
        [np.cov(seen[y == k].T) if n > 1 else common for k, n in zip(labels, counts, strict=True)]
    )
    # Classes of a few images have singular covariances: each borrows from that of all images.
    trust = (counts / (counts + PROJECTED))[:, None, None] * (1 - _SHRINKAGE)
    return counts / counts.sum(), means, trust * spreads + (1 - trust) * common


def fisher_distances(fisher: ArrayLike) -> Values:
    """One minus the cosine of every two embeddings, each scaled by the other, shape (tasks, tasks).

    Parameters
    ----------
    fisher : array_like, shape (tasks, filters)

    Returns
    -------
    float array, shape (tasks, tasks)

    References
    ----------
    A. Achille et al. Task2Vec: Task embedding for meta-learning. ICCV 2019, equation 5.

    Examples
    --------
    >>> fisher_distances([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0]]).round(3).tolist()
    [[0.0, 0.0, 1.0], [0.0, 0.0, 1.0], [1.0, 1.0, 0.0]]
    """
    values = np.asarray(fisher, dtype=np.float64)
    # How hard a task is scales all of it: what matters is which filters it needs.
    values = values / np.maximum(values.sum(axis=1, keepdims=True), 1e-300)
    both = values[:, None] + values[None]
    rows = values[:, None] / np.where(both > 0, both, 1.0)
    columns = values[None] / np.where(both > 0, both, 1.0)
    norms = np.linalg.norm(rows, axis=2) * np.linalg.norm(columns, axis=2)
    distances: Values = 1.0 - (rows * columns).sum(axis=2) / np.maximum(norms, 1e-300)
    return np.where(np.eye(len(values), dtype=bool), 0.0, np.maximum(distances, 0.0))


def transport_distances(embeddings: Sequence[TaskEmbedding]) -> Values:
    """Optimal-transport distance of every two tasks, classes being Gaussians, shape (tasks, tasks).

    Moving a class onto another costs the Bures-Wasserstein distance, squared, of their Gaussians
    in the probe's features; a linear program finds the cheapest plan.

    Returns
    -------
    float array, shape (tasks, tasks)

    References
    ----------
    D. Alvarez-Melis, N. Fusi. Geometric dataset distances via optimal transport. NeurIPS 2020.
    J. Delon, A. Desolneux. A Wasserstein-type distance in the space of Gaussian mixture models.
    SIAM Journal on Imaging Sciences 13, 2020.

    Examples
    --------
    >>> from nasurge.data.images import load_task
    >>> few = {"size": 8, "train": 100}
    >>> tasks = [embed_task(load_task(name, **few)) for name in ("digits", "glyphs#HEBREW")]
    >>> distances = transport_distances(tasks)
    >>> bool(distances[0, 1] == distances[1, 0] > distances[0, 0] == 0)
    True
    """
    distances = np.zeros((len(embeddings), len(embeddings)))
    for i, a in enumerate(embeddings):
        for j, b in enumerate(embeddings[:i]):
            squared = _cheapest(a.weights, b.weights, _squared_distances(a, b))
            distances[i, j] = distances[j, i] = np.sqrt(max(squared, 0.0))
    return distances


def _squared_distances(a: TaskEmbedding, b: TaskEmbedding) -> Values:
    """Squared Bures-Wasserstein distance of every two classes, shape (classes, classes)."""
    variances, directions = np.linalg.eigh(a.covariances)
    roots = directions * np.sqrt(np.maximum(variances, 0.0))[:, None]
    products = roots.swapaxes(1, 2)[:, None] @ b.covariances[None] @ roots[:, None]
    shared = np.sqrt(np.maximum(np.linalg.eigvalsh(products), 0.0)).sum(axis=2)
    traces = [np.trace(e.covariances, axis1=1, axis2=2) for e in (a, b)]
    moved = ((a.means[:, None] - b.means[None]) ** 2).sum(axis=2)
    squared: Values = moved + traces[0][:, None] + traces[1][None] - 2 * shared
    return squared


def _cheapest(leaving: Values, arriving: Values, costs: Values) -> float:
    """Cost of the cheapest plan that moves one distribution onto the other."""
    from scipy.optimize import linprog

    n, m = costs.shape
    rows, columns = np.kron(np.eye(n), np.ones(m)), np.kron(np.ones(n), np.eye(m))
    sums = np.concatenate([leaving / leaving.sum(), arriving / arriving.sum()])
    # What arrives last follows from the rest; said twice, rounding could make it impossible.
    plan = linprog(costs.ravel(), A_eq=np.concatenate([rows, columns])[:-1], b_eq=sums[:-1])
    return float(np.asarray(plan.fun, dtype=np.float64))


@checked
def task_distances(embeddings: Sequence[TaskEmbedding], kind: Kind) -> Values:
    """Distances of every two tasks by one of the two measures, shape (tasks, tasks).

    Parameters
    ----------
    embeddings : sequence of TaskEmbedding
    kind : {"fisher", "transport"}

    Raises
    ------
    ParameterError
        If there is no such kind.

    Examples
    --------
    >>> from nasurge.data.images import load_images
    >>> task_distances([embed_task(load_images("digits"))], "fisher").tolist()
    [[0.0]]
    """
    if kind == "fisher":
        return fisher_distances([e.fisher for e in embeddings])
    if kind == "transport":
        return transport_distances(embeddings)
    raise ParameterError(f"kind must be one of {', '.join(KINDS)}, not {kind!r}")
