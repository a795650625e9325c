"""Commands that make tables: ``nasurge table build``."""

from __future__ import annotations

from typing import Annotated

import typer

from .common import AsJson, ImageName, Jobs, Out, emit, progress_bar, reported_errors, typed_command

app = typer.Typer(no_args_is_help=True, help="Make tables of your own.")


@app.callback()
def root() -> None:
    """Make tables of your own by training."""


@app.command()
def build(
    name: Annotated[str, typer.Argument(help="Name of the table.")],
    space: Annotated[str, typer.Option(help="Space whose networks are trained.")] = "nb201",
    images: ImageName = "digits",
    architectures: Annotated[
        int, typer.Option("--architectures", "-n", min=1, help="How many to train.")
    ] = 100,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each.")] = 2,
    size: Annotated[int | None, typer.Option(help="Side of the images in pixels.")] = None,
    limit: Annotated[int | None, typer.Option(help="Most training images.")] = None,
    noise: Annotated[
        float, typer.Option(min=0, help="Noise on the images, in standard deviations of theirs.")
    ] = 0.0,
    recipe: Annotated[
        str | None,
        typer.Option(help="How to train: a JSON object or a file of one.", show_default=False),
    ] = None,
    width: Annotated[int | None, typer.Option(min=1, help="Channels after the stem.")] = None,
    cells: Annotated[int | None, typer.Option(min=1, help="Cells a stage (three stages).")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Training length.")] = None,
    proxies: Annotated[
        str | None,
        typer.Option(
            help="Zero-cost proxies to add, separated by commas; all is every one.",
            show_default=False,
        ),
    ] = None,
    twins: Annotated[
        bool, typer.Option("--twins", help="Let several architectures compute the same function.")
    ] = False,
    sample_seed: Annotated[int, typer.Option(min=0, help="Draws the architectures.")] = 0,
    threads: Annotated[int, typer.Option(min=1, help="Threads of each training.")] = 1,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    force: Annotated[bool, typer.Option("--force", help="Replace a table of that name.")] = False,
    jobs: Jobs = -1,
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Train architectures on images and keep what they reached as a table.

    With several seeds, the validation accuracy after every epoch, costs, and the recipe, so that
    `nasurge validate NAME --verify N` can train them again. A run that was stopped goes on where
    it was, and one may be asked for more architectures or seeds. Try:

        nasurge table build mine --images digits -n 10 --epochs 2
    """
    with reported_errors():
        from ..benchmarks.studies import build as run
        from ..benchmarks.studies import interval_text
        from ..benchmarks.training import read_recipe
        from ..data.images import load_images
        from ..data.networks import PROXIES
        from ..data.spaces import make_space

        wanted = PROXIES if proxies == "all" else proxies.split(",") if proxies else ()
        with progress_bar("table") as progress:
            found = run(
                name,
                make_space(space),
                load_images(images, size=size, limit=limit, noise=noise),
                read_recipe(recipe, width=width, cells=cells, epochs=epochs),
                architectures=architectures,
                seeds=seeds,
                sample_seed=sample_seed,
                twins=twins,
                proxies=wanted,
                device=device,
                threads=threads,
                jobs=jobs,
                replace_existing=force,
                out=out,
                command=typed_command(),
                progress=progress,
            )
        table = found.table
        if as_json:
            emit(
                {
                    "table": {"name": table.name, "architectures": len(table)},
                    "agreement": found.agreement,
                    "rows": str(found.folder / "rows.parquet"),
                    "made": found.about,
                }
            )
            return
        typer.echo(
            f"{table.name}: {len(table):,} architectures of space {table.space.name}, "
            f"{len(found.rows):,} trainings, task {', '.join(table.tasks)}"
        )
        if found.agreement:
            typer.echo(
                "Kendall tau between two seeds, the ceiling of a predictor of one: "
                f"{interval_text(found.agreement)}"
            )
        for what in ("diverged", "smaller_batches"):
            if found.about[what]:
                typer.echo(f"{what.replace('_', ' ')}: {found.about[what]} trainings")
        typer.echo(f"rows: {found.folder / 'rows.parquet'}")
        typer.echo(f"again: {typed_command()}")
