"""Commands about what there is: tables, import, predictors, searchers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from ..data.sources.names import SOURCES
from ..errors import NasurgeError, PluginError
from .common import AsJson, emit, reported_errors
from .printing import print_table, say

if TYPE_CHECKING:
    from ..data.tables import Table

_FORMATS = " ".join(entry.summary for entry in SOURCES.values()) + " Plug-ins read more."
Entry = TypeVar("Entry")

_METHODS = ("method", "what it is", "command")


def tables(as_json: AsJson = False) -> None:
    """List the tables there are: architectures, tasks, metrics, and where they came from."""
    with reported_errors():
        from ..data.tables import load_table, table_names

        found = []
        for name in table_names():
            try:
                found.append(load_table(name))
            except NasurgeError as error:  # one damaged table does not hide the others
                say(f"warning: {error}", err=True)
        listed = [
            {
                "name": table.name,
                "space": table.space.name,
                "architectures": len(table),
                "tasks": table.tasks,
                "metrics": table.metrics,
                "minimised": list(dict.fromkeys(c.metric for c in table.columns if c.minimise)),
                "source": table.origin,
            }
            for table in found
        ]
        if as_json:
            emit({"tables": listed})
            return
        rows = [
            [
                table.name,
                table.space.name,
                ", ".join(table.tasks),
                f"{len(table):,}",
                ", ".join(table.metrics),
                table.origin,
            ]
            for table in found
        ]
        columns = ("table", "space", "tasks", "architectures", "metrics", "source")
        print_table(columns, rows)


def import_(
    file: Annotated[Path, typer.Argument(help=_FORMATS)],
    name: Annotated[
        str | None,
        typer.Option("--as", help="Name of the table; by default the schema's or the file's."),
    ] = None,
    schema: Annotated[
        Path | None,
        typer.Option(
            "--schema",
            help="TOML file that says what each column is; by default FILE.toml beside it, a "
            "shipped schema that fits, or a guess.",
        ),
    ] = None,
    space: Annotated[
        str | None,
        typer.Option(
            "--space",
            help="Space of the architectures: a name such as nb201, FILE.toml that describes your "
            "own, or own for independent choices; by default the one that is recognised.",
        ),
    ] = None,
    convention: Annotated[
        str | None,
        typer.Option(
            "--convention",
            help="How architectures are written as numbers: naslib, codes, or digits.",
        ),
    ] = None,
    minimise: Annotated[
        list[str] | None,
        typer.Option(
            "--minimise",
            metavar="COLUMN",
            help="A column of which smaller is better; may be repeated. Errors, losses and costs "
            "are known by their names.",
        ),
    ] = None,
    maximise: Annotated[
        list[str] | None,
        typer.Option(
            "--maximise", metavar="COLUMN", help="A column of which bigger is better, likewise."
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a table of that name.")] = False,
    as_json: AsJson = False,
) -> None:
    """Import measurements of your own, or the published tables.

    A file needs one column of architectures and one or more of numbers. What was recognised,
    guessed and left out is said. Try:

        nasurge import PATH/nb201.csv.gz --as nb201
    """
    with reported_errors():
        from ..data.tables import import_table

        made = import_table(
            file,
            name=name,
            schema=schema,
            space=space,
            convention=convention,
            minimise=minimise or (),
            maximise=maximise or (),
            replace_existing=force,
        )
        if as_json:
            emit({"tables": [_imported(table) for table in made]})
            return
        for table in made:
            say(
                f"{table.name}: {len(table):,} architectures of space {table.space.name}, tasks "
                f"{', '.join(table.tasks)}"
            )
            for line in table.imported.lines() if table.imported else ():
                say(f"  {line}")


def _imported(table: Table) -> dict[str, Any]:
    """JSON values of a table that was imported."""
    return {
        "name": table.name,
        "architectures": len(table),
        "space": table.space.name,
        "tasks": table.tasks,
        "metrics": table.metrics,
        **(table.imported.as_dict() if table.imported else {}),
    }


def predictors(as_json: AsJson = False) -> None:
    """List the predictors: names for -p, whether they offer uncertainty, and the default."""
    with reported_errors():
        from ..registry import DEFAULT_PREDICTOR, predictor_entry, predictor_names
        from ..search.methods import PREDICTING

        entries = _known(predictor_names(), predictor_entry)
        if as_json:
            listed = [
                {"name": e.name, "std": e.std, "default": e.name == DEFAULT_PREDICTOR}
                for e in entries
            ]
            emit({"predictors": listed, "methods": [m._asdict() for m in PREDICTING]})
            return
        rows = [
            [
                f"{e.name} (default)" if e.name == DEFAULT_PREDICTOR else e.name,
                e.summary,
                "yes" if e.std else "",
                str(e.fewest),
                f"pip install nasurge[{e.extra}]" if e.extra else e.needs,
            ]
            for e in entries
        ]
        columns = ("predictor", "what it is", "uncertainty", "fewest labels", "needs")
        print_table(columns, rows)
        print_table(_METHODS, [list(method) for method in PREDICTING])


def searchers(as_json: AsJson = False) -> None:
    """List the searchers: names for -s, and whether a predictor can guide them."""
    with reported_errors():
        from ..registry import searcher_entry, searcher_names
        from ..search.methods import SEARCHING

        entries = _known(searcher_names(), searcher_entry)
        if as_json:
            listed = [
                {
                    "name": e.name,
                    "guided": e.guided,
                    "several_objectives": e.several_objectives,
                }
                for e in entries
            ]
            emit({"searchers": listed, "methods": [m._asdict() for m in SEARCHING]})
            return
        rows = [
            [
                e.name,
                e.summary,
                "with -p" if e.guided else "",
                "yes" if e.several_objectives else "",
            ]
            for e in entries
        ]
        print_table(("searcher", "what it is", "guided", "several objectives"), rows)
        print_table(_METHODS, [list(method) for method in SEARCHING])


def _known(names: Sequence[str], entry: Callable[[str], Entry]) -> list[Entry]:
    """Entries of a list; a plug-in that cannot be imported is a line on stderr instead."""
    found = []
    for name in names:
        try:
            found.append(entry(name))
        except PluginError as error:
            say(f"warning: {error}", err=True)
    return found
