"""Tree ensembles on structural and path features."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...data.seeds import Seed
from ...data.spaces import Codes, Space
from ..base import Scores
from .pipelines import PipelinePredictor


class XGBoost(PipelinePredictor):
    """Gradient-boosted trees on structural and path features.

    Parameters
    ----------
    n_estimators, max_depth, learning_rate, subsample, colsample_bytree
        As ``xgboost.XGBRegressor``.
    features : tuple of str, optional
        Encoders used; structure, paths and, where positions matter, one-hot.
    n_jobs : int
        Threads of one fit.

    References
    ----------
    T. Chen and C. Guestrin. XGBoost. KDD 2016. As a performance predictor: C. White et al. How
    powerful are performance predictors in neural architecture search? NeurIPS 2021.

    Examples
    --------
    >>> import nasurge
    >>> table = nasurge.load_table("nb201-analog")
    >>> y = table.values(task="cifar10", metric="baseline_accuracy")
    >>> xgb = XGBoost(table.space, seed=0).fit(table.codes[::150], y[::150])
    >>> xgb.predict(table.codes).shape
    (15625,)
    """

    heavy_imports = ("xgboost",)

    def __init__(
        self,
        space: Space,
        *,
        n_estimators: int = 400,
        max_depth: int = 4,
        learning_rate: float = 0.04,
        subsample: float = 0.8,
        colsample_bytree: float = 0.4,
        features: tuple[str, ...] | None = None,
        labels: str = "normal-scores",
        n_jobs: int = 1,
        seed: Seed = None,
    ) -> None:
        super().__init__(space, features=features, labels=labels, seed=seed)
        self.n_estimators = n_estimators
        self.max_depth = max_depth
        self.learning_rate = learning_rate
        self.subsample = subsample
        self.colsample_bytree = colsample_bytree
        self.n_jobs = n_jobs

    def _steps(self, n_features: int, seed: int) -> list[Any]:  # noqa: ARG002
        from xgboost import XGBRegressor

        return [
            XGBRegressor(
                n_estimators=self.n_estimators,
                max_depth=self.max_depth,
                learning_rate=self.learning_rate,
                subsample=self.subsample,
                colsample_bytree=self.colsample_bytree,
                n_jobs=self.n_jobs,
                random_state=seed,
            )
        ]


class RandomForest(PipelinePredictor):
    """A random forest on structural and path features; trees' disagreement as uncertainty.

    Parameters
    ----------
    n_estimators : int
        Number of trees.
    max_features : float
        Share of the features tried at each split. Few, because many features say nearly the same.
    features : tuple of str, optional
        Encoders used; structure, paths and, where positions matter, one-hot.
    n_jobs : int
        Processes of one fit, as in scikit-learn.

    References
    ----------
    L. Breiman. Random forests. Machine Learning 45, 2001.

    Examples
    --------
    >>> import nasurge
    >>> table = nasurge.load_table("nb201-analog")
    >>> y = table.values(task="cifar10", metric="baseline_accuracy")
    >>> forest = RandomForest(table.space, seed=0).fit(table.codes[::150], y[::150])
    >>> scores, std = forest.predict(table.codes[:10], return_std=True)
    >>> std.shape
    (10,)
    """

    offers_std = True
    heavy_imports = ("sklearn.ensemble",)

    def __init__(
        self,
        space: Space,
        *,
        n_estimators: int = 150,
        max_features: float = 0.1,
        features: tuple[str, ...] | None = None,
        labels: str = "normal-scores",
        n_jobs: int = 1,
        seed: Seed = None,
    ) -> None:
        super().__init__(space, features=features, labels=labels, seed=seed)
        self.n_estimators = n_estimators
        self.max_features = max_features
        self.n_jobs = n_jobs

    @staticmethod
    def _forest() -> type[Any]:
        """Class of scikit-learn."""
        from sklearn.ensemble import RandomForestRegressor

        forest: type[Any] = RandomForestRegressor
        return forest

    def _steps(self, n_features: int, seed: int) -> list[Any]:  # noqa: ARG002
        return [
            self._forest()(
                self.n_estimators,
                max_features=self.max_features,
                n_jobs=self.n_jobs,
                random_state=seed,
            )
        ]

    def _predict(self, codes: Codes) -> tuple[Scores, Scores | None]:
        encoder, forest = self.pipeline_[:-1], self.pipeline_[-1]
        features = np.asarray(encoder.transform(codes), dtype=np.float32)
        # Not tree.predict, which looks at all features again for every tree.
        votes = np.stack([tree.tree_.predict(features)[:, 0] for tree in forest.estimators_])
        return votes.mean(axis=0), votes.std(axis=0)


class ExtraTrees(RandomForest):
    """Extremely randomised trees on structural and path features; disagreement as uncertainty.

    References
    ----------
    P. Geurts, D. Ernst, L. Wehenkel. Extremely randomized trees. Machine Learning 63, 2006.

    Examples
    --------
    >>> import nasurge
    >>> table = nasurge.load_table("nb201-analog")
    >>> y = table.values(task="cifar10", metric="baseline_accuracy")
    >>> trees = ExtraTrees(table.space, seed=0).fit(table.codes[::150], y[::150])
    >>> trees.predict(table.codes[:10]).shape
    (10,)
    """

    @staticmethod
    def _forest() -> type[Any]:
        from sklearn.ensemble import ExtraTreesRegressor

        forest: type[Any] = ExtraTreesRegressor
        return forest
