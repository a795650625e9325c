"""A predictor that starts from earlier tasks and adapts to a new one with no or few labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ..data.seeds import Seed
from ..data.spaces import Codes, Space
from .base import Scores
from .feature_groups import FAMILIES, feature_groups
from .grouped import GroupedGP, Groups, Prior, Term
from .labels import Labels
from .task_prior import TaskPrior
from .transfer_base import Matrix, TransferPredictor

# How likely it is beforehand that the earlier tasks' ranking holds but for little; that it is worth
# something; that it is worth nothing.
_BELIEVED = np.exp([2.0, 1.0, 0.0])
# Leave-one-out of a handful of labels is mostly chance, and the same chance for all members: each
# label counts as a third of one.
_EFFECTIVE = 0.3
# Pseudo-labels that say: an offset of 0 and a slope of 1 on the earlier tasks' scores.
_ALIGNED = np.diag([1.0, 3.0])
_CLOSE = ((0.03, 0.1), (0.1, 0.1))  # amplitude and noise of what earlier tasks leave open


@dataclass(frozen=True)
class _Line:
    """The labels as a line through some scores of earlier tasks, drawn to offset 0 and slope 1."""

    mix: Matrix
    line: Matrix
    noise: float
    told: float

    @classmethod
    def through(cls, scores: Matrix, mix: Matrix, z: Labels) -> _Line:
        """Return the line through labels, and how well each is told by the others."""
        source, n = scores @ mix, len(z)
        x = np.stack([np.ones(n), source], axis=1)
        inverse = np.linalg.inv(x.T @ x + _ALIGNED)
        line = np.array([0.0, 1.0]) + inverse @ x.T @ (z - source)
        left = z - x @ line
        away = 1 - np.einsum("ij,jk,ik->i", x, inverse, x)
        noise = float((left @ left + 1) / (n + 2))  # two pseudo-labels keep it from vanishing
        return cls(mix, line, noise, _log_density(left / away, noise / away))

    def of(self, scores: Matrix) -> Matrix:
        """Return the line at scores of earlier tasks, shape (n,)."""
        return np.asarray(self.line[0] + self.line[1] * (scores @ self.mix))

    def predict(self, groups: Groups, scores: Matrix) -> tuple[Matrix, Matrix]:  # noqa: ARG002
        """Return mean and deviation, each (n,)."""
        return self.of(scores), np.full(len(scores), np.sqrt(self.noise))


@dataclass(frozen=True)
class _Process:
    """A process that learnt the labels, less a line through earlier scores where there is one."""

    process: GroupedGP
    line: _Line | None = None

    def predict(self, groups: Groups, scores: Matrix) -> tuple[Matrix, Matrix]:
        """Return mean and deviation, each (n,)."""
        mean, deviation = self.process.predict(groups)
        return mean + (0.0 if self.line is None else self.line.of(scores)), deviation

    @property
    def told(self) -> float:
        """How well each label is told by the others, as a logarithm."""
        return _log_density(self.process.left_out_error_, self.process.left_out_variance_)


def _log_density(error: Matrix, variance: Matrix) -> float:
    """Return the sum of normal log densities, but for a constant."""
    return float(-0.5 * (error**2 / variance + np.log(variance)).sum())


class Transfer(TransferPredictor):
    """Earlier tasks' scorers, corrected by the labels of the new task as far as these ask for it.

    Without labels, or with fewer than three, the score is the mean of the earlier tasks' scorers,
    weighed by how alike the tasks are where vectors say so. With labels, models are averaged: some
    keep such scores, or learn what these leave open and expect little of it; some take the scores
    as features beside structure; some do without them. The first are believed most beforehand;
    then each gains by how well it tells every label from the others (leave-one-out), which is
    tempered, as a few labels say little. So a task that is like the earlier ones keeps their
    ranking, and one that is not is learnt afresh.

    Parameters
    ----------
    space : Space
    prior : TaskPrior, optional
        Fitted to the earlier tasks; ``fit_tasks`` makes one. Without, the predictor refuses.
    vector : array_like of float, shape (k,), optional
        What the new task is like, where the prior knows the vectors of the earlier ones.
    labels : {"blended", "normal-scores", "standardised"}
    seed : int, Generator or None
        Of the prior that ``fit_tasks`` makes; adapting is deterministic.

    References
    ----------
    The task: H. Lee, E. Hyung, S. J. Hwang. Rapid neural architecture search by learning to
    generate graphs from datasets (MetaD2A). ICLR 2021. Mixtures of source models: M. Feurer, B.
    Letham, E. Bakshy. AutoML 2018. Leave-one-out predictive densities as weights: S. Geisser, W. F.
    Eddy. A predictive approach to model selection. JASA 1979.

    Examples
    --------
    >>> import nasurge
    >>> table = nasurge.load_table("nbgraph")
    >>> y = {t: table.values(task=t, metric="accuracy", split="test") for t in ("cora", "pubmed")}
    >>> gp = lambda space, seed: nasurge.make_predictor("gp", space, seed=seed)
    >>> prior = TaskPrior(table.space, learner=gp)
    >>> prior = prior.fit(table.codes[::99], y["cora"][::99], ["cora"] * len(table.codes[::99]))
    >>> model = Transfer(table.space, prior=prior)
    >>> model.predict(table.codes[:5]).shape
    (5,)
    >>> model.fit(table.codes[::400], y["pubmed"][::400]).predict(table.codes[:5]).shape
    (5,)
    """

    heavy_imports = ("scipy.optimize",)

    def __init__(
        self,
        space: Space,
        *,
        prior: TaskPrior | None = None,
        vector: ArrayLike | None = None,
        labels: str = "blended",
        seed: Seed = None,
    ) -> None:
        self.space = space
        self.prior = prior
        self.vector = vector
        self.labels = labels
        self.seed = seed

    def _new_prior(self) -> TaskPrior:
        return TaskPrior(self.space, seed=self.seed)

    def _fit(self, codes: Codes, z: Labels, rng: np.random.Generator) -> None:  # noqa: ARG002
        scores = self._prior().scores(codes)
        groups = self._features(codes, scores)
        kept, odds = self._kept(groups, scores, z)
        free = self._free(groups, z)
        self.members_: list[_Line | _Process] = [*kept, *free]
        even = np.full(2, 0.5)
        parts = (odds, even, even)
        believed = np.concatenate([p * part for p, part in zip(_BELIEVED, parts, strict=True)])
        told = np.array([member.told for member in self.members_])
        weights = believed * np.exp(_EFFECTIVE * (told - told.max()))
        self.weights_ = weights / weights.sum()

    def _prior(self) -> TaskPrior:
        prior: TaskPrior = self.prior
        return prior

    def _features(self, codes: Codes, scores: Matrix) -> Groups:
        """Return groups of features, scaled; the earlier tasks' scores are one."""
        groups = feature_groups(self.space, codes, untrained=False)
        return {**groups, "tasks": scores / np.sqrt(2 * scores.shape[1])}

    def _kept(
        self, groups: Groups, scores: Matrix, z: Labels
    ) -> tuple[list[_Line | _Process], Matrix]:
        """Return lines through earlier scores, processes on what these leave, and their odds."""
        prior = self._prior().weights(self.vector)
        mixes, odds = [prior], [1.0]
        if len(prior) > 1:
            mixes, odds = [prior, *np.eye(len(prior))], [0.5, *(0.5 * prior)]
        base = tuple(name for name in groups if name not in (*FAMILIES, "tasks"))
        found: list[_Line | _Process] = []
        for mix in mixes:
            line = _Line.through(scores, mix, z)
            found.append(line)
            for amplitude, noise in _CLOSE:
                believed = Prior(amplitude=(np.log(amplitude), 1.0), noise=(np.log(noise), 1.0))
                process = GroupedGP([Term(base, 2.5)], believed).fit(groups, z - line.of(scores))
                found.append(_Process(process, line))
        each = 1 + len(_CLOSE)
        return found, np.repeat(odds, each) / each

    def _free(self, groups: Groups, z: Labels) -> list[_Process]:
        """Return processes with earlier scores as features, then such without."""
        own = tuple(name for name in groups if name != "tasks")
        base = tuple(name for name in own if name not in FAMILIES)
        straight = [Term((name,), 0) for name in base if name != "paths"]
        told = Term(("tasks",), 0)
        kernels = (
            [Term((*own, "tasks"), 1.5), told],
            [Term((*base, "tasks"), 2.5), *straight, told],
            [Term(own, 1.5)],
            [Term(base, 2.5), *straight],
        )
        return [_Process(GroupedGP(terms).fit(groups, z)) for terms in kernels]

    def _predict(self, codes: Codes) -> tuple[Scores, Scores | None]:
        scores = self._prior().scores(codes)
        if not self._adapted:
            weights = self._prior().weights(self.vector)
            mean = scores @ weights
            # Tasks that agree may still be wrong about a new one: at least half a deviation.
            return mean, np.sqrt(((scores - mean[:, None]) ** 2) @ weights + 0.25)
        groups = self._features(codes, scores)
        found = [member.predict(groups, scores) for member in self.members_]
        means, deviations = (np.stack(part) for part in zip(*found, strict=True))
        mean = self.weights_ @ means
        variance = self.weights_ @ (deviations**2 + (means - mean) ** 2)
        return mean, np.sqrt(variance)
