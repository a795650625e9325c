"""``compare``: predictors against each other, on tables, over training sizes and trials."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ...data.devices import one_thread
from ...data.spaces import Codes, Space
from ...data.types import Values
from ...errors import LabelError, ParameterError
from ...predictors.base import Predictor, Scores
from ..intervals import interval, noise_ceiling
from ..metrics import METRICS
from ..objectives import Problem, problems_of
from .backends import backend
from .cases import grouped, numbers
from .cheap import cheap_columns, cheap_labels, cheap_taus, give_cheap, takes_cheap
from .compare_page import (
    above_ceilings,
    compare_page,
    compare_table,
    gaps,
    without_ranks,
)
from .comparison import CompareEntry, CompareRow, Comparison
from .journal import Journal, Row, Unit, versions
from .kinds import Parts, Study
from .options import CompareOptions
from .page import Page, TextTable, number_of
from .paired import paired_entries
from .points import keep_points, predictions_path

_SHOWN = 1500  # architectures in the picture of predicted against true values


class Factory(Protocol):
    """Maker of an unfitted predictor; must be picklable."""

    def __call__(self, space: Space, *, seed: int) -> Predictor:
        """Unfitted predictor for ``space``."""
        ...


@dataclass(frozen=True, eq=False)
class CompareUnit:
    """One predictor, fitted on one training set and measured; calling it gives the rows."""

    problem: Problem
    name: str
    factory: Factory
    cheap: tuple[int, ...]
    n: int
    trial: int
    seed: int
    picture: Path | None
    """Folder for the points of the report's picture; None without one."""

    def __call__(self) -> list[Row]:
        """Row of all test architectures, and that of unseen functions only."""
        problem, codes = self.problem, self.problem.codes
        train, test = split_rows(problem, self.n, self.trial, self.seed)
        scores, shared = self._fitted(train, test)
        functions = problem.space.function_ids(codes)
        unseen = ~np.isin(functions[test], functions[train])
        rows: list[Row] = []
        measured: dict[str, float] = {}
        for only, counted in ((False, np.ones(len(test), dtype=bool)), (True, unseen)):
            true, predicted = problem.report_values[test][counted], scores[counted]
            if not (measured and counted.all()):  # where all are unseen, it is the same once more
                with one_thread():
                    measured = {m.name: m.measure(true, predicted) for m in METRICS.values()}
            rows.append({**shared, "unseen_functions_only": only, "n_test": len(true), **measured})
        if self.picture is not None:
            path = predictions_path(self.picture, problem.address, self.name, self.n)
            true = problem.report_values[test]
            keep_points(path, true[:_SHOWN], scores[:_SHOWN])
        return rows

    def _fitted(self, train: NDArray[np.int64], test: NDArray[np.int64]) -> tuple[Scores, Row]:
        """Scores of the test architectures, shape (m,), and what both rows share."""
        problem, codes = self.problem, self.problem.codes
        predictor = self.factory(problem.space, seed=self.seed * 2**20 + self.trial)
        give_cheap(predictor, problem, self.cheap)
        used = "; ".join(cheap_labels(problem, self.cheap)) if takes_cheap(predictor) else ""
        problem.space.function_ids(codes[:1])  # computed once per process: not part of a fit
        scores, seconds = timed_scores(
            predictor, codes[train], problem.report_values[train], codes[test]
        )
        lost = int((~np.isfinite(scores)).sum())
        if lost:
            raise LabelError(
                f"{self.name}, fitted to {self.n} labels of {problem.address}, scores {lost} of "
                f"{len(scores)} architectures with NaN or infinity"
            )
        return scores, {
            "table": problem.table.name,
            "task": problem.task,
            "label": problem.report_label,
            "predictor": self.name,
            "cheap": used or None,
            "n_train": self.n,
            "trial": self.trial,
            "seed": self.seed,
            "fit_seconds": seconds[0],
            "predict_seconds": seconds[1],
        }


class CompareStudy(Study[Comparison, CompareOptions]):
    """Rank correlations of predictors with the labels of architectures they were not trained on.

    In trial ``t`` every predictor gets the same training architectures, a smaller training set is
    part of a larger one, and all other architectures of the table are the test. Each result is
    given for all test architectures and for those whose function is not among the training ones.

    Parameters
    ----------
    options : CompareOptions
    predictors : mapping from name to Factory
        What ``options.predictors`` names.
    skip_unfit : bool
        Leave out a predictor on the tables whose space it cannot serve, instead of refusing it.

    Raises
    ------
    ParameterError
        If sizes or trials are not positive, nothing is compared, a predictor cannot serve a
        space, or a cheap column is of the label's own training or no predictor takes it.
    LabelError
        If a training size leaves no test architectures, or a cheap column has gaps.
    UnknownNameError, SchemaError
        If a table, task or column is not known, or not told apart from others.
    """

    kind = "compare"
    title = "Predictors compared"
    command = "compare"
    options_type = CompareOptions
    findings = Comparison
    grows = ("predictors", "n_train", "trials", "parameters", "code")
    row = CompareRow
    entry = CompareEntry

    def __init__(
        self,
        options: CompareOptions,
        predictors: Mapping[str, Factory],
        *,
        skip_unfit: bool = False,
    ) -> None:
        self.options, self.predictors = options, dict(predictors)
        self.problems = problems_of(options.tables, metric=options.metric)
        self.sizes = sorted(set(options.n_train))
        self._check_numbers()
        self.cheap = {p.address: cheap_columns(p, options.cheap) for p in self.problems}
        self.unfit = self._check_predictors(skip_unfit=skip_unfit)

    def _check_numbers(self) -> None:
        """Refuse numbers that are too small, and training sets that leave no test."""
        sizes, trials = self.sizes, self.options.trials
        if not (self.problems and self.predictors and sizes) or sizes[0] < 1 or trials < 1:
            raise ParameterError(
                "compare needs at least one table, one predictor, one training size above 0 and "
                f"one trial; received {len(self.problems)}, {len(self.predictors)}, "
                f"{list(self.options.n_train)} and {trials}"
            )
        for problem in self.problems:
            if sizes[-1] > len(problem.rows) - 10:
                raise LabelError(
                    f"{problem.address} has {len(problem.rows)} measured architectures: training "
                    f"on {sizes[-1]} leaves too few to test on; choose a smaller -n"
                )

    def _check_predictors(self, *, skip_unfit: bool) -> set[tuple[str, str]]:
        """Addresses and predictors that cannot serve them; refused unless they are skipped."""
        made = {
            id(space): {name: make(space, seed=0) for name, make in self.predictors.items()}
            for space in {id(p.space): p.space for p in self.problems}.values()
        }
        first = made[id(self.problems[0].space)]
        fewest = {name: predictor.minimum_labels for name, predictor in first.items()}
        if self.options.cheap and not any(map(takes_cheap, first.values())):
            raise ParameterError(
                "--cheap was given, but none of the predictors takes cheap values: add "
                "low-fidelity, or leave it out"
            )
        unfit = set()
        for problem in self.problems:
            for name, predictor in made[id(problem.space)].items():
                refusal = give_cheap(predictor, problem, self.cheap[problem.address]).refusal
                if refusal and not skip_unfit:
                    raise ParameterError(f"{name} on {problem.address}: {refusal}")
                if refusal:
                    unfit.add((problem.address, name))
        for name, labels in fewest.items():
            if self.sizes[0] < labels:
                raise LabelError(
                    f"{name} learns from at least {labels} architectures, -n asks for "
                    f"{self.sizes[0]}: leave that size or {name} out"
                )
        return unfit

    def about(self) -> dict[str, Any]:
        """JSON description of the study."""
        problems = self.problems
        about: dict[str, Any] = {
            "tables": {p.address: p.table.digest for p in problems},
            "labels": {p.address: p.report_label for p in problems},
            "predictors": list(self.predictors),
            "n_train": self.sizes,
            "trials": self.options.trials,
            "seed": self.options.seed,
            "versions": versions(),
        }
        own = {name: getattr(one, "parameters", "") for name, one in self.predictors.items()}
        if own := {name: text for name, text in own.items() if text and not name.endswith(text)}:
            about["parameters"] = own  # of predictors whose names do not say them
        code = {name: getattr(one, "code", None) for name, one in self.predictors.items()}
        if code := {name: digest for name, digest in code.items() if digest}:
            about["code"] = code  # of classes of somebody's own
        if self.options.cheap:
            about["cheap"] = {p.address: cheap_labels(p, self.cheap[p.address]) for p in problems}
        return about

    def units(self, folder: Path) -> Mapping[str, Unit]:
        """One unit per trial, training size, problem and predictor, in this order."""
        seed = self.options.seed
        return {
            f"{problem.address} {name} n={n} trial={trial}": CompareUnit(
                problem,
                name,
                factory,
                tuple(self.cheap[problem.address]),
                n,
                trial,
                seed,
                folder if trial == 0 else None,
            )
            for trial in range(self.options.trials)
            for n in self.sizes
            for problem in self.problems
            for name, factory in self.predictors.items()
            if (problem.address, name) not in self.unfit
        }

    @property
    def prepare(self) -> partial[None]:
        """Imports of all predictors, so that no timing includes them."""
        return partial(_preload, tuple(self.predictors.values()), self.problems[0].space)

    def execute(self, journal: Journal) -> list[Row]:
        """Rows of all units, on the backend that the options name."""
        with backend(self.options.backend):
            return super().execute(journal)

    def summarise(self, rows: Sequence[Row]) -> Parts:
        """Means over trials, ceilings, and what cheap columns rank by themselves."""
        problems = self.problems
        ceilings = {p.address: ceiling for p in problems if (ceiling := _ceiling(p))}
        return {
            "summary": summary_of(rows, ceilings),
            "ceilings": ceilings,
            "cheap": {
                p.address: cheap_taus(p, self.cheap[p.address])
                for p in problems
                if self.options.cheap
            },
            "not_measured": {
                p.address: missing for p in problems if (missing := len(p.table) - len(p.rows))
            },
            "paired": paired_taus(rows),
        }

    @classmethod
    def columns(cls) -> dict[str, str]:
        """Columns of the rows, the metrics among them."""
        return super().columns() | {metric.name: metric.label for metric in METRICS.values()}

    @classmethod
    def summary_columns(cls) -> dict[str, str]:
        """Keys of the summary, the metrics among them."""
        measured = {m.name: f"{m.label}, over trials" for m in METRICS.values()}
        return super().summary_columns() | measured

    @classmethod
    def table_of(cls, found: Parts) -> TextTable:
        """Metrics per predictor and training size, the best of each group set off."""
        return compare_table(found["summary"])

    @classmethod
    def notes(cls, found: Parts) -> list[str]:
        """Ceilings, gaps in labels and ranks, cheap columns, and how the numbers were made."""
        about = found["about"]
        lines = [
            f"{address}: a perfect predictor would reach {ceiling['kendall_tau']:.3f} "
            f"({ceiling['kendall_tau_top5']:.3f} in the top 5 %), the labels' noise allowing"
            for address, ceiling in found["ceilings"].items()
        ]
        lines += above_ceilings(found)
        lines += gaps(found)
        lines += without_ranks(found)
        lines += [
            f"{address}: {label}, by itself, ranks all of them with {tau:.3f}"
            for address, taus in found.get("cheap", {}).items()
            for label, tau in taus.items()
        ]
        labels = ", ".join(dict.fromkeys(about["labels"].values()))
        trials = number_of(about["trials"], "trial")
        return [*lines, f"{trials}, seed {about['seed']}; labels: {labels}"]

    @classmethod
    def page(cls, found: Parts, folder: Path) -> Page:
        """Report of the comparison."""
        return compare_page(found, folder)


def timed_scores(
    predictor: Predictor, codes: Codes, y: Values, test: Codes
) -> tuple[Scores, tuple[float, float]]:
    """Scores after a fit to ``codes``, shape (m,), and the seconds of fit and prediction."""
    with one_thread():
        start = time.perf_counter()
        predictor.fit(codes, y)
        fitted = time.perf_counter()
        scores = predictor.predict(test)
        return scores, (fitted - start, time.perf_counter() - fitted)


def _preload(factories: tuple[Factory, ...], space: Space) -> None:
    """Import what the predictors need."""
    for factory in factories:
        factory(space, seed=0).preload()


def split_rows(
    problem: Problem, n: int, trial: int, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row numbers, within the problem, of ``n`` training architectures and of all others."""
    rng = np.random.default_rng([seed, trial])
    order = rng.permutation(len(problem.rows))
    return order[:n], order[n:]


def _ceiling(problem: Problem) -> dict[str, float] | None:
    """Correlations that a perfect predictor would reach, where runs were repeated."""
    runs = problem.table.runs(problem.roles.report)
    if runs is None:
        return None
    runs = runs[problem.rows]
    # Where a run is missing, the published mean may include runs that were not published.
    runs = runs[np.isfinite(runs).all(axis=1)]
    if len(runs) < 20:
        return None
    return {
        "kendall_tau": float(noise_ceiling(runs)),
        "kendall_tau_top5": float(noise_ceiling(runs, top=0.05)),
    }


def paired_taus(rows: Sequence[Row]) -> list[Row]:
    """Differences of Kendall's tau between predictors in common trials, by size."""
    entries = []
    every = [row for row in rows if not row["unseen_functions_only"]]
    for n, of_size in sorted(grouped(every, "n_train").items()):
        tasks: dict[tuple[str, str], dict[str, Values]] = {}
        for (table, task), members in grouped(of_size, "table", "task").items():
            trials = sorted({row["trial"] for row in members})
            tasks[table, task] = {}
            for name, own in grouped(members, "predictor").items():
                taus = dict(
                    zip([row["trial"] for row in own], numbers(own, "kendall_tau"), strict=True)
                )
                tasks[table, task][name] = np.array([taus.get(trial, np.nan) for trial in trials])
        # From -1 to 1.
        entries += paired_entries("kendall_tau", tasks, spans=dict.fromkeys(tasks, 2.0), n_train=n)
    return entries


_GROUP = ("table", "task", "label", "predictor", "cheap", "n_train", "unseen_functions_only")


def summary_of(rows: Sequence[Row], ceilings: Mapping[str, Mapping[str, float]]) -> list[Row]:
    """Mean of each measure over trials with its 95 % interval, one entry per group.

    ``share_of_ceiling`` is the mean Kendall tau divided by that of a perfect predictor, given
    where the table has repeated training runs.
    """
    ranges = {metric.name: (metric.least, metric.most) for metric in METRICS.values()}
    ranges |= dict.fromkeys(("fit_seconds", "predict_seconds"), (0.0, np.inf))
    summary = []
    for key, members in grouped(rows, *_GROUP).items():
        entry: Row = {**dict(zip(_GROUP, key, strict=True)), "trials": len(members)}
        for measure, (least, most) in ranges.items():
            # A row of an earlier version has no value of a metric that is new.
            entry[measure] = interval(numbers(members, measure), least=least, most=most)
        ceiling = ceilings.get(f"{entry['table']}/{entry['task']}")
        if ceiling and entry["kendall_tau"]["mean"] is not None:
            entry["ceiling"] = dict(ceiling)
            entry["share_of_ceiling"] = entry["kendall_tau"]["mean"] / ceiling["kendall_tau"]
        summary.append(entry)
    return summary
