"""Genotypes: cells with operations on edges, and the forms that others write them in."""

import csv
import itertools
import json
import math
from pathlib import Path

import numpy as np
import pytest
from measured.genotype_functions import SMALL, cell_functions

from nasurge.data.encoders import Structure
from nasurge.data.spaces import DARTS, ENAS, Genotypes, make_space
from nasurge.errors import ArchitectureError


def test_the_sizes_are_those_of_the_papers() -> None:
    darts = make_space("darts")
    per_cell = (1 * 3 * 6 * 10) * 7**8
    assert darts.size == per_cell**2 == pytest.approx(1e18, rel=0.1)
    assert make_space("enas").size == 6**6 * 2**15 == pytest.approx(1.5e9, rel=0.1)
    # Any two earlier outputs and any two operations, less one of two orders of different outputs.
    picks = [count * (count + 1) // 2 for count in range(2, 7)]
    assert make_space("enas-micro").size == (math.prod(picks) * 25**5) ** 2


@pytest.mark.parametrize("space", [SMALL[0], *SMALL[2:5], *SMALL[6:]], ids=lambda s: str(s.spec()))
def test_different_cells_are_counted_without_listing_them(space) -> None:
    assert space.listed
    assert cell_functions(space) == space.n_functions


@pytest.mark.parametrize("name", ["darts", "darts-none", "enas-micro"])
def test_the_published_cells_differ_as_counted(name) -> None:
    space = make_space(name)
    assert space.n_functions == cell_functions(space) ** 2 < space.size


def edge_form(space: Genotypes, cells: dict) -> tuple:
    """Least form of the edges of all cells over all orders of nodes, the slow and plain way."""
    found = []
    zeros = {o.name for o in space.own if o.kind == "zero"}
    for cell in space.cells:
        pairs, given, live = cells[cell], set(range(space.inputs)), []
        for i in range(space.nodes):
            edges = pairs[i * space.picks : (i + 1) * space.picks]
            kept = [(o, s) for o, s in edges if o not in zeros and s in given]
            live.append(kept)
            if kept:
                given.add(space.inputs + i)
        forms = []
        for order in itertools.permutations(range(space.nodes)):
            place = [*range(space.inputs), *(space.inputs + k for k in order)]
            if all(place[s] < place[space.inputs + i] for i, e in enumerate(live) for _, s in e):
                moved = [None] * space.nodes
                for i, edges in enumerate(live):
                    moved[order[i]] = tuple(sorted((o, place[s]) for o, s in edges))
                forms.append(tuple(moved))
        found.append(min(forms))
    return tuple(found)


def cells_of(string: str) -> dict:
    """Cells of a genotype, read by Python itself."""
    return eval(string, {"Genotype": dict, "range": range})  # noqa: S307 - our own string


@pytest.mark.parametrize(
    "space",
    [
        Genotypes(3, ["conv", "skip"], inputs=1, picks=1),
        Genotypes(3, ["conv", "none"], inputs=2, picks=2, cells=["c"]),
        Genotypes(3, ["conv", "none"], inputs=1, picks=2, cells=["c"], repeats=True),
    ],
    ids=["trees", "distinct", "repeats"],
)
def test_genotypes_are_equal_exactly_if_their_nodes_are_numbered_otherwise(space) -> None:
    codes = space.all_codes()[:: max(1, space.size // 3000)]
    forms = [edge_form(space, cells_of(string)) for string in space.format(codes)]
    ours = space.keys(space.canonical(codes)).tolist()
    assert len(set(forms)) == len(set(ours)) == len(set(zip(forms, ours, strict=True)))
    assert len(set(forms)) < len(forms)


def test_the_order_of_edges_and_of_nodes_does_not_matter() -> None:
    space = make_space("darts")
    tail = "normal_concat=range(2, 6), reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1)"
    tail += ", ('skip_connect', 0), ('max_pool_3x3', 2)" * 3 + "], reduce_concat=[2, 3, 4, 5])"
    start = "Genotype(normal=[('sep_conv_3x3', 0), ('skip_connect', 1), "
    first = "('sep_conv_5x5', 0), ('dil_conv_3x3', 1), ('sep_conv_3x3', 3), ('dil_conv_5x5', 2), "
    other = "('sep_conv_3x3', 0), ('skip_connect', 1), ('dil_conv_5x5', 3), ('sep_conv_3x3', 2), "
    moved = "Genotype(normal=[('dil_conv_3x3', 1), ('sep_conv_5x5', 0), "
    rest = "('skip_connect', 0), ('skip_connect', 1)], "
    codes = space.parse([start + first + rest + tail, moved + other + rest + tail])
    assert (codes[0] != codes[1]).any()
    assert (space.canonical(codes)[0] == space.canonical(codes)[1]).all()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (("('a', 1)", "('a', 0)"), "more than once"),
        (("('a', 1)", "('a', 2)"), "does not come before"),
        (("('a', 1)", "('z', 1)"), "'z' is none of"),
        (("('a', 1), ", ""), "3 edges"),
        (("range(2, 4)", "range(2, 3)"), "all nodes"),
        (("normal=", "other="), "no cell 'normal'"),
        (("range(2, 4))", "range(2, 4), x=[1])"), "x, which the space lacks"),
        (("('a', 0)", "__import__('os')"), "expected a list"),
        (("Genotype", "Other"), "expected Genotype"),
        (("('a', 0)", "('a', 0)" * 20_000 + "!"), "expected a list"),
    ],
)
def test_what_is_no_genotype_is_told_why(change, why) -> None:
    space = Genotypes(2, ["a", "b"], cells=["normal"])
    good = "Genotype(normal=[('a', 0), ('a', 1), ('b', 0), ('b', 2)], normal_concat=range(2, 4))"
    assert space.format(space.parse(good)) == [good]
    with pytest.raises(ArchitectureError, match=why):
        space.parse(good.replace(*change, 1))


@pytest.mark.parametrize(
    "string",
    [
        "Genotype(normal=[('b', 2), ('a', 1), ('b', 2), ('b', 0)], normal_concat=[2, 3])",
        '{"normal": [["a", 1], ["b", 0], ["b", 0], ["b", 2]], "normal_concat": [2, 3]}',
        "(normal=[('a',1),('b',0),('b',0),('b',2)])",
    ],
)
def test_genotypes_are_read_as_people_write_them(string) -> None:
    space = Genotypes(2, ["a", "b"], cells=["normal"], repeats="2), ('a'" in string)
    if space.repeats:
        string = string.replace("[('b', 2)", "[('b', 0)")
    assert space.format(space.parse(string)) == [
        "Genotype(normal=[('b', 0), ('a', 1), ('b', 0), ('b', 2)], normal_concat=range(2, 4))"
    ]


def test_paths_of_cells_lie_beside_each_other() -> None:
    space = Genotypes(2, ["conv", "pool"], inputs=1, picks=1, cells=["a", "b"])
    a, b = "a=[('pool', 0), ('conv', 1)]", "b=[('conv', 0), ('pool', 0)]"
    operations, _, alive = space.paths(space.parse(f"Genotype({a}, {b})"))
    names = [o.name for o in space.operations]
    found = [[names[k] for k in path if k >= 0] for path in operations[0][alive[0]]]
    assert found == [
        ["a:input 0", "a:pool"],
        ["a:input 0", "a:pool", "a:conv"],
        ["b:input 0", "b:conv"],
        ["b:input 0", "b:pool"],
    ]


def test_nothing_passes_what_none_cuts() -> None:
    space = make_space("darts-none")
    codes = space.sample(200, seed=0)
    same = space.canonical(codes)
    for one, other in zip(space.graphs(codes), space.graphs(same), strict=True):
        assert one.shape == other.shape
    alive = space.graphs(codes).mask.sum(axis=1)
    assert np.array_equal(alive, space.graphs(same).mask.sum(axis=1))
    assert np.array_equal(space.paths(codes).alive.sum(axis=1), space.paths(same).alive.sum(axis=1))
    features = Structure(space)
    assert np.allclose(features.fit_transform(codes), features.fit_transform(same))


def test_layers_of_enas_read_the_one_before_and_what_skips_say() -> None:
    space = ENAS()
    code = space.parse(
        "[[0], [1, 1], [2, 0, 0], [3, 0, 0, 0], [4, 0, 1, 0, 0], [5, 0, 0, 0, 0, 0]]"
    )
    (nodes,), (adjacency,), _ = space.graphs(code)
    names = [space.node_types[k] for k in nodes]
    found = {(names[s], names[t]) for s, t in np.argwhere(adjacency).tolist()}
    chain = ["input", *names[2:], "output"]
    assert found == {*itertools.pairwise(chain), ("input", names[3]), (names[2], names[6])}
    for wrong in ("[[0]]", "0 1", "[[9]" + ", [0]" * 20 + "]", "[['a']]"):
        with pytest.raises(ArchitectureError):
            space.parse(wrong)


PREFIX = "NetworkSelectorDatasetInfo:darts:"
# The genotype that DARTS (second order) found, and its configuration in NAS-Bench-301, where the
# edge from output s into node 2, 3, 4 and 5 has the number s, 2 + s, 5 + s and 9 + s.
DARTS_V2 = (
    "Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), "
    "('sep_conv_3x3', 1), ('sep_conv_3x3', 1), ('skip_connect', 0), ('skip_connect', 0), "
    "('dil_conv_3x3', 2)], normal_concat=[2, 3, 4, 5], reduce=[('max_pool_3x3', 0), "
    "('max_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 1), ('max_pool_3x3', 0), "
    "('skip_connect', 2), ('skip_connect', 2), ('max_pool_3x3', 1)], reduce_concat=[2, 3, 4, 5])"
)
DARTS_V2_CONFIGURATION = {
    "normal": {
        **dict.fromkeys((0, 1, 2, 3, 6), "sep_conv_3x3"),
        5: "skip_connect",
        9: "skip_connect",
        11: "dil_conv_3x3",
    },
    "reduce": {
        **dict.fromkeys((0, 1, 3, 5, 10), "max_pool_3x3"),
        **dict.fromkeys((4, 7, 11), "skip_connect"),
    },
}
DARTS_V2_INPUTS = {"normal": ("0_1", "0_1", "0_2"), "reduce": ("1_2", "0_2", "1_2")}


def configuration(prefix: str = PREFIX) -> dict[str, str]:
    """Configuration of ``DARTS_V2``."""
    edges = {
        f"{prefix}edge_{cell}_{number}": name
        for cell, found in DARTS_V2_CONFIGURATION.items()
        for number, name in found.items()
    }
    inputs = {
        f"{prefix}inputs_node_{cell}_{node}": text
        for cell, found in DARTS_V2_INPUTS.items()
        for node, text in enumerate(found, start=3)
    }
    return edges | inputs


def test_configurations_of_nas_bench_301_are_read_and_written() -> None:
    space = make_space("darts")
    code = space.parse(DARTS_V2)
    assert space.to_nasbench301(code) == [configuration()]
    more = configuration() | {PREFIX + "layers": 20, PREFIX + "edge_normal_13": None}
    frame = configuration("NetworkSelectorDatasetInfo_COLON_darts_COLON_")
    whole = {"optimized_hyperparamater_config": configuration(), "test_accuracy": 97.0}
    for one in (more, frame, whole, json.dumps(configuration()), configuration("")):
        assert (space.parse([one]) == code).all()
    sample = space.sample(5000, seed=0)
    assert (space.parse(space.to_nasbench301(sample)) == sample).all()
    assert {len(found) for found in space.to_nasbench301(sample)} == {22}
    assert (space.parse(space.to_dicts(sample[:50])) == sample[:50]).all()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"inputs_node_normal_3": None}, "no 'inputs_node_normal_3'"),
        ({"inputs_node_normal_3": "0+1"}, "expected two numbers"),
        ({"inputs_node_normal_3": "1_1"}, "no 'edge_normal_3'"),
        ({"inputs_node_normal_5": "0_4"}, "no 'edge_normal_13'"),
        ({"inputs_node_normal_5": "0_7"}, "which 'inputs_node_normal_5' picks"),
        ({"inputs_node_normal_6": "0_1"}, "nodes 3 to 5 pick"),
        ({"edge_normal_0": None}, "no 'edge_normal_0'"),
        ({"edge_normal_0": "none"}, "'none' is none of"),
        ({"edge_reduce_13": "skip_connect"}, "'edge_reduce_13', which no node picks"),
    ],
)
def test_a_configuration_that_is_none_is_told_why(change, why) -> None:
    wrong = configuration() | {PREFIX + key: value for key, value in change.items()}
    with pytest.raises(ArchitectureError, match=why):
        make_space("darts").parse([wrong])


FOUND_BY_ENAS = "0 2 0 0 0 4 0 1 0 4 1 1 1 0 0 1 0 2 1 1 1 0 1 0 0 3 0 2 1 1 3 1 1 0 0 4 0 3 1 1"


def test_the_cells_that_enas_found_are_read_and_written() -> None:
    space = make_space("enas-micro")
    codes = space.parse([FOUND_BY_ENAS, FOUND_BY_ENAS.replace("1 0 0 1", "0 1 1 0", 1)])
    assert (codes[0] == codes[1]).all(), "the order of edges into a node says nothing"
    written = space.format(codes[:1])[0].split()
    nodes = [sorted((written[i : i + 2], written[i + 2 : i + 4])) for i in range(0, 40, 4)]
    given = FOUND_BY_ENAS.split()
    assert nodes == [sorted((given[i : i + 2], given[i + 2 : i + 4])) for i in range(0, 40, 4)]
    assert space.to_dicts(codes)[0]["normal 4 inputs"] == "0+1"
    genotype = Genotypes.format(space, codes[:1])
    assert (space.parse(genotype) == codes[:1]).all()
    assert "('avg_pool_3x3', 0), ('sep_conv_3x3', 0), ('identity', 0)" in genotype[0]
    sample = space.sample(2000, seed=0)
    assert (space.parse(space.format(sample)) == sample).all()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ((" 1 1", ""), "expected 40 numbers"),
        (("0 2 0 0", "0 5 0 0"), "operations are 0 to 4"),
        (("0 2 0 0", "2 2 0 0"), "does not come before"),
        (("0 2 0 0", "x 2 0 0"), "expected Genotype"),
    ],
)
def test_numbers_that_are_no_cells_of_enas_are_told_why(change, why) -> None:
    with pytest.raises(ArchitectureError, match=why):
        make_space("enas-micro").parse(FOUND_BY_ENAS.replace(*change, 1))


def test_all_published_genotypes_are_read(reference: Path) -> None:
    published = reference / "benchmarks"
    with (published / "darts_swap_cifar10.csv").open() as file:
        swap = [row[0] for row in csv.reader(file)]
    with (published / "oncenas_545.csv").open() as file:
        once = [row["architecture"] for row in csv.DictReader(file)]
    space = make_space("darts-none")
    for strings in (swap, once):
        codes = space.parse(strings)
        for string, again in zip(strings, space.format(codes), strict=True):
            one, other = cells_of(string), cells_of(again)
            assert edge_form(space, one) == edge_form(space, other)
            assert list(one["normal_concat"]) == list(other["normal_concat"])
    strict = [string for string in once if "none" not in string]
    assert len(DARTS().parse(strict)) == len(strict) > 0
