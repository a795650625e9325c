"""Spaces of other libraries as ours: ConfigSpace, and dicts of Optuna distributions.

Both are told by where their class is defined, so that neither has to be installed. What they leave
continuous is put on a grid: see ``GRID``.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from ...errors import SchemaError
from .variables import Variable, choice, ordered

GRID = 16
"""Values of a continuous range, both ends among them: even, or in even ratios where it is log."""
MOST_WHOLE = 1000
"""Whole numbers of a range that are all kept; of more there is a grid, too."""

Test = tuple[str, list[Any]]
Alternatives = list[list[Test]]
_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "GreaterThanEquals": operator.ge,
    "LessThanEquals": operator.le,
    "GreaterThan": operator.gt,
    "LessThan": operator.lt,
    "NotEquals": operator.ne,
    "Equals": operator.eq,
}


@dataclass(frozen=True)
class Description:
    """What a space is described by: variables by name, rules, and a name if it has one."""

    variables: Mapping[str, Any]
    forbidden: tuple[Any, ...] = ()
    name: str = ""


def described_by(given: Any) -> Description:
    """Description of what is a ConfigSpace, or has Optuna distributions; of others as they are.

    Raises
    ------
    SchemaError
        Naming a hyperparameter, condition or rule that has no counterpart here.
    """
    if _library(given) == "ConfigSpace":
        return _FromConfigSpace(given).description
    if isinstance(given, Mapping) and any(_library(one) == "optuna" for one in given.values()):
        made = {
            name: _of_distribution(str(name), one) if _library(one) == "optuna" else one
            for name, one in given.items()
        }
        return Description(made)
    return Description(given)


def _library(thing: Any) -> str:
    """Package in which the class of an object, or a parent, is defined, if it is one of the two."""
    modules = {cls.__module__.partition(".")[0] for cls in type(thing).__mro__}
    return next((name for name in ("ConfigSpace", "optuna") if name in modules), "")


def _of_distribution(name: str, given: Any) -> Variable:
    """Variable of an Optuna distribution."""
    try:
        if hasattr(given, "choices"):
            return choice(*given.choices)
        return _range(given.low, given.high, step=given.step, log=given.log)
    except (AttributeError, SchemaError) as error:
        raise SchemaError(f"variable {name!r}: {given!r} is no space here: {error}") from None


def _range(
    low: float, high: float, *, step: float | None, log: bool, also: Iterable[float] = ()
) -> Variable:
    """Ordered variable of a range: all that it steps on, or the grid and some more values."""
    whole = isinstance(low, int) and isinstance(high, int)
    if low == high:
        return ordered(low)
    if whole and (high - low) // (step or 1) < MOST_WHOLE:
        return ordered(*range(int(low), int(high) + 1, int(step or 1)), log=log)
    if step and not whole and (high - low) / step < MOST_WHOLE:
        count = round((high - low) / step) + 1
        return ordered(*(float(f"{low + k * step:.12g}") for k in range(count)))
    grid = ordered(low, high, steps=GRID, log=log).values
    kept = {float(v) if not whole else int(v) for v in (*grid, *also) if low <= float(v) <= high}
    return ordered(*sorted(kept), log=log)


class _FromConfigSpace:
    """Description of a ``ConfigSpace.ConfigurationSpace``."""

    def __init__(self, space: Any) -> None:
        self._conditions: dict[str, list[Any]] = {}
        for condition in space.conditions:
            self._conditions.setdefault(condition.child.name, []).append(condition)
        self._named: dict[str, set[Any]] = {}
        clauses = list(space.forbidden_clauses)
        for part in _leaves([*space.conditions, *clauses]):
            about = getattr(part, "parent", None) or getattr(part, "hyperparameter", None)
            if about is not None:
                self._named.setdefault(about.name, set()).update(_values(part))
        variables: dict[str, Variable] = {}
        self._values: dict[str, tuple[Any, ...]] = {}
        for given in self._in_order(dict(space)):
            variables[given.name] = self._variable(given)
        rules = [rule for clause in clauses for rule in self._rules(clause)]
        self.description = Description(variables, tuple(rules), space.name or "")

    def _in_order(self, every: dict[str, Any]) -> list[Any]:
        """Hyperparameters, each after those that its conditions are on."""
        done: dict[str, Any] = {}

        def add(name: str) -> None:
            for part in _leaves(self._conditions.get(name, [])):
                if part.parent.name not in done:
                    add(part.parent.name)
            done.setdefault(name, every[name])

        for name in every:
            add(name)
        return list(done.values())

    def _variable(self, given: Any) -> Variable:
        """Variable of a hyperparameter, with its condition."""
        try:
            made, self._values[given.name] = self._plain(given)
        except SchemaError as error:
            raise SchemaError(f"hyperparameter {given.name!r}: {error}") from None
        conditions = self._conditions.get(given.name, [])
        if not conditions:
            return made
        parts = [self._alternatives(condition) for condition in conditions]
        active = [_joined(group) for group in _products(parts)]
        met = [tests for tests in active if all(tests.values())]
        if not met:
            raise SchemaError(
                f"hyperparameter {given.name!r} has the condition {conditions[0]}, which is never "
                "met"
            )
        return replace(made, active=met[0] if len(met) == 1 else met)

    def _plain(self, given: Any) -> tuple[Variable, tuple[Any, ...]]:
        """Variable without a condition, and its values in the order they have over there."""
        if hasattr(given, "choices"):
            return choice(*given.choices), tuple(given.choices)
        if hasattr(given, "sequence"):
            values = tuple(given.sequence)
            numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
            rising = numbers and list(values) == sorted(values)
            return (ordered(*values) if rising else choice(*values)), values
        if hasattr(given, "lower") and given.lower is not None:
            also = {given.default_value, *self._named.get(given.name, ())}
            log = bool(getattr(given, "log", False))
            made = _range(given.lower, given.upper, step=None, log=log, also=also)
            return made, made.values
        if hasattr(given, "value"):
            return choice(given.value), (given.value,)
        raise SchemaError(
            f"a {type(given).__name__} has no counterpart here: give it bounds, or choices"
        )

    def _alternatives(self, condition: Any) -> Alternatives:
        """A condition as alternatives, each of values of parents that must all be met."""
        kind = type(condition).__name__
        if hasattr(condition, "components"):
            parts = [self._alternatives(part) for part in condition.components]
            if kind.startswith("Or"):
                return [group for part in parts for group in part]
            return _products(parts)
        parent = condition.parent.name
        return [[(parent, self._kept(parent, kind, condition))]]

    def _kept(self, name: str, kind: str, clause: Any) -> list[Any]:
        """Values of a hyperparameter that a condition or rule names."""
        values = self._values[name]
        wanted = _values(clause)
        order = next((own for word, own in _ORDER.items() if word in kind), operator.eq)
        if order in (operator.eq, operator.ne):
            return [v for v in values if (v in wanted) == (order is operator.eq)]
        # Of an ordinal it is the place in the sequence that counts.
        places = {value: k for k, value in enumerate(values)}
        if wanted[0] in places:
            return [v for v in values if order(places[v], places[wanted[0]])]
        return [v for v in values if order(v, wanted[0])]

    def _rules(self, clause: Any) -> list[dict[str, list[Any]]]:
        """Combinations of values that a forbidden clause excludes; none where no value is here."""
        kind = type(clause).__name__
        if kind.endswith("Relation"):
            left, right = clause.left.name, clause.right.name
            order = next(own for word, own in _ORDER.items() if word in kind)
            pairs = (
                (value, [v for v in self._values[right] if order(value, v)])
                for value in self._values[left]
            )
            return [{left: [value], right: others} for value, others in pairs if others]
        if hasattr(clause, "components"):
            parts = [self._rules(part) for part in clause.components]
            if kind.startswith("ForbiddenOr"):
                return [rule for part in parts for rule in part]
            groups = [[list(rule.items()) for rule in part] for part in parts]
            joined = (_joined(group) for group in _products(groups))
            return [rule for rule in joined if all(rule.values())]
        name = clause.hyperparameter.name
        kept = self._kept(name, kind, clause)
        return [{name: kept}] if kept else []


def _leaves(clauses: Iterable[Any]) -> list[Any]:
    """Conditions or rules without the conjunctions around them."""
    found = []
    for clause in clauses:
        inner = getattr(clause, "components", None)
        found += [clause] if inner is None else _leaves(inner)
    return found


def _values(clause: Any) -> list[Any]:
    """Values that a condition or rule names."""
    if hasattr(clause, "values"):
        return list(clause.values)
    return [clause.value] if hasattr(clause, "value") else []


def _products(parts: list[Alternatives]) -> Alternatives:
    """Alternatives of which one of each part is met."""
    return [[test for tests in group for test in tests] for group in product(*parts)]


def _joined(tests: list[Test]) -> dict[str, list[Any]]:
    """Values of each variable that pass all of its tests."""
    found: dict[str, list[Any]] = {}
    for name, values in tests:
        found[name] = [v for v in found.get(name, values) if v in values]
    return found
