"""Searches by several workers in simulated time, on tables that know how long training takes."""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from ...data.spaces import Codes
from ...data.types import Values
from ...errors import ParameterError
from ..base import ExhaustedError, Searcher
from ..loop import Objective, Trace


def run_simulated(
    searcher: Searcher,
    objective: Objective,
    cost: Callable[[Codes], ArrayLike],
    *,
    budget: int,
    workers: int,
) -> tuple[Trace, Values]:
    """Trace of a search by workers that each train one architecture at a time, and when each ended.

    Workers are asynchronous: the moment one has finished, its value is told and it gets another
    architecture, while the others go on. The search's own time is not counted.

    Parameters
    ----------
    searcher : Searcher
    objective : callable
        From codes to values.
    cost : callable
        From codes to the seconds that training takes.
    budget : int
        Architectures evaluated.
    workers : int
        At least 1.

    Returns
    -------
    Trace
        In the order in which training ended.
    float array, shape (b,)
        When it ended, in simulated seconds.

    Raises
    ------
    ParameterError
        If there is no worker, or a cost is unknown or negative.

    Examples
    --------
    >>> from nasurge.data.spaces import make_space
    >>> from nasurge.search.searchers import RandomSearch
    >>> searcher = RandomSearch(make_space("nb201"), seed=0)
    >>> trace, ended = run_simulated(
    ...     searcher, lambda c: c.sum(axis=1), lambda c: [10.0], budget=12, workers=4
    ... )
    >>> float(ended[-1])
    30.0

    References
    ----------
    K. Eggensperger et al. HPOBench. NeurIPS 2021 (simulated wall clock on tables).
    """
    if workers < 1:
        raise ParameterError(f"workers must be at least 1, not {workers}")
    busy: list[tuple[float, int, Codes, float]] = []
    now, asked = 0.0, 0
    ended, seconds = np.empty(budget), np.empty(budget)
    evaluated = 0
    while evaluated < budget:
        while len(busy) < workers and asked < budget:
            begin = time.perf_counter()
            try:
                codes = searcher.ask(1)
            except ExhaustedError:
                asked = budget
                break
            own = time.perf_counter() - begin
            length = float(np.asarray(cost(codes), dtype=np.float64)[0])
            if not length >= 0:
                raise ParameterError(
                    f"the training time of {searcher.space.format(codes)[0]} is {length}: "
                    "simulated time needs one for every architecture"
                )
            heapq.heappush(busy, (now + length, asked, codes, own))
            asked += 1
        if not busy:
            break
        now, _, codes, own = heapq.heappop(busy)
        begin = time.perf_counter()
        searcher.tell(codes, objective(codes))
        ended[evaluated], seconds[evaluated] = now, own + time.perf_counter() - begin
        evaluated += 1
    return Trace.of(searcher, seconds[:evaluated]), ended[:evaluated]
