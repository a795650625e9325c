"""Table and report of ``compare``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from . import pictures
from .comparing import predictions_path
from .journal import Row
from .page import (
    Page,
    Section,
    descending,
    interval_text,
    mean_text,
    number_of,
    read_summary,
    render,
)

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


def compare_rows(summary: Sequence[Row]) -> tuple[list[list[str]], list[int]]:
    """Return the table of a comparison as text, and which rows lead their group."""
    every = [e for e in summary if not e["unseen_functions_only"]]
    unseen = {
        (e["table"], e["task"], e["predictor"], e["n_train"]): e
        for e in summary
        if e["unseen_functions_only"]
    }
    every.sort(key=lambda e: (e["table"], e["task"], e["n_train"], descending(e["kendall_tau"])))
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
                interval_text(entry["kendall_tau"]),
                interval_text(unseen[key]["kendall_tau"]),
                interval_text(entry["kendall_tau_top5"]),
                mean_text(entry["spearman"]),
                mean_text(entry["regret_at_10"]),
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
        Page(
            lead=f"Best with {largest} training architectures: {won} "
            f"({number_of(about['trials'], 'trial')}).",
            sections=sections,
            made={
                "labels": about["labels"],
                "table checksums": {k: v[:12] for k, v in about["tables"].items()},
                "seed": about["seed"],
                "trials": about["trials"],
                "versions": about["versions"],
            },
        ),
        title="Predictors compared",
        command=found["command"],
    )
