"""Options of the studies of predictors and trained networks, each written once.

Read when the command line starts: this imports nothing heavy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, TypeAlias

from ...data.arguments import as_path
from .flags import Flag, whole_numbers

if TYPE_CHECKING:
    from ...data.images import Images
    from ...data.spaces import Space
    from ...data.tables import Table
    from ...predictors.base import Predictor
    from ..objectives import Problem
    from ..training import Recipe
    from .inherit import SupernetRecipe
else:
    # The command line reads the types of the fields and must not import what they are.
    Images, Space, Table, Predictor, Problem, Recipe, SupernetRecipe = (
        type(name, (), {})
        for name in ["Images", "Space", "Table", "Predictor", "Problem", "Recipe", "SupernetRecipe"]
    )

Seed = Annotated[int, Flag(least=0, most=2**31 - 1, help="Seed of everything random.")]
Trials = Annotated[int, Flag("-t", least=1, help="Trials of each.")]
Jobs = Annotated[int, Flag("-j", help="Processes; -1 is one per core.")]
Backend = Annotated[
    str | None,
    Flag(
        help="Where the trials run, by joblib: loky (processes here), dask or ray (a cluster; "
        "pip install nasurge[cluster])."
    ),
]
Metric = Annotated[
    str | None, Flag("-m", help="Metric or column to use instead of the task's own.")
]
OnePredictor: TypeAlias = str | type[Predictor] | Predictor
Predictors: TypeAlias = OnePredictor | Sequence[OnePredictor] | Mapping[str, OnePredictor]
"""Names of ``nasurge predictors``, also separated by commas; classes; objects; with names."""
OneTask: TypeAlias = str | Table | Problem
Tasks: TypeAlias = OneTask | Sequence[OneTask]
"""Tasks of tables, by name, also separated by commas; tables; tasks."""

CHOICE = "Which architectures"
SCORES = "What is compared"
NETWORKS = "How networks are trained"


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """How and where a study is run; the options of every kind end with these."""

    jobs: Jobs = -1
    out: Annotated[
        Path | None,
        Flag(
            help="Folder for rows, summary and report; by default runs/KIND-XXXXXXXX, named by "
            "what is run. A run that was stopped goes on where it was; there, more may also be "
            "asked for, such as trials."
        ),
    ] = None
    command: Annotated[str, "Command that repeats it, for the report."] = ""
    progress: Annotated[
        Callable[[int, int, str], None] | None,
        "True for a progress bar, or called with the parts done, those in all, and the name of the "
        "last.",
    ] = None

    def __post_init__(self) -> None:
        if self.out is not None:
            object.__setattr__(self, "out", as_path(self.out))

    def __getstate__(self) -> dict[str, Any]:
        """Fields for another process, without the progress bar of this one."""
        return {**vars(self), "progress": None}


@dataclass(frozen=True)
class CompareOptions(RunOptions):
    """Options of ``nasurge compare``."""

    tables: Annotated[
        Tasks,
        Flag(
            argument=True,
            metavar="TABLE/TASK",
            help="What to work on, such as nb201-analog/cifar10; several separated by commas; a "
            "table alone means all its tasks. See: nasurge tables.",
        ),
    ]
    predictors: Annotated[
        Predictors,
        Flag(
            "-p",
            help="Predictors, separated by commas; all is every one that can serve the space, "
            "all,-NAME all but one.",
        ),
    ] = "auto,xgb,gp,gin"
    _: KW_ONLY
    n_train: Annotated[
        Sequence[int],
        Flag("-n", parse=whole_numbers, help="Numbers of training architectures."),
    ] = (20, 50, 100)
    trials: Trials = 10
    metric: Metric = None
    cheap: Annotated[
        Sequence[str],
        Flag(
            metavar="METRIC[@EPOCH]",
            repeated=True,
            help="Column known for every architecture, given to predictors that take cheap values "
            "(low-fidelity), such as accuracy@12; may be repeated.",
        ),
    ] = ()
    seed: Seed = 0
    backend: Backend = None


@dataclass(frozen=True, kw_only=True)
class TrainingOptions(RunOptions):
    """Which images networks are trained on, and how."""

    images: Annotated[
        str | Path | Images,
        Flag(
            section=NETWORKS,
            help="digits, mnist5k, fashion-mnist, or a path: CIFAR's or Omniglot's own files, or a "
            "folder or archive {train,test}/CLASS/*.jpg.",
        ),
    ] = "digits"
    size: Annotated[
        int | None, Flag(section=NETWORKS, least=1, help="Side of the images in pixels.")
    ] = None
    limit: Annotated[int | None, Flag(section=NETWORKS, help="Most training images.")] = None
    noise: Annotated[
        float,
        Flag(
            section=NETWORKS,
            least=0,
            help="Noise on the images, in standard deviations of theirs.",
        ),
    ] = 0.0
    recipe: Annotated[
        str | Recipe | None,
        Flag(section=NETWORKS, help="How to train: a JSON object or a file of one."),
    ] = None
    width: Annotated[
        int | None,
        Flag(section=NETWORKS, least=1, default="8", help="Channels after the stem."),
    ] = None
    cells: Annotated[
        int | None,
        Flag(section=NETWORKS, least=1, default="1", help="Cells a stage (three stages)."),
    ] = None
    epochs: Annotated[
        int | None,
        Flag(section=NETWORKS, least=1, default="the recipe's", help="Training length."),
    ] = None
    device: Annotated[str, Flag(section=NETWORKS, help="auto, cpu, cuda or mps.")] = "auto"


@dataclass(frozen=True)
class ValidateOptions(TrainingOptions):
    """Options of ``nasurge validate``."""

    moved: ClassVar[dict[str, str]] = {"--verify N": "nasurge table verify NAME -n N"}

    table: Annotated[
        OneTask | None,
        Flag(
            argument=True,
            metavar="TABLE/TASK",
            help="What to validate, such as nb201-analog/cifar10. See: nasurge tables.",
        ),
    ] = None
    predictors: Annotated[
        Predictors,
        Flag(
            "--predictors",
            "--predictor",
            "-p",
            section=SCORES,
            help="Predictors, separated by commas. The first ranks, unless a search did.",
        ),
    ] = "auto"
    _: KW_ONLY
    space: Annotated[
        str | Space | None,
        Flag(
            section=CHOICE,
            help="Instead of a table: a space alone, such as nb201, transnas-micro or mobile.",
        ),
    ] = None
    search: Annotated[
        str | Path | None,
        Flag(
            section=CHOICE,
            help="Folder of a finished nasurge search: choose from what it evaluated, ranked by "
            "what it saw.",
        ),
    ] = None
    top: Annotated[
        int | None,
        Flag(
            section=CHOICE,
            least=0,
            default="5",
            help="How many of the best, by the first predictor.",
        ),
    ] = None
    spread: Annotated[
        int | None,
        Flag(
            section=CHOICE,
            least=0,
            default="10",
            help="How many at even steps down the rest of that ranking.",
        ),
    ] = None
    stratified: Annotated[
        int | None,
        Flag(
            section=CHOICE,
            least=0,
            help="How many, one of each of so many equal parts of the table's own ranking. With "
            "this or --random, --top and --spread are 0 unless given.",
        ),
    ] = None
    random: Annotated[
        int | None,
        Flag(section=CHOICE, least=0, default="with --space 15", help="How many drawn at random."),
    ] = None
    n_train: Annotated[
        int,
        Flag(
            "-n",
            section=SCORES,
            least=1,
            help="Architectures of the table that predictors learn from.",
        ),
    ] = 100
    metric: Metric = None
    learn_from: Annotated[
        int,
        Flag(
            section=SCORES,
            least=0,
            help="Train so many further architectures, and let the predictors learn from these "
            "alone, too.",
        ),
    ] = 0
    supernet: Annotated[
        str | SupernetRecipe | None,
        Flag(
            section=SCORES,
            help="Train a supernet, too, and compare what architectures inherit from it: spos, "
            'fairnas or sandwich, or a JSON object or a file of one, such as {"rule": "spos", '
            '"epochs": 60}.',
        ),
    ] = None
    supernet_architectures: Annotated[
        int,
        Flag(
            section=SCORES,
            least=0,
            help="Further architectures that the supernet scores and nobody trains.",
        ),
    ] = 0
    seeds: Annotated[
        int,
        Flag(
            section=SCORES,
            least=1,
            help="Trainings of each; two or more show how far training agrees with itself.",
        ),
    ] = 1
    score: Annotated[
        str,
        Flag(
            section=SCORES,
            help="What ranks trained networks: accuracy (test, at the end), curve (validation "
            "accuracy, mean over the epochs), training (minus the training loss of the last "
            "epoch) or loss (minus the test loss).",
        ),
    ] = "accuracy"
    seed: Seed = 0


@dataclass(frozen=True)
class VerifyOptions(RunOptions):
    """Options of ``nasurge table verify``."""

    table: Annotated[
        str | Table,
        Flag(
            argument=True,
            metavar="NAME",
            help="A table that NASurge trained, such as nb201-digits.",
        ),
    ]
    n: Annotated[
        int, Flag("-n", "--architectures", least=1, help="How many of its architectures to train.")
    ] = 5
    _: KW_ONLY
    images: Annotated[
        str | Path | None, Flag(help="Where the images are, if not where they were.")
    ] = None
    device: Annotated[str, Flag(help="auto, cpu, cuda or mps.")] = "auto"


@dataclass(frozen=True)
class BuildOptions(TrainingOptions):
    """Options of ``nasurge table build``."""

    name: Annotated[str, Flag(argument=True, metavar="NAME", help="Name of the table.")]
    _: KW_ONLY
    space: Annotated[str | Space, Flag(help="Space whose networks are trained.")] = "nb201"
    architectures: Annotated[int, Flag("-n", least=1, help="How many to train.")] = 100
    seeds: Annotated[int, Flag(least=1, help="Trainings of each, with the seeds 0, 1, ...")] = 2
    sample_seed: Annotated[int, Flag(least=0, help="Draws the architectures.")] = 0
    twins: Annotated[bool, Flag(help="Let several architectures compute the same function.")] = (
        False
    )
    proxies: Annotated[
        str | Sequence[str],
        Flag(help="Zero-cost proxies to add, separated by commas; all is every one."),
    ] = ()
    threads: Annotated[
        int, Flag(least=1, help="Threads of each training: results depend on it by rounding.")
    ] = 1
    force: Annotated[bool, Flag(help="Replace a table of that name.")] = False
