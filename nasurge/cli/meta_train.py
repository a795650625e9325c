"""The command ``nasurge meta train``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .common import AsJson, SeedOption, emit, progress_bar, reported_errors, typed_command
from .meta_options import (
    Device,
    Images,
    Rotations,
    Size,
    SpaceName,
    Split,
    TrainClasses,
    Way,
    Width,
    few_shot_task,
)


def train(
    images: Images = "glyphs",
    size: Size = None,
    way: Way = 5,
    shot: Annotated[int, typer.Option("--shot", min=1, help="Of the training episodes.")] = 1,
    rule: Annotated[
        str,
        typer.Option(
            "--rule",
            help="How a network adapts: protonet (distances to the classes' means), anil (the last "
            "layer from zero), maml, or reptile.",
        ),
    ] = "protonet",
    steps: Annotated[
        int | None, typer.Option("--steps", min=1, help="Meta-steps.", show_default=False)
    ] = None,
    seconds: Annotated[
        float | None,
        typer.Option(
            "--seconds",
            min=0,
            help="Instead of --steps: processor time. By default 300.",
            show_default=False,
        ),
    ] = None,
    train_classes: TrainClasses = "0.7",
    split: Split = "groups",
    rotations: Rotations = True,
    space: SpaceName = "nb201",
    width: Width = 16,
    out: Annotated[Path, typer.Option("--out", help="File of the search.")] = Path(
        "at-nas.safetensors"
    ),
    device: Device = "cpu",
    seed: SeedOption = 0,
    as_json: AsJson = False,
) -> None:
    """Meta-train a supernet over tasks, and evolve the encodings of its networks (AT-NAS).

    The state is beside the file while it is made: the same command goes on after a stop. Then

        nasurge meta evaluate at-nas.safetensors
        nasurge meta adapt at-nas.safetensors --images digits
    """
    with reported_errors():
        from ..data.devices import resolve_device
        from ..search.at_nas import train_search

        task = few_shot_task(images, size, train_classes, split, rotations=rotations, way=way)
        with progress_bar("meta-training") as progress:
            found = train_search(
                out,
                task,
                shot=shot,
                rule=rule,
                steps=steps,
                seconds=300.0 if steps is None and seconds is None else seconds,
                space=space,
                width=width,
                seed=seed,
                device=resolve_device(device),
                command=typed_command(),
                progress=lambda done: progress(round(1000 * done), 1000, "of the meta-training"),
            )
        if as_json:
            emit({"summary": [found]})
            return
        state = "diverged: the weights before are kept" if found["diverged"] else "done"
        typer.echo(found["architecture"])
        typer.echo(
            f"{state}: {found['meta_steps']} meta-steps on {found['classes']} classes in "
            f"{found['train_seconds']:.0f} s, query loss {found['loss']:.3f}"
        )
        typer.echo(f"search: {out}")
