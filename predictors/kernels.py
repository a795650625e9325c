"""Gaussian processes."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from ..data.spaces import Codes
from .base import Scores
from .pipelines import PipelinePredictor


class GaussianProcess(PipelinePredictor):
    """A Gaussian process with a Matern-3/2 kernel on structural features.

    Hyperparameters (amplitude, length scale, noise) maximise the marginal likelihood.

    Parameters
    ----------
    space : Space
    features : tuple of str, optional
        Encoders used; structure and, where positions matter, one-hot.
    labels : {"normal-scores", "standardised"}
    seed : int, Generator or None
        Not used: the fit is deterministic. Accepted as by every predictor.

    References
    ----------
    C. E. Rasmussen and C. K. I. Williams. Gaussian processes for machine learning. 2006. For
    architectures: Z. Li et al. GP-NAS. CVPR 2020.

    Examples
    --------
    >>> import nasurge
    >>> table = nasurge.load_table("nb201-analog")
    >>> y = table.values(task="cifar10", metric="baseline_accuracy")
    >>> gp = GaussianProcess(table.space).fit(table.codes[::150], y[::150])
    >>> scores, std = gp.predict(table.codes, return_std=True)
    >>> bool((std > 0).all())
    True
    """

    minimum_labels = 3
    offers_std = True
    default_features = ("structure", "onehot")
    heavy_imports = ("sklearn.gaussian_process",)

    def _steps(self, n_features: int, seed: int) -> list[Any]:  # noqa: ARG002
        from sklearn.gaussian_process import GaussianProcessRegressor
        from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel
        from sklearn.preprocessing import StandardScaler

        scale = np.sqrt(n_features)
        kernel = ConstantKernel(1.0, (0.05, 50.0)) * Matern(
            scale, (0.1 * scale, 40.0 * scale), nu=1.5
        ) + WhiteKernel(0.1, (1e-3, 2.0))
        return [StandardScaler(), GaussianProcessRegressor(kernel)]

    def _fit(self, codes: Codes, z: Any, rng: np.random.Generator) -> None:
        from sklearn.exceptions import ConvergenceWarning

        with warnings.catch_warnings():
            # A hyperparameter at its bound is a legal answer with a handful of labels.
            warnings.simplefilter("ignore", ConvergenceWarning)
            super()._fit(codes, z, rng)

    def _predict(self, codes: Codes) -> tuple[Scores, Scores | None]:
        scores, std = self.pipeline_.predict(codes, return_std=True)
        return scores, std
