"""Predictions for a new task from earlier ones: the study behind ``nasurge meta transfer``."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from ...benchmarks.intervals import Interval
from ...benchmarks.metrics import METRICS
from ...benchmarks.objectives import Problem
from ...benchmarks.studies import (
    Findings,
    Journal,
    Page,
    Parts,
    Picture,
    Row,
    Section,
    Study,
    TextTable,
    Unit,
    best_with,
    by_number,
    chosen,
    descending,
    interval_text,
    interval_words,
    leading,
    measured_cases,
    number_of,
    refuse_unused,
    split_rows,
    versions,
)
from ...data.devices import one_thread
from ...data.spaces import Codes
from ...data.tables import TaskLabels
from ...data.types import Values
from ...errors import LabelError, ParameterError
from ...predictors.classical import XGBoost
from ...predictors.ensembles import Auto
from ...predictors.processes import GaussianProcess
from ...predictors.processes.anchoring import CANDIDATES, anchors
from ...predictors.transfer import GraphPrior, TaskPrior, Transfer, TransferGraph
from .names import TRANSFER_METHODS
from .options import TransferOptions
from .transfer_sources import EarlierLabels, draw_labels, parse_sources

_ANCHORED = ("transfer-anchors", "scratch-anchors")
_PRIORS: dict[str, type[TaskPrior] | type[GraphPrior]] = {
    "transfer": TaskPrior,
    "transfer-graph": GraphPrior,
}
_MOST_FOR_GP = 1000  # labels of earlier tasks: the cost of a Gaussian process is cubic
_FEWEST_TESTED = 10

_MEASURED = ("kendall_tau", "kendall_tau_top5", "regret_at_10")
Priors = dict[str, TaskPrior | GraphPrior]


class TransferRow(TypedDict):
    """One method with some labels of the new task in one trial."""

    source: Annotated[str, "names of the earlier tasks, joined by +"]
    target: Annotated[str, "the new task"]
    labels: Annotated[int, "labels of the new task"]
    method: Annotated[str, "what ranks its architectures"]
    trial: Annotated[int, "number of the draw of all labels"]
    seed: Annotated[int, "seed of the study"]
    seconds: Annotated[float, "time of fit and prediction, what earlier tasks teach left out"]
    kendall_tau: Annotated[float, "correlation with measured values over all other architectures"]
    kendall_tau_top5: Annotated[float, "the same among the best 5 % of them"]
    regret_at_10: Annotated[float, "best value minus the best among the ten that score highest"]


class TransferEntry(TypedDict):
    """One method with some labels of the new task, over trials."""

    source: Annotated[str, "names of the earlier tasks, joined by +"]
    target: Annotated[str, "the new task"]
    labels: Annotated[int, "labels of the new task"]
    method: Annotated[str, "what ranks its architectures"]
    kendall_tau: Annotated[Interval, "correlation with measured values, over trials"]
    kendall_tau_top5: Annotated[Interval, "the same among the best 5 %"]
    regret_at_10: Annotated[Interval, "best value minus the best among the ten that score highest"]


@dataclass(frozen=True, repr=False)
class TransferFindings(Findings):
    """Outcome of ``meta transfer``: an entry per method and number of labels."""

    def best(self, labels: int | None = None) -> Row:
        """Entry of the summary with the highest mean Kendall tau.

        Parameters
        ----------
        labels : int, optional
            Of the new task; by default the largest number.

        Raises
        ------
        ParameterError
            If nothing was measured with so many.
        """
        return best_with(self.summary, "kendall_tau", "labels", labels)


@dataclass(frozen=True)
class TransferUnit:
    """All methods with all numbers of labels in one trial."""

    study: TransferStudy
    trial: int

    def __call__(self) -> list[Row]:
        """Rows of the trial, one per number of labels and method."""
        study, target, seed = self.study, self.study.target, self.study.options.seed
        earlier = study.draw(self.trial)
        priors = study.shared_priors or study.fit_priors(earlier, seed * 2**20 + self.trial)
        rows: list[TransferRow] = []
        for n in study.labels:
            drawn = split_rows(target, n, self.trial, seed)
            anchored = drawn
            if n and set(study.methods) & set(_ANCHORED):
                anchored = anchored_split(target, n, self.trial, seed)
            for method in study.methods:
                if not _enough(method, n):
                    continue
                if method.startswith("tasks-") and not len(earlier.same.y):
                    continue
                train, test = anchored if method in _ANCHORED else drawn
                labelled = target.codes[train], target.report_values[train]
                start = time.perf_counter()
                with one_thread():
                    scores = self._scores(
                        method, priors, earlier.same, labelled, target.codes[test]
                    )
                    true = target.report_values[test]
                    measured = {name: METRICS[name].measure(true, scores) for name in _MEASURED}
                rows.append(
                    {
                        "source": "+".join(source.name for source in study.sources),
                        "target": target.address,
                        "labels": n,
                        "method": method,
                        "trial": self.trial,
                        "seed": seed,
                        "seconds": time.perf_counter() - start,
                        "kendall_tau": measured["kendall_tau"],
                        "kendall_tau_top5": measured["kendall_tau_top5"],
                        "regret_at_10": measured["regret_at_10"],
                    }
                )
        return [dict(row) for row in rows]

    def _scores(
        self,
        method: str,
        priors: Priors,
        earlier: TaskLabels,
        labelled: tuple[Codes, Values],
        codes: Codes,
    ) -> Values:
        """Scores of architectures after some labels of the new task, shape (n,)."""
        name, space = method.removesuffix("-anchors"), self.study.target.space
        if name in priors:
            prior = priors[name]
            if isinstance(prior, TaskPrior):
                return np.asarray(Transfer(space, prior=prior).fit(*labelled).predict(codes))
            return np.asarray(TransferGraph(space, prior=prior).fit(*labelled).predict(codes))
        if name == "scratch":
            return Auto(space, seed=self.trial).fit(*labelled).predict(codes)
        together = np.concatenate([earlier.codes, labelled[0]])
        y = np.concatenate([earlier.y, labelled[1]])
        if name == "tasks-xgb":
            trees = XGBoost(space, features=("structure",), seed=self.trial)
            return trees.fit(together, y).predict(codes)
        rows = np.random.default_rng(self.trial).permutation(len(earlier.y))[:_MOST_FOR_GP]
        rows = np.append(rows, np.arange(len(earlier.y), len(y)))  # the new task's labels always
        process = GaussianProcess(space, features=("structure",))
        return process.fit(together[rows], y[rows]).predict(codes)


class TransferStudy(Study[TransferFindings, TransferOptions]):
    """Kendall's tau on a new task after earlier ones, with no and with few labels of it.

    In trial ``t`` all methods get the same labels, fewer labels are part of more, and all other
    architectures of the table are the test. Methods that end in ``-anchors`` have, among
    themselves, other labels and thus another test: those of architectures chosen by structure.

    Parameters
    ----------
    options : TransferOptions
        ``methods`` are some of ``TRANSFER_METHODS``. ``scratch`` is left out where there are too
        few labels for it, those of anchors where there are none, and those that ignore tasks where
        all earlier ones are of other spaces.

    Raises
    ------
    UnknownNameError
        If a method is not known.
    ParameterError
        If a number is too small, there are more labels than anchors are chosen among or too few
        for all methods, an option is of no use, or ``out`` holds another study.
    LabelError
        If so many labels leave no architectures to test on.
    """

    kind = "transfer"
    title = "Labels of earlier tasks for a new one"
    command = "meta transfer"
    options_type = TransferOptions
    findings = TransferFindings
    grows = ("trials",)
    row = TransferRow
    entry = TransferEntry

    def __init__(self, options: TransferOptions) -> None:
        self.options = options
        self.methods = chosen(options.methods, tuple(TRANSFER_METHODS), kind="method")
        self.labels = sorted(set(options.labels))
        self.sources, self.target = parse_sources(
            options.sources, options.target, metric=options.metric
        )
        self._only_files = not any(isinstance(source.content, Problem) for source in self.sources)
        self.shared_priors: Priors | None = None
        """Priors of all trials, where all earlier tasks are in files."""
        self._check()

    def _check(self) -> None:
        options, sizes, target = self.options, self.labels, self.target
        if not sizes or sizes[0] < 0 or options.trials < 1 or options.source_labels < 1:
            raise ParameterError(
                "labels are 0 or more, trials and labels of earlier tasks 1 or more; received "
                f"{sizes}, {options.trials} and {options.source_labels}"
            )
        if self._only_files:
            refuse_unused(options, ("source_labels",), "with files, which are used whole")
        if sizes[-1] > len(target.rows) - _FEWEST_TESTED:
            raise LabelError(
                f"{target.address} has {len(target.rows)} measured architectures: {sizes[-1]} "
                "labels leave too few to test on"
            )
        anchored = [name for name in _ANCHORED if name in self.methods]
        if anchored and sizes[-1] > CANDIDATES:
            raise ParameterError(
                f"anchors are chosen among {CANDIDATES} architectures: {sizes[-1]} labels are too "
                f"many for {', '.join(anchored)}"
            )
        if not any(_enough(name, n) for name in self.methods for n in sizes):
            raise ParameterError(
                f"{', '.join(self.methods)} learn from labels of the new task alone, and {sizes} "
                "are too few"
            )

    def about(self) -> dict[str, Any]:
        """JSON description of the study."""
        return {
            "sources": {source.name: source.digest for source in self.sources},
            "target": self.target.address,
            "table": self.target.table.digest,
            "label": self.target.report_label,
            "labels": self.labels,
            "source_labels": self.options.source_labels,
            "methods": self.methods,
            "trials": self.options.trials,
            "seed": self.options.seed,
            "versions": versions(),
        }

    def units(self, folder: Path) -> Mapping[str, Unit]:  # noqa: ARG002 -- keeps no files
        """One unit per trial."""
        return {f"trial={k}": TransferUnit(self, k) for k in range(self.options.trials)}

    def execute(self, journal: Journal) -> list[Row]:
        """Rows of all trials; labels in files are the same in each, and are learnt once."""
        unfinished = any(name not in journal.done for name in self.units(journal.folder))
        if self._only_files and unfinished:
            self.shared_priors = self.fit_priors(self.draw(0), self.options.seed)
        return super().execute(journal)

    def draw(self, trial: int) -> EarlierLabels:
        """Labels of all earlier tasks in a trial."""
        options = self.options
        return draw_labels(
            self.sources, self.target, options.source_labels, seed=options.seed, trial=trial
        )

    def fit_priors(self, earlier: EarlierLabels, seed: int) -> Priors:
        """Priors that the methods need, learnt from earlier tasks, by the methods' names."""
        needed = {name.removesuffix("-anchors") for name in self.methods}
        with one_thread():
            return {
                name: prior(self.target.space, seed=seed).fit(*earlier.same, others=earlier.others)
                for name, prior in _PRIORS.items()
                if name in needed
            }

    def summarise(self, rows: Sequence[Row]) -> Parts:
        """One entry per method and number of labels."""
        return {"summary": _summary(rows)}

    @classmethod
    def restored(cls, rows: Sequence[Row], about: Mapping[str, Any]) -> Parts | None:
        """Summary made of the rows alone; None if trials are missing."""
        if len({row["trial"] for row in rows}) < about["trials"]:
            return None
        return {"summary": _summary(rows)}

    @classmethod
    def table_of(cls, found: Parts) -> TextTable:
        """Kendall's tau per number of labels and method, the best of each number first."""
        summary = sorted(
            found["summary"], key=lambda e: (e["labels"], descending(e["kendall_tau"]))
        )
        shown = [
            [
                entry["method"],
                str(entry["labels"]),
                # Folders of before they were measured have the first alone.
                *(interval_text(entry[name]) for name in _MEASURED if name in entry),
            ]
            for entry in summary
        ]
        best = leading([entry["labels"] for entry in summary])
        headings = [str(METRICS[name].heading) for name in _MEASURED if name in summary[0]]
        return TextTable(("method", "labels", *headings), shown, best)

    @classmethod
    def notes(cls, found: Parts) -> list[str]:
        """Line that names the tasks."""
        about = found["about"]
        tasks = f"{', '.join(about['sources'])} to {about['target']}"
        return [f"{tasks}. {interval_words(about['trials'])}"]

    @classmethod
    def page(cls, found: Parts, folder: Path) -> Page:  # noqa: ARG003 -- shows no other files
        """Report of the correlations."""
        about, summary = found["about"], found["summary"]
        leaders = []
        for n in sorted({entry["labels"] for entry in summary}):
            entries = [entry for entry in summary if entry["labels"] == n]
            won = min(entries, key=lambda e: descending(e["kendall_tau"]))
            tau = interval_text(won["kendall_tau"])
            leaders.append(f"with {number_of(n, 'label')} {won['method']}, tau {tau}")
        lead = (
            f"{', '.join(about['sources'])} to {about['target']}. Best "
            f"{'; '.join(leaders)} ({number_of(about['trials'], 'trial')})."
        )
        text = (
            "Over all architectures that were not labelled; regret@10 is the best value minus the "
            "best among the ten that score highest. "
            f"{interval_words(about['trials'])} Methods that end in -anchors label other "
            "architectures, and are tested on others."
        )
        sections = [
            Section("Ranking against labels", text, [_picture(summary)]),
            Section.of("All numbers", cls.table_of(found)),
        ]
        return Page(lead, sections, about)


def _picture(summary: Sequence[Row]) -> Picture:
    """Picture of each measure against the labels of the new task, a line per method."""
    # Folders of before they were measured have the first alone.
    measures = {n: str(METRICS[n].heading) for n in _MEASURED if n in summary[0]}
    return by_number(
        "by-labels",
        "Ranking of the new task against its labels",
        summary,
        line="method",
        number=("labels", "labels of the new task"),
        measures=measures,
    )


def anchored_split(
    target: Problem, n: int, trial: int, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of a task's anchors, and all others: ``split_rows`` where labels are chosen."""
    space = target.space
    with one_thread():
        codes = anchors(space, n, among=target.codes, seed=np.random.default_rng([seed, trial]))
    train = np.isin(space.keys(target.codes), space.keys(codes))
    return np.flatnonzero(train), np.flatnonzero(~train)


def _enough(method: str, n: int) -> bool:
    """Whether so many labels of the new task are enough for a method."""
    if method.startswith("scratch"):
        return n >= Auto.minimum_labels
    return method not in _ANCHORED or n > 0


def _summary(rows: Sequence[Row]) -> list[Row]:
    """One entry per method and number of labels."""
    case = ("source", "target", "labels", "method")
    ranges = {name: (METRICS[name].least, METRICS[name].most) for name in _MEASURED}
    return measured_cases(rows, case, ranges)
