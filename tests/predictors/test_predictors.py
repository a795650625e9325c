"""Every predictor of the registry keeps the contract on every space; what each adds."""

import re
from collections.abc import Callable
from functools import lru_cache, partial
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from predicting import SPACES, labelled, one_of_each_code, serves, settings
from scipy.stats import kendalltau
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import Pipeline

from nasurge.data.networks import zero_cost_scores as zero_cost
from nasurge.data.tables import Table
from nasurge.errors import DeviceError, ParameterError, UnknownNameError
from nasurge.predictors import Predictor
from nasurge.predictors.labels import Blended, NormalScores, Standardised
from nasurge.predictors.names import PREDICTORS
from nasurge.registry import make_predictor, predictor_class, predictor_names
from nasurge.testing.predictor import (
    PREDICTOR_CHECKS,
    check_absent_device,
    check_bad_labels,
    check_few,
    check_foreign_codes,
    check_interrupted,
    check_learns,
    check_saves,
    check_std,
    check_twins,
    check_updates,
    check_whole_arrays,
)

GRAPH = [e.name for e in PREDICTORS.values() if ".predictors.graph." in e.place]
# How well a predictor learns, or how many calls it takes, matters to these.
LONG = (check_learns, check_updates, check_interrupted)
# They fit, and then only ask for scores: one fit serves all of them.
READING = (check_whole_arrays, check_twins, check_std)
SPACE_CHECKS = (check_learns, check_whole_arrays, check_twins, check_few, check_saves)


@pytest.fixture(autouse=True)
def _few_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Standardise zero-cost proxies by fewer networks than users do: each has to be built."""
    monkeypatch.setattr(zero_cost, "_REFERENCE", 20)


# Predictors that learn and refuse by the same functions need them checked once.
SHARED = (check_bad_labels, check_foreign_codes, check_absent_device, check_interrupted)
FIRST = one_of_each_code()
# The whole contract on cells; elsewhere what a space can break. What is left out there (labels,
# units, random state, interrupts) runs the same lines on every space.
CONTRACT = [
    pytest.param(name, space, check, id=f"{name}-{space}-{check.__name__}")
    for name in predictor_names()
    for space in SPACES
    if serves(name, SPACES[space])
    for check in (PREDICTOR_CHECKS if space == "nb201" else SPACE_CHECKS)
    if check not in SHARED or name in FIRST
]
REFUSED = [
    (name, space)
    for name in predictor_names()
    for space in SPACES
    if not serves(name, SPACES[space])
]


@lru_cache(1)
def fitted(name: str, space_name: str) -> Predictor:
    space = SPACES[space_name]
    predictor = make_predictor(name, space, **settings(name, space, brief=True), seed=0)
    return predictor.fit(*labelled(space))


@pytest.mark.parametrize(("name", "space_name", "check"), CONTRACT)
def test_contract(name: str, space_name: str, check: Callable[..., None]) -> None:
    space = SPACES[space_name]
    if check in READING:
        learnt = SimpleNamespace(fit=lambda codes, y: fitted(name, space_name))
        codes = space.sample(60, seed=0)  # as drawn: labelled ones are canonical, their own twins
        check(lambda seed: learnt, codes, labelled(space)[1])
        return
    quick = settings(name, space, brief=check not in LONG)
    make = partial(make_predictor, name, space, **quick)
    assert make(seed=0).refusal is None
    check(make, *labelled(space))


@pytest.mark.parametrize(("name", "space_name"), REFUSED)
def test_a_space_that_cannot_be_served_is_refused(name: str, space_name: str) -> None:
    space = SPACES[space_name]
    predictor = make_predictor(name, space, **settings(name, space), seed=0)
    assert predictor.refusal is not None
    with pytest.raises(ParameterError, match=re.escape(predictor.refusal)):
        predictor.fit(*labelled(space))


@pytest.mark.parametrize("name", predictor_names())
def test_names_lead_to_classes_with_a_first_line(name: str) -> None:
    assert predictor_class(name).__doc__.strip().split("\n")[0].endswith(".")


def test_unknown_names_suggest_the_nearest(analog: Table) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'xgb'"):
        make_predictor("xgbo", analog.space)
    with pytest.raises(UnknownNameError, match="max_depth"):
        make_predictor("xgb", analog.space, max_dept=3)


@pytest.mark.parametrize(
    ("name", "parameters", "words"),
    [
        ("gp", {"features": ("structur",)}, "structure, paths, onehot"),
        ("xgb", {"features": ()}, "features"),
        ("gin", {"loss": "msee"}, "mse, huber, hinge"),
        ("rf", {"labels": "raw"}, "normal-scores"),
    ],
)
def test_bad_parameters_say_what_is_allowed(name, parameters, words, analog: Table) -> None:
    codes, y = labelled(analog.space)
    with pytest.raises(ParameterError, match=words):
        make_predictor(name, analog.space, **parameters).fit(codes, y)


@pytest.mark.parametrize("name", ["mlp", "gin"])
def test_an_absent_device_is_an_error_that_says_what_is_there(name: str) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    codes, y = labelled(SPACES["nb201"])
    with pytest.raises(DeviceError, match="cpu"):
        make_predictor(name, SPACES["nb201"], device="cuda").fit(codes, y)


@pytest.mark.parametrize("name", ["mlp", *GRAPH])
def test_the_network_lies_on_the_device(name: str) -> None:
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    codes, y = labelled(SPACES["nb201"])
    predictor = make_predictor(name, SPACES["nb201"], device=device, seed=0, steps=5).fit(codes, y)
    assert {p.device.type for p in predictor.module_.parameters()} == {device}
    assert predictor.predict(codes).dtype == np.float64


@pytest.mark.parametrize("loss", ["mse", "hinge"])
def test_both_losses_rank(loss: str, analog: Table) -> None:
    y = analog.values(task="cifar10", metric="baseline_accuracy")
    train = np.random.default_rng(0).choice(len(y), 80, replace=False)
    gin = make_predictor("gin", analog.space, loss=loss, seed=0, steps=100)
    scores = gin.fit(analog.codes[train], y[train]).predict(analog.codes[::20])
    # 60 trials of this test's setting gave 0.62 to 0.80; a random ranking has |tau| < 0.1.
    assert kendalltau(scores, y[::20])[0] > 0.5


def test_a_tree_predictor_holds_a_plain_pipeline(analog: Table) -> None:
    codes, y = labelled(analog.space)
    xgb = make_predictor("xgb", analog.space, seed=0).fit(codes, y)
    assert isinstance(xgb.pipeline_, Pipeline)
    canonical = analog.space.canonical(codes)
    direct = xgb.label_transform_.inverse(xgb.pipeline_.predict(canonical))
    assert np.allclose(direct, xgb.predict(codes))


def test_cross_validation_of_scikit_learn_works(analog: Table) -> None:
    codes, y = labelled(analog.space)
    assert cross_val_score(make_predictor("gp", analog.space), codes, y, cv=3).shape == (3,)


def test_a_gaussian_process_is_surer_where_it_has_seen(analog: Table) -> None:
    codes, y = labelled(analog.space, 60)
    gp = make_predictor("gp", analog.space).fit(codes[:30], y[:30])
    _, seen = gp.predict(codes[:30], return_std=True)
    _, unseen = gp.predict(analog.codes, return_std=True)
    assert seen.mean() < unseen.mean()


LABELS = arrays(
    np.float64,
    st.integers(2, 40),
    # Whole numbers over 8: ties occur, and no two differ by less than rounding.
    elements=st.integers(-800, 800).map(lambda k: k / 8),
).filter(lambda y: np.ptp(y) > 0)


@pytest.mark.parametrize("transform", [Blended, NormalScores, Standardised])
@given(y=LABELS, z=arrays(np.float64, 20, elements=st.floats(-6, 6, width=32), unique=True))
def test_label_transforms_are_strictly_increasing_and_invert(transform, y, z) -> None:
    fitted = transform().fit(y)
    assert np.allclose(fitted.inverse(fitted.transform(y)), y, atol=1e-9)
    ordered = np.sort(z[np.abs(z) > 1e-6])
    gaps = np.diff(ordered) > 1e-6
    assert (np.diff(fitted.inverse(ordered))[gaps] > 0).all()


def test_normal_scores_by_hand() -> None:
    y = np.array([3.0, 1.0, 1.0, 9.0])
    z = NormalScores().fit(y).transform(y)
    # Ranks 3, 1.5, 1.5, 4 of 4: quantiles 0.625, 0.25, 0.25, 0.875 of a normal.
    assert np.allclose(z, [0.31864, -0.67449, -0.67449, 1.15035], atol=1e-5)
