"""Linear models."""

from __future__ import annotations

from typing import Any

from ...data.spaces import Codes
from ..base import Scores
from .pipelines import PipelinePredictor


class BayesianRidge(PipelinePredictor):
    """Bayesian ridge regression on structural features.

    The strength of the regularisation and the noise maximise the marginal likelihood.

    Parameters
    ----------
    features : tuple of str, optional
        Encoders used; structure and, where positions matter, one-hot.
    seed : int, Generator or None
        Not used: the fit is deterministic. Accepted as by every predictor.

    References
    ----------
    D. J. C. MacKay. Bayesian interpolation. Neural Computation 4, 1992.

    Examples
    --------
    >>> import nasurge
    >>> table = nasurge.load_table("nb201-analog")
    >>> y = table.values(task="cifar10", metric="baseline_accuracy")
    >>> ridge = BayesianRidge(table.space).fit(table.codes[::150], y[::150])
    >>> scores, std = ridge.predict(table.codes, return_std=True)
    >>> bool((std > 0).all())
    True
    """

    minimum_labels = 3
    offers_std = True
    default_features = ("structure", "onehot")
    heavy_imports = ("sklearn.linear_model",)

    def _steps(self, n_features: int, seed: int) -> list[Any]:  # noqa: ARG002
        from sklearn.linear_model import BayesianRidge as Ridge
        from sklearn.preprocessing import StandardScaler

        return [StandardScaler(), Ridge()]

    def _predict(self, codes: Codes) -> tuple[Scores, Scores | None]:
        scores, std = self.pipeline_.predict(codes, return_std=True)
        return scores, std
