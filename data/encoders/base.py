"""Contract of an encoder, and the plainest one."""

from __future__ import annotations

from dataclasses import field
from functools import lru_cache
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin

from ..parameters import Estimator, check_parameters
from ..spaces import Codes, Space, check_space
from ..types import Index, Matrix
from .numbers import MOST_VALUES, number_columns

Features = Matrix

# Of spaces with fewer codes, the features of all architectures are kept once a quarter is wanted.
_MOST_KEPT = 100_000
_WANTED = 4


class Encoder(Estimator, TransformerMixin, BaseEstimator):
    """A stateless transformer from codes (n, d) to features (n, f)."""

    space: Space = field(kw_only=False)

    def fit(self, codes: ArrayLike, y: Any = None) -> Self:  # noqa: ARG002 -- scikit-learn's signature
        """Check ``codes``; there is nothing to learn."""
        self._check()
        self.n_features_in_ = self.space.check(codes).shape[1]
        return self

    def _check(self) -> None:
        """Raise ``ParameterError`` if space or parameters are none to encode with."""
        check_space(self)
        check_parameters(self)

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:  # noqa: ARG002
        """Name of each feature, shape (f,)."""
        return np.array(self._names(), dtype=object)

    @property
    def _weighed(self) -> list[int]:
        """Operations that do something, and so count along paths."""
        operations = enumerate(self.space.operations)
        return [k for k, operation in operations if operation.kind not in ("zero", "skip")]

    def _names(self) -> list[str]:
        raise NotImplementedError

    def transform(self, codes: ArrayLike) -> Features:
        """Features of each architecture, shape (n, f).

        Parameters
        ----------
        codes : array_like of int, shape (n, d)

        Returns
        -------
        ndarray of float, shape (n, f)

        Raises
        ------
        ArchitectureError
            If a row is not in the space.
        """
        self._check()
        codes = self.space.check(codes)
        few = self.space.listed and self.space.n_codes <= _MOST_KEPT
        if not few or len(codes) * _WANTED < self.space.size:
            return self._features(codes)
        kind: Any = type(self)
        known, features = _whole_space(kind, self.space)
        return np.asarray(features[np.searchsorted(known, self.space.keys(codes))])

    def _features(self, codes: Codes) -> Features:
        """Features of checked codes, shape (n, f), each row's whatever stands beside it."""
        raise NotImplementedError


@lru_cache(maxsize=12)
def _whole_space(kind: type[Encoder], space: Space) -> tuple[Index, Features]:
    """Number of every architecture, ascending, and its features by an encoder."""
    codes = space.all_codes()
    return space.keys(codes), kind(space)._features(codes)  # noqa: SLF001 - of this class


class OneHot(Encoder):
    """One column per value of every variable, and ordered variables as numbers.

    All columns of a variable that is not active are 0. Of an ordered variable with more than 32
    values only the number counts; see ``NumberColumns``.

    Parameters
    ----------
    space : Space

    Examples
    --------
    >>> from nasurge.data.spaces import Space, choice, make_space
    >>> space = make_space("nb201")
    >>> OneHot(space).fit_transform(space.sample(3, seed=0)).shape
    (3, 30)
    >>> own = Space({"width": [8, 16, 64], "op": choice("conv", "pool", active="width > 8")})
    >>> OneHot(own).get_feature_names_out().tolist()
    ['width=8', 'width=16', 'width=64', 'op=conv', 'op=pool', 'width (number)']
    >>> OneHot(own).transform([[0, 1], [1, 1]]).round(2)
    array([[1.  , 0.  , 0.  , 0.  , 0.  , 0.  ],
           [0.  , 1.  , 0.  , 0.  , 1.  , 0.14]])
    """

    @property
    def _by_value(self) -> list[int]:
        """Variables that have a column for every value."""
        ordered = [numbers is not None for numbers in self.space.numbers]
        sizes = self.space.cardinalities
        return [i for i, k in enumerate(sizes) if not (ordered[i] and k > MOST_VALUES)]

    @property
    def n_values(self) -> int:
        """Number of columns, the first ones, that are of one value each."""
        return sum(self.space.cardinalities[i] for i in self._by_value)

    def _names(self) -> list[str]:
        space, numbers = self.space, number_columns(self.space)
        if type(space).paths is Space.paths or space.conditional or numbers.names:
            values = [f"{space.variables[i]}={v}" for i in self._by_value for v in space.choices[i]]
        else:
            values = [f"x{i}={v}" for i, k in enumerate(space.cardinalities) for v in range(k)]
        return [*values, *numbers.names]

    def _features(self, codes: Codes) -> Features:
        """One-hot code of each architecture and its numbers, shape (n, f)."""
        space, kept = self.space, self._by_value
        sizes = np.asarray(space.cardinalities)[kept]
        features = np.zeros((len(codes), int(sizes.sum())))
        marks = space.active(codes)[:, kept].astype(np.float64) if space.conditional else 1.0
        offsets = np.cumsum(sizes) - sizes
        np.put_along_axis(features, codes[:, kept] + offsets, marks, axis=1)
        numbers = number_columns(space)
        if not numbers.names:
            return features
        return np.concatenate([features, numbers.features(space, codes)], axis=1)
