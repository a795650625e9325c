"""Evaluations of an objective, and when it counts as broken."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from ...data.spaces import Codes
from ...errors import NasurgeError, ObjectiveError
from ..base import Searcher
from .results import Evaluated, evaluated

Objective = Callable[[Codes], ArrayLike]

FIRST_FAILURES = 5
"""Evaluations that may raise, from the start of a run, before the objective counts as broken."""
FAILURES_IN_A_ROW = 20
"""Evaluations that may raise one after the other once some have succeeded."""

logger = logging.getLogger(__name__)


class Evaluator:
    """Calls an objective; what raises has failed, and an objective that only raises is broken.

    Parameters
    ----------
    searcher : Searcher
        Says how many columns values have.
    objective : callable
        Its ``failures``, a mapping from architectures as text, says why some have no value.
    """

    def __init__(self, searcher: Searcher, objective: Objective) -> None:
        self._width, self._objective = len(searcher.bounds), objective
        self._space = searcher.space
        self._first: Exception | None = None  # of those that raised without a success since
        self._batches = self._raised = 0
        self._succeeded = False

    def __call__(self, codes: Codes) -> Evaluated:
        """Values of a batch, of which as many are kept as are numbers.

        Raises
        ------
        ObjectiveError
            If the result says nothing of single architectures: it has another shape.
        """
        try:
            result = self._objective(codes.copy())
        except ObjectiveError:  # it says itself what its result lacks
            raise
        except Exception as error:
            logger.warning("the objective raised; its batch counts as failed", exc_info=True)
            return self._failed(codes, error)
        try:
            found = evaluated(result, len(codes), self._width)
        except NasurgeError:
            raise
        except Exception as error:
            logger.warning("what the objective returned is no number", exc_info=True)
            return self._failed(codes, error)
        found = replace(found, reasons=self._explained(codes, found.reasons))
        if not np.isnan(found.values).all():
            self._succeeded, self._first = True, None
            self._batches = self._raised = 0
        return found

    def _explained(self, codes: Codes, reasons: list[str]) -> list[str]:
        """Reasons of failures, in the objective's own words where it has some by architecture."""
        own = getattr(self._objective, "failures", None)
        if not any(reasons) or not isinstance(own, Mapping):
            return reasons
        names = self._space.format(codes)
        return [why and own.get(name, why) for name, why in zip(names, reasons, strict=True)]

    def _failed(self, codes: Codes, error: Exception) -> Evaluated:
        """Failed batch, and whether it was one too many."""
        self._first = self._first or error
        self._batches, self._raised = self._batches + 1, self._raised + len(codes)
        reason = f"{type(error).__name__}: {error}"
        shape = (len(codes), self._width) if self._width > 1 else len(codes)
        found = Evaluated(np.full(shape, np.nan), [reason] * len(codes))
        most = FAILURES_IN_A_ROW if self._succeeded else FIRST_FAILURES
        if self._raised < most or self._batches < 2:
            return found
        return Evaluated(found.values, found.reasons, self.broken())

    def broken(self) -> ObjectiveError | None:
        """Error of an objective that has only raised so far, or since long; None of another."""
        if self._first is None:
            return None
        where = "last" if self._succeeded else "first"
        error = ObjectiveError(
            f"the objective raised in each of the {where} {self._raised} evaluations, beginning "
            f"with {type(self._first).__name__}: {self._first}"
        )
        error.__cause__ = self._first
        return error
