"""What predictor-guided searchers share: a predictor that follows what the search is told."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..data.seeds import Seed
from ..data.spaces import Codes, Space
from ..errors import LabelError, ParameterError
from .base import Searcher, Values


@runtime_checkable
class Regressor(Protocol):
    """What guides a search: scikit-learn's ``fit`` and ``predict`` over codes."""

    def fit(self, codes: Codes, y: Values, /) -> Self:
        """Learn from codes, shape (n, d), and their values, shape (n,)."""

    def predict(self, codes: Codes, /) -> NDArray[np.floating[Any]]:
        """Return a score per row, bigger is better."""


def at_least_one(name: str, value: int) -> int:
    """Return ``value`` if it is a positive integer.

    Raises
    ------
    ParameterError
        If it is not.
    """
    if not isinstance(value, (int, np.integer)) or value < 1:
        raise ParameterError(f"{name} must be an integer of at least 1, not {value!r}")
    return int(value)


def above_zero(name: str, value: float, *, most: float = np.inf) -> float:
    """Return ``value`` if it is a number above 0 and at most ``most``.

    Raises
    ------
    ParameterError
        If it is not.
    """
    if not isinstance(value, (int, float, np.number)) or not 0 < value <= most:
        limit = "" if np.isinf(most) else f" and at most {most:g}"
        raise ParameterError(f"{name} must be a number above 0{limit}, not {value!r}")
    return float(value)


def fresh_predictor(predictor: Regressor, seed: int) -> Regressor:
    """Return an unfitted copy whose open seeds are ``seed``; a foreign predictor as it is."""
    if not hasattr(predictor, "get_params"):
        return predictor
    from sklearn.base import clone

    copy = clone(predictor)
    unset = {
        name: seed
        for name, value in copy.get_params(deep=True).items()
        if value is None and name.split("__")[-1] in ("seed", "random_state")
    }
    copy.set_params(**unset)
    fresh: Regressor = copy
    return fresh


def ranked(fitted: Regressor, codes: Codes) -> Codes:
    """Return the rows in falling order of their scores, equal ones as they came."""
    if not len(codes):
        return codes
    scores = np.asarray(fitted.predict(codes), dtype=np.float64)
    return codes[np.argsort(-scores, kind="stable")]


def best_told(searcher: Searcher, n: int) -> Codes:
    """Return the ``n`` best architectures that a searcher was told, the best first."""
    values = searcher.values_
    known = np.flatnonzero(~np.isnan(values))
    return searcher.codes_[known[np.argsort(-values[known], kind="stable")[:n]]]


class Guide:
    """A predictor and what a search needs to know of it: its seed, and when to fit it again.

    Parameters
    ----------
    predictor : object with ``fit(codes, y)`` and ``predict(codes)``
        Cloned before every fit where it has ``get_params``; parameters ``seed`` and
        ``random_state`` that are None then follow from ``rng``.
    rng : Generator
        Draws the seed, once.

    Raises
    ------
    ParameterError
        If the predictor lacks a method.
    """

    def __init__(self, predictor: Regressor, rng: np.random.Generator) -> None:
        if not isinstance(predictor, Regressor):
            raise ParameterError(
                f"a predictor has fit(codes, y) and predict(codes); {predictor!r} has not"
            )
        self.predictor = predictor
        self._seed = int(rng.integers(2**31))
        self._fitted: Regressor | None = None
        self._n_fitted = 0

    def fitted(self, codes: Codes, values: Values) -> Regressor:
        """Return the predictor fitted to all values that are numbers; anew if there are more.

        Raises
        ------
        LabelError
            If it cannot learn from them: too few, or all equal.
        """
        if self._fitted is None or self._n_fitted != len(values):
            fresh = fresh_predictor(self.predictor, self._seed)
            known = ~np.isnan(values)
            self._fitted = fresh.fit(codes[known], values[known])
            self._n_fitted = len(values)
        return self._fitted

    def state(self) -> dict[str, Any]:
        """Return what a searcher saves of it."""
        return {"predictor_seed": self._seed}

    def load_state(self, state: dict[str, Any]) -> None:
        """Take back what ``state`` returned; the next fit is a new one."""
        self._seed = int(state["predictor_seed"])
        self._fitted, self._n_fitted = None, 0


class GuidedSearcher(Searcher):
    """A search that draws a few architectures and then asks for what a predictor proposes.

    The predictor is fitted again before a proposal whenever values were told since. While it
    cannot learn (its ``fit`` raises ``LabelError``: too few labels, or all equal), architectures
    are drawn uniformly. Subclasses implement ``_propose``.

    Parameters
    ----------
    space : Space
    predictor : object with ``fit(codes, y)`` and ``predict(codes)``, optional
        By default what ``_default_predictor`` returns.
    initial : int
        How many are drawn uniformly before the predictor takes over; at least 1.
    pool : array_like of int, shape (m, d), optional
        The only architectures that may be proposed; by default the whole space.
    seed : int, Generator or None

    Raises
    ------
    ParameterError
        If ``initial`` is less than 1, or the predictor lacks a method.
    """

    def __init__(
        self,
        space: Space,
        predictor: Regressor | None = None,
        *,
        initial: int = 10,
        pool: ArrayLike | None = None,
        seed: Seed = None,
    ) -> None:
        super().__init__(space, pool=pool, seed=seed)
        self.initial = at_least_one("initial", initial)
        self.predictor = self._default_predictor() if predictor is None else predictor
        self._guide = Guide(self.predictor, self._rng)

    def _default_predictor(self) -> Regressor:
        """Return what guides the search when nothing is given: a fit of a tenth of a second."""
        from ..predictors.classical import XGBoost

        return XGBoost(self.space)

    @abstractmethod
    def _propose(self, fitted: Regressor, n: int) -> Codes:
        """Return proposals, the most wanted first, as ``_ask`` does."""

    def _ask(self, n: int) -> Codes:
        known = int((~np.isnan(self.values_)).sum())
        missing = self.initial - known - len(self._pending)
        drawn = n if not known else min(n, max(0, missing))
        if drawn == n:
            return self._draw(n)
        try:
            fitted = self._guide.fitted(self.codes_, self.values_)
        except LabelError:
            return self._draw(n)
        return np.concatenate([self._draw(drawn), self._propose(fitted, n - drawn)])

    def _state(self) -> dict[str, Any]:
        return self._guide.state()

    def _load_state(self, state: dict[str, Any]) -> None:
        self._guide.load_state(state)
