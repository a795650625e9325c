"""The command ``nasurge meta tables``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .common import (
    AsJson,
    Jobs,
    Out,
    SeedOption,
    Tables,
    closing,
    emit,
    print_table,
    progress_bar,
    reported_errors,
    typed_command,
    where,
)


def tables(
    problems: Tables,
    methods: Annotated[
        str,
        typer.Option(
            "--methods",
            help="Warm: meta-bo, meta-evolution, catch. Cold: gp-ei, bo, evolution, random.",
        ),
    ] = "gp-ei,bo,evolution,meta-bo,meta-evolution,catch",
    file: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="FILE.npz",
            help="Learn from the triples in this file (arch, task, acc), not from the table.",
        ),
    ] = None,
    budget: Annotated[
        int, typer.Option("--budget", "-b", min=1, help="Architectures evaluated per trial.")
    ] = 100,
    trials: Annotated[int, typer.Option("--trials", "-t", min=1, help="Trials of each.")] = 10,
    batch: Annotated[
        int, typer.Option("--batch", min=1, help="Architectures asked for at once.")
    ] = 1,
    seed: SeedOption = 0,
    jobs: Jobs = -1,
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Leave one task of a table out, learn from its others, and search it.

    Each task named is held out in its turn. Cold searches run beside, with the same budget and
    seeds; what counts are the queries to the best 0.1 % of the searched column, where a search
    ends. Try:

        nasurge meta tables nbgraph/photo --methods evolution,meta-evolution --trials 3
    """
    with reported_errors():
        from ..meta import meta_study
        from ..search.studies import meta_columns, meta_rows

        with progress_bar("meta tables") as progress:
            found = meta_study(
                problems,
                methods,
                file=file,
                budget=budget,
                trials=trials,
                batch=batch,
                seed=seed,
                jobs=jobs,
                out=out,
                command=typed_command(),
                progress=progress,
            )
        if as_json:
            emit(
                {
                    "summary": found.summary,
                    "task_maps": found.maps,
                    **where(found.folder),
                    "made": found.about,
                }
            )
            return
        rows, best = meta_rows(found.summary)
        print_table(meta_columns(found.summary), rows, best=best)
        closing(
            found.folder,
            f"{trials} trials of {budget} evaluations, seed {seed}; a trial that misses the best "
            f"0.1 % counts {budget + 1} queries, one that reaches it ends",
        )
