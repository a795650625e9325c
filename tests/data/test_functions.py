"""nasurge.data.spaces: which architectures compute the same, and their graphs and paths."""

import gzip
import importlib.util
import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from strategies import SPACES, seeds, spaces_and_codes

from nasurge.data.spaces import ProductSpace, make_space

every_space = pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)


@given(spaces_and_codes())
def test_the_canonical_form_is_the_one_of_its_function(drawn) -> None:
    space, codes = drawn
    canonical = space.canonical(codes)
    assert np.array_equal(space.canonical(canonical), canonical)
    assert np.array_equal(space.function_ids(canonical), space.function_ids(codes))
    assert space.is_valid(canonical).all()


@every_space
def test_equal_functions_have_one_canonical_form_and_different_ones_have_two(space) -> None:
    everything = space.all_codes()
    ids, forms = space.function_ids(everything), space.index(space.canonical(everything))
    assert same_partition(ids, forms)
    assert ids.min() >= 0


@given(spaces_and_codes(min_rows=2), seeds)
def test_the_canonical_form_does_not_depend_on_the_other_rows(drawn, seed) -> None:
    space, codes = drawn
    order = np.random.default_rng(seed).permutation(len(codes))
    assert np.array_equal(space.canonical(codes[order]), space.canonical(codes)[order])


def same_partition(first, second):
    """Whether two labellings put the same rows together."""
    pairs = len(set(zip(first.tolist(), second.tolist(), strict=True)))
    return pairs == len(np.unique(first)) == len(np.unique(second))


@pytest.mark.reference
def test_nb201_classes_are_the_published_ones(reference) -> None:
    with gzip.open(reference / "nb201.csv.gz", "rt") as file:
        frame = pd.read_csv(file, usecols=["arch", "iso_class"])
    space = make_space("nb201")
    ids = space.function_ids(space.parse(frame["arch"]))
    assert same_partition(ids, frame["iso_class"].to_numpy())


def test_nb201_reads_strings_as_the_official_package_does() -> None:
    from nas_201_api import NASBench201API

    space = make_space("nb201")
    codes = space.sample(200, seed=0)
    for string, row in zip(space.format(codes), codes, strict=True):
        nodes = NASBench201API.str2lists(string)
        official = {
            (source, target): operation
            for target, node in enumerate(nodes, start=1)
            for operation, source in node
        }
        assert [official[edge] for edge in space.edges] == [space.operations[k].name for k in row]


def computed(space, codes):
    """Return what cells compute on one input when their operations are arbitrary odd maps."""
    rng = np.random.default_rng(0)
    width = 4
    maps = []
    for operation in space.operations:
        weights = rng.normal(size=(width, width))
        maps.append(
            {"zero": lambda x: 0 * x, "skip": lambda x: x}.get(
                operation.kind, lambda x, w=weights: np.tanh(x @ w)
            )
        )
    nodes = [np.broadcast_to(rng.normal(size=width), (len(codes), width))]
    for target in range(1, space.n_nodes):
        total = np.zeros((len(codes), width))
        for column, (source, end) in enumerate(space.edges):
            if end == target:
                results = np.stack([apply(nodes[source]) for apply in maps])
                total += results[codes[:, column], np.arange(len(codes))]
        nodes.append(total)
    return nodes[-1]


@pytest.mark.parametrize("name", ["nb201", "transnas-micro"])
def test_cells_of_one_class_compute_the_same(name) -> None:
    space = make_space(name)
    codes = space.all_codes()
    np.testing.assert_allclose(
        computed(space, codes), computed(space, space.canonical(codes)), atol=1e-9
    )


@pytest.fixture(scope="module")
def publisher():
    """The module of nas-bench-graph that defines its equivalence, without the package around it."""
    found = importlib.util.find_spec("nas_bench_graph").submodule_search_locations[0]
    spec = importlib.util.spec_from_file_location("publisher", f"{found}/architecture.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_nbgraph_functions_are_the_publishers(publisher) -> None:
    space = make_space("nbgraph")
    names = [operation.name for operation in space.operations]
    assert names == publisher.gnn_list
    everything = space.all_codes()
    hashes = [
        publisher.Arch(publisher.link_list[link].copy(), [names[k] for k in row]).valid_hash()
        for link, *row in everything.tolist()
    ]
    assert same_partition(space.function_ids(everything), np.array(hashes))


def test_nbgraph_reads_a_topology_with_renamed_nodes_as_the_publisher_does(publisher) -> None:
    space = make_space("nbgraph")
    every = [[0, *rest] for rest in itertools.product(range(2), range(3), range(4))]
    assert len(every) == 24
    for links in every:
        operations = ["gcn", "gat", "fc", "cheb"]
        theirs = publisher.Arch(links.copy(), operations).regularize()
        written = ["-".join(map(str, link)) for link in (links, theirs.link)]
        ours, again = space.parse(
            ["|".join([written[0], *operations]), "|".join([written[1], *theirs.ops])]
        )
        assert space.function_ids([ours])[0] == space.function_ids([again])[0], links


def test_every_measured_graph_network_is_its_own_function(nbgraph) -> None:
    assert len(nbgraph) == 26206
    assert len(np.unique(nbgraph.space.function_ids(nbgraph.codes))) == 26206


@given(spaces_and_codes())
def test_graphs_are_acyclic_and_alive_means_on_the_way_from_input_to_output(drawn) -> None:
    space, codes = drawn
    nodes, adjacency, mask = space.graphs(codes)
    n, v = nodes.shape
    assert adjacency.shape == (n, v, v)
    assert mask.shape == (n, v)
    assert (nodes[:, :2] == [0, 1]).all()
    assert mask[:, :2].all()
    assert nodes.min() >= 0
    assert nodes.max() < len(space.node_types)
    steps = adjacency.astype(np.int64)
    assert not np.linalg.matrix_power(steps, v).any()
    assert not (adjacency & ~(mask[:, :, None] & mask[:, None, :])).any()
    reached = np.linalg.matrix_power(steps + np.eye(v, dtype=np.int64), v) > 0
    inner = mask[:, 2:]
    assert np.array_equal(inner, (reached[:, 0, 2:] & reached[:, 2:, 1]) & inner)
    assert np.array_equal(inner.any(axis=1) | adjacency[:, 0, 1], reached[:, 0, 1])


@given(spaces_and_codes())
def test_a_live_path_is_a_walk_through_the_graph(drawn) -> None:
    space, codes = drawn
    graphs, paths = space.graphs(codes), space.paths(codes)
    # Variables follow the nodes of input and output; topologies and edges are no nodes.
    shift = {"nbgraph": 1, "ec-nas": 2 - 10}.get(space.name, 2)
    for row in range(len(codes)):
        for variables, operations, alive in zip(
            paths.variables[row], paths.operations[row], paths.alive[row], strict=True
        ):
            steps = [0, *(variables[variables >= 0] + shift), 1]
            walk = graphs.adjacency[row][steps[:-1], steps[1:]]
            assert alive == walk.all()
            if alive:
                kinds = graphs.nodes[row][steps[1:-1]] - 2
                assert kinds.tolist() == operations[operations >= 0].tolist()


@pytest.mark.parametrize("name", ["nb201", "transnas-micro"])
def test_renaming_the_inner_nodes_of_a_cell_keeps_its_graph_and_paths(name) -> None:
    space = make_space(name)
    codes = space.sample(50, seed=0)
    codes[:, 2] = space.zero  # nothing flows between the inner nodes: they can change places
    twins = codes[:, [1, 0, 2, 3, 5, 4]]
    np.testing.assert_allclose(computed(space, codes), computed(space, twins), atol=1e-9)
    order = [0, 1, 3, 2, 4, 5, 7, 6]
    nodes, adjacency, mask = space.graphs(codes)
    renamed = space.graphs(twins)
    assert np.array_equal(renamed.nodes, nodes[:, order])
    assert np.array_equal(renamed.mask, mask[:, order])
    assert np.array_equal(renamed.adjacency, adjacency[:, order][:, :, order])
    paths, others = space.paths(codes), space.paths(twins)
    for row in range(len(codes)):
        sequences = [sorted(p.operations[row][p.alive[row]].tolist()) for p in (paths, others)]
        assert sequences[0] == sequences[1]


def flows(graphs):
    """Return the edges of the only graph."""
    return [tuple(edge) for edge in np.argwhere(graphs.adjacency[0]).tolist()]


def test_the_graph_and_the_paths_of_one_cell() -> None:
    space = make_space("nb201")
    code = space.parse(
        "|nor_conv_3x3~0|+|none~0|avg_pool_3x3~1|+|skip_connect~0|none~1|nor_conv_1x1~2|"
    )
    graphs = space.graphs(code)
    # Nodes: input, output, then the edges 0-1, 0-2, 1-2, 0-3, 1-3, 2-3.
    names = [space.node_types[k] for k in graphs.nodes[0]]
    assert names[:3] == ["input", "output", "nor_conv_3x3"]
    assert names[4:6] == ["avg_pool_3x3", "skip_connect"]
    assert graphs.mask[0].tolist() == [True, True, True, False, True, True, False, True]
    assert flows(graphs) == [(0, 2), (0, 5), (2, 4), (4, 7), (5, 1), (7, 1)]
    paths = space.paths(code)
    # The paths 0-3, 0-1-3, 0-2-3 and 0-1-2-3.
    assert paths.alive[0].tolist() == [True, False, False, True]
    assert paths.operations[0].tolist() == [[1, -1, -1], [3, 0, -1], [0, 2, -1], [3, 4, 2]]
    assert paths.variables[0].tolist() == [[3, -1, -1], [0, 4, -1], [1, 5, -1], [0, 2, 5]]


def test_a_cell_without_a_live_path_has_an_empty_graph() -> None:
    graphs = make_space("nb201").graphs([[3, 3, 3, 0, 0, 0]])
    assert not graphs.adjacency.any()
    assert graphs.mask[0].tolist() == [True, True] + [False] * 6


def test_the_graph_and_the_paths_of_one_graph_network() -> None:
    space = make_space("nbgraph")
    code = space.parse("0-0-1-2|gcn|gat|skip|fc")
    assert flows(space.graphs(code)) == [(0, 2), (0, 3), (2, 4), (3, 5), (4, 1), (5, 1)]
    paths = space.paths(code)
    assert paths.alive[0].tolist() == [True, True, False, False]
    assert paths.operations[0, :2].tolist() == [[1, 8, -1, -1], [0, 7, -1, -1]]
    assert paths.variables[0, :2].tolist() == [[1, 3, -1, -1], [2, 4, -1, -1]]


def test_the_graph_and_the_path_of_one_macro_network() -> None:
    space = make_space("transnas-macro")
    code = space.parse("64-2134-basic")
    graphs = space.graphs(code)
    assert flows(graphs) == [(0, 2), (2, 3), (3, 4), (4, 5), (5, 1)]
    assert graphs.mask[0].tolist() == [True] * 6 + [False] * 2
    assert space.paths(code).operations[0].tolist() == [[2, 1, 3, 4, -1, -1]]


def test_the_graph_and_the_path_of_a_strangers_architecture() -> None:
    space = ProductSpace([["a", "b"], ["c"], ["d", "e"]])
    graphs = space.graphs([[1, 0, 1]])
    assert [space.node_types[k] for k in graphs.nodes[0]] == [
        "input",
        "output",
        "0:b",
        "1:c",
        "2:e",
    ]
    assert flows(graphs) == [(0, 2), (0, 3), (0, 4), (2, 1), (2, 3), (2, 4), (3, 1), (3, 4), (4, 1)]
    assert space.paths([[1, 0, 1]]).operations[0].tolist() == [[1, 2, 4]]
