"""First of the ways to number the nodes of a cell whose nodes pick what they read."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from functools import cached_property

import numpy as np

from ..types import Index, Mask

# Orders of the nodes that are compared: all of up to six nodes, if the tables stay below 64 MB.
_MOST_ORDERS = 720
_MOST_WEIGHED = 8_000_000
_NEVER = 2**59

Edges = tuple[tuple[int, int], ...]


class Numbering:
    """Ways to number the nodes of a cell, and to order the edges into each.

    Parameters
    ----------
    options : tuple of tuple of tuple of int
        What each node may pick: numbers of outputs, first those from outside.
    kinds : int
        Number of operations.
    zeros : bool array, shape (kinds,)
        Operations whose edges do not count.
    inputs : int
        Number of outputs from outside.
    """

    def __init__(
        self,
        options: tuple[tuple[tuple[int, ...], ...], ...],
        kinds: int,
        zeros: Mask,
        inputs: int,
    ) -> None:
        self.options = options
        self.zeros = zeros
        self.inputs = inputs
        self.kinds = kinds
        self.picks = len(options[0][0])
        self.all_kinds = list(itertools.product(range(kinds), repeat=self.picks))
        self.states = [len(option) * len(self.all_kinds) for option in options]

    def _edges(self, picked: Sequence[int], kinds: Sequence[int]) -> Edges:
        """Edges of a node that count, in order."""
        pairs = zip(picked, kinds, strict=True)
        return tuple(sorted((s, o) for s, o in pairs if not self.zeros[o]))

    @cached_property
    def orders(self) -> list[tuple[int, ...]]:
        """Orders of the nodes that are compared: the new place of each."""
        n = len(self.options)
        least = list(range(n))
        many = math.factorial(n)
        if many > _MOST_ORDERS or many * sum(self.states) > _MOST_WEIGHED:
            return [tuple(least)]
        if math.prod(self.states) >= _NEVER:
            return [tuple(least)]
        return list(itertools.permutations(least))

    @cached_property
    def _first_states(self) -> list[dict[Edges, int]]:
        """Least state of each node with each set of edges."""
        found: list[dict[Edges, int]] = []
        for options in self.options:
            known: dict[Edges, int] = {}
            for state, (picked, kinds) in enumerate(itertools.product(options, self.all_kinds)):
                known.setdefault(self._edges(picked, kinds), state)
            found.append(known)
        return found

    @cached_property
    def _weights(self) -> list[Index]:
        """What each state of each node weighs in each order, arrays (states, orders).

        The weight is the least state with the same edges, renumbered, in the new place of the
        node, as a digit of a number; no sum with a node before one that it picks is least.
        """
        alone = len(self.orders) == 1  # then a number might not hold all of a cell
        n = len(self.options)
        strides = [1 if alone else math.prod(self.states[place + 1 :]) for place in range(n)]
        done: dict[tuple[int, tuple[int, ...]], list[int]] = {}

        def weights(place: int, picked: tuple[int, ...]) -> list[int]:
            """Weights of the outputs that a node in that place picks, by operations."""
            if (place, picked) not in done:
                known = self._first_states[place]
                states = [known.get(self._edges(picked, kinds)) for kinds in self.all_kinds]
                done[place, picked] = [
                    _NEVER if state is None else state * strides[place] for state in states
                ]
            return done[place, picked]

        tables = []
        for node, options in enumerate(self.options):
            columns = []
            for order in self.orders:
                moved = (*range(self.inputs), *(self.inputs + place for place in order))
                renumbered = (tuple(moved[source] for source in option) for option in options)
                columns.append([w for picked in renumbered for w in weights(order[node], picked)])
            tables.append(np.array(columns, dtype=np.int64).T.copy())
        return tables

    def first(self, cells: Index) -> Index:
        """Least row of each cell among all that differ in order only, shape (n, d).

        Where there are too many orders of nodes only the order of edges is taken away.
        """
        digits = self.kinds ** np.arange(self.picks, -1, -1)
        width = 1 + self.picks
        numbers = [
            weights[cells[:, i * width : (i + 1) * width] @ digits]
            for i, weights in enumerate(self._weights)
        ]
        if len(self.orders) == 1:
            states = [number[:, 0] for number in numbers]
        else:
            best, states = np.add.reduce(numbers).min(axis=1), []
            for radix in self.states[::-1]:
                states.insert(0, best % radix)
                best = best // radix
        parts = []
        for state in states:
            parts.append(state[:, None] // digits[:1])
            parts.append(state[:, None] // digits[1:] % self.kinds)
        return np.concatenate(parts, axis=1)
