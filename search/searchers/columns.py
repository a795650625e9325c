"""Models of several told columns, each its own: over a pool, or of relaxed architectures."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy, deepcopy
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from ...data.spaces import Codes, Space
from ...data.types import Values
from ...errors import LabelError, ParameterError
from ..guided import Guide, Regressor
from .improvement import FrontTarget

if TYPE_CHECKING:
    from torch import Tensor

    from .pool_models import Chosen, PoolModel

MINIMUM_ROWS = 3
# Of a predictor without deviations, in units of the labels' own: what is climbed needs a gradient.
_BLUR = 0.1


def check_acquisition(acquisition: str | None) -> None:
    """Refuse an acquisition that is of one objective.

    Raises
    ------
    ParameterError
        If it is none of expected improvement.
    """
    if acquisition not in (None, "ei"):
        raise ParameterError(
            "several objectives, or bounds, are searched by expected hypervolume improvement: "
            f'leave acquisition out, or "ei", not {acquisition!r}'
        )


def column_guides(
    predictor: Regressor, seed: int, *, n_columns: int, growth: tuple[float, float] = (1.0, 1.0)
) -> list[Guide]:
    """A guide of each told column, each with a predictor of its own; ``growth`` as of ``Guide``."""
    # A foreign predictor is fitted in its place, and must not serve two columns.
    copies = hasattr(predictor, "get_params")
    return [
        Guide(predictor if copies else deepcopy(predictor), seed, growth=growth)
        for _ in range(n_columns)
    ]


def _learnable(columns: Values) -> list[int]:
    """Columns whose values differ.

    Raises
    ------
    LabelError
        If there are none, or too few rows.
    """
    differ = [column for column in range(columns.shape[1]) if np.ptp(columns[:, column]) > 0]
    if len(columns) < MINIMUM_ROWS or not differ:
        raise LabelError(f"{len(columns)} evaluations, or all equal, say nothing of the next")
    return differ


class PoolColumns:
    """A model of each told column of every architecture of a pool of candidates.

    Parameters
    ----------
    space : Space
    models : sequence of PoolModel
        One for each column, of the same pool.
    bounds : sequence of float
        The least feasible value of each column.
    n_objectives : int
    """

    believes: ClassVar[bool] = True

    def __init__(
        self, space: Space, models: Sequence[PoolModel], bounds: Sequence[float], n_objectives: int
    ) -> None:
        self.pool, self._models = models[0].pool, models
        self._bounds, self._n_objectives = bounds, n_objectives
        self._space, self._keys = space, space.keys(self.pool)
        self._observed = self._expected = np.empty((0, len(bounds)))
        self._order = np.argsort(self._keys, kind="stable")

    def learn(self, codes: Codes, columns: Values, chosen: Sequence[Chosen]) -> list[Chosen]:
        """Hyperparameters, of each column, that were used to learn all observed values.

        A column of equal values says nothing and is not learnt.

        Raises
        ------
        LabelError
            If nothing can be learnt yet.
        """
        self._learnt = _learnable(columns)
        used = list(chosen)
        self._observed, limits = columns.copy(), np.array(self._bounds)
        for column in self._learnt:
            model, values = self._models[column], columns[:, column]
            used[column] = model.learn(codes, values, chosen[column])
            self._observed[:, column] = model.in_units(values)
            if np.isfinite(limits[column]):
                limits[column] = model.in_units(limits[[column]])[0]
        self._limits = limits
        self.forget_expected()
        return used

    def expect(self, codes: Codes) -> None:
        """Count architectures that are being evaluated as known, with the values expected of them.

        Those outside the pool lower the deviations of what is near them, and no more.
        """
        for column in self._learnt:
            self._models[column].expect(codes)
        keys = self._space.keys(codes)
        at = np.searchsorted(self._keys, keys, sorter=self._order)
        rows = self._order[np.minimum(at, len(self._order) - 1)]
        mean, _ = self.posterior()
        self._expected = np.concatenate([self._expected, mean[rows[self._keys[rows] == keys]]])
        self._aim()

    def forget_expected(self) -> None:
        """Go back to the observed values."""
        for column in self._learnt:
            self._models[column].forget_expected()
        self._expected = self._observed[:0]
        self._aim()

    def _aim(self) -> None:
        known = np.concatenate([self._observed, self._expected])
        self.target = FrontTarget.of(known, self._limits, self._n_objectives)

    def posterior(self) -> tuple[Values, Values]:
        """Mean and deviation of every column of every candidate, each (m, c)."""
        mean = np.repeat(self._observed[:1], len(self.pool), axis=0)
        std = np.ones_like(mean)
        for column in self._learnt:
            mean[:, column], std[:, column] = self._models[column].posterior()
        return mean, std


class ColumnGuides:
    """A predictor for each told column that follows a search, as ``Guide`` does for one.

    Parameters
    ----------
    guides : sequence of Guide
        One for each column.
    bounds : sequence of float
        The least feasible value of each column.
    n_objectives : int
    """

    def __init__(self, guides: Sequence[Guide], bounds: Sequence[float], n_objectives: int) -> None:
        self._guides, self._bounds, self._n_objectives = guides, bounds, n_objectives

    def fitted(self, codes: Codes, columns: Values) -> ColumnPredictors:
        """Predictors fitted to all rows without a NaN; a column of equal values has none.

        Raises
        ------
        LabelError
            If they cannot learn from them: too few, or all equal.
        """
        columns = columns.reshape(len(columns), len(self._guides))
        known = ~np.isnan(columns).any(axis=1)
        codes, columns = codes[known], columns[known]
        learnt = _learnable(columns)
        predictors: list[Any] = [None] * len(self._guides)
        for column in learnt:
            predictors[column] = self._guides[column].fitted(codes, columns[:, column])
        return ColumnPredictors(predictors, columns, self._bounds, self._n_objectives)

    def state(self) -> dict[str, Any]:
        """What a searcher saves of it, as JSON values."""
        n_bases = [guide.n_base for guide in self._guides]
        return {**self._guides[0].state(), "n_base": n_bases}

    def load_state(self, state: dict[str, Any]) -> None:
        """Take back what ``state`` returned; the next fit is a new one."""
        for guide, n_base in zip(self._guides, state["n_base"], strict=True):
            guide.load_state({**state, "n_base": n_base})


class ColumnPredictors:
    """Differentiable predictors of all told columns, fitted, and what the search wants of them.

    Parameters
    ----------
    predictors : sequence of fitted predictors
        None where all values of a column are equal.
    columns : float array, shape (n, c)
        What they were fitted to.
    bounds : sequence of float
    n_objectives : int
    """

    quick_update: ClassVar[bool] = True

    def __init__(
        self, predictors: list[Any], columns: Values, bounds: Sequence[float], n_objectives: int
    ) -> None:
        self._predictors, self._known = predictors, columns
        self._bounds, self._n_objectives = bounds, n_objectives
        self._aim()

    @property
    def device_(self) -> str:
        """Where relaxed architectures are scored."""
        return next((str(p.device_) for p in self._predictors if hasattr(p, "device_")), "cpu")

    def _aim(self) -> None:
        """Set the target by all known columns, in the units of the predictors' scores."""
        known, limits = self._known.copy(), np.array(self._bounds)
        for column, predictor in enumerate(self._predictors):
            if predictor is None:
                continue
            transform = predictor.label_transform_.transform
            known[:, column] = transform(known[:, column])
            if np.isfinite(limits[column]):
                limits[column] = transform(limits[[column]])[0]
        self.target = FrontTarget.of(known, limits, self._n_objectives)

    def score_relaxed(self, shares: Tensor) -> tuple[Tensor, Tensor]:
        """Scores and deviations of every column of relaxed architectures, each (n, c)."""
        import torch

        means, deviations = [], []
        for column, predictor in enumerate(self._predictors):
            if predictor is None:
                mean = torch.full_like(shares[:, 0], float(self._known[0, column]))
                std = torch.ones_like(mean)
            else:
                mean, std = predictor.score_relaxed(shares)
                std = std if predictor.has_std else torch.full_like(mean, _BLUR)
            means.append(mean.double())
            deviations.append(std.double())
        return torch.stack(means, dim=1), torch.stack(deviations, dim=1)

    def predict(self, codes: Codes) -> Values:
        """Predicted columns, shape (n, c)."""
        predicted = np.repeat(self._known[:1], len(codes), axis=0)
        for column, predictor in enumerate(self._predictors):
            if predictor is not None:
                predicted[:, column] = predictor.predict(codes)
        return predicted

    def update(self, codes: Codes, columns: Values) -> Self:
        """Count architectures as known with these values; networks stay as they are."""
        self._predictors = [
            copy(predictor).update(codes, columns[:, column])
            if getattr(predictor, "quick_update", False)
            else predictor
            for column, predictor in enumerate(self._predictors)
        ]
        self._known = np.concatenate([self._known, columns])
        self._aim()
        return self
