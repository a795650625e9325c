"""Cells that are directed acyclic graphs with an operation on each vertex."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ...errors import ArchitectureError
from ..arguments import checked
from ..seeds import Seed, as_generator
from ..types import Codes, Index, Keys, Mask
from .base import Space
from .frame import Frame
from .orders import MOST_COMPARED, canonical_orders
from .structure import Graphs, Operation, PathSet
from .vocabulary import check_operations, made_of, whole_number, written_operations

# There are as many possible paths as sets of inner vertices: 8,192 at 15 vertices.
_MOST_VERTICES = 15
# Rounds in which cells of a number of vertices are drawn.
_ROUNDS = 40


class NodeCell(Space):
    """Cells of at most ``nodes`` vertices, an operation on each and any edges forward.

    The type of NAS-Bench-101. Vertex 0 is the input and the last the output; the variables are
    whether each edge is there, and the operation of each inner vertex. A cell is valid if its
    output can be reached, by at most ``max_edges`` edges that lie on a path from input to output.
    Vertices on no such path do not count: the canonical form lacks them, and is the same for
    isomorphic cells.

    Parameters
    ----------
    nodes : int
        Vertices with input and output, 3 to 15.
    operations : sequence of str, or of (str, str, float)
        Names, or (name, kind, depth) with a kind of ``"zero"``, ``"skip"``, ``"conv"`` and
        ``"pool"``; else these follow from the name.
    max_edges : int, optional
        By default as many as there are.
    name : str
        Name of the space.

    Raises
    ------
    ParameterError
        If a number is out of its range, or the operations are none.

    Examples
    --------
    >>> space = NodeCell(4, ["conv3x3", "maxpool3x3"])
    >>> matrix, operations = "[[0, 1, 0], [0, 0, 1], [0, 0, 0]]", '["input", "conv3x3", "output"]'
    >>> space.parse(f'{{"matrix": {matrix}, "ops": {operations}}}')
    array([[1, 0, 0, 0, 1, 0, 0, 0]], dtype=int8)
    >>> space.size, space.n_functions
    (188, 43)
    """

    def __init__(
        self,
        nodes: int,
        operations: Sequence[str | Operation],
        *,
        max_edges: int | None = None,
        name: str = "node-cell",
    ) -> None:
        edges = whole_number(nodes, "nodes", 3, _MOST_VERTICES) * (nodes - 1) // 2
        self.name = name
        self.nodes = nodes
        self.operations = check_operations(operations, f"space {name!r}")
        self.max_edges = (
            edges if max_edges is None else whole_number(max_edges, "max_edges", 1, edges)
        )
        self.cardinalities = (
            *(2,) * len(self.edges),
            *(len(self.operations),) * (nodes - 2),
        )

    @cached_property
    def edges(self) -> tuple[tuple[int, int], ...]:
        """(source, target) vertices of the edges that may be there, by source."""
        return tuple(itertools.combinations(range(self.nodes), 2))

    @property
    def fixed_edges(self) -> tuple[tuple[int, int], ...]:
        """(source, target) vertices of the edges that always are there."""
        return ()

    @cached_property
    def variables(self) -> tuple[str, ...]:
        """``edge 0-1`` and so on, then ``operation 1`` and so on."""
        inner = range(1, self.nodes - 1)
        return (*(f"edge {s}-{t}" for s, t in self.edges), *(f"operation {v}" for v in inner))

    @cached_property
    def choices(self) -> tuple[tuple[str, ...], ...]:
        """Whether an edge is there, and the names of the operations."""
        names = tuple(operation.name for operation in self.operations)
        return (*(("no", "yes"),) * len(self.edges), *(names,) * (self.nodes - 2))

    def spec(self) -> dict[str, Any]:
        """The arguments, from which the space is made again."""
        return {
            "name": self.name,
            "kind": "node-cell",
            "nodes": self.nodes,
            "operations": written_operations(self.operations),
            "max_edges": self.max_edges,
        }

    def __reduce__(self) -> tuple[Any, ...]:
        return (
            (made_of, (NodeCell, self.spec())) if type(self) is NodeCell else super().__reduce__()
        )

    def matrices(self, codes: ArrayLike) -> Mask:
        """Adjacency of the vertices of each cell, as given, shape (n, nodes, nodes)."""
        return self._matrices(self.check(codes))

    def _matrices(self, codes: Codes) -> Mask:
        found = np.zeros((len(codes), self.nodes, self.nodes), dtype=bool)
        sources, targets = np.array(self.edges).T
        found[:, sources, targets] = codes[:, : len(self.edges)] != 0
        for source, target in self.fixed_edges:
            found[:, source, target] = True
        return found

    def _chosen(self, codes: Codes) -> Codes:
        """Operation of each inner vertex, shape (n, nodes - 2)."""
        return codes[:, len(self.edges) :]

    def _rows(self, matrices: Mask, chosen: Codes) -> Codes:
        """Rows of adjacency and operations: the inverse of ``_matrices`` and ``_chosen``."""
        sources, targets = np.array(self.edges).T
        bits = matrices[:, sources, targets].astype(self.dtype)
        rows: Codes = np.concatenate([bits, chosen.astype(self.dtype)], axis=1)
        return rows

    @cached_property
    def _zeros(self) -> Mask:
        """Whether each operation cuts what passes it; the last entry serves -1, no operation."""
        return np.array([*(operation.kind == "zero" for operation in self.operations), False])

    def _pruned(self, codes: Codes) -> tuple[Mask, Mask]:
        """Vertices on a path from input to output, (n, v), and the edges between them."""
        matrices = self._matrices(codes)
        ahead = np.zeros(matrices.shape[:2], dtype=bool)
        back = ahead.copy()
        ahead[:, 0] = back[:, -1] = True
        cut = np.zeros(ahead.shape, dtype=bool)
        cut[:, 1:-1] = self._zeros[self._chosen(codes)]
        for vertex in range(1, self.nodes):
            reached = (matrices[:, :vertex, vertex] & ahead[:, :vertex]).any(axis=1)
            ahead[:, vertex] = reached & ~cut[:, vertex]
        for vertex in range(self.nodes - 2, -1, -1):
            later = slice(vertex + 1, None)
            reaching = (matrices[:, vertex, later] & back[:, later]).any(axis=1)
            back[:, vertex] = reaching & ~cut[:, vertex]
        alive = ahead & back
        return alive, matrices & alive[:, :, None] & alive[:, None, :]

    def _valid(self, codes: Codes) -> Mask:
        alive, matrices = self._pruned(codes)
        return np.asarray(alive[:, -1] & (matrices.sum(axis=(1, 2)) <= self.max_edges))

    @checked
    def sample(self, n: int, *, seed: Seed = None, unique: bool = False) -> Codes:
        """Architectures drawn at random, shape (n, d).

        Of a space that can be listed, uniformly. Of a larger one most rows would be a few small
        cells beside vertices that do nothing: there the number of vertices on a path from input to
        output is drawn first, each as likely as it has labellings, then uniformly such a cell.

        Parameters
        ----------
        n : int
        seed : int, Generator or None
        unique : bool
            Draw without replacement.

        Raises
        ------
        ParameterError
            If ``n`` is negative, or larger than the space when ``unique``.
        """
        if self.listed or unique or n < 0:
            return super().sample(n, seed=seed, unique=unique)
        rng = as_generator(seed)
        counts = np.arange(min(self.nodes - 2, self.max_edges - 1) + 1)
        weights = float(len(self.operations)) ** counts
        live = rng.choice(counts, n, p=weights / weights.sum())
        rows = np.empty((n, self.n_variables), self.dtype)
        for count in np.unique(live):
            here = np.flatnonzero(live == count)
            rows[here] = self._draw_live(int(count), len(here), rng)
        return rows

    def _draw_live(self, live: int, n: int, rng: np.random.Generator) -> Codes:
        """Cells of so many inner vertices, all on a path from input to output, (n, d)."""
        kept = [*range(live + 1), self.nodes - 1]
        columns = [i for i, (s, t) in enumerate(self.edges) if s in kept and t in kept]
        # Only the input leads into the first inner vertex, and the last leads to the output only.
        certain = [
            (s, t) in ((0, kept[1]), tuple(kept[-2:])) for s, t in itertools.combinations(kept, 2)
        ]
        chance = min(0.5, 0.9 * self.max_edges / len(columns))
        parts, missing = [np.empty((0, self.n_variables), self.dtype)], n
        for _ in range(_ROUNDS):
            if missing <= 0:
                break
            count = min(10 * missing + 200, 20_000)
            rows = np.zeros((count, self.n_variables), self.dtype)
            rows[:, columns] = (rng.random((count, len(columns))) < chance) | certain
            kinds = rng.integers(0, len(self.operations), (count, live), self.dtype)
            rows[:, len(self.edges) : len(self.edges) + live] = kinds
            # Few edges are likelier where edges are rare: such cells are kept less often.
            fewer = np.minimum(rows[:, columns].sum(axis=1, dtype=np.int64) - self.max_edges, 0)
            rows = rows[rng.random(count) < (1 / chance - 1) ** fewer.astype(float)]
            rows = rows[self._valid(rows)]
            parts.append(rows[self._pruned(rows)[0].sum(axis=1) == live + 2])
            missing -= len(parts[-1])
        if missing > 0:  # hardly any cell of so many vertices has so few edges
            parts.append(self.canonical(super().sample(missing, seed=rng)))
        return np.concatenate(parts)[:n]

    def canonical(self, codes: ArrayLike) -> Codes:
        """The pruned cell of each row in the first of the orders of its vertices, shape (n, d).

        Vertices that are not on a path from input to output are the last inner ones, without edges
        and with the first operation. Equal exactly for isomorphic pruned cells.
        """
        codes = self.check(codes)
        alive, matrices = self._pruned(codes)
        chosen = np.where(alive[:, 1:-1], self._chosen(codes), self.dtype.type(0))
        order = canonical_orders(matrices, alive, chosen, len(self.operations))
        rows = np.arange(len(codes))[:, None]
        moved = matrices[rows[:, :, None], order[:, :, None], order[:, None, :]]
        return self._rows(moved, chosen[rows, order[:, 1:-1] - 1])

    def _signatures(self, codes: Codes) -> Keys:
        return self.keys(self.canonical(codes))

    def hashes(self, codes: ArrayLike) -> list[str]:
        """Official hash of each pruned cell, the same for isomorphic ones.

        Each vertex starts with its numbers of edges out and in and its operation; as many times as
        there are vertices, its hash becomes that of what leads in, what leads out and itself.
        (C. Ying et al. NAS-Bench-101: Towards reproducible neural architecture search. ICML 2019.)
        """
        codes = self.check(codes)
        alive, matrices = self._pruned(codes)
        found = []
        for row, live, matrix in zip(self._chosen(codes).tolist(), alive, matrices, strict=True):
            labels = [-1, *row, -2]
            kept = np.flatnonzero(live)
            found.append(_graph_hash(matrix[np.ix_(kept, kept)], [labels[v] for v in kept]))
        return found

    @cached_property
    def _inner_paths(self) -> Index:
        """(p, v - 2) inner vertices of every path there could be, 0 past its end."""
        inner = range(1, self.nodes - 1)
        stops = [s for k in range(self.nodes - 1) for s in itertools.combinations(inner, k)]
        table = np.zeros((len(stops), self.nodes - 2), dtype=np.int64)
        for row, stop in enumerate(stops):
            table[row, : len(stop)] = stop
        return table

    @cached_property
    def _beginnings(self) -> tuple[Index, Index, Index]:
        """Number of each path without its last inner vertex, its length and its last vertex."""
        stops = [tuple(stop[stop > 0]) for stop in self._inner_paths]
        number = {stop: row for row, stop in enumerate(stops)}
        before = np.array([number[stop[:-1]] for stop in stops])
        lasts = np.array([(0, *stop)[-1] for stop in stops])
        return before, np.array([len(stop) for stop in stops]), lasts

    def _live_paths(self, codes: Codes) -> Mask:
        """Whether each path is there and nothing cuts it, shape (n, p)."""
        matrices = self._matrices(codes)
        matrices[:, :, 1:-1] &= ~self._zeros[self._chosen(codes)][:, None]
        before, lengths, lasts = self._beginnings
        alive = np.ones((len(codes), len(lengths)), dtype=bool)
        for length in range(1, self.nodes - 1):  # if its beginning is, and the next edge
            rows = np.flatnonzero(lengths == length)
            begun = before[rows]
            alive[:, rows] = alive[:, begun] & matrices[:, lasts[begun], lasts[rows]]
        return alive & matrices[:, lasts, self.nodes - 1]

    def paths(self, codes: ArrayLike) -> PathSet:
        """A path over every subset of the inner vertices, alive where its edges are there.

        Of cells of more than 9 vertices only the live ones, the shortest first: few of very many.
        """
        codes = self.check(codes)
        alive, chosen, stops = self._live_paths(codes), self._chosen(codes), self._inner_paths
        if self.nodes <= MOST_COMPARED:
            operations = np.where(stops > 0, chosen[:, np.maximum(stops - 1, 0)], np.int8(-1))
            variables = np.where(stops > 0, len(self.edges) + stops - 1, -1)
            return PathSet(operations, np.broadcast_to(variables, operations.shape), alive)
        counts = alive.sum(axis=1)
        row, path = np.nonzero(alive)
        slot = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
        stops_of = np.zeros((len(codes), counts.max(initial=1), self.nodes - 2), dtype=np.int16)
        stops_of[row, slot] = stops[path]
        rows = np.arange(len(codes))[:, None, None]
        operations = np.where(stops_of > 0, chosen[rows, np.maximum(stops_of - 1, 0)], np.int8(-1))
        variables = np.where(stops_of > 0, len(self.edges) + stops_of - 1, -1).astype(np.int16)
        return PathSet(operations, variables, np.arange(stops_of.shape[1]) < counts[:, None])

    @property
    def _order_of_nodes(self) -> list[int]:
        """Vertices in the order of graphs: input, output, the inner ones."""
        return [0, self.nodes - 1, *range(1, self.nodes - 1)]

    def graphs(self, codes: ArrayLike) -> Graphs:
        """Graphs of the vertices: input, output, then the inner ones; dead ones masked out."""
        codes = self.check(codes)
        alive, matrices = self._pruned(codes)
        order = self._order_of_nodes
        nodes = np.empty((len(codes), self.nodes), dtype=np.int64)
        nodes[:, 0], nodes[:, 1], nodes[:, 2:] = 0, 1, self._chosen(codes).astype(np.int64) + 2
        return Graphs(nodes, matrices[:, order][:, :, order], alive[:, order])

    @property
    def frame(self) -> Frame:
        """The edges, each as much there as its variable says so."""
        place = {vertex: node for node, vertex in enumerate(self._order_of_nodes)}
        e, k, inner = len(self.edges), len(self.operations), self.nodes - 2
        places = np.full((2 * e + k * inner, 2), -1, dtype=np.int64)
        places[2 * e :, 0] = np.repeat(np.arange(2, inner + 2), k)
        places[2 * e :, 1] = np.tile(np.arange(2, k + 2), inner)
        opens = [(2 * i + 1, place[s], place[t]) for i, (s, t) in enumerate(self.edges)]
        flows = np.zeros((1, self.nodes, self.nodes), dtype=bool)
        for source, target in self.fixed_edges:
            flows[0, place[source], place[target]] = True
        return Frame(places, flows, opens=np.array(opens))

    def _parse(self, string: str) -> list[int]:
        matrix, operations = _read(string)
        return self._code(matrix, operations)

    def _code(self, matrix: Any, operations: Any) -> list[int]:
        """Code of an adjacency matrix and the operations of its vertices.

        Raises
        ------
        ValueError
            If they are no cell of this space.
        """
        v = len(operations)
        if not 2 <= v <= self.nodes:
            raise ValueError(f"it has {v} vertices, allowed 2 to {self.nodes}")
        if len(matrix) != v or any(len(row) != v for row in matrix):
            raise ValueError(f"its matrix must be {v} x {v}, as it has {v} operations")
        if any(entry not in (0, 1) for row in matrix for entry in row):
            raise ValueError("entries of the matrix are 0 and 1")
        if any(matrix[s][t] for s in range(v) for t in range(s + 1)):
            raise ValueError("an edge leads back: the matrix must be upper triangular")
        if (operations[0], operations[-1]) != ("input", "output"):
            raise ValueError("its first operation is 'input' and its last 'output'")
        names = [operation.name for operation in self.operations]
        unknown = next((name for name in operations[1:-1] if name not in names), None)
        if unknown is not None:
            raise ValueError(f"operation {unknown!r} is none of {', '.join(names)}")
        place = [*range(v - 1), self.nodes - 1]
        there = {(place[s], place[t]) for s in range(v) for t in range(v) if matrix[s][t]}
        missing = set(self.fixed_edges) - there
        if missing or not there <= {*self.edges, *self.fixed_edges}:
            raise ValueError("it lacks an edge that every cell has, or has one that none has")
        chosen = [names.index(name) for name in operations[1:-1]]
        bits = [int(edge in there) for edge in self.edges]
        return [*bits, *chosen, *[0] * (self.nodes - v)]

    def format(self, codes: ArrayLike) -> list[str]:
        """Adjacency matrix and operations of each cell as JSON, ``{"matrix": .., "ops": ..}``.

        The last inner vertices are left out where they have no edge and the first operation.
        """
        codes = self.check(codes)
        names = [operation.name for operation in self.operations]
        matrices, found = self._matrices(codes), []
        used: Mask = np.logical_or(matrices.any(axis=1), matrices.any(axis=2))
        used[:, 1:-1] |= self._chosen(codes) > 0
        for row, matrix, here in zip(self._chosen(codes).tolist(), matrices, used, strict=True):
            inner = 1 + int(np.max(np.flatnonzero(here[:-1]), initial=0))
            kept = [*range(inner), self.nodes - 1]
            operations = ["input", *(names[row[vertex - 1]] for vertex in kept[1:-1]), "output"]
            shown = matrix[np.ix_(kept, kept)].astype(int).tolist()
            found.append(json.dumps({"matrix": shown, "ops": operations}))
        return found

    def from_matrices(
        self, matrices: Sequence[ArrayLike], operations: Sequence[Sequence[str]]
    ) -> Codes:
        """Codes of adjacency matrices and the operations of their vertices, shape (n, d).

        Parameters
        ----------
        matrices : sequence of array_like of int, shape (v, v)
            Upper triangular, of up to ``nodes`` vertices each.
        operations : sequence of sequence of str
            ``"input"``, the operations of the inner vertices, ``"output"``.

        Raises
        ------
        ArchitectureError
            Naming the first that is not in the space, and why.
        """
        if len(matrices) != len(operations):
            raise ArchitectureError(
                f"received {len(matrices)} matrices and {len(operations)} lists of operations"
            )
        pairs = zip(matrices, operations, strict=True)
        cells = [{"matrix": np.asarray(m).tolist(), "ops": list(names)} for m, names in pairs]
        return self.parse([json.dumps(cell) for cell in cells])


def _read(string: str) -> tuple[Any, Any]:
    """Matrix and operations of one JSON object, or of two JSON lists one after the other."""
    decoder, text = json.JSONDecoder(), string.strip()
    parts: list[Any] = []
    try:
        while text and len(parts) < 3:
            part, end = decoder.raw_decode(text)
            parts.append(part)
            text = text[end:].lstrip(" ,;|\t\n")
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    if len(parts) == 1 and isinstance(parts[0], dict) and {"matrix", "ops"} <= set(parts[0]):
        return parts[0]["matrix"], parts[0]["ops"]
    if len(parts) == 2 and all(isinstance(part, list) for part in parts):
        return parts[0], parts[1]
    raise ValueError('expected {"matrix": [[0, 1], [0, 0]], "ops": ["input", "output"]}')


def _digest(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _graph_hash(matrix: Mask, labels: Sequence[int]) -> str:
    """Hash of a graph that does not depend on the order of its vertices."""
    into, out = [np.flatnonzero(c) for c in matrix.T], [np.flatnonzero(r) for r in matrix]
    hashes = [
        _digest(str((len(after), len(before), label)))
        for before, after, label in zip(into, out, labels, strict=True)
    ]
    for _ in labels:
        hashes = [
            _digest(
                "|".join(
                    ["".join(sorted(hashes[v] for v in side)) for side in (before, after)] + [own]
                )
            )
            for before, after, own in zip(into, out, hashes, strict=True)
        ]
    return _digest(str(sorted(hashes)))
