"""Layers that hold all their operations: every architecture of a space is a path through them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import NamedTuple, cast

import numpy as np
import torch
from torch import Tensor, nn

from ...data.networks import LAYERS, OPERATIONS, LiveCell, Place
from ...data.spaces import CellShape, Codes, Space

State = dict[str, Tensor]


class Path(NamedTuple):
    """One architecture, as the layers need it."""

    code: tuple[int, ...]
    """The chosen operation of every variable."""
    sources: tuple[tuple[tuple[int, int], ...], ...]
    """Of every node of a cell, the (node, edge) pairs that reach it alive; else empty."""


def make_path(space: Space, code: Codes) -> Path:
    """Path of a checked architecture, shape (d,)."""
    chosen = tuple(int(value) for value in code)
    cell = space.cell
    if cell is None:
        return Path(chosen, ())
    alive = space.graphs(code[None]).mask[0, 2:]
    sources = tuple(
        tuple(
            (source, edge)
            for edge, (source, end) in enumerate(cell.edges)
            if end == target and alive[edge]
        )
        for target in range(cell.n_nodes)
    )
    return Path(chosen, sources)


def _weighted_sum(
    operations: Sequence[nn.Module | None], x: Tensor, weights: Tensor, chosen: int | None
) -> Tensor | None:
    """Sum of operations times weights; None where nothing is computed."""
    terms = [
        operation(x) * weights[k]
        for k, operation in enumerate(operations)
        if operation is not None and chosen in (None, k)
    ]
    return reduce(torch.add, terms) if terms else None


class SharedCell(nn.Module):
    """A cell with every operation on every edge."""

    def __init__(self, space: Space, cell: CellShape, width: int, *, affine: bool) -> None:
        super().__init__()
        self.names = [f"{source}-{target}" for source, target in cell.edges]
        self.ends = cell.edges
        self.n_nodes = cell.n_nodes
        self.zero = [operation.kind for operation in space.operations].index("zero")
        self.edges = nn.ModuleDict(
            {
                name: nn.ModuleList(
                    nn.Module() if o.kind == "zero" else OPERATIONS[o.name](width, affine)
                    for o in space.operations
                )
                for name in self.names
            }
        )

    def _operations(self, edge: int) -> nn.ModuleList:
        return cast(nn.ModuleList, self.edges[self.names[edge]])

    def forward(self, x: Tensor, path: Path) -> Tensor:
        """Sum at the last node over the live edges, whose chosen operations alone are computed."""
        if not path.sources[-1]:
            return torch.zeros_like(x)
        nodes: dict[int, Tensor] = {0: x}
        for target, sources in enumerate(path.sources):
            if sources:
                terms = [
                    self._operations(edge)[path.code[edge]](nodes[source])
                    for source, edge in sources
                ]
                nodes[target] = reduce(torch.add, terms)
        return nodes[self.n_nodes - 1]

    def mix(self, x: Tensor, weights: Tensor, chosen: Sequence[int] | None) -> Tensor:
        """Last node of the cell in which every edge is a sum by ``weights``, shape (d, k).

        Of an edge that has a ``chosen`` operation it is that one times its weight.
        """
        nodes: dict[int, Tensor] = {0: x}
        for edge, (source, target) in enumerate(self.ends):
            if source not in nodes:
                continue
            operations = [
                None if k == self.zero else operation
                for k, operation in enumerate(self._operations(edge))
            ]
            output = _weighted_sum(
                operations, nodes[source], weights[edge], None if chosen is None else chosen[edge]
            )
            if output is not None:
                nodes[target] = nodes[target] + output if target in nodes else output
        return nodes.get(self.n_nodes - 1, torch.zeros_like(x))

    def path_state(self, path: Path) -> State:
        """State of the cell that ``build_network`` makes of the path, its dead edges too."""
        state: State = {}
        for edge, name in enumerate(self.names):
            own = self._operations(edge)[path.code[edge]].state_dict()
            state |= {f"edges.{name}.{key}": value for key, value in own.items()}
        return state

    def own(self, path: Path) -> nn.Module:
        """Cell of the live edges, of these very modules."""
        sources = [[(node, self.names[edge]) for node, edge in reach] for reach in path.sources]
        live = [edge for reach in path.sources for _, edge in reach]
        chosen = {self.names[edge]: self._operations(edge)[path.code[edge]] for edge in live}
        return LiveCell(chosen, sources)


class SharedBlock(nn.Module):
    """One layer of a chain with all its operations."""

    def __init__(self, space: Space, variable: int, place: Place) -> None:
        super().__init__()
        self.variable = variable
        self.choices = nn.ModuleList(LAYERS[name](place) for name in space.choices[variable])

    def forward(self, x: Tensor, path: Path) -> Tensor:
        """Output of the chosen operation."""
        result: Tensor = self.choices[path.code[self.variable]](x)
        return result

    def mix(self, x: Tensor, weights: Tensor, chosen: Sequence[int] | None) -> Tensor:
        """Sum of the operations by ``weights``, shape (d, k), or the chosen times its weight."""
        one = None if chosen is None else int(chosen[self.variable])
        result = _weighted_sum(list(self.choices), x, weights[self.variable], one)
        return torch.zeros_like(x) if result is None else result

    def path_state(self, path: Path) -> State:
        """State of the chosen operation."""
        return self.choices[path.code[self.variable]].state_dict()

    def own(self, path: Path) -> nn.Module:
        """Module of the chosen operation."""
        return self.choices[path.code[self.variable]]


SharedLayer = SharedCell | SharedBlock
"""A layer that holds every operation of some variables of the space."""


def uniform_codes(
    space: Space, n: int, rng: np.random.Generator, allowed: np.ndarray | None = None
) -> Codes:
    """Live architectures, each variable drawn uniformly from its allowed values, shape (n, d).

    A cell without a path from its input to its output is drawn again: it would train nothing.
    Variables that are not active have their one value.
    """
    if allowed is None:
        allowed = value_mask(space)
    order = np.argsort(~allowed, axis=1, kind="stable")  # allowed values first
    counts = allowed.sum(axis=1)
    codes: Codes = np.empty((n, space.n_variables), dtype=space.dtype)
    todo = np.arange(n)
    while len(todo):
        rows = order[
            np.arange(space.n_variables), rng.integers(0, counts, (len(todo), len(counts)))
        ]
        codes[todo] = described_rows(space, rows)
        todo = todo[~_live(space, codes[todo])]
    return codes


def value_mask(space: Space) -> np.ndarray:
    """Whether each variable has a value of each number, shape (d, k)."""
    return np.arange(max(space.cardinalities)) < np.asarray(space.cardinalities)[:, None]


def described_rows(space: Space, rows: np.ndarray) -> Codes:
    """Rows of values as codes, variables without an effect at their one value, shape (n, d)."""
    codes: Codes = rows.astype(space.dtype)
    return space.without_inactive(codes) if space.conditional else codes


def _live(space: Space, codes: Codes) -> np.ndarray:
    """Whether each architecture passes something on, shape (n,)."""
    if space.cell is None:
        return space.is_valid(codes)
    return np.asarray(space.graphs(codes).mask[:, 2:].any(axis=1))
