"""The commands ``nasurge meta``: what carries over from task to task, and device to device."""

from __future__ import annotations

import typer

from ..search.studies.options import (
    FewShotOptions,
    LatencyOptions,
    MetaTablesOptions,
    TransferOptions,
    WarmStartOptions,
)
from .meta_searches import adapt, evaluate, train
from .options import study_command

app = typer.Typer(
    help="Carry over what was learnt: between tasks, spaces and devices.", no_args_is_help=True
)

app.command()(adapt)
app.command()(evaluate)
app.command(name="few-shot")(
    study_command("few-shot", FewShotOptions, moved={"--evaluate": "nasurge meta evaluate [FILE]"})
)
app.command(name="latency")(study_command("latency", LatencyOptions))
app.command(name="tables")(study_command("meta-tables", MetaTablesOptions))
app.command()(train)
app.command(name="transfer")(study_command("transfer", TransferOptions))
app.command(name="warm-start")(study_command("warm-start", WarmStartOptions))
