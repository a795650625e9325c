"""Conditions on variables, read from short expressions such as ``depth >= 3 and op != pool``."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterable, Mapping
from itertools import product
from typing import Any

from ...errors import SchemaError
from .rows import Condition
from .variables import Active, Variable

_HINT = (
    "a condition compares variables with values, such as depth >= 3, op != pool, "
    "2 <= depth <= 4 or op in (conv, pool), joined by and, or"
)
_COMPARED: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_MIRRORED = {ast.Lt: ast.Gt, ast.LtE: ast.GtE, ast.Gt: ast.Lt, ast.GtE: ast.LtE}
Test = tuple[int, tuple[int, ...]]


class ConditionReader:
    """Reader of conditions on the variables of a space.

    Parameters
    ----------
    variables : mapping from str to Variable
    """

    def __init__(self, variables: Mapping[str, Variable]) -> None:
        self._variables = variables
        self._positions = {name: k for k, name in enumerate(variables)}

    def read(self, condition: Active, *, who: str, before: int | None = None) -> Condition:
        """Alternatives of a condition, by the numbers of variables and of their values.

        Parameters
        ----------
        condition : str, mapping or None
        who : str
            What has the condition, for messages.
        before : int, optional
            Number of the variable that has it: conditions are on earlier ones.

        Raises
        ------
        SchemaError
            Naming what has the condition, if it cannot be read or can never be met.
        """
        if condition is None:
            return ()
        try:
            alternatives = self._alternatives(condition)
            self._require_earlier(alternatives, before)
        except SchemaError as error:
            raise SchemaError(f"{who} has the condition {condition!r}: {error}") from None
        met = tuple(tests for tests in alternatives if all(values for _, values in tests))
        if not met:
            raise SchemaError(f"{who} has the condition {condition!r}, which is never met")
        return met

    def _require_earlier(
        self, alternatives: tuple[tuple[Test, ...], ...], before: int | None
    ) -> None:
        for position, _ in (test for tests in alternatives for test in tests):
            if before is not None and position >= before:
                raise SchemaError(self._too_late(position, before))

    def _too_late(self, position: int, before: int) -> str:
        names = list(self._variables)
        if position == before:
            return f"{names[position]!r} cannot depend on itself"
        back = self._variables[names[position]].active
        if back is not None and names[before] in str(back):
            return f"{names[before]!r} and {names[position]!r} depend on each other, a cycle"
        return (
            f"{names[position]!r} comes later: a condition is on earlier variables, so write "
            f"{names[position]!r} before {names[before]!r}"
        )

    def _alternatives(self, condition: Any) -> tuple[tuple[Test, ...], ...]:
        if isinstance(condition, Mapping):
            tests = []
            for name, values in condition.items():
                several = not isinstance(values, str) and isinstance(values, Iterable)
                tests.append(self._among(str(name), list(values) if several else [values]))
            return (tuple(tests),)
        if not isinstance(condition, str):
            raise SchemaError(_HINT)
        try:
            tree = ast.parse(condition.strip(), mode="eval")
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            raise SchemaError(_HINT) from None
        return self._of(tree.body)

    def _of(self, node: ast.expr) -> tuple[tuple[Test, ...], ...]:
        if isinstance(node, ast.BoolOp):
            parts = [self._of(part) for part in node.values]
            if isinstance(node.op, ast.Or):
                return tuple(tests for part in parts for tests in part)
            if len(joined := list(product(*parts))) > 1000:
                raise SchemaError("it has more than 1,000 alternatives")
            return tuple(tuple(test for tests in group for test in tests) for group in joined)
        if not isinstance(node, ast.Compare):
            raise SchemaError(_HINT)
        terms = [node.left, *node.comparators]
        tests = [
            self._test(left, how, right)
            for left, how, right in zip(terms[:-1], node.ops, terms[1:], strict=True)
        ]
        return (tuple(tests),)

    def _test(self, left: ast.expr, how: ast.cmpop, right: ast.expr) -> Test:
        """Variable and those of its values that pass one comparison."""
        name = self._name(left)
        if name is None:
            name, left, right = self._name(right), right, left
            how = _MIRRORED.get(type(how), type(how))()
        if name is None:
            words = [n.id for n in (left, right) if isinstance(n, ast.Name)]
            raise SchemaError(
                f"{words[0]!r} is no variable; there are {', '.join(self._variables)}"
                if words
                else _HINT
            )
        if self._name(right) is not None and isinstance(right, ast.Name):
            raise SchemaError(f"it compares two variables, {name!r} and {right.id!r}; {_HINT}")
        if isinstance(how, ast.In | ast.NotIn):
            position, kept = self._among(name, _several(right))
            if isinstance(how, ast.NotIn):
                every = range(len(self._variables[name].values))
                kept = tuple(k for k in every if k not in kept)
            return position, kept
        value, variable = _constant(right), self._variables[name]
        if isinstance(how, ast.Eq | ast.NotEq):
            position, kept = self._among(name, [value])
            every = range(len(variable.values))
            other = tuple(k for k in every if k not in kept)
            return position, kept if isinstance(how, ast.Eq) else other
        if type(how) not in _COMPARED:
            raise SchemaError(_HINT)
        if not variable.ordered or isinstance(value, str):
            raise SchemaError(f"{name!r} has no order that {value!r} could be compared in")
        compare = _COMPARED[type(how)]
        kept = tuple(k for k, own in enumerate(variable.values) if compare(own, value))
        return self._positions[name], kept

    def _name(self, node: ast.expr) -> str | None:
        known = isinstance(node, ast.Name) and node.id in self._variables
        return node.id if known and isinstance(node, ast.Name) else None

    def _among(self, name: str, values: list[Any]) -> Test:
        if name not in self._variables:
            raise SchemaError(f"{name!r} is no variable; there are {', '.join(self._variables)}")
        variable = self._variables[name]
        try:
            return self._positions[name], tuple(sorted({variable.position(v) for v in values}))
        except ValueError as error:
            raise SchemaError(f"of {name!r}, {error}") from None


def _several(node: ast.expr) -> list[Any]:
    if not isinstance(node, ast.Tuple | ast.List | ast.Set):
        raise SchemaError("in is followed by values in brackets, such as in (3, 4)")
    return [_constant(part) for part in node.elts]


def _constant(node: ast.expr) -> Any:
    """Number or text of an expression; a bare word is its text."""
    if isinstance(node, ast.Name):
        return {"true": True, "false": False}.get(node.id, node.id)
    try:
        value = ast.literal_eval(node)
    except ValueError:
        raise SchemaError(_HINT) from None
    if not isinstance(value, str | bool | int | float):
        raise SchemaError(_HINT)
    return value
