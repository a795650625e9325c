"""Structure of a space about which only the variables are known: a chain of their values."""

from __future__ import annotations

import itertools
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..types import Codes, Index, Mask
from .frame import Frame
from .structure import Graphs, Operation, PathSet

if TYPE_CHECKING:
    from .base import Space

ABSENT = Operation("absent", "skip")
"""What stands for a variable that is not active: it passes on what it gets."""

# An ordered variable of more values gives its node one of so many types, a range of them each.
_MOST_TYPES = 16


# Paths through a wiring up to which each of them is a path for features.
_MOST_PATHS = 64


class Wiring(NamedTuple):
    """How data flows between the variables of a space: node 0 is the input, 1 the output."""

    edges: Index
    """(m, 2) from which node to which; variable i is node 2 + i."""
    opens: Index
    """(k, 3) variable and number of its value that opens a connection into the variable's node,
    and the node from which."""


def _names(space: Space, variable: int) -> list[str]:
    """Operation of each value of a variable; neighbours of many ordered values share one."""
    field, choices = space.fields[variable], space.choices[variable]
    numbers = space.numbers[variable]
    if numbers is None or len(choices) <= _MOST_TYPES:
        return [f"{field}={value}" for value in choices]
    bins = np.minimum((np.asarray(numbers) * _MOST_TYPES).astype(np.int64), _MOST_TYPES - 1)
    within = {k: np.flatnonzero(bins == k) for k in np.unique(bins).tolist()}
    names = {k: f"{field}={choices[own[0]]}..{choices[own[-1]]}" for k, own in within.items()}
    return [names[k] for k in bins.tolist()]


def flat_operations(space: Space) -> tuple[Operation, ...]:
    """Values of every field as operations, and, in a conditional space, absence, the last."""
    known: dict[str, Operation] = {}
    for i, (choices, skips) in enumerate(zip(space.choices, space.skips, strict=True)):
        for value, name in zip(choices, _names(space, i), strict=True):
            skip = value in skips
            known[name] = Operation(name, "skip" if skip else "conv", 0.0 if skip else 1.0)
    return (*known.values(), *((ABSENT,) if space.conditional else ()))


@cache
def flat_types(space: Space) -> tuple[Index, ...]:
    """Operation that each value of each variable is, an array of shape (k,) for each variable."""
    number = {operation.name: k for k, operation in enumerate(space.operations)}
    return tuple(
        np.array([number[name] for name in _names(space, i)], dtype=np.int64)
        for i in range(space.n_variables)
    )


def _chosen(space: Space, codes: Codes) -> Index:
    """Operation of each variable, shape (n, d); of inactive ones absence, the last operation."""
    columns = [types[codes[:, i]] for i, types in enumerate(flat_types(space))]
    chosen = np.stack(columns, axis=1)
    if space.conditional:
        chosen[~space.active(codes)] = len(space.operations) - 1
    return chosen


def flat_paths(space: Space, codes: Codes) -> PathSet:
    """Paths of each architecture through its active variables, one in order where not wired."""
    chosen = _chosen(space, codes)[:, None, :].astype(np.int16)
    routes, opening = _routes(space)
    variables = np.broadcast_to(routes.astype(np.int16), (len(codes), *routes.shape))
    chosen = np.where(routes >= 0, chosen[:, 0, routes], np.int16(-1))
    if space.conditional:
        absent = chosen == len(space.operations) - 1
        chosen, variables = np.where(absent, -1, chosen), np.where(absent, -1, variables)
    alive = np.ones((len(codes), len(routes)), dtype=bool)
    for path, needed in enumerate(opening):
        for variable, values in needed:
            alive[:, path] &= np.isin(codes[:, variable], values)
    return PathSet(chosen, variables, alive)


@cache
def _routes(space: Space) -> tuple[Index, list[list[tuple[int, list[int]]]]]:
    """(p, l) variables of every path from input to output, and which of its values each needs.

    One path through all variables where they are a chain, or have too many paths.
    """
    whole = np.arange(space.n_variables, dtype=np.int64)[None]
    if space.wiring is None:
        return whole, [[]]
    edges, opens = space.wiring
    following: dict[int, set[int]] = {}
    for source, target in [*edges.tolist(), *((s, 2 + v) for v, _, s in opens.tolist())]:
        following.setdefault(source, set()).add(target)
    fixed = {(source, target) for source, target in edges.tolist()}
    paths: list[list[int]] = []
    stack = [[0]]
    while stack and len(paths) <= _MOST_PATHS and len(stack) <= 10 * _MOST_PATHS:
        path = stack.pop()
        if path[-1] == 1:
            paths.append(path)
        else:
            stack += [[*path, node] for node in sorted(following.get(path[-1], ()), reverse=True)]
    if not paths or stack or len(paths) > _MOST_PATHS:
        return whole, [[]]
    table = np.full((len(paths), max(1, max(map(len, paths)) - 2)), -1, dtype=np.int64)
    needs = []
    for row, path in enumerate(paths):
        table[row, : len(path) - 2] = np.array(path[1:-1], dtype=np.int64) - 2
        steps = [step for step in itertools.pairwise(path) if step not in fixed]
        needs.append(
            [
                (t - 2, [k for v, k, source in opens.tolist() if (v, source) == (t - 2, s)])
                for s, t in steps
            ]
        )
    return table, needs


def flat_frame(space: Space) -> Frame:
    """One chain from the input through a node for each variable to the output, or its wiring."""
    places = [
        np.stack([np.full(len(types), 2 + i), types + 2], axis=1)
        for i, types in enumerate(flat_types(space))
    ]
    v = space.n_variables + 2
    flow = np.zeros((1, v, v), dtype=bool)
    opens = absent = None
    if space.wiring is None:
        flow[0, 0, 2] = flow[0, v - 1, 1] = True
        flow[0, range(2, v - 1), range(3, v)] = True
    else:
        flow[0, space.wiring.edges[:, 0], space.wiring.edges[:, 1]] = True
    if space.wiring is not None and len(space.wiring.opens):
        variables, values, sources = space.wiring.opens.T
        starts = np.cumsum([0, *space.cardinalities])
        opens = np.stack([starts[variables] + values, sources, 2 + variables], axis=1)
    if space.conditional:
        kind = len(space.operations) + 1
        absent = np.stack([np.arange(2, v), np.full(v - 2, kind)], axis=1).astype(np.int64)
    return Frame(np.concatenate(places), flow, opens=opens, absent=absent)


def flat_graphs(space: Space, codes: Codes) -> Graphs:
    """Graph of a node for each variable; one that is not active passes on what it gets."""
    flow = space.frame.flows[0]
    nodes = np.empty((len(codes), len(flow)), dtype=np.int64)
    nodes[:, 0], nodes[:, 1], nodes[:, 2:] = 0, 1, _chosen(space, codes) + 2
    adjacency = np.broadcast_to(flow, (len(codes), *flow.shape))
    if space.wiring is None or not len(space.wiring.opens):
        return Graphs(nodes, adjacency, np.ones(nodes.shape, dtype=bool))
    adjacency = adjacency.copy()
    variables, values, sources = space.wiring.opens.T
    for variable, value, source in zip(variables, values, sources, strict=True):
        adjacency[:, source, 2 + variable] |= codes[:, variable] == value
    return Graphs(nodes, adjacency, _on_a_path(adjacency))


def _on_a_path(adjacency: Mask) -> Mask:
    """Whether each node is on a path from input to output, shape (n, v)."""
    ahead = np.zeros(adjacency.shape[:2], dtype=bool)
    back = ahead.copy()
    ahead[:, 0] = back[:, 1] = True
    for _ in range(adjacency.shape[1]):
        further = ahead | (adjacency & ahead[:, :, None]).any(axis=1)
        behind = back | (adjacency & back[:, None, :]).any(axis=2)
        if (further == ahead).all() and (behind == back).all():
            break
        ahead, back = further, behind
    on: Mask = ahead & back
    on[:, :2] = True
    return on
