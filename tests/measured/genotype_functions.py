"""Count the different cells of DARTS and of ENAS: genotypes up to the numbers of their nodes.

    python tests/measured/genotype_functions.py

A cell is a set of nodes without an order, each with a set of edges from inputs or other nodes, an
operation on each; only no node may follow from itself. Those that are equal up to the numbers of
the nodes are counted by the lemma of Burnside: the mean, over all permutations of the nodes, of
how many numbered cells it leaves as they are. Operations are not listed: a bundle of c edges
between two nodes that a permutation of the nodes carries along has C(k + c - 1, c) choices of k
operations, once for each orbit. Where an operation cuts its edge, cells of fewer nodes with fewer
edges are counted too. Takes seconds. Prints a Markdown table, after checking that smaller spaces,
which can be listed, have as many canonical forms.
"""

import argparse
import itertools
import math
from collections import Counter
from collections.abc import Iterator, Sequence

from nasurge.data.spaces import Genotypes, make_space


def cell_functions(space: Genotypes) -> int:
    """Number of different cells of one kind."""
    kinds = sum(operation.kind != "zero" for operation in space.own)
    if kinds == len(space.own):
        return _of_nodes(space.nodes, (space.picks,), space, kinds)
    edges = range(1, space.picks + 1)
    return sum(_of_nodes(nodes, edges, space, kinds) for nodes in range(space.nodes + 1))


def _of_nodes(nodes: int, edges: Sequence[int], space: Genotypes, kinds: int) -> int:
    """Number of different cells of so many nodes, with so many edges into each."""
    fixed = sum(
        _fixed(order, edges, space, kinds) for order in itertools.permutations(range(nodes))
    )
    assert fixed % math.factorial(nodes) == 0
    return fixed // math.factorial(nodes)


def _cycles(order: Sequence[int]) -> list[list[int]]:
    """Cycles of a permutation."""
    left, found = set(range(len(order))), []
    while left:
        cycle = [min(left)]
        while order[cycle[-1]] != cycle[0]:
            cycle.append(order[cycle[-1]])
        found.append(cycle)
        left -= set(cycle)
    return found


def _fixed(order: Sequence[int], edges: Sequence[int], space: Genotypes, kinds: int) -> int:
    """Number of numbered cells that a permutation of the nodes leaves as they are."""
    cycles = _cycles(order)
    ways = [list(_first_of(cycle, order, edges, space, kinds).items()) for cycle in cycles]
    total = 0
    for chosen in itertools.product(*ways):
        before: list[set[int]] = [set() for _ in order]
        for cycle, (picked, _) in zip(cycles, chosen, strict=True):
            moved = picked
            for node in cycle:
                before[node] = set(moved)
                moved = frozenset(order[source] for source in moved)
        if _acyclic(before):
            total += math.prod(number for _, number in chosen)
    return total


def _first_of(
    cycle: list[int], order: Sequence[int], edges: Sequence[int], space: Genotypes, kinds: int
) -> Counter[frozenset[int]]:
    """Nodes that the first node of a cycle picks, and in how many ways; all others follow."""
    power = list(range(len(order)))
    for _ in cycle:
        power = [order[node] for node in power]
    sources = [*power, *range(len(order), len(order) + space.inputs)]  # inputs stay
    found: Counter[frozenset[int]] = Counter()
    for picked in _picks(len(sources), edges, repeats=space.repeats):
        number, times = 1, Counter(picked)
        if cycle[0] in times or any(times[sources[s]] != times[s] for s in times):
            continue
        left = set(times)
        while left:
            source = min(left)
            number *= math.comb(kinds + times[source] - 1, times[source])
            while source in left:
                left.remove(source)
                source = sources[source]
        found[frozenset(s for s in times if s < len(order))] += number
    return found


def _picks(sources: int, edges: Sequence[int], *, repeats: bool) -> Iterator[tuple[int, ...]]:
    """What a node may pick."""
    kind = itertools.combinations_with_replacement if repeats else itertools.combinations
    return itertools.chain.from_iterable(kind(range(sources), count) for count in edges)


def _acyclic(before: Sequence[set[int]]) -> bool:
    """Whether no node follows from itself."""
    left = set(range(len(before)))
    while free := {node for node in left if not before[node] & left}:
        left -= free
    return not left


SMALL = (
    Genotypes(2, ["a", "b"], inputs=1, picks=1, cells=["one"]),
    Genotypes(3, list("abcdefg"), cells=["one"]),
    Genotypes(4, ["a", "skip"], cells=["one"]),
    Genotypes(4, ["a", "skip", "none"], inputs=1, picks=1, cells=["one"]),
    Genotypes(3, ["a", "b", "none"], cells=["one"]),
    Genotypes(3, ["a", "b", "none"], cells=["one"], repeats=True),
    Genotypes(3, ["a", "b"], inputs=1, picks=3, cells=["one"], repeats=True),
    Genotypes(4, ["a", "b"], inputs=1, picks=2, cells=["one"], repeats=True),
    Genotypes(5, ["a"], cells=["one"], repeats=True),
)


def main() -> None:
    """Check small spaces, count large ones."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    for space in SMALL:
        if space.n_functions != cell_functions(space):
            raise SystemExit(
                f"{space}: {space.n_functions} listed, {cell_functions(space)} counted"
            )
    print("| space | genotypes of a cell | different cells | different architectures |")
    print("| --- | --- | --- | --- |")
    for name in ("darts", "darts-none", "enas-micro"):
        space = make_space(name)
        assert isinstance(space, Genotypes)
        cells = cell_functions(space)
        listed = math.prod(space.cardinalities[: space.n_variables // len(space.cells)])
        whole = cells ** len(space.cells)
        print(f"| `{name}` | {listed:,} | {cells:,} | {whole:,} |", flush=True)
        if space.n_functions != whole:
            raise SystemExit(f"{name} says {space.n_functions:,}")


if __name__ == "__main__":
    main()
