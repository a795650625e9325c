"""Pages and tables of studies: what a report and a terminal show."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...data.files import atomic_write, read_document
from ..intervals import FEWEST_DRAWS
from .digits import aligned
from .journal import jsonable
from .panels import Picture


@dataclass(frozen=True)
class TextTable:
    """A table as text; the rows numbered in ``best`` lead their group.

    Measured quantities of one column are given as many digits as tell its rows apart.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    best: Sequence[int] = ()
    note: str = ""
    """A line for below it."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "rows", aligned(self.rows))


@dataclass(frozen=True)
class Section:
    """One part of a report: a title, a sentence, pictures, a table."""

    title: str
    text: str = ""
    pictures: Sequence[Picture] = ()
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    best: Sequence[int] = field(default=())
    """Numbers of the rows to set off."""

    @classmethod
    def of(
        cls, title: str, table: TextTable, text: str = "", pictures: Sequence[Picture] = ()
    ) -> Section:
        """Section that shows a text table."""
        return cls(title, text, pictures, table.columns, table.rows, table.best)


@dataclass(frozen=True)
class Page:
    """Contents of a report: its first sentence, its sections, and how the numbers were made."""

    lead: str
    sections: Sequence[Section]
    made: Mapping[str, Any]
    title: str | None = None
    """In the place of the kind's own."""


def interval_words(n: int, noun: str = "trial") -> str:
    """Sentence that says what stands in the place of a measured quantity.

    Examples
    --------
    >>> interval_words(10)
    'Mean and 95 % interval over trials.'
    >>> interval_words(3, "seed")
    'The value of each seed: fewer than five have no interval.'
    """
    if n >= FEWEST_DRAWS:
        return f"Mean and 95 % interval over {noun}s."
    return f"The value of each {noun}: fewer than five have no interval."


def number_of(n: int, noun: str) -> str:
    """Number of things in words.

    Examples
    --------
    >>> number_of(1, "trial"), number_of(20, "trial")
    ('1 trial', '20 trials')
    """
    return f"{n} {noun}" + ("" if n == 1 else "s")


def write_summary(folder: Path, found: Mapping[str, Any]) -> None:
    """Keep what a report is made from as ``summary.json``."""
    with atomic_write(folder / "summary.json") as file:
        file.write(json.dumps(jsonable(found), indent=1).encode())


def read_summary(folder: Path) -> dict[str, Any]:
    """Contents of ``summary.json``.

    Raises
    ------
    StorageError
        If the folder holds no finished study.
    DataFileError
        If the file is damaged.
    """
    return read_document(
        folder / "summary.json",
        missing=f"{folder} holds no finished study: give the folder that one printed, or run the "
        "command that was stopped again",
        remedy="run the command again",
    )
