"""Tables of files in any format that is known here, ours and those of plug-ins."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import DataFileError, ParameterError, StorageError, UnknownNameError
from ..arguments import checked
from ..plugins import all_names, first_line, named_part
from .names import SOURCES
from .official import official_layout

if TYPE_CHECKING:
    from ..tables import Table
    from .contract import TableFormat

GROUP = "nasurge.sources"
_LAST = "tabular"


def source_names() -> list[str]:
    """Names of all formats, in the order in which they are asked whether they accept a file.

    Any text may be a CSV file, so that this format comes after those of plug-ins.
    """
    names = all_names(SOURCES, group=GROUP)
    return [*(name for name in names if name != _LAST), _LAST]


@checked
def make_source(name: str) -> TableFormat:
    """Format of a name.

    Raises
    ------
    UnknownNameError
        If there is no such format.
    """
    places = {own: entry.place for own, entry in SOURCES.items()}
    source: TableFormat = named_part("table format", name, places, group=GROUP)
    return source


@checked
def read_tables(
    path: Path,
    *,
    name: str | None = None,
    schema: Path | None = None,
    minimise: Collection[str] = (),
    maximise: Collection[str] = (),
    **reading: Any,
) -> list[Table]:
    """Tables of a file or folder, read by the first format that accepts it.

    Parameters
    ----------
    path : Path
    name : str, optional
        Of the table.
    schema : Path, optional
        A description of the columns.
    minimise, maximise : collections of str
        Columns, or metrics, of which smaller, or bigger, is better, whatever their names and the
        schema say.
    **reading
        What the format's own ``read`` takes beside name and schema, such as ``space``.

    Raises
    ------
    StorageError
        If there is no such file, or it cannot be read.
    DataFileError
        If no format accepts it; the message says which there are.
    ParameterError
        If the format does not take what is said of it.
    UnknownNameError
        If a column is named that no table has.
    SchemaError, ArchitectureError
        As the format's own ``read``.
    """
    if not path.exists():
        raise StorageError(f"there is no file {path}")
    sources = {known: make_source(known) for known in source_names()}
    try:
        accepting = [source for source in sources.values() if source.accepts(path)]
        official = official_layout(path)
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror or error}") from error
    if official and (not accepting or accepting[0] is sources[_LAST]):
        raise DataFileError(f"{path} is {official}")
    if not accepting:
        known = "; ".join(f"{key}: {first_line(source)}" for key, source in sources.items())
        what = "a folder" if path.is_dir() else "truncated or"
        raise DataFileError(
            f"{path} is {what} of no format that is known here ({known}); save it as UTF-8 CSV, or "
            "install the plug-in that reads it"
        )
    said = {key: value for key, value in reading.items() if value is not None}
    taken = inspect.signature(accepting[0].read).parameters
    if refused := [key for key in said if key not in taken]:
        raise ParameterError(
            f"{path} says itself what its architectures are: leave out {', '.join(refused)}"
        )
    tables = accepting[0].read(path, name=name, schema=schema, **said)
    return directed(tables, minimise=minimise, maximise=maximise)


def directed(
    tables: Sequence[Table], *, minimise: Collection[str] = (), maximise: Collection[str] = ()
) -> list[Table]:
    """Tables whose named columns, or metrics, are minimised or maximised, shape unchanged.

    Raises
    ------
    UnknownNameError
        If a column is named that no table has.
    ParameterError
        If one is named on both sides.
    """
    both = sorted(set(minimise) & set(maximise))
    if both:
        raise ParameterError(f"{', '.join(both)} cannot be both minimised and maximised")
    known = {n for table in tables for c in table.columns for n in (c.source, c.metric) if n}
    for name in (*minimise, *maximise):
        if name not in known:
            raise UnknownNameError("column", name, sorted(known))
    down, up = set(minimise), set(maximise)
    return [_turned(table, down, up) if down or up else table for table in tables]


def _turned(table: Table, down: set[str], up: set[str]) -> Table:
    """Table with other directions, and notes that say so."""
    columns, changed = [], {}
    for column in table.columns:
        names = {column.source, column.metric} - {""}
        least = (column.minimise or bool(names & down)) and not names & up
        columns.append(replace(column, minimise=least))
        changed[column.source or column.metric] = least
    notes = table.imported
    if notes is not None:
        listed = dict.fromkeys((*notes.maximised, *notes.minimised))
        notes = replace(
            notes,
            minimised=tuple(n for n in listed if changed.get(n)),
            maximised=tuple(n for n in listed if not changed.get(n)),
        )
    return replace(table, columns=tuple(columns), imported=notes)
