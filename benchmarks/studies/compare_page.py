"""Table and report of ``compare``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..metrics import METRICS
from . import pictures
from .cases import leading
from .digits import interval_text, mean_text
from .journal import Row
from .page import Page, Section, TextTable, interval_words, number_of
from .paired import paired_sections
from .points import read_points
from .results import descending

_UNSEEN = "unseen only"


def compare_table(summary: Sequence[Row]) -> TextTable:
    """Metrics of a comparison as text, the best predictor of each task and size first."""
    shown = [metric for metric in METRICS.values() if metric.heading]
    shown.sort(key=lambda metric: metric.shown == "mean")  # those with an interval come first
    headings = [str(metric.heading) for metric in shown]
    columns = ("table", "predictor", "n", headings[0], _UNSEEN, *headings[1:], "fit s", "predict s")
    every = [e for e in summary if not e["unseen_functions_only"]]
    unseen = {_key(e): e for e in summary if e["unseen_functions_only"]}
    every.sort(key=lambda e: (e["table"], e["task"], e["n_train"], descending(e["kendall_tau"])))
    rows: list[list[str]] = []
    for entry in every:
        values = [
            (interval_text if metric.shown == "interval" else mean_text)(
                entry[metric.name], digits=metric.digits
            )
            for metric in shown
        ]
        values.insert(1, interval_text(unseen[_key(entry)]["kendall_tau"]))
        seconds = [f"{entry[f'{part}_seconds']['mean']:.2f}" for part in ("fit", "predict")]
        address = f"{entry['table']}/{entry['task']}"
        rows.append([address, entry["predictor"], str(entry["n_train"]), *values, *seconds])
    groups = [(entry["table"], entry["task"], entry["n_train"]) for entry in every]
    return TextTable(columns, rows, leading(groups))


def _key(entry: Row) -> tuple[str, str, str, int]:
    return entry["table"], entry["task"], entry["predictor"], entry["n_train"]


def compare_page(found: dict[str, Any], folder: Path) -> Page:
    """Report of a comparison: rankings, numbers, predictions, time, ceilings."""
    summary, about = found["summary"], found["about"]
    table = compare_table(summary)
    trials = number_of(about["trials"], "trial")
    largest = str(about["n_train"][-1])
    leaders = [table.rows[k] for k in table.best if table.rows[k][2] == largest]
    won = "; ".join(f"on {row[0]} {row[1]}, Kendall tau {row[3]}" for row in leaders)
    return Page(
        lead=f"Best with {largest} training architectures: {won} ({trials}).",
        sections=[
            *_rankings(found, table),
            *paired_sections(found.get("paired", ()), "Kendall's tau"),
            *_predictions(about, folder),
            Section(
                "Time",
                "Seconds on one thread while other trials ran beside it. The number at each point "
                "is that of the training architectures.",
                [pictures.tau_by_time(summary)],
            ),
            *_ceilings(found),
            *_cheap_values(found),
        ],
        made={
            "labels": about["labels"],
            "table checksums": {k: v[:12] for k, v in about["tables"].items()},
            "seed": about["seed"],
            "trials": about["trials"],
            "versions": about["versions"],
        },
    )


def _rankings(found: dict[str, Any], table: TextTable) -> list[Section]:
    """Picture of Kendall's tau against training size, and all numbers."""
    summary = found["summary"]
    twins = pictures.unseen_differs(summary)
    lines = interval_words(found["about"]["trials"])
    if twins:
        lines += (
            " Dotted: only test architectures whose function no training architecture computes."
        )
    if found["ceilings"]:
        lines += " Dashed: what a perfect predictor would reach against these noisy labels."
    same = "No test architecture computes a function seen in training: 'unseen only' is the same."
    missing = [f"{line}." for line in (*gaps(found), *without_ranks(found))]
    return [
        Section("Ranking against training size", lines, [pictures.tau_by_size(summary)]),
        Section.of("All numbers", table, " ".join(missing if twins else [same, *missing])),
    ]


def _predictions(about: dict[str, Any], folder: Path) -> list[Section]:
    """Predicted against true ranks of one trial, a section per task."""
    sections: list[Section] = []
    size = about["n_train"][-1]
    for address, label in about["labels"].items():
        if points := read_points(folder, address, about["predictors"], size):
            number = len(next(iter(points.values()))[0])
            sections.append(
                Section(
                    f"Predicted against true: {address}",
                    f"Label: {label}. Trial 0 with {size} training architectures; {number:,} of "
                    "the test architectures, as shares of the ranking.",
                    [pictures.predicted_against_true(f"predictions-{len(sections)}", points)],
                )
            )
    return sections


def gaps(found: dict[str, Any]) -> list[str]:
    """What to say of architectures without a label, a line per task."""
    return [
        f"{address}: {number_of(missing, 'architecture')} without a label left out"
        for address, missing in found.get("not_measured", {}).items()
    ]


def without_ranks(found: dict[str, Any]) -> list[str]:
    """What to say of trials whose scores rank nothing, a line per predictor and size."""
    return [
        f"{entry['table']}/{entry['task']}: {entry['predictor']} with n={entry['n_train']} gave "
        f"the same score to all in {missing} of {entry['trials']} trials, which are not in its "
        "means"
        for entry in found["summary"]
        if not entry["unseen_functions_only"]
        and (missing := entry["trials"] - entry["kendall_tau"]["n"])
    ]


def above_ceilings(found: dict[str, Any]) -> list[str]:
    """What to say of the largest tau above the noise ceiling, a line per task."""
    lines = []
    for address, ceiling in found["ceilings"].items():
        taus = [
            (entry["kendall_tau"]["mean"] or 0.0, entry["predictor"], entry["n_train"])
            for entry in found["summary"]
            if f"{entry['table']}/{entry['task']}" == address and not entry["unseen_functions_only"]
        ]
        tau, predictor, n = max(taus, default=(0.0, "", 0))
        if tau > ceiling["kendall_tau"]:
            lines.append(
                f"{address}: {predictor} with n={n} ranks with {tau:.3f}, above the ceiling of "
                f"{ceiling['kendall_tau']:.3f}, which does not hold then: are its runs trainings "
                "that differ in their seed only, and the label their mean?"
            )
    return lines


def _ceilings(found: dict[str, Any]) -> list[Section]:
    """Correlations that the noise of the labels leaves reachable, a section per task."""
    above = above_ceilings(found)
    return [
        Section(
            "Noise ceiling",
            f"A predictor that knew the noise-free value of {address} would reach a Kendall tau of "
            f"{ceiling['kendall_tau']:.3f} over all architectures and "
            f"{ceiling['kendall_tau_top5']:.3f} inside the best 5 %, estimated from the "
            "architectures whose training was repeated most."
            + "".join(f" {line}" for line in above if line.startswith(f"{address}: ")),
        )
        for address, ceiling in found["ceilings"].items()
    ]


def _cheap_values(found: dict[str, Any]) -> list[Section]:
    """What cheap columns rank by themselves, a section per task."""
    informed = dict.fromkeys(e["predictor"] for e in found["summary"] if e.get("cheap"))
    sections = []
    for address, taus in found.get("cheap", {}).items():
        alone = "; ".join(f"{label} {tau:.3f}" for label, tau in taus.items())
        text = (
            f"{', '.join(informed)} also saw values of every architecture of {address}, test "
            f"architectures too. Kendall tau of each by itself: {alone}."
        )
        sections.append(Section("Cheap values", text))
    return sections
