"""How differentiable searches learn, as one value: for Python and the command line."""

from __future__ import annotations

from dataclasses import dataclass

from ...benchmarks.supernet import SharedWeightOptions
from ...errors import ParameterError

RULES = {
    "darts": "DARTS, first order: a softmax of all operations",
    "darts-2": "DARTS, second order: the same, one step of the weights ahead",
    "gdas": "GDAS: one operation at each place, drawn by Gumbel noise that cools down",
    "drnas": "DrNAS: shares of all operations, drawn from a Dirichlet distribution",
    "balenas": "BaLeNAS: a softmax of logits drawn from a Gaussian distribution",
    "ddpnas": "DDPNAS: one operation at each place, drawn from a distribution that is pruned",
}
"""Rules by which a search mixes operations and learns their shares, and what each mixes."""


@dataclass(frozen=True, kw_only=True)
class DifferentiableOptions(SharedWeightOptions):
    """How operations and weights are learnt in turn; the rule and the seed are not in it.

    Attributes
    ----------
    epochs, batch_size, learning_rate, weight_decay, flip, shift, channels_last, clip
        Of the weights, as of ``SharedWeightOptions``; schedules are made for all epochs.
    logit_rate : float
        Learning rate of the logits; ``ddpnas`` takes 30 times as much.

    Examples
    --------
    >>> DifferentiableOptions(epochs=3).logit_rate
    0.01
    """

    epochs: int = 10
    learning_rate: float = 0.05
    logit_rate: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.logit_rate <= 0:
            raise ParameterError(f"logit_rate must be above 0, not {self.logit_rate}")


@dataclass(frozen=True)
class Gate:
    """Test that a donor must pass before a search takes its logits.

    The search begins cold. After some epochs, when the weights have learnt from all operations
    alike, the donor's architecture is evaluated with them, beside some drawn at random; it is
    refused if too few of these are worse, and the search goes on as a cold one. A refused donor
    thus costs its evaluation and nothing else.

    Attributes
    ----------
    after : int
        Epochs before the test.
    rivals : int
        How many random architectures.
    beaten : float
        The least share of them that the donor's must equal or beat; 0 lets every donor pass.
    limit : int
        Validation images.
    """

    after: int = 2
    rivals: int = 3
    beaten: float = 0.3
    limit: int = 128

    def __post_init__(self) -> None:
        if min(self.rivals, self.after) < 1 or not 0 <= self.beaten <= 1 or self.limit < 2:
            raise ParameterError(
                "after and rivals must be at least 1, beaten between 0 and 1 and limit at least "
                f"2, not {self.after}, {self.rivals}, {self.beaten} and {self.limit}"
            )
