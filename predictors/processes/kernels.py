"""Gaussian processes."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.pipeline import Pipeline, make_pipeline

from ...data.spaces import Codes
from ..base import Scores
from ..classical import PipelinePredictor
from ..labels import Labels
from .inference import GROWTH, ROWS_AT_ONCE, steps_of


def few_steps(
    objective: Callable[[NDArray[np.float64]], tuple[float, NDArray[np.float64]]],
    start: NDArray[np.float64],
    bounds: NDArray[np.float64],
) -> tuple[NDArray[np.float64], float]:
    """Hyperparameters after at most 20 steps of L-BFGS, and the objective there.

    With many hyperparameters each step is dear, and the last ones gain nothing.
    """
    return steps_of(objective, start, bounds, 20)


@contextmanager
def quiet_bounds() -> Iterator[None]:
    """Let hyperparameters end at a bound: with a handful of labels, a legal answer."""
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


def needs_search(n: int, searched_with: int) -> bool:
    """Whether labels have grown so much that hyperparameters are to be searched again."""
    return n >= GROWTH * searched_with


def refit_pipeline(pipeline: Pipeline, codes: Codes, z: Labels) -> Pipeline:
    """A pipeline that ends in a Gaussian process, fitted with its hyperparameters kept."""
    process = clone(pipeline[-1]).set_params(kernel=pipeline[-1].kernel_, optimizer=None)
    steps = [clone(step) for _, step in pipeline.steps[:-1]]
    return make_pipeline(*steps, process).fit(codes, z)


def pipeline_posterior(pipeline: Pipeline, codes: Codes) -> tuple[Scores, Scores]:
    """Mean and deviation, each (n,), by a pipeline that ends in a Gaussian process."""
    starts = range(0, max(1, len(codes)), ROWS_AT_ONCE)
    parts = [pipeline.predict(codes[i : i + ROWS_AT_ONCE], return_std=True) for i in starts]
    means, deviations = zip(*parts, strict=True)
    return np.concatenate(means), np.concatenate(deviations)


class GaussianProcess(PipelinePredictor):
    """A Gaussian process with a Matern-3/2 kernel on structural features.

    Hyperparameters (amplitude, length scale, noise) maximise the marginal likelihood; of more than
    1,000 labels that of 1,000 drawn ones. With more than 2,000 labels the process rests on 2,000
    inducing rows, and says so in the log.

    Parameters
    ----------
    features : tuple of str, optional
        Encoders used; structure and, where positions matter, one-hot.
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
    >>> gp = nasurge.make_predictor("gp", table.space)  # or "gp-rbf", "gp-ard"
    >>> gp = gp.fit(table.codes[::150], y[::150])
    >>> scores, std = gp.predict(table.codes, return_std=True)
    >>> bool((std > 0).all())
    True
    """

    minimum_labels = 3
    offers_std = True
    quick_update = True
    default_features: ClassVar[tuple[str, ...]] = ("structure", "onehot")
    heavy_imports: ClassVar[tuple[str, ...]] = ("sklearn.gaussian_process",)

    optimiser: ClassVar[Any] = "fmin_l_bfgs_b"
    """How scikit-learn searches the hyperparameters."""

    def _kernel(self, n_features: int) -> Any:
        """Kernel on standardised features, to be scaled, without noise."""
        from sklearn.gaussian_process.kernels import Matern

        scale = np.sqrt(n_features)
        return Matern(scale, (0.1 * scale, 40.0 * scale), nu=1.5)

    def _steps(self, n_features: int, seed: int) -> list[Any]:  # noqa: ARG002
        from sklearn.preprocessing import StandardScaler

        return [StandardScaler(), self._process(self._kernel(n_features))]

    def _process(self, kernel: Any) -> Any:
        """Regressor with a scaled kernel and noise."""
        from sklearn.gaussian_process.kernels import ConstantKernel, WhiteKernel

        from .regressor import ManyLabelsRegressor

        scaled = ConstantKernel(1.0, (0.05, 50.0)) * kernel + WhiteKernel(0.1, (1e-3, 2.0))
        return ManyLabelsRegressor(scaled, optimizer=type(self).optimiser)

    def fit_pipeline(self, codes: Codes, z: Labels, seed: int = 0) -> Pipeline:
        """A pipeline fitted to transformed labels, hyperparameters searched."""
        with quiet_bounds():
            return self.make_pipeline(seed).fit(codes, z)

    def _fit(self, codes: Codes, z: Labels, rng: np.random.Generator) -> None:
        self.pipeline_ = self.fit_pipeline(codes, z, int(rng.integers(2**31)))
        self.searched_with_ = len(codes)

    def _update(self, codes: Codes, z: Labels, rng: np.random.Generator) -> None:
        if needs_search(len(codes), self.searched_with_):
            self._fit(codes, z, rng)
        else:
            self.pipeline_ = refit_pipeline(self.pipeline_, codes, z)

    def _predict(self, codes: Codes) -> tuple[Scores, Scores | None]:
        return pipeline_posterior(self.pipeline_, codes)


class RBFGaussianProcess(GaussianProcess):
    """A Gaussian process with a squared exponential (RBF) kernel on structural features.

    References
    ----------
    C. E. Rasmussen and C. K. I. Williams. Gaussian processes for machine learning. 2006.
    """

    def _kernel(self, n_features: int) -> Any:
        from sklearn.gaussian_process.kernels import RBF

        scale = np.sqrt(n_features)
        return RBF(scale, (0.1 * scale, 40.0 * scale))


class ARDGaussianProcess(GaussianProcess):
    """A Gaussian process with a Matern-3/2 kernel and one length scale per structural feature.

    Which features matter is learnt from the labels (automatic relevance determination).

    References
    ----------
    R. M. Neal. Bayesian learning for neural networks. 1996.
    """

    default_features = ("structure",)
    optimiser = staticmethod(few_steps)

    def _kernel(self, n_features: int) -> Any:
        from sklearn.gaussian_process.kernels import Matern

        scale = np.sqrt(n_features)
        return Matern(np.full(n_features, scale), (0.1 * scale, 100.0 * scale), nu=1.5)
