"""What searches by a model share: first draws, and a predictor that follows the observations."""

from __future__ import annotations

import copy
from abc import abstractmethod
from dataclasses import field
from typing import Any, ClassVar, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ..data.parameters import whole_number
from ..data.spaces import Codes, Space
from ..data.types import Values
from ..errors import LabelError, ParameterError
from .base import Searcher
from .parameters import DeclaredSearcher


@runtime_checkable
class Regressor(Protocol):
    """A model that can guide a search: scikit-learn's ``fit`` and ``predict`` over codes."""

    def fit(self, codes: Codes, y: Values, /) -> Self:
        """Learn from codes, shape (n, d), and their values, shape (n,)."""

    def predict(self, codes: Codes, /) -> NDArray[np.floating[Any]]:
        """Score of each row, shape (n,); bigger is better."""


def fresh_predictor(predictor: Regressor, seed: int) -> Regressor:
    """Unfitted copy whose open seeds are ``seed``; a foreign predictor as it is."""
    if not hasattr(predictor, "get_params"):
        return predictor
    from sklearn.base import clone

    cloned = clone(predictor)
    unset = {
        name: seed
        for name, value in cloned.get_params(deep=True).items()
        if value is None and name.split("__")[-1] in ("seed", "random_state")
    }
    cloned.set_params(**unset)
    fresh: Regressor = cloned
    return fresh


def rank_codes(fitted: Regressor, codes: Codes) -> Codes:
    """Rows in falling order of their scores, shape (n, d), equal ones as they came."""
    if not len(codes):
        return codes
    scores = np.asarray(fitted.predict(codes), dtype=np.float64)
    return codes[np.argsort(-scores, kind="stable")]


def best_observed(searcher: Searcher, n: int) -> Codes:
    """The ``n`` best observed architectures of a search, shape (n, d), the best first.

    Of several objectives by rank and crowding distance, those within the bounds first.
    """
    if searcher.has_columns:
        from .searchers.nsga2 import ranked_rows

        return searcher.codes_[ranked_rows(searcher, n)]
    values = searcher.values_
    known = np.flatnonzero(~np.isnan(values))
    return searcher.codes_[known[np.argsort(-values[known], kind="stable")[:n]]]


def draw_choices(
    space: Space, n: int, probabilities: NDArray[np.floating[Any]], rng: np.random.Generator
) -> Codes:
    """Draws of every variable by itself, valid or not, shape (n, d).

    Parameters
    ----------
    space : Space
    n : int
    probabilities : float array, shape (d, k), or (n, d, k)
        Of the values of each variable, for all draws or for each; 0 where there is no such value.
    rng : Generator
    """
    limits = probabilities.cumsum(axis=-1)
    passed = (rng.random((n, limits.shape[-2], 1)) >= limits).sum(axis=2)
    # Sums of floats may end below 1: a draw beyond them is of the last value.
    codes: Codes = np.minimum(passed, np.asarray(space.cardinalities) - 1).astype(space.dtype)
    return codes


class Guide:
    """A predictor that follows a search: fitted anew, or updated, when values were observed.

    What is fitted depends on the observations and on ``n_base`` alone, the number of those that the
    last whole fit had, so that a restored search goes on as the one that was saved.

    Parameters
    ----------
    predictor : object with ``fit(codes, y)`` and ``predict(codes)``
        Cloned before every whole fit where it has ``get_params``.
    seed : int
        Of the predictor's parameters ``seed`` and ``random_state`` that are None.
    growth : pair of float
        Factor by which the observations have grown when the predictor is fitted anew, until when
        ``update`` adds to the last whole fit: of predictors with a ``quick_update``, and of others.
        At 1, every observation is a whole fit.

    Raises
    ------
    ParameterError
        If the predictor lacks a method, or cannot serve the space.
    """

    n_base: int
    _base: Any
    _fitted: Any
    _n_fitted: int

    def __init__(
        self, predictor: Regressor, seed: int, *, growth: tuple[float, float] = (1.0, 1.0)
    ) -> None:
        if not isinstance(predictor, Regressor):
            raise ParameterError(
                f"a predictor has fit(codes, y) and predict(codes); {predictor!r} has not"
            )
        if reason := getattr(predictor, "refusal", None):
            raise ParameterError(reason)  # now, not when enough was evaluated to learn from
        self.predictor = predictor
        self._growth = growth[0 if getattr(predictor, "quick_update", False) else 1]
        self.load_state({"predictor_seed": seed})

    def fitted(self, codes: Codes, values: Values) -> Any:
        """Predictor fitted to all values that are numbers.

        Raises
        ------
        LabelError
            If it cannot learn from them: too few, or all equal.
        """
        known = ~np.isnan(values)
        codes, values, n = codes[known], values[known], int(known.sum())
        if self._fitted is not None and n == self._n_fitted:
            return self._fitted
        grown = n >= self._growth * self.n_base
        if self._base is None or grown:
            n_base = n if grown else self.n_base
            fresh: Any = fresh_predictor(self.predictor, self._seed)
            self._base, self.n_base = fresh.fit(codes[:n_base], values[:n_base]), n_base
        fitted = self._base
        if n > self.n_base:
            fitted = copy.copy(fitted)
            fitted.update(codes[self.n_base :], values[self.n_base :])
        self._fitted, self._n_fitted = fitted, n
        return fitted

    def state(self) -> dict[str, Any]:
        """What a searcher saves of it, as JSON values."""
        return {"predictor_seed": self._seed, "n_base": self.n_base}

    def load_state(self, state: dict[str, Any]) -> None:
        """Take back what ``state`` returned; the next fit is a new one."""
        self._seed = int(state["predictor_seed"])
        self.n_base = int(state.get("n_base", 0))  # states of the first version have none
        self._base = self._fitted = None
        self._n_fitted = 0


class ModelSearcher(DeclaredSearcher):
    """A search that draws ``initial`` architectures and then asks its model for proposals.

    While the model cannot learn (``LabelError``: too few values, or all equal), architectures are
    drawn uniformly. Subclasses implement ``_learn`` and ``_proposals``.

    Parameters
    ----------
    initial : int
        How many are drawn uniformly before the model takes over; at least 1.
    """

    initial: int = whole_number(10)

    def _first(self, n: int) -> Codes:
        """Up to ``n`` architectures to begin with, shape (n, d)."""
        return self._draw(n)

    @abstractmethod
    def _learn(self) -> Any:
        """Model of everything observed; raises ``LabelError`` if there is none yet."""

    @abstractmethod
    def _proposals(self, model: Any, n: int, drawn: Codes) -> Codes:
        """Proposals beside ``drawn``, the most wanted first, as ``_ask`` returns them."""

    def _ask(self, n: int) -> Codes:
        known = int((~np.isnan(self._columns()).any(axis=1)).sum())
        missing = max(0, self.initial - known - len(self._pending))
        if missing >= n:
            return self._first(n)
        drawn = self._unseen(self._first(missing))[:missing] if missing else self.codes_[:0]
        if not known:
            return self._draw(n)
        try:
            model = self._learn()
        except LabelError:
            return self._draw(n)
        return np.concatenate([drawn, self._proposals(model, n - missing, drawn)])


class GuidedSearcher(ModelSearcher):
    """A search that draws a few architectures and then asks for what a predictor proposes.

    The predictor is fitted again before a proposal whenever values were observed since. While it
    cannot learn (its ``fit`` raises ``LabelError``: too few labels, or all equal), architectures
    are drawn uniformly. Subclasses implement ``_propose``.

    Parameters
    ----------
    predictor : object with ``fit(codes, y)`` and ``predict(codes)``, optional
        By default what ``_default_predictor`` returns.

    Raises
    ------
    ArchitectureError
        If a row of ``pool`` is not in the space.
    ParameterError
        If a parameter is outside its values, ``pool`` is empty, or the predictor lacks a method.
    """

    predictor: Regressor | None = field(default=None, kw_only=False)

    _growth: ClassVar[tuple[float, float]] = (1.0, 1.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.predictor is None:
            self.predictor = self._default_predictor()
        seed_of_guide = int(self._rng.integers(2**31))
        self._guide = self._make_guide(self.predictor, seed_of_guide)

    def _make_guide(self, predictor: Regressor, seed: int) -> Any:
        """What fits the predictor to everything observed."""
        return Guide(predictor, seed, growth=self._growth)

    def _default_predictor(self) -> Regressor:
        """Guide of the search when none is given: a fit of a tenth of a second."""
        from ..predictors.classical import XGBoost

        return XGBoost(self.space)

    @abstractmethod
    def _propose(self, fitted: Regressor, n: int) -> Codes:
        """Proposals, the most wanted first, as ``_ask`` returns them."""

    def _learn(self) -> Any:
        return self._guide.fitted(self.codes_, self.values_)

    def _proposals(self, model: Any, n: int, drawn: Codes) -> Codes:  # noqa: ARG002
        return self._propose(model, n)

    def _state(self) -> dict[str, Any]:
        state: dict[str, Any] = self._guide.state()
        return state

    def _load_state(self, state: dict[str, Any]) -> None:
        self._guide.load_state(state)
