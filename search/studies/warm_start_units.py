"""Units of a study of warm starts: what is embedded, searched and trained, each by itself."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ...benchmarks.studies import Row
from ...benchmarks.supernet import Supernet
from ...benchmarks.training import KINDS, Recipe, embed_task, train_architecture
from ...data.devices import one_thread
from ...data.images import Images, load_task
from ...data.spaces import Codes, make_space
from ..differentiable import (
    DifferentiableResult,
    Gate,
    best_code,
    donor_distances,
    read_donors,
    search_supernet,
)
from .options import WarmStartOptions

EMBEDDED = 128
"""Images of a task that its embedding sees."""


@dataclass(frozen=True)
class TaskUnit(ABC):
    """One part of the work on a task; calling it gives its row."""

    options: WarmStartOptions
    task: str

    kind: ClassVar[str]
    case: ClassVar[tuple[str, ...]] = ()
    """Attributes that tell it from others of its kind and task; they stand in its row."""

    @property
    def name(self) -> str:
        """Name in the journal."""
        return "|".join(map(str, (self.kind, self.task, *self._case.values())))

    @property
    def _case(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.case}

    @property
    def images(self) -> Images:
        """Images of the task, as small as a study makes them."""
        options = self.options
        return _images(self.task, options.size, options.classes, options.train, options.held_out)

    @abstractmethod
    def measure(self) -> Row:
        """Contents of the row beside ``kind``, ``task`` and the case."""

    def __call__(self) -> list[Row]:
        """Row of the unit."""
        return [{"kind": self.kind, "task": self.task, **self._case, **self.measure()}]


@dataclass(frozen=True)
class EmbedUnit(TaskUnit):
    """Embedding of a task."""

    kind = "embed"

    def measure(self) -> Row:
        """Arrays of the embedding."""
        images = self.images
        with one_thread():
            embed_task(images, limit=EMBEDDED)  # loading, once a process, is not the task's cost
            embedding = embed_task(images, limit=EMBEDDED)
        arrays = {key: value.tolist() for key, value in embedding.arrays().items()}
        return {"label": images.name, "seconds": embedding.seconds, **arrays}


@dataclass(frozen=True)
class SeedUnit(TaskUnit):
    """Part of the work on a task with one seed."""

    seed: int

    case: ClassVar[tuple[str, ...]] = ("seed",)

    def search(self, **options: Any) -> tuple[DifferentiableResult, float]:
        """What a search finds with the study's options and others, and its processor time."""
        with one_thread():
            _search_once(self.options)
            begin = time.process_time()
            found = search_task(self.options, self.images, seed=self.seed, **options)
            return found, time.process_time() - begin


@dataclass(frozen=True)
class ColdUnit(SeedUnit):
    """Search of a task that knows nothing of others."""

    kind = "cold"

    def measure(self) -> Row:
        """Architectures at the epochs that are looked at."""
        result, seconds = self.search()
        codes, shares = _looked_at(self.options, result.codes).tolist(), result.shares.tolist()
        return {"seconds": seconds, "steps": result.steps, "codes": codes, "shares": shares}


@dataclass(frozen=True)
class DistanceUnit(SeedUnit):
    """Distances of a task from all others; the donors of its seed are in a folder of ``store``."""

    store: Path

    kind = "distances"

    def measure(self) -> Row:
        """Distances of each kind, by the names of the donors' tasks."""
        others = {*self.options.tasks} - {self.task}
        donors = [d for d in read_donors(self.store / f"seed-{self.seed}") if d.task in others]
        with one_thread():
            embedding = embed_task(self.images, limit=EMBEDDED)
            donor_distances(embedding, donors[:1])  # loads the library, once a process
            start = time.process_time()
            distances = {str(by): donor_distances(embedding, donors, by).tolist() for by in KINDS}
            seconds = time.process_time() - start
        return {"seconds": seconds, **distances}


@dataclass(frozen=True)
class WarmUnit(SeedUnit):
    """Search of a task from donors, who must pass the gate.

    Attributes
    ----------
    options : WarmStartOptions
    task : str
    seed : int
    method : str
        How the donors were chosen.
    until : int
        Epochs: those of the gate, or all.
    strength : float
        Of the warm start.
    donor : str
        Name of the donor's task, or ``all``.
    logits : tuple of tuples of float
        From which it starts.
    """

    method: str
    until: int
    strength: float
    donor: str
    logits: tuple[tuple[float, ...], ...]

    kind = "warm"
    case = ("seed", "method", "until")

    @property
    def name(self) -> str:
        """Name in the journal."""
        # At the gate only the order of the logits counts: one search serves all strengths.
        at_gate = self.until == self.options.gate
        return super().name if at_gate else f"{super().name}|{self.strength}"

    def measure(self) -> Row:
        """Architectures at the epochs that are looked at, the donor's first."""
        options, gated = self.options, self.kind == "warm"
        logits = np.array(self.logits)
        # Whether a stricter gate would refuse follows from the share that was beaten.
        gate = Gate(options.gate, beaten=0.0) if gated else None
        warm, seconds = self.search(logits=logits, gate=gate, until=self.until)
        codes = _looked_at(options, warm.codes)
        donated = best_code(make_space(options.space), np.exp(logits))[None]
        return {
            "strength": self.strength,
            "donor_label": self.donor,
            "beaten": warm.beaten,
            "seconds": seconds,
            "epochs": len(warm.codes),  # fewer than asked for if it diverged
            "gate_seconds": warm.gate_seconds,
            # The gate takes the donor's architecture in the place of the first.
            "codes": np.concatenate([donated, codes[1:] if gated else codes]).tolist(),
        }


@dataclass(frozen=True)
class OpenUnit(WarmUnit):
    """Search of a task from donors that are trusted: there is no gate."""

    kind = "open"


@dataclass(frozen=True)
class TrainUnit(TaskUnit):
    """Stand-alone trainings of an architecture, by its canonical row, on a task."""

    code: tuple[int, ...]
    trainings: int

    kind = "train"
    case = ("architecture",)

    @property
    def architecture(self) -> str:
        """Architecture in the notation of its space."""
        return make_space(self.options.space).format([self.code])[0]

    def measure(self) -> Row:
        """Test accuracies of all trainings, in percent."""
        sizes = supernet_sizes(self.options)
        recipe = Recipe(epochs=self.options.train_epochs, **sizes)
        space, images = make_space(self.options.space), self.images
        start = time.process_time()
        results = [
            train_architecture(space, list(self.code), images, recipe, seed=seed, device="cpu")
            for seed in range(self.trainings)
        ]
        accuracies = [result.test_accuracy for result in results]
        return {"accuracies": accuracies, "seconds": time.process_time() - start}


@dataclass(frozen=True)
class SharedUnit(TrainUnit):
    """Training of an architecture that all tasks train, for their rank correlation."""

    kind = "shared"


def looked_epochs(options: WarmStartOptions) -> tuple[int, ...]:
    """Epochs after which the architecture of a search is trained alone: the gate's, and four."""
    quarters = (options.epochs * part // 4 for part in (1, 2, 3, 4))
    return tuple(sorted({options.gate, *(epoch for epoch in quarters if epoch > options.gate)}))


def supernet_sizes(options: WarmStartOptions) -> dict[str, Any]:
    """Sizes of all supernets of a study."""
    return {"width": options.width, "cells": 1, "reduction": "plain"}


@cache  # read once a process
def _images(task: str, size: int, classes: int, train: int, held_out: int) -> Images:
    return load_task(task, size=size, classes=classes, train=train, held_out=held_out)


def search_task(
    options: WarmStartOptions, images: Images, *, seed: int, **others: Any
) -> DifferentiableResult:
    """What a search finds for a task with the options that all searches share."""
    supernet = Supernet(
        make_space(options.space),
        classes=len(images.classes),
        in_channels=images.train_x.shape[1],
        **supernet_sizes(options),
        seed=seed,
    )
    rates = {"learning_rate": options.learning_rate, "logit_rate": options.logit_rate}
    shared: dict[str, Any] = {"epochs": options.epochs, **rates, "device": "cpu", **others}
    return search_supernet(supernet, images, options.method, seed=seed, **shared)


@cache
def _search_once(options: WarmStartOptions) -> None:
    """Search for an epoch: what is loaded once a process is not the cost of its first search."""
    images = EmbedUnit(options, options.tasks[0]).images
    search_task(options, images, seed=0, until=1)


def _looked_at(options: WarmStartOptions, codes: Codes) -> Codes:
    """Architectures of the epochs that are looked at, as far as a search has come."""
    return np.array([codes[epoch - 1] for epoch in looked_epochs(options) if epoch <= len(codes)])
