"""Expected hypervolume improvement, and the searches that climb it: bo and PredNAS."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import nasurge
from nasurge.data.spaces import ProductSpace, make_space
from nasurge.errors import LabelError, ParameterError
from nasurge.predictors.relaxed import relaxation
from nasurge.search.pareto import hypervolume
from nasurge.search.searchers import BANANASSearch, BayesianOptimisation, PredNAS
from nasurge.search.searchers.acquisition import log_expected_improvement
from nasurge.search.searchers.improvement import (
    MOST_BOXES,
    FrontTarget,
    log_expected_gain,
    open_boxes,
)

NB201 = make_space("nb201")
FREE = -np.inf
QUICK = {"restarts": 12, "steps": 3}


def conflict(codes):
    """Two objectives that pull apart: convolutions, and cheapness; no code is best in both."""
    codes = codes.astype(int)
    weight = np.linspace(1.0, 0.5, codes.shape[1])
    gain = (np.array([0.0, 0.3, 0.7, 1.0, 0.4])[codes] * weight).sum(axis=1)
    return np.stack([np.sqrt(gain), -np.array([0.0, 0.0, 1.0, 6.0, 0.5])[codes].sum(axis=1)], 1)


def searched(searcher, rounds, values=conflict, n=5):
    for _ in range(rounds):
        codes = searcher.ask(n)
        searcher.tell(codes, values(codes))
    return searcher


fronts = st.integers(1, 4).flatmap(
    lambda k: st.lists(
        st.lists(st.integers(0, 5).map(float), min_size=k, max_size=k), min_size=1, max_size=9
    )
)


@given(fronts)
@settings(deadline=None)
def test_boxes_are_what_no_row_dominates_and_do_not_overlap(rows):
    front = np.array(rows)
    lower, upper = open_boxes(front, np.zeros(front.shape[1]))
    top = np.full(front.shape[1], 7.0)
    sides = np.clip(np.minimum(upper, top) - lower, 0, None)
    assert sides.prod(axis=1).sum() == pytest.approx(7.0 ** len(top) - hypervolume(front, 0 * top))
    at = np.random.default_rng(0).uniform(0, 7, size=(200, len(top)))
    inside = ((at[:, None] > lower) & (at[:, None] < upper)).all(axis=2).sum(axis=1)
    dominated = (front[None] >= at[:, None]).all(axis=2).any(axis=1)
    assert np.array_equal(inside, ~dominated)


@given(fronts, st.integers(0, 100))
@settings(deadline=None, max_examples=50)
def test_the_gain_of_a_sure_point_is_the_hypervolume_that_it_adds(rows, seed):
    front = np.array(rows)
    k = front.shape[1]
    points = np.random.default_rng(seed).uniform(0.1, 7, size=(5, k))
    gains = log_expected_gain(points, np.full((5, k), 1e-9), *open_boxes(front, np.zeros(k)))
    for point, gain in zip(points, gains, strict=True):
        both = hypervolume(np.concatenate([front, point[None]]), np.zeros(k))
        assert np.exp(gain) == pytest.approx(both - hypervolume(front, np.zeros(k)), abs=1e-5)


@pytest.mark.parametrize("k", [2, 3])
def test_the_expected_gain_is_the_mean_over_draws(k):
    """n = 4,000 draws; within 4 standard errors, which by chance 1 of 16,000 is not."""
    rng = np.random.default_rng(k)
    front, zero = np.abs(rng.normal(size=(5, k))), np.zeros(k)
    mean, std = rng.uniform(0.5, 1.5, size=(1, k)), rng.uniform(0.3, 0.8, size=(1, k))
    before = hypervolume(front, zero)
    draws = mean + std * rng.normal(size=(4000, k))
    added = [hypervolume(np.concatenate([front, row[None]]), zero) - before for row in draws]
    expected = np.exp(log_expected_gain(mean, std, *open_boxes(front, zero)))[0]
    assert expected == pytest.approx(np.mean(added), abs=4 * np.std(added) / 4000**0.5)


def test_of_one_objective_it_is_expected_improvement():
    mean, std = np.linspace(-40, 3, 50), np.linspace(0.1, 2, 50)
    target = FrontTarget.of(np.array([[0.2], [0.9], [-1.0]]), [FREE], 1)
    found = target.score(mean[:, None], std[:, None])
    np.testing.assert_allclose(found, log_expected_improvement(mean, std, 0.9), rtol=1e-6)


def test_logarithms_go_on_where_the_volume_is_too_small_for_a_float():
    target = FrontTarget.of(conflict(NB201.sample(30, seed=0)), [FREE, FREE], 2)
    mean = np.linspace(-2000, 10, 200)[:, None] * np.ones(2)
    found = target.score(mean, np.full((200, 2), 0.5))
    assert np.isfinite(found).all()
    assert (np.diff(found) > 0).all()


def test_its_gradient_is_what_finite_differences_find():
    target = FrontTarget.of(conflict(NB201.sample(30, seed=0)), [FREE, -20.0], 2)
    rng = np.random.default_rng(0)
    mean, std = rng.normal(size=(6, 2)), rng.uniform(0.2, 1, size=(6, 2))
    at = torch.tensor(mean, requires_grad=True)
    score = target.score(at, torch.tensor(std))
    np.testing.assert_allclose(score.detach().numpy(), target.score(mean, std), rtol=1e-9)
    (gradient,) = torch.autograd.grad(score.sum(), at)
    for column in range(2):
        step = 1e-6 * np.eye(2)[column]
        slope = (target.score(mean + step, std) - target.score(mean - step, std)) / 2e-6
        np.testing.assert_allclose(gradient[:, column].numpy(), slope, rtol=1e-4)


def test_a_front_of_many_objectives_leaves_no_more_boxes_than_can_be_summed():
    front = np.abs(np.random.default_rng(0).normal(size=(300, 6)))
    lower, _ = open_boxes(front, np.zeros(6))
    assert 100 < len(lower) <= MOST_BOXES


def test_bounds_count_by_the_probability_that_they_are_kept():
    columns = np.array([[0.0, 1.0, 5.0], [1.0, 0.0, 5.0]])
    free = FrontTarget.of(columns, [FREE, FREE, FREE], 2)
    bound = FrontTarget.of(columns, [FREE, FREE, 4.0], 2)
    mean, std = np.array([[1.0, 1.0, 4.0], [1.0, 1.0, 40.0]]), np.ones((2, 3))
    lost = free.score(mean, std) - bound.score(mean, std)
    np.testing.assert_allclose(lost, [np.log(2), 0], atol=1e-12)
    hopeless = FrontTarget.of(columns, [FREE, FREE, 9.0], 2)
    assert not len(hopeless.lower), "nothing feasible is known: only being feasible counts"
    np.testing.assert_allclose(hopeless.score(mean + 5, std), [np.log(0.5), 0], atol=1e-12)


@pytest.mark.parametrize("make", [BayesianOptimisation, PredNAS])
def test_a_batch_spreads_along_the_front(make):
    """Eight at once differ in cost, as those before count with what is expected of them."""
    searcher = searched(make(NB201, n_objectives=2, seed=0), 6)
    costs = conflict(searcher.ask(8))[:, 1]
    assert len(np.unique(costs)) >= 5


@pytest.mark.parametrize("make", [BayesianOptimisation, PredNAS])
def test_what_is_bounded_and_only_known_afterwards_is_learnt(make):
    """A tenth of the space is within the bound; after 30 evaluations most proposals are."""

    def values(codes):
        return np.concatenate([conflict(codes), (codes == 4).sum(axis=1)[:, None]], axis=1)

    share = (values(NB201.all_codes())[:, 2] >= 3).mean()
    assert share < 0.1
    searcher = make(NB201, n_objectives=2, bounds=[FREE, FREE, 3.0], seed=0)
    codes = searched(searcher, 6, values).ask(10)
    assert (values(codes)[:, 2] >= 3).mean() >= 0.7


@pytest.mark.parametrize("make", [BayesianOptimisation, PredNAS])
def test_one_objective_within_a_bound(make):
    def values(codes):
        return conflict(codes) + np.array([0.0, 10.0])

    searcher = searched(make(NB201, bounds=[FREE, 0.0], seed=0), 8, values)
    everything = values(NB201.all_codes())
    feasible = everything[everything[:, 1] >= 0, 0]
    assert searcher.best()[1] >= np.quantile(feasible, 0.98)


def test_an_ascent_follows_the_gradient_of_the_volume():
    """The relaxed architectures of a large space gain by ascent, and the more the longer."""
    space = ProductSpace([list("abcde")] * 20)

    def value(codes):
        return conflict(codes)

    searcher = searched(PredNAS(space, n_objectives=2, seed=0, **QUICK), 8, value)
    fitted = searcher._learn()
    relaxed = relaxation(space, "cpu")
    logits = torch.randn(16, relaxed.size, generator=torch.Generator().manual_seed(0))
    logits.requires_grad_()
    scores = []
    for _ in range(20):
        score = searcher._acquire(fitted, relaxed.softmax(logits, 0.5))
        scores.append(score.detach())
        (gradient,) = torch.autograd.grad(score.sum(), logits)
        logits = (logits + 0.4 * gradient.sign()).detach().requires_grad_()
    assert (scores[-1] > scores[0]).all()
    assert (scores[-1] > scores[5]).float().mean() > 0.9


@pytest.mark.parametrize("make", [BayesianOptimisation, PredNAS])
def test_a_predictor_of_each_column_guides(make):
    guide = nasurge.make_predictor("gp-soft", NB201)
    searcher = make(NB201, predictor=guide, n_objectives=2, seed=0)
    assert len(searched(searcher, 4).front()[0]) > 1


def test_what_several_objectives_do_not_go_with():
    for make in (BayesianOptimisation, PredNAS):
        with pytest.raises(ParameterError, match="leave acquisition out"):
            make(NB201, n_objectives=2, acquisition="ucb")
        searcher = make(NB201, n_objectives=2, seed=0)
        with pytest.raises(LabelError, match="2 objectives"):
            searcher.tell(searcher.ask(3), np.zeros(3))
    with pytest.raises(TypeError, match="n_objectives"):
        BANANASSearch(NB201, n_objectives=2)
