"""Which architectures a search may still propose."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ..data.spaces import Codes, Space
from ..data.types import Index, Keys, Mask


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
