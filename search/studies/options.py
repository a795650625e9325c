"""Options of the studies of searches and of learning across tasks, each written once.

The docstring of a class is the help of its command.

Read when the command line starts: this imports nothing heavy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, TypeAlias

from ...benchmarks.studies.flags import listed, option, refuse_unused, unseen, whole_numbers
from ...benchmarks.studies.options import (
    Backend,
    Jobs,
    Metric,
    Predictors,
    Run,
    RunOptions,
    Seed,
    Tasks,
    Trials,
)
from ..across_tables.names import COLD, WARM
from ..at_nas.options import EpisodeOptions, Shots
from .names import (
    FEW_SHOT_METHODS,
    LATENCY_METHODS,
    NEW_TASK_STARTS,
    TRANSFER_METHODS,
    described,
)

if TYPE_CHECKING:
    from ..base import Searcher
    from ..loop import Tracker
else:
    # The command line reads the types of the fields and must not import what they are.
    Searcher, Tracker = type("Searcher", (), {}), type("Tracker", (), {})

OneSearcher: TypeAlias = str | type[Searcher] | Callable[..., Searcher]
Searchers: TypeAlias = OneSearcher | Sequence[OneSearcher] | Mapping[str, OneSearcher]
"""Names of ``nasurge searchers``, also separated by commas; classes; functions of space, pool and
seed; a mapping gives them names."""

Trackers: TypeAlias = str | Tracker | Sequence[str | Tracker]
"""Names, also separated by commas, or objects of ``nasurge.trackers``."""

_CHOSEN = "Which to compare, separated by commas; all,-NAME leaves one out: "


@dataclass(frozen=True, kw_only=True)
class LatencyOptions(RunOptions):
    """Measure how well latencies on a new device are told from ten measurements.

    What the known devices teach is adapted to each device that is left out by a few measurements
    there, and ranks all other architectures. Prints Spearman correlations with 95 % intervals over
    trials. Try, with a file of your own:

        nasurge meta latency latencies.npz --table nb201 -n 5,10,20
    """

    file: Path = option(
        argument=True,
        metavar="FILE.npz",
        help="Latencies: one array a device, in the order of the table's architectures.",
    )
    table: str = option("nb201", help="Whose architectures they are.")
    devices: tuple[str, ...] = option(
        (),
        parse=listed,
        help="Devices to leave out, all of them together; by default each in turn.",
    )
    measurements: tuple[int, ...] = option(
        (10,), name="-n", parse=whole_numbers, help="Architectures measured on a new device."
    )
    methods: str | Sequence[str] = option(
        tuple(LATENCY_METHODS), parse=listed, help=f"{_CHOSEN}{described(LATENCY_METHODS)}."
    )
    trials: int = Trials(10)
    seed: int = Seed(0)
    jobs: int = Jobs(1)


@dataclass(frozen=True, kw_only=True)
class TransferOptions(RunOptions):
    """Measure what earlier tasks say of a new one, with no and with few labels of it.

    In each trial all methods learn the same labels of earlier tasks and, but for those that choose
    (anchors), of the new one, and rank all other architectures. Prints Kendall's tau with 95 %
    intervals over trials. Try:

        nasurge meta transfer nbgraph/cora,nbgraph/citeseer --to nbgraph/pubmed --trials 3
    """

    sources: str = option(
        argument=True,
        metavar="SOURCES",
        help="Earlier tasks, separated by commas: TABLE/TASK, TABLE for all its tasks but the "
        "new one and those on its data, or a file of triples FILE.npz (arch, task, acc). "
        "Tables may be of any space.",
    )
    target: str = option(name="--to", metavar="TABLE/TASK", help="The new task.")
    labels: tuple[int, ...] = option(
        (0, 10, 20),
        name="-n --labels",
        parse=whole_numbers,
        help="Numbers of labels of the new task.",
    )
    source_labels: int = option(
        400, least=1, help="Labels of each TABLE/TASK; a file is used whole."
    )
    methods: str | Sequence[str] = option(
        tuple(TRANSFER_METHODS), parse=listed, help=f"{_CHOSEN}{described(TRANSFER_METHODS)}."
    )
    trials: int = Trials(10)
    metric: str | None = option(
        None, name="-m", help="Metric or column to use instead of the task's own."
    )
    seed: int = Seed(0)
    jobs: int = Jobs(1)


@dataclass(frozen=True, kw_only=True)
class FewShotOptions(RunOptions, EpisodeOptions):
    """Meta-train few-shot learners for the same time and test them on classes never seen.

    Every episode has some new classes, a few images of each to learn from, and others to classify.
    Accuracies have 95 % intervals over episodes, or over trials where there are several. Try:

        nasurge meta few-shot --seconds 20 --shots 1
    """

    moved: ClassVar[dict[str, str]] = {"--evaluate": "nasurge meta evaluate [FILE]"}

    methods: str | Sequence[str] = option(
        ("at-nas", "random", "protonet", "anil", "maml", "reptile"),
        parse=listed,
        help=f"{_CHOSEN}{described(FEW_SHOT_METHODS)}.",
    )
    shots: tuple[int, ...] = Shots((1, 5))
    episodes: int = option(1000, least=1, help="Of every test, the same for all methods.")
    seconds: float = option(
        60.0, least=0, help="Processor time of every meta-training; of the clock on a GPU."
    )
    trials: int = Trials(1)
    seed: int = Seed(0)
    jobs: int = Jobs(1)


Searched = partial(option, section="How a task is searched")


@dataclass(frozen=True, kw_only=True)
class WarmStartOptions(RunOptions):
    """Search each task from what was learnt on the others, and tell what that saves.

    The same command goes on in its folder, also with more --seeds. Try:

        nasurge meta warm-start --tasks digits,glyphs#GREEK,glyphs#ARABIC --seeds 1
    """

    tasks: tuple[str, ...] = option(
        (),
        parse=listed,
        help="Image tasks separated by commas, each a set of images, or SET#CLASS+CLASS: "
        "digits, glyphs#GREEK, cifar10.tar.gz#cat+dog. By default what this machine has; "
        "'offline' leaves out the folder NASURGE_DATA.",
    )
    seeds: int = option(3, least=1, help="Searches of each kind on each task.")
    space: str = Searched("nb201", help="A cell space, or mobile.")
    method: str = Searched("ddpnas", help="The search: darts, drnas, gdas, balenas or ddpnas.")
    epochs: int = Searched(20, least=3, help="Of a cold search.")
    learning_rate: float = unseen(0.1, "Of the weights.")
    logit_rate: float = unseen(0.01, "Of the logits of the architecture.")
    gate: int = Searched(2, least=1, help="Epochs after which a donor is tested, and taken.")
    strengths: tuple[float, ...] = unseen((0.5, 1.0), "Of the warm starts that are tried.")
    size: int = Searched(12, least=4, help="Pixels of the images.")
    classes: int = unseen(20, "Most classes of a task.")
    train: int = Searched(500, least=20, help="Most training images.")
    held_out: int = unseen(200, "Most held-out images.")
    width: int = Searched(
        4, least=1, help="Channels of supernets and of networks that are trained alone."
    )
    train_epochs: int = option(8, least=1, help="Of the trainings that tell the truth.")
    trainings: int = unseen(2, "Stand-alone trainings of each architecture.")
    shared: int = option(10, least=3, help="Architectures trained on every task.")
    jobs: int = Jobs(1)


One = partial(option, section="One new task")


@dataclass(frozen=True, kw_only=True)
class NewTaskOptions(WarmStartOptions):
    """Start the search of one new task from a store of earlier ones, or measure what that saves.

    With --from, the images of --images are compared with the earlier tasks in the folder, searched
    from the start that these give, and the result is kept there for the next task. An empty folder
    begins a store:

        nasurge meta warm-start --from store --images my-images

    Without it each of --tasks is searched from what was learnt on the others, and the saving is
    told. The same command goes on in its folder, also with more --seeds:

        nasurge meta warm-start --tasks digits,glyphs#GREEK,glyphs#ARABIC --seeds 1
    """

    store: Path | None = One(
        None,
        name="--from",
        help="Folder of earlier searches: of this command, or experiences/seed-0 of its study.",
    )
    images: str | None = One(
        None,
        help="Images of the new task: a folder or archive CLASS/NAME.jpg or "
        "{train,test}/CLASS/NAME.jpg, or as of --tasks.",
    )
    name: str | None = One(
        None, help="What the store calls the new task; by default as --images was typed."
    )
    start: str = One(
        "meta-transfer",
        help=f"From which earlier tasks: {described(NEW_TASK_STARTS)}.",
    )
    strength: float = One(0.5, least=0, help="Multiplies the logits of the start.")
    keep: bool = One(
        True, name="--keep/--no-keep", help="Whether the store keeps the result of this search."
    )
    device: str = One("auto", help="auto, cpu, cuda, cuda:INDEX or mps.")
    seed: int = One(0, least=0, most=2**31 - 1, help="Seed of everything random.")


Tables = partial(
    option,
    argument=True,
    metavar="TABLE/TASK",
    help="What to work on, such as nb201-analog/cifar10; several separated by commas; a table "
    "alone means all its tasks. See: nasurge tables.",
)
Budget = partial(option, name="-b", least=1, help="Architectures evaluated per trial.")


@dataclass(frozen=True, kw_only=True)
class TrialOptions(RunOptions):
    """Options of all studies that search tables over trials."""

    budget: int = Budget(100)
    trials: int = Trials(20)
    seed: int = Seed(0)
    backend: str | None = Backend(None)

    @property
    def batch_size(self) -> int:
        """Architectures asked for at once."""
        return 1


@dataclass(frozen=True)
class SearchOptions(TrialOptions):
    """Options of ``nasurge search``."""

    tables: Tasks = Tables()
    searchers: Searchers | None = option(
        None,
        name="-s",
        shown="bo, with -p evolution, with --objectives nsga2",
        help="Searchers, separated by commas, random always beside them; all is every one, "
        "all,-NAME all but one; MODULE:CLASS is one of your own.",
    )
    _: KW_ONLY
    predictors: Predictors | None = option(
        None,
        name="-p",
        help="Predictors that guide them, separated by commas; all,-NAME and MODULE:CLASS as for "
        "-s.",
    )
    objectives: str | Sequence[str] | None = option(
        None, help="Two or more, such as accuracy,flops: search for their Pareto front."
    )
    constraints: str | Sequence[str] = option(
        (),
        name="--constraint",
        metavar="NAME<=NUMBER",
        repeated=True,
        help="A bound in the table's units, such as 'flops<=100'; may be repeated.",
    )
    batch: int | None = option(
        None, least=1, shown="5", help="Architectures asked for at once, between refits."
    )
    metric: str | None = Metric(None)
    workers: int | None = Run(
        None,
        least=1,
        help="Simulate so many asynchronous workers, each training one architecture at a time, "
        "and say how long they take; for tables with training times, such as transnas-micro.",
    )
    timeout: float | None = Run(
        None,
        least=0,
        help="Seconds after which nothing further is begun; the same command again goes on.",
    )
    storage: str | None = Run(
        None,
        help="Database in which every search is an Optuna study, such as sqlite:///runs.db or "
        "postgresql://USER@HOST/DATABASE: a search that was stopped goes on there, and several "
        "workers share it. With --study alone: sqlite:///nasurge.db.",
    )
    study: str | None = Run(
        None, help="How the names of these studies begin: NAME/TABLE/TASK/SEARCHER/TRIAL."
    )
    track: Trackers | None = Run(
        None,
        metavar="NAMES",
        help="Experiment trackers that follow every search, separated by commas: mlflow, "
        "tensorboard (in runs/tensorboard), wandb.",
    )

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

    tables: Tasks = Tables()
    methods: str | Sequence[str] = option(
        ",".join((*COLD[:3], *WARM)),
        help=f"Warm: {', '.join(WARM)}. Cold: {', '.join(COLD)}. all is every one, all,-NAME "
        "all but one.",
    )
    _: KW_ONLY
    file: Path | None = option(
        None,
        name="--from",
        metavar="FILE.npz",
        help="Learn from the triples in this file (arch, task, acc), not from the table.",
    )
    trials: int = Trials(10)
    batch: int = option(1, least=1, help="Architectures asked for at once.")

    @property
    def batch_size(self) -> int:
        """Architectures asked for at once."""
        return self.batch
