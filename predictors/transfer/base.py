"""What predictors share that start from earlier tasks: the protocol around what they learn."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import field
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from ...data.spaces import Codes
from ...errors import NotFittedError
from ..base import Predictor
from ..labels import Labels, Standardised, finite_labels

FEWEST = 3
"""Labels of a new task with which an order can be learnt."""


def require_learnt(
    learner: object,
    attribute: str,
    what: str = "earlier tasks",
    call: str = "fit(codes, y, tasks)",
) -> None:
    """Raise if a learner lacks what only ``call`` gives it.

    Raises
    ------
    NotFittedError
        Naming what is not known and what to call.
    """
    if not hasattr(learner, attribute):
        raise NotFittedError(f"no {what} are known: call {call} first")


class TransferPredictor(Predictor):
    """A predictor that learnt earlier tasks (``prior``) and adapts to a new one.

    It predicts before any label of the new task, in normal scores over the space, and can be saved
    then. A subclass makes an unfitted prior
    (``_new_prior``), adapts in ``_fit`` and predicts both before (``label_transform_`` is then
    the identity, ``adapted_`` False) and after.

    Parameters
    ----------
    prior : TaskPrior or GraphPrior, optional
        Fitted to the earlier tasks; ``fit_tasks`` makes one. Without, the predictor refuses.
    vector : array_like of float, shape (k,), optional
        What the new task is like, where the prior knows the vectors of the earlier ones.
    labels : {"blended", "normal-scores", "standardised"}
    seed : int, Generator or None
        Of the prior that ``fit_tasks`` makes; adapting is deterministic.
    """

    minimum_labels = FEWEST
    needs_labels = False
    offers_std = True

    prior: Any = None
    vector: ArrayLike | None = None

    # Labels too few or too equal to adapt to, which ``update`` adds to.
    kept_codes_: Codes = field(init=False)
    kept_labels_: Labels = field(init=False)

    @abstractmethod
    def _new_prior(self) -> Any:
        """An unfitted prior with the settings of this predictor."""

    @property
    def refusal(self) -> str | None:
        """Why it cannot serve: there are no earlier tasks, or they are of another space."""
        if self.prior is None:
            return (
                "a predictor that transfers needs earlier tasks: call fit_tasks(codes, y, tasks), "
                "or give prior=..."
            )
        if self.prior.space != self.space:
            return f"the earlier tasks are of {self.prior.space}, the new one is of {self.space}"
        return None

    def fit_tasks(self, codes: ArrayLike, y: ArrayLike, tasks: ArrayLike, **others: Any) -> Self:
        """Learn earlier tasks, with the arguments of the prior's ``fit``; forget the new one."""
        self.prior = self._new_prior().fit(codes, y, tasks, **others)
        return self._start()

    def fit(self, codes: ArrayLike, y: ArrayLike) -> Self:
        """Adapt to a new task.

        Parameters
        ----------
        codes : array_like of int, shape (n, d)
        y : array_like of float, shape (n,)
            Bigger is better. None, one, two or equal labels leave the earlier tasks' ranking;
            ``update`` adds to them.

        Raises
        ------
        ArchitectureError
            If a row is not in the space.
        LabelError
            If labels are missing or not finite.
        ParameterError
            If there are no earlier tasks, or of another space, or a parameter is outside its range.
        """
        self._check_serves()
        if not len(np.asarray(codes)) and not len(np.asarray(y)):
            return self._start()
        codes = self.space.canonical(codes)
        labels = finite_labels(y, len(codes))
        if len(labels) < FEWEST or np.ptp(labels) == 0:
            self._start()
            self.kept_codes_, self.kept_labels_ = codes, labels.copy()
            return self
        super().fit(codes, labels)
        self._forget("kept_codes_", "kept_labels_")
        return self

    def update(self, codes: ArrayLike, y: ArrayLike) -> Self:
        """Learn some more labels of the new task, beside those learnt before."""
        if self._adapted:
            return super().update(codes, y)
        if not hasattr(self, "kept_labels_"):
            return self.fit(codes, y)
        codes = self.space.canonical(codes)
        labels = np.concatenate([self.kept_labels_, finite_labels(y, len(codes))])
        return self.fit(np.concatenate([self.kept_codes_, codes]), labels)

    def _check_fitted(self) -> None:
        """Predict what the earlier tasks say, where nothing was said of the new one."""
        if not hasattr(self, "label_transform_") and self.refusal is None:
            self._start()
        super()._check_fitted()

    @property
    def _adapted(self) -> bool:
        """Whether labels of the new task were learnt."""
        return hasattr(self, "fitted_labels_")

    def _start(self) -> Self:
        """Forget the new task: predict what the earlier ones say."""
        self._forget("fitted_codes_", "fitted_labels_", "kept_codes_", "kept_labels_")
        self.label_transform_ = Standardised().fit(np.array([-1.0, 1.0]))
        self.n_features_in_ = self.space.n_variables
        return self

    def _forget(self, *names: str) -> None:
        for name in names:
            self.__dict__.pop(name, None)
