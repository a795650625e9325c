"""The commands ``search``, ``report`` and ``demo``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .common import (
    AsJson,
    Backend,
    Jobs,
    Metric,
    Out,
    SeedOption,
    Storage,
    StudyName,
    Tables,
    Timeout,
    closing,
    emit,
    print_table,
    progress_bar,
    reported_errors,
    reported_stop,
    typed_command,
    where,
)

if TYPE_CHECKING:
    from ..search.studies import SearchStudy


def search(
    problems: Tables,
    names: Annotated[
        str | None,
        typer.Option(
            "--searchers",
            "-s",
            help="Searchers, separated by commas; by default bo, with -p evolution, with "
            "--objectives nsga2.",
            show_default=False,
        ),
    ] = None,
    guides: Annotated[
        str | None,
        typer.Option("--predictors", "-p", help="Predictors that guide them, separated by commas."),
    ] = None,
    objectives: Annotated[
        str | None,
        typer.Option(
            "--objectives",
            help="Two or more, such as accuracy,flops: search for their Pareto front.",
            show_default=False,
        ),
    ] = None,
    constraints: Annotated[
        list[str] | None,
        typer.Option(
            "--constraint",
            metavar="NAME<=NUMBER",
            help="A bound in the table's units, such as 'flops<=100'; may be repeated.",
            show_default=False,
        ),
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
    on: Backend = None,
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers",
            min=1,
            help="Simulate so many asynchronous workers, each training one architecture at a time, "
            "and say how long they take; for tables with training times, such as transnas-micro.",
            show_default=False,
        ),
    ] = None,
    timeout: Timeout = None,
    storage: Storage = None,
    study: StudyName = None,
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Search a table, with random search beside it in the same run.

    A search sees the searched value only (validation accuracy, where the table has one).
    **selected** is the reported value (test accuracy) of the architecture it would pick,
    **oracle** the best it evaluated, which nobody could pick. Try:

        nasurge search nb201-analog/cifar10 -s bo,evolution --budget 50 --trials 10

    With --objectives it is the Pareto front that is searched, and its hypervolume that counts.
    """
    with reported_errors():
        from ..api import search_study
        from ..benchmarks.studies import backend

        with (
            progress_bar("search") as progress,
            reported_stop(as_json=as_json),
            backend(on),
        ):
            found = search_study(
                problems,
                names,
                predictors=guides,
                budget=budget,
                trials=trials,
                batch=batch,
                metric=metric,
                objectives=objectives,
                constraints=constraints or (),
                seed=seed,
                jobs=jobs,
                workers=workers,
                timeout=timeout,
                storage=storage,
                study=study,
                out=out,
                command=typed_command(),
                progress=progress,
            )
        if as_json:
            emit({"summary": found.summary, **where(found.folder), "made": found.about})
            return
        (_print_search if objectives is None else _print_fronts)(found)


def _print_search(found: SearchStudy) -> None:
    """Print a study of searches for one objective."""
    from ..search.studies.table_page import COLUMNS, failures, search_rows, simulated

    about = found.about
    rows, best = search_rows(found.summary)
    print_table(COLUMNS, rows, best=best)
    for line in (*simulated(found.summary, about.get("workers")), *failures(found.summary)):
        typer.echo(line)
    looked, reported = (_join(about[key]) for key in ("searched", "reported"))
    closing(
        found.folder,
        f"{_trials(about)}; searched: {looked}; reported: {reported}; a trial that misses the "
        f"optimum counts {about['budget'] + 1} queries",
    )


def _print_fronts(found: SearchStudy) -> None:
    """Print a study of searches for several objectives."""
    from ..search.studies.fronts_page import COLUMNS, front_rows, references

    rows, best = front_rows(found.summary)
    print_table(COLUMNS, rows, best=best)
    for text in references(found.summary):
        typer.echo(text)
    for address, labels in found.about["objectives"].items():
        reported = found.about["reported"][address]
        parts = (
            label if label == reported[name] else f"{label} (reported: {reported[name]})"
            for name, label in labels.items()
        )
        typer.echo(f"{address}: {'; '.join(parts)}")
    closing(
        found.folder,
        f"{_trials(found.about)}; shares are of the true front's hypervolume, over the reported "
        "values of the selected front (selected) and over the searched values",
    )


def _trials(about: Mapping[str, Any]) -> str:
    """In words how often and under which constraints a search was run."""
    limits = " and ".join(about.get("constraints", ()))
    return f"{about['trials']} trials of {about['budget']} evaluations, seed {about['seed']}" + (
        f"; only {limits}" if limits else ""
    )


def report(
    folder: Annotated[Path, typer.Argument(help="What a study printed, such as a compare.")],
    as_json: AsJson = False,
) -> None:
    """Write the report of a finished run again, and print where it is."""
    with reported_errors():
        from ..api import REPORTS
        from ..benchmarks.studies import read_about
        from ..registry import study_of_folder

        kind = read_about(folder).get("kind")
        if isinstance(kind, str) and kind in REPORTS:
            path = REPORTS[kind](folder)
            found = {"report": str(path)}
        else:
            study = study_of_folder(folder)
            parts = study.read(folder)
            path = study.write_report(parts, folder)
            found = study.as_json(parts, folder)
        if as_json:
            emit(found)
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
        from ..api import search_study
        from ..arguments import compare_study, validate_study
        from ..benchmarks.studies import (
            CompareOptions,
            CompareStudy,
            ValidateOptions,
            ValidateStudy,
        )
        from ..benchmarks.training import make_recipe
        from ..data.tables import load_table
        from ..search.studies.table_page import COLUMNS, search_rows
        from .options import print_tables, run_with_progress

        table = "nb201-analog/cifar10"
        command = typed_command()
        compare = CompareOptions(table, trials=5, jobs=jobs, out=out / "compare", command=command)
        print_tables(run_with_progress(compare_study(compare)), CompareStudy)
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
        rows, best = search_rows(searched.summary)
        print_table(COLUMNS, rows, best=best)
        validate = ValidateOptions(
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
        )
        print_tables(run_with_progress(validate_study(validate)), ValidateStudy)
        for part in ("compare", "search", "validate"):
            typer.echo(f"report: {out / part / 'report.html'}")


def _join(labels: dict[str, str]) -> str:
    return ", ".join(dict.fromkeys(labels.values()))
