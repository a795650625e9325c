"""nasurge.data.spaces: round trips, moves and errors of every space."""

import copy
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
    "mobile": (3**8, 7 * 3 * 7 * 3 * 7),
    "product": (3 * 2 * 3 * 1, 3 * 2 * 3 * 1),
}


@every_space
def test_the_space_has_as_many_architectures_and_functions_as_published(space) -> None:
    size, functions = SIZES[space.name]
    assert space.size == size == len(space.all_codes())
    if functions:
        assert space.n_functions == functions
    everything = space.all_codes()
    assert len(np.unique(space.function_ids(everything))) == space.n_functions
    assert len(np.unique(space.index(everything))) == space.size


@given(spaces_and_codes(min_rows=0))
def test_strings_and_numbers_lead_back_to_the_same_codes(drawn) -> None:
    space, codes = drawn
    assert np.array_equal(space.parse(space.format(codes)), codes)
    assert np.array_equal(space.from_index(space.index(codes)), codes)
    assert space.parse(space.format(codes)).dtype == space.sample(1, seed=0).dtype == np.int8
    assert space.is_valid(codes).all()


@given(product_spaces(), seeds)
def test_a_strangers_space_reads_what_it_writes_and_is_inferred_from_it(space, seed) -> None:
    codes = space.sample(20, seed=seed)
    strings = space.format(codes)
    assert np.array_equal(space.parse(strings), codes)
    inferred = ProductSpace.infer(strings, name="again")
    same = inferred.parse(strings)
    assert inferred.format(same) == strings
    assert len(np.unique(inferred.index(same))) == len(np.unique(space.index(codes)))


@every_space
def test_parse_takes_one_string_an_array_or_a_series(space) -> None:
    codes = space.sample(3, seed=0)
    strings = space.format(codes)
    assert np.array_equal(space.parse(strings[0]), codes[:1])
    assert np.array_equal(space.parse(np.array(strings)), codes)
    assert np.array_equal(space.parse(pd.Series(strings, index=[7, 8, 9])), codes)


@every_space
def test_a_space_survives_pickle_copy_and_clone(space) -> None:
    for made in (pickle.loads(pickle.dumps(space)), copy.copy(space), copy.deepcopy(space)):
        assert made == space
        assert hash(made) == hash(space)
        assert made.spec() == space.spec()
    assert clone(OneHot(space)).space == space
    assert make_space(space.spec()) == space
    assert space != make_space("nb201" if space.name != "nb201" else "nbgraph")


@given(spaces_and_codes(), seeds)
def test_a_seed_repeats_every_move_and_a_generator_goes_on(drawn, seed) -> None:
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
def test_a_unique_sample_of_the_whole_space_is_the_space(space) -> None:
    drawn = space.sample(space.size, seed=0, unique=True)
    assert np.array_equal(np.sort(space.index(drawn)), space.index(space.all_codes()))
    assert space.sample(0, seed=0).shape == (0, space.n_variables)
    for n, unique in ((space.size + 1, True), (-1, False), (-1, True)):
        with pytest.raises(ParameterError, match=f"cannot sample {n}"):
            space.sample(n, seed=0, unique=unique)


def test_samples_are_uniform_over_the_valid_architectures() -> None:
    # 10 draws per network on average: chi2 has 3,255 degrees of freedom, mean 3,255 and standard
    # deviation 81; six of them are passed less than once in 10^8 runs, and the seed is fixed.
    space = make_space("transnas-macro")
    n = 10 * space.size
    counts = np.bincount(space.index(space.sample(n, seed=0)), minlength=space.n_codes)
    counts = counts[space.index(space.all_codes())]
    assert counts.sum() == n
    assert abs(((counts - 10) ** 2 / 10).sum() - 3255) < 6 * 81


@given(spaces_and_codes(), seeds)
def test_mutation_changes_exactly_one_variable(drawn, seed) -> None:
    space, codes = drawn
    before = codes.copy()
    mutants = space.mutate(codes, seed=seed)
    assert ((mutants != codes).sum(axis=1) == 1).all()
    assert space.is_valid(mutants).all()
    assert np.array_equal(codes, before)


@every_space
def test_mutation_reaches_every_neighbour(space) -> None:
    code = space.sample(1, seed=3)
    neighbours, _ = space.neighbours(code)
    mutants = space.mutate(np.repeat(code, 3000, axis=0), seed=0)
    assert set(space.index(mutants)) == set(space.index(neighbours))


@settings(max_examples=20)
@given(spaces_and_codes(max_rows=3))
def test_neighbours_are_all_architectures_at_distance_one(drawn) -> None:
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
def test_a_child_has_every_variable_from_one_of_its_parents(drawn, seed) -> None:
    space, first = drawn
    second = space.sample(len(first), seed=seed)
    children = space.crossover(first, second, seed=seed)
    assert ((children == first) | (children == second)).all()
    assert space.is_valid(children).all()
    assert np.array_equal(space.crossover(first, first, seed=seed), first)


def test_a_space_of_one_architecture_has_no_neighbours() -> None:
    space = ProductSpace([["a"], ["b"]])
    assert space.neighbours([[0, 0]])[0].shape == (0, 2)
    with pytest.raises(ParameterError, match="one architecture"):
        space.mutate([[0, 0]])


def test_a_space_too_large_to_list_still_samples_without_repeats() -> None:
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
def test_codes_of_a_wrong_shape_or_type_are_refused(space, call) -> None:
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
def test_codes_out_of_range_name_the_row_and_the_variable(space, call) -> None:
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
def test_codes_that_break_a_rule_of_the_space_are_refused(name, row, call) -> None:
    space = make_space(name)
    codes = np.vstack([space.sample(1, seed=0), row])
    assert space.is_valid(codes).tolist() == [True, False]
    with pytest.raises(ArchitectureError, match=r"row 1 .*breaks a rule"):
        getattr(space, call)(codes)


@every_space
def test_whole_floats_other_integers_and_lists_are_codes(space) -> None:
    codes = space.sample(4, seed=0)
    assert np.array_equal(space.check(codes.astype(float)), codes)
    assert np.array_equal(space.check(codes.astype(np.uint64)), codes)
    assert np.array_equal(space.check(codes.tolist()), codes)


@every_space
def test_numbers_outside_the_space_are_refused(space) -> None:
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
        ("mobile", "mb3k3|skip", "expected 8 layers, found 2"),
        ("mobile", "|".join(["mb3k3"] * 7 + ["mb4k3"]), "'mb4k3' is none of"),
        ("product", "a|conv|2|only", "choice 2 is '2', allowed -1, 1, 0.5"),
        ("product", "a|conv", "expected 4 choices, found 2"),
    ],
)
def test_a_wrong_string_is_named_with_the_reason_and_an_example(name, string, message) -> None:
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
    ],
)
def test_choices_that_make_no_space_are_refused(choices, message) -> None:
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
def test_strings_that_span_no_space_are_refused(strings, message) -> None:
    with pytest.raises(SchemaError, match=message):
        ProductSpace.infer(strings, name="x")


def test_a_sign_belongs_to_its_number() -> None:
    space = ProductSpace.infer(["(1, -1)", "(1, 1)", "(-1,1)"], name="x")
    assert space.choices == (("-1", "1"), ("-1", "1"))
    assert len(np.unique(space.parse(["(1, -1)", "(1, 1)", "(-1,1)"]), axis=0)) == 3


def test_a_number_with_an_exponent_is_one_choice() -> None:
    rates = [1e-05, 0.001, 1e20, -2.5e-7]
    space = ProductSpace({"rate": rates, "width": [8, 16]})
    assert space.choices[0] == ("1e-05", "0.001", "1e+20", "-2.5e-07")
    assert np.array_equal(space.parse(space.format(space.all_codes())), space.all_codes())
    inferred = ProductSpace.infer(["1e-05, 3", "(1E+3,3)", ".5e-2 4"], name="x")
    assert inferred.cardinalities == (3, 2)
    assert ProductSpace.infer(["conv3e-5", "4e-5x"], name="x").n_variables == 2


@pytest.mark.parametrize("value", [float("nan"), np.float32("nan"), float("inf"), -np.inf])
def test_a_choice_is_no_missing_number(value) -> None:
    with pytest.raises(SchemaError, match="text or finite numbers; received"):
        ProductSpace([[1.0, value]])


def test_an_unknown_space_suggests_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'nb201'"):
        make_space("nb-201")


def test_where_the_identities_of_a_stage_stand_makes_no_difference() -> None:
    space = make_space("mobile")
    first, second, third = space.parse(
        [
            "mb3k3|skip|mb6k5|mb6k5|skip|skip|mb3k3|skip",
            "skip|mb3k3|mb6k5|skip|mb6k5|skip|skip|mb3k3",
            "skip|mb3k3|skip|mb6k5|mb6k5|skip|skip|mb3k3",  # a skip at layer 3 is a projection
        ]
    )
    ids = space.function_ids([first, second, third])
    assert ids[0] == ids[1] != ids[2]
    assert np.array_equal(space.canonical([first, second]), [second, second])
