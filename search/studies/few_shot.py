"""Few-shot learners beside each other: the study behind ``nasurge meta few-shot``."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypedDict

import numpy as np

from ...benchmarks.few_shot import RULES, STEPS, meta_train
from ...benchmarks.intervals import Interval, interval
from ...benchmarks.studies import (
    Findings,
    Page,
    Parts,
    Picture,
    Row,
    Section,
    Study,
    TextTable,
    Unit,
    best_with,
    by_name,
    chosen,
    grouped,
    interval_text,
    interval_words,
    leading,
    number_of,
    refuse_unused,
    versions,
)
from ...data.devices import device_kind, one_thread, resolve_device
from ...data.images import EpisodeSampler
from ...errors import ParameterError
from ..at_nas import ATNAS, EPISODES, RULE, load_split, make_learner, training_episodes
from .names import FEW_SHOT_METHODS
from .options import FewShotOptions


class FewShotRow(TypedDict):
    """One meta-training and its test."""

    method: Annotated[str, "what was meta-trained"]
    way: Annotated[int, "classes of an episode"]
    shot: Annotated[int, "images a class that are learnt from"]
    trial: Annotated[int, "number of the repetition, with other weights and training episodes"]
    episodes: Annotated[int, "episodes of the test, the same for all methods"]
    accuracy: Annotated[float, "mean over these, in percent"]
    architecture: Annotated[str | None, "what a search chose"]
    meta_steps: Annotated[int, "meta-steps in the time that all had"]
    train_seconds: Annotated[float, "wall-clock time of the meta-training"]
    diverged: Annotated[bool, "whether it ended early, with the weights before"]


class FewShotEntry(TypedDict):
    """One method with some images a class, over trials."""

    method: Annotated[str, "what was meta-trained"]
    way: Annotated[int, "classes of an episode"]
    shot: Annotated[int, "images a class that are learnt from"]
    episodes: Annotated[int, "episodes of every test"]
    trials: Annotated[int, "meta-trainings"]
    accuracy: Annotated[Interval, "in percent"]
    interval_over: Annotated[str, "trials, or episodes where there is one trial"]
    meta_steps: Annotated[Interval, "meta-steps in the time that all had, over trials"]
    train_seconds: Annotated[Interval, "wall-clock time of a meta-training, over trials"]
    diverged: Annotated[int, "trials whose meta-training ended early"]
    architectures: Annotated[list[str], "what each trial of a search chose"]


@dataclass(frozen=True, repr=False)
class FewShotFindings(Findings):
    """Outcome of ``meta few-shot``: an entry per method and number of images a class."""

    def best(self, shot: int | None = None) -> Row:
        """Entry of the summary with the highest mean accuracy.

        Parameters
        ----------
        shot : int, optional
            Images a class; by default the largest number.

        Raises
        ------
        ParameterError
            If nothing was measured with so many.
        """
        return best_with(self.summary, "accuracy", "shot", shot)


@dataclass(frozen=True)
class FewShotUnit:
    """One meta-training with its test."""

    study: FewShotStudy
    method: str
    shot: int
    trial: int

    def __call__(self) -> list[Row]:
        """Row of the meta-training; ``each`` is the accuracy of every episode."""
        options, method, shot = self.study.options, self.method, self.shot
        drawn = np.random.default_rng([options.seed, self.trial, shot])
        with one_thread():
            train, test = load_split(options, seed=options.seed)
            learner, train = make_learner(method, train, options, shot=shot, seed=drawn)
            history = meta_train(
                learner.to(self.study.device),
                training_episodes(method, train, options, shot=shot, seed=drawn),
                seconds=options.seconds,
                tasks=EPISODES[method][0],
            )
            tested = learner.learner() if isinstance(learner, ATNAS) else learner
            sampler = EpisodeSampler(
                test,
                way=options.way,
                shot=shot,
                query=options.query,
                seed=np.random.default_rng([options.seed, 1]),
            )
            each = tested.accuracy(sampler, options.episodes)
        row: FewShotRow = {
            "method": method,
            "way": options.way,
            "shot": shot,
            "trial": self.trial,
            "episodes": options.episodes,
            "accuracy": float(each.mean()),
            "architecture": getattr(learner, "architecture", None),
            "meta_steps": len(history.losses),
            "train_seconds": history.seconds,
            "diverged": history.diverged,
        }
        return [{**row, "each": each.round(2).tolist()}]


class FewShotStudy(Study[FewShotFindings, FewShotOptions]):
    """Accuracies of few-shot learners, each meta-trained for the same time, on unseen classes.

    Parameters
    ----------
    options : FewShotOptions
        ``methods`` are some of ``FEW_SHOT_METHODS``. Each of ``shots`` is trained for and tested by
        itself. The split of the classes is drawn by ``seed``.

    Raises
    ------
    UnknownNameError
        If there is no such method or split.
    ParameterError
        If a number is below 1, a split leaves one part empty, or an option is of no use.
    LabelError
        If there are too few classes, or one has too few images; the message names it.
    """

    kind = "few-shot"
    title = "Few-shot learners after the same time of meta-training"
    command = "meta few-shot"
    options_type = FewShotOptions
    findings = FewShotFindings
    grows = ("methods", "shots", "trials")
    row = FewShotRow
    entry = FewShotEntry

    def __init__(self, options: FewShotOptions) -> None:
        self.options = options
        self.methods = chosen(options.methods, tuple(FEW_SHOT_METHODS), kind="method")
        self.shots = sorted(set(options.shots))
        self.device = resolve_device(options.device)
        self._check()

    def _check(self) -> None:
        """Refuse now what would fail after a training."""
        options = self.options
        lowest = min(options.episodes, options.trials, *self.shots, 1 if self.shots else 0)
        if lowest < 1 or not 0 < options.seconds < math.inf:
            raise ParameterError(
                "episodes, trials and shots must be at least 1 and seconds above 0, not "
                f"{options.episodes}, {options.trials}, {self.shots} and {options.seconds}"
            )
        if set(self.methods) <= set(RULES):
            reason = f"with {', '.join(self.methods)}, whose network is made by hand"
            refuse_unused(options, ("space", "width"), reason)
        train, test = load_split(options, seed=options.seed)
        self.test_classes = len(test.classes)
        for shot in self.shots:
            EpisodeSampler(test, way=options.way, shot=shot, query=options.query)
            for name in self.methods:
                _, classes = make_learner(name, train, options, shot=shot)
                training_episodes(name, classes, options, shot=shot)

    def about(self) -> dict[str, Any]:
        """JSON description of the study."""
        options = self.options
        return {
            "task": {**options.task, "test_classes": self.test_classes},
            "methods": self.methods,
            "shots": self.shots,
            "episodes": options.episodes,
            "seconds": options.seconds,
            "network": [options.space, options.width],
            "settings": {"searched_by": RULE, "inner_loops": STEPS, "meta_steps": EPISODES},
            "trials": options.trials,
            "seed": options.seed,
            "device": device_kind(self.device),
            "versions": versions(),
        }

    def units(self, folder: Path) -> Mapping[str, Unit]:  # noqa: ARG002 -- keeps no files
        """One unit per trial, shot and method."""
        return {
            f"{method} {shot}-shot {trial}": FewShotUnit(self, method, shot, trial)
            for trial in range(self.options.trials)
            for shot in self.shots
            for method in self.methods
        }

    def tidy(self, rows: Sequence[Row]) -> list[Row]:
        """Rows without the accuracies of single episodes."""
        return [{k: v for k, v in row.items() if k != "each"} for row in rows]

    def summarise(self, rows: Sequence[Row]) -> Parts:
        """One entry per method and shot, the best of a shot first."""
        return {"summary": _summary(rows)}

    @classmethod
    def restored(cls, rows: Sequence[Row], about: Mapping[str, Any]) -> Parts | None:
        """Summary made of the rows alone; None if meta-trainings are missing."""
        # A folder that grew may hold more than all that its last run asked for.
        wanted = len(about["methods"]) * len(about["shots"]) * about["trials"]
        return {"summary": _summary(rows)} if len(rows) >= wanted else None

    @classmethod
    def table_of(cls, found: Parts) -> TextTable:
        """Accuracy in percent per shot and method, the best of each shot first."""
        summary = found["summary"]
        shown = [
            [
                entry["method"],
                str(entry["way"]),
                str(entry["shot"]),
                interval_text(entry["accuracy"]),
                f"{entry['meta_steps']['mean']:.0f}",
                str(entry["diverged"]),
            ]
            for entry in summary
        ]
        best = leading([entry["shot"] for entry in summary])
        columns = ("method", "way", "shot", "accuracy, %", "meta-steps", "diverged")
        return TextTable(columns, shown, best)

    @classmethod
    def notes(cls, found: Parts) -> list[str]:
        """Line that says what the intervals are over."""
        entry = found["summary"][0]
        if entry["interval_over"] == "trials":
            return [interval_words(entry["trials"])]
        words = "Mean and 95 % interval over the episodes of one meta-training. How much trainings"
        return [f"{words} differ is seen with --trials 5."]

    @classmethod
    def page(cls, found: Parts, folder: Path) -> Page:  # noqa: ARG003 -- shows no other files
        """Report of the accuracies."""
        about = found["about"]
        leaders: dict[int, Row] = {}
        for entry in found["summary"]:
            leaders.setdefault(entry["shot"], entry)
        best = "; ".join(
            f"{entry['method']} from {number_of(shot, 'image')} a class, "
            f"{interval_text(entry['accuracy'], digits=1)} %"
            for shot, entry in leaders.items()
        )
        lead = (
            f"Best after {about['seconds']:g} seconds of meta-training, on classes never seen: "
            f"{best}."
        )
        lines = " ".join(cls.notes(found))
        drawn = Section("Accuracy by method", lines, [_picture(found["summary"])])
        table = Section.of("All numbers", cls.table_of(found), lines)
        architectures = [
            [entry["method"], str(entry["shot"]), text]
            for entry in found["summary"]
            for text in entry["architectures"]
        ]
        searched = Section(
            "Architectures", "", (), ("method", "shot", "architecture"), architectures
        )
        return Page(lead, [drawn, table, *([searched] if architectures else [])], about)


def _picture(summary: Sequence[Row]) -> Picture:
    """Picture of the accuracy of each method, a panel per number of images a class."""
    groups = {
        f"{number_of(shot, 'image')} a class, {members[0]['way']} classes": {
            entry["method"]: entry["accuracy"] for entry in members
        }
        for shot, members in grouped(summary, "shot").items()
    }
    title = "Accuracy on classes never seen, by method"
    return by_name("accuracies", title, groups, quantity="accuracy, %")


def _summary(rows: Sequence[Row]) -> list[Row]:
    """One entry per method and shot, the best of a shot first.

    Examples
    --------
    >>> row = {"method": "maml", "way": 5, "shot": 1, "episodes": 2, "accuracy": 50.0}
    >>> row |= {"each": [40.0, 60.0], "diverged": False, "train_seconds": 1.0, "meta_steps": 9}
    >>> row["architecture"] = None
    >>> _summary([row])[0]["accuracy"]["n"], _summary([row, row])[0]["accuracy"]["mean"]
    (2, 50.0)
    """
    summary = []
    for (method, shot), trials in grouped(rows, "method", "shot").items():
        several = len(trials) > 1
        values = [row["accuracy"] for row in trials] if several else trials[0]["each"]
        summary.append(
            {
                "method": method,
                "way": trials[0]["way"],
                "shot": shot,
                "episodes": trials[0]["episodes"],
                "trials": len(trials),
                "accuracy": interval(values, least=0, most=100),
                "interval_over": "trials" if several else "episodes",
                "meta_steps": interval([row["meta_steps"] for row in trials], least=0),
                "train_seconds": interval([row["train_seconds"] for row in trials], least=0),
                "diverged": sum(row["diverged"] for row in trials),
                "architectures": [row["architecture"] for row in trials if row["architecture"]],
            }
        )
    return sorted(summary, key=lambda row: (row["shot"], -(row["accuracy"]["mean"] or 0.0)))
