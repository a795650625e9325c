"""Canonical orders of the vertices of cells that are graphs: equal cells become one row."""

from __future__ import annotations

import itertools
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ..types import Codes, Index, Mask

MOST_COMPARED = 9
"""Vertices of cells of which all orders are compared: 5,040 of the inner ones."""
_AT_ONCE = 2_000_000

Colours = NDArray[np.uint64]


def canonical_orders(matrices: Mask, alive: Mask, chosen: Codes, kinds: int) -> Index:
    """Vertices of each cell in an order that is the same for isomorphic ones, shape (n, v).

    Edges lead forward in it; the input is first, then come the live vertices, the dead ones, and
    the output.

    Parameters
    ----------
    matrices : bool array, shape (n, v, v)
        Edges between live vertices, upper triangular.
    alive : bool array, shape (n, v)
        Vertices on a path from input to output.
    chosen : int array, shape (n, v - 2)
        Operations of the inner vertices, those of dead ones 0.
    kinds : int
        Number of operations.
    """
    v = alive.shape[1]
    if v <= MOST_COMPARED:
        step, order = max(1, _AT_ONCE // len(_all_orders(v, kinds)[0])), _first_of_all
    else:
        step, order = max(1, _AT_ONCE // v**3), _refined
    parts = [
        order(matrices[i : i + step], alive[i : i + step], chosen[i : i + step], kinds)
        for i in range(0, len(alive), step)
    ]
    return np.concatenate([np.empty((0, v), dtype=np.int64), *parts])


@lru_cache(16)
def _all_orders(v: int, kinds: int) -> tuple[Index, NDArray[np.float64], NDArray[np.float64]]:
    """Orders of the vertices, (p, v), and what edges and operations weigh in each.

    The least weight is the canonical order: edges forward, live vertices first, then the edges and
    the operations as digits of numbers.
    """
    inner = v - 2
    orders = np.array([(0, *o, v - 1) for o in itertools.permutations(range(1, v - 1))])
    places = np.argsort(orders, axis=1)
    digit = np.zeros((v, v))
    for power, (source, target) in enumerate(reversed(list(itertools.combinations(range(v), 2)))):
        digit[source, target] = 2.0**power
        digit[target, source] = 2.0**48
    edges = [digit[places[:, s], places[:, t]] for s, t in itertools.combinations(range(v), 2)]
    live = [places[:, vertex] * 2.0**40 for vertex in range(1, v - 1)]
    base = float(kinds)
    chosen = [base ** (inner - places[:, vertex]) for vertex in range(1, v - 1)]
    return orders, np.stack([*edges, *live]), np.stack(chosen)


def _first_of_all(matrices: Mask, alive: Mask, chosen: Codes, kinds: int) -> Index:
    """Order of least weight of each cell."""
    orders, weights, digits = _all_orders(alive.shape[1], kinds)
    sources, targets = np.triu_indices(alive.shape[1], k=1)
    seen = np.concatenate([matrices[:, sources, targets], alive[:, 1:-1]], axis=1)
    # Both sums are whole numbers below 2**53, so exact in any order of summing.
    shape = seen.astype(np.float64) @ weights
    weight = chosen.astype(np.float64) @ digits
    weight[shape > shape.min(axis=1, keepdims=True)] = np.inf
    least: Index = orders[weight.argmin(axis=1)]
    return least


def _mixed(values: Colours) -> Colours:
    """Numbers that look random, one for each (splitmix64)."""
    mixed = values + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


def _levels(matrices: Mask, alive: Mask) -> Index:
    """Length of the longest path to each vertex, shape (n, v); dead ones and the output last."""
    v = alive.shape[1]
    levels = np.zeros(alive.shape, dtype=np.int64)
    for vertex in range(1, v):
        before = np.where(matrices[:, :, vertex], levels + 1, 0)
        levels[:, vertex] = before.max(axis=1)
    levels[~alive] = v
    levels[:, -1] = v + 1
    return levels


def _coloured(matrices: Mask, colours: Colours) -> Colours:
    """Colours that tell vertices apart by what is around them, shape (n, v).

    Equal for vertices that an isomorphism may exchange. Sums of mixed numbers stand for sets: two
    that are equal by chance would only leave a choice open that the orders below then try.
    """
    # As many rounds for every cell: a colour must not depend on what else is in the batch.
    edges = matrices.astype(np.uint64)
    back = edges.transpose(0, 2, 1)
    for _ in range(colours.shape[1]):
        mixed = _mixed(colours)[:, :, None]
        ahead, behind = (edges @ mixed)[:, :, 0], (back @ mixed)[:, :, 0]
        colours = _mixed(colours + _mixed(ahead) * np.uint64(3) + _mixed(behind) * np.uint64(5))
    return colours


def _refined(matrices: Mask, alive: Mask, chosen: Codes, kinds: int) -> Index:
    """Order of each cell by colours; where these leave a choice, the order of the least row.

    Vertices of one colour that have the same edges may stand in any order. Of others each in turn
    gets a colour of its own, until none is left to choose: after McKay, practical graph
    isomorphism, 1981, in whole arrays and without a search for automorphisms.
    """
    n, v = alive.shape
    levels = _levels(matrices, alive)
    colours = (levels * (kinds + 1)).astype(np.uint64)
    colours[:, 1:-1] += chosen.astype(np.uint64)
    places = 2 ** np.arange(v)
    around = matrices @ places + 2**v * (matrices.transpose(0, 2, 1) @ places)
    owners, found = np.arange(n), []
    while len(owners):
        colours = _coloured(matrices[owners], colours)
        same = colours[:, :, None] == colours[:, None, :]
        same &= levels[owners, :, None] == levels[owners, None, :]
        near = around[owners]
        twins = same & (near[:, :, None] == near[:, None, :])
        choice = (same & ~twins).any(axis=2)
        ready = ~choice.any(axis=1)
        # The last key of lexsort is the first to compare.
        by_colour = np.lexsort((colours, levels[owners]), axis=1)
        found.append((owners[ready], by_colour[ready]))
        rows = np.flatnonzero(~ready)
        first = by_colour[rows, np.take_along_axis(choice, by_colour, axis=1)[rows].argmax(axis=1)]
        # One of each group of twins: no two of them lead to different rows.
        leads = same[rows, first] & ~np.tril(twins[rows], k=-1).any(axis=2)
        row, vertex = np.nonzero(leads)
        colours = colours[rows][row]
        alone = np.arange(len(row)), vertex
        colours[alone] = _mixed(colours[alone])
        owners = owners[rows][row]
    return _least(matrices, chosen, *map(np.concatenate, zip(*found, strict=True)))


def _least(matrices: Mask, chosen: Codes, owners: Index, orders: Index) -> Index:
    """Of the orders of each cell, owned by its number, that of the least row, shape (n, v)."""
    rows = np.arange(len(owners))
    sources, targets = np.triu_indices(orders.shape[1], k=1)
    edges = matrices[owners[:, None], orders[:, sources], orders[:, targets]]
    kinds = chosen[owners[:, None], orders[:, 1:-1] - 1]
    written = np.ascontiguousarray(np.concatenate([edges, kinds], axis=1), dtype=np.int8)
    keys = written.view(f"S{written.shape[1]}")[:, 0]
    rows = np.lexsort((keys, owners))
    _, first = np.unique(owners[rows], return_index=True)
    return orders[rows[first]]
