"""A predictor that starts from earlier tasks and adapts to a new one with no or few labels."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..data.seeds import Seed
from ..data.spaces import Codes, Space
from ..errors import ParameterError
from .base import Predictor, Scores
from .feature_groups import FAMILIES, feature_groups
from .grouped import GroupedGP, Groups, Prior, Term
from .labels import Labels, Standardised, finite_labels
from .task_prior import TaskPrior

Matrix = NDArray[np.float64]

_FEWEST = 3  # labels with which an order can be learnt
# How much likelier it is beforehand that the earlier tasks are right but for noise, as a logarithm.
_TRUST = 2.0
# Pseudo-labels that say: an offset of 0 and a slope of 1 on the earlier tasks' scores.
_ALIGNED = np.diag([1.0, 3.0])
_CLOSE = ((0.03, 0.1), (0.1, 0.1))  # amplitude and noise of what earlier tasks leave open


@dataclass(frozen=True)
class _Member:
    """A process that learnt the labels, less a line through some scores of earlier tasks."""

    process: GroupedGP
    mix: Matrix
    line: Matrix
    log_odds: float

    def predict(self, groups: Groups, scores: Matrix) -> tuple[Matrix, Matrix]:
        """Return mean and deviation, each (n,)."""
        mean, deviation = self.process.predict(groups)
        return mean + self.line[0] + self.line[1] * (scores @ self.mix), deviation

    @property
    def evidence(self) -> float:
        """How well each label is told by the others, as a logarithm, and the odds beforehand."""
        variance = self.process.left_out_variance_
        error = self.process.left_out_error_
        told = -0.5 * (error**2 / variance + np.log(variance)).sum()
        return float(told + self.log_odds)


class Transfer(Predictor):
    """Earlier tasks' scorers, corrected by the labels of the new task as far as these ask for it.

    Without labels, or with fewer than three, the score is the mean of the earlier tasks' scorers,
    weighed by how alike the tasks are where vectors say so. With labels, Gaussian processes are
    averaged: some learn only what such scores leave open and expect little of it, some take the
    scores as features beside structure, some do without them. Each has the weight with which it
    tells every label from the others (leave-one-out). So a task that is like the earlier
    ones keeps their ranking, and one that is not is learnt afresh.

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

    minimum_labels = _FEWEST
    offers_std = True
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

    @property
    def refusal(self) -> str | None:
        """Why it cannot serve: there are no earlier tasks, or they are of another space."""
        if self.prior is None:
            return (
                "transfer needs earlier tasks: call fit_tasks(codes, y, tasks), or give prior=..."
            )
        if self.prior.space != self.space:
            return f"the earlier tasks are of {self.prior.space}, the new one is of {self.space}"
        return None

    def fit_tasks(
        self,
        codes: ArrayLike,
        y: ArrayLike,
        tasks: ArrayLike,
        *,
        vectors: Mapping[Hashable, ArrayLike] | None = None,
    ) -> Self:
        """Learn earlier tasks, as ``TaskPrior.fit``; what was learnt of a new one is forgotten.

        Parameters
        ----------
        codes : array_like of int, shape (n, d)
        y : array_like of float, shape (n,)
        tasks : array_like of str or int, shape (n,)
        vectors : mapping from task to array_like of float, shape (k,), optional
        """
        prior = TaskPrior(self.space, seed=self.seed)
        self.prior = prior.fit(codes, y, tasks, vectors=vectors)
        return self._start()

    def fit(self, codes: ArrayLike, y: ArrayLike) -> Self:
        """Adapt to a new task.

        Parameters
        ----------
        codes : array_like of int, shape (n, d)
        y : array_like of float, shape (n,)
            Bigger is better. None, one, two or equal labels leave the earlier tasks' ranking.

        Raises
        ------
        ArchitectureError
            If a row is not in the space.
        LabelError
            If labels are missing or not finite.
        ParameterError
            If there are no earlier tasks, or of another space.
        """
        if self.refusal is not None:
            raise ParameterError(self.refusal)
        if not len(np.asarray(codes)) and not len(np.asarray(y)):
            return self._start()
        codes = self.space.canonical(codes)
        labels = finite_labels(y, len(codes))
        if len(labels) < _FEWEST or np.ptp(labels) == 0:
            return self._start()
        return super().fit(codes, labels)

    def update(self, codes: ArrayLike, y: ArrayLike) -> Self:
        """Learn some more labels of the new task, beside those learnt before."""
        if not hasattr(self, "fitted_labels_"):
            return self.fit(codes, y)
        return super().update(codes, y)

    def predict(self, codes: ArrayLike, *, return_std: bool = False) -> Any:
        """Return the predicted label of each architecture.

        Before any labels of the new task, in normal scores over the space.

        Parameters
        ----------
        codes : array_like of int, shape (n, d)
        return_std : bool

        Returns
        -------
        scores : ndarray of float, shape (n,)
        std : ndarray of float, shape (n,)
            Only with ``return_std``.
        """
        if not hasattr(self, "label_transform_") and self.refusal is None:
            self._start()
        return super().predict(codes, return_std=return_std)  # type: ignore[call-overload]

    def _start(self) -> Self:
        """Forget the new task: predict what the earlier ones say."""
        for name in ("fitted_codes_", "fitted_labels_"):
            self.__dict__.pop(name, None)
        self.members_: list[_Member] = []
        self.weights_ = np.empty(0)
        self.label_transform_ = Standardised().fit(np.array([-1.0, 1.0]))
        self.n_features_in_ = self.space.n_variables
        return self

    def _known(self) -> TaskPrior:
        if self.prior is None:
            raise ParameterError(str(self.refusal))
        return self.prior

    def _fit(self, codes: Codes, z: Labels, rng: np.random.Generator) -> None:  # noqa: ARG002
        scores = self._known().scores(codes)
        groups = self._features(codes, scores)
        self.members_ = [*self._close(groups, scores, z), *self._free(groups, scores, z)]
        evidence = np.array([member.evidence for member in self.members_])
        weights = np.exp(evidence - evidence.max())
        self.weights_ = weights / weights.sum()

    def _features(self, codes: Codes, scores: Matrix) -> Groups:
        """Return groups of features, scaled; the earlier tasks' scores are one."""
        groups = feature_groups(self.space, codes, untrained=False)
        return {**groups, "tasks": scores / np.sqrt(2 * scores.shape[1])}

    def _close(self, groups: Groups, scores: Matrix, z: Labels) -> list[_Member]:
        """Return processes on what is left of the labels after a line through earlier scores."""
        prior = self._known().weights(self.vector)
        mixes = [(prior, 0.0)]
        if len(prior) > 1:
            mixes += [(np.eye(len(prior))[k], float(np.log(w))) for k, w in enumerate(prior)]
        base = tuple(name for name in groups if name not in (*FAMILIES, "tasks"))
        found = []
        for mix, odds in mixes:
            source = scores @ mix
            line = _line(source, z)
            rest = z - line[0] - line[1] * source
            for trust, (amplitude, noise) in zip((_TRUST, 0.0), _CLOSE, strict=True):
                believed = Prior(amplitude=(np.log(amplitude), 1.0), noise=(np.log(noise), 1.0))
                process = GroupedGP([Term(base, 2.5)], believed).fit(groups, rest)
                found.append(_Member(process, mix, line, odds + trust))
        return found

    def _free(self, groups: Groups, scores: Matrix, z: Labels) -> list[_Member]:
        """Return processes that learn the labels with earlier scores as features, and without."""
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
        mix, line = np.zeros(scores.shape[1]), np.zeros(2)
        return [_Member(GroupedGP(terms).fit(groups, z), mix, line, 0.0) for terms in kernels]

    def _predict(self, codes: Codes) -> tuple[Scores, Scores | None]:
        prior = self._known()
        scores = prior.scores(codes)
        if not self.members_:
            weights = prior.weights(self.vector)
            mean = scores @ weights
            # Tasks that agree may still be wrong about a new one: at least half a deviation.
            return mean, np.sqrt(((scores - mean[:, None]) ** 2) @ weights + 0.25)
        groups = self._features(codes, scores)
        found = [member.predict(groups, scores) for member in self.members_]
        means, deviations = (np.stack(part) for part in zip(*found, strict=True))
        mean = self.weights_ @ means
        variance = self.weights_ @ (deviations**2 + (means - mean) ** 2)
        return mean, np.sqrt(variance)


def _line(source: Matrix, z: Labels) -> Matrix:
    """Return offset and slope of the labels over earlier scores, drawn to 0 and 1."""
    x = np.stack([np.ones(len(source)), source], axis=1)
    expected = np.array([0.0, 1.0])
    moved: Matrix = np.linalg.solve(x.T @ x + _ALIGNED, x.T @ (z - source))
    return expected + moved
