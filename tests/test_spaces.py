"""nasurge.data.spaces: round trips, moves, equivalence and graphs of every space."""

import copy
import gzip
import importlib.util
import itertools
import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from sklearn.base import clone
from strategies import SPACES, product_spaces, seeds, spaces_and_codes

from nasurge.data.encoders import OneHot
from nasurge.data.spaces import ProductSpace, make_space
from nasurge.errors import ArchitectureError, ParameterError, SchemaError, UnknownNameError

every_space = pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
SIZES = {
    "nb201": (15625, 6466),
    "nbgraph": (9 * (9**4 - 1), 26206),
    "transnas-micro": (4096, None),
    "transnas-macro": (3256, 3256),
    "product": (3 * 2 * 3 * 1, 3 * 2 * 3 * 1),
}


@every_space
def test_the_space_has_as_many_architectures_and_functions_as_published(space):
    size, functions = SIZES[space.name]
    assert space.size == size == len(space.all_codes())
    if functions:
        assert space.n_functions == functions
    everything = space.all_codes()
    assert len(np.unique(space.function_ids(everything))) == space.n_functions
    assert len(np.unique(space.index(everything))) == space.size


@given(spaces_and_codes(min_rows=0))
def test_strings_and_numbers_lead_back_to_the_same_codes(drawn):
    space, codes = drawn
    assert np.array_equal(space.parse(space.format(codes)), codes)
    assert np.array_equal(space.from_index(space.index(codes)), codes)
    assert space.parse(space.format(codes)).dtype == space.sample(1, seed=0).dtype == np.int8
    assert space.is_valid(codes).all()


@given(product_spaces(), seeds)
def test_a_strangers_space_reads_what_it_writes_and_is_inferred_from_it(space, seed):
    codes = space.sample(20, seed=seed)
    strings = space.format(codes)
    assert np.array_equal(space.parse(strings), codes)
    inferred = ProductSpace.infer(strings, name="again")
    same = inferred.parse(strings)
    assert inferred.format(same) == strings
    assert len(np.unique(inferred.index(same))) == len(np.unique(space.index(codes)))


@every_space
def test_parse_takes_one_string_an_array_or_a_series(space):
    codes = space.sample(3, seed=0)
    strings = space.format(codes)
    assert np.array_equal(space.parse(strings[0]), codes[:1])
    assert np.array_equal(space.parse(np.array(strings)), codes)
    assert np.array_equal(space.parse(pd.Series(strings, index=[7, 8, 9])), codes)


@every_space
def test_a_space_survives_pickle_copy_and_clone(space):
    for made in (pickle.loads(pickle.dumps(space)), copy.copy(space), copy.deepcopy(space)):
        assert made == space
        assert hash(made) == hash(space)
        assert made.spec() == space.spec()
    assert clone(OneHot(space)).space == space
    assert make_space(space.spec()) == space
    assert space != make_space("nb201" if space.name != "nb201" else "nbgraph")


@given(spaces_and_codes(), seeds)
def test_a_seed_repeats_every_move_and_a_generator_goes_on(drawn, seed):
    space, codes = drawn
    for move in (
        lambda seed: space.sample(8, seed=seed),
        lambda seed: space.sample(8, seed=seed, unique=True),
        lambda seed: space.mutate(codes, seed=seed),
        lambda seed: space.crossover(codes, codes[::-1], seed=seed),
    ):
        assert np.array_equal(move(seed), move(seed))
        assert space.is_valid(move(seed)).all()
    rng = np.random.default_rng(seed)
    assert not np.array_equal(space.sample(30, seed=rng), space.sample(30, seed=rng))


@every_space
def test_a_unique_sample_of_the_whole_space_is_the_space(space):
    drawn = space.sample(space.size, seed=0, unique=True)
    assert np.array_equal(np.sort(space.index(drawn)), space.index(space.all_codes()))
    assert space.sample(0, seed=0).shape == (0, space.n_variables)
    for n, unique in ((space.size + 1, True), (-1, False), (-1, True)):
        with pytest.raises(ParameterError, match=f"cannot sample {n}"):
            space.sample(n, seed=0, unique=unique)


def test_samples_are_uniform_over_the_valid_architectures():
    # 10 draws per network on average: chi2 has 3,255 degrees of freedom, mean 3,255 and standard
    # deviation 81; six of them are passed less than once in 10^8 runs, and the seed is fixed.
    space = make_space("transnas-macro")
    n = 10 * space.size
    counts = np.bincount(space.index(space.sample(n, seed=0)), minlength=space.n_codes)
    counts = counts[space.index(space.all_codes())]
    assert counts.sum() == n
    assert abs(((counts - 10) ** 2 / 10).sum() - 3255) < 6 * 81


@given(spaces_and_codes(), seeds)
def test_mutation_changes_exactly_one_variable(drawn, seed):
    space, codes = drawn
    before = codes.copy()
    mutants = space.mutate(codes, seed=seed)
    assert ((mutants != codes).sum(axis=1) == 1).all()
    assert space.is_valid(mutants).all()
    assert np.array_equal(codes, before)


@every_space
def test_mutation_reaches_every_neighbour(space):
    code = space.sample(1, seed=3)
    neighbours, _ = space.neighbours(code)
    mutants = space.mutate(np.repeat(code, 3000, axis=0), seed=0)
    assert set(space.index(mutants)) == set(space.index(neighbours))


@settings(max_examples=20)
@given(spaces_and_codes(max_rows=3))
def test_neighbours_are_all_architectures_at_distance_one(drawn):
    space, codes = drawn
    neighbours, origin = space.neighbours(codes)
    assert neighbours.dtype == np.int8
    everything = space.all_codes()
    for row, code in enumerate(codes):
        expected = everything[(everything != code).sum(axis=1) == 1]
        found = neighbours[origin == row]
        assert np.array_equal(np.sort(space.index(found)), space.index(expected))
    assert np.array_equal(origin, np.sort(origin))


@given(spaces_and_codes(), seeds)
def test_a_child_has_every_variable_from_one_of_its_parents(drawn, seed):
    space, first = drawn
    second = space.sample(len(first), seed=seed)
    children = space.crossover(first, second, seed=seed)
    assert ((children == first) | (children == second)).all()
    assert space.is_valid(children).all()
    assert np.array_equal(space.crossover(first, first, seed=seed), first)


def test_a_space_of_one_architecture_has_no_neighbours():
    space = ProductSpace([["a"], ["b"]])
    assert space.neighbours([[0, 0]])[0].shape == (0, 2)
    with pytest.raises(ParameterError, match="one architecture"):
        space.mutate([[0, 0]])


def test_a_space_too_large_to_list_still_samples_without_repeats():
    space = ProductSpace([list("abcdefghij")] * 12)
    assert space.size == 10**12
    drawn = space.sample(1000, seed=0, unique=True)
    assert len(np.unique(space.index(drawn))) == 1000
    assert np.array_equal(space.sample(1000, seed=0, unique=True), drawn)
    assert space.neighbours(drawn[:2])[0].shape == (2 * 12 * 9, 12)
    with pytest.raises(ParameterError, match="too many to list"):
        space.all_codes()


@every_space
@pytest.mark.parametrize(
    "call", ["check", "is_valid", "index", "format", "canonical", "graphs", "paths", "mutate"]
)
def test_codes_of_a_wrong_shape_or_type_are_refused(space, call):
    method = getattr(space, call)
    good = space.sample(2, seed=0)
    for wrong, message in (
        (good[0], "have shape"),
        (good[:, :-1], "have shape"),
        (np.hstack([good, good]), "have shape"),
        ([], "have shape"),
        (good + 0.5, "received .*5 as variable 0 of row 0"),
        (np.where(np.arange(len(good))[:, None] == 1, np.nan, good), "nan as variable 0 of row 1"),
        (np.full(good.shape, np.inf), "inf"),
        (good.astype(str), "dtype"),
        (good.astype(object), "dtype object"),
        ([[0] * space.n_variables, [0]], "integer array"),
    ):
        with pytest.raises(ArchitectureError, match=message) as caught:
            method(wrong)
        assert space.name in str(caught.value)


@every_space
@pytest.mark.parametrize(
    "call",
    ["check", "index", "function_ids", "canonical", "format", "graphs", "paths", "mutate"],
)
def test_codes_out_of_range_name_the_row_and_the_variable(space, call):
    codes = space.sample(3, seed=0).astype(np.int64)
    for value in (-1, space.cardinalities[-1], 256, 2**40):
        codes[2, -1] = value
        with pytest.raises(ArchitectureError, match=f"row 2 .*variable .* is {value}, allowed 0"):
            getattr(space, call)(codes)
        assert space.is_valid(codes).tolist() == [True, True, False]


@pytest.mark.parametrize("call", ["check", "index", "format", "canonical", "graphs", "mutate"])
@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("nbgraph", [3, 8, 8, 8, 8]),  # skips only
        ("transnas-macro", [1, 1, 1, 1, 0, 0]),  # neither doubles nor halves
        ("transnas-macro", [2, 3, 1, 0, 1, 1]),  # a hole
        ("transnas-macro", [2, 2, 2, 2, 3, 1]),  # doubles four times
    ],
)
def test_codes_that_break_a_rule_of_the_space_are_refused(name, row, call):
    space = make_space(name)
    codes = np.vstack([space.sample(1, seed=0), row])
    assert space.is_valid(codes).tolist() == [True, False]
    with pytest.raises(ArchitectureError, match=r"row 1 .*breaks a rule"):
        getattr(space, call)(codes)


@every_space
def test_whole_floats_other_integers_and_lists_are_codes(space):
    codes = space.sample(4, seed=0)
    assert np.array_equal(space.check(codes.astype(float)), codes)
    assert np.array_equal(space.check(codes.astype(np.uint64)), codes)
    assert np.array_equal(space.check(codes.tolist()), codes)


@every_space
def test_numbers_outside_the_space_are_refused(space):
    for wrong in ([space.n_codes], [0, -1]):
        with pytest.raises(ArchitectureError, match=f"index {wrong[-1]} is not in space"):
            space.from_index(wrong)
    with pytest.raises(ArchitectureError, match="shape"):
        space.from_index(0)


CELL = "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"


@pytest.mark.parametrize(
    ("name", "string", "message"),
    [
        ("nb201", CELL.replace("none~2", "conv~2"), "'conv~2' is none of"),
        ("nb201", CELL.replace("none~2", "none~1"), "'none~1' is none of none~2"),
        ("nb201", CELL[:-1], "three groups"),
        ("nb201", CELL + "+|none~0|", "three groups"),
        ("nb201", "", "three groups"),
        ("nb201", None, "NoneType"),
        ("nb201", 3, "int"),
        ("nbgraph", "0-1-2-9|gcn|gcn|gcn|gcn", "'0-1-2-9' is no topology"),
        ("nbgraph", "0-1-2|gcn|gcn|gcn", "no topology"),
        ("nbgraph", "0-1-2-1|gcn|gcn|gcn", "expected four operations, found 3"),
        ("nbgraph", "0-1-2-1|gcn|gcn|gcn|mlp", "'mlp' is none of"),
        ("nbgraph", "0-1-2-1|skip|skip|skip|skip", "breaks a rule"),
        ("nbgraph", "a-b-c-d|gcn|gcn|gcn|gcn", "invalid literal"),
        ("transnas-micro", "64-41414-1_23_014", "operations are 0 to 3"),
        ("transnas-micro", "64-41414-1_23_01", "expected 64-41414"),
        ("transnas-micro", "32-41414-1_23_012", "expected 64-41414"),
        ("transnas-macro", "64-212315-basic", "4 to 6 modules"),
        ("transnas-macro", "64-212-basic", "4 to 6 modules"),
        ("transnas-macro", "64-2123-fancy", "64-MODULES-basic"),
        ("transnas-macro", "64-1111-basic", "breaks a rule"),
        ("product", "a|conv|2|only", "choice 2 is '2', allowed -1, 1, 0.5"),
        ("product", "a|conv", "expected 4 choices, found 2"),
    ],
)
def test_a_wrong_string_is_named_with_the_reason_and_an_example(name, string, message):
    space = SPACES[name]
    with pytest.raises(ArchitectureError, match=message) as caught:
        space.parse([space.example, string])
    text = str(caught.value)
    assert repr(string) in text
    assert "number 1" in text
    assert space.example in text


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ([], "1 to 127 variables"),
        ([["a"]] * 128, "1 to 127 variables"),
        ([["a"], []], "variable 1 has 0"),
        ([[f"v{k}" for k in range(128)]], "variable 0 has 128"),
        ([["a", "a"]], "must differ"),
        ([["a b"]], "one word"),
        ([["a"], ["x|y"]], "variable 1"),
        ([list("abcde")] * 28, "more than 2\\*\\*63"),
    ],
)
def test_choices_that_make_no_space_are_refused(choices, message):
    with pytest.raises(SchemaError, match=message):
        ProductSpace(choices)


@pytest.mark.parametrize(
    ("strings", "message"),
    [
        ([], "no architecture"),
        (["a-b", "a-b-c"], "'a-b' has 2 and 'a-b-c' has 3"),
        (["a+b", "a*b"], "'a\\+b' and 'a\\*b' name the same choices"),
        (["", ""], "variables, not 0"),
    ],
)
def test_strings_that_span_no_space_are_refused(strings, message):
    with pytest.raises(SchemaError, match=message):
        ProductSpace.infer(strings, name="x")


def test_a_sign_belongs_to_its_number():
    space = ProductSpace.infer(["(1, -1)", "(1, 1)", "(-1,1)"], name="x")
    assert space.choices == (("-1", "1"), ("-1", "1"))
    assert len(np.unique(space.parse(["(1, -1)", "(1, 1)", "(-1,1)"]), axis=0)) == 3


def test_an_unknown_space_suggests_the_nearest():
    with pytest.raises(UnknownNameError, match="did you mean 'nb201'"):
        make_space("nb-201")


@given(spaces_and_codes())
def test_the_canonical_form_is_the_one_of_its_function(drawn):
    space, codes = drawn
    canonical = space.canonical(codes)
    assert np.array_equal(space.canonical(canonical), canonical)
    assert np.array_equal(space.function_ids(canonical), space.function_ids(codes))
    assert space.is_valid(canonical).all()


@every_space
def test_equal_functions_have_one_canonical_form_and_different_ones_have_two(space):
    everything = space.all_codes()
    ids, forms = space.function_ids(everything), space.index(space.canonical(everything))
    assert same_partition(ids, forms)
    assert ids.min() >= 0


@given(spaces_and_codes(min_rows=2), seeds)
def test_the_canonical_form_does_not_depend_on_the_other_rows(drawn, seed):
    space, codes = drawn
    order = np.random.default_rng(seed).permutation(len(codes))
    assert np.array_equal(space.canonical(codes[order]), space.canonical(codes)[order])


def same_partition(first, second):
    """Whether two labellings put the same rows together."""
    pairs = len(set(zip(first.tolist(), second.tolist(), strict=True)))
    return pairs == len(np.unique(first)) == len(np.unique(second))


@pytest.mark.reference
def test_nb201_classes_are_the_published_ones(reference):
    with gzip.open(reference / "nb201.csv.gz", "rt") as file:
        frame = pd.read_csv(file, usecols=["arch", "iso_class"])
    space = make_space("nb201")
    ids = space.function_ids(space.parse(frame["arch"]))
    assert same_partition(ids, frame["iso_class"].to_numpy())


def test_nb201_reads_strings_as_the_official_package_does():
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
def test_cells_of_one_class_compute_the_same(name):
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


def test_nbgraph_functions_are_the_publishers(publisher):
    space = make_space("nbgraph")
    names = [operation.name for operation in space.operations]
    assert names == publisher.gnn_list
    everything = space.all_codes()
    hashes = [
        publisher.Arch(publisher.link_list[link].copy(), [names[k] for k in row]).valid_hash()
        for link, *row in everything.tolist()
    ]
    assert same_partition(space.function_ids(everything), np.array(hashes))


def test_nbgraph_reads_a_topology_with_renamed_nodes_as_the_publisher_does(publisher):
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


def test_every_measured_graph_network_is_its_own_function(nbgraph):
    assert len(nbgraph) == 26206
    assert len(np.unique(nbgraph.space.function_ids(nbgraph.codes))) == 26206


@given(spaces_and_codes())
def test_graphs_are_acyclic_and_alive_means_on_the_way_from_input_to_output(drawn):
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
    assert np.array_equal(inner.any(axis=1), reached[:, 0, 1])


@given(spaces_and_codes())
def test_a_live_path_is_a_walk_through_the_graph(drawn):
    space, codes = drawn
    graphs, paths = space.graphs(codes), space.paths(codes)
    # Variables follow the nodes of input and output; the first of NAS-Bench-Graph is no node.
    shift = 1 if space.name == "nbgraph" else 2
    for row in range(len(codes)):
        for variables, operations, alive in zip(
            paths.variables[row], paths.operations[row], paths.alive[row], strict=True
        ):
            steps = [0, *(variables[variables >= 0] + shift), 1]
            walk = graphs.adjacency[row][steps[:-1], steps[1:]]
            assert alive == (len(steps) > 2 and walk.all())
            if alive:
                kinds = graphs.nodes[row][steps[1:-1]] - 2
                assert kinds.tolist() == operations[operations >= 0].tolist()


@pytest.mark.parametrize("name", ["nb201", "transnas-micro"])
def test_renaming_the_inner_nodes_of_a_cell_keeps_its_graph_and_paths(name):
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


def test_the_graph_and_the_paths_of_one_cell():
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


def test_a_cell_without_a_live_path_has_an_empty_graph():
    graphs = make_space("nb201").graphs([[3, 3, 3, 0, 0, 0]])
    assert not graphs.adjacency.any()
    assert graphs.mask[0].tolist() == [True, True] + [False] * 6


def test_the_graph_and_the_paths_of_one_graph_network():
    space = make_space("nbgraph")
    code = space.parse("0-0-1-2|gcn|gat|skip|fc")
    assert flows(space.graphs(code)) == [(0, 2), (0, 3), (2, 4), (3, 5), (4, 1), (5, 1)]
    paths = space.paths(code)
    assert paths.alive[0].tolist() == [True, True, False, False]
    assert paths.operations[0, :2].tolist() == [[1, 8, -1, -1], [0, 7, -1, -1]]
    assert paths.variables[0, :2].tolist() == [[1, 3, -1, -1], [2, 4, -1, -1]]


def test_the_graph_and_the_path_of_one_macro_network():
    space = make_space("transnas-macro")
    code = space.parse("64-2134-basic")
    graphs = space.graphs(code)
    assert flows(graphs) == [(0, 2), (2, 3), (3, 4), (4, 5), (5, 1)]
    assert graphs.mask[0].tolist() == [True] * 6 + [False] * 2
    assert space.paths(code).operations[0].tolist() == [[2, 1, 3, 4, -1, -1]]


def test_the_graph_and_the_path_of_a_strangers_architecture():
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
