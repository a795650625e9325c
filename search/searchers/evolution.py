"""Aging evolution, and the same with a predictor that picks among many mutants."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ...data.seeds import Seed
from ...data.spaces import Codes, Space
from ...errors import LabelError
from ..base import Searcher
from ..guided import Guide, Regressor, at_least_one, best_observed, rank_codes


class RegularisedEvolution(Searcher):
    """Aging evolution: the best of a random few gets a mutant, and the oldest dies.

    The population is the ``population_size`` architectures told last (failed evaluations do not
    count). Until there are that many, architectures are drawn uniformly; after that each is a
    mutant, by one variable, of the winner of a tournament. A mutant that was seen before is drawn
    again.

    Parameters
    ----------
    population_size : int
        At least 1.
    tournament_size : int
        How many members, drawn with replacement, compete to be the parent; at least 1.
    pool : array_like of int, shape (m, d), optional
        The only architectures that may be proposed; by default the whole space.

    Raises
    ------
    ParameterError
        If a size is less than 1.

    Examples
    --------
    >>> from nasurge.data.spaces import make_space
    >>> searcher = RegularisedEvolution(make_space("nb201"), population_size=5, seed=0)
    >>> for _ in range(50):
    ...     codes = searcher.ask(4)
    ...     searcher.tell(codes, (codes == 3).sum(axis=1))  # as many 3x3 convolutions as can be
    >>> searcher.best()[1]
    6.0

    References
    ----------
    E. Real, A. Aggarwal, Y. Huang, Q. V. Le. Regularized evolution for image classifier
    architecture search. AAAI 2019, arXiv 1802.01548, algorithm 1.
    """

    def __init__(
        self,
        space: Space,
        *,
        population_size: int = 20,
        tournament_size: int = 15,
        pool: ArrayLike | None = None,
        seed: Seed = None,
    ) -> None:
        super().__init__(space, pool=pool, seed=seed)
        self.population_size = at_least_one("population_size", population_size)
        self.tournament_size = at_least_one("tournament_size", tournament_size)

    def _ask(self, n: int) -> Codes:
        alive = np.flatnonzero(~np.isnan(self.values_))
        missing = self.population_size - len(alive) - len(self._pending)
        initial = n if not len(alive) else min(n, max(0, missing))
        if initial == n:
            return self._draw(n)
        return np.concatenate([self._draw(initial), self._children(n - initial)])

    def _children(self, n: int) -> Codes:
        """Up to ``n`` unseen mutants of tournament winners, shape (m, d)."""
        alive = np.flatnonzero(~np.isnan(self.values_))[-self.population_size :]
        codes, values = self.codes_[alive], self.values_[alive]
        found = codes[:0]
        for attempts in (2, 8, 32, 128):  # many only where most are seen or not allowed
            entrants = self._rng.integers(len(alive), size=(attempts * n, self.tournament_size))
            winners = entrants[np.arange(len(entrants)), values[entrants].argmax(axis=1)]
            mutants = self.space.mutate(codes[winners], seed=self._rng)
            found = self._unseen(np.concatenate([found, mutants]))[:n]
            if len(found) == n:
                break
        return found


class GuidedEvolution(RegularisedEvolution):
    """Evolution in which a predictor, fitted to everything told, picks the best of many mutants.

    After ``population_size`` uniform draws, each round breeds ``candidates`` unseen architectures
    from the best observed so far (mutants, mutants of mutants, and mutated crossovers) and proposes
    those with the highest predicted values.
    When the predictor cannot learn yet (its ``fit`` raises ``LabelError``: too few labels, or all
    equal), the round is drawn uniformly.

    Parameters
    ----------
    predictor : object with ``fit(codes, y)`` and ``predict(codes)``
        Cloned before every fit where it has ``get_params``; parameters ``seed`` and
        ``random_state`` that are None then follow from the searcher's seed.
    population_size : int
        How many are drawn uniformly before the predictor takes over; at least 1.
    parents : int
        How many of the best observed architectures breed; at least 1.
    candidates : int
        How many mutants are scored in a round; at least 1.

    Raises
    ------
    ParameterError
        If a size is less than 1, or the predictor lacks a method.

    Examples
    --------
    >>> from nasurge.data.spaces import make_space
    >>> from sklearn.ensemble import RandomForestRegressor
    >>> forest = RandomForestRegressor(n_estimators=10)
    >>> searcher = GuidedEvolution(make_space("nb201"), forest, seed=0)
    >>> for _ in range(10):
    ...     codes = searcher.ask(10)
    ...     searcher.tell(codes, (codes == 3).sum(axis=1))
    >>> searcher.best()[1]
    6.0

    References
    ----------
    C. Wei, C. Niu, Y. Tang, Y. Wang, H. Hu, J. Liang. NPENAS: Neural predictor guided evolution
    for neural architecture search. TNNLS 2022, arXiv 2003.12857.
    """

    def __init__(
        self,
        space: Space,
        predictor: Regressor,
        *,
        population_size: int = 20,
        parents: int = 10,
        candidates: int = 200,
        pool: ArrayLike | None = None,
        seed: Seed = None,
    ) -> None:
        super().__init__(space, population_size=population_size, pool=pool, seed=seed)
        self.predictor = predictor
        self.parents = at_least_one("parents", parents)
        self.candidates = at_least_one("candidates", candidates)
        self._guide = Guide(predictor, int(self._rng.integers(2**31)))

    def _children(self, n: int) -> Codes:
        try:
            fitted = self._guide.fitted(self.codes_, self.values_)
        except LabelError:
            return self._draw(n)
        return rank_codes(fitted, self._breed(max(self.candidates, n)))

    def _breed(self, n: int) -> Codes:
        """About ``n`` unseen descendants of the best observed architectures, shape (m, d)."""
        best = best_observed(self, self.parents)
        found = best[:0]
        for _ in range(4):
            pairs = self._rng.integers(len(best), size=(2, n // 4 + 1))
            crossed = self.space.crossover(best[pairs[0]], best[pairs[1]], seed=self._rng)
            picked = best[self._rng.integers(len(best), size=n - n // 4)]
            near = self.space.mutate(np.concatenate([picked, crossed]), seed=self._rng)
            far = self.space.mutate(near, seed=self._rng)
            found = self._unseen(np.concatenate([found, near, crossed, far]))[:n]
            if len(found) == n:
                break
        return found

    def _state(self) -> dict[str, Any]:
        return self._guide.state()

    def _load_state(self, state: dict[str, Any]) -> None:
        self._guide.load_state(state)
