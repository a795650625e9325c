"""A scorer learnt from many earlier tasks that have measured one or a few architectures each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from ...data.spaces import Codes, Space
from ...data.types import Matrix
from ...errors import LabelError, ParameterError
from ..labels import NormalScores
from ..processes import GroupedGP, Groups, Term, cholesky_factor, cholesky_solve, feature_groups

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression

_LABELLED = ("structure", "operations", "shares", "untrained")  # features that tell labels
_PICKED = ("structure", "free paths", "paths")  # features that tell what was chosen
# Variances of a task's effect and of noise; an architecture's is 1.
_EFFECT, _NOISE = 1.0, 2.0
# What is expected of architectures like none that somebody chose, in deviations of the labels.
_FLOOR = -5.0
_DRAWN = 4000  # random architectures that a classifier compares chosen ones with
_TOLD_APART = 0.7  # area under the curve from which on architectures count as chosen
_FOLDS = 3
_FEWEST = 20  # functions from which on it can be seen whether they were chosen


class TaskPool:
    """Labels of many tasks, each with few, and which architectures these tasks had chosen.

    Labels are a function of the architecture (a Gaussian process, Matern-3/2 kernel on structure,
    operations, shares and, for cells, untrained networks), an effect of the task, and noise.
    Amplitudes and length are fixed: searched on a biased choice of architectures they ranked the
    others worse.

    Earlier tasks were often measured on architectures that somebody had chosen because they were
    good. Then the process expects five deviations below the mean of what is like none of them, and
    a logistic regression tells chosen architectures from random ones: how surely it does, in normal
    scores over the space, is averaged with what the process says. Among chosen architectures alone
    labels mislead: a weak one is among them only where its task was easy.

    That architectures were not drawn at random is found out; that what they were chosen for is to
    be good is assumed. Where it was something else, such as to be small, say ``chosen=False``.

    Parameters
    ----------
    space : Space
    chosen : bool, optional
        Whether the architectures were chosen because they are good. By default, whether there are
        20 different ones or more, and held-out ones are told in 70 of 100 pairs from random codes
        and from random functions.

    Raises
    ------
    ParameterError
        If ``chosen`` is not True, False or None.

    Attributes
    ----------
    chosen_ : bool

    References
    ----------
    Which were chosen as a ratio of densities: M. Sugiyama, T. Suzuki, T. Kanamori. Density ratio
    estimation in machine learning. 2012. Told by a classifier whether two samples differ: D.
    Lopez-Paz, M. Oquab. Revisiting classifier two-sample tests. ICLR 2017.
    """

    def __init__(self, space: Space, *, chosen: bool | None = None) -> None:
        if chosen not in (True, False, None):
            raise ParameterError(f"chosen is True, False or None, not {chosen!r}")
        self.space = space
        self.chosen = chosen

    def fit(self, codes: Codes, y: Matrix, tasks: NDArray[np.int64]) -> Self:
        """Learn labels, shape (n,), of canonical codes (n, d), of numbered tasks (n,)."""
        if np.ptp(y) == 0:
            raise LabelError(f"all {len(y)} labels are {y[0]:g}: there is nothing to rank")
        drawn = self.space.canonical(self.space.sample(_DRAWN, seed=0))
        features, random = self._features(codes), self._features(drawn)
        self.chosen_ = self._were_chosen(codes, features) if self.chosen is None else self.chosen
        self.floor_ = _FLOOR if self.chosen_ else 0.0
        self._learn_labels(features, (y - y.mean()) / y.std(), tasks)
        self.scale_ = NormalScores().fit(self._labels(random))
        self.choice_scale_ = None
        if self.chosen_:
            self.slopes_: Matrix = _classifier().fit(*_beside(features, random)).coef_[0]
            self.choice_scale_ = NormalScores().fit(self._choice(random))
        return self

    def predict(self, codes: Codes) -> Matrix:
        """Scores over the space, normal ones or the mean of two such, shape (n,)."""
        canonical = self.space.canonical(codes)
        _, first, inverse = np.unique(
            self.space.keys(canonical), return_index=True, return_inverse=True
        )
        groups = self._features(canonical[first])
        found: Matrix = self.scale_.transform(self._labels(groups))
        if self.choice_scale_ is not None:
            found = (found + self.choice_scale_.transform(self._choice(groups))) / 2
        return np.asarray(found[inverse])

    def _features(self, codes: Codes) -> Groups:
        return feature_groups(self.space, codes, untrained=self.space.cell is not None)

    def _learn_labels(self, groups: Groups, z: Matrix, tasks: NDArray[np.int64]) -> None:
        self.groups_ = {name: groups[name] for name in _LABELLED if name in groups}
        lengths = np.full(len(self.groups_), 0.5 * np.log(len(self.groups_)))
        theta = np.concatenate([[0.0], lengths, [np.log(_NOISE)]])
        self.process_ = GroupedGP([Term(tuple(self.groups_), 1.5)]).set_theta(theta)
        covariance = self.process_.kernel(self.groups_, self.groups_)
        covariance += _EFFECT * (tasks[:, None] == tasks[None])
        self.alpha_ = cholesky_solve(cholesky_factor(covariance, _NOISE), z - self.floor_)

    def _labels(self, groups: Groups) -> Matrix:
        """Label on a task like the mean one, in deviations, shape (n,)."""
        return np.asarray(self.floor_ + self.process_.kernel(groups, self.groups_) @ self.alpha_)

    def _choice(self, groups: Groups) -> Matrix:
        """Log odds that each architecture was chosen, less a constant, shape (n,)."""
        return np.asarray(_picked(groups) @ self.slopes_)

    def _were_chosen(self, codes: Codes, features: Groups) -> bool:
        """Whether a classifier tells architectures from random codes and from random functions."""
        from sklearn.metrics import roc_auc_score
        from sklearn.model_selection import GroupKFold, cross_val_predict

        if len(np.unique(self.space.keys(codes))) < _FEWEST:
            return False
        many = self.space.canonical(self.space.sample(5 * _DRAWN, seed=1))
        distinct = self.space.from_keys(np.unique(self.space.keys(many)))
        kept = np.random.default_rng(2).permutation(len(distinct))[:_DRAWN]
        for others in (many[:_DRAWN], distinct[kept]):
            x, classes = _beside(features, self._features(others))
            # What one part knows of a function must not help to recognise it in another.
            held_out = cross_val_predict(
                _classifier(),
                x,
                classes,
                groups=self.space.keys(np.concatenate([codes, others])),
                cv=GroupKFold(_FOLDS),
                method="decision_function",
            )
            if roc_auc_score(classes, held_out) <= _TOLD_APART:
                return False
        return True


def _classifier() -> LogisticRegression:
    """Unfitted classifier of chosen and random architectures."""
    from sklearn.linear_model import LogisticRegression

    # Weak regularisation: of the strengths tried, held-out likelihood was best with it.
    return LogisticRegression(C=10.0, max_iter=5000)


def _picked(groups: Groups) -> Matrix:
    """Features that separate chosen architectures, shape (n, columns)."""
    return np.concatenate([groups[name] for name in _PICKED if name in groups], axis=1)


def _beside(chosen: Groups, random: Groups) -> tuple[Matrix, NDArray[np.int64]]:
    """Features of both, and the class of each row: 1 for the chosen, 0 for the random."""
    parts = _picked(chosen), _picked(random)
    return np.concatenate(parts), np.repeat([1, 0], [len(part) for part in parts])
