"""PredNAS: the architecture itself is optimised by gradient ascent on a predictor's score."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...data.devices import one_thread
from ...data.seeds import Seed
from ...data.spaces import Codes, Space
from ...errors import ParameterError
from ...predictors.base import Predictor
from ...predictors.processes import GROWTH
from ..constraints import Bounds, Constraints, Cost
from ..guided import Guide, ModelSearcher, at_least_one, best_observed
from .acquisition import log_expected_improvement

if TYPE_CHECKING:
    from torch import Tensor

    from ...predictors.relaxed import Relaxation

ACQUISITIONS = ("ei", "ucb", "mean")
# Factor by which the observations have grown when a network's weights are learnt anew.
_SLOW_GROWTH = 1.5
_PARENTS = 10  # best observed architectures near which ascents start
_CONSIDERED = 100  # best candidates that a batch is chosen from
_POLISHED = 5  # best rounded architectures whose neighbours are scored as well


class PredNAS(ModelSearcher):
    """PredNAS: hundreds of relaxed architectures climb the score of a predictor at once.

    After ``initial`` uniform draws, each round fits the predictor to everything observed, climbs
    its acquisition from ``restarts`` relaxed architectures (random ones, the best observed and
    their mutants) in one batch, and rounds: every architecture that was the nearest to a point of
    an ascent is a candidate, and so are the neighbours of the best of them. Candidates are scored
    as they are, not relaxed, and the best that were not seen are proposed.

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
        ``"ei"`` where the predictor has standard deviations, else ``"mean"``.
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
    pool : array_like of int, shape (m, d), optional
        The only architectures that may be proposed; by default the whole space.

    Raises
    ------
    ParameterError
        If a parameter is outside its values, the predictor has no gradients, or the constraints
        exclude every architecture.

    Examples
    --------
    >>> from nasurge.data.spaces import make_space
    >>> searcher = PredNAS(make_space("nb201"), restarts=20, steps=5, seed=0)
    >>> for _ in range(4):
    ...     codes = searcher.ask(10)
    ...     searcher.tell(codes, (codes == 3).sum(axis=1))  # as many 3x3 convolutions as can be
    >>> searcher.best()[1]
    6.0

    References
    ----------
    L. Yuan, Z. Huang, N. Wang. PredNAS: A universal and sample efficient neural architecture search
    framework. arXiv 2210.14460.
    """

    most_proposed = 200  # each is chosen in the light of those before

    def __init__(
        self,
        space: Space,
        predictor: Predictor | None = None,
        *,
        acquisition: str | None = None,
        beta: float = 1.0,
        initial: int = 5,
        restarts: int = 128,
        steps: int = 10,
        learning_rate: float = 0.4,
        temperatures: tuple[float, float] = (0.5, 0.1),
        gumbel: float = 0.0,
        straight_through: bool = False,
        constraints: Mapping[str, Bounds] | None = None,
        costs: Mapping[str, Cost] | None = None,
        penalties: Mapping[str, float] | None = None,
        pool: ArrayLike | None = None,
        seed: Seed = None,
    ) -> None:
        super().__init__(space, pool=pool, seed=seed)
        self.predictor = _differentiable(space, predictor)
        if acquisition not in (*ACQUISITIONS, None):
            raise ParameterError(
                f"acquisition is one of {', '.join(ACQUISITIONS)}, not {acquisition!r}"
            )
        low, high = min(temperatures), max(temperatures)
        if not 0 < low <= high < np.inf or not learning_rate > 0 or gumbel < 0:
            raise ParameterError(
                "temperatures and learning_rate are positive and gumbel is not negative, received "
                f"{temperatures}, {learning_rate} and {gumbel}"
            )
        self.acquisition = acquisition
        self.beta = beta
        self.initial = at_least_one("initial", initial)
        self.restarts = at_least_one("restarts", restarts)
        self.steps = at_least_one("steps", steps)
        self.learning_rate = learning_rate
        self.temperatures = temperatures
        self.gumbel = gumbel
        self.straight_through = straight_through
        self.limits = Constraints(space, constraints or {}, costs or {}, penalties)
        self._keep_to_the_limits()
        seed_of_guide = int(self._rng.integers(2**31))
        self._guide = Guide(self.predictor, seed_of_guide, growth=(GROWTH, _SLOW_GROWTH))

    def _keep_to_the_limits(self) -> None:
        """Take what breaks a hard bound out of what may be proposed."""
        if not self.limits:
            return
        if self._allowed is None:
            self.limits.require_some(self.space.sample(10_000, seed=0))
            return
        codes = self.space.from_index(self._allowed)
        self.limits.require_some(codes)
        self._allowed = self._allowed[self.limits.feasible(codes)]
        self._reset()

    # -- a round ----------------------------------------------------------------------------------

    def _learn(self) -> Any:
        return self._guide.fitted(self.codes_, self.values_)

    def _proposals(self, model: Any, n: int, drawn: Codes) -> Codes:  # noqa: ARG002
        with one_thread():
            return self._ascend(model, n)

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

    def _ascend(self, fitted: Any, n: int) -> Codes:
        """Unseen architectures, the most promising first, each of another function."""
        import torch

        from ...predictors.relaxed import relaxation
        from .ascent import Schedule, climb

        relaxed = relaxation(self.space, getattr(fitted, "device_", "cpu"))
        generator = torch.Generator().manual_seed(int(self._rng.integers(2**63)))
        starts = self._starts(relaxed, generator)
        schedule = Schedule(
            self.steps, self.learning_rate, self.temperatures, self.gumbel, self.straight_through
        )

        def climbed(shares: Tensor) -> Tensor:
            return self._acquire(fitted, shares)

        limit = self.limits.violation if self.limits else None
        visited = climb(climbed, relaxed, starts, schedule, generator, limit)
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
        logits[: len(near)] = 0.5 * logits[: len(near)] + 2 * relaxed.one_hot(near)
        return logits

    def _acquire(self, fitted: Any, shares: Tensor) -> Tensor:
        """Acquisition, (n,), in transformed labels or a logarithm of them."""
        mean: Tensor
        mean, std = fitted.score_relaxed(shares)
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
            fresh = self._open(around)
            fresh = fresh[~np.isin(self.space.index(fresh), self.space.index(candidates))]
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
        functions = self.space.index(self.space.canonical(candidates))
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

    # -- state ------------------------------------------------------------------------------------

    def _state(self) -> dict[str, Any]:
        return self._guide.state()

    def _load_state(self, state: dict[str, Any]) -> None:
        self._guide.load_state(state)


def _differentiable(space: Space, predictor: Predictor | None) -> Predictor:
    """The predictor, or the default one, checked for gradients in the architecture."""
    from ...predictors.processes import SoftGaussianProcess
    from ...predictors.relaxed import require_differentiable

    space.frame  # noqa: B018 - raises where the space has no relaxation
    if predictor is None:
        return SoftGaussianProcess(space)
    require_differentiable(predictor)
    return predictor
