"""The HTML report of a study: one file that needs no server, drawn, sorted and explained."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup, escape

from ...data.files import atomic_write
from .page import Page, Section
from .panels import COLOURS, Key, Picture
from .svg import page_svg, printable_text
from .terms import Glossary, Word

_NUMBER = re.compile(
    r"[<>≤≥~]?\s*([-+]?(?:\d[\d,]*)?\.?\d+(?:e[-+]?\d+)?)(?=$|[ /%])", re.IGNORECASE
)
_INTERVAL = re.compile(r"\[[^\[\]]*\d, [^\[\]]*\]")
_LONG = 32  # characters of a cell that may be broken into lines
_WIDE = 8  # columns of a table that is printed across
_LINES = {"-": "solid", ":": "dotted", "--": "dashed", "": ""}
_FILLED = dict(zip("osD^vPXdx.", "●■◆▲▼✚✖♦✕•", strict=True))
_HOLLOW = dict(zip("osD^vPXdx.", "○□◇△▽✚✖◊✕•", strict=True))


def render(path: Path, page: Page, *, title: str, command: str) -> Path:
    """Path of a report, after it was written.

    Raises
    ------
    StorageError
        If it cannot be written.
    """
    from jinja2 import Environment, StrictUndefined

    glossary = Glossary()
    made = {key: _plain(value) for key, value in page.made.items()}
    sections = [
        _Shown.of(section, glossary, f"s{number}-") for number, section in enumerate(page.sections)
    ]
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    text = environment.from_string(_template("report.html")).render(
        title=page.title or title,
        lead=glossary.linked(page.lead),
        command=command,
        sections=sections,
        made=made,
        terms=glossary.used,
        css=Markup(_template("report.css")),  # noqa: S704 -- a file of ours
        script=Markup(_template("report.js")),  # noqa: S704 -- a file of ours
    )
    with atomic_write(path) as file:
        file.write(printable_text(text).encode())
    return path


def _template(name: str) -> str:
    """Text of a file beside the template."""
    path = files("nasurge.benchmarks").joinpath("templates", name)
    return path.read_text(encoding="utf-8").strip()


def _plain(value: Any, between: str = "; ") -> str:
    """Value in words; what is in a mapping of mappings is joined by commas."""
    if isinstance(value, Mapping):
        return between.join(f"{k}: {_plain(v, ', ')}" for k, v in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(_plain(v, ", ") for v in value)
    return str(value)


@dataclass(frozen=True)
class _Shown:
    """A section as the template shows it."""

    title: str
    text: Markup
    pictures: list[dict[str, Any]]
    table: _Table | None

    @classmethod
    def of(cls, section: Section, glossary: Glossary, prefix: str) -> _Shown:
        pictures = [
            _picture(picture, f"{prefix}{place}-") for place, picture in enumerate(section.pictures)
        ]
        table = _Table.of(section, glossary) if section.rows else None
        return cls(section.title, glossary.linked(section.text), pictures, table)


def _picture(picture: Picture, prefix: str) -> dict[str, Any]:
    """Elements of a picture: each panel, and the legend."""
    panels = []
    for number, (figure, panel) in enumerate(zip(picture.figures(), picture.panels, strict=True)):
        svg = page_svg(
            figure,
            title=": ".join(filter(None, (picture.title, panel.title))),
            description=panel.description,
            prefix=f"{prefix}{number}-",
        )
        # Text of matplotlib, read and written as XML: nothing in it is markup of somebody else.
        element = Markup(svg)  # noqa: S704
        shown = {"title": panel.title, "text": panel.text, "wide": panel.wide}
        panels.append({**shown, "svg": element})
    return {"name": picture.name, "panels": panels, "legend": [_key(key) for key in picture.legend]}


def _key(key: Key) -> dict[str, str]:
    """Line of a legend in the colours of the page."""
    color = f"var(--line-{COLOURS.index(key.color)})" if key.color in COLOURS else "currentColor"
    glyph = (_FILLED if key.filled else _HOLLOW).get(key.marker, "")
    return {"label": key.label, "color": color, "line": _LINES[key.line], "glyph": glyph}


@dataclass(frozen=True)
class _Column:
    name: str
    term: Word | None
    numeric: bool


@dataclass(frozen=True)
class _Cell:
    text: Markup
    attributes: Markup


@dataclass(frozen=True)
class _Row:
    best: bool
    cells: list[_Cell]


@dataclass(frozen=True)
class _Table:
    """A table as the template shows it."""

    columns: list[_Column]
    rows: list[_Row]
    wide: bool

    @classmethod
    def of(cls, section: Section, glossary: Glossary) -> _Table:
        width = len(section.columns)
        numeric = [_is_numeric([row[k] for row in section.rows]) for k in range(width)]
        columns = [
            _Column(name, glossary.of_column(name), is_number)
            for name, is_number in zip(section.columns, numeric, strict=True)
        ]
        rows = [
            _Row(number in section.best, [_cell(t, n) for t, n in zip(row, numeric, strict=True)])
            for number, row in enumerate(section.rows)
        ]
        return cls(columns, rows, width > _WIDE)


def _is_numeric(cells: Sequence[str]) -> bool:
    """Whether a column holds numbers and nothing else that is known."""
    known = [cell for cell in cells if cell not in ("", "undefined")]
    return bool(known) and all(sort_key(cell) is not None for cell in known)


def _cell(text: str, numeric: bool) -> _Cell:
    """Cell of a table, with the number by which it is sorted."""
    if numeric:
        value = sort_key(text)
        number = Markup("") if value is None else Markup(' data-v="{}"').format(f"{value:.17g}")
        return _Cell(_with_interval(text), Markup(' class="number"') + number)
    if len(text) > _LONG:
        return _Cell(escape(text), Markup(' class="long"'))
    return _Cell(escape(text).replace("/", Markup("/<wbr>")), Markup(""))


def _with_interval(text: str) -> Markup:
    """Number with its interval set off, which is never broken into lines."""
    found = _INTERVAL.search(text)
    if not found:
        return escape(text)
    interval = Markup('<span class="interval">{}</span>').format(found[0])
    return escape(text[: found.start()]) + interval + escape(text[found.end() :])


def sort_key(text: str) -> float | None:
    """Number by which a cell is sorted: its mean, the first of several parts; None for words.

    Examples
    --------
    >>> [sort_key(text) for text in ("0.812 [0.800, 0.825]", "0.81, 0.79", "> 1,234", "3/5")]
    [0.812, 0.8, 1234.0, 3.0]
    >>> [sort_key(text) for text in ("undefined", "3x3 conv", "8.1e-10 [7.9e-10, 8.3e-10]")]
    [None, None, 8.1e-10]
    """
    parts = text.split(", ") if "[" not in text else [text]
    numbers = [_NUMBER.match(part.strip()) for part in parts]
    if not all(numbers):
        return None
    return float(np.mean([float(m[1].replace(",", "")) for m in numbers if m]))
