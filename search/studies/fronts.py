"""Searches for several objectives on tables: hypervolume and fronts, repeated over trials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...benchmarks.intervals import interval
from ...benchmarks.quantities import ManyObjectives
from ...benchmarks.studies import Journal, Progress, Row, fingerprint, versions, write_rows
from ...data.devices import one_thread
from ...predictors.base import Predictor
from ..base import Searcher
from ..pareto import Scale, front_history, hypervolume_curve, non_dominated
from ..store import storage_of
from .table import Contender, SearchStudy, check_request, trial_units
from .units import Settings, run_units, searched, until

Values = NDArray[np.float64]

MARKS = (25, 50, 100, 200)
_CLOUD = 1500


def search_fronts(
    problems: Sequence[ManyObjectives],
    contenders: Sequence[Contender],
    *,
    budget: int,
    trials: int,
    constraints: Sequence[str] = (),
    batch: int = 5,
    seed: int = 0,
    jobs: int = -1,
    timeout: float | None = None,
    storage: str | None = None,
    study: str | None = None,
    out: Path | None = None,
    command: str = "",
    progress: Progress | None = None,
) -> SearchStudy:
    """Run every searcher on every task ``trials`` times and return what fronts they found.

    A search sees the searched columns only. ``selected`` measures the reported values of its front
    against the front of all reported values; ``hypervolume`` the searched values against theirs.

    Parameters
    ----------
    problems : sequence of ManyObjectives
        With objectives of the same names.
    contenders : sequence of Contender
        Whose factories take ``n_objectives`` and ``bounds``.
    budget : int
        Architectures evaluated per trial.
    trials : int
    constraints : sequence of str
        Those of the problems, as they were given.
    batch : int
        Architectures asked for at once.
    seed : int
    jobs : int
        Processes; -1 is one per core.
    timeout, storage, study
        As ``nasurge.search.studies.table.search_tables``.
    out : Path, optional
        Folder of the study; by default ``runs/search-XXXXXXXX``. One that is there goes on,
        also with other searchers or trials: what it has of them is used, and all it has is kept.
    command : str
    progress : callable, optional

    Returns
    -------
    SearchStudy
        Its ``curves`` also hold, per task, the true front and those found.

    Raises
    ------
    ParameterError
        If budget, trials or batch are not positive, the budget exceeds a table, nothing is
        searched, or ``out`` holds another study.
    """
    check_request(problems, contenders, budget, trials, batch, constraints)
    about = {
        "kind": "fronts",
        "tables": {p.address: p.table.digest for p in problems},
        "objectives": {p.address: {q.name: q.label for q in p.objectives} for p in problems},
        "reported": {p.address: {q.name: q.report_label for q in p.objectives} for p in problems},
        "constraints": list(constraints),
        "searchers": [contender.label for contender in contenders],
        "budget": budget,
        "trials": trials,
        "batch": batch,
        "seed": seed,
        "versions": versions(),
        **({"study": study} if study else {}),
    }
    settings = Settings(budget, batch, seed, until(timeout), storage_of(storage, study), study)
    folder = out or Path("runs") / f"search-{fingerprint(about)}"
    journal = Journal(folder, about, grows=("searchers", "trials"))
    units = trial_units(problems, contenders, trials, settings)
    prepare = partial(_preload, tuple(contenders), problems[0])
    rows = run_units(
        journal, units, _trial, settings, jobs=jobs, prepare=prepare, progress=progress
    )
    write_rows(folder, rows)
    summary, curves = summarise(rows, problems, contenders, budget)
    return SearchStudy(summary, rows, curves, folder, {**about, "command": command})


def _make(problem: ManyObjectives, contender: Contender, seed: int) -> Searcher:
    pool = problem.codes if len(problem.codes) < problem.space.size else None
    return contender.factory(
        problem.space,
        pool=pool,
        seed=seed,
        n_objectives=len(problem.objectives),
        bounds=problem.bounds,
    )


def _preload(contenders: tuple[Contender, ...], problem: ManyObjectives) -> None:
    """Import what searchers and predictors need, so that no timing includes it."""
    from pymoo.algorithms.moo import nsga2  # noqa: F401 - loads the operators too

    for contender in contenders:
        predictor = getattr(_make(problem, contender, 0), "predictor", None)
        if isinstance(predictor, Predictor):
            predictor.preload()


def _trial(
    problem: ManyObjectives, contender: Contender, trial: int, settings: Settings
) -> list[Row] | None:
    """Run one search; the work of one unit. Return None if the time was up before its end."""
    with one_thread():
        trace = searched(
            _make(problem, contender, settings.trial_seed(trial)),
            problem.search,
            settings,
            study=f"{problem.address}/{contender.path}/{trial}",
            about={
                "table": problem.table.digest,
                "objectives": [quantity.label for quantity in problem.objectives],
                "bounds": [None if bound == -np.inf else bound for bound in problem.bounds],
            },
        )
    if trace is None:
        return None
    columns = trace.values.reshape(len(trace.values), -1)
    feasible = np.asarray((columns >= np.asarray(problem.bounds)).all(axis=1), dtype=bool)
    reported = problem.report(trace.codes)
    return [
        {
            "table": problem.table.name,
            "task": problem.task,
            "searcher": contender.searcher,
            "predictor": contender.predictor,
            "trial": trial,
            "query": query,
            "architecture": architecture,
            "feasible": bool(feasible[query]),
            **{q.name: q.sign * columns[query, k] for k, q in enumerate(problem.objectives)},
            **{
                f"reported_{q.name}": q.sign * reported[query, k]
                for k, q in enumerate(problem.objectives)
            },
            "search_seconds": trace.seconds[query],
        }
        for query, architecture in enumerate(problem.space.format(trace.codes))
    ]


def summarise(
    rows: Sequence[Row],
    problems: Sequence[ManyObjectives],
    contenders: Sequence[Contender],
    budget: int,
) -> tuple[list[Row], list[Row]]:
    """Return the summary and the curves of all searches, one entry per task and searcher."""
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        key = (row["table"], row["task"], row["searcher"], row["predictor"])
        groups.setdefault(key, []).append(row)
    summary, curves = [], []
    for problem in problems:
        truth = _Truth(problem)
        for contender in contenders:
            shared = {
                "table": problem.table.name,
                "task": problem.task,
                "searcher": contender.searcher,
                "predictor": contender.predictor,
            }
            trials: dict[int, list[Row]] = {}
            for row in groups[tuple(shared.values())]:
                trials.setdefault(row["trial"], []).append(row)
            measured = [truth.measure(trials[trial]) for trial in sorted(trials)]
            summary.append({**shared, **_entry(problem, truth, measured, budget)})
            curves.append({**shared, "label": contender.label, **_curves(problem, truth, measured)})
    return summary, curves


class _Truth:
    """The true fronts of a task, and what one trial found of them."""

    def __init__(self, problem: ManyObjectives) -> None:
        self.problem = problem
        searched, reported = problem.search_values, problem.report_values
        front = non_dominated(searched)
        self.rows = problem.feasible_rows[front]
        self.front = searched[front]
        self.scale = Scale.of(self.front)
        reported_front = reported[non_dominated(reported)]
        self.reported_scale = Scale.of(reported_front)
        self.volume = self.scale.hypervolume(self.front)
        self.reported_volume = self.reported_scale.hypervolume(reported_front)

    def measure(self, rows: Sequence[Row]) -> dict[str, Any]:
        """Return the curves and the front of one trial."""
        rows = sorted(rows, key=lambda row: int(row["query"]))
        names, signs = zip(*((q.name, q.sign) for q in self.problem.objectives), strict=True)
        searched, reported = (
            np.array([[row[f"{prefix}{name}"] for name in names] for row in rows], dtype=float)
            * np.array(signs)
            for prefix in ("", "reported_")
        )
        feasible = np.array([row["feasible"] for row in rows], dtype=bool)
        history = front_history(searched, feasible)
        told = self.problem.table.rows(
            self.problem.space.parse([row["architecture"] for row in rows])
        )
        return {
            "hypervolume": hypervolume_curve(searched, history, self.scale),
            "selected": hypervolume_curve(reported, history, self.reported_scale),
            "front": searched[history[-1]],
            "found": float(np.isin(self.rows, told).mean()),
            "failures": int(np.isnan(searched).any(axis=1).sum()),
            "infeasible": int((~feasible & ~np.isnan(searched).any(axis=1)).sum()),
            "seconds": float(sum(row["search_seconds"] for row in rows)),
        }


def _entry(
    problem: ManyObjectives, truth: _Truth, measured: Sequence[Mapping[str, Any]], budget: int
) -> Row:
    """Return the summary of one searcher on one task."""
    volume = np.stack([one["hypervolume"] for one in measured])
    selected = np.stack([one["selected"] for one in measured])

    def named(values: Values) -> dict[str, float]:
        return {q.name: float(q.sign * v) for q, v in zip(problem.objectives, values, strict=True)}

    return {
        "objectives": [q.name for q in problem.objectives],
        "searched": {q.name: q.label for q in problem.objectives},
        "reported": {q.name: q.report_label for q in problem.objectives},
        "architectures": len(problem.feasible_rows),
        "ideal": named(truth.scale.ideal),
        "nadir": named(truth.scale.nadir),
        "reference_point": named(truth.scale.reference),
        "reported_reference_point": named(truth.reported_scale.reference),
        "budget": budget,
        "trials": len(measured),
        "selected_share": interval(selected[:, -1] / truth.reported_volume),
        "hypervolume": interval(volume[:, -1]),
        "hypervolume_share": interval(volume[:, -1] / truth.volume),
        "hypervolume_share_at": {
            str(q): interval(volume[:, q - 1] / truth.volume) for q in MARKS if q <= budget
        },
        "true_hypervolume": truth.volume,
        "front_size": interval(np.array([len(one["front"]) for one in measured], dtype=float)),
        "true_front_size": len(truth.front),
        "true_front_found": interval(np.array([one["found"] for one in measured])),
        "failures": sum(one["failures"] for one in measured),
        "infeasible": sum(one["infeasible"] for one in measured),
        "search_seconds": interval(np.array([one["seconds"] for one in measured])),
    }


def _curves(problem: ManyObjectives, truth: _Truth, measured: Sequence[Mapping[str, Any]]) -> Row:
    """Return what the pictures of one searcher on one task show, in published units."""
    volume = np.stack([one["hypervolume"] for one in measured]) / truth.volume
    selected = np.stack([one["selected"] for one in measured]) / truth.reported_volume
    median = int(np.argsort(volume[:, -1], kind="stable")[(len(volume) - 1) // 2])
    signs = np.array([q.sign for q in problem.objectives])
    values = problem.search_values
    some = np.random.default_rng(0).permutation(len(values))[:_CLOUD]
    return {
        "objectives": [q.label for q in problem.objectives],
        "hypervolume": [interval(volume[:, q]) for q in range(volume.shape[1])],
        "selected": [interval(selected[:, q]) for q in range(volume.shape[1])],
        "front": (signs * measured[median]["front"]).tolist(),
        "true_front": (signs * truth.front).tolist(),
        "cloud": (signs * values[some]).tolist(),
    }
