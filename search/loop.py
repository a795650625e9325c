"""The loop that drives a searcher, and the curves that say how it went."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..data.arguments import checked
from ..data.spaces import Codes
from ..data.types import Index, Values
from ..errors import ExhaustedError, LabelError, ParameterError
from ..errors import ObjectiveError as ObjectiveError
from .base import Searcher

Objective = Callable[[Codes], ArrayLike]

# Batches that may raise, from the start of a run, before the objective counts as broken.
PATIENCE = 5

logger = logging.getLogger(__name__)


@dataclass(frozen=True, repr=False)
class Trace:
    """What a search has evaluated, in the order it was told.

    Attributes
    ----------
    codes : int8 array, shape (b, d)
    values : float array, shape (b,), or (b, k) of several objectives
        Bigger is better; NaN is a failed evaluation.
    seconds : float array, shape (b,)
        Time of the search itself, without the objective, in seconds: that of a batch is shared
        equally by its architectures. NaN for those told before this run.
    """

    codes: Codes
    values: Values
    seconds: Values

    def __repr__(self) -> str:
        told = len(self.values)
        known = told > self.failures and self.values.ndim == 1
        best = f", best {np.nanmax(self.values):g}" if known else ""
        return f"<Trace: {told} evaluations, {self.failures} failed{best}>"

    @property
    def failures(self) -> int:
        """Number of failed evaluations."""
        return int(np.isnan(self.values.reshape(len(self.values), -1)).any(axis=1).sum())


class Evaluator:
    """Calls an objective; what raises has failed, and an objective that always raises is broken.

    Parameters
    ----------
    searcher : Searcher
        Says what values are.
    objective : callable
    """

    def __init__(self, searcher: Searcher, objective: Objective) -> None:
        self._searcher, self._objective = searcher, objective
        self._batches = self._raised = 0

    def __call__(self, codes: Codes) -> tuple[Values, str]:
        """Values of a batch, and the reason why values of it are NaN.

        Raises
        ------
        ObjectiveError
            If this and all batches before it raised, and they are five, or if the result is not
            one number per architecture.
        """
        self._batches += 1
        try:
            values = self._objective(codes.copy())
        except Exception as error:
            self._raised += 1
            if self._raised == self._batches == PATIENCE:
                raise ObjectiveError(
                    f"the objective raised in each of the first {PATIENCE} batches, last "
                    f"{type(error).__name__}: {error}"
                ) from error
            logger.warning("the objective raised; its batch counts as failed", exc_info=True)
            shape = (len(codes), *self._searcher.values_.shape[1:])
            return np.full(shape, np.nan), f"{type(error).__name__}: {error}"
        try:
            return self._searcher.check_values(values, len(codes)), "NaN"
        except LabelError as error:
            raise ObjectiveError(
                f"the objective was given {len(codes)} architectures and must return one number "
                f"(or NaN) for each: {error}"
            ) from error


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
) -> Trace:
    """Ask, evaluate and tell until the searcher has been told ``budget`` values.

    Architectures asked for and never told, of an interrupted run for one, are evaluated first.
    A batch whose evaluation raises is told as NaN and the search goes on; the error is logged. An
    interruption leaves the searcher as it was before the batch was evaluated. The run ends early
    when the space is exhausted.

    Parameters
    ----------
    searcher : Searcher
        What it was told before counts towards the budget.
    objective : callable
        Takes codes, shape (n, d), and returns their values, shape (n,), or (n, k) for a searcher
        of several objectives: bigger is better, NaN has failed.
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

    Returns
    -------
    Trace
        All that the searcher has been told.

    Raises
    ------
    ObjectiveError
        If each of the first five batches raised (from the last error), or a result is not one
        number per architecture.
    ParameterError
        If ``budget`` or ``batch`` is too small.

    Examples
    --------
    >>> from nasurge.data.spaces import make_space
    >>> from nasurge.search.searchers import RandomSearch
    >>> searcher = RandomSearch(make_space("nb201"), seed=0)
    >>> trace = run(searcher, lambda codes: codes.sum(axis=1), budget=25, batch=10)
    >>> trace.codes.shape, trace.failures
    ((25, 6), 0)
    """
    if budget < 0 or batch < 1:
        raise ParameterError(
            f"budget must be at least 0 and batch at least 1, not {budget} and {batch}"
        )
    start = time.monotonic()
    seconds = [np.full(len(searcher.values_), np.nan)]
    evaluate = Evaluator(searcher, objective)
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
        values, _ = evaluate(codes)
        begin = time.perf_counter()
        searcher.tell(codes, values)
        spent += time.perf_counter() - begin
        seconds.append(np.full(len(codes), spent / len(codes)))
        if callback is not None:
            callback(searcher)
    return Trace(searcher.codes_.copy(), searcher.values_.copy(), np.concatenate(seconds))


def incumbent_curve(values: ArrayLike) -> Index:
    """Position of the best value so far, after each query.

    Parameters
    ----------
    values : array_like of float, shape (..., b)
        One row of ``b`` queries per trial; NaN has failed and is never the incumbent.

    Returns
    -------
    int array, shape (..., b)
        Of equal values the first; -1 as long as every query has failed.

    Examples
    --------
    >>> incumbent_curve([float("nan"), 1.0, 3.0, 3.0, 2.0, 4.0])
    array([-1,  1,  2,  2,  2,  5])
    """
    array = _queries("values", values)
    known = np.where(np.isnan(array), -np.inf, array)
    best = np.maximum.accumulate(known, axis=-1)
    before = np.full_like(best, -np.inf)
    before[..., 1:] = best[..., :-1]
    position = np.where(known > before, np.arange(array.shape[-1]), -1)
    return np.maximum.accumulate(position, axis=-1)


def selected_curve(search_values: ArrayLike, report_values: ArrayLike) -> Values:
    """Reported value of the architecture that the search would pick, after each query.

    The search sees one value (say, validation accuracy) and is judged by another (test accuracy);
    its pick is the best by the one it sees. This is the curve to lead with.

    Parameters
    ----------
    search_values, report_values : array_like of float, shape (..., b)

    Returns
    -------
    float array, shape (..., b)
        NaN as long as every query has failed.

    Raises
    ------
    LabelError
        If the shapes differ.

    Examples
    --------
    >>> selected_curve([1.0, 3.0, 2.0], [70.0, 72.0, 75.0])
    array([70., 72., 72.])
    """
    position = incumbent_curve(search_values)
    report = _queries("report_values", report_values)
    if report.shape != position.shape:
        raise LabelError(
            f"search and reported values must have one shape, not {position.shape} and "
            f"{report.shape}"
        )
    picked = np.take_along_axis(report, np.maximum(position, 0), axis=-1)
    return np.where(position < 0, np.nan, picked)


def oracle_curve(report_values: ArrayLike) -> Values:
    """Best reported value among all queries so far, which no search could pick.

    Parameters
    ----------
    report_values : array_like of float, shape (..., b)

    Returns
    -------
    float array, shape (..., b)
        NaN is passed over, and stands only before the first number.

    Examples
    --------
    >>> oracle_curve([70.0, 72.0, float("nan"), 75.0])
    array([70., 72., 72., 75.])
    """
    return np.fmax.accumulate(_queries("report_values", report_values), axis=-1)


def queries_to_reach(search_values: ArrayLike, optimum: ArrayLike) -> Index:
    """Number of queries that each trial took to see a value of at least ``optimum``, shape (...).

    Parameters
    ----------
    search_values : array_like of float, shape (..., b)
    optimum : float, or array_like of float, shape (...)
        For all trials, or one for each; compared without tolerance, so both in one precision.

    Returns
    -------
    int array, shape (...)
        From 1; ``b + 1`` where it was not reached.

    Examples
    --------
    >>> queries_to_reach([[1.0, 3.0, 3.0], [1.0, 2.0, 2.5]], 3.0)
    array([2, 4])
    """
    values = _queries("search_values", search_values)
    hit = values >= np.asarray(optimum, dtype=np.float64)[..., None]
    never = np.ones((*hit.shape[:-1], 1), dtype=bool)
    first: Index = np.argmax(np.concatenate([hit, never], axis=-1), axis=-1)
    return first + 1


def _queries(name: str, values: ArrayLike) -> NDArray[np.float64]:
    """Values as floats with queries along the last axis."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim == 0:
        raise LabelError(f"{name} must have shape (b,) or (trials, b), not that of a single number")
    return array
