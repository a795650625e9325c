"""Contract of a search space: architectures as rows of an integer matrix."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from functools import cache, cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...errors import ArchitectureError, ParameterError
from ..arguments import brief, checked
from ..seeds import Seed, as_generator
from ..types import Codes as Codes
from ..types import Index, Mask
from .frame import Frame
from .structure import CellShape, Graphs, Layer, NetworkBuilder, Operation, PathSet

_MOST_LISTED = 20_000_000


class Space(ABC):
    """A search space of ``d`` decision variables, each with its own cardinality.

    Architectures are ``int8`` arrays of shape ``(n, d)``, called codes. Strings are for people,
    files and error messages.

    Attributes
    ----------
    name : str
        Short name, the one in files and on the command line.
    cardinalities : tuple of int
        Number of values of each variable.
    operations : tuple of Operation
        The operations that paths and graphs refer to by index.
    """

    name: str
    cardinalities: tuple[int, ...]
    operations: tuple[Operation, ...]
    positional: bool = True
    """Whether which variable chose an operation says more than the paths it lies on."""

    @abstractmethod
    def _parse(self, string: str) -> Sequence[int]:
        """Code of one string; raises ``ValueError`` with the reason if it has none."""

    @abstractmethod
    def format(self, codes: ArrayLike) -> list[str]:
        """Official string of each architecture.

        Parameters
        ----------
        codes : array_like of int, shape (n, d)

        Raises
        ------
        ArchitectureError
            If a row is not in the space.
        """

    @abstractmethod
    def paths(self, codes: ArrayLike) -> PathSet:
        """Input-to-output paths of each architecture, for features."""

    @abstractmethod
    def graphs(self, codes: ArrayLike) -> Graphs:
        """Directed graph of each architecture, operations as nodes."""

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
    def frame(self) -> Frame:
        """Relaxation: how the graph of a mixture follows from the shares of its values.

        Raises
        ------
        ParameterError
            If the space has no relaxation.
        """
        raise ParameterError(
            f"space {self.name!r} has no relaxation: its class does not define frame; take a "
            "search that needs no gradients, such as evolution"
        )

    def _signatures(self, codes: Codes) -> NDArray[Any]:
        """Value of each row, equal exactly when two rows compute the same function, shape (n,)."""
        return self.index(codes)

    def _valid(self, codes: Codes) -> Mask:
        """Whether each row, already within the cardinalities, is in the space, shape (n,)."""
        return np.ones(len(codes), dtype=bool)

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
        names = tuple(operation.name for operation in self.operations)
        return tuple(
            names if k == len(names) else tuple(map(str, range(k))) for k in self.cardinalities
        )

    @cached_property
    def variables(self) -> tuple[str, ...]:
        """Name of each variable, all different."""
        return tuple(f"variable {position}" for position in range(self.n_variables))

    @property
    def n_variables(self) -> int:
        """Number of decision variables, ``d``."""
        return len(self.cardinalities)

    @cached_property
    def _strides(self) -> Index:
        products = np.cumprod((1, *self.cardinalities[:0:-1]), dtype=np.int64)
        return products[::-1].copy()

    @cached_property
    def n_codes(self) -> int:
        """Number of rows within the cardinalities, valid or not."""
        return math.prod(self.cardinalities)

    def _integers(self, codes: ArrayLike) -> NDArray[np.integer[Any]]:
        """Codes as an integer array of shape (n, d), of any values."""
        try:
            array = np.asarray(codes)
        except ValueError as error:
            raise ArchitectureError(
                f"codes of space {self.name!r} are an integer array: {error}"
            ) from None
        if array.ndim != 2 or array.shape[1] != self.n_variables:
            raise ArchitectureError(
                f"codes of space {self.name!r} have shape (n, {self.n_variables}), "
                f"received {array.shape}; use space.parse(strings) to make codes from strings"
            )
        if array.dtype.kind in "iu":
            return array
        if array.dtype.kind not in "fb":
            raise ArchitectureError(
                f"codes of space {self.name!r} are integers, received dtype {array.dtype}"
            )
        with np.errstate(invalid="ignore"):  # NaN and infinity: refused below
            as_int = array.astype(np.int64)
        if (as_int != array).any():
            row, column = np.argwhere(as_int != array)[0]
            raise ArchitectureError(
                f"codes of space {self.name!r} are integers, received {array[row, column]} as "
                f"variable {column} of row {row}"
            )
        return as_int

    def check(self, codes: ArrayLike) -> Codes:
        """Codes as an ``int8`` array of shape (n, d), every row within the space.

        Raises
        ------
        ArchitectureError
            If the shape, the type or a value does not belong to this space; the first offending
            row is named.
        """
        array = self._integers(codes)
        outside = (array < 0) | (array >= np.asarray(self.cardinalities))
        if outside.any():
            row, column = np.argwhere(outside)[0]
            raise ArchitectureError(
                f"row {row} is not in space {self.name!r}: variable {column} is "
                f"{array[row, column]}, allowed 0 to {self.cardinalities[column] - 1}"
            )
        checked: Codes = array.astype(np.int8, copy=False)
        valid = self._valid(checked)
        if not valid.all():
            row = int(np.argmin(valid))
            raise ArchitectureError(
                f"row {row} {checked[row].tolist()} breaks a rule of space {self.name!r}; a valid "
                f"one is {self.example!r}"
            )
        return checked

    def is_valid(self, codes: ArrayLike) -> Mask:
        """Whether each row of an (n, d) integer array is in the space, shape (n,).

        Raises
        ------
        ArchitectureError
            If the shape or the type is not that of codes of this space.
        """
        array = self._integers(codes)
        inside = ((array >= 0) & (array < np.asarray(self.cardinalities))).all(axis=1)
        valid = np.zeros(len(array), dtype=bool)
        valid[inside] = self._valid(array[inside].astype(np.int8))
        return valid

    def parse(self, strings: Sequence[str] | str) -> Codes:
        """Codes of architecture strings, shape (n, d).

        Raises
        ------
        ArchitectureError
            Naming the first string that is not in the space, and why.
        """
        if isinstance(strings, str):
            strings = [strings]
        if isinstance(strings, Mapping) or not isinstance(strings, Iterable):
            raise ArchitectureError(
                f"architectures of space {self.name!r} are parsed from strings, received "
                f"{brief(strings)}"
            )
        strings = list(strings)
        rows = np.empty((len(strings), self.n_variables), dtype=np.int8)
        for position, string in enumerate(strings):
            try:
                rows[position] = self._parse(string)
            except (ValueError, TypeError, AttributeError) as error:
                raise ArchitectureError(
                    f"{string!r} (number {position}) is not an architecture of space "
                    f"{self.name!r}: {error}; one looks like {self.example!r}"
                ) from None
        valid = self._valid(rows)
        if not valid.all():
            position = int(np.argmin(valid))
            raise ArchitectureError(
                f"{strings[position]!r} (number {position}) breaks a rule of space {self.name!r}; "
                f"a valid one looks like {self.example!r}"
            )
        return rows

    @cached_property
    def example(self) -> str:
        """The string of some valid architecture, for messages."""
        return self.format(self.sample(1, seed=1))[0]

    def index(self, codes: ArrayLike) -> Index:
        """Mixed-radix number of each row, shape (n,); equal rows have equal numbers.

        Raises
        ------
        ArchitectureError
            If a row is not in the space.
        """
        return self.check(codes).astype(np.int64) @ self._strides

    @checked
    def from_index(self, index: ArrayLike) -> Codes:
        """Rows of mixed-radix numbers, shape (n, d): the inverse of ``index``.

        Raises
        ------
        ArchitectureError
            If a number is none of this space, or the numbers are not a flat array.
        """
        try:
            numbers = np.asarray(index, dtype=np.int64)
        except (TypeError, ValueError, OverflowError) as error:
            raise ArchitectureError(f"indices are whole numbers: {error}") from None
        if numbers.ndim != 1:
            raise ArchitectureError(f"indices have shape (n,), received {numbers.shape}")
        outside = (numbers < 0) | (numbers >= self.n_codes)
        if outside.any():
            raise ArchitectureError(
                f"index {numbers[outside][0]} is not in space {self.name!r}, allowed 0 to "
                f"{self.n_codes - 1}"
            )
        cardinalities = np.asarray(self.cardinalities)
        rows: Codes = (numbers[:, None] // self._strides % cardinalities).astype(np.int8)
        return rows

    @cached_property
    def _valid_index(self) -> Index:
        if self.n_codes > _MOST_LISTED:
            raise ParameterError(
                f"space {self.name!r} has {self.n_codes} architectures, too many to list: sample it"
            )
        codes = self.from_index(np.arange(self.n_codes))
        return np.flatnonzero(self._valid(codes)).astype(np.int64)

    @property
    def size(self) -> int:
        """Number of architectures in the space."""
        return len(self._valid_index)

    def all_codes(self) -> Codes:
        """Every architecture of the space, shape (size, d), in index order.

        Raises
        ------
        ParameterError
            If the space has too many architectures to list.
        """
        return self.from_index(self._valid_index)

    @cached_property
    def _classes(self) -> tuple[Index, Index]:
        """Class number of every index (-1: not valid), and the lowest index of every class."""
        valid = self._valid_index
        signatures = self._signatures(self.from_index(valid))
        _, first, inverse = np.unique(signatures, return_index=True, return_inverse=True)
        classes = np.full(self.n_codes, -1, dtype=np.int64)
        classes[valid] = inverse
        return classes, valid[first]

    @property
    def n_functions(self) -> int:
        """Number of different functions among the architectures."""
        return len(self._classes[1])

    def function_ids(self, codes: ArrayLike) -> Index:
        """Number of each row's function, shape (n,), equal for rows that compute the same."""
        return self._classes[0][self.index(codes)]

    def canonical(self, codes: ArrayLike) -> Codes:
        """Representative of all rows that compute the same function, for each row, shape (n, d).

        Raises
        ------
        ArchitectureError
            If a row is not in the space.
        """
        return self.from_index(self._classes[1][self.function_ids(codes)])

    @checked
    def sample(self, n: int, *, seed: Seed = None, unique: bool = False) -> Codes:
        """Architectures drawn uniformly, shape (n, d).

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
        return self.from_index(rng.choice(self._valid_index, n, replace=not unique))

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
        rng = as_generator(seed)
        codes = self.check(codes)
        result = codes.copy()
        todo = np.arange(len(codes))
        movable = np.flatnonzero(np.asarray(self.cardinalities) > 1)
        if not len(movable):
            raise ParameterError(f"space {self.name!r} has one architecture: nothing can mutate")
        while len(todo):
            rows = codes[todo].copy()
            column = rng.choice(movable, len(todo))
            cardinality = np.asarray(self.cardinalities)[column]
            shift = rng.integers(1, cardinality)
            here = np.arange(len(todo))
            rows[here, column] = (rows[here, column] + shift) % cardinality
            valid = self._valid(rows)
            result[todo[valid]] = rows[valid]
            todo = todo[~valid]
        return result

    def neighbours(self, codes: ArrayLike) -> tuple[Codes, Index]:
        """Neighbours: every valid architecture that differs in one variable.

        Returns
        -------
        neighbours : int8 array, shape (m, d)
        origin : int array, shape (m,)
            The row of ``codes`` each is a neighbour of.
        """
        codes = self.check(codes)
        parts, origins = [codes[:0]], [np.empty(0, dtype=np.int64)]
        for column, cardinality in enumerate(self.cardinalities):
            for shift in range(1, cardinality):
                rows = codes.copy()
                rows[:, column] = (rows[:, column] + shift) % cardinality
                valid = self._valid(rows)
                parts.append(rows[valid])
                origins.append(np.flatnonzero(valid))
        origin = np.concatenate(origins)
        order = np.argsort(origin, kind="stable")
        return np.concatenate(parts)[order], origin[order]

    def crossover(self, first: ArrayLike, second: ArrayLike, *, seed: Seed = None) -> Codes:
        """Child of each pair of rows, each variable from either parent with equal chance, (n, d).

        Children that the mixture makes invalid are drawn again; where that keeps failing, the
        child is the first parent.

        Raises
        ------
        ArchitectureError
            If the two arrays differ in length.
        """
        rng = as_generator(seed)
        first, second = self.check(first), self.check(second)
        if len(first) != len(second):
            raise ArchitectureError(
                f"crossover pairs rows: received {len(first)} and {len(second)} parents"
            )
        children = first.copy()
        todo = np.arange(len(first))
        for _ in range(20):
            rows = np.where(rng.random(first[todo].shape) < 0.5, first[todo], second[todo])
            valid = self._valid(rows)
            children[todo[valid]] = rows[valid]
            todo = todo[~valid]
            if not len(todo):
                break
        return children

    def __repr__(self) -> str:
        return f"<Space {self.name}: {self.n_variables} variables {self.cardinalities}>"

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
