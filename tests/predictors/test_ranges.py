"""Every parameter of every predictor has a range, and a value outside is told before any fit."""

from dataclasses import Field, fields
from typing import Any

import numpy as np
import pytest
from predicting import SPACES, labelled
from sklearn.base import clone

from nasurge.data.networks import ZeroCost
from nasurge.errors import ParameterError
from nasurge.predictors import BayesianRidge
from nasurge.registry import make_predictor, predictor_class, predictor_names

SPACE = SPACES["nb201"]
# Parameters without a range, and who looks at them.
ELSEWHERE = {
    "space": "check_space, and make_predictor makes it of a name",
    "seed": "as_generator, in fit",
    "cheap": "arrays of any length or a function: LowFidelity looks at them in fit",
    "cheap_codes": "codes, checked by the space in fit",
    "prior": "a fitted prior: refusal says whether it is one of the space",
    "vector": "an array as long as those of the prior, which compares them",
}
# Values that no number and no choice may be.
NEVER: tuple[Any, ...] = (-0.5, np.nan, np.inf, -np.inf, "many", 10**400, b"", {}, object())


def ranged(name: str) -> list[Field[Any]]:
    """Parameters of a predictor that have a range."""
    return [f for f in fields(predictor_class(name)) if f.init and "range" in f.metadata]


@pytest.mark.parametrize("name", predictor_names())
def test_every_parameter_has_a_range_or_is_looked_at_elsewhere(name: str) -> None:
    declared = [parameter.name for parameter in fields(predictor_class(name)) if parameter.init]
    assert set(declared) - {parameter.name for parameter in ranged(name)} <= set(ELSEWHERE)


@pytest.mark.parametrize("name", predictor_names())
def test_a_wrong_value_is_told_at_once_by_predictor_and_parameter(name: str) -> None:
    for parameter in ranged(name):
        wrong = list(NEVER)
        if isinstance(parameter.default, bool):
            wrong += [0, 1, None]
        elif isinstance(parameter.default, int | float):
            wrong += [True, None]
        if type(parameter.default) is int:
            wrong += [2.5]
        if parameter.name == "images":
            wrong.remove("many")  # a name that load_images looks up
        for value in wrong:
            with pytest.raises(ParameterError, match=f"^{name}: {parameter.name} must be "):
                make_predictor(name, SPACE, **{parameter.name: value})


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("xgb", {"n_estimators": 0}),
        ("xgb", {"learning_rate": -1}),
        ("rf", {"n_estimators": 0}),
        ("rf", {"features": ()}),
        ("rf", {"features": "structure"}),
        ("rf", {"features": ("paths", "paths")}),
        ("lightgbm", {"num_leaves": 1}),
        ("mlp", {"members": 0}),
        ("mlp", {"learning_rate": 0}),
        ("mlp", {"dropout": 1}),
        ("gin", {"width": 0}),
        ("gat", {"width": 6}),
        ("gin", {"layers": 0}),
        ("gin", {"steps": 0}),
        ("weaknas", {"share": 1}),
        ("gp-wl", {"depth": 0}),
        ("arch2vec", {"pretraining_steps": 0}),
    ],
)
def test_what_gave_a_constant_or_nothing_is_refused(name: str, wrong: dict[str, Any]) -> None:
    with pytest.raises(ParameterError, match=f"^{name}: {next(iter(wrong))} must be "):
        make_predictor(name, SPACE, **wrong)


def test_a_constructor_only_stores_and_fit_compares() -> None:
    codes, y = labelled(SPACE, 20)
    model = clone(BayesianRidge(SPACE, labels="x"))
    with pytest.raises(ParameterError, match="BayesianRidge: labels must be one of"):
        model.fit(codes, y)
    model.set_params(labels="standardised").fit(codes, y)
    with pytest.raises(ParameterError, match="labels must be one of"):
        model.set_params(labels="x").update(codes[:1], y[:1])


def test_an_encoder_compares_where_it_encodes() -> None:
    for wrong in ({"width": 0}, {"names": ("x",)}, {"batch": 1}, {"jobs": 0}):
        with pytest.raises(ParameterError, match=f"ZeroCost: {next(iter(wrong))} must be "):
            ZeroCost(SPACE, **wrong).fit_transform(SPACE.sample(2, seed=0))


def test_weights_that_grow_beyond_all_bounds_are_an_error() -> None:
    codes, y = labelled(SPACE, 20)
    model = make_predictor("mlp", SPACE, learning_rate=1e30, steps=20, seed=0)
    with pytest.raises(ParameterError, match="smaller learning_rate"):
        model.fit(codes, y)
