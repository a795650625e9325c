"""AT-NAS: a supernet whose weights are meta-learned over tasks, and evolution of its encodings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from ...benchmarks.few_shot import LAST_LAYER, FewShotLearner, FewShotWeights, Rule, inner_loop
from ...benchmarks.supernet import uniform_codes
from ...benchmarks.training import State, without_prefix
from ...data.arguments import checked
from ...data.images import Episodes, EpisodeSampler
from ...data.parameters import check_whole_number
from ...data.seeds import Seed, as_generator
from ...data.spaces import Codes
from ...data.types import Values
from ...errors import ParameterError
from ...predictors.saving.names import old_class_name
from ..guided import Regressor
from .population import Contest, Population

_SEARCH = 0.06  # share of the meta-training at which evolution begins
_EVERY = 40  # meta-steps between two generations
# From which share of the meta-training on, how many finalists are trained.
_FINALISTS = {0.12: 8, 0.15: 4, 0.18: 2, 0.21: 1}
_ON_THE_BEST = 0.95  # share of the last steps that train the chosen encoding


class ATNAS:
    """Across-task search: meta-learned weights of a supernet, evolved encodings of its networks.

    Every meta-step adapts one encoding to some episodes and moves the weights that it used. At
    first encodings are drawn uniformly; then they come from a population that evolves every 40
    meta-steps by what its members reach after adapting to episodes of classes kept aside; then
    eight finalists are trained in turn and halved three times (``Contest``), and after a fifth of
    the training one is chosen, and nearly all steps are its own.

    Parameters
    ----------
    supernet : FewShotSupernet or FewShotModel
        Trained in place by ``nasurge.benchmarks.few_shot.training.meta_train``.
    fitness : EpisodeSampler or None
        Of classes for meta-training that the weights are not trained on. None: no meta-training,
        only what was learnt before.
    rule, steps, rate
        As for ``FewShotLearner``.
    population, offspring : int
        Sizes of the population, and of what is measured anew in a generation.
    episodes : int
        By which encodings are measured.
    predictor : object with ``fit(codes, y)`` and ``predict(codes)``, optional
        Screens the offspring; by default a Gaussian process. ``False`` screens nothing.
    seed : int, Generator or None

    Raises
    ------
    ParameterError
        If a number is below 1.
    UnknownNameError
        If there is no such rule.

    References
    ----------
    J. Rong et al. Across-task neural architecture search via meta learning. 2021, arXiv
    2110.05842. Its population is measured as it is; screening by a predictor is ours.

    Examples
    --------
    >>> from nasurge.benchmarks.few_shot import FewShotSupernet
    >>> from nasurge.benchmarks.few_shot import meta_train
    >>> from nasurge.data.images import load_classes
    >>> from nasurge.data.spaces import make_space
    >>> images = load_classes("digits")
    >>> tasks = EpisodeSampler(images.only(range(7)), way=3, query=5, seed=0)
    >>> aside = EpisodeSampler(images.only([7, 8, 9]), way=3, query=5, seed=0)
    >>> supernet = FewShotSupernet(make_space("nb201"), way=3, size=8, width=4, seed=0)
    >>> search = ATNAS(supernet, aside, population=4, offspring=4, episodes=5, seed=0)
    >>> history = meta_train(search, tasks, steps=10)
    >>> len(search.encoding), len(search.population.members)
    (6, 4)
    """

    @checked
    def __init__(
        self,
        supernet: FewShotWeights,
        fitness: EpisodeSampler | None,
        *,
        rule: Rule = "protonet",
        steps: int | None = None,
        rate: float | None = None,
        population: int = 12,
        offspring: int = 12,
        episodes: int = 20,
        predictor: Regressor | bool = True,
        seed: Seed = None,
    ) -> None:
        check_whole_number("population", population)
        check_whole_number("offspring", offspring)
        check_whole_number("episodes", episodes)
        self.rule = rule
        self.steps, self.start_rate = inner_loop(rule, steps, rate)
        self.supernet, self.fitness_sampler = supernet, fitness
        self.episodes, self.offspring = episodes, offspring
        learnt = rule in LAST_LAYER
        self.rate = nn.Parameter(torch.tensor(self.start_rate), requires_grad=learnt)
        if predictor is True:
            from ...predictors.processes import GaussianProcess

            predictor = GaussianProcess(supernet.space)
        screen = None if predictor is False else predictor
        self.population = Population(supernet.space, population, screen)
        self._rng = as_generator(seed)
        self._code = uniform_codes(supernet.space, 1, self._rng)[0]
        self._contest: Contest | None = None
        self._chosen: Codes | None = None
        self._rested = 0  # meta-steps since the last generation

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.supernet.head.weight.device

    def to(self, device: str | torch.device) -> Self:
        """The search itself, after its weights were moved to a device."""
        self.supernet.to(device)
        self.rate = nn.Parameter(self.rate.detach().to(device), self.rate.requires_grad)
        return self

    def learner(self, code: ArrayLike | None = None) -> FewShotLearner:
        """Learner of an encoding, by default the chosen one, with these weights."""
        network = self.supernet.network(self.encoding if code is None else code)
        return FewShotLearner(network, self.rule, steps=self.steps, rate=self.rate)

    @property
    def encoding(self) -> Codes:
        """The chosen encoding, shape (d,); chosen now if the meta-training did not come so far."""
        if self._chosen is None:
            if not len(self.population.codes):
                self.generation()
            self._chosen = self.population.members[0]
        return self._chosen

    @encoding.setter
    def encoding(self, code: Codes) -> None:
        self._chosen = np.asarray(code, dtype=np.int8)

    @property
    def architecture(self) -> str:
        """The chosen encoding in the notation of its space."""
        return self.supernet.space.format(self.encoding[None])[0]

    def meta_weights(self) -> list[nn.Parameter]:
        """Weights that meta-training changes: those of all operations."""
        rates = [self.rate] if self.rule in LAST_LAYER else []
        return [*self.supernet.parameters(), *rates]

    def prepare_step(self, done: float) -> None:
        """Choose the encoding of the next meta-step, after a generation if one is due.

        ``done`` is the share of the meta-training so far.
        """
        if done < _SEARCH:
            self._code = uniform_codes(self.supernet.space, 1, self._rng)[0]
            return
        self._rested += 1
        left = [n for share, n in _FINALISTS.items() if done >= share]
        if not len(self.population.codes) or (not left and self._rested >= _EVERY):
            self.generation()
        members = self.population.members
        if not left:
            self._code = self._rng.choice(members)
        elif self._chosen is None:
            self._contest = self._contest or Contest(members[: left[0]])
            self._code = self._contest.next_code(done, left=left[-1])
            if left[-1] == 1:
                self._chosen, self._contest = self._code, None
        else:
            best = self._rng.random() < _ON_THE_BEST
            self._code = self._chosen if best else self._rng.choice(members)

    def gradients(self, episodes: Episodes) -> tuple[float, Sequence[Tensor | None]]:
        """Query loss of the step's encoding, and the gradient of each of ``meta_weights``."""
        learner = self.learner(self._code)
        loss, gradients = learner.gradients(episodes)
        if self._contest:
            self._contest.observe(loss)
        found = dict(zip(map(id, learner.meta_weights()), gradients, strict=True))
        return loss, [found.get(id(weight)) for weight in self.meta_weights()]

    def generation(self) -> None:
        """Let the population evolve once."""
        if self.fitness_sampler is None:
            raise ParameterError("this search has no classes kept aside: give it fitness=")
        episodes = self.fitness_sampler.draw(self.episodes)
        self.population.evolve(
            lambda codes: self.fitness(codes, episodes), self.offspring, self._rng
        )
        self._rested = 0

    def fitness(self, codes: Codes, episodes: Episodes) -> Values:
        """Share of the queries that each encoding answers rightly after adaptation, shape (n,)."""
        shares: Values = self.episode_accuracies(codes, episodes).mean(axis=1)
        return shares

    def episode_accuracies(self, codes: Codes, episodes: Episodes) -> Values:
        """Share of the queries of every episode, shape (n, episodes)."""
        shares = np.empty((len(codes), len(episodes.classes)))
        for row, code in enumerate(codes):  # each is a network of its own
            with torch.no_grad():
                answers = self.learner(code).logits(episodes).argmax(dim=2).cpu().numpy()
            shares[row] = np.mean(answers == episodes.query_y, axis=1)
        return shares

    def state(self) -> State:
        """State for a checkpoint: tensors, and JSON values."""
        measured, _ = self.population.state()
        tensors = {f"supernet.{k}": v for k, v in self.supernet.state_dict().items()}
        tensors |= {f"population.{k}": v for k, v in measured.items()}
        about = {
            "chosen": None if self._chosen is None else self._chosen.tolist(),
            "contest": self._contest and self._contest.state(),
            "rested": self._rested,
            "random": self._rng.bit_generator.state,
            "fitness": None if self.fitness_sampler is None else self.fitness_sampler.random_state,
        }
        return {**tensors, "rate": self.rate.detach()}, about

    def load_state(self, tensors: dict[str, Tensor], about: dict[str, Any]) -> None:
        """Restore what ``state`` returned."""
        self.load_weights(tensors, about["chosen"])
        self._contest = Contest.from_state(about["contest"]) if about["contest"] else None
        self._rested = about["rested"]
        self._rng.bit_generator.state = about["random"]
        if self.fitness_sampler is not None:
            self.fitness_sampler.random_state = about["fitness"]

    def load_weights(self, tensors: Mapping[str, Tensor], chosen: Sequence[int] | None) -> None:
        """Take what was learnt: weights, population, and the chosen encoding."""
        self.supernet.load_state_dict(without_prefix("supernet.", tensors))
        self.population.load_state(without_prefix("population.", tensors))
        with torch.no_grad():
            self.rate.copy_(tensors["rate"])
        self._chosen = None if chosen is None else np.asarray(chosen, dtype=np.int8)

    def describe(self) -> dict[str, Any]:
        """JSON values that tell this search from others."""
        return {
            "method": "at-nas",
            "space": self.supernet.space.name,
            **self.supernet.sizes,
            "rule": self.rule,
            "steps": self.steps,
            "rate": self.start_rate,
            "evolution": [self.population.size, self.offspring, self.episodes],
            "predictor": old_class_name(type(self.population.predictor)),
        }
