"""Bounds on what an architecture may cost: checked exactly, and climbed through a smooth model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...benchmarks.constraints import cost_values
from ...data.spaces import Codes, Space
from ...errors import ParameterError

Cost = Callable[[Codes], ArrayLike]
Bounds = tuple[float | None, float | None]

_SAMPLE = 500  # architectures that a cost model is fitted to
_EXACT = 1e-6  # residual, in deviations of the cost, up to which it counts as linear


class Constraints:
    """Lower and upper bounds of named costs.

    Parameters
    ----------
    space : Space
    bounds : mapping of str to (low, high)
        Either is a number or None, for no such bound.
    costs : mapping of str to callable
        From codes (n, d) to the cost of each, (n,); cheap, since thousands are asked for.
    penalties : mapping of str to float, optional
        Makes the bounds of these costs soft: what a violation by one standard deviation of the cost
        takes off what is climbed.

    Raises
    ------
    ParameterError
        If a bound has no cost, or is not two numbers in order.

    Examples
    --------
    >>> from nasurge.data.spaces import make_space
    >>> def convolutions(codes):
    ...     return (codes == 3).sum(axis=1)
    >>> limits = Constraints(make_space("nb201"), {"convs": (None, 2)}, {"convs": convolutions})
    >>> limits.feasible(np.array([[3, 3, 0, 0, 0, 0], [3, 3, 3, 0, 0, 0]], dtype=np.int8))
    array([ True, False])
    """

    def __init__(
        self,
        space: Space,
        bounds: Mapping[str, Bounds],
        costs: Mapping[str, Cost],
        penalties: Mapping[str, float] | None = None,
    ) -> None:
        self.space = space
        self.costs = dict(costs)
        self.penalties = dict(penalties or {})
        self.bounds = {name: _checked(name, pair) for name, pair in bounds.items()}
        for name in (*self.bounds, *self.penalties):
            if name not in (self.costs if name in self.bounds else self.bounds):
                raise ParameterError(
                    f"constraint {name!r} needs a bound in constraints= and a function in costs=; "
                    f"bounds: {', '.join(self.bounds) or 'none'}; costs: "
                    f"{', '.join(self.costs) or 'none'}"
                )

    def __bool__(self) -> bool:
        return bool(self.bounds)

    def measure(self, name: str, codes: Codes) -> NDArray[np.float64]:
        """One cost of each architecture, shape (n,).

        Raises
        ------
        LabelError
            If the function does not return a number for each.
        """
        return cost_values(name, self.costs[name], codes)

    def feasible(self, codes: Codes) -> NDArray[np.bool_]:
        """Whether each architecture keeps all hard bounds, shape (n,)."""
        kept = np.ones(len(codes), dtype=bool)
        for name in self.bounds:
            if name not in self.penalties and len(codes):
                kept &= self._broken(name, codes) == 0
        return kept

    def _broken(self, name: str, codes: Codes) -> NDArray[np.float64]:
        """Violation of a bound, (n,), in the cost's own unit."""
        cost = self.measure(name, codes)
        low, high = self.bounds[name]
        return np.asarray(np.maximum(0, np.maximum(low - cost, cost - high)))

    def penalty(self, codes: Codes) -> NDArray[np.float64]:
        """Penalty of each architecture by the soft bounds, shape (n,)."""
        total = np.zeros(len(codes))
        for name, weight in self.penalties.items():
            total += weight * self._broken(name, codes) / self._models[name].deviation
        return total

    def require_some(self, codes: Codes) -> None:
        """Raise if no architecture of ``codes`` keeps the bounds.

        Raises
        ------
        ParameterError
            Naming the bound that excludes everything, or those that do so together.
        """
        kept = self.feasible(codes)
        if kept.any():
            return
        hard = [name for name in self.bounds if name not in self.penalties]
        alone = []
        for name in hard:
            cost, (low, high) = self.measure(name, codes), self.bounds[name]
            reasons = []
            if (cost < low).all():
                reasons.append(f"at least {low:g}")
            if (cost > high).all():
                reasons.append(f"at most {high:g}")
            if not reasons and not ((cost >= low) & (cost <= high)).any():
                reasons.append(f"between {low:g} and {high:g}")
            span = f"its values go from {cost.min():g} to {cost.max():g}"
            alone += [f"{name} {reason} ({span})" for reason in reasons]
        named = " and ".join(alone) if alone else " together with ".join(hard)
        raise ParameterError(
            f"no architecture keeps the constraints: {named} excludes all {len(codes)} that may be "
            f"proposed in space {self.space.name!r}; loosen it, or make it soft with penalties="
        )

    @cached_property
    def _models(self) -> dict[str, _CostModel]:
        sample = self.space.sample(_SAMPLE, seed=0)
        return {n: _CostModel(self.space, sample, self.measure(n, sample)) for n in self.bounds}

    def violation(self, shares: Any) -> Any:
        """Violation of the bounds by relaxed architectures, (n,), in deviations of costs.

        Parameters
        ----------
        shares : Tensor, shape (n, s)
        """
        total = 0
        for name, (low, high) in self.bounds.items():
            model = self._models[name]
            cost = model(shares)
            broken = (low - cost).clamp(min=0) + (cost - high).clamp(min=0)
            total = total + self.penalties.get(name, 1.0) * broken / model.deviation
        return total


class _CostModel:
    """A cost of relaxed architectures: linear in the shares where that is exact, else learnt."""

    def __init__(self, space: Space, codes: Codes, cost: NDArray[np.float64]) -> None:
        from ...predictors.relaxed import relaxation

        self._space, relaxed = space, relaxation(space, "cpu")
        shares = relaxed.active_shares(relaxed.one_hot(codes)).double().numpy()
        self.deviation = float(cost.std()) or 1.0
        self._weights, *_ = np.linalg.lstsq(shares, cost, rcond=None)
        exact = np.abs(shares @ self._weights - cost).max() <= _EXACT * self.deviation
        self._process: Any = None
        if not exact:
            from ...predictors.processes import SoftGaussianProcess

            self._process = SoftGaussianProcess(space, labels="standardised").fit(codes, cost)

    def __call__(self, shares: Any) -> Any:
        """Cost of relaxed architectures, (n,), with gradients."""
        import torch

        from ...predictors.relaxed import relaxation

        if self._process is None:
            weights = torch.as_tensor(self._weights, device=shares.device)
            relaxed = relaxation(self._space, str(shares.device))
            return relaxed.active_shares(shares).double() @ weights
        return self._process.label_transform_.inverse(self._process.score_relaxed(shares)[0])


def _checked(name: str, pair: Bounds) -> tuple[float, float]:
    """A lower and an upper bound, infinite where there is none."""
    try:
        low, high = pair
        found = (
            -np.inf if low is None else float(low),
            np.inf if high is None else float(high),
        )
    except (TypeError, ValueError):
        raise ParameterError(
            f"constraint {name!r} is (low, high), numbers or None, not {pair!r}"
        ) from None
    if not found[0] <= found[1]:
        raise ParameterError(f"constraint {name!r} has bounds {pair!r}: low must not exceed high")
    return found
