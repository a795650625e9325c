"""CSV (also .gz) and Parquet files: a short description says what each column measures."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import (
    ArchitectureError,
    DataFileError,
    SchemaError,
    StorageError,
    UnknownNameError,
)
from ..spaces import ProductSpace, Space, make_space, space_names
from ..tables import Column, Table, build_table, check_name
from ..types import Values

if TYPE_CHECKING:
    import pandas as pd

_KIND_NAMES = {str: "a text", int: "an integer", bool: "true or false", dict: "a section"}
_COLUMN_KINDS: dict[str, tuple[type, ...]] = {
    "task": (str,),
    "metric": (str,),
    "split": (str,),
    "epoch": (int,),
    "seed": (int, str),
    "minimise": (bool,),
    "unit": (str,),
}
_TABLE_KINDS = {"name": (str,), "space": (str,), "select": (str,)}
_ROLE_KINDS = {"search": (str,), "report": (str,)}
_TOP_KEYS = ("architecture", "origin", "table", "task", "column")
_DEFAULT_TASK = "default"
# How Parquet files begin, and those that pandas unpacks: gzip, bzip2, zip, xz and zstandard.
_BEGINNINGS = (b"PAR1", b"\x1f\x8b", b"BZh", b"PK\x03\x04", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd")
_FIRST_ROW = 2  # rows are counted as a person sees them, below the header line


@dataclass(frozen=True)
class Target:
    """One table to make from a file: its name, its space, and which rows are its own."""

    name: str
    space: str | None
    select: str | None = None


@dataclass(frozen=True)
class Schema:
    """Meaning of the columns of a file; ``docs/guide/how-to/import.md`` has the TOML form."""

    architecture: str
    targets: tuple[Target, ...]
    columns: tuple[Column, ...]
    roles: dict[str, tuple[str, str]]
    origin: str


def _check_keys(section: Any, allowed: Mapping[str, tuple[type, ...]], where: str) -> None:
    """Raise unless ``section`` is a TOML table of allowed keys and of values of their types."""
    if not isinstance(section, dict):
        raise SchemaError(f"{where} is {section!r}, not a table of {', '.join(allowed)}")
    for key, value in section.items():
        if key not in allowed:
            raise UnknownNameError("key", key, allowed, hint=where)
        if type(value) not in allowed[key]:
            kinds = " or ".join(_KIND_NAMES[kind] for kind in allowed[key])
            raise SchemaError(f"{where}: {key} is {value!r}, it must be {kinds}")


def accepts(path: Path) -> bool:
    """Whether a file begins as Parquet, as what pandas unpacks, or as text that is no JSON."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        start = file.read(4096)
    text = b"\0" not in start and start.lstrip()[:1] not in (b"{", b"[")
    return text or start.startswith(_BEGINNINGS)


def parse_schema(text: str, *, where: str, name: str = "table") -> Schema:
    """Schema written in TOML.

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
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise SchemaError(f"{where} is not valid TOML: {error}") from error
    for key in found:
        if key not in _TOP_KEYS:
            raise UnknownNameError("key", key, _TOP_KEYS, hint=where)
    try:
        architecture = str(found["architecture"])
        described = dict(found["column"])
    except (KeyError, TypeError, ValueError):
        described = {}
    if not described:
        raise SchemaError(
            f'{where} needs architecture = "COLUMN" and a section [column] with one line per '
            "measured column"
        )
    columns = []
    for source, about in described.items():
        _check_keys(about, _COLUMN_KINDS, f"{where}, column {source!r}")
        columns.append(
            Column(**{"task": _DEFAULT_TASK, "metric": source, **about, "source": source})
        )
    tables = found.get("table", [{}])
    if not isinstance(tables, list):
        raise SchemaError(f"{where}: write [[table]], with two brackets")
    targets = []
    for table in tables:
        _check_keys(table, _TABLE_KINDS, f"{where}, [[table]]")
        try:
            re.compile(table.get("select", ""))
        except re.error as error:
            raise SchemaError(f"{where}: select is no regular expression: {error}") from error
        targets.append(Target(table.get("name", name), table.get("space"), table.get("select")))
    roles = {}
    tasks = dict.fromkeys(column.task for column in columns)
    for task in tasks:
        if not re.fullmatch(r"\w[\w .+-]*", task):
            raise SchemaError(
                f"{where}: {task!r} cannot name a task: use letters, digits, '.', '_', '+', '-' "
                "and spaces, so that TABLE/TASK can be typed"
            )
    _check_keys(found.get("task", {}), dict.fromkeys(tasks, (dict,)), f"{where}, section [task]")
    for task, role in found.get("task", {}).items():
        _check_keys(role, _ROLE_KINDS, f"{where}, task {task!r}")
        if "report" not in role:
            raise SchemaError(f"{where}: task {task!r} needs report, and search where it differs")
        roles[task] = (role.get("search", role["report"]), role["report"])
    return Schema(architecture, tuple(targets), tuple(columns), roles, found.get("origin", ""))


def read_frame(path: Path) -> pd.DataFrame:
    """Rows of a CSV (also compressed) or Parquet file, the cells of a CSV as text.

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
    parquet = path.suffix in (".parquet", ".pq")
    try:
        # Cells as text: codes like 012 keep their zeros.
        frame = pd.read_parquet(path) if parquet else pd.read_csv(path, dtype=str)
    except PermissionError as error:
        raise StorageError(f"cannot read {path}: {error.strerror}") from error
    except Exception as error:
        raise DataFileError(
            f"{path} is empty, truncated or neither CSV nor Parquet ({str(error).strip()}); a "
            "table is UTF-8 text of one header line and one row per architecture"
        ) from error
    if frame.empty:
        raise DataFileError(f"{path} has no rows; a table has one row per architecture")
    if isinstance(frame.index, pd.RangeIndex):
        return frame
    if parquet:
        return frame.reset_index()
    raise DataFileError(f"{path}: the rows have more cells than the header line has names")


def packaged_schema(frame: pd.DataFrame) -> Schema | None:
    """Schema shipped with NASurge whose columns are all in ``frame``, if one is."""
    for file in sorted(
        files("nasurge.data.sources").joinpath("schemas").iterdir(), key=lambda f: f.name
    ):
        schema = parse_schema(file.read_text(encoding="utf-8"), where=file.name)
        if {schema.architecture, *(c.source for c in schema.columns)} <= set(frame.columns):
            return schema
    return None


def guess_schema(frame: pd.DataFrame, *, path: Path, name: str) -> Schema:
    """Schema guessed for a file that has none: an architecture column and numeric columns.

    The architecture column is the first one whose strings a known space reads, else the only
    column of text. Every column that holds mostly numbers becomes a metric of its own name.

    Raises
    ------
    SchemaError
        If no column can be the architecture, or none holds numbers.
    """
    numeric = [c for c in frame.columns if _mostly(~np.isnan(_floats(frame[c].dropna())))]
    text = [c for c in frame.columns if c not in numeric]
    space, architecture = None, None
    for column in text:
        space = guess_space(frame[column].dropna().astype(str).head(20).tolist())
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
    """Name of the space that reads most of the strings, or None."""
    for name in space_names():
        if strings and _mostly(np.array([_reads(name, string) for string in strings])):
            return name
    return None


def _reads(space: str, string: str) -> bool:
    try:
        make_space(space).parse(string)
    except ArchitectureError:
        return False
    return True


def _mostly(true: np.ndarray[Any, Any]) -> bool:
    """Whether at least half is true, or nothing is there to tell."""
    return not len(true) or float(true.mean()) >= 0.5


def find_schema(path: Path, frame: pd.DataFrame, schema: Path | None, *, name: str) -> Schema:
    """Schema of a file: the one given, the one beside it, a shipped one, or a guess.

    Raises
    ------
    StorageError
        If the given file cannot be read.
    SchemaError, UnknownNameError
        As ``parse_schema`` and ``guess_schema``.
    """
    beside = [path.with_name(path.name + ".toml"), path.with_name(_stem(path) + ".toml")]
    for file in [schema] if schema else [f for f in beside if f.is_file()]:
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
    """Tables in a CSV or Parquet file.

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


def _table(name: str, target: Target, schema: Schema, frame: pd.DataFrame, path: Path) -> Table:
    """One table of a file."""
    empty = frame[schema.architecture].isna().to_numpy()
    if empty.any():
        row = int(np.argmax(empty))
        raise DataFileError(
            f"{path}: column {schema.architecture!r} is empty in row {row + _FIRST_ROW}; every row "
            "names its architecture"
        )
    rows = frame[schema.architecture].astype(str).tolist()
    if target.select:
        chosen = [k for k, string in enumerate(rows) if re.search(target.select, string)]
        frame, rows = frame.iloc[chosen], [rows[k] for k in chosen]
        if not rows:
            raise SchemaError(f"no architecture of {path} matches {target.select!r} ({name})")
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
    origin = schema.origin or f"file {path.name}"
    return build_table(name, space, codes, measured, roles=schema.roles, origin=origin)


def _numbers(frame: pd.DataFrame, source: str, path: Path) -> Values:
    """Values of one column; empty cells are NaN."""
    column = frame[source]
    values = _floats(column)
    bad = (np.isnan(values) & column.notna().to_numpy()) | np.isinf(values)
    if bad.any():
        first = int(np.argmax(bad))
        row = int(frame.index[first]) + _FIRST_ROW
        raise DataFileError(
            f"{path}: column {source!r} holds {str(column.iloc[first])!r} in row {row}, which is "
            "no finite number; leave the cell empty if it was not measured"
        )
    return values


def _floats(column: pd.Series[Any]) -> Values:
    """Values of a column, NaN where a cell is no number."""
    import pandas as pd

    try:
        numbers = pd.to_numeric(column, errors="coerce")
    except TypeError:  # a Parquet cell of lists
        return np.full(len(column), np.nan)
    values: Values = numbers.to_numpy(dtype=np.float64, na_value=np.nan)
    return values


def _mean(values: Values, group: np.ndarray[Any, Any], groups: int) -> Values:
    """Mean of each group's measured values, NaN where there is none."""
    measured = ~np.isnan(values)
    total = np.bincount(group[measured], values[measured], minlength=groups)
    count = np.bincount(group[measured], minlength=groups)
    result: Values = np.divide(total, count, out=np.full(groups, np.nan), where=count > 0)
    return result
