"""Aging evolution, and the same with a predictor that picks among many mutants."""

from __future__ import annotations

from dataclasses import field
from typing import Any

import numpy as np

from ...data.parameters import whole_number
from ...data.spaces import Codes
from ...errors import LabelError
from ..guided import Guide, Regressor, best_observed, rank_codes
from ..parameters import DeclaredSearcher


class RegularisedEvolution(DeclaredSearcher):
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

    Examples
    --------
    >>> from nasurge.data.spaces import make_space
    >>> from nasurge.search import run
    >>> searcher = RegularisedEvolution(make_space("nb201"), population_size=5, seed=0)
    >>> run(searcher, lambda codes: (codes == 3).sum(axis=1), budget=200, batch=4)
    <Trace: 200 evaluations, 0 failed, best 6>

    References
    ----------
    E. Real, A. Aggarwal, Y. Huang, Q. V. Le. Regularized evolution for image classifier
    architecture search. AAAI 2019, arXiv 1802.01548, algorithm 1.
    """

    population_size: int = whole_number(20)
    tournament_size: int = whole_number(15)

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

        def mutants(count: int) -> Codes:
            entrants = self._rng.integers(len(alive), size=(count, self.tournament_size))
            winners = entrants[np.arange(count), values[entrants].argmax(axis=1)]
            return self.space.mutate(codes[winners], seed=self._rng)

        # Many only where most are seen or not allowed.
        return self._collect((mutants(attempts * n) for attempts in (2, 8, 32, 128)), n)


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

    Examples
    --------
    >>> from nasurge.data.spaces import make_space
    >>> from nasurge.search import run
    >>> from sklearn.ensemble import RandomForestRegressor
    >>> forest = RandomForestRegressor(n_estimators=10)
    >>> searcher = GuidedEvolution(make_space("nb201"), forest, seed=0)
    >>> run(searcher, lambda codes: (codes == 3).sum(axis=1), budget=100, batch=10)
    <Trace: 100 evaluations, 0 failed, best 6>

    References
    ----------
    C. Wei, C. Niu, Y. Tang, Y. Wang, H. Hu, J. Liang. NPENAS: Neural predictor guided evolution
    for neural architecture search. TNNLS 2022, arXiv 2003.12857.
    """

    predictor: Regressor = field(kw_only=False)
    parents: int = whole_number(10)
    candidates: int = whole_number(200)
    tournament_size: int = field(init=False, default=0)  # the predictor chooses instead

    def __post_init__(self) -> None:
        super().__post_init__()
        self._guide = Guide(self.predictor, int(self._rng.integers(2**31)))

    def _children(self, n: int) -> Codes:
        try:
            fitted = self._guide.fitted(self.codes_, self.values_)
        except LabelError:
            return self._draw(n)
        return rank_codes(fitted, self._breed(max(self.candidates, n)))

    def _breed(self, n: int) -> Codes:
        """About ``n`` unseen descendants of the best observed architectures, shape (m, d)."""
        best = best_observed(self, self.parents)
        return self._collect((self._descendants(best, n) for _ in range(4)), n)

    def _descendants(self, best: Codes, n: int) -> Codes:
        """Mutants, crossovers and mutants of mutants of some architectures, seen or not."""
        pairs = self._rng.integers(len(best), size=(2, n // 4 + 1))
        crossed = self.space.crossover(best[pairs[0]], best[pairs[1]], seed=self._rng)
        picked = best[self._rng.integers(len(best), size=n - n // 4)]
        near = self.space.mutate(np.concatenate([picked, crossed]), seed=self._rng)
        far = self.space.mutate(near, seed=self._rng)
        return np.concatenate([near, crossed, far])

    def _state(self) -> dict[str, Any]:
        return self._guide.state()

    def _load_state(self, state: dict[str, Any]) -> None:
        self._guide.load_state(state)
