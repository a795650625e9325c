"""The command ``nasurge``."""

from __future__ import annotations

import io
import signal
import sys
from typing import Annotated

import typer

from .. import __version__
from ..data.plugins import import_place
from ..registry import COMMANDS
from . import (
    building,
    comparing,
    listing,
    meta,
    ranking,
    running,
    searching,
    spaces,
    supernets,
    validating,
)
from .options import study_command
from .output import written_output

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
app.command()(ranking.rank)
app.command()(validating.validate)
app.command()(running.report)
app.command()(running.demo)
app.add_typer(supernets.app, name="supernet")
app.add_typer(building.app, name="table")
app.add_typer(meta.app, name="meta")
app.command()(spaces.space)
app.command()(listing.predictors)
app.command()(listing.searchers)

_GROUPS = {"": app, "supernet": supernets.app, "table": building.app, "meta": meta.app}
for _kind, (_words, _place) in COMMANDS.items():
    _group, _, _word = _words.rpartition(" ")
    _GROUPS[_group].command(name=_word)(study_command(_kind, import_place(_place)))


def main() -> None:
    """Run the command line; whatever ends it ends it in one line."""
    # What a scheduler or a closed terminal sends ends a run as Ctrl-C does: worker processes too,
    # the finished kept. What nohup ignores stays ignored.
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)
    for stream in (sys.stdout, sys.stderr):
        # A name that the terminal's encoding does not have is shown by its code points.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    with written_output():
        app()
