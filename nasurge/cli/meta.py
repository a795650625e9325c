"""The commands ``nasurge meta``: what carries over from task to task, and device to device."""

from __future__ import annotations

import typer

from .meta_searches import adapt, classify, evaluate, train
from .warm_start import warm_start

app = typer.Typer(
    help="Carry over what was learnt: between tasks, spaces and devices.", no_args_is_help=True
)

app.command()(adapt)
app.command()(classify)
app.command()(evaluate)
app.command()(train)
app.command("warm-start")(warm_start)
