"""The command ``nasurge meta warm-start``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from .common import AsJson, Jobs, Out, emit, print_table, progress_bar, reported_errors


def warm_start(
    tasks: Annotated[
        str | None,
        typer.Option(
            "--tasks",
            help="Image tasks separated by commas, each a set of images, or SET#CLASS+CLASS: "
            "digits, glyphs#GREEK, cifar10.tar.gz#cat+dog. By default what this machine has; "
            "'offline' leaves out the folder NASURGE_DATA.",
            show_default=False,
        ),
    ] = None,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="Searches of each kind.")] = 3,
    space: Annotated[str, typer.Option("--space", help="A cell space, or mobile.")] = "nb201",
    method: Annotated[
        str, typer.Option("--method", help="The search: darts, drnas, gdas, balenas or ddpnas.")
    ] = "ddpnas",
    epochs: Annotated[int, typer.Option("--epochs", min=3, help="Of a cold search.")] = 20,
    gate: Annotated[
        int, typer.Option("--gate", min=1, help="Epochs after which a donor is tested.")
    ] = 2,
    size: Annotated[int, typer.Option("--size", min=4, help="Pixels of the images.")] = 12,
    train: Annotated[int, typer.Option("--train", min=20, help="Most training images.")] = 500,
    width: Annotated[int, typer.Option("--width", min=1)] = 4,
    train_epochs: Annotated[
        int, typer.Option("--train-epochs", min=1, help="Of the trainings that tell the truth.")
    ] = 8,
    shared: Annotated[
        int, typer.Option("--shared", min=3, help="Architectures trained on every task.")
    ] = 10,
    jobs: Jobs = 1,
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Search each task from what was learnt on the others, and tell what that saves."""
    with reported_errors():
        from ..data.images import default_tasks
        from ..search.studies import WarmStudy, warm_start_study

        offline = tasks == "offline"
        chosen = tuple(t.strip() for t in tasks.split(",")) if tasks and not offline else None
        study = WarmStudy(
            chosen or default_tasks("offline" if offline else "all"),
            seeds=seeds,
            space=space,
            method=method,
            epochs=epochs,
            gate=gate,
            size=size,
            train=train,
            width=width,
            train_epochs=train_epochs,
            shared=shared,
        )
        with progress_bar("warm-start") as progress:
            found = warm_start_study(study, out, jobs=jobs, progress=progress)
        if as_json:
            emit(found)
            return
        print_table(COLUMNS, [_shown(row) for row in found["summary"]])
        typer.echo(f"map of the tasks: {found['picture']}")
        typer.echo(f"experiences, searches and trainings: {Path(found['picture']).parent}")


COLUMNS = (
    *("task", "method", "cost, s", "accuracy", "cold accuracy"),
    *("saving", "saving to first", "accepted", "reached"),
)


def _shown(row: dict[str, Any]) -> list[str]:
    """Return a row of the table."""
    measures = ("cost", "accuracy", "cold_accuracy", "saving", "saving_to_first")
    digits = (1, 1, 1, 2, 2)
    shares = [f"{row[key]:.0%}" for key in ("accepted", "reached")]
    cells = [_measured(row[key], n) for key, n in zip(measures, digits, strict=True)]
    return [row["task"], row["method"], *cells, *shares]


def _measured(found: dict[str, Any], digits: int) -> str:
    """Return mean and half the interval's width."""
    mean, low, high = found["mean"], found["low"], found["high"]
    if low is None:
        return f"{mean:.{digits}f}"
    return f"{mean:.{digits}f} ± {(high - low) / 2:.{digits}f}"
