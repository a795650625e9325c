"""The contract of a predictor: a scikit-learn regressor over codes."""

from __future__ import annotations

import copy
import importlib
from abc import ABC, abstractmethod
from dataclasses import field
from pathlib import Path
from typing import ClassVar, Literal, Self, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils import Tags

from ..data.arguments import as_path, checked
from ..data.parameters import Estimator, check_parameters, one_of
from ..data.seeds import Seed, as_generator
from ..data.spaces import Codes, Space, check_space
from ..errors import NotFittedError, ParameterError
from .labels import (
    TRANSFORMS,
    Labels,
    LabelTransform,
    check_labels,
    finite_labels,
    make_transform,
)
from .saving.objects import Savable, write_predictor

Scores = NDArray[np.float64]


class Predictor(Estimator, RegressorMixin, BaseEstimator, Savable, ABC):
    """A regressor from architectures to labels, learnt from a few that were measured.

    A subclass names its parameters, annotated, and implements ``_fit`` and ``_predict``.
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
    """Whether ``predict(codes, return_std=True)`` works, whatever the parameters."""
    needs_labels: ClassVar[bool] = True
    """Whether it refuses to predict, or to learn from too few labels; False if it falls back."""
    learns: ClassVar[bool] = True
    """Whether scores follow the labels; False for what scores architectures by themselves."""
    quick_update: ClassVar[bool] = False
    """Whether ``update`` takes milliseconds, so that a search may try out expected labels."""
    heavy_imports: ClassVar[tuple[str, ...]] = ()
    """Modules that ``fit`` imports; ``preload`` imports them ahead of a timing."""

    space: Space = field(kw_only=False)
    labels: str = one_of("normal-scores", TRANSFORMS)
    seed: Seed = None

    n_features_in_: int = field(init=False)
    label_transform_: LabelTransform = field(init=False)
    fitted_codes_: Codes = field(init=False)
    fitted_labels_: Labels = field(init=False)

    @property
    def has_std(self) -> bool:
        """Whether ``predict(codes, return_std=True)`` works with these parameters."""
        return self.offers_std

    @property
    def refusal(self) -> str | None:
        """Why it cannot serve its space with these parameters; None if it can."""
        return None

    def __sklearn_tags__(self) -> Tags:
        """Tags for scikit-learn: codes are categories, whole numbers from 0."""
        tags = super().__sklearn_tags__()
        tags.input_tags.categorical = True
        return tags

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
        """Transformed scores and their standard deviations (or None), each shape (n,)."""

    def fit(self, codes: ArrayLike, y: ArrayLike) -> Self:
        """Learn from measured architectures.

        An error or an interruption (Ctrl-C) leaves what was learnt before as it was.

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
        ParameterError
            If a parameter is outside its range, or it cannot serve this space with these parameters
            (``refusal`` says why).
        """
        self._check_serves()
        codes = self.space.canonical(codes)
        y = check_labels(y, len(codes), minimum=self.minimum_labels, who=type(self).__name__)
        return self._learn(codes, y.copy(), "_fit")

    def _check_serves(self) -> None:
        """Raise ``ParameterError`` if space or parameters are none to learn with."""
        check_space(self)
        check_parameters(self)
        if self.refusal is not None:
            raise ParameterError(self.refusal)

    def update(self, codes: ArrayLike, y: ArrayLike) -> Self:
        """Learn some more measured architectures, beside those learnt before.

        Predictors for which that is cheaper keep a part of the earlier fit (Gaussian processes the
        hyperparameters, graph networks the weights); all others are fitted again to everything.

        Parameters
        ----------
        codes : array_like of int, shape (m, d)
        y : array_like of float, shape (m,)
            Any number of labels, one too. Before ``fit``, this is ``fit``.

        Raises
        ------
        ArchitectureError
            If a row is not in the space.
        LabelError
            If labels are missing or not finite. After this and any other error or interruption,
            what was learnt before stays as it is.
        ParameterError
            If a parameter is outside its range.

        Examples
        --------
        >>> import nasurge
        >>> table = nasurge.load_table("nb201-analog")
        >>> y = table.values(task="cifar10", metric="baseline_accuracy")
        >>> gp = nasurge.make_predictor("gp", table.space).fit(table.codes[::150], y[::150])
        >>> len(gp.update(table.codes[1:2], y[1:2]).fitted_labels_)
        106
        """
        if not hasattr(self, "label_transform_"):
            return self.fit(codes, y)
        check_parameters(self)
        codes = self.space.canonical(codes)
        y = np.concatenate([self.fitted_labels_, finite_labels(y, len(codes))])
        codes = np.concatenate([self.fitted_codes_, codes])
        return self._learn(codes, y, "_update")

    def _learn(self, codes: Codes, y: Labels, how: Literal["_fit", "_update"]) -> Self:
        """Learn checked labels, whole or not at all: an error or Ctrl-C leaves what was learnt."""
        learner = copy.copy(self)
        transform = make_transform(self.labels).fit(y)
        getattr(learner, how)(codes, transform.transform(y), as_generator(self.seed))
        learner.n_features_in_ = codes.shape[1]
        learner.label_transform_ = transform
        learner.fitted_codes_, learner.fitted_labels_ = codes, y
        self.__dict__.update(vars(learner))
        return self

    def _update(self, codes: Codes, z: Labels, rng: np.random.Generator) -> None:
        """Learn all labels, old and new (as ``_fit``), where an earlier fit may be of use."""
        self._fit(codes, z, rng)

    @checked
    def save(self, path: str | Path) -> None:
        """Write this fitted predictor to one file, whole or not at all.

        The file holds JSON and arrays, and never a pickle; ``nasurge.load_predictor`` reads it.

        Parameters
        ----------
        path : str or Path

        Raises
        ------
        NotFittedError
            Before ``fit``.
        ParameterError
            If a parameter or something learnt is of a kind that cannot be saved.
        StorageError
            If the file cannot be written; an earlier one is then untouched.
        """
        self._check_fitted()
        write_predictor(as_path(path), self)

    def _check_fitted(self) -> None:
        """Raise ``NotFittedError`` before ``fit``."""
        if not hasattr(self, "label_transform_"):
            raise NotFittedError(f"{type(self).__name__} is not fitted: call fit(codes, y) first")

    @overload
    def predict(self, codes: ArrayLike, *, return_std: Literal[False] = False) -> Scores: ...

    @overload
    def predict(self, codes: ArrayLike, *, return_std: Literal[True]) -> tuple[Scores, Scores]: ...

    def predict(
        self, codes: ArrayLike, *, return_std: bool = False
    ) -> Scores | tuple[Scores, Scores]:
        """Predicted label of each architecture.

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
        self._check_fitted()
        if return_std and not self.has_std:
            raise ParameterError(
                f"{type(self).__name__} offers no standard deviations with these parameters; "
                "predictors that always do are marked in the list of: nasurge predictors"
            )
        canonical = self.space.canonical(codes)
        if not len(canonical):
            none = np.empty(0)
            return (none, none.copy()) if return_std else none
        # Twins are predicted once: a whole NAS-Bench-201 is 6,466 rows instead of 15,625.
        _, first, inverse = np.unique(
            self.space.keys(canonical), return_index=True, return_inverse=True
        )
        z, deviation = self._predict(canonical[first])
        scores = self.label_transform_.inverse(z)[inverse]
        if not return_std or deviation is None:
            return scores
        # Over the whole deviation: between two neighbouring labels the slope is mostly chance.
        above, below = (self.label_transform_.inverse(z + side * deviation) for side in (1, -1))
        return scores, ((above - below) / 2)[inverse]
