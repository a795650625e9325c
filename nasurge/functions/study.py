"""Searches of a space with a function, repeated over trials: ``nasurge search --objective``."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, TypedDict

import numpy as np

from ..benchmarks.constraints import parse_constraints
from ..benchmarks.intervals import Interval, interval
from ..benchmarks.studies import (
    Findings,
    Journal,
    Page,
    Parts,
    Row,
    Section,
    Study,
    TextTable,
    Unit,
    grouped,
    images_space,
    interval_text,
    interval_words,
    number_of,
    numbers,
    versions,
)
from ..data.images import load_images
from ..errors import LabelError, ParameterError
from ..options import SearchCommandOptions
from ..search.loop import Trace, check_timeout
from ..search.pareto import feasible_rows, non_dominated
from ..search.store import run_stored, storage_of
from ..search.studies import Contender, answer_lines, codes_of_own
from ..search.studies.found import found_picture, graphs_of
from ..search.studies.units import FILES, Settings, stored_rows, tracking_of
from ..trackers import trackers_of
from .contenders import contenders_of, made_for
from .pictures import failed, incumbents, searcher_label, searches_picture
from .task import FunctionTask
from .trained import recipe_typed
from .typed_task import TypedTask

_MOST = 20  # architectures of a front in a terminal


class FunctionRow(TypedDict):
    """One evaluation of one search of a function."""

    space: Annotated[str, "name of the space"]
    objective: Annotated[str, "function that was searched"]
    searcher: Annotated[str, "what searches"]
    predictor: Annotated[str | None, "what guides it"]
    trial: Annotated[int, "number of the search, from 0"]
    query: Annotated[int, "number of the evaluation, from 0"]
    architecture: Annotated[str, "what was evaluated"]
    feasible: Annotated[bool, "whether it has values, and these are within the bounds"]
    search_seconds: Annotated[float, "time of the search itself, without the function"]
    NAME: Annotated[float, "a value by its name, ``value`` without one; none if it failed"]


class FunctionEntry(TypedDict):
    """One searcher of a function, over trials."""

    space: Annotated[str, "name of the space"]
    objective: Annotated[str, "function that was searched"]
    searcher: Annotated[str, "what searches"]
    predictor: Annotated[str | None, "what guides it"]
    budget: Annotated[int, "evaluations of each trial that were asked for"]
    trials: Annotated[int, "searches with other seeds"]
    evaluations: Annotated[int, "evaluations that there are, over all trials"]
    failures: Annotated[int, "evaluations without a value, over all trials"]
    best: Annotated[Interval | None, "best value of each trial; none of several objectives"]
    front_size: Annotated[int | None, "architectures on the front of all trials, of several"]
    search_seconds: Annotated[Interval, "time of the search itself, of each trial"]


@dataclass(frozen=True, repr=False)
class FunctionFindings(Findings):
    """Outcome of searches of a function.

    Attributes
    ----------
    found : list of dict
        Per searcher the best architecture over all trials; of several objectives those on the
        front.
    """

    found: list[Row]
    graphs: dict[str, Any] = field(default_factory=dict)
    """Nodes and edges of a few of them by name, for the report."""

    def best(self) -> Row:
        """Entry of ``found`` with the best value, of equals the first.

        Raises
        ------
        ParameterError
            If there are several objectives: ``front`` is what is best then.
        LabelError
            If no evaluation has succeeded within the bounds.
        """
        if len(self.about["objectives"]) > 1:
            raise ParameterError(
                "of several objectives no architecture is the best: front() returns those that "
                "none is better than"
            )
        return self.front()[0]

    def front(self) -> list[Row]:
        """Entries of ``found`` that none of another searcher dominates, each architecture once.

        Raises
        ------
        LabelError
            If no evaluation has succeeded within the bounds.
        """
        if not self.found:
            raise LabelError("no evaluation has succeeded within the bounds")
        values = [list(e.get("values", {"": e.get("value")}).values()) for e in self.found]
        signs = np.array(self.about["signs"][: len(values[0])])
        first: dict[str, Row] = {}
        for row in non_dominated(signs * np.array(values, dtype=float)).tolist():
            first.setdefault(self.found[row]["architecture"], self.found[row])
        return list(first.values())


@dataclass(frozen=True)
class FunctionUnit:
    """One trial of one searcher; calling it gives a row per evaluation."""

    task: TypedTask
    contender: Contender
    trial: int
    settings: Settings
    folder: Path

    def __call__(self) -> list[Row] | None:
        """Rows of the search; None if the time was up before its end."""
        settings, contender = self.settings, self.contender
        task = self.task(self.folder / "trainings" / f"{contender.path}-{self.trial}")
        seed = settings.trial_seed(self.trial)
        until = settings.until
        tracking = replace(settings.tracking, names=task.names, signs=task.signs)
        label = f"{contender.label} {self.trial}"
        with tracking.search(label, searcher=contender.label, trial=self.trial) as track:
            trace = self._trace(task, seed, track)
        in_time = until is None or time.time() < until
        return self._rows(task, trace) if in_time or len(trace.values) >= settings.budget else None

    def _trace(self, task: FunctionTask, seed: int, track: Callable[[Trace], None] | None) -> Trace:
        """Trace of the search, which its database keeps."""
        settings, contender, until = self.settings, self.contender, self.settings.until
        return run_stored(
            made_for(contender, task, seed),
            task,
            storage=str(settings.storage),
            study=f"{settings.name}/{contender.path}/{self.trial}",
            budget=settings.budget,
            batch=settings.batch,
            about={"batch": settings.batch, "seed": settings.seed, **task.about()},
            timeout=None if until is None else max(until - time.time(), 0.0),
            retry_failed=self.task.options.retry_failed,
            track=track,
        )

    def _rows(self, task: FunctionTask, trace: Trace) -> list[Row]:
        """Row of each evaluation; values in their own units."""
        values = trace.values.reshape(len(trace.values), len(task.names))
        own = np.asarray(task.signs) * values
        kept = feasible_rows(values, task.bounds)
        return [
            {
                **shared_keys(self.task, self.contender),
                "trial": self.trial,
                "query": query,
                "architecture": architecture,
                **dict(zip(task.names, own[query].tolist(), strict=True)),
                "feasible": bool(kept[query]),
                "search_seconds": trace.seconds[query],
            }
            for query, architecture in enumerate(trace.space.format(trace.codes))
        ]


def shared_keys(task: TypedTask, contender: Contender) -> Row:
    """What tells the rows and entries of one searcher from others."""
    return {
        "space": task.space.name,
        "objective": task.label,
        "searcher": contender.searcher,
        "predictor": contender.predictor,
    }


class FunctionStudy(Study[FunctionFindings, SearchCommandOptions]):
    """Searches of a space with a function of one's own.

    Every evaluation is kept in a database at once: ``searches.db`` in the folder, or the one that
    is named. Nothing else is searched beside, since evaluations may cost much.

    Parameters
    ----------
    options : SearchCommandOptions
        With ``space`` and ``objective``.

    Raises
    ------
    ParameterError, UnknownNameError
        If the function cannot be imported, a name is not known, or an option would not be used.
    InfeasibleError
        If no architecture keeps the bounds on costs.
    """

    kind = "function"
    folder_kind = "search"
    title = "Searches of a function"
    command = "search"
    options_type = SearchCommandOptions
    findings = FunctionFindings
    grows = ("searchers", "trials", "budget", "code")
    row = FunctionRow
    entry = FunctionEntry

    def __init__(self, options: SearchCommandOptions) -> None:
        self.options = replace(options, track=trackers_of(options.track))
        named = options.images
        images = named and load_images(named, size=options.size, limit=options.limit)
        space = images_space(str(options.space), images or None)
        recipe = recipe_typed(options.recipe)
        self.typed = TypedTask(space, options, images or None, recipe)
        self.task = self.typed(Path())
        self.task.pool()  # refused here if nothing keeps the bounds
        self.storage = storage_of(options.storage, options.study)
        check_timeout(options.timeout)
        several = len(self.task.names) > 1
        self.contenders = contenders_of(options.searchers, options.predictors, several=several)

    def about(self) -> dict[str, Any]:
        """JSON description of the study."""
        options = self.options
        return {
            "space": self.typed.space.spec(),
            "objective": self.typed.label,
            "objectives": list(self.task.objectives),
            "names": list(self.task.names),
            "signs": list(self.task.signs),
            "constraints": [str(limit) for limit in parse_constraints(options.constraints)],
            "costs": list(options.costs),
            "form": options.form,
            **self.typed.about(),
            **codes_of_own(self.contenders),
            "searchers": [contender.label for contender in self.contenders],
            "budget": options.budget,
            "trials": options.trials,
            "batch": options.batch_size,
            "seed": options.seed,
            **({"study": options.study} if options.study else {}),
            "versions": versions(),
        }

    def units(self, folder: Path) -> Mapping[str, Unit]:
        """One unit per trial and searcher, kept in a database of the folder if none is named."""
        options = self.options
        self.followed = tracking_of(options, self.about(), folder).prepared()
        settings = Settings(
            options.budget,
            options.batch_size,
            options.seed,
            until=None if options.timeout is None else time.time() + options.timeout,
            storage=self.storage or f"sqlite:///{(folder / 'searches.db').resolve()}",
            name=options.study or "search",
            tracking=self.followed,
        )
        typed = replace(self.typed, jobs=options.jobs) if self._single else self.typed
        return {
            f"{contender.label} trial={trial}": FunctionUnit(
                typed, contender, trial, settings, folder
            )
            for trial in range(options.trials)
            for contender in self.contenders
        }

    def run(self) -> FunctionFindings:
        """Findings of the study, as ``Study.run``; its files go to trackers too."""
        found = super().run()
        self.followed.study([found.folder / name for name in FILES])
        return found

    @property
    def _single(self) -> bool:
        """Whether there is one search, whose trainings then share the processes."""
        return self.options.trials == len(self.contenders) == 1

    def execute(self, journal: Journal) -> list[Row]:
        """Rows of all searches, up to the budget: some may have gone further before."""
        options, units = self.options, self.units(journal.folder)
        how: dict[str, Any] = {
            "jobs": 1 if self._single else options.jobs,
            "prepare": None,
            "progress": options.progress,
        }
        if self.storage is None:
            rows = journal.run(units, whole=self.whole, **how)
        else:
            rows = stored_rows(units, self.storage, **how)
        return [row for row in rows if row["query"] < options.budget]

    def whole(self, rows: Sequence[Row]) -> bool:
        """Whether a search has come as far as the budget, and nothing failed shall be tried again.

        One that ended with its space is asked again, which costs no evaluation.
        """
        again = self.options.retry_failed and any(failed(row, self.task.names) for row in rows)
        return len(rows) >= self.options.budget and not again

    def summarise(self, rows: Sequence[Row]) -> Parts:
        """Summary, and what was found."""
        searches = grouped(rows, "searcher", "predictor")
        summary, found = [], []
        for contender in self.contenders:
            shared = shared_keys(self.typed, contender)
            of_searcher = searches[contender.searcher, contender.predictor]
            best = self._found(of_searcher)
            trials = list(grouped(of_searcher, "trial").values())
            several = self.task.n_objectives > 1
            name, sign = self.task.names[0], self.task.signs[0]
            bests = [incumbents(trial, name, sign)[-1] for trial in trials]
            seconds = [np.nansum([row["search_seconds"] or 0.0 for row in t]) for t in trials]
            summary.append(
                {
                    **shared,
                    "budget": self.options.budget,
                    "trials": len(trials),
                    "evaluations": len(of_searcher),
                    "failures": sum(failed(row, self.task.names) for row in of_searcher),
                    "best": None if several else interval(bests, **self.typed.limits(name)),
                    "front_size": len(best) if several else None,
                    "search_seconds": interval(seconds, least=0),
                }
            )
            found += [{**shared, "table": None, "task": None, **entry} for entry in best]
        return {"summary": summary, "found": found, "graphs": graphs_of(self.task.space, found)}

    @classmethod
    def as_json(cls, found: Parts, folder: Path) -> dict[str, Any]:
        """Object that ``--json`` prints: without what pictures are made of."""
        return super().as_json({k: v for k, v in found.items() if k != "graphs"}, folder)

    def _found(self, rows: Sequence[Row]) -> list[Row]:
        """Best architecture of a searcher, of equals the first, or its front, each once.

        What several trials have evaluated counts by the mean of its values.
        """
        ordered = sorted(rows, key=lambda row: (row["trial"], row["query"]))
        repeats = grouped([row for row in ordered if row["feasible"]], "architecture")
        if not repeats:
            return []
        task, names = self.task, self.task.objectives
        limits = self.typed.limits(names[0])
        kept = [
            {**same[0], **{name: float(np.mean(numbers(same, name))) for name in names}}
            for same in repeats.values()
        ]
        signs = np.asarray(task.signs[: len(names)])
        values = signs * np.array([[row[name] for name in names] for row in kept], dtype=float)
        best = non_dominated(values) if len(names) > 1 else [int(values[:, 0].argmax())]
        kept = [kept[k] for k in best]
        codes = task.space.parse([row["architecture"] for row in kept])
        variables = task.space.to_dicts(codes)
        costs = {limit.name: task.cost(limit.name, codes) for limit in task.known}
        return [
            {
                "trial": row["trial"],
                "architecture": row["architecture"],
                "variables": variables[k],
                **(
                    {"values": {name: row[name] for name in names}}
                    if len(names) > 1
                    else {
                        "value": row[names[0]],
                        "measured": interval(
                            numbers(repeats[row["architecture"]], names[0]), **limits
                        ),
                    }
                ),
                "costs": {name: float(column[k]) for name, column in costs.items()},
            }
            for k, row in enumerate(kept)
        ]

    @classmethod
    def table_of(cls, found: Parts) -> TextTable:
        """Searchers, the best first."""
        sign = found["about"]["signs"][0]
        several = len(found["about"]["objectives"]) > 1

        def rank(entry: Mapping[str, Any]) -> float:
            mean = None if several else entry["best"]["mean"]
            return float("inf") if mean is None else -sign * float(mean)

        summary = sorted(found["summary"], key=rank)
        rows = [
            [
                searcher_label(entry),
                str(entry["front_size"]) if several else interval_text(entry["best"]),
                str(entry["evaluations"]),
                str(entry["failures"]),
                f"{entry['search_seconds']['mean']:.2f}",
            ]
            for entry in summary
        ]
        measure = "on the front" if several else f"best {found['about']['objectives'][0]}"
        columns = ("searcher", measure, "evaluations", "failed", "own seconds")
        return TextTable(columns, rows, () if several else (0,))

    @classmethod
    def tables_of(cls, found: Parts) -> list[TextTable]:
        """Searchers, and the front of several objectives."""
        several = len(found["about"]["objectives"]) > 1 and found["found"]
        return [cls.table_of(found), *([found_table(found, most=_MOST)] if several else [])]

    @classmethod
    def notes(cls, found: Parts) -> list[str]:
        """What was found, and how."""
        about, lines = found["about"], []
        names, sign = about["objectives"], about["signs"][0]
        if len(names) == 1 and found["found"]:
            best = max(found["found"], key=lambda e: sign * e["value"])
            of = "training" if "images" in about else "evaluation"
            lines = answer_lines(best, f"best found, {names[0]}", of)
        elif not found["found"]:
            lines = ["nothing found: no evaluation has succeeded within the bounds"]
        limits = "".join(f"; only {limit}" for limit in about["constraints"])
        ways = ", ".join(
            f"{name} {'minimised' if s < 0 else 'maximised'}"
            for name, s in zip(names, about["signs"], strict=False)
        )
        trials = number_of(about["trials"], "trial")
        return [
            *lines,
            f"{trials} of {about['budget']} evaluations, seed {about['seed']}; {ways}{limits}",
        ]

    @classmethod
    def page(cls, found: Parts, folder: Path) -> Page:
        """Report of the searches: a picture, the table, and what was found."""
        about = found["about"]
        lead = f"{about['objective']} on space {found['summary'][0]['space']}: "
        notes = cls.notes(found)
        made = {
            key: about[key] or "none"
            for key in ("objective", "constraints", "batch", "seed", "versions")
        }
        words = interval_words(found["summary"][0]["trials"])
        drawn = found_picture(found["found"], found.get("graphs", {}))
        on_the_way = Section("On the way", "", [searches_picture(_rows_of(folder), about)])
        best = Section.of("Found", found_table(found), "", [drawn] if drawn else [])
        several = len(about["objectives"]) > 1
        sections = [
            *([on_the_way, best] if several else [best, on_the_way]),
            Section.of("After the whole budget", cls.table_of(found), words),
        ]
        return Page(f"{lead}{notes[0]}.", sections, made)


def found_table(found: Parts, *, most: int | None = None) -> TextTable:
    """What each searcher found, its values and costs, the best by the first objective first."""
    names, sign = found["about"]["objectives"], found["about"]["signs"][0]
    values = [
        list(entry.get("values", {"": entry.get("value")}).values()) for entry in found["found"]
    ]
    order = sorted(range(len(values)), key=lambda k: -sign * values[k][0])
    costs = list(dict.fromkeys(c for e in found["found"] for c in e["costs"] if c not in names))
    rows = [
        [
            searcher_label(found["found"][k]),
            *(f"{value:.6g}" for value in values[k]),
            *(f"{found['found'][k]['costs'][name]:.6g}" for name in costs),
            found["found"][k]["architecture"],
        ]
        for k in order[:most]
    ]
    more = len(order) - len(rows)
    note = f"and {more} more in the report" if more else ""
    return TextTable(("searcher", *names, *costs, "architecture"), rows, note=note)


def _rows_of(folder: Path) -> list[Row]:
    """Rows that a folder keeps."""
    import pandas as pd

    frame = pd.read_parquet(folder / "rows.parquet")
    frame["predictor"] = frame["predictor"].astype(object).where(frame["predictor"].notna(), None)
    return [{str(k): v for k, v in row.items()} for row in frame.to_dict("records")]
