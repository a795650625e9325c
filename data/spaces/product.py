"""A space about which only the choices are known: for tables of strangers."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence, Set
from functools import cached_property
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ...errors import SchemaError
from ..arguments import brief, checked
from ..seeds import Seed, as_generator
from ..types import Codes, Keys, Mask
from .base import Space
from .frame import Frame, node_places
from .structure import Graphs, Operation, PathSet

_WORD = re.compile(r"(?:(?<![\w.])-)?(?:(?<![\w.])(?:\d+\.?\d*|\.\d+)[eE][+-]\d+(?![\w.])|[\w.]+)")


def tokens(string: str) -> list[str]:
    """Choices named in an architecture string.

    A choice is a run of letters, digits, ``_`` and ``.``; a minus that no such run precedes is a
    sign and belongs to its number, and so is that of an exponent, as in ``1e-05``.
    """
    return _WORD.findall(string)


Choice = str | int | float
"""Value of a variable; a number is known by its text."""

_CHOICE = "__choice__"  # stands for a value where the words of a whole string are told


class ProductSpace(Space):
    """Independent categorical variables, as read from a table's architecture strings.

    Parameters
    ----------
    choices : sequence of sequences of str or number, or mapping from name to such
        The values of each variable; a mapping also gives the variables' names.
    name : str
        Name of the space, usually the table's.
    written : sequence of (str or None), optional
        How an architecture is written: texts that all have in common, and None where the value of
        the next variable stands. By default values are joined by ``|``.

    Raises
    ------
    SchemaError
        If a variable has no value or more than 127, a value twice or one that a string could not
        name, or if there are more than 127 variables.

    Examples
    --------
    >>> ProductSpace({"op": ["conv", "pool"], "width": [8, 16, 32]}).variables
    ('op', 'width')
    >>> space = ProductSpace([["conv", "pool"], ["1", "2", "3"]])
    >>> space.parse(["pool-3", "(conv, 1)"])
    array([[1, 2],
           [0, 0]], dtype=int8)
    """

    def __init__(
        self,
        choices: Sequence[Sequence[Choice]] | Mapping[str, Sequence[Choice]],
        *,
        name: str = "product",
        written: Sequence[str | None] = (),
    ) -> None:
        self.name = name
        self.choices = _texts(choices)
        self.written = tuple(written)
        self._names = tuple(map(str, choices)) if isinstance(choices, Mapping) else None
        if not 1 <= len(self.choices) <= 127:
            raise SchemaError(
                f"a space of categorical choices has 1 to 127 variables, not {len(self.choices)}"
            )
        for position, values in enumerate(self.choices):
            wrong = [value for value in values if tokens(value) != [value]]
            if wrong or len(set(values)) < len(values):
                raise SchemaError(
                    f"the values of variable {position} are {', '.join(map(repr, values))}: they "
                    "must differ, and be one word of letters, digits, '_' and '.' each"
                )
            if not 1 <= len(values) <= 127:
                raise SchemaError(
                    f"variable {position} has {len(values)} different values; a space of "
                    "categorical choices has 1 to 127: is the column an architecture?"
                )
        self.cardinalities = tuple(len(values) for values in self.choices)
        if written and self.written.count(None) != len(self.choices):
            raise SchemaError(
                f"a space of {len(self.choices)} variables is written with "
                f"{self.written.count(None)} values: {self.written}"
            )
        self.operations = tuple(
            Operation(f"{position}:{value}", "conv", 1.0)
            for position, values in enumerate(self.choices)
            for value in values
        )
        self._offsets = np.cumsum((0, *self.cardinalities[:-1]))

    @classmethod
    def infer(cls, strings: Sequence[str], *, name: str) -> ProductSpace:
        """Space that the given architecture strings span.

        Raises
        ------
        SchemaError
            If there are no strings, if they do not all name the same number of choices, or if two
            differ only in what stands between the choices.
        """
        if not len(strings):
            raise SchemaError("there is no architecture to infer a space from")
        rows = [tokens(string) for string in strings]
        bare = [re.sub(r"\s", "", string) for string in strings]
        first: dict[tuple[str, ...], int] = {}
        for position, row in enumerate(rows):
            before = first.setdefault(tuple(row), position)
            if bare[before] != bare[position]:
                raise SchemaError(
                    f"architectures {strings[before]!r} and {strings[position]!r} name the same "
                    "choices and differ only in what stands between them; write every choice as a "
                    "word"
                )
        odd = next((s for s, r in zip(strings, rows, strict=True) if len(r) != len(rows[0])), None)
        if odd is not None:
            raise SchemaError(
                f"architectures must all have the same number of choices, but {strings[0]!r} has "
                f"{len(rows[0])} and {odd!r} has {len(tokens(odd))}; for a known space give "
                "its name in the schema"
            )
        values = [sorted(set(column)) for column in zip(*rows, strict=True)]
        varying = [len(column) > 1 for column in values]
        if not any(varying):
            return cls(values, name=name)
        written = _written(strings[0], rows[0], varying)
        chosen = [column for column, varies in zip(values, varying, strict=True) if varies]
        return cls(chosen, name=name, written=written)

    def spec(self) -> dict[str, Any]:
        """Name and choices, from which the space is made again."""
        return {
            "name": self.name,
            "choices": self._given,
            **({"written": list(self.written)} if self.written else {}),
        }

    def __reduce__(self) -> tuple[Any, ...]:
        return (_product, (self._given, self.name, self.written))

    @property
    def _given(self) -> list[list[str]] | dict[str, list[str]]:
        """Values of the variables, by name where they were given names."""
        values = [list(values) for values in self.choices]
        return values if self._names is None else dict(zip(self._names, values, strict=True))

    @cached_property
    def variables(self) -> tuple[str, ...]:
        """Name of each variable, all different."""
        return super().variables if self._names is None else self._names

    @cached_property
    def _words(self) -> list[str | None]:
        """Words of an architecture that is written whole; None where a choice stands."""
        whole = "".join(_CHOICE if part is None else part for part in self.written)
        return [None if word == _CHOICE else word for word in tokens(whole)]

    def _chosen(self, string: str) -> list[str]:
        """Words of a string that name choices."""
        row = tokens(string)
        if len(row) == 1 < self.n_variables == len(row[0]) and set(self.written) == {None}:
            return list(row[0])
        words = self._words
        if len(row) != self.n_variables and len(row) == len(words):
            pairs = list(zip(row, words, strict=True))
            wrong = next((f"{a!r}, expected {b!r}" for a, b in pairs if b not in (None, a)), None)
            if wrong:
                raise ValueError(f"it has {wrong}")
            return [word for word, fixed in pairs if fixed is None]
        return row

    def _parse(self, string: str) -> list[int]:
        row = self._chosen(string)
        if len(row) != self.n_variables:
            raise ValueError(f"expected {self.n_variables} choices, found {len(row)}")
        for position, (value, values) in enumerate(zip(row, self.choices, strict=True)):
            if value not in values:
                raise ValueError(f"choice {position} is {value!r}, allowed {', '.join(values)}")
        return [values.index(value) for value, values in zip(row, self.choices, strict=True)]

    def format(self, codes: ArrayLike) -> list[str]:
        """Each architecture as those of the file are written, or its choices joined by ``|``."""
        rows = [
            [values[k] for values, k in zip(self.choices, row, strict=True)]
            for row in self.check(codes).tolist()
        ]
        if not self.written:
            return ["|".join(row) for row in rows]
        parts = ["{}" if part is None else _escaped(part) for part in self.written]
        return ["".join(parts).format(*row) for row in rows]

    @property
    def size(self) -> int:
        """Number of architectures: the product of the cardinalities."""
        return self.n_codes

    @property
    def n_functions(self) -> int:
        """Number of architectures: nothing is known to make two of them equal."""
        return self.n_codes

    def function_ids(self, codes: ArrayLike) -> Keys:
        """Identity of each row, shape (n,): every architecture is its own function."""
        return self.keys(codes)

    def canonical(self, codes: ArrayLike) -> Codes:
        """The codes themselves, shape (n, d): no two compute the same."""
        return self.check(codes)

    @checked
    def sample(self, n: int, *, seed: Seed = None, unique: bool = False) -> Codes:
        """Architectures drawn uniformly, shape (n, d)."""
        if self.n_codes <= 1_000_000 or self.n_codes >= 2**63 or n < 0:
            return super().sample(n, seed=seed, unique=unique)
        if unique and n > self.n_codes // 2:
            return super().sample(n, seed=seed, unique=unique)
        rng = as_generator(seed)
        if not unique:
            return rng.integers(0, self.cardinalities, (n, self.n_variables), np.int8)
        drawn = np.empty(0, dtype=np.int64)
        while len(drawn) < n:
            more = rng.integers(self.n_codes, size=n - len(drawn))
            drawn = np.unique(np.concatenate([drawn, more]))
        return self.from_index(rng.permutation(drawn))

    def paths(self, codes: ArrayLike) -> PathSet:
        """One path through all variables in order."""
        codes = self.check(codes)
        operations = (codes + self._offsets).astype(np.int16)[:, None, :]
        variables = np.broadcast_to(np.arange(self.n_variables, dtype=np.int8), operations.shape)
        return PathSet(operations, variables, np.ones((len(codes), 1), dtype=bool))

    @property
    def _flow(self) -> Mask:
        """(v, v) connections from every variable to every later one."""
        v = self.n_variables + 2
        flow = np.zeros((v, v), dtype=bool)
        flow[0, 2:] = flow[2:, 1] = True
        flow[2:, 2:] = np.triu(np.ones((v - 2, v - 2), dtype=bool), k=1)
        return flow

    @property
    def frame(self) -> Frame:
        """One flow; every variable has node types of its own."""
        return Frame(
            node_places(self.cardinalities, first_type=self._offsets + 2), self._flow[None]
        )

    def graphs(self, codes: ArrayLike) -> Graphs:
        """Graphs in which every variable's choice sees every later one."""
        codes, flow = self.check(codes), self._flow
        v = len(flow)
        nodes = np.zeros((len(codes), v), dtype=np.int64)
        nodes[:, 1] = 1
        nodes[:, 2:] = codes + self._offsets + 2
        shape = (len(codes), v, v)
        return Graphs(nodes, np.broadcast_to(flow, shape), np.ones((len(codes), v), dtype=bool))


def _texts(choices: Any) -> tuple[tuple[str, ...], ...]:
    """Values of each variable as text."""
    several = choices.values() if isinstance(choices, Mapping) else choices
    if isinstance(choices, str) or not isinstance(several, Iterable):
        raise SchemaError(
            "choices are a sequence with the values of each variable, or a mapping from its name "
            f"to them; received {brief(choices)}"
        )
    found = []
    for position, values in enumerate(several):
        ordered = isinstance(values, Iterable) and not isinstance(values, Set)
        if isinstance(values, str | Mapping) or not ordered:  # the order of a set is of no use
            raise SchemaError(
                f"the values of variable {position} are a sequence, such as ['conv', 'pool']; "
                f"received {brief(values)}"
            )
        for value in (listed := list(values)):
            if not isinstance(value, str) and not _is_finite(value):
                raise SchemaError(
                    f"the values of variable {position} are text or finite numbers; received "
                    f"{brief(value)}"
                )
        found.append(tuple(map(str, listed)))
    return tuple(found)


def _is_finite(value: Any) -> bool:
    return isinstance(value, Real) and bool(-math.inf < value < math.inf)  # type: ignore[operator]


def _product(
    choices: Sequence[Sequence[str]] | Mapping[str, Sequence[str]],
    name: str,
    written: Sequence[str | None] = (),
) -> ProductSpace:
    """Rebuild a space in another process."""
    return ProductSpace(choices, name=name, written=written)


def _escaped(part: str) -> str:
    return part.replace("{", "{{").replace("}", "}}")


def _written(string: str, words: Sequence[str], varying: Sequence[bool]) -> list[str | None]:
    """Parts of a string: what all have in common, and None where the words vary."""
    parts: list[str | None] = []
    start = 0
    for word, varies in zip(words, varying, strict=True):
        place = string.index(word, start)
        if varies:
            parts += [string[start:place], None]
        else:
            parts.append(string[start : place + len(word)])
        start = place + len(word)
    parts.append(string[start:])
    merged: list[str | None] = []
    for part in parts:
        if part is not None and merged and merged[-1] is not None:
            merged[-1] += part
        elif part != "":
            merged.append(part)
    return merged
