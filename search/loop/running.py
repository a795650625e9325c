"""The loop that drives a searcher."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import numpy as np

from ...data.arguments import checked
from ...data.types import Values
from ...errors import ExhaustedError, ParameterError
from ..base import Searcher
from .evaluation import Evaluator, Objective
from .trace import Trace


@checked
def run(
    searcher: Searcher,
    objective: Objective,
    *,
    budget: int,
    batch: int = 1,
    callback: Callable[[Searcher], None] | None = None,
    timeout: float | None = None,
    goal: float | None = None,
    track: Callable[[Trace], None] | None = None,
) -> Trace:
    """Ask, evaluate and tell until the searcher has been told ``budget`` values.

    Architectures asked for and never told, of an interrupted run for one, are evaluated first.
    A batch whose evaluation raises is told as NaN and the search goes on; the error is logged. An
    infinite value is told as NaN. An interruption leaves the searcher as it was before the batch
    was evaluated. The run ends early when the space is exhausted.

    Parameters
    ----------
    searcher : Searcher
        What it was told before counts towards the budget.
    objective : callable
        Takes codes, shape (n, d), and returns their values, shape (n,), or (n, k) for a searcher
        of several objectives: bigger is better; NaN, None, infinite and masked ones have failed.
        Of one architecture it may be a number. Tensors are detached.
    budget : int
        At least 0.
    batch : int
        How many architectures are asked for and evaluated at once; at least 1.
    callback : callable, optional
        Called with the searcher after every batch: for progress, or to save its ``state_dict``.
    timeout : float, optional
        Seconds after which no further batch is started.
    goal : float, optional
        No further batch is started once a value of one objective is at least this.
    track : callable, optional
        Called with the trace so far after every batch.

    Returns
    -------
    Trace
        All that the searcher has been told.

    Raises
    ------
    ObjectiveError
        If all of the first five evaluations or more, in two batches at least, raised (from the
        first error), or twenty in a row later on, or all there were; or if a result is not one
        number per architecture.
    ParameterError
        If ``budget`` or ``batch`` is too small, or ``timeout`` no number of at least 0.
    Exception, KeyboardInterrupt
        What a callback raises, and an interruption.

    Notes
    -----
    Whatever ends the run has an attribute ``trace``: what was evaluated before.

    Examples
    --------
    >>> from nasurge.data.spaces import make_space
    >>> from nasurge.search.searchers import RandomSearch
    >>> searcher = RandomSearch(make_space("nb201"), seed=0)
    >>> trace = run(searcher, lambda codes: codes.sum(axis=1), budget=25, batch=10)
    >>> trace.codes.shape, trace.failures
    ((25, 6), 0)
    """
    check_limits(budget, batch, timeout)
    start = time.monotonic()
    seconds = [np.full(len(searcher.values_), np.nan)]
    evaluate = Evaluator(searcher, objective)
    with _keeping(searcher, seconds):
        while (left := budget - len(searcher.values_)) > 0:
            if timeout is not None and time.monotonic() - start >= timeout:
                break
            if goal is not None and (searcher.values_ >= goal).any():
                break
            begin = time.perf_counter()
            try:
                # What an interrupted run has asked for and not told comes first.
                codes = searcher.pending_[: min(batch, left)]
                codes = codes if len(codes) else searcher.ask(min(batch, left))
            except ExhaustedError:
                break
            spent = time.perf_counter() - begin
            found = evaluate(codes)
            begin = time.perf_counter()
            searcher.tell(codes, found.values)
            spent += time.perf_counter() - begin
            seconds.append(np.full(len(codes), spent / len(codes)))
            if track is not None:
                track(_trace(searcher, seconds))
            if callback is not None:
                callback(searcher)
            if found.error is not None:
                raise found.error
        trace = _trace(searcher, seconds)
        if len(trace.values) == trace.failures and (error := evaluate.broken()) is not None:
            raise error
    return trace


def check_limits(budget: int, batch: int, timeout: float | None) -> None:
    """Refuse limits of a search that are none.

    Raises
    ------
    ParameterError
    """
    if budget < 0 or batch < 1:
        raise ParameterError(
            f"budget must be at least 0 and batch at least 1, not {budget} and {batch}"
        )
    check_timeout(timeout)


def check_timeout(timeout: float | None) -> None:
    """Refuse seconds that are none.

    Raises
    ------
    ParameterError
    """
    if timeout is not None and not 0 <= timeout < math.inf:
        raise ParameterError(
            f"timeout must be a number of seconds of at least 0, not {timeout}; leave it out for "
            "no limit"
        )


@contextmanager
def _keeping(searcher: Searcher, seconds: list[Values]) -> Iterator[None]:
    """Let whatever ends a run have what was evaluated before it."""
    try:
        yield
    except BaseException as error:
        with suppress(AttributeError):  # an exception with slots, of somebody's own
            error.trace = _trace(searcher, seconds)  # type: ignore[attr-defined]
        raise


def _trace(searcher: Searcher, seconds: list[Values]) -> Trace:
    """All that a searcher has been told; times that an interruption lost are unknown."""
    known = np.concatenate(seconds)
    missing = max(len(searcher.values_) - len(known), 0)
    return Trace.of(searcher, np.concatenate([known, np.full(missing, np.nan)]))
