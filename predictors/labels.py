"""Label transforms shared by all predictors: learn the ranking, answer in the label's units."""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..data.networks import rank_scores
from ..errors import LabelError, ParameterError

Labels = NDArray[np.float64]


def finite_labels(y: ArrayLike, n: int) -> Labels:
    """Labels as floats, shape (n,).

    Raises
    ------
    LabelError
        If there are not ``n`` of them, or one is NaN or infinite.
    """
    try:
        labels = np.asarray(y, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise LabelError(f"labels are numbers: {error}") from error
    if labels.shape != (n,):
        raise LabelError(
            f"{n} architectures need {n} labels in one dimension, received shape {labels.shape}"
        )
    bad = ~np.isfinite(labels)
    if bad.any():
        raise LabelError(
            f"label {int(np.argmax(bad))} is {labels[np.argmax(bad)]} ({int(bad.sum())} of {n} are "
            "not finite): leave out architectures that were not measured"
        )
    return labels


def check_labels(y: ArrayLike, n: int, *, minimum: int, who: str) -> Labels:
    """Labels as floats, shape (n,), if they can be learnt from.

    Raises
    ------
    LabelError
        If there are not ``n`` of them, fewer than ``minimum``, one is NaN or infinite, or all are
        equal.
    """
    labels = finite_labels(y, n)
    if n < minimum:
        raise LabelError(
            f"{who} learns from at least {minimum} architectures, received {n}: evaluate more, or "
            "take a predictor that needs fewer"
        )
    if np.ptp(labels) == 0:
        raise LabelError(
            f"all {n} labels are {labels[0]:g}: there is nothing to rank; add architectures with "
            "other values"
        )
    return labels


class NormalScores:
    """Labels become the normal quantiles of their ranks; ties share their mean rank.

    The ranking is what counts, and accuracies crowd near the top with a long tail below: normal
    scores give every part of it the same weight. The inverse interpolates between the training
    labels and goes on straight beyond them, so that the predicted order is never lost.

    References
    ----------
    B. L. van der Waerden (1952); used for performance predictors in GP-NAS-ensemble,
    arXiv 2301.09231.

    Examples
    --------
    >>> import numpy as np
    >>> scores = NormalScores().fit(np.array([10.0, 90.0, 94.0]))
    >>> scores.inverse(scores.transform(np.array([10.0, 90.0, 94.0]))).round(6)
    array([10., 90., 94.])
    """

    def fit(self, y: Labels) -> Self:
        """Learn the map from training labels, shape (n,)."""
        self._labels, first = np.unique(y, return_index=True)
        self._scores: Labels = rank_scores(y)[first]
        return self

    def transform(self, y: Labels) -> Labels:
        """Normal score of each label, shape (n,)."""
        return self._through(y, self._labels, self._scores)

    def inverse(self, z: Labels) -> Labels:
        """Label of each normal score, shape (n,)."""
        return self._through(z, self._scores, self._labels)

    @staticmethod
    def _through(x: Labels, xs: Labels, ys: Labels) -> Labels:
        """Interpolate, and extrapolate with the slope of the outer quarter of the points."""
        reach = max(1, len(xs) // 4)
        low = (ys[reach] - ys[0]) / (xs[reach] - xs[0])
        high = (ys[-1] - ys[-1 - reach]) / (xs[-1] - xs[-1 - reach])
        inside = np.interp(x, xs, ys)
        below, above = np.minimum(x - xs[0], 0.0), np.maximum(x - xs[-1], 0.0)
        return np.asarray(inside + low * below + high * above)


class Standardised:
    """Labels lose their mean and are divided by their standard deviation."""

    def fit(self, y: Labels) -> Self:
        """Learn mean and deviation from training labels, shape (n,)."""
        self._mean, self._deviation = float(y.mean()), float(y.std())
        return self

    def transform(self, y: Labels) -> Labels:
        """Standardised labels, shape (n,)."""
        return (y - self._mean) / self._deviation

    def inverse(self, z: Labels) -> Labels:
        """Label of each standardised value, shape (n,)."""
        return z * self._deviation + self._mean


class Blended(NormalScores):
    """The mean of normal scores and standardised labels, standardised.

    Ranks forget how far apart two labels are, and stretch the crowded top where labels are mostly
    noise; raw labels are ruled by a few failures. The mean of both kept more of the ranking than
    either at every number of labels tried.

    Examples
    --------
    >>> import numpy as np
    >>> Blended().fit(np.array([10.0, 90.0, 94.0])).transform(np.array([10.0, 94.0])).round(2)
    array([-1.37,  0.99])
    """

    def fit(self, y: Labels) -> Self:
        """Learn the map from training labels, shape (n,)."""
        super().fit(y)
        normal = super().transform(y)
        mean, deviation = float(y.mean()), float(y.std())
        spread = float((normal + (y - mean) / deviation).std())
        self._scores = (self._scores - normal.mean() + (self._labels - mean) / deviation) / spread
        return self


LabelTransform = NormalScores | Standardised
"""A strictly increasing map of labels, learnt from the training labels."""

TRANSFORMS: dict[str, type[LabelTransform]] = {
    "normal-scores": NormalScores,
    "standardised": Standardised,
    "blended": Blended,
}
"""What labels may become before they are learnt."""


def make_transform(name: str) -> LabelTransform:
    """Label transform: ``"normal-scores"``, ``"standardised"`` or ``"blended"``.

    Raises
    ------
    ParameterError
        If there is no such transform.
    """
    if name not in TRANSFORMS:
        known = ", ".join(map(repr, TRANSFORMS))
        raise ParameterError(f"labels must be one of {known}, not {name!r}")
    return TRANSFORMS[name]()
