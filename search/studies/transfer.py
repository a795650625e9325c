"""What earlier tasks say of a new one: the study behind ``nasurge meta transfer``."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...benchmarks.intervals import interval
from ...benchmarks.metrics import kendall_tau
from ...benchmarks.objectives import Problem, parse_problems
from ...benchmarks.studies import (
    Journal,
    Progress,
    Row,
    bound,
    fingerprint,
    split_rows,
    versions,
    write_rows,
)
from ...data.devices import one_thread
from ...data.spaces import Codes
from ...data.tables import TaskLabels, read_task_labels
from ...errors import LabelError, ParameterError, UnknownNameError
from ...predictors.classical import XGBoost
from ...predictors.ensembles import Auto
from ...predictors.processes import GaussianProcess
from ...predictors.processes.anchoring import CANDIDATES, anchors
from ...predictors.transfer import Elsewhere, GraphPrior, TaskPrior, Transfer, TransferGraph
from ..across_tables import on_same_data

Values = NDArray[np.float64]

METHODS = (
    "transfer",
    "transfer-anchors",
    "transfer-graph",
    "scratch",
    "scratch-anchors",
    "tasks-xgb",
    "tasks-gp",
)
"""``Transfer``; ``TransferGraph``; ``Auto`` on the new labels; all labels together, whatever their
task. Labels are drawn at random, or those of ``nasurge.anchors``."""
_ANCHORED = ("transfer-anchors", "scratch-anchors")
_PRIORS: dict[str, type[TaskPrior] | type[GraphPrior]] = {
    "transfer": TaskPrior,
    "transfer-graph": GraphPrior,
}
_MOST_FOR_GP = 1000

Priors = dict[str, TaskPrior | GraphPrior]


class Known(NamedTuple):
    """Labels of earlier tasks."""

    same: TaskLabels
    """Of architectures of the new task's space."""
    others: list[Elsewhere]
    """Of other spaces."""


@dataclass(frozen=True, eq=False)
class Source:
    """Earlier tasks: one of a table, of which labels are drawn, or a file, used whole.

    Attributes
    ----------
    name : str
    whole : TaskLabels, optional
        The labels in a file.
    problem : Problem, optional
        The task of a table.
    """

    name: str
    whole: TaskLabels | None = None
    problem: Problem | None = None

    @property
    def digest(self) -> str:
        """What tells its content from another's."""
        if self.problem is not None:
            return self.problem.table.digest
        if self.whole is None:
            raise ParameterError(f"{self.name} has neither a task nor labels")
        return fingerprint(self.whole._asdict())

    def draw(self, n: int, rng: np.random.Generator) -> TaskLabels:
        """Return ``n`` labels of a task, drawn at random, or all of a file."""
        if self.whole is not None:
            # Two files may call different tasks the same.
            return self.whole._replace(tasks=np.char.add(f"{self.name}/", self.whole.tasks))
        if self.problem is None:
            raise ParameterError(f"{self.name} has neither a task nor labels")
        rows = rng.choice(len(self.problem.rows), min(n, len(self.problem.rows)), replace=False)
        names = np.full(len(rows), self.name)
        return TaskLabels(self.problem.codes[rows], self.problem.report_values[rows], names)


@dataclass(frozen=True)
class TransferStudy:
    """What ``transfer_study`` found.

    Attributes
    ----------
    summary : list of dict
        One entry per method and number of labels: ``kendall_tau`` is a 95 % interval over trials.
    rows : list of dict
        One entry per trial.
    folder : Path
    about : dict
    """

    summary: list[Row]
    rows: list[Row]
    folder: Path
    about: dict[str, Any]


def parse_sources(
    sources: str, target: str, *, metric: str | None = None
) -> tuple[list[Source], Problem]:
    """Return earlier tasks and the new one, as named on a command line.

    Parameters
    ----------
    sources : str
        ``TABLE/TASK``, ``TABLE`` (all its tasks but the new one and those on its data set) or
        ``FILE.npz``, several separated by commas; one that is named twice counts once.
    target : str
        ``TABLE/TASK``.
    metric : str, optional
        As ``make_problem``.

    Raises
    ------
    ParameterError
        If the new task is among the earlier ones by name, is not one, or none is left.
    UnknownNameError, SchemaError, LabelError, StorageError, DataFileError
        As ``parse_problems`` and ``read_task_labels``.
    """
    targets = parse_problems(target, metric=metric)
    if len(targets) != 1:
        raise ParameterError(f"--to names one task, TABLE/TASK; {target!r} are {len(targets)}")
    problem = targets[0]
    names = list(dict.fromkeys(part.strip() for part in sources.split(",") if part.strip()))
    stems = [Path(name).stem for name in names]
    found: dict[str, Source] = {}
    for name, stem in zip(names, stems, strict=True):
        if name.endswith(".npz"):
            unique = stem if stems.count(stem) == 1 else name
            found[unique] = Source(unique, whole=read_task_labels(name, problem.space))
            continue
        if name == problem.address:
            raise ParameterError(f"{name} is the new task: it cannot be an earlier one too")
        several = parse_problems(name, metric=metric)
        if "/" not in name:
            several = [p for p in several if not on_same_data(p, problem)]
        found |= {p.address: Source(p.address, problem=p) for p in several}
    if not found:
        raise ParameterError(
            f"no earlier task is left of {sources!r}: give TABLE/TASK of other data, or FILE.npz"
        )
    return list(found.values()), problem


def transfer_study(
    sources: Sequence[Source],
    target: Problem,
    *,
    labels: Sequence[int] = (0, 10, 20),
    source_labels: int = 400,
    methods: Sequence[str] = METHODS,
    trials: int = 10,
    seed: int = 0,
    jobs: int = 1,
    out: Path | None = None,
    command: str = "",
    progress: Progress | None = None,
) -> TransferStudy:
    """Return how well a new task is ranked after earlier ones, with no and with few labels.

    In trial ``t`` all methods get the same labels, fewer labels are part of more, and all other
    architectures of the table are the test. Methods that end in ``-anchors`` have, among
    themselves, other labels and thus another test: those of architectures chosen by structure.

    Parameters
    ----------
    sources : sequence of Source
    target : Problem
    labels : sequence of int
        Numbers of labels of the new task.
    source_labels : int
        Labels drawn of each earlier task that is of a table; a file is used whole.
    methods : sequence of str
        Some of ``METHODS``. ``scratch`` is left out where there are too few labels for it, those
        of anchors where there are none, and those that ignore tasks where all earlier ones are of
        other spaces.
    trials, seed, jobs, out, command, progress
        As ``nasurge.benchmarks.studies.comparing.compare``.

    Raises
    ------
    UnknownNameError
        If a method is not known.
    ParameterError
        If a number is too small, there are more labels than anchors are chosen among or too few
        for all methods, or ``out`` holds another study.
    LabelError
        If so many labels leave no architectures to test on.
    """
    sizes = sorted(set(labels))
    for name in methods:
        if name not in METHODS:
            raise UnknownNameError("method", name, METHODS)
    if not sizes or sizes[0] < 0 or trials < 1 or source_labels < 1 or not methods:
        raise ParameterError(
            f"labels are 0 or more, trials and labels of earlier tasks 1 or more; received {sizes},"
            f" {trials} and {source_labels}"
        )
    if sizes[-1] > len(target.rows) - 10:
        raise LabelError(
            f"{target.address} has {len(target.rows)} measured architectures: {sizes[-1]} labels "
            "leave too few to test on"
        )
    if set(methods) & set(_ANCHORED) and sizes[-1] > CANDIDATES:
        raise ParameterError(
            f"anchors are chosen among {CANDIDATES} architectures: {sizes[-1]} labels are too many "
            f"for {', '.join(name for name in _ANCHORED if name in methods)}"
        )
    if not any(_asks(name, n) for name in methods for n in sizes):
        raise ParameterError(
            f"{', '.join(methods)} learn from labels of the new task alone, and {sizes} are too few"
        )
    about = {
        "kind": "transfer",
        "sources": {source.name: source.digest for source in sources},
        "target": target.address,
        "table": target.table.digest,
        "label": target.report_label,
        "labels": sizes,
        "source_labels": source_labels,
        "methods": list(methods),
        "trials": trials,
        "seed": seed,
        "versions": versions(),
    }
    folder = out or Path("runs") / f"transfer-{fingerprint(about)}"
    drawn = any(source.whole is None for source in sources)
    study = Journal(folder, about, grows=("trials",))
    names = [f"trial={trial}" for trial in range(trials)]
    shared = None
    if not drawn and any(name not in study.done for name in names):
        known = _labels(sources, target, source_labels, 0, seed)
        shared = _priors(methods, target, known, seed)
    units = {
        name: (
            tuple(sources),
            target,
            tuple(sizes),
            source_labels,
            tuple(methods),
            trial,
            seed,
            shared,
        )
        for trial, name in enumerate(names)
    }
    rows = study.run(bound(units, _trial), jobs=jobs, progress=progress)
    write_rows(folder, rows)
    return TransferStudy(summarise(rows), rows, folder, {**about, "command": command})


def _labels(sources: Sequence[Source], target: Problem, n: int, trial: int, seed: int) -> Known:
    """Return the labels of all earlier tasks in a trial."""
    nothing = TaskLabels(target.codes[:0], np.empty(0), np.empty(0, dtype=str))
    same, others = [nothing], []
    for k, source in enumerate(sources):
        found = source.draw(n, np.random.default_rng([seed, trial, k]))
        if source.problem is None or source.problem.space == target.space:
            same.append(found)
        else:
            others.append(Elsewhere(source.problem.space, *found))
    return Known(TaskLabels(*(np.concatenate(part) for part in zip(*same, strict=True))), others)


def _priors(methods: Sequence[str], target: Problem, known: Known, seed: int) -> Priors:
    """Return what the methods that transfer learnt of the earlier tasks, by their names."""
    needed = {name.removesuffix("-anchors") for name in methods}
    with one_thread():
        return {
            name: make(target.space, seed=seed).fit(*known.same, others=known.others)
            for name, make in _PRIORS.items()
            if name in needed
        }


def _trial(
    sources: tuple[Source, ...],
    target: Problem,
    sizes: tuple[int, ...],
    source_labels: int,
    methods: tuple[str, ...],
    trial: int,
    seed: int,
    shared: Priors | None,
) -> list[Row]:
    """Fit all methods with all numbers of labels; the work of one unit."""
    known = _labels(sources, target, source_labels, trial, seed)
    priors = shared
    if priors is None:
        priors = _priors(methods, target, known, seed * 2**20 + trial)
    rows = []
    for n in sizes:
        drawn = split_rows(target, n, trial, seed)
        anchored = drawn
        if n and set(methods) & set(_ANCHORED):
            anchored = anchored_split(target, n, trial, seed)
        for method in methods:
            if not _asks(method, n):
                continue
            if method.startswith("tasks-") and not len(known.same.y):
                continue
            train, test = anchored if method in _ANCHORED else drawn
            given = target.codes[train], target.report_values[train]
            start = time.perf_counter()
            with one_thread():
                scores = _scores(method, priors, known, target, given, target.codes[test], trial)
                tau = kendall_tau(target.report_values[test], scores)
            rows.append(
                {
                    "source": "+".join(source.name for source in sources),
                    "target": target.address,
                    "labels": n,
                    "method": method,
                    "trial": trial,
                    "seed": seed,
                    "seconds": time.perf_counter() - start,
                    "kendall_tau": tau,
                }
            )
    return rows


def _asks(method: str, n: int) -> bool:
    """Return whether so many labels of the new task are enough for a method."""
    if method.startswith("scratch"):
        return n >= Auto.minimum_labels
    return method not in _ANCHORED or n > 0


def anchored_split(
    target: Problem, n: int, trial: int, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of a task's anchors and all others: ``split_rows`` where labels are chosen."""
    space = target.space
    with one_thread():
        chosen = anchors(space, n, among=target.codes, seed=np.random.default_rng([seed, trial]))
    train = np.isin(space.index(target.codes), space.index(chosen))
    return np.flatnonzero(train), np.flatnonzero(~train)


def _scores(
    method: str,
    priors: Priors,
    known: Known,
    target: Problem,
    given: tuple[Codes, Values],
    wanted: Codes,
    seed: int,
) -> Values:
    """Return what a method says of the architectures wanted."""
    name, space = method.removesuffix("-anchors"), target.space
    if name in priors:
        prior = priors[name]
        if isinstance(prior, TaskPrior):
            return np.asarray(Transfer(space, prior=prior).fit(*given).predict(wanted))
        return np.asarray(TransferGraph(space, prior=prior).fit(*given).predict(wanted))
    if name == "scratch":
        return Auto(target.space, seed=seed).fit(*given).predict(wanted)
    codes = np.concatenate([known.same.codes, given[0]])
    y = np.concatenate([known.same.y, given[1]])
    if method == "tasks-xgb":
        model = XGBoost(target.space, features=("structure",), seed=seed)
        return model.fit(codes, y).predict(wanted)
    rows = np.random.default_rng(seed).permutation(len(known.same.y))[:_MOST_FOR_GP]
    rows = np.append(rows, np.arange(len(known.same.y), len(y)))  # the new task's labels always
    process = GaussianProcess(target.space, features=("structure",))
    return process.fit(codes[rows], y[rows]).predict(wanted)


def summarise(rows: Sequence[Row]) -> list[Row]:
    """Return one entry per method and number of labels."""
    found: dict[tuple[str, str, str, int], list[float]] = {}
    for row in rows:
        key = row["source"], row["target"], row["method"], row["labels"]
        tau = row["kendall_tau"]
        found.setdefault(key, []).append(float("nan") if tau is None else tau)
    return [
        {
            "source": source,
            "target": target,
            "labels": n,
            "method": method,
            "kendall_tau": interval(taus),
        }
        for (source, target, method, n), taus in found.items()
    ]
