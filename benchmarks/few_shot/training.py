"""Meta-training of all learners of episodes, with checkpoints."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from ...data.arguments import checked
from ...data.images import Episodes, EpisodeSampler
from ...errors import ParameterError
from ..training import (
    State,
    load_optimiser_state,
    optimiser_state,
    run_training,
    with_prefix,
    without_prefix,
)

_WARM_UP = 20  # meta-steps over which the rate rises


class MetaLearner(Protocol):
    """What can be meta-trained: ``FewShotLearner``, and searches that are learners too."""

    @property
    def device(self) -> torch.device:
        """Where the weights are."""

    def meta_weights(self) -> list[nn.Parameter]:
        """Weights that meta-training changes, always the same."""

    def prepare_step(self, done: float) -> None:
        """Get ready for a meta-step, when a share ``done`` of the meta-training is over."""

    def gradients(self, episodes: Episodes) -> tuple[float, Sequence[Tensor | None]]:
        """Query loss, and the gradient of each of ``meta_weights``; None lets it rest."""

    def state(self) -> State:
        """Tensors, and JSON values, that a checkpoint keeps."""

    def load_state(self, tensors: dict[str, Tensor], about: dict[str, Any]) -> None:
        """Go to where ``state`` was taken."""

    def describe(self) -> dict[str, Any]:
        """JSON values that tell this learner from others."""


@dataclass(frozen=True)
class MetaHistory:
    """Losses and cost of a meta-training.

    Attributes
    ----------
    losses : tuple of float
        Mean query loss of every meta-step, after adaptation.
    seconds : float
        Wall-clock time.
    diverged : bool
        Whether a loss became infinite or NaN: the training ended there, with the weights before.
    """

    losses: tuple[float, ...]
    seconds: float
    diverged: bool


@checked
def meta_train(
    learner: MetaLearner,
    sampler: EpisodeSampler,
    *,
    steps: int | None = None,
    seconds: float | None = None,
    tasks: int = 4,
    rate: float = 2e-3,
    checkpoint: Path | None = None,
    checkpoint_seconds: float = 30.0,
    progress: Callable[[float], None] | None = None,
) -> MetaHistory:
    """Losses and cost of training the start of a learner on episodes, for some steps or some time.

    The same number of steps repeats exactly. Learners of different rules and networks are compared
    at the same time, so that a learner with a cheaper step takes more of them.

    Parameters
    ----------
    learner : MetaLearner
        Changed in place.
    sampler : EpisodeSampler
        Of the classes for meta-training; ``anil`` and ``protonet`` may be trained with another way
        or shot than they are tested with.
    steps : int, optional
        Meta-steps.
    seconds : float, optional
        Instead: processor time of this process on the CPU, so that a busy machine changes little;
        time of the clock on another device.
    tasks : int
        Episodes a meta-step.
    rate : float
        Of Adam; a warm-up of 20 steps, and a half cosine over the whole.
    checkpoint, checkpoint_seconds
        As for ``run_training``: a training that was killed goes on where it was;
        with ``steps`` it ends with the same weights as if it had not been.
    progress : callable, optional
        Called with the share that is done after every meta-step.

    Raises
    ------
    ParameterError
        If both or neither of ``steps`` and ``seconds`` are given, or a number is not positive.
    NasurgeError
        As ``run_training``.

    Examples
    --------
    >>> from nasurge.benchmarks.few_shot import FewShotLearner, four_convolutions
    >>> from nasurge.data.images import load_classes
    >>> sampler = EpisodeSampler(load_classes("digits"), way=3, shot=1, query=4, seed=0)
    >>> learner = FewShotLearner(four_convolutions(3, size=8, width=4, seed=0), steps=1)
    >>> len(meta_train(learner, sampler, steps=5).losses)
    5
    """
    if (steps is None) == (seconds is None):
        raise ParameterError("meta-training lasts for steps= or for seconds=: give one of them")
    lasts = steps if seconds is None else seconds
    if lasts is None or not all(0 < value < math.inf for value in (lasts, tasks, rate)):
        raise ParameterError(
            f"steps or seconds, tasks and rate must be above 0, not {lasts}, {tasks} and {rate}"
        )
    data = sampler.data
    classes = [data.name, str(data.images.shape), *data.classes]
    training = run_training(
        lambda _: MetaTraining(learner, sampler, steps, seconds, tasks=tasks, rate=rate),
        identity={
            "lasts": {"steps": steps, "seconds": seconds},
            "rates": [tasks, rate],
            "episodes": [sampler.way, sampler.shot, sampler.query],
            "classes": hashlib.sha256("\n".join(classes).encode()).hexdigest()[:8],
            "learner": learner.describe(),
        },
        device=str(learner.device),
        checkpoint=checkpoint,
        checkpoint_seconds=checkpoint_seconds,
        progress=lambda training: progress and progress(min(1.0, training.done)),
    )
    return training.history


@checked
def meta_step(learner: MetaLearner, optimiser: torch.optim.Optimizer, episodes: Episodes) -> float:
    """Query loss of a learner before one step on its meta-weights; no step if it is not finite."""
    loss, gradients = learner.gradients(episodes)
    if math.isfinite(loss):
        for weight, gradient in zip(learner.meta_weights(), gradients, strict=True):
            weight.grad = gradient
        optimiser.step()
    return loss


class MetaTraining:
    """One meta-training at some step: learner, sampler, optimiser and losses so far."""

    def __init__(
        self,
        learner: MetaLearner,
        sampler: EpisodeSampler,
        steps: int | None,
        seconds: float | None,
        *,
        tasks: int,
        rate: float,
    ) -> None:
        self.learner, self.sampler = learner, sampler
        self.steps, self.seconds, self.tasks, self.rate = steps, seconds, tasks, rate
        self.losses: list[float] = []
        self.diverged = False
        self.optimiser = torch.optim.Adam(learner.meta_weights(), rate)
        cpu = learner.device.type == "cpu"
        self._clock = time.process_time if cpu else time.perf_counter
        self._spent, self._wall = -self._clock(), -time.perf_counter()

    @property
    def done(self) -> float:
        """Share of the steps or of the time that is over."""
        if self.steps is not None:
            return len(self.losses) / self.steps
        return (self._spent + self._clock()) / (self.seconds or 1.0)

    @property
    def over(self) -> bool:
        """Whether no step is left."""
        return self.diverged or (self.done >= 1 and bool(self.losses))

    def step(self) -> None:
        """Take one meta-step."""
        done = self.done
        falling = 0.5 + 0.5 * math.cos(math.pi * min(1.0, done))
        rising = min(1.0, (len(self.losses) + 1) / _WARM_UP)
        self.optimiser.param_groups[0]["lr"] = self.rate * falling * rising
        self.learner.prepare_step(done)
        loss = meta_step(self.learner, self.optimiser, self.sampler.draw(self.tasks))
        self.losses.append(loss)
        self.diverged = not math.isfinite(loss)

    @property
    def history(self) -> MetaHistory:
        """Losses and cost so far."""
        seconds = self._wall + time.perf_counter()
        return MetaHistory(tuple(self.losses), seconds, self.diverged)

    def state(self) -> State:
        """All that the steps left depend on."""
        tensors, about = self.learner.state()
        moments, rest = optimiser_state(self.optimiser)
        kept = with_prefix("learner.", tensors) | with_prefix("optimiser.", moments)
        return kept, {
            "losses": self.losses,
            "spent": self._spent + self._clock(),
            "wall": self._wall + time.perf_counter(),
            "sampler": self.sampler.random_state,
            "optimiser": rest,
            "learner": about,
        }

    def load(self, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
        """Go to where ``state`` was taken."""
        self.learner.load_state(without_prefix("learner.", tensors), about["learner"])
        moments = without_prefix("optimiser.", tensors)
        load_optimiser_state(self.optimiser, moments, about["optimiser"])
        self.losses = list(about["losses"])
        self.diverged = about.get("diverged", False)  # the first checkpoints were written then too
        self.sampler.random_state = about["sampler"]
        self._spent += about["spent"]
        self._wall += about["wall"]
