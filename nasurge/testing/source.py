"""What every format of tables must do; a plug-in's tests call these.

Parametrise a test over ``SOURCE_CHECKS`` with a small file of the format, so that each fact fails
by its own name::

    @pytest.mark.parametrize("check", SOURCE_CHECKS, ids=lambda check: check.__name__)
    def test_my_format(check):
        check(my_format, Path("example.json"))

or call ``source_contract(my_format, path)`` for all of them.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np

from ..data.plugins import first_line
from ..data.sources import TableFormat
from ..data.tables import Table, check_name
from ..errors import DataFileError, NasurgeError, StorageError

_NAME = "contract"


def _contents(table: Table) -> list[bytes]:
    """All that was measured, as bytes."""
    return [table.codes.tobytes(), *(values.tobytes() for values in table.data)]


def check_accepts(source: TableFormat, path: Path) -> None:
    """Check that it accepts its own file, and that any other is an answer and no error."""
    assert source.accepts(path) is True
    with tempfile.TemporaryDirectory() as folder:
        other = Path(folder) / "other"
        assert source.accepts(other) is False, "it accepts a file that is not there"
        assert source.accepts(Path(folder)) is False, "it accepts an empty folder"
        for content in (b"", bytes(range(256)), b"\x80\x04N.", "Ä\n".encode("latin-1")):
            other.write_bytes(content)
            assert isinstance(source.accepts(other), bool)


def check_describes_itself(source: TableFormat, path: Path) -> None:  # noqa: ARG001 - one signature
    """Check that the first line of the docstring says which files it reads."""
    assert 10 <= len(first_line(source)) <= 100


def check_reads(source: TableFormat, path: Path) -> None:
    """Check that a file gives tables of architectures with numbers, the same ones every time."""
    tables, again = source.read(path), source.read(path)
    assert tables
    for table, same in zip(tables, again, strict=True):
        check_name(table.name)
        assert len(table) > 0
        assert table.space.is_valid(table.codes).all()
        assert len(np.unique(table.space.keys(table.codes))) == len(table), "a row occurs twice"
        assert table.columns
        for values in table.data:
            assert values.shape == (len(table),)
            assert values.dtype == np.float64
            assert not np.isinf(values).any(), "what was not measured is NaN"
        assert table.origin, "where the numbers come from"
        assert set(table.roles) <= set(table.tasks)
        assert _contents(table) == _contents(same)


def check_names(source: TableFormat, path: Path) -> None:
    """Check that a name that is given names the table."""
    tables = source.read(path, name=_NAME)
    assert all(table.name.startswith(_NAME) for table in tables)


def check_damaged(source: TableFormat, path: Path) -> None:
    """Check that half a file is an error of NASurge, or read as far as it is whole."""
    with tempfile.TemporaryDirectory() as folder:
        half = Path(folder) / path.name
        if path.is_dir():
            shutil.copytree(path, half)
        else:
            shutil.copy(path, half)
        for file in [f for f in half.rglob("*") if f.is_file()] if half.is_dir() else [half]:
            content = file.read_bytes()
            file.write_bytes(content[: len(content) // 2])
        try:
            tables = source.read(half)
        except NasurgeError as error:
            assert str(error)  # noqa: PT017
        else:
            assert tables


def check_missing(source: TableFormat, path: Path) -> None:
    """Check that a file that is not there is an error of NASurge that names it."""
    nothing = path.with_name("nothing-" + path.name)
    try:
        source.read(nothing)
    except (DataFileError, StorageError) as error:
        assert str(nothing) in str(error)  # noqa: PT017
    else:
        raise AssertionError("a missing file is read")


SOURCE_CHECKS = (
    check_accepts,
    check_describes_itself,
    check_reads,
    check_names,
    check_damaged,
    check_missing,
)
"""All checks, to parametrise a test with."""


def source_contract(source: TableFormat, path: Path) -> None:
    r"""Assert every fact that an import relies on.

    Parameters
    ----------
    source : TableFormat
        A module or object with ``accepts`` and ``read``.
    path : Path
        A file of the format.

    Raises
    ------
    AssertionError
        By the first check that fails.

    Examples
    --------
    >>> from nasurge.data.sources import make_source
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "mine.csv"
    ...     size = path.write_text("cell,accuracy\na-b,1\nb-a,2\n")
    ...     source_contract(make_source("tabular"), path)
    """
    for check in SOURCE_CHECKS:
        check(source, path)
