"""CSV and Parquet files: a short description says what each column measures."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import (
    ArchitectureError,
    DataFileError,
    ParameterError,
    SchemaError,
    StorageError,
    UnknownNameError,
)
from ..spaces import SPACES, ProductSpace, Space, make_space
from ..tables import Column, Table, Values, build_table

if TYPE_CHECKING:
    import pandas as pd

_COLUMN_KEYS = ("task", "metric", "split", "epoch", "seed", "minimise", "unit")
_TABLE_KEYS = ("name", "space", "select")
_TOP_KEYS = ("architecture", "origin", "table", "task", "column")
_DEFAULT_TASK = "default"


@dataclass(frozen=True)
class Target:
    """One table to make from a file: its name, its space, and which rows are its own."""

    name: str
    space: str | None
    select: str | None = None


@dataclass(frozen=True)
class Schema:
    """What the columns of a file mean; see ``docs/how-to/import.md`` for the TOML form."""

    architecture: str
    targets: tuple[Target, ...]
    columns: tuple[Column, ...]
    roles: dict[str, tuple[str, str]]
    origin: str


def _only(given: dict[str, Any], known: tuple[str, ...], where: str) -> None:
    for key in given:
        if key not in known:
            raise UnknownNameError("key", key, known, hint=where)


def parse_schema(text: str, *, where: str, name: str = "table") -> Schema:
    """Return the schema written in TOML.

    Parameters
    ----------
    text : str
    where : str
        The file's name, for messages.
    name : str
        Name of the table where the schema gives none.

    Raises
    ------
    SchemaError
        If it is no TOML, or a part is missing or of the wrong kind.
    UnknownNameError
        If it has a key that means nothing.
    """
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SchemaError(f"{where} is not valid TOML: {error}") from error
    _only(found, _TOP_KEYS, where)
    try:
        architecture = str(found["architecture"])
        described = dict(found["column"])
    except (KeyError, TypeError, ValueError) as error:
        raise SchemaError(
            f'{where} needs architecture = "COLUMN" and a section [column] with one line per '
            f"measured column ({error} is missing)"
        ) from error
    columns = []
    for source, about in described.items():
        if not isinstance(about, dict):
            raise SchemaError(f"{where}: column {source!r} is not a table of task, metric, ...")
        _only(about, _COLUMN_KEYS, f"{where}, column {source!r}")
        columns.append(
            Column(**{"task": _DEFAULT_TASK, "metric": source, **about, "source": source})
        )
    targets = []
    for table in found.get("table", [{}]):
        _only(table, _TABLE_KEYS, f"{where}, [[table]]")
        targets.append(Target(table.get("name", name), table.get("space"), table.get("select")))
    roles = {}
    for task, role in found.get("task", {}).items():
        _only(role, ("search", "report"), f"{where}, task {task!r}")
        if "report" not in role:
            raise SchemaError(f"{where}: task {task!r} needs report, and search where it differs")
        roles[task] = (role.get("search", role["report"]), role["report"])
    return Schema(architecture, tuple(targets), tuple(columns), roles, found.get("origin", ""))


def read_frame(path: Path) -> pd.DataFrame:
    """Return a CSV (also compressed) or Parquet file as it stands.

    Raises
    ------
    StorageError
        If the file is missing or cannot be read.
    DataFileError
        If it is empty, truncated or of another kind.
    """
    import pandas as pd

    if not path.is_file():
        raise StorageError(f"there is no file {path}")
    try:
        if path.suffix in (".parquet", ".pq"):
            frame = pd.read_parquet(path)
        else:
            frame = pd.read_csv(path, low_memory=False)
    except PermissionError as error:
        raise StorageError(f"cannot read {path}: {error.strerror}") from error
    except Exception as error:
        raise DataFileError(
            f"{path} is empty, truncated or neither CSV nor Parquet ({error}); a table has one "
            "header line and one row per architecture"
        ) from error
    if frame.empty:
        raise DataFileError(f"{path} has no rows; a table has one row per architecture")
    return frame


def packaged_schema(frame: pd.DataFrame) -> Schema | None:
    """Return the schema shipped with NASurge whose columns are all in ``frame``, if one is."""
    for file in sorted(files("nasurge.data").joinpath("schemas").iterdir(), key=lambda f: f.name):
        schema = parse_schema(file.read_text(encoding="utf-8"), where=file.name)
        if {schema.architecture, *(c.source for c in schema.columns)} <= set(frame.columns):
            return schema
    return None


def guess_schema(frame: pd.DataFrame, *, path: Path, name: str) -> Schema:
    """Return a schema for a file that has none: its architecture column and its numeric columns.

    The architecture column is the first one whose strings a known space reads, else the only
    column of text. Every numeric column becomes a metric of its own name.

    Raises
    ------
    SchemaError
        If no column can be the architecture, or none holds numbers.
    """
    text = [c for c in frame.columns if not np.issubdtype(np.asarray(frame[c]).dtype, np.number)]
    numeric = [c for c in frame.columns if c not in text]
    space, architecture = None, None
    for column in text:
        space = guess_space(frame[column].astype(str).head(20).tolist())
        if space:
            architecture = column
            break
    if architecture is None and len(text) == 1:
        architecture = text[0]
    if architecture is None or not numeric:
        raise SchemaError(
            f"cannot tell which column of {path} is the architecture and which the accuracy "
            f"(text: {text}, numbers: {numeric}); say it in {path.name}.toml or with --schema"
        )
    columns = tuple(Column(_DEFAULT_TASK, str(c), source=str(c)) for c in numeric)
    return Schema(str(architecture), (Target(name, space),), columns, {}, f"file {path.name}")


def guess_space(strings: list[str]) -> str | None:
    """Return the name of the space that reads all the strings, or None."""
    for name in SPACES:
        try:
            make_space(name).parse(strings)
        except ArchitectureError:
            continue
        return name
    return None


def find_schema(path: Path, frame: pd.DataFrame, given: Path | None, *, name: str) -> Schema:
    """Return the schema of a file: the one given, the one beside it, a shipped one, or a guess.

    Raises
    ------
    StorageError
        If the given file cannot be read.
    SchemaError, UnknownNameError
        As ``parse_schema`` and ``guess_schema``.
    """
    beside = [path.with_name(path.name + ".toml"), path.with_name(_stem(path) + ".toml")]
    for file in [given] if given else [f for f in beside if f.is_file()]:
        try:
            text = file.read_text(encoding="utf-8")
        except OSError as error:
            raise StorageError(f"cannot read {file}: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise SchemaError(f"{file} is not a text file") from error
        return parse_schema(text, where=str(file), name=name)
    return packaged_schema(frame) or guess_schema(frame, path=path, name=name)


def _stem(path: Path) -> str:
    return path.name.split(".")[0]


def read(path: Path, *, name: str | None = None, schema: Path | None = None) -> list[Table]:
    """Return the tables in a CSV or Parquet file.

    Parameters
    ----------
    path : Path
        ``.csv`` (also ``.csv.gz`` and the like) or ``.parquet``.
    name : str, optional
        Name of the table; the schema's or the file's by default. Where the schema describes
        several tables, either the name of one of them, or a prefix for all.
    schema : Path, optional
        The description; by default the TOML file beside ``path``, else a shipped one that fits,
        else a guess.

    Raises
    ------
    StorageError, DataFileError
        If a file cannot be read, or is not what it should be.
    SchemaError
        If the description and the file do not fit.
    ArchitectureError
        Naming the first architecture that is not in its space.
    """
    frame = read_frame(path)
    found = find_schema(path, frame, schema, name=name or _stem(path).lower())
    wanted = {found.architecture, *(column.source for column in found.columns)}
    for column in sorted(wanted - set(frame.columns)):
        raise UnknownNameError("column", column, map(str, frame.columns), hint=f"of {path}")
    targets = {target.name: target for target in found.targets}
    if name in targets:
        targets = {name: targets[name]}
    elif name is not None and len(targets) == 1:
        targets = {name: next(iter(targets.values()))}
    elif name is not None:
        targets = {f"{name}-{key.rpartition('-')[2]}": target for key, target in targets.items()}
    for key in targets:
        check_name(key)
    return [_table(key, target, found, frame, path) for key, target in targets.items()]


def check_name(name: str) -> None:
    """Raise ParameterError if ``name`` cannot name a table."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
        raise ParameterError(
            f"{name!r} cannot name a table: use letters, digits, '.', '_' and '-'; give one with "
            "--as NAME"
        )


def _table(name: str, target: Target, schema: Schema, frame: pd.DataFrame, path: Path) -> Table:
    """Return one table of a file."""
    strings = frame[schema.architecture].astype(str)
    if target.select:
        chosen = strings.str.contains(target.select, regex=True)
        frame, strings = frame[chosen], strings[chosen]
        if frame.empty:
            raise SchemaError(f"no architecture of {path} matches {target.select!r} ({name})")
    rows = strings.tolist()
    space: Space
    if target.space is None:
        space = ProductSpace.infer(rows, name=name)
    else:
        space = make_space(target.space)
    codes = space.parse(rows)
    measured = [(column, _numbers(frame, column.source, path)) for column in schema.columns]
    unique, first, inverse = np.unique(space.index(codes), return_index=True, return_inverse=True)
    if len(unique) < len(codes):  # repeated measurements of one architecture: their mean
        measured = [(column, _mean(values, inverse, len(unique))) for column, values in measured]
        codes = codes[first]
    roles = {
        task: role
        for task, role in schema.roles.items()
        if any(column.task == task for column in schema.columns)
    }
    origin = schema.origin or f"file {path.name}"
    return build_table(name, space, codes, measured, roles=roles, origin=origin)


def _numbers(frame: pd.DataFrame, source: str, path: Path) -> Values:
    """Return one column as floats; empty cells are NaN."""
    import pandas as pd

    column = frame[source]
    values = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64)
    bad = (np.isnan(values) & column.notna().to_numpy()) | np.isinf(values)
    if bad.any():
        row = int(np.argmax(bad))
        raise DataFileError(
            f"{path}: column {source!r} holds {column.iloc[row]!r} in row {row + 2}, which is no "
            "finite number; leave the cell empty if it was not measured"
        )
    return values


def _mean(values: Values, group: np.ndarray[Any, Any], groups: int) -> Values:
    """Return the mean of each group's measured values, NaN where there is none."""
    measured = ~np.isnan(values)
    total = np.bincount(group[measured], values[measured], minlength=groups)
    count = np.bincount(group[measured], minlength=groups)
    result: Values = np.divide(total, count, out=np.full(groups, np.nan), where=count > 0)
    return result
