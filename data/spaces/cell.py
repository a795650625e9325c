"""Cells whose edges carry operations: NAS-Bench-201 and what shares its shape."""

from __future__ import annotations

import itertools
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..types import Codes, Mask
from .base import Space
from .frame import Frame, node_places
from .structure import CellShape, Graphs, NetworkBuilder, Operation, PathSet


class CellSpace(Space):
    """A cell of four nodes, every earlier node feeding every later one through one operation.

    The six variables are the edges 0-1, 0-2, 1-2, 0-3, 1-3, 2-3; node 0 is the cell's input and
    node 3 its output. A node sums what arrives.
    """

    n_nodes = 4
    positional = False

    @cached_property
    def edges(self) -> tuple[tuple[int, int], ...]:
        """(source, target) node of each variable."""
        return tuple((a, b) for b in range(1, self.n_nodes) for a in range(b))

    @property
    def cardinalities(self) -> tuple[int, ...]:  # type: ignore[override]
        """Number of operations, once per edge."""
        return (len(self.operations),) * len(self.edges)

    @cached_property
    def variables(self) -> tuple[str, ...]:
        """The edges by their nodes: ``edge 0-1`` and so on."""
        return tuple(f"edge {source}-{target}" for source, target in self.edges)

    @cached_property
    def zero(self) -> int:
        """Index of the operation that cuts an edge."""
        return [operation.kind for operation in self.operations].index("zero")

    @cached_property
    def skip(self) -> int:
        """Index of the identity."""
        return [operation.kind for operation in self.operations].index("skip")

    @cached_property
    def _path_edges(self) -> NDArray[np.int8]:
        """(p, l) edges of every input-to-output path of the full cell, -1 past its end."""
        number = {edge: position for position, edge in enumerate(self.edges)}
        last = self.n_nodes - 1
        inner = range(1, last)
        stops = [s for k in range(self.n_nodes - 1) for s in itertools.combinations(inner, k)]
        paths = [list(itertools.pairwise((0, *stop, last))) for stop in stops]
        table = np.full((len(paths), last), -1, dtype=np.int8)
        for row, path in enumerate(paths):
            table[row, : len(path)] = [number[edge] for edge in path]
        return table

    def paths(self, codes: ArrayLike) -> PathSet:
        """The 4 input-to-output paths of each cell; a zero on the way makes one dead."""
        codes = self.check(codes)
        edges = self._path_edges
        operations = np.where(edges >= 0, codes[:, np.maximum(edges, 0)], np.int8(-1))
        alive = (operations != self.zero).all(axis=2)
        return PathSet(operations, np.broadcast_to(edges, operations.shape), alive)

    @cached_property
    def _full_flow(self) -> Mask:
        """(v, v) connections between the input, the output and the edges' operations."""
        edges, last = self.edges, self.n_nodes - 1
        v = len(edges) + 2
        flow = np.zeros((v, v), dtype=bool)
        for i, (a, b) in enumerate(edges):
            flow[0, 2 + i] = a == 0
            flow[2 + i, 1] = b == last
            for j, (c, _) in enumerate(edges):
                flow[2 + i, 2 + j] = b == c
        return flow

    @property
    def cell(self) -> CellShape:
        """The four nodes and six edges."""
        return CellShape(self.n_nodes, self.edges)

    @property
    def networks(self) -> NetworkBuilder | None:
        """Cells in the skeleton of NAS-Bench-201; None if an operation is unknown there."""
        from ..networks.cells import CellNetworks, unknown_operations

        return None if unknown_operations(self) else CellNetworks(self)

    @property
    def frame(self) -> Frame:
        """The flow of the full cell; the shares of an edge's operations are its node's type."""
        return Frame(node_places(self.cardinalities), self._full_flow[None])

    def graphs(self, codes: ArrayLike) -> Graphs:
        """Graphs of 8 nodes: input, output, and the six edges' operations.

        Data flows between two operations when one ends where the other begins. Operations that are
        not on a live path are masked out, with their connections.
        """
        codes = self.check(codes)
        edges, flow = self.edges, self._full_flow
        v = len(flow)
        incidence = (self._path_edges[:, :, None] == np.arange(len(edges))).any(axis=1)
        live = (self.paths(codes).alive @ incidence.astype(np.int64)) > 0
        mask = np.ones((len(codes), v), dtype=bool)
        mask[:, 2:] = live
        nodes = np.empty((len(codes), v), dtype=np.int64)
        nodes[:, 0], nodes[:, 1], nodes[:, 2:] = 0, 1, codes.astype(np.int64) + 2
        return Graphs(nodes, flow & mask[:, :, None] & mask[:, None, :], mask)

    def _signatures(self, codes: Codes) -> NDArray[Any]:
        """NAS-Bench-201's own unique string of each cell, shape (n,).

        A zero edge and the output of a node that nothing reaches are ``#``; a skip is what it
        passes on; a node is the sorted sum of its inputs. (X. Dong and Y. Yang, NAS-Bench-201,
        ICLR 2020: 6,466 functions among 15,625 cells.)
        """
        names = [operation.name for operation in self.operations]
        memo: dict[tuple[int, ...], str] = {}

        def node(prefix: tuple[int, ...]) -> str:
            """String of the last node of a cell cut after the edges in ``prefix``."""
            if not prefix:
                return "0"
            if prefix not in memo:
                target = self.edges[len(prefix) - 1][1]
                terms = []
                for source in range(target):
                    operation = prefix[len(prefix) - target + source]
                    given = node(prefix[: source * (source + 1) // 2])
                    if operation == self.zero or given == "#":
                        terms.append("#")
                    else:
                        skip = operation == self.skip
                        terms.append(given if skip else f"({given})@{names[operation]}")
                memo[prefix] = "+".join(sorted(terms))
            return memo[prefix]

        return np.array([node(tuple(row)) for row in codes.tolist()])


class NASBench201(CellSpace):
    """The NAS-Bench-201 cell: 5 operations on 6 edges, 15,625 cells, 6,466 functions.

    Strings are the official ones, ``|op~0|+|op~0|op~1|+|op~0|op~1|op~2|``.

    Examples
    --------
    >>> space = NASBench201()
    >>> space.parse("|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|none~1|nor_conv_1x1~2|")
    array([[3, 0, 0, 1, 0, 2]], dtype=int8)
    >>> space.size, space.n_functions
    (15625, 6466)

    References
    ----------
    X. Dong and Y. Yang. NAS-Bench-201: Extending the scope of reproducible neural architecture
    search. ICLR 2020.
    """

    name = "nb201"
    operations = (
        Operation("none", "zero"),
        Operation("skip_connect", "skip"),
        Operation("nor_conv_1x1", "conv", 0.5),
        Operation("nor_conv_3x3", "conv", 1.0),
        Operation("avg_pool_3x3", "pool"),
    )

    @cached_property
    def _tokens(self) -> list[dict[str, int]]:
        return [
            {f"{operation.name}~{source}": k for k, operation in enumerate(self.operations)}
            for source, _ in self.edges
        ]

    def _parse(self, string: str) -> list[int]:
        nodes = [part.split("|") for part in string.strip().split("+")]
        shape = [[part[0], part[-1], len(part)] for part in nodes]
        if shape != [["", "", target + 2] for target in range(1, self.n_nodes)]:
            raise ValueError("expected three groups |..|+|..|..|+|..|..|..|")
        tokens = [token for part in nodes for token in part[1:-1]]
        for token, known in zip(tokens, self._tokens, strict=True):
            if token not in known:
                raise ValueError(f"{token!r} is none of {', '.join(known)}")
        return [known[token] for token, known in zip(tokens, self._tokens, strict=True)]

    def format(self, codes: ArrayLike) -> list[str]:
        """Official string of each cell."""
        tokens = [list(known) for known in self._tokens]
        return [
            "|{}|+|{}|{}|+|{}|{}|{}|".format(
                *(known[value] for known, value in zip(tokens, row, strict=True))
            )
            for row in self.check(codes).tolist()
        ]


class TransNASMicro(CellSpace):
    """The micro space of TransNAS-Bench-101: 4 operations on 6 edges, 4,096 cells.

    Strings are the official ones, ``64-41414-a_bc_def``, with 0 zero, 1 skip, 2 1x1 convolution
    and 3 3x3 convolution.

    Examples
    --------
    >>> TransNASMicro().parse("64-41414-1_23_012")
    array([[1, 2, 3, 0, 1, 2]], dtype=int8)

    References
    ----------
    Y. Duan et al. TransNAS-Bench-101: Improving transferability and generalizability of
    cross-task neural architecture search. CVPR 2021.
    """

    name = "transnas-micro"
    operations = (
        Operation("zero", "zero"),
        Operation("skip", "skip"),
        Operation("conv1x1", "conv", 0.5),
        Operation("conv3x3", "conv", 1.0),
    )

    def _parse(self, string: str) -> list[int]:
        prefix, _, cell = string.strip().rpartition("-")
        if prefix != "64-41414" or [len(part) for part in cell.split("_")] != [1, 2, 3]:
            raise ValueError("expected 64-41414-a_bc_def")
        digits = [int(digit) for digit in cell.replace("_", "")]
        if max(digits) >= len(self.operations):
            raise ValueError(f"operations are 0 to {len(self.operations) - 1}")
        return digits

    def format(self, codes: ArrayLike) -> list[str]:
        """Official string of each cell."""
        return ["64-41414-{}_{}{}_{}{}{}".format(*row) for row in self.check(codes).tolist()]
