"""Joint gradient searches for few-shot tasks, beside AT-NAS: T-NAS-like and MetaNAS-like."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, nn

from ...benchmarks.few_shot import FewShotLearner, FewShotWeights, Rule
from ...errors import UnknownNameError
from ..differentiable import no_logits

System = Literal["t-nas", "metanas"]
SYSTEMS = ("t-nas", "metanas")
_RULES: dict[str, Rule] = {"t-nas": "maml", "metanas": "reptile"}
_STEPS = {"t-nas": 2, "metanas": 3}  # chosen on alphabets of glyphs
_FROZEN = 0.5  # share of MetaNAS's meta-training without its architecture
_COLDEST = 0.1  # temperature of MetaNAS's mixtures in the end


class MixedSupernet(nn.Module):
    """Supernet that computes all operations, weighed by a softmax that is learnt as well.

    Parameters
    ----------
    supernet : FewShotSupernet or FewShotModel

    Raises
    ------
    ParameterError
        If values of a variable cannot be mixed.
    """

    def __init__(self, supernet: FewShotWeights) -> None:
        super().__init__()
        supernet.supernet.require_mixable()
        nothing = torch.from_numpy(no_logits(supernet.space.cardinalities))
        self.supernet = supernet
        self.logits = nn.Parameter(torch.zeros_like(nothing))
        self.missing: Tensor
        self.register_buffer("missing", torch.isinf(nothing))
        self.temperature = 1.0

    def shares(self) -> Tensor:
        """Weights of the operations of every variable, shape (d, k)."""
        logits = self.logits.masked_fill(self.missing, -torch.inf)
        return (logits / self.temperature).softmax(dim=1)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of the classes, shape (images, way)."""
        return self.supernet.mixture(x, self.shares())


class JointLearner(FewShotLearner):
    """Learner whose weights and architecture adapt together, by gradients on the support images.

    ``t-nas`` learns the start of both by first-order MAML. ``metanas`` learns it by Reptile, leaves
    the architecture alone for the first half of the meta-training and cools the softmax from
    temperature 1 to 0.1, so that the mixture ends near one architecture. Both answer with the
    adapted mixture; the published systems then train the architecture that it is nearest to.

    Parameters
    ----------
    supernet : FewShotSupernet or FewShotModel
    system : {"t-nas", "metanas"}
    steps : int, optional
        Gradient steps on the support images; by default 2 of ``t-nas`` and 3 of ``metanas``.
    rate, architecture_rate : float
        Their learning rates of the weights and of the logits of the architecture.

    Raises
    ------
    UnknownNameError
        If there is no such system.
    ParameterError
        As ``FewShotLearner``.

    References
    ----------
    D. Lian et al. Towards fast adaptation of neural architectures with meta learning (T-NAS).
    ICLR 2020. T. Elsken, B. Staffler, J. H. Metzen, F. Hutter. Meta-learning of neural
    architectures for few-shot learning (MetaNAS). CVPR 2020.

    Examples
    --------
    >>> from nasurge.benchmarks.few_shot import FewShotSupernet
    >>> from nasurge.data.spaces import make_space
    >>> supernet = FewShotSupernet(make_space("nb201"), way=3, size=8, width=4, seed=0)
    >>> JointLearner(supernet, "t-nas").network.shares()[0].tolist()
    [0.20000000298023224, 0.20000000298023224, 0.20000000298023224, 0.20000000298023224, \
0.20000000298023224]
    """

    network: MixedSupernet

    def __init__(
        self,
        supernet: FewShotWeights,
        system: System,
        *,
        steps: int | None = None,
        rate: float = 0.1,
        architecture_rate: float = 0.1,
    ) -> None:
        if system not in SYSTEMS:
            raise UnknownNameError("system", system, SYSTEMS)
        steps = _STEPS[system] if steps is None else steps
        super().__init__(MixedSupernet(supernet), _RULES[system], steps=steps, rate=rate)
        self.system, self.architecture_rate = system, architecture_rate
        self._frozen = False

    def prepare_step(self, done: float) -> None:
        """Cool the softmax, and decide whether the architecture rests in the next meta-step."""
        if self.system == "metanas":
            self._frozen = done < _FROZEN
            self.network.temperature = 1 - (1 - _COLDEST) * min(1.0, done)

    def _step(self, name: str) -> float:
        if name != "logits":
            return super()._step(name)
        return 0.0 if self._frozen else self.architecture_rate

    @property
    def architecture(self) -> str:
        """Encoding of the largest shares, in the notation of its space."""
        code = self.network.shares().argmax(dim=1).cpu().numpy()
        return self.network.supernet.space.format(code[None])[0]

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """State for a checkpoint: tensors, and JSON values."""
        tensors, _ = super().state()
        return tensors, {"temperature": self.network.temperature}

    def load_state(self, tensors: dict[str, Tensor], about: dict[str, Any]) -> None:
        """Restore what ``state`` returned."""
        super().load_state(tensors, about)
        self.network.temperature = about["temperature"]

    def describe(self) -> dict[str, Any]:
        """JSON values that tell this search from others."""
        supernet = self.network.supernet
        rates = [self.rate.item(), self.architecture_rate]
        sizes = {"space": supernet.space.name, **supernet.sizes}
        return {"method": self.system, **sizes, "steps": self.steps, "rates": rates}
