"""A series of weak predictors, each for a better part of the space."""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from ...data.parameters import number, one_of
from ...data.spaces import Codes
from ..base import Predictor, Scores
from ..classical import BayesianRidge, RandomForest, XGBoost
from ..labels import Labels
from ..neural import MLPEnsemble
from ..processes import GaussianProcess

BASES: dict[str, type[Predictor]] = {
    "gp": GaussianProcess,
    "mlp": MLPEnsemble,
    "rf": RandomForest,
    "ridge": BayesianRidge,
    "xgb": XGBoost,
}
# Fewest labels that a predictor of the series is fitted to.
_FEWEST = 10
# How gradually a sub-space begins, in normal scores.
_BORDER = 0.5


class WeakNAS(Predictor):
    """WeakNAS: weak predictors in a row, each of which knows a better part of the space.

    The first learns all labels, the next the better half of them, and so on while ten are left.
    An architecture that the series so far places in the sub-space of the next one is scored by the
    mean of both, so that inside the predicted top the later ones have the say; the border is
    gradual. The paper measures new architectures of the sub-space before each predictor: a loop
    that calls ``update`` does that, and the series is split anew.

    Parameters
    ----------
    base : str
        The weak predictor: ``"gp"``, ``"mlp"``, ``"rf"``, ``"ridge"`` or ``"xgb"``.
    share : float
        Share of the labels that the next predictor learns, above 0 and below 1.

    References
    ----------
    J. Wu et al. Stronger NAS with weaker predictors. NeurIPS 2021, arXiv 2102.10490.

    Examples
    --------
    >>> import nasurge
    >>> table = nasurge.load_table("nb201-analog")
    >>> y = table.values(task="cifar10", metric="baseline_accuracy")
    >>> weak = WeakNAS(table.space, base="gp", seed=0).fit(table.codes[::150], y[::150])
    >>> [len(predictor.fitted_labels_) for predictor in weak.series_]
    [105, 52, 26, 13]
    """

    minimum_labels = 5

    base: str = one_of("mlp", BASES)
    share: float = number(0.5, above=0, below=1)

    @classmethod
    def preload(cls) -> None:
        """Import what the weak predictors need."""
        for base in BASES.values():
            base.preload()

    def _fit(self, codes: Codes, z: Labels, rng: np.random.Generator) -> None:
        order = np.argsort(-z, kind="stable")
        series: list[Predictor] = []
        borders: list[float] = []
        while not series or (len(order) >= _FEWEST and np.ptp(z[order]) > 0):
            weak = BASES[self.base](self.space, seed=int(rng.integers(2**31)))
            series.append(weak.fit(codes[order], z[order]))
            borders.append(float(z[order[-1]]))
            order = order[: int(self.share * len(order))]
        self.series_, self.borders_ = series, borders

    def _predict(self, codes: Codes) -> tuple[Scores, None]:
        scores = self.series_[0].predict(codes)
        for weak, border in zip(self.series_[1:], self.borders_[1:], strict=True):
            inside = expit((scores - border) / _BORDER) / 2
            scores = (1 - inside) * scores + inside * weak.predict(codes)
        return scores, None
