"""One graph network for many tasks and spaces: a shared encoder, and a vector of each task."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike

from ...data.parameters import check_parameters, whole_number
from ...data.seeds import Seed, as_generator
from ...data.spaces import Codes, Space, check_space
from ...data.types import Matrix
from ...errors import LabelError
from ..base import Scores
from ..labels import Blended, Labels
from ..neural import TrainingParameters
from ..processes import linear_posterior
from .base import TransferPredictor, require_learnt
from .between_spaces import Elsewhere, distinct_share
from .task_prior import ENOUGH, POOL, checked_vectors, labels_by_task, task_weights

if TYPE_CHECKING:
    from .graph_vocabulary import TaskNetwork

_EFFECT, _REST = 0.3, 1.3  # variances of a task's effect, and of the rest of a label
_TELLS = 0.05  # least share of a space's architectures that the vocabulary tells apart
_REFERENCE = 1000  # unlabelled architectures that say what is usual
# Hyperparameters of a new task that are averaged: how far its vector may be from the earlier
# ones', as a share of the mean vector's length, and the noise of its labels.
_SPREADS = (0.03, 0.1, 0.3, 1.0, 3.0)
_NOISES = (0.05, 0.15, 0.4)


class _Lesson(NamedTuple):
    """Labels of one task, as the network learns them."""

    name: str
    space: Space
    codes: Codes
    z: Labels


class GraphPrior(TrainingParameters):
    """A graph network that learnt many tasks: ``score = task vector @ embedding(architecture)``.

    The network reads what all spaces have in common: kinds of operations, and the numbers of
    ``Common``. Tasks with at least 20 labels have a vector of their own, which is a common one and
    a small difference; all tasks with fewer share one, after each lost its own level.

    Parameters
    ----------
    space : Space
        Of the new task.
    members : int
        Networks whose scores are averaged.
    seed : int, Generator or None

    Examples
    --------
    >>> import nasurge
    >>> table = nasurge.load_table("nbgraph")
    >>> y = table.values(task="cora", metric="accuracy", split="test")
    >>> prior = GraphPrior(table.space, members=1, steps=20, seed=0)
    >>> prior = prior.fit(table.codes[::300], y[::300], ["cora"] * len(y[::300]))
    >>> prior.names_, prior.embed(table.codes[:5])[0].shape
    (['cora'], (5, 32))
    """

    space: Space = field(kw_only=False)
    members: int = whole_number(2)
    steps: int = 400
    seed: Seed = None

    def fit(
        self,
        codes: ArrayLike,
        y: ArrayLike,
        tasks: ArrayLike,
        *,
        vectors: Mapping[Hashable, ArrayLike] | None = None,
        others: Sequence[Elsewhere] = (),
    ) -> Self:
        """Learn from earlier tasks, of this space and others: as ``TaskPrior.fit``."""
        from .graph_vocabulary import train_tasks

        check_space(self)
        check_parameters(self)
        lessons = _lessons(self.space, codes, y, tasks)
        for other in others:
            lessons += _lessons(*other)
        if not lessons:
            raise LabelError(
                f"no earlier task has {ENOUGH} labels, nor have all that have fewer together: "
                "there is nothing to carry over"
            )
        names = [lesson.name for lesson in lessons]
        found = checked_vectors(vectors, names)
        rng = as_generator(self.seed)
        labels = [(lesson.space, lesson.codes, lesson.z) for lesson in lessons]
        networks = [train_tasks(labels, self, rng=rng) for _ in range(self.members)]
        usual = self.space.canonical(self.space.sample(_REFERENCE, seed=0))
        self.scales_ = [_Scale.of(network, self.space, usual) for network in networks]
        self.networks_, self.names_, self.vectors_ = networks, names, found
        return self

    def embed(self, codes: ArrayLike) -> list[Matrix]:
        """Each network's embedding of architectures, shape (n, width), standardised.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        ArchitectureError
            If a row is not in the space.
        """
        require_learnt(self, "networks_")
        canonical = self.space.canonical(codes)
        pairs = zip(self.networks_, self.scales_, strict=True)
        return [scale.scaled(network.embedded(self.space, canonical)) for network, scale in pairs]

    def task_vectors(self, vector: ArrayLike | None = None) -> list[tuple[Matrix, Matrix]]:
        """Vector expected of a task by each network, and the covariance of earlier ones.

        Parameters
        ----------
        vector : array_like of float, shape (k,), optional
            What the new task is like: see ``TaskPrior.weights``.

        Returns
        -------
        list of (ndarray of float, shape (width,); ndarray of float, shape (width, width))

        Raises
        ------
        NotFittedError
            Before ``fit``.
        ParameterError
            If the vector is of another length than the earlier ones', or not finite.
        """
        require_learnt(self, "networks_")
        weights = task_weights(self.vectors_, vector, len(self.names_))
        found = []
        for network, scale in zip(self.networks_, self.scales_, strict=True):
            every = network.vectors() * scale.deviation
            mean = weights @ every
            away = every - mean
            found.append((mean, (away * weights[:, None]).T @ away))
        return found

    def __repr__(self) -> str:
        return f"<GraphPrior of {self.space.name}: {', '.join(getattr(self, 'names_', [])[:5])}>"


@dataclass(frozen=True)
class _Scale:
    """Centre and deviation of an embedding over a space."""

    centre: Matrix
    deviation: Matrix

    @classmethod
    def of(cls, network: TaskNetwork, space: Space, codes: Codes) -> _Scale:
        found = network.embedded(space, codes)
        # A unit of the ReLU may be 0 all over the space.
        return cls(found.mean(axis=0), found.std(axis=0) + 1e-6)

    def scaled(self, embedding: Matrix) -> Matrix:
        return (embedding - self.centre) / self.deviation


def _lessons(space: Space, codes: ArrayLike, y: ArrayLike, tasks: ArrayLike) -> list[_Lesson]:
    """Tasks of a space as the network learns them; small ones are one."""
    known = labels_by_task(space, codes, y, tasks)
    found = []
    for k in np.flatnonzero(known.counts >= ENOUGH):
        mine = known.which == k
        labels = known.y[mine]
        z = Blended().fit(labels).transform(labels)
        found.append(_Lesson(known.names[k], space, known.codes[mine], z))
    rest = known.counts[known.which] < ENOUGH
    if rest.sum() >= ENOUGH and np.ptp(known.y[rest]) > 0:
        z = (known.y[rest] - known.y[rest].mean()) / known.y[rest].std()
        which = known.which[rest]
        sums = np.bincount(which, z, minlength=len(known.counts))
        level = _EFFECT * sums / (_EFFECT * known.counts + _REST)
        found.append(_Lesson(POOL, space, known.codes[rest], z - level[which]))
    return found


class TransferGraph(TransferPredictor):
    """One graph network for many tasks, whose vector of a new task is learnt from few labels.

    Earlier tasks shape an embedding of architectures and say what the vector of a task is like:
    before labels the new task's is the mean of theirs, weighed by how alike the tasks are where
    vectors say so. With labels it is a Bayesian regression on the embedding around that mean, in
    whose directions earlier tasks differed and a little in all; how far, and the noise, are
    averaged over by marginal likelihood. Its prior is a ``GraphPrior``.

    References
    ----------
    H. Lee, E. Hyung, S. J. Hwang. Rapid neural architecture search by learning to generate graphs
    from datasets (MetaD2A). ICLR 2021. The head: V. Perrone, R. Jenatton, M. Seeger, C. Archambeau.
    Scalable hyperparameter transfer learning. NeurIPS 2018.

    Examples
    --------
    >>> import nasurge
    >>> table = nasurge.load_table("nbgraph")
    >>> y = table.values(task="cora", metric="accuracy", split="test")
    >>> prior = GraphPrior(table.space, members=1, steps=20, seed=0)
    >>> prior = prior.fit(table.codes[::300], y[::300], ["cora"] * len(y[::300]))
    >>> model = TransferGraph(table.space, prior=prior)
    >>> model.predict(table.codes[:5]).shape
    (5,)
    """

    heavy_imports = (f"{__package__}.graph_vocabulary",)

    labels: str = "blended"

    @property
    def refusal(self) -> str | None:
        """Why it cannot serve: as ``transfer``, or its space looks alike in kinds and depths."""
        if distinct_share(self.space) < _TELLS:
            return (
                f"architectures of {self.space} look alike by kinds and depths of operations, "
                "which is all that a network of many spaces sees: take transfer"
            )
        return super().refusal

    def _new_prior(self) -> GraphPrior:
        return GraphPrior(self.space, seed=self.seed)

    def _fit(self, codes: Codes, z: Labels, rng: np.random.Generator) -> None:  # noqa: ARG002
        pairs = zip(self.prior.embed(codes), self.prior.task_vectors(self.vector), strict=True)
        self.heads_ = [_head(x, z, *expected) for x, expected in pairs]

    def _predict(self, codes: Codes) -> tuple[Scores, Scores | None]:
        embedded = self.prior.embed(codes)
        if self._adapted:
            heads = self.heads_
        else:
            heads = [_Head.expected(mean) for mean, _ in self.prior.task_vectors(self.vector)]
        found = [head.predict(x) for head, x in zip(heads, embedded, strict=True)]
        means, variances = (np.stack(part) for part in zip(*found, strict=True))
        mean = means.mean(axis=0)
        return mean, np.sqrt(variances.mean(axis=0) + means.var(axis=0))


@dataclass(frozen=True)
class _Head:
    """A normal distribution of a task's vector, the first entry an offset, and the noise."""

    mean: Matrix
    covariance: Matrix
    noise: float

    @classmethod
    def expected(cls, mean: Matrix) -> _Head:
        """Head before labels, in normal scores over the space."""
        length = max(float(np.linalg.norm(mean)), 1e-9)
        whole = np.append(0.0, mean / length)
        return cls(whole, np.zeros((len(whole), len(whole))), 0.25)

    def predict(self, x: Matrix) -> tuple[Matrix, Matrix]:
        """Mean and variance of labels at embeddings, each shape (n,)."""
        design = _with_offset(x)
        return design @ self.mean, ((design @ self.covariance) * design).sum(axis=1) + self.noise


def _with_offset(x: Matrix) -> Matrix:
    return np.concatenate([np.ones((len(x), 1)), x], axis=1)


def _head(x: Matrix, z: Labels, mean: Matrix, varied: Matrix) -> _Head:
    """Head of a task after labels, averaged over spreads and noises."""
    design = _with_offset(x)
    centre = np.append(0.0, mean)
    residuals = z - design @ centre
    usual = float(mean @ mean) / len(mean) + 1e-6
    fits = []
    for spread in _SPREADS:
        prior = np.zeros((len(centre), len(centre)))
        prior[0, 0] = 1.0
        prior[1:, 1:] = spread * (varied + usual * np.eye(len(mean)))
        fits += [
            (*linear_posterior(design, residuals, centre, prior, noise), noise) for noise in _NOISES
        ]
    means, covariances, evidence, noises = (np.stack(part) for part in zip(*fits, strict=True))
    weights = np.exp(evidence - evidence.max())
    weights /= weights.sum()
    whole = weights @ means
    away = means - whole
    covariance = np.einsum("k,kij->ij", weights, covariances) + (away * weights[:, None]).T @ away
    return _Head(whole, covariance, float(weights @ noises))
