"""Reports: one self-contained HTML file a person can open, and the text tables of the terminal."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from ...data.files import atomic_write
from ...errors import DataFileError, StorageError
from . import pictures
from .comparing import predictions_path
from .journal import Row, jsonable


@dataclass(frozen=True)
class Section:
    """One part of a report: a title, a sentence, pictures, a table."""

    title: str
    text: str = ""
    pictures: Sequence[str] = ()
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    best: Sequence[int] = field(default=())
    """Numbers of the rows to set off."""


def render(
    path: Path,
    *,
    title: str,
    lead: str,
    command: str,
    sections: Sequence[Section],
    made: Mapping[str, Any],
) -> Path:
    """Write a report and return its path.

    Raises
    ------
    StorageError
        If it cannot be written.
    """
    from jinja2 import Environment, StrictUndefined

    template = files("nasurge.benchmarks").joinpath("templates/report.html")
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    text = environment.from_string(template.read_text(encoding="utf-8")).render(
        title=title,
        lead=lead,
        command=command,
        sections=sections,
        made={key: _plain(value) for key, value in made.items()},
    )
    with atomic_write(path) as file:
        file.write(text.encode())
    return path


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return "; ".join(f"{k}: {v}" for k, v in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    return str(value)


def shown(measured: Mapping[str, Any], *, digits: int = 3) -> str:
    """Return a measured quantity as ``mean [low, high]``; the bare mean of a single trial.

    Examples
    --------
    >>> shown({"mean": 0.8123, "low": 0.8, "high": 0.8246, "n": 10})
    '0.812 [0.800, 0.825]'
    """
    if measured["mean"] is None:
        return "undefined"
    text = f"{measured['mean']:.{digits}f}"
    if measured["low"] is None:
        return text
    return f"{text} [{measured['low']:.{digits}f}, {measured['high']:.{digits}f}]"


def count(n: int, what: str) -> str:
    """Return a number of things in words.

    Examples
    --------
    >>> count(1, "trial"), count(20, "trial")
    ('1 trial', '20 trials')
    """
    return f"{n} {what}" + ("" if n == 1 else "s")


def mean(measured: Mapping[str, Any], *, digits: int = 3) -> str:
    """Return the mean of a measured quantity as text."""
    return shown({**measured, "low": None}, digits=digits)


def write_summary(folder: Path, found: Mapping[str, Any]) -> None:
    """Keep what a report is made from as ``summary.json``."""
    with atomic_write(folder / "summary.json") as file:
        file.write(json.dumps(jsonable(found), indent=1).encode())


def read_summary(folder: Path) -> dict[str, Any]:
    """Return what ``write_summary`` kept.

    Raises
    ------
    StorageError
        If the folder holds no finished study.
    DataFileError
        If the file is damaged.
    """
    path = folder / "summary.json"
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise StorageError(
            f"{folder} holds no finished compare, search or validate: give the folder that one "
            "printed, or run the command that was stopped again"
        ) from error
    except ValueError as error:
        raise DataFileError(f"{path} is damaged ({error}): run the command again") from error
    return found


COMPARE_COLUMNS = (
    "table",
    "predictor",
    "n",
    "Kendall tau",
    "unseen only",
    "tau in the top 5 %",
    "Spearman",
    "regret@10",
    "fit s",
    "predict s",
)


def falling(measured: Mapping[str, Any]) -> float:
    """Return a sort key: the highest mean first, an undefined one last."""
    return float("inf") if measured["mean"] is None else -measured["mean"]


def compare_rows(summary: Sequence[Row]) -> tuple[list[list[str]], list[int]]:
    """Return the table of a comparison as text, and which rows lead their group."""
    every = [e for e in summary if not e["unseen_functions_only"]]
    unseen = {
        (e["table"], e["task"], e["predictor"], e["n_train"]): e
        for e in summary
        if e["unseen_functions_only"]
    }
    every.sort(key=lambda e: (e["table"], e["task"], e["n_train"], falling(e["kendall_tau"])))
    rows: list[list[str]] = []
    best: list[int] = []
    last = None
    for entry in every:
        key = (entry["table"], entry["task"], entry["predictor"], entry["n_train"])
        group = (entry["table"], entry["task"], entry["n_train"])
        if group != last:
            best.append(len(rows))
            last = group
        rows.append(
            [
                f"{entry['table']}/{entry['task']}",
                entry["predictor"],
                str(entry["n_train"]),
                shown(entry["kendall_tau"]),
                shown(unseen[key]["kendall_tau"]),
                shown(entry["kendall_tau_top5"]),
                mean(entry["spearman"]),
                mean(entry["regret_at_10"]),
                f"{entry['fit_seconds']['mean']:.2f}",
                f"{entry['predict_seconds']['mean']:.2f}",
            ]
        )
    return rows, best


def compare_report(folder: Path) -> Path:
    """Write the report of a finished comparison and return its path.

    Raises
    ------
    StorageError, DataFileError
        If the folder holds no finished comparison.
    """
    found = read_summary(folder)
    summary, about = found["summary"], found["about"]
    rows, best = compare_rows(summary)
    twins = pictures.unseen_differs(summary)
    lines = "Mean and 95 % interval over trials."
    if twins:
        lines += (
            " Dotted: only test architectures whose function no training architecture computes."
        )
    if found["ceilings"]:
        lines += " Dashed: what a perfect predictor would reach against these noisy labels."
    sections = [
        Section("Ranking against training size", lines, [pictures.tau_by_size(summary)]),
        Section(
            "All numbers",
            ""
            if twins
            else "No test architecture computes a function seen in training: 'unseen "
            "only' is the same.",
            (),
            COMPARE_COLUMNS,
            rows,
            best,
        ),
    ]
    for address, label in about["labels"].items():
        points: dict[str, Any] = {}
        for name in about["predictors"]:
            path = predictions_path(folder, address, name, about["n_train"][-1])
            if path.exists():
                with np.load(path, allow_pickle=False) as arrays:
                    points[name] = (arrays["true"], arrays["predicted"])
        if points:
            size = len(next(iter(points.values()))[0])
            sections.append(
                Section(
                    f"Predicted against true: {address}",
                    f"Label: {label}. Trial 0 with {about['n_train'][-1]} training architectures; "
                    f"{size:,} of the test architectures, as shares of the ranking.",
                    [pictures.predicted_against_true(points)],
                )
            )
    sections.append(
        Section(
            "Time",
            "Seconds on one thread while other trials ran beside it. The number at each point is "
            "that of the training architectures.",
            [pictures.tau_by_time(summary)],
        )
    )
    for address, ceiling in found["ceilings"].items():
        text = (
            f"A predictor that knew the noise-free value of {address} would reach a Kendall tau of "
            f"{ceiling['kendall_tau']:.3f} over all architectures and "
            f"{ceiling['kendall_tau_top5']:.3f} inside the best 5 %, estimated from the "
            "architectures whose training was repeated most."
        )
        sections.append(Section("Noise ceiling", text))
    for address, taus in found.get("cheap", {}).items():
        informed = dict.fromkeys(e["predictor"] for e in summary if e.get("cheap"))
        alone = "; ".join(f"{label} {tau:.3f}" for label, tau in taus.items())
        text = (
            f"{', '.join(informed)} also saw values of every architecture of {address}, test "
            f"architectures too. Kendall tau of each by itself: {alone}."
        )
        sections.append(Section("Cheap values", text))
    largest = str(about["n_train"][-1])
    leaders = [rows[k] for k in best if rows[k][2] == largest]
    won = "; ".join(f"on {row[0]} {row[1]}, Kendall tau {row[3]}" for row in leaders)
    return render(
        folder / "report.html",
        title="Predictors compared",
        lead=f"Best with {largest} training architectures: {won} "
        f"({count(about['trials'], 'trial')}).",
        command=found["command"],
        sections=sections,
        made={
            "labels": about["labels"],
            "table checksums": {k: v[:12] for k, v in about["tables"].items()},
            "seed": about["seed"],
            "trials": about["trials"],
            "versions": about["versions"],
        },
    )
