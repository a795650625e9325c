"""Contract of a format of tables: a module, or any object, that accepts files and reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from ...errors import ParameterError
from ..tables import Table


class TableFormat(Protocol):
    """A format of files or folders that tables are imported from.

    The first line of its docstring says which files it reads, as lists and the help show it.
    """

    def accepts(self, path: Path) -> bool:
        """Whether a file or folder is of this format, by a look at its first bytes or names.

        Never raises for a file of another format, and imports nothing heavy.
        """
        ...

    def read(
        self, path: Path, *, name: str | None = None, schema: Path | None = None
    ) -> list[Table]:
        """Tables of a file.

        A format that can be told more takes it as further keywords: ``space``, ``convention``.

        Parameters
        ----------
        path : Path
        name : str, optional
            Of the table; by default what the file says, or its own name.
        schema : Path, optional
            A description of the columns, where the format does not hold one itself.

        Raises
        ------
        DataFileError, StorageError
            If the file is damaged, or cannot be read.
        SchemaError, ArchitectureError
            If the description and the file do not fit, or a row is no architecture.
        """
        ...


def refuse_schema(schema: Path | None, path: Path) -> None:
    """Refuse a description of columns for a format that says itself what they mean.

    Raises
    ------
    ParameterError
        If one is given.
    """
    if schema is not None:
        raise ParameterError(f"{path} says itself what its columns are: leave out --schema")
