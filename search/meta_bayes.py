"""Bayesian optimisation that knows earlier tasks, and turns cold where they mislead."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from ..data.seeds import Seed
from ..data.spaces import Codes
from ..predictors.feature_groups import function_groups
from ..predictors.grouped import GroupedGP, Groups, Term
from ..predictors.labels import Blended
from .base import Values
from .bayes import BayesianOptimisation, Chosen, FunctionProcess, cold_terms
from .experience import Experience

# Means and deviations of the logarithms of hyperparameters.
Learnt = tuple[Values, Values]

_DRAWS = 2  # label sets of every earlier task
_ROWS = 50  # labels of a set
_LEAST = 0.3  # deviation of a log hyperparameter that all earlier tasks agree on
_FROM_EARLIER = ("common", "apart")


def warm_terms(groups: Groups) -> list[Term]:
    """Return a Matern kernel over structure, and linear ones of structure and earlier scores."""
    smooth = tuple(name for name in groups if name not in _FROM_EARLIER)
    return [Term(smooth, 1.5), *(Term((name,), 0) for name in ("structure", *_FROM_EARLIER))]


TERMS = (warm_terms, cold_terms)


@lru_cache(maxsize=4)
def learnt_priors(experience: Experience) -> tuple[Learnt | None, ...]:
    """Return what hyperparameters the earlier tasks had: one prior each for ``TERMS``.

    Every earlier task is taken for new in its turn and searched with the experience of the others:
    the hyperparameters are fitted to labels of which half are drawn anywhere, half among what the
    others hold to be the best 5 %. Their mean and deviation over the tasks are the prior.

    Parameters
    ----------
    experience : Experience

    Returns
    -------
    tuple of (means, deviations)
        None where a single task has no others.

    References
    ----------
    Z. Wang et al. Pre-trained Gaussian processes for Bayesian optimization. JMLR 2024, arXiv
    2109.08215 (priors fitted to earlier tasks).
    """
    if len(experience.tasks) < 2:
        return (None,) * len(TERMS)
    rng = np.random.default_rng(0)
    plain = function_groups(experience.space, experience.codes)[1]
    found: list[list[Values]] = [[] for _ in TERMS]
    for task, scores in enumerate(experience.scores):
        others = experience.without(task)
        ranking = np.argsort(-others.expected(np.ones(len(others.tasks))), kind="stable")
        best = ranking[: max(_ROWS, len(ranking) // 20)]
        for _ in range(_DRAWS):
            drawn = [rng.choice(among, _ROWS // 2, replace=False) for among in (ranking, best)]
            rows = np.unique(np.concatenate(drawn))
            cold = {name: group[rows] for name, group in plain.items()}
            warm = {**cold, **others.groups(experience.codes[rows])}
            z = Blended().fit(scores[rows]).transform(scores[rows])
            for thetas, terms, groups in zip(found, TERMS, (warm, cold), strict=True):
                thetas.append(GroupedGP(terms(groups)).fit(groups, z).theta_)
    return tuple(_moments(np.array(thetas)) for thetas in found)


def _moments(thetas: Values) -> Learnt:
    """Return means and deviations of the columns, the latter of at least ``_LEAST``."""
    return thetas.mean(axis=0), np.sqrt(thetas.var(axis=0) + _LEAST**2)


class GatedProcess:
    """A warm and a cold Gaussian process over a pool, each with the weight it has earned.

    A process counts as it tells each told value from the others (the leave-one-out density): where
    the earlier tasks mislead, the cold one takes over.

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
        """Take all told values and return with what hyperparameters, as ``FunctionProcess``."""
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
        """Count architectures that are being evaluated as known."""
        for process in self._processes:
            process.expect(codes)

    def forget_expected(self) -> None:
        """Go back to the told values."""
        for process in self._processes:
            process.forget_expected()

    def posterior(self) -> tuple[Values, Values]:
        """Return mean and deviation of the mixture for every candidate, in transformed labels."""
        found = [process.posterior() for process in self._processes]
        means, deviations = np.array(found).transpose(1, 0, 2)
        mean = self.weights_ @ means
        square = self.weights_ @ (means**2 + deviations**2)
        return mean, np.sqrt(np.maximum(square - mean**2, 1e-12))


class MetaBayes(BayesianOptimisation):
    """Bayesian optimisation that knows earlier tasks, and turns cold where they mislead.

    Two Gaussian processes: that of ``BayesianOptimisation``, and one that beside structure has the
    scores on the earlier tasks (linear kernels of their mean and of how each task differs from it:
    which tasks count follows from the values told). The prior of their hyperparameters is what the
    earlier tasks themselves had, each left out in its turn. Each process has the weight with which
    it tells the told values from each other. The search begins with the best of the tasks' mean
    and of random mixtures of them.

    Parameters
    ----------
    experience : Experience
    initial : int
        Architectures proposed from the earlier tasks alone.
    pool : array_like of int, shape (m, d), optional
    seed : int, Generator or None

    References
    ----------
    M. Feurer, B. Letham, E. Bakshy. Scalable meta-learning for Bayesian optimization using
    ranking-weighted Gaussian process ensembles. AutoML workshop 2018 (an ensemble of the new task
    and earlier ones; there weighted by rankings, here by densities); Z. Wang et al. Pre-trained
    Gaussian processes for Bayesian optimization. JMLR 2024, arXiv 2109.08215 (the prior).

    Examples
    --------
    >>> from nasurge.data.spaces import make_space
    >>> from nasurge.search.experience import learn_tasks
    >>> space = make_space("nb201")
    >>> codes = space.sample(60, seed=0)
    >>> earlier = {"convolutions": (codes, (codes >= 2).sum(axis=1))}
    >>> searcher = MetaBayes(learn_tasks(space, earlier, seed=0), seed=0)
    >>> for _ in range(8):
    ...     codes = searcher.ask(4)
    ...     searcher.tell(codes, (codes == 3).sum(axis=1))
    >>> searcher.best()[1]
    6.0
    """

    def __init__(
        self,
        experience: Experience,
        *,
        initial: int = 3,
        pool: ArrayLike | None = None,
        seed: Seed = None,
    ) -> None:
        super().__init__(experience.space, initial=initial, pool=pool, seed=seed)
        self.experience = experience

    @property
    def trust(self) -> float:
        """The weight of the process that knows earlier tasks, between 0 and 1.

        1 before any process has learnt: the search begins from the earlier tasks.
        """
        return float(self._model.weights_[0]) if isinstance(self._model, GatedProcess) else 1.0

    def _first(self, n: int) -> Codes:
        started = len(self.values_) + len(self._pending)
        return self._unseen(self.experience.population(started + n + 4, self._rng))[:n]

    def _process(self, pool: Codes) -> GatedProcess:
        further: tuple[Callable[[Codes], Groups] | None, ...] = (self.experience.groups, None)
        priors = learnt_priors(self.experience)
        return GatedProcess(
            [
                FunctionProcess(self.space, pool, self.labels, further=more, terms=t, prior=prior)
                for more, t, prior in zip(further, TERMS, priors, strict=True)
            ]
        )
