"""The command ``nasurge meta few-shot``."""

from __future__ import annotations

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
from .meta_evaluate import show_search
from .meta_options import (
    Device,
    Episodes,
    Images,
    Rotations,
    Shots,
    Size,
    SpaceName,
    Split,
    TrainClasses,
    Way,
    Width,
    few_shot_task,
)


def few_shot(
    context: typer.Context,
    images: Images = "glyphs",
    size: Size = None,
    methods: Annotated[
        str,
        typer.Option(
            "--methods",
            help="Which to compare, separated by commas: at-nas, random, t-nas, metanas (networks "
            "of --space), maml, reptile, anil, protonet (the hand-made network).",
        ),
    ] = "at-nas,random,protonet,anil,maml,reptile",
    way: Way = 5,
    shots: Shots = "1,5",
    episodes: Episodes = None,
    seconds: Annotated[
        float, typer.Option("--seconds", min=0, help="Of every meta-training.")
    ] = 60.0,
    train_classes: TrainClasses = "0.7",
    split: Split = "groups",
    rotations: Rotations = True,
    space: SpaceName = "nb201",
    width: Width = 16,
    trials: Annotated[int, typer.Option("--trials", "-t", min=1, help="Trials of each.")] = 1,
    evaluate: Annotated[
        bool,
        typer.Option(
            "--evaluate", help="Train nothing: test the search that comes with the package."
        ),
    ] = False,
    device: Device = "cpu",
    seed: SeedOption = 0,
    jobs: Jobs = 1,
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Meta-train few-shot learners for the same time and test them on classes never seen.

    Every episode has some new classes, a few images of each to learn from, and others to classify.
    Accuracies have 95 % intervals over episodes, or over trials where there are several. Try:

        nasurge meta few-shot --seconds 20 --shots 1
    """
    if evaluate:
        with reported_errors():
            _refuse_unused(context)
        show_search(
            None,
            images,
            way=way,
            shots=shots,
            episodes=episodes,
            seed=seed,
            json=as_json,
        )
        return
    with reported_errors():
        from ..benchmarks.studies import interval_text
        from ..data.devices import resolve_device
        from ..search.studies import few_shot_study

        task = few_shot_task(images, size, train_classes, split, rotations=rotations, way=way)
        with progress_bar("few-shot") as progress:
            found = few_shot_study(
                task,
                methods=[name.strip() for name in methods.split(",")],
                shots=numbers(shots, "--shots"),
                episodes=episodes or 1000,
                seconds=seconds,
                trials=trials,
                space=space,
                width=width,
                seed=seed,
                device=resolve_device(device),
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
            [
                row["method"],
                str(row["way"]),
                str(row["shot"]),
                interval_text(row["accuracy"]),
                f"{row['meta_steps']['mean']:.0f}",
                str(row["diverged"]),
            ]
            for row in found.summary
        ]
        print_table(["method", "way", "shot", "accuracy, %", "meta-steps", "diverged"], shown)
        typer.echo(f"again: {typed_command()}")
        typer.echo(f"rows: {found.folder / 'rows.parquet'}")


EVALUATED = ("evaluate", "images", "way", "shots", "episodes", "seed", "as_json")
"""Parameters that ``--evaluate`` uses."""


def _refuse_unused(context: typer.Context) -> None:
    """Refuse typed options that say nothing where no learner is trained."""
    from ..errors import ParameterError

    unused = []
    for option in context.command.params:
        source = context.get_parameter_source(str(option.name))
        if option.name not in EVALUATED and source and source.name == "COMMANDLINE":
            unused.append(option.opts[0])
    if unused:
        raise ParameterError(
            f"--evaluate trains nothing and has no use for {', '.join(unused)}: leave that out, or "
            "--evaluate"
        )
