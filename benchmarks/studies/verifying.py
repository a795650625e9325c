"""``table verify``: train architectures of a table again and compare with what it says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from ...data.devices import device_kind
from ...data.images import Images, load_images
from ...data.tables import Table, load_table
from ...errors import LabelError, ParameterError
from ..intervals import Interval
from ..training import make_recipe
from .digits import interval_text
from .journal import Journal, Row, versions
from .kinds import Findings, Parts
from .options import VerifyOptions
from .page import Page, Section, TextTable
from .training_pictures import retrained_picture
from .trainings import TrainingPlan, Trainings, seed_agreement
from .validate_choice import even_steps
from .validate_columns import tau_of_some


class VerifyRow(TypedDict):
    """One training of an architecture of the table."""

    architecture: Annotated[str, "the architecture in text"]
    seed: Annotated[int, "seed of the training"]
    stored: Annotated[float, "test accuracy in the table, in percent"]
    retrained: Annotated[float, "test accuracy now; nothing where the training diverged"]
    train_seconds: Annotated[float, "seconds of the training"]


class VerifyEntry(TypedDict):
    """How the retrained and the stored accuracies agree."""

    architectures: Annotated[int, "architectures trained again"]
    trainings: Annotated[int, "trainings, each with a seed of the table"]
    equal: Annotated[int, "trainings that gave exactly the stored test accuracy"]
    mean_difference: Annotated[float | None, "from the stored accuracy, in percentage points"]
    largest_difference: Annotated[float | None, "from the stored accuracy, in percentage points"]
    seed_difference: Annotated[
        float | None, "mean difference between two seeds of the table, to hold these against"
    ]
    tau: Annotated[Interval, "Kendall tau of the retrained with the stored means"]
    tau_between_seeds: Annotated[
        Interval | None, "Kendall tau between two seeds of the table, the ceiling of tau"
    ]


@dataclass(frozen=True, repr=False)
class Verification(Findings):
    """Outcome of ``table verify``: one entry, and a row per training."""

    architectures: list[Row]
    """The rows."""


class VerifyStudy(Trainings[Verification, VerifyOptions]):
    """Agreement of a table that NASurge trained with the same trainings done again.

    The architectures lie at even steps down the table's ranking, and each is trained with all
    seeds of the table. On the machine and the versions that made the table the accuracies are the
    same; elsewhere arithmetic is rounded otherwise, and they differ as two seeds do, or less.

    Parameters
    ----------
    options : VerifyOptions

    Raises
    ------
    ParameterError
        If the table was not trained by NASurge, or the images are others.
    LabelError
        If it has too few rows.
    UnknownNameError
        If there is no such table.
    """

    kind = "verify"
    title = "A table trained again"
    command = "table verify"
    options_type = VerifyOptions
    findings = Verification
    row = VerifyRow
    entry = VerifyEntry

    def __init__(self, options: VerifyOptions) -> None:
        self.options = options
        name = options.table
        # A task is allowed beside the name: such a table has but one.
        table = load_table(name.partition("/")[0]) if isinstance(name, str) else name
        if table.made.get("kind") != "table":
            raise ParameterError(
                f"table {table.name!r} holds no recipe to train by: only a table that NASurge "
                "trained can be verified, such as nb201-digits or one of nasurge table build"
            )
        self.table = table
        self.plan = TrainingPlan(
            table.space,
            _images(table, options.images),
            make_recipe(table.made["recipe"]),
            options.device,
            table.made["threads"],
        )
        (task,) = table.tasks
        report = table.default(task).report
        column, runs = table.data[report], table.runs(report)
        self.stored = column[:, None] if runs is None else runs
        self.numbers = _even_rows(column, options.n)
        self.codes, self.seeds = table.codes[self.numbers], self.stored.shape[1]

    def about(self) -> dict[str, Any]:
        """JSON description of the study."""
        return {
            "table": self.table.name,
            "checksum": self.table.digest,
            "n": self.options.n,
            "images": self.plan.images.digest,
            "device": device_kind(self.plan.device),
            "versions": versions(),
        }

    def remarks(self, rows: Sequence[Row]) -> dict[str, Any]:  # noqa: ARG002 -- known before
        """Recipe of the table, and the versions that it was trained with."""
        return {
            "recipe": self.plan.recipe.to_dict(),
            "trained_with": self.table.made["versions"],
        }

    def execute(self, journal: Journal) -> list[Row]:
        """Row of each training, beside the stored value."""
        trained = super().execute(journal)
        rows: list[Row] = []
        for row, value in zip(trained, self.stored[self.numbers].ravel(), strict=True):
            one: VerifyRow = {
                "architecture": row["architecture"],
                "seed": row["seed"],
                "stored": float(value),
                "retrained": float("nan") if row["diverged"] else row["test_accuracy"],
                "train_seconds": row["train_seconds"],
            }
            rows.append(dict(one))
        return rows

    def summarise(self, rows: Sequence[Row]) -> Parts:
        """The one entry of the summary."""
        entry = _agreement_of(rows, len(self.numbers))
        first, *others = self.stored.T
        entry["seed_difference"] = float(np.nanmean(np.abs(first - others[0]))) if others else None
        entry["tau_between_seeds"] = seed_agreement(self.stored)
        return {"summary": [entry], "architectures": list(rows)}

    @classmethod
    def table_of(cls, found: Parts) -> TextTable:
        """Stored and retrained accuracy of every training."""
        columns = ("architecture", "seed", "stored", "retrained")
        rows = [
            [row["architecture"], str(row["seed"]), *(_percent(row[key]) for key in columns[2:])]
            for row in found["architectures"]
        ]
        return TextTable(columns, rows)

    @classmethod
    def notes(cls, found: Parts) -> list[str]:
        """What was found, in sentences, and how."""
        about = found["about"]
        return [*_sentences(found), f"table {about['table']}, on {about['device']}"]

    @classmethod
    def page(cls, found: Parts, folder: Path) -> Page:  # noqa: ARG003 -- shows no other files
        """Report of the agreement."""
        about = found["about"]
        lead, *lines = _sentences(found)
        return Page(
            lead=f"{lead}.",
            sections=[
                Section(
                    "Agreement",
                    "; ".join(lines) + ".",
                    [retrained_picture(found["architectures"], _entry(found))],
                ),
                Section.of("Trainings", cls.table_of(found), "Test accuracy in percent."),
            ],
            made={k: v for k, v in about.items() if k != "kind"},
            title=f"{about['table']} trained again",
        )


def _images(table: Table, path: str | Path | None) -> Images:
    """Images that a table was trained on, or those at another place that are named."""
    made = table.made["images"]
    options = {key: value for key, value in made.items() if key != "digest"}
    images = load_images(**{**options, **({"name_or_path": path} if path else {})})
    if not path and images.digest != made["digest"]:
        raise ParameterError(
            f"{images.name} are not the images that table {table.name!r} was trained on: name "
            "those with --images"
        )
    return images


def _even_rows(values: NDArray[np.float64], n: int) -> NDArray[np.int64]:
    """Numbers of ``n`` rows at even steps down the ranking, shape (n,)."""
    measured = np.flatnonzero(np.isfinite(values))
    if not 1 <= n <= len(measured):
        raise LabelError(
            f"1 to {len(measured)} architectures can be verified, as many as the table has values "
            f"of; received {n}"
        )
    order = measured[np.argsort(-values[measured], kind="stable")]
    return even_steps(order, n)


def _agreement_of(rows: Sequence[Row], n: int) -> Row:
    """How retrained and stored accuracies of ``n`` architectures agree."""
    both = np.array([[row["stored"], row["retrained"]] for row in rows])
    gap = np.abs(both[:, 0] - both[:, 1])
    stored, again = both.reshape(n, -1, 2).mean(axis=1).T
    known = np.isfinite(stored + again)
    return {
        "architectures": n,
        "trainings": len(both),
        "equal": int((gap < 1e-9).sum()),
        "mean_difference": float(np.nanmean(gap)) if np.isfinite(gap).any() else None,
        "largest_difference": float(np.nanmax(gap)) if np.isfinite(gap).any() else None,
        "tau": tau_of_some(stored[known], again[known]),
    }


def _entry(found: Parts) -> Mapping[str, Any]:
    """Entry of the summary; folders of earlier versions hold it by itself."""
    summary = found["summary"]
    return summary if isinstance(summary, Mapping) else dict(summary[0])


def _sentences(found: Parts) -> list[str]:
    """What was found, in sentences."""
    entry = _entry(found)
    equal = (
        f"{entry['equal']} of {entry['trainings']} trainings of {entry['architectures']} "
        "architectures gave exactly the stored test accuracy"
    )
    lines = [equal]
    if entry["mean_difference"] is not None:
        lines.append(
            f"difference from the stored: mean {entry['mean_difference']:.2f}, largest "
            f"{entry['largest_difference']:.2f} percentage points"
        )
    if entry["seed_difference"] is not None:
        lines.append(
            f"difference between two seeds of the table: mean {entry['seed_difference']:.2f} "
            "percentage points"
        )
    lines.append(f"Kendall tau between retrained and stored: {interval_text(entry['tau'])}")
    if entry["tau_between_seeds"]:
        lines.append(
            "Kendall tau between two seeds of the table, its ceiling: "
            f"{interval_text(entry['tau_between_seeds'])}"
        )
    return lines


def _percent(value: float | None) -> str:
    return "diverged" if value is None or not np.isfinite(value) else f"{value:.2f}"
