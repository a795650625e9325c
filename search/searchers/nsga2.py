"""NSGA-II on the ask/tell contract, with the selection operators of pymoo."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from ...data.parameters import probability, whole_number
from ...data.spaces import Codes
from ...data.types import Index, Values
from ..base import Searcher
from ..parameters import DeclaredSearcher
from ..pareto import shortfalls

# Told architectures that compete with a population at once; a longer warm start comes in parts.
_MOST_NEW = 500


def survivors(
    values: Values,
    violations: Values,
    n: int,
    rng: np.random.Generator | None = None,
) -> Any:
    """The ``n`` best by rank and crowding distance, feasible ones first.

    Parameters
    ----------
    values : float array, shape (m, k)
        Objectives, bigger is better.
    violations : float array, shape (m, c)
        By how much each bound is missed, 0 where it is not; of infeasible rows those with the
        smallest sum come first.
    n : int
    rng : Generator, optional
        Breaks ties; not needed when all survive.

    Returns
    -------
    pymoo.core.population.Population
        The chosen, with rank and crowding distance; ``get("row")`` are their rows.

    Examples
    --------
    >>> chosen = survivors(np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]]), np.zeros((3, 0)), 2)
    >>> sorted(chosen.get("row").tolist())
    [0, 1]
    """
    from pymoo.core.population import Population
    from pymoo.core.problem import Problem
    from pymoo.operators.survival.rank_and_crowding import RankAndCrowding

    problem = Problem(n_var=1, n_obj=values.shape[1], n_ieq_constr=violations.shape[1])
    # pymoo minimises, and takes a positive G for a violation.
    rows = np.arange(len(values))
    everyone = Population.new("row", rows, "F", -values, "G", violations)
    return RankAndCrowding().do(problem, everyone, n_survive=n, random_state=rng)


def ranked_rows(searcher: Searcher, n: int) -> Index:
    """Rows of the ``n`` best observed by rank and crowding distance, the best first, shape (n,).

    Failed evaluations are none of them; those within the bounds come first.
    """
    columns = searcher.values_.reshape(len(searcher.values_), len(searcher.bounds))
    known = np.flatnonzero(~np.isnan(columns).any(axis=1))
    if not len(known):
        return known
    objectives = columns[known, : searcher.n_objectives]
    short = shortfalls(columns[known], columns[known], searcher.bounds)
    # Ties are broken by the observations alone, as in a search that is resumed.
    ranked = survivors(objectives, short, n, np.random.default_rng(len(columns)))
    return np.asarray(known[ranked.get("row")], dtype=np.int64)


class NSGA2(DeclaredSearcher):
    """NSGA-II: the non-dominated and the lonely survive, and breed.

    Of all observed architectures a population survives by rank and crowding distance, what is
    within the bounds before what is not. Parents win binary tournaments by the same criteria; a
    child is their crossover and, mostly, a mutant of it, by one variable. A child that was seen
    before is bred again. Until as many as the population have been told, architectures are drawn
    uniformly.

    Non-dominated sorting, crowding distance and tournaments are pymoo's. With one objective this
    is a genetic algorithm with truncation selection.

    Parameters
    ----------
    population_size : int
        At least 2.
    crossover, mutation : float
        Probabilities that a child has two parents, and that it is mutated.

    Examples
    --------
    >>> from nasurge.data.spaces import make_space
    >>> searcher = NSGA2(make_space("nb201"), n_objectives=2, seed=0)
    >>> for _ in range(20):
    ...     codes = searcher.ask(10)
    ...     convolutions, skips = (codes == 3).sum(axis=1), (codes == 1).sum(axis=1)
    ...     searcher.tell(codes, np.stack([convolutions, skips], axis=1))
    >>> codes, values = searcher.front()
    >>> sorted({tuple(row) for row in values.tolist()})[0]
    (0.0, 6.0)

    References
    ----------
    K. Deb, A. Pratap, S. Agarwal, T. Meyarivan. A fast and elitist multiobjective genetic
    algorithm: NSGA-II. IEEE Transactions on Evolutionary Computation 6(2), 2002.
    For architectures: Z. Lu et al. NSGA-Net. GECCO 2019, arXiv 1810.03522.
    """

    several_objectives = True
    _kept = ("tie_seed", "population", "n_ranked")

    n_objectives: int = 1
    bounds: Sequence[float] = ()
    population_size: int = whole_number(20, least=2)
    crossover: float = probability(0.9)
    mutation: float = probability(0.8)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._tie_seed = int(self._rng.integers(2**31))

    def _reset(self) -> None:
        super()._reset()
        self._population: Index = np.empty(0, dtype=np.int64)
        self._n_ranked = 0

    def _ask(self, n: int) -> Codes:
        self._select()
        missing = self.population_size - len(self._population) - len(self._pending)
        initial = n if len(self._population) < 2 else min(n, max(0, missing))
        if initial == n:
            return self._draw(n)
        return np.concatenate([self._draw(initial), self._children(n - initial)])

    def _select(self) -> None:
        """Let the population and what was observed since compete for their places."""
        columns = self._columns()
        if self._n_ranked == len(columns):
            return
        known = np.flatnonzero(~np.isnan(columns).any(axis=1))
        new = known[known >= self._n_ranked]
        population = self._population
        # Ties are broken by the observations alone: an interrupted ask leaves nothing behind.
        rng = np.random.default_rng([self._tie_seed, len(columns)])
        for start in range(0, len(new), _MOST_NEW):
            rivals = np.concatenate([population, new[start : start + _MOST_NEW]])
            chosen = survivors(*self._split(columns[rivals]), self.population_size, rng)
            population = rivals[chosen.get("row")]
        self._population, self._n_ranked = population, len(columns)

    def _split(self, columns: Values) -> tuple[Values, Values]:
        """Objectives, shape (n, k), and by how much bounds are missed, shape (n, c)."""
        short = shortfalls(columns, self._columns(), self.bounds)
        return columns[:, : self.n_objectives], short

    def _children(self, n: int) -> Codes:
        """Up to ``n`` unseen children of the population, shape (m, d)."""
        # Many only where most are seen or not allowed.
        return self._collect((self._breed(attempts * n) for attempts in (2, 8, 32, 128)), n)

    def _breed(self, n: int) -> Codes:
        """Children of tournament winners, shape (n, d)."""
        columns = self._columns()[self._population]
        ranked = survivors(*self._split(columns), len(columns))
        parents = self.codes_[self._population[tournaments(ranked, n, self._rng)]]
        return self._vary(parents[:, 0], parents[:, 1])

    def _vary(self, first: Codes, second: Codes) -> Codes:
        """A child of each pair."""
        children = self.space.crossover(first, second, seed=self._rng)
        single = self._rng.random(len(first)) >= self.crossover
        children = np.where(single[:, None], first, children)
        mutated = self.space.mutate(children, seed=self._rng)
        keep = self._rng.random(len(first)) >= self.mutation
        varied: Codes = np.where(keep[:, None], children, mutated)
        return varied


def tournaments(ranked: Any, n: int, rng: np.random.Generator) -> Index:
    """Rows of ``n`` pairs of parents, shape (n, 2), each the winner of two."""
    from pymoo.algorithms.moo.nsga2 import binary_tournament
    from pymoo.operators.selection.tournament import TournamentSelection

    rules = SimpleNamespace(tournament_type="comp_by_rank_and_crowding", random_state=rng)
    chosen = TournamentSelection(func_comp=binary_tournament).do(
        None, ranked, n, 2, to_pop=False, algorithm=rules, random_state=rng
    )
    pairs: Index = ranked.get("row")[chosen].astype(np.int64)
    return pairs
