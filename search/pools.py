"""Which architectures a search may still propose."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..data.spaces import Codes, Space
from ..data.types import Index, Keys, Mask, Values

_MOST_ROWS = 50_000
"""Rows of a pool in which proposals are moved: a small part of any space that is not listed."""
_MOST_PAIRS = 2**23
"""Distances at once, a tenth of a second: further proposals, the least wanted, are not moved."""
_AT_ONCE = 2**19
_UNIT = 1024
"""Distance of two values without an order. Whole numbers: ties are the same on every machine."""


class Listed:
    """A pool that is written out, as a sorted array and a mask over it."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._free = np.ones(len(keys), dtype=bool)

    def _find(self, keys: Keys) -> tuple[Index, NDArray[np.bool_]]:
        position = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        return position, self._keys[position] == keys

    def free(self, keys: Keys) -> NDArray[np.bool_]:
        """Whether each one is allowed and not taken yet, shape (n,)."""
        position, listed = self._find(keys)
        return np.asarray(listed & self._free[position], dtype=bool)

    def take(self, keys: Keys) -> None:
        """Take some out; those that are not allowed anyway are passed over."""
        position, listed = self._find(keys)
        self._free[position[listed]] = False

    def draw(self, n: int, rng: np.random.Generator) -> Keys:
        """Up to ``n`` different free ones, drawn uniformly, without taking them."""
        free = np.flatnonzero(self._free)
        drawn: Keys = self._keys[rng.choice(free, min(n, len(free)), replace=False)]
        return drawn


class Sparse(Listed):
    """A few rows of a space that nobody can list, and the nearest of them to what is no row.

    Near is where few active variables differ, once twins are written in one way; those that are
    ordered differ by their numbers. Of equally near rows the first is taken.
    """

    def __init__(self, space: Space, keys: Keys) -> None:
        super().__init__(keys)
        self._space = space

    def stand_ins(self, keys: Keys) -> Keys:
        """Rows of the pool instead of what is none, shape (n,): a twin, or the nearest free one."""
        outside = np.flatnonzero(~self._find(keys)[1])
        if not len(outside):
            return keys
        canonical = self._space.canonical(self._space.from_keys(keys[outside]))
        functions, rows = self._functions
        own, keys = self._space.keys(canonical), keys.copy()
        position = np.minimum(np.searchsorted(functions, own), len(functions) - 1)
        twin = functions[position] == own
        keys[outside[twin]] = self._keys[rows[position[twin]]]
        free = np.flatnonzero(self._free)
        if len(free):
            most = _MOST_PAIRS // len(free)
            nearest = self._nearest(canonical[~twin][:most], free)
            keys[outside[~twin][:most]] = self._keys[free[nearest]]
        return keys

    @cached_property
    def _canonical(self) -> Codes:
        return self._space.canonical(self._space.from_keys(self._keys))

    @cached_property
    def _functions(self) -> tuple[Keys, Index]:
        """Identities of the functions in the pool, sorted, and the first row of each."""
        functions, rows = np.unique(self._space.keys(self._canonical), return_index=True)
        return functions, rows

    @cached_property
    def _columns(self) -> list[tuple[Index, Index]]:
        """Values of each variable that occur, and which of them each row has."""
        marked = _marked(self._space, self._canonical)
        return [np.unique(column, return_inverse=True) for column in marked.T]

    def _nearest(self, codes: Codes, free: Index) -> Index:
        """Number of the nearest free row to each architecture, shape (n,)."""
        marked = _marked(self._space, codes)
        columns = [(values, which[free]) for values, which in self._columns]
        step = max(1, _AT_ONCE // len(free))
        nearest = [np.empty(0, dtype=np.int64)]
        for start in range(0, len(marked), step):
            rows = marked[start : start + step]
            total = np.zeros((len(free), len(rows)), dtype=np.int32)
            for own, numbers, (values, which) in zip(
                rows.T, self._space.numbers, columns, strict=True
            ):
                total += _differences(values, own, numbers)[which]
            nearest.append(total.argmin(axis=0))
        return np.concatenate(nearest)


def _marked(space: Space, codes: Codes) -> Index:
    """Codes with -1 for variables that are not active, shape (n, d)."""
    return np.where(space.active(codes), codes, -1).astype(np.int64)


def _differences(values: Index, others: Index, numbers: Values | None) -> NDArray[np.int32]:
    """Distance of each of some values of a variable from each of others, shape (n, m)."""
    differ = values[:, None] != others
    distance = np.where(differ, _UNIT, 0)
    if numbers is not None:
        known = np.asarray(numbers)
        apart = np.rint(_UNIT * abs(known[values][:, None] - known[others])).astype(np.int64)
        both = (values[:, None] >= 0) & (others >= 0)
        distance = np.where(both, np.maximum(apart, differ), distance)
    return distance.astype(np.int32)


class Unlisted:
    """A space too large to write out: draws are repeated until they are new.

    Architectures of one function are one here: what is taken takes its twins out as well.
    """

    def __init__(self, space: Space, feasible: Callable[[Codes], Mask] | None = None) -> None:
        self._space = space
        self._feasible = feasible
        self._taken: set[int | bytes] = set()

    def free(self, keys: Keys) -> Mask:
        """Whether each one is allowed and not taken yet, shape (n,)."""
        own = function_keys(self._space, keys)
        free = np.array([key not in self._taken for key in own.tolist()], dtype=bool)
        if self._feasible is not None and free.any():
            free[free] = self._feasible(self._space.from_keys(keys[free]))
        return free

    def take(self, keys: Keys) -> None:
        """Take some out."""
        self._taken.update(function_keys(self._space, keys).tolist())

    def draw(self, n: int, rng: np.random.Generator) -> Keys:
        """Up to ``n`` different free ones, drawn uniformly, without taking them."""
        found: dict[int | bytes, None] = {}
        for _ in range(100):  # in millions of architectures a hundred rounds do not all collide
            # Few may be allowed: more are drawn then.
            count = n if self._feasible is None else max(4 * n, 200)
            drawn = function_keys(self._space, self._space.sample(count, seed=rng))
            found.update(dict.fromkeys(drawn[self.free(drawn)].tolist()))
            if len(found) >= n:
                break
        return np.array(list(found)[:n], dtype=drawn.dtype)


Remaining = Listed | Unlisted
"""Which architectures may still be proposed, by their identities."""


def remaining(
    space: Space, allowed: Keys | None, feasible: Callable[[Codes], Mask] | None
) -> Remaining:
    """All that may be proposed: a list, sorted, or whatever is feasible where there is none."""
    if allowed is None:
        return Unlisted(space, feasible)
    if space.listed or len(allowed) > _MOST_ROWS:
        return Listed(allowed)
    return Sparse(space, allowed)


def function_keys(space: Space, architectures: Keys | Codes) -> Keys:
    """Identity of what stands for each architecture's function, shape (n,); from keys or codes."""
    codes = space.from_keys(architectures) if architectures.ndim == 1 else architectures
    return space.keys(space.canonical(codes))


def twins_in(space: Space, allowed: Index) -> Index:
    """Allowed twin of every number of a space that is listed, the first one, or itself.

    Those allowed stand for themselves, and so do those without an allowed twin.
    """
    every = space.index(space.all_codes())
    functions = space.function_ids(space.from_index(every))
    twin = np.full(space.n_functions, -1, dtype=np.int64)
    twin[space.function_ids(space.from_index(allowed[::-1]))] = allowed[::-1]
    stand_ins = np.arange(space.n_codes)
    stand_ins[every] = np.where(twin[functions] < 0, every, twin[functions])
    stand_ins[allowed] = allowed
    return stand_ins
