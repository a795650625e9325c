"""Every registered searcher: the contract, that it beats chance, and what is its own."""

from __future__ import annotations

import time

import numpy as np
import pytest
from scipy.stats import binomtest
from searching import OneHotRidge, Unlearnable, smem, smooth

from nasurge.data.spaces import make_space
from nasurge.errors import ParameterError
from nasurge.registry import make_searcher
from nasurge.search.across_tables import CATCH, WARM, MetaBayes, MetaEvolution
from nasurge.search.loop import run
from nasurge.search.searchers import (
    DDPNAS,
    NPENAS,
    BaLeNAS,
    BRPNASLoop,
    Diffusion,
    DrNAS,
    LocalSearch,
    OptunaGP,
    OptunaTPE,
    RandomSearch,
    Reinforce,
    SimulatedAnnealing,
    WeakNASLoop,
)
from nasurge.search.searchers.names import OLD_NAMES, SEARCHERS, searcher_name
from nasurge.testing.searcher import SEARCHER_CHECKS

NAN = float("nan")

# What makes a searcher quick enough for hundreds of rounds; without an entry it runs as it is.
QUICK = {
    "npenas": {"predictor": OneHotRidge()},
    "brp-nas": {"predictor": OneHotRidge(), "candidates": 500},
    "weaknas": {"predictor": OneHotRidge(), "candidates": 500},
    "diffusion": {"predictor": OneHotRidge(), "training_steps": 5, "samples": 8, "clean": 2},
    "bo": {"predictor": "ridge", "candidates": 300},
    "bananas": {"predictor": "ridge", "candidates": 300},
    "nat": {"predictor": OneHotRidge(), "candidates": 20, "generations": 2},
    "prednas": {"restarts": 8, "steps": 2, "initial": 30},
    "optuna-tpe": {"startup": 40},
    "optuna-gp": {"startup": 200},  # the Gaussian process itself: test_optuna_gp_...
}
GUIDED = ("npenas", "brp-nas", "weaknas", "diffusion")
# Beats uniform draws within 60 evaluations; a plug-in or a searcher of another kind need not.
SINGLE = {
    "local": LocalSearch,
    "annealing": SimulatedAnnealing,
    "reinforce": Reinforce,
    "ddpnas": DDPNAS,
    "drnas": DrNAS,
    "balenas": BaLeNAS,
    "npenas": lambda space, **given: NPENAS(space, OneHotRidge(), **given),
    "brp-nas": lambda space, **given: BRPNASLoop(space, OneHotRidge(), **given),
    "weaknas": lambda space, **given: WeakNASLoop(space, OneHotRidge(), **given),
    "diffusion": lambda space, **given: Diffusion(
        space, OneHotRidge(), training_steps=50, samples=32, **given
    ),
    "optuna-tpe": OptunaTPE,
}


def quick(name):
    def make(space, **given):
        return make_searcher(name, space, **QUICK.get(name, {}), **given)

    return smem if name == "smem-nas" else make  # its guide is a relation over the space


@pytest.fixture
def nb201():
    return make_space("nb201")


@pytest.mark.parametrize("check", SEARCHER_CHECKS, ids=lambda check: check.__name__[6:])
@pytest.mark.parametrize("space", ["nb201", "nbgraph"])
@pytest.mark.parametrize("name", SEARCHERS)
def test_contract(name, space, check):
    check(quick(name), make_space(space))


@pytest.mark.parametrize("name", [*filter(SEARCHERS.get, OLD_NAMES.values()), "guided evolution"])
def test_a_state_holds_a_name_and_one_with_the_class_name_of_old_goes_on(name, nb201):
    if name in SEARCHERS:
        first, again = (quick(name)(nb201, seed=0) for _ in range(2))
    else:
        first, again = (
            make_searcher("evolution", nb201, predictor=OneHotRidge(), seed=0) for _ in range(2)
        )
    codes = first.ask(4)
    first.tell(codes, smooth(codes))
    state = first.state_dict()
    assert state["searcher"] == name.replace(" ", "-")
    again.load_state_dict({**state, "searcher": type(first).__name__})
    assert np.array_equal(again.ask(2), first.ask(2))


def test_the_searchers_of_earlier_tasks_have_names_too():
    assert {searcher_name(cls) for cls in (MetaBayes, MetaEvolution, CATCH)} == set(WARM)


@pytest.mark.parametrize("space", ["transnas-micro", "transnas-macro"])
@pytest.mark.parametrize("name", SEARCHERS)
def test_every_space_is_searched(name, space):
    searcher = quick(name)(make_space(space), seed=0)
    trace = run(searcher, lambda codes: codes.sum(axis=1), budget=45, batch=5)
    assert len(np.unique(searcher.space.index(trace.codes))) == 45


@pytest.mark.parametrize("name", GUIDED)
def test_a_predictor_that_cannot_learn_means_random_search(name, nb201):
    searcher = make_searcher(name, nb201, predictor=Unlearnable(), seed=0)
    trace = run(searcher, smooth, budget=40, batch=5)
    assert len(trace.values) == 40


@pytest.mark.parametrize("name", GUIDED)
def test_guided_searchers_have_a_default_predictor_and_refuse_what_is_none(name, nb201):
    assert hasattr(make_searcher(name, nb201).predictor, "predict")
    with pytest.raises(ParameterError, match="fit"):
        make_searcher(name, nb201, predictor=object())
    with pytest.raises(ParameterError, match="initial"):
        make_searcher(name, nb201, initial=0)


def separable(codes, seed):
    """A random number for each choice, summed: an objective that any search can climb."""
    effects = np.random.default_rng(seed).normal(size=(codes.shape[1], 9))
    return effects[np.arange(codes.shape[1]), codes.astype(int)].sum(axis=1)


@pytest.mark.parametrize("name", SINGLE)
def test_each_beats_random_search(name, nb201):
    """Best of 60 on ``n`` = 20 random separable objectives, paired.

    Sign test, ties dropped, threshold p < 0.001: a searcher that is no better than random passes
    at most once in a thousand sets of seeds.
    """

    def best(make, seed):
        trace = run(make(nb201, seed=seed), lambda c: separable(c, seed), budget=60, batch=5)
        return trace.values.max()

    difference = np.array([best(SINGLE[name], k) - best(RandomSearch, k) for k in range(20)])
    wins, losses = int((difference > 0).sum()), int((difference < 0).sum())
    assert binomtest(wins, wins + losses, alternative="greater").pvalue < 0.001


@pytest.mark.parametrize("name", ["local", "annealing", "reinforce", "ddpnas", "drnas", "balenas"])
def test_asking_and_telling_is_cheap(name, nb201):
    """Under a millisecond of processor time an architecture, twenty times what it takes."""
    searcher = SINGLE[name](nb201, seed=0)
    run(searcher, smooth, budget=50, batch=50)
    start = time.process_time()
    run(searcher, smooth, budget=1050, batch=50)
    assert time.process_time() - start < 1.0


# -- what is each one's own -----------------------------------------------------------------------


def test_local_search_asks_for_neighbours_of_the_best_and_starts_again_at_a_summit(nb201):
    searcher = LocalSearch(nb201, starts=3, seed=0)
    start = searcher.ask(3)
    searcher.tell(start, [1.0, 3.0, 2.0])
    near = searcher.ask(24)
    assert ((near != start[1]).sum(axis=1) == 1).all()
    searcher.tell(near, np.zeros(24))
    fresh = searcher.ask(3)
    assert ((fresh != start[1]).sum(axis=1) > 1).all()
    searcher.tell(fresh, [0.5, 0.0, 0.0])
    assert ((searcher.ask(5) != fresh[0]).sum(axis=1) == 1).all()


def test_annealing_goes_uphill_always_and_cold_never_downhill(nb201):
    cold = SimulatedAnnealing(nb201, temperature=1e-9, seed=0)
    start = cold.ask(1)
    cold.tell(start, [1.0])
    worse = cold.ask(4)
    assert ((worse != start).sum(axis=1) == 1).all()
    cold.tell(worse, [0.0, 0.5, 0.2, NAN])
    assert ((cold.ask(4) != start).sum(axis=1) == 1).all()
    better = cold.ask(1)
    cold.tell(better, [2.0])
    assert ((cold.ask(4) != better).sum(axis=1) == 1).all()


def test_annealing_hot_takes_steps_down(nb201):
    hot = SimulatedAnnealing(nb201, temperature=1e9, seed=0)
    codes = hot.ask(2)
    hot.tell(codes, [1.0, 0.0])
    assert ((hot.ask(3) != codes[1]).sum(axis=1) == 1).all()


@pytest.mark.parametrize("make", [Reinforce, DDPNAS, DrNAS, BaLeNAS])
def test_distributions_move_to_what_is_good(make, nb201):
    """After 150 random cells the choice that alone counts is drawn more often than 1 in 5."""
    searcher = make(nb201, seed=0)
    codes = nb201.sample(150, seed=1, unique=True)
    for part in np.split(codes, 30):
        searcher.tell(part, (part[:, 2] == 3) + 0.01 * part[:, 0])
    drawn = np.concatenate([searcher._distribution()[None] for _ in range(50)]).mean(axis=0)
    assert np.allclose(drawn.sum(axis=1), 1)
    assert drawn[2].argmax() == 3
    assert drawn[2, 3] > 0.4


def test_distributions_never_draw_a_value_that_a_variable_has_not():
    space = make_space("transnas-macro")
    for make in (Reinforce, DDPNAS, DrNAS, BaLeNAS):
        searcher = make(space, seed=0)
        run(searcher, lambda codes: codes.sum(axis=1), budget=60, batch=10)
        outside = np.arange(max(space.cardinalities)) >= np.array(space.cardinalities)[:, None]
        assert not searcher._distribution()[outside].any()


def test_ddpnas_prunes_until_what_is_to_be_kept(nb201):
    searcher = DDPNAS(nb201, every=10, keep=2, seed=0)
    codes = nb201.sample(100, seed=0, unique=True)
    searcher.tell(codes[:10], (codes[:10] == 3).sum(axis=1))
    assert (searcher._left.sum(axis=1) == 4).all()
    searcher.tell(codes[10:], (codes[10:] == 3).sum(axis=1))
    assert (searcher._left.sum(axis=1) == 2).all()
    assert searcher._left[:, 3].all()
    assert len(searcher.ask(100)) == 100, "what is left has 64 cells: the rest comes from all"


def test_weaknas_samples_the_predicted_top_and_brp_nas_takes_the_best(nb201):
    class Knowing(OneHotRidge):
        def predict(self, codes):
            return smooth(codes)

    start = nb201.sample(10, seed=1, unique=True)
    unseen = np.sort(np.delete(smooth(nb201.all_codes()), nb201.index(start)))[::-1]
    weak = WeakNASLoop(nb201, Knowing(), top=50, seed=0)
    weak.tell(start, smooth(start))
    asked = smooth(weak.ask(20))
    assert asked.min() >= unseen[49]
    assert not np.array_equal(np.sort(asked)[::-1], unseen[:20])
    brp = BRPNASLoop(nb201, Knowing(), alpha=0.5, seed=0)
    brp.tell(start, smooth(start))
    asked = np.sort(smooth(brp.ask(20)))[::-1]
    assert np.array_equal(asked[:10], unseen[:10])
    assert asked.min() >= np.median(unseen)
    greedy = BRPNASLoop(nb201, Knowing(), alpha=1.0, seed=0)
    greedy.tell(start, smooth(start))
    assert np.array_equal(smooth(greedy.ask(5)), unseen[:5])


def test_npenas_asks_for_mutants_of_the_best(nb201):
    searcher = NPENAS(nb201, OneHotRidge(), parents=3, candidates=30, seed=0)
    codes = searcher.ask(10)
    values = smooth(codes)
    searcher.tell(codes, values)
    best = codes[np.argsort(-values)[:3]]
    asked = searcher.ask(10)
    assert ((asked[:, None] != best).sum(axis=2).min(axis=1) == 1).all()


def test_diffusion_follows_its_guide(nb201):
    """Generated cells score above the uniform median by far: a guide that knows the truth."""

    class Knowing(OneHotRidge):
        def predict(self, codes):
            return smooth(codes)

    searcher = Diffusion(nb201, Knowing(), training_steps=50, seed=0)
    start = nb201.sample(10, seed=1, unique=True)
    searcher.tell(start, smooth(start))
    asked = smooth(searcher.ask(10))
    every = smooth(nb201.all_codes())
    assert (np.diff(asked) <= 0).all()
    assert asked.min() > np.quantile(every, 0.99)


def test_diffusion_learns_which_architectures_the_pool_has(nb201):
    """A pool in which one choice is fixed: the denoiser gives it nearly all probability."""
    from nasurge.search.searchers.diffusion import _trained

    pool = nb201.all_codes()
    pool = pool[pool[:, 0] == 2]
    denoiser = _trained(nb201, np.sort(nb201.index(pool)).tobytes(), 200, 10)
    noisy = nb201.sample(100, seed=0)
    assert denoiser.probabilities(noisy, 10)[:, 0, 2].min() > 0.9


def test_rows_outside_the_pool_stand_for_their_twins_in_it(nb201):
    """A pool of one cell for each function is searched as easily as the whole space."""
    pool = np.unique(nb201.canonical(nb201.all_codes())[::-1], axis=0)
    searcher = RandomSearch(nb201, pool=pool, seed=0)
    every = nb201.all_codes()
    found = searcher._unseen(every)
    assert np.array_equal(np.unique(nb201.index(found)), np.unique(nb201.index(pool)))
    assert np.array_equal(searcher._unseen(every[:1]), nb201.canonical(every[:1]))


# -- Optuna ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [OptunaTPE, OptunaGP])
def test_optuna_goes_on_identically_with_its_model_in_charge(make, nb201):
    def told(n):
        searcher = make(nb201, startup=8, seed=0)
        run(searcher, smooth, budget=n, batch=2)
        return searcher

    whole, first = told(16), told(12)
    second = make(nb201, startup=8, seed=5)
    second.load_state_dict(first.state_dict())
    run(second, smooth, budget=16, batch=2)
    assert np.array_equal(second.codes_, whole.codes_)


def test_optuna_sees_every_trial_in_the_state_it_is_in(nb201):
    from optuna.trial import TrialState

    searcher = OptunaTPE(nb201, seed=0)
    codes = searcher.ask(4)
    searcher.tell(codes[:3], [1.0, NAN, 2.0])
    extra = nb201.sample(1, seed=3)
    searcher.tell(extra, [5.0])
    trials = searcher._made_study().trials
    states = [TrialState.COMPLETE, TrialState.FAIL, TrialState.COMPLETE, TrialState.RUNNING]
    assert [t.state for t in trials] == [*states, TrialState.COMPLETE]
    assert [t.value for t in trials] == [1.0, None, 2.0, None, 5.0]
    assert list(trials[4].params.values()) == extra[0].tolist()


def test_optuna_is_answered_known_values_and_never_asks_twice():
    """A pool of 20: proposals outside are pruned, known ones answered, all 20 are asked."""
    space = make_space("transnas-macro")
    pool = space.sample(20, seed=0, unique=True)
    searcher = OptunaTPE(space, pool=pool, startup=5, seed=0)
    trace = run(searcher, lambda codes: codes.sum(axis=1), budget=20, batch=4)
    assert len(np.unique(space.index(trace.codes))) == 20
    known = dict(zip(space.index(trace.codes).tolist(), trace.values.tolist(), strict=True))
    for trial in searcher._made_study().trials:
        code = np.array([list(trial.params.values())])
        if trial.value is not None:
            assert known[int(space.index(code)[0])] == trial.value


def test_optuna_goes_on_after_an_interruption_as_if_there_was_none(nb201, monkeypatch):
    def told():
        searcher = OptunaTPE(nb201, startup=5, seed=0)
        run(searcher, smooth, budget=10, batch=5)
        return searcher

    expected = told().ask(6)
    searcher, sampler, calls = told(), OptunaTPE._sampler, []

    def interrupted(self, seed):
        calls.append(seed)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return sampler(self, seed)

    monkeypatch.setattr(OptunaTPE, "_sampler", interrupted)
    with pytest.raises(KeyboardInterrupt):
        searcher.ask(6)
    assert not len(searcher.pending_)
    assert np.array_equal(searcher.ask(6), expected)


def test_optuna_says_nothing_and_its_verbosity_is_left_alone(nb201, capfd):
    import optuna

    before = optuna.logging.get_verbosity()
    run(OptunaTPE(nb201, startup=3, seed=0), smooth, budget=6)
    assert optuna.logging.get_verbosity() == before
    assert capfd.readouterr() == ("", "")
