"""``validate --verify``: train architectures of a table again and compare with what it says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...data.devices import resolve_device
from ...data.images import load_images
from ...data.tables import Table
from ...errors import LabelError, ParameterError
from ..intervals import kendall_tau_interval
from ..metrics import kendall_tau
from ..training import make_recipe
from .building import agreement, train_unit, units_of
from .journal import Journal, Progress, Row, bound, fingerprint, versions, write_rows


@dataclass(frozen=True)
class Verification:
    """What ``verify`` found.

    Attributes
    ----------
    summary : dict
        ``trainings``, how many of them are ``equal`` to the stored values, the ``mean_difference``
        and ``largest_difference`` in percentage points, the ``seed_difference`` between stored
        seeds to hold them against, Kendall ``tau`` of retrained with stored means, and
        ``tau_between_seeds`` in the table, its ceiling.
    architectures : list of dict
        One entry per training.
    folder : Path
    about : dict
    """

    summary: dict[str, Any]
    architectures: list[Row]
    folder: Path
    about: dict[str, Any]


def verify(
    table: Table,
    n: int,
    *,
    images: str | None = None,
    device: str = "auto",
    jobs: int = -1,
    out: Path | None = None,
    command: str = "",
    progress: Progress | None = None,
) -> Verification:
    """Train ``n`` architectures of a table again, by the recipe in it, and compare.

    They lie at even steps down the table's ranking, and each is trained with all seeds of the
    table. On the machine and the versions that made the table the accuracies are the same;
    elsewhere arithmetic is rounded otherwise, and they differ as two seeds do, or less.

    Parameters
    ----------
    table : Table
        One that ``build`` made.
    n : int
    images : str, optional
        Where the images are, if not where they were.
    device : str
    jobs : int
    out : Path, optional
        Folder of the study; by default ``runs/verify-XXXXXXXX``.
    command : str
    progress : callable, optional

    Raises
    ------
    ParameterError
        If the table was not trained by NASurge, the images are others, or it has too few rows.
    """
    if table.made.get("kind") != "table":
        raise ParameterError(
            f"table {table.name!r} holds no recipe to train by: --verify takes a table that "
            "NASurge trained, such as nb201-digits or one of nasurge table build"
        )
    made, space = table.made, table.space
    recipe = make_recipe(made["recipe"])
    options = {key: value for key, value in made["images"].items() if key != "digest"}
    data = load_images(**{**options, **({"name_or_path": images} if images else {})})
    if not images and data.digest != made["images"]["digest"]:
        raise ParameterError(
            f"{data.name} are not the images that table {table.name!r} was trained on: name those "
            "with --images"
        )
    (task,) = table.tasks
    stored = table.runs(table.default(task).report)
    column = table.data[table.default(task).report]
    stored = column[:, None] if stored is None else stored
    rows = _spread(column, n)
    device = resolve_device(device)
    about = {
        "kind": "verify",
        "table": table.name,
        "checksum": table.digest,
        "n": n,
        "images": data.digest,
        "device": device,
        "versions": versions(),
    }
    folder = out or Path("runs") / f"verify-{fingerprint(about)}"
    study = Journal(folder, about)
    seeds = range(stored.shape[1])
    units = units_of(
        space,
        table.codes[rows],
        data,
        recipe,
        seeds=seeds,
        device=device,
        threads=made["threads"],
        folder=folder,
    )
    found = study.run(
        bound(units, train_unit), jobs=jobs if device == "cpu" else 1, progress=progress
    )
    expected = stored[rows].ravel()
    trained = [
        {
            "architecture": row["architecture"],
            "seed": row["seed"],
            "stored": float(value),
            "retrained": float("nan") if row["diverged"] else row["test_accuracy"],
            "train_seconds": row["train_seconds"],
        }
        for row, value in zip(found, expected, strict=True)
    ]
    write_rows(folder, trained)
    summary = _summary(trained, len(rows))
    summary["seed_difference"] = _seed_difference(stored)
    summary["tau_between_seeds"] = agreement(table, task)
    about |= {"recipe": recipe.to_dict(), "trained_with": made["versions"], "command": command}
    return Verification(summary, trained, folder, about)


def _spread(values: np.ndarray[Any, Any], n: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return ``n`` rows at even steps down the ranking."""
    measured = np.flatnonzero(np.isfinite(values))
    if not 1 <= n <= len(measured):
        raise LabelError(
            f"--verify takes 1 to {len(measured)} architectures, as many as the table has values "
            f"of; received {n}"
        )
    order = measured[np.argsort(-values[measured], kind="stable")]
    return order[np.linspace(0, len(order) - 1, n).round().astype(np.int64)]


def _seed_difference(stored: np.ndarray[Any, Any]) -> float | None:
    """Return the mean absolute difference between the first two seeds of a table."""
    if stored.shape[1] < 2:
        return None
    return float(np.nanmean(np.abs(stored[:, 0] - stored[:, 1])))


def _summary(trained: Sequence[Row], n: int) -> dict[str, Any]:
    """Return how retrained and stored accuracies agree."""
    both = np.array([[row["stored"], row["retrained"]] for row in trained])
    gap = np.abs(both[:, 0] - both[:, 1])
    stored, again = both.reshape(n, -1, 2).mean(axis=1).T
    known = np.isfinite(stored + again)
    x, y = stored[known], again[known]
    few = {"mean": kendall_tau(x, y) if len(x) > 1 else None, "low": None, "high": None}
    return {
        "architectures": n,
        "trainings": len(both),
        "equal": int((gap < 1e-9).sum()),
        "mean_difference": float(np.nanmean(gap)) if np.isfinite(gap).any() else None,
        "largest_difference": float(np.nanmax(gap)) if np.isfinite(gap).any() else None,
        "tau": kendall_tau_interval(x, y) if len(x) >= 5 else {**few, "n": len(x)},
    }


def verify_lines(summary: Mapping[str, Any]) -> list[str]:
    """Return what was found, in sentences."""
    from .page import interval_text

    equal = (
        f"{summary['equal']} of {summary['trainings']} trainings of {summary['architectures']} "
        "architectures gave exactly the stored test accuracy"
    )
    lines = [equal]
    if summary["mean_difference"] is not None:
        lines.append(
            f"difference from the stored: mean {summary['mean_difference']:.2f}, largest "
            f"{summary['largest_difference']:.2f} percentage points"
        )
    if summary["seed_difference"] is not None:
        lines.append(
            f"difference between two seeds of the table: mean {summary['seed_difference']:.2f} "
            "percentage points"
        )
    lines.append(f"Kendall tau between retrained and stored: {interval_text(summary['tau'])}")
    if summary["tau_between_seeds"]:
        lines.append(
            "Kendall tau between two seeds of the table, its ceiling: "
            f"{interval_text(summary['tau_between_seeds'])}"
        )
    return lines


def verify_report(folder: Path) -> Path:
    """Write the report of a finished verification and return its path.

    Raises
    ------
    StorageError, DataFileError
        If the folder holds no finished verification.
    """
    from .page import Page, Section, read_summary, render

    found = read_summary(folder)
    lines = verify_lines(found["summary"])
    columns = ("architecture", "seed", "stored", "retrained")
    rows = [
        [r["architecture"], str(r["seed"]), *(_percent(r[key]) for key in columns[2:])]
        for r in found["architectures"]
    ]
    about = found["about"]
    return render(
        folder / "report.html",
        Page(
            lead=f"{lines[0]}.",
            sections=[
                Section("Agreement", "; ".join(lines[1:]) + "."),
                Section("Trainings", "Test accuracy in percent.", (), columns, rows),
            ],
            made={k: v for k, v in about.items() if k != "kind"},
        ),
        title=f"{about['table']} trained again",
        command=found["command"],
    )


def _percent(value: float | None) -> str:
    return "diverged" if value is None else f"{value:.2f}"
