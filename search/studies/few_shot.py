"""Few-shot rules beside each other: the study behind ``nasurge meta few-shot``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...benchmarks.few_shot import (
    RULES,
    STEPS,
    FewShotLearner,
    FewShotSupernet,
    Rule,
    four_convolutions,
    meta_train,
)
from ...benchmarks.intervals import interval
from ...benchmarks.studies import Journal, Progress, Row, bound, fingerprint, versions, write_rows
from ...benchmarks.supernet import uniform_codes
from ...data.devices import one_thread
from ...data.images import EpisodeSampler, ImageClasses, load_classes, split_classes
from ...data.seeds import Seed, as_generator
from ...data.spaces import make_space
from ...errors import LabelError, ParameterError, UnknownNameError
from ..at_nas import ATNAS, SYSTEMS, JointLearner

METHODS = ("at-nas", "random", *SYSTEMS, *RULES)
"""Searches of an architecture, one drawn uniformly, and rules with the hand-made network."""
RULE: Rule = "protonet"
"""By which searched and drawn networks adapt."""
# Episodes a meta-step, and queries a class of each. Chosen on alphabets of glyphs.
EPISODES = {"maml": (8, 5), "reptile": (8, 5), "anil": (4, 3), "protonet": (4, 3)}
EPISODES |= {"t-nas": (4, 5), "metanas": (4, 5)}
EPISODES |= {"at-nas": EPISODES[RULE], "random": EPISODES[RULE]}
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
        """Return the classes for meta-training and those for meta-test.

        Raises
        ------
        ParameterError
            If images are not square, or a part would be empty.
        """
        data = load_classes(self.images, size=self.size)
        height, width = data.images.shape[2:]
        if height != width:
            raise ParameterError(
                f"images of {data.name} are {height}x{width} pixels, not square: give a size to "
                "which they are resized (--size)"
            )
        train, test = split_classes(
            data,
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
        As ``nasurge.benchmarks.studies.compare``. The split of the classes is drawn by ``seed``.

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
    if min(episodes, trials, *shots) < 1 or not 0 < seconds < math.inf:
        raise ParameterError(
            "episodes, trials and shots must be at least 1 and seconds above 0, not "
            f"{episodes}, {trials}, {list(shots)} and {seconds}"
        )
    train, test = task.load(seed)
    for shot in shots:  # refuse now what would fail after a training
        EpisodeSampler(test, way=task.way, shot=shot, query=task.query)
        for name in methods:
            _, classes = make_learner(name, train, task, shot=shot, space=space, width=width)
            training_episodes(name, classes, task, shot=shot)
    about = {
        "kind": "few-shot",
        "task": {**vars(task), "test_classes": len(test.classes)},
        "methods": list(methods),
        "shots": sorted(set(shots)),
        "episodes": episodes,
        "seconds": seconds,
        "network": [space, width],
        "settings": {"searched_by": RULE, "inner_loops": STEPS, "meta_steps": EPISODES},
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
    rows = Journal(folder, about, grows=grows).run(
        bound(units, _trial), jobs=jobs, progress=progress
    )
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
    task = plan.task
    drawn = np.random.default_rng([plan.seed, trial, shot])
    with one_thread():
        train, test = task.load(plan.seed)
        learner, train = make_learner(
            method, train, task, shot=shot, space=plan.space, width=plan.width, seed=drawn
        )
        sampler = training_episodes(method, train, task, shot=shot, seed=drawn)
        history = meta_train(
            learner.to(plan.device), sampler, seconds=plan.seconds, tasks=EPISODES[method][0]
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
        query=max(1, min(EPISODES[method][1], int(train.counts.min()) - shot)),
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
    rule: str = RULE,
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
        If the space has no networks.
    LabelError
        If there are too few classes to keep some aside, or one has too few images.
    """
    rng = as_generator(seed)
    _, channels, size, _ = train.images.shape
    sizes = {"in_channels": channels, "size": size}
    if method in RULES:
        network = four_convolutions(task.way, **sizes, seed=rng)
        return FewShotLearner(network, method), train  # type: ignore[arg-type]
    fold = 2 if size >= 16 and size % 2 == 0 else 1
    supernet = FewShotSupernet(
        make_space(space), way=task.way, **sizes, width=width, fold=fold, seed=rng
    )
    if method in SYSTEMS:
        return JointLearner(supernet, method), train  # type: ignore[arg-type]
    if method == "random":
        code = uniform_codes(supernet.space, 1, rng)[0]
        return FewShotLearner(supernet.network(code), RULE), train
    n_aside = max(task.way, round(ASIDE * len(train.classes)))
    if len(train.classes) < n_aside + task.way:
        raise LabelError(
            f"at-nas keeps {n_aside} classes aside and trains {task.way}-way episodes on others, "
            f"but has {len(train.classes)} classes of {train.name} for meta-training: give it more "
            "(--train-classes, --rotations), or a lower --way"
        )
    aside, rest = split_classes(train, n_aside, seed=rng)
    query = max(1, min(5, int(aside.counts.min()) - shot))
    fitness = EpisodeSampler(aside, way=task.way, shot=shot, query=query, seed=rng)
    return ATNAS(supernet, fitness, rule=rule, seed=rng), rest  # type: ignore[arg-type]


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
