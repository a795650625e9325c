"""Searches that walk from architecture to neighbour: local search and simulated annealing."""

from __future__ import annotations

import numpy as np

from ...data.parameters import positive_number, whole_number
from ...data.spaces import Codes
from ...data.types import Values
from ..parameters import DeclaredSearcher


class LocalSearch(DeclaredSearcher):
    """Hill climbing: the neighbours of the best, until none is better; then a fresh start.

    A climb starts from the best of ``starts`` uniform draws and evaluates the neighbours of its
    best architecture in random order. As soon as one is better, its neighbours come first. When
    all neighbours are known and none is better, the next climb starts. Among a few rows of a space
    that is not listed, the unseen rows nearest to the neighbours are climbed, as long as there are
    any.

    Parameters
    ----------
    starts : int
        How many architectures are drawn before a climb; at least 1.

    Examples
    --------
    >>> from nasurge.data.spaces import make_space
    >>> from nasurge.search import run
    >>> searcher = LocalSearch(make_space("nb201"), seed=0)
    >>> run(searcher, lambda codes: (codes == 3).sum(axis=1), budget=160, batch=4)
    <Trace: 160 evaluations, 0 failed, best 6>

    References
    ----------
    C. White, S. Nolen, Y. Savani. Exploring the loss landscape in neural architecture search.
    UAI 2021, arXiv 2005.02960. T. Den Ottelander, A. Dushatskiy, M. Virgolin, P. A. N. Bosman.
    Local search is a remarkably strong baseline for neural architecture search. EMO 2021, arXiv
    2004.08996.
    """

    _kept = ("since",)

    starts: int = whole_number(10)

    def _reset(self) -> None:
        super()._reset()
        self._since = 0  # the climb consists of what was told from here on

    def _ask(self, n: int) -> Codes:
        values = self.values_[self._since :]
        known = int((~np.isnan(values)).sum())
        if known < self.starts:
            missing = max(1, self.starts - known - len(self._pending))
            return self._draw(n if not known else min(n, missing))
        summit = self.codes_[self._since + int(np.nanargmax(values))]
        near = self._unseen(self.space.neighbours(summit[None])[0])
        if not len(near) and not len(self._pending):
            drawn = self._draw(n)
            self._since = len(self.values_)
            return drawn
        return near[self._rng.permutation(len(near))]


class SimulatedAnnealing(DeclaredSearcher):
    """A walk to neighbours that goes uphill always, and downhill the less often the longer it runs.

    A step down is taken with probability exp(difference / (temperature x spread)). The spread is
    a robust standard deviation of all observed values, so that temperatures mean the same whatever
    the unit; the temperature shrinks by the factor ``cooling`` with every observed value.

    Parameters
    ----------
    temperature : float
        At the start, in standard deviations of the values; above 0.
    cooling : float
        Above 0 and at most 1.

    Examples
    --------
    >>> from nasurge.data.spaces import make_space
    >>> from nasurge.search import run
    >>> searcher = SimulatedAnnealing(make_space("nb201"), seed=0)
    >>> run(searcher, lambda codes: (codes == 3).sum(axis=1), budget=160, batch=4)
    <Trace: 160 evaluations, 0 failed, best 6>

    References
    ----------
    S. Kirkpatrick, C. D. Gelatt, M. P. Vecchi. Optimization by simulated annealing. Science 220,
    1983.
    """

    _kept = ("here",)

    temperature: float = positive_number(0.5)
    cooling: float = positive_number(0.97, most=1.0)

    def _reset(self) -> None:
        super()._reset()
        self._here = -1  # position, among all told, of where the walk stands

    def _ask(self, n: int) -> Codes:
        if self._here < 0:
            return self._draw(n)
        here = self.codes_[self._here : self._here + 1]
        # Far only where all that is near has been seen.
        return self._collect((self._walked(here, 4 * n + 8, steps) for steps in (1, 1, 2, 3, 4)), n)

    def _walked(self, start: Codes, n: int, steps: int) -> Codes:
        """Ends of ``n`` random walks from an architecture, shape (n, d)."""
        rows = np.repeat(start, n, axis=0)
        for _ in range(steps):
            rows = self.space.mutate(rows, seed=self._rng)
        return rows

    def _tell(self, codes: Codes, values: Values) -> None:
        first = len(self.values_)
        super()._tell(codes, values)
        known = self.values_[~np.isnan(self.values_)]
        low, high = np.quantile(known, (0.25, 0.75)) if len(known) else (0.0, 0.0)
        spread = max(float(high - low) / 1.35, 1e-12)  # of a normal distribution: its deviation
        chances = self._rng.random(len(values))
        for row, (value, chance) in enumerate(zip(values.tolist(), chances.tolist(), strict=True)):
            if np.isnan(value):
                continue
            heat = self.temperature * self.cooling ** (first + row) * spread
            fall = value - self.values_[self._here] if self._here >= 0 else 0.0
            if fall >= 0 or chance < np.exp(fall / heat):
                self._here = first + row
