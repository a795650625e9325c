"""The commands ``nasurge meta``: what carries over from task to task, and device to device."""

from __future__ import annotations

import typer

from .meta_adapt import adapt
from .meta_evaluate import evaluate
from .meta_few_shot import few_shot
from .meta_tables import tables
from .meta_train import train
from .meta_transfer import transfer
from .meta_warm_start import warm_start

app = typer.Typer(
    help="Carry over what was learnt: between tasks, spaces and devices.", no_args_is_help=True
)

app.command()(adapt)
app.command()(evaluate)
app.command(name="few-shot")(few_shot)
app.command()(tables)
app.command()(train)
app.command()(transfer)
app.command(name="warm-start")(warm_start)
