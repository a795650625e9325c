"""Spaces of ConfigSpace, of Optuna distributions, and of files."""

from __future__ import annotations

import json

import numpy as np
import optuna
import pytest

import nasurge
from nasurge import Space
from nasurge.data.spaces import make_space
from nasurge.errors import DataFileError, NasurgeError, SchemaError, StorageError

TOML = """
name = "mine"
forbidden = ["stem == pool and width == 64"]

[variables]
depth = {ordered = [2, 3, 4]}
width = [16, 32, 64]
stem = ["conv", "pool"]
rate = {ordered = [0.001, 0.1], steps = 3, log = true}
"op{1..4}" = {choice = ["conv3", "mb6"], active = "depth >= {i}"}
"""


@pytest.fixture
def foreign():
    """A ConfigSpace with every kind of hyperparameter, condition and rule."""
    cs = pytest.importorskip("ConfigSpace")
    space = cs.ConfigurationSpace(name="theirs", seed=0)
    op = cs.CategoricalHyperparameter("op", ["a", "b", "c"])
    units = cs.UniformIntegerHyperparameter("units", 1, 100_000, log=True, default_value=77)
    rate = cs.UniformFloatHyperparameter("learning rate", 1e-5, 1e-1, log=True)
    size = cs.OrdinalHyperparameter("size", ["s", "m", "l"])
    width = cs.OrdinalHyperparameter("width", [1, 2, 4])
    heads = cs.UniformIntegerHyperparameter("heads", 1, 3)
    layers = cs.UniformIntegerHyperparameter("layers", 1, 3)
    space.add([rate, width, cs.Constant("fixed", 3), op, units, size, heads, layers])
    both = cs.AndConjunction(
        cs.EqualsCondition(rate, op, "a"), cs.LessThanCondition(rate, units, 50)
    )
    either = cs.OrConjunction(
        cs.InCondition(width, op, ["a", "b"]), cs.GreaterThanCondition(width, size, "s")
    )
    space.add([both, either])
    space.add(
        cs.ForbiddenAndConjunction(
            cs.ForbiddenEqualsClause(op, "b"), cs.ForbiddenInClause(size, ["s", "m"])
        )
    )
    space.add(cs.ForbiddenLessThanRelation(heads, layers))
    return space


def test_every_architecture_of_a_converted_space_is_one_over_there(foreign) -> None:
    cs = pytest.importorskip("ConfigSpace")
    space = Space(foreign)
    assert space.name == "theirs"
    for values in space.to_dicts(space.sample(300, seed=0)):
        cs.Configuration(foreign, values=values).check_valid_configuration()
    assert 77 in space.values[space.variables.index("units")], "a default is on the grid"


def test_every_configuration_on_the_grid_is_an_architecture(foreign) -> None:
    space = make_space(foreign)
    on_grid = 0
    for configuration in foreign.sample_configuration(300):
        values = {k: v.item() if hasattr(v, "item") else v for k, v in dict(configuration).items()}
        values["units"] = min(
            space.values[space.variables.index("units")], key=lambda v: abs(v - values["units"])
        )
        if "learning rate" in values:
            values["learning rate"] = 0.1
        if ("learning rate" in values) != (values["op"] == "a" and values["units"] < 50):
            continue
        (told,) = space.to_dicts(space.parse([values]))
        assert told == {key: values[key] for key in told}
        assert set(told) == set(values)
        on_grid += 1
    assert on_grid > 200


def test_a_converted_space_survives_json(foreign) -> None:
    space = Space(foreign, name="ours")
    assert space.name == "ours"
    again = make_space(json.loads(json.dumps(space.spec())))
    assert again == space
    codes = space.sample(500, seed=1)
    assert (again.active(codes) == space.active(codes)).all()
    text = space.describe()
    assert "never  op in ['b'] and size in ['s', 'm']" in text
    assert "if op in ['a', 'b'] or size in ['m', 'l']" in text


def test_what_has_no_counterpart_is_named() -> None:
    cs = pytest.importorskip("ConfigSpace")
    space = cs.ConfigurationSpace()
    space.add(cs.CategoricalHyperparameter("odd", ["a", ("b", "c")]))
    with pytest.raises(SchemaError, match="'odd'"):
        Space(space)


def test_optuna_distributions_are_variables() -> None:
    kinds = optuna.distributions
    space = Space(
        {
            "rate": kinds.FloatDistribution(1e-4, 1, log=True),
            "width": kinds.IntDistribution(8, 64, step=8),
            "share": kinds.FloatDistribution(0, 1, step=0.25),
            "op": kinds.CategoricalDistribution(["a", "b", True]),
            "depth": [2, 3],
        }
    )
    assert space.cardinalities == (16, 8, 5, 3, 2)
    assert np.allclose(space.numbers[0], np.linspace(0, 1, 16)), "even in ratios"
    assert space.values[2] == (0, 0.25, 0.5, 0.75, 1)
    with pytest.raises(SchemaError, match="'op'"):
        Space({"op": kinds.CategoricalDistribution(["a", None])})


def test_a_space_is_read_from_toml_and_json(tmp_path) -> None:
    path = tmp_path / "s.toml"
    path.write_text(TOML, encoding="utf-8")
    space = make_space(path)
    assert space == make_space(str(path))
    assert (space.name, space.n_variables) == ("mine", 8)
    assert space.values[3] == (0.001, 0.01, 0.1)
    other = tmp_path / "s.json"
    other.write_text(json.dumps(space.spec()), encoding="utf-8")
    assert make_space(other) == space
    assert nasurge.make_space({"depth": [2, 3], "op": ["a", "b"]}).size == 4


BAD = {
    "later": (
        '[variables]\nop = {choice = ["a"], active = "depth > 1"}\ndepth = [1, 2]',
        "'op' has the condition 'depth > 1': 'depth' comes later",
    ),
    "cycle": (
        '[variables]\na = {choice = [1], active = "b == 1"}\nb = {choice = [1], active = "a == 1"}',
        "'a' and 'b' depend on each other, a cycle",
    ),
    "empty": ("[variables]\n", "a space has variables"),
    "no value": ("[variables]\nwidth = []", "variable 'width': there is no value to choose"),
    "twice": ("[variables]\nwidth = [8, 16, 8]", "variable 'width': the value '8' occurs twice"),
    "nothing left": (
        'forbidden = ["op == a or op == b"]\n[variables]\nop = ["a", "b"]',
        "excludes (nearly) every architecture: op == a or op == b",
    ),
    "unknown key": ("[variables]\nw = {values = [1]}", "variable 'w': it has one of the keys"),
    "no variables": ('name = "x"', "describes no space: it has no section [variables]"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_wrong_file_is_one_error_with_its_name_and_the_variable(name, tmp_path) -> None:
    text, words = BAD[name]
    path = tmp_path / "bad.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SchemaError) as raised:
        make_space(str(path))
    assert str(path) in str(raised.value)
    assert words in str(raised.value)


def test_a_file_that_is_no_file_or_no_toml_is_said(tmp_path) -> None:
    with pytest.raises(StorageError, match=r"nothing\.toml"):
        make_space(str(tmp_path / "nothing.toml"))
    path = tmp_path / "odd.toml"
    path.write_text("[variables", encoding="utf-8")
    with pytest.raises(DataFileError, match=r"odd\.toml is not valid TOML"):
        make_space(path)


def test_codes_of_another_space_are_refused() -> None:
    space = Space({"depth": [2, 3], "op": ["a", "b"]})
    with pytest.raises(NasurgeError, match="'space'"):
        space.check([[4, 0]])
    with pytest.raises(NasurgeError):
        space.check(Space({"x": ["a", "b"]}).sample(3, seed=0))
