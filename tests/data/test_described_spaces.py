"""Spaces of one's own: variables, conditions, rules, identity, bad descriptions."""

from __future__ import annotations

import json

import numpy as np
import pytest

import nasurge
from nasurge import Space, choice, ordered, repeat
from nasurge.data.spaces import make_space
from nasurge.errors import ArchitectureError, ParameterError, SchemaError
from nasurge.testing.space import SPACE_CHECKS


def chain() -> Space:
    """Two to four layers, each with an operation of its own."""
    return Space(
        {
            "depth": ordered(2, 3, 4),
            "width": [0.5, 1, 2],
            "op{1..4}": choice("conv3", "mb6", "id", skip="id", active="depth >= {i}"),
        },
        name="chain",
    )


def once_for_all() -> Space:
    """Five stages of two to four layers: 46 variables, above 10**20 architectures."""
    layer = {"kernel": [3, 5, 7], "expand": [3, 4, 6]}
    stages = {f"stage{k}": repeat(2, 3, 4, of=layer) for k in range(1, 6)}
    return Space({"resolution": range(128, 225, 4), **stages}, name="stages")


def wide() -> Space:
    """A variable of 1,000 values, a rule, and a branch that only one value opens."""
    return Space(
        {
            "units": ordered(range(1, 1001)),
            "rate": ordered(1e-4, 1e-1, steps=16, log=True),
            "norm": [True, False],
            "kind": ["conv", "attention, local"],
            "heads": ordered(1, 2, 4, 8, active={"kind": "attention, local"}),
        },
        name="wide",
        forbidden=["kind == conv and norm == false"],
    )


SPACES = {"chain": chain, "stages": once_for_all, "wide": wide}


@pytest.mark.parametrize("check", SPACE_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", SPACES)
def test_a_described_space_keeps_the_contract(name, check) -> None:
    check(SPACES[name]())


def test_architectures_are_counted_without_the_inactive_variables() -> None:
    space = chain()
    assert space.size == len(space.all_codes()) == 3 * (3**2 + 3**3 + 3**4)
    stages = once_for_all()
    assert not stages.listed
    assert stages.size == 25 * (9**2 + 9**3 + 9**4) ** 5
    assert wide().size <= 1000 * 16 * (2 + 2 * 4)


def test_two_descriptions_of_one_architecture_are_one() -> None:
    space = chain()
    padded = np.array([[0, 1, 2, 1, 1, 2], [0, 1, 2, 1, 0, 0]])
    assert len(np.unique(space.keys(padded))) == 1
    assert space.format(padded)[0] == "depth=2,width=1,op1=id,op2=mb6"
    again = space.parse(
        [
            "depth=2, width=1, op2=mb6, op1=id",
            "2|1|id|mb6|-|-",
            '{"depth": 2, "width": 1.0, "op1": "id", "op2": "mb6"}',
            {"depth": 2, "width": 1, "op1": "id", "op2": "mb6", "op3": None},
            "depth=2,width=1,op1=id,op2=mb6,op3=conv3",  # of no effect: left out
        ]
    )
    assert (again == space.check(padded)[:1]).all()


def test_moves_reach_every_architecture_and_stay_inside() -> None:
    space = chain()
    known = {tuple(row) for row in space.all_codes().tolist()}
    reached = {tuple(space.all_codes()[0].tolist())}
    rows = space.all_codes()[:1]
    for _ in range(8):
        rows, _ = space.neighbours(rows)
        rows = np.unique(rows, axis=0)
        reached |= {tuple(row) for row in rows.tolist()}
    assert reached == known
    drawn = space.sample(3000, seed=0)
    depths = np.bincount(drawn[:, 0], minlength=3) / 3000
    assert np.abs(depths - 1 / 3).max() < 0.04, "small architectures are drawn as often as large"
    deeper = space.mutate(space.parse(["depth=2,width=1,op1=id,op2=id"] * 4000), seed=0)
    fresh = deeper[deeper[:, 0] == 2][:, 5]
    assert len(np.unique(fresh)) == 3, "layers that appear are drawn"
    assert len(space.sample(351, seed=1, unique=True)) == 351


def test_numbers_are_numbers() -> None:
    space = wide()
    assert space.dtype == np.int16
    (told,) = space.to_dicts(
        space.parse([{"units": 700, "rate": 0.1, "norm": True, "kind": "conv"}])
    )
    assert told == {"units": 700, "rate": 0.1, "norm": True, "kind": "conv"}
    assert np.allclose(space.numbers[1], np.linspace(0, 1, 16)), "a geometric grid, evenly"
    assert space.numbers[2] is None
    quoted = space.format(space.parse([{**told, "kind": "attention, local", "heads": 4}]))
    assert quoted == ['units=700,rate=0.1,norm=true,kind="attention, local",heads=4']
    assert ordered(1, 100, steps=5, log=True).values == (1, 3, 10, 32, 100)


def test_a_large_space_has_an_identity_for_every_row() -> None:
    space = once_for_all()
    codes = space.sample(2000, seed=0)
    keys = space.keys(codes)
    assert len(np.unique(keys)) == len(np.unique(codes, axis=0))
    assert np.array_equal(space.from_keys(keys.tolist()), codes)
    assert space.from_keys([]).shape == (0, space.n_variables)
    for refused in (space.all_codes, lambda: space.index(codes)):
        with pytest.raises(ParameterError, match="stages"):
            refused()
    with pytest.raises(ArchitectureError, match="identities"):
        space.from_keys([b"x" * 60])


def test_a_description_survives_json() -> None:
    for make in SPACES.values():
        space = make()
        assert make_space(json.loads(json.dumps(space.spec()))) == space


def test_the_table_of_variables_names_kinds_and_conditions() -> None:
    text = wide().describe()
    assert "heads  ordered" in text
    assert "if kind == attention, local" in text
    assert "never  kind == conv and norm == false" in text


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({}, "a space has variables"),
        ([["a"]], "a mapping"),
        ({"op": "conv"}, "'op': values are a sequence"),
        ({"op": []}, "'op': there is no value"),
        ({"op": ["a", "b", "a"]}, "'op': the value 'a' occurs twice"),
        ({"n": [1, 2.0, 2]}, "'n': the value '2' occurs twice"),
        ({"n": [1, float("nan")]}, "'n': values are text or numbers"),
        ({"n": {"ordered": [1, 2], "step": 2}}, "'n': ordered takes no 'step'"),
        ({"a=b": [1, 2]}, "cannot name a variable"),
        ({"a1": [1, 2], "a{1..2}": [1, 2]}, "two variables are called 'a1'"),
        ({"op": choice("a", active="n > 1"), "n": [1, 2]}, "'n' comes later"),
        ({"a": choice(1, 2, active="b == 1"), "b": choice(1, 2, active="a == 1")}, "a cycle"),
        ({"a": choice(1, 2, active="a == 1")}, "'a' cannot depend on itself"),
        ({"n": [1, 2], "op": choice("a", active="n > 2")}, "'op' .* never met"),
        ({"n": [1, 2], "op": choice("a", active="m > 2")}, "'m' is no variable; there are n, op"),
        ({"n": [1, 2], "op": choice("a", active="n = 2")}, "compares variables with values"),
        ({"n": [1, 2], "op": choice("a", active="n == 3")}, "of 'n', 3 is none of 1, 2"),
        ({"k": ["x", "y"], "op": choice("a", active="k > 1")}, "'k' has no order"),
        ({"k": ["x"], "op": choice("a", active="print('x') == k")}, "compares variables"),
    ],
)
def test_what_is_no_space_is_refused_by_name(variables, message) -> None:
    with pytest.raises(SchemaError, match=message):
        Space(variables)


def test_calls_that_make_no_variable_are_refused() -> None:
    for wrong, message in (
        (lambda: ordered(0, 1, steps=4, log=True), "above 0"),
        (lambda: ordered(3, 1, steps=4), "from the least to the largest"),
        (lambda: ordered("a", "b"), "finite numbers"),
        (lambda: choice("a", skip="b"), "skip names 'b'"),
        (lambda: repeat(1.5, of={"k": [1, 2]}), "whole number of times"),
        (lambda: repeat(1, 2, of={}), "variables of a layer"),
        (lambda: choice(*range(40_000)), "coarser grid"),
    ):
        with pytest.raises(SchemaError, match=message):
            wrong()


def test_rules_that_exclude_everything_are_refused() -> None:
    with pytest.raises(SchemaError, match=r"excludes .* every architecture: a in \(1, 2\)"):
        Space({"a": [1, 2], "b": ["x", "y"]}, forbidden=["a in (1, 2)"])
    with pytest.raises(SchemaError, match="excludes"):
        Space({f"a{i}": [1, 2] for i in range(60)}, forbidden=["a1 >= 1"])


@pytest.mark.parametrize(
    ("architecture", "message"),
    [
        ("depth=2,width=1,op1=id", "no value of 'op2'"),
        ("depth=9,width=1,op1=id,op2=id", "depth: '9' is none of 2, 3, 4"),
        ("depth=2,depth=3", "names 'depth' twice"),
        ("depth=2;width=1", "is none of"),
        ({"depth": 2, "size": 1}, "'size' is none of the variables"),
        ("2|1|id", "expected 6 values"),
        ("{broken", "Expecting"),
        (None, "not an architecture"),
    ],
)
def test_what_is_no_architecture_is_refused(architecture, message) -> None:
    with pytest.raises(ArchitectureError, match=message):
        chain().parse([architecture])


def test_rows_outside_are_named() -> None:
    with pytest.raises(ArchitectureError, match=r"row 1 .* variable 0 is 3"):
        chain().check([[0] * 6, [3] + [0] * 5])
    with pytest.raises(ArchitectureError, match="shape"):
        chain().check(once_for_all().sample(1, seed=0))


def test_predictors_learn_on_a_described_space() -> None:
    space = chain()
    codes = space.sample(60, seed=0, unique=True)
    y = codes[:, 0] + (codes[:, 2:] == 1).sum(axis=1) + 0.1 * codes[:, 1]
    others = space.sample(200, seed=1)
    truth = others[:, 0] + (others[:, 2:] == 1).sum(axis=1) + 0.1 * others[:, 1]
    for name in ("xgb", "gp"):
        scores = nasurge.make_predictor(name, space, seed=0).fit(codes, y).predict(others)
        assert np.corrcoef(scores, truth)[0, 1] > 0.8, name
