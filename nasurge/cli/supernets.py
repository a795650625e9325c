"""The commands ``nasurge supernet train`` and ``nasurge supernet search``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .common import AsJson, ImageName, SeedOption, emit, print_table, progress_bar, reported_errors

if TYPE_CHECKING:
    from ..benchmarks.supernet import Supernet
    from ..data.images import Images

app = typer.Typer(
    help="Train one network that holds all architectures, and search it.", no_args_is_help=True
)

SpaceName = Annotated[
    str, typer.Option("--space", help="A cell space, such as nb201, transnas-micro, or mobile.")
]
Size = Annotated[
    int | None,
    typer.Option("--size", min=1, help="Resize images to so many pixels.", show_default=False),
]
Epochs = Annotated[int, typer.Option("--epochs", min=1)]
Width = Annotated[int, typer.Option("--width", min=1, help="Channels of the first stage.")]
Cells = Annotated[int, typer.Option("--cells", min=1, help="Cells per stage.")]
BatchSize = Annotated[int, typer.Option("--batch-size", min=2)]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:INDEX or mps.")]
Checkpoint = Annotated[
    Path | None,
    typer.Option(
        "--checkpoint",
        help="File in which the state is kept: the same command again goes on from there.",
        show_default=False,
    ),
]


def _made(
    space: str, images: str, size: int | None, width: int, cells: int, seed: int
) -> tuple[Supernet, Images]:
    """Return a fresh supernet of a space for some images."""
    from ..benchmarks.supernet import Supernet
    from ..data.images import load_images
    from ..data.spaces import make_space

    made, loaded = make_space(space), load_images(images, size=size, seed=seed)
    channels, classes = loaded.train_x.shape[1], len(loaded.classes)
    supernet = Supernet(
        made, classes=classes, in_channels=channels, width=width, cells=cells, seed=seed
    )
    return supernet, loaded


@app.command()
def train(
    space: SpaceName = "nb201",
    images: ImageName = "digits",
    rule: Annotated[
        str, typer.Option("--rule", help="How paths are drawn: spos, fairnas or sandwich.")
    ] = "spos",
    epochs: Epochs = 30,
    width: Width = 4,
    cells: Cells = 1,
    size: Size = None,
    batch_size: BatchSize = 64,
    learning_rate: Annotated[float, typer.Option("--learning-rate", min=0)] = 0.1,
    precision: Annotated[str, typer.Option("--precision", help="float32 or bfloat16.")] = "float32",
    channels_last: Annotated[bool, typer.Option("--channels-last")] = False,
    evaluate: Annotated[
        int, typer.Option("--evaluate", min=0, help="Sub-networks drawn and evaluated after it.")
    ] = 10,
    device: Device = "auto",
    seed: SeedOption = 0,
    checkpoint: Checkpoint = None,
    as_json: AsJson = False,
) -> None:
    """Train a supernet and evaluate some sub-networks with inherited weights."""
    with reported_errors():
        from ..benchmarks.supernet import train_supernet

        supernet, loaded = _made(space, images, size, width, cells, seed)
        with progress_bar("supernet") as progress:
            history = train_supernet(
                supernet,
                loaded,
                rule=rule,
                epochs=epochs,
                batch_size=batch_size,
                learning_rate=learning_rate,
                precision=precision,
                channels_last=channels_last,
                device=device,
                seed=seed,
                checkpoint=checkpoint,
                progress=lambda done, total: progress(done, total, "epochs"),
            )
        codes = supernet.space.sample(evaluate, seed=seed)
        found = supernet.evaluate(codes, loaded, seed=seed)
        rows = [
            {"architecture": architecture, "valid_accuracy": accuracy, "valid_loss": loss}
            for architecture, accuracy, loss in zip(
                supernet.space.format(codes), found.accuracy, found.loss, strict=True
            )
        ]
        kept = str(checkpoint) if checkpoint else None
        if as_json:
            about = {"space": space, "images": loaded.name, "rule": rule, "epochs": epochs}
            about |= {"width": width, "cells": cells, "seed": seed, "device": history.device}
            about |= {"loss": history.losses[-1], "steps": history.steps}
            about |= {"diverged": history.diverged, "train_seconds": history.seconds}
            about |= {"batch_size": history.batch_size}
            summary = {**about, "evaluate_seconds": found.seconds}
            emit(
                {
                    "summary": [summary],
                    "architectures": rows,
                    "checkpoint": kept,
                }
            )
            return
        print_table(
            ("architecture", "valid accuracy", "valid loss"),
            [
                [row["architecture"], f"{row['valid_accuracy']:.2f}", f"{row['valid_loss']:.3f}"]
                for row in rows
            ],
        )
        state = "the loss became infinite: stopped" if history.diverged else "done"
        if history.batch_size < batch_size:
            state += f", out of memory: batches of {history.batch_size}"
        typer.echo(
            f"{state}: {history.steps} steps in {history.seconds:.1f} s on {history.device}, loss "
            f"{history.losses[-1]:.3f}; {loaded.name}, {rule}, seed {seed}"
        )


@app.command()
def search(
    space: SpaceName = "nb201",
    images: ImageName = "digits",
    method: Annotated[
        str,
        typer.Option(
            "--method", help="darts, darts-2 (second order), gdas, drnas, balenas or ddpnas."
        ),
    ] = "gdas",
    epochs: Epochs = 15,
    width: Width = 4,
    cells: Cells = 1,
    size: Size = None,
    batch_size: BatchSize = 64,
    device: Device = "auto",
    seed: SeedOption = 0,
    checkpoint: Checkpoint = None,
    as_json: AsJson = False,
) -> None:
    """Search a space by gradient on real images."""
    with reported_errors():
        from ..search.differentiable import search_supernet

        supernet, loaded = _made(space, images, size, width, cells, seed)
        with progress_bar(method) as progress:
            found = search_supernet(
                supernet,
                loaded,
                method,
                epochs=epochs,
                batch_size=batch_size,
                device=device,
                seed=seed,
                checkpoint=checkpoint,
                progress=lambda done, total: progress(done, total, "epochs"),
            )
        kept = str(checkpoint) if checkpoint else None
        if as_json:
            about = {"space": space, "images": loaded.name, "method": method, "epochs": epochs}
            about |= {"width": width, "cells": cells, "seed": seed}
            about |= {"architecture": found.architecture, "skip_share": found.skip_share}
            about |= {"collapsed": found.collapsed, "loss": found.losses[-1]}
            about |= {"diverged": found.diverged, "steps": found.steps}
            about |= {"search_seconds": found.seconds, "shares": found.shares.tolist()}
            emit({"summary": [about], "checkpoint": kept})
            return
        typer.echo(found.architecture)
        if found.collapsed:
            typer.echo(
                f"collapsed: {found.skip_share:.0%} of the choices are skips, the known failure "
                "of differentiable search; take gdas or ddpnas, or fewer epochs"
            )
        typer.echo(
            f"{method}: {found.steps} steps in {found.seconds:.1f} s, loss "
            f"{found.losses[-1]:.3f}; {loaded.name}, seed {seed}"
        )
