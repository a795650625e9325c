"""Problems: a table's task with its label resolved; an objective for searches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..data.arguments import brief, checked
from ..data.spaces import Codes, Space
from ..data.tables import Column, Roles, Table, load_table
from ..data.types import Values
from ..errors import LabelError, ParameterError, SchemaError, UnknownNameError
from .studies.flags import listed
from .studies.options import Tasks

TRAINING_TIME = "training-time"  # metric of the columns that say how many seconds training takes


@dataclass(frozen=True, eq=False)
class Problem:
    """One task of a table: what a search may look at, what is reported, and who was measured.

    Attributes
    ----------
    table : Table
    task : str
    roles : Roles
        Numbers of the searched and the reported column.
    allowed : bool array, shape (rows,), optional
        Which rows of the table count; by default all that were measured.
    """

    table: Table
    task: str
    roles: Roles
    allowed: NDArray[np.bool_] | None = None

    @property
    def address(self) -> str:
        """``TABLE/TASK``, as on the command line."""
        return f"{self.table.name}/{self.task}"

    @property
    def space(self) -> Space:
        """The table's space."""
        return self.table.space

    @property
    def search_column(self) -> Column:
        """What a search may look at."""
        return self.table.columns[self.roles.search]

    @property
    def report_column(self) -> Column:
        """What is predicted by ``compare`` and reported by ``search``."""
        return self.table.columns[self.roles.report]

    @property
    def search_label(self) -> str:
        """What a search may look at, in words."""
        return self._label(self.search_column)

    @property
    def report_label(self) -> str:
        """What is predicted and reported, in words."""
        return self._label(self.report_column)

    @staticmethod
    def _label(column: Column) -> str:
        return f"{column} (negated: smaller is better)" if column.minimise else str(column)

    @cached_property
    def rows(self) -> NDArray[np.int64]:
        """Rows of the table in which both columns were measured, of those allowed."""
        both = self.table.data[self.roles.search] + self.table.data[self.roles.report]
        counts = np.isfinite(both)
        return np.flatnonzero(counts if self.allowed is None else counts & self.allowed)

    @cached_property
    def codes(self) -> Codes:
        """Codes of the measured architectures, shape (n, d)."""
        return np.ascontiguousarray(self.table.codes[self.rows])

    @cached_property
    def search_values(self) -> Values:
        """What a search may look at, shape (n,), bigger is better."""
        return self._column(self.roles.search)[self.rows]

    @cached_property
    def report_values(self) -> Values:
        """What is reported, shape (n,), bigger is better."""
        return self._column(self.roles.report)[self.rows]

    def search(self, codes: ArrayLike) -> Values:
        """What a search may look at of each architecture, shape (m,): an objective."""
        return np.asarray(self._column(self.roles.search)[self.table.rows(codes)])

    def report(self, codes: ArrayLike) -> Values:
        """What is reported of each architecture, shape (m,)."""
        return np.asarray(self._column(self.roles.report)[self.table.rows(codes)])

    def training_seconds(self, codes: ArrayLike) -> Values:
        """Seconds that each architecture takes to train, shape (m,).

        Raises
        ------
        ParameterError
            If the table does not know.
        """
        names = [(column.task, column.metric) for column in self.table.columns]
        if (self.task, TRAINING_TIME) not in names:
            raise ParameterError(
                f"{self.address} does not know how long training takes: simulated workers need a "
                f"table with a column {TRAINING_TIME} in seconds, such as transnas-micro"
            )
        return np.asarray(
            self.table.data[names.index((self.task, TRAINING_TIME))][self.table.rows(codes)]
        )

    def _column(self, column: int) -> Values:
        """One column, shape (rows,), flipped where smaller is better: nowhere else is that done."""
        sign = -1.0 if self.table.columns[column].minimise else 1.0
        return sign * self.table.data[column]


@checked
def make_problem(
    table: Table, task: str, *, metric: str | None = None, objectives: Sequence[str] = ()
) -> Problem:
    """One task of a table as a problem.

    Parameters
    ----------
    table : Table
    task : str
    metric : str, optional
        A metric or column name to search and report instead of the task's own.
    objectives : sequence of str
        Names of which the first that is a column serves where the task has no column of its own.

    Raises
    ------
    UnknownNameError
        If the table has no such task or metric.
    SchemaError
        If the label is ambiguous.
    LabelError
        If fewer than two architectures were measured.

    Examples
    --------
    >>> import nasurge
    >>> problem = make_problem(nasurge.load_table("nbgraph"), "proteins")
    >>> str(problem.search_column), len(problem.codes)
    ('proteins valid accuracy', 2021)
    """
    if metric is None and objectives and task not in table.roles:
        metric = next((name for name in objectives if _is_column(table, task, name)), None)
    if metric is None:
        roles = table.default(task)
    else:
        column = table.find(task=task, metric=metric)
        roles = Roles(column, column)
    problem = Problem(table, task, roles)
    if len(problem.rows) < 2:
        raise LabelError(
            f"{problem.address} has {len(problem.rows)} measured architectures for "
            f"{problem.report_column}; two at least are needed"
        )
    return problem


def _is_column(table: Table, task: str, name: str) -> bool:
    try:
        table.find(task=task, metric=name)
    except (UnknownNameError, SchemaError):
        return False
    return True


def parse_problems(
    addresses: str, *, metric: str | None = None, objectives: Sequence[str] = ()
) -> list[Problem]:
    """Problems named by text, such as on a command line; each once.

    Parameters
    ----------
    addresses : str
        ``TABLE/TASK``, several separated by commas; ``TABLE`` alone means all its tasks.
    metric : str, optional
    objectives : sequence of str
        As ``make_problem``.

    Raises
    ------
    ParameterError
        If nothing is named.
    UnknownNameError, SchemaError, LabelError
        As ``load_table`` and ``make_problem``.

    Examples
    --------
    >>> [p.address for p in parse_problems("nbgraph/cora,nb201-analog")]
    ['nbgraph/cora', 'nb201-analog/cifar10']
    """
    problems: dict[str, Problem] = {}  # one that is named twice counts once
    for address in listed(addresses):
        name, _, task = address.partition("/")
        table = load_table(name)
        tasks = [task] if task else table.tasks
        problems |= {
            f"{name}/{t}": make_problem(table, t, metric=metric, objectives=objectives)
            for t in tasks
        }
    if not problems:
        raise ParameterError("name a table and a task, such as nb201-analog/cifar10")
    return list(problems.values())


def problems_of(
    tables: Tasks, *, metric: str | None = None, objectives: Sequence[str] = ()
) -> list[Problem]:
    """Problems that an argument names or holds, each once.

    Parameters
    ----------
    tables : str, Table, Problem, or a sequence of these
        As ``parse_problems``, a table for all its tasks, or problems already made.
    metric : str, optional
    objectives : sequence of str
        As ``make_problem``.

    Raises
    ------
    ParameterError
        If a metric is named beside problems that have one, or nothing is named.
    UnknownNameError, SchemaError, LabelError
        As ``parse_problems``.
    """
    if isinstance(tables, str):
        return parse_problems(tables, metric=metric, objectives=objectives)
    if isinstance(tables, Table):
        return [
            make_problem(tables, task, metric=metric, objectives=objectives)
            for task in tables.tasks
        ]
    if isinstance(tables, Problem):
        if metric is not None:
            raise ParameterError("a problem has its metric: leave metric out, or name TABLE/TASK")
        return [tables]
    if not isinstance(tables, Sequence):
        raise ParameterError(
            "tasks are named TABLE/TASK, or given as a table or as what make_problem returns; "
            f"received {brief(tables)}"
        )
    problems = [
        problem
        for one in tables
        for problem in problems_of(one, metric=metric, objectives=objectives)
    ]
    if not problems:
        raise ParameterError("name a table and a task, such as nb201-analog/cifar10")
    return list({problem.address: problem for problem in problems}.values())
