"""Few-shot rules beside each other: the study behind ``nasurge meta few-shot``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..benchmarks.few_shot import RULES, FewShotLearner, four_convolutions
from ..benchmarks.few_shot_supernet import FewShotSupernet
from ..benchmarks.intervals import interval
from ..benchmarks.meta_train import meta_train
from ..benchmarks.study import Progress, Row, Study, fingerprint, versions, write_rows
from ..benchmarks.supernet_layers import uniform_codes
from ..data.devices import one_thread
from ..data.episodes import EpisodeSampler, ImageClasses, load_classes, split_classes
from ..data.seeds import Seed, as_generator
from ..data.spaces import make_space
from ..errors import ParameterError, UnknownNameError
from .at_nas import ATNAS
from .joint_nas import SYSTEMS, JointLearner

METHODS = ("at-nas", "random", *SYSTEMS, *RULES)
"""Searches of an architecture, one drawn uniformly, and rules with the hand-made network."""
# Chosen on alphabets of glyphs: gradient steps, their rate, episodes a meta-step, queries a class.
SETTINGS: dict[str, dict[str, Any]] = {
    "maml": {"steps": 2, "rate": 0.4, "tasks": 8, "query": 5},
    "reptile": {"steps": 3, "rate": 0.2, "tasks": 8, "query": 5},
    "anil": {"steps": 5, "rate": 0.2, "tasks": 4, "query": 3},
    "protonet": {"steps": 1, "rate": 1.0, "tasks": 4, "query": 3},
    "t-nas": {"steps": 2, "rate": 0.1, "tasks": 4, "query": 5},
    "metanas": {"steps": 3, "rate": 0.1, "tasks": 4, "query": 5},
}
SETTINGS |= {"at-nas": SETTINGS["protonet"], "random": SETTINGS["protonet"]}
MOST_WAYS = 20
"""Classes of the episodes of rules that adapt the last layer only, where there are as many."""
ASIDE = 0.06
"""Share of the classes for meta-training by which AT-NAS compares encodings."""


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
    methods: Sequence[str] = METHODS,
    shots: Sequence[int] = (1, 5),
    episodes: int = 1000,
    seconds: float = 60.0,
    trials: int = 1,
    space: str = "nb201",
    width: int = 16,
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
    methods : sequence of str
        Of ``METHODS``. ``maml``, ``reptile``, ``anil`` and ``protonet`` have the hand-made network
        of four convolutions; the others search, or draw, a network of ``space``.
    shots : sequence of int
        Each is trained for and tested by itself.
    episodes : int
        Of every test, the same ones for all methods.
    seconds : float
        Of every meta-training, as for ``meta_train``.
    trials : int
        Repetitions with other weights and other training episodes.
    space, width
        Of the searched networks, as for ``FewShotSupernet``.
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
        if name not in METHODS:
            raise UnknownNameError("method", name, METHODS)
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
        "network": [space, width],
        "trials": trials,
        "seed": seed,
        "device": device,
        "versions": versions(),
    }
    folder = out or Path("runs") / f"few-shot-{fingerprint(about)}"
    plan = _Plan(task, space, width, episodes, seconds, seed, device)
    units = {
        f"{method} {shot}-shot {trial}": (plan, method, shot, trial)
        for trial in range(trials)
        for shot in sorted(set(shots))
        for method in methods
    }
    grows = ("methods", "shots", "trials")
    rows = Study(folder, about, grows=grows).run(units, _trial, jobs=jobs, progress=progress)
    write_rows(folder, [{k: v for k, v in row.items() if k != "each"} for row in rows])
    return FewShotStudy(summarise(rows), rows, folder, {**about, "command": command})


@dataclass(frozen=True)
class _Plan:
    """What all trials of a study have in common."""

    task: FewShotTask
    space: str
    width: int
    episodes: int
    seconds: float
    seed: int
    device: str


def _trial(plan: _Plan, method: str, shot: int, trial: int) -> list[Row]:
    """Return the row of one meta-training; the work of one unit."""
    task, settings = plan.task, SETTINGS[method]
    drawn = np.random.default_rng([plan.seed, trial, shot])
    with one_thread():
        train, test = task.load(plan.seed)
        learner, train = make_learner(
            method, train, task, shot=shot, space=plan.space, width=plan.width, seed=drawn
        )
        sampler = training_episodes(method, train, task, shot=shot, seed=drawn)
        history = meta_train(
            learner.to(plan.device), sampler, seconds=plan.seconds, tasks=settings["tasks"]
        )
        tested = learner.learner() if isinstance(learner, ATNAS) else learner
        asked = EpisodeSampler(
            test,
            way=task.way,
            shot=shot,
            query=task.query,
            seed=np.random.default_rng([plan.seed, 1]),
        )
        each = tested.accuracy(asked, plan.episodes)
    return [
        {
            "method": method,
            "way": task.way,
            "shot": shot,
            "trial": trial,
            "episodes": plan.episodes,
            "accuracy": float(each.mean()),
            "each": each.round(2).tolist(),
            "architecture": getattr(learner, "architecture", None),
            "meta_steps": len(history.losses),
            "train_seconds": history.seconds,
            "diverged": history.diverged,
        }
    ]


def training_episodes(
    method: str, train: ImageClasses, task: FewShotTask, *, shot: int, seed: Seed = None
) -> EpisodeSampler:
    """Return the episodes that a method, or AT-NAS by the rule of that name, is trained on."""
    head = method not in ("maml", "reptile", *SYSTEMS)
    return EpisodeSampler(
        train,
        way=min(MOST_WAYS, len(train.classes)) if head else task.way,
        shot=shot,
        query=max(1, min(SETTINGS[method]["query"], int(train.counts.min()) - shot)),
        seed=seed,
    )


def make_learner(
    method: str,
    train: ImageClasses,
    task: FewShotTask,
    *,
    shot: int,
    space: str = "nb201",
    width: int = 16,
    rule: str = "protonet",
    seed: Seed = None,
) -> tuple[FewShotLearner | ATNAS, ImageClasses]:
    """Return a method as a learner, and the classes for its meta-training.

    AT-NAS keeps some of the classes aside, to compare encodings by; ``rule`` is by what its
    encodings adapt.

    Raises
    ------
    UnknownNameError
        If there is no such method or space.
    ParameterError
        If the space has no networks, or no class is left to keep aside.
    """
    rng, settings = as_generator(seed), SETTINGS[rule if method == "at-nas" else method]
    how = {"steps": settings["steps"], "rate": settings["rate"]}
    _, channels, size, _ = train.images.shape
    sizes = {"in_channels": channels, "size": size}
    if method in RULES:
        network = four_convolutions(task.way, **sizes, seed=rng)
        return FewShotLearner(network, method, **how), train  # type: ignore[arg-type]
    supernet = FewShotSupernet(
        make_space(space), way=task.way, **sizes, width=width, fold=1 + (size >= 16), seed=rng
    )
    if method in SYSTEMS:
        return JointLearner(supernet, method, **how), train  # type: ignore[arg-type]
    if method == "random":
        code = uniform_codes(supernet.space, 1, rng)[0]
        return FewShotLearner(supernet.network(code), **how), train
    aside, rest = split_classes(train, max(task.way, round(ASIDE * len(train.classes))), seed=rng)
    query = min(5, int(aside.counts.min()) - shot)
    fitness = EpisodeSampler(aside, way=task.way, shot=shot, query=query, seed=rng)
    return ATNAS(supernet, fitness, rule=rule, **how, seed=rng), rest  # type: ignore[arg-type]


def summarise(rows: Sequence[Row]) -> list[Row]:
    """Return one entry per method and shot, the best of a shot first.

    Examples
    --------
    >>> row = {"method": "maml", "way": 5, "shot": 1, "episodes": 2, "accuracy": 50.0}
    >>> row |= {"each": [40.0, 60.0], "diverged": False, "train_seconds": 1.0, "meta_steps": 9}
    >>> row["architecture"] = None
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
                "architectures": [row["architecture"] for row in own if row["architecture"]],
            }
        )
    return sorted(found, key=lambda row: (row["shot"], -(row["accuracy"]["mean"] or 0.0)))
