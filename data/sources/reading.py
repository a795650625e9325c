"""Tables of files in any format that is known here, ours and those of plug-ins."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import DataFileError, StorageError
from ..arguments import checked
from ..plugins import all_names, first_line, named_part
from .names import SOURCES

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
def read_tables(path: Path, *, name: str | None = None, schema: Path | None = None) -> list[Table]:
    """Tables of a file or folder, read by the first format that accepts it.

    Parameters
    ----------
    path : Path
    name : str, optional
        Of the table.
    schema : Path, optional
        A description of the columns.

    Raises
    ------
    StorageError
        If there is no such file, or it cannot be read.
    DataFileError
        If no format accepts it; the message says which there are.
    SchemaError, ArchitectureError, ParameterError
        As the format's own ``read``.
    """
    if not path.exists():
        raise StorageError(f"there is no file {path}")
    sources = {known: make_source(known) for known in source_names()}
    try:
        accepting = [source for source in sources.values() if source.accepts(path)]
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror or error}") from error
    if not accepting:
        known = "; ".join(f"{key}: {first_line(source)}" for key, source in sources.items())
        raise DataFileError(
            f"{path} is truncated or of no format that is known here ({known}); save it as UTF-8 "
            "CSV, or install the plug-in that reads it"
        )
    return accepting[0].read(path, name=name, schema=schema)
