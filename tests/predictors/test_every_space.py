"""Every predictor on every kind of space: it learns and predicts, or says why it cannot.

The whole product takes some minutes more: ``NASURGE_EVERY_SPACE=1``. By default each predictor
is tried on a chain, on a DAG and on a conditional space of 10^40, and each space with three.
"""

from __future__ import annotations

import os
import re
from functools import cache

import numpy as np
import pytest
from predicting import settings

import nasurge
from nasurge.data.networks import zero_cost_scores as zero_cost
from nasurge.data.spaces import SPACES as NAMES
from nasurge.data.spaces import Genotypes, NodeCell, Space, make_space
from nasurge.errors import ParameterError
from nasurge.predictors.names import PREDICTORS
from nasurge.registry import make_predictor, predictor_class, predictor_names

LABELS, ASKED = 24, 20
CHEAP = ("ridge", "gp", "xgb")
WHOLE = bool(os.environ.get("NASURGE_EVERY_SPACE"))


def conditional() -> Space:
    """Ten stages of two to four layers, above 10^40 architectures of 30 to 50 layers."""
    layer = {"kernel": [3, 5, 7], "expand": nasurge.ordered(3, 4, 6)}
    stages = {f"stage{k}": nasurge.repeat(2, 3, 4, of=layer) for k in range(1, 11)}
    return Space({"resolution": range(128, 225, 32), **stages}, name="ten-stages")


def branches() -> Space:
    """Conditions on categories and on numbers, a variable of 1,000 values, and a rule."""
    return Space(
        {
            "units": nasurge.ordered(range(1, 1001)),
            "rate": nasurge.ordered(1e-4, 1e-1, steps=16, log=True),
            "norm": [True, False],
            "kind": ["conv", "attention"],
            "heads": nasurge.ordered(1, 2, 4, 8, active={"kind": "attention"}),
            "window": nasurge.choice("global", "local", active="heads >= 4"),
        },
        name="branches",
        forbidden=["kind == conv and norm == false"],
    )


DESCRIBED = {
    "ten-stages": conditional,
    "branches": branches,
    "flat": lambda: Space({f"op{k}": ["a", "b", "c"] for k in range(30)}, name="flat"),
    "node-cell": lambda: NodeCell(4, ["conv1x1", "max_pool", "none"], name="node-cell"),
    "one-cell": lambda: Genotypes(3, ["conv", "none", "skip"], inputs=1, picks=1, cells=["one"]),
    "micro": lambda: Genotypes(5, ["identity", "sep3", "avg_pool"], repeats=True, name="micro"),
}
SPACES = [*NAMES, *DESCRIBED]
EXAMPLES = ("mnasnet", "nb101", "ten-stages")
PAIRS = [
    (name, space)
    for name in predictor_names()
    for space in SPACES
    if WHOLE or space in EXAMPLES or name in CHEAP
]


@cache
def space_of(name: str) -> Space:
    return DESCRIBED[name]() if name in DESCRIBED else make_space(name)


@cache
def architectures(name: str) -> np.ndarray:
    return space_of(name).sample(LABELS + ASKED, seed=0, unique=True)


def values_of(space: Space, codes: np.ndarray) -> np.ndarray:
    """A label that is a sum over the variables, of what is computed."""
    effects = np.random.default_rng(1).normal(size=(space.n_variables, max(space.cardinalities)))
    codes = space.canonical(codes)
    return 90 + effects[np.arange(codes.shape[1]), codes].sum(axis=1)


def other_description(space: Space, codes: np.ndarray) -> np.ndarray:
    """The same architectures with other values of what has no effect."""
    rng = np.random.default_rng(2)
    drawn = rng.integers(space.cardinalities, size=codes.shape).astype(codes.dtype)
    return np.where(space.active(codes), codes, drawn)


def parameters(name: str, space: Space, every: np.ndarray) -> dict[str, object]:
    """What makes a predictor quick."""
    if PREDICTORS[name].needs == "cheap values":
        return {"cheap": values_of(space, every), "cheap_codes": every}
    return settings(name, space, brief=True)


@pytest.fixture(autouse=True)
def _few_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Standardise zero-cost proxies by few networks: each has to be built."""
    monkeypatch.setattr(zero_cost, "_REFERENCE", 8)


@pytest.mark.parametrize(("name", "space_name"), PAIRS)
def test_a_predictor_serves_a_space_or_says_why_not(name: str, space_name: str) -> None:
    space, every = space_of(space_name), architectures(space_name)
    codes, asked = every[:LABELS], every[LABELS:]
    predictor = make_predictor(name, space, **parameters(name, space, every), seed=0)
    y = values_of(space, codes)
    if predictor.refusal is not None:
        assert len(predictor.refusal) > 20
        with pytest.raises(ParameterError, match=re.escape(predictor.refusal)):
            predictor.fit(codes, y)
        return
    scores = predictor.fit(codes, y).predict(asked)
    assert scores.shape == (len(asked),)
    assert scores.dtype == np.float64
    assert np.isfinite(scores).all()
    for same in (space.canonical(asked), other_description(space, asked)):
        assert np.array_equal(predictor.predict(same), scores)
    if predictor_class(name).offers_std:
        again, deviations = predictor.predict(asked, return_std=True)
        assert np.array_equal(again, scores)
        assert np.isfinite(deviations).all()
        assert (deviations >= 0).all()
