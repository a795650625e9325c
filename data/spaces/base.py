"""Contract of a search space: architectures as rows of an integer matrix."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from ...errors import ArchitectureError, ParameterError
from ..arguments import brief, checked
from ..seeds import Seed, as_generator
from ..types import Codes as Codes
from ..types import Index, Values
from .flat import Wiring, flat_frame, flat_graphs, flat_operations, flat_paths
from .frame import Frame
from .moves import children, draw, draw_unique, mutants, neighbours
from .rows import IntegerRows
from .structure import CellShape, CostFormula, Graphs, Layer, NetworkBuilder, Operation, PathSet

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import nn


class Space(IntegerRows):
    """A search space of ``d`` decision variables, each with its own cardinality.

    Architectures are arrays of small integers of shape ``(n, d)``, called codes. Strings are for
    people, files and error messages. What an architecture is, is its row: no space is too large.

    Attributes
    ----------
    name : str
        Short name, the one in files and on the command line.
    cardinalities : tuple of int
        Number of values of each variable.
    operations : tuple of Operation
        The operations that paths and graphs refer to by index; by default the values of all
        variables.
    """

    name: str
    cardinalities: tuple[int, ...]
    described: ClassVar[type[Space] | None] = None
    """Class that ``Space({...})`` makes."""
    recognised: bool = True
    """Whether strings that it reads are taken for its own, without anybody saying so."""
    positional: bool = True
    """Whether which variable chose an operation says more than the paths it lies on."""
    model: nn.Module | None = None
    """PyTorch model whose decisions the variables are; None for a space that is not of one."""

    def __new__(cls, *args: Any, **options: Any) -> Space:
        """Space of one's own from its variables, where the class is ``Space`` itself."""
        del args, options
        return super().__new__(cls.described if cls is Space and cls.described else cls)

    @abstractmethod
    def _parse(self, string: str) -> Sequence[int]:
        """Code of one string; raises ``ValueError`` with the reason if it has none."""

    def paths(self, codes: ArrayLike) -> PathSet:
        """Input-to-output paths of each architecture, for features.

        Of a space that defines none, one path through the active variables in order.
        """
        return flat_paths(self, self.check(codes))

    def graphs(self, codes: ArrayLike) -> Graphs:
        """Directed graph of each architecture, operations as nodes.

        Of a space that defines none, a chain of the variables in order.
        """
        return flat_graphs(self, self.check(codes))

    @property
    def nodes_are_variables(self) -> bool:
        """Whether node 2 + i of every graph is variable i, in a chain that the space describes.

        Not where data flows otherwise: there places and numbers gained graph networks nothing.
        """
        return type(self).graphs is Space.graphs and self.wiring is None

    @property
    def cell(self) -> CellShape | None:
        """The cell whose edges the variables are; None for a space that is not of cells."""
        return None

    @property
    def chain(self) -> tuple[Layer, ...] | None:
        """The layers whose operations the variables choose; None for one that is no chain."""
        return None

    @property
    def networks(self) -> NetworkBuilder | None:
        """Maker of PyTorch networks of its architectures; None if there are none."""
        return None

    @property
    def wiring(self) -> Wiring | None:
        """How data flows between the variables; None where they are a chain in order."""
        return None

    @property
    def costs(self) -> CostFormula | None:
        """Formula of costs of its published networks; None where there is none."""
        return None

    @property
    def frame(self) -> Frame:
        """Relaxation: how the graph of a mixture follows from the shares of its values.

        Raises
        ------
        ParameterError
            If the space has no relaxation.
        """
        if type(self).graphs is Space.graphs:
            return flat_frame(self)
        raise ParameterError(
            f"space {self.name!r} has no relaxation: its class does not define frame; take a "
            "search that needs no gradients, such as evolution"
        )

    @cached_property
    def numbers(self) -> tuple[Values | None, ...]:
        """Numbers that the values of each ordered variable are, from 0 to 1; None for others."""
        return (None,) * self.n_variables

    @cached_property
    def operations(self) -> tuple[Operation, ...]:
        """Operations that paths and graphs refer to by index."""
        return flat_operations(self)

    @property
    def fields(self) -> tuple[str, ...]:
        """What each variable decides, where several decide the same of one layer each."""
        return self.variables

    @property
    def skips(self) -> tuple[tuple[str, ...], ...]:
        """Values of each variable that pass on what they get."""
        return ((),) * self.n_variables

    @property
    def node_types(self) -> tuple[str, ...]:
        """Names of the node types that ``graphs`` refers to by index."""
        return ("input", "output", *(operation.name for operation in self.operations))

    def spec(self) -> dict[str, Any]:
        """JSON values that a table file stores to make this space again."""
        return {"name": self.name}

    @cached_property
    def choices(self) -> tuple[tuple[str, ...], ...]:
        """Names of the values of each variable: operations, or numbers where it chooses none."""
        if type(self).operations is Space.operations and "operations" not in vars(self):
            return tuple(tuple(map(str, range(k))) for k in self.cardinalities)
        names = tuple(operation.name for operation in self.operations)
        return tuple(
            names if k == len(names) else tuple(map(str, range(k))) for k in self.cardinalities
        )

    @cached_property
    def variables(self) -> tuple[str, ...]:
        """Name of each variable, all different."""
        return tuple(f"variable {position}" for position in range(self.n_variables))

    @property
    def values(self) -> tuple[tuple[str | bool | int | float, ...], ...]:
        """Values of each variable, numbers as numbers where they are known to be some."""
        return self.choices

    def to_dicts(self, codes: ArrayLike) -> list[dict[str, str | bool | int | float]]:
        """Values of the active variables of each architecture, by name.

        Raises
        ------
        ArchitectureError
            If a row is not in the space.
        """
        rows = self.check(codes)
        return [
            {
                name: values[k]
                for name, values, k, on in zip(self.variables, self.values, row, mask, strict=True)
                if on
            }
            for row, mask in zip(rows.tolist(), self.active(rows).tolist(), strict=True)
        ]

    def to_columns(self, codes: ArrayLike, *, taken: Iterable[str] = ()) -> dict[str, Any]:
        """Value of each variable of each architecture by name, shape (n,), None without effect.

        Parameters
        ----------
        codes : array_like of int, shape (n, d)
        taken : iterable of str
            Names of other columns: a variable of such a name is called ``variable NAME``.

        Raises
        ------
        ArchitectureError
            If a row is not in the space.
        """
        rows, others = self.check(codes), set(taken)
        places = np.where(self.active(rows), rows, -1)
        return {
            f"variable {name}" if name in others else name: np.array([*values, None], dtype=object)[
                places[:, k]
            ]
            for k, (name, values) in enumerate(zip(self.variables, self.values, strict=True))
        }

    def describe(self) -> str:
        """Table of the variables: their values, a line each."""
        count = f"{self.size:,}" if self.size < 10**9 else f"{self.size:.2g}"
        lines = [f"{self.name}: {self.n_variables} variables, {count} architectures"]
        width = max(map(len, self.variables))
        for name, texts in zip(self.variables, self.choices, strict=True):
            shown = texts if len(texts) <= 8 else (*texts[:4], "...", *texts[-2:])
            lines.append(f"  {name:<{width}}  {', '.join(shown)}")
        return "\n".join(lines)

    def plot(self) -> Figure:
        """Picture of the space: boxes of variables with their values and conditions, and a cell.

        Variables with the same values and names alike but for numbers share a box where they are
        many. A space of graphs also shows its cell, or one architecture. A notebook shows what is
        returned, and ``savefig`` writes it to a file.
        """
        from .pictures import draw_space

        return draw_space(self)

    def _position(self, variable: int, value: Any) -> int:
        """Number of a value of a variable; raises ``ValueError`` if it is none."""
        choices = self.choices[variable]
        if str(value) not in choices:
            raise ValueError(f"{value!r} is none of {', '.join(choices)}")
        return choices.index(str(value))

    def _from_mapping(self, values: Mapping[Any, Any]) -> list[int]:
        """Code of an architecture given by name; missing variables must be inactive."""
        strange = [name for name in values if name not in self.variables]
        if strange:
            names = ", ".join(self.variables)
            raise ValueError(f"{strange[0]!r} is none of the variables {names}")
        row = np.zeros((1, self.n_variables), dtype=self.dtype)
        there = np.zeros(self.n_variables, dtype=bool)
        for k, name in enumerate(self.variables):
            value = values.get(name)
            if value is None or value != value:  # NaN: a cell of a table that is empty
                continue
            try:
                row[0, k], there[k] = self._position(k, value), True
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None
        missing = np.flatnonzero(self.active(row)[0] & ~there)
        if len(missing):
            raise ValueError(f"it has no value of {self.variables[missing[0]]!r}")
        return list(row[0].tolist())

    def parse(self, strings: Sequence[str | Mapping[str, Any]] | str | Mapping[str, Any]) -> Codes:
        """Codes of architecture strings, or of dicts from variables to values, shape (n, d).

        Raises
        ------
        ArchitectureError
            Naming the first string that is not in the space, and why.
        """
        if isinstance(strings, str | Mapping):
            strings = [strings]
        if not isinstance(strings, Iterable):
            raise ArchitectureError(
                f"architectures of space {self.name!r} are parsed from strings, received "
                f"{brief(strings)}"
            )
        strings = list(strings)
        rows = np.empty((len(strings), self.n_variables), dtype=self.dtype)
        for position, string in enumerate(strings):
            try:
                if isinstance(string, Mapping):
                    rows[position] = self._from_mapping(string)
                else:
                    rows[position] = self._parse(string)
            except (ValueError, TypeError, AttributeError) as error:
                wrong = ArchitectureError(
                    f"{string!r} (number {position}) is not an architecture of space "
                    f"{self.name!r}: {error}; one looks like {self.example!r}"
                )
                wrong.reason = str(error)
                raise wrong from None
        rows = self.without_inactive(rows) if self.conditional else rows
        valid = self._valid(rows)
        if not valid.all():
            position = int(np.argmin(valid))
            raise ArchitectureError(
                f"{strings[position]!r} (number {position}) breaks a rule of space {self.name!r}; "
                f"a valid one looks like {self.example!r}"
            )
        return rows

    @checked
    def sample(self, n: int, *, seed: Seed = None, unique: bool = False) -> Codes:
        """Architectures drawn uniformly, shape (n, d).

        Where variables are conditional each of them is drawn uniformly, so that small
        architectures occur as often as large ones.

        Parameters
        ----------
        n : int
        seed : int, Generator or None
        unique : bool
            Draw without replacement.

        Raises
        ------
        ParameterError
            If ``n`` is negative, or larger than the space when ``unique``.
        """
        if n < 0 or (unique and n > self.size):
            raise ParameterError(
                f"cannot sample {n} {'unique ' if unique else ''}architectures from space "
                f"{self.name!r} of {self.size}"
            )
        rng = as_generator(seed)
        if self.listed and (unique or not self.conditional):
            return self.from_index(rng.choice(self._valid_index, n, replace=not unique))
        return draw_unique(self, n, rng) if unique else draw(self, n, rng)

    def mutate(self, codes: ArrayLike, *, seed: Seed = None) -> Codes:
        """Mutant of each row, one variable changed to another value drawn uniformly, shape (n, d).

        Rows that the change makes invalid are drawn again, so the result is always in the space.

        Raises
        ------
        ArchitectureError
            If a row is not in the space.
        ParameterError
            If no variable has a second value.
        """
        return mutants(self, self.check(codes), as_generator(seed))

    def neighbours(self, codes: ArrayLike) -> tuple[Codes, Index]:
        """Neighbours: every valid architecture that differs in one variable.

        Returns
        -------
        neighbours : int8 array, shape (m, d)
        origin : int array, shape (m,)
            The row of ``codes`` each is a neighbour of.
        """
        return neighbours(self, self.check(codes))

    def crossover(self, first: ArrayLike, second: ArrayLike, *, seed: Seed = None) -> Codes:
        """Child of each pair of rows, each variable from either parent with equal chance, (n, d).

        Children that the mixture makes invalid are drawn again; where that keeps failing, the
        child is the first parent.

        Raises
        ------
        ArchitectureError
            If the two arrays differ in length.
        """
        first, second = self.check(first), self.check(second)
        if len(first) != len(second):
            raise ArchitectureError(
                f"crossover pairs rows: received {len(first)} and {len(second)} parents"
            )
        return children(self, first, second, as_generator(seed))

    def __repr__(self) -> str:
        first = self.cardinalities[:8]
        shown = f"{str(first)[:-1]}, ...)" if len(self.cardinalities) > len(first) else str(first)
        return f"<Space {self.name}: {self.n_variables} variables {shown}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Space) and self.spec() == other.spec()

    def __hash__(self) -> int:
        return hash((self.name, self.cardinalities))

    def __deepcopy__(self, memo: dict[int, Any]) -> Space:
        return self  # immutable: scikit-learn's clone and joblib may share it

    def __reduce__(self) -> tuple[Any, ...]:
        return (the_space, (type(self),))


@cache
def the_space(cls: type[Space]) -> Space:
    """The one space of a class in this process, so that its classes of twins are found once."""
    return cls()
