"""Evolution that begins with what earlier tasks taught."""

from __future__ import annotations

from dataclasses import field
from typing import Self

import numpy as np

from ...data.parameters import whole_number
from ...data.spaces import Codes, Space
from ...data.types import Values
from ...predictors.labels import Blended, check_labels
from ...predictors.processes import GroupedGP, Groups, feature_groups
from ..guided import Regressor, best_observed
from ..searchers import GuidedEvolution
from .bayes import learnt_prior, warm_terms
from .earlier_tasks import EarlierTasks


class WarmProcess:
    """A Gaussian process over structure and earlier tasks' scores, as a guide.

    Parameters
    ----------
    earlier_tasks : EarlierTasks
    """

    def __init__(self, earlier_tasks: EarlierTasks) -> None:
        self.earlier_tasks = earlier_tasks

    def _groups(self, codes: Codes) -> Groups:
        space = self.earlier_tasks.space
        groups = feature_groups(space, space.canonical(codes), untrained=False)
        return {**groups, **self.earlier_tasks.groups(codes)}

    def fit(self, codes: Codes, y: Values, /) -> Self:
        """Learn from codes, shape (n, d), and their values, shape (n,).

        Raises
        ------
        LabelError
            If there are fewer than three values, or all are equal.
        """
        labels = check_labels(y, len(codes), minimum=3, who="a search")
        groups = self._groups(codes)
        self.process_ = GroupedGP(warm_terms(groups), learnt=learnt_prior(self.earlier_tasks))
        self.process_.fit(groups, Blended().fit(labels).transform(labels))
        return self

    def predict(self, codes: Codes, /) -> Values:
        """Scores of architectures, shape (n,), bigger is better."""
        return self.process_.predict(self._groups(codes))[0]


class MetaEvolution(GuidedEvolution):
    """Evolution whose population, mutations and pre-screening come from earlier tasks.

    It begins with the best of random mixtures of the earlier tasks. After that each round breeds
    ``candidates`` unseen architectures from the best observed: crossovers, and mutants whose
    changed variable is drawn from what the best of the earlier tasks have there, each task weighted
    by its rank correlation with the observed values. Those with the highest predicted values are
    proposed.

    Parameters
    ----------
    earlier_tasks : EarlierTasks
    population_size : int
        How many are proposed from the earlier tasks alone.

    References
    ----------
    The across-task evolution of J. Rong et al., AT-NAS, arXiv 2110.05842, where every value is
    known; the mutation distribution as in estimation-of-distribution algorithms.

    Examples
    --------
    >>> import nasurge
    >>> from nasurge.search.across_tables import learn_table
    >>> earlier = learn_table(nasurge.load_table("nbgraph"), "cora", tasks=["citeseer", "arxiv"])
    >>> MetaEvolution(earlier, seed=0).ask(3).shape
    (3, 5)
    """

    space: Space = field(init=False)
    predictor: Regressor = field(init=False)
    earlier_tasks: EarlierTasks = field(kw_only=False)
    population_size: int = whole_number(5)
    candidates: int = whole_number(400)

    def __post_init__(self) -> None:
        self.space, self.predictor = self.earlier_tasks.space, WarmProcess(self.earlier_tasks)
        super().__post_init__()

    def _draw(self, n: int) -> Codes:
        started = len(self.values_) + len(self._pending)
        open_ = self._can_propose(self.earlier_tasks.codes)
        found = self.earlier_tasks.population(started + n + 4, self._rng, among=open_)
        first = self._unseen(found)[:n]
        missing = n - len(first)
        return np.concatenate([first, super()._draw(missing)]) if missing else first

    def _breed(self, n: int) -> Codes:
        weights = self.earlier_tasks.weights(self.codes_, self.values_)
        distribution = self.earlier_tasks.distribution(weights)
        best = best_observed(self, self.parents)
        found = best[:0]
        for _ in range(4):
            pairs = self._rng.integers(len(best), size=(2, n // 4 + 1))
            crossed = self.space.crossover(best[pairs[0]], best[pairs[1]], seed=self._rng)
            picked = best[self._rng.integers(len(best), size=n - n // 4)]
            near = self._drifted(np.concatenate([picked, crossed]), distribution)
            far = self._drifted(near, distribution)
            plain = self.space.mutate(picked, seed=self._rng)
            found = self._unseen(np.concatenate([found, near, crossed, far, plain]))
            found = self._rng.permutation(found)[:n]
            if len(found) == n:
                break
        return found

    def _drifted(self, codes: Codes, distribution: Values) -> Codes:
        """Mutants by one variable, its new value drawn from the distribution."""
        changed = self._rng.integers(codes.shape[1], size=len(codes))
        limits = distribution.cumsum(axis=1)[changed]
        drawn = (self._rng.random((len(codes), 1)) >= limits).sum(axis=1)
        mutants = codes.copy()
        most = np.asarray(self.space.cardinalities)[changed] - 1
        mutants[np.arange(len(codes)), changed] = np.minimum(drawn, most)
        return mutants[self.space.is_valid(mutants)]
