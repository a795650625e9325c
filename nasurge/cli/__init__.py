"""The command ``nasurge``."""

from __future__ import annotations

import io
import os
import signal
import sys
from typing import Annotated

import typer

from .. import __version__
from ..data.plugins import import_place
from ..registry import COMMANDS
from . import building, comparing, listing, meta, running, searching, supernets, validating
from .options import study_command
from .printing import say

app = typer.Typer(
    name="nasurge",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"nasurge {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Score neural architectures without training them, and check whether the scores are true."""


app.command()(listing.tables)
app.command(name="import")(listing.import_)
app.command()(comparing.compare)
app.command()(searching.search)
app.command()(validating.validate)
app.command()(running.report)
app.command()(running.demo)
app.add_typer(supernets.app, name="supernet")
app.add_typer(building.app, name="table")
app.add_typer(meta.app, name="meta")
app.command()(listing.predictors)
app.command()(listing.searchers)

_GROUPS = {"": app, "supernet": supernets.app, "table": building.app, "meta": meta.app}
for _kind, (_words, _place) in COMMANDS.items():
    _group, _, _word = _words.rpartition(" ")
    _GROUPS[_group].command(name=_word)(study_command(_kind, import_place(_place)))


def main() -> None:
    """Run the command line; whatever ends it ends it in one line."""
    # What a scheduler sends ends a run as Ctrl-C does: worker processes too, the finished kept.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    for stream in (sys.stdout, sys.stderr):
        # A name that the terminal's encoding does not have is shown by its code points.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        try:
            app()
        finally:
            sys.stdout.flush()
    except BrokenPipeError:  # the reader of our output has gone, such as head
        _close_output()
        sys.exit(0)
    except OSError as error:
        _close_output()
        say(
            f"error: {error.strerror or error}: what was to be printed was not, or not whole",
            err=True,
        )
        sys.exit(2)


def _close_output() -> None:
    """Let nothing of the output be written any more, not even at the end of the process."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
