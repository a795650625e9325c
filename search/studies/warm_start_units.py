"""Units of a study of warm starts: what is embedded, searched and trained, each by itself."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ...benchmarks.studies import Row
from ...benchmarks.supernet import Supernet
from ...benchmarks.training import KINDS, Recipe, embed_task, train_architecture
from ...data.devices import one_thread
from ...data.images import Images, load_task
from ...data.spaces import Codes, make_space
from ..differentiable import (
    Gate,
    best_code,
    donor_distances,
    read_donors,
    search_supernet,
)
from .options import WarmStartOptions

_EMBEDDED = 128  # images of a task that its embedding sees


class NamedUnit(Protocol):
    """Part of the work with its name in the journal."""

    @property
    def name(self) -> str:
        """Name in the journal."""

    def __call__(self) -> list[Row]:
        """Rows of the unit."""


@dataclass(frozen=True)
class EmbedUnit:
    """Embedding of a task."""

    options: WarmStartOptions
    task: str

    @property
    def name(self) -> str:
        """Name in the journal."""
        return f"embed|{self.task}"

    def __call__(self) -> list[Row]:
        """Row with the arrays of the embedding."""
        images = images_of(self.options, self.task)
        with one_thread():
            embed_task(images, limit=_EMBEDDED)  # loading, once a process, is not the task's cost
            embedding = embed_task(images, limit=_EMBEDDED)
        row = {key: value.tolist() for key, value in embedding.arrays().items()}
        about = {"kind": "embed", "task": self.task, "label": images.name}
        return [{**about, "seconds": embedding.seconds, **row}]


@dataclass(frozen=True)
class ColdUnit:
    """Search of a task that knows nothing of others."""

    options: WarmStartOptions
    task: str
    seed: int

    @property
    def name(self) -> str:
        """Name in the journal."""
        return f"cold|{self.task}|{self.seed}"

    def __call__(self) -> list[Row]:
        """Row with the architectures at the epochs that are looked at."""
        options, images = self.options, images_of(self.options, self.task)
        with one_thread():
            _search_once(options)
            start = time.process_time()
            result = search_supernet(
                _supernet(options, images, self.seed),
                images,
                options.method,
                seed=self.seed,
                **_search_options(options),
            )
            seconds = time.process_time() - start
        about = {"kind": "cold", "task": self.task, "seed": self.seed}
        codes = _looked_at(options, result.codes)
        return [
            {
                **about,
                "seconds": seconds,
                "steps": result.steps,
                "codes": codes.tolist(),
                "shares": result.shares.tolist(),
            }
        ]


@dataclass(frozen=True)
class DistanceUnit:
    """Distances of a task from all others; the donors of its seed are in a folder of ``store``."""

    options: WarmStartOptions
    task: str
    seed: int
    store: Path

    @property
    def name(self) -> str:
        """Name in the journal."""
        return f"distances|{self.task}|{self.seed}"

    def __call__(self) -> list[Row]:
        """Row with the distances of each kind, by the names of the donors' tasks."""
        others = {*self.options.tasks} - {self.task}
        donors = [d for d in read_donors(self.store / f"seed-{self.seed}") if d.task in others]
        with one_thread():
            embedding = embed_task(images_of(self.options, self.task), limit=_EMBEDDED)
            donor_distances(embedding, donors[:1])  # loads the library, once a process
            start = time.process_time()
            distances = {str(by): donor_distances(embedding, donors, by).tolist() for by in KINDS}
            seconds = time.process_time() - start
        about = {"kind": "distances", "task": self.task, "seed": self.seed}
        return [{**about, "seconds": seconds, **distances}]


@dataclass(frozen=True)
class WarmUnit:
    """Search of a task from donors.

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
    gated : bool
        Whether the donors must pass the gate.
    donor : str
        Name of the donor's task, or ``all``.
    logits : tuple of tuples of float
        From which it starts.
    """

    options: WarmStartOptions
    task: str
    seed: int
    method: str
    until: int
    strength: float
    gated: bool
    donor: str
    logits: tuple[tuple[float, ...], ...]

    @property
    def name(self) -> str:
        """Name in the journal."""
        kind = "warm" if self.gated else "open"
        name = f"{kind}|{self.task}|{self.seed}|{self.method}|{self.until}"
        # At the gate only the order of the logits counts: one search serves all strengths.
        return name if self.until == self.options.gate else f"{name}|{self.strength}"

    def __call__(self) -> list[Row]:
        """Row with the architectures at the epochs that are looked at, the donor's first."""
        options, images = self.options, images_of(self.options, self.task)
        logits = np.array(self.logits)
        with one_thread():
            _search_once(options)
            start = time.process_time()
            warm = search_supernet(
                _supernet(options, images, self.seed),
                images,
                options.method,
                logits=logits,
                # Whether a stricter gate would refuse follows from the share that was beaten.
                gate=Gate(options.gate, beaten=0.0) if self.gated else None,
                seed=self.seed,
                until=self.until,
                **_search_options(options),
            )
            seconds = time.process_time() - start
        codes = _looked_at(options, warm.codes)
        donated = best_code(make_space(options.space), np.exp(logits))
        if self.gated:
            codes[0] = donated  # taken by the gate
        else:
            codes = np.concatenate([donated[None], codes])
        return [
            {
                "kind": "warm" if self.gated else "open",
                "task": self.task,
                "seed": self.seed,
                "method": self.method,
                "until": self.until,
                "strength": self.strength,
                "donor_label": self.donor,
                "beaten": warm.beaten,
                "seconds": seconds,
                "epochs": len(warm.codes),  # fewer than asked for if it diverged
                "gate_seconds": warm.gate_seconds,
                "codes": codes.tolist(),
            }
        ]


@dataclass(frozen=True)
class TrainUnit:
    """Stand-alone trainings of an architecture on a task.

    Attributes
    ----------
    options : WarmStartOptions
    task : str
    code : tuple of int
        Canonical row of the architecture.
    trainings : int
    shared : bool
        Whether it is one of those that are trained on every task, for their rank correlation.
    """

    options: WarmStartOptions
    task: str
    code: tuple[int, ...]
    trainings: int
    shared: bool = False

    @property
    def _kind(self) -> str:
        return "shared" if self.shared else "train"

    @property
    def architecture(self) -> str:
        """Architecture in the notation of its space."""
        return make_space(self.options.space).format([self.code])[0]

    @property
    def name(self) -> str:
        """Name in the journal."""
        return f"{self._kind}|{self.task}|{self.architecture}"

    def __call__(self) -> list[Row]:
        """Row with the test accuracies of all trainings, in percent."""
        options, images = self.options, images_of(self.options, self.task)
        recipe = Recipe(
            epochs=options.train_epochs, width=options.width, cells=1, reduction="plain"
        )
        space = make_space(options.space)
        start = time.process_time()
        results = [
            train_architecture(space, list(self.code), images, recipe, seed=seed, device="cpu")
            for seed in range(self.trainings)
        ]
        about = {"kind": self._kind, "task": self.task, "architecture": self.architecture}
        accuracies = [result.test_accuracy for result in results]
        return [{**about, "accuracies": accuracies, "seconds": time.process_time() - start}]


def looked_epochs(options: WarmStartOptions) -> tuple[int, ...]:
    """Epochs after which the architecture of a search is trained alone: the gate's, and four."""
    quarters = (options.epochs * part // 4 for part in (1, 2, 3, 4))
    return tuple(sorted({options.gate, *(epoch for epoch in quarters if epoch > options.gate)}))


def supernet_sizes(options: WarmStartOptions) -> dict[str, Any]:
    """Sizes of all supernets of a study."""
    return {"width": options.width, "cells": 1, "reduction": "plain"}


def images_of(options: WarmStartOptions, task: str) -> Images:
    """Images of a task, as small as a study makes them."""
    return _images(task, options.size, options.classes, options.train, options.held_out)


@cache  # read once a process
def _images(task: str, size: int, classes: int, train: int, held_out: int) -> Images:
    return load_task(task, size=size, classes=classes, train=train, held_out=held_out)


def _supernet(options: WarmStartOptions, images: Images, seed: int) -> Supernet:
    """Supernet for the classes and channels of a task."""
    return Supernet(
        make_space(options.space),
        classes=len(images.classes),
        in_channels=images.train_x.shape[1],
        **supernet_sizes(options),
        seed=seed,
    )


def _search_options(options: WarmStartOptions) -> dict[str, Any]:
    """Options of ``search_supernet`` that all searches share."""
    rates = {"learning_rate": options.learning_rate, "logit_rate": options.logit_rate}
    return {"epochs": options.epochs, **rates, "device": "cpu"}


@cache
def _search_once(options: WarmStartOptions) -> None:
    """Search for an epoch: what is loaded once a process is not the cost of its first search."""
    images = images_of(options, options.tasks[0])
    supernet = _supernet(options, images, 0)
    search_supernet(supernet, images, options.method, until=1, seed=0, **_search_options(options))


def _looked_at(options: WarmStartOptions, codes: Codes) -> Codes:
    """Architectures of the epochs that are looked at, as far as a search has come."""
    return np.array([codes[epoch - 1] for epoch in looked_epochs(options) if epoch <= len(codes)])
