"""Predictors that are a scikit-learn pipeline: encoders, then a regressor."""

from __future__ import annotations

import inspect
from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline

from ...data.encoders import OneHot, Paths, Structure
from ...data.networks import ZeroCost
from ...data.parameters import some_of
from ...data.spaces import Codes, Space
from ...errors import ParameterError
from ..base import Predictor, Scores
from ..labels import Labels

ENCODERS = {"structure": Structure, "paths": Paths, "onehot": OneHot, "zero-cost": ZeroCost}

_ROWS_AT_ONCE = 2048


def make_features(space: Space, names: tuple[str, ...] | list[str]) -> FeatureUnion:
    """Named encoders side by side.

    ``"onehot"`` is left out in spaces whose paths already tell everything
    (``space.positional`` is False), unless it is the only one.

    Raises
    ------
    ParameterError
        If a name is unknown or none is given.
    """
    unknown = [name for name in names if name not in ENCODERS]
    if unknown or not names:
        raise ParameterError(f"features are some of {', '.join(ENCODERS)}, received {list(names)}")
    if not space.positional and len(names) > 1:
        names = [name for name in names if name != "onehot"]
    return FeatureUnion([(name, ENCODERS[name](space)) for name in names])


class PipelinePredictor(Predictor):
    """A predictor whose model is a scikit-learn regressor on features of the architectures.

    After ``fit`` the whole pipeline is ``pipeline_``, a plain ``sklearn.pipeline.Pipeline`` that
    maps codes to transformed labels.

    Parameters
    ----------
    features : tuple of str, optional
        Encoders used: ``"structure"``, ``"paths"``, ``"onehot"``, and for cells ``"zero-cost"``.
        By default structure, paths and, where positions matter, one-hot.

    Examples
    --------
    >>> import nasurge
    >>> table = nasurge.load_table("nb201-analog")
    >>> y = table.values(task="cifar10", metric="baseline_accuracy")
    >>> trees = nasurge.make_predictor("xgb", table.space, seed=0)  # or "lightgbm"
    >>> trees.fit(table.codes[::150], y[::150]).predict(table.codes).shape
    (15625,)
    """

    default_features: ClassVar[tuple[str, ...]] = ("structure", "paths", "onehot")

    features: tuple[str, ...] | None = some_of(None, ENCODERS)

    def _own_parameters(self) -> dict[str, Any]:
        """Parameters that only some pipelines have, by the names that the regressor takes."""
        shared = inspect.signature(PipelinePredictor).parameters
        return {k: v for k, v in self.get_params(deep=False).items() if k not in shared}

    @abstractmethod
    def _steps(self, n_features: int, seed: int) -> list[Any]:
        """Scikit-learn steps that follow the encoders."""

    def make_pipeline(self, seed: int) -> Pipeline:
        """Pipeline that ``fit`` fits, from codes to transformed labels."""
        encoder = make_features(
            self.space, self.default_features if self.features is None else self.features
        )
        width = encoder.fit_transform(self.space.sample(1, seed=0)).shape[1]
        return make_pipeline(encoder, *self._steps(width, seed))

    def _fit(self, codes: Codes, z: Labels, rng: np.random.Generator) -> None:
        self.pipeline_: Pipeline = self.make_pipeline(int(rng.integers(2**31))).fit(codes, z)

    def _predict(self, codes: Codes) -> tuple[Scores, Scores | None]:
        # Features of a listed space are kept whole; others would fill the memory many times over.
        step = len(codes) if self.space.listed else _ROWS_AT_ONCE
        starts = range(0, max(1, len(codes)), max(1, step))
        parts = [self.pipeline_.predict(codes[i : i + step]) for i in starts]
        return np.concatenate(parts, dtype=np.float64), None
