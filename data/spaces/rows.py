"""Rows of integers that are architectures: what they are within, their identity, their twins."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...errors import ArchitectureError, ParameterError
from ..arguments import brief, checked
from ..seeds import Seed
from ..types import Codes, Index, Keys, Mask

MOST_LISTED = 2**23
"""Rows within the cardinalities up to which a space is listed: more would take over 8 MB."""

Condition = tuple[tuple[tuple[int, tuple[int, ...]], ...], ...]
"""When a variable is active: in any of the alternatives, if each of its earlier variables is
active and has one of the values. Without alternatives: always."""


class IntegerRows(ABC):
    """Architectures as rows of small integers, each within the cardinality of its variable.

    What an architecture is, is its row, so that no space is too large. A space of few rows can be
    listed, and only then are its functions numbered.
    """

    name: str
    cardinalities: tuple[int, ...]

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
    def sample(self, n: int, *, seed: Seed = None, unique: bool = False) -> Codes:
        """Architectures drawn uniformly, shape (n, d)."""

    @cached_property
    def example(self) -> str:
        """The string of some valid architecture, for messages."""
        return self.format(self.sample(1, seed=1))[0]

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """When each variable is active; empty where all always are."""
        return ()

    @property
    def conditional(self) -> bool:
        """Whether some variables are active only while earlier ones have certain values."""
        return any(self.conditions)

    def active(self, codes: ArrayLike) -> Mask:
        """Whether each variable of each row, within the cardinalities, has an effect, (n, d)."""
        rows = np.asarray(codes)
        on = np.ones(rows.shape, dtype=bool)
        known: dict[Condition, Mask] = {}
        for column, condition in enumerate(self.conditions):
            if condition and condition not in known:
                met = np.zeros(len(rows), dtype=bool)
                for alternative in condition:
                    met |= np.logical_and.reduce(
                        [on[:, i] & np.isin(rows[:, i], values) for i, values in alternative]
                    )
                known[condition] = met
            if condition:
                on[:, column] = known[condition]
        return on

    def without_inactive(self, codes: Codes) -> Codes:
        """Rows, within the cardinalities, with every inactive variable at 0, shape (n, d)."""
        return np.where(self.active(codes), codes, codes.dtype.type(0))

    def _signatures(self, codes: Codes) -> NDArray[Any]:
        """Value of each row, equal exactly when two rows compute the same function, shape (n,)."""
        return self.index(codes)

    def _valid(self, codes: Codes) -> Mask:
        """Whether each row, already within the cardinalities, is in the space, shape (n,)."""
        return np.ones(len(codes), dtype=bool)

    @property
    def n_variables(self) -> int:
        """Number of decision variables, ``d``."""
        return len(self.cardinalities)

    @cached_property
    def dtype(self) -> np.dtype[np.signedinteger[Any]]:
        """Type of codes: ``int8``, or ``int16`` where a variable has more than 127 values."""
        return np.dtype(np.int8 if max(self.cardinalities) <= 127 else np.int16)

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
        """Codes as an array of ``dtype``, shape (n, d), every row within the space.

        Inactive variables get their one value: two descriptions of one architecture are one row.

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
        checked: Codes = array.astype(self.dtype, copy=False)
        if self.conditional:
            checked = self.without_inactive(checked)
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
        rows: Codes = array[inside].astype(self.dtype)
        valid[inside] = self._valid(self.without_inactive(rows) if self.conditional else rows)
        return valid

    def keys(self, codes: ArrayLike) -> Keys:
        """Identity of each architecture, shape (n,): equal exactly for equal rows, sorted as they.

        The mixed-radix number of a row where 63 bits hold it, its bytes in larger spaces: there is
        no limit. ``np.unique``, ``np.isin`` and ``np.searchsorted`` work on either.

        Raises
        ------
        ArchitectureError
            If a row is not in the space.
        """
        codes = self.check(codes)
        if self._numbered:
            return codes.astype(np.int64) @ self._strides
        # Big-endian, so that bytes are in the order of the numbers; codes are not negative.
        rows = np.ascontiguousarray(codes, dtype=self.dtype.newbyteorder(">"))
        return rows.view(f"S{rows.shape[1] * rows.itemsize}")[:, 0]

    @checked
    def from_keys(self, keys: ArrayLike) -> Codes:
        """Architectures of identities, shape (n, d): the inverse of ``keys``.

        Raises
        ------
        ArchitectureError
            If one is none of this space, or they are not a flat array.
        """
        if self._numbered:
            return self.from_index(keys)
        width = self.n_variables * self.dtype.itemsize
        known = np.asarray(keys)
        if not known.size:
            known = known.astype("S")
        if known.ndim != 1 or known.dtype.kind != "S" or known.dtype.itemsize > width:
            raise ArchitectureError(
                f"identities of space {self.name!r} are a flat array of at most {width} bytes "
                f"each, as keys gives them; received {brief(keys)}"
            )
        whole = np.ascontiguousarray(known, dtype=f"S{width}")
        rows = whole.view(self.dtype.newbyteorder(">")).reshape(len(whole), self.n_variables)
        return self.check(rows.astype(self.dtype))

    @property
    def _numbered(self) -> bool:
        """Whether 63 bits hold the mixed-radix number of a row."""
        return self.n_codes < 2**63

    def index(self, codes: ArrayLike) -> Index:
        """Mixed-radix number of each row, shape (n,), for tables over a space that is listed.

        Raises
        ------
        ArchitectureError
            If a row is not in the space.
        ParameterError
            If 63 bits do not hold the numbers; ``keys`` always works.
        """
        codes = self.check(codes)
        if not self._numbered:
            raise ParameterError(
                f"space {self.name!r} is too large to number its architectures: use keys(codes)"
            )
        return codes.astype(np.int64) @ self._strides

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
        rows: Codes = (numbers[:, None] // self._strides % cardinalities).astype(self.dtype)
        return rows

    @property
    def listed(self) -> bool:
        """Whether the space is small enough to walk: only then do ``all_codes`` work."""
        return self.n_codes <= MOST_LISTED

    @cached_property
    def _valid_index(self) -> Index:
        if not self.listed:
            raise ParameterError(
                f"space {self.name!r} has {self.n_codes:.3g} rows, too many to list: sample it"
            )
        codes = self.from_index(np.arange(self.n_codes))
        kept = self._valid(codes)
        if self.conditional:
            kept &= (self.without_inactive(codes) == codes).all(axis=1)
        return np.flatnonzero(kept).astype(np.int64)

    @property
    def size(self) -> int:
        """Number of architectures; where they cannot be listed, at most so many."""
        return len(self._valid_index) if self.listed else self.n_codes

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
        """Number of different functions; where they cannot be listed, at most so many."""
        return len(self._classes[1]) if self.listed else self.size

    def function_ids(self, codes: ArrayLike) -> Keys:
        """Identity of each row's function, shape (n,), equal for rows that compute the same.

        In a space that is listed, numbers from 0 to ``n_functions - 1``.
        """
        if not self.listed:
            return self.keys(self.canonical(codes))
        return self._classes[0][self.index(codes)]

    def canonical(self, codes: ArrayLike) -> Codes:
        """Representative of all rows that compute the same function, for each row, shape (n, d).

        A space that cannot be listed overrides it where it knows twins; else rows stand for
        themselves.

        Raises
        ------
        ArchitectureError
            If a row is not in the space.
        """
        if not self.listed:
            return self.check(codes)
        return self.from_index(self._classes[1][self.function_ids(codes)])
