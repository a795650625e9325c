"""The report of a leave-one-task-out study: queries, savings, regret, and the map of tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...benchmarks.studies import Page, Section, interval_text, number_of, read_summary, render
from ...data.files import atomic_write
from ..across_tables import map_picture
from .table_page import curves_picture

_SIGNS = {None: "", "lower": ">", "upper": "<"}


def meta_columns(summary: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the titles of the table of a study, with a saving to each cold search that ran."""
    savings = [f"saving to {cold}" for cold in _compared(summary)]
    return [
        *("held out", "method", "queries to best 0.1 %", "reached"),
        *savings,
        *("selected", "regret"),
    ]


def _compared(summary: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the cold searches that savings are told against."""
    return list(dict.fromkeys(cold for entry in summary for cold in entry["saving"]))


def meta_rows(summary: Sequence[Mapping[str, Any]]) -> tuple[list[list[str]], list[int]]:
    """Return the table of a study as text, and which rows need the fewest queries of their task."""
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for entry in summary:
        groups.setdefault((entry["table"], entry["held_out"]), []).append(entry)
    rows: list[list[str]] = []
    best: list[int] = []
    compared = _compared(summary)
    for (table, held_out), mine in groups.items():
        best.append(len(rows))
        ordered = sorted(mine, key=lambda e: float(e["queries"]["mean"]))
        rows += [_line(f"{table}/{held_out}", entry, compared) for entry in ordered]
    return rows, best


def _line(address: str, entry: Mapping[str, Any], compared: Sequence[str]) -> list[str]:
    """Return the cells of one entry."""
    missed = entry["reached_share"] < 1
    savings = [
        _percent(entry["saving"][cold]) if cold in entry["saving"] else "" for cold in compared
    ]
    values = [interval_text(entry[key]) if key in entry else "" for key in ("selected", "regret")]
    return [
        address,
        entry["method"],
        (">" if missed else "") + interval_text(entry["queries"], digits=1),
        f"{entry['reached_share']:.0%}",
        *savings,
        *values,
    ]


def _percent(measured: Mapping[str, Any]) -> str:
    """Return a share and its interval as percentages, with what it bounds."""
    bound = measured.get("bound")
    if measured["mean"] is None or bound not in _SIGNS:
        return ""
    text = f"{_SIGNS[bound]}{100 * measured['mean']:.0f} %"
    if measured["low"] is None:
        return text
    return f"{text} [{100 * measured['low']:.0f}, {100 * measured['high']:.0f}]"


def meta_report(folder: Path) -> Path:
    """Write the report of a finished study, and the task map as pictures; return its path.

    Raises
    ------
    StorageError, DataFileError
        If the folder holds no finished study.
    """
    found = read_summary(folder)
    about = found["about"]
    rows, best = meta_rows(found["summary"])
    pictures = [map_picture(each) for each in found["maps"]]
    for each, picture in zip(found["maps"], pictures, strict=True):
        with atomic_write(folder / f"tasks-{each['table']}.svg") as file:
            file.write(picture.encode())
    sections = [
        Section(
            "Queries to the best 0.1 %",
            "Of the searched column, with 95 % intervals over trials; a trial that misses counts "
            f"{about['budget'] + 1}, so that a mean over such trials is a lower bound (>). Savings "
            "are shares of the cold search's queries in this run: at least so much where only "
            "cold trials missed (>), at most where only warm ones did (<), untold where both did. "
            "A search ends where it reaches the best 0.1 %: the selected architecture and its "
            "regret are those of its end. Warm methods learnt from other tasks, never from the "
            "one held out: see the end.",
            (),
            meta_columns(found["summary"]),
            rows,
            best,
        ),
        Section(
            "Regret against evaluations",
            "How far the reported value of the selected architecture lies below the table's best; "
            "level from where a search ended.",
            [curves_picture(found["curves"])],
        ),
        Section(
            "How alike the tasks are",
            "Left and right: by the values of a few architectures measured on all tasks. Middle: "
            "over all architectures.",
            pictures,
        ),
    ]
    return render(
        folder / "report.html",
        Page(
            lead=f"One task left out after the other, {number_of(about['trials'], 'trial')} of "
            f"{number_of(about['budget'], 'evaluation')} each.",
            sections=sections,
            made={
                "searched": about["searched"],
                "learnt from": about["sources"],
                "batch": about["batch"],
                "seed": about["seed"],
                "versions": about["versions"],
            },
        ),
        title="Searches that know other tasks",
        command=found["command"],
    )
