"""Searchers for several objectives, fronts and hypervolumes."""

from __future__ import annotations

import itertools
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from searching import OneHotRidge, smem

from nasurge.data.spaces import ProductSpace, make_space
from nasurge.errors import LabelError, ParameterError
from nasurge.registry import make_searcher, searcher_names, takes_objectives
from nasurge.search.loop import run
from nasurge.search.pareto import (
    Scale,
    front_history,
    hypervolume,
    hypervolume_curve,
    non_dominated,
)
from nasurge.search.searchers import (
    NAT,
    NSGA2,
    SMEMNAS,
    BayesianOptimisation,
    PredNAS,
    RandomSearch,
)
from nasurge.testing.multi_objective import (
    MULTI_OBJECTIVE_CHECKS,
    check_takes_as_many_columns_as_it_has,
)
from nasurge.testing.searcher import SEARCHER_CHECKS


def nat(space, **parameters):
    return NAT(space, OneHotRidge(), generations=2, candidates=20, **parameters)


def bo(space, **parameters):
    return BayesianOptimisation(space, **parameters)


def prednas(space, **parameters):
    return PredNAS(space, restarts=8, steps=2, **parameters)


class Single(RandomSearch):
    """A searcher that says it takes one objective."""

    several_objectives = False


@pytest.fixture
def nb201():
    return make_space("nb201")


def conflict(codes):
    """Two objectives of an nb201 cell that pull apart: 3x3 convolutions, and cheapness."""
    codes = codes.astype(float)
    weight = np.array([1.0, 0.9, 0.8, 0.7, 0.6, 0.5])
    gain = np.array([0.0, 0.3, 0.7, 1.0, 0.4])[codes.astype(int)]
    cost = np.array([0.0, 0.0, 1.0, 6.0, 0.5])[codes.astype(int)]
    return np.stack([np.sqrt((gain * weight).sum(axis=1)), -cost.sum(axis=1)], axis=1)


@pytest.mark.parametrize("check", MULTI_OBJECTIVE_CHECKS, ids=lambda check: check.__name__[6:])
@pytest.mark.parametrize("make", [RandomSearch, NSGA2, nat, smem, bo, prednas])
def test_contract(make, nb201, check):
    check(make, nb201)


@pytest.mark.parametrize("check", SEARCHER_CHECKS, ids=lambda check: check.__name__[6:])
@pytest.mark.parametrize("make", [NSGA2, nat, smem])
def test_contract_with_one_objective(make, nb201, check):
    check(make, nb201)


@pytest.mark.parametrize("check", MULTI_OBJECTIVE_CHECKS, ids=lambda check: check.__name__[6:])
def test_contract_in_a_space_too_large_to_list(check):
    """Candidates are a sample there, another one for every batch."""

    def make(space, **parameters):
        return BayesianOptimisation(space, candidates=150, **parameters)

    check(make, ProductSpace([list("abcd")] * 9))


@pytest.mark.parametrize("check", MULTI_OBJECTIVE_CHECKS, ids=lambda check: check.__name__[6:])
def test_contract_on_graph_networks(check):
    check(NSGA2, make_space("nbgraph"))


points = st.lists(
    st.lists(st.integers(0, 6).map(float), min_size=3, max_size=3), min_size=1, max_size=12
)


@given(points)
def test_front_is_what_brute_force_finds(rows):
    array = np.array(rows)
    expected = [
        k for k, a in enumerate(array) if not any((b >= a).all() and (b > a).any() for b in array)
    ]
    assert non_dominated(array).tolist() == expected


@given(points, st.integers(1, 3))
def test_hypervolume_is_what_counting_boxes_finds(rows, k):
    """On a grid of whole numbers the hypervolume is a number of unit boxes."""
    array = np.array(rows)[:, :k]
    boxes = itertools.product(range(6), repeat=k)
    covered = sum((array >= np.array(box) + 1).all(axis=1).any() for box in boxes)
    assert hypervolume(array, np.zeros(k)) == pytest.approx(covered)


@given(points)
@settings(max_examples=30)
def test_hypervolume_is_that_of_pymoos_indicator(rows):
    from pymoo.indicators.hv import HV

    array = np.array(rows)
    assert hypervolume(array, np.full(3, -1.0)) == pytest.approx(HV(ref_point=np.ones(3))(-array))
    assert hypervolume(array, np.full(3, 2.5)) == pytest.approx(
        HV(ref_point=np.full(3, -2.5))(-array)
    )


@given(points)
def test_history_ends_with_the_front_and_its_hypervolume_never_falls(rows):
    array = np.array(rows)
    history = front_history(array)
    for query, front in enumerate(history):
        assert front.tolist() == non_dominated(array[: query + 1]).tolist()
    curve = hypervolume_curve(array, history, Scale.of(array[history[-1]]))
    assert (np.diff(curve) >= -1e-12).all()
    assert curve[-1] == pytest.approx(Scale.of(array[history[-1]]).hypervolume(array))


def test_failed_and_infeasible_queries_are_not_on_the_front():
    values = [[np.nan, 9.0], [1.0, 1.0], [5.0, 5.0], [2.0, 0.0]]
    history = front_history(values, [True, True, False, True])
    assert [front.tolist() for front in history] == [[], [1], [1], [1, 3]]


def test_a_scale_spans_the_true_front():
    front = np.array([[94.0, -200.0], [60.0, -10.0]])
    scale = Scale.of(front)
    assert scale(front).tolist() == [[1, 0], [0, 1]]
    assert scale.reference == pytest.approx([60 - 3.4, -200 - 19])
    assert scale.hypervolume(front) == pytest.approx(hypervolume(scale(front), [-0.1, -0.1]))
    assert Scale.of(front[:1]).hypervolume(front[:1]) == pytest.approx(0.01)
    with pytest.raises(LabelError, match="at least one point"):
        Scale.of(np.empty((0, 2)))


def test_wrong_arrays_are_refused():
    with pytest.raises(LabelError, match="shape"):
        non_dominated([1.0, 2.0])
    with pytest.raises(LabelError, match="finite"):
        non_dominated([[1.0, np.nan]])
    with pytest.raises(LabelError, match="reference point of 2 objectives"):
        hypervolume([[1.0, 2.0]], [0.0])


def test_survivors_are_those_of_pymoos_nsga2(nb201):
    """One generation from the same start leaves the population that pymoo's algorithm keeps."""
    from pymoo.core.population import Population
    from pymoo.core.problem import Problem
    from pymoo.operators.survival.rank_and_crowding import RankAndCrowding

    searcher = NSGA2(nb201, n_objectives=2, population_size=15, seed=0)
    codes = nb201.sample(60, seed=1, unique=True)
    values = conflict(codes) + np.random.default_rng(0).normal(scale=1e-6, size=(60, 2))
    searcher.tell(codes, values)
    searcher.ask(1)
    theirs = RankAndCrowding().do(
        Problem(n_var=1, n_obj=2),
        Population.new("X", np.arange(60.0)[:, None], "F", -values),
        n_survive=15,
        random_state=np.random.default_rng(0),
    )
    assert set(searcher._population) == set(theirs.get("X")[:, 0].astype(int))


def test_feasible_architectures_survive_first(nb201):
    """Of ten feasible and forty infeasible told, the ten are in a population of fifteen."""
    searcher = NSGA2(
        nb201, n_objectives=2, bounds=[-np.inf, -np.inf, 0.0], population_size=15, seed=0
    )
    codes = nb201.sample(50, seed=1, unique=True)
    slack = np.where(np.arange(50) < 10, 1.0, -np.arange(50.0))
    # Whatever is infeasible is better in both objectives.
    values = np.stack([np.arange(50.0), np.arange(50.0), slack], axis=1)
    searcher.tell(codes, values)
    searcher.ask(1)
    assert set(searcher._population) == {*range(10), 10, 11, 12, 13, 14}


def test_violations_count_in_units_of_what_was_told(nb201):
    """A bound on millions does not outweigh one on shares."""
    searcher = NSGA2(nb201, n_objectives=1, bounds=[-np.inf, 0.0, 0.0], population_size=2, seed=0)
    codes = nb201.sample(4, seed=1, unique=True)
    searcher.tell(codes, [[0, -1e6, -0.1], [0, -9e6, -0.1], [0, -9e6, -0.9], [0, -1e6, -0.8]])
    searcher.ask(1)
    assert set(searcher._population) == {0, 3}


def test_one_objective_with_a_constraint_has_an_incumbent_within_it(nb201):
    searcher = RandomSearch(nb201, bounds=[-np.inf, -10.0], seed=0)
    codes = searcher.ask(3)
    with pytest.raises(LabelError, match="shape"):
        searcher.tell(codes, [1.0, 2.0, 3.0])
    searcher.tell(codes, [[1.0, -5.0], [3.0, -11.0], [2.0, -10.0]])
    assert np.array_equal(searcher.best()[0], codes[2])
    assert searcher.best()[1] == 2.0
    hopeless = RandomSearch(nb201, bounds=[-np.inf, 0.0], seed=0)
    hopeless.tell(codes, [[1.0, -5.0], [3.0, -11.0], [2.0, -10.0]])
    with pytest.raises(LabelError, match="column 1 never was"):
        hopeless.best()


def test_the_loop_carries_columns_and_failed_batches(nb201):
    calls = []

    def objective(codes):
        calls.append(len(codes))
        if len(calls) == 3:
            raise RuntimeError("out of memory")
        return conflict(codes)

    trace = run(NSGA2(nb201, n_objectives=2, seed=0), objective, budget=40, batch=5)
    assert trace.values.shape == (40, 2)
    assert trace.failures == 5
    assert repr(trace) == "<Trace: 40 evaluations, 5 failed>"


def test_every_searcher_says_whether_it_takes_several_objectives(nb201):
    """Those that do refuse a wrong number of columns, the others any number but one."""
    several = [name for name in searcher_names() if takes_objectives(name)]
    assert several == ["random", "prednas", "bo", "nsga2", "smem-nas", "nat"]
    for name in several:
        check_takes_as_many_columns_as_it_has(partial(make_searcher, name), nb201)
    with pytest.raises(ParameterError, match="one objective"):
        Single(nb201, n_objectives=2)
    with pytest.raises(ParameterError, match="without bounds"):
        Single(nb201, bounds=[0.0])


def test_wrong_parameters_are_refused(nb201):
    with pytest.raises(ParameterError, match="population_size"):
        NSGA2(nb201, population_size=1)
    with pytest.raises(ParameterError, match="mutation must be a number of at least 0"):
        NSGA2(nb201, mutation=1.5)
    with pytest.raises(ParameterError, match="compares pairs"):
        make_searcher("smem-nas", nb201, predictor="gp")
    with pytest.raises(ParameterError, match="fit"):
        NAT(nb201, object())
    with pytest.raises(ParameterError, match="vice"):
        SMEMNAS(nb201, vice=2)
    assert type(make_searcher("nat", nb201, predictor="ridge").predictor).__name__ == (
        "BayesianRidge"
    )


def test_nat_asks_for_what_adds_most_by_its_predictions(nb201):
    """With a predictor that knows, each proposal adds to the front and a batch spreads out."""

    class Knowing:
        def fit(self, codes, y):
            self.column = int(np.argmin(np.abs(conflict(codes) - y[:, None]).sum(axis=0)))
            return self

        def predict(self, codes):
            return conflict(codes)[:, self.column]

    searcher = NAT(nb201, Knowing(), n_objectives=2, seed=0)
    codes = searcher.ask(20)
    searcher.tell(codes, conflict(codes))
    scale = Scale.of(conflict(nb201.all_codes()))
    before = scale.hypervolume(searcher.front()[1])
    codes = searcher.ask(5)
    searcher.tell(codes, conflict(codes))
    on_front = (searcher.front()[0][:, None] == codes).all(axis=2).any(axis=0)
    assert on_front.all()
    assert scale.hypervolume(searcher.front()[1]) > before


@pytest.mark.slow
@pytest.mark.parametrize("make", [NSGA2, nat, smem, BayesianOptimisation, PredNAS])
def test_beats_random_search_in_hypervolume(nb201, make):
    """Of n = 12 seeds at 80 evaluations at least 11 win; by chance (p = 1/2) 0.32 % would."""
    truth = conflict(nb201.all_codes())
    scale = Scale.of(truth[non_dominated(truth)])

    def volume(maker, seed):
        searcher = maker(nb201, n_objectives=2, seed=seed)
        return scale.hypervolume(run(searcher, conflict, budget=80, batch=10).values)

    wins = sum(volume(make, seed) > volume(RandomSearch, seed) for seed in range(12))
    assert wins >= 11
