"""Gaussian processes of many labels: exact as long as it is cheap, and near it beyond."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch
from sklearn.gaussian_process import GaussianProcessRegressor

import nasurge
from nasurge.benchmarks import metrics
from nasurge.predictors.processes import GroupedGP, Term, many_labels
from nasurge.predictors.processes.inference import (
    cholesky_factor,
    cholesky_solve,
    inverse_of,
    left_out_moments,
    moments,
)
from nasurge.predictors.processes.many_labels import (
    drawn_rows,
    inducing_moments,
    inducing_posterior,
)

SPACE = nasurge.make_space("nb201")
RNG = np.random.default_rng(0)
CODES = SPACE.sample(3000, seed=0)
VALUES = (CODES == 3).sum(axis=1) - (CODES == 0).sum(axis=1) ** 1.5 + RNG.normal(size=3000) / 2


@pytest.fixture(autouse=True)
def fresh_log() -> None:
    many_labels.say_sparse.cache_clear()


def covariance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.exp(-((a[:, None] - b[None]) ** 2))


@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_all_rows_as_inducing_rows_are_the_exact_posterior(library: str) -> None:
    x, new = RNG.normal(size=60), RNG.normal(size=7)
    y, noise = np.sin(2 * x), 0.3
    own, cross = covariance(x, x), covariance(new, x)
    factor = cholesky_factor(own, noise)
    weights = cholesky_solve(factor, y)
    wanted = moments(factor, weights, cross, np.ones(7))
    left_out = left_out_moments(factor, weights)
    of = torch.from_numpy if library == "torch" else np.asarray
    found = inducing_posterior(
        of(own), lambda part: of(own[:, part]), of(np.ones(60)), noise, of(y)
    )
    moment = inducing_moments(found.factor, found.inner, found.weights, of(cross), of(np.ones(7)))
    for got, exact in zip(
        (*moment, found.error, found.variance), (*wanted, *left_out), strict=True
    ):
        assert np.allclose(got, exact, atol=1e-4)


def test_the_inverse_is_that_of_the_covariance() -> None:
    own = covariance(*[RNG.normal(size=30)] * 2) + np.eye(30)
    assert np.allclose(inverse_of(cholesky_factor(own, 0.0)), np.linalg.inv(own))


def test_rows_are_drawn_alike_and_a_smaller_draw_is_part_of_a_larger_one() -> None:
    assert drawn_rows(5, 5).tolist() == [0, 1, 2, 3, 4]
    few, more = drawn_rows(5000, 200), drawn_rows(5000, 1000)
    assert (np.diff(few) > 0).all()
    assert set(few) <= set(more)
    assert (drawn_rows(5000, 200) == few).all()


def test_few_labels_are_those_of_scikit_learn() -> None:
    gp = nasurge.make_predictor("gp", SPACE).fit(CODES[:100], VALUES[:100])
    ours = gp.pipeline_[-1]
    x = gp.pipeline_[:-1].transform(SPACE.canonical(CODES[:100]))
    theirs = GaussianProcessRegressor(ours.kernel, optimizer=ours.optimizer).fit(x, ours.y_train_)
    assert np.array_equal(ours.kernel_.theta, theirs.kernel_.theta)
    new = gp.pipeline_[:-1].transform(CODES[100:120])
    assert np.array_equal(ours.predict(new), theirs.predict(new))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["gp", "gp-soft"])
def test_more_labels_than_are_exact_are_as_good_and_are_said(
    name: str, tmp_path, caplog, monkeypatch
) -> None:
    for module in ("grouped", "soft_kernels", "regressor", "many_labels"):
        monkeypatch.setattr(f"nasurge.predictors.processes.{module}.EXACT", 500)
    taus = []
    for n in (500, 2000):
        with caplog.at_level(logging.WARNING):
            predictor = nasurge.make_predictor(name, SPACE, seed=0).fit(CODES[:n], VALUES[:n])
        scores, std = predictor.predict(CODES[2000:], return_std=True)
        assert (std > 0).all()
        taus.append(metrics.kendall_tau(VALUES[2000:], scores))
    assert "a Gaussian process of 2000 labels rests on 500 inducing rows" in caplog.text
    assert "of 500 labels" not in caplog.text
    assert taus[1] > taus[0] - 0.002
    predictor.save(tmp_path / "kept.safetensors")
    again = nasurge.load_predictor(tmp_path / "kept.safetensors")
    assert np.allclose(again.predict(CODES[2000:2020]), scores[:20])


def test_hyperparameters_of_many_labels_are_near_those_of_all() -> None:
    x = RNG.normal(size=(900, 3)) / np.sqrt(6)
    z = np.sin(3 * x[:, 0]) + RNG.normal(size=900) / 5
    groups = {"x": x[:, :1], "other": x[:, 1:]}
    staged = GroupedGP([Term(("x", "other"), 1.5)]).search(groups, z)
    whole = GroupedGP([Term(("x", "other"), 1.5)])
    whole.set_theta(whole._priors()[0])._search(groups, z - z.mean(), 60)
    assert np.exp(staged.theta_[-1]) == pytest.approx(np.exp(whole.theta_[-1]), rel=0.1)
    assert staged.theta_[1] == pytest.approx(whole.theta_[1], abs=0.3)
    assert staged.theta_[2] > staged.theta_[1] + 1  # what does not count is far away
