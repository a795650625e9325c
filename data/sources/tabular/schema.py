"""Descriptions of files in TOML: which column is what."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from ....errors import SchemaError, StorageError, UnknownNameError
from ...files.limits import check_limit
from ...spaces import Space
from ...tables import Column
from .spelling import CONVENTIONS

DEFAULT_TASK = "default"
_KIND_NAMES = {
    str: "a text",
    int: "an integer",
    bool: "true or false",
    dict: "a section",
    list: "a list",
}
_COLUMN_KINDS: dict[str, tuple[type, ...]] = {
    "task": (str,),
    "metric": (str,),
    "split": (str,),
    "epoch": (int,),
    "seed": (int, str),
    "minimise": (bool,),
    "unit": (str,),
}
_TABLE_KINDS = {"name": (str,), "space": (str,), "select": (str,), "convention": (str,)}
_ROLE_KINDS = {"search": (str,), "report": (str,)}
_ROW_KINDS = {"task": (str,), "epoch": (str,), "seed": (str,)}
_TOP_KINDS = {
    "architecture": (str, list),
    "origin": (str,),
    "decimal": (str,),
    "rows": (dict,),
    "table": (list,),
    "task": (dict,),
    "column": (dict,),
}


@dataclass(frozen=True)
class Target:
    """One table to make from a file: its name, its space, and which rows are its own."""

    name: str
    space: str | Space | None = None
    select: str | None = None
    convention: str | None = None


@dataclass(frozen=True)
class RowKeys:
    """Columns that tell rows of one architecture apart."""

    task: str | None = None
    epoch: str | None = None
    seed: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of those there are."""
        return tuple(name for name in (self.task, self.epoch, self.seed) if name)


@dataclass(frozen=True)
class Schema:
    """Meaning of the columns of a file; ``docs/guide/how-to/import.md`` has the TOML form.

    Attributes
    ----------
    architecture : tuple of str
        One column of strings, or one column per choice.
    targets : tuple of Target
    columns : tuple of Column
    roles : dict from task to the names of the searched and the reported column
    origin : str
    rows : RowKeys, optional
        None where the names of the columns say it.
    decimal : str, optional
        None where the numbers say it.
    directed : frozenset of str
        Columns of which it is said whether smaller is better.
    tasked : frozenset of str
        Columns of which the task is said.
    guessed : bool
        Whether nobody wrote it.
    """

    architecture: tuple[str, ...]
    targets: tuple[Target, ...]
    columns: tuple[Column, ...]
    roles: dict[str, tuple[str, str]]
    origin: str
    rows: RowKeys | None = None
    decimal: str | None = None
    directed: frozenset[str] = field(default=frozenset())
    tasked: frozenset[str] = field(default=frozenset())
    guessed: bool = False


def read_schema(file: Path, *, name: str) -> Schema:
    """Schema in a TOML file.

    Raises
    ------
    StorageError
        If it cannot be read.
    SchemaError, UnknownNameError
        As ``parse_schema``.
    """
    try:
        check_limit("memory", file.stat().st_size * (1 << 8), str(file))
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise StorageError(f"cannot read {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SchemaError(f"{file} is not a text file") from error
    return parse_schema(text, where=str(file), name=name)


def packaged_schemas() -> list[tuple[str, Schema]]:
    """Schemas that NASurge ships, by the names of their files."""
    folder = files("nasurge.data.sources").joinpath("schemas")
    return [
        (file.name, parse_schema(file.read_text(encoding="utf-8"), where=file.name))
        for file in sorted(folder.iterdir(), key=lambda file: file.name)
    ]


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
        if key not in _TOP_KINDS:
            raise UnknownNameError("key", key, _TOP_KINDS, hint=where)
    if isinstance(found.get("table", []), dict):
        raise SchemaError(f"{where}: write [[table]], with two brackets")
    _check_keys(found, _TOP_KINDS, where)
    described = found.get("column", {})
    architecture = _architecture(found.get("architecture"), where)
    if not described or not architecture:
        raise SchemaError(
            f'{where} needs architecture = "COLUMN" and a section [column] with one line per '
            "measured column"
        )
    columns = []
    for source, about in described.items():
        _check_keys(about, _COLUMN_KINDS, f"{where}, column {source!r}")
        columns.append(
            Column(**{"task": DEFAULT_TASK, "metric": source, **about, "source": source})
        )
    rows = None
    if "rows" in found:
        _check_keys(found["rows"], _ROW_KINDS, f"{where}, section [rows]")
        rows = RowKeys(**found["rows"])
    decimal = found.get("decimal")
    if decimal not in (None, ".", ","):
        raise SchemaError(f'{where}: decimal is {decimal!r}, it must be "." or ","')
    return Schema(
        architecture,
        _targets(found.get("table", [{}]), where, name),
        tuple(columns),
        _roles(found.get("task", {}), columns, where, any_task=rows is None or bool(rows.task)),
        found.get("origin", ""),
        rows,
        decimal,
        directed=frozenset(source for source, about in described.items() if "minimise" in about),
        tasked=frozenset(source for source, about in described.items() if "task" in about),
    )


def _architecture(value: Any, where: str) -> tuple[str, ...]:
    """Column of architectures, or the columns of their choices."""
    names = [value] if isinstance(value, str) else value or []
    if not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        raise SchemaError(
            f"{where}: architecture is {value!r}, it must be the name of a column or a list of "
            "different ones"
        )
    return tuple(names)


def _targets(tables: Any, where: str, name: str) -> tuple[Target, ...]:
    """Tables to make."""
    targets = []
    for table in tables:
        _check_keys(table, _TABLE_KINDS, f"{where}, [[table]]")
        target = Target(**{"name": name, **table})
        if target.select is not None:
            matching([], target.select, where=where)
        if target.convention is not None and target.convention not in CONVENTIONS:
            raise UnknownNameError("convention", target.convention, CONVENTIONS, hint=where)
        targets.append(target)
    names = [target.name for target in targets]
    twice = next((one for one in names if names.count(one) > 1), None)
    if twice is not None:
        raise SchemaError(f"{where}: two [[table]] are called {twice!r}; give each a name")
    if not targets:
        raise SchemaError(f"{where}: [[table]] is an empty list; leave it out")
    return tuple(targets)


def matching(strings: Sequence[str], pattern: str, *, where: str) -> list[bool]:
    """Whether a regular expression is found in each string, in time linear in their length.

    The engine is RE2, that of PyArrow: whatever the pattern, it cannot run away.

    Raises
    ------
    SchemaError
        If it is no regular expression, or one that needs to look back or ahead.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        found: list[bool] = pc.match_substring_regex(
            pa.array(strings, pa.string()), pattern
        ).to_pylist()
    except pa.ArrowInvalid as error:
        reason = str(error).partition(": ")[2] or str(error)
        raise SchemaError(
            f"{where}: select is no regular expression: {reason}; it is one of RE2, without "
            "references and looks ahead"
        ) from error
    return found


def _roles(
    section: Mapping[str, Any], columns: Sequence[Column], where: str, *, any_task: bool
) -> dict[str, tuple[str, str]]:
    """Searched and reported column of each task that a section is about."""
    tasks = dict.fromkeys(column.task for column in columns)
    for task in tasks:
        check_task(task, where)
    if not any_task or len(tasks) > 1 or DEFAULT_TASK not in tasks:
        _check_keys(section, dict.fromkeys(tasks, (dict,)), f"{where}, section [task]")
    roles = {}
    for task, role in section.items():
        _check_keys(role, _ROLE_KINDS, f"{where}, task {task!r}")
        if "report" not in role:
            raise SchemaError(f"{where}: task {task!r} needs report, and search where it differs")
        roles[task] = (role.get("search", role["report"]), role["report"])
    return roles


def check_task(task: str, where: str) -> None:
    """Refuse a task that could not be typed as ``TABLE/TASK``.

    Raises
    ------
    SchemaError
        If it cannot.
    """
    if not re.fullmatch(r"\w[\w .+-]*", task) or len(task) > 100:
        raise SchemaError(
            f"{where}: {task[:100]!r} cannot name a task: use letters, digits, '.', '_', '+', '-' "
            "and spaces, so that TABLE/TASK can be typed"
        )


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
