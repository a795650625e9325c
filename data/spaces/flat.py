"""Structure of a space about which only the variables are known: a chain of their values."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from ..types import Codes, Index
from .frame import Frame
from .structure import Graphs, Operation, PathSet

if TYPE_CHECKING:
    from .base import Space

ABSENT = Operation("absent", "skip")
"""What stands for a variable that is not active: it passes on what it gets."""

# An ordered variable of more values gives its node one of so many types, a range of them each.
_MOST_TYPES = 16


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
    """One path of each architecture, through its active variables in order."""
    chosen = _chosen(space, codes)[:, None, :].astype(np.int16)
    variables = np.broadcast_to(np.arange(space.n_variables, dtype=np.int16), chosen.shape)
    if space.conditional:
        absent = chosen == len(space.operations) - 1
        chosen, variables = np.where(absent, -1, chosen), np.where(absent, -1, variables)
    return PathSet(chosen, variables, np.ones((len(codes), 1), dtype=bool))


def flat_frame(space: Space) -> Frame:
    """One chain from the input through a node for each variable to the output."""
    places = [
        np.stack([np.full(len(types), 2 + i), types + 2], axis=1)
        for i, types in enumerate(flat_types(space))
    ]
    v = space.n_variables + 2
    flow = np.zeros((1, v, v), dtype=bool)
    flow[0, 0, 2] = flow[0, v - 1, 1] = True
    flow[0, range(2, v - 1), range(3, v)] = True
    absent = None
    if space.conditional:
        kind = len(space.operations) + 1
        absent = np.stack([np.arange(2, v), np.full(v - 2, kind)], axis=1).astype(np.int64)
    return Frame(np.concatenate(places), flow, absent=absent)


def flat_graphs(space: Space, codes: Codes) -> Graphs:
    """Chains of a node for each variable; one that is not active passes on what it gets."""
    flow = space.frame.flows[0]
    nodes = np.empty((len(codes), len(flow)), dtype=np.int64)
    nodes[:, 0], nodes[:, 1], nodes[:, 2:] = 0, 1, _chosen(space, codes) + 2
    alive = np.ones(nodes.shape, dtype=bool)
    return Graphs(nodes, np.broadcast_to(flow, (len(codes), *flow.shape)), alive)
