"""Mixtures of operations in differentiable searches, and the rules that learn their logits."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.distributions import Dirichlet
from torch.nn import functional

from ...data.spaces import Codes

# From a mixture (d, k), and the operations that alone are computed, to the validation loss.
Loss = Callable[[Tensor, Codes | None], Tensor]


class MixtureRule(ABC):
    """Logits (d, k) of the operations, a mixture drawn from them, and a step that learns them.

    Random numbers are torch's global ones: the search forks and restores them.

    Parameters
    ----------
    logits : Tensor, shape (d, k)
        To begin from; minus infinity where a variable has no such value.
    steps : int
        Steps of the whole search.
    learning_rate : float
    """

    second_order = False
    mixes = True
    """Whether the weights of a mixture, and not only its loss, are differentiated."""
    kept: tuple[str, ...] = ()
    """Names of further tensors that later steps depend on."""

    def __init__(self, logits: Tensor, *, steps: int, learning_rate: float) -> None:
        self.exists = torch.isfinite(logits)
        self.logits = torch.where(self.exists, logits, torch.zeros_like(logits)).clone()
        self.logits.requires_grad_()
        self.steps, self.learning_rate = steps, learning_rate
        self.done = 0
        # Momenta and decay are those of DARTS.
        self.optimiser = torch.optim.Adam(
            [self.logits], learning_rate, betas=(0.5, 0.999), weight_decay=1e-3
        )

    def restart(self, logits: Tensor) -> None:
        """Go on from other logits, without the momentum of those before."""
        with torch.no_grad():
            self.logits.copy_(torch.where(self.exists, logits.to(self.logits.device), 0.0))
        self.optimiser.state.clear()

    @property
    def masked(self) -> Tensor:
        """The logits, minus infinity where a value does not exist."""
        return self.logits.masked_fill(~self.exists, -torch.inf)

    def shares(self) -> Tensor:
        """Probabilities of the operations, shape (d, k)."""
        return self.masked.softmax(dim=1)

    @abstractmethod
    def draw(self) -> tuple[Tensor, Codes | None]:
        """Weights of a mixture, shape (d, k), and the operations to compute; None: all of them."""

    def learn(self, loss: Loss) -> None:
        """Change the logits by the gradient of the loss of a mixture."""
        self.optimiser.zero_grad()
        value = loss(*self.draw()) + self.penalty()
        (gradient,) = torch.autograd.grad(value, [self.logits], allow_unused=True)
        self.apply(torch.zeros_like(self.logits) if gradient is None else gradient)

    def apply(self, gradient: Tensor) -> None:
        """Take one step of Adam."""
        self.logits.grad = gradient
        self.optimiser.step()
        self.done += 1

    def penalty(self) -> Tensor:
        """Term that is added to the loss."""
        return torch.zeros((), device=self.logits.device)

    def state(self) -> dict[str, Tensor]:
        """All that later steps depend on."""
        state = {"logits": self.logits.detach().clone(), "done": torch.tensor(self.done)}
        state |= {name: getattr(self, name) for name in self.kept}
        for name, value in self.optimiser.state.get(self.logits, {}).items():
            state[f"adam.{name}"] = value.clone()
        return state

    def load(self, state: dict[str, Tensor]) -> None:
        """Go to where ``state`` was taken."""
        with torch.no_grad():
            for name in ("logits", *self.kept):
                getattr(self, name).copy_(state[name])
        self.done = int(state["done"])
        adam = {k.removeprefix("adam."): v for k, v in state.items() if k.startswith("adam.")}
        if adam:
            groups = self.optimiser.state_dict()
            self.optimiser.load_state_dict({**groups, "state": {0: adam}})


class DARTSRule(MixtureRule):
    """Softmax of the logits; all operations are computed, and the step is of first order.

    References
    ----------
    H. Liu, K. Simonyan, Y. Yang. DARTS: Differentiable architecture search. ICLR 2019.
    """

    def draw(self) -> tuple[Tensor, Codes | None]:
        """Shares of the operations."""
        return self.shares(), None


class SecondOrderDARTSRule(DARTSRule):
    """DARTS that looks one step of the weights ahead, by a finite-difference Hessian product."""

    second_order = True


class GDASRule(MixtureRule):
    """One operation at each place, drawn by Gumbel noise, its share's gradient straight through.

    The temperature falls from 10 to 0.1 over the search.

    References
    ----------
    X. Dong, Y. Yang. Searching for a robust neural architecture in four GPU hours. CVPR 2019.
    """

    def draw(self) -> tuple[Tensor, Codes | None]:
        """One-hot shares, and the operations they choose."""
        heat = 10 + (0.1 - 10) * min(1.0, self.done / self.steps)
        noise = -torch.empty_like(self.logits).exponential_().log()
        soft = ((self.masked.log_softmax(dim=1) + noise) / heat).softmax(dim=1)
        chosen = soft.argmax(dim=1)
        hard = functional.one_hot(chosen, soft.shape[1]) - soft.detach() + soft
        return hard, chosen.cpu().numpy().astype(np.int16)


class DrNASRule(MixtureRule):
    """Shares drawn from a Dirichlet distribution with concentrations elu(logits) + 1.

    Its divergence from the flat one is added to the loss, a thousandth of it.

    References
    ----------
    X. Chen et al. DrNAS: Dirichlet neural architecture search. ICLR 2021.
    """

    def _concentrations(self) -> Tensor:
        # elu + 1 comes down to 0, where there is no Dirichlet distribution.
        return functional.elu(self.logits) + 1 + 1e-3

    def draw(self) -> tuple[Tensor, Codes | None]:
        """Drawn shares."""
        gammas = torch.distributions.Gamma(self._concentrations(), 1.0).rsample()
        # Draws of small concentrations are often exactly 0 in single precision, all of a row too.
        kept = gammas.masked_fill(~self.exists, 0.0) + 1e-20
        return kept / kept.sum(dim=1, keepdim=True), None

    def penalty(self) -> Tensor:
        """A thousandth of the divergence from the flat distribution."""
        own = self._concentrations()
        flat = Dirichlet(torch.ones_like(own))
        return 1e-3 * torch.distributions.kl_divergence(Dirichlet(own), flat).sum()

    def shares(self) -> Tensor:
        """Mean of the distribution."""
        own = self._concentrations().masked_fill(~self.exists, 0.0)
        return own / own.sum(dim=1, keepdim=True)


class BaLeNASRule(MixtureRule):
    """Softmax of logits that have a Gaussian distribution, learnt by the Bayesian learning rule.

    The natural gradient of the mean is the gradient at a draw over the precision; the precision
    follows the squared gradients. ``examples`` scales the noise: deviations are one over the root
    of so many times the precision.

    References
    ----------
    M. Zhang et al. BaLeNAS: Differentiable architecture search via the Bayesian learning rule.
    CVPR 2022.
    M. E. Khan et al. Fast and scalable Bayesian deep learning by weight-perturbation in Adam.
    ICML 2018.
    """

    kept = ("squares", "momentum")
    examples = 100.0
    prior = 1e-2

    def __init__(self, logits: Tensor, *, steps: int, learning_rate: float) -> None:
        super().__init__(logits, steps=steps, learning_rate=learning_rate)
        self.squares = torch.zeros_like(self.logits)
        self.momentum = torch.zeros_like(self.logits)

    def draw(self) -> tuple[Tensor, Codes | None]:
        """Softmax of drawn logits."""
        deviation = (self.examples * (self.squares + self.prior)).rsqrt()
        drawn = self.logits + deviation * torch.randn_like(self.logits)
        return drawn.masked_fill(~self.exists, -torch.inf).softmax(dim=1), None

    @torch.no_grad()
    def apply(self, gradient: Tensor) -> None:
        """Take one step of the natural gradient, with momentum and the prior's pull."""
        pulled = gradient + self.prior / self.examples * self.logits
        self.done += 1
        self.momentum.mul_(0.9).add_(pulled, alpha=0.1)
        self.squares.mul_(0.99).add_(gradient.square(), alpha=0.01)
        first, second = 1 - 0.9**self.done, 1 - 0.99**self.done
        precision = (self.squares / second).sqrt() + self.prior / self.examples
        self.logits.sub_(self.learning_rate * self.momentum / first / precision)


class DDPNASRule(MixtureRule):
    """One operation at each place, drawn from a distribution that is learnt and pruned.

    A drawn architecture that does better than the running mean raises the probabilities of its
    operations. At equal distances every variable loses its least probable operation, until one is
    left at the end of the search.

    References
    ----------
    X. Zheng et al. DDPNAS: Efficient neural architecture search via dynamic distribution pruning.
    IJCV 2023.
    """

    mixes = False
    kept = ("left", "baseline")

    def __init__(self, logits: Tensor, *, steps: int, learning_rate: float) -> None:
        super().__init__(logits, steps=steps, learning_rate=learning_rate)
        self.left = self.exists.clone()  # operations that are not pruned
        self.baseline = torch.full((), float("nan"))

    @property
    def masked(self) -> Tensor:
        """The logits, minus infinity for operations that were given up."""
        return self.logits.masked_fill(~self.left, -torch.inf)

    def draw(self) -> tuple[Tensor, Codes | None]:
        """One-hot shares, and the operations they choose."""
        chosen = torch.multinomial(self.shares().detach(), 1)[:, 0]
        hard = functional.one_hot(chosen, self.logits.shape[1]).to(self.logits.dtype)
        return hard, chosen.cpu().numpy().astype(np.int16)

    @torch.no_grad()
    def learn(self, loss: Loss) -> None:
        """Raise the logits of a drawn architecture by how much it is better than the mean."""
        hard, chosen = self.draw()
        value = loss(hard, chosen).detach().cpu()
        first = bool(torch.isnan(self.baseline))
        reward = 0.0 if first else float(self.baseline - value)
        self.baseline.copy_(value if first else 0.9 * self.baseline + 0.1 * value)
        self.logits.add_(self.learning_rate * reward * (hard - self.shares()))
        self.done += 1
        self._prune()

    def _prune(self) -> None:
        """Give up the least probable operation of each variable when it is time."""
        most = self.exists.shape[1]
        count = most - (self.done * (most - 1)) // self.steps  # of one variable, by now
        while (crowded := self.left.sum(dim=1) > max(1, count)).any():
            worst = self.logits.detach().masked_fill(~self.left, torch.inf).argmin(dim=1)
            rows = torch.nonzero(crowded)[:, 0]
            self.left[rows, worst[rows]] = False


MIXTURES: dict[str, type[MixtureRule]] = {
    "darts": DARTSRule,
    "darts-2": SecondOrderDARTSRule,
    "gdas": GDASRule,
    "drnas": DrNASRule,
    "balenas": BaLeNASRule,
    "ddpnas": DDPNASRule,
}
"""Classes of the rules in ``RULES``."""


def no_logits(cardinalities: tuple[int, ...]) -> NDArray[np.float32]:
    """Logits of equal shares, shape (d, k): 0, and minus infinity where there is no such value.

    Examples
    --------
    >>> no_logits((2, 1)).tolist()
    [[0.0, 0.0], [0.0, -inf]]
    """
    exists = np.arange(max(cardinalities)) < np.asarray(cardinalities)[:, None]
    return np.where(exists, 0.0, -np.inf).astype(np.float32)
