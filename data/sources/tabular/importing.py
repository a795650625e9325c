"""Tables of CSV and Parquet files."""

from __future__ import annotations

import re
from collections.abc import Sequence, Set
from dataclasses import replace
from pathlib import Path

import numpy as np

from ....errors import DataFileError, ParameterError, SchemaError, UnknownNameError
from ...spaces import Space
from ...tables import (
    Column,
    ImportNotes,
    Table,
    build_table,
    check_name,
    is_minimised,
    needs_training,
)
from ...types import Index, Values
from .cells import Cells, read_cells
from .columns import check_shares, is_setting, with_means
from .described import (
    check_has_columns,
    described_space,
    read_in_space,
    row_texts,
    variable_columns,
)
from .guess import check_header, guess_schema, is_spread, row_keys
from .numbers import decimal_sign, is_empty, is_number, numbers, shares_of_numbers
from .opening import MAGIC, PARQUET
from .runs import Rows, check_all_keys_are_known, rows_of, spread
from .schema import (
    DEFAULT_TASK,
    RowKeys,
    Schema,
    Target,
    matching,
    packaged_schemas,
    read_schema,
)
from .spelling import Architectures, read_architectures

_STEERING = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_MISSING = {"nan", "<na>", "n/a", "#n/a"}  # what programs write; "none" may be a choice
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


def accepts(path: Path) -> bool:
    """Whether a file begins as Parquet, as what is unpacked here, or as text that is no JSON."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        start = file.read(4096)
    text = b"\0" not in start and start.lstrip()[:1] not in (b"{", b"[")
    return text or start.startswith((PARQUET, *MAGIC, *_UTF_16)) or start[257:262] == b"ustar"


def read(
    path: Path,
    *,
    name: str | None = None,
    schema: Path | None = None,
    space: str | Space | None = None,
    convention: str | None = None,
) -> list[Table]:
    """Tables in a CSV or Parquet file.

    Parameters
    ----------
    path : Path
        ``.csv`` (also ``.csv.gz`` and the like) or ``.parquet``; the content counts.
    name : str, optional
        Name of the table; the schema's or the file's by default. Where the schema describes
        several tables, either the name of one of them, or a prefix for all.
    schema : Path, optional
        The description; by default the TOML file beside ``path``, else a shipped one that fits,
        else a guess.
    space : str or Space, optional
        Name of the space of the architectures, the TOML file that describes it, or the space: then
        a column may be called as each variable. Or ``"own"`` for independent choices; by default
        the schema's, else the one that is recognised.
    convention : str, optional
        How the architectures are written: ``"naslib"``, ``"codes"`` or ``"digits"``.

    Raises
    ------
    StorageError, DataFileError
        If a file cannot be read, or is not what it should be.
    LimitError
        If a file is over one of the limits.
    SchemaError
        If the description and the file do not fit, or the file can be read in several ways.
    ArchitectureError
        Naming the first architecture that is not in its space.
    """
    beside = Path(space) if isinstance(space, str) else None
    space = described_space(space) or (space.name if isinstance(space, Space) else space)
    cells = read_cells(path)
    shares = shares_of_numbers(cells)
    check_header(cells, shares, path)
    stem = path.name.split(".")[0].lower()
    cells, found, said, left_out = _described(
        cells, shares, path, schema, Target(name or stem, space, None, convention), beside
    )
    wanted = {*found.architecture, *(column.source for column in found.columns)}
    wanted |= set(found.rows.names) if found.rows else set()
    for column in sorted(wanted - set(cells.place)):
        raise UnknownNameError("column", column, filter(None, cells.names), hint=f"of {path}")
    targets = _renamed(found.targets, name)
    for key in targets:
        check_name(key)
    made = [
        replace(
            target,
            name=key,
            space=space or described_space(target.space) or target.space,
            convention=convention or target.convention,
        )
        for key, target in targets.items()
    ]
    return [_Import(path, found, target, said, left_out).table(cells) for target in made]


def _renamed(targets: Sequence[Target], name: str | None) -> dict[str, Target]:
    """Tables to make by the names they get."""
    found = {target.name: target for target in targets}
    if name is None:
        return found
    if name in found:
        return {name: found[name]}
    if len(found) == 1:
        return {name: next(iter(found.values()))}
    renamed = {f"{name}-{key.rpartition('-')[2]}": target for key, target in found.items()}
    if len(renamed) < len(found):
        raise ParameterError(
            f"the tables {', '.join(found)} cannot all be called {name}-...: import one of them by "
            "its own name with --as"
        )
    return renamed


def _described(
    cells: Cells,
    shares: Sequence[float],
    path: Path,
    schema: Path | None,
    target: Target,
    space_file: Path | None,
) -> tuple[Cells, Schema, tuple[str, ...], tuple[str, ...]]:
    """Schema that is given, stands beside the file, is shipped or guessed; what to say of it."""
    beside = [
        path.with_name(path.name + ".toml"),
        path.with_name(path.name.split(".")[0] + ".toml"),
    ]
    found = [f for f in beside if f.is_file() and f != space_file]
    for file in [schema] if schema else found:
        described = read_schema(file, name=target.name)
        return cells, described, (f"columns by {file.name}",), ()
    for shipped, described in packaged_schemas():
        columns = {*described.architecture, *(column.source for column in described.columns)}
        if columns <= set(cells.names):
            return cells, described, (f"columns by the schema {shipped} that is shipped",), ()
    cells, guess = guess_schema(cells, shares, path=path, target=target)
    return cells, guess.schema, guess.said, guess.left_out


class _Import:
    """One table to make from a file."""

    def __init__(
        self,
        path: Path,
        schema: Schema,
        target: Target,
        said: tuple[str, ...],
        left_out: tuple[str, ...],
    ) -> None:
        self.path, self.schema, self.target = path, schema, target
        self.read: list[str] = []
        self.recognised, self.left_out = list(said), list(left_out)
        self.runs: list[str] = []

    def table(self, cells: Cells) -> Table:
        """The table, with notes of what was recognised."""
        schema, target = self.schema, self.target
        strings = self._strings(cells)
        if target.select:
            mask = matching(strings, target.select, where=target.name)
            if not any(mask):
                raise SchemaError(
                    f"no architecture of {self.path} matches {target.select!r} ({target.name})"
                )
            if others := len(mask) - sum(mask):
                self.left_out.append(
                    f"{others:,} row{'s' * (others > 1)} that '{target.select}' does not match"
                )
            cells = cells.kept(np.flatnonzero(mask))
            strings = [text for text, own in zip(strings, mask, strict=True) if own]
        read = self._architectures(cells, strings)
        self.read.append(cells.read)
        measured = self._measured(cells)
        first, group = _groups(read.space.keys(read.codes))
        keys = self._keys(cells, group)
        rows = rows_of(cells, keys, group, self.path)
        self._check_all_keys(cells, keys, rows)
        check_shares(measured, rows.task, path=self.path)
        if schema.guessed and read.space.n_variables == 1 and len(first) < len(group):
            self._check_is_whole(keys, len(first), len(group))
        found = spread(rows, measured, path=self.path, lines=cells.lines)
        self.left_out += found.left_out
        self.recognised += read.said
        roles = self._roles([c for c, _ in found.measured], [c for c, _ in measured])
        directed = [column for column, _ in measured if not is_spread(column.source)]
        notes = ImportNotes(
            len(cells),
            tuple(self.read),
            tuple(self.recognised),
            (*self.runs, *found.said),
            tuple(self.left_out),
            _unmeasured(found.measured, {column.source for column, _ in measured}),
            minimised=tuple(column.source for column in directed if column.minimise),
            maximised=tuple(column.source for column in directed if not column.minimise),
        )
        return build_table(
            target.name,
            read.space,
            read.codes[first],
            found.measured,
            roles=roles,
            origin=schema.origin or f"file {printable(self.path.name)}",
            imported=notes,
        )

    def _architectures(self, cells: Cells, strings: Sequence[str]) -> Architectures:
        """Architectures of the rows, in the space that is described, named or recognised."""
        target, names = self.target, self.schema.architecture
        where = f"{self.path}: column {', '.join(map(repr, names))}"
        if isinstance(target.space, Space):
            by_variable = variable_columns(names, target.space)
            where = str(self.path) if by_variable else where
            codes = read_in_space(target.space, strings, where=where, lines=cells.lines)
            how = f"the columns of {len(by_variable)} variables" if by_variable else "strings"
            return Architectures(target.space, codes, (f"space {target.space.name} by {how}",))
        return read_architectures(
            strings,
            space=target.space,
            convention=target.convention,
            name=target.name,
            where=where,
        )

    def _strings(self, cells: Cells) -> list[str]:
        """Architecture of each row, as one line of text."""
        space = self.target.space
        if isinstance(space, Space) and (names := variable_columns(list(cells.place), space)):
            check_has_columns(space, names, self.path)
            return row_texts(space, {name: cells.texts(cells.place[name]) for name in names})
        parts = []
        for name in self.schema.architecture:
            texts = [" ".join(text.split()) for text in cells.texts(cells.place[name])]
            texts = ["" if text.casefold() in _MISSING else text for text in texts]
            wrong = next((k for k, text in enumerate(texts) if not text or _steers(text)), None)
            if wrong is not None:
                raise self._no_architecture(name, int(cells.lines[wrong]), texts[wrong])
            parts.append(texts)
        return parts[0] if len(parts) == 1 else ["|".join(row) for row in zip(*parts, strict=True)]

    def _no_architecture(self, column: str, line: int, text: str) -> DataFileError:
        """Error of a cell that names no architecture, or no choice of one."""
        where = f"{self.path}: column {column!r}"
        if text:
            return DataFileError(f"{where} holds control characters in row {line}: {text[:60]!r}")
        alone = len(self.schema.architecture) == 1
        cure = (
            "its architecture" if alone else "every choice: write a word such as none for no choice"
        )
        return DataFileError(f"{where} is empty in row {line}; every row names {cure}")

    def _measured(self, cells: Cells) -> list[tuple[Column, Values]]:
        """Columns of numbers, each with its direction and unit."""
        path, schema = self.path, self.schema
        places = {column.source: cells.place[column.source] for column in schema.columns}
        decimal = schema.decimal or decimal_sign(cells, places.values(), path)
        if decimal == ",":
            self.read.append("decimal commas")
        measured: list[tuple[Column, Values]] = []
        for column in schema.columns:
            found = numbers(cells, places[column.source], decimal=decimal, path=path)
            if np.isnan(found.values).all():
                raise DataFileError(
                    f"{path}: column {column.source!r} is empty in every row: is the file cut?"
                )
            if found.unit:
                others = f", converted from {', '.join(found.converted)}" if found.converted else ""
                self.read.append(f"{column.source!r} in {found.unit}{others}")
            about = replace(column, unit=column.unit or found.unit)
            if column.source not in schema.directed:
                named = [is_minimised(name) for name in (column.metric, column.source)]
                about = replace(about, minimise=named[1 if named[0] is None else 0] is True)
            measured.append((about, found.values))
            if found.deviations is not None:
                name = f"{column.source} std"
                metric = f"{column.metric} std"
                measured.append(
                    (replace(about, metric=metric, source=name, minimise=False), found.deviations)
                )
                self.read.append(f"{name!r} is what stands behind the ± of {column.source!r}")
        if schema.guessed:
            measured, self.runs = with_means(measured, path=path)
        return measured

    def _unused(self, cells: Cells, keys: RowKeys) -> list[str]:
        """Columns with a name that the table is not made of."""
        used = {*self.schema.architecture, *(c.source for c in self.schema.columns), *keys.names}
        return [name for name in cells.place if name not in used]

    def _keys(self, cells: Cells, group: Index) -> RowKeys:
        """Columns that tell rows of one architecture apart, as far as they do."""
        schema, guessed = self.schema, self.schema.guessed
        if schema.rows is not None and not guessed:
            return schema.rows
        keys = row_keys(self._unused(cells, RowKeys()))
        repeated = len(np.unique(group)) < len(group)
        if not repeated and not guessed:
            return RowKeys()
        if keys.task and schema.tasked and len(set(cells.texts(cells.place[keys.task]))) > 1:
            raise SchemaError(
                f"{self.path}: column {keys.task!r} tells tasks apart, and the schema gives "
                f"{', '.join(sorted(schema.tasked))} a task: leave that out, or say "
                f'[rows] seed = "{keys.task}"'
            )
        alone = rows_of(cells, RowKeys(task=keys.task), group, self.path)
        if len(np.unique(alone.keys, axis=0)) < len(group):
            return keys
        return self._without_repeats(cells, keys)

    def _without_repeats(self, cells: Cells, keys: RowKeys) -> RowKeys:
        """The same of a file that has one row for each architecture and task."""
        values = {name: set(cells.texts(cells.place[name])) for name in keys.names}
        if keys.epoch and len(values[keys.epoch]) > 1:
            raise SchemaError(
                f"{self.path}: every architecture has one row, and they differ in column "
                f"{keys.epoch!r}: if the trainings have different lengths, say so in a schema, "
                f'[rows] epoch = "{keys.epoch}"; if not, name the other columns in a schema'
            )
        if keys.seed and len(values[keys.seed]) > 1:
            self.left_out.append(f"{keys.seed!r} (no architecture has two runs)")
            return replace(keys, seed=None)
        return keys

    def _check_all_keys(self, cells: Cells, keys: RowKeys, rows: Rows) -> None:
        """Leave out what is not used; refuse what tells repeated architectures apart."""
        unused = self._unused(cells, keys)
        text = [name for name in unused if _holds_text(cells, name)]
        guessed = self.schema.columns if self.schema.guessed else ()
        unclear = [c.source for c in guessed if is_minimised(c.source) is None]
        unclear += [name for name in unused if name not in text and is_setting(name)]
        check_all_keys_are_known(cells, rows, text, unclear, path=self.path)
        if not self.schema.guessed:
            self.left_out += [f"{name!r} (not in the schema)" for name in unused]

    def _check_is_whole(self, keys: RowKeys, n: int, rows: int) -> None:
        """Refuse single words that repeat, with nothing that says why: one choice of several."""
        [column] = self.schema.architecture
        if not keys.names:
            raise SchemaError(
                f"{self.path}: column {column!r} has {n} different words in {rows} rows: is it one "
                f"choice of several? A schema says which columns are the architecture: "
                f'architecture = ["{column}", ...]; or, if it is all of it, = "{column}"'
            )

    def _roles(
        self, columns: Sequence[Column], measured: Sequence[Column]
    ) -> dict[str, tuple[str, str]]:
        """Columns that are searched and reported: the schema's, else the only one possible."""
        tasks = dict.fromkeys(column.task for column in columns)
        for task in self.schema.roles:
            if task not in tasks:
                raise UnknownNameError("task", task, tasks, hint=f"of {self.path}")
        roles = dict(self.schema.roles)
        runs = self.schema.guessed  # those of the guess stand beside their mean
        own = {c.source for c in measured if not (runs and isinstance(c.seed, int))}
        for task in tasks:
            here = [c for c in columns if c.task == task]
            named = [c for c in here if c.source in own and not is_spread(c.source)]
            possible = [c for c in named if needs_training(c.metric, minimise=c.minimise)]
            if task not in roles and len(here) > 1 and len(possible) == 1:
                [column] = possible
                roles[task] = (column.source, column.source)
                if len(named) > 1:
                    self.recognised.append(
                        f"{column.source!r} is searched and reported on {task}, a guess"
                    )
        return roles


def _unmeasured(found: Sequence[tuple[Column, Values]], own: Set[str]) -> tuple[str, ...]:
    """What to say of gaps in the columns that have the names of the file's own."""
    gaps = []
    for column, values in found:
        missing = int(np.isnan(values).sum())
        if missing and column.source in own:
            where = "" if column.task == DEFAULT_TASK else f" on {column.task}"
            gaps.append(f"{column.source!r}{where} of {missing:,} of {len(values):,} architectures")
    return tuple(gaps)


def _holds_text(cells: Cells, name: str) -> bool:
    """Whether the first cells that are not empty are mostly no numbers."""
    texts = [t for t in cells.texts(cells.place[name])[:1000] if not is_empty(t)]
    return sum(map(is_number, texts)) < len(texts) / 2


def _groups(index: Index) -> tuple[Index, Index]:
    """First row of each architecture, in the order of the file, and number of each row's."""
    _, first, group = np.unique(index, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return first[order], rank[group.reshape(-1)]


def _steers(text: str) -> bool:
    return _STEERING.search(text) is not None


def printable(text: str) -> str:
    """Text with escapes in the place of control characters."""
    return "".join(
        char.encode("unicode_escape").decode() if _steers(char) else char for char in text
    )
