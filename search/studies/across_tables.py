"""Leave one task out: searches that learnt from the others, beside searches that begin cold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, TypedDict

import numpy as np

from ...benchmarks.intervals import FEWEST_DRAWS, Interval, bootstrap_interval, interval
from ...benchmarks.objectives import Problem, problems_of
from ...benchmarks.studies import (
    Page,
    Parts,
    Picture,
    Row,
    Section,
    TextTable,
    Unit,
    by_name,
    chosen,
    fingerprint,
    grouped,
    interval_text,
    interval_words,
    leading,
    number_of,
    task_named,
    to_svg,
)
from ...data.files import atomic_write
from ...data.tables import read_task_labels
from ...data.types import Values
from ...errors import ParameterError
from ..across_tables import (
    COLD,
    METHODS,
    WARM,
    TaskSearcher,
    draw_similarities,
    earlier_problems,
    task_similarities,
)
from ..loop import queries_to_reach
from .found import CurveFindings, address_of
from .options import MetaTablesOptions
from .pictures import regret_section
from .searches import TableSearches, trials_text
from .table import BestOfTable, SearchRow, SearchUnit, by_trial, searched_columns
from .units import Contender, Settings

BEST_SHARE = 0.001
"""Share of a table's architectures of which a search is to reach one."""

# What is known of a saving, by whether cold and warm searches missed.
_BOUNDS = {
    (False, False): None,
    (True, False): "lower",
    (False, True): "upper",
    (True, True): "unknown",
}


class Saving(Interval):
    """A share of queries saved, and what searches that missed leave of it."""

    bound: str | None
    """``lower`` or ``upper`` where only cold or only warm searches missed; ``unknown``: both."""


class MetaTablesEntry(TypedDict, total=False):
    """One method on one held-out task, over trials; or over the tasks of a table (``all``)."""

    table: Annotated[str, "name of the table"]
    held_out: Annotated[str, "task that is searched; all stands for those of the table together"]
    method: Annotated[str, "what searches it"]
    tasks: Annotated[int, "with all: searched columns, each counted once"]
    sources: Annotated[list[str], "tasks that were learnt from; none for a cold search"]
    queries: Annotated[
        Interval,
        "evaluations until one of the best 0.1 % of the searched column, with median and how many "
        "trials reached one; a trial that did not counts as budget + 1",
    ]
    reached_share: Annotated[float, "share of the trials that reached one"]
    saving: Annotated[
        dict[str, Saving], "by cold search: one minus the ratio of mean queries to its own"
    ]
    searched: Annotated[str, "column that the search was told"]
    reported: Annotated[str, "column that is reported"]
    budget: Annotated[int, "most evaluations of each trial"]
    trials: Annotated[int, "searches with other seeds"]
    selected: Annotated[Interval, "reported value of the best architecture by the searched one"]
    oracle: Annotated[Interval, "best reported value evaluated, which no search could pick"]
    regret: Annotated[Interval, "how far ``selected`` is below the table's best"]
    search_seconds: Annotated[Interval, "time of the search itself, of each trial"]


@dataclass(frozen=True, repr=False)
class MetaTablesFindings(CurveFindings):
    """Outcome of searches that learnt from other tasks, beside cold ones."""

    maps: list[Row]
    """Similarity of the tasks of each table, as ``task_similarities``."""

    def best(self, address: str | None = None) -> Row:
        """Entry of the summary with the fewest mean queries on a held-out task.

        Parameters
        ----------
        address : str, optional
            ``TABLE/TASK``, where there are several; of task ``all`` those of a table together.

        Raises
        ------
        ParameterError
            If there are several and none is named.
        UnknownNameError
            If no such task was held out.
        """
        entries = [{**entry, "task": entry["held_out"]} for entry in self.summary]
        address = task_named(entries, address)
        of_task = [e for e in self.summary if f"{e['table']}/{e['held_out']}" == address]
        return dict(min(of_task, key=lambda entry: float(entry["queries"]["mean"])))


class MetaTablesStudy(TableSearches[MetaTablesFindings, Problem]):
    """One task held out after the other, searched with what the others teach.

    Every method has the same budget and batches, and the same seeds. What is counted are the
    queries to the best 0.1 % of the searched column: a search ends with the batch that reaches it.

    Parameters
    ----------
    options : MetaTablesOptions
        ``methods`` are some of ``METHODS``; with the cold ones the others are compared. With
        ``file`` the labels in it are learnt from (``read_task_labels``), and nothing of the table;
        that they are not of the tasks held out is up to the caller.

    Raises
    ------
    ParameterError
        If a number is not positive, the budget exceeds a table, a task has no others to learn
        from, or a file is given and no method learns.
    UnknownNameError
        If there is no such table, task or method.
    StorageError, DataFileError, ArchitectureError, LabelError
        If the file cannot be read, or its labels are of another space or none.
    """

    kind = "meta-tables"
    folder_kind = "meta"
    title = "Searches that know other tasks"
    findings = MetaTablesFindings
    command = "meta tables"
    options_type = MetaTablesOptions
    row = SearchRow
    entry = MetaTablesEntry
    unit_class = SearchUnit
    judge_class = BestOfTable

    options: MetaTablesOptions

    def __init__(self, options: MetaTablesOptions) -> None:
        self.file = Path(options.file) if options.file else None
        methods = chosen(options.methods, tuple(METHODS), kind="method")
        if self.file and not set(methods) & set(WARM):
            raise ParameterError(
                f"none of {', '.join(methods)} learns from earlier tasks: leave --from out, or "
                f"name one of {', '.join(WARM)}"
            )
        contenders = [Contender(name, None, TaskSearcher(name)) for name in methods]
        super().__init__(options, problems_of(options.tables), contenders)
        self.sources = {task.address: self._sources(task) for task in self.tasks}
        if without := [address for address, names in self.sources.items() if not names]:
            raise ParameterError(f"{without[0]}: its table has no task on other data to learn from")
        self.goals = {task.address: best_values(task) for task in self.tasks}

    def _sources(self, problem: Problem) -> list[str]:
        """Names of what is learnt from; that of a file tells its content from another's."""
        if self.file is None:
            return [other.task for other in earlier_problems(problem.table, problem.task)]
        labels = read_task_labels(self.file, problem.space)
        return [f"{self.file.name} {fingerprint(labels._asdict())}"]

    def asked(self) -> dict[str, Any]:
        """Columns of each task, what is learnt from for it, and the value that ends a search."""
        return {**searched_columns(self.tasks), "sources": self.sources, "ends_at": self.goals}

    def units(self, folder: Path) -> Mapping[str, Unit]:  # noqa: ARG002 -- keeps no files
        """One unit per task, method and trial; those of a task together, which learn the same."""
        settings = self.settings()
        return {
            f"{task.address} {method.label} trial={trial}": self.unit(task, method, trial, settings)
            for task in self.tasks
            for method in self.contenders
            for trial in range(self.options.trials)
        }

    def unit(
        self, task: Problem, contender: Contender, trial: int, settings: Settings
    ) -> SearchUnit:
        """One search, which ends where it reaches the best 0.1 %."""
        factory = TaskSearcher(contender.searcher, task, self.options.seed, self.file)
        ending = replace(settings, goal=self.goals[task.address])
        return self.unit_class(task, replace(contender, factory=factory), trial, ending)

    def summarise(self, rows: Sequence[Row]) -> Parts:
        """Queries and savings of each method, its curves, and maps of the tasks."""
        parts = super().summarise(rows)
        tables = {task.table.name: task.table for task in self.tasks}
        maps = [task_similarities(table, seed=self.options.seed) for table in tables.values()]
        return {**parts, "summary": self._summary(parts["summary"], rows), "maps": maps}

    def _summary(self, searches: Sequence[Row], rows: Sequence[Row]) -> list[Row]:
        """One entry per held-out task and method, and per method one over all tasks."""
        queries: dict[tuple[str, str], Values] = {}
        for (table, task, method), of in grouped(rows, "table", "task", "searcher").items():
            address, told = f"{table}/{task}", by_trial(of, "search_value")
            reached = queries_to_reach(told, self.goals[address])
            queries[address, method] = reached.astype(np.float64)
        kept = ("searched", "reported", "budget", "trials", "selected", "oracle", "regret")
        summary = []
        for entry in searches:
            task, method, budget = address_of(entry), entry["searcher"], entry["budget"]
            counts = queries[task, method]
            summary.append(
                {
                    "table": entry["table"],
                    "held_out": entry["task"],
                    "method": method,
                    "sources": self.sources[task] if method in WARM else [],
                    "queries": {
                        **interval(counts, least=1, most=budget + 1),
                        "median": float(np.median(counts)),
                        "reached": int((counts <= budget).sum()),
                    },
                    "reached_share": float((counts <= budget).mean()),
                    "saving": savings(queries, task, method, budget, self.options.seed),
                    **{key: entry[key] for key in kept},
                    "search_seconds": entry["search_seconds"],
                }
            )
        return summary + _over_tasks(summary)

    @classmethod
    def table_of(cls, found: Parts) -> TextTable:
        """Methods of each held-out task, the fewest queries first."""
        return meta_table(found["summary"])

    @classmethod
    def notes(cls, found: Parts) -> list[str]:
        """How the numbers were made."""
        about = found["about"]
        misses = f"a trial that misses the best 0.1 % counts {about['budget'] + 1} queries"
        return [f"{trials_text(about)}; {misses}, one that reaches it ends"]

    @classmethod
    def page(cls, found: Parts, folder: Path) -> Page:
        """Report of queries, savings and regret, with a map of the tasks, also as files."""
        return meta_page(found, folder)

    @classmethod
    def as_json(cls, found: Parts, folder: Path) -> dict[str, Any]:
        """Object that ``--json`` prints."""
        parts = {"task_maps" if k == "maps" else k: v for k, v in found.items()}
        return super().as_json(parts, folder)


def best_values(problem: Problem) -> float:
    """Least searched value among the best 0.1 % of a task's architectures."""
    count = int(np.ceil(BEST_SHARE * len(problem.codes)))
    return float(np.sort(problem.search_values)[-count])


def savings(
    queries: Mapping[tuple[str, str], Values], task: str, method: str, budget: int, seed: int
) -> dict[str, Saving]:
    """Shares of queries that a warm method saves against each cold one, by bootstrap over trials.

    Parameters
    ----------
    queries : mapping of (task, method) to float array, shape (trials,)
        Queries of each search; ``budget + 1`` where it missed.
    task, method : str
    budget : int
    seed : int
        Of the bootstrap.
    """
    if method not in WARM:
        return {}
    shares: dict[str, Saving] = {}
    for cold in COLD:
        if (task, cold) not in queries:
            continue
        theirs, own = queries[task, cold], queries[task, method]
        missed = (bool((theirs > budget).any()), bool((own > budget).any()))
        share = bootstrap_interval(_saved_share, theirs, own, seed=seed)
        if len(own) < FEWEST_DRAWS:  # resamples of so few say little, and no trial has a saving
            share = {**share, "low": None, "high": None}
        shares[cold] = {**share, "bound": _BOUNDS[missed]}
    return shares


def _saved_share(cold: Any, warm: Any) -> Any:
    """One minus the ratio of the means over the last axis."""
    return 1 - np.mean(warm, axis=-1) / np.mean(cold, axis=-1)


def _joint_bound(bounds: Sequence[str | None]) -> str | None:
    """Bound that the mean of savings has, of theirs."""
    kinds = sorted({bound for bound in bounds if bound})
    return None if not kinds else kinds[0] if len(kinds) == 1 else "unknown"


def _over_tasks(summary: Sequence[Row]) -> list[Row]:
    """One entry per table and method: means over the held-out tasks.

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
            "tasks": len(members),
            "queries": interval([e["queries"]["mean"] for e in members.values()], least=1),
            "reached_share": float(np.mean([e["reached_share"] for e in members.values()])),
            "saving": {
                cold: {
                    **interval([e["saving"][cold]["mean"] for e in members.values()], most=1),
                    "bound": _joint_bound([e["saving"][cold]["bound"] for e in members.values()]),
                }
                for cold in next(iter(members.values()))["saving"]
            },
        }
        for (table, method), members in groups.items()
        if len(members) > 1
    ]


_SIGNS = {None: "", "lower": ">", "upper": "<"}


def meta_table(summary: Sequence[Mapping[str, Any]]) -> TextTable:
    """Methods of each held-out task as text, with a saving to each cold search that ran."""
    compared = list(dict.fromkeys(cold for entry in summary for cold in entry["saving"]))
    addresses = [f"{entry['table']}/{entry['held_out']}" for entry in summary]
    order = {address: k for k, address in enumerate(dict.fromkeys(addresses))}
    ordered = sorted(
        zip(addresses, summary, strict=True),
        key=lambda pair: (order[pair[0]], float(pair[1]["queries"]["mean"])),
    )
    columns = [
        *("held out", "method", "queries to best 0.1 %", "reached"),
        *(f"saving to {cold}" for cold in compared),
        *("selected", "regret"),
    ]
    rows = [_cells(address, entry, compared) for address, entry in ordered]
    return TextTable(columns, rows, leading([address for address, _ in ordered]))


def _cells(address: str, entry: Mapping[str, Any], compared: Sequence[str]) -> list[str]:
    """Cells of one entry."""
    missed = entry["reached_share"] < 1
    savings = [
        _percent(entry["saving"][cold]) if cold in entry["saving"] else "" for cold in compared
    ]
    values = [interval_text(entry[key]) if key in entry else "" for key in ("selected", "regret")]
    return [
        address,
        entry["method"],
        (">" if missed else "") + interval_text(entry["queries"], digits=1),
        f"{entry['reached_share']:.0%}",
        *savings,
        *values,
    ]


def _percent(measured: Mapping[str, Any]) -> str:
    """A share and its interval as percentages, with what it bounds."""
    bound = measured.get("bound")
    if measured["mean"] is None or bound not in _SIGNS:
        return ""
    text = f"{_SIGNS[bound]}{100 * measured['mean']:.0f} %"
    if measured["low"] is None:
        return text
    return f"{text} [{100 * measured['low']:.0f}, {100 * measured['high']:.0f}]"


def _queries(summary: Sequence[Row]) -> Picture:
    """Picture of the queries of each method, a panel per held-out task."""
    groups = {
        "/".join(held_out): {
            e["method"]: e["queries"] for e in sorted(of, key=lambda e: float(e["queries"]["mean"]))
        }
        for held_out, of in grouped(summary, "table", "held_out").items()
    }
    title = "Queries to the best 0.1 %"
    return by_name("queries", title, groups, quantity="queries to the best 0.1 %")


def meta_page(found: Parts, folder: Path) -> Page:
    """Contents of the report; the maps of tasks are written beside it as pictures.

    Raises
    ------
    StorageError
        If they cannot be written.
    """
    about = found["about"]
    pictures = [draw_similarities(each) for each in found["maps"]]
    for each, picture in zip(found["maps"], pictures, strict=True):
        with atomic_write(folder / f"tasks-{each['table']}.svg") as file:
            file.write(to_svg(picture.sheet()).encode())
    sections = [
        Section.of(
            "Queries to the best 0.1 %",
            meta_table(found["summary"]),
            f"Of the searched column. {interval_words(about['trials'])} A trial that misses counts "
            f"{about['budget'] + 1}, so that a mean over such trials is a lower bound (>). Savings "
            "are shares of the cold search's queries in this run: at least so much where only "
            "cold trials missed (>), at most where only warm ones did (<), untold where both did. "
            "A search ends where it reaches the best 0.1 %: the selected architecture and its "
            "regret are those of its end. Warm methods learnt from other tasks, never from the "
            "one held out: see the end.",
            [_queries(found["summary"])],
        ),
        regret_section(
            found["curves"],
            "How far the reported value of the selected architecture lies below the table's best; "
            "level from where a search ended.",
        ),
        Section(
            "How alike the tasks are",
            "Left and right: by the values of a few architectures measured on all tasks. Middle: "
            "over all architectures.",
            pictures,
        ),
    ]
    return Page(
        lead=f"One task left out after the other, {number_of(about['trials'], 'trial')} of "
        f"{number_of(about['budget'], 'evaluation')} each.",
        sections=sections,
        made={
            "searched": about["searched"],
            "learnt from": about["sources"],
            "batch": about["batch"],
            "seed": about["seed"],
            "versions": about["versions"],
        },
    )
