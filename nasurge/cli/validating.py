"""The command ``nasurge validate``."""

from __future__ import annotations

from itertools import compress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import ParameterError
from .common import (
    IMAGES_HELP,
    AsJson,
    Jobs,
    Metric,
    Out,
    SeedOption,
    closing,
    emit,
    print_table,
    progress_bar,
    reported_errors,
    typed_command,
    where,
)

if TYPE_CHECKING:
    from ..benchmarks.studies import Validation

_SHOWN = 20  # architectures that are printed; the report has all

CHOICE = "Which architectures"
SCORES = "What is compared"
NETWORKS = "How networks are trained"


def validate(
    table: Annotated[
        str | None,
        typer.Argument(
            metavar="[TABLE/TASK]",
            help="What to validate, such as nb201-analog/cifar10. See: nasurge tables.",
            show_default=False,
        ),
    ] = None,
    space: Annotated[
        str | None,
        typer.Option(
            "--space",
            help="Instead of a table: a space alone, such as nb201, transnas-micro or mobile.",
            show_default=False,
            rich_help_panel=CHOICE,
        ),
    ] = None,
    search: Annotated[
        Path | None,
        typer.Option(
            "--search",
            help="Folder of a finished nasurge search: choose from what it evaluated, ranked by "
            "what it saw.",
            show_default=False,
            rich_help_panel=CHOICE,
        ),
    ] = None,
    top: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="How many of the best, by the first predictor.  [default: 5]",
            show_default=False,
            rich_help_panel=CHOICE,
        ),
    ] = None,
    spread: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="How many at even steps down the rest of that ranking.  [default: 10]",
            show_default=False,
            rich_help_panel=CHOICE,
        ),
    ] = None,
    stratified: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="How many, one of each of so many equal parts of the table's own ranking. With "
            "this or --random, --top and --spread are 0 unless given.",
            show_default=False,
            rich_help_panel=CHOICE,
        ),
    ] = None,
    random: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="How many drawn at random.  [default with --space: 15]",
            show_default=False,
            rich_help_panel=CHOICE,
        ),
    ] = None,
    names: Annotated[
        str,
        typer.Option(
            "--predictors",
            "--predictor",
            "-p",
            help="Predictors, separated by commas.",
            rich_help_panel=SCORES,
        ),
    ] = "auto",
    n_train: Annotated[
        int,
        typer.Option(
            "-n",
            "--n-train",
            min=1,
            help="Architectures of the table that predictors learn from.",
            rich_help_panel=SCORES,
        ),
    ] = 100,
    learn_from: Annotated[
        int,
        typer.Option(
            min=0,
            help="Train so many further architectures, and let the predictors learn from these "
            "alone, too.",
            rich_help_panel=SCORES,
        ),
    ] = 0,
    supernet: Annotated[
        str | None,
        typer.Option(
            help="Train a supernet, too, and compare what architectures inherit from it: spos, "
            'fairnas or sandwich, or a JSON object or a file of one, such as {"rule": "spos", '
            '"epochs": 60}.',
            show_default=False,
            rich_help_panel=SCORES,
        ),
    ] = None,
    supernet_architectures: Annotated[
        int,
        typer.Option(
            min=0,
            help="Further architectures that the supernet scores and nobody trains.",
            rich_help_panel=SCORES,
        ),
    ] = 0,
    seeds: Annotated[
        int,
        typer.Option(
            min=1,
            help="Trainings of each; two or more show how far training agrees with itself.",
            rich_help_panel=SCORES,
        ),
    ] = 1,
    score: Annotated[
        str,
        typer.Option(
            help="What ranks trained networks: accuracy (test, at the end), curve (validation "
            "accuracy, mean over the epochs), training (minus the training loss of the last "
            "epoch) or loss (minus the test loss).",
            rich_help_panel=SCORES,
        ),
    ] = "accuracy",
    images: Annotated[
        str, typer.Option("--images", help=IMAGES_HELP, rich_help_panel=NETWORKS)
    ] = "digits",
    size: Annotated[
        int | None,
        typer.Option(help="Side of the images in pixels.", rich_help_panel=NETWORKS),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(help="Most training images.", rich_help_panel=NETWORKS)
    ] = None,
    noise: Annotated[
        float,
        typer.Option(
            min=0,
            help="Noise on the images, in standard deviations of theirs.",
            rich_help_panel=NETWORKS,
        ),
    ] = 0.0,
    recipe: Annotated[
        str | None,
        typer.Option(
            help="How to train: a JSON object or a file of one.",
            show_default=False,
            rich_help_panel=NETWORKS,
        ),
    ] = None,
    width: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Channels after the stem.  [default: 8]",
            show_default=False,
            rich_help_panel=NETWORKS,
        ),
    ] = None,
    cells: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Cells a stage (three stages).  [default: 1]",
            show_default=False,
            rich_help_panel=NETWORKS,
        ),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Training length.  [default: 2, with --recipe the recipe's]",
            show_default=False,
            rich_help_panel=NETWORKS,
        ),
    ] = None,
    device: Annotated[
        str, typer.Option(help="auto, cpu, cuda or mps.", rich_help_panel=NETWORKS)
    ] = "auto",
    again: Annotated[
        int | None,
        typer.Option(
            "--verify",
            min=1,
            help="Instead: train so many architectures of a table that NASurge trained again, by "
            "the recipe in it, and compare with what it says.",
            show_default=False,
        ),
    ] = None,
    metric: Metric = None,
    seed: SeedOption = 0,
    jobs: Jobs = -1,
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Check whether scores are true: train some architectures and see.

    Some architectures are chosen and trained on real images. What predictors say of them, what the
    table says, what they inherit from a supernet and what they reach when trained alone stand side
    by side, with the rank correlations between each two and what each has cost. A run that was
    stopped goes on with the same command. Try:

        nasurge validate nb201-analog/cifar10 --top 3 --spread 6

        nasurge validate nb201-digits --noise 1 --stratified 12 --supernet spos

    With --verify, architectures of a table that NASurge trained are trained again. Try:

        nasurge validate nb201-digits --verify 5
    """
    with reported_errors():
        if again is not None:
            if table is None:
                raise ParameterError("--verify needs the name of a table, such as nb201-digits")
            _verify(table, again, device=device, jobs=jobs, out=out, as_json=as_json)
            return
        from ..api import validate as run

        with progress_bar("validate") as progress:
            found = run(
                table,
                names,
                space=space,
                search=search,
                metric=metric,
                n_train=n_train,
                top=top,
                spread=spread,
                stratified=stratified,
                random=random,
                learn_from=learn_from,
                supernet=supernet,
                supernet_architectures=supernet_architectures,
                seeds=seeds,
                score=score,
                images=images,
                size=size,
                limit=limit,
                noise=noise,
                recipe=recipe,
                width=width,
                cells=cells,
                epochs=epochs,
                seed=seed,
                device=device,
                jobs=jobs,
                out=out,
                command=typed_command(),
                progress=progress,
            )
        if as_json:
            emit(
                {
                    "correlations": found.correlations,
                    "architectures": found.architectures,
                    "costs": found.costs,
                    "ceiling": found.ceiling,
                    **where(found.folder),
                    "made": found.about,
                }
            )
            return
        print_validation(found)
        closing(found.folder, f"{found.about['images']}, seed {seed}")


def print_validation(found: Validation) -> None:
    """Print the trained architectures, correlations and costs."""
    from ..benchmarks.studies import (
        CORRELATION_COLUMNS,
        COST_COLUMNS,
        architecture_rows,
        ceiling_text,
        correlation_rows,
        cost_rows,
    )

    columns, trained = found.about["columns"], ("parameters" in row for row in found.architectures)
    names, rows = architecture_rows(list(compress(found.architectures, trained)), columns)
    print_table(names, rows[:_SHOWN])
    if len(rows) > _SHOWN:
        typer.echo(f"and {len(rows) - _SHOWN} more in the report")
    print_table(CORRELATION_COLUMNS, correlation_rows(found.correlations, columns))
    typer.echo(ceiling_text(found.ceiling, columns))
    print_table(COST_COLUMNS, cost_rows(found.costs, found.correlations, columns))
    for what in ("diverged", "smaller_batches"):
        if found.about[what]:
            typer.echo(f"{what.replace('_', ' ')}: {found.about[what]} trainings")
    if found.about.get("supernet_diverged"):
        typer.echo("the supernet's loss became infinite: nothing could be inherited")
    batch = found.about.get("supernet_batch_size", 0)
    if batch < (found.about["supernet"] or {}).get("batch_size", 0):
        typer.echo(f"out of memory: the supernet was trained with batches of {batch}")


def _verify(table: str, n: int, *, out: Path | None, as_json: bool, **settings: Any) -> None:
    """Train architectures of a table again and print how they compare."""
    from ..api import verify
    from ..benchmarks.studies import verify_lines

    with progress_bar("verify") as progress:
        found = verify(table, n, out=out, command=typed_command(), progress=progress, **settings)
    if as_json:
        emit(
            {
                "verification": found.summary,
                "architectures": found.architectures,
                **where(found.folder),
                "made": found.about,
            }
        )
        return
    for line in verify_lines(found.summary):
        typer.echo(line)
    closing(found.folder, f"table {found.about['table']}, on {found.about['device']}")
