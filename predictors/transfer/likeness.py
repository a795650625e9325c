"""A new task as one that correlates with an earlier one, averaged over correlations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...data.types import Matrix
from ..labels import Labels, NormalScores
from ..processes import FAMILIES, ROWS_AT_ONCE, GroupedGP, Groups, Term, eigen_posteriors

TASKS = "tasks"
"""Name of the group of features that is an earlier task's scores."""

# How the new task's scores may correlate with the earlier one's, which share of what is left may
# be noise, and the odds of each: those that make the labels of other pairs of tasks most likely
# (docs/measured/transfer.md), with 50 pseudo-counts of equal odds for the 104 sets of labels.
_CORRELATIONS = (0.0, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98)
_NOISES = (0.1, 0.3, 0.6, 0.9)
_ODDS = (
    (0.08, 0.28, 0.19, 0.10, 0.10, 0.06, 0.05, 0.14),
    (0.38, 0.27, 0.21, 0.14),
    (0.24, 0.32, 0.20, 0.24),
)
_LEAST_NOISE = 0.02
_OFFSET = 0.2  # variance of a constant, as a share of what is left
# Labels are not quite as the model says: each counts as half of one.
_EFFECTIVE = 0.5


class OnScale(NormalScores):
    """Labels become earlier scores of the same architectures, in the labels' order.

    The best label becomes the best of these scores, and so on: with the earlier task's order they
    are its scores exactly, however few they are and wherever in the space they lie. Scores of
    several earlier tasks are averaged rank by rank.
    """

    def of(self, y: Labels, scores: Matrix) -> OnScale:
        """Map of labels, shape (n,), learnt from scores, shape (n, scorers)."""
        self.fit(y)
        ranked = np.sort(scores, axis=0).mean(axis=1)
        first = np.searchsorted(np.sort(y), self._labels)
        counts = np.diff([*first, len(y)])
        # A trace of the normal scores keeps labels apart where the earlier scores are equal.
        self._scores = np.add.reduceat(ranked, first) / counts + 1e-3 * self._scores
        return self


@dataclass(frozen=True)
class Hypotheses:
    """Correlations and shares of noise, each shape (h,), and the logarithms of their odds."""

    correlation: Matrix
    amplitude: Matrix
    noise: Matrix
    odds: Matrix

    @classmethod
    def all(cls) -> Hypotheses:
        """Every pair of a correlation and a share of noise."""
        rho, share = (part.ravel() for part in np.meshgrid(_CORRELATIONS, _NOISES, indexing="ij"))
        left = 1 - rho**2
        odds = np.log(np.outer(*_ODDS[:2])).ravel()
        return cls(rho, left * (1 - share), left * share + _LEAST_NOISE, odds)


@dataclass(frozen=True)
class Likeness:
    """A new task given an earlier one's scores and one residual kernel, under every hypothesis.

    The new task's scores are ``correlation * s + residual + noise`` with the earlier scores ``s``
    and a Gaussian process as the residual. Its kernel is the same under all hypotheses but for
    the amplitude, so that one eigendecomposition serves all.
    """

    given: Hypotheses
    process: GroupedGP
    groups: Groups
    mix: Matrix
    """(scorers,) weights of the earlier scores that it compares with"""
    axes: Matrix
    """(n, n) eigenvectors of the kernel"""
    told: Matrix
    """(h, n) weights of the axes in the mean"""
    known: Matrix
    """(h, n) what labels take from the variance along the axes"""
    evidence: Matrix
    """(h,) log marginal likelihood"""

    @classmethod
    def learn(
        cls, process: GroupedGP, groups: Groups, mix: Matrix, s: Matrix, z: Labels
    ) -> Likeness:
        """Likeness learnt from scores ``z`` of what the earlier task scores ``s``, each (n,)."""
        hypotheses = Hypotheses.all()
        covariance = process.kernel(groups, groups) + _OFFSET
        residuals = z - hypotheses.correlation[:, None] * s
        posteriors = eigen_posteriors(covariance, residuals, hypotheses.amplitude, hypotheses.noise)
        return cls(hypotheses, process, groups, mix, *posteriors)

    def moments(self, groups: Groups, s: Matrix, weights: Matrix) -> tuple[Matrix, Matrix]:
        """Weighted sums over hypotheses of the mean and of the mean square, each (n,)."""
        first, second = np.empty(len(s)), np.empty(len(s))
        for at in range(0, len(s), ROWS_AT_ONCE):
            part = slice(at, at + ROWS_AT_ONCE)
            few = {name: group[part] for name, group in groups.items()}
            along = (self.process.kernel(few, self.groups) + _OFFSET) @ self.axes
            means = s[part, None] * self.given.correlation + along @ self.told.T
            open_ = (self.process.prior_variance(few) + _OFFSET) * (weights @ self.given.amplitude)
            open_ -= along**2 @ (weights @ self.known)
            first[part] = means @ weights
            second[part] = means**2 @ weights + np.maximum(open_, 0) + weights @ self.given.noise
        return first, second


def residual_processes(groups: Groups) -> list[tuple[float, GroupedGP]]:
    """Kernels of what earlier tasks leave open, with the logarithms of their odds.

    Smooth in structure; linear in it; smooth in structure and earlier scores together; a smooth
    function of structure and one of earlier scores.
    """
    own = tuple(name for name in groups if name != TASKS)
    straight = tuple(name for name in own if name not in FAMILIES and name != "paths")
    joint, scale = Term(own, 1.5), np.full(len(own), 0.5 * np.log(len(own)))
    half = np.log(0.5)
    shapes = (
        ([joint], [0.0, *scale]),
        ([Term(straight, 0)], [np.log(2 / len(straight))]),
        ([Term((*own, TASKS), 1.5)], [0.0, *(scale - 0.5 * np.log(0.75)), -0.5 * half]),
        ([joint, Term((TASKS,), 1.5)], [half, *scale, half, 0.0]),
    )
    processes = [GroupedGP(terms).set_theta(np.array([*theta, 0.0])) for terms, theta in shapes]
    return list(zip(np.log(_ODDS[2]), processes, strict=True))


def hypothesis_weights(odds: Matrix, evidence: Matrix) -> Matrix:
    """Posterior weight of each hypothesis, from log odds and log evidence of the same shape."""
    logs = odds + _EFFECTIVE * evidence
    weights: Matrix = np.exp(logs - logs.max())
    return np.asarray(weights / weights.sum())
