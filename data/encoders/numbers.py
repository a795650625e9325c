"""Ordered variables as numbers, so that distance counts, and where they are absent."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np

from ..spaces import Codes, Space
from ..types import Matrix

# An ordered variable of more values has no column for each of them beside its number.
MOST_VALUES = 32


class NumberColumns(NamedTuple):
    """Columns of numbers of a space: of every ordered variable, and of every field of layers.

    A variable that is always active has one column, its value from 0 to 1. A conditional one has
    two, its distance from the middle and the height of an arc of radius 1 about absence, (0, 0):
    absent is equally far from every value, as far as the least is from the greatest. Of a field
    that several ordered variables decide, one of each layer, the active ones are summed and
    averaged.

    References
    ----------
    K. Swersky et al. Raiders of the lost architecture: Kernels for Bayesian optimization in
    conditional parameter spaces. 2013. D. Horn et al. A comparative study on large scale kernelized
    support vector machines. 2018 (the wedge).
    """

    own: tuple[tuple[int, Matrix], ...]
    """Each ordered variable, and the columns (k, c) of its values."""
    layers: tuple[tuple[int, ...], ...]
    """Ordered variables of each field that has several."""
    names: tuple[str, ...]

    @classmethod
    def of(cls, space: Space) -> NumberColumns:
        """Columns of a space; none where nothing is ordered."""
        ordered = [i for i, x in enumerate(space.numbers) if x is not None and len(x) > 1]
        own, names = [], []
        for i in ordered:
            x = np.asarray(space.numbers[i], dtype=np.float64)
            names.append(f"{space.variables[i]} (number)")
            if space.conditions and space.conditions[i]:
                names.append(f"{space.variables[i]} (present)")
                own.append((i, np.stack([x - 0.5, np.sqrt(1 - (x - 0.5) ** 2)], axis=1)))
            else:
                own.append((i, x[:, None]))
        fields: dict[str, list[int]] = {}
        for i in ordered:
            fields.setdefault(space.fields[i], []).append(i)
        shared = {field: tuple(found) for field, found in fields.items() if len(found) > 1}
        names += [f"{field} ({what})" for what in ("sum", "mean") for field in shared]
        return cls(tuple(own), tuple(shared.values()), tuple(names))

    @property
    def n_own(self) -> int:
        """Number of columns, the first ones, that are of one variable each."""
        return len(self.names) - 2 * len(self.layers)

    def features(self, space: Space, codes: Codes) -> Matrix:
        """Columns of checked codes, shape (n, f)."""
        active = space.active(codes)
        columns = [table[codes[:, i]] * active[:, [i]] for i, table in self.own]
        sums, means = [], []
        for variables in self.layers:
            picked = [(np.asarray(space.numbers[i]), codes[:, i], active[:, i]) for i in variables]
            total = sum((x[values] * on for x, values, on in picked), np.zeros(len(codes)))
            sums.append(total)
            means.append(total / np.maximum(active[:, list(variables)].sum(axis=1), 1))
        columns += [column[:, None] for column in (*sums, *means)]
        return np.concatenate([np.zeros((len(codes), 0)), *columns], axis=1)


@cache
def number_columns(space: Space) -> NumberColumns:
    """Columns of numbers of a space, found once per process."""
    return NumberColumns.of(space)
