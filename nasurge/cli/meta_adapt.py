"""The command ``nasurge meta adapt``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .common import AsJson, SeedOption, emit, reported_errors, typed_command
from .meta_options import Images, Search


def adapt(
    search: Search = None,
    images: Images = "digits",
    classes: Annotated[
        str | None,
        typer.Option(
            "--classes",
            help="Those of the task, by the beginnings of their names, separated by commas: "
            "GREEK, COPTIC. By default all.",
            show_default=False,
        ),
    ] = None,
    shots: Annotated[
        int, typer.Option("--shots", min=1, help="Images a class that are learnt from.")
    ] = 5,
    generations: Annotated[int, typer.Option("--generations", min=0, help="Of the search.")] = 2,
    steps: Annotated[int, typer.Option("--steps", min=0, help="Gradient steps.")] = 20,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="File for the adapted search.", show_default=False),
    ] = None,
    seed: SeedOption = 0,
    as_json: AsJson = False,
) -> None:
    """Adapt a meta-trained search to a task of new classes, from a few images of each.

    A short evolution from the meta-trained population, by episodes of these few images, and some
    gradient steps. The other images of the classes tell what it is worth.
    """
    with reported_errors():
        from ..data.images import load_classes
        from ..search.at_nas import adapt as adapt_search
        from ..search.at_nas import (
            class_keys,
            fitting,
            load_search,
            named,
            save_search,
            unseen,
        )

        meta, about = load_search(search)
        data = fitting(load_classes(images, size=meta.supernet.sizes["size"]), meta)
        if classes:
            data = named(data, classes.split(","))
        task = unseen(data, about["trained"], 2)
        found = adapt_search(
            meta, task, shots=shots, generations=generations, steps=steps, seed=seed
        )
        row = {
            "images": images,
            "classes": len(task.classes),
            "shots": shots,
            "asked": found.asked,
            "before": found.before,
            "after": found.after,
            "architecture_before": meta.architecture,
            "architecture": found.search.architecture,
            "evaluations": found.evaluations,
            "steps": steps,
            "seconds": found.seconds,
        }
        if out:
            made = {**about["made"], "adapted": {**row, "command": typed_command()}}
            save_search(out, found.search, made, [*about["trained"], *class_keys(task)])
        if as_json:
            emit({"summary": [row], "search": str(out) if out else None})
            return
        typer.echo(f"{row['architecture']} (meta-trained: {row['architecture_before']})")
        typer.echo(
            f"{row['classes']} classes, {shots} images of each learnt from: {row['after']:.1f} % "
            f"of {row['asked']} others right, {row['before']:.1f} % without search and steps; "
            f"{row['evaluations']} encodings measured, {row['seconds']:.1f} s"
        )
        if out:
            typer.echo(f"search: {out}")
