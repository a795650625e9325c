"""The command ``nasurge``."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import __version__
from .errors import NasurgeError, ParameterError

if TYPE_CHECKING:
    from .benchmarks.study import Progress

app = typer.Typer(
    name="nasurge",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)

AsJson = Annotated[
    bool, typer.Option("--json", help="Print one JSON object on stdout and nothing else there.")
]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        help="Folder for rows, summary and report; by default runs/KIND-XXXXXXXX, named by what "
        "is run. A run that was stopped goes on where it was.",
        show_default=False,
    ),
]
Jobs = Annotated[int, typer.Option("--jobs", "-j", help="Processes; -1 is one per core.")]
SeedOption = Annotated[int, typer.Option("--seed", min=0, help="Seed of everything random.")]
Metric = Annotated[
    str | None,
    typer.Option(
        "--metric",
        "-m",
        help="Metric or column to use instead of the task's own.",
        show_default=False,
    ),
]
Tables = Annotated[
    str,
    typer.Argument(
        metavar="TABLE/TASK",
        help="What to work on, such as nb201-analog/cifar10; several separated by commas; a table "
        "alone means all its tasks. See: nasurge tables.",
        show_default=False,
    ),
]


def _version(value: bool) -> None:
    if value:
        typer.echo(f"nasurge {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Score neural architectures without training them, and check whether the scores are true."""


@contextmanager
def _reported_errors() -> Iterator[None]:
    """Turn an error made by the user into one line and exit code 2."""
    try:
        yield
    except NasurgeError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from None
    except KeyboardInterrupt:
        typer.echo(
            "stopped: what was done is kept; the same command again goes on from there", err=True
        )
        raise typer.Exit(130) from None
    except BrokenPipeError:  # the reader of our output has gone
        raise typer.Exit(0) from None


@contextmanager
def _progress(title: str) -> Iterator[Progress]:
    """Show a progress bar on stderr."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("[dim]{task.fields[unit]}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=None, unit="")

        def advance(done: int, total: int, unit: str) -> None:
            bar.update(task, completed=done, total=total, unit=unit)

        yield advance


def _command() -> str:
    """Return the command line that was typed."""
    return shlex.join(["nasurge", *sys.argv[1:]])


def _emit(found: Any) -> None:
    from .benchmarks.study import jsonable

    typer.echo(json.dumps(jsonable(found), indent=1))


def _table(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    best: Sequence[int] = (),
    left: int = 2,
) -> None:
    """Print a table; ``left`` columns are text, the rows in ``best`` lead their group."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD)
    for position, column in enumerate(columns):
        table.add_column(column, justify="left" if position < left else "right", overflow="fold")
    for number, row in enumerate(rows):
        if number in best and number:
            table.add_section()
        table.add_row(*row, style="bold" if number in best else None)
    console = Console()
    if not console.is_terminal:  # a file or a pipe has no width: let no column be folded
        console = Console(width=220)
    console.print(table)


def _numbers(text: str, option: str) -> list[int]:
    """Return the whole numbers in a comma-separated list."""
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise ParameterError(
            f"{option} takes whole numbers separated by commas, such as 20,50; received {text!r}"
        ) from None


@app.command()
def tables(as_json: AsJson = False) -> None:
    """List the tables there are: architectures, tasks, metrics, and where they came from."""
    with _reported_errors():
        from .data.catalogue import load_table, table_names

        found = [load_table(name) for name in table_names()]
        listed = [
            {
                "name": table.name,
                "space": table.space.name,
                "architectures": len(table),
                "tasks": table.tasks,
                "metrics": table.metrics,
                "source": table.origin,
            }
            for table in found
        ]
        if as_json:
            _emit({"tables": listed})
            return
        rows = [
            [
                table.name,
                table.space.name,
                ", ".join(table.tasks),
                f"{len(table):,}",
                ", ".join(table.metrics),
                table.origin,
            ]
            for table in found
        ]
        columns = ("table", "space", "tasks", "architectures", "metrics", "source")
        _table(columns, rows, left=3)


@app.command(name="import")
def import_(
    file: Annotated[Path, typer.Argument(help="A CSV (also .gz) or Parquet file.")],
    name: Annotated[
        str | None,
        typer.Option("--as", help="Name of the table; by default the schema's or the file's."),
    ] = None,
    schema: Annotated[
        Path | None,
        typer.Option(
            "--schema",
            help="TOML file that says what each column is; by default FILE.toml beside it, a "
            "shipped schema that fits, or a guess.",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a table of that name.")] = False,
    as_json: AsJson = False,
) -> None:
    """Import measurements of your own, or the published tables.

    A file needs one column of architectures and one or more of numbers. Try:

        nasurge import PATH/nb201.csv.gz --as nb201
    """
    with _reported_errors():
        from .data.catalogue import import_table

        made = import_table(file, name=name, schema=schema, replace_existing=force)
        if as_json:
            _emit({"tables": [{"name": t.name, "architectures": len(t)} for t in made]})
            return
        for table in made:
            typer.echo(
                f"{table.name}: {len(table):,} architectures of space {table.space.name}, tasks "
                f"{', '.join(table.tasks)}"
            )


@app.command()
def predictors(as_json: AsJson = False) -> None:
    """List the predictors: names for -p, and whether they offer uncertainty."""
    with _reported_errors():
        from .registry import predictor_class, predictor_names

        found = [(name, predictor_class(name)) for name in predictor_names()]
        if as_json:
            _emit({"predictors": [{"name": n, "std": c.offers_std} for n, c in found]})
            return
        rows = [
            [n, _first_line(c), "yes" if c.offers_std else "", str(c.minimum_labels)]
            for n, c in found
        ]
        _table(("predictor", "what it is", "uncertainty", "fewest labels"), rows)


@app.command()
def searchers(as_json: AsJson = False) -> None:
    """List the searchers: names for -s, and whether a predictor can guide them."""
    with _reported_errors():
        from .registry import GUIDED, searcher_class, searcher_names

        names = searcher_names()
        if as_json:
            _emit({"searchers": [{"name": n, "guided": n in GUIDED} for n in names]})
            return
        rows = [
            [n, _first_line(searcher_class(n)), "with -p" if n in GUIDED else ""] for n in names
        ]
        _table(("searcher", "what it is", "guided"), rows)


def _first_line(cls: type[Any]) -> str:
    return (cls.__doc__ or "").strip().split("\n")[0]


@app.command()
def compare(
    problems: Tables,
    names: Annotated[
        str,
        typer.Option(
            "--predictors", "-p", help="Predictors, separated by commas; all is every one."
        ),
    ] = "xgb,gp,gin",
    sizes: Annotated[
        str, typer.Option("-n", "--n-train", help="Numbers of training architectures.")
    ] = "20,50,100",
    trials: Annotated[int, typer.Option("--trials", "-t", min=1, help="Trials of each.")] = 10,
    metric: Metric = None,
    seed: SeedOption = 0,
    jobs: Jobs = -1,
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Measure how well predictors rank the architectures they were not given.

    In each trial all predictors learn the same architectures and rank all others of the table.
    Prints rank correlations with 95 % intervals over trials, also for architectures whose function
    no training architecture computes; writes tidy rows and a report to open in a browser. Try:

        nasurge compare nb201-analog/cifar10 -p xgb,gp,gin -n 20,50,100 --trials 5
    """
    with _reported_errors():
        from .api import compare as run
        from .benchmarks.report import COMPARE_COLUMNS, compare_rows

        with _progress("compare") as progress:
            found = run(
                problems,
                names,
                n_train=_numbers(sizes, "-n"),
                trials=trials,
                metric=metric,
                seed=seed,
                jobs=jobs,
                out=out,
                command=_command(),
                progress=progress,
            )
        if as_json:
            _emit({"summary": found.summary, **_where(found.folder)})
            return
        rows, best = compare_rows(found.summary)
        _table(COMPARE_COLUMNS, rows, best=best)
        for address, ceiling in found.ceilings.items():
            typer.echo(
                f"{address}: a perfect predictor would reach {ceiling['kendall_tau']:.3f} "
                f"({ceiling['kendall_tau_top5']:.3f} in the top 5 %), the labels' noise allowing"
            )
        _closing(
            found.folder, f"{trials} trials, seed {seed}; labels: {_join(found.about['labels'])}"
        )


@app.command()
def search(
    problems: Tables,
    names: Annotated[
        str, typer.Option("--searchers", "-s", help="Searchers, separated by commas.")
    ] = "evolution",
    guides: Annotated[
        str | None,
        typer.Option("--predictors", "-p", help="Predictors that guide them, separated by commas."),
    ] = None,
    budget: Annotated[
        int, typer.Option("--budget", "-b", min=1, help="Architectures evaluated per trial.")
    ] = 100,
    trials: Annotated[int, typer.Option("--trials", "-t", min=1, help="Trials of each.")] = 20,
    batch: Annotated[
        int,
        typer.Option("--batch", min=1, help="Architectures asked for at once, between refits."),
    ] = 5,
    metric: Metric = None,
    seed: SeedOption = 0,
    jobs: Jobs = -1,
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Search a table, with random search beside it in the same run.

    A search sees the searched value only (validation accuracy, where the table has one).
    [bold]selected[/bold] is the reported value (test accuracy) of the architecture it would pick,
    [bold]oracle[/bold] the best it evaluated, which nobody could pick. Try:

        nasurge search nb201-analog/cifar10 -s evolution -p gp --budget 100 --trials 20
    """
    with _reported_errors():
        from .api import search_study
        from .search.report import COLUMNS, search_rows

        with _progress("search") as progress:
            found = search_study(
                problems,
                names,
                predictors=guides,
                budget=budget,
                trials=trials,
                batch=batch,
                metric=metric,
                seed=seed,
                jobs=jobs,
                out=out,
                command=_command(),
                progress=progress,
            )
        if as_json:
            _emit({"summary": found.summary, **_where(found.folder)})
            return
        rows, best = search_rows(found.summary)
        _table(COLUMNS, rows, best=best)
        looked, reported = (_join(found.about[key]) for key in ("searched", "reported"))
        _closing(
            found.folder,
            f"{trials} trials of {budget} evaluations, seed {seed}; searched: {looked}; reported: "
            f"{reported}; a trial that misses the optimum counts {budget + 1} queries",
        )


@app.command()
def validate(
    problem: Tables,
    name: Annotated[str, typer.Option("--predictor", "-p", help="The predictor.")] = "gp",
    n_train: Annotated[
        int, typer.Option("-n", "--n-train", help="Architectures of the table it learns.")
    ] = 100,
    top: Annotated[int, typer.Option(min=1, help="How many of the best predicted.")] = 5,
    spread: Annotated[int, typer.Option(min=2, help="How many down the ranking.")] = 10,
    images: Annotated[
        str, typer.Option(help="digits, or a folder or archive {train,test}/CLASS/*.jpg.")
    ] = "digits",
    size: Annotated[int | None, typer.Option(help="Side of the images in pixels.")] = None,
    limit: Annotated[int | None, typer.Option(help="Most training images.")] = None,
    width: Annotated[int, typer.Option(min=1, help="Channels after the stem.")] = 8,
    cells: Annotated[int, typer.Option(min=1, help="Cells a stage (three stages).")] = 1,
    epochs: Annotated[int, typer.Option(min=1, help="Training length.")] = 2,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    metric: Metric = None,
    seed: SeedOption = 0,
    jobs: Jobs = -1,
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Check whether scores are true: train some architectures and see.

    The best architectures by predicted score and a spread down the ranking become networks that are
    trained on real images; predicted score, table value and trained accuracy stand side by side
    with their rank correlations. Try:

        nasurge validate nb201-analog/cifar10 -p gp --top 3 --spread 6
    """
    with _reported_errors():
        from .api import validate as run
        from .benchmarks.report import shown
        from .benchmarks.validate import COLUMNS, COMPARED, validate_rows

        with _progress("validate") as progress:
            found = run(
                problem,
                name,
                metric=metric,
                n_train=n_train,
                top=top,
                spread=spread,
                images=images,
                size=size,
                limit=limit,
                width=width,
                cells=cells,
                epochs=epochs,
                seed=seed,
                device=device,
                jobs=jobs,
                out=out,
                command=_command(),
                progress=progress,
            )
        if as_json:
            _emit(
                {
                    "correlations": found.correlations,
                    "architectures": found.architectures,
                    **_where(found.folder),
                }
            )
            return
        _table(COLUMNS, validate_rows(found.architectures))
        for tau in found.correlations:
            typer.echo(
                f"Kendall tau between {COMPARED[tau['a']]} and {COMPARED[tau['b']]}: "
                f"{shown(tau['kendall_tau'])} over {tau['n']} architectures"
            )
        _closing(found.folder, f"{found.about['images']}, seed {seed}")


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(help="What a compare, search or validate printed.")],
    as_json: AsJson = False,
) -> None:
    """Write the report of a finished run again, and print where it is."""
    with _reported_errors():
        from .api import REPORTS
        from .benchmarks.study import read_about

        path = REPORTS[read_about(folder)["kind"]](folder)
        if as_json:
            _emit({"report": str(path)})
        else:
            typer.echo(path)


@app.command()
def demo(
    out: Annotated[Path, typer.Option("--out", help="Folder for the three reports.")] = Path(
        "runs/demo"
    ),
    jobs: Jobs = -1,
) -> None:
    """Run the main job on real tables: compare, search and validate, in a few minutes."""
    with _reported_errors():
        from .api import compare as run_compare
        from .api import search_study
        from .api import validate as run_validate
        from .benchmarks.report import COMPARE_COLUMNS, compare_rows, shown
        from .benchmarks.validate import COMPARED
        from .search.report import COLUMNS, search_rows

        table = "nb201-analog/cifar10"
        command = _command()
        with _progress("compare") as progress:
            compared = run_compare(
                table,
                "xgb,gp,gin",
                n_train=(20, 50, 100),
                trials=5,
                jobs=jobs,
                out=out / "compare",
                command=command,
                progress=progress,
            )
        rows, best = compare_rows(compared.summary)
        _table(COMPARE_COLUMNS, rows, best=best)
        with _progress("search") as progress:
            searched = search_study(
                table,
                "evolution",
                predictors="gp",
                budget=60,
                trials=10,
                jobs=jobs,
                out=out / "search",
                command=command,
                progress=progress,
            )
        rows, best = search_rows(searched.summary)
        _table(COLUMNS, rows, best=best)
        with _progress("validate") as progress:
            validated = run_validate(
                table,
                "gp",
                top=4,
                spread=12,
                epochs=2,
                jobs=jobs,
                out=out / "validate",
                command=command,
                progress=progress,
            )
        for tau in validated.correlations:
            typer.echo(
                f"Kendall tau between {COMPARED[tau['a']]} and {COMPARED[tau['b']]}: "
                f"{shown(tau['kendall_tau'])} over {tau['n']} trained networks"
            )
        for part in ("compare", "search", "validate"):
            typer.echo(f"report: {out / part / 'report.html'}")


def _where(folder: Path) -> dict[str, str]:
    return {"rows": str(folder / "rows.parquet"), "report": str(folder / "report.html")}


def _closing(folder: Path, how: str) -> None:
    """Print how the numbers were made and where everything is."""
    typer.echo(how)
    typer.echo(f"again: {_command()}")
    typer.echo(f"rows: {folder / 'rows.parquet'}")
    typer.echo(f"report: {folder / 'report.html'}")


def _join(labels: dict[str, str]) -> str:
    return ", ".join(dict.fromkeys(labels.values()))


def main() -> None:
    """Run the command line."""
    app()
