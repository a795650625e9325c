"""Savings of searches that start from other tasks: the study behind ``nasurge meta warm-start``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypedDict

import numpy as np

from ...benchmarks.intervals import Interval
from ...benchmarks.studies import (
    Findings,
    Journal,
    Page,
    Parts,
    Picture,
    Row,
    RunOptions,
    Section,
    Study,
    TextTable,
    Unit,
    by_name,
    descending,
    draw_task_map,
    fingerprint,
    grouped,
    interval_text,
    interval_words,
    read_about,
    to_svg,
    versions,
)
from ...benchmarks.training import KINDS, check_least
from ...data.files import atomic_write
from ...data.images import default_tasks
from ...data.spaces import Codes, is_place, make_space
from ...data.types import Values
from ...errors import ParameterError
from ..differentiable import Donor, donor_weights, keep_donor, transferred_logits
from .options import WarmStartOptions
from .warm_start_summary import MEAN, WarmStartRows, summarise_savings, tasks_and_ranks
from .warm_start_units import (
    ColdUnit,
    DistanceUnit,
    EmbedUnit,
    OpenUnit,
    SharedUnit,
    TaskUnit,
    TrainUnit,
    WarmUnit,
)

_MAP = "task_map.svg"
_STORE = "experiences"
_SETTINGS = [
    field.name for field in fields(WarmStartOptions) if field.name not in vars(RunOptions())
]


class WarmStartRow(TypedDict):
    """Stand-alone trainings of one architecture on one task."""

    kind: Annotated[str, "train, of what a search came by, or shared, trained on every task"]
    task: Annotated[str, "as it was named"]
    architecture: Annotated[str, "in the notation of its space"]
    accuracies: Annotated[list[float], "test accuracy of each training, in percent"]
    seconds: Annotated[float, "processor time of all trainings"]


class WarmStartEntry(TypedDict):
    """One method on one task, over seeds."""

    task: Annotated[str, "task that was searched; mean stands for all of them"]
    method: Annotated[str, "cold, or how the donors were chosen"]
    seeds: Annotated[int, "searches of each kind on each task"]
    tasks: Annotated[int, "tasks that a mean is over"]
    beaten: Annotated[float | None, "least share of rivals that the gate asks for; 0 is no gate"]
    strength: Annotated[float | None, "strength of the start, chosen on the other tasks"]
    donors: Annotated[list[str], "task of the donor of each seed"]
    tolerance: Annotated[float, "standard error of an accuracy, in percent"]
    worst_saving: Annotated[float, "mean saving on the task where it is least"]
    cost: Annotated[Interval, "processor seconds until as good, with all that is spent on donors"]
    cost_epochs: Annotated[Interval, "epochs until then; one more than there are if never"]
    accuracy: Annotated[Interval, "of the architecture then, in percent"]
    offered_accuracy: Annotated[Interval, "of the donor's architecture"]
    cold_accuracy: Annotated[Interval, "of what the cold search found in the end"]
    saving: Annotated[Interval, "share of the whole cold search's cost"]
    saving_to_first: Annotated[Interval, "share of its cost until it was first as good"]
    accepted: Annotated[float, "share of the searches whose donor was taken"]
    reached: Annotated[float, "share of the searches that became as good"]


@dataclass(frozen=True, repr=False)
class WarmStartFindings(Findings):
    """Outcome of a study of warm starts.

    Attributes
    ----------
    task_map : dict
        ``tasks``, the matrices ``fisher``, ``transport`` and ``rank_correlation``, and
        ``agreement``, the correlation of each distance with the third.
    """

    task_map: dict[str, Any]

    def best(self) -> Row:
        """Entry of the way to choose donors that saves most, mean of all tasks."""
        means = [e for e in self.summary if e["task"] == MEAN and e["method"] != "cold"]
        return dict(min(means, key=lambda entry: descending(entry["saving"])))


class WarmStartStudy(Study[WarmStartFindings, WarmStartOptions]):
    """Savings of searches that start from other tasks, each task left out in turn.

    The folder keeps every search and every training: one may be asked for more ``seeds`` and
    ``strengths`` there.

    Parameters
    ----------
    options : WarmStartOptions
        ``tasks`` are as ``load_task`` takes them; without one, those of this machine.

    Raises
    ------
    ParameterError
        If there are fewer than three different tasks, or a number is outside its range.
    NasurgeError
        As ``load_task`` and ``search_supernet``.
    """

    kind = "warm-start"
    title = "Warm starts of searches across tasks"
    findings = WarmStartFindings
    grows = ("seeds", "strengths")
    command = "meta warm-start"
    options_type = WarmStartOptions
    row = WarmStartRow
    entry = WarmStartEntry

    def __init__(self, options: WarmStartOptions) -> None:
        options = replace(options, tasks=tuple(options.tasks), strengths=tuple(options.strengths))
        if options.tasks in ((), ("offline",)):
            options = replace(options, tasks=default_tasks("offline" if options.tasks else "all"))
        self.options = options
        self._check()

    def _check(self) -> None:
        options = self.options
        check_searches(options)
        if not options.strengths or min(options.strengths) <= 0:
            raise ParameterError(f"strengths must be above 0, not {options.strengths}")
        if len(set(options.tasks)) < len(options.tasks) or len(options.tasks) < 3:
            raise ParameterError(
                "leaving one task out needs three different tasks or more, received "
                f"{', '.join(options.tasks) or 'none'}"
            )

    def about(self) -> dict[str, Any]:
        """JSON description of the study."""
        settings = {name: getattr(self.options, name) for name in _SETTINGS}
        return {**settings, "versions": versions()}

    def name_of(self, about: Mapping[str, Any]) -> str:
        """Eight characters that name the folder, without the kind: as they have always been."""
        return fingerprint({key: value for key, value in about.items() if key != "kind"})

    def units(self, folder: Path) -> Mapping[str, Unit]:  # noqa: ARG002 -- keeps no files yet
        """Units that need nothing of others: embeddings and cold searches."""
        return {unit.name: unit for unit in self._first_units()}

    def _first_units(self) -> list[TaskUnit]:
        options = self.options
        units: list[TaskUnit] = [EmbedUnit(options, task) for task in options.tasks]
        return [*units, *(ColdUnit(options, *trial) for trial in trials_of(options))]

    def execute(self, journal: Journal) -> list[Row]:
        """Rows of all units, in phases: what is searched depends on what others found."""
        phases, options = _Phases(self.options, journal), self.options
        store = journal.folder / _STORE
        phases.finish(self._first_units())
        phases.train((task, row["codes"]) for (task, _), row in phases.rows().cold.items())
        rows = phases.rows()
        for task, seed in trials_of(options):
            keep_donor(store / f"seed-{seed}", rows.donor(task, seed))
        phases.finish(DistanceUnit(options, *trial, store) for trial in trials_of(options))
        # At the gate only the order of the logits counts, and one strength serves all.
        phases.search_warm(WarmUnit, options.gate, (1.0,))
        phases.search_warm(WarmUnit, options.epochs, options.strengths)
        phases.search_warm(OpenUnit, options.epochs, options.strengths)
        phases.finish(shared_units(options))
        return phases.done

    def tidy(self, rows: Sequence[Row]) -> list[Row]:
        """Trainings alone."""
        return [row for row in rows if row["kind"] in ("train", "shared")]

    def summarise(self, rows: Sequence[Row]) -> Parts:
        """One entry per task and method, their means, and the map of the tasks."""
        return _summary(WarmStartRows(self.options, rows))

    @classmethod
    def restored(cls, rows: Sequence[Row], about: Mapping[str, Any]) -> Parts | None:
        """Summary made of the rows alone; None if searches or trainings are missing."""
        values = {name: about[name] for name in _SETTINGS}
        values |= {name: tuple(about[name]) for name in ("tasks", "strengths")}
        options = WarmStartOptions(**values)
        trainings = {row["architecture"] for row in rows if row["kind"] == "shared"}
        if trainings < {unit.architecture for unit in shared_units(options)}:
            return None
        try:
            return _summary(WarmStartRows(options, rows))
        except KeyError:  # of a search or training that is missing
            return None

    @classmethod
    def read(cls, folder: Path) -> Parts:
        """Summary that a study's folder holds; older ones do not say there how they were made."""
        return {"about": read_about(folder), "command": "", **super().read(folder)}

    @classmethod
    def table_of(cls, found: Parts) -> TextTable:
        """Costs and savings per task and method."""
        digits = {"cost": 1, "accuracy": 1, "cold_accuracy": 1, "saving": 2, "saving_to_first": 2}
        shown = [
            [
                entry["task"],
                entry["method"],
                *(interval_text(entry[key], digits=n) for key, n in digits.items()),
                *(f"{entry[key]:.0%}" for key in ("accepted", "reached")),
            ]
            for entry in found["summary"]
        ]
        columns = ("task", "method", "cost, s", "accuracy", "cold accuracy", "saving")
        return TextTable((*columns, "saving to first", "accepted", "reached"), shown)

    @classmethod
    def notes(cls, found: Parts) -> list[str]:
        """Line that says what the numbers are."""
        words = interval_words(found["summary"][0]["seeds"], "seed")
        return [
            f"Cost: until as good as what the cold search found in the end. {words}",
            "Means of all tasks come last.",
        ]

    @classmethod
    def page(cls, found: Parts, folder: Path) -> Page:  # noqa: ARG003 -- draws what it shows
        """Report of costs and savings, with the map of the tasks."""
        means = {e["method"]: e for e in found["summary"] if e["task"] == MEAN}
        ranked = sorted(
            (e for name, e in means.items() if name not in ("cold", "random")),
            key=lambda e: descending(e["saving"]),
        )
        texts = [f"{e['method']} {interval_text(e['saving'], digits=2)}" for e in ranked]
        lead = (
            f"Share of a cold search's cost that is saved, mean of {means['cold']['tasks']} tasks: "
            f"{', '.join(texts)}; from a donor drawn at random "
            f"{interval_text(means['random']['saving'], digits=2)}."
        )
        about = found["about"]
        table = Section.of("All numbers", cls.table_of(found), " ".join(cls.notes(found)))
        text = "Bright is near. A distance is of use if near tasks rank architectures alike."
        savings = Section(
            "Savings",
            "Share of the cold search's cost that is saved; below 0 the search became dearer. The "
            f"pale points are tasks. {interval_words(found['summary'][0]['seeds'], 'seed')}",
            [_savings(found["summary"])],
        )
        near = Section("Map of the tasks", text, [_map_of(found)])
        return Page(lead, [savings, table, near], about)

    @classmethod
    def write_report(cls, found: Parts, folder: Path) -> Path:
        """Path of the report, after it and the map of the tasks were written."""
        with atomic_write(folder / _MAP) as file:
            file.write(to_svg(_map_of(found).sheet()).encode())
        return super().write_report(found, folder)

    @classmethod
    def as_json(cls, found: Parts, folder: Path) -> dict[str, Any]:
        """Object that ``--json`` prints."""
        return {**super().as_json(found, folder), "picture": str(folder / _MAP)}


def check_searches(options: WarmStartOptions) -> None:
    """Refuse what searches of tasks cannot be made with.

    Raises
    ------
    ParameterError
        If a number is outside its range, or the space is a model.
    """
    least = {"seeds": 1, "epochs": 2, "width": 1, "train_epochs": 1, "trainings": 2}
    check_least(options, {**least, "shared": 3, "gate": 1})
    if options.gate >= options.epochs:
        raise ParameterError(
            f"gate must be fewer than epochs, not {options.gate} of {options.epochs}"
        )
    if is_place(options.space):
        raise ParameterError(
            f"tasks of a warm start have images and classes of their own, the model "
            f"{options.space} is made for one of them: search it with nasurge supernet search, "
            "in Python from the logits= of an earlier search"
        )


class Start(NamedTuple):
    """Donors of a search, and their weights, shape (donors,)."""

    donors: list[Donor]
    weights: Values


class _Phases:
    """A study at work: which units were asked for so far, and what is known of them."""

    def __init__(self, options: WarmStartOptions, journal: Journal) -> None:
        self.options, self.journal = options, journal
        self.space = make_space(options.space)
        self._asked: dict[str, None] = {}

    @property
    def done(self) -> list[Row]:
        """Rows of the units asked for: the folder may hold those of a larger study."""
        return [row for name in self._asked for row in self.journal.done[name]]

    def rows(self) -> WarmStartRows:
        """Rows so far by what they are of."""
        return WarmStartRows(self.options, self.done)

    def finish(self, units: Iterable[TaskUnit]) -> list[Row]:
        """Rows of some units, after those that were not done have been run."""
        named = {unit.name: unit for unit in units}
        self._asked |= dict.fromkeys(named)
        return self.journal.run(named, jobs=self.options.jobs, progress=self.options.progress)

    def train(self, searches: Iterable[tuple[str, Any]]) -> None:
        """Train what searches came by on their tasks, each function once."""
        self.finish(
            TrainUnit(self.options, task, tuple(code.tolist()), self.options.trainings)
            for task, codes in searches
            for code in self.space.canonical(np.array(codes, dtype=np.int8))
        )

    def search_warm(self, kind: type[WarmUnit], until: int, strengths: Iterable[float]) -> None:
        """Search from the donors for so many epochs, where the gate's have not been enough."""
        rows, options = self.rows(), self.options
        units: list[TaskUnit] = []
        for task, seed in trials_of(options):
            for method, (donors, weights) in starts_of(rows, task, seed).items():
                if until > options.gate and rows.as_good(
                    task, seed, rows.at_gate[task, seed, method]["codes"]
                ):
                    continue
                donor = "all" if len(donors) > 1 else rows.embedded[donors[0].task]["label"]
                for strength in strengths:
                    logits = transferred_logits(
                        donors, self.space, weights=weights, strength=strength
                    )
                    start = tuple(map(tuple, logits.tolist()))
                    units.append(kind(options, task, seed, method, until, strength, donor, start))
        self.train((row["task"], row["codes"]) for row in self.finish(units))


def trials_of(options: WarmStartOptions) -> Iterator[tuple[str, int]]:
    """Every task with every seed."""
    return ((task, seed) for task in options.tasks for seed in range(options.seeds))


def shared_units(options: WarmStartOptions) -> list[SharedUnit]:
    """Trainings of the same architectures on every task, for the rank correlation of tasks."""
    space = make_space(options.space)
    codes: Codes = space.canonical(space.sample(options.shared, seed=0, unique=True))
    return [
        SharedUnit(options, task, tuple(code.tolist()), 1)
        for task in options.tasks
        for code in codes
    ]


def starts_of(rows: WarmStartRows, task: str, seed: int) -> dict[str, Start]:
    """Donors of a task by each method, all of the same seed."""
    tasks = rows.options.tasks
    others = [rows.donor(name, seed) for name in sorted(tasks) if name != task]
    near = {str(kind): np.array(rows.distances[task, seed][kind]) for kind in KINDS}
    starts = {kind: Start([others[near[kind].argmin()]], np.ones(1)) for kind in near}
    starts["meta-transfer"] = Start(others, donor_weights(near["transport"]))
    rng = np.random.default_rng([seed, tasks.index(task)])
    starts["random"] = Start([others[int(rng.integers(len(others)))]], np.ones(1))
    return starts


def _summary(rows: WarmStartRows) -> Parts:
    """Parts of the summary that come from rows."""
    return {"summary": summarise_savings(rows), "task_map": tasks_and_ranks(rows)}


def _savings(summary: Sequence[Row]) -> Picture:
    """Picture of what each way to choose donors saves: mean over tasks, and each task."""
    warm = [entry for entry in summary if entry["method"] != "cold"]
    title = "mean of all tasks"
    means = {e["method"]: e["saving"] for e in warm if e["task"] == MEAN}
    tasks = {
        method: {e["task"]: e["saving"]["mean"] for e in members if e["task"] != MEAN}
        for method, members in grouped(warm, "method").items()
    }
    words = "share of a cold search's cost that is saved"
    groups, singles = {title: means}, {title: tasks}
    return by_name("savings", "Savings", groups, quantity=words, singles=singles)


def _map_of(found: Parts) -> Picture:
    """Map of the tasks; what JSON keeps as null is not a number."""
    task_map = found["task_map"]
    agreement = {
        kind: float("nan") if value is None else value
        for kind, value in task_map["agreement"].items()
    }
    return draw_task_map({**task_map, "agreement": agreement})
