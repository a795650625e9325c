"""Options of the studies of searches and of learning across tasks, each written once.

The docstring of a class is the help of its command.

Read when the command line starts: this imports nothing heavy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

from ...benchmarks.studies.flags import Flag, listed, refuse_unused, whole_numbers
from ...benchmarks.studies.options import Backend, Jobs, Metric, RunOptions, Seed, Tasks, Trials
from ..across_tables.names import COLD, WARM
from ..at_nas.options import EpisodeOptions, Shots
from .names import FEW_SHOT_METHODS, LATENCY_METHODS, TRANSFER_METHODS, described

if TYPE_CHECKING:
    from ...benchmarks.objectives import Problem
else:
    # The command line reads the types of the fields and must not import what they are.
    Problem = type("Problem", (), {})

_CHOSEN = "Which to compare, separated by commas; all,-NAME leaves one out: "


@dataclass(frozen=True, kw_only=True)
class LatencyOptions(RunOptions):
    """Measure how well latencies on a new device are told from ten measurements.

    What the known devices teach is adapted to each device that is left out by a few measurements
    there, and ranks all other architectures. Prints Spearman correlations with 95 % intervals over
    trials. Try, with a file of your own:

        nasurge meta latency latencies.npz --table nb201 -n 5,10,20
    """

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
        Flag(parse=listed, help=f"{_CHOSEN}{described(LATENCY_METHODS)}."),
    ] = tuple(LATENCY_METHODS)
    trials: Trials = 10
    seed: Seed = 0
    jobs: Jobs = 1


@dataclass(frozen=True, kw_only=True)
class TransferOptions(RunOptions):
    """Measure what earlier tasks say of a new one, with no and with few labels of it.

    In each trial all methods learn the same labels of earlier tasks and, but for those that choose
    (anchors), of the new one, and rank all other architectures. Prints Kendall's tau with 95 %
    intervals over trials. Try:

        nasurge meta transfer nbgraph/cora,nbgraph/citeseer --to nbgraph/pubmed --trials 3
    """

    sources: Annotated[
        str,
        Flag(
            argument=True,
            metavar="SOURCES",
            help="Earlier tasks, separated by commas: TABLE/TASK, TABLE for all its tasks but the "
            "new one and those on its data, or a file of triples FILE.npz (arch, task, acc). "
            "Tables may be of any space.",
        ),
    ]
    target: Annotated[str, Flag("--to", metavar="TABLE/TASK", help="The new task.")]
    labels: Annotated[
        tuple[int, ...],
        Flag("-n", "--labels", parse=whole_numbers, help="Numbers of labels of the new task."),
    ] = (0, 10, 20)
    source_labels: Annotated[
        int, Flag(least=1, help="Labels of each TABLE/TASK; a file is used whole.")
    ] = 400
    methods: Annotated[
        str | Sequence[str],
        Flag(parse=listed, help=f"{_CHOSEN}{described(TRANSFER_METHODS)}."),
    ] = tuple(TRANSFER_METHODS)
    trials: Trials = 10
    metric: Annotated[
        str | None, Flag("-m", help="Metric or column to use instead of the task's own.")
    ] = None
    seed: Seed = 0
    jobs: Jobs = 1


@dataclass(frozen=True, kw_only=True)
class FewShotOptions(RunOptions, EpisodeOptions):
    """Meta-train few-shot learners for the same time and test them on classes never seen.

    Every episode has some new classes, a few images of each to learn from, and others to classify.
    Accuracies have 95 % intervals over episodes, or over trials where there are several. Try:

        nasurge meta few-shot --seconds 20 --shots 1
    """

    moved: ClassVar[dict[str, str]] = {"--evaluate": "nasurge meta evaluate [FILE]"}

    methods: Annotated[
        str | Sequence[str],
        Flag(parse=listed, help=f"{_CHOSEN}{described(FEW_SHOT_METHODS)}."),
    ] = ("at-nas", "random", "protonet", "anil", "maml", "reptile")
    shots: Shots = (1, 5)
    episodes: Annotated[int, Flag(least=1, help="Of every test, the same for all methods.")] = 1000
    seconds: Annotated[
        float, Flag(least=0, help="Processor time of every meta-training; of the clock on a GPU.")
    ] = 60.0
    trials: Trials = 1
    seed: Seed = 0
    jobs: Jobs = 1


@dataclass(frozen=True, kw_only=True)
class WarmStartOptions(RunOptions):
    """Search each task from what was learnt on the others, and tell what that saves.

    The same command goes on in its folder, also with more --seeds. Try:

        nasurge meta warm-start --tasks digits,glyphs#GREEK,glyphs#ARABIC --seeds 1
    """

    tasks: Annotated[
        tuple[str, ...],
        Flag(
            parse=listed,
            help="Image tasks separated by commas, each a set of images, or SET#CLASS+CLASS: "
            "digits, glyphs#GREEK, cifar10.tar.gz#cat+dog. By default what this machine has; "
            "'offline' leaves out the folder NASURGE_DATA.",
        ),
    ] = ()
    seeds: Annotated[int, Flag(least=1, help="Searches of each kind on each task.")] = 3
    space: Annotated[str, Flag(help="A cell space, or mobile.")] = "nb201"
    method: Annotated[str, Flag(help="The search: darts, drnas, gdas, balenas or ddpnas.")] = (
        "ddpnas"
    )
    epochs: Annotated[int, Flag(least=3, help="Of a cold search.")] = 20
    learning_rate: Annotated[float, "Of the weights."] = 0.1
    logit_rate: Annotated[float, "Of the logits of the architecture."] = 0.01
    gate: Annotated[int, Flag(least=1, help="Epochs after which a donor is tested, and taken.")] = 2
    strengths: Annotated[tuple[float, ...], "Of the warm starts that are tried."] = (0.5, 1.0)
    size: Annotated[int, Flag(least=4, help="Pixels of the images.")] = 12
    classes: Annotated[int, "Most classes of a task."] = 20
    train: Annotated[int, Flag(least=20, help="Most training images.")] = 500
    held_out: Annotated[int, "Most held-out images."] = 200
    width: Annotated[
        int, Flag(least=1, help="Channels of supernets and of networks that are trained alone.")
    ] = 4
    train_epochs: Annotated[int, Flag(least=1, help="Of the trainings that tell the truth.")] = 8
    trainings: Annotated[int, "Stand-alone trainings of each architecture."] = 2
    shared: Annotated[int, Flag(least=3, help="Architectures trained on every task.")] = 10
    jobs: Jobs = 1


Tables = Annotated[
    Tasks,
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
    """Leave one task of a table out, learn from its others, and search it.

    Each task named is held out in its turn. Cold searches run beside, with the same budget and
    seeds; what counts are the queries to the best 0.1 % of the searched column, where a search
    ends. Try:

        nasurge meta tables nbgraph/photo --methods evolution,meta-evolution --trials 3
    """

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
