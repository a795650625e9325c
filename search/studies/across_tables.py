"""Leave one task out: searches that learnt from the others, beside searches that begin cold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from ...benchmarks.intervals import Interval, bootstrap_interval, interval
from ...benchmarks.objectives import Problem
from ...benchmarks.studies import Journal, Progress, Row, fingerprint, versions, write_rows
from ...data.spaces import Codes, Space
from ...data.tables import read_task_labels
from ...errors import ParameterError, UnknownNameError
from ..across_tables import Experience, earlier_problems, learn_labels, learn_table, task_map
from ..base import Searcher
from ..loop import queries_to_reach
from .table import Contender, SearchStudy, by_trial, check_request, summarise, trial_rows
from .units import Settings, run_units

COLD = ("gp-ei", "bo", "evolution", "random")
WARM = ("meta-bo", "meta-evolution", "catch")
BEST_SHARE = 0.001  # of a table's architectures: what a search is to reach
# What is known of a saving, by whether cold and warm searches missed.
_BOUNDS = {
    (False, False): None,
    (True, False): "lower",
    (False, True): "upper",
    (True, True): "unknown",
}


@dataclass(frozen=True)
class MetaStudy(SearchStudy):
    """What ``meta_tables`` found: a ``SearchStudy`` with the map of the tasks.

    Attributes
    ----------
    maps : list of dict
        One entry per table.
    """

    maps: list[Row]


@dataclass(frozen=True)
class Method:
    """Makes the searcher of one method for one held-out task.

    Parameters
    ----------
    name : str
        One of ``COLD`` and ``WARM``.
    problem : Problem
        The held-out task; a warm method reads the table's other tasks, and of this one its name
        only.
    seed : int
        Of learning.
    file : Path, optional
        Labels of earlier tasks, to learn from instead.
    """

    name: str
    problem: Problem
    seed: int
    file: Path | None = None

    def __call__(
        self, space: Space, *, pool: Codes | None, seed: int, **objectives: Any
    ) -> Searcher:
        """Return a searcher limited to ``pool``."""
        del objectives
        if self.name in COLD:
            return _cold(self.name, space, pool, seed)
        experience = _experience(self.problem, self.seed, self.file)
        return warm_searcher(self.name, experience, pool=pool, seed=seed)


def _cold(name: str, space: Space, pool: Codes | None, seed: int) -> Searcher:
    from ..searchers import BayesianOptimisation, RandomSearch, RegularisedEvolution

    if name == "bo":
        return BayesianOptimisation(space, pool=pool, seed=seed)
    if name == "gp-ei":
        from ...predictors.processes import GaussianProcess

        plain = GaussianProcess(space)
        return BayesianOptimisation(space, predictor=plain, pool=pool, seed=seed)
    if name == "evolution":
        return RegularisedEvolution(space, pool=pool, seed=seed)
    return RandomSearch(space, pool=pool, seed=seed)


def warm_searcher(
    name: str, experience: Experience, *, pool: Codes | None = None, seed: int | None = None
) -> Searcher:
    """Return a searcher that begins with what earlier tasks taught.

    Parameters
    ----------
    name : {"meta-bo", "meta-evolution", "catch"}
    experience : Experience
    pool : int8 array, shape (m, d), optional
        The only architectures that may be proposed.
    seed : int, optional

    Raises
    ------
    UnknownNameError
        If there is no such method.

    Examples
    --------
    >>> import nasurge
    >>> from nasurge.search.across_tables import learn_table
    >>> known = learn_table(nasurge.load_table("nbgraph"), "cora", tasks=["citeseer"])
    >>> warm_searcher("meta-bo", known, seed=0).ask(2).shape
    (2, 5)
    """
    if name not in WARM:
        raise UnknownNameError("method", name, WARM)
    if name == "catch":
        from ..across_tables import CATCH

        return CATCH(experience, _controller(experience), pool=pool, seed=seed)
    if name == "meta-bo":
        from ..across_tables import MetaBayes

        return MetaBayes(experience, pool=pool, seed=seed)
    from ..across_tables import MetaEvolution

    return MetaEvolution(experience, pool=pool, seed=seed)


# What was learnt last in this process: trials of one held-out task follow one another.
_LEARNT: dict[tuple[str, str, int, str | None], Experience] = {}


def _experience(problem: Problem, seed: int, file: Path | None) -> Experience:
    """Return what the tasks teach that are not held out; learnt once in a process."""
    labels = None if file is None else read_task_labels(file, problem.space)
    content = None if labels is None else fingerprint(labels._asdict())
    key = (problem.table.digest, problem.task, seed, content)
    if key not in _LEARNT:
        _LEARNT.clear()
        if labels is None:
            _LEARNT[key] = learn_table(problem.table, problem.task, seed=seed)
        else:
            _LEARNT[key] = learn_labels(problem.space, labels, seed=seed)
    return _LEARNT[key]


@lru_cache(maxsize=1)
def _controller(experience: Experience) -> Any:
    """Return the controller meta-trained on an experience; trained once in a process."""
    from ..across_tables import meta_train

    return meta_train(experience, seed=0)


def meta_tables(
    problems: Sequence[Problem],
    methods: Sequence[str] = (*COLD[:3], *WARM),
    *,
    file: Path | None = None,
    budget: int = 100,
    trials: int = 10,
    batch: int = 1,
    seed: int = 0,
    jobs: int = -1,
    out: Path | None = None,
    command: str = "",
    progress: Progress | None = None,
) -> MetaStudy:
    """Hold out one task after the other, learn from other tasks, and search it.

    Every method has the same budget and batches, and the same seeds. What is counted are the
    queries to the best 0.1 % of the searched column: a search ends with the batch that reaches it.

    Parameters
    ----------
    problems : sequence of Problem
        The tasks that are held out, each in its turn; its table's other tasks are learnt from.
    methods : sequence of str
        Of ``COLD`` and ``WARM``; the cold ones are what the others are compared with.
    file : Path, optional
        To learn from the labels in it (``read_task_labels``), and nothing of the table. That they
        are not of the tasks held out is up to the caller.
    budget, trials, batch : int
    seed, jobs, out, command, progress
        As for ``search_tables``.

    Raises
    ------
    ParameterError
        If a number is not positive, the budget exceeds a table, or a task has no others to learn
        from.
    UnknownNameError
        If there is no such method.
    StorageError, DataFileError, ArchitectureError, LabelError
        If the file cannot be read, or its labels are of another space or none.
    """
    for name in methods:
        if name not in (*COLD, *WARM):
            raise UnknownNameError("method", name, (*COLD, *WARM))
    contenders = [Contender(name, None, _unbound) for name in methods]
    check_request(problems, contenders, budget, trials, batch)
    sources = {p.address: _sources(p, file) for p in problems}
    for address, names in sources.items():
        if not names:
            raise ParameterError(f"{address}: its table has no task on other data to learn from")
    about = {
        "kind": "meta-tables",
        "tables": {p.address: p.table.digest for p in problems},
        "searched": {p.address: p.search_label for p in problems},
        "reported": {p.address: p.report_label for p in problems},
        "sources": sources,
        "searchers": list(methods),
        "budget": budget,
        "trials": trials,
        "batch": batch,
        "seed": seed,
        "ends_at": {p.address: best_values(p) for p in problems},
        "versions": versions(),
    }
    folder = out or Path("runs") / f"meta-{fingerprint(about)}"
    journal = Journal(folder, about, grows=("searchers", "trials"))
    settings = Settings(budget, batch, seed)
    units: dict[str, tuple[Any, ...]] = {}
    for p in problems:
        ending = replace(settings, goal=best_values(p))
        for name in methods:
            contender = Contender(name, None, Method(name, p, seed, file))
            for trial in range(trials):
                units[f"{p.address} {name} trial={trial}"] = (p, contender, trial, ending)
    rows = run_units(
        journal, units, trial_rows, settings, jobs=jobs, prepare=_nothing, progress=progress
    )
    write_rows(folder, rows)
    found, curves = summarise(rows, problems, contenders, budget)
    summary = _summary(found, rows, problems, sources, seed)
    tables = {p.table.name: p.table for p in problems}
    maps = [task_map(table, seed=seed) for table in tables.values()]
    return MetaStudy(summary, rows, curves, folder, {**about, "command": command}, maps)


def _sources(problem: Problem, file: Path | None) -> list[str]:
    """Return the names of what is learnt from; that of a file tells its content from another's."""
    if file is None:
        return [other.task for other in earlier_problems(problem.table, problem.task)]
    return [f"{file.name} {fingerprint(read_task_labels(file, problem.space)._asdict())}"]


def _unbound(space: Space, *, pool: Codes | None, seed: int, **objectives: Any) -> Searcher:
    """Stand in for a method whose task is not known yet."""
    del objectives
    return _cold("random", space, pool, seed)


def _nothing() -> None:
    """Prepare nothing: a method's maker imports what it needs before a search is timed."""


def best_values(problem: Problem) -> float:
    """Return the least searched value among the best 0.1 % of a task's architectures."""
    count = int(np.ceil(BEST_SHARE * len(problem.codes)))
    return float(np.sort(problem.search_values)[-count])


def _summary(
    found: Sequence[Row],
    rows: Sequence[Row],
    problems: Sequence[Problem],
    sources: dict[str, list[str]],
    seed: int,
) -> list[Row]:
    """Return an entry per held-out task and method, and per method one over all tasks."""
    members: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        members.setdefault((row["table"], row["task"], row["searcher"]), []).append(row)
    bars = {(p.table.name, p.task): best_values(p) for p in problems}
    queries = {
        key: queries_to_reach(by_trial(mine, "search_value"), bars[key[:2]]).astype(np.float64)
        for key, mine in members.items()
    }
    summary = []
    for entry in found:
        table, task, method = entry["table"], entry["task"], entry["searcher"]
        mine = queries[table, task, method]
        kept = ("searched", "reported", "budget", "trials", "selected", "oracle", "regret")
        summary.append(
            {
                "table": table,
                "held_out": task,
                "method": method,
                "sources": sources[f"{table}/{task}"] if method in WARM else [],
                "queries": {
                    **interval(mine),
                    "median": float(np.median(mine)),
                    "reached": int((mine <= entry["budget"]).sum()),
                },
                "reached_share": float((mine <= entry["budget"]).mean()),
                "saving": _savings(queries, (table, task, method), entry["budget"], seed),
                **{key: entry[key] for key in kept},
                "search_seconds": entry["search_seconds"],
            }
        )
    return summary + _overall(summary)


class Saving(Interval):
    """A share of queries saved, and what searches that missed leave of it."""

    bound: str | None
    """``lower`` or ``upper`` where only cold or only warm searches missed; ``unknown``: both."""


def _savings(
    queries: dict[tuple[str, str, str], Any], key: tuple[str, str, str], budget: int, seed: int
) -> dict[str, Saving]:
    """Return the share of queries saved against each cold search, by bootstrap over trials."""
    table, task, method = key
    if method not in WARM:
        return {}
    found: dict[str, Saving] = {}
    for cold in COLD:
        if (table, task, cold) not in queries:
            continue
        theirs, mine = queries[table, task, cold], queries[key]
        missed = (bool((theirs > budget).any()), bool((mine > budget).any()))
        share = bootstrap_interval(_saved, theirs, mine, seed=seed)
        found[cold] = {**share, "bound": _BOUNDS[missed]}
    return found


def _joint(bounds: Sequence[str | None]) -> str | None:
    """Return what is known of the mean of savings."""
    kinds = sorted({bound for bound in bounds if bound})
    return None if not kinds else kinds[0] if len(kinds) == 1 else "unknown"


def _saved(cold: Any, warm: Any) -> Any:
    """Return one minus the ratio of the means over the last axis."""
    return 1 - np.mean(warm, axis=-1) / np.mean(cold, axis=-1)


def _overall(summary: Sequence[Row]) -> list[Row]:
    """Return an entry per table and method: means over the held-out tasks.

    Tasks with the same searched column had the very same searches, and count once.
    """
    groups: dict[tuple[str, str], dict[str, Row]] = {}
    for entry in summary:
        members = groups.setdefault((entry["table"], entry["method"]), {})
        members.setdefault(entry["searched"], entry)
    return [
        {
            "table": table,
            "held_out": "all",
            "method": method,
            "tasks": len(mine),
            "queries": interval([e["queries"]["mean"] for e in mine]),
            "reached_share": float(np.mean([e["reached_share"] for e in mine])),
            "saving": {
                cold: {
                    **interval([e["saving"][cold]["mean"] for e in mine]),
                    "bound": _joint([e["saving"][cold]["bound"] for e in mine]),
                }
                for cold in mine[0]["saving"]
            },
        }
        for (table, method), mine in ((key, list(each.values())) for key, each in groups.items())
        if len(mine) > 1
    ]
