"""Bayesian optimisation: a probabilistic predictor says where the next best may be."""

from __future__ import annotations

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

if TYPE_CHECKING:
    from .pool_models import Chosen, PoolModel

ACQUISITIONS = ("ei", "ucb", "thompson")
_MOST_RANKED = 30_000


class BayesianOptimisation(ModelSearcher):
    """Bayesian optimisation over all architectures, or over a sample of a space too large to list.

    The first ``initial`` architectures are drawn uniformly. After that a Gaussian process, the
    ``joint`` member of the predictor ``auto`` with a linear kernel of structural features beside
    it, gives every architecture a mean and a deviation of its value, and those of the highest
    acquisition are proposed. Of a batch, each is proposed as if the ones before had returned what
    was expected of them. Cells of one function share a mean; the deviation counts the noise between
    them, since the measured value is what is searched.

    Parameters
    ----------
    predictor : object with ``fit(codes, y)`` and ``predict(codes, return_std=True)``, optional
        In the place of the Gaussian process. Cloned before every fit where it has ``get_params``;
        parameters ``seed`` and ``random_state`` that are None follow from the searcher's seed.
    acquisition : {"ei", "ucb", "thompson"}
        Expected improvement; mean plus ``beta`` deviations; or an independent draw for each
        architecture.
    beta : float
        Of ``"ucb"``.
    initial : int
        Architectures drawn uniformly before the first fit; at least 1.
    labels : {"blended", "normal-scores", "standardised"}
        What the Gaussian process learns.
    candidates : int
        How many are drawn for every batch, half of them near the best, where more than 30,000
        architectures may be proposed; of fewer, all are ranked.

    Raises
    ------
    ParameterError
        If a number is too small, the acquisition is unknown or the predictor has no deviation.

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
        self._guide: Guide | None = None
        if self.predictor is not None:
            self._guide = Guide(self.predictor, self._predictor_seed, growth=(GROWTH, 1.0))
        self._model: PoolModel | None = None
        self._chosen: Chosen = (0, np.empty(0))

    def _process(self, pool: Codes) -> PoolModel:
        """Gaussian process over a pool of candidates."""
        from .pool_models import FunctionProcess

        return FunctionProcess(self.space, pool, self.labels)

    def _learn(self) -> PoolModel:
        from .pool_models import PredictorModel

        known = ~np.isnan(self.values_)
        count = int(known.sum())
        z = check_labels(self.values_[known], count, minimum=3, who="a search")
        if self._model is None or not self._lists:
            pool = self._candidates()
            guide = self._guide
            self._model = self._process(pool) if guide is None else PredictorModel(guide, pool)
        self._chosen = self._model.learn(self.codes_[known], z, self._chosen)
        return self._model

    @property
    def _lists(self) -> bool:
        """Whether all architectures that may be proposed are candidates in every batch."""
        return self._allowed is not None and len(self._allowed) <= _MOST_RANKED

    def _candidates(self) -> Codes:
        """Candidates that are ranked: all allowed, or a fresh sample and neighbours of the best."""
        if self._allowed is not None and self._lists:
            return self.space.from_keys(self._allowed)
        half = self.candidates // 2
        best = best_observed(self, 10)
        near = self.space.mutate(best[self._rng.integers(len(best), size=half)], seed=self._rng)
        near = np.concatenate([near, self.space.mutate(near[: half // 2], seed=self._rng)])
        return np.unique(self._unseen(np.concatenate([self._draw(half), near])), axis=0)

    def _proposals(self, model: PoolModel, n: int, drawn: Codes) -> Codes:
        """The ``n`` unseen candidates of the highest acquisition, one after the other."""
        keys = self.space.keys(model.pool)
        open_ = self._remaining.free(keys)
        open_[np.isin(keys, self.space.keys(drawn))] = False
        chosen: list[int] = []
        model.expect(np.concatenate([self.pending_, drawn]))
        # Twins have equal scores: which of them comes first is drawn.
        order = self._rng.permutation(len(keys))
        while len(chosen) < n and open_.any():
            scores = np.where(open_, self._scores(*model.posterior(), model.best), -np.inf)
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

    def _scores(self, mean: Values, std: Values, best: float) -> Values:
        """Acquisition of every candidate, shape (m,)."""
        if self.acquisition == "ucb":
            return mean + self.beta * std
        if self.acquisition == "thompson":
            return mean + std * self._rng.standard_normal(len(mean))
        return np.asarray(log_expected_improvement(mean, std, best))

    def _state(self) -> dict[str, Any]:
        count, theta = self._chosen
        return {"predictor_seed": self._predictor_seed, "chosen_at": count, "theta": theta}

    def _load_state(self, state: dict[str, Any]) -> None:
        self._predictor_seed, self._model = int(state["predictor_seed"]), None
        self._chosen = int(state["chosen_at"]), np.asarray(state["theta"], dtype=np.float64)
        if self._guide is not None:
            self._guide.load_state({**state, "n_base": self._chosen[0]})


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

    acquisition: str = one_of("thompson", ACQUISITIONS)
    initial: int = whole_number(10)
    labels: str = field(init=False, default="blended")  # of the process, which it has not

    def __post_init__(self) -> None:
        from ...predictors.ensembles import BANANAS

        if self.predictor is None:
            self.predictor = BANANAS(self.space)
        super().__post_init__()
