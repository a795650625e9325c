"""The command ``nasurge meta transfer``."""

from __future__ import annotations

from typing import Annotated

import typer

from .common import (
    AsJson,
    Jobs,
    Metric,
    Out,
    SeedOption,
    emit,
    numbers,
    print_table,
    progress_bar,
    reported_errors,
    typed_command,
)


def transfer(
    sources: Annotated[
        str,
        typer.Argument(
            metavar="SOURCES",
            help="Earlier tasks, separated by commas: TABLE/TASK, TABLE for all its tasks but the "
            "new one and those on its data, or a file of triples FILE.npz (arch, task, acc). "
            "Tables may be of any space.",
            show_default=False,
        ),
    ],
    target: Annotated[
        str, typer.Option("--to", metavar="TABLE/TASK", help="The new task.", show_default=False)
    ],
    labels: Annotated[
        str, typer.Option("-n", "--labels", help="Numbers of labels of the new task.")
    ] = "0,10,20",
    source_labels: Annotated[
        int, typer.Option("--source-labels", min=1, help="Labels of each TABLE/TASK.")
    ] = 400,
    methods: Annotated[
        str,
        typer.Option(
            "--methods",
            help="Which to compare: transfer, transfer-graph (one graph network for all tasks), "
            "scratch (auto on the new labels alone), tasks-xgb and tasks-gp (all labels "
            "together, ignoring tasks); transfer-anchors and scratch-anchors choose by structure "
            "which architectures are labelled.",
        ),
    ] = "transfer,transfer-anchors,transfer-graph,scratch,scratch-anchors,tasks-xgb,tasks-gp",
    trials: Annotated[int, typer.Option("--trials", "-t", min=1, help="Trials of each.")] = 10,
    metric: Metric = None,
    seed: SeedOption = 0,
    jobs: Jobs = 1,
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Measure what earlier tasks say of a new one, with no and with few labels of it.

    In each trial all methods learn the same labels of earlier tasks and, but for those that choose
    (anchors), of the new one, and rank all other architectures. Prints Kendall's tau with 95 %
    intervals over trials. Try:

        nasurge meta transfer nbgraph/cora,nbgraph/citeseer --to nbgraph/pubmed --trials 3
    """
    with reported_errors():
        from ..arguments import given_names
        from ..benchmarks.studies import interval_text
        from ..search.studies.transfer import METHODS, parse_sources, transfer_study

        with progress_bar("transfer") as progress:
            known, problem = parse_sources(sources, target, metric=metric)
            found = transfer_study(
                known,
                problem,
                labels=numbers(labels, "-n"),
                source_labels=source_labels,
                methods=given_names(methods, METHODS),
                trials=trials,
                seed=seed,
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
            [row["method"], str(row["labels"]), interval_text(row["kendall_tau"])]
            for row in found.summary
        ]
        typer.echo(f"{', '.join(found.about['sources'])} to {found.about['target']}")
        print_table(["method", "labels", "Kendall tau"], shown)
        typer.echo(f"again: {typed_command()}")
        typer.echo(f"rows: {found.folder / 'rows.parquet'}")
