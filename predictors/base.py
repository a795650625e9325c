"""The contract of a predictor: a scikit-learn regressor over codes."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from typing import ClassVar, Literal, Self, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin

from ..data.seeds import Seed, as_generator
from ..data.spaces import Codes, Space
from ..errors import NotFittedError, ParameterError
from .labels import Labels, check_labels, make_transform

Scores = NDArray[np.float64]


class Predictor(RegressorMixin, BaseEstimator, ABC):
    """Predicts the label of an architecture from a few that were measured.

    A subclass stores its parameters in ``__init__`` and implements ``_fit`` and ``_predict``.
    Bigger labels are better. Architectures that compute the same function get the same score: a
    subclass only ever sees the representatives of ``space.canonical``.

    Parameters
    ----------
    space : Space
        The space that codes belong to.
    labels : {"normal-scores", "standardised"}
        What the model learns; scores come back in the units of the labels either way.
    seed : int, Generator or None
    """

    minimum_labels: ClassVar[int] = 2
    """Fewest architectures ``fit`` accepts."""
    offers_std: ClassVar[bool] = False
    """Whether ``predict(codes, return_std=True)`` works."""
    heavy_imports: ClassVar[tuple[str, ...]] = ()
    """Modules that ``fit`` imports; ``preload`` imports them ahead of a timing."""

    space: Space
    labels: str = "normal-scores"
    seed: Seed = None

    @classmethod
    def preload(cls) -> None:
        """Import what ``fit`` needs, so that its first call is not slower than the next."""
        for module in cls.heavy_imports:
            importlib.import_module(module)

    @abstractmethod
    def _fit(self, codes: Codes, z: Labels, rng: np.random.Generator) -> None:
        """Learn transformed labels ``z``, shape (n,), of canonical codes, shape (n, d)."""

    @abstractmethod
    def _predict(self, codes: Codes) -> tuple[Scores, Scores | None]:
        """Return transformed scores and their standard deviations (or None), each shape (n,)."""

    def fit(self, codes: ArrayLike, y: ArrayLike) -> Self:
        """Learn from measured architectures.

        Parameters
        ----------
        codes : array_like of int, shape (n, d)
        y : array_like of float, shape (n,)
            Labels, bigger is better. The same architecture may occur with different labels.

        Raises
        ------
        ArchitectureError
            If a row is not in the space.
        LabelError
            If labels are missing, not finite, all equal or too few.
        """
        codes = self.space.canonical(codes)
        y = check_labels(y, len(codes), minimum=self.minimum_labels, who=type(self).__name__)
        transform = make_transform(self.labels).fit(y)
        self._fit(codes, transform.transform(y), as_generator(self.seed))
        self.n_features_in_ = codes.shape[1]
        self.label_transform_ = transform
        return self

    @overload
    def predict(self, codes: ArrayLike, *, return_std: Literal[False] = False) -> Scores: ...

    @overload
    def predict(self, codes: ArrayLike, *, return_std: Literal[True]) -> tuple[Scores, Scores]: ...

    def predict(
        self, codes: ArrayLike, *, return_std: bool = False
    ) -> Scores | tuple[Scores, Scores]:
        """Return the predicted label of each architecture.

        Parameters
        ----------
        codes : array_like of int, shape (n, d)
        return_std : bool
            Return standard deviations as well.

        Returns
        -------
        scores : ndarray of float, shape (n,)
            In the units of the labels.
        std : ndarray of float, shape (n,)
            Only with ``return_std``; in the units of the labels.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        ArchitectureError
            If a row is not in the space.
        ParameterError
            If standard deviations are asked of a predictor that has none.
        """
        if not hasattr(self, "label_transform_"):
            raise NotFittedError(f"{type(self).__name__} is not fitted: call fit(codes, y) first")
        if return_std and not self.offers_std:
            raise ParameterError(
                f"{type(self).__name__} offers no standard deviations; predictors that do are "
                "marked in the list of: nasurge predictors"
            )
        canonical = self.space.canonical(codes)
        # Twins are predicted once: a whole NAS-Bench-201 is 6,466 rows instead of 15,625.
        _, first, inverse = np.unique(
            self.space.index(canonical), return_index=True, return_inverse=True
        )
        z, deviation = self._predict(canonical[first])
        scores = self.label_transform_.inverse(z)[inverse]
        if not return_std or deviation is None:
            return scores
        # Over the whole deviation: between two neighbouring labels the slope is mostly chance.
        above, below = (self.label_transform_.inverse(z + side * deviation) for side in (1, -1))
        return scores, ((above - below) / 2)[inverse]
