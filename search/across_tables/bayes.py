"""Bayesian optimisation that knows earlier tasks, and turns cold where they mislead."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from ...data.seeds import Seed
from ...data.spaces import Codes
from ...data.types import Values
from ...predictors.labels import Blended
from ...predictors.processes import GroupedGP, Groups, Term, function_groups
from ..searchers import (
    BayesianOptimisation,
    Chosen,
    FunctionProcess,
    PoolModel,
    log_expected_improvement,
)
from .earlier_tasks import EarlierTasks

# Means and deviations of the logarithms of hyperparameters.
Learnt = tuple[Values, Values]

_DRAWS = 2  # label sets of every earlier task
_ROWS = 50  # labels of a set
_LEAST = 0.3  # deviation of a log hyperparameter that all earlier tasks agree on
_FROM_EARLIER = ("common", "apart")


def warm_terms(groups: Groups) -> list[Term]:
    """Matern kernel over structure, and linear ones of structure and earlier scores."""
    smooth = tuple(name for name in groups if name not in _FROM_EARLIER)
    return [Term(smooth, 1.5), *(Term((name,), 0) for name in ("structure", *_FROM_EARLIER))]


@lru_cache(maxsize=4)
def learnt_prior(earlier_tasks: EarlierTasks) -> Learnt | None:
    """Prior of the hyperparameters of ``warm_terms``: those that the earlier tasks had.

    Every earlier task is taken for new in its turn and searched with the scores of the others:
    the hyperparameters are fitted to labels of which half are drawn anywhere, half among what the
    others hold to be the best 5 %. Their mean and deviation over the tasks are the prior.

    Parameters
    ----------
    earlier_tasks : EarlierTasks

    Returns
    -------
    means, deviations : float arrays
        Of the logarithms; None where a single task has no others.

    References
    ----------
    Z. Wang et al. Pre-trained Gaussian processes for Bayesian optimization. JMLR 2024, arXiv
    2109.08215 (priors fitted to earlier tasks).
    """
    if len(earlier_tasks.tasks) < 2:
        return None
    rng = np.random.default_rng(0)
    plain = function_groups(earlier_tasks.space, earlier_tasks.codes)[1]
    thetas: list[Values] = []
    for task, scores in enumerate(earlier_tasks.scores):
        others = earlier_tasks.without(task)
        ranking = np.argsort(-others.expected(np.ones(len(others.tasks))), kind="stable")
        best = ranking[: max(_ROWS, len(ranking) // 20)]
        for _ in range(_DRAWS):
            drawn = [rng.choice(among, _ROWS // 2, replace=False) for among in (ranking, best)]
            rows = np.unique(np.concatenate(drawn))
            structure = {name: group[rows] for name, group in plain.items()}
            groups = {**structure, **others.groups(earlier_tasks.codes[rows])}
            z = Blended().fit(scores[rows]).transform(scores[rows])
            thetas.append(GroupedGP(warm_terms(groups)).fit(groups, z).theta_)
    return np.mean(thetas, axis=0), np.sqrt(np.var(thetas, axis=0) + _LEAST**2)


class GatedProcess(PoolModel):
    """A warm and a cold Gaussian process over a pool, each with the weight it has earned.

    The weight of a process is the density it gives each observed value by the others
    (leave-one-out): where the earlier tasks mislead, the cold one takes over.

    Parameters
    ----------
    processes : sequence of FunctionProcess
        Of the same pool and labels.
    """

    believes = True

    def __init__(self, processes: Sequence[FunctionProcess]) -> None:
        self._processes = processes
        self.pool = processes[0].pool
        self.weights_: Values = np.array([1.0, 0.0])

    def learn(self, codes: Codes, values: Values, chosen: Chosen) -> Chosen:
        """Hyperparameters with which all observed values were learnt, as ``FunctionProcess``."""
        count, thetas = chosen
        sizes = [process.n_hyperparameters for process in self._processes]
        parts = np.split(thetas, np.cumsum(sizes)[:-1])
        found = [
            process.learn(codes, values, (count, theta))
            for process, theta in zip(self._processes, parts, strict=True)
        ]
        self.best = self._processes[0].best
        density = np.array([process.left_out_density() for process in self._processes])
        earned = np.exp(density - density.max())
        self.weights_ = earned / earned.sum()
        return found[0][0], np.concatenate([theta for _, theta in found])

    def expect(self, codes: Codes) -> None:
        """Count architectures that are being evaluated as observed."""
        for process in self._processes:
            process.expect(codes)

    def forget_expected(self) -> None:
        """Go back to the observed values."""
        for process in self._processes:
            process.forget_expected()

    def posterior(self) -> tuple[Values, Values]:
        """Mean and deviation of every candidate by each process, each (processes, m)."""
        means, deviations = np.array([each.posterior() for each in self._processes]).swapaxes(0, 1)
        return means, deviations


class MetaBayes(BayesianOptimisation):
    """Bayesian optimisation that knows earlier tasks, and turns cold where they mislead.

    Two Gaussian processes: that of ``BayesianOptimisation``, and one that beside structure has the
    scores on the earlier tasks (linear kernels of their mean and of how each task differs from it:
    which tasks count follows from the observed values). The prior of the latter's hyperparameters
    is what the earlier tasks themselves had, each left out in its turn. The improvement that a
    process expects has the weight that its densities of the observed values have earned. The search
    begins with the best of the tasks' mean and of random mixtures of them.

    Parameters
    ----------
    earlier_tasks : EarlierTasks
    initial : int
        Architectures proposed from the earlier tasks alone.

    References
    ----------
    M. Feurer, B. Letham, E. Bakshy. Scalable meta-learning for Bayesian optimization using
    ranking-weighted Gaussian process ensembles. AutoML workshop 2018 (an ensemble of the new task
    and earlier ones; there weighted by rankings, here by densities); Z. Wang et al. Pre-trained
    Gaussian processes for Bayesian optimization. JMLR 2024, arXiv 2109.08215 (the prior).

    Examples
    --------
    >>> from nasurge.data.spaces import make_space
    >>> from nasurge.search import run
    >>> from nasurge.search.across_tables import learn_tasks
    >>> space = make_space("nb201")
    >>> codes = space.sample(60, seed=0)
    >>> earlier = {"convolutions": (codes, (codes >= 2).sum(axis=1))}
    >>> searcher = MetaBayes(learn_tasks(space, earlier, seed=0), seed=0)
    >>> run(searcher, lambda codes: (codes == 3).sum(axis=1), budget=32, batch=4)
    <Trace: 32 evaluations, 0 failed, best 6>
    """

    several_objectives = False

    def __init__(
        self,
        earlier_tasks: EarlierTasks,
        *,
        initial: int = 3,
        pool: ArrayLike | None = None,
        seed: Seed = None,
    ) -> None:
        super().__init__(earlier_tasks.space, initial=initial, pool=pool, seed=seed)
        self.earlier_tasks = earlier_tasks

    @property
    def trust(self) -> float:
        """Weight of the process that knows earlier tasks, between 0 and 1.

        1 before any process has learnt: the search begins from the earlier tasks.
        """
        return float(self._model.weights_[0]) if isinstance(self._model, GatedProcess) else 1.0

    def _first(self, n: int) -> Codes:
        started = len(self.values_) + len(self._pending)
        open_ = self._can_propose(self.earlier_tasks.codes)
        found = self.earlier_tasks.population(started + n + 4, self._rng, among=open_)
        return self._unseen(found)[:n]

    def _scores(self, mean: Values, std: Values, best: float) -> Values:
        """Logarithm of the improvement that the processes expect together, shape (m,).

        That of the mixture itself: a normal distribution of its mean and deviation would be widest
        where the processes contradict each other, and the search would go there.
        """
        from scipy.special import logsumexp

        each = [log_expected_improvement(*one, best) for one in zip(mean, std, strict=True)]
        earned = self._model.weights_ if isinstance(self._model, GatedProcess) else np.ones(1)
        return np.asarray(logsumexp(each, axis=0, b=earned[:, None]))

    def _process(self, pool: Codes) -> GatedProcess:
        warm = FunctionProcess(
            self.space,
            pool,
            self.labels,
            further=self.earlier_tasks.groups,
            terms=warm_terms,
            prior=learnt_prior(self.earlier_tasks),
        )
        return GatedProcess([warm, FunctionProcess(self.space, pool, self.labels)])
