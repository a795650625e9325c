"""The default predictor and the parts it is made of."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import kendalltau
from strategies import SPACES

from nasurge.data.encoders import Connections
from nasurge.data.networks import RandomNetworks, random_networks
from nasurge.data.spaces import make_space
from nasurge.data.tables import Table
from nasurge.errors import LabelError, ParameterError
from nasurge.predictors.ensembles.automatic import PROCESSES
from nasurge.predictors.graph import GatedGCN
from nasurge.predictors.processes.grouped import GroupedGP, Prior, Term
from nasurge.registry import load_predictor, make_predictor

CELL = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|skip_connect~0|none~1|avg_pool_3x3~2|"


def named(encoder, string: str) -> dict[str, float]:
    """Return the features of one architecture that are not 0, by name."""
    row = encoder.transform(encoder.space.parse(string))[0]
    return {n: v for n, v in zip(encoder.get_feature_names_out(), row, strict=True) if v}


def test_connections_by_hand() -> None:
    # Input > 3x3 > (skip) > pool > output, and a skip from input to output: two paths.
    assert named(Connections(make_space("nb201")), CELL) == {
        "feeds:input>nor_conv_3x3": 1,
        "feeds:nor_conv_3x3>avg_pool_3x3": 1,
        "feeds:avg_pool_3x3>output": 1,
        "feeds:input>output": 1,
        "share:nor_conv_3x3": 0.5,
        "share:avg_pool_3x3": 0.5,
        "share2:nor_conv_3x3": 0.25,
        "share2:avg_pool_3x3": 0.25,
    }


def test_connections_of_a_dead_cell_are_none() -> None:
    dead = "|nor_conv_3x3~0|+|none~0|none~1|+|none~0|none~1|none~2|"
    assert named(Connections(make_space("nb201")), dead) == {}


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_connections_have_a_name_each_and_are_finite(space) -> None:
    encoder = Connections(space)
    features = encoder.transform(space.sample(40, seed=0))
    assert features.shape == (40, len(encoder.get_feature_names_out()))
    assert np.isfinite(features).all()


def test_random_networks_are_the_same_for_twins_and_need_no_labels(analog: Table) -> None:
    encoder = RandomNetworks(analog.space)
    features = encoder.transform(analog.codes)
    assert features.shape == (15625, len(encoder.get_feature_names_out()))
    assert np.array_equal(features, encoder.transform(analog.space.canonical(analog.codes)))
    y = analog.values(task="cifar10", metric="baseline_accuracy")
    nwot = features[::10, -1]
    # NWOT is published with tau 0.60 on CIFAR-10; unrelated scores have |tau| < 0.06 here.
    assert kendalltau(nwot, y[::10])[0] > 0.4


def test_random_networks_refuse_what_is_no_cell() -> None:
    space = make_space("nbgraph")
    with pytest.raises(ParameterError, match="nbgraph"):
        RandomNetworks(space).transform(space.sample(2, seed=0))


def test_random_networks_run_in_one_thread(monkeypatch) -> None:
    """More threads wait for each other on networks so small, minutes when the cores are busy."""
    threads = []

    def stop(*_: object) -> None:
        threads.append(torch.get_num_threads())
        raise KeyboardInterrupt

    monkeypatch.setattr(random_networks, "_run", stop)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with pytest.raises(KeyboardInterrupt):
            random_networks._whole_space.__wrapped__(make_space("transnas-micro"))
        assert (threads, torch.get_num_threads()) == ([1], 2)
    finally:
        torch.set_num_threads(before)


TERMS = {
    "matern": [Term(("a", "b"), 1.5)],
    "sum": [Term(("a",), 2.5), Term(("b",), 1.5)],
    "linear": [Term(("a", "b"), 2.5), Term(("b",), 0)],
}


@pytest.fixture
def smooth() -> tuple[dict[str, np.ndarray], np.ndarray]:
    rng = np.random.default_rng(0)
    groups = {"a": rng.normal(size=(40, 3)) / 3, "b": rng.normal(size=(40, 2)) / 2}
    return groups, np.sin(3 * groups["a"][:, 0]) + groups["b"][:, 0] + rng.normal(0, 0.1, 40)


@pytest.mark.parametrize("terms", TERMS.values(), ids=TERMS)
def test_the_process_is_at_an_optimum_that_differences_confirm(terms, smooth) -> None:
    groups, z = smooth
    gp = GroupedGP(terms).fit(groups, z)

    def loss(theta: np.ndarray) -> float:
        kernel, _ = gp._kernel(theta, *gp._between(groups))
        kernel = kernel + (np.exp(theta[-1]) + 1e-6) * np.eye(len(z))
        centre, width = gp._priors()
        y = z - z.mean()
        fit = y @ np.linalg.solve(kernel, y) + np.linalg.slogdet(kernel)[1]
        return float(fit + (((theta - centre) / width) ** 2).sum()) / 2

    steps = np.eye(len(gp.theta_)) * 1e-4
    slopes = [(loss(gp.theta_ + s) - loss(gp.theta_ - s)) / 2e-4 for s in steps]
    assert np.abs(slopes).max() < 0.05


def test_the_process_agrees_with_that_of_scikit_learn(smooth) -> None:
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

    groups, z = smooth
    gp = GroupedGP([Term(("a",), 2.5)], Prior()).fit(groups, z)
    amplitude, length, noise = np.exp(gp.theta_)
    kernel = ConstantKernel(amplitude) * Matern(length, nu=2.5) + WhiteKernel(noise + 1e-6)
    other = GaussianProcessRegressor(kernel, optimizer=None).fit(groups["a"], z - z.mean())
    new = np.random.default_rng(1).normal(size=(10, 3)) / 3
    mean, std = gp.predict({"a": new, "b": new})
    theirs, deviation = other.predict(new, return_std=True)
    assert np.allclose(mean, theirs + z.mean(), atol=1e-4)
    assert np.allclose(std, deviation, atol=1e-3)


def test_left_out_errors_are_those_of_refits(smooth) -> None:
    groups, z = smooth
    gp = GroupedGP([Term(("a", "b"), 1.5)]).fit(groups, z)
    kernel, _ = gp._kernel(gp.theta_, *gp._between(groups))
    kernel = kernel + (gp.noise_ + 1e-6) * np.eye(len(z))
    rest = np.arange(1, len(z))
    y = z - z.mean()
    left_out = kernel[0, rest] @ np.linalg.solve(kernel[np.ix_(rest, rest)], y[rest])
    assert np.isclose(gp.left_out_error_[0], y[0] - left_out)


def test_auto_ranks_better_than_its_peers_and_knows_its_errors(analog: Table) -> None:
    y = analog.values(task="cifar10", metric="baseline_accuracy")
    taus: dict[str, list[float]] = {"auto": [], "gp": [], "xgb": []}
    inside = []
    for trial in range(5):
        rng = np.random.default_rng(trial)
        train, rest = np.split(rng.permutation(len(y))[:2080], [80])
        for name, found in taus.items():
            model = make_predictor(name, analog.space, seed=trial)
            scores = model.fit(analog.codes[train], y[train]).predict(analog.codes[rest])
            found.append(kendalltau(scores, y[rest])[0])
            if name == "auto":
                _, std = model.predict(analog.codes[rest], return_std=True)
                inside.append((np.abs(y[rest] - scores) < 1.28 * std).mean())
    # The mean over five trials beat both peers' in each of 10 sets of five trials.
    assert np.mean(taus["auto"]) > max(np.mean(taus["gp"]), np.mean(taus["xgb"]))
    assert 0.65 < np.mean(inside) < 0.95


@pytest.mark.parametrize("member", PROCESSES)
def test_every_process_can_stand_alone(member: str, analog: Table) -> None:
    y = analog.values(task="cifar10", metric="baseline_accuracy")
    auto = make_predictor("auto", analog.space, members=(member,), seed=0)
    auto.fit(analog.codes[::200], y[::200])
    assert list(auto.member_scores(analog.codes[:9])) == [member]


@pytest.mark.parametrize("members", [("trees", "graphs"), (), ("joint", "forest")])
def test_members_that_cannot_be_are_refused(members, analog: Table) -> None:
    y = analog.values(task="cifar10", metric="baseline_accuracy")
    with pytest.raises(ParameterError, match="joint"):
        make_predictor("auto", analog.space, members=members).fit(analog.codes[::200], y[::200])


def test_two_labels_are_too_few(analog: Table) -> None:
    with pytest.raises(LabelError, match="3"):
        make_predictor("auto", analog.space).fit(analog.codes[:2], [1.0, 2.0])


@pytest.mark.parametrize(
    ("n", "votes"),
    [(4, {}), (5, {"graphs": 1}), (100, {"graphs": 2})],
)
def test_graph_networks_join_when_labels_are_enough(
    n: int, votes: dict[str, int], analog: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(GatedGCN.__init__.__kwdefaults__, "steps", 30)
    y = analog.values(task="cifar10", metric="baseline_accuracy")
    rows = np.random.default_rng(0).choice(len(y), n, replace=False)
    codes, rest = analog.codes[rows], analog.codes[::31]
    members = ("joint", "graphs")
    auto = make_predictor("auto", analog.space, members=members, seed=0, device="cpu")
    scores = auto.fit(codes, y[rows]).predict(rest)
    assert auto.votes_ == votes
    found = auto.member_scores(rest)
    assert list(found) == ["joint", *votes]
    mean = found["joint"]
    if votes:
        mean = (found["joint"] + votes["graphs"] * found["graphs"]) / (1 + votes["graphs"])
    assert kendalltau(mean.round(9), scores.round(9))[0] > 0.999
    auto.save(tmp_path / "auto.nasurge")
    assert np.array_equal(load_predictor(tmp_path / "auto.nasurge").predict(rest), scores)
    assert np.array_equal(auto.fit(codes, y[rows]).predict(rest), scores)
