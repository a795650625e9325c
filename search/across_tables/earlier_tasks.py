"""Scores of every architecture of a space on earlier tasks, from which a search can begin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...benchmarks.objectives import make_problem
from ...data.arguments import checked
from ...data.seeds import Seed, as_generator
from ...data.spaces import Codes, Space
from ...data.types import Values
from ...errors import LabelError, ParameterError, UnknownNameError

if TYPE_CHECKING:
    from ...benchmarks.objectives import Problem
    from ...data.tables import Table, TaskLabels
    from ...predictors.processes import Groups


MOST_CODES = 100_000  # every architecture of the space gets scores: a larger one would not fit
FEWEST_LABELS = 20  # of an earlier task: less says little about a whole space


@dataclass(frozen=True, eq=False)
class EarlierTasks:
    """Scores of every architecture of a space on tasks that were measured before.

    ``learn_tasks``, ``learn_table`` and ``learn_labels`` make one.

    Attributes
    ----------
    space : Space
    tasks : tuple of str
        Names of the earlier tasks.
    keys : int array, shape (f,)
        Identities of the canonical forms of the space's functions, sorted.
    scores : float array, shape (tasks, f)
        Normal scores: the best of a task has about 4, the median 0.
    """

    space: Space
    tasks: tuple[str, ...]
    keys: NDArray[np.int64]
    scores: Values

    def __repr__(self) -> str:
        return f"<EarlierTasks: {len(self.tasks)} tasks, {len(self.keys)} functions>"

    @cached_property
    def codes(self) -> Codes:
        """Canonical codes of the functions, shape (f, d)."""
        return self.space.from_keys(self.keys)

    def rows(self, codes: Codes) -> NDArray[np.int64]:
        """Number of each architecture's function, shape (n,)."""
        found = np.searchsorted(self.keys, self.space.keys(self.space.canonical(codes)))
        return np.asarray(found, dtype=np.int64)

    def groups(self, codes: Codes) -> Groups:
        """Scores of architectures as groups of columns of a Gaussian process.

        ``common`` is the mean of their scores, ``apart`` how each task differs from it.
        """
        rows = self.rows(codes)
        return {name: group[rows] for name, group in self._groups.items()}

    @cached_property
    def _groups(self) -> Groups:
        mean = self.scores.mean(axis=0)
        return {"common": _scaled(mean[:, None]), "apart": _scaled((self.scores - mean).T)}

    def without(self, task: int) -> EarlierTasks:
        """All tasks but the one of a number."""
        names = self.tasks[:task] + self.tasks[task + 1 :]
        return EarlierTasks(self.space, names, self.keys, np.delete(self.scores, task, axis=0))

    def similarity(self, codes: Codes, values: ArrayLike) -> Values:
        """Spearman's rank correlation of a task's values with each earlier task, shape (tasks,).

        Parameters
        ----------
        codes : int array, shape (n, d)
        values : array_like of float, shape (n,)
            NaN is left out.

        Returns
        -------
        float array, shape (tasks,)
            0 where fewer than three values, or equal ones, say nothing.
        """
        from ...benchmarks.metrics import spearman

        y = np.asarray(values, dtype=np.float64)
        known = np.isfinite(y)
        if known.sum() < 3 or np.ptp(y[known]) == 0:
            return np.zeros(len(self.tasks))
        seen = self.scores[:, self.rows(codes[known])]
        with np.errstate(invalid="ignore"):
            found = [spearman(y[known], row) for row in seen]
        return np.nan_to_num(np.array(found, dtype=np.float64))

    def weights(self, codes: Codes, values: ArrayLike) -> Values:
        """Weight of each earlier task for a new one, shape (tasks,), the sum 1.

        By the correlations with the values observed so far, shrunk to their mean while these are
        few: with none observed all tasks count the same.
        """
        n = int(np.isfinite(np.asarray(values, dtype=np.float64)).sum())
        alike = np.maximum(self.similarity(codes, values), 0.0)
        # Ten evaluations' worth of trust in all tasks alike, against n of the correlations: a few
        # values correlate with anything by chance.
        raised = 10.0 / len(self.tasks) + n * alike**2
        return np.asarray(raised / raised.sum())

    def expected(self, weights: Values) -> Values:
        """Weighted mean of the tasks' scores of every function, shape (f,)."""
        return np.asarray(weights @ self.scores)

    def distribution(self, weights: Values, *, share: float = 0.01) -> Values:
        """Share of the best functions with each value of each variable, shape (d, k).

        Parameters
        ----------
        weights : float array, shape (tasks,)
        share : float
            How many of a task's functions are its best.

        Returns
        -------
        float array
            Rows sum to 1; a tenth of each is uniform, so that nothing is ruled out.
        """
        count = max(10, round(share * len(self.keys)))
        best = np.argpartition(-self.scores, count - 1, axis=1)[:, :count]
        cardinalities = np.asarray(self.space.cardinalities)
        values = np.arange(cardinalities.max())
        chosen = self.codes[best][..., None] == values
        exists = values < cardinalities[:, None]
        learnt = np.tensordot(weights, chosen.mean(axis=1), axes=1)
        return np.asarray(0.9 * learnt + 0.1 * exists / cardinalities[:, None])

    def population(
        self, n: int, rng: np.random.Generator, *, among: NDArray[np.bool_] | None = None
    ) -> Codes:
        """Architectures to begin with, shape (n, d), each the best of a random mixture of tasks.

        The first is the best of all tasks' mean; those of the mixtures differ as the tasks do.

        Parameters
        ----------
        n : int
        rng : Generator
        among : bool array, shape (f,), optional
            Which functions can be proposed; by default all. Fewer than ``n`` are all returned.
        """
        count = len(self.tasks)
        # Below 1, most mixtures are of few tasks: their best architectures differ.
        mixtures = rng.dirichlet(np.full(count, 0.5), size=max(0, n - 1))
        weights = np.concatenate([np.full((1, count), 1 / count), mixtures])
        left_out = np.zeros(len(self.keys), dtype=bool) if among is None else ~among
        chosen: list[int] = []
        for line in weights[: min(n, int((~left_out).sum()))]:
            expected = self.expected(line)
            expected[left_out] = -np.inf
            expected[chosen] = -np.inf
            chosen.append(int(expected.argmax()))
        return self.codes[np.array(chosen, dtype=np.int64)]


@checked
def learn_tasks(
    space: Space,
    tasks: Mapping[str, tuple[ArrayLike, ArrayLike]],
    *,
    seed: Seed = None,
) -> EarlierTasks:
    """Scores of all architectures of a space by the labels of earlier tasks.

    Where a task has measured only some of the architectures, a predictor (XGBoost) fitted to these
    fills in the others.

    Parameters
    ----------
    space : Space
        Of at most 100,000 codes.
    tasks : mapping of str to (codes, values)
        The architectures that were measured on each earlier task, shape (n, d), and their values,
        bigger is better, NaN is left out.
    seed : int, Generator or None
        Of the predictors that fill in.

    Raises
    ------
    ParameterError
        If there is no task, or the space is too large.
    LabelError
        If a task has fewer than 20 different architectures, equal values only, or values that are
        not a number or NaN for each architecture.

    Examples
    --------
    >>> from nasurge.data.spaces import make_space
    >>> space = make_space("nb201")
    >>> codes = space.sample(60, seed=0)
    >>> tasks = {str(k): (codes, (codes == k).sum(axis=1)) for k in (2, 3)}
    >>> learn_tasks(space, tasks, seed=0)
    <EarlierTasks: 2 tasks, 6466 functions>
    """
    if not tasks:
        raise ParameterError("nothing to learn from: give at least one earlier task")
    rng, keys = as_generator(seed), _functions(space)
    scores = np.array([_scores(space, keys, name, *task, rng) for name, task in tasks.items()])
    return EarlierTasks(space, tuple(tasks), keys, scores)


@checked
def learn_labels(space: Space, labels: TaskLabels, *, seed: Seed = None) -> EarlierTasks:
    """Scores of all architectures by tasks that have measured one or a few of them each.

    MetaD2A's triples are such: thousands of tasks, and of each an architecture that was held to be
    good. The tasks of fewer than 20 labels are learnt together (``TaskPrior``).

    Parameters
    ----------
    space : Space
        Of at most 100,000 codes.
    labels : TaskLabels
        As ``nasurge.data.tables.task_files.read_task_labels`` reads them.
    seed : int, Generator or None

    Raises
    ------
    ParameterError
        If the space is too large.
    LabelError
        If there are too few labels to learn anything.

    Examples
    --------
    >>> from nasurge.data.spaces import make_space
    >>> from nasurge.data.tables import TaskLabels
    >>> space = make_space("nb201")
    >>> codes = space.sample(60, seed=0)
    >>> labels = TaskLabels(codes, (codes == 3).sum(axis=1) / 6, np.arange(60).astype(str))
    >>> learn_labels(space, labels, seed=0)
    <EarlierTasks: 1 tasks, 6466 functions>
    """
    from ...predictors.transfer import TaskPrior

    keys = _functions(space)
    prior = TaskPrior(space, seed=seed).fit(*labels)
    scores = prior.scores(space.from_keys(keys)).T
    return EarlierTasks(space, tuple(prior.names_), keys, scores)


def _functions(space: Space) -> NDArray[np.int64]:
    """Identities of all canonical forms, sorted, shape (f,)."""
    if space.n_codes > MOST_CODES:
        raise ParameterError(
            f"space {space.name!r} has {space.n_codes:.6g} codes; learning from tasks scores every "
            f"architecture and needs a space that is listed, of at most {MOST_CODES}: search it "
            "without earlier tasks"
        )
    return np.unique(space.keys(space.canonical(space.all_codes())))


@checked
def earlier_problems(table: Table, held_out: str) -> list[Problem]:
    """Tasks of a table that a search for ``held_out`` may learn from.

    A task that is searched or reported on the same data set is not among them: it would tell what
    is to be found (``cifar10`` and ``cifar10-valid`` of NAS-Bench-201 share their labels).

    Parameters
    ----------
    table : Table
    held_out : str

    Raises
    ------
    UnknownNameError
        If the table has no such task.
    """
    target = make_problem(table, held_out)
    others = [make_problem(table, task) for task in table.tasks if task != held_out]
    return [p for p in others if not on_same_data(p, target)]


def on_same_data(one: Problem, other: Problem) -> bool:
    """Whether two tasks of a table are searched or reported on the same data set."""
    return one.table.name == other.table.name and bool(_data(one) & _data(other))


def _data(problem: Problem) -> set[str]:
    """Tasks by whose columns a task is searched and reported, also where a metric was named."""
    named = problem.table.roles.get(problem.task, problem.roles)
    columns = {named.search, named.report, problem.roles.search, problem.roles.report}
    return {problem.table.columns[k].task for k in columns}


@checked
def learn_table(
    table: Table,
    held_out: str | None = None,
    *,
    tasks: Sequence[str] | None = None,
    seed: Seed = None,
) -> EarlierTasks:
    """Scores of all architectures by the tasks of a table, without the one that is held out.

    Learns from the column that a search may look at (validation accuracy where there is one).

    Parameters
    ----------
    table : Table
    held_out : str, optional
        The task that is to be searched; nothing of it is read, nor of other tasks on its data set.
    tasks : sequence of str, optional
        To learn from these only.
    seed : int, Generator or None
        As for ``learn_tasks``.

    Raises
    ------
    UnknownNameError
        If the table has no such task.
    ParameterError
        If no other task is left, or those asked for are on the data of the one held out.

    Examples
    --------
    >>> import nasurge
    >>> learn_table(nasurge.load_table("nbgraph"), "cora", tasks=["citeseer"], seed=0)
    <EarlierTasks: 1 tasks, 26206 functions>
    """
    for name in tasks or ():
        if name not in table.tasks:
            raise UnknownNameError("task", name, table.tasks, hint=f"of table {table.name!r}")
    if held_out is None:
        problems = [make_problem(table, task) for task in table.tasks]
    else:
        problems = earlier_problems(table, held_out)
    sources = [p for p in problems if tasks is None or p.task in tasks]
    if not sources:
        raise ParameterError(
            f"table {table.name!r} has no task to learn from for {held_out!r}: its other tasks are "
            "on the same data"
        )
    measured = {p.task: (p.codes, p.search_values) for p in sources}
    return learn_tasks(table.space, measured, seed=seed)


def _scores(
    space: Space,
    keys: NDArray[np.int64],
    name: str,
    codes: ArrayLike,
    values: ArrayLike,
    rng: np.random.Generator,
) -> Values:
    """Normal scores of all functions on one task, shape (f,)."""
    from ...predictors.classical import XGBoost
    from ...predictors.labels import NormalScores

    checked = space.check(codes)
    try:
        y = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise LabelError(f"values of task {name!r} are numbers: {error}") from error
    if y.shape != (len(checked),):
        raise LabelError(
            f"task {name!r} has {len(checked)} architectures and needs as many values in one "
            f"dimension, received shape {y.shape}"
        )
    if np.isinf(y).any():
        raise LabelError(
            f"value {int(np.argmax(np.isinf(y)))} of task {name!r} is infinite: values are finite, "
            "or NaN to be left out"
        )
    known = ~np.isnan(y)
    y = y[known]
    rows = np.searchsorted(keys, space.keys(space.canonical(checked[known])))
    counts = np.bincount(rows, minlength=len(keys))
    measured = np.flatnonzero(counts)
    if len(measured) < FEWEST_LABELS or np.ptp(y) == 0:
        raise LabelError(
            f"task {name!r} has {len(measured)} different architectures with "
            f"{len(np.unique(y))} different values: to learn from, it needs {FEWEST_LABELS} of "
            "them and not all equal"
        )
    means = np.bincount(rows, weights=y, minlength=len(keys))[measured] / counts[measured]
    z = NormalScores().fit(means).transform(means)
    found = np.empty(len(keys))
    if len(measured) < len(keys):
        guess = XGBoost(space, seed=int(rng.integers(2**31)))
        found = guess.fit(space.from_keys(keys[measured]), z).predict(space.from_keys(keys))
        found = np.asarray(found, dtype=np.float64)
    found[measured] = z
    return found


def _scaled(columns: Values) -> Values:
    """Columns centred, and scaled so that rows have a mean squared distance of about 1."""
    centred = columns - columns.mean(axis=0)
    return np.asarray(centred / np.sqrt(2 * (centred**2).sum(axis=1).mean() + 1e-12))
