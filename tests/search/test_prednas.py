"""PredNAS: relaxed architectures, their ascents, rounding, constraints; what guides it."""

import itertools
import json

import numpy as np
import pytest
import torch
from scipy.stats import binomtest
from searching import smooth

from nasurge.benchmarks.objectives import make_problem
from nasurge.data.encoders import Structure
from nasurge.data.spaces import ProductSpace, make_space
from nasurge.errors import LabelError, NotFittedError, ParameterError
from nasurge.predictors.processes import SoftGaussianProcess
from nasurge.predictors.relaxed import DIFFERENTIABLE, Relaxation, relaxation
from nasurge.registry import make_predictor, make_searcher, predictor_class, predictor_names
from nasurge.search.loop import run
from nasurge.search.searchers import Constraints, GuidedEvolution, PredNAS
from nasurge.search.searchers.acquisition import log_expected_improvement
from nasurge.search.searchers.ascent import ascent_codes, nearest_codes
from nasurge.testing.searcher import check_same_seed_same_sequence

NB201 = make_space("nb201")
SPACES = {
    **{name: make_space(name) for name in ("nb201", "nbgraph", "transnas-micro", "transnas-macro")},
    "product": ProductSpace([list("abc"), list("defg"), list("hij"), list("kl"), list("mnopq")]),
}
QUICK = {"restarts": 12, "steps": 3}
SMALL = {"steps": 8, "width": 16, "seed": 0}
TINY = {
    "gp-soft": {},
    "seminas": SMALL | {"pretraining_steps": 4, "latent": 8, "pseudo_labels": 20},
} | {name: SMALL for name in DIFFERENTIABLE if name not in ("gp-soft", "seminas")}


def labelled(space, n=40):
    codes = space.sample(n, seed=0)
    rng = np.random.default_rng(1)
    return codes, sum(rng.normal(size=k)[codes[:, i]] for i, k in enumerate(space.cardinalities))


def convolutions(codes):
    """A cost that is linear in the choices."""
    return (codes == 3).sum(axis=1) + 0.25 * (codes == 2).sum(axis=1)


def curved(codes):
    """A cost that no linear model reaches."""
    return (codes == 3).sum(axis=1) ** 2.0


@pytest.fixture(scope="module")
def gp():
    return SoftGaussianProcess(NB201).fit(*labelled(NB201))


@pytest.mark.parametrize("space", SPACES.values(), ids=list(SPACES))
@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_one_hot_shares_score_as_predicted(name, space):
    """What is climbed is what ``predict`` says, once an architecture is no longer relaxed."""
    codes, y = labelled(space)
    predictor = make_predictor(name, space, labels="standardised", **TINY[name]).fit(codes, y)
    others = space.canonical(space.sample(50, seed=3))
    with torch.no_grad():
        scores, std = predictor.score_relaxed(relaxation(space, "cpu").one_hot(others))
    units = predictor.label_transform_.inverse(scores.double().numpy())
    assert np.allclose(units, predictor.predict(others), atol=1e-4)
    if predictor.has_std:
        spread = predictor.predict(others, return_std=True)[1]
        scale = predictor.label_transform_.inverse(1.0) - predictor.label_transform_.inverse(0.0)
        assert np.allclose(std.double().numpy() * scale, spread, atol=1e-4)
    else:
        assert not std.any()


@pytest.mark.parametrize("space", SPACES.values(), ids=list(SPACES))
@pytest.mark.parametrize("name", ["gp-soft", "gin"])
def test_gradients_rise_and_are_finite_at_the_corners(name, space):
    predictor = make_predictor(name, space, **TINY[name]).fit(*labelled(space))
    relaxed = relaxation(space, "cpu")
    corners = relaxed.one_hot(space.sample(20, seed=5)).requires_grad_()
    (gradient,) = torch.autograd.grad(predictor.score_relaxed(corners)[0].sum(), corners)
    assert torch.isfinite(gradient).all()
    logits = torch.randn(20, relaxed.size, generator=torch.Generator().manual_seed(0))
    logits.requires_grad_()

    def score(logits):
        return predictor.score_relaxed(relaxed.softmax(logits))[0].double()

    (gradient,) = torch.autograd.grad(score(logits).sum(), logits)
    with torch.no_grad():
        step = 1e-2 * gradient / gradient.norm()
        rise = float((score(logits + step) - score(logits - step)).sum() / 2)
    assert rise == pytest.approx(1e-2 * float(gradient.norm()), rel=0.1)


def test_differentiable_names_are_those_of_the_registry():
    found = [n for n in predictor_names() if hasattr(predictor_class(n), "score_relaxed")]
    assert set(found) == set(DIFFERENTIABLE)


@pytest.mark.parametrize("name", ["xgb", "gp", "mlp", "auto"])
def test_predictors_without_gradients_are_refused_by_name(name):
    with pytest.raises(ParameterError, match=r"gp-soft, gin, .*seminas"):
        make_searcher("prednas", NB201, predictor=name)


def test_members_give_relaxed_architectures_an_uncertainty():
    gin = make_predictor("gin", NB201, members=3, **SMALL).fit(*labelled(NB201))
    shares = relaxation(NB201, "cpu").softmax(torch.zeros(4, 30))
    assert (gin.score_relaxed(shares)[1] > 0).all()


def test_wrong_shares_are_errors(gp):
    with pytest.raises(NotFittedError):
        SoftGaussianProcess(NB201).score_relaxed(torch.zeros(1, 30))
    with pytest.raises(ParameterError, match=r"\(n, 30\)"):
        gp.score_relaxed(torch.zeros(1, 31))


def test_shares_of_a_variable_sum_to_one_and_sharpen_as_it_cools():
    space = SPACES["nbgraph"]
    relaxed = Relaxation(space)
    logits = torch.randn(5, relaxed.size, generator=torch.Generator().manual_seed(0))
    starts = np.cumsum((0, *space.cardinalities))
    for temperature in (1.0, 0.01):
        shares = relaxed.softmax(logits, temperature)
        sums = [shares[:, a:b].sum(dim=1) for a, b in itertools.pairwise(starts)]
        assert torch.allclose(torch.stack(sums), torch.ones(5, 5))
    hot = relaxed.one_hot(nearest_codes(relaxed, logits))
    assert torch.allclose(shares, hot, atol=0.05)


def test_expected_improvement_agrees_with_its_integral_and_never_goes_flat():
    from scipy.stats import norm

    u = np.linspace(-8, 8, 65)
    found = log_expected_improvement(torch.tensor(u) * 2, torch.full((65,), 2.0).double(), 0.0)
    expected = np.log(2 * (norm.pdf(u) + u * norm.cdf(u)))
    assert np.allclose(found.numpy()[u > -5], expected[u > -5], atol=1e-6)
    mean = torch.tensor([-1e3, -50.0, -8.0, 3.0], dtype=torch.double, requires_grad=True)
    value = log_expected_improvement(mean, torch.ones(4, dtype=torch.double), 0.0)
    (gradient,) = torch.autograd.grad(value.sum(), mean)
    assert torch.isfinite(value).all()
    assert (gradient > 0).all()


@pytest.mark.parametrize(
    "options",
    [{}, {"gumbel": 0.5}, {"straight_through": True}, {"temperatures": (1.0, 0.1)}],
    ids=str,
)
def test_ascents_find_the_best_architecture_of_a_linear_score(options):
    """All of 30 ascents in one batch; the best of 15,625 cells is known."""
    relaxed = relaxation(NB201, "cpu")
    weights = torch.randn(30, generator=torch.Generator().manual_seed(2))
    generator = torch.Generator().manual_seed(0)
    usual = {"steps": 40, "learning_rate": 0.4, "temperatures": (1.0, 0.3)}
    calls = []

    def climbed(shares):
        calls.append(shares.shape)
        return shares.double() @ weights.double()

    logits = torch.randn(30, 30, generator=generator)
    visited = ascent_codes(climbed, relaxed, logits, generator=generator, **(usual | options))
    best = nearest_codes(relaxed, weights[None])
    assert (visited == best).all(axis=1).any()
    assert calls == [(30, 30)] * 40
    assert len(np.unique(visited, axis=0)) == len(visited)


def by_network(space, **parameters):
    gin = make_predictor("gin", space, steps=2, width=8, layers=1)
    return PredNAS(space, gin, **QUICK, initial=45, **parameters)


def test_contract_of_a_network_as_guide():
    check_same_seed_same_sequence(by_network, NB201)


@pytest.mark.parametrize("space", SPACES.values(), ids=list(SPACES))
def test_every_space_is_searched(space):
    """Within the best 1 % after 40 queries, of a value that functions decide."""
    structure = Structure(space).fit(space.sample(1, seed=0))
    names = structure.get_feature_names_out()
    weights = np.random.default_rng(0).normal(size=len(names))

    def objective(codes):
        return structure.transform(space.canonical(codes)) @ weights

    found = run(PredNAS(space, restarts=30, steps=5, seed=0), objective, budget=40, batch=5)
    assert found.values.max() >= np.quantile(objective(space.all_codes()), 0.99)


def test_proposals_are_of_different_functions():
    searcher = PredNAS(NB201, **QUICK, seed=0)
    codes = searcher.ask(20)
    searcher.tell(codes, smooth(codes))
    batch = searcher.ask(15)
    assert len(np.unique(NB201.function_ids(batch))) == 15


def test_a_batch_is_chosen_one_by_one_as_if_each_had_returned_what_is_expected():
    searcher = PredNAS(NB201, restarts=40, steps=5, seed=0)
    codes = NB201.sample(30, seed=1, unique=True)
    searcher.tell(codes, (codes == 3).sum(axis=1) + 0.01 * codes[:, 0])
    state = searcher.state_dict()
    batch = searcher.ask(4)
    guide = SoftGaussianProcess(NB201).fit(codes, searcher.values_)
    greedy = batch[np.argsort(-searcher._score(guide, batch), kind="stable")]
    assert np.array_equal(greedy[0], batch[0])
    alone = PredNAS(NB201, restarts=40, steps=5)
    alone.load_state_dict(state)
    assert np.array_equal(alone.ask(1)[0], batch[0])


def test_another_process_would_go_on_identically_after_many_refits():
    first = PredNAS(NB201, **QUICK, seed=0)
    run(first, smooth, budget=34, batch=3)
    second = PredNAS(NB201, **QUICK)
    second.load_state_dict(first.state_dict())
    json.dumps(first.state_dict()["n_base"])
    assert np.array_equal(first.ask(5), second.ask(5))


@pytest.mark.parametrize("acquisition", ["ei", "ucb", "mean"])
def test_every_acquisition_runs(acquisition):
    searcher = PredNAS(NB201, **QUICK, acquisition=acquisition, beta=-0.5, seed=0)
    assert len(run(searcher, smooth, budget=16, batch=3).values) == 16


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"acquisition": "pi"}, "ei, ucb, mean"),
        ({"restarts": 0}, "restarts"),
        ({"temperatures": (1.0, 0.0)}, "positive"),
        ({"gumbel": -1.0}, "gumbel"),
        ({"constraints": {"flops": (None, 3)}}, "costs="),
        ({"penalties": {"flops": 1.0}, "costs": {"flops": curved}}, "needs a bound"),
        ({"constraints": {"flops": (3, 2)}, "costs": {"flops": curved}}, "low must not exceed"),
        ({"constraints": {"flops": 3}, "costs": {"flops": curved}}, "numbers or None"),
    ],
)
def test_wrong_parameters_are_refused(parameters, words):
    with pytest.raises(ParameterError, match=words):
        PredNAS(NB201, **parameters)


@pytest.mark.parametrize("cost", [convolutions, curved])
def test_hard_bounds_are_never_broken(cost):
    searcher = PredNAS(NB201, **QUICK, constraints={"c": (1.0, 2.0)}, costs={"c": cost}, seed=0)
    trace = run(searcher, smooth, budget=40, batch=4)
    assert ((cost(trace.codes) >= 1) & (cost(trace.codes) <= 2)).all()


def test_hard_bounds_hold_in_a_space_too_large_to_list():
    space = ProductSpace([list("abcde")] * 12)
    bounds = {"constraints": {"c": (None, 2.0)}, "costs": {"c": convolutions}}
    searcher = PredNAS(space, **QUICK, **bounds, seed=0)
    trace = run(searcher, lambda codes: (codes >= 2).sum(axis=1), budget=30, batch=4)
    assert (convolutions(trace.codes) <= 2).all()
    with pytest.raises(ParameterError, match="c at most -1"):
        PredNAS(space, constraints={"c": (None, -1)}, costs={"c": convolutions})


def test_the_ascent_itself_keeps_away_from_a_bound():
    """More convolutions score more; the Lagrangian stops most ascents near the bound of two."""
    relaxed = relaxation(NB201, "cpu")
    limits = Constraints(NB201, {"c": (None, 2.0)}, {"c": convolutions})
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(40, 30, generator=generator)
    columns = torch.arange(30) % 5 == 3

    def climbed(shares):
        return shares[:, columns].sum(dim=1).double()

    schedule = {"steps": 30, "learning_rate": 0.4, "temperatures": (1.0, 0.3)}
    free = ascent_codes(climbed, relaxed, logits, generator=generator, **schedule)
    kept = ascent_codes(
        climbed, relaxed, logits, generator=generator, violation=limits.violation, **schedule
    )
    assert limits.feasible(kept).mean() > limits.feasible(free).mean() + 0.1
    assert convolutions(kept).mean() < convolutions(free).mean() - 0.3


def test_costs_of_relaxed_architectures_are_exact_where_linear_and_close_elsewhere():
    def paths(codes):
        return NB201.paths(codes).alive.sum(axis=1).astype(float)

    codes = NB201.canonical(NB201.sample(200, seed=9))
    hot = relaxation(NB201, "cpu").one_hot(codes)
    for cost, tolerance in ((convolutions, 1e-5), (paths, 0.3)):
        limits = Constraints(NB201, {"c": (0.0, 0.0)}, {"c": cost})
        off_by = limits.violation(hot).detach().numpy() * limits._models["c"].deviation - cost(
            codes
        )
        assert np.abs(off_by).mean() < tolerance


def test_a_soft_bound_is_left_only_for_a_gain():
    def best(weight):
        searcher = PredNAS(
            NB201,
            restarts=20,
            steps=5,
            constraints={"c": (None, 1.0)},
            costs={"c": convolutions},
            penalties={"c": weight},
            seed=0,
        )
        trace = run(searcher, lambda codes: (codes == 3).sum(axis=1), budget=60, batch=5)
        return convolutions(trace.codes[20:]).mean()

    assert best(1e-3) > best(100.0) + 1


def test_bounds_that_exclude_everything_are_named():
    costs = {"flops": convolutions, "params": curved}
    with pytest.raises(ParameterError, match=r"flops at least 7 \(its values go from 0 to 6\)"):
        PredNAS(NB201, constraints={"flops": (7, None), "params": (None, 40)}, costs=costs)
    with pytest.raises(ParameterError, match="flops together with params"):
        PredNAS(NB201, constraints={"flops": (5.5, None), "params": (None, 4)}, costs=costs)
    with pytest.raises(LabelError, match="number for each"):
        PredNAS(NB201, constraints={"c": (0, 1)}, costs={"c": lambda codes: 1.0})


def test_beats_evolution_guided_by_the_same_predictor(analog):
    """Best value after 20 queries of a table's cells, paired over 24 seeds.

    Sign test, ties dropped, threshold p < 0.01: were it no better, it would pass once in a hundred
    sets of seeds.
    """
    problem = make_problem(analog, "cifar10")
    differences = []
    for seed in range(24):
        climbing = PredNAS(analog.space, restarts=32, steps=4, seed=seed)
        breeding = GuidedEvolution(
            analog.space, SoftGaussianProcess(analog.space), population_size=5, seed=seed
        )
        first, second = (
            run(searcher, problem.search, budget=20, batch=5).values.max()
            for searcher in (climbing, breeding)
        )
        differences.append(first - second)
    wins, losses = int((np.array(differences) > 0).sum()), int((np.array(differences) < 0).sum())
    assert binomtest(wins, wins + losses, alternative="greater").pvalue < 0.01
