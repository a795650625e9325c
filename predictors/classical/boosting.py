"""Boosted trees of packages that are optional: ``pip install nasurge[boosting]``."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from ...data.parameters import job_count, positive_number, whole_number
from ...data.spaces import Codes
from ...errors import MissingExtraError
from ..base import Scores
from ..labels import Labels
from .pipelines import PipelinePredictor


def _optional(package: str) -> Any:
    """An optional package; name the extra where it is missing."""
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise MissingExtraError(
            f"{package} cannot be imported ({error}); install it: pip install 'nasurge[boosting]'"
        ) from error


def _quick_normal() -> type[Any]:
    """NGBoost's normal distribution without SciPy's object, most of the cost of a fit."""
    normal: Any = importlib.import_module("ngboost.distns").Normal

    class QuickNormal(normal):
        def __init__(self, params: Scores) -> None:
            self._params = params
            self.loc, log_scale = params
            self.scale = np.exp(log_scale)
            self.var = self.scale**2
            self.dist = self

        def logpdf(self, y: Scores) -> Scores:
            """Log density at ``y``."""
            away = (y - self.loc) / self.scale
            return np.asarray(-(away**2) / 2 - np.log(self.scale) - np.log(2 * np.pi) / 2)

    return QuickNormal


class _OptionalPipeline(PipelinePredictor):
    """A pipeline whose regressor is of a package that may be missing."""

    minimum_labels = 5

    @classmethod
    def preload(cls) -> None:
        """Import what ``fit`` needs; raise ``MissingExtraError`` where it is missing."""
        for package in cls.heavy_imports:
            _optional(package)


class LightGBM(_OptionalPipeline):
    """Gradient-boosted trees (LightGBM) on structural and path features.

    Needs the extra ``boosting``.

    Parameters
    ----------
    n_estimators, num_leaves, min_child_samples, learning_rate, subsample, colsample_bytree
        As ``lightgbm.LGBMRegressor``.
    n_jobs : int
        Threads of one fit.

    References
    ----------
    G. Ke et al. LightGBM: A highly efficient gradient boosting decision tree. NeurIPS 2017.
    """

    heavy_imports = ("lightgbm",)

    n_estimators: int = whole_number(500)
    num_leaves: int = whole_number(6, least=2)
    min_child_samples: int = whole_number(2, least=0)
    learning_rate: float = positive_number(0.03, most=1)
    subsample: float = positive_number(0.8, most=1)
    colsample_bytree: float = positive_number(0.4, most=1)
    n_jobs: int = job_count(1)

    def _steps(self, n_features: int, seed: int) -> list[Any]:  # noqa: ARG002
        return [
            _optional("lightgbm").LGBMRegressor(
                **self._own_parameters(),
                subsample_freq=1,
                random_state=seed,
                deterministic=True,
                force_col_wise=True,
                verbose=-1,
            )
        ]

    def _predict(self, codes: Codes) -> tuple[Scores, Scores | None]:
        features = self.pipeline_[:-1].transform(codes)
        scores = self.pipeline_[-1].booster_.predict(features, num_threads=self.n_jobs)
        return np.asarray(scores, dtype=np.float64), None


class NGBoost(_OptionalPipeline):
    """Natural gradient boosting: each architecture gets a normal distribution, mean and deviation.

    Needs the extra ``boosting``.

    Parameters
    ----------
    n_estimators, learning_rate, minibatch_frac
        As ``ngboost.NGBRegressor``.
    max_depth : int
        Of each tree.
    max_features : float
        Share of the features tried at each split.

    References
    ----------
    T. Duan et al. NGBoost: Natural gradient boosting for probabilistic prediction. ICML 2020.

    Examples
    --------
    >>> import nasurge
    >>> table = nasurge.load_table("nb201-analog")
    >>> y = table.values(task="cifar10", metric="baseline_accuracy")
    >>> boosted = NGBoost(table.space, n_estimators=20, seed=0).fit(table.codes[::150], y[::150])
    >>> scores, std = boosted.predict(table.codes[:5], return_std=True)
    >>> bool((std > 0).all())
    True
    """

    offers_std = True
    heavy_imports = ("ngboost",)

    n_estimators: int = whole_number(60)
    max_depth: int = whole_number(4)
    learning_rate: float = positive_number(0.05, most=1)
    minibatch_frac: float = positive_number(0.8, most=1)
    max_features: float = positive_number(0.33, most=1)

    def _steps(self, n_features: int, seed: int) -> list[Any]:  # noqa: ARG002
        from sklearn.tree import DecisionTreeRegressor

        draws = np.random.RandomState(seed)
        tree = DecisionTreeRegressor(
            max_depth=self.max_depth,
            max_features=float(self.max_features),  # the integer 1 would mean one feature
            random_state=draws,
        )
        return [
            _optional("ngboost").NGBRegressor(
                Dist=_quick_normal(),
                Base=tree,
                n_estimators=self.n_estimators,
                learning_rate=self.learning_rate,
                minibatch_frac=self.minibatch_frac,
                random_state=draws.randint(2**31),
                verbose=False,
            )
        ]

    def _fit(self, codes: Codes, z: Labels, rng: np.random.Generator) -> None:
        super()._fit(codes, z, rng)
        booster = self.pipeline_[-1]
        # From here on the package's own class, which a saved model is made of.
        booster.Dist = importlib.import_module("ngboost.distns").Normal
        booster.Manifold = importlib.import_module("ngboost.manifold").manifold(
            booster.Score, booster.Dist
        )

    def _predict(self, codes: Codes) -> tuple[Scores, Scores | None]:
        encoder, booster = self.pipeline_[:-1], self.pipeline_[-1]
        features = np.asarray(encoder.transform(codes), dtype=np.float32)
        parameters = np.tile(np.asarray(booster.init_params, dtype=np.float64), (len(codes), 1))
        # Not booster.pred_dist, which copies and checks all features again for every tree.
        for trees, scale in zip(booster.base_models, booster.scalings, strict=True):
            steps = [tree.tree_.predict(features)[:, 0] for tree in trees]
            parameters -= booster.learning_rate * scale * np.stack(steps, axis=1)
        return parameters[:, 0], np.exp(parameters[:, 1])
