"""Meta-training: one loop for all learners of episodes, with checkpoints."""

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

from ...data.images import Episodes, EpisodeSampler, ImageClasses
from ...errors import ParameterError
from ..training import (
    State,
    below,
    load_optimiser_state,
    optimiser_state,
    own_checkpoint,
    write_checkpoint,
)

_WARM_UP = 20  # meta-steps over which the rate rises


class MetaLearner(Protocol):
    """What can be meta-trained: ``FewShotLearner``, and searches that are learners too."""

    @property
    def device(self) -> torch.device:
        """Where the weights are."""

    def learnt(self) -> list[nn.Parameter]:
        """Return what meta-training changes, always the same."""

    def begin(self, done: float) -> None:
        """Be told before a meta-step which share of the meta-training is done."""

    def slopes(self, episodes: Episodes) -> tuple[float, Sequence[Tensor | None]]:
        """Return the query loss, and by what each learnt weight moves; None lets it rest."""

    def state(self) -> State:
        """Return what a checkpoint keeps: tensors, and JSON values."""

    def load_state(self, tensors: dict[str, Tensor], about: dict[str, Any]) -> None:
        """Take back what ``state`` returned."""

    def describe(self) -> dict[str, Any]:
        """Return what tells this learner from others, as JSON values."""


@dataclass(frozen=True)
class MetaHistory:
    """How a meta-training went.

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
    """Train the start of a learner on episodes, for a number of steps or for some time.

    The same number of steps repeats exactly. Learners of different rules and networks are compared
    at the same time, so that a cheaper step is worth what it is worth.

    Parameters
    ----------
    learner : MetaLearner
        Changed in place.
    sampler : EpisodeSampler
        Of the classes for meta-training; ``anil`` and ``protonet`` may be trained with another way
        or shot than they are asked later.
    steps : int, optional
        Meta-steps.
    seconds : float, optional
        Instead: processor time of this process on the CPU, so that a busy machine changes little;
        time of the clock on another device.
    tasks : int
        Episodes a meta-step.
    rate : float
        Of Adam; a warm-up of 20 steps, and a half cosine over the whole.
    checkpoint : Path, optional
        File in which the state is kept. A meta-training that was killed goes on from it, and with
        ``steps`` ends with the same weights as if it had not been; it must be given the same
        arguments. One that is done is only read.
    checkpoint_seconds : float
        The state is written after a step when so long has passed, and at the end.
    progress : callable, optional
        Called with the share that is done after every meta-step.

    Raises
    ------
    ParameterError
        If both or neither of ``steps`` and ``seconds`` are given, a number is not positive, or the
        checkpoint is of another meta-training.
    DataFileError, StorageError
        If the checkpoint is damaged, or cannot be written.

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
    about = {
        "lasts": {"steps": steps, "seconds": seconds},
        "rates": [tasks, rate],
        "episodes": [sampler.way, sampler.shot, sampler.query],
        "classes": digest(sampler.data),
        "learner": learner.describe(),
    }
    training = _MetaTraining(learner, sampler, steps=steps, seconds=seconds)
    training.optimise(rate)
    if checkpoint and (found := own_checkpoint(checkpoint, about)):
        training.load(*found)
    written, more = time.perf_counter(), not training.over
    while not training.over:
        training.step(tasks, rate)
        if checkpoint and time.perf_counter() - written >= checkpoint_seconds:
            training.write(checkpoint, about)
            written = time.perf_counter()
        if progress:
            progress(min(1.0, training.done))
    if checkpoint and more:
        training.write(checkpoint, about)
    return training.history


def digest(data: ImageClasses) -> str:
    """Return eight characters that tell the classes of a meta-training from others."""
    text = "\n".join([data.name, str(data.images.shape), *data.classes])
    return hashlib.sha256(text.encode()).hexdigest()[:8]


class _MetaTraining:
    """One meta-training at some step: learner, sampler, optimiser and what was measured so far."""

    def __init__(
        self,
        learner: MetaLearner,
        sampler: EpisodeSampler,
        *,
        steps: int | None,
        seconds: float | None,
    ) -> None:
        self.learner, self.sampler = learner, sampler
        self.steps, self.seconds = steps, seconds
        self.losses: list[float] = []
        self.diverged = False
        cpu = learner.device.type == "cpu"
        self._clock = time.process_time if cpu else time.perf_counter
        self._spent, self._wall = -self._clock(), -time.perf_counter()

    def optimise(self, rate: float) -> None:
        """Make the optimiser."""
        self.weights = self.learner.learnt()
        self.optimiser = torch.optim.Adam(self.weights, rate)

    @property
    def done(self) -> float:
        """Which share is done."""
        if self.steps is not None:
            return len(self.losses) / self.steps
        return (self._spent + self._clock()) / (self.seconds or 1.0)

    @property
    def over(self) -> bool:
        """Whether no step is left."""
        return self.diverged or (self.done >= 1 and bool(self.losses))

    def step(self, tasks: int, rate: float) -> None:
        """Take one meta-step."""
        done = self.done
        falling = 0.5 + 0.5 * math.cos(math.pi * min(1.0, done))
        rising = min(1.0, (len(self.losses) + 1) / _WARM_UP)
        self.optimiser.param_groups[0]["lr"] = rate * falling * rising
        self.learner.begin(done)
        loss, directions = self.learner.slopes(self.sampler.draw(tasks))
        self.losses.append(loss)
        if not math.isfinite(loss):
            self.diverged = True
            return
        for weight, direction in zip(self.weights, directions, strict=True):
            weight.grad = direction
        self.optimiser.step()

    @property
    def history(self) -> MetaHistory:
        """What there is to tell."""
        seconds = self._wall + time.perf_counter()
        return MetaHistory(tuple(self.losses), seconds, self.diverged)

    def write(self, path: Path, about: Mapping[str, Any]) -> None:
        """Keep the state in a file."""
        tensors, own = self.learner.state()
        moments, optimiser = optimiser_state(self.optimiser)
        kept = {f"learner.{name}": tensor for name, tensor in tensors.items()}
        kept |= {f"optimiser.{name}": tensor for name, tensor in moments.items()}
        progress = {
            "losses": self.losses,
            "diverged": self.diverged,
            "spent": self._spent + self._clock(),
            "wall": self._wall + time.perf_counter(),
            "sampler": self.sampler.random_state,
            "optimiser": optimiser,
            "learner": own,
        }
        write_checkpoint(path, kept, {"about": about, "meta": progress})

    def load(self, tensors: Mapping[str, Tensor], found: Mapping[str, Any]) -> None:
        """Take back what was kept."""
        kept = found["meta"]
        self.learner.load_state(below(tensors, "learner."), kept["learner"])
        load_optimiser_state(self.optimiser, below(tensors, "optimiser."), kept["optimiser"])
        self.losses, self.diverged = list(kept["losses"]), kept["diverged"]
        self.sampler.random_state = kept["sampler"]
        self._spent += kept["spent"]
        self._wall += kept["wall"]
