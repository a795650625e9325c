"""Models of a pool of candidates that Bayesian optimisation asks: a process, or a predictor."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from copy import copy
from typing import ClassVar

import numpy as np

from ...data.spaces import Codes, Space
from ...data.types import Keys, Values
from ...predictors.labels import make_transform
from ...predictors.processes import (
    GroupedGP,
    Groups,
    SequentialGP,
    Term,
    feature_groups,
    function_groups,
)
from ..guided import Guide

# Hyperparameters are searched again when the labels have grown by this factor: less often than
# predictors do, since a search takes most of the time of a proposal.
_GROWTH = 1.15

Chosen = tuple[int, Values]
"""How many labels the hyperparameters were searched with last, and their logarithms."""


class PoolModel(ABC):
    """A probabilistic model of every architecture of a pool of candidates."""

    pool: Codes
    best: float
    """Best observed value, transformed."""
    believes: ClassVar[bool] = False
    """Whether ``expect`` changes what it says."""

    @abstractmethod
    def learn(self, codes: Codes, values: Values, chosen: Chosen) -> Chosen:
        """Hyperparameters that were used to learn all observed values."""

    def in_units(self, values: Values) -> Values:
        """Values in the units of the posterior, shape (n,); after ``learn``."""
        return values

    def expect(self, codes: Codes) -> None:  # noqa: B027 - a model may not be able to
        """Count architectures that are being evaluated as known."""

    def forget_expected(self) -> None:  # noqa: B027
        """Go back to the observed values."""

    @abstractmethod
    def posterior(self) -> tuple[Values, Values]:
        """Mean and deviation of every candidate, each (m,), in transformed labels."""


def cold_terms(groups: Groups) -> list[Term]:
    """A Matern kernel over all groups of features, and a linear one of the structure.

    The linear kernel extrapolates: the best architectures lie in a corner of the space.
    """
    return [Term(tuple(groups), 1.5), Term(("structure",), 0)]


class FunctionProcess(PoolModel):
    """The Gaussian process of a search, over the functions of a pool of candidates.

    Parameters
    ----------
    space : Space
    pool : int array, shape (m, d)
    labels : str
        Transform of the observed values.
    further : callable, optional
        Groups of features of canonical codes, beside those of ``feature_groups``.
    terms : callable, optional
        From all groups to the kernel; by default ``cold_terms``.
    prior : tuple of two float arrays, optional
        Means and deviations of the log hyperparameters.
    """

    believes = True

    def __init__(
        self,
        space: Space,
        pool: Codes,
        labels: str,
        *,
        further: Callable[[Codes], Groups] | None = None,
        terms: Callable[[Groups], Sequence[Term]] | None = None,
        prior: tuple[Values, Values] | None = None,
    ) -> None:
        self.pool, self._space, self._labels, self._further = pool, space, labels, further
        self._function, groups = function_groups(space, pool)
        first = np.unique(self._function, return_index=True)[1]
        canonical = space.canonical(pool[first])
        self._keys = space.keys(canonical)
        if further is not None:
            groups = {**groups, **further(canonical)}
        process = GroupedGP((terms or cold_terms)(groups), learnt=prior)
        self._gp = SequentialGP(process, groups)
        self._observed: Keys = self._keys[:0]

    def _groups(self, codes: Codes) -> dict[str, Values]:
        canonical = self._space.canonical(codes)
        keys = self._space.keys(canonical)
        rows = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        if np.array_equal(
            self._keys[rows], keys
        ):  # nearly always: observed ones come from the pool
            return {name: group[rows] for name, group in self._gp.candidates.items()}
        groups = feature_groups(self._space, canonical, untrained=False)
        return groups if self._further is None else {**groups, **self._further(canonical)}

    @property
    def n_hyperparameters(self) -> int:
        """Number of log hyperparameters of the kernel."""
        return self._gp.process.n_hyperparameters

    def learn(self, codes: Codes, values: Values, chosen: Chosen) -> Chosen:
        """Learn all observed values; the hyperparameters that were used.

        What is known from last time is not computed again.
        """
        self._transform = make_transform(self._labels).fit(values)
        self._z = self._transform.transform(values)
        self.best = float(self._z.max())
        keys = self._space.keys(codes)
        if len(codes) >= _GROWTH * chosen[0]:
            self._gp.refit(self._groups(codes), self._z)
            chosen = len(codes), self._gp.process.theta_
        else:
            known = len(self._observed)
            if not known or not np.array_equal(self._observed, keys[:known]):
                # A loaded state is to be as it was, label after label; in a space that is not
                # listed candidates are fresh each time.
                known = chosen[0] if self._space.listed else len(codes)
                self._gp.process.set_theta(chosen[1])
                self._gp.restart(self._groups(codes[:known]))
            self._append(codes[known:])
        self._observed = keys
        return chosen

    def in_units(self, values: Values) -> Values:
        """Values as the process learns them, shape (n,)."""
        return self._transform.transform(values)

    def of_other_values(self) -> FunctionProcess:
        """A process over the same candidates, of which it shares the features."""
        process, other = self._gp.process, copy(self)
        own = GroupedGP(process.terms, process.prior, process.learnt)
        vars(other).update(_gp=SequentialGP(own, self._gp.candidates), _observed=self._keys[:0])
        return other

    def _append(self, codes: Codes) -> None:
        groups = self._groups(codes) if len(codes) else {}
        for row in range(len(codes)):
            self._gp.append({name: group[row : row + 1] for name, group in groups.items()})

    def expect(self, codes: Codes) -> None:
        """Count architectures that are being evaluated as known: their deviation falls."""
        self._append(codes)

    def forget_expected(self) -> None:
        """Go back to the observed values."""
        self._gp.forget(len(self._observed))

    def left_out_density(self) -> float:
        """Log density of the observed values, each predicted from all the others, summed."""
        return self._gp.left_out_density(self._z)

    def posterior(self) -> tuple[Values, Values]:
        """Mean and deviation of every candidate, each (m,), in transformed labels."""
        mean, std = self._gp.posterior(self._z)
        return mean[self._function], std[self._function]


class PredictorModel(PoolModel):
    """Any predictor with deviations, over a pool of candidates."""

    def __init__(self, guide: Guide, pool: Codes) -> None:
        self.pool, self._guide = pool, guide
        self._n_predicted = 0

    def learn(self, codes: Codes, values: Values, chosen: Chosen) -> Chosen:
        """Learn all observed values; how many of them the last whole fit had."""
        fitted = self._guide.fitted(codes, values)
        if self._n_predicted != len(values):
            self._predicted = fitted.predict(self.pool, return_std=True)
            self.best, self._n_predicted = float(values.max()), len(values)
        return self._guide.n_base, chosen[1]

    def posterior(self) -> tuple[Values, Values]:
        """Mean and deviation of every candidate, each (m,), in the units of the values."""
        mean, std = self._predicted
        return mean, np.maximum(std, 1e-12)
