"""How differentiable searches learn, as one value: for Python and the command line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from ...benchmarks.studies.flags import Flag
from ...benchmarks.training import check_least
from ...errors import ParameterError

RULES = {
    "darts": "a softmax of all operations, learnt by gradients of first order",
    "darts-2": "the same by gradients of second order, one step of the weights ahead",
    "gdas": "one operation at each place, drawn by Gumbel noise that cools down",
    "drnas": "shares of all operations, drawn from a Dirichlet distribution",
    "balenas": "a softmax of logits drawn from a Gaussian distribution",
    "ddpnas": "one operation at each place, drawn from a distribution that is pruned",
}
"""Rules by which a search mixes operations and learns their shares, and what each mixes."""

Epochs = Annotated[int, Flag(least=1, help="Times that every image is learnt from.")]


@dataclass(frozen=True, kw_only=True)
class DifferentiableOptions:
    """How operations and weights are learnt in turn; the rule and the seed are not in it.

    Attributes
    ----------
    epochs : int
        For which the schedules are made.
    batch_size : int
    learning_rate, weight_decay : float
        Of the weights; cosine schedule, momentum 0.9.
    logit_rate : float
        Learning rate of the logits; ``ddpnas`` takes 30 times as much.
    clip : float
        The norm to which longer gradients of the weights are cut; 0 cuts none.
    flip, shift
        As for ``Recipe``.

    Raises
    ------
    ParameterError
        If a value is outside its range.

    Examples
    --------
    >>> DifferentiableOptions(epochs=3).logit_rate
    0.01
    """

    epochs: Epochs = 10
    batch_size: Annotated[int, Flag(least=2, help="Images of a step, at most.")] = 64
    learning_rate: float = 0.05
    logit_rate: float = 0.01
    weight_decay: float = 5e-4
    clip: float = 5.0
    flip: bool | None = None
    shift: int | None = None

    def __post_init__(self) -> None:
        check_least(self, {"epochs": 1, "batch_size": 2, "weight_decay": 0, "clip": 0, "shift": 0})
        for name in ("learning_rate", "logit_rate"):
            if getattr(self, name) <= 0:
                raise ParameterError(f"{name} must be above 0, not {getattr(self, name)}")
