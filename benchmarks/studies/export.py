"""Tables and figures of a study for a paper: LaTeX, Markdown, CSV, PDF, SVG."""

from __future__ import annotations

import hashlib
import io
import json
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...data.files import atomic_write, make_folder, read_document
from ...errors import ParameterError, StorageError
from .digits import numeric_columns
from .latex import escaped, latex_figure, latex_table, typed
from .options import COLUMN
from .page import Page, Section, TextTable
from .svg import to_svg

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from .panels import Picture

_LETTERS = 8.0  # points
_PANEL = 1.7  # inches of a panel at least, about
_TIMES = ["Times New Roman", "Times", "Nimbus Roman"]
_LEDGER = "exported.json"
_MARKS = str.maketrans({char: f"\\{char}" for char in "\\`*_|~<>[]$&"})


def markdown_table(table: TextTable) -> str:
    r"""Table of GitHub's Markdown, columns of numbers to the right, leading rows in bold.

    Examples
    --------
    >>> table = TextTable(["name", "tau"], [["a|b", "0.7"], ["c_d", "0.6"]], [0])
    >>> print(markdown_table(table), end="")
    | name | tau |
    | :--- | ---: |
    | **a\|b** | **0.7** |
    | c\_d | 0.6 |
    """
    numeric = numeric_columns(table.rows, len(table.columns))
    lines = [list(table.columns), *map(list, table.rows)]
    shown = [[" ".join(cell.split()).translate(_MARKS) for cell in line] for line in lines]
    for k in table.best:
        shown[k + 1] = [f"**{cell}**" if cell else "" for cell in shown[k + 1]]
    shown.insert(1, ["---:" if right else ":---" for right in numeric])
    return "".join(f"| {' | '.join(line)} |\n" for line in shown)


def frames(found: Mapping[str, Any]) -> dict[str, pd.DataFrame]:
    """Lists of a study's findings as tidy tables, by their names, such as ``summary``.

    A measured quantity has the columns ``NAME_mean``, ``NAME_low``, ``NAME_high`` and ``NAME_n``; a
    curve has a row for each of its steps. Matrices are left out.

    Examples
    --------
    >>> tau = {"mean": 0.7, "low": 0.6, "high": 0.8, "n": 10}
    >>> frames({"summary": [{"predictor": "gp", "tau": tau}]})["summary"].columns.tolist()
    ['predictor', 'tau_mean', 'tau_low', 'tau_high', 'tau_n']
    """
    import pandas as pd

    made = {}
    for name, value in found.items():
        entries = [value] if name == "summary" and isinstance(value, Mapping) else value
        if name == "about" or not isinstance(entries, list) or not entries:
            continue
        if all(isinstance(entry, Mapping) for entry in entries):
            rows = [row for entry in entries for row in _rows(entry)]
            made[name] = pd.DataFrame(rows).convert_dtypes()
    return made


def _rows(entry: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Entry as rows of plain values, one for each step of its curves."""
    curves = {key: value for key, value in entry.items() if _is_curve(value)}
    plain = _flat({key: value for key, value in entry.items() if key not in curves})
    if not curves:
        yield plain
    for step in range(max(map(len, curves.values()), default=0)):
        at = {key: curve[step] for key, curve in curves.items() if step < len(curve)}
        yield {**plain, "step": step + 1, **_flat(at)}


def _is_curve(value: Any) -> bool:
    """Whether a value is a list of measured quantities."""
    return isinstance(value, list) and bool(value) and all(isinstance(v, Mapping) for v in value)


def _flat(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Values of a nested entry by the names on the way to them."""
    found: dict[str, Any] = {}
    for name, value in entry.items():
        parts: Mapping[Any, Any] | None = value if isinstance(value, Mapping) else None
        if isinstance(value, list):
            if all(isinstance(part, str) for part in value):
                found[name] = "; ".join(value)
                continue
            if any(isinstance(part, list | Mapping) for part in value):
                continue
            parts = dict(enumerate(value))
        if parts is None:
            found[name] = value
        else:
            found |= {f"{name}_{key}": part for key, part in _flat(parts).items()}
    return found


def caption(what: str, section: Section, page: Page, *, command: str) -> str:
    """Caption in LaTeX: what is shown, and how it was made."""
    made = page.made
    numbers = [f"{key} {value}" for key, value in made.items() if isinstance(value, int | float)]
    sentences = [f"{what}.", section.text]
    if "interval" not in section.text and any("[" in c for row in section.rows for c in row):
        sentences.append("In brackets: 95 % interval.")
    sentences += [f"{', '.join(numbers).capitalize()}."] if numbers else []
    versions = made.get("versions", {})
    used = ", ".join(f"{package} {version}" for package, version in versions.items())
    how = [f"by {typed(command)}"] if command else []
    how += [f"with {escaped(used)}"] if used else []
    words = escaped(" ".join(sentence for sentence in sentences if sentence))
    return words + (f" Made {' '.join(how)}." if how else "")


def figures(page: Page, form: str, width: float) -> dict[str, bytes]:
    """Pictures of a page as PDF or SVG files, each by the name of its file.

    Letters have 8 points and the shapes of Times, as in most papers; in a PDF fonts are embedded,
    in an SVG text is text.
    """
    import matplotlib as mpl

    drawn: dict[str, bytes] = {}
    # STIX comes with matplotlib; what it has no letter for is taken from the second.
    style: dict[Any, Any] = {
        "font.family": ["serif", "DejaVu Sans"],
        "font.serif": ["STIXGeneral", *_TIMES],
    }
    for name, _, picture in pictures(page):
        with mpl.rc_context({**style, "mathtext.fontset": "stix", "lines.linewidth": 1.0}):
            # What has text below it on a page is a drawing of an architecture, no plot.
            drawing = any(panel.wide or panel.text for panel in picture.panels)
            columns = max(1, round(width / (COLUMN if drawing else _PANEL)))
            figure = picture.sheet(width, size=_LETTERS, columns=columns)
            drawn[f"{name}.{form}"] = to_pdf(figure) if form == "pdf" else to_svg(figure).encode()
    return drawn


def pictures(page: Page) -> Iterator[tuple[str, Section, Picture]]:
    """Pictures of a page, each with the name of its file and its section."""
    names: dict[str, int] = {}
    for section in page.sections:
        for picture in section.pictures:
            yield unlike(names, file_name(picture.name)), section, picture


def to_pdf(figure: Figure) -> bytes:
    """Figure as a PDF file with fonts that journals accept; the same figure, the same bytes."""
    import matplotlib as mpl

    buffer = io.BytesIO()
    with mpl.rc_context({"pdf.fonttype": 42}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
        figure.savefig(buffer, format="pdf", dpi=300, metadata={"CreationDate": None})
    return buffer.getvalue()


def tables(page: Page) -> Iterator[tuple[str, Section]]:
    """Sections of a page that have a table, each by the name of its file."""
    names: dict[str, int] = {}
    for section in page.sections:
        if section.columns and section.rows:
            yield unlike(names, file_name(section.title)), section


def file_name(text: str) -> str:
    """Name of a file without its ending, for a title.

    Examples
    --------
    >>> file_name("Predicted against true: nb201/../cifar10")
    'predicted-against-true-nb201-cifar10'
    """
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:60] or "table"


def unlike(taken: dict[str, int], name: str) -> str:
    """Name, with a number if it was given before."""
    taken[name] = taken.get(name, 0) + 1
    return name if taken[name] == 1 else f"{name}-{taken[name]}"


def contents(
    page: Page,
    found: Mapping[str, Any],
    forms: Sequence[str],
    *,
    kind: str,
    title: str,
    width: float,
) -> dict[str, bytes]:
    """Files of a study in some formats, by name.

    Raises
    ------
    ParameterError
        If there is nothing to show in any of them.
    """
    files: dict[str, bytes] = {}
    title = page.title or title
    for form in forms:
        if form == "csv":
            for name, frame in frames(found).items():
                files[f"{name}.csv"] = frame.to_csv(index=False).encode()
        elif form in ("pdf", "svg"):
            files |= figures(page, form, width)
        for name, section in tables(page) if form in ("latex", "markdown") else ():
            table = TextTable(section.columns, section.rows, section.best)
            if form == "markdown":
                files[f"{name}.md"] = markdown_table(table).encode()
            else:
                what = f"{title}: {section.title[:1].lower()}{section.title[1:]}"
                words = caption(what, section, page, command=found["command"])
                text = latex_table(table, caption=words, label=f"tab:{kind}-{name}")
                files[f"{name}.tex"] = text.encode()
    if {"latex", "pdf"} <= set(forms):
        for name, section, picture in pictures(page):
            words = caption(picture.title, section, page, command=found["command"])
            text = latex_figure(name, caption=words, label=f"fig:{kind}-{name}")
            files[f"figure-{name}.tex"] = text.encode()
    if not files:
        raise ParameterError(f"a study of kind {kind} has nothing to show as {', '.join(forms)}")
    return files


def write_new(folder: Path, files: Mapping[str, bytes]) -> list[Path]:
    """Paths of files after they were written, none of them over somebody's own work.

    A file that is there is replaced if it is as it was written before, which ``exported.json``
    beside it knows.

    Raises
    ------
    StorageError
        If a file is there and is another's, or was changed since; none is written then.
    """
    ledger = make_folder(folder) / _LEDGER
    remedy = "delete it, and the files beside it"
    known = read_document(ledger, remedy=remedy) if ledger.exists() else {}
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    foreign = []
    for name, digest in digests.items():
        path = folder / name
        if path.exists():
            there = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
            foreign += [name] if there not in (digest, known.get(name, "")) else []
    if foreign:
        raise StorageError(
            f"{folder} already has {', '.join(foreign)}, changed since or not made here: move or "
            "delete it, or write to another folder (--to)"
        )
    for name, content in files.items():
        with atomic_write(folder / name) as file:
            file.write(content)
    with atomic_write(ledger) as file:
        file.write(json.dumps({**known, **digests}, indent=1).encode())
    return [folder / name for name in files]
