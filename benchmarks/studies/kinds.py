"""A kind of study as one record: its units, its work, its summary, and how all of it is shown.

A command that measures is a subclass of ``Study``. What the terminal, ``--json``, ``summary.json``,
``report.html`` and ``nasurge report`` show is made here from that record, so that no kind lacks one
of them.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, get_args, get_type_hints

from ...data.arguments import checked
from ...errors import ParameterError, UnknownNameError
from .export import contents, write_new
from .flags import chosen
from .journal import Journal, Row, Unit, fingerprint, jsonable, whole_study, write_rows
from .options import COLUMN, FORMATS, RunOptions
from .page import Page, TextTable, number_of, read_summary, write_summary
from .panels import Picture
from .rendering import render
from .results import frame_of, html_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

Parts = dict[str, Any]
"""Contents of ``summary.json``: ``summary``, what else a kind keeps, ``about`` and ``command``."""


@dataclasses.dataclass(frozen=True, repr=False)
class Findings:
    """Outcome of a study.

    Attributes
    ----------
    summary : list of dict
        One entry per case; a measured quantity is ``{"mean", "low", "high", "n"}``, with
        ``values`` where they are too few for an interval.
    rows : list of dict
        One entry per trial or query, as in ``rows.parquet``.
    folder : Path
        Where everything lies.
    about : dict
        How it was made.
    """

    summary: list[Row]
    rows: list[Row]
    folder: Path
    about: dict[str, Any]

    def __repr__(self) -> str:
        cases = f"{number_of(len(self.summary), 'case')} of {number_of(len(self.rows), 'row')}"
        return f"<{type(self).__name__}: {cases}, in {self.folder}>"

    @property
    def study(self) -> type[Study[Any, Any]]:
        """Record of the kind of study that found it."""
        return _KINDS[self.about["kind"]]

    def to_frame(self) -> pd.DataFrame:
        """Table with a row per entry of the summary.

        A measured quantity has its mean under its name, and the ends of its interval as ``NAME
        low`` and ``NAME high``. The single trials are in ``rows``.
        """
        return frame_of(self.summary)

    @property
    def pictures(self) -> dict[str, Picture]:
        """Pictures of the report by name, in their order."""
        page = self.study.page(jsonable(self.parts), self.folder)
        return {one.name: one for section in page.sections for one in section.pictures}

    def plot(self, name: str | None = None) -> Figure:
        """Picture of the report, drawn by matplotlib.

        A notebook shows what is returned, and ``savefig`` writes it to a file.

        Parameters
        ----------
        name : str, optional
            One of ``pictures``; by default the first.

        Raises
        ------
        UnknownNameError
            If there is no such picture.
        """
        pictures = self.pictures
        name = next(iter(pictures), "") if name is None else name
        if name not in pictures:
            raise UnknownNameError("picture", name, pictures)
        return pictures[name].sheet()

    def _repr_html_(self) -> str:
        """Beginning of the table and the first picture, for a notebook."""
        table, picture = self.study.table_of(self.parts), next(iter(self.pictures.values()), None)
        text = picture.description if picture else ""
        return html_of(
            repr(self), table.columns, table.rows, picture.sheet() if picture else None, text
        )

    @property
    def parts(self) -> Parts:
        """Everything that ``summary.json`` keeps."""
        kept = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        command = self.about.get("command", "")
        return {k: v for k, v in kept.items() if k not in ("rows", "folder")} | {"command": command}

    @checked
    def export(
        self,
        formats: str | Sequence[str],
        *,
        to: str | Path | None = None,
        width: float = COLUMN,
    ) -> list[Path]:
        """Paths of the study's tables and figures for a paper, after they were written.

        Parameters
        ----------
        formats : str or sequence of str
            Of ``latex``, ``markdown`` and ``csv`` (tables), ``pdf`` and ``svg`` (figures), and
            ``html``, the report itself; several may be separated by commas.
        to : str or Path, optional
            Folder for them, ``paper`` in the study's by default.
        width : float
            That of a figure in inches; by default that of a column of text.

        Raises
        ------
        UnknownNameError
            If there is no such format.
        ParameterError
            If the width is no length, or the study has nothing to show in a format.
        StorageError
            If a file is there that was not made so, or the folder cannot be written.

        Examples
        --------
        >>> import nasurge, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     options = {"n_train": [20], "trials": 1, "jobs": 1, "out": folder}
        ...     found = nasurge.compare("nb201-analog/cifar10", "ridge,gp", **options)
        ...     [path.name for path in found.export("latex")]
        ['all-numbers.tex', 'differences.tex']
        """
        place = None if to is None else Path(to)
        return self.study.export(self.folder, formats, to=place, width=width)


Found = TypeVar("Found", bound=Findings)
Options = TypeVar("Options", bound=RunOptions)


_KINDS: dict[str, type[Study[Any, Any]]] = {}


class Study(ABC, Generic[Found, Options]):
    """One study that can be run, and the record of its kind.

    An instance is what shall be measured; the class methods show what was found, also from the
    folder of a study that somebody else ran.
    """

    kind: ClassVar[str]
    """Name of the kind, as in ``study.json``."""
    folder_kind: ClassVar[str | None] = None
    """How the names of folders under ``runs/`` begin, if not with the kind."""
    title: ClassVar[str]
    """Heading of the report."""
    command: ClassVar[str] = ""
    """Command that runs it, without ``nasurge``; empty where only Python does."""
    options_type: ClassVar[type[RunOptions]] = RunOptions
    """Dataclass of its options."""
    findings: ClassVar[type[Findings]] = Findings
    grows: ClassVar[tuple[str, ...]] = ()
    """Keys of ``about`` of which a folder may be asked for more."""
    row: ClassVar[type[Any]]
    """TypedDict of a row; what a column means is the second argument of its ``Annotated``."""
    entry: ClassVar[type[Any]]
    """TypedDict of an entry of the summary, in the same way."""

    options: Options

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "kind" in vars(cls):
            _KINDS[cls.kind] = cls

    @abstractmethod
    def about(self) -> dict[str, Any]:
        """JSON description by which the study is told from others; ``kind`` is added."""

    @abstractmethod
    def units(self, folder: Path) -> Mapping[str, Unit]:
        """Parts of the work by name, each a picklable callable that returns its rows."""

    @abstractmethod
    def summarise(self, rows: Sequence[Row]) -> Parts:
        """Fields of the findings beside ``rows``, ``folder`` and ``about``: ``summary``, others."""

    def remarks(self, rows: Sequence[Row]) -> dict[str, Any]:  # noqa: ARG002 -- for subclasses
        """What belongs to ``about`` and is known only afterwards, such as failures."""
        return {}

    def name_of(self, about: Mapping[str, Any]) -> str:
        """Eight characters that name the folder of a study where no other is given."""
        return fingerprint(about)

    def whole(self, rows: Sequence[Row]) -> bool:  # noqa: ARG002 -- for subclasses
        """Whether the rows of a unit that is there are all that is asked for now."""
        return True

    @property
    def prepare(self) -> Callable[[], None] | None:
        """Called in each process before a unit: imports that all units share."""
        return None

    def tidy(self, rows: Sequence[Row]) -> list[Row]:
        """Rows as ``rows.parquet`` keeps them; the journal may hold more."""
        return list(rows)

    def execute(self, journal: Journal) -> list[Row]:
        """Rows of all units; those that the journal has are not run again."""
        return journal.run(
            self.units(journal.folder),
            jobs=self.options.jobs,
            prepare=self.prepare,
            progress=self.options.progress,
            whole=self.whole,
        )

    def run(self) -> Found:
        """Findings of the study, after its rows, summary and report were written.

        Raises
        ------
        ParameterError
            If ``out`` holds another study, or files that are none of ours.
        StoppedError
            If the time was up before all units were done.
        StorageError
            If the folder cannot be written.
        """
        about = {"kind": self.kind, **self.about()}
        name = f"{self.folder_kind or self.kind}-{self.name_of(about)}"
        folder = self.options.out or Path("runs") / name
        journal = Journal(folder, about, grows=self.grows)
        try:
            rows = self.execute(journal)
        except KeyboardInterrupt as stop:
            if journal.is_begun or getattr(self.options, "storage", None):
                stop.add_note("what was done is kept; the same command again goes on from there")
            raise
        journal.restore()
        write_rows(folder, self.tidy(rows))
        found: Any = self.findings(
            rows=rows,
            folder=folder,
            about={**about, **self.remarks(rows), "command": self.options.command},
            **self.summarise(rows),
        )
        write_summary(folder, found.parts)
        self.write_report(self.read(folder), folder)  # a fault of ours shows as one
        return found  # type: ignore[no-any-return]

    @classmethod
    @abstractmethod
    def table_of(cls, found: Parts) -> TextTable:
        """Table of the terminal and of the report."""

    @classmethod
    def tables_of(cls, found: Parts) -> list[TextTable]:
        """Tables of the terminal, where there is more than one."""
        return [cls.table_of(found)]

    @classmethod
    def notes(cls, found: Parts) -> list[str]:  # noqa: ARG003 -- for subclasses
        """Lines that the terminal prints below the table."""
        return []

    @classmethod
    @abstractmethod
    def page(cls, found: Parts, folder: Path) -> Page:
        """Contents of the report."""

    @classmethod
    def columns(cls) -> dict[str, str]:
        """Columns of ``rows.parquet`` and what each means; ``NAME`` in one stands for any name."""
        return _meanings(cls.row)

    @classmethod
    def summary_columns(cls) -> dict[str, str]:
        """Keys of an entry of the summary and what each means, as ``columns``."""
        return _meanings(cls.entry)

    @classmethod
    def restored(cls, rows: Sequence[Row], about: Mapping[str, Any]) -> Parts | None:  # noqa: ARG003
        """Summary of a folder that has none, made of its rows alone; None if that cannot be."""
        return None

    @classmethod
    def read(cls, folder: Path) -> Parts:
        """Summary that a study's folder holds, or that its rows give.

        Raises
        ------
        StorageError
            If the folder holds no finished study.
        DataFileError
            If a file is damaged.
        """
        from .journal import read_about, read_units

        if not (folder / "summary.json").exists():
            about = read_about(folder)
            rows = [row for unit in read_units(folder).values() for row in unit]
            with whole_study(folder):
                if rows and (parts := cls.restored(rows, about)):
                    return {"command": "", **parts, "about": about}
        return read_summary(folder)

    @classmethod
    def report(cls, folder: Path) -> Path:
        """Path of the report of a finished study, written anew.

        Raises
        ------
        StorageError, DataFileError
            If the folder holds no finished study of this kind.
        """
        found = cls.read(folder)
        with whole_study(folder):
            return cls.write_report(found, folder)

    @classmethod
    def write_report(cls, found: Parts, folder: Path) -> Path:
        """Path of the report of these findings, after it was written."""
        return render(
            folder / "report.html",
            cls.page(found, folder),
            title=cls.title,
            command=found["command"],
        )

    @classmethod
    @checked
    def export(
        cls,
        folder: Path,
        formats: str | Sequence[str],
        *,
        to: Path | None = None,
        width: float = COLUMN,
    ) -> list[Path]:
        """Paths of tables and figures for a paper, as ``Findings.export``.

        Raises
        ------
        UnknownNameError, ParameterError, StorageError, DataFileError
            As there, or if the folder holds no finished study of this kind.
        """
        forms = chosen(formats, FORMATS, kind="format")
        if not 1 <= width <= 20:
            raise ParameterError(f"a figure is 1 to 20 inches wide, not {width}")
        report = [cls.report(folder)] if "html" in forms else []
        if parts := [form for form in forms if form != "html"]:
            found = cls.read(folder)
            with whole_study(folder):
                page = cls.page(found, folder)
                files = contents(page, found, parts, kind=cls.kind, title=cls.title, width=width)
            return report + write_new(to or folder / "paper", files)
        return report

    @classmethod
    def as_json(cls, found: Parts, folder: Path) -> dict[str, Any]:
        """Object that ``--json`` prints."""
        parts = {k: v for k, v in found.items() if k not in ("about", "command")}
        return {
            "kind": cls.kind,
            **parts,
            "rows": str(folder / "rows.parquet"),
            "report": str(folder / "report.html"),
            "made": found["about"],
        }


def _meanings(keys: type[Any]) -> dict[str, str]:
    """What each key of a TypedDict means, by its annotation."""
    hints = get_type_hints(keys, include_extras=True)
    return {name: next(iter(get_args(hint)[1:]), "") for name, hint in hints.items()}
