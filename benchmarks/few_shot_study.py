"""Few-shot rules beside each other: the study behind ``nasurge meta few-shot``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..data.devices import one_thread
from ..data.episodes import EpisodeSampler, ImageClasses, load_classes, split_classes
from ..errors import ParameterError, UnknownNameError
from .few_shot import RULES, FewShotLearner, four_convolutions, meta_train
from .intervals import interval
from .study import Progress, Row, Study, fingerprint, versions, write_rows

# Chosen on alphabets of glyphs: gradient steps, their rate, episodes a meta-step, queries a class.
SETTINGS: dict[str, dict[str, Any]] = {
    "maml": {"steps": 2, "rate": 0.4, "tasks": 8, "query": 5},
    "reptile": {"steps": 3, "rate": 0.2, "tasks": 8, "query": 5},
    "anil": {"steps": 5, "rate": 0.2, "tasks": 4, "query": 3},
}
MOST_WAYS = 20
"""Classes of the episodes that ``anil`` is trained on, where there are as many."""


@dataclass(frozen=True)
class FewShotTask:
    """Which images, how their classes are split, and what is asked of them.

    Attributes
    ----------
    images : str
        As for ``load_classes``.
    size : int or None
        Pixels to which images are resized.
    train_classes : int or float
        How many classes, or which share of them, are for meta-training.
    whole_groups : bool
        Whether alphabets stay whole.
    rotations : bool
        Whether the classes for meta-training also count turned by 90, 180 and 270 degrees.
    way : int
    query : int
        Images a class that are classified.
    """

    images: str = "glyphs"
    size: int | None = None
    train_classes: int | float = 0.7
    whole_groups: bool = True
    rotations: bool = True
    way: int = 5
    query: int = 15

    def load(self, seed: int) -> tuple[ImageClasses, ImageClasses]:
        """Return the classes for meta-training and those for meta-test."""
        train, test = split_classes(
            load_classes(self.images, size=self.size),
            self.train_classes,
            whole_groups=self.whole_groups,
            seed=seed,
        )
        return (train.with_rotations() if self.rotations else train), test


@dataclass(frozen=True)
class FewShotStudy:
    """What ``few_shot_study`` found.

    Attributes
    ----------
    summary : list of dict
        One entry per method and shot; ``accuracy`` in percent is a 95 % interval over trials, or
        over the episodes of the only one.
    rows : list of dict
        One entry per trial.
    folder : Path
    about : dict
    """

    summary: list[Row]
    rows: list[Row]
    folder: Path
    about: dict[str, Any]


def few_shot_study(
    task: FewShotTask,
    *,
    methods: Sequence[str] = RULES,
    shots: Sequence[int] = (1, 5),
    episodes: int = 1000,
    seconds: float = 60.0,
    trials: int = 1,
    seed: int = 0,
    device: str = "cpu",
    jobs: int = 1,
    out: Path | None = None,
    command: str = "",
    progress: Progress | None = None,
) -> FewShotStudy:
    """Meta-train each method for the same time, and test it on classes it never saw.

    Parameters
    ----------
    task : FewShotTask
    methods : sequence of {"maml", "reptile", "anil"}
        All with the hand-made network of four convolutions.
    shots : sequence of int
        Each is trained for and tested by itself.
    episodes : int
        Of every test, the same ones for all methods.
    seconds : float
        Of every meta-training, as for ``meta_train``.
    trials : int
        Repetitions with other weights and other training episodes.
    device : str
        Where networks are trained.
    seed, jobs, out, command, progress
        As ``nasurge.benchmarks.protocol.compare``. The split of the classes is drawn by ``seed``.

    Raises
    ------
    UnknownNameError
        If there is no such method.
    ParameterError
        If a number is below 1, or a split leaves one part empty.
    LabelError
        If there are too few classes, or one has too few images; the message names it.
    """
    for name in methods:
        if name not in RULES:
            raise UnknownNameError("method", name, RULES)
    if min(episodes, trials, *shots) < 1 or seconds <= 0:
        raise ParameterError(
            "episodes, trials and shots must be at least 1 and seconds above 0, not "
            f"{episodes}, {trials}, {list(shots)} and {seconds}"
        )
    _, test = task.load(seed)
    for shot in shots:  # refuse now what would fail after the training
        EpisodeSampler(test, way=task.way, shot=shot, query=task.query)
    about = {
        "kind": "few-shot",
        "task": {**vars(task), "test_classes": len(test.classes)},
        "methods": list(methods),
        "shots": sorted(set(shots)),
        "episodes": episodes,
        "seconds": seconds,
        "trials": trials,
        "seed": seed,
        "device": device,
        "versions": versions(),
    }
    folder = out or Path("runs") / f"few-shot-{fingerprint(about)}"
    units = {
        f"{method} {shot}-shot {trial}": (
            task,
            method,
            shot,
            episodes,
            seconds,
            seed,
            trial,
            device,
        )
        for trial in range(trials)
        for shot in sorted(set(shots))
        for method in methods
    }
    grows = ("methods", "shots", "trials")
    rows = Study(folder, about, grows=grows).run(units, _trial, jobs=jobs, progress=progress)
    write_rows(folder, [{k: v for k, v in row.items() if k != "each"} for row in rows])
    return FewShotStudy(summarise(rows), rows, folder, {**about, "command": command})


def _trial(
    task: FewShotTask,
    method: str,
    shot: int,
    episodes: int,
    seconds: float,
    seed: int,
    trial: int,
    device: str,
) -> list[Row]:
    """Return the row of one meta-training; the work of one unit."""
    settings = SETTINGS[method]
    drawn = np.random.default_rng([seed, trial, shot])
    with one_thread():
        train, test = task.load(seed)
        way = min(MOST_WAYS, len(train.classes)) if method == "anil" else task.way
        query = min(settings["query"], int(train.counts.min()) - shot)
        _, channels, size, _ = train.images.shape
        network = four_convolutions(task.way, in_channels=channels, size=size, seed=drawn)
        learner = FewShotLearner(
            network.to(device),
            method,  # type: ignore[arg-type]
            steps=settings["steps"],
            rate=settings["rate"],
        )
        sampler = EpisodeSampler(train, way=way, shot=shot, query=query, seed=drawn)
        history = meta_train(learner, sampler, seconds=seconds, tasks=settings["tasks"])
        asked = EpisodeSampler(
            test, way=task.way, shot=shot, query=task.query, seed=np.random.default_rng([seed, 1])
        )
        each = learner.accuracy(asked, episodes)
    return [
        {
            "method": method,
            "way": task.way,
            "shot": shot,
            "trial": trial,
            "episodes": episodes,
            "accuracy": float(each.mean()),
            "each": each.round(2).tolist(),
            "meta_steps": len(history.losses),
            "train_seconds": history.seconds,
            "diverged": history.diverged,
        }
    ]


def summarise(rows: Sequence[Row]) -> list[Row]:
    """Return one entry per method and shot, the best of a shot first.

    Examples
    --------
    >>> row = {"method": "maml", "way": 5, "shot": 1, "episodes": 2, "accuracy": 50.0}
    >>> row |= {"each": [40.0, 60.0], "diverged": False, "train_seconds": 1.0, "meta_steps": 9}
    >>> summarise([row])[0]["accuracy"]["n"], summarise([row, row])[0]["accuracy"]["mean"]
    (2, 50.0)
    """
    found = []
    for method, shot in dict.fromkeys((row["method"], row["shot"]) for row in rows):
        own = [row for row in rows if (row["method"], row["shot"]) == (method, shot)]
        values = [row["accuracy"] for row in own] if len(own) > 1 else own[0]["each"]
        found.append(
            {
                "method": method,
                "way": own[0]["way"],
                "shot": shot,
                "episodes": own[0]["episodes"],
                "trials": len(own),
                "accuracy": interval(values),
                "interval_over": "trials" if len(own) > 1 else "episodes",
                "meta_steps": interval([row["meta_steps"] for row in own]),
                "train_seconds": interval([row["train_seconds"] for row in own]),
                "diverged": sum(row["diverged"] for row in own),
            }
        )
    return sorted(found, key=lambda row: (row["shot"], -(row["accuracy"]["mean"] or 0.0)))
