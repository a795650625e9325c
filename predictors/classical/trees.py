"""Tree ensembles on structural and path features."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...data.parameters import job_count, positive_number, whole_number
from ...data.spaces import Codes
from ..base import Scores
from .pipelines import PipelinePredictor


class XGBoost(PipelinePredictor):
    """Gradient-boosted trees on structural and path features.

    Parameters
    ----------
    n_estimators, max_depth, learning_rate, subsample, colsample_bytree
        As ``xgboost.XGBRegressor``.
    n_jobs : int
        Threads of one fit.

    References
    ----------
    T. Chen and C. Guestrin. XGBoost. KDD 2016. As a performance predictor: C. White et al. How
    powerful are performance predictors in neural architecture search? NeurIPS 2021.
    """

    heavy_imports = ("xgboost",)

    n_estimators: int = whole_number(400)
    max_depth: int = whole_number(4, least=0)
    learning_rate: float = positive_number(0.04, most=1)
    subsample: float = positive_number(0.8, most=1)
    colsample_bytree: float = positive_number(0.4, most=1)
    n_jobs: int = job_count(1)

    def _steps(self, n_features: int, seed: int) -> list[Any]:  # noqa: ARG002
        from xgboost import XGBRegressor

        return [XGBRegressor(**self._own_parameters(), random_state=seed)]


class RandomForest(PipelinePredictor):
    """A random forest on structural and path features; trees' disagreement as uncertainty.

    Parameters
    ----------
    n_estimators : int
        Number of trees.
    max_features : float
        Share of the features tried at each split. Few, because many features say nearly the same.
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
    >>> forest = nasurge.make_predictor("rf", table.space, seed=0)  # or "et"
    >>> forest = forest.fit(table.codes[::150], y[::150])
    >>> scores, std = forest.predict(table.codes[:10], return_std=True)
    >>> std.shape
    (10,)
    """

    offers_std = True
    heavy_imports = ("sklearn.ensemble",)

    n_estimators: int = whole_number(150)
    max_features: float = positive_number(0.1, most=1)
    n_jobs: int = job_count(1)

    @staticmethod
    def _forest() -> type[Any]:
        """Class of scikit-learn."""
        from sklearn.ensemble import RandomForestRegressor

        forest: type[Any] = RandomForestRegressor
        return forest

    def _steps(self, n_features: int, seed: int) -> list[Any]:  # noqa: ARG002
        # As a float: the integer 1 would mean one feature, not all.
        own = {**self._own_parameters(), "max_features": float(self.max_features)}
        return [self._forest()(**own, random_state=seed)]

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
    """

    @staticmethod
    def _forest() -> type[Any]:
        from sklearn.ensemble import ExtraTreesRegressor

        forest: type[Any] = ExtraTreesRegressor
        return forest
