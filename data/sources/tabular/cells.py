"""Cells of a CSV or Parquet file, as text by column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ....errors import DataFileError, NasurgeError, StorageError
from ...files.limits import check_limit
from .dialect import SEPARATORS, Dialect, clean_names, dialect_of
from .opening import PARQUET, Stream, damaged, opened

if TYPE_CHECKING:
    import pyarrow as pa

_BLOCK = 4 << 20  # a row is within one block
_ROW = 300  # bytes that a row takes as text of Python, codes and values


@dataclass(frozen=True, eq=False)
class Cells:
    """Columns of text, and how they were written.

    Attributes
    ----------
    names : tuple of str
        Empty for a column without a name.
    columns : tuple of PyArrow chunked arrays of strings
    lines : int array, shape (n,)
        Line of each row in the file, as a person counts, the header line being the first.
    read : str
        How the file is written, in words.
    separated : str
        The separator; empty for a file of typed columns.
    """

    names: tuple[str, ...]
    columns: tuple[pa.ChunkedArray, ...]
    lines: NDArray[np.int64]
    read: str
    separated: str

    def __len__(self) -> int:
        return len(self.lines)

    @cached_property
    def place(self) -> dict[str, int]:
        """Number of each column that has a name."""
        return {name: k for k, name in enumerate(self.names) if name}

    def texts(self, column: int) -> list[str]:
        """Cells of a column, without blanks around them."""
        import pyarrow.compute as pc

        found: list[str] = pc.utf8_trim_whitespace(self.columns[column]).to_pylist()
        return found

    def kept(self, rows: NDArray[Any]) -> Cells:
        """The same columns with some of the rows."""
        import pyarrow as pa

        chosen = pa.array(rows)
        columns = tuple(column.take(chosen) for column in self.columns)
        return replace(self, columns=columns, lines=self.lines[rows])


def read_cells(path: Path) -> Cells:
    """Cells of a CSV file, also a packed one, or of a Parquet file.

    Raises
    ------
    StorageError
        If the file is missing or cannot be read.
    DataFileError
        If it is empty, truncated, of another kind, or a row has another number of cells than the
        header line has names.
    LimitError
        If it is over one of the limits.
    """
    if not path.is_file():
        raise StorageError(f"there is no file {path}")
    try:
        with path.open("rb") as file:
            parquet = file.read(4) == PARQUET
        cells = _read_parquet(path) if parquet else _read_csv(path)
    except NasurgeError:
        raise
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror or error}") from error
    if not len(cells):
        raise DataFileError(f"{path} has no rows; a table has one row per architecture")
    return cells


def _read_csv(path: Path) -> Cells:
    with opened(path) as (stream, packed):
        dialect = dialect_of(stream, path)
        if len(dialect.names) < 2:
            raise DataFileError(
                f"{path} is neither CSV nor Parquet: its first line is one cell, "
                f"{''.join(dialect.names)[:60]!r}; cells are separated by "
                f"{', '.join(SEPARATORS.values())}, architecture strings that hold the separator "
                "stand in double quotes"
            )
        stream.read(dialect.start)
        columns = _columns(stream, dialect, path)
    read = f"separated by {SEPARATORS.get(dialect.separator, repr(dialect.separator))}"
    read = f"CSV {read}" + (f", packed by {packed}" if packed else "")
    lines = np.arange(len(columns[0])) + dialect.lines + 1
    return Cells(dialect.names, columns, lines, read, dialect.separator)


def _columns(stream: Stream, dialect: Dialect, path: Path) -> tuple[pa.ChunkedArray, ...]:
    """Columns of the rows that are left in a stream."""
    import pyarrow as pa
    import pyarrow.csv

    wrong: list[tuple[int, int, str]] = []

    def note(row: Any) -> str:
        wrong.append((row.number or 0, row.actual_columns, row.text))
        return "error"

    names = [str(k) for k in range(len(dialect.names))]
    options = {
        "read_options": pa.csv.ReadOptions(
            use_threads=False, block_size=_BLOCK, column_names=names
        ),
        "parse_options": pa.csv.ParseOptions(
            delimiter=dialect.separator, newlines_in_values=True, invalid_row_handler=note
        ),
        "convert_options": pa.csv.ConvertOptions(
            column_types={name: pa.string() for name in names}, strings_can_be_null=False
        ),
    }
    if not stream.peek(1):
        return tuple(pa.chunked_array([], pa.string()) for _ in names)
    try:
        with pa.csv.open_csv(pa.PythonFile(stream, mode="r"), **options) as reader:
            table = pa.Table.from_batches(_checked(reader, path), reader.schema)
    except pa.ArrowInvalid as error:
        if not wrong:
            raise damaged(path, _plainer(error)) from error
        number, cells, text = wrong[0]
        raise DataFileError(
            f"{path}: row {number + dialect.lines} has {cells} cells, the header line has "
            f"{len(names)} names ({text[:60]!r}): is the file cut, a separator within a cell that "
            "is not quoted, or a name missing in the header line?"
        ) from error
    return tuple(table.columns)


def _plainer(error: Exception) -> str:
    if "straddling" in str(error):
        return f"a row is longer than {_BLOCK:,} bytes: is a quotation mark missing?"
    return str(error)


def _checked(batches: Any, path: Path) -> Any:
    """The same batches, whose cells are not too long, nor all of them too large."""
    import pyarrow.compute as pc

    total = 0
    for batch in batches:
        total += batch.nbytes + _ROW * batch.num_rows
        check_limit("memory", total, str(path))
        for column in batch.columns:
            longest = pc.max(pc.binary_length(column)).as_py() or 0
            check_limit("cell", longest, f"a cell of {path}")
        yield batch


def _read_parquet(path: Path) -> Cells:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            about = file.metadata
            check_limit("columns", about.num_columns, str(path))
            stated = sum(about.row_group(k).total_byte_size for k in range(about.num_row_groups))
            check_limit("memory", stated + _ROW * about.num_rows, str(path))
            total, batches = 0, []
            for batch in file.iter_batches():
                total += batch.nbytes + _ROW * batch.num_rows
                check_limit("memory", total, str(path))
                batches.append(batch)
            table = pa.Table.from_batches(batches, file.schema_arrow)
    except (pa.ArrowException, OSError, ValueError) as error:
        if isinstance(error, NasurgeError) or (isinstance(error, OSError) and error.errno):
            raise
        raise damaged(path, error) from error
    names = tuple(clean_names(table.column_names, path))
    columns = tuple(_as_text(column) for column in table.columns)
    return Cells(names, columns, np.arange(table.num_rows) + 2, "Parquet", "")


def _as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Column of strings; numbers keep every digit, lists are written as Python writes them."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    if pa.types.is_floating(kind):
        written: Sequence[str] = [
            "" if value is None or np.isnan(value) else repr(value)
            for value in column.cast(pa.float64()).to_pylist()
        ]
        return pa.chunked_array([pa.array(written, pa.string())])
    if pa.types.is_nested(kind) or pa.types.is_binary(kind):
        written = ["" if value is None else str(value) for value in column.to_pylist()]
        return pa.chunked_array([pa.array(written, pa.string())])
    return pc.fill_null(column.cast(pa.string()), "")
