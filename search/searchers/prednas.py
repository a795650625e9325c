"""PredNAS: the architecture itself is optimised by gradient ascent on a predictor's score."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import field
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ...data.devices import one_thread
from ...data.parameters import one_of, whole_number
from ...data.spaces import Codes
from ...errors import ParameterError
from ...predictors.base import Predictor
from ...predictors.processes import GROWTH
from ..guided import Guide, GuidedSearcher, Regressor, best_observed
from .acquisition import log_expected_improvement
from .columns import ColumnGuides, ColumnPredictors, check_acquisition, column_guides
from .constraints import Bounds, Constraints, Cost

if TYPE_CHECKING:
    from torch import Tensor

    from ...predictors.relaxed import Relaxation

ACQUISITIONS = ("ei", "ucb", "mean")
# Factor by which the observations have grown when a network's weights are learnt anew.
_SLOW_GROWTH = 1.5
_PARENTS = 10  # best observed architectures near which ascents start
_CONSIDERED = 100  # best candidates that a batch is chosen from
_POLISHED = 5  # best rounded architectures whose neighbours are scored as well
_MOST_AROUND = 500  # neighbours of the best that are scored, in a space that is not listed


class PredNAS(GuidedSearcher):
    """PredNAS: hundreds of relaxed architectures climb the score of a predictor at once.

    After ``initial`` uniform draws, each round fits the predictor to everything observed, climbs
    its acquisition from ``restarts`` relaxed architectures (random ones, the best observed and
    their mutants) in one batch, and rounds: every architecture that was the nearest to a point of
    an ascent is a candidate, and so are the neighbours of the best of them. Candidates are scored
    as they are, not relaxed, and the best that were not seen are proposed.

    With several objectives, or bounds on what is told, each told column has a predictor of its own,
    and what is climbed is the logarithm of the expected hypervolume improvement, and of the
    probability that the bounds are kept.

    In the paper the predictor is a network, frozen during the ascent; the relaxation, uncertainty
    against adversarial optima, the rounding and the form of the constraints are ours.

    Parameters
    ----------
    space : Space
        One that has a relaxation.
    predictor : Predictor, optional
        A differentiable one, which has ``score_relaxed``; by default ``gp-soft``.
    acquisition : {"ei", "ucb", "mean"}, optional
        What is climbed: expected improvement over the best observed, mean plus ``beta`` standard
        deviations (a lower confidence bound where ``beta`` is negative), or the mean; by default
        ``"ei"`` where the predictor has standard deviations, else ``"mean"``. None other than
        ``"ei"`` with several objectives or bounds.
    beta : float
        Of ``"ucb"``.
    initial : int
        How many are drawn uniformly first; at least 1.
    restarts, steps : int
        Ascents in a round, and gradient steps of each; at least 1.
    learning_rate : float
        Of the logits whose softmax is the relaxed architecture.
    temperatures : tuple of float
        Of that softmax at the first step and at the last.
    gumbel : float
        Scale of Gumbel noise on the logits, fresh at every step; 0 for none.
    straight_through : bool
        Score the nearest architecture with the gradient of the relaxed one.
    constraints : mapping of str to (low, high), optional
        Bounds of costs; either may be None. Nothing outside hard bounds is ever asked for.
    costs : mapping of str to callable, optional
        From codes (n, d) to the cost of each architecture, (n,). Ascents see it exactly where it is
        linear in the choices, and else through a model fitted to a sample of the space.
    penalties : mapping of str to float, optional
        Makes bounds soft: what a violation by one standard deviation of the cost takes off the
        acquisition.

    Raises
    ------
    ParameterError
        If a parameter is outside its values, the predictor has no gradients, or the constraints
        exclude every architecture.

    Examples
    --------
    >>> from nasurge.data.spaces import make_space
    >>> from nasurge.search import run
    >>> searcher = PredNAS(make_space("nb201"), restarts=20, steps=5, seed=0)
    >>> run(searcher, lambda codes: (codes == 3).sum(axis=1), budget=40, batch=10)
    <Trace: 40 evaluations, 0 failed, best 6>

    References
    ----------
    L. Yuan, Z. Huang, N. Wang. PredNAS: A universal and sample efficient neural architecture search
    framework. arXiv 2210.14460.
    """

    most_proposed: ClassVar[int] = 200  # each is chosen in the light of those before
    several_objectives = True

    n_objectives: int = 1
    bounds: Sequence[float] = ()
    predictor: Predictor | None = field(default=None, kw_only=False)
    acquisition: str | None = one_of(None, ACQUISITIONS)
    beta: float = 1.0
    initial: int = whole_number(5)
    restarts: int = whole_number(128)
    steps: int = whole_number(10)
    learning_rate: float = 0.4
    temperatures: tuple[float, float] = (0.5, 0.1)
    gumbel: float = 0.0
    straight_through: bool = False
    constraints: Mapping[str, Bounds] | None = None
    costs: Mapping[str, Cost] | None = None
    penalties: Mapping[str, float] | None = None

    _growth = (GROWTH, _SLOW_GROWTH)

    def __post_init__(self) -> None:
        from ...predictors.relaxed import require_differentiable

        self.space.frame  # noqa: B018 - raises where the space has no relaxation
        if self.predictor is not None:
            require_differentiable(self.predictor)
        low, high = min(self.temperatures), max(self.temperatures)
        if not 0 < low <= high < np.inf or not self.learning_rate > 0 or self.gumbel < 0:
            raise ParameterError(
                "temperatures and learning_rate are positive and gumbel is not negative, received "
                f"{self.temperatures}, {self.learning_rate} and {self.gumbel}"
            )
        costs = self.constraints or {}, self.costs or {}
        self.limits = Constraints(self.space, *costs, self.penalties)
        super().__post_init__()
        if self.has_columns:
            check_acquisition(self.acquisition)
        self._keep_to_the_limits()

    def _make_guide(self, predictor: Regressor, seed: int) -> Guide | ColumnGuides:
        columns = len(self.bounds)
        guides = column_guides(predictor, seed, growth=self._growth, n_columns=columns)
        if not self.has_columns:
            return guides[0]
        return ColumnGuides(guides, self.bounds, self.n_objectives)

    def _default_predictor(self) -> Regressor:
        from ...predictors.processes import SoftGaussianProcess

        return SoftGaussianProcess(self.space)

    def _keep_to_the_limits(self) -> None:
        """Take what breaks a hard bound out of what may be proposed."""
        if not self.limits:
            return
        if self._allowed is None:
            self.limits.require_some(self.space.sample(10_000, seed=0))
            return
        codes = self.space.from_keys(self._allowed)
        self.limits.require_some(codes)
        self._allowed = self._allowed[self.limits.feasible(codes)]
        self._reset()

    def _draw(self, n: int) -> Codes:
        codes = super()._draw(n)
        if self._allowed is not None or not self.limits:
            return codes
        for _ in range(20):
            codes = self._unseen(codes[self.limits.feasible(codes)])
            if len(codes) >= n:
                break
            codes = np.concatenate([codes, super()._draw(10 * n)])
        return codes[self.limits.feasible(codes)][:n]

    @one_thread()
    def _propose(self, fitted: Any, n: int) -> Codes:
        """Unseen architectures, the most promising first, each of another function."""
        import torch

        from ...predictors.relaxed import relaxation
        from .ascent import ascent_codes

        relaxed = relaxation(self.space, getattr(fitted, "device_", "cpu"))
        generator = torch.Generator().manual_seed(int(self._rng.integers(2**63)))
        visited = ascent_codes(
            partial(self._acquire, fitted),
            relaxed,
            self._starts(relaxed, generator),
            steps=self.steps,
            learning_rate=self.learning_rate,
            temperatures=self.temperatures,
            generator=generator,
            gumbel=self.gumbel,
            straight_through=self.straight_through,
            violation=self.limits.violation if self.limits else None,
        )
        return self._best_of(fitted, self._round(fitted, visited), n)

    def _score(self, fitted: Any, codes: Codes) -> NDArray[np.float64]:
        """Acquisition of architectures that are not relaxed, (n,)."""
        import torch

        from ...predictors.relaxed import relaxation

        relaxed = relaxation(self.space, getattr(fitted, "device_", "cpu"))
        with torch.inference_mode():
            value = self._acquire(fitted, relaxed.one_hot(self.space.canonical(codes)))
            numbers: NDArray[np.float64] = value.double().cpu().numpy()
        return numbers - self.limits.penalty(codes)

    def _starts(self, relaxed: Relaxation, generator: Any) -> Tensor:
        """Logits, (restarts, s): half random, a quarter the best observed, the rest mutants."""
        import torch

        logits = torch.randn(self.restarts, relaxed.size, generator=generator)
        logits = logits.to(relaxed.flows.device)
        parents = best_observed(self, _PARENTS)
        near = parents[np.arange(self.restarts // 2) % _PARENTS % len(parents)]
        mutants = len(near) // 2
        near[:mutants] = self.space.mutate(near[:mutants], seed=self._rng)
        # Near an architecture, not at it: where the softmax is all but one-hot nothing moves.
        hot = relaxed.active_shares(relaxed.one_hot(near))
        logits[: len(near)] = 0.5 * logits[: len(near)] + 2 * hot
        return logits

    def _acquire(self, fitted: Any, shares: Tensor) -> Tensor:
        """Acquisition, (n,), in transformed labels or a logarithm of them."""
        mean: Tensor
        mean, std = fitted.score_relaxed(shares)
        if isinstance(fitted, ColumnPredictors):
            gain: Tensor = fitted.target.score(mean, std)
            return gain
        kind = self.acquisition or ("ei" if fitted.has_std else "mean")
        if kind == "ei":
            best = fitted.label_transform_.transform(np.array([self.best()[1]]))
            mean = log_expected_improvement(mean, std, float(best[0]))
        return mean + self.beta * std if kind == "ucb" else mean

    def _round(self, fitted: Any, visited: Codes) -> Codes:
        """Candidates, best first: those visited and the neighbours of the best."""
        candidates = self._open(visited[self.space.is_valid(visited)])
        scores = self._score(fitted, candidates) if len(candidates) else np.empty(0)
        for _ in range(2):
            top = candidates[np.argsort(-scores, kind="stable")[:_POLISHED]]
            around = self.space.neighbours(np.concatenate([top, best_observed(self, _POLISHED)]))[0]
            if not self.space.listed:  # where a neighbourhood may be hundreds
                around = around[self._rng.permutation(len(around))[:_MOST_AROUND]]
            fresh = self._open(around)
            fresh = fresh[~np.isin(self.space.keys(fresh), self.space.keys(candidates))]
            if not len(fresh):
                break
            candidates = np.concatenate([candidates, fresh])
            scores = np.concatenate([scores, self._score(fitted, fresh)])
        return candidates[np.argsort(-scores, kind="stable")]

    def _best_of(self, fitted: Any, candidates: Codes, n: int) -> Codes:
        """The first ``n`` of ranked candidates, each of another function where there are enough.

        A guide that learns in milliseconds picks one by one, as if those before had returned what
        it expects of them.
        """
        functions = self.space.keys(self.space.canonical(candidates))
        first = np.zeros(len(candidates), dtype=bool)
        first[np.unique(functions, return_index=True)[1]] = True
        ranked = np.concatenate([candidates[first], candidates[~first]])
        if n == 1 or not getattr(fitted, "quick_update", False):
            return ranked[:n]
        left, picked = ranked[: max(_CONSIDERED, 4 * n)], candidates[:0]
        believer = copy.copy(fitted)
        while len(picked) < n and len(left):
            if len(picked):
                believer.update(picked[-1:], believer.predict(picked[-1:]))
                left = left[np.argsort(-self._score(believer, left), kind="stable")]
            picked, left = np.concatenate([picked, left[:1]]), left[1:]
        return picked

    def _open(self, codes: Codes) -> Codes:
        """Rows that may be proposed."""
        unseen = self._unseen(codes)
        return unseen[self.limits.feasible(unseen)] if self.limits else unseen
