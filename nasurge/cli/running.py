"""The commands ``report`` and ``demo``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..benchmarks.studies.options import COLUMN
from .common import AsJson, Jobs, emit, reported_errors, typed_command
from .printing import say


def report(
    folder: Annotated[Path, typer.Argument(help="What a study printed, such as a compare.")],
    formats: Annotated[
        str,
        typer.Option(
            "--format",
            help="What to write: html (the report), latex, markdown or csv (its tables), pdf or "
            "svg (its figures); several separated by commas, or all.",
        ),
    ] = "html",
    to: Annotated[
        Path | None,
        typer.Option("--to", help="Folder for tables and figures.", show_default="FOLDER/paper"),
    ] = None,
    width: Annotated[
        float, typer.Option("--width", help="Of a figure, in inches: that of a column of text.")
    ] = COLUMN,
    as_json: AsJson = False,
) -> None:
    """Write the report of a finished run again, or its tables and figures for a paper.

    Prints where they are. What was written before is replaced, a file of anybody else never. Try:

        nasurge report runs/compare-XXXXXXXX --format latex,pdf
    """
    with reported_errors():
        from ..benchmarks.studies.journal import whole_study
        from ..registry import study_of_folder

        study = study_of_folder(folder)
        paths = study.export(folder, formats, to=to, width=width)
        if as_json:
            with whole_study(folder):
                found = study.as_json(study.read(folder), folder)
            others = [str(path) for path in paths if str(path) != found["report"]]
            emit(found | ({"written": others} if others else {}))
        else:
            for path in paths:
                say(path)


def demo(
    out: Annotated[Path, typer.Option("--out", help="Folder for the three reports.")] = Path(
        "runs/demo"
    ),
    jobs: Jobs = -1,
) -> None:
    """Run the main job on real tables: compare, search and validate, in a few minutes."""
    with reported_errors():
        from ..arguments import compare_study, validate_study
        from ..benchmarks.studies import (
            CompareOptions,
            CompareStudy,
            ValidateOptions,
            ValidateStudy,
        )
        from ..benchmarks.training import make_recipe
        from ..data.tables import load_table
        from ..search.studies import SearchOptions, SearchStudy
        from ..searching import make_search_study
        from .options import print_tables, run_with_progress

        table = "nb201-analog/cifar10"
        command = typed_command()
        compare = CompareOptions(table, trials=5, jobs=jobs, out=out / "compare", command=command)
        print_tables(run_with_progress(compare_study(compare)), CompareStudy)
        search = SearchOptions(
            table,
            "evolution",
            predictors="gp",
            budget=60,
            trials=10,
            jobs=jobs,
            out=out / "search",
            command=command,
        )
        print_tables(run_with_progress(make_search_study(search)), SearchStudy)
        validate = ValidateOptions(
            "nb201-digits",
            stratified=32,  # where tau is .6 its interval is then [.42, .73]; of 12 [.23, .82]
            learn_from=16,
            supernet="spos",
            supernet_architectures=8,
            noise=1.0,
            recipe=make_recipe(load_table("nb201-digits").made["recipe"]),
            seed=2,  # the table was trained with 0 and 1
            jobs=jobs,
            out=out / "validate",
            command=command,
        )
        print_tables(run_with_progress(validate_study(validate)), ValidateStudy)
        for part in ("compare", "search", "validate"):
            say(f"report: {out / part / 'report.html'}")
