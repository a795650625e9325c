"""The commands below ``nasurge meta``: what is learnt on some tasks and used on others."""

from __future__ import annotations

import typer

from . import meta_warm_start

app = typer.Typer(help="Learn on some tasks for others.", no_args_is_help=True)

app.command(name="warm-start")(meta_warm_start.warm_start)
