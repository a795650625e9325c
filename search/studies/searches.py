"""Searches on tables, repeated over trials: what the studies of them have in common."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Annotated, Any, ClassVar, Generic, TypedDict, TypeVar

import numpy as np

from ...benchmarks.constraints import parse_constraints
from ...benchmarks.intervals import Interval
from ...benchmarks.objectives import Problem, problems_of
from ...benchmarks.studies import (
    Journal,
    Page,
    Parts,
    Row,
    Section,
    Study,
    TextTable,
    Unit,
    backend,
    descending,
    grouped,
    interval_text,
    interval_words,
    leading,
    listed,
    number_of,
    paired_entries,
    paired_sections,
    read_about,
    versions,
)
from ...errors import ParameterError
from ..loop import Tracking, check_timeout
from ..store import check_name, storage_of
from .found import CurveFindings, SearchFindings, address_of, found_section, graphs_of
from .options import SearchOptions, TrialOptions
from .units import (
    FILES,
    Contender,
    SearchTask,
    Settings,
    TrialUnit,
    preload,
    stored_rows,
    tracking_of,
)

MARKS = (25, 50, 100, 200)
"""Numbers of queries after which a table tells how searches stand."""


SearchFound = TypeVar("SearchFound", bound=CurveFindings)


Judge = Callable[[Sequence[Row]], tuple[Row, Row]]
"""Measure of one task's searches: from a searcher's rows to its summary and curves."""


class SearchedEntry(TypedDict):
    """One searcher on one task, over trials: what the entries of ``nasurge search`` have."""

    table: Annotated[str, "name of the table"]
    task: Annotated[str, "its task"]
    searcher: Annotated[str, "what searches"]
    predictor: Annotated[str | None, "what guides it"]
    budget: Annotated[int, "evaluations of each trial"]
    trials: Annotated[int, "searches with other seeds"]
    failures: Annotated[int, "evaluations without a value, over all trials"]
    search_seconds: Annotated[Interval, "time of the search itself, of each trial"]


class TableSearches(Study[SearchFound, TrialOptions], Generic[SearchFound, SearchTask]):
    """Every searcher on every task, over trials.

    Parameters
    ----------
    options : TrialOptions
    tasks : sequence of Problem
    contenders : sequence of Contender
    within : str
        Words for the constraints that limit the tasks, for an error.

    Raises
    ------
    ParameterError
        If a number is not positive, nothing is searched, or the budget exceeds a table.
    """

    grows: ClassVar[tuple[str, ...]] = ("searchers", "trials", "code")
    unit_class: ClassVar[type[TrialUnit[Any]]]
    judge_class: ClassVar[Callable[..., Judge]]
    """Makes the measure of a task's searches, of the task and the budget."""

    def __init__(
        self,
        options: TrialOptions,
        tasks: Sequence[SearchTask],
        contenders: Sequence[Contender],
        within: str = "",
    ) -> None:
        self.options, self.tasks, self.contenders = options, list(tasks), list(contenders)
        budget, trials, batch = options.budget, options.trials, options.batch_size
        if not tasks or not contenders or min(budget, trials, batch) < 1:
            raise ParameterError(
                "search needs at least one table, one searcher, and a budget, trials and batch "
                f"above 0; received {len(tasks)}, {len(contenders)}, {budget}, {trials} and {batch}"
            )
        for task in tasks:
            if budget > len(task.codes):
                raise ParameterError(
                    f"a budget of {budget} exceeds the {len(task.codes)} measured architectures of "
                    f"{task.address}{within}: lower --budget"
                )

    @abstractmethod
    def asked(self) -> dict[str, Any]:
        """Entries of the description that say what is searched and reported."""

    def unit(
        self, task: SearchTask, contender: Contender, trial: int, settings: Settings
    ) -> TrialUnit[SearchTask]:
        """One search."""
        return self.unit_class(task, contender, trial, settings)

    def settings(self) -> Settings:
        """How the searches are run, from now on."""
        return Settings(self.options.budget, self.options.batch_size, self.options.seed)

    def about(self) -> dict[str, Any]:
        """JSON description of the study."""
        options = self.options
        return {
            "tables": {task.address: task.table.digest for task in self.tasks},
            **self.asked(),
            **codes_of_own(self.contenders),
            "searchers": [contender.label for contender in self.contenders],
            "budget": options.budget,
            "trials": options.trials,
            "batch": options.batch_size,
            "seed": options.seed,
            "versions": versions(),
        }

    def tracking(self, folder: Path) -> Tracking:  # noqa: ARG002 -- for subclasses
        """Who follows the searches."""
        return Tracking()

    def units(self, folder: Path) -> Mapping[str, Unit]:
        """One unit per trial, task and searcher."""
        self.followed = self.tracking(folder).prepared()
        settings = replace(self.settings(), tracking=self.followed)
        return {
            f"{task.address} {contender.label} trial={trial}": self.unit(
                task, contender, trial, settings
            )
            for trial in range(self.options.trials)
            for task in self.tasks
            for contender in self.contenders
        }

    def execute(self, journal: Journal) -> list[Row]:
        """Rows of all searches; with a database, that keeps them instead of the journal."""
        with backend(self.options.backend):
            rows = self._all_rows(journal)
        self._held = max(row["query"] + 1 for row in rows)
        return [row for row in rows if row["query"] < self.options.budget]

    def _all_rows(self, journal: Journal) -> list[Row]:
        """Rows of all searches, of which some may have gone on beyond the budget before."""
        storage = self.settings().storage
        if storage is None:
            return super().execute(journal)
        return stored_rows(
            self.units(journal.folder),
            storage,
            jobs=self.options.jobs,
            prepare=self.prepare,
            progress=self.options.progress,
        )

    def remarks(self, rows: Sequence[Row]) -> dict[str, Any]:  # noqa: ARG002 -- were cut
        """Evaluations of the longest search, where they are more than were asked for."""
        return {"held": self._held} if self._held > self.options.budget else {}

    @staticmethod
    def shared(task: Problem, contender: Contender) -> dict[str, str | None]:
        """What tells the rows and entries of one searcher on one task from others."""
        return {
            "table": task.table.name,
            "task": task.task,
            "searcher": contender.searcher,
            "predictor": contender.predictor,
        }

    def summarise(self, rows: Sequence[Row]) -> Parts:
        """Summary and curves, one entry each per task and searcher."""
        searches = grouped(rows, "table", "task", "searcher", "predictor")
        summary, curves = [], []
        for task in self.tasks:
            judge = self.judge_class(task, self.options.budget)
            for contender in self.contenders:
                shared = self.shared(task, contender)
                entry, curve = judge(searches[tuple(shared.values())])
                summary.append({**shared, **entry})
                curves.append({**shared, "label": contender.label, **curve})
        return {"summary": summary, "curves": curves}

    @classmethod
    def as_json(cls, found: Parts, folder: Path) -> dict[str, Any]:
        """Object that ``--json`` prints: without what pictures are made of."""
        drawn = ("curves", "graphs")
        return super().as_json({k: v for k, v in found.items() if k not in drawn}, folder)


class ContenderSearches(TableSearches[SearchFindings, SearchTask]):
    """Searches of ``nasurge search``: with constraints, a time limit, a database.

    With a larger budget than a folder has, its searches are run anew, which on a table costs no
    evaluation, so that they are those of a fresh folder; in a database they go on.

    Parameters
    ----------
    options : SearchOptions
    contenders : sequence of Contender

    Raises
    ------
    UnknownNameError
        If there is no such table, task, column or objective.
    ParameterError
        If a number is not positive, nothing is searched, or the budget exceeds a table.
    InfeasibleError
        If no architecture meets the constraints.
    """

    findings = SearchFindings
    grows = (*TableSearches.grows, "budget")
    modules: ClassVar[tuple[str, ...]] = ()
    """Imported before any search is timed."""
    headings: ClassVar[tuple[str, ...]]
    """Columns of the table after task and searcher."""
    leads: ClassVar[str]
    """Measure by which searchers of a task are ordered."""
    on_the_way: ClassVar[tuple[str, str, str]]
    """Measure after some numbers of queries, title of its section, and what it is of."""
    lead: ClassVar[tuple[str, str]]
    """Beginning of the first sentence of a report, and what it says of each task's best row."""
    made: ClassVar[tuple[str, ...]]
    """Entries of the description that a report shows first."""

    options_type = SearchOptions
    options: SearchOptions

    def __init__(self, options: SearchOptions, contenders: Sequence[Contender]) -> None:
        self.constraints = [str(limit) for limit in parse_constraints(options.constraints)]
        self.storage = storage_of(options.storage, options.study)
        check_timeout(options.timeout)
        names = options.objectives or ()
        problems = problems_of(
            options.tables,
            metric=options.metric,
            objectives=listed(names) if isinstance(names, str) else names,
        )
        tasks = [self.task_of(problem, options) for problem in problems]
        within = f" that meet {' and '.join(self.constraints)}" if self.constraints else ""
        super().__init__(options, tasks, contenders, within)
        if options.study:
            for task, contender in product(self.tasks, self.contenders):
                check_name(self.unit(task, contender, options.trials, self.settings()).study)

    @abstractmethod
    def task_of(self, problem: Problem, options: SearchOptions) -> SearchTask:
        """Table's task with what the options ask of it."""

    def tracking(self, folder: Path) -> Tracking:
        """Who follows the searches."""
        return tracking_of(self.options, self.about(), folder)

    def run(self) -> SearchFindings:
        """Findings of the study, as ``Study.run``; its files go to trackers too."""
        found = super().run()
        self.followed.study([found.folder / name for name in FILES])
        return found

    def settings(self) -> Settings:
        """How the searches are run, from now on."""
        options = self.options
        until = None if options.timeout is None else time.time() + options.timeout
        return replace(
            super().settings(),
            until=until,
            storage=self.storage,
            name=options.study,
            workers=options.workers,
        )

    def about(self) -> dict[str, Any]:
        """JSON description of the study."""
        options = self.options
        about = {
            **super().about(),
            **({"constraints": self.constraints} if self.constraints else {}),
            **({"study": options.study} if options.study else {}),
            **({"workers": options.workers} if options.workers else {}),
        }
        if options.workers and options.out and (options.out / "study.json").exists():
            # Workers use no batch; folders of when one could be typed hold it all the same.
            about["batch"] = read_about(options.out).get("batch", about["batch"])
        return about

    def whole(self, rows: Sequence[Row]) -> bool:
        """Whether a search has come as far as the budget."""
        return len(rows) >= self.options.budget

    @classmethod
    @abstractmethod
    def found(cls, task: SearchTask, rows: Sequence[Row]) -> list[Row]:
        """Best architecture of one searcher on a task, or its front, with values and costs."""

    def summarise(self, rows: Sequence[Row]) -> Parts:
        """Summary, curves, and what was found."""
        searches = grouped(rows, "table", "task", "searcher", "predictor")
        found = []
        for task, contender in product(self.tasks, self.contenders):
            shared = self.shared(task, contender)
            found += [
                {**shared, **entry} for entry in self.found(task, searches[tuple(shared.values())])
            ]
        parts = super().summarise(rows)
        graphs: dict[str, Any] = {}
        for task in self.tasks:
            of_task = [e for e in found if (e["table"], e["task"]) == (task.table.name, task.task)]
            graphs |= graphs_of(task.space, of_task)
        paired = self._paired(parts["curves"])
        return {**parts, "found": found, "paired": paired, "graphs": graphs}

    @classmethod
    def found_sections(cls, found: Parts) -> list[Section]:
        """Section of what was found; folders of before it was kept have none."""
        entries = found.get("found")
        return [found_section(entries, found.get("graphs", {}))] if entries else []

    @classmethod
    def _paired(cls, curves: Sequence[Row]) -> list[Row]:
        """Differences between searchers in what each trial has found in the end."""
        tasks = {
            task: {curve["label"]: np.array(curve["final"], dtype=float) for curve in of_task}
            for task, of_task in grouped(curves, "table", "task").items()
        }
        spans = {(curve["table"], curve["task"]): float(curve["span"]) for curve in curves}
        return paired_entries(cls.leads, tasks, spans=spans)

    @property
    def prepare(self) -> Callable[[], None]:
        """Import of what searchers and predictors need."""
        task, contenders = self.tasks[0], tuple(self.contenders)
        first = self.unit(task, contenders[0], 0, self.settings())
        return partial(preload, contenders, task.space, first.objectives, self.modules)

    @classmethod
    @abstractmethod
    def cells(cls, entry: Mapping[str, Any]) -> list[str]:
        """Cells of one entry of the summary, as ``headings``."""

    @classmethod
    def table_of(cls, found: Parts) -> TextTable:
        """Searchers of each task, the best first."""
        ordered = sorted(
            found["summary"], key=lambda e: (e["table"], e["task"], descending(e[cls.leads]))
        )
        rows = [[address_of(e), searcher_text(e), *cls.cells(e)] for e in ordered]
        columns = ("table", "searcher", *cls.headings)
        return TextTable(columns, rows, leading([row[0] for row in rows]))

    @classmethod
    @abstractmethod
    def sections(cls, found: Parts, table: TextTable) -> list[Section]:
        """Pictures and the table of a report."""

    @classmethod
    def page(cls, found: Parts, folder: Path) -> Page:  # noqa: ARG003 -- shows no other files
        """Report of the searches: pictures, the table, and how they stood on the way."""
        about, table = found["about"], cls.table_of(found)
        start, of_task = cls.lead
        best = "; ".join(of_task.format(*table.rows[k]) for k in table.best)
        budget, trials = (
            number_of(about["budget"], "evaluation"),
            number_of(about["trials"], "trial"),
        )
        made = {
            **{key: about[key] or "none" for key in cls.made},
            "table checksums": {k: v[:12] for k, v in about["tables"].items()},
            "batch": about["batch"],
            "seed": about["seed"],
            "versions": about["versions"],
        }
        sections = [
            *cls.sections(found, table),
            *paired_sections(found.get("paired", ()), cls.leads.replace("_", " ")),
            *cls._on_the_way(found["summary"], table),
        ]
        return Page(f"{start} after {budget}: {best} ({trials}).", sections, made)

    @classmethod
    def _on_the_way(cls, summary: Sequence[Mapping[str, Any]], table: TextTable) -> list[Section]:
        """Section of one measure after some numbers of queries, if the budget reaches them."""
        measure, title, of = cls.on_the_way
        marks = list(summary[0][measure])
        if not marks:
            return []
        order = {(row[0], row[1]): k for k, row in enumerate(table.rows)}
        rows = [
            [address_of(e), searcher_text(e), *(interval_text(m) for m in e[measure].values())]
            for e in summary
        ]
        rows.sort(key=lambda row: order[row[0], row[1]])
        columns = ("table", "searcher", *(f"after {q}" for q in marks))
        words = f"Of {of}. {interval_words(summary[0]['trials'])}"
        return [Section.of(title, TextTable(columns, rows), words)]


def codes_of_own(contenders: Sequence[Contender]) -> dict[str, Any]:
    """Entry of a description with the code of each contender of somebody's own; none without."""
    found = {contender.label: contender.code for contender in contenders if contender.code}
    return {"code": found} if found else {}


def searcher_text(entry: Mapping[str, Any]) -> str:
    """Searcher and predictor of an entry of a summary."""
    guide = f" + {entry['predictor']}" if entry["predictor"] else ""
    return f"{entry['searcher']}{guide}"


def trials_text(about: Mapping[str, Any]) -> str:
    """How often and under which constraints searches were run, in words.

    Examples
    --------
    >>> trials_text({"trials": 2, "budget": 50, "seed": 0, "constraints": ["flops<=100"]})
    '2 trials of 50 evaluations, seed 0; only flops<=100'
    >>> trials_text({"trials": 1, "budget": 1, "seed": 0})
    '1 trial of 1 evaluation, seed 0'
    """
    limits = " and ".join(about.get("constraints", ()))
    trials, each = number_of(about["trials"], "trial"), number_of(about["budget"], "evaluation")
    shown = f"{trials} of {each}, seed {about['seed']}"
    if "held" in about:
        shown += f"; the first {about['budget']} of the {about['held']} that are there"
    return f"{shown}; only {limits}" if limits else shown
