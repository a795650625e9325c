"""Report of a leave-one-task-out study: queries, savings, regret, and the map of tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...benchmarks.studies import (
    Page,
    Parts,
    Section,
    TextTable,
    interval_text,
    interval_words,
    number_of,
)
from ...data.files import atomic_write
from ..across_tables import draw_similarities
from .searches import leading
from .table_page import regret_section

_SIGNS = {None: "", "lower": ">", "upper": "<"}


def meta_table(summary: Sequence[Mapping[str, Any]]) -> TextTable:
    """Methods of each held-out task as text, with a saving to each cold search that ran."""
    compared = list(dict.fromkeys(cold for entry in summary for cold in entry["saving"]))
    addresses = [f"{entry['table']}/{entry['held_out']}" for entry in summary]
    order = {address: k for k, address in enumerate(dict.fromkeys(addresses))}
    ordered = sorted(
        zip(addresses, summary, strict=True),
        key=lambda pair: (order[pair[0]], float(pair[1]["queries"]["mean"])),
    )
    columns = [
        *("held out", "method", "queries to best 0.1 %", "reached"),
        *(f"saving to {cold}" for cold in compared),
        *("selected", "regret"),
    ]
    rows = [_cells(address, entry, compared) for address, entry in ordered]
    return TextTable(columns, rows, leading([address for address, _ in ordered]))


def _cells(address: str, entry: Mapping[str, Any], compared: Sequence[str]) -> list[str]:
    """Cells of one entry."""
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
    """A share and its interval as percentages, with what it bounds."""
    bound = measured.get("bound")
    if measured["mean"] is None or bound not in _SIGNS:
        return ""
    text = f"{_SIGNS[bound]}{100 * measured['mean']:.0f} %"
    if measured["low"] is None:
        return text
    return f"{text} [{100 * measured['low']:.0f}, {100 * measured['high']:.0f}]"


def meta_page(found: Parts, folder: Path) -> Page:
    """Contents of the report; the maps of tasks are written beside it as pictures.

    Raises
    ------
    StorageError
        If they cannot be written.
    """
    about = found["about"]
    pictures = [draw_similarities(each) for each in found["maps"]]
    for each, picture in zip(found["maps"], pictures, strict=True):
        with atomic_write(folder / f"tasks-{each['table']}.svg") as file:
            file.write(picture.encode())
    sections = [
        Section.of(
            "Queries to the best 0.1 %",
            meta_table(found["summary"]),
            f"Of the searched column. {interval_words(about['trials'])} A trial that misses counts "
            f"{about['budget'] + 1}, so that a mean over such trials is a lower bound (>). Savings "
            "are shares of the cold search's queries in this run: at least so much where only "
            "cold trials missed (>), at most where only warm ones did (<), untold where both did. "
            "A search ends where it reaches the best 0.1 %: the selected architecture and its "
            "regret are those of its end. Warm methods learnt from other tasks, never from the "
            "one held out: see the end.",
        ),
        regret_section(
            found["curves"],
            "How far the reported value of the selected architecture lies below the table's best; "
            "level from where a search ended.",
        ),
        Section(
            "How alike the tasks are",
            "Left and right: by the values of a few architectures measured on all tasks. Middle: "
            "over all architectures.",
            pictures,
        ),
    ]
    return Page(
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
    )
