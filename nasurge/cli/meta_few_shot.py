"""The command ``nasurge meta few-shot``."""

from __future__ import annotations

from typing import Annotated

import typer

from .common import (
    IMAGES_HELP,
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


def few_shot(
    images: Annotated[
        str,
        typer.Option("--images", help=f"glyphs (characters of matplotlib's fonts), {IMAGES_HELP}"),
    ] = "glyphs",
    size: Annotated[
        int | None,
        typer.Option("--size", min=1, help="Resize images to so many pixels.", show_default=False),
    ] = None,
    methods: Annotated[
        str, typer.Option("--methods", help="Which to compare, separated by commas.")
    ] = "maml,reptile,anil",
    way: Annotated[int, typer.Option("--way", min=2, help="Classes of an episode.")] = 5,
    shots: Annotated[
        str, typer.Option("--shots", help="Images a class that are learnt from.")
    ] = "1,5",
    episodes: Annotated[int, typer.Option("--episodes", min=1, help="Of every test.")] = 1000,
    seconds: Annotated[
        float, typer.Option("--seconds", min=0, help="Of every meta-training.")
    ] = 60.0,
    train_classes: Annotated[
        str,
        typer.Option("--train-classes", help="Classes for meta-training: a number, or a share."),
    ] = "0.7",
    split: Annotated[
        str,
        typer.Option(
            "--split", help="groups keeps alphabets whole; classes draws single characters."
        ),
    ] = "groups",
    rotations: Annotated[
        bool,
        typer.Option(
            "--rotations/--no-rotations",
            help="Meta-train on turned classes too, as is usual for characters.",
        ),
    ] = True,
    trials: Annotated[int, typer.Option("--trials", "-t", min=1, help="Trials of each.")] = 1,
    device: Annotated[str, typer.Option("--device", help="cpu, cuda, cuda:INDEX or auto.")] = "cpu",
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
    with reported_errors():
        from ..benchmarks.few_shot_study import FewShotTask, few_shot_study
        from ..benchmarks.report import shown as spread
        from ..data.devices import resolve_device

        task = FewShotTask(
            images=images,
            size=size,
            train_classes=_share(train_classes),
            whole_groups=_whole(split),
            rotations=rotations,
            way=way,
        )
        with progress_bar("few-shot") as progress:
            found = few_shot_study(
                task,
                methods=methods.split(","),
                shots=numbers(shots, "--shots"),
                episodes=episodes,
                seconds=seconds,
                trials=trials,
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
                spread(row["accuracy"]),
                f"{row['meta_steps']['mean']:.0f}",
                str(row["diverged"]),
            ]
            for row in found.summary
        ]
        print_table(["method", "way", "shot", "accuracy, %", "meta-steps", "diverged"], shown)
        typer.echo(f"again: {typed_command()}")
        typer.echo(f"rows: {found.folder / 'rows.parquet'}")


def _share(text: str) -> int | float:
    """Return a number of classes, or a share of them."""
    from ..errors import ParameterError

    try:
        return int(text) if text.isdigit() else float(text)
    except ValueError:
        raise ParameterError(
            f"--train-classes takes a number of classes, such as 700, or a share, such as 0.7; "
            f"received {text!r}"
        ) from None


def _whole(split: str) -> bool:
    """Return whether groups of classes stay together."""
    from ..errors import UnknownNameError

    if split not in ("groups", "classes"):
        raise UnknownNameError("split", split, ("groups", "classes"))
    return split == "groups"
