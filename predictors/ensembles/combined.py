"""Ensembles of predictors: over transforms, by stacking, and of networks on path encodings."""

from __future__ import annotations

from dataclasses import field
from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri

from ...data.parameters import job_count, whole_number
from ...data.spaces import Codes
from ..base import Predictor, Scores
from ..classical import BayesianRidge, ExtraTrees, PipelinePredictor, XGBoost
from ..labels import Labels
from ..neural import MLPEnsemble
from ..processes import (
    GaussianProcess,
    RBFGaussianProcess,
    needs_search,
    pipeline_posterior,
    quiet_bounds,
    refit_pipeline,
)

_MEMBERS = (
    (GaussianProcess, ("structure", "onehot")),
    (GaussianProcess, ("structure",)),
    (RBFGaussianProcess, ("structure", "paths")),
)
# Shares of a normal distribution closer to 0 or 1 than this are taken as this.
_EDGE = 1e-3


def _to_shares(z: Labels) -> Labels:
    """Centred shares of the distribution of normal scores, about as wide."""
    return np.asarray((ndtr(z) - 0.5) * np.sqrt(12))


def _from_shares(shares: Labels) -> Labels:
    """Normal scores of centred shares."""
    return np.asarray(ndtri(np.clip(shares / np.sqrt(12) + 0.5, _EDGE, 1 - _EDGE)))


class GPNASEnsemble(Predictor):
    """The mean of Gaussian processes over feature sets, kernels and label transforms.

    Three processes, each with its own features and kernel (Matern or RBF), learn the labels as they
    are given, and again as shares of the distribution, which weigh the middle of the ranking more.

    Parameters
    ----------
    seed : int, Generator or None
        Not used: the fit is deterministic. Accepted as by every predictor.

    References
    ----------
    K. Chen et al. GP-NAS-ensemble: a model for NAS performance prediction. 2023,
    arXiv 2301.09231.

    Examples
    --------
    >>> import nasurge
    >>> table = nasurge.load_table("nb201-analog")
    >>> y = table.values(task="cifar10", metric="baseline_accuracy")
    >>> ensemble = GPNASEnsemble(table.space).fit(table.codes[::150], y[::150])
    >>> scores, std = ensemble.predict(table.codes[:5], return_std=True)
    >>> bool((std > 0).all())
    True
    """

    minimum_labels = 3
    offers_std = True
    quick_update = True
    heavy_imports = ("sklearn.gaussian_process",)

    def _fit(self, codes: Codes, z: Labels, rng: np.random.Generator) -> None:  # noqa: ARG002
        makers = [cls(self.space, features=features) for cls, features in _MEMBERS]
        self.pipelines_ = [maker.fit_pipeline(codes, z) for maker in makers]
        self.share_pipelines_ = [maker.fit_pipeline(codes, _to_shares(z)) for maker in makers]
        self.searched_with_ = len(codes)

    def _update(self, codes: Codes, z: Labels, rng: np.random.Generator) -> None:
        if needs_search(len(codes), self.searched_with_):
            self._fit(codes, z, rng)
            return
        shares = _to_shares(z)
        self.pipelines_ = [refit_pipeline(old, codes, z) for old in self.pipelines_]
        self.share_pipelines_ = [
            refit_pipeline(old, codes, shares) for old in self.share_pipelines_
        ]

    def _predict(self, codes: Codes) -> tuple[Scores, Scores | None]:
        found = [pipeline_posterior(pipeline, codes) for pipeline in self.pipelines_]
        members = [mean for mean, _ in found]
        members += [_from_shares(pipeline.predict(codes)) for pipeline in self.share_pipelines_]
        variance = np.mean([std**2 for _, std in found], axis=0) + np.var(members, axis=0)
        return np.mean(members, axis=0), np.sqrt(variance)


class Stacking(Predictor):
    """XGBoost, extra trees, a Gaussian process and Bayesian ridge, weighed by cross-validation.

    The weights, none negative, are those that predict best the labels of the three folds that the
    models did not see (scikit-learn's ``StackingRegressor``); equal where no model predicts those
    better than their mean does.

    Parameters
    ----------
    n_estimators : int
        Trees of each of the two tree ensembles.
    n_jobs : int
        Processes of one fit, as in scikit-learn.

    References
    ----------
    L. Breiman. Stacked regressions. Machine Learning 24, 1996.

    Examples
    --------
    >>> import nasurge
    >>> table = nasurge.load_table("nb201-analog")
    >>> y = table.values(task="cifar10", metric="baseline_accuracy")
    >>> stack = Stacking(table.space, n_estimators=30, seed=0)
    >>> stack.fit(table.codes[::150], y[::150]).predict(table.codes[:5]).shape
    (5,)
    """

    minimum_labels = 15
    heavy_imports = ("sklearn.ensemble", "sklearn.gaussian_process", "xgboost")

    n_estimators: int = whole_number(50)
    n_jobs: int = job_count(1)

    def _fit(self, codes: Codes, z: Labels, rng: np.random.Generator) -> None:
        from sklearn.ensemble import StackingRegressor
        from sklearn.linear_model import LinearRegression
        from sklearn.model_selection import KFold

        xgb = XGBoost(
            self.space,
            n_estimators=self.n_estimators,
            learning_rate=min(0.5, 12 / self.n_estimators),
        )
        trees = ExtraTrees(self.space, n_estimators=self.n_estimators)
        models: list[tuple[str, PipelinePredictor]] = [
            ("xgb", xgb),
            ("et", trees),
            ("gp", GaussianProcess(self.space)),
            ("ridge", BayesianRidge(self.space)),
        ]
        seeds = rng.integers(2**31, size=len(models) + 1).tolist()
        stack = StackingRegressor(
            [(n, m.make_pipeline(s)) for (n, m), s in zip(models, seeds[1:], strict=True)],
            LinearRegression(positive=True),
            cv=KFold(3, shuffle=True, random_state=seeds[0]),
            n_jobs=self.n_jobs,
        )
        with quiet_bounds():
            self.stack_: Any = stack.fit(codes, z)
        weights = self.stack_.final_estimator_.coef_
        if not weights.any():  # a constant would rank nothing
            weights[:] = 1 / len(weights)

    def _predict(self, codes: Codes) -> tuple[Scores, Scores | None]:
        return np.asarray(self.stack_.predict(codes), dtype=np.float64), None


class BANANAS(MLPEnsemble):
    """An ensemble of perceptrons on path encodings.

    Parameters
    ----------
    members, width, steps : int
        As ``MLPEnsemble``.
    features : tuple of str
        Encoders used: the path encoding.

    References
    ----------
    C. White, W. Neiswanger, Y. Savani. BANANAS: Bayesian optimization with neural architectures
    for neural architecture search. AAAI 2021.
    """

    loss: str = field(default="mse", init=False)
    patience: int | None = field(default=None, init=False)
    features: tuple[str, ...] = ("paths",)
