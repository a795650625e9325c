"""What the commands share: options, errors in one line, progress, tables."""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Annotated, Any

import typer

from ..errors import NasurgeError, StoppedError
from ..progress import progress_bar as progress_bar

AsJson = Annotated[
    bool, typer.Option("--json", help="Print one JSON object on stdout and nothing else there.")
]
IMAGES_HELP = (
    "digits, mnist5k, fashion-mnist, or a path: CIFAR's or Omniglot's own files, or a folder or "
    "archive {train,test}/CLASS/*.jpg."
)
Jobs = Annotated[int, typer.Option("--jobs", "-j", help="Processes; -1 is one per core.")]


@contextmanager
def reported_errors() -> Iterator[None]:
    """Turn an error made by the user into one line and exit code 2."""
    try:
        yield
    except NasurgeError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from None
    except KeyboardInterrupt as stop:
        kept = "; ".join(getattr(stop, "__notes__", []))  # said by whoever keeps something
        with suppress(OSError):  # the terminal itself may have gone
            typer.echo(f"stopped: {kept or 'nothing of it is kept'}", err=True)
        raise typer.Exit(130) from None
    except BrokenPipeError:  # the reader of our output has gone
        raise typer.Exit(0) from None


@contextmanager
def reported_stop(*, as_json: bool) -> Iterator[None]:
    """Turn a time limit that was reached into one line, or one JSON object, and exit code 0."""
    try:
        yield
    except StoppedError as stopped:
        if as_json:
            emit({"summary": [], "stopped": str(stopped)})
        else:
            typer.echo(str(stopped), err=True)
        raise typer.Exit(0) from None


def typed_command() -> str:
    """Command line that was typed, without the password in a URL."""
    typed = shlex.join(["nasurge", *sys.argv[1:]])
    return re.sub(r"(://[^/@:\s]*):[^/@\s]*@", r"\1:***@", typed)


def emit(found: Any) -> None:
    """Print a result as JSON."""
    from ..benchmarks.studies import jsonable

    typer.echo(json.dumps(jsonable(found), indent=1))


def print_table(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    best: Sequence[int] = (),
) -> None:
    """Print a table, numbers to the right; the rows in ``best`` lead their group."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD)
    for position, column in enumerate(columns):
        text = any(row[position][:1].isalpha() or row[position][:1] == "|" for row in rows)
        table.add_column(column, justify="left" if text else "right", overflow="fold")
    for number, row in enumerate(rows):
        if number in best and number:
            table.add_section()
        table.add_row(*map(Text, row), style="bold" if number in best else None)
    console = Console()
    if not console.is_terminal:  # a file or a pipe has no width: let no column be folded
        console = Console(width=220)
    console.print(table)
