"""A predictor and a searcher for NASurge."""

import numpy as np
from nasurge.data.encoders import Structure
from nasurge.predictors.base import Predictor
from nasurge.search.base import Searcher
from sklearn.linear_model import Ridge


class Depth(Predictor):
    """Ridge regression on structural features."""

    minimum_labels = 5

    def __init__(self, space, *, alpha=1.0, labels="normal-scores", seed=None):
        self.space = space
        self.alpha = alpha
        self.labels = labels
        self.seed = seed

    def _fit(self, codes, z, rng):
        self.encoder_ = Structure(self.space)
        self.model_ = Ridge(self.alpha).fit(self.encoder_.fit_transform(codes), z)

    def _predict(self, codes):
        return self.model_.predict(self.encoder_.transform(codes)), None


class Sweep(Searcher):
    """Local search: the unseen neighbours of the best architecture so far."""

    def _ask(self, n):
        if not np.isfinite(self.values_).any():
            return self._draw(n)
        code, _ = self.best()
        neighbours, _ = self.space.neighbours(code[None])
        return self._rng.permutation(neighbours)
