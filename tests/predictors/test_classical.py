"""What each classical predictor adds to the contract."""

import subprocess
import sys
from itertools import product

import numpy as np
import pytest
from scipy.stats import kendalltau, norm
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import WhiteKernel

from nasurge.arguments import predictor_factories
from nasurge.data.spaces import Space, make_space
from nasurge.data.tables import Table
from nasurge.errors import MissingExtraError, ParameterError
from nasurge.functions.contenders import contenders_of
from nasurge.predictors.classical import boosting
from nasurge.predictors.ensembles.combined import _from_shares, _to_shares
from nasurge.predictors.processes import quiet_bounds
from nasurge.predictors.processes.weisfeiler_lehman import (
    BlockLinear,
    WeisfeilerLehman,
    subtree_labels,
)
from nasurge.registry import make_predictor

SPACES = [make_space(name) for name in ("nb201", "nbgraph", "transnas-micro", "transnas-macro")]


@pytest.mark.parametrize(
    "name", ["et", "lightgbm", "ridge", "gp-rbf", "gp-ard", "gp-wl", "gpnas-ensemble"]
)
def test_it_ranks_unseen_cells(name: str, analog: Table) -> None:
    y = analog.values(task="cifar10", metric="baseline_accuracy")
    rng = np.random.default_rng(0)
    train, test = np.split(rng.choice(len(y), 1100, replace=False), [100])
    predictor = make_predictor(name, analog.space, seed=0).fit(analog.codes[train], y[train])
    # A random ranking of 1,000 has |tau| > 0.1 in fewer than 1 of 100,000 cases.
    assert kendalltau(predictor.predict(analog.codes[test]), y[test])[0] > 0.5


@pytest.mark.parametrize("space", SPACES, ids=lambda space: space.name)
def test_subtree_labels_are_those_of_a_plain_loop(space: Space) -> None:
    """Same label exactly when the refinement written node by node gives the same label."""
    codes = space.canonical(space.sample(12, seed=3))
    labels, alive = subtree_labels(space, codes, 2)
    graphs = space.graphs(codes)
    names: list[dict[tuple[int, int], object]] = [{}, {}, {}]
    for n, v in product(range(len(codes)), range(alive.shape[1])):
        if alive[n, v]:
            names[0][n, v] = int(graphs.nodes[n, v])
    for level in (1, 2):
        last = names[level - 1]
        for n, v in last:
            nodes = [u for m, u in last if m == n]
            heard = sorted(repr(last[n, u]) for u in nodes if graphs.adjacency[n, u, v])
            told = sorted(repr(last[n, u]) for u in nodes if graphs.adjacency[n, v, u])
            names[level][n, v] = (last[n, v], tuple(heard), tuple(told))
    for level, plain in enumerate(names):
        pairs = {(repr(name), int(labels[level][place])) for place, name in plain.items()}
        assert len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})


def test_weisfeiler_lehman_features_are_cosines() -> None:
    space = SPACES[0]
    codes = space.canonical(space.sample(30, seed=0))
    features = WeisfeilerLehman(space, depth=2).fit_transform(codes).reshape(len(codes), 3, -1)
    alive = space.graphs(codes).mask.any(axis=1)
    norms = np.linalg.norm(features, axis=2)
    assert np.allclose(norms[alive], 1)
    assert np.allclose(norms[~alive], 0)
    known = (
        WeisfeilerLehman(space, depth=2).fit(codes[:5]).transform(codes).reshape(len(codes), 3, -1)
    )
    assert (np.linalg.norm(known, axis=2) <= 1 + 1e-12).all()


def test_the_gradient_of_the_block_kernel_is_the_numerical_one() -> None:
    rng = np.random.default_rng(0)
    X = rng.random((6, 9))
    kernel = BlockLinear(np.array([0.3, 2.0, 1.0]))
    value, gradient = kernel(X, eval_gradient=True)
    assert np.allclose(value, kernel(X))
    assert np.allclose(np.diag(value), kernel.diag(X))
    for k in range(3):
        step = np.eye(3)[k] * 1e-6
        up, down = (kernel.clone_with_theta(kernel.theta + s)(X) for s in (step, -step))
        assert np.allclose(gradient[..., k], (up - down) / 2e-6, atol=1e-7)


def test_the_block_kernel_learns_which_block_counts() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 8))
    y = X[:, 4:] @ np.array([1.0, -2.0, 0.5, 1.0])
    kernel = BlockLinear(np.ones(2)) + WhiteKernel(0.1)
    with quiet_bounds():
        fitted = GaussianProcessRegressor(kernel).fit(X, y).kernel_
    assert fitted.k1.weights[1] > 50 * fitted.k1.weights[0]


def test_gp_wl_refuses_a_negative_depth() -> None:
    space = SPACES[0]
    codes = space.sample(9, seed=0)
    with pytest.raises(ParameterError, match="depth"):
        make_predictor("gp-wl", space, depth=-1).fit(codes, np.arange(9.0))


def test_shares_and_normal_scores_are_inverse() -> None:
    z = np.linspace(-3, 3, 61)
    assert np.allclose(_from_shares(_to_shares(z)), z)
    assert np.isfinite(_from_shares(np.array([-9.0, 9.0]))).all()


@pytest.mark.parametrize("name", ["lightgbm", "ngboost"])
def test_a_missing_extra_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    predictor = make_predictor(name, SPACES[0])
    for call in (predictor.preload, lambda: predictor.fit(SPACES[0].sample(9), np.arange(9.0))):
        with pytest.raises(MissingExtraError, match=rf"{name}.*nasurge\[boosting\]"):
            call()


def test_all_leaves_out_what_a_missing_extra_has_and_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for package in ("lightgbm", "ngboost"):
        monkeypatch.setitem(sys.modules, package, None)
    found = list(predictor_factories("all,-ngboost,-gp"))
    assert "xgb" in found
    assert not {"lightgbm", "ngboost", "gp"} & set(found)
    (said,) = caplog.messages
    assert said.endswith("not installed: lightgbm; pip install 'nasurge[boosting]'")
    assert "lightgbm" in predictor_factories("all,lightgbm")  # asked for: an error when it learns
    guided = {one.predictor for one in contenders_of(["evolution"], "all")}
    assert "xgb" in guided
    assert not {"lightgbm", "ngboost"} & guided


def test_extras_and_skops_are_imported_when_they_are_used() -> None:
    code = (
        "import sys, nasurge.predictors.classical.boosting, nasurge.predictors.saving.objects;"
        "print([m for m in ('lightgbm', 'ngboost', 'skops', 'torch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_trees_are_asked_directly_and_say_what_their_packages_say(analog: Table) -> None:
    codes, y = analog.codes[::300], analog.values(task="cifar10", metric="baseline_accuracy")[::300]
    asked = analog.space.canonical(analog.codes[:200])
    forest = make_predictor("rf", analog.space, n_estimators=20, seed=0).fit(codes, y)
    assert np.allclose(forest._predict(asked)[0], forest.pipeline_.predict(asked))
    boosted = make_predictor("ngboost", analog.space, n_estimators=20, seed=0).fit(codes, y)
    features = boosted.pipeline_[:-1].transform(asked)
    theirs = boosted.pipeline_[-1].pred_dist(features)
    scores, deviations = boosted._predict(asked)
    assert np.allclose(scores, theirs.loc)
    assert np.allclose(deviations, theirs.scale)


def test_the_quick_normal_is_a_normal() -> None:
    place, y = np.array([[0.0, 2.0], [0.5, -1.0]]), np.array([0.3, 2.1])
    quick = boosting._quick_normal()(place).logpdf(y)
    assert np.allclose(quick, norm.logpdf(y, loc=place[0], scale=np.exp(place[1])))


@pytest.mark.parametrize("seed", [0, 1, 2])  # labels of which no model learns anything
def test_stacking_ranks_even_where_no_model_beats_the_mean(seed: int) -> None:
    space = make_space("nb201")
    codes = space.sample(20, seed=seed, unique=True)
    y = np.random.default_rng(seed).normal(size=20)
    stack = make_predictor("stacking", space, n_estimators=5, seed=0).fit(codes, y)
    assert np.ptp(stack.predict(codes)) > 0.1
    assert np.allclose(stack.stack_.final_estimator_.coef_, 0.25)
