"""Our searchers as a sampler, for those who have an Optuna study of their own."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler, RandomSampler
from optuna.search_space import IntersectionSearchSpace
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from ...data.arguments import checked
from ...data.spaces import ProductSpace, Space
from ...errors import ExhaustedError, ParameterError
from ..base import Searcher

MOST_VALUES = 127  # of one parameter


class NASurgeSampler(BaseSampler):  # type: ignore[misc, unused-ignore]
    """An Optuna sampler that asks one of our searchers.

    Parameters that are categorical, or integers or stepped floats of at most 127 values, are chosen
    together by the searcher; others are drawn at random. The searcher is told every finished
    trial, those of other workers and of an earlier run too; failed and pruned ones, and those of an
    infinite value, as NaN.

    Parameters
    ----------
    make : callable
        From a space to a searcher, such as ``lambda space: nasurge.make_searcher("evolution",
        space, predictor="gp", seed=0)``. Of a study with several directions, the searcher has to
        take that many objectives.
    search_space : mapping from name to distribution, optional
        The parameters that the searcher chooses. By default those that all trials so far have in
        common, so that the first trial is drawn at random.
    seed : int, optional
        Of the parameters that are drawn at random.

    Examples
    --------
    >>> import nasurge, optuna
    >>> optuna.logging.set_verbosity(optuna.logging.WARNING)
    >>> sampler = NASurgeSampler(lambda s: nasurge.make_searcher("evolution", s, seed=0), seed=0)
    >>> study = optuna.create_study(direction="maximize", sampler=sampler)
    >>> def objective(trial):
    ...     kernel = trial.suggest_categorical("kernel", [1, 3, 5])
    ...     return kernel * trial.suggest_int("blocks", 1, 4)
    >>> study.optimize(objective, n_trials=12)  # the space has no more
    >>> study.best_value
    20.0
    """

    @checked
    def __init__(
        self,
        make: Callable[[Space], Searcher],
        search_space: Mapping[str, BaseDistribution] | None = None,
        *,
        seed: int | None = None,
    ) -> None:
        self._make = make
        self._given = None if search_space is None else dict(search_space)
        for name, distribution in (self._given or {}).items():
            if _values(distribution) is None:
                raise ParameterError(
                    f"parameter {name!r} has {distribution}; a searcher chooses categories, and "
                    f"integers or stepped floats of at most {MOST_VALUES} values"
                )
        self._common = IntersectionSearchSpace()
        self._random = RandomSampler(seed=seed)
        self._names: dict[str, BaseDistribution] = {}
        self._searcher: Searcher | None = None
        self._told: set[int] = set()
        self._lock = threading.Lock()  # study.optimize(n_jobs=2) has one sampler in two threads

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Parameters that the searcher chooses."""
        del trial
        found = self._given if self._given is not None else self._common.calculate(study)
        return {name: d for name, d in found.items() if _values(d) is not None}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Parameters that the searcher asks for; none when it has asked for everything."""
        if not search_space:
            return {}
        with self._lock:
            searcher = self._ready(search_space)
            self._learn(study, searcher, trial.number)
            try:
                code = searcher.ask(1)[0]
            except ExhaustedError:
                return {}
        return {
            name: (_values(distribution) or ())[choice]
            for (name, distribution), choice in zip(
                search_space.items(), code.tolist(), strict=True
            )
        }

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Draw at random what the searcher does not choose."""
        return self._random.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(
        self,
        study: Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        """Tell the searcher what came out."""
        with self._lock:
            if self._searcher is not None:
                known = values if state == TrialState.COMPLETE else None
                self._tell(study, self._searcher, trial, known)

    def reseed_rng(self) -> None:
        """Draw other random numbers, in a copy for another worker."""
        self._random.reseed_rng()

    def _ready(self, search_space: dict[str, BaseDistribution]) -> Searcher:
        """Searcher for these parameters; others than before make a new one."""
        if self._searcher is None or search_space != self._names:
            self._names, self._told = dict(search_space), set()
            self._searcher = self._make(space_of(search_space))
        return self._searcher

    def _learn(self, study: Study, searcher: Searcher, own: int) -> None:
        """Tell the searcher all finished trials that are news, and reserve those that run."""
        for trial in study.get_trials(deepcopy=False):
            if trial.state.is_finished():
                known = trial.values if trial.state == TrialState.COMPLETE else None
                self._tell(study, searcher, trial, known)
            elif trial.number != own and (code := self._code(trial)) is not None:
                searcher.reserve([code])

    def _tell(
        self, study: Study, searcher: Searcher, trial: FrozenTrial, values: Sequence[float] | None
    ) -> None:
        code = self._code(trial)
        if code is None or trial.number in self._told:
            return
        self._told.add(trial.number)
        signs = [1.0 if d == StudyDirection.MAXIMIZE else -1.0 for d in study.directions]
        row = np.full(len(signs), np.nan) if values is None else np.multiply(signs, values)
        # To Optuna an infinite value is one; to a searcher it has failed.
        searcher.tell([code], np.where(np.isfinite(row), row, np.nan)[None])

    def _code(self, trial: FrozenTrial) -> list[int] | None:
        """Code of a trial's parameters, or None if it lacks some or has others."""
        try:
            return [
                (_values(distribution) or []).index(trial.params[name])
                for name, distribution in self._names.items()
            ]
        except (KeyError, ValueError):
            return None


def space_of(search_space: Mapping[str, BaseDistribution]) -> ProductSpace:
    """Space of an Optuna search space, one variable a parameter, numbered choices.

    Examples
    --------
    >>> from optuna.distributions import IntDistribution
    >>> space_of({"blocks": IntDistribution(2, 8, step=2)}).cardinalities
    (4,)
    """
    counts = [len(_values(distribution) or ()) for distribution in search_space.values()]
    return ProductSpace([list(map(str, range(count))) for count in counts], name="optuna")


def _values(distribution: BaseDistribution) -> list[Any] | None:
    """Values of a parameter in order, or None if there are too many."""
    if isinstance(distribution, CategoricalDistribution):
        return list(distribution.choices) if len(distribution.choices) <= MOST_VALUES else None
    if not isinstance(distribution, (IntDistribution, FloatDistribution)) or not distribution.step:
        return None
    low, step = distribution.low, distribution.step
    # Steps of floats do not add up exactly: the last value may lie a little beyond the highest.
    count = math.floor((distribution.high - low) / step + 1e-9) + 1
    return [low + k * step for k in range(count)] if count <= MOST_VALUES else None
