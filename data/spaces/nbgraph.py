"""The search space of NAS-Bench-Graph: four operations on one of nine topologies."""

from __future__ import annotations

import itertools
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..types import Codes, Mask
from .base import Space
from .frame import Frame, node_places
from .structure import Graphs, Operation, PathSet

# The macro structures: the source of each of the four operations, 0 being the input and k the
# output of operation k.
LINKS = (
    (0, 0, 0, 0),
    (0, 0, 0, 1),
    (0, 0, 1, 1),
    (0, 0, 1, 2),
    (0, 0, 1, 3),
    (0, 1, 1, 1),
    (0, 1, 1, 2),
    (0, 1, 2, 2),
    (0, 1, 2, 3),
)


def _mix(value: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Scramble 64-bit integers (the finaliser of splitmix64)."""
    value = (value + np.uint64(0x9E3779B97F4A7C15)).astype(np.uint64)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


class NASBenchGraph(Space):
    """NAS-Bench-Graph: a topology and four graph operations, 26,206 functions.

    The five variables are the topology (an index into nine) and the four operations. Outputs of
    operations that feed nothing are joined to the network's output. Strings are the topology and
    the operations as the benchmark's package writes them, joined: ``0-1-2-1|gcn|fc|gcn|cheb``; any
    topology that is one of the nine after renaming its nodes is read.

    Examples
    --------
    >>> space = NASBenchGraph()
    >>> space.format(space.parse("0-0-1-2|gcn|gat|skip|fc"))
    ['0-0-1-2|gcn|gat|skip|fc']
    >>> space.n_functions
    26206

    References
    ----------
    Y. Qin, Z. Zhang, X. Wang, Z. Zhang, W. Zhu. NAS-Bench-Graph: Benchmarking graph neural
    architecture search. NeurIPS 2022.
    """

    name = "nbgraph"
    operations = (
        *(
            Operation(n, "conv", 1.0)
            for n in ("gat", "gcn", "gin", "cheb", "sage", "arma", "graph")
        ),
        Operation("fc", "conv", 0.5),
        Operation("skip", "skip"),
    )
    cardinalities = (len(LINKS), 9, 9, 9, 9)
    skip = 8

    @cached_property
    def choices(self) -> tuple[tuple[str, ...], ...]:
        """The nine topologies, then the operations four times."""
        names = tuple(operation.name for operation in self.operations)
        return (tuple("-".join(map(str, link)) for link in LINKS), *(names,) * 4)

    @cached_property
    def variables(self) -> tuple[str, ...]:
        """``topology``, then ``operation 1`` to ``operation 4``."""
        return ("topology", *(f"operation {k}" for k in range(1, 5)))

    @cached_property
    def _renamings(self) -> dict[tuple[int, ...], tuple[int, tuple[int, ...]]]:
        """Every topology: which of the nine it is, and the order to read its operations in."""
        found: dict[tuple[int, ...], tuple[int, tuple[int, ...]]] = {}
        for number, links in enumerate(LINKS):
            for order in itertools.permutations(range(4)):
                place = {0: 0, **{old + 1: order.index(old) + 1 for old in range(4)}}
                renamed = tuple(place[links[old]] for old in order)
                if all(source <= position for position, source in enumerate(renamed)):
                    reading = tuple(order.index(old) for old in range(4))
                    found.setdefault(renamed, (number, reading))
        return found

    def _parse(self, string: str) -> list[int]:
        names = [operation.name for operation in self.operations]
        head, *operations = string.strip().split("|")
        links = tuple(int(part) for part in head.split("-"))
        if links not in self._renamings:
            raise ValueError(f"{head!r} is no topology of four operations")
        if len(operations) != 4:
            raise ValueError(f"expected four operations, found {len(operations)}")
        for operation in operations:
            if operation not in names:
                raise ValueError(f"{operation!r} is none of {', '.join(names)}")
        number, reading = self._renamings[links]
        return [number, *(names.index(operations[position]) for position in reading)]

    def format(self, codes: ArrayLike) -> list[str]:
        """Topology and operations of each architecture as a string."""
        names = [operation.name for operation in self.operations]
        return [
            "-".join(map(str, LINKS[link])) + "|" + "|".join(names[k] for k in row)
            for link, *row in self.check(codes).tolist()
        ]

    def _valid(self, codes: Codes) -> Mask:
        return np.asarray((codes[:, 1:] != self.skip).any(axis=1), dtype=bool)

    def _signatures(self, codes: Codes) -> NDArray[Any]:
        """Hash of the tree that is left when the skips that change nothing are gone, shape (n,).

        A skip that feeds something, or that alone repeats its source, is its source; a skip of the
        input that feeds nothing is dropped; the order of siblings does not matter.
        """
        rows = np.arange(len(codes))
        skip = codes[:, 1:] == self.skip
        source = np.asarray(LINKS)[codes[:, 0]] - 1
        feeds = np.zeros((len(codes), 4), dtype=bool)
        for i in range(1, 4):
            inner = source[:, i] >= 0
            feeds[rows[inner], source[inner, i]] = True
        gone = skip & feeds
        for i in range(4):  # sources come earlier, so one pass shortens every chain
            through = (source[:, i] >= 0) & gone[rows, source[:, i]]
            source[:, i] = np.where(through, source[rows, source[:, i]], source[:, i])
        gone |= skip & (source < 0)
        children = np.zeros((len(codes), 4), dtype=np.int64)
        for i in range(1, 4):
            counted = (source[:, i] >= 0) & ~gone[:, i]
            children[rows[counted], source[counted, i]] += 1
        gone |= skip & (children[rows[:, None], source] == 1) & ~feeds & (source >= 0)
        total = np.zeros((len(codes), 5), dtype=np.uint64)
        for i in range(3, -1, -1):
            label = (codes[:, 1 + i].astype(np.uint64) + np.uint64(1)) << np.uint64(32)
            branch = np.where(gone[:, i], np.uint64(0), _mix(_mix(label) + total[:, i + 1]))
            np.add.at(total, (rows, source[:, i] + 1), branch)
        return total[:, 0]

    def paths(self, codes: ArrayLike) -> PathSet:
        """Paths from the input to each operation that feeds nothing."""
        codes = self.check(codes)
        chains = np.full((len(LINKS), 4, 4), -1, dtype=np.int64)
        for number, links in enumerate(LINKS):
            leaves = [k for k in range(1, 5) if k not in links]
            for row, leaf in enumerate(leaves):
                chain, node = [leaf], links[leaf - 1]
                while node:
                    chain.insert(0, node)
                    node = links[node - 1]
                chains[number, row, : len(chain)] = chain
        variables = chains[codes[:, 0]].astype(np.int8)
        picked = codes[np.arange(len(codes))[:, None, None], np.maximum(variables, 0)]
        operations = np.where(variables > 0, picked, np.int8(-1))
        return PathSet(operations, variables, variables[:, :, 0] > 0)

    @cached_property
    def _flows(self) -> Mask:
        """(9, 6, 6) the connections of each topology."""
        flows = np.zeros((len(LINKS), 6, 6), dtype=bool)
        for number, links in enumerate(LINKS):
            for k, source in enumerate(links, start=1):
                flows[number, 0 if source == 0 else source + 1, k + 1] = True
                flows[number, k + 1, 1] = k not in links
        return flows

    @property
    def frame(self) -> Frame:
        """The flows of the nine topologies, which the first variable weighs."""
        return Frame(node_places(self.cardinalities, first_variable=1), self._flows, topology=0)

    def graphs(self, codes: ArrayLike) -> Graphs:
        """Graphs of 6 nodes: input, output and the four operations."""
        codes = self.check(codes)
        nodes = np.empty((len(codes), 6), dtype=np.int64)
        nodes[:, 0], nodes[:, 1], nodes[:, 2:] = 0, 1, codes[:, 1:].astype(np.int64) + 2
        return Graphs(nodes, self._flows[codes[:, 0]], np.ones(nodes.shape, dtype=bool))
