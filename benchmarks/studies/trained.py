"""Trainings that a search asked for: the record of what ``TrainedObjective`` keeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...data.spaces import Codes
from .journal import Row, Unit
from .kinds import Findings, Parts, Study
from .options import RunOptions
from .page import Page, Section, TextTable, number_of
from .trainings import (
    TrainingEntry,
    TrainingPlan,
    TrainingRow,
    training_summary,
    training_table,
)


class TrainedStudy(Study[Findings, RunOptions]):
    """What architectures reach that are trained one after another, as a search asks for them.

    Parameters
    ----------
    plan : TrainingPlan
    codes : int8 array, shape (n, d)
    seeds : int
        Trainings of each, with the seeds 0, 1, ...
    options : RunOptions, optional
    """

    kind = "trained"
    title = "Architectures that a search had trained"
    row = TrainingRow
    entry = TrainingEntry

    def __init__(
        self,
        plan: TrainingPlan,
        codes: Codes,
        *,
        seeds: int = 1,
        options: RunOptions | None = None,
    ) -> None:
        self.plan, self.codes, self.seeds = plan, codes, seeds
        self.options = options or RunOptions(jobs=1)

    def about(self) -> dict[str, Any]:
        """JSON description of the trainings; any architectures may be asked for."""
        return self.plan.about()

    def units(self, folder: Path) -> Mapping[str, Unit]:
        """One unit per architecture and seed."""
        return self.plan.units(self.codes, seeds=range(self.seeds), folder=folder)

    def summarise(self, rows: Sequence[Row]) -> Parts:
        """One entry per architecture, the best on validation first."""
        return {"summary": training_summary(rows)}

    @classmethod
    def restored(cls, rows: Sequence[Row], about: Mapping[str, Any]) -> Parts:  # noqa: ARG003
        """Summary of all that was trained so far."""
        return {"summary": training_summary(rows)}

    @classmethod
    def table_of(cls, found: Parts) -> TextTable:
        """Accuracies of the best architectures."""
        return training_table(found["summary"])

    @classmethod
    def page(cls, found: Parts, folder: Path) -> Page:  # noqa: ARG003 -- shows no other files
        """Report of the trainings."""
        table = training_table(found["summary"], most=None)
        number = number_of(len(found["summary"]), "architecture")
        text = "Mean and 95 % interval over seeds; the single values where seeds are few."
        sections = [Section.of("Architectures", table, text)]
        made = {key: value for key, value in found["about"].items() if key != "kind"}
        return Page(f"{number} trained.", sections, made)
