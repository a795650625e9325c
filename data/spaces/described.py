"""A space of one's own, described by its variables."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ...errors import ParameterError, SchemaError
from ..arguments import brief
from ..types import Codes, Mask, Values
from .base import Space as Space
from .conditions import ConditionReader
from .flat import Wiring
from .foreign import described_by
from .rows import Condition
from .variables import Value, expand, value_text
from .wiring import read_wiring, written_wiring

# Assignments of the variables that others depend on, up to which architectures are counted.
_MOST_ASSIGNMENTS = 20_000
_PAIR = re.compile(r'\s*([^=,"]+?)\s*=\s*("(?:[^"\\]|\\.)*"|[^,"]*?)\s*(?:,|$)')


class DescribedSpace(Space):
    """A space of categorical, ordered and conditional variables: ``nasurge.Space({...})``.

    Architectures are written as ``name=value`` joined by commas; variables without an effect are
    left out, and two descriptions that differ in those only are one architecture. ``parse`` takes
    such strings, their values joined by ``|`` (``-`` where there is none), JSON objects, and dicts.

    Parameters
    ----------
    variables : mapping from str to values, choice, ordered or repeat
        In order: a condition is on earlier variables. A list of numbers is ordered, another one
        categorical. ``"op{1..4}"`` names four variables, of one layer each. Values may be
        distributions of Optuna, and the whole a ``ConfigSpace.ConfigurationSpace``, with its
        conditions and forbidden clauses; a continuous range becomes a grid of 16 values.
    name : str, optional
        Name of the space in files and messages.
    forbidden : sequence of str or mapping
        Conditions of which no architecture may meet one, such as ``"op1 == pool and op2 == pool"``.
    graph : mapping, optional
        How data flows between the variables, by their names: ``edges``, pairs of ``"input"``,
        ``"output"`` and variables; and ``opens``, triples of a variable, one of its values and the
        variable from which that value takes its input. By default they are a chain in order.

    Raises
    ------
    SchemaError
        Naming the variable that is wrong, or what excludes every architecture.

    Examples
    --------
    >>> from nasurge.data.spaces import Space, choice, ordered
    >>> space = Space({
    ...     "depth": ordered(2, 3, 4),
    ...     "op{1..4}": choice("conv3", "mb6", active="depth >= {i}"),
    ... })
    >>> space.size
    28
    >>> space.parse(["depth=2, op1=mb6, op2=conv3", {"depth": 2, "op1": "mb6", "op2": "mb6"}])
    array([[0, 1, 0, 0, 0],
           [0, 1, 1, 0, 0]], dtype=int8)
    >>> space.format([[1, 1, 0, 1, 1]])
    ['depth=3,op1=mb6,op2=conv3,op3=mb6']
    """

    def __init__(
        self,
        variables: Mapping[str, Any],
        *,
        name: str | None = None,
        forbidden: Sequence[str | Mapping[str, Any]] = (),
        graph: Mapping[str, Any] | None = None,
    ) -> None:
        described = described_by(variables)
        variables = described.variables
        if not isinstance(variables, Mapping):
            raise SchemaError(
                'a space is described by a mapping, such as {"depth": [2, 3], "op": ["a", "b"]}; '
                f"received {brief(variables)}"
            )
        name = (described.name or "space") if name is None else name
        if not isinstance(name, str) or not name.strip():
            raise SchemaError(f"the name of a space is a text, received {brief(name)}")
        if isinstance(forbidden, str) or not isinstance(forbidden, Iterable):
            raise SchemaError(f"forbidden is a list of conditions, received {brief(forbidden)}")
        self.name, self.forbidden = name, (*forbidden, *described.forbidden)
        self._variables = expand(variables)
        self.cardinalities = tuple(len(v.values) for v in self._variables.values())
        reader = ConditionReader(self._variables)
        self._conditions: tuple[Condition, ...] = tuple(
            reader.read(variable.active, who=f"variable {name!r}", before=k)
            for k, (name, variable) in enumerate(self._variables.items())
        )
        self._forbidden = [reader.read(rule, who="forbidden") for rule in self.forbidden]
        if self._forbidden:
            self._require_some()
        self.graph = None if graph is None else written_wiring(graph)
        self._wiring = None if self.graph is None else read_wiring(self.graph, self._variables)

    @property
    def wiring(self) -> Wiring | None:
        """How data flows between the variables; None where they are a chain in order."""
        return self._wiring

    def _require_some(self) -> None:
        """Refuse rules that no architecture keeps."""
        try:
            self.sample(1, seed=0)
        except (ParameterError, ValueError):
            raise SchemaError(
                f"forbidden of space {self.name!r} excludes (nearly) every architecture: "
                f"{'; '.join(map(_when, self.forbidden))}"
            ) from None

    def spec(self) -> dict[str, Any]:
        """JSON values that make this space again: ``name``, ``variables`` and what else it has."""
        told: dict[str, Any] = {
            "name": self.name,
            "variables": {name: v.spec() for name, v in self._variables.items()},
        }
        told |= {"forbidden": list(self.forbidden)} if self.forbidden else {}
        return told | ({"graph": self.graph} if self.graph else {})

    def __reduce__(self) -> tuple[Any, ...]:
        return (from_spec, (self.spec(),))

    def __hash__(self) -> int:
        return hash((self.name, self.cardinalities))

    @cached_property
    def variables(self) -> tuple[str, ...]:
        """Name of each variable, all different."""
        return tuple(self._variables)

    @cached_property
    def choices(self) -> tuple[tuple[str, ...], ...]:
        """Texts of the values of each variable."""
        return tuple(variable.texts for variable in self._variables.values())

    @cached_property
    def values(self) -> tuple[tuple[Value, ...], ...]:
        """Values of each variable, numbers as numbers."""
        return tuple(variable.values for variable in self._variables.values())

    @cached_property
    def fields(self) -> tuple[str, ...]:
        """What each variable decides: the variable without the number of its layer."""
        return tuple(variable.field or name for name, variable in self._variables.items())

    @cached_property
    def skips(self) -> tuple[tuple[str, ...], ...]:
        """Values of each variable that pass on what they get."""
        return tuple(tuple(map(value_text, v.skip)) for v in self._variables.values())

    @cached_property
    def numbers(self) -> tuple[Values | None, ...]:
        """Numbers that the values of each ordered variable are, from 0 to 1; None for others."""
        return tuple(variable.numbers for variable in self._variables.values())

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """When each variable is active."""
        return self._conditions

    @cached_property
    def conditional(self) -> bool:
        """Whether some variables are active only while earlier ones have certain values."""
        return any(self._conditions)

    def _valid(self, codes: Codes) -> Mask:
        kept = np.ones(len(codes), dtype=bool)
        if self._forbidden:
            active = self.active(codes)
            for rule in self._forbidden:
                for tests in rule:
                    kept &= ~np.logical_and.reduce(
                        [active[:, i] & np.isin(codes[:, i], values) for i, values in tests]
                    )
        return kept

    @cached_property
    def size(self) -> int:
        """Number of architectures; at most so many where rules or conditions are many."""
        if self.listed:
            return super().size
        return math.prod(self._count(group) for group in self._dependent())

    def _dependent(self) -> list[list[int]]:
        """Variables in groups, so that none depends on one of another group."""
        group = list(range(self.n_variables))
        for child, condition in enumerate(self._conditions):
            for parent, _ in (test for tests in condition for test in tests):
                old, new = group[child], group[parent]
                group = [new if g == old else g for g in group]
        return [[i for i, g in enumerate(group) if g == k] for k in dict.fromkeys(group)]

    def _count(self, group: list[int]) -> int:
        """Number of assignments of some variables that others do not depend on."""
        tests = (test for k in group for tests in self._conditions[k] for test in tests)
        parents = sorted({parent for parent, _ in tests})
        counts = [self.cardinalities[k] for k in parents]
        if math.prod(counts) > _MOST_ASSIGNMENTS:
            return math.prod(self.cardinalities[k] for k in group)
        rows = np.zeros((math.prod(counts), self.n_variables), dtype=self.dtype)
        if parents:
            rows[:, parents] = np.indices(counts).reshape(len(parents), -1).T
        rows = np.unique(self.without_inactive(rows), axis=0)
        free = [k for k in group if k not in parents]
        sizes = np.array([self.cardinalities[k] for k in free], dtype=object)
        return int(sum(math.prod(sizes[on].tolist()) for on in self.active(rows)[:, free]))

    def format(self, codes: ArrayLike) -> list[str]:
        """Each architecture as ``name=value`` of its active variables, joined by commas."""
        rows = self.check(codes)
        texts = [[_quoted(text) for text in choices] for choices in self.choices]
        return [
            ",".join(
                f"{name}={values[k]}"
                for name, values, k, on in zip(self.variables, texts, row, mask, strict=True)
                if on
            )
            for row, mask in zip(rows.tolist(), self.active(rows).tolist(), strict=True)
        ]

    def _parse(self, string: str) -> list[int]:
        text = string.strip()
        if text.startswith("{"):
            return self._from_mapping(json.loads(text))
        if "|" in text or "=" not in text:
            words = [word.strip() for word in text.split("|")]
            if len(words) != self.n_variables:
                raise ValueError(f"expected {self.n_variables} values joined by |, or name=value")
            names = zip(self.variables, words, strict=True)
            return self._from_mapping({name: word for name, word in names if word != "-"})
        found, end = {}, 0
        while end < len(text):
            match = _PAIR.match(text, end)
            if match is None:
                raise ValueError(f"expected name=value, found {text[end : end + 30]!r}")
            name, value, end = match[1], match[2], match.end()
            if name in found:
                raise ValueError(f"it names {name!r} twice")
            found[name] = json.loads(value) if value.startswith('"') else value
        return self._from_mapping(found)

    def _position(self, variable: int, value: Any) -> int:
        return self._variables[self.variables[variable]].position(value)

    def describe(self) -> str:
        """Table of the variables: kind, values and conditions, a line each."""
        count = f"{self.size:,}" if self.size < 10**9 else f"{self.size:.2g}"
        lines = [f"{self.name}: {self.n_variables} variables, {count} architectures"]
        width = max(map(len, self.variables))
        for name, variable in self._variables.items():
            kind = "ordered" + (", log" if variable.log else "") if variable.ordered else "choice"
            texts = variable.texts
            shown = texts if len(texts) <= 8 else (*texts[:4], "...", *texts[-2:])
            when = "" if variable.active is None else f"   if {_when(variable.active)}"
            lines.append(f"  {name:<{width}}  {kind:<12}  {', '.join(shown)}{when}")
        lines += [f"  never  {_when(rule)}" for rule in self.forbidden]
        return "\n".join(lines)


def _when(active: Any) -> str:
    if isinstance(active, list | tuple):
        return " or ".join(map(_when, active))
    if isinstance(active, Mapping):
        return " and ".join(
            f"{name} in {list(values)}"
            if not isinstance(values, str) and isinstance(values, Iterable)
            else f"{name} == {values}"
            for name, values in active.items()
        )
    return str(active)


def _quoted(text: str) -> str:
    """Text of a value as it stands in a string: in quotes where it could be misread."""
    odd = set(text) & set('=,|"{}') or text != text.strip() or text == "-"
    return json.dumps(text) if odd else text


def from_spec(spec: Mapping[str, Any]) -> DescribedSpace:
    """Space that ``DescribedSpace.spec`` described.

    Raises
    ------
    SchemaError
        If it is no description of a space.
    """
    odd = set(spec) - {"name", "variables", "forbidden", "graph"}
    if odd:
        raise SchemaError(
            "a description of a space has name, variables, forbidden and graph, no "
            f"{sorted(odd)[0]!r}"
        )
    return DescribedSpace(
        spec.get("variables", {}),
        name=spec.get("name", "space"),
        forbidden=spec.get("forbidden", ()),
        graph=spec.get("graph"),
    )


Space.described = DescribedSpace
