"""Commands about what there is: tables, import, predictors, searchers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import NasurgeError
from .common import AsJson, emit, print_table, reported_errors


def tables(as_json: AsJson = False) -> None:
    """List the tables there are: architectures, tasks, metrics, and where they came from."""
    with reported_errors():
        from ..data.tables import load_table, table_names

        found = []
        for name in table_names():
            try:
                found.append(load_table(name))
            except NasurgeError as error:  # one damaged table does not hide the others
                typer.echo(f"warning: {error}", err=True)
        listed = [
            {
                "name": table.name,
                "space": table.space.name,
                "architectures": len(table),
                "tasks": table.tasks,
                "metrics": table.metrics,
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
    file: Annotated[Path, typer.Argument(help="A CSV (also .gz) or Parquet file.")],
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
    force: Annotated[bool, typer.Option("--force", help="Replace a table of that name.")] = False,
    as_json: AsJson = False,
) -> None:
    """Import measurements of your own, or the published tables.

    A file needs one column of architectures and one or more of numbers. Try:

        nasurge import PATH/nb201.csv.gz --as nb201
    """
    with reported_errors():
        from ..data.tables import import_table

        made = import_table(file, name=name, schema=schema, replace_existing=force)
        if as_json:
            emit({"tables": [{"name": t.name, "architectures": len(t)} for t in made]})
            return
        for table in made:
            typer.echo(
                f"{table.name}: {len(table):,} architectures of space {table.space.name}, tasks "
                f"{', '.join(table.tasks)}"
            )


def predictors(as_json: AsJson = False) -> None:
    """List the predictors: names for -p, whether they offer uncertainty, and the default."""
    with reported_errors():
        from ..registry import DEFAULT_PREDICTOR, predictor_class, predictor_names

        found = [(name, predictor_class(name)) for name in predictor_names()]
        if as_json:
            listed = [
                {"name": n, "std": c.offers_std, "default": n == DEFAULT_PREDICTOR}
                for n, c in found
            ]
            emit({"predictors": listed})
            return
        rows = [
            [
                f"{n} (default)" if n == DEFAULT_PREDICTOR else n,
                _first_line(c),
                "yes" if c.offers_std else "",
                str(c.minimum_labels),
            ]
            for n, c in found
        ]
        print_table(("predictor", "what it is", "uncertainty", "fewest labels"), rows)


def searchers(as_json: AsJson = False) -> None:
    """List the searchers: names for -s, and whether a predictor can guide them."""
    with reported_errors():
        from ..registry import (
            can_be_guided,
            searcher_class,
            searcher_names,
            takes_objectives,
        )

        names = searcher_names()
        if as_json:
            listed = [
                {"name": n, "guided": can_be_guided(n), "several_objectives": takes_objectives(n)}
                for n in names
            ]
            emit({"searchers": listed})
            return
        rows = [
            [
                n,
                _first_line(searcher_class(n)),
                "with -p" if can_be_guided(n) else "",
                "yes" if takes_objectives(n) else "",
            ]
            for n in names
        ]
        print_table(("searcher", "what it is", "guided", "several objectives"), rows)


def _first_line(cls: type[Any]) -> str:
    return (cls.__doc__ or "").strip().split("\n")[0]
