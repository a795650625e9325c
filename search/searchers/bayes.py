"""Bayesian optimisation: a probabilistic predictor says where the next best may be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ...data.parameters import one_of, whole_number
from ...data.spaces import Codes
from ...data.types import Values
from ...errors import ParameterError
from ...predictors.labels import check_labels, make_transform
from ...predictors.processes import GROWTH
from ..guided import Guide, ModelSearcher, Regressor, best_observed
from .acquisition import log_expected_improvement
from .columns import PoolColumns, check_acquisition, column_guides

if TYPE_CHECKING:
    from .pool_models import Chosen, PoolModel

ACQUISITIONS = ("ei", "ucb", "thompson")
_MOST_RANKED = 30_000
_STEPS = 4  # of the walks from the best, in spaces that cannot be listed


class BayesianOptimisation(ModelSearcher):
    """Bayesian optimisation over all architectures, or over a sample of a space too large to list.

    The first ``initial`` architectures are drawn uniformly. After that a Gaussian process, the
    ``joint`` member of the predictor ``auto`` with a linear kernel of structural features beside
    it, gives every architecture a mean and a deviation of its value, and those of the highest
    acquisition are proposed. Of a batch, each is proposed as if the ones before had returned what
    was expected of them. Cells of one function share a mean; the deviation counts the noise between
    them, since the measured value is what is searched.

    With several objectives, or bounds, each told column has a process of its own, and the
    acquisition is the expected hypervolume improvement times the probability that the bounds are
    kept.

    Parameters
    ----------
    predictor : object with ``fit(codes, y)`` and ``predict(codes, return_std=True)``, optional
        In the place of the Gaussian process. Cloned before every fit where it has ``get_params``;
        parameters ``seed`` and ``random_state`` that are None follow from the searcher's seed.
    acquisition : {"ei", "ucb", "thompson"}
        Expected improvement; mean plus ``beta`` deviations; or an independent draw for each
        architecture. The first alone with several objectives or bounds.
    beta : float
        Of ``"ucb"``.
    initial : int
        Architectures drawn uniformly before the first fit; at least 1.
    labels : {"blended", "normal-scores", "standardised"}
        What the Gaussian process learns.
    candidates : int
        How many are drawn for every batch, half of them near the best, where more than 30,000
        architectures may be proposed, and at most so many, nearly all near the best, in a space
        that cannot be listed; of fewer, all are ranked.

    Raises
    ------
    ParameterError
        If a number is too small, the acquisition is unknown or does not go with several objectives,
        or the predictor has no deviation.

    References
    ----------
    D. R. Jones, M. Schonlau, W. J. Welch. Efficient global optimization of expensive black-box
    functions. 1998. Independent draws: C. White, W. Neiswanger, Y. Savani. BANANAS. AAAI 2021.

    Examples
    --------
    >>> from nasurge.data.spaces import make_space
    >>> from nasurge.search import run
    >>> searcher = BayesianOptimisation(make_space("nb201"), seed=0)
    >>> run(searcher, lambda codes: (codes == 3).sum(axis=1), budget=32, batch=4)
    <Trace: 32 evaluations, 0 failed, best 6>
    """

    most_proposed: ClassVar[int] = 200  # each is chosen in the light of those before

    several_objectives = True

    n_objectives: int = 1
    bounds: Sequence[float] = ()
    predictor: Regressor | None = None
    acquisition: str = one_of("ei", ACQUISITIONS)
    beta: float = 1.0
    initial: int = whole_number(3)
    labels: str = "blended"
    candidates: int = whole_number(4000)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.predictor is not None and not getattr(self.predictor, "has_std", True):
            raise ParameterError(
                f"{type(self.predictor).__name__} offers no standard deviations with these "
                "parameters: take one that does (see: nasurge predictors), or more than one member"
            )
        make_transform(self.labels)  # raises where there is none of that name
        self._predictor_seed = int(self._rng.integers(2**31))
        if self.has_columns:
            check_acquisition(self.acquisition)
        self._guides: list[Guide] | None = None
        if self.predictor is not None:
            self._guides = column_guides(
                self.predictor,
                self._predictor_seed,
                growth=(GROWTH, 1.0),
                n_columns=len(self.bounds),
            )
        self._model: PoolModel | PoolColumns | None = None
        self._chosen: list[Chosen] = [(0, np.empty(0))] * len(self.bounds)

    def _process(self, pool: Codes) -> PoolModel:
        """Gaussian process over a pool of candidates."""
        from .pool_models import FunctionProcess

        return FunctionProcess(self.space, pool, self.labels)

    def _models(self, pool: Codes) -> PoolModel | PoolColumns:
        """Model of a pool of candidates, or of each told column."""
        from .pool_models import FunctionProcess, PredictorModel

        models: list[PoolModel]
        if self._guides is not None:
            models = [PredictorModel(guide, pool) for guide in self._guides]
        else:
            models = [self._process(pool)]
            first = models[0]
            if self.has_columns and isinstance(first, FunctionProcess):
                models += [first.of_other_values() for _ in self.bounds[1:]]
        if not self.has_columns:
            return models[0]
        return PoolColumns(self.space, models, self.bounds, self.n_objectives)

    def _learn(self) -> PoolModel | PoolColumns:
        columns = self._columns()
        known = ~np.isnan(columns).any(axis=1)
        if not self.has_columns:
            count = int(known.sum())
            check_labels(self.values_[known], count, minimum=3, who="a search")
        if self._model is None or not self._lists:
            self._model = self._models(self._candidates())
        model, codes = self._model, self.codes_[known]
        if isinstance(model, PoolColumns):
            self._chosen = model.learn(codes, columns[known], self._chosen)
        else:
            self._chosen = [model.learn(codes, self.values_[known], self._chosen[0])]
        return model

    @property
    def _lists(self) -> bool:
        """Whether all architectures that may be proposed are candidates in every batch."""
        return self._allowed is not None and len(self._allowed) <= _MOST_RANKED

    def _candidates(self) -> Codes:
        """Candidates that are ranked: all allowed, or a fresh sample and neighbours of the best."""
        if self._allowed is not None and self._lists:
            return self.space.from_keys(self._allowed)
        if not self.space.listed and self._allowed is None:
            return self._near_and_far()
        half = self.candidates // 2
        best = best_observed(self, 10)
        near = self.space.mutate(best[self._rng.integers(len(best), size=half)], seed=self._rng)
        near = np.concatenate([near, self.space.mutate(near[: half // 2], seed=self._rng)])
        return np.unique(self._unseen(np.concatenate([self._draw(half), near])), axis=0)

    def _near_and_far(self) -> Codes:
        """Candidates of a space that nobody can list: a sample, and what is near the best.

        Near are neighbours of the best, and walks from the ten best of one step and more: how
        far the next best is, nobody knows.
        """
        best, share = best_observed(self, 10), max(1, self.candidates // 8)
        around = self.space.neighbours(best[:1])[0]
        parts = [self._draw(share), around[self._rng.permutation(len(around))[: 2 * share]]]
        rows = best[self._rng.integers(len(best), size=share)]
        for _ in range(_STEPS):
            rows = self.space.mutate(rows, seed=self._rng)
            parts.append(rows)
        return self._unseen(np.concatenate(parts))

    def _proposals(self, model: PoolModel | PoolColumns, n: int, drawn: Codes) -> Codes:
        """The ``n`` unseen candidates of the highest acquisition, one after the other."""
        keys = self.space.keys(model.pool)
        open_ = self._remaining.free(keys)
        open_[np.isin(keys, self.space.keys(drawn))] = False
        chosen: list[int] = []
        model.expect(np.concatenate([self.pending_, drawn]))
        # Twins have equal scores: which of them comes first is drawn.
        order = self._rng.permutation(len(keys))
        while len(chosen) < n and open_.any():
            scores = np.where(open_, self._worth(model), -np.inf)
            if model.believes:
                ranked = order[np.argmax(scores[order])][None]
            else:
                ranked = order[np.argsort(-scores[order], kind="stable")[: n - len(chosen)]]
                ranked = ranked[open_[ranked]]
            chosen += ranked.tolist()
            open_[ranked] = False
            if len(chosen) < n:
                model.expect(model.pool[ranked])
        model.forget_expected()
        return model.pool[np.array(chosen, dtype=np.int64)]

    def _worth(self, model: PoolModel | PoolColumns) -> Values:
        """Acquisition of every candidate of a model, shape (m,)."""
        if isinstance(model, PoolColumns):
            return np.asarray(model.target.score(*model.posterior()))
        return self._scores(*model.posterior(), model.best)

    def _scores(self, mean: Values, std: Values, best: float) -> Values:
        """Acquisition of every candidate, shape (m,)."""
        if self.acquisition == "ucb":
            return mean + self.beta * std
        if self.acquisition == "thompson":
            return mean + std * self._rng.standard_normal(len(mean))
        return np.asarray(log_expected_improvement(mean, std, best))

    def _state(self) -> dict[str, Any]:
        state: dict[str, Any] = {"predictor_seed": self._predictor_seed}
        if not self.has_columns:
            count, theta = self._chosen[0]
            return {**state, "chosen_at": count, "theta": theta}
        width = max(len(theta) for _, theta in self._chosen)
        # Of a column that could not be learnt yet there is none.
        thetas = [theta if len(theta) else np.zeros(width) for _, theta in self._chosen]
        counts = [count for count, _ in self._chosen]
        return {**state, "chosen_at": np.array(counts), "theta": np.stack(thetas)}

    def _load_state(self, state: dict[str, Any]) -> None:
        self._predictor_seed, self._model = int(state["predictor_seed"]), None
        counts = np.atleast_1d(state["chosen_at"]).tolist()
        thetas = np.asarray(state["theta"], dtype=np.float64).reshape(len(counts), -1)
        self._chosen = list(zip(counts, thetas, strict=True))
        for guide, (count, _) in zip(self._guides or (), self._chosen, strict=False):
            guide.load_state({**state, "n_base": count})


class BANANASSearch(BayesianOptimisation):
    """BANANAS: independent draws from an ensemble of perceptrons on path encodings.

    Ranks all architectures where the paper ranks mutants of the best.

    Parameters
    ----------
    predictor : object with ``fit(codes, y)`` and ``predict(codes, return_std=True)``, optional
        The predictor ``bananas`` if there is none.

    References
    ----------
    C. White, W. Neiswanger, Y. Savani. BANANAS: Bayesian optimization with neural architectures
    for neural architecture search. AAAI 2021.

    Examples
    --------
    >>> from nasurge.data.spaces import make_space
    >>> searcher = BANANASSearch(make_space("nb201"), seed=0)
    >>> codes = searcher.ask(10)
    >>> searcher.tell(codes, codes.sum(axis=1))
    >>> searcher.ask(5).shape
    (5, 6)
    """

    several_objectives = False

    n_objectives: int = field(init=False, default=1)
    bounds: Sequence[float] = field(init=False, default=())
    acquisition: str = one_of("thompson", ACQUISITIONS)
    initial: int = whole_number(10)
    labels: str = field(init=False, default="blended")  # of the process, which it has not

    def __post_init__(self) -> None:
        from ...predictors.ensembles import BANANAS

        if self.predictor is None:
            self.predictor = BANANAS(self.space)
        super().__post_init__()
