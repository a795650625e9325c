"""Options of the studies of searches and of learning across tasks, each written once.

Read when the command line starts: this imports nothing heavy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from ...benchmarks.studies.flags import Flag, listed, refuse_unused, whole_numbers
from ...benchmarks.studies.options import Backend, Jobs, Metric, RunOptions, Seed, Trials
from ..across_tables.names import COLD, WARM

if TYPE_CHECKING:
    from ...benchmarks.objectives import Problem
else:
    # The command line reads the types of the fields and must not import what they are.
    Problem = type("Problem", (), {})

LATENCY_METHODS = ("transfer", "transfer-random", "components", "nearest", "scratch")
"""Costs with chosen and with random measurements; and three simpler ways."""


@dataclass(frozen=True, kw_only=True)
class LatencyOptions(RunOptions):
    """Options of ``nasurge meta latency``."""

    file: Annotated[
        Path,
        Flag(
            argument=True,
            metavar="FILE.npz",
            help="Latencies: one array a device, in the order of the table's architectures.",
        ),
    ]
    table: Annotated[str, Flag(help="Whose architectures they are.")] = "nb201"
    devices: Annotated[
        tuple[str, ...],
        Flag(
            parse=listed,
            help="Devices to leave out, all of them together; by default each in turn.",
        ),
    ] = ()
    measurements: Annotated[
        tuple[int, ...],
        Flag("-n", parse=whole_numbers, help="Architectures measured on a new device."),
    ] = (10,)
    methods: Annotated[
        str | Sequence[str],
        Flag(parse=listed, help="Which to compare, separated by commas; all,-NAME leaves one out."),
    ] = LATENCY_METHODS
    trials: Trials = 10
    seed: Seed = 0
    jobs: Jobs = 1


Tables = Annotated[
    str | Sequence[Problem],
    Flag(
        argument=True,
        metavar="TABLE/TASK",
        help="What to work on, such as nb201-analog/cifar10; several separated by commas; a table "
        "alone means all its tasks. See: nasurge tables.",
    ),
]
Budget = Annotated[int, Flag("-b", least=1, help="Architectures evaluated per trial.")]


@dataclass(frozen=True, kw_only=True)
class TrialOptions(RunOptions):
    """Options of all studies that search tables over trials."""

    budget: Budget = 100
    trials: Trials = 20
    seed: Seed = 0
    backend: Backend = None

    @property
    def batch_size(self) -> int:
        """Architectures asked for at once."""
        return 1


@dataclass(frozen=True)
class SearchOptions(TrialOptions):
    """Options of ``nasurge search``."""

    tables: Tables
    searchers: Annotated[
        str | Sequence[str] | None,
        Flag(
            "-s",
            default="bo, with -p evolution, with --objectives nsga2",
            help="Searchers, separated by commas, random always beside them; all is every one, "
            "all,-NAME all but one.",
        ),
    ] = None
    _: KW_ONLY
    predictors: Annotated[
        str | Sequence[str] | None,
        Flag("-p", help="Predictors that guide them, separated by commas; all,-NAME as for -s."),
    ] = None
    objectives: Annotated[
        str | Sequence[str] | None,
        Flag(help="Two or more, such as accuracy,flops: search for their Pareto front."),
    ] = None
    constraints: Annotated[
        str | Sequence[str],
        Flag(
            "--constraint",
            metavar="NAME<=NUMBER",
            repeated=True,
            help="A bound in the table's units, such as 'flops<=100'; may be repeated.",
        ),
    ] = ()
    batch: Annotated[
        int | None,
        Flag(least=1, default="5", help="Architectures asked for at once, between refits."),
    ] = None
    metric: Metric = None
    workers: Annotated[
        int | None,
        Flag(
            least=1,
            help="Simulate so many asynchronous workers, each training one architecture at a time, "
            "and say how long they take; for tables with training times, such as transnas-micro.",
        ),
    ] = None
    timeout: Annotated[
        float | None,
        Flag(
            least=0,
            help="Seconds after which nothing further is begun; the same command again goes on.",
        ),
    ] = None
    storage: Annotated[
        str | None,
        Flag(
            help="Database in which every search is an Optuna study, such as sqlite:///runs.db or "
            "postgresql://USER@HOST/DATABASE: a search that was stopped goes on there, and several "
            "workers share it. With --study alone: sqlite:///nasurge.db.",
        ),
    ] = None
    study: Annotated[
        str | None,
        Flag(help="How the names of these studies begin: NAME/TABLE/TASK/SEARCHER/TRIAL."),
    ] = None

    def __post_init__(self) -> None:
        """Refuse what simulated workers do not use.

        Raises
        ------
        ParameterError
            If such an option is given beside ``workers``.
        """
        super().__post_init__()
        if self.workers is not None:
            refuse_unused(
                self,
                ("objectives", "batch", "timeout", "storage", "study"),
                "with --workers, which search for one objective, one architecture at a time, to "
                "the end, and keep no database",
            )

    @property
    def batch_size(self) -> int:
        """Architectures asked for at once."""
        return 5 if self.batch is None else self.batch


@dataclass(frozen=True)
class MetaTablesOptions(TrialOptions):
    """Options of ``nasurge meta tables``."""

    tables: Tables
    methods: Annotated[
        str | Sequence[str],
        Flag(
            help=f"Warm: {', '.join(WARM)}. Cold: {', '.join(COLD)}. all is every one, all,-NAME "
            "all but one.",
        ),
    ] = ",".join((*COLD[:3], *WARM))
    _: KW_ONLY
    file: Annotated[
        Path | None,
        Flag(
            "--from",
            metavar="FILE.npz",
            help="Learn from the triples in this file (arch, task, acc), not from the table.",
        ),
    ] = None
    trials: Trials = 10
    batch: Annotated[int, Flag(least=1, help="Architectures asked for at once.")] = 1

    @property
    def batch_size(self) -> int:
        """Architectures asked for at once."""
        return self.batch
