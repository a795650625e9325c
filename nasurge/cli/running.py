"""Commands that measure: compare, the report of every study, and the demo."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .common import (
    AsJson,
    Backend,
    Jobs,
    Metric,
    Out,
    SeedOption,
    Tables,
    closing,
    emit,
    numbers,
    print_table,
    progress_bar,
    reported_errors,
    typed_command,
    where,
)
from .validating import print_validation


def compare(
    problems: Tables,
    names: Annotated[
        str,
        typer.Option(
            "--predictors",
            "-p",
            help="Predictors, separated by commas; all is every one, all,-NAME all but one.",
        ),
    ] = "auto,xgb,gp,gin",
    sizes: Annotated[
        str, typer.Option("-n", "--n-train", help="Numbers of training architectures.")
    ] = "20,50,100",
    trials: Annotated[int, typer.Option("--trials", "-t", min=1, help="Trials of each.")] = 10,
    metric: Metric = None,
    cheap: Annotated[
        list[str] | None,
        typer.Option(
            "--cheap",
            metavar="METRIC[@EPOCH]",
            help="Column known for every architecture, given to predictors that take cheap values "
            "(low-fidelity), such as accuracy@12; may be repeated.",
            show_default=False,
        ),
    ] = None,
    seed: SeedOption = 0,
    jobs: Jobs = -1,
    on: Backend = None,
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Measure how well predictors rank the architectures they were not given.

    In each trial all predictors learn the same architectures and rank all others of the table.
    Prints rank correlations with 95 % intervals over trials, also for architectures whose function
    no training architecture computes; writes tidy rows and a report to open in a browser. Try:

        nasurge compare nb201-analog/cifar10 -p auto,xgb,gp -n 20,50,100 --trials 5
    """
    with reported_errors():
        from ..api import compare as run
        from ..benchmarks.studies import COMPARE_COLUMNS, backend, compare_rows

        with progress_bar("compare") as progress, backend(on):
            found = run(
                problems,
                names,
                n_train=numbers(sizes, "-n"),
                trials=trials,
                metric=metric,
                cheap=cheap or (),
                seed=seed,
                jobs=jobs,
                out=out,
                command=typed_command(),
                progress=progress,
            )
        if as_json:
            emit({"summary": found.summary, **where(found.folder), "made": found.about})
            return
        rows, best = compare_rows(found.summary)
        print_table(COMPARE_COLUMNS, rows, best=best)
        for address, ceiling in found.ceilings.items():
            typer.echo(
                f"{address}: a perfect predictor would reach {ceiling['kendall_tau']:.3f} "
                f"({ceiling['kendall_tau_top5']:.3f} in the top 5 %), the labels' noise allowing"
            )
        for address, taus in found.cheap.items():
            for label, tau in taus.items():
                typer.echo(f"{address}: {label}, by itself, ranks all of them with {tau:.3f}")
        closing(
            found.folder, f"{trials} trials, seed {seed}; labels: {_join(found.about['labels'])}"
        )


def report(
    folder: Annotated[Path, typer.Argument(help="What a compare, search or validate printed.")],
    as_json: AsJson = False,
) -> None:
    """Write the report of a finished run again, and print where it is."""
    with reported_errors():
        from ..api import REPORTS
        from ..benchmarks.studies import read_about
        from ..registry import study_class

        kind = read_about(folder).get("kind", "without a kind")
        path = REPORTS[kind](folder) if kind in REPORTS else study_class(kind).report(folder)
        if as_json:
            emit({"report": str(path)})
        else:
            typer.echo(path)


def demo(
    out: Annotated[Path, typer.Option("--out", help="Folder for the three reports.")] = Path(
        "runs/demo"
    ),
    jobs: Jobs = -1,
) -> None:
    """Run the main job on real tables: compare, search and validate, in a few minutes."""
    with reported_errors():
        from ..api import compare as run_compare
        from ..api import validate as run_validate
        from ..benchmarks.studies import COMPARE_COLUMNS, compare_rows
        from ..benchmarks.training import make_recipe
        from ..data.tables import load_table
        from ..search.studies import SearchStudy
        from ..searching import search_study

        table = "nb201-analog/cifar10"
        command = typed_command()
        with progress_bar("compare") as progress:
            compared = run_compare(
                table,
                "auto,xgb,gp,gin",
                n_train=(20, 50, 100),
                trials=5,
                jobs=jobs,
                out=out / "compare",
                command=command,
                progress=progress,
            )
        rows, best = compare_rows(compared.summary)
        print_table(COMPARE_COLUMNS, rows, best=best)
        with progress_bar("search") as progress:
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
        shown = SearchStudy.table_of(searched.parts)
        print_table(shown.columns, shown.rows, best=shown.best)
        with progress_bar("validate") as progress:
            validated = run_validate(
                "nb201-digits",
                stratified=12,
                learn_from=16,
                supernet="spos",
                supernet_architectures=28,
                noise=1.0,
                recipe=make_recipe(load_table("nb201-digits").made["recipe"]),
                seed=2,  # the table was trained with 0 and 1
                jobs=jobs,
                out=out / "validate",
                command=command,
                progress=progress,
            )
        print_validation(validated)
        for part in ("compare", "search", "validate"):
            typer.echo(f"report: {out / part / 'report.html'}")


def _join(labels: dict[str, str]) -> str:
    return ", ".join(dict.fromkeys(labels.values()))
