"""Cheap predictors, a searcher guided by one, and an objective, for tests of searches."""

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.linear_model import Ridge

from nasurge.errors import LabelError
from nasurge.predictors import PairwisePredictor
from nasurge.search import SMEMNAS


class OneHotRidge(RegressorMixin, BaseEstimator):
    """A predictor that takes milliseconds: linear in the choices and in pairs of them."""

    def fit(self, codes, y):
        if len(y) < 3:
            raise LabelError("at least 3 labels")
        self.ridge_ = Ridge(alpha=3.0).fit(self._features(codes), y)
        return self

    def predict(self, codes):
        return self.ridge_.predict(self._features(codes))

    @staticmethod
    def _features(codes):
        return (codes[:, :, None] == np.arange(9)).reshape(len(codes), -1).astype(float)


class Unlearnable(OneHotRidge):
    def fit(self, codes, y):
        raise LabelError("constant labels")


def smooth(codes, seed=0):
    """An objective over nb201: a random value per choice, plus weaker ones per pair of choices."""
    rng = np.random.default_rng(seed)
    single, pair = rng.normal(size=(6, 5)), rng.normal(scale=0.3, size=(6, 5, 5))
    edges, codes = np.arange(6), codes.astype(int)
    return (single[edges, codes] + pair[edges, codes, np.roll(codes, 1, axis=1)]).sum(axis=1)


class RidgeRelation(PairwisePredictor):
    """A relation that takes milliseconds: the lead in a linear score."""

    minimum_labels = 3

    def __init__(self, space, *, labels="standardised", seed=None):
        self.space, self.labels, self.seed = space, labels, seed

    def _fit(self, codes, z, rng):
        self.ridge_ = OneHotRidge().fit(codes, z)
        self.line_ = (0.0, 1.0)

    def _predict(self, codes):
        return self.ridge_.predict(codes), None

    def _relation(self, first, second):
        return self.ridge_.predict(first) - self.ridge_.predict(second)


def smem(space, **parameters):
    return SMEMNAS(space, RidgeRelation(space), candidates=20, **parameters)
