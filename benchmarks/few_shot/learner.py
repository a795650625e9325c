"""Few-shot learners: networks whose weights begin so that a few steps on a few images suffice."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import Any, Literal, Self, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call, grad
from torch.nn import functional

from ...data.arguments import checked
from ...data.images import Episodes, EpisodeSampler
from ...data.networks import check_sizes
from ...data.seeds import Seed, as_generator, torch_seed
from ...errors import ParameterError, UnknownNameError
from ..intervals import Interval, interval

Rule = Literal["maml", "reptile", "anil", "protonet"]
RULES = ("maml", "reptile", "anil", "protonet")
LAST_LAYER = ("anil", "protonet")
"""Rules that adapt the last layer only, and so tell any number of classes apart."""
STEPS: dict[str, tuple[int, float]] = {
    "maml": (2, 0.4),
    "reptile": (3, 0.2),
    "anil": (5, 0.2),
    "protonet": (1, 1.0),
}
"""Gradient steps of a rule and their rate, chosen on alphabets of glyphs."""
Weights = dict[str, Tensor]
_AT_ONCE = 20  # episodes that are evaluated together


@checked
def four_convolutions(
    way: int, *, in_channels: int = 1, size: int = 28, width: int = 32, seed: Seed = None
) -> nn.Sequential:
    """Hand-made network of MAML: four 3x3 convolutions of stride 2, one linear layer.

    Batch normalisation has no running statistics: every set of images is normalised by itself.

    Parameters
    ----------
    way : int
        Outputs.
    in_channels, size : int
        Of the images.
    width : int
        Channels of every convolution.
    seed : int, Generator or None

    Raises
    ------
    ParameterError
        If a size is not positive.

    References
    ----------
    C. Finn, P. Abbeel, S. Levine. Model-agnostic meta-learning for fast adaptation of deep
    networks. ICML 2017.

    Examples
    --------
    >>> four_convolutions(5, size=8, width=2, seed=0)(torch.zeros(3, 1, 8, 8)).shape
    torch.Size([3, 5])
    """
    check_sizes(way=way, in_channels=in_channels, size=size, width=width)
    layers: list[nn.Module] = []
    with torch_seed(as_generator(seed)):
        for inputs in (in_channels, width, width, width):
            size = -(-size // 2)
            layers += [
                nn.Conv2d(inputs, width, 3, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(width, track_running_stats=False),
                nn.ReLU(),
            ]
        layers += [nn.Flatten(), nn.Linear(width * size * size, way)]
    return nn.Sequential(*layers)


class FewShotLearner:
    """A network with a rule by which it adapts to the support images of an episode.

    Parameters
    ----------
    network : torch.nn.Module
        From images to logits; for ``anil`` and ``protonet`` a ``Sequential`` whose last layer is
        linear. Batch normalisation without running statistics, so that all that an episode learns
        is from its own images. As usual for these rules, query images are normalised together
        (transductive).
    rule : {"maml", "reptile", "anil", "protonet"}
        ``maml`` (first order) and ``reptile`` adapt all weights, and learn the start of all by the
        query loss after it, or by where adaptation leads. ``anil`` adapts the last layer only, from
        zero, and learns the others by the query loss through that adaptation. ``protonet`` sets
        the last layer so that logits fall with the squared distance to the classes' mean
        features, and learns the others through that.
    steps : int, optional
        Gradient steps on the support images; ``protonet`` takes none. By default as in ``STEPS``.
    rate : float or Parameter, optional
        Their learning rate, for ``protonet`` the scale of its logits; these two learn it from this
        start on. A parameter is used itself, so that several learners can have one.

    Raises
    ------
    UnknownNameError
        If there is no such rule.
    ParameterError
        If a number is outside its range, or the last layer is not linear.

    References
    ----------
    C. Finn, P. Abbeel, S. Levine (MAML). ICML 2017. A. Nichol, J. Achiam, J. Schulman. On
    first-order meta-learning algorithms (Reptile). 2018. A. Raghu, M. Raghu, S. Bengio, O.
    Vinyals. Rapid learning or feature reuse? (ANIL). ICLR 2020. A head that begins at zero: H.-J.
    Ye, W.-L. Chao. How to train your MAML to excel in few-shot classification. ICLR 2022. J. Snell,
    K. Swersky, R. Zemel. Prototypical networks for few-shot learning. NeurIPS 2017.

    Examples
    --------
    >>> from nasurge.data.images import load_classes
    >>> sampler = EpisodeSampler(load_classes("digits"), way=3, shot=2, query=4, seed=0)
    >>> network = four_convolutions(3, size=8, width=4, seed=0)
    >>> learner = FewShotLearner(network, "maml", steps=2)
    >>> learner.logits(sampler.draw(6)).shape
    torch.Size([6, 12, 3])
    """

    @checked
    def __init__(
        self,
        network: nn.Module,
        rule: Rule = "protonet",
        *,
        steps: int | None = None,
        rate: float | nn.Parameter | None = None,
    ) -> None:
        shared = rate if isinstance(rate, nn.Parameter) else None
        number = None if isinstance(rate, nn.Parameter) else rate  # a learnt one may be anything
        self.steps, self.start_rate = inner_loop(rule, steps, number)
        ends_linear = isinstance(network, nn.Sequential) and isinstance(network[-1], nn.Linear)
        if rule in LAST_LAYER and not ends_linear:
            raise ParameterError(f"the last layer of a network that {rule} adapts must be linear")
        self.network, self.rule = network, rule
        if shared is None:
            start = torch.tensor(self.start_rate)
            shared = nn.Parameter(start, requires_grad=rule in LAST_LAYER)
        self.rate = shared

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.network.parameters()).device

    def to(self, device: str | torch.device) -> Self:
        """Move the weights to a device, and return this learner."""
        self.network.to(device)
        self.rate = nn.Parameter(self.rate.detach().to(device), self.rate.requires_grad)
        return self

    @property
    def _body(self) -> nn.Sequential:
        """All layers but the last."""
        layers = cast(nn.Sequential, self.network)
        return nn.Sequential(*list(layers)[:-1])

    def logits(self, episodes: Episodes) -> Tensor:
        """Logits of the query images after adaptation, shape (tasks, queries, way)."""
        support, labels, query, _ = self._tensors(episodes)
        if self.rule in LAST_LAYER:
            return self._by_last_layer(support, labels, query)
        adapted = self._adapted(support, labels)
        with torch.no_grad():
            logits: Tensor = torch.vmap(self._output)(adapted, query)
        return logits

    def _tensors(self, episodes: Episodes) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Support images, their labels, query images and theirs on the device of the network."""
        arrays = (episodes.support_x, episodes.support_y, episodes.query_x, episodes.query_y)
        first, second, third, last = (torch.from_numpy(a).to(self.device) for a in arrays)
        return first, second, third, last

    def _output(self, weights: Weights, x: Tensor) -> Tensor:
        logits: Tensor = functional_call(self.network, weights, (x,))
        return logits

    def _loss(self, weights: Weights, x: Tensor, y: Tensor) -> Tensor:
        return functional.cross_entropy(self._output(weights, x), y)

    def _adapted(self, support: Tensor, labels: Tensor) -> Weights:
        """Weights of every task after the steps, each (tasks, ...)."""
        tasks = len(support)
        weights = {
            name: weight.detach().expand(tasks, *weight.shape)
            for name, weight in self.network.named_parameters()
        }
        gradient = torch.vmap(grad(self._loss), in_dims=(0, 0, None))
        for _ in range(self.steps):
            down = gradient(weights, support, labels)
            weights = {k: weight - self._step(k) * down[k] for k, weight in weights.items()}
        return weights

    def _step(self, name: str) -> float:  # noqa: ARG002 - rules with an architecture have two
        """Learning rate of a weight."""
        return self.rate.item()

    def _by_last_layer(self, support: Tensor, labels: Tensor, query: Tensor) -> Tensor:
        """Query logits of last layers that the support images set, shape (tasks, queries, way)."""
        learnt, queried = self._features(support), self._features(query)
        way = int(labels.max()) + 1
        targets = functional.one_hot(labels, way).to(learnt.dtype)
        if self.rule == "protonet":
            means = (targets / targets.sum(dim=0)).mT @ learnt
            bias = -means.square().sum(dim=2).unsqueeze(1) / 2
            # Minus half the squared distance to the mean, but for a term that all classes share.
            logits: Tensor = self.rate * 10 * (queried @ means.mT + bias)
            return logits
        head = learnt.new_zeros(len(learnt), way, learnt.shape[2])
        pull = self.rate * 10 * way / len(labels)  # a step of the mean of each class
        for _ in range(self.steps):
            error = targets - (learnt @ head.mT).softmax(dim=2)
            head = head + pull * (error.mT @ learnt)
        return queried @ head.mT

    def _features(self, images: Tensor) -> Tensor:
        """Inputs of the last layer, each set of images normalised by itself."""
        maps: Tensor = torch.vmap(self._body)(images)
        return maps.flatten(2) / math.sqrt(maps[0, 0].numel())

    def gradients(self, episodes: Episodes) -> tuple[float, Sequence[Tensor | None]]:
        """Query loss after adaptation, and the gradient of each of ``meta_weights``."""
        support, labels, query, answers = self._tensors(episodes)
        tasks = len(support)
        if self.rule in LAST_LAYER:
            logits = self._by_last_layer(support, labels, query)
            loss = functional.cross_entropy(logits.flatten(0, 1), answers.repeat(tasks))
            # A cell whose output does not depend on its input leaves the layers before it out.
            weights = self.meta_weights()
            return loss.item(), list(torch.autograd.grad(loss, weights, materialize_grads=True))
        adapted = self._adapted(support, labels)
        if self.rule == "reptile":
            with torch.no_grad():
                losses = torch.vmap(self._loss, in_dims=(0, 0, None))(adapted, query, answers)
            moves = [
                weight.detach() - adapted[name].mean(dim=0)
                for name, weight in self.network.named_parameters()
            ]
            return float(losses.mean()), moves
        both = torch.func.grad_and_value(self._loss)
        directions, losses = torch.vmap(both, in_dims=(0, 0, None))(adapted, query, answers)
        return float(losses.mean()), [direction.mean(dim=0) for direction in directions.values()]

    def meta_weights(self) -> list[nn.Parameter]:
        """Weights that meta-training changes."""
        if self.rule in LAST_LAYER:  # the last layer is not used
            return [*self._body.parameters(), self.rate]
        return list(self.network.parameters())

    def prepare_step(self, done: float) -> None:
        """Do nothing before a meta-step; learners that change on the way override it."""

    def state(self) -> tuple[Weights, dict[str, Any]]:
        """Tensors, and JSON values, that a checkpoint keeps."""
        own = {f"network.{name}": weight for name, weight in self.network.state_dict().items()}
        return {**own, "rate": self.rate.detach()}, {}

    def load_state(self, tensors: Weights, about: dict[str, Any]) -> None:
        """Go to where ``state`` was taken."""
        del about
        kept = {k.removeprefix("network."): v for k, v in tensors.items() if k != "rate"}
        self.network.load_state_dict(kept)
        with torch.no_grad():
            self.rate.copy_(tensors["rate"])

    def describe(self) -> dict[str, Any]:
        """JSON values that tell this learner from others."""
        shapes = {name: list(weight.shape) for name, weight in self.network.named_parameters()}
        layers = hashlib.sha256(str(self.network).encode()).hexdigest()[:8]  # some have no weights
        inner = {"rule": self.rule, "steps": self.steps, "rate": self.start_rate}
        return {**inner, "layers": layers, "weights": shapes}

    def accuracy(self, sampler: EpisodeSampler, episodes: int = 1000) -> NDArray[np.float64]:
        """Accuracy in each of so many new episodes, in percent, shape (episodes,)."""
        if episodes < 1:
            raise ParameterError(f"episodes must be at least 1, not {episodes}")
        accuracies = []
        for start in range(0, episodes, _AT_ONCE):
            drawn = sampler.draw(min(_AT_ONCE, episodes - start))
            with torch.no_grad():
                answers = self.logits(drawn).argmax(dim=2).cpu().numpy()
            accuracies.append(100.0 * (answers == drawn.query_y).mean(axis=1))
        return np.concatenate(accuracies)

    def evaluate(self, sampler: EpisodeSampler, episodes: int = 1000) -> Interval:
        """Mean accuracy with its 95 % interval over episodes."""
        return interval(self.accuracy(sampler, episodes), least=0, most=100)


@checked
def inner_loop(rule: str, steps: int | None, rate: float | None) -> tuple[int, float]:
    """Gradient steps of a rule and their rate; None takes those of ``STEPS``.

    Raises
    ------
    UnknownNameError
        If there is no such rule.
    ParameterError
        If ``steps`` is below 1 or ``rate`` not above 0.
    """
    if rule not in RULES:
        raise UnknownNameError("rule", rule, RULES)
    usual = STEPS[rule]
    steps, rate = usual[0] if steps is None else steps, usual[1] if rate is None else float(rate)
    if steps < 1 or not 0 < rate < math.inf:
        raise ParameterError(f"steps must be at least 1 and rate above 0, not {steps} and {rate}")
    return steps, rate
