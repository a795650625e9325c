"""Layers that hold all their operations: every architecture of a space is a path through them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import NamedTuple, cast

import numpy as np
import torch
from torch import Tensor, nn

from ...data.networks import LAYERS, OPERATIONS, LiveCell, Place
from ...data.spaces import CellSpace, Codes, Mobile, Space

State = dict[str, Tensor]


class Path(NamedTuple):
    """One architecture, as the layers need it."""

    code: tuple[int, ...]
    """The chosen operation of every variable."""
    sources: tuple[tuple[tuple[int, int], ...], ...]
    """Of every node of a cell, the (node, edge) pairs that reach it alive; else empty."""


def make_path(space: Space, code: Codes) -> Path:
    """Return the path of a checked architecture, shape (d,)."""
    chosen = tuple(int(value) for value in code)
    if not isinstance(space, CellSpace):
        return Path(chosen, ())
    alive = space.graphs(code[None]).mask[0, 2:]
    sources = tuple(
        tuple(
            (source, edge)
            for edge, (source, end) in enumerate(space.edges)
            if end == target and alive[edge]
        )
        for target in range(space.n_nodes)
    )
    return Path(chosen, sources)


class SharedLayer(nn.Module):
    """A layer that holds every operation of some variables of the space."""

    def forward(self, x: Tensor, path: Path) -> Tensor:
        """Compute the chosen operations only."""
        raise NotImplementedError

    def mix(self, x: Tensor, weights: Tensor, chosen: Sequence[int] | None) -> Tensor:
        """Compute sums of all operations by ``weights`` (d, k), or the chosen times its weight."""
        raise NotImplementedError

    def path_state(self, path: Path) -> State:
        """Return the state of the layer that ``build_network`` makes of the path."""
        raise NotImplementedError

    def own(self, path: Path) -> nn.Module:
        """Return a layer of the chosen operations alone, these very modules."""
        raise NotImplementedError


def _weighed(
    operations: Sequence[nn.Module | None], x: Tensor, weights: Tensor, chosen: int | None
) -> Tensor | None:
    """Return the sum of operations times weights; None where nothing is computed."""
    terms = [
        operation(x) * weights[k]
        for k, operation in enumerate(operations)
        if operation is not None and chosen in (None, k)
    ]
    return reduce(torch.add, terms) if terms else None


class SharedCell(SharedLayer):
    """A cell with every operation on every edge."""

    def __init__(self, space: CellSpace, width: int, *, affine: bool) -> None:
        super().__init__()
        self.names = [f"{source}-{target}" for source, target in space.edges]
        self.ends = space.edges
        self.n_nodes = space.n_nodes
        self.zero = space.zero
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
        """Return the last node's sum over the live edges."""
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
        """Return the last node of the cell in which every edge is a weighed sum."""
        nodes: dict[int, Tensor] = {0: x}
        for edge, (source, target) in enumerate(self.ends):
            if source not in nodes:
                continue
            operations = [
                None if k == self.zero else operation
                for k, operation in enumerate(self._operations(edge))
            ]
            given = _weighed(
                operations, nodes[source], weights[edge], None if chosen is None else chosen[edge]
            )
            if given is not None:
                nodes[target] = nodes[target] + given if target in nodes else given
        return nodes.get(self.n_nodes - 1, torch.zeros_like(x))

    def path_state(self, path: Path) -> State:
        """Return the state of the cell of the path, its dead edges too."""
        found: State = {}
        for edge, name in enumerate(self.names):
            own = self._operations(edge)[path.code[edge]].state_dict()
            found |= {f"edges.{name}.{key}": value for key, value in own.items()}
        return found

    def own(self, path: Path) -> nn.Module:
        """Return a cell of the live edges."""
        sources = [[(node, self.names[edge]) for node, edge in reach] for reach in path.sources]
        live = [edge for reach in path.sources for _, edge in reach]
        chosen = {self.names[edge]: self._operations(edge)[path.code[edge]] for edge in live}
        return LiveCell(chosen, sources)


class SharedBlock(SharedLayer):
    """One layer of ``mobile`` with all its operations."""

    def __init__(self, space: Mobile, variable: int, place: Place) -> None:
        super().__init__()
        self.variable = variable
        self.choices = nn.ModuleList(LAYERS[o.name](place) for o in space.operations)

    def forward(self, x: Tensor, path: Path) -> Tensor:
        """Return what the chosen operation makes of ``x``."""
        result: Tensor = self.choices[path.code[self.variable]](x)
        return result

    def mix(self, x: Tensor, weights: Tensor, chosen: Sequence[int] | None) -> Tensor:
        """Return the weighed sum of the operations."""
        one = None if chosen is None else int(chosen[self.variable])
        result = _weighed(list(self.choices), x, weights[self.variable], one)
        return torch.zeros_like(x) if result is None else result

    def path_state(self, path: Path) -> State:
        """Return the state of the chosen operation."""
        return self.choices[path.code[self.variable]].state_dict()

    def own(self, path: Path) -> nn.Module:
        """Return the chosen operation."""
        return self.choices[path.code[self.variable]]


def uniform_codes(
    space: Space, n: int, rng: np.random.Generator, allowed: np.ndarray | None = None
) -> Codes:
    """Return ``n`` live architectures, each variable drawn uniformly from its allowed values.

    A cell without a path from its input to its output is drawn again: it would train nothing.
    """
    d, most = space.n_variables, max(space.cardinalities)
    if allowed is None:
        allowed = np.arange(most) < np.asarray(space.cardinalities)[:, None]
    order = np.argsort(~allowed, axis=1, kind="stable")  # allowed values first
    counts = allowed.sum(axis=1)
    codes: Codes = np.empty((n, d), dtype=np.int8)
    todo = np.arange(n)
    while len(todo):
        codes[todo] = order[np.arange(d), rng.integers(0, counts, (len(todo), d))]
        todo = todo[~space.graphs(codes[todo]).mask[:, 2:].any(axis=1)]
    return codes
