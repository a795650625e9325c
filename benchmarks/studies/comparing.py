"""``compare``: predictors against each other, on tables, over training sizes and trials."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ...data.devices import one_thread
from ...data.files import atomic_write
from ...data.spaces import Space
from ...errors import LabelError, ParameterError
from ...predictors.base import Predictor, Scores
from ..intervals import interval, noise_ceiling
from ..metrics import METRICS
from ..objectives import Problem
from .cheap import cheap_columns, cheap_labels, cheap_taus, give_cheap, takes_cheap
from .journal import Journal, Progress, Row, bound, fingerprint, versions, write_rows

_SHOWN = 1500  # architectures in the picture of predicted against true values


class Factory(Protocol):
    """Makes an unfitted predictor; must be picklable."""

    def __call__(self, space: Space, *, seed: int) -> Predictor:
        """Return a predictor for ``space``."""
        ...


@dataclass(frozen=True)
class Comparison:
    """What ``compare`` found.

    Attributes
    ----------
    summary : list of dict
        One entry per table, task, predictor, training size and set of test architectures; a
        measured quantity is ``{"mean", "low", "high", "n"}``, a 95 % interval over trials.
    rows : list of dict
        One entry per trial.
    ceilings : dict
        Per ``TABLE/TASK`` with repeated training runs: the correlations of a perfect predictor.
    cheap : dict
        Per ``TABLE/TASK``: Kendall tau of every cheap column that was given, as a ranking.
    folder : Path
        Where everything lies, also ``rows.parquet``, ``rows.csv`` and ``report.html``.
    about : dict
        How it was made.
    """

    summary: list[Row]
    rows: list[Row]
    ceilings: dict[str, dict[str, float]]
    cheap: dict[str, dict[str, float]]
    folder: Path
    about: dict[str, Any]


def compare(
    problems: Sequence[Problem],
    predictors: Mapping[str, Factory],
    *,
    n_train: Sequence[int],
    trials: int,
    seed: int = 0,
    cheap: Sequence[str] = (),
    skip_unfit: bool = False,
    jobs: int = -1,
    out: Path | None = None,
    command: str = "",
    progress: Progress | None = None,
) -> Comparison:
    """Return how well predictors rank the architectures they were not given.

    In trial ``t`` every predictor gets the same training architectures, a smaller training set is
    part of a larger one, and all other architectures of the table are the test. Each result is
    given for all test architectures and for those whose function is not among the training ones.

    Parameters
    ----------
    problems : sequence of Problem
    predictors : mapping from name to Factory
    n_train : sequence of int
        Numbers of training architectures.
    trials : int
    seed : int
    cheap : sequence of str
        Columns known for every architecture, ``METRIC`` or ``METRIC@EPOCH``, that are given to the
        predictors which take cheap values, as ``benchmarks.cheap``.
    skip_unfit : bool
        Leave out a predictor on the tables whose space it cannot serve, instead of refusing it.
    jobs : int
        Processes; -1 is one per core.
    out : Path, optional
        Folder of the study; by default ``runs/compare-XXXXXXXX``, named by what is compared. A
        study that is there already goes on, also with other predictors, sizes or trials: what it
        has of them is used, and all it has is kept.
    command : str
        The command that repeats it, for the report.
    progress : callable, optional

    Raises
    ------
    ParameterError
        If sizes or trials are not positive, nothing is compared, a predictor cannot serve a
        space, a cheap column is of the label's own training or no predictor takes it, or ``out``
        holds another study.
    LabelError
        If a training size leaves no test architectures, or a cheap column has gaps.
    UnknownNameError, SchemaError
        If a cheap column is not in the table, or not told apart from others.
    StorageError
        If the folder cannot be written.
    """
    sizes = sorted(set(n_train))
    if not problems or not predictors or not sizes or sizes[0] < 1 or trials < 1:
        raise ParameterError(
            "compare needs at least one table, one predictor, one training size above 0 and one "
            f"trial; received {len(problems)}, {len(predictors)}, {list(n_train)} and {trials}"
        )
    for problem in problems:
        if sizes[-1] > len(problem.rows) - 10:
            raise LabelError(
                f"{problem.address} has {len(problem.rows)} measured architectures: training on "
                f"{sizes[-1]} leaves too few to test on; choose a smaller -n"
            )
    columns = {p.address: cheap_columns(p, cheap) for p in problems}
    if cheap and not any(takes_cheap(f(problems[0].space, seed=0)) for f in predictors.values()):
        raise ParameterError(
            "--cheap was given, but none of the predictors takes cheap values: add low-fidelity, "
            "or leave it out"
        )
    unfit = set()
    for problem in problems:
        for name, factory in predictors.items():
            predictor = factory(problem.space, seed=0)
            refusal = give_cheap(predictor, problem, columns[problem.address]).refusal
            if refusal and not skip_unfit:
                raise ParameterError(f"{name} on {problem.address}: {refusal}")
            if refusal:
                unfit.add((problem.address, name))
    for name, factory in predictors.items():
        fewest = factory(problems[0].space, seed=0).minimum_labels
        if sizes[0] < fewest:
            raise LabelError(
                f"{name} learns from at least {fewest} architectures, -n asks for {sizes[0]}: "
                f"leave that size or {name} out"
            )
    about = {
        "kind": "compare",
        "tables": {p.address: p.table.digest for p in problems},
        "labels": {p.address: p.report_label for p in problems},
        "predictors": list(predictors),
        "n_train": sizes,
        "trials": trials,
        "seed": seed,
        "versions": versions(),
    }
    if cheap:
        about["cheap"] = {p.address: cheap_labels(p, columns[p.address]) for p in problems}
    folder = out or Path("runs") / f"compare-{fingerprint(about)}"
    study = Journal(folder, about, grows=("predictors", "n_train", "trials"))
    units: dict[str, tuple[Any, ...]] = {}
    for trial in range(trials):
        for n in sizes:
            for problem in problems:
                for name, factory in predictors.items():
                    if (problem.address, name) in unfit:
                        continue
                    picture = folder if trial == 0 else None
                    unit = f"{problem.address} {name} n={n} trial={trial}"
                    given = tuple(columns[problem.address])
                    units[unit] = (problem, name, factory, given, n, trial, seed, picture)
    prepare = partial(_preload, tuple(predictors.values()), problems[0].space)
    rows = study.run(bound(units, _trial), jobs=jobs, prepare=prepare, progress=progress)
    write_rows(folder, rows)
    ceilings = {p.address: found for p in problems if (found := _ceiling(p))}
    return Comparison(
        summarise(rows, ceilings),
        rows,
        ceilings,
        {p.address: cheap_taus(p, columns[p.address]) for p in problems if cheap},
        folder,
        {**about, "command": command},
    )


def _preload(factories: tuple[Factory, ...], space: Space) -> None:
    """Import what the predictors need, so that no timing includes it."""
    for factory in factories:
        factory(space, seed=0).preload()


def split(problem: Problem, n: int, trial: int, seed: int) -> tuple[Any, Any]:
    """Return the row numbers, within the problem, of the training and the test architectures."""
    rng = np.random.default_rng([seed, trial])
    order = rng.permutation(len(problem.rows))
    return order[:n], order[n:]


def _trial(
    problem: Problem,
    name: str,
    factory: Factory,
    cheap: tuple[int, ...],
    n: int,
    trial: int,
    seed: int,
    picture: Path | None,
) -> list[Row]:
    """Fit one predictor on one training set and measure it; the work of one unit."""
    train, test = split(problem, n, trial, seed)
    codes, y = problem.codes, problem.report_values
    predictor = give_cheap(factory(problem.space, seed=seed * 2**20 + trial), problem, cheap)
    used = "; ".join(cheap_labels(problem, cheap)) if takes_cheap(predictor) else ""
    problem.space.function_ids(codes[:1])  # computed once per process: not part of a fit
    with one_thread():
        start = time.perf_counter()
        predictor.fit(codes[train], y[train])
        fitted = time.perf_counter()
        scores = predictor.predict(codes[test])
        predicted = time.perf_counter()

    functions = problem.space.function_ids(codes)
    unseen = ~np.isin(functions[test], functions[train])
    shared = {
        "table": problem.table.name,
        "task": problem.task,
        "label": problem.report_label,
        "predictor": name,
        "cheap": used or None,
        "n_train": n,
        "trial": trial,
        "seed": seed,
        "fit_seconds": fitted - start,
        "predict_seconds": predicted - fitted,
    }
    rows = []
    for only, chosen in ((False, np.ones(len(test), dtype=bool)), (True, unseen)):
        true, given = y[test][chosen], scores[chosen]
        with one_thread():
            found = {key: _measure(key, true, given) for key in METRICS}
        rows.append({**shared, "unseen_functions_only": only, "n_test": len(true), **found})
    if picture is not None:
        shown = test[:_SHOWN]
        path = predictions_path(picture, problem.address, name, n)
        with atomic_write(path) as file:
            np.savez(file, true=y[shown], predicted=scores[:_SHOWN])
    return rows


def predictions_path(folder: Path, address: str, predictor: str, n: int) -> Path:
    """Return where the points of a picture are kept; names of tasks may be no file names."""
    return folder / "predictions" / f"{fingerprint({address: predictor})}-{n}.npz"


def _measure(metric: str, true: Scores, given: Scores) -> float:
    """Return a metric, NaN where too few architectures are left for it (all functions seen)."""
    if len(true) < (10 if metric.endswith("_10") else 2):
        return float("nan")
    return float(METRICS[metric](true, given))


def _ceiling(problem: Problem) -> dict[str, float] | None:
    """Return the correlations that a perfect predictor would reach, where runs were repeated."""
    runs = problem.report_runs
    if runs is None:
        return None
    # Where a run is missing, the published mean may include runs that were not published.
    runs = runs[np.isfinite(runs).all(axis=1)]
    if len(runs) < 20:
        return None
    return {
        "kendall_tau": float(noise_ceiling(runs)),
        "kendall_tau_top5": float(noise_ceiling(runs, top=0.05)),
    }


MEASURED = (*METRICS, "fit_seconds", "predict_seconds")
_GROUP = ("table", "task", "label", "predictor", "cheap", "n_train", "unseen_functions_only")


def summarise(rows: Sequence[Row], ceilings: Mapping[str, Mapping[str, float]]) -> list[Row]:
    """Return the mean of each measure over trials with its 95 % interval, one entry per group.

    ``share_of_ceiling`` is the mean Kendall tau divided by that of a perfect predictor, given
    where the table has repeated training runs.
    """
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row.get(key) for key in _GROUP), []).append(row)
    summary = []
    for key, members in groups.items():
        entry: Row = {**dict(zip(_GROUP, key, strict=True)), "trials": len(members)}
        for measure in MEASURED:
            values = [np.nan if row[measure] is None else row[measure] for row in members]
            entry[measure] = interval(values)
        ceiling = ceilings.get(f"{entry['table']}/{entry['task']}")
        if ceiling and entry["kendall_tau"]["mean"] is not None:
            entry["ceiling"] = dict(ceiling)
            entry["share_of_ceiling"] = entry["kendall_tau"]["mean"] / ceiling["kendall_tau"]
        summary.append(entry)
    return summary
