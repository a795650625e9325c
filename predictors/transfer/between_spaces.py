"""A scorer learnt in one space that scores the architectures of another."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from ...data.encoders import Common
from ...data.spaces import Codes, Space
from ...data.types import Matrix
from ..labels import Blended
from ..processes import GroupedGP, Groups, Term

_REFERENCE_ROWS = 4000
_BEGINNINGS = {
    "numbers": ("paths", "distinct", "live", "skip_path"),
    "depth": ("depth", "steps"),
    "convs": ("convs",),
    "pools": ("pools",),
    "skips": ("skips",),
}


class Elsewhere(NamedTuple):
    """Labels of architectures of another space."""

    space: Space
    codes: Codes
    """(n, d)"""
    y: Matrix
    """(n,) bigger is better"""
    tasks: NDArray[np.str_]
    """(n,) which task each label belongs to"""


class SpaceScorer:
    """A Gaussian process on what all spaces have in common, learnt in one and asked in another.

    It sees the numbers of ``Common``, each centred and scaled over the architectures of its own
    space: "deeper than usual here" is what is carried over, not a depth. A measure that is the same
    all over either space is left out.

    Parameters
    ----------
    space : Space
        Of the architectures that are scored.

    Examples
    --------
    >>> import nasurge
    >>> table = nasurge.load_table("nb201-analog")
    >>> y = table.values(task="cifar10", metric="baseline_accuracy")
    >>> scorer = SpaceScorer(nasurge.make_space("transnas-micro"))
    >>> scorer = scorer.fit(table.space, table.codes[::200], y[::200])
    >>> scorer.predict(scorer.space.sample(4, seed=0)).shape
    (4,)
    """

    def __init__(self, space: Space) -> None:
        self.space = space

    def fit(self, source: Space, codes: Codes, y: Matrix) -> Self:
        """Learn labels, shape (n,), of canonical codes (n, d) of another space."""
        shared = _scales(source)[1].astype(bool) & _scales(self.space)[1].astype(bool)
        self.columns_ = np.flatnonzero(shared)
        groups = self._groups(source, codes)
        terms = [Term(tuple(groups), 1.5), *(Term((name,), 0) for name in groups)]
        self.process_ = GroupedGP(terms).fit(groups, Blended().fit(y).transform(y))
        return self

    def predict(self, codes: Codes) -> Matrix:
        """Scores of architectures of ``space``, shape (n,), bigger is better."""
        return self.process_.predict(self._groups(self.space, self.space.canonical(codes)))[0]

    def _groups(self, space: Space, codes: Codes) -> Groups:
        """Groups of the features that both spaces have, scaled over ``space``."""
        features = common_features(space, codes)
        names = Common(space).get_feature_names_out()[self.columns_]
        found = {}
        for group, beginnings in _BEGINNINGS.items():
            mine = self.columns_[[name.startswith(beginnings) for name in names]]
            if len(mine):
                # Two rows then differ by about 1 in the whole group.
                found[group] = features[:, mine] / np.sqrt(2 * len(mine))
        return found


def common_features(space: Space, codes: Codes) -> Matrix:
    """Numbers of ``Common``, each standardised over the space; 0 where it is constant.

    Parameters
    ----------
    space : Space
    codes : int array, shape (n, d)

    Returns
    -------
    ndarray of float, shape (n, f)
    """
    centre, scale = _scales(space)
    return np.asarray((Common(space).transform(codes) - centre) * scale)


@cache
def distinct_share(space: Space) -> float:
    """Number of different rows of ``Common``, as a share of the functions drawn."""
    rows = np.unique(space.canonical(space.sample(1000, seed=0)), axis=0)
    return len(np.unique(common_features(space, rows).round(6), axis=0)) / len(rows)


@cache
def _scales(space: Space) -> tuple[Matrix, Matrix]:
    """Centre and inverse deviation of every common number over a space; 0 if constant."""
    count = min(space.n_codes, _REFERENCE_ROWS)
    rows = np.unique(space.canonical(space.sample(count, seed=0)), axis=0)
    features = Common(space).transform(rows)
    deviation = features.std(axis=0)
    return features.mean(axis=0), np.where(deviation > 1e-9, 1 / np.maximum(deviation, 1e-9), 0)
