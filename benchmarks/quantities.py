"""Several objectives and constraints of a table's task, by the names a user gives them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..data.networks import COSTS, has_network_costs, network_costs
from ..data.tables import Column, Table, is_minimised, needs_training
from ..data.types import Values
from ..errors import ParameterError, SchemaError, UnknownNameError
from .constraints import Constraint, feasible, parse_constraints
from .objectives import Problem

ALIASES = {"params": "parameters"}


@dataclass(frozen=True, eq=False)
class Quantity:
    """What one name means in a table's task, for all rows of the table, as published.

    Attributes
    ----------
    name : str
    label, report_label : str
        What a search looks at and what is reported, in words.
    minimise : bool
    known : bool
        Whether it is known before training: a cost such as FLOPs or latency.
    search, report : float array, shape (rows,)
    """

    name: str
    label: str
    report_label: str
    minimise: bool
    known: bool
    search: Values
    report: Values

    @property
    def sign(self) -> float:
        """1, or -1 where smaller is better."""
        return -1.0 if self.minimise else 1.0

    @property
    def direction(self) -> str:
        """Which way is better and what says so, in words."""
        custom = is_minimised(self.name)
        said = "as its name says" if custom == self.minimise else "as the table says"
        if custom is None and not self.minimise:
            said = "as nothing says otherwise"
        return f"{'smaller' if self.minimise else 'bigger'} is better, {said}"


def quantity(problem: Problem, name: str) -> Quantity:
    """Quantity that a name means in a task.

    ``accuracy``, or the metric's own name, is what the task's searches look at and report. Other
    names are metrics or columns of the task; costs that the table holds for one of its tasks only
    serve the others too, and ``flops`` and ``parameters`` (in millions) are computed for cell
    spaces where the table has none.

    Parameters
    ----------
    problem : Problem
    name : str

    Raises
    ------
    UnknownNameError
        If it means nothing in this task.
    SchemaError
        If several columns fit.

    Examples
    --------
    >>> from nasurge.benchmarks.objectives import parse_problems
    >>> (problem,) = parse_problems("nbgraph/cora")
    >>> quantity(problem, "latency").label
    'cora latency (s)'
    """
    wanted = ALIASES.get(name, name)
    looked, reported = problem.search_column, problem.report_column
    own = {looked.metric, looked.source, reported.metric, reported.source} - {""}
    if wanted in own or (wanted == "accuracy" and looked.metric.endswith("accuracy")):
        data = problem.table.data
        search, report = data[problem.roles.search], data[problem.roles.report]
        return Quantity(
            name,
            str(looked),
            str(reported),
            minimise=looked.minimise,
            known=False,
            search=search,
            report=report,
        )
    column = _column(problem.table, problem.task, wanted)
    if column is not None:
        found, values = problem.table.columns[column], problem.table.data[column]
        label = f"{found} ({found.unit})" if found.unit else str(found)
        cost, least = _is_cost(found), found.minimise
        return Quantity(
            name, label, label, minimise=least, known=cost, search=values, report=values
        )
    values = network_costs(problem.space, problem.table.codes, wanted)
    label = f"{wanted} of the NAS-Bench-201 network, computed (M)"
    return Quantity(name, label, label, minimise=True, known=True, search=values, report=values)


def _is_cost(column: Column) -> bool:
    """Whether a column is known before training, unlike an accuracy, an error or a loss."""
    if column.split is not None or column.epoch is not None:
        return False
    return not needs_training(column.metric, minimise=column.minimise)


def _column(table: Table, task: str, name: str) -> int | None:
    """Number of the column, or None if the quantity is to be computed."""
    try:
        return table.find(task=task, metric=name)
    except UnknownNameError as error:
        anywhere = [
            k for k, c in enumerate(table.columns) if _is_cost(c) and name in (c.metric, c.source)
        ]
        if len(anywhere) == 1:
            return anywhere[0]
        if name in COSTS and has_network_costs(table.space):
            return None
        costs = [c.metric for c in table.columns if _is_cost(c)]
        costs += COSTS if has_network_costs(table.space) else ()
        known = [k for k in dict.fromkeys(["accuracy", *error.known, *costs]) if k != name]
        raise UnknownNameError("objective", name, known, hint=f"of {table.name}/{task}") from None


def known_costs(problem: Problem, codes: ArrayLike) -> dict[str, Values]:
    """Costs of some architectures that are known before training, by name, each of shape (m,).

    Those that the table holds for the task, or for one task alone, and ``flops`` and ``parameters``
    of cell spaces, in the table's units.

    Parameters
    ----------
    problem : Problem
    codes : array_like of int, shape (m, d)
        Of architectures in the table.

    Examples
    --------
    >>> from nasurge.benchmarks.objectives import parse_problems
    >>> (problem,) = parse_problems("nb201-analog")
    >>> list(known_costs(problem, problem.codes[:1]))
    ['flops', 'parameters']
    """
    table, rows = problem.table, problem.table.rows(codes)
    names = [column.metric for column in table.columns if _is_cost(column)]
    names += COSTS if has_network_costs(table.space) else ()
    found: dict[str, Values] = {}
    for name in dict.fromkeys(names):
        with suppress(UnknownNameError, SchemaError):  # another task's, or that of several
            column = _column(table, problem.task, name)
            if column is None:
                found[name] = network_costs(table.space, table.codes[rows], name)
            elif _is_cost(table.columns[column]):
                found[name] = table.data[column][rows]
    return found


def constrained(problem: Problem, constraints: Iterable[str | Constraint] | str) -> Problem:
    """Problem with the architectures that meet constraints on known costs only.

    Parameters
    ----------
    problem : Problem
    constraints : sequence of str or Constraint

    Raises
    ------
    InfeasibleError
        If no architecture is left; the message says which bound excludes everything.
    ParameterError
        If a constraint is on something that is known only after training.
    UnknownNameError
        If it is on a quantity that this task does not have.
    """
    limits = parse_constraints(constraints)
    if not limits:
        return problem
    found = {limit.name: quantity(problem, limit.name) for limit in limits}
    unknown = [name for name, one in found.items() if not one.known]
    if unknown:
        raise ParameterError(
            f"{unknown[0]} is known only after training, so that a search for one objective cannot "
            "keep to a bound on it: constrain a cost, or give --objectives"
        )
    columns = {name: one.search[problem.rows] for name, one in found.items()}
    mask = np.zeros(len(problem.table), dtype=bool)
    mask[problem.rows[feasible(columns, limits, where=problem.address)]] = True
    return replace(problem, allowed=mask)


@dataclass(frozen=True, eq=False)
class ManyObjectives(Problem):
    """One task with several objectives, and constraints on some of its quantities.

    Constraints on known costs leave architectures out before a search begins: they are not
    ``allowed``. Others, on the accuracy for one, are told to a searcher as columns with bounds,
    after the objectives.

    Attributes
    ----------
    table, task, roles, allowed
        As of ``Problem``.
    objectives : tuple of Quantity
    told : tuple of (Quantity, Constraint)
        Constraints that are known after an evaluation only.
    """

    objectives: tuple[Quantity, ...] = ()
    told: tuple[tuple[Quantity, Constraint], ...] = ()

    @property
    def bounds(self) -> tuple[float, ...]:
        """The least feasible value of each column that a searcher is told."""
        told = tuple(limit.rising(0.0)[1] for _, limit in self.told)
        return (-np.inf,) * len(self.objectives) + told

    @cached_property
    def _search(self) -> Values:
        """What a searcher is told of every row of the table, shape (rows, columns)."""
        constraints = [limit.rising(one.search)[0] for one, limit in self.told]
        return np.stack([*(q.sign * q.search for q in self.objectives), *constraints], axis=1)

    @cached_property
    def _report(self) -> Values:
        """The reported objectives of every row of the table, shape (rows, k)."""
        return np.stack([q.sign * q.report for q in self.objectives], axis=1)

    def search(self, codes: ArrayLike) -> Values:
        """Objectives and observed constraints of each architecture, shape (m, columns)."""
        found: Values = self._search[self.table.rows(codes)]
        return found

    def report(self, codes: ArrayLike) -> Values:
        """Reported objectives of each architecture, shape (m, k)."""
        found: Values = self._report[self.table.rows(codes)]
        return found

    @cached_property
    def feasible_rows(self) -> NDArray[np.int64]:
        """Rows of the table that meet every constraint."""
        within = (self._search[self.rows] >= np.asarray(self.bounds)).all(axis=1)
        return self.rows[within]

    @cached_property
    def search_values(self) -> Values:
        """The searched objectives of all feasible architectures, shape (n, k)."""
        return self._search[self.feasible_rows, : len(self.objectives)]

    @cached_property
    def report_values(self) -> Values:
        """The reported objectives of all feasible architectures, shape (n, k)."""
        return self._report[self.feasible_rows]


def many_objectives(
    problem: Problem,
    names: Sequence[str],
    constraints: Iterable[str | Constraint] | str = (),
) -> ManyObjectives:
    """Task with the named objectives and constraints.

    Parameters
    ----------
    problem : Problem
    names : sequence of str
        At least two different ones, as ``quantity`` takes them.
    constraints : sequence of str or Constraint

    Raises
    ------
    ParameterError
        If there are not two objectives at least, all different.
    InfeasibleError
        If no architecture meets the constraints.
    UnknownNameError, SchemaError
        As ``quantity``.

    Examples
    --------
    >>> from nasurge.benchmarks.objectives import parse_problems
    >>> (problem,) = parse_problems("nb201-analog")
    >>> many = many_objectives(problem, ["accuracy", "flops"], ["flops<=100"])
    >>> many.search(many.codes[:1]).shape
    (1, 2)
    """
    objectives = tuple(quantity(problem, name) for name in names)
    labels = [one.label for one in objectives]
    if len(set(labels)) != len(labels) or len(labels) < 2:
        raise ParameterError(
            "give at least two different objectives, such as accuracy,flops; received "
            f"{','.join(names) or 'none'}"
        )
    limits = parse_constraints(constraints)
    found = {limit.name: quantity(problem, limit.name) for limit in limits}
    measured = np.zeros(len(problem.table), dtype=bool)
    measured[problem.rows] = True
    for one in (*objectives, *found.values()):
        measured &= np.isfinite(one.search) & np.isfinite(one.report)
    whole = replace(problem, allowed=measured)
    if limits:
        columns = {name: one.search[whole.rows] for name, one in found.items()}
        feasible(columns, limits, where=problem.address)
    known = [limit for limit in limits if found[limit.name].known]
    told = tuple((found[c.name], c) for c in limits if not found[c.name].known)
    allowed = constrained(whole, known).allowed
    return ManyObjectives(problem.table, problem.task, problem.roles, allowed, objectives, told)
