"""``table build``: train architectures on images, with seeds and curves: your own benchmark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...data.networks import PROXIES
from ...data.spaces import make_space
from ...data.tables import Table, check_table_name, keep_table, load_table, table_names
from ...errors import ParameterError
from .digits import interval_text
from .flags import chosen
from .journal import Journal, Row, Unit, fingerprint, jsonable
from .kinds import Findings, Parts, Study
from .options import BuildOptions
from .page import Page, Section, TextTable, interval_words, number_of
from .training_table import table_of_trainings
from .trainings import (
    TrainingEntry,
    TrainingPlan,
    TrainingRow,
    fault_lines,
    images_of,
    recipe_of,
    run_table,
    sample_architectures,
    seed_agreement,
    training_faults,
    training_summary,
    training_table,
)


@dataclass(frozen=True, repr=False)
class Built(Findings):
    """Outcome of ``table build``.

    Attributes
    ----------
    summary : list of dict
        One entry per architecture, the best on validation first.
    rows : list of dict
        One entry per training.
    folder : Path
    about : dict
    table : Table
        As it is loaded by its name.
    agreement : dict or None
        Kendall tau of the reported accuracy between two seeds, a measured quantity: the ceiling
        of what any predictor can reach against one of them.
    """

    table: Table
    agreement: dict[str, Any] | None

    @property
    def parts(self) -> Parts:
        """Everything that ``summary.json`` keeps; of the table its name and size."""
        return super().parts | {
            "table": {"name": self.table.name, "architectures": len(self.table)}
        }


class TableStudy(Study[Built]):
    """Table of what architectures reach when they are trained on images.

    A finished or stopped study may be asked for more architectures or seeds: what it has is used
    again, and an architecture's seeds are 0, 1, ...

    Parameters
    ----------
    options : BuildOptions

    Raises
    ------
    ParameterError
        If the space has no networks, a number is out of range, or the name is taken.
    UnknownNameError
        If there is no such space or proxy.
    StorageError, DataFileError
        If images or a recipe cannot be read.
    """

    kind = "table"
    title = "A table of trained networks"
    command = "table build"
    options_type = BuildOptions
    findings = Built
    grows = ("architectures", "seeds")
    row = TrainingRow
    entry = TrainingEntry

    options: BuildOptions

    def __init__(self, options: BuildOptions) -> None:
        self.options = options
        check_table_name(options.name)
        if options.seeds < 1:
            raise ParameterError(f"seeds must be at least 1, not {options.seeds}")
        space = make_space(options.space) if isinstance(options.space, str) else options.space
        self.plan = TrainingPlan(
            space, images_of(options), recipe_of(options), options.device, options.threads
        )
        self.codes = sample_architectures(
            space, options.architectures, seed=options.sample_seed, twins=options.twins
        )
        self.proxies = chosen(options.proxies, PROXIES, kind="proxy") if options.proxies else []
        if not options.force:
            _refuse_other(options.name, jsonable({"kind": self.kind, **self.about()}))

    def about(self) -> dict[str, Any]:
        """JSON description of the study."""
        options = self.options
        return {
            **self.plan.about(),
            "sample_seed": options.sample_seed,
            "twins": options.twins,
            "architectures": options.architectures,
            "seeds": options.seeds,
        }

    def name_of(self, about: Mapping[str, Any]) -> str:
        """Name of the folder, the same for more architectures or seeds."""
        return fingerprint({k: v for k, v in about.items() if k not in self.grows})

    def units(self, folder: Path) -> Mapping[str, Unit]:
        """One unit per architecture and seed."""
        return self.plan.units(self.codes, seeds=range(self.options.seeds), folder=folder)

    def execute(self, journal: Journal) -> list[Row]:
        """Rows of all trainings, on as many processes as the device allows."""
        return journal.run(
            self.units(journal.folder),
            jobs=self.plan.jobs(self.options.jobs),
            progress=self.options.progress,
        )

    def remarks(self, rows: Sequence[Row]) -> dict[str, Any]:
        """Trainings that did not go as they should."""
        return dict(training_faults(rows, self.plan.recipe))

    def summarise(self, rows: Sequence[Row]) -> Parts:
        """Entries per architecture, and the table that is kept."""
        plan, options = self.plan, self.options
        table = table_of_trainings(
            options.name,
            plan.space,
            self.codes,
            rows,
            plan.images,
            plan.recipe,
            made={"kind": self.kind, **self.about(), **self.remarks(rows)},
            proxies=self.proxies,
        )
        return {
            "summary": training_summary(rows),
            "table": keep_table(table, replace_existing=options.force),
            "agreement": seed_agreement(run_table(rows, "test_accuracy")),
        }

    @classmethod
    def restored(cls, rows: Sequence[Row], about: Mapping[str, Any]) -> Parts:  # noqa: ARG003
        """Summary of a study that was stopped, or was made before summaries were kept."""
        agreement = seed_agreement(run_table(rows, "test_accuracy"))
        return {"summary": training_summary(rows), "table": None, "agreement": agreement}

    @classmethod
    def table_of(cls, found: Parts) -> TextTable:
        """Accuracies of the best architectures."""
        return training_table(found["summary"])

    @classmethod
    def notes(cls, found: Parts) -> list[str]:
        """Size of the table, agreement of two seeds, and what did not go as it should."""
        return [_lead(found), *_agreement(found), *fault_lines(found["about"])]

    @classmethod
    def page(cls, found: Parts, folder: Path) -> Page:  # noqa: ARG003 -- shows no other files
        """Report of the trainings."""
        about = found["about"]
        text = " ".join([interval_words(about["seeds"], "seed"), *_agreement(found)])
        table = training_table(found["summary"], most=None)
        return Page(
            _lead(found),
            [Section.of("Architectures", table, text)],
            {k: v for k, v in about.items() if k != "kind"},
        )


def _lead(found: Parts) -> str:
    """What was trained, in a sentence."""
    about, table = found["about"], found["table"]
    name = f"{table['name']}: " if table else "Unfinished: "
    number = number_of(len(found["summary"]), "architecture")
    return f"{name}{number} trained, {number_of(about['seeds'], 'seed')} each."


def _agreement(found: Parts) -> list[str]:
    """How far two seeds agree, in a sentence."""
    if not found["agreement"]:
        return []
    tau = interval_text(found["agreement"])
    return [f"Kendall tau between two seeds, the ceiling of a predictor of one: {tau}"]


def _refuse_other(name: str, asked: Mapping[str, Any]) -> None:
    """Refuse a name that is taken by what another call made, before anything is trained.

    Raises
    ------
    ParameterError
        If it is.
    """
    if name not in table_names():
        return
    made = load_table(name).made
    if differs := [key for key, value in asked.items() if made.get(key) != value]:
        raise ParameterError(
            f"a table {name!r} of other content exists (different: {', '.join(differs)}): give "
            "another name, or replace it with --force"
        )
