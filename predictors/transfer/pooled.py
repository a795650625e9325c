"""A predictor that starts from earlier tasks and adapts to a new one with no or few labels."""

from __future__ import annotations

from dataclasses import field

import numpy as np

from ...data.spaces import Codes
from ...data.types import Matrix
from ..base import Scores
from ..labels import Labels
from ..processes import FAMILIES, GroupedGP, Groups, Term, feature_groups
from .base import TransferPredictor
from .likeness import TASKS, Likeness, OnScale, hypothesis_weights, residual_processes
from .task_prior import TaskPrior

# Labels at which processes of searched hyperparameters count for half of what is left open.
_HALF = 10
_NEGLIGIBLE = 1e-4


class Transfer(TransferPredictor):
    """Earlier tasks' scorers, corrected by the labels of the new task as far as these ask for it.

    Without labels, or with fewer than three, the score is the mean of the earlier tasks' scorers,
    weighed by how alike the tasks are where vectors say so. With labels, the new task is a
    Gaussian process that correlates with an earlier one (with any, or with their mean); how much,
    how noisy labels are and what the rest looks like is averaged by marginal likelihood, with odds
    learnt from other pairs of tasks. So a task that is like the earlier ones keeps their ranking,
    and one that is not is learnt afresh: the less the tasks correlate and the more labels there
    are, the more two processes count that search their hyperparameters. Its prior is a
    ``TaskPrior``.

    Labels are learnt as ranks, on the scale of the earlier scores.

    Attributes
    ----------
    correlation_ : float
        How much the new task is like the earlier ones, as far as the labels tell.
    weights_ : ndarray of float, shape (members, hypotheses)
        What each hypothesis counts; sums to 1.

    References
    ----------
    The task: H. Lee, E. Hyung, S. J. Hwang. Rapid neural architecture search by learning to
    generate graphs from datasets (MetaD2A). ICLR 2021. Processes of tasks that correlate: E. V.
    Bonilla, K. M. A. Chai, C. K. I. Williams. Multi-task Gaussian process prediction. NeurIPS 2007.
    Model averages: J. A. Hoeting et al. Bayesian model averaging. Statistical Science 1999.

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
    labels: str = field(default="normal-scores", init=False)

    def _new_prior(self) -> TaskPrior:
        return TaskPrior(self.space, seed=self.seed)

    def _fit(self, codes: Codes, z: Labels, rng: np.random.Generator) -> None:  # noqa: ARG002
        scores = self.prior.scores(codes)
        groups = feature_groups(self.space, codes, untrained=False)
        self.inner_ = OnScale().of(z, scores)
        z = self.inner_.transform(z)
        self.members_, odds = self._members(groups, scores, z)
        evidence = np.array([member.evidence for member in self.members_])
        self.weights_ = hypothesis_weights(odds[:, None] + self.members_[0].given.odds, evidence)
        correlation = self.members_[0].given.correlation
        self.correlation_ = float((self.weights_ @ correlation).sum())
        open_ = float((self.weights_ @ (1 - correlation**2)).sum())
        self.afresh_ = open_ * len(z) / (len(z) + _HALF)
        both = _with_scores(groups, scores @ self.prior.weights(self.vector))
        self.free_ = [GroupedGP(terms).fit(both, z) for terms in _searched(groups)]

    def _members(self, groups: Groups, scores: Matrix, z: Labels) -> tuple[list[Likeness], Matrix]:
        """Likenesses to the mean of the earlier tasks and to each, and their log odds."""
        prior = self.prior.weights(self.vector)
        mixes, chances = [prior], [1.0]
        if len(prior) > 1:
            mixes, chances = [prior, *np.eye(len(prior))], [0.5, *(0.5 * prior)]
        members, odds = [], []
        for mix, chance in zip(mixes, chances, strict=True):
            both = _with_scores(groups, scores @ mix)
            for odd, process in residual_processes(both):
                members.append(Likeness.learn(process, both, mix, scores @ mix, z))
                odds.append(np.log(max(chance, 1e-12)) + odd)
        return members, np.array(odds)

    def _predict(self, codes: Codes) -> tuple[Scores, Scores | None]:
        scores = self.prior.scores(codes)
        weights = self.prior.weights(self.vector)
        common = scores @ weights
        if not self._adapted:
            # Tasks that agree may still be wrong about a new one: at least half a deviation.
            return common, np.sqrt(((scores - common[:, None]) ** 2) @ weights + 0.25)
        groups = feature_groups(self.space, codes, untrained=False)
        parts = zip(self.members_, self.weights_, strict=True)
        moments = [
            member.moments(_with_scores(groups, scores @ member.mix), scores @ member.mix, share)
            for member, share in parts
            if share.sum() > _NEGLIGIBLE
        ]
        first, second = np.sum(moments, axis=0)
        both, even = _with_scores(groups, common), 1 / len(self.free_)
        free = [process.predict(both) for process in self.free_]
        mean = (1 - self.afresh_) * first + self.afresh_ * even * sum(m for m, _ in free)
        second = (1 - self.afresh_) * second
        second += self.afresh_ * even * sum(m**2 + d**2 for m, d in free)
        deviation = np.sqrt(np.maximum(second - mean**2, 1e-12))
        above, below = (self.inner_.inverse(mean + side * deviation) for side in (1, -1))
        return self.inner_.inverse(mean), (above - below) / 2


def _with_scores(groups: Groups, s: Matrix) -> Groups:
    """Features with an earlier task's scores, shape (n,), as one more group."""
    return {**groups, TASKS: s[:, None] / np.sqrt(2)}


def _searched(groups: Groups) -> list[list[Term]]:
    """Kernels over structure and earlier scores, and over structure alone."""
    base = tuple(name for name in groups if name not in FAMILIES)
    straight = [Term((name,), 0) for name in base if name != "paths"]
    return [
        [Term((*base, TASKS), 2.5), *straight, Term((TASKS,), 0)],
        [Term(base, 2.5), *straight],
    ]
