"""Searchers of the methods of ``nasurge meta tables``, and what they learn from, kept once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...benchmarks.studies import fingerprint
from ...data.arguments import checked
from ...data.plugins import import_place
from ...data.tables import read_task_labels
from ...errors import ParameterError, UnknownNameError
from ..searchers.names import SEARCHERS, TASK_SEARCHERS
from .earlier_tasks import EarlierTasks, learn_labels, learn_table
from .names import COLD, WARM

if TYPE_CHECKING:
    from ...benchmarks.objectives import Problem
    from ...data.spaces import Codes, Space
    from ..base import Searcher


@dataclass(frozen=True)
class TaskSearcher:
    """Maker of the searcher of one method for one held-out task.

    Parameters
    ----------
    name : str
        One of ``METHODS``.
    problem : Problem, optional
        The held-out task; a method that learns reads the table's other tasks, and of this one its
        name only. A cold method needs none.
    seed : int
        Of learning.
    file : Path, optional
        Labels of earlier tasks, to learn from instead.
    """

    name: str
    problem: Problem | None = None
    seed: int = 0
    file: Path | None = None

    def __call__(
        self, space: Space, *, pool: Codes | None, seed: int, **objectives: Any
    ) -> Searcher:
        """Searcher that proposes architectures of ``pool`` only."""
        del objectives
        if self.name in COLD:
            return _cold_searcher(self.name, space, pool, seed)
        if self.problem is None:
            raise ParameterError(f"{self.name} learns from earlier tasks: say which is held out")
        earlier_tasks = _learnt(self.problem, self.seed, self.file)
        return warm_searcher(self.name, earlier_tasks, pool=pool, seed=seed)


@checked
def warm_searcher(
    name: str, earlier_tasks: EarlierTasks, *, pool: Codes | None = None, seed: int | None = None
) -> Searcher:
    """Searcher that begins with what earlier tasks taught.

    Parameters
    ----------
    name : {"meta-bo", "meta-evolution", "catch"}
    earlier_tasks : EarlierTasks
    pool : int array, shape (m, d), optional
        The only architectures that may be proposed.
    seed : int, optional

    Raises
    ------
    UnknownNameError
        If there is no such method, or it learns from no tasks.

    Examples
    --------
    >>> import nasurge
    >>> from nasurge.search.across_tables import learn_table
    >>> citeseer = learn_table(nasurge.load_table("nbgraph"), "cora", tasks=["citeseer"])
    >>> warm_searcher("meta-bo", citeseer, seed=0).ask(2).shape
    (2, 5)
    """
    if name not in WARM:
        raise UnknownNameError("method", name, WARM)
    learnt = {"controller": _controller(earlier_tasks)} if name == "catch" else {}
    searcher: Searcher = import_place(TASK_SEARCHERS[name])(
        earlier_tasks, **learnt, pool=pool, seed=seed
    )
    return searcher


def _cold_searcher(name: str, space: Space, pool: Codes | None, seed: int) -> Searcher:
    guide = {}
    if name == "gp-ei":
        from ...predictors.processes import GaussianProcess

        name, guide = "bo", {"predictor": GaussianProcess(space)}
    searcher: Searcher = import_place(SEARCHERS[name].place)(space, **guide, pool=pool, seed=seed)
    return searcher


# Those of one held-out task at a time: they score every architecture of a space.
_LEARNT: dict[tuple[str, str, int, str | None], EarlierTasks] = {}


def _learnt(problem: Problem, seed: int, file: Path | None) -> EarlierTasks:
    """Scores by the tasks that are not held out; learnt once in a process."""
    labels = None if file is None else read_task_labels(file, problem.space)
    content = None if labels is None else fingerprint(labels._asdict())
    key = (problem.table.digest, problem.task, seed, content)
    if key not in _LEARNT:
        _LEARNT.clear()
        if labels is None:
            _LEARNT[key] = learn_table(problem.table, problem.task, seed=seed)
        else:
            _LEARNT[key] = learn_labels(problem.space, labels, seed=seed)
    return _LEARNT[key]


@lru_cache(maxsize=1)
def _controller(earlier_tasks: EarlierTasks) -> Any:
    """Controller meta-trained on earlier tasks; trained once in a process."""
    from .catch import train_controller

    return train_controller(earlier_tasks, seed=0)
