"""The commands ``nasurge meta``: what carries over from task to task, and device to device."""

from __future__ import annotations

import typer

from .meta_searches import adapt, evaluate, train

app = typer.Typer(
    help="Carry over what was learnt: between tasks, spaces and devices.", no_args_is_help=True
)

app.command()(adapt)
app.command()(evaluate)
app.command()(train)
