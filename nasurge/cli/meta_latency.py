"""The command ``nasurge meta latency``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .common import (
    AsJson,
    Jobs,
    Out,
    SeedOption,
    emit,
    numbers,
    print_table,
    progress_bar,
    reported_errors,
    typed_command,
)

_METHODS = "transfer,transfer-random,components,nearest,scratch"


def latency(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE.npz",
            help="Latencies: one array a device, in the order of the table's architectures.",
            show_default=False,
        ),
    ],
    table: Annotated[str, typer.Option("--table", help="Whose architectures they are.")] = "nb201",
    devices: Annotated[
        str | None,
        typer.Option(
            "--devices",
            help="Devices to leave out, all of them together; by default each in turn.",
            show_default=False,
        ),
    ] = None,
    measurements: Annotated[
        str, typer.Option("-n", "--measurements", help="Architectures measured on a new device.")
    ] = "10",
    methods: Annotated[
        str, typer.Option("--methods", help="Which to compare, separated by commas.")
    ] = _METHODS,
    trials: Annotated[int, typer.Option("--trials", "-t", min=1, help="Trials of each.")] = 10,
    seed: SeedOption = 0,
    jobs: Jobs = 1,
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Measure how well latencies on a new device are told from ten measurements.

    What the known devices teach is adapted to each device that is left out by a few measurements
    there, and ranks all other architectures. Prints Spearman correlations with 95 % intervals over
    trials. Try, with a file of your own:

        nasurge meta latency latencies.npz --table nb201 -n 5,10,20
    """
    with reported_errors():
        from ..arguments import given_names
        from ..benchmarks.studies import shown as spread
        from ..data.tables import load_table
        from ..search.studies.latency import MEAN, METHODS, latency_study

        with progress_bar("latency") as progress:
            found = latency_study(
                file,
                load_table(table),
                devices=[name.strip() for name in (devices or "").split(",") if name.strip()],
                measurements=numbers(measurements, "-n"),
                methods=given_names(methods, METHODS),
                trials=trials,
                seed=seed,
                jobs=jobs,
                out=out,
                command=typed_command(),
                progress=progress,
            )
        if as_json:
            rows = str(found.folder / "rows.parquet")
            emit({"summary": found.summary, "rows": rows, "made": found.about})
            return
        shown = [
            [row["device"], row["method"], str(row["measurements"]), spread(row["spearman"])]
            for row in found.summary
        ]
        last = [k for k, row in enumerate(found.summary) if row["device"] == MEAN]
        print_table(["device", "method", "measured", "Spearman"], shown, best=last[:1])
        typer.echo(f"again: {typed_command()}")
        typer.echo(f"rows: {found.folder / 'rows.parquet'}")
