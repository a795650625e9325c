"""Moves in a space: draws, mutants, neighbours and children of architectures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...errors import ParameterError
from ..types import Codes, Index, Mask

if TYPE_CHECKING:
    from .base import Space

# Rounds in which rows that break a rule, or are there already, are drawn again.
_ROUNDS = 200


def draw(space: Space, n: int, rng: np.random.Generator) -> Codes:
    """Architectures of which each variable is drawn uniformly, shape (n, d).

    Raises
    ------
    ParameterError
        If nearly no row keeps the rules of the space.
    """
    parts: list[Codes] = []
    missing = n
    for _ in range(_ROUNDS):
        if missing <= 0:
            break
        # Few rows may be valid: draw more than are missing once the first round has shown it.
        count = missing if not parts else min(4 * missing + 100, 100_000)
        rows = rng.integers(0, space.cardinalities, (count, space.n_variables), space.dtype)
        rows = space.without_inactive(rows)
        parts.append(rows[space.is_valid(rows)])
        missing -= len(parts[-1])
    if missing > 0:
        raise ParameterError(
            f"of space {space.name!r} only {n - missing} of {n} architectures could be drawn in "
            f"{_ROUNDS} rounds: its rules exclude (nearly) everything; loosen them, or draw by a "
            "method of its own"
        )
    return np.concatenate(parts or [np.empty((0, space.n_variables), space.dtype)])[:n]


def draw_unique(space: Space, n: int, rng: np.random.Generator) -> Codes:
    """Different architectures of a space that is not listed, shape (n, d).

    Raises
    ------
    ParameterError
        If no more than fewer are found.
    """
    rows = np.empty((0, space.n_variables), space.dtype)
    for _ in range(_ROUNDS):
        if len(rows) >= n:
            break
        rows = np.concatenate([rows, space.sample(n - len(rows), seed=rng)])
        rows = rows[np.sort(np.unique(space.keys(rows), return_index=True)[1])]
    if len(rows) < n:
        raise ParameterError(
            f"of space {space.name!r} only {len(rows)} different architectures were found, not {n}"
        )
    return rows


def _complete(space: Space, rows: Codes, known: Mask, rng: np.random.Generator) -> Codes:
    """Rows whose active variables that were not active before (``known``) are drawn uniformly."""
    rows = rows.copy()
    for _ in range(space.n_variables):
        fresh = space.active(rows) & ~known
        if not fresh.any():
            break
        row, column = np.nonzero(fresh)
        rows[row, column] = rng.integers(0, np.asarray(space.cardinalities)[column])
        known = known | fresh
    return space.without_inactive(rows)


def mutants(space: Space, codes: Codes, rng: np.random.Generator) -> Codes:
    """Mutant of each row: one active variable changed, shape (n, d).

    Variables that the change makes active are drawn uniformly. Mutants that break a rule are drawn
    again; where that keeps failing, the mutant is the row itself.

    Raises
    ------
    ParameterError
        If no variable has a second value.
    """
    cardinalities = np.asarray(space.cardinalities)
    movable = np.flatnonzero(cardinalities > 1)
    if not len(movable):
        raise ParameterError(f"space {space.name!r} has one architecture: nothing can mutate")
    result, todo = codes.copy(), np.arange(len(codes))
    for _ in range(_ROUNDS):
        if not len(todo):
            break
        rows = codes[todo].copy()
        if space.conditional:
            active = space.active(rows)
            ranks = rng.random(rows.shape)
            ranks[~(active & (cardinalities > 1))] = -1
            column = ranks.argmax(axis=1)
        else:
            column = rng.choice(movable, len(todo))
        cardinality = cardinalities[column]
        shift = rng.integers(1, np.maximum(cardinality, 2))
        here = np.arange(len(todo))
        rows[here, column] = (rows[here, column] + shift) % cardinality
        if space.conditional:
            rows = _complete(space, rows, active, rng)
        valid = space.is_valid(rows)
        result[todo[valid]] = rows[valid]
        todo = todo[~valid]
    return result


def neighbours(space: Space, codes: Codes) -> tuple[Codes, Index]:
    """Valid architectures that differ in one active variable, and the row each belongs to.

    Variables that the change makes active have their first value, those that it makes inactive go.
    """
    parts, origins = [codes[:0]], [np.empty(0, dtype=np.int64)]
    active = space.active(codes)
    for column, cardinality in enumerate(space.cardinalities):
        for shift in range(1, cardinality):
            rows = codes.copy()
            moved = rows[:, column].astype(np.int64) + shift  # int8 would not hold the sum
            rows[:, column] = moved % cardinality
            rows = space.without_inactive(rows)
            valid = space.is_valid(rows) & active[:, column]
            parts.append(rows[valid])
            origins.append(np.flatnonzero(valid))
    origin = np.concatenate(origins)
    order = np.argsort(origin, kind="stable")
    return np.concatenate(parts)[order], origin[order]


def children(space: Space, first: Codes, second: Codes, rng: np.random.Generator) -> Codes:
    """Child of each pair of rows, each variable from either parent with equal chance, (n, d).

    A variable that is active in one parent only comes from that one. Children that the mixture
    makes invalid are drawn again; where that keeps failing, the child is the first parent.
    """
    result, todo = first.copy(), np.arange(len(first))
    known = space.active(first), space.active(second)
    for _ in range(20):
        from_first = rng.random(first[todo].shape) < 0.5
        if space.conditional:
            one, other = known[0][todo], known[1][todo]
            from_first = np.where(one == other, from_first, one)
        rows = np.where(from_first, first[todo], second[todo])
        if space.conditional:
            rows = _complete(space, rows, one | other, rng)
        valid = space.is_valid(rows)
        result[todo[valid]] = rows[valid]
        todo = todo[~valid]
        if not len(todo):
            break
    return result
