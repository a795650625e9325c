"""The commands ``nasurge meta``: what carries over from task to task, and device to device."""

from __future__ import annotations

import typer

from .meta_searches import adapt, evaluate, train
from .meta_studies import few_shot, latency, transfer, warm_start
from .meta_tables import tables

app = typer.Typer(
    help="Carry over what was learnt: between tasks, spaces and devices.", no_args_is_help=True
)

app.command()(adapt)
app.command()(evaluate)
app.command(name="few-shot")(few_shot)
app.command()(latency)
app.command()(tables)
app.command()(train)
app.command()(transfer)
app.command(name="warm-start")(warm_start)
