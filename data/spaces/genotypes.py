"""Cells whose nodes pick their inputs, with an operation on each edge: genotypes."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...errors import ParameterError
from ..arguments import brief
from ..types import Codes, Index, Keys, Mask
from .base import Space
from .frame import Frame
from .numbering import Numbering
from .structure import Graphs, Operation, PathSet
from .vocabulary import check_operations, made_of, whole_number, written_operations

# Of a string without white space.
_PAIR = re.compile(r"[(\[]['\"]([^'\"]+)['\"],(\d{1,3})[)\]]")
_FIELD = re.compile(
    r"['\"]?(\w+)['\"]?[=:](\[(?:[(\[]['\"][^'\"]+['\"],\d{1,3}[)\]],?)*\]"
    r"|range\(\d{1,3},\d{1,3}\)|[\[(][\d,]*[\])])(?:,|$)"
)


class Genotypes(Space):
    """Cells of nodes that each pick ``picks`` earlier outputs and sum them, an operation on each.

    The type of DARTS. The earlier outputs are the ``inputs`` from outside, numbered from 0, then
    the nodes; all nodes together are the cell's output. The variables are, of each node, which
    outputs it picks and the operation on each. The order of a node's edges does not matter and is
    not stored; the canonical form is the same for cells whose nodes are numbered otherwise, and
    what an operation of kind ``"zero"`` cuts does not count.

    Strings are genotypes, ``Genotype(normal=[('sep_conv_3x3', 0), ..], normal_concat=range(2, 6),
    ..)``.

    Parameters
    ----------
    nodes : int
        Nodes of a cell, 1 to 8.
    operations : sequence of str, or of (str, str, float)
        Names, or (name, kind, depth) with a kind of ``"zero"``, ``"skip"``, ``"conv"`` and
        ``"pool"``; else these follow from the name.
    inputs : int
        Outputs from outside, such as those of the two cells before.
    picks : int
        Edges into each node.
    cells : sequence of str
        Names of the cells that are searched together.
    repeats : bool
        Whether a node may pick one output twice.
    name : str
        Name of the space.

    Raises
    ------
    ParameterError
        If a number is out of its range, or operations or cells are none.

    Examples
    --------
    >>> space = Genotypes(2, ["conv", "pool"], inputs=1, picks=1, cells=["normal"])
    >>> space.parse("Genotype(normal=[('pool', 0), ('conv', 1)], normal_concat=range(1, 3))")
    array([[0, 1, 1, 0]], dtype=int8)
    >>> space.size, space.n_functions
    (8, 7)
    """

    positional = False

    def __init__(
        self,
        nodes: int,
        operations: Sequence[str | Operation],
        *,
        inputs: int = 2,
        picks: int = 2,
        cells: Sequence[str] = ("normal", "reduce"),
        repeats: bool = False,
        name: str = "genotypes",
    ) -> None:
        self.name = name
        self.nodes = whole_number(nodes, "nodes", 1, 8)
        self.inputs = whole_number(inputs, "inputs", 1, 8)
        self.picks = whole_number(picks, "picks", 1, 4 if repeats else min(4, inputs))
        self.repeats = bool(repeats)
        self.own = check_operations(operations, f"space {name!r}")
        if isinstance(cells, str) or not all(
            isinstance(c, str) and c.isidentifier() for c in cells
        ):
            raise ParameterError(f"cells are a sequence of words, received {brief(cells)}")
        self.cells = tuple(cells)
        if not 1 <= len(set(self.cells)) == len(self.cells) <= 8:
            raise ParameterError(f"cells are 1 to 8 different words, received {brief(cells)}")
        node = [(len(options), *(len(self.own),) * self.picks) for options in self.options]
        if max(len(options) for options in self.options) > 32_000 or self._slots > 1_000:
            raise ParameterError(
                f"space {name!r} of {nodes} nodes with {picks} picks has too many paths to list; "
                "take fewer of either"
            )
        self.cardinalities = tuple(itertools.chain(*node)) * len(self.cells)

    @cached_property
    def options(self) -> tuple[tuple[tuple[int, ...], ...], ...]:
        """What each node of a cell may pick, each a rising tuple of numbers of outputs."""
        kind = itertools.combinations_with_replacement if self.repeats else itertools.combinations
        counts = range(self.inputs, self.inputs + self.nodes)
        return tuple(tuple(kind(range(count), self.picks)) for count in counts)

    @property
    def _slots(self) -> int:
        """Number of paths that a cell has at most."""
        return sum(self.picks ** (i + 1) for i in range(self.nodes))

    @property
    def _width(self) -> int:
        """Number of variables of a cell."""
        return self.nodes * (1 + self.picks)

    @cached_property
    def operations(self) -> tuple[Operation, ...]:
        """Of each cell its inputs, which a 1x1 convolution prepares, and its operations."""
        found = []
        for cell in self.cells:
            prefix = f"{cell}:" if len(self.cells) > 1 else ""
            found += [Operation(f"{prefix}input {i}", "conv", 0.5) for i in range(self.inputs)]
            found += [Operation(prefix + o.name, o.kind, o.depth) for o in self.own]
        return tuple(found)

    @cached_property
    def variables(self) -> tuple[str, ...]:
        """``normal 2 inputs``, ``normal 2 operation 1`` and so on, by the numbers of the nodes."""
        return tuple(
            f"{cell} {self.inputs + i} {what}"
            for cell in self.cells
            for i in range(self.nodes)
            for what in ("inputs", *(f"operation {k + 1}" for k in range(self.picks)))
        )

    @cached_property
    def choices(self) -> tuple[tuple[str, ...], ...]:
        """The outputs that are picked, such as ``0+2``, and the names of the operations."""
        names = tuple(operation.name for operation in self.own)
        node = [
            (tuple("+".join(map(str, option)) for option in options), *(names,) * self.picks)
            for options in self.options
        ]
        return tuple(itertools.chain(*node)) * len(self.cells)

    def spec(self) -> dict[str, Any]:
        """The arguments, from which the space is made again."""
        return {
            "name": self.name,
            "kind": "genotypes",
            "nodes": self.nodes,
            "operations": written_operations(self.own),
            "inputs": self.inputs,
            "picks": self.picks,
            "cells": list(self.cells),
            "repeats": self.repeats,
        }

    def __reduce__(self) -> tuple[Any, ...]:
        return (
            (made_of, (Genotypes, self.spec())) if type(self) is Genotypes else super().__reduce__()
        )

    @property
    def size(self) -> int:
        """Number of architectures: all that is within the cardinalities."""
        return self.n_codes

    def _cells(self, codes: Codes) -> Codes:
        """Cells of each row, one after the other, shape (n * cells, variables of a cell)."""
        return np.ascontiguousarray(codes).reshape(-1, self._width)

    def _picked(self, cells: Codes, node: int) -> Index:
        """Outputs that a node picks, shape (n, picks)."""
        return np.array(self.options[node])[cells[:, node * (1 + self.picks)]]

    def _on_edges(self, node: int) -> slice:
        """Columns of a cell's row that hold the operations on the edges into a node."""
        start = node * (1 + self.picks) + 1
        return slice(start, start + self.picks)

    def _sources(self, cells: Codes) -> Index:
        """Output that each edge of a cell comes from, shape (n, nodes * picks)."""
        return np.concatenate([self._picked(cells, i) for i in range(self.nodes)], axis=1)

    def _kinds(self, cells: Codes) -> Index:
        """Operation on each edge of a cell, shape (n, nodes * picks)."""
        parts = [cells[:, self._on_edges(i)] for i in range(self.nodes)]
        return np.concatenate(parts, axis=1).astype(np.int64)

    @cached_property
    def _zeros(self) -> Mask:
        """Whether each operation cuts its edge."""
        return np.array([operation.kind == "zero" for operation in self.own])

    def _live(self, cells: Codes) -> Mask:
        """Whether data passes each edge of each cell, shape (n, nodes, picks)."""
        given = np.ones((len(cells), self.inputs + self.nodes), dtype=bool)
        live = np.empty((len(cells), self.nodes, self.picks), dtype=bool)
        rows = np.arange(len(cells))[:, None]
        for i in range(self.nodes):
            live[:, i] = ~self._zeros[cells[:, self._on_edges(i)]]
            live[:, i] &= given[rows, self._picked(cells, i)]
            given[:, self.inputs + i] = live[:, i].any(axis=1)
        return live

    @cached_property
    def _numbering(self) -> Numbering:
        return Numbering(self.options, len(self.own), self._zeros, self.inputs)

    def canonical(self, codes: ArrayLike) -> Codes:
        """Each cell in the first of the orders of its nodes and edges, shape (n, d).

        Exact for cells of up to six nodes of a few operations; of larger ones only the order of
        edges is taken away.
        """
        codes = self.check(codes)
        cells = self._cells(codes).astype(np.int64)
        live = self._live(self._cells(codes))
        if self._zeros.any():
            zero = int(np.argmax(self._zeros))
            for i in range(self.nodes):
                edges = self._on_edges(i)
                cells[:, edges] = np.where(live[:, i], cells[:, edges], zero)
        rows: Codes = self._numbering.first(cells).astype(self.dtype).reshape(codes.shape)
        return rows

    def _signatures(self, codes: Codes) -> Keys:
        return self.keys(self.canonical(codes))

    @cached_property
    def _walks(self) -> tuple[Index, Index]:
        """Node that each path of a cell ends with, (p,), and the edges taken back, (p, nodes)."""
        ends, taken = [], []
        for end in range(self.nodes):
            for choice in itertools.product(range(self.picks), repeat=end + 1):
                ends.append(end)
                taken.append([*choice, *[0] * (self.nodes - end - 1)])
        return np.array(ends), np.array(taken)

    def _walked(self, sources: Index) -> tuple[NDArray[np.int16], NDArray[np.int16], Mask]:
        """Paths of cells that pick so, (n, nodes * picks).

        The edges of each path in order, (n, p, nodes) with the number of edges past its end; its
        input, (n, p); and whether it is there.
        """
        ends, taken = self._walks
        shape = (len(sources), len(ends))
        at, going, there = np.broadcast_to(ends, shape), np.ones(shape, bool), np.ones(shape, bool)
        back = np.full((*shape, self.nodes), self.nodes * self.picks, dtype=np.int16)
        first = np.zeros(shape, dtype=np.int16)
        length = np.zeros(shape, dtype=np.int64)
        for t in range(self.nodes):  # backwards, from the end
            edge = at * self.picks + taken[:, t]
            source = np.take_along_axis(sources, edge, axis=1)
            there &= going | (taken[:, t] == 0)
            back[:, :, t] = np.where(going, edge, back[:, :, t])
            length += going
            arrived = going & (source < self.inputs)
            first = np.where(arrived, source, first).astype(np.int16)
            going = going & ~arrived
            at = np.where(going, source - self.inputs, 0)
        place = (length[:, :, None] - 1 - np.arange(self.nodes)) % self.nodes
        return np.take_along_axis(back, place, axis=2), first, there

    def paths(self, codes: ArrayLike) -> PathSet:
        """Paths of each cell beside each other: an input, then the operations up to a node."""
        codes = self.check(codes)
        n, cells = len(codes), self._cells(codes)
        width, picks = 1 + self.picks, self.picks
        # Few ways to pick occur in many rows: each is walked once.
        _, one, wiring = np.unique(
            cells[:, ::width] @ self._wirings, return_index=True, return_inverse=True
        )
        edges, first, there = self._walked(self._sources(cells[one]))
        cell = np.tile(np.arange(len(self.cells), dtype=np.int16), n)[:, None]
        numbers = np.arange(self.nodes * picks)
        columns = np.append(numbers // picks * width + 1 + numbers % picks, -1).astype(np.int16)
        kinds = self._kinds(cells) + self.inputs + (self.inputs + len(self.own)) * cell
        live = np.append(
            self._live(cells).reshape(len(cells), -1), np.ones((len(cells), 1), bool), axis=1
        )
        kinds = np.append(kinds, np.full((len(cells), 1), -1), axis=1).astype(np.int16)
        shape = (len(cells), *edges.shape[1:])
        flat = edges.reshape(len(one), -1).astype(np.int64)[wiring]
        steps = np.take_along_axis(kinds, flat, axis=1).reshape(shape)
        alive = there[wiring]
        if self._zeros.any():
            alive &= np.take_along_axis(live, flat, axis=1).reshape(shape).all(axis=2)
        chosen = columns[edges]
        starts = (edges[:, :, :1] // picks * width).astype(np.int16)
        variables = np.concatenate([starts, chosen], axis=2)[wiring]
        variables += np.where(variables >= 0, (self._width * cell)[:, :, None], 0).astype(np.int16)
        inputs = first[wiring] + (self.inputs + len(self.own)) * cell
        operations = np.concatenate([inputs[:, :, None].astype(np.int16), steps], axis=2)
        whole = (n, -1, self.nodes + 1)
        return PathSet(operations.reshape(whole), variables.reshape(whole), alive.reshape(n, -1))

    @cached_property
    def _wirings(self) -> Index:
        """What each node's choice of outputs weighs in the number of a cell's wiring."""
        counts = [len(options) for options in self.options]
        return np.cumprod([1, *counts[:0:-1]], dtype=np.int64)[::-1].copy()

    @property
    def _nodes_of_cell(self) -> int:
        """Nodes of the graph that a cell takes: its inputs and edges."""
        return self.inputs + self.nodes * self.picks

    @cached_property
    def frame(self) -> Frame:
        """Cells beside each other; what a node picks says what leads to its edges."""
        k, own, picks = len(self.own), self._nodes_of_cell, self.picks
        v = 2 + own * len(self.cells)
        flows = np.zeros((1, v, v), dtype=bool)
        places: list[tuple[int, int]] = []
        opens, fixed = [], []
        for c in range(len(self.cells)):
            base, types = 2 + c * own, 2 + c * (self.inputs + k)
            edges = base + self.inputs
            flows[0, 0, base:edges] = True
            flows[0, edges : base + own, 1] = True
            fixed += [(base + i, types + i) for i in range(self.inputs)]
            for i, options in enumerate(self.options):
                for option in options:
                    for j, s in enumerate(option):
                        start = edges + (s - self.inputs) * picks
                        sources = [base + s] if s < self.inputs else range(start, start + picks)
                        opens += [
                            (len(places), source, edges + i * picks + j) for source in sources
                        ]
                    places.append((-1, -1))
                for j in range(picks):
                    places += [(edges + i * picks + j, types + self.inputs + o) for o in range(k)]
        return Frame(np.array(places), flows, opens=np.array(opens), fixed=np.array(fixed))

    @cached_property
    def _opened(self) -> Mask:
        """(s, v, v) connections that each value of each variable opens."""
        frame = self.frame
        opened = np.zeros((len(frame.places), *frame.flows.shape[1:]), dtype=bool)
        opened[tuple(frame.opens.T)] = True  # type: ignore[union-attr]
        return opened

    def graphs(self, codes: ArrayLike) -> Graphs:
        """Graphs of the input, the output and, of each cell, its inputs and edges.

        Data flows from an edge to those that pick its node, and from every edge to the output.
        Edges that nothing passes, and inputs that none picks, are masked out.
        """
        codes = self.check(codes)
        cells, n, k = self._cells(codes), len(codes), len(self.own)
        alive = np.ones((len(cells), self._nodes_of_cell), dtype=bool)
        alive[:, self.inputs :] = self._live(cells).reshape(len(cells), -1)
        sources = self._sources(cells)
        for i in range(self.inputs):
            alive[:, i] = (alive[:, self.inputs :] & (sources == i)).any(axis=1)
        types = np.empty(alive.shape, dtype=np.int64)
        types[:, : self.inputs] = np.arange(self.inputs)
        types[:, self.inputs :] = self.inputs + self._kinds(cells)
        first = 2 + (self.inputs + k) * np.arange(len(self.cells))
        types += np.tile(first, n)[:, None]
        ends = np.broadcast_to([0, 1], (n, 2))
        nodes = np.concatenate([ends, types.reshape(n, -1)], axis=1)
        mask = np.concatenate([ends >= 0, alive.reshape(n, -1)], axis=1)
        starts = np.cumsum((0, *self.cardinalities[:-1]))
        flow = np.repeat(self.frame.flows, n, axis=0)
        for column in range(0, self.n_variables, 1 + self.picks):
            flow |= self._opened[starts[column] + codes[:, column].astype(np.int64)]
        return Graphs(nodes, flow & mask[:, :, None] & mask[:, None, :], mask)

    def _parse(self, string: str) -> list[int]:
        fields = _fields(string)
        code: list[int] = []
        for cell in self.cells:
            if cell not in fields:
                raise ValueError(f"it has no cell {cell!r}")
            code += self._cell(_PAIR.findall(fields.pop(cell)), cell)
            concat = fields.pop(f"{cell}_concat", None)
            if concat is not None:
                numbers = [int(number) for number in re.findall(r"\d+", concat)]
                every = list(range(self.inputs, self.inputs + self.nodes))
                of = list(range(*numbers)) if concat.startswith("range") else sorted(numbers)
                if of != every:
                    raise ValueError(f"{cell}_concat must be all nodes, {every}")
        if fields:
            raise ValueError(f"it has {', '.join(fields)}, which the space lacks")
        return code

    def _cell(self, pairs: Sequence[tuple[str, str]], cell: str) -> list[int]:
        """Code of the edges of one cell."""
        names = [re.sub(r"\s", "", operation.name) for operation in self.own]
        if len(pairs) != self.nodes * self.picks:
            raise ValueError(f"cell {cell!r} has {len(pairs)} edges, not {self.nodes * self.picks}")
        code: list[int] = []
        for i, options in enumerate(self.options):
            edges = [(int(s), o) for o, s in pairs[i * self.picks : (i + 1) * self.picks]]
            edges.sort(key=lambda edge: edge[0])
            picked = tuple(source for source, _ in edges)
            where = f"node {self.inputs + i} of cell {cell!r}"
            if max(picked) >= self.inputs + i:
                raise ValueError(f"{where} picks {max(picked)}, which does not come before it")
            if picked not in options:
                raise ValueError(f"{where} picks {picked[0]} more than once")
            unknown = next((o for _, o in edges if o not in names), None)
            if unknown is not None:
                raise ValueError(f"operation {unknown!r} is none of {', '.join(names)}")
            code += [options.index(picked), *(names.index(o) for _, o in edges)]
        return code

    def format(self, codes: ArrayLike) -> list[str]:
        """Genotype of each architecture."""
        codes = self.check(codes)
        names, found = [operation.name for operation in self.own], []
        concat = f"range({self.inputs}, {self.inputs + self.nodes})"
        for cells in self._cells(codes).reshape(len(codes), len(self.cells), -1).tolist():
            fields = []
            for cell, row in zip(self.cells, cells, strict=True):
                edges = [
                    f"('{names[kind]}', {source})"
                    for i, options in enumerate(self.options)
                    for source, kind in zip(
                        options[row[i * (1 + self.picks)]], row[self._on_edges(i)], strict=True
                    )
                ]
                fields.append(f"{cell}=[{', '.join(edges)}], {cell}_concat={concat}")
            found.append(f"Genotype({', '.join(fields)})")
        return found


def _fields(string: str) -> dict[str, str]:
    """Fields of a genotype by name, without white space."""
    bare = re.sub(r"\s+", "", string)
    inner = re.fullmatch(r"(?:Genotype)?[({](.*)[)}]", bare)
    if inner is None:
        raise ValueError("expected Genotype(..)")
    fields: dict[str, str] = {}
    place, text = 0, inner[1]
    while place < len(text):
        field = _FIELD.match(text, place)
        if field is None:
            raise ValueError(
                f"expected a list of ('operation', number), or of numbers, instead of "
                f"{text[place : place + 20]!r}"
            )
        fields[field[1]] = field[2]
        place = field.end()
    return fields
