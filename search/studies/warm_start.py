"""Leave one task out: what earlier searches save a search on a task that they have not seen."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...benchmarks.studies import Journal, Progress, Row, bound, versions
from ...benchmarks.supernet import Supernet
from ...benchmarks.training import (
    KINDS,
    Recipe,
    check_least,
    embed_task,
    read_embedding,
    train_architecture,
)
from ...data.devices import one_thread
from ...data.images import Images, load_task
from ...data.spaces import Codes, Space, make_space
from ...errors import ParameterError
from ..differentiable import (
    Experience,
    Gate,
    best_code,
    donor_distances,
    donor_weights,
    keep_experience,
    read_experiences,
    search_supernet,
    transferred_logits,
    warm_search,
)

Values = NDArray[np.float64]

METHODS = ("fisher", "transport", "meta-transfer", "random")
"""How a donor is chosen: the nearest by a distance, all by their nearness, or any."""

EMBEDDED = 128  # images of a task that its embedding sees


@dataclass(frozen=True)
class WarmStudy:
    """What a leave-one-task-out study of warm starts does.

    Attributes
    ----------
    tasks : tuple of str
        As ``load_task`` takes them.
    seeds : int
        Searches of each kind on each task.
    space, method : str
        The space, and the search: one of ``search_supernet``'s.
    epochs : int
        Of a cold search.
    learning_rate, logit_rate : float
        Of weights and logits.
    gate : int
        Epochs after which a donor is tested, and taken.
    strengths : tuple of float
        Of the warm starts that are tried.
    size, classes, train, held_out : int
        How a task is made small: pixels, and the most classes, training and held-out images.
    width : int
        Of supernets and of the networks that are trained alone; one cell a stage, plain reductions.
    train_epochs, trainings : int
        Of the stand-alone trainings: how long and how many of each architecture.
    shared : int
        Architectures that are trained once on every task, for the rank correlation of tasks.
    """

    tasks: tuple[str, ...]
    seeds: int = 3
    space: str = "nb201"
    method: str = "ddpnas"
    epochs: int = 20
    learning_rate: float = 0.1
    logit_rate: float = 0.01
    gate: int = 2
    strengths: tuple[float, ...] = (0.5, 1.0)
    size: int = 12
    classes: int = 20
    train: int = 500
    held_out: int = 200
    width: int = 4
    train_epochs: int = 8
    trainings: int = 2
    shared: int = 10

    def __post_init__(self) -> None:
        least = {"seeds": 1, "epochs": 2, "width": 1, "train_epochs": 1, "trainings": 2}
        check_least(self, {**least, "shared": 3, "gate": 1})
        if self.gate >= self.epochs or not self.strengths or min(self.strengths) <= 0:
            raise ParameterError(
                "gate must be fewer than epochs and strengths be above 0, not "
                f"{self.gate} of {self.epochs} and {self.strengths}"
            )
        if len(set(self.tasks)) < len(self.tasks) or len(self.tasks) < 3:
            raise ParameterError(
                "leaving one task out needs three different tasks or more, received "
                f"{', '.join(self.tasks) or 'none'}"
            )

    @property
    def recipe(self) -> Recipe:
        """How architectures are trained alone."""
        return Recipe(epochs=self.train_epochs, width=self.width, cells=1, reduction="plain")

    @property
    def looked(self) -> tuple[int, ...]:
        """The epochs after which the architecture of a search is trained alone."""
        parts = (self.epochs // 4, self.epochs // 2, 3 * self.epochs // 4, self.epochs)
        return tuple(sorted({self.gate, *(part for part in parts if part > self.gate)}))

    @property
    def sizes(self) -> dict[str, Any]:
        """Of the supernets."""
        return {"width": self.width, "cells": 1, "reduction": "plain"}


@cache
def task_images(task: str, size: int, classes: int, train: int, held_out: int) -> Images:
    """Return the images of a task, read once a process."""
    return load_task(task, size=size, classes=classes, train=train, held_out=held_out)


def images_of_task(study: WarmStudy, task: str) -> Images:
    """Return the images of a task as a study makes them small."""
    return task_images(task, study.size, study.classes, study.train, study.held_out)


def run_warm_study(
    study: WarmStudy, folder: Path, *, jobs: int = 1, progress: Progress | None = None
) -> list[Row]:
    """Do all searches and trainings of a study, and return their rows, each with its ``kind``.

    The folder keeps every search and every training: a study that was stopped goes on there, and
    one may be asked for more ``seeds`` and ``strengths``. Rows are those of this study alone.

    Parameters
    ----------
    study : WarmStudy
    folder : Path
    jobs : int
        Processes.
    progress : callable, optional

    Raises
    ------
    NasurgeError
        As ``load_task``, ``search_supernet`` and ``Journal``.
    """
    about = {"kind": "warm-start", **asdict(study), "versions": versions()}
    kept = Journal(folder, about, grows=("seeds", "strengths"))
    run = _Run(study, kept, jobs, progress)
    run.do("embed", ((task,) for task in study.tasks), _embed)
    run.do("cold", run.trials(), _cold)
    run.keep_store(folder / "experiences")
    run.do("distances", run.trials(), _distances, folder / "experiences")
    starts = {(task, seed): run.starts(task, seed) for task, seed in run.trials()}
    # At the gate only the order of the logits counts.
    run.warm(starts, study.gate, (1.0,), gated=True)
    run.warm(starts, study.epochs, study.strengths, gated=True)
    run.warm(starts, study.epochs, study.strengths, gated=False)
    space = make_space(study.space)
    codes = space.canonical(space.sample(study.shared, seed=0, unique=True))
    run.train("shared", ((task, code) for task in study.tasks for code in codes), 1)
    return run.rows


class _Run:
    """A study at work: its units by kind, in order, and what is known after each."""

    def __init__(
        self, study: WarmStudy, kept: Journal, jobs: int, progress: Progress | None
    ) -> None:
        self.study, self.kept, self.jobs, self.progress = study, kept, jobs, progress
        self.space = make_space(study.space)
        self._asked: dict[str, None] = {}

    @property
    def rows(self) -> list[Row]:
        """The rows of this study: its folder may hold those of a larger one."""
        return [row for unit in self._asked for row in self.kept.done[unit]]

    def _finish(self, units: Mapping[str, tuple[Any, ...]], work: Any) -> None:
        """Do those of the units that are not done."""
        self._asked |= dict.fromkeys(units)
        self.kept.run(bound(units, work), jobs=self.jobs, progress=self.progress)

    def trials(self) -> list[tuple[str, int]]:
        """Every task with every seed."""
        return [(task, seed) for task in self.study.tasks for seed in range(self.study.seeds)]

    def do(self, kind: str, places: Iterable[tuple[Any, ...]], work: Any, *more: Any) -> None:
        """Do the units of a kind that are not done."""
        units = {name(kind, *place): (self.study, kind, *place, *more) for place in places}
        self._finish(units, work)

    def row(self, kind: str, *place: Any) -> Row:
        """Return what a unit found."""
        return self.kept.done[name(kind, *place)][0]

    def train(self, kind: str, places: Iterable[tuple[str, Codes]], trainings: int) -> None:
        """Train architectures on tasks, each function once."""
        units = {
            name(kind, task, self.space.format([code])[0]): (
                self.study,
                kind,
                task,
                code.tolist(),
                trainings,
            )
            for task, code in places
        }
        self._finish(units, _train)

    def runs(self, task: str, codes: Codes) -> Values:
        """Return the accuracies of architectures, shape (architectures, trainings)."""
        texts = self.space.format(self.space.canonical(codes))
        return np.array([self.row("train", task, text)["accuracies"] for text in texts])

    def tolerance(self, task: str) -> float:
        """Return what of an accuracy may be noise of the trainings."""
        cold = [self.row("cold", task, seed)["codes"] for seed in range(self.study.seeds)]
        return standard_error(self.runs(task, functions(self.space, cold)))

    def experience(self, task: str, seed: int) -> Experience:
        """Return what the cold search of a task came to."""
        found = self.row("cold", task, seed)
        code = np.array(found["codes"][-1:], dtype=np.int8)
        return Experience(
            task=task,
            space=self.study.space,
            sizes=self.study.sizes,
            shares=np.array(found["shares"]),
            architecture=self.space.format(code)[0],
            accuracy=float(self.runs(task, code).mean()),
            seconds=found["seconds"],
            steps=found["steps"],
            embedding=read_embedding(self.row("embed", task)),
        )

    def keep_store(self, folder: Path) -> None:
        """Train what the cold searches found, and write the experiences of each seed."""
        cold = {trial: np.array(self.row("cold", *trial)["codes"]) for trial in self.trials()}
        places = [
            (task, code)
            for (task, _), codes in cold.items()
            for code in self.space.canonical(codes.astype(np.int8))
        ]
        self.train("train", places, self.study.trainings)
        for task, seed in self.trials():
            keep_experience(folder / f"seed-{seed}", self.experience(task, seed))

    def starts(self, task: str, seed: int) -> dict[str, tuple[list[Experience], Values]]:
        """Return the donors of each method, and their weights."""
        others = [self.experience(t, seed) for t in sorted(self.study.tasks) if t != task]
        near = {str(kind): np.array(self.row("distances", task, seed)[kind]) for kind in KINDS}
        found: dict[str, tuple[list[Experience], Values]] = {
            kind: ([others[near[kind].argmin()]], np.ones(1)) for kind in KINDS
        }
        found["meta-transfer"] = others, donor_weights(near["transport"])
        rng = np.random.default_rng([seed, self.study.tasks.index(task)])
        found["random"] = [others[int(rng.integers(len(others)))]], np.ones(1)
        return found

    def warm(
        self,
        starts: Mapping[tuple[str, int], Mapping[str, tuple[list[Experience], Values]]],
        until: int,
        strengths: Iterable[float],
        *,
        gated: bool,
    ) -> None:
        """Search from the donors for so many epochs, where the gate's have not been enough."""
        units: dict[str, tuple[Any, ...]] = {}
        for (task, seed), found in starts.items():
            for method, (donors, weights) in found.items():
                begun = name("warm", task, seed, method, self.study.gate)
                if until > self.study.gate and self.as_good(task, seed, self.kept.done[begun][0]):
                    continue
                for strength in strengths:
                    logits = transferred_logits(
                        donors, self.space, weights=weights, strength=strength
                    )
                    rest = [seed, method, until, strength][: 4 if until > self.study.gate else 3]
                    donor = "all" if len(donors) > 1 else self.row("embed", donors[0].task)["label"]
                    units[name("warm" if gated else "open", task, *rest)] = (
                        self.study,
                        task,
                        seed,
                        method,
                        until,
                        strength,
                        gated,
                        donor,
                        logits.tolist(),
                    )
        self._finish(units, _warm)
        rows = [(unit[1], self.kept.done[key][0]) for key, unit in units.items()]
        places = [
            (task, code)
            for task, row in rows
            for code in self.space.canonical(np.array(row["codes"], dtype=np.int8))
        ]
        self.train("train", places, self.study.trainings)

    def as_good(self, task: str, seed: int, row: Row) -> bool:
        """Return whether a warm search has already found what the cold one found in the end."""
        last = np.array(self.row("cold", task, seed)["codes"][-1:], dtype=np.int8)
        goal = self.runs(task, last).mean() - self.tolerance(task)
        here = self.runs(task, np.array(row["codes"], dtype=np.int8)).mean(axis=1)
        return bool((here >= goal).any())


def functions(space: Space, searches: Iterable[Any]) -> Codes:
    """Return what some searches came by, each function once, always in the same order."""
    codes = np.concatenate([np.array(search, dtype=np.int8) for search in searches])
    return np.unique(space.canonical(codes), axis=0)


def standard_error(runs: Values) -> float:
    """Return the standard error of a mean accuracy, from those of (architectures, trainings)."""
    return float(np.sqrt(runs.var(axis=1, ddof=1).mean() / runs.shape[1]))


def name(kind: str, task: str, *rest: Any) -> str:
    """Return the name of a unit of work."""
    return "|".join([kind, task, *map(str, rest)])


def _embed(study: WarmStudy, kind: str, task: str) -> list[Row]:
    images = images_of_task(study, task)
    with one_thread():
        embed_task(images, limit=EMBEDDED)  # what is loaded once a process is not the task's cost
        found = embed_task(images, limit=EMBEDDED)
    row = {key: value.tolist() for key, value in found.arrays().items()}
    return [{"kind": kind, "task": task, "label": images.name, "seconds": found.seconds, **row}]


def _supernet(study: WarmStudy, images: Images, seed: int) -> Supernet:
    return Supernet(
        make_space(study.space),
        classes=len(images.classes),
        in_channels=images.train_x.shape[1],
        **study.sizes,
        seed=seed,
    )


def _options(study: WarmStudy) -> dict[str, Any]:
    rates = {"learning_rate": study.learning_rate, "logit_rate": study.logit_rate}
    return {"epochs": study.epochs, **rates, "device": "cpu"}


@cache
def _load(study: WarmStudy) -> None:
    """Search for an epoch: what is loaded once a process is not the cost of its first search."""
    images = images_of_task(study, study.tasks[0])
    supernet = _supernet(study, images, 0)
    search_supernet(supernet, images, study.method, until=1, seed=0, **_options(study))


def _cold(study: WarmStudy, kind: str, task: str, seed: int) -> list[Row]:
    images = images_of_task(study, task)
    with one_thread():
        _load(study)
        start = time.process_time()
        supernet = _supernet(study, images, seed)
        found = search_supernet(supernet, images, study.method, seed=seed, **_options(study))
        seconds = time.process_time() - start
    row = {"kind": kind, "task": task, "seed": seed, "seconds": seconds, "steps": found.steps}
    codes = looked_at(study, found.codes)
    return [{**row, "codes": codes.tolist(), "shares": found.shares.tolist()}]


def _distances(study: WarmStudy, kind: str, task: str, seed: int, store: Path) -> list[Row]:
    donors = [d for d in read_experiences(store / f"seed-{seed}") if d.task in study.tasks]
    donors = [donor for donor in donors if donor.task != task]
    with one_thread():
        own = embed_task(images_of_task(study, task), limit=EMBEDDED)
        donor_distances(own, donors[:1])  # loads the library, once a process
        start = time.process_time()
        found = {str(by): donor_distances(own, donors, by).tolist() for by in KINDS}
        seconds = time.process_time() - start
    return [{"kind": kind, "task": task, "seed": seed, "seconds": seconds, **found}]


def _warm(
    study: WarmStudy,
    task: str,
    seed: int,
    method: str,
    until: int,
    strength: float,
    gated: bool,
    donor: str,
    logits: list[list[float]],
) -> list[Row]:
    images = images_of_task(study, task)
    with one_thread():
        _load(study)
        start = time.process_time()
        found = warm_search(
            _supernet(study, images, seed),
            images,
            np.array(logits),
            study.method,
            # What a stricter one would have said follows from its row.
            gate=Gate(study.gate, beaten=0.0) if gated else None,
            seed=seed,
            until=until,
            **_options(study),
        )
        seconds = time.process_time() - start
    kind = "warm" if gated else "open"
    about = {"kind": kind, "task": task, "seed": seed, "method": method, "until": until}
    about |= {
        "strength": strength,
        "donor_label": donor,
        "beaten": found.beaten,
        "seconds": seconds,
        "epochs": len(found.result.codes),  # fewer than asked for if it diverged
    }
    codes = looked_at(study, found.result.codes)
    donated = best_code(make_space(study.space), np.exp(np.array(logits)))
    if gated:
        codes[0] = donated  # taken by the gate
    else:
        codes = np.concatenate([donated[None], codes])
    return [{**about, "gate_seconds": found.gate_seconds, "codes": codes.tolist()}]


def looked_at(study: WarmStudy, codes: Codes) -> Codes:
    """Return the architectures of the epochs that are looked at, as far as a search has come."""
    return np.array([codes[epoch - 1] for epoch in study.looked if epoch <= len(codes)])


def _train(study: WarmStudy, kind: str, task: str, code: list[int], trainings: int) -> list[Row]:
    images = images_of_task(study, task)
    space = make_space(study.space)
    start = time.process_time()
    found = [
        train_architecture(space, code, images, study.recipe, seed=seed, device="cpu")
        for seed in range(trainings)
    ]
    row = {"kind": kind, "task": task, "architecture": space.format([code])[0]}
    accuracies = [result.test_accuracy for result in found]
    return [{**row, "accuracies": accuracies, "seconds": time.process_time() - start}]
