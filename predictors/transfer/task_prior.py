"""What earlier tasks say of architectures before the new task has labels: one scorer or many."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import field
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...data.parameters import Estimator, check_parameters, truth
from ...data.seeds import Seed, as_generator
from ...data.spaces import Codes, Space, check_space
from ...data.types import Matrix
from ...errors import LabelError, ParameterError
from ..base import Predictor
from ..ensembles import Auto
from ..labels import NormalScores, finite_labels
from .base import require_learnt
from .between_spaces import Elsewhere, SpaceScorer
from .task_pool import TaskPool

POOL = "pool"
"""Name of the scorer learnt from all tasks of few labels together."""
ENOUGH = 20
"""Labels from which on a task has a scorer of its own."""
_REFERENCE = 2000  # unlabelled architectures that say what is usual


class TaskPrior(Estimator):
    """Scorers learnt from the labels of earlier tasks, on one scale.

    A task with at least 20 labels gets a predictor of its own. All tasks with fewer are learnt
    together (``TaskPool``), from their labels and from which architectures they had measured.
    Scores are normal scores over the space.

    Tasks of other spaces are scorers too, through what all spaces have in common.

    Parameters
    ----------
    space : Space
    learner : callable, optional
        Called as ``learner(space, seed=...)``: makes the unfitted predictor of a task with enough
        labels; picklable. ``Auto`` by default.
    chosen : bool, optional
        Whether tasks with few labels had measured architectures because they were good. By default
        that is assumed if these differ from random ones; say False if they were chosen to be
        something else.
    seed : int, Generator or None

    References
    ----------
    One model a task, combined: M. Feurer, B. Letham, E. Bakshy. Scalable meta-learning for Bayesian
    optimization using ranking-weighted Gaussian process ensembles. AutoML 2018.

    Examples
    --------
    >>> import nasurge
    >>> table = nasurge.load_table("nbgraph")
    >>> codes, tasks = table.codes[:4000:40], ["cora"] * 50 + ["citeseer"] * 50
    >>> y = [table.values(task=t, metric="accuracy", split="test")[k * 40]
    ...      for k, t in enumerate(tasks)]
    >>> learner = lambda space, seed: nasurge.make_predictor("gp", space, seed=seed)
    >>> prior = TaskPrior(table.space, learner=learner).fit(codes, y, tasks)
    >>> prior.names_, prior.scores(table.codes[:5]).shape
    (['citeseer', 'cora'], (5, 2))
    """

    space: Space = field(kw_only=False)
    learner: Callable[..., Predictor] = Auto
    chosen: bool | None = truth(None)
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
        """Learn from earlier tasks.

        Parameters
        ----------
        codes : array_like of int, shape (n, d)
            May be none, where there are ``others``.
        y : array_like of float, shape (n,)
            Bigger is better. Labels of tasks with fewer than 20 must share a unit.
        tasks : array_like of str or int, shape (n,)
            Which task each label belongs to; none may be called ``"pool"``.
        vectors : mapping from task to array_like of float, shape (k,), optional
            What each task is like, such as an embedding of its images.
        others : sequence of Elsewhere
            Tasks of other spaces, with at least 20 labels each.

        Raises
        ------
        ArchitectureError
            If a row is not in the space.
        LabelError
            If labels are missing or not finite, all of a task are equal, or there are too few to
            learn anything. After this and any other error, what was learnt before stays as it is.
        ParameterError
            If ``tasks`` or ``vectors`` do not fit.
        """
        check_space(self)
        check_parameters(self)
        known = labels_by_task(self.space, codes, y, tasks)
        own = known.counts >= ENOUGH
        scorers: dict[str, Scorer] = {}
        rng = as_generator(self.seed)
        for k in np.flatnonzero(own):
            mine, seed = known.which == k, int(rng.integers(2**31))
            scorer = self.learner(self.space, seed=seed).fit(known.codes[mine], known.y[mine])
            scorers[known.names[k]] = scorer
        rest = ~own[known.which]
        if rest.sum() >= ENOUGH:
            pool = TaskPool(self.space, chosen=self.chosen)
            scorers[POOL] = pool.fit(known.codes[rest], known.y[rest], known.which[rest])
        self._learn_others(others, scorers)
        if not scorers:
            raise LabelError(
                f"earlier tasks have {len(known.y)} labels in all: with fewer than {ENOUGH} there "
                "is nothing to carry over"
            )
        found = checked_vectors(vectors, list(scorers))
        usual = self.space.canonical(self.space.sample(_REFERENCE, seed=0))
        self.scales_ = [NormalScores().fit(s.predict(usual)) for s in scorers.values()]
        self.scorers_, self.names_, self.vectors_ = scorers, list(scorers), found
        return self

    def _learn_others(self, others: Sequence[Elsewhere], scorers: dict[str, Scorer]) -> None:
        """Add a scorer of every task of other spaces."""
        for other in others:
            known = labels_by_task(other.space, other.codes, other.y, other.tasks)
            for k in np.flatnonzero(known.counts >= ENOUGH):
                mine, name = known.which == k, known.names[k]
                if name in scorers:
                    raise ParameterError(f"two earlier tasks are called {name}")
                scorer = SpaceScorer(self.space)
                scorers[name] = scorer.fit(other.space, known.codes[mine], known.y[mine])

    def scores(self, codes: ArrayLike) -> Matrix:
        """Score by every scorer of ``names_``, in normal scores, shape (n, scorers).

        Raises
        ------
        NotFittedError
            Before ``fit``.
        ArchitectureError
            If a row is not in the space.
        """
        require_learnt(self, "scorers_")
        codes = self.space.canonical(codes)
        pairs = zip(self.scorers_.values(), self.scales_, strict=True)
        return np.stack([scale.transform(scorer.predict(codes)) for scorer, scale in pairs], axis=1)

    def weights(self, vector: ArrayLike | None = None) -> Matrix:
        """Weight of each scorer for a task of which only the vector is known, shape (scorers,).

        Parameters
        ----------
        vector : array_like of float, shape (k,), optional
            What the new task is like; without, or where earlier tasks have no vectors, all count
            the same.

        Returns
        -------
        ndarray of float, shape (scorers,)
            Sums to 1. Falls with the squared distance of the vectors, in units of its median.
        """
        require_learnt(self, "scorers_")
        return task_weights(self.vectors_, vector, len(self.names_))

    def __repr__(self) -> str:
        names = ", ".join(getattr(self, "names_", ["nothing learnt"])[:5])
        return f"<TaskPrior of {self.space.name}: {names}>"


Scorer = Predictor | TaskPool | SpaceScorer


class LabelsByTask(NamedTuple):
    """Checked labels of earlier tasks."""

    codes: Codes
    """(n, d) canonical"""
    y: Matrix
    """(n,)"""
    which: NDArray[np.intp]
    """(n,) index into ``names``"""
    names: list[str]
    counts: NDArray[np.intp]
    """(tasks,) how many labels each has"""


def labels_by_task(space: Space, codes: ArrayLike, y: ArrayLike, tasks: ArrayLike) -> LabelsByTask:
    """Checked labels of earlier tasks: see ``TaskPrior.fit``."""
    if not len(np.asarray(codes)):
        codes = np.empty((0, space.n_variables), space.dtype)
    codes = space.canonical(codes)
    labels, named = finite_labels(y, len(codes)), np.asarray(tasks)
    if named.shape != labels.shape:
        raise ParameterError(f"{len(labels)} labels need as many tasks, not {named.shape}")
    kinds, which, counts = np.unique(named, return_inverse=True, return_counts=True)
    names = [str(kind) for kind in kinds]
    if POOL in names:
        raise ParameterError(
            f"{POOL!r} stands for all tasks of few labels: give the task of that name another"
        )
    for k in np.flatnonzero(counts >= ENOUGH):
        if np.ptp(labels[which == k]) == 0:
            raise LabelError(f"all labels of {names[k]} are equal: there is nothing to rank")
    return LabelsByTask(codes, labels, which, names, counts)


def task_weights(vectors: Matrix | None, vector: ArrayLike | None, n: int) -> Matrix:
    """Weights of ``n`` earlier tasks for a new one, shape (n,): see ``TaskPrior.weights``."""
    if vector is None or vectors is None:
        return np.full(n, 1 / n)
    wanted = _vector("the new task", vector)
    if wanted.shape != vectors.shape[1:]:
        raise ParameterError(
            f"the new task's vector has shape {wanted.shape}, the earlier ones' have "
            f"{vectors.shape[1:]}"
        )
    squares = ((vectors - wanted) ** 2).sum(axis=1)
    found: Matrix = np.exp(-0.5 * squares / max(float(np.median(squares)), 1e-12))
    return np.asarray(found / found.sum())


def checked_vectors(
    vectors: Mapping[Hashable, ArrayLike] | None, names: list[str]
) -> Matrix | None:
    """Vectors of the scorers, shape (scorers, k); None without any."""
    if vectors is None:
        return None
    known = {str(name): _vector(str(name), v) for name, v in vectors.items()}
    if missing := [name for name in names if name not in known and (name != POOL or not known)]:
        raise ParameterError(f"no vector says what {', '.join(missing)} is like: give all or none")
    lengths = {name: len(v) for name, v in known.items()}
    if len(set(lengths.values())) > 1:
        raise ParameterError(f"vectors of tasks have one length, received {lengths}")
    if POOL in names and POOL not in known:
        known[POOL] = np.mean(list(known.values()), axis=0)
    return np.stack([known[name] for name in names])


def _vector(name: str, vector: ArrayLike) -> Matrix:
    """Vector of a task, finite and of one dimension."""
    try:
        found = np.asarray(vector, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ParameterError(f"the vector of {name} is no row of numbers: {error}") from error
    if found.ndim != 1 or not np.isfinite(found).all():
        raise ParameterError(
            f"the vector of {name} is one row of finite numbers, received shape {found.shape} with "
            f"{int((~np.isfinite(found)).sum())} that are not finite"
        )
    return found
