"""Which architectures to measure, on tasks and devices, and what it says that some were chosen."""

from functools import partial

import numpy as np
import pytest
from scipy.stats import kendalltau
from truths import CODES, SPACE, costs, truth

import nasurge
from nasurge.errors import (
    LabelError,
    NotFittedError,
    ParameterError,
)
from nasurge.predictors.transfer import LatencyTransfer, TaskPrior, Transfer
from nasurge.predictors.transfer.task_pool import TaskPool
from nasurge.registry import make_predictor

LEARNER = partial(make_predictor, "ridge")


@pytest.fixture(scope="module")
def prior() -> TaskPrior:
    """One earlier task with 200 labels."""
    rows = np.random.default_rng(0).choice(len(CODES), 200, replace=False)
    found = TaskPrior(SPACE, learner=lambda space, seed: LEARNER(space, seed=seed))
    return found.fit(CODES[rows], truth(1)[rows], ["one"] * 200)


FUNCTIONS = np.unique(SPACE.index(SPACE.canonical(CODES)))


def pooled(rows: np.ndarray, *, chosen: bool | None = None) -> tuple[TaskPool, float]:
    """A pool of tasks of one label each, of levels of their own, and how well it ranks."""
    y = truth(5)
    level = np.random.default_rng(1).normal(0, y.std(), len(rows))
    pool = TaskPool(SPACE, chosen=chosen)
    pool.fit(SPACE.canonical(CODES[rows]), y[rows] + level, np.arange(len(rows)))
    return pool, kendalltau(pool.predict(CODES[::9]), y[::9])[0]


def test_which_architectures_were_chosen_tells_what_is_good() -> None:
    """Labels of the best tenth, under levels of their tasks, rank the space only with the choice.

    Drawn at random, as codes or as functions, the same pool finds no choice and reads labels alone.
    """
    rng = np.random.default_rng(2)
    some = rng.choice(len(CODES), 3000, replace=False)
    best = some[np.argsort(-truth(5)[some])[:300]]
    assert (
        pooled(best)[1] == pooled(best, chosen=True)[1] > 0.5 > pooled(best, chosen=False)[1] + 0.4
    )
    for rows in (some[:300], rng.choice(FUNCTIONS, 300, replace=False)):
        pool, tau = pooled(rows)
        assert pool.chosen_ is False
        assert tau == pooled(rows, chosen=False)[1] > pooled(rows, chosen=True)[1] + 0.1


@pytest.mark.parametrize("functions", [1, 2, 5])
def test_few_functions_are_not_taken_for_a_choice(functions: int) -> None:
    rows = np.resize(FUNCTIONS[-functions:], 60)
    assert pooled(rows)[0].chosen_ is False
    assert pooled(rows, chosen=True)[0].chosen_ is True


def test_whether_architectures_were_chosen_is_a_truth_value() -> None:
    for wrong in ("yes", np.nan):
        with pytest.raises(ParameterError, match="True, False or None"):
            TaskPool(SPACE, chosen=wrong)


def test_anchors_say_more_than_labels_drawn_at_random(prior) -> None:
    """20 labels of a task unlike the earlier one; mean of six draws."""
    model, y, taus = Transfer(SPACE, prior=prior), truth(2), {"anchors": [], "drawn": []}
    for seed in range(6):
        chosen = nasurge.anchors(SPACE, 20, seed=seed)
        drawn = CODES[np.random.default_rng(seed).choice(len(CODES), 20, replace=False)]
        for name, codes in (("anchors", chosen), ("drawn", drawn)):
            scores = model.fit(codes, y[SPACE.index(codes)]).predict(CODES[::9])
            taus[name].append(kendalltau(scores, y[::9])[0])
    assert np.mean(taus["anchors"]) > np.mean(taus["drawn"]) + 0.02


def test_the_first_of_many_anchors_are_the_few_and_all_can_be_measured() -> None:
    few = CODES[::99]
    many = nasurge.anchors(SPACE, 12, among=few, seed=3)
    np.testing.assert_array_equal(nasurge.anchors(SPACE, 5, among=few, seed=3), many[:5])
    assert np.isin(SPACE.index(many), SPACE.index(few)).all()
    for n, among, most in ((4, CODES[:3], 3), (0, None, 1500), (1501, None, 1500)):
        with pytest.raises(ParameterError, match=f"between 1 and {most}"):
            nasurge.anchors(SPACE, n, among=among)


def test_anchors_compute_different_functions_as_long_as_there_are_others() -> None:
    keys = SPACE.index(SPACE.canonical(CODES))
    twins = CODES[keys == np.bincount(keys).argmax()]
    among = np.concatenate([twins[:50], CODES[-4:]])
    others = len(np.unique(SPACE.index(SPACE.canonical(CODES[-4:]))))
    chosen = SPACE.canonical(nasurge.anchors(SPACE, 1 + others, among=among, seed=0))
    assert len(np.unique(chosen, axis=0)) == 1 + others
    assert len(np.unique(nasurge.anchors(SPACE, 20, among=among, seed=0), axis=0)) == 20
    many = SPACE.canonical(nasurge.anchors(SPACE, 300, seed=0))
    assert len(np.unique(many, axis=0)) == 300


@pytest.mark.parametrize("name", ["nbgraph", "transnas-macro", "transnas-micro"])
def test_every_space_has_anchors(name: str) -> None:
    space = nasurge.make_space(name)
    assert len(np.unique(nasurge.anchors(space, 15, seed=0), axis=0)) == 15


def test_ten_measurements_tell_the_latencies_of_a_new_device() -> None:
    known = np.stack([costs(k) for k in range(6)], axis=1)
    model = LatencyTransfer(SPACE).fit_devices(CODES, known)
    anchors = model.anchors(10, seed=0)
    np.testing.assert_array_equal(anchors, model.anchors(10, seed=0))
    new = costs(9)
    found, std = model.fit(anchors, new[SPACE.index(anchors)]).predict(CODES, return_std=True)
    assert np.corrcoef(found, new)[0, 1] > 0.99
    assert np.mean(np.abs(found - new) < 3 * std) > 0.95
    seconds = model.fit(anchors, new[SPACE.index(anchors)] / 1000).predict(CODES)
    np.testing.assert_allclose(seconds * 1000, found)


def test_anchors_differ_and_can_be_measured() -> None:
    model = LatencyTransfer(SPACE).fit_devices(CODES, np.stack([costs(k) for k in (0, 1)], axis=1))
    assert len(np.unique(model.anchors(400, seed=0), axis=0)) == 400
    few = CODES[::99]
    chosen = model.anchors(20, among=few, seed=0)
    assert len(np.unique(chosen, axis=0)) == 20
    assert np.isin(SPACE.index(chosen), SPACE.index(few)).all()
    with pytest.raises(ParameterError, match="between 1 and 3"):
        model.anchors(4, among=CODES[:3])


def test_latencies_that_are_none_are_refused() -> None:
    model = LatencyTransfer(SPACE)
    with pytest.raises(NotFittedError, match="devices"):
        model.anchors()
    with pytest.raises(LabelError, match="shape"):
        model.fit_devices(CODES, np.ones(len(CODES)))
    with pytest.raises(LabelError, match="above 0"):
        model.fit_devices(CODES, np.zeros((len(CODES), 2)))
    model.fit_devices(CODES, np.stack([costs(0), costs(1)], axis=1))
    with pytest.raises(NotFittedError, match="measurement"):
        model.predict(CODES)
    with pytest.raises(LabelError, match="above 0"):
        model.fit(CODES[:2], [1.0, -1.0])
    with pytest.raises(ParameterError, match="between 1"):
        model.anchors(0)
