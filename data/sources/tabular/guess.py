"""Meaning of the columns of a file that nobody described."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ....errors import DataFileError, SchemaError
from ...tables import Column, is_minimised, words_of
from .cells import Cells
from .columns import SEEDS, is_run, is_setting, numbered, with_runs
from .numbers import is_number
from .schema import DEFAULT_TASK, RowKeys, Schema, Target
from .spelling import guess_space

_ARCHITECTURE = {
    "arch",
    "architecture",
    "architectures",
    "cell",
    "cells",
    "genotype",
    "model",
    "network",
    "net",
    "config",
    "configuration",
    "encoding",
    "genome",
    "individual",
}
_NUMBERING = {"index", "idx", "id", "uid", "row", "number", "no", "nr"}
_ROWS = {
    "task": {"dataset", "datasets", "task", "tasks", "data", "benchmark"},
    "epoch": {
        "epoch",
        "epochs",
        "nepoch",
        "nepochs",
        "numepochs",
        "trainingepochs",
        "trainedepochs",
    },
    "seed": SEEDS,
}
_SPREAD = {"std", "stddev", "stdev", "sd", "sem", "var", "variance", "deviation", "ci"}
_FAMILY = re.compile(r"(.*?)[ _.\-]?(\d+)$")
_LOOK = 200  # rows by which the space is told


@dataclass(frozen=True)
class Guess:
    """A schema that was guessed, and what to say of it."""

    schema: Schema
    said: tuple[str, ...]
    left_out: tuple[str, ...]


@dataclass
class _Columns:
    """Columns by what they may be."""

    cells: Cells
    shares: list[float]
    left_out: list[str] = field(default_factory=list)

    def named(self, columns: Iterable[int]) -> list[str]:
        return [self.cells.names[k] for k in columns]

    @property
    def numeric(self) -> list[int]:
        return [k for k, share in enumerate(self.shares) if share >= 0.5]

    @property
    def text(self) -> list[int]:
        return [k for k, share in enumerate(self.shares) if share < 0.5]


def check_header(cells: Cells, shares: Sequence[float], path: Path) -> None:
    """Refuse a file whose first line is a row and not the names of its columns.

    Raises
    ------
    DataFileError
    """
    if not cells.separated:
        return
    numeric = [k for k, share in enumerate(shares) if share >= 0.5]
    names = [cells.names[k] for k in numeric if cells.names[k]]
    others = [k for k, share in enumerate(shares) if share < 0.5]
    like_rows = any(guess_space([cells.names[k]]) for k in others if cells.names[k])
    numbered = bool(names) and all(map(is_number, names))
    if numbered and not like_rows:
        whole = [int(name) for name in names if name.isdecimal()]
        rising = len(whole) == len(names) and all(a < b for a, b in itertools.pairwise(whole))
        words = [k for k in others if re.fullmatch(r"[^\W\d]\w*", cells.names[k])]
        plain = [k for k in words if not _all_words(cells, k)]
        numbered = not (rising and others and plain == others)
    if like_rows or numbered:
        line = cells.separated.join(cells.names)
        raise DataFileError(
            f"{path}: its first line is a row ({line[:80]!r}) and not the names of the columns: "
            "write a line of names above it, such as arch,accuracy; if these are names, write them "
            "with letters"
        )


def _all_words(cells: Cells, column: int) -> bool:
    """Whether all of the first cells are single words, as a name is."""
    return all(re.fullmatch(r"[^\W\d]\w*", text) for text in cells.texts(column)[:_LOOK])


def row_keys(names: Iterable[str]) -> RowKeys:
    """Columns that tell rows of one architecture apart, by their names."""
    joined = {name: "".join(words_of(name)) for name in names}
    found = {}
    for kind, words in _ROWS.items():
        fitting = [name for name, text in joined.items() if text in words]
        if len(fitting) == 1:
            found[kind] = fitting[0]
    return RowKeys(**found)


def guess_schema(
    cells: Cells, shares: Sequence[float], *, path: Path, target: Target
) -> tuple[Cells, Guess]:
    """Schema guessed for a file that has none, and the cells with a name for its architectures.

    The architecture is the first column whose strings a known space reads, else the one that is
    called so, else the only column of text, else columns of one name that are numbered. Columns
    called as data sets, epochs and seeds tell rows apart; those of numbers become metrics, unless
    they are called as settings.

    Raises
    ------
    SchemaError
        If no column can be the architecture, or none holds numbers.
    """
    columns = _Columns(cells, list(shares))
    _leave_out_empty(columns)
    rows = row_keys(cells.names[k] for k in (*columns.text, *columns.numeric) if cells.names[k])
    taken = {cells.place[name] for name in rows.names}
    architecture = _architecture(columns, taken, path, target)
    nameless = [k for k in architecture if not cells.names[k]]
    if nameless:
        name = "architecture" if "architecture" not in cells.names else "architecture strings"
        cells = replace(
            cells, names=tuple(name if k in nameless else n for k, n in enumerate(cells.names))
        )
        columns.cells = cells
    taken |= set(architecture)
    numbers = _measured(columns, taken)
    measured = [k for k in numbers if not is_setting(columns.cells.names[k])]
    if not measured:
        raise _unclear(columns, taken, path)
    if len(architecture) > 1:
        _check_choices(columns, architecture, numbers, path)
    columns.left_out += [f"{_shown(columns, k)} (a setting)" for k in numbers if k not in measured]
    names = columns.named(architecture)
    for k in columns.text:
        if k not in taken:
            columns.left_out.append(f"{_shown(columns, k)} (text)")
    described = with_runs([
        Column(DEFAULT_TASK, cells.names[k], minimise=bool(is_minimised(cells.names[k])),
               source=cells.names[k])
        for k in measured
    ])  # fmt: skip
    said = "no schema, a guess: architectures in " + (
        f"column {names[0]!r}"
        if len(names) == 1
        else f"{len(names)} columns, {names[0]!r} to {names[-1]!r}, a choice each"
    )
    schema = Schema(tuple(names), (target,), tuple(described), {}, "", rows, guessed=True)
    remarks = (said, *numbered(described), *_unsaid(described))
    return cells, Guess(schema, remarks, tuple(columns.left_out))


def _unsaid(columns: Sequence[Column]) -> list[str]:
    """What to say of columns whose names do not tell, beside others that do, what was measured."""
    unsaid = [
        column.source
        for column in columns
        if is_minimised(column.source) is None and not is_spread(column.source)
    ]
    if not unsaid or len(unsaid) == len(columns):
        return []
    listed = ", ".join(map(repr, unsaid))
    return [f"{listed} taken as measured, a guess: a schema leaves out what is a setting"]


def _leave_out_empty(columns: _Columns) -> None:
    for k, share in enumerate(columns.shares):
        if np.isnan(share):
            columns.left_out.append(f"{_shown(columns, k)} (empty)")


def _shown(columns: _Columns, column: int) -> str:
    name = columns.cells.names[column]
    return repr(name) if name else f"column {column + 1} without a name"


def _architecture(columns: _Columns, taken: set[int], path: Path, target: Target) -> list[int]:
    """Column of architectures, or the columns of their choices."""
    cells = columns.cells
    for k in columns.numeric:
        if k not in taken and (_has_zeros_in_front(cells, k) or _is_called_so(cells, k)):
            columns.shares[k] = 0.0
    text = [k for k in columns.text if k not in taken]
    for k in text:
        if guess_space(list(dict.fromkeys(cells.texts(k)[:_LOOK]))):
            return [k]
    called = [k for k in (*text, *columns.numeric) if _ARCHITECTURE & set(words_of(cells.names[k]))]
    called = [k for k in called if not _NUMBERING & set(words_of(cells.names[k]))]
    if len(called) == 1 and (called[0] in text or target.convention or target.space):
        return called
    if len(text) == 1:
        return text
    family = _family(columns, taken)
    if family and set(text) <= set(family):
        return family
    raise _unclear(columns, taken, path)


def _has_zeros_in_front(cells: Cells, column: int) -> bool:
    """Whether cells are digits of one length, some with a zero in front: no numbers then."""
    texts = cells.texts(column)
    sizes = {len(text) for text in texts}
    return (
        len(sizes) == 1
        and sizes != {1}
        and all(map(str.isdecimal, texts))
        and any(text[0] == "0" for text in texts)
    )


def _is_called_so(cells: Cells, column: int) -> bool:
    """Whether a column is called an architecture, and its cells are no plain numbers."""
    if not _ARCHITECTURE & set(words_of(cells.names[column])):
        return False
    texts = cells.texts(column)
    listed = all(re.fullmatch(r"\d+(?:[,;]\d+)+", text) for text in texts)
    return listed or any(re.search(r"\d\s*(?![eE][+-]?\d)[^\W\d_]", text) for text in texts)


def _family(columns: _Columns, taken: set[int]) -> list[int]:
    """Columns of one name and rising numbers, such as ``op0`` to ``op5``."""
    members: dict[str, list[tuple[int, int]]] = {}
    for k in range(len(columns.shares)):
        found = _FAMILY.fullmatch(columns.cells.names[k])
        usable = k not in taken and not np.isnan(columns.shares[k])
        usable &= not is_run(columns.cells.names[k])
        if found and usable and is_minimised(columns.cells.names[k]) is None:
            members.setdefault(found[1], []).append((int(found[2]), k))
    families = [
        [k for _, k in sorted(one)]
        for one in members.values()
        if len(one) > 1 and sorted(n for n, _ in one)[-1] - min(one)[0] == len(one) - 1
    ]
    with_text = [one for one in families if set(one) & set(columns.text)]
    chosen = with_text or families
    return chosen[0] if len(chosen) == 1 else []


def _measured(columns: _Columns, taken: set[int]) -> list[int]:
    """Columns of numbers that were measured; numberings of rows are left out."""
    free = [k for k in columns.numeric if k not in taken]
    numberings = []
    for k in free:
        name = columns.cells.names[k]
        numbering = not name or (words_of(name) or [""])[-1] in _NUMBERING or name == "#"
        if numbering and (not name or all(map(str.isdecimal, columns.cells.texts(k)))):
            numberings.append(k)
    for k in numberings:
        columns.left_out.append(f"{_shown(columns, k)} (a numbering)")
    return [k for k in free if k not in numberings]


def _check_choices(
    columns: _Columns, architecture: list[int], measured: list[int], path: Path
) -> None:
    """Refuse columns of numbers that may be choices as well as measurements."""
    unclear = [k for k in measured if is_minimised(columns.cells.names[k]) is None]
    if unclear:
        names = columns.named([*architecture, *unclear])
        listed = ", ".join(f'"{name}"' for name in names)
        raise SchemaError(
            f"{path}: cannot tell whether {', '.join(map(repr, columns.named(unclear)))} are "
            f"choices or were measured; say it in {path.name}.toml or with --schema: "
            f"architecture = [{listed}] if they are choices"
        )


def _unclear(columns: _Columns, taken: set[int], path: Path) -> SchemaError:
    text = columns.named(k for k in columns.text if k not in taken)
    numeric = columns.named(k for k in columns.numeric if k not in taken)
    several = " (a column per choice: architecture = [list of columns])" if len(text) > 1 else ""
    return SchemaError(
        f"cannot tell which column of {path} is the architecture and which the accuracy (text: "
        f"{_few(text)}, numbers: {_few(numeric)}); say it in {path.name}.toml or with "
        f"--schema{several}"
    )


def _few(names: list[str]) -> str:
    return f"{names[:12]}" + (f" and {len(names) - 12} more" if len(names) > 12 else "")


def is_spread(name: str) -> bool:
    """Whether a name is that of a deviation, which nobody searches for."""
    return bool(_SPREAD & set(words_of(name)))
