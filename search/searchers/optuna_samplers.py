"""Optuna's samplers as searchers: what a user would pick instead, in every comparison."""

from __future__ import annotations

import logging
import warnings
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ...data.parameters import whole_number
from ...data.spaces import Codes
from ...data.types import Index, Values
from ..parameters import DeclaredSearcher

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution, CategoricalDistribution
    from optuna.samplers import BaseSampler

Row = tuple[int, ...]
"""An architecture as the values of its variables."""

_RUNNING, _COMPLETE, _PRUNED, _FAILED = 0, 1, 2, 3


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Optuna's notes on new studies and experimental options from the user."""
    from optuna.exceptions import ExperimentalWarning
    from optuna.logging import get_verbosity, set_verbosity

    before = get_verbosity()
    set_verbosity(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="optuna")
            warnings.filterwarnings("ignore", category=ExperimentalWarning)
            warnings.filterwarnings("ignore", category=FutureWarning)
            yield
    finally:
        set_verbosity(before)


@cache
def _choices() -> type[CategoricalDistribution]:
    """Optuna's categorical distribution, which is quick to tell that it is itself.

    A sampler compares all variables of all trials, value by value: most of the time of an ask where
    there are dozens.
    """
    from optuna.distributions import CategoricalDistribution

    class Choices(CategoricalDistribution):
        def __eq__(self, other: object) -> bool:
            return self is other or super().__eq__(other)

        __hash__ = CategoricalDistribution.__hash__

        def __deepcopy__(self, memo: dict[int, Any]) -> Choices:
            return self  # immutable

    return Choices


def _rows(codes: Codes) -> list[Row]:
    """Architectures as tuples."""
    return [tuple(row) for row in codes.tolist()]


class OptunaSearcher(DeclaredSearcher):
    """A sampler of Optuna over the variables of a space, plain categoricals, by ask and tell.

    The study lives in memory. Trials asked for are running trials until told, so a sampler takes
    them into account; failed evaluations are failed trials. A proposal that was told before is
    answered at once with its known value, as an objective with a cache does it, and the sampler
    is asked again, up to ``retries`` times; what is then still missing is drawn uniformly.

    For each proposal there is a fresh sampler, seeded by the searcher: so a resumed search goes
    on as the uninterrupted one. Subclasses make the sampler.

    Parameters
    ----------
    startup : int
        How many values the sampler waits for and draws uniformly until then; at least 1.
    retries : int
        How often the sampler is asked again after a proposal that is known already; at least 1.
    pool : array_like of int, shape (m, d), optional
        The only architectures that may be proposed; by default the whole space. Proposals outside
        it are pruned trials, or failed ones where the nearest row of the pool is taken instead.
    """

    most_proposed: ClassVar[int] = 200  # each is chosen in the light of those before

    startup: int = whole_number(10)
    retries: int = whole_number(10)

    @abstractmethod
    def _sampler(self, seed: int) -> BaseSampler:
        """A new sampler."""

    def _reset(self) -> None:
        super()._reset()
        # All trials by their number: what the sampler proposed and how it ended. The study is
        # made from this, and made anew where an interruption may have left it half changed.
        self._proposed: list[Row] = []
        self._outcomes: list[tuple[int, float]] = []
        self._running: dict[Row, int] = {}  # what was asked for (maybe a twin): its trial
        self._told: dict[Row, float] = {}
        self._study: Study | None = None

    @cached_property
    def _distributions(self) -> dict[str, BaseDistribution]:
        made = _choices()
        return {
            f"x{variable}": made(tuple(range(cardinality)))
            for variable, cardinality in enumerate(self.space.cardinalities)
        }

    def _made_study(self) -> Study:
        """Study of all trials so far."""
        import optuna

        if self._study is None:
            study = optuna.create_study(direction="maximize")
            study.add_trials(
                [
                    self._trial(row, *outcome)
                    for row, outcome in zip(self._proposed, self._outcomes, strict=True)
                ]
            )
            self._study = study
        return self._study

    def _trial(self, row: Row, state: int, value: float) -> Any:
        """A trial as it would stand in the study."""
        from optuna.trial import TrialState, create_trial

        return create_trial(
            state=TrialState(state),
            value=value if state == _COMPLETE else None,
            params={f"x{variable}": choice for variable, choice in enumerate(row)},
            distributions=self._distributions,
        )

    def _end(self, trial: int, state: int, value: float) -> None:
        """End a running trial, in the study too if there is one."""
        from optuna.trial import TrialState

        self._outcomes[trial] = (state, value)
        study, self._study = self._study, None
        if study is not None:
            study.tell(trial, value if state == _COMPLETE else None, state=TrialState(state))
            self._study = study  # only if nothing interrupted the line before

    def _add(self, row: Row, state: int, value: float) -> None:
        """Add a trial that the sampler did not suggest, in the study too if there is one."""
        self._proposed.append(row)
        self._outcomes.append((state, value))
        if self._study is not None:
            self._study.add_trial(self._trial(row, state, value))

    def _ask(self, n: int) -> Codes:
        asked: list[Row] = []
        with _quiet():
            while len(asked) < n and (row := self._suggest()) is not None:
                asked.append(row)
        return np.array(asked, self.space.dtype).reshape(-1, self.space.n_variables)

    def _suggest(self) -> Row | None:
        """Architecture that may be asked for, or None."""
        names = tuple(self._distributions)
        for _ in range(self.retries):
            study = self._made_study()
            study.sampler = self._sampler(int(self._rng.integers(2**31)))
            trial = study.ask(self._distributions)
            params = trial.params  # each time a deep copy
            row = tuple(params[name] for name in names)
            self._proposed.append(row)
            self._outcomes.append((_RUNNING, np.nan))
            code = np.array([row])
            if self.space.is_valid(code)[0]:
                proposed = self._in_pool(self.space.keys(code))
                key = self._moved(proposed)
                (row,) = _rows(self.space.from_keys(key))
                free = row not in self._running and self._remaining.free(key)[0]
                if key[0] != proposed[0]:  # its value says nothing of the proposal
                    self._end(trial.number, _FAILED, np.nan)
                    if not free:
                        continue
                    self._add(row, _RUNNING, np.nan)
                if free:
                    self._running[row] = len(self._proposed) - 1
                    return row
            value = self._told.get(row, np.nan)
            state = _PRUNED if np.isnan(value) else _COMPLETE
            self._end(trial.number, state, value)
        return None

    def _tell(self, codes: Codes, values: Values) -> None:
        super()._tell(codes, values)
        with _quiet():
            for row, value in zip(_rows(codes), values.tolist(), strict=True):
                self._told[row] = value
                state = _FAILED if np.isnan(value) else _COMPLETE
                trial = self._running.pop(row, None)
                if trial is None:  # not asked for, or drawn uniformly
                    self._add(row, state, value)
                else:
                    self._end(trial, state, value)

    def _packed(self, rows: list[Row]) -> Index:
        """Rows, valid or not, as they are, (n, d), or as numbers, (n, 1), of a numbered space."""
        packed = np.array(rows, dtype=np.int64).reshape(-1, self.space.n_variables)
        if self.space.n_codes >= 2**63:
            return packed
        return np.asarray(np.ravel_multi_index(packed.T, self.space.cardinalities))[:, None]

    def _unpacked(self, packed: Index) -> list[Row]:
        """Rows of what ``_packed`` returned."""
        if self.space.n_codes < 2**63:
            packed = np.stack(np.unravel_index(packed[:, 0], self.space.cardinalities), axis=1)
        return _rows(packed)

    def _state(self) -> dict[str, Any]:
        trials = np.array(list(self._running.values()), dtype=np.int64)
        return {
            "proposed": self._packed(self._proposed),
            "outcomes": np.array(self._outcomes, dtype=np.float64).reshape(-1, 2),
            "running": np.column_stack([self._packed(list(self._running)), trials]),
        }

    def _load_state(self, state: dict[str, Any]) -> None:
        # States of the first versions hold the numbers of what was proposed as a flat array.
        self._proposed = self._unpacked(np.atleast_2d(state["proposed"].T).T)
        self._outcomes = [(int(s), v) for s, v in state["outcomes"].tolist()]
        running = self._unpacked(state["running"][:, :-1])
        self._running = dict(zip(running, state["running"][:, -1].tolist(), strict=True))
        self._told = dict(zip(_rows(self.codes_), self.values_.tolist(), strict=True))
        self._study = None


class OptunaTPE(OptunaSearcher):
    """Optuna's tree-structured Parzen estimator, multivariate, on the variables of a space.

    Examples
    --------
    >>> from nasurge.data.spaces import make_space
    >>> from nasurge.search import run
    >>> searcher = OptunaTPE(make_space("nb201"), seed=0)
    >>> run(searcher, lambda codes: (codes == 3).sum(axis=1), budget=60, batch=4)
    <Trace: 60 evaluations, 0 failed, best 6>

    References
    ----------
    J. Bergstra, R. Bardenet, Y. Bengio, B. Kégl. Algorithms for hyper-parameter optimization.
    NeurIPS 2011. T. Akiba, S. Sano, T. Yanase, T. Ohta, M. Koyama. Optuna. KDD 2019.
    """

    def _sampler(self, seed: int) -> BaseSampler:
        from optuna.samplers import TPESampler

        return TPESampler(
            seed=seed, n_startup_trials=self.startup, multivariate=True, constant_liar=True
        )


class OptunaGP(OptunaSearcher):
    """Optuna's Gaussian process with expected improvement, on the variables of a space.

    A proposal takes about a second from a hundred values on. Best with small batches.

    Examples
    --------
    >>> from nasurge.data.spaces import make_space
    >>> searcher = OptunaGP(make_space("nb201"), seed=0)
    >>> codes = searcher.ask(12)
    >>> searcher.tell(codes, (codes == 3).sum(axis=1))
    >>> searcher.ask(1).shape
    (1, 6)

    References
    ----------
    T. Akiba, S. Sano, T. Yanase, T. Ohta, M. Koyama. Optuna. KDD 2019. Expected improvement as in
    S. Ament et al. Unexpected improvements to expected improvement for Bayesian optimization.
    NeurIPS 2023.
    """

    def _sampler(self, seed: int) -> BaseSampler:
        from optuna.samplers import GPSampler

        return GPSampler(seed=seed, n_startup_trials=self.startup)
