"""Canonical orders of vertices: the same row for isomorphic cells, of up to 15 vertices."""

import itertools

import numpy as np
import pytest

from nasurge.data.spaces import NodeCell, make_space, orders

LARGE = {
    "any edges": NodeCell(13, ["a", "b", "none"]),
    "few edges": NodeCell(12, ["a"], max_edges=16),
    "all alike": NodeCell(15, ["a"], max_edges=24),
}


def renumbered(space, codes, rng) -> np.ndarray:
    """Each cell with its vertices in another order in which edges lead forward."""
    rows = []
    for matrix, kinds in zip(space.matrices(codes), space._chosen(codes), strict=True):
        order, left = [0], set(range(1, space.nodes - 1))
        while left:
            free = [vertex for vertex in left if not matrix[list(left), vertex].any()]
            order.append(free[rng.integers(len(free))])
            left.remove(order[-1])
        order = np.array([*order, space.nodes - 1])
        moved = matrix[np.ix_(order, order)]
        rows.append([*moved[tuple(np.array(space.edges).T)], *kinds[order[1:-1] - 1]])
    return np.array(rows, dtype=space.dtype)


@pytest.mark.parametrize("space", LARGE.values(), ids=LARGE)
def test_isomorphic_cells_of_many_vertices_have_one_canonical_form(space) -> None:
    codes = space.sample(300, seed=0)
    others = renumbered(space, codes, np.random.default_rng(0))
    assert (others != codes).any(axis=1).mean() > 0.8
    canonical = space.canonical(codes)
    assert (space.canonical(others) == canonical).all()
    assert (space.canonical(canonical) == canonical).all()
    assert (space.canonical(codes[::-1]) == canonical[::-1]).all()
    hashes = space.hashes(codes)
    keys = space.function_ids(codes).tolist()
    # Cells of one hash are nearly always isomorphic, isomorphic ones always have one.
    assert len(set(zip(hashes, keys, strict=True))) == len(set(keys)) >= len(set(hashes))


@pytest.mark.parametrize(
    "space",
    [NodeCell(6, ["a"]), NodeCell(5, ["a", "b", "none"]), NodeCell(7, ["a", "b"], max_edges=8)],
    ids=["alike", "cut", "seven"],
)
def test_colours_find_the_same_classes_as_all_orders(space, monkeypatch) -> None:
    codes = space.all_codes() if space.listed else space.sample(5000, seed=0)
    compared = space.keys(space.canonical(codes))
    monkeypatch.setattr(orders, "MOST_COMPARED", 2)
    coloured = space.keys(space.canonical(codes))
    both = set(zip(compared.tolist(), coloured.tolist(), strict=True))
    assert len(both) == len(np.unique(compared)) == len(np.unique(coloured))


def chains(count: int) -> np.ndarray:
    """Matrix of chains of two vertices beside each other."""
    matrix = np.zeros((2 * count + 2,) * 2, dtype=int)
    for first in range(1, 2 * count, 2):
        matrix[0, first] = matrix[first, first + 1] = matrix[first + 1, -1] = 1
    return matrix


def test_chains_that_are_alike_may_stand_in_any_order() -> None:
    space = NodeCell(14, ["a", "b"])
    rng = np.random.default_rng(0)
    codes = space.from_matrices(
        [chains(6)] * 20,
        [["input", *("a" if k % 2 else "b" for k in rng.permutation(12)), "output"]] * 20,
    )
    others = renumbered(space, codes, rng)
    assert len(np.unique(others, axis=0)) > 15
    assert len(np.unique(space.canonical(others), axis=0)) == 1


def least_row(space, code) -> list[int]:
    """First of the rows of a cell's orders, as files of the benchmark hold them, the plain way."""
    (alive,), (matrix,) = space._pruned(code[None])
    kinds = np.where(alive[1:-1], space._chosen(code[None])[0], 0)
    live, dead = np.flatnonzero(alive[1:-1]) + 1, np.flatnonzero(~alive[1:-1]) + 1
    rows = []
    for order in itertools.permutations(live):
        whole = np.array([0, *order, *dead, space.nodes - 1], dtype=int)
        moved = matrix[np.ix_(whole, whole)]
        if not np.tril(moved).any():
            edges = moved[np.triu_indices(space.nodes, k=1)].astype(int)
            rows.append([*edges.tolist(), *kinds[whole[1:-1] - 1].tolist()])
    return min(rows)


@pytest.mark.parametrize(
    "space", [make_space("nb101"), NodeCell(8, ["a", "none", "c"])], ids=["nb101", "eight"]
)
def test_cells_of_up_to_nine_vertices_keep_the_rows_that_files_hold(space) -> None:
    codes = space.sample(40, seed=0)
    assert space.canonical(codes).tolist() == [least_row(space, code) for code in codes]


def test_many_vertices_have_their_live_paths_only() -> None:
    small, large = NodeCell(9, ["a", "b", "none"]), NodeCell(13, ["a", "b", "none"])
    codes = small.sample(50, seed=0)
    wide = large.parse(small.format(codes))

    def words(space, codes) -> list[list[tuple[int, ...]]]:
        found = space.paths(codes)
        return [
            sorted(tuple(path[path >= 0].tolist()) for path in paths[alive])
            for paths, alive in zip(found.operations, found.alive, strict=True)
        ]

    assert words(large, wide) == words(small, codes)
    assert large.paths(wide).operations.shape[1] < 128
