"""Count the cells of NAS-Bench-101: every labelled graph of up to 7 vertices and 9 edges.

    python tests/measured/nasbench101_cells.py

Enumerates the 2**21 adjacency matrices, keeps the pruned ones, gives each every labelling and
counts canonical forms. Prints the number by vertices; 423,624 in all (a minute on one core).
"""

import argparse
import itertools
import time

import numpy as np

from nasurge.data.spaces import NASBench101, Space
from nasurge.data.types import Codes

PUBLISHED = 423_624


def topologies(space: NASBench101) -> Codes:
    """Rows of the unlabelled cells, each once, shape (n, d)."""
    edges = len(space.edges)
    parts = []
    for first in range(0, 2**edges, 2**17):
        numbers = np.arange(first, first + 2**17)
        rows = np.zeros((len(numbers), space.n_variables), dtype=np.int8)
        rows[:, :edges] = numbers[:, None] >> np.arange(edges) & 1
        rows = rows[space.is_valid(rows)]
        parts.append(np.unique(space.canonical(rows), axis=0))
    return np.unique(np.concatenate(parts), axis=0)


def labelled(space: NASBench101, rows: Codes) -> Codes:
    """Every labelling of the vertices of the cells, equal ones once, shape (n, d)."""
    edges, inner = len(space.edges), space.nodes - 2
    kinds = np.array(list(itertools.product(range(3), repeat=inner)), dtype=np.int8)
    parts = []
    for row in rows:
        many = np.repeat(row[None], len(kinds), axis=0)
        many[:, edges:] = kinds
        parts.append(np.unique(space.canonical(many), axis=0))
    return np.unique(np.concatenate(parts), axis=0)


def vertices(space: Space, rows: Codes) -> dict[int, int]:
    """Number of cells by number of live vertices."""
    found = np.unique(space.graphs(rows).mask.sum(axis=1), return_counts=True)
    return dict(zip(*(part.tolist() for part in found), strict=True))


def main() -> None:
    """Count and compare with the paper."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    start = time.perf_counter()
    space = NASBench101()
    bare = topologies(space)
    print(f"{len(bare)} topologies after {time.perf_counter() - start:.0f} s")
    cells = labelled(space, bare)
    print(f"{len(cells)} cells after {time.perf_counter() - start:.0f} s: {vertices(space, cells)}")
    if len(cells) != PUBLISHED or len(cells) != space.n_functions:
        raise SystemExit(f"expected {PUBLISHED}")


if __name__ == "__main__":
    main()
