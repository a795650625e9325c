"""Cells that are graphs: operations on vertices, and genotypes with operations on edges."""

import csv
import gzip
import itertools
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kendalltau

import nasurge
from nasurge import make_predictor
from nasurge.data.spaces import Genotypes, NodeCell, make_space
from nasurge.errors import ArchitectureError, ParameterError, UnknownNameError
from nasurge.predictors.graph import GraphReader
from nasurge.predictors.relaxed import relaxation
from nasurge.testing.space import SPACE_CHECKS

SPACES = {
    **{
        name: make_space(name)
        for name in ("nb101", "ec-nas", "darts", "darts-none", "enas", "enas-micro")
    },
    "node-cell": NodeCell(4, ["conv1x1", "max_pool", "none"], name="node-cell"),
    "thirteen": NodeCell(13, ["conv1x1", "max_pool"], max_edges=20),
    "no cut": NodeCell(5, ["conv1x1", "max_pool"], max_edges=6),
    "one cell": Genotypes(3, ["conv", "none", "skip"], inputs=1, picks=1, cells=["one"]),
    "all inputs": Genotypes(2, ["conv", "none", "skip"], inputs=3, picks=3),
    "repeats": Genotypes(4, ["identity", "sep3", "avg_pool"], repeats=True, cells=["one"]),
}
every_space = pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
LEARNT = ("nb101", "ec-nas", "thirteen", "darts", "enas", "enas-micro")


@pytest.mark.parametrize("check", SPACE_CHECKS, ids=lambda check: check.__name__)
@every_space
def test_a_space_of_graphs_keeps_the_contract(space, check) -> None:
    check(space)


# -- operations on vertices ------------------------------------------------------------------------


def graph(string: str) -> tuple[np.ndarray, list[str]]:
    cell = json.loads(string)
    return np.array(cell["matrix"]), cell["ops"]


def least_form(matrix: np.ndarray, labels: list) -> tuple:
    """Pruned graph in the first of all orders of its vertices, the slow and plain way."""
    v = len(matrix)
    walks = np.linalg.matrix_power(np.eye(v, dtype=int) + matrix, v) > 0
    kept = [i for i in range(v) if walks[0, i] and walks[i, v - 1]]
    matrix, labels = matrix[np.ix_(kept, kept)], [labels[i] for i in kept]
    forms = []
    for order in itertools.permutations(range(1, len(kept) - 1)):
        order = [0, *order, len(kept) - 1]
        moved = matrix[np.ix_(order, order)]
        if not np.tril(moved).any():
            forms.append((len(kept), *moved.ravel().tolist(), *(labels[i] for i in order)))
    return min(forms)


@pytest.mark.parametrize(
    "space", [NodeCell(4, ["a", "b", "c"]), NodeCell(5, ["a", "b"], max_edges=6)], ids=repr
)
def test_cells_are_equal_exactly_if_their_pruned_graphs_are_isomorphic(space) -> None:
    codes = space.all_codes()
    forms = [least_form(*graph(string)) for string in space.format(codes)]
    assert max(form[0] and sum(form[1 : 1 + form[0] ** 2]) for form in forms) == space.max_edges
    number = {form: k for k, form in enumerate(dict.fromkeys(forms))}
    ours = space.function_ids(codes)
    assert len(number) == space.n_functions
    assert len({(number[f], k) for f, k in zip(forms, ours.tolist(), strict=True)}) == len(number)
    hashes = space.hashes(codes)
    assert len(set(hashes)) == len(set(zip(hashes, ours.tolist(), strict=True))) == len(number)


def test_five_vertices_of_nasbench_101_are_as_many_as_published() -> None:
    assert make_space("ec-nas").n_functions == 2532


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20)
def test_isomorphic_cells_have_one_canonical_form_and_one_hash(seed) -> None:
    space = make_space("nb101")
    rng = np.random.default_rng(seed)
    codes = space.sample(20, seed=rng)
    twins = []
    for string in space.format(space.canonical(codes)):
        matrix, labels = graph(string)
        v = len(labels)
        for _ in range(50):
            order = [0, *(1 + rng.permutation(v - 2)), v - 1] if v > 2 else [0, 1]
            moved = matrix[np.ix_(order, order)]
            if not np.tril(moved).any():
                break
        else:
            moved, order = matrix, list(range(v))
        twins.append(json.dumps({"matrix": moved.tolist(), "ops": [labels[i] for i in order]}))
    other = space.parse(twins)
    assert np.array_equal(space.canonical(other), space.canonical(codes))
    assert np.array_equal(space.function_ids(other), space.function_ids(codes))
    assert space.hashes(other) == space.hashes(codes)


def test_samples_of_a_large_space_have_no_vertices_that_do_nothing() -> None:
    space = make_space("nb101")
    codes = space.sample(3000, seed=0)
    graphs = space.graphs(codes)
    assert np.array_equal(graphs.adjacency.sum(axis=(1, 2)), codes[:, :21].sum(axis=1))
    # Five inner vertices have 3**5 of the 364 labellings; six standard deviations are 0.052.
    assert abs(graphs.mask.all(axis=1).mean() - 243 / 364) < 0.052
    assert len(np.unique(space.function_ids(codes))) > 2800
    few = NodeCell(9, list("abc"), max_edges=3)
    assert few.is_valid(few.sample(50, seed=0)).all()


def test_edges_are_counted_after_pruning_as_the_benchmark_does() -> None:
    space = make_space("nb101")
    matrix = np.zeros((7, 7), dtype=int)
    matrix[0, 1:] = 1  # six edges, five of them into vertices that lead nowhere
    matrix[1, 2:6] = 1  # and four more
    operations = ["input", *["maxpool3x3"] * 5, "output"]
    codes = space.from_matrices([matrix], [operations])
    assert space.format(space.canonical(codes)) == [
        '{"matrix": [[0, 1], [0, 0]], "ops": ["input", "output"]}'
    ]
    matrix[1:6, 6] = 1
    with pytest.raises(ArchitectureError, match="breaks a rule"):
        space.from_matrices([matrix], [operations])
    matrix[:, 6] = 0
    with pytest.raises(ArchitectureError, match="breaks a rule"):
        space.from_matrices([matrix], [operations])


@pytest.mark.parametrize(
    ("cell", "why"),
    [
        ('{"matrix": [[0, 1], [0, 0]]}', "expected"),
        ('[[0, 1], [0, 0]] ["input", "output"] []', "expected"),
        ('{"matrix": [[0, 1], [1, 0]], "ops": ["input", "output"]}', "leads back"),
        ('{"matrix": [[0, 2], [0, 0]], "ops": ["input", "output"]}', "0 and 1"),
        ('{"matrix": [[0, 1]], "ops": ["input", "output"]}', "2 x 2"),
        ('{"matrix": 1, "ops": ["input", "output"]}', "no len"),
        ('{"matrix": [[0, 1], [0, 0]], "ops": ["output", "input"]}', "first operation"),
        ('{"matrix": [[0, 1, 0], [0, 0, 1], [0, 0, 0]], "ops": ["input", "x", "output"]}', "'x'"),
        ("[" * 100_000, "too deep"),
        (json.dumps({"matrix": np.eye(8, k=1).tolist(), "ops": ["input"] * 8}), "8 vertices"),
    ],
)
def test_what_is_no_cell_is_told_why(cell, why) -> None:
    with pytest.raises(ArchitectureError, match=why):
        make_space("nb101").parse([cell])


def test_a_path_is_alive_where_its_edges_are_there() -> None:
    space = NodeCell(4, ["conv", "max_pool"])
    code = space.from_matrices(
        [[[0, 1, 0, 1], [0, 0, 1, 1], [0, 0, 0, 1], [0, 0, 0, 0]]],
        [["input", "conv", "max_pool", "output"]],
    )
    operations, _, alive = space.paths(code)
    found = sorted(tuple(p[p >= 0].tolist()) for p in operations[0][alive[0]])
    assert found == [(), (0,), (0, 1)]


# -- all of them -----------------------------------------------------------------------------------


@every_space
def test_one_hot_shares_have_the_graph_of_the_architecture(space) -> None:
    codes = space.canonical(space.sample(30, seed=1))
    reader = GraphReader(space)
    shares = relaxation(space, "cpu").one_hot(codes)
    for one, other in zip(reader(codes), reader.relaxed_graphs(shares), strict=True):
        assert torch.allclose(one, other, atol=1e-3)


@every_space
def test_descriptions_and_pickles_make_the_space_again(space) -> None:
    again = make_space(json.loads(json.dumps(space.spec())))
    assert again == space == pickle.loads(pickle.dumps(space))
    assert again.choices == space.choices
    assert again.operations == space.operations
    assert again != make_space("nb201")


def test_a_description_of_names_alone_is_enough() -> None:
    space = make_space({"kind": "node-cell", "nodes": 5, "operations": ["conv3x3", "skip"]})
    assert [operation.kind for operation in space.operations] == ["conv", "skip"]
    spec = {"kind": "genotypes", "nodes": 3, "operations": ["conv3x3", "none"], "name": "mine"}
    assert make_space(spec).name == "mine"


@pytest.mark.parametrize(
    "make",
    [
        lambda: NodeCell(2, ["a", "b"]),
        lambda: NodeCell(16, ["a", "b"]),
        lambda: NodeCell("5", ["a", "b"]),
        lambda: NodeCell(5, ["a", "b"], max_edges=0),
        lambda: NodeCell(5, []),
        lambda: NodeCell(5, ["a", "a"]),
        lambda: NodeCell(5, [1]),
        lambda: NodeCell(5, ["it's"]),
        lambda: NodeCell(5, [("a", "b", 1.0)]),
        lambda: NodeCell(5, None),
        lambda: NodeCell(5, "ab"),
        lambda: Genotypes(0, ["a", "b"]),
        lambda: Genotypes(3, ["a", "b"], picks=3),
        lambda: Genotypes(3, ["a", "b"], cells="normal"),
        lambda: Genotypes(3, ["a", "b"], cells=["a", "a"]),
        lambda: Genotypes(3, ["a", "b"], cells=[]),
        lambda: Genotypes(8, ["a", "b"], inputs=4, picks=4),
        lambda: make_space({"kind": "node-cell", "nodes": 4}),
        lambda: make_space({"kind": "node-cell", "nodes": 4, "operations": ["a"], "edges": 3}),
    ],
)
def test_arguments_that_describe_no_space_are_refused(make) -> None:
    with pytest.raises(ParameterError):
        make()


def test_a_kind_that_is_none_is_named() -> None:
    with pytest.raises(UnknownNameError, match="node-cell"):
        make_space({"kind": "cells", "nodes": 4})


def depths(space, codes) -> np.ndarray:
    """Made-up accuracies: more, and deeper, live paths are better."""
    paths = space.paths(codes)
    depth = np.array([*(o.depth + (o.kind == "pool") / 4 for o in space.operations), 0.0])
    return (depth[paths.operations].sum(axis=2) * paths.alive).sum(axis=1)


@pytest.mark.parametrize("name", ["gp", "xgb", "gin"])
@pytest.mark.parametrize("space", LEARNT)
def test_predictors_learn_cells_that_are_graphs(space, name) -> None:
    space = SPACES[space]
    codes = space.sample(120, seed=0)
    y = depths(space, codes)
    quick = {"steps": 60, "width": 16} if name == "gin" else {}
    scores = (
        make_predictor(name, space, seed=0, **quick).fit(codes[:60], y[:60]).predict(codes[60:])
    )
    assert kendalltau(scores, y[60:]).statistic > 0.5
    twins = make_predictor(name, space, seed=0, **quick).fit(codes[:60], y[:60])
    assert np.allclose(twins.predict(codes), twins.predict(space.canonical(codes)), atol=1e-5)


@pytest.mark.parametrize("searcher", ["bo", "prednas"])
@pytest.mark.parametrize("space", LEARNT)
def test_searches_go_beyond_chance_in_cells_that_are_graphs(space, searcher) -> None:
    space = SPACES[space]
    trace = nasurge.search(
        lambda codes: depths(space, codes), space=space, searcher=searcher, budget=24, seed=0
    )
    assert trace.failures == 0
    assert trace.values.max() > depths(space, space.sample(24, seed=5)).max()


# -- rows that others published --------------------------------------------------------------------


@pytest.fixture
def published(reference: Path) -> Path:
    """The folder of benchmark files."""
    return reference / "benchmarks"


def test_all_rows_of_ec_nas_have_their_official_hash(published) -> None:
    with gzip.open(published / "ecnas_4epoch.csv.gz", "rt") as file:
        rows = list(csv.DictReader(file))
    space = make_space("ec-nas")
    codes = space.parse([r["module_adjacency"] + r["module_operations"] for r in rows])
    assert space.hashes(codes) == [r["module_hash"] for r in rows]
    assert len(np.unique(space.function_ids(codes))) == space.n_functions == 2532
    larger = make_space("nb101").parse(space.format(codes))
    assert make_space("nb101").hashes(larger) == space.hashes(codes)
