"""Searches on tables, repeated over trials: curves, regret, and queries to the optimum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..benchmarks.intervals import interval
from ..benchmarks.objectives import Problem
from ..benchmarks.study import (
    Progress,
    Row,
    Study,
    fingerprint,
    versions,
    write_rows,
)
from ..data.devices import one_thread
from ..data.spaces import Codes, Space
from ..errors import ParameterError
from ..predictors.base import Predictor
from .base import Searcher
from .loop import oracle_curve, queries_to_reach, run, selected_curve


class Factory(Protocol):
    """Makes a searcher; must be picklable."""

    def __call__(
        self, space: Space, *, pool: Codes | None, seed: int, **objectives: Any
    ) -> Searcher:
        """Return a searcher for ``space``, limited to the architectures of ``pool``."""
        ...


@dataclass(frozen=True)
class Contender:
    """A searcher in a study: its name, the predictor that guides it, how it is made."""

    searcher: str
    predictor: str | None
    factory: Factory

    @property
    def label(self) -> str:
        """Name of searcher and predictor, for pictures."""
        return f"{self.searcher} + {self.predictor}" if self.predictor else self.searcher


@dataclass(frozen=True)
class SearchStudy:
    """What ``search_tables`` found.

    Attributes
    ----------
    summary : list of dict
        One entry per task and searcher.
    rows : list of dict
        One entry per query.
    curves : list of dict
        Per task and searcher ``selected`` and ``oracle`` after each query, with intervals.
    folder : Path
    about : dict
    """

    summary: list[Row]
    rows: list[Row]
    curves: list[Row]
    folder: Path
    about: dict[str, Any]


def search_tables(
    problems: Sequence[Problem],
    contenders: Sequence[Contender],
    *,
    budget: int,
    trials: int,
    constraints: Sequence[str] = (),
    batch: int = 5,
    seed: int = 0,
    jobs: int = -1,
    out: Path | None = None,
    command: str = "",
    progress: Progress | None = None,
) -> SearchStudy:
    """Run every searcher on every task ``trials`` times and return how they did.

    A search sees the searched column only (validation accuracy where there is one); ``selected``
    is the reported column of its incumbent, ``oracle`` the best reported value among all it
    evaluated, which no search could pick.

    Parameters
    ----------
    problems : sequence of Problem
    contenders : sequence of Contender
    budget : int
        Architectures evaluated per trial.
    trials : int
    constraints : sequence of str
        Those that the problems were limited by, as they were given.
    batch : int
        Architectures asked for at once; a guided search refits once per batch.
    seed : int
    jobs : int
        Processes; -1 is one per core.
    out : Path, optional
        Folder of the study; by default ``runs/search-XXXXXXXX``. One that is there goes on,
        also with other searchers or trials: what it has of them is used, and all it has is kept.
    command : str
    progress : callable, optional

    Raises
    ------
    ParameterError
        If budget, trials or batch are not positive, the budget exceeds a table, nothing is
        searched, or ``out`` holds another study.
    """
    check_request(problems, contenders, budget, trials, batch, constraints)
    about = {
        "kind": "search",
        "tables": {p.address: p.table.digest for p in problems},
        "searched": {p.address: p.search_label for p in problems},
        "reported": {p.address: p.report_label for p in problems},
        "searchers": [contender.label for contender in contenders],
        "budget": budget,
        "trials": trials,
        "batch": batch,
        "seed": seed,
        "versions": versions(),
        **({"constraints": list(constraints)} if constraints else {}),
    }
    folder = out or Path("runs") / f"search-{fingerprint(about)}"
    study = Study(folder, about, grows=("searchers", "trials"))
    units = trial_units(problems, contenders, budget, batch, trials, seed)
    prepare = partial(_preload, tuple(contenders), problems[0].space)
    rows = study.run(units, _trial, jobs=jobs, prepare=prepare, progress=progress)
    write_rows(folder, rows)
    summary, curves = summarise(rows, problems, contenders, budget)
    return SearchStudy(summary, rows, curves, folder, {**about, "command": command})


class Task(Protocol):
    """What a study searches: a ``Problem`` or several objectives of one."""

    @property
    def address(self) -> str:
        """``TABLE/TASK``."""

    @property
    def codes(self) -> Codes:
        """Codes of the architectures that may be proposed."""


def check_request(
    problems: Sequence[Task],
    contenders: Sequence[Contender],
    budget: int,
    trials: int,
    batch: int,
    constraints: Sequence[str] = (),
) -> None:
    """Check that a study can be run.

    Raises
    ------
    ParameterError
        If a number is not positive, nothing is searched, or the budget exceeds a table.
    """
    if not problems or not contenders or min(budget, trials, batch) < 1:
        raise ParameterError(
            "search needs at least one table, one searcher, and a budget, trials and batch above "
            f"0; received {len(problems)}, {len(contenders)}, {budget}, {trials} and {batch}"
        )
    within = f" that meet {' and '.join(constraints)}" if constraints else ""
    for problem in problems:
        if budget > len(problem.codes):
            raise ParameterError(
                f"a budget of {budget} exceeds the {len(problem.codes)} measured architectures of "
                f"{problem.address}{within}: lower --budget"
            )


def trial_units(
    problems: Sequence[Task],
    contenders: Sequence[Contender],
    budget: int,
    batch: int,
    trials: int,
    seed: int,
) -> dict[str, tuple[Any, ...]]:
    """Return the units of a study: a trial of a contender on a task, by name, with arguments."""
    return {
        f"{p.address} {c.label} trial={trial}": (p, c, budget, batch, trial, seed)
        for trial in range(trials)
        for p in problems
        for c in contenders
    }


def _preload(contenders: tuple[Contender, ...], space: Space) -> None:
    """Import what the predictors need, so that no timing includes it."""
    for contender in contenders:
        predictor = getattr(contender.factory(space, pool=None, seed=0), "predictor", None)
        if isinstance(predictor, Predictor):
            predictor.preload()


def _trial(
    problem: Problem, contender: Contender, budget: int, batch: int, trial: int, seed: int
) -> list[Row]:
    """Run one search; the work of one unit."""
    pool = problem.codes if len(problem.codes) < problem.space.size else None
    child = int(np.random.default_rng([seed, trial]).integers(2**31))
    searcher = contender.factory(problem.space, pool=pool, seed=child)
    with one_thread():
        trace = run(searcher, problem.search, budget=budget, batch=batch)
    report = problem.report(trace.codes)
    return [
        {
            "table": problem.table.name,
            "task": problem.task,
            "searcher": contender.searcher,
            "predictor": contender.predictor,
            "trial": trial,
            "query": query,
            "architecture": architecture,
            "search_value": trace.values[query],
            "report_value": report[query],
            "search_seconds": trace.seconds[query],
        }
        for query, architecture in enumerate(problem.space.format(trace.codes))
    ]


def summarise(
    rows: Sequence[Row], problems: Sequence[Problem], contenders: Sequence[Contender], budget: int
) -> tuple[list[Row], list[Row]]:
    """Return the summary and the curves of all searches, one entry per task and searcher."""
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        key = (row["table"], row["task"], row["searcher"], row["predictor"])
        groups.setdefault(key, []).append(row)
    summary, curves = [], []
    for problem in problems:
        for contender in contenders:
            shared = {
                "table": problem.table.name,
                "task": problem.task,
                "searcher": contender.searcher,
                "predictor": contender.predictor,
            }
            members = groups[tuple(shared.values())]
            looked = _by_trial(members, "search_value")
            reported = _by_trial(members, "report_value")
            selected, oracle = selected_curve(looked, reported), oracle_curve(reported)
            optimum = float(problem.search_values.max())
            best = float(problem.report_values.max())
            reached = queries_to_reach(looked, optimum)
            # The searched value of the incumbent is the running best itself.
            search_regret = optimum - np.fmax.accumulate(looked, axis=1)[:, -1]
            own = _by_trial(members, "search_seconds").sum(axis=1)
            summary.append(
                {
                    **shared,
                    "searched": problem.search_label,
                    "reported": problem.report_label,
                    "budget": budget,
                    "trials": len(looked),
                    "selected": interval(selected[:, -1]),
                    "oracle": interval(oracle[:, -1]),
                    "regret": interval(best - selected[:, -1]),
                    "search_regret": interval(search_regret),
                    "regret_at": {
                        str(q): interval(best - selected[:, q - 1])
                        for q in (25, 50, 100, 200)
                        if q <= budget
                    },
                    "queries_to_optimum": {
                        "mean": float(reached.mean()),
                        "median": float(np.median(reached)),
                        "reached": int((reached <= budget).sum()),
                        "n": len(reached),
                    },
                    "failures": int(np.isnan(looked).sum()),
                    "search_seconds": interval(own),
                }
            )
            curves.append(
                {
                    **shared,
                    "label": contender.label,
                    "best": best,
                    "selected": [interval(selected[:, q]) for q in range(budget)],
                    "oracle": [interval(oracle[:, q]) for q in range(budget)],
                }
            )
    return summary, curves


def _by_trial(rows: Sequence[Row], measure: str) -> NDArray[np.float64]:
    """Return one measure as an array of shape (trials, queries)."""
    trials: dict[int, list[tuple[int, float]]] = {}
    for row in rows:
        value = np.nan if row[measure] is None else row[measure]
        trials.setdefault(row["trial"], []).append((row["query"], value))
    return np.array([[v for _, v in sorted(trials[t])] for t in sorted(trials)], dtype=float)
