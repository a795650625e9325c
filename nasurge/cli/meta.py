"""The commands ``nasurge meta ...``: what carries over from task to task."""

from __future__ import annotations

import typer

from . import meta_tables

app = typer.Typer(help="Learn over tasks, and adapt to another one.", no_args_is_help=True)

app.command(name="tables")(meta_tables.tables)


@app.callback()
def meta() -> None:
    """Learn over tasks, and adapt to another one."""
