"""Options of the studies of predictors and trained networks, each written once.

Read when the command line starts: this imports nothing heavy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from ...data.arguments import as_path
from .flags import option, unseen, whole_numbers

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

# Flags of the sections of a long help.
Run = partial(option, section="How it is run")
Choice = partial(option, section="Which architectures")
Scored = partial(option, section="What is compared")
Network = partial(option, section="How networks are trained")

Seed = partial(Run, least=0, most=2**31 - 1, help="Seed of everything random.")
Trials = partial(Run, name="-t", least=1, help="Trials of each.")
Jobs = partial(Run, name="-j", help="Processes; -1 is one per core.")
Backend = partial(
    Run,
    help="Where the trials run, by joblib: loky (processes here), dask or ray (a cluster; "
    "pip install nasurge[cluster]).",
)
Metric = partial(option, name="-m", help="Metric or column to use instead of the task's own.")
OnePredictor: TypeAlias = str | type[Predictor] | Predictor | Callable[..., Predictor]
Predictors: TypeAlias = OnePredictor | Sequence[OnePredictor] | Mapping[str, OnePredictor]
"""Names of ``nasurge predictors``, also separated by commas; classes; objects; functions of space
and seed; a mapping gives them names."""
OneTask: TypeAlias = str | Table | Problem
Tasks: TypeAlias = OneTask | Sequence[OneTask]
"""Tasks of tables, by name, also separated by commas; tables; tasks."""

FORMATS = ("html", "latex", "markdown", "csv", "pdf", "svg")
"""What a study can be shown as."""
COLUMN = 3.33
"""Width of a column of text in most two-column styles, in inches."""


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """How and where a study is run; the options of every kind end with these."""

    jobs: int = Jobs(-1)
    out: Path | None = Run(
        None,
        help="Folder for rows, summary and report; by default runs/KIND-XXXXXXXX, named by "
        "what is run. A run that was stopped goes on where it was; there, more may also be "
        "asked for, such as trials.",
    )
    command: str = unseen("", "Command that repeats it, for the report.")
    progress: Callable[[int, int, str], None] | None = unseen(
        None,
        "True for a progress bar, or called with the parts done, those in all, and the name of the "
        "last.",
    )

    def __post_init__(self) -> None:
        if self.out is not None:
            object.__setattr__(self, "out", as_path(self.out))

    def __getstate__(self) -> dict[str, Any]:
        """Fields for another process, without the progress bar of this one."""
        return {**vars(self), "progress": None}


@dataclass(frozen=True)
class CompareOptions(RunOptions):
    """Options of ``nasurge compare``."""

    tables: Tasks = option(
        argument=True,
        metavar="TABLE/TASK",
        help="What to work on, such as nb201-analog/cifar10; several separated by commas; a "
        "table alone means all its tasks. See: nasurge tables.",
    )
    predictors: Predictors = option(
        "auto,xgb,gp,gin",
        name="-p",
        help="Predictors, separated by commas; all is every one that can serve the space, "
        "all,-NAME all but one; MODULE:CLASS is one of your own.",
    )
    _: KW_ONLY
    n_train: Sequence[int] = option(
        (20, 50, 100), name="-n", parse=whole_numbers, help="Numbers of training architectures."
    )
    trials: int = Trials(10)
    metric: str | None = Metric(None)
    cheap: Sequence[str] = option(
        (),
        metavar="METRIC[@EPOCH]",
        repeated=True,
        help="Column known for every architecture, given to predictors that take cheap values "
        "(low-fidelity), such as accuracy@12; may be repeated.",
    )
    seed: int = Seed(0)
    backend: str | None = Backend(None)


@dataclass(frozen=True, kw_only=True)
class TrainingOptions(RunOptions):
    """Which images networks are trained on, and how."""

    images: str | Path | Images = Network(
        "digits",
        help="digits, mnist5k, fashion-mnist, or a path: CIFAR's or Omniglot's own files, or a "
        "folder or archive CLASS/NAME.jpg or {train,test}/CLASS/NAME.jpg.",
    )
    size: int | None = Network(None, least=1, help="Side of the images in pixels.")
    limit: int | None = Network(None, help="Most training images.")
    noise: float = Network(
        0.0, least=0, help="Noise on the images, in standard deviations of theirs."
    )
    recipe: str | Recipe | None = Network(
        None, help="How to train: a JSON object or a file of one."
    )
    width: int | None = Network(None, least=1, shown="8", help="Channels after the stem.")
    cells: int | None = Network(None, least=1, shown="1", help="Cells a stage (three stages).")
    epochs: int | None = Network(None, least=1, shown="the recipe's", help="Training length.")
    device: str = Network("auto", help="auto, cpu, cuda, cuda:INDEX or mps.")


@dataclass(frozen=True)
class ValidateOptions(TrainingOptions):
    """Options of ``nasurge validate``."""

    moved: ClassVar[dict[str, str]] = {"--verify N": "nasurge table verify NAME -n N"}

    table: OneTask | None = option(
        None,
        argument=True,
        metavar="TABLE/TASK",
        help="What to validate, such as nb201-analog/cifar10. See: nasurge tables.",
    )
    predictors: Predictors = Scored(
        "auto",
        name="--predictors --predictor -p",
        help="Predictors, separated by commas, or MODULE:CLASS. The first ranks, unless a search "
        "did.",
    )
    _: KW_ONLY
    space: str | Space | None = Choice(
        None, help="Instead of a table: a space alone, such as nb201, transnas-micro or mobile."
    )
    search: str | Path | None = Choice(
        None,
        help="Folder of a finished nasurge search: choose from what it evaluated, ranked by "
        "what it saw.",
    )
    top: int | None = Choice(
        None, least=0, shown="5", help="How many of the best, by the first predictor."
    )
    spread: int | None = Choice(
        None, least=0, shown="10", help="How many at even steps down the rest of that ranking."
    )
    stratified: int | None = Choice(
        None,
        least=0,
        help="How many, one of each of so many equal parts of the table's own ranking. With "
        "this or --random, --top and --spread are 0 unless given.",
    )
    random: int | None = Choice(
        None, least=0, shown="with --space 15", help="How many drawn at random."
    )
    n_train: int = Scored(
        100, name="-n", least=1, help="Architectures of the table that predictors learn from."
    )
    metric: str | None = Metric(None)
    learn_from: int = Scored(
        0,
        least=0,
        help="Train so many further architectures, and let the predictors learn from these "
        "alone, too.",
    )
    supernet: str | SupernetRecipe | None = Scored(
        None,
        help="Train a supernet, too, and compare what architectures inherit from it: spos, "
        'fairnas or sandwich, or a JSON object or a file of one, such as {"rule": "spos", '
        '"epochs": 60}.',
    )
    supernet_architectures: int = Scored(
        0, least=0, help="Further architectures that the supernet scores and nobody trains."
    )
    seeds: int = Scored(
        1, least=1, help="Trainings of each; two or more show how far training agrees with itself."
    )
    score: str = Scored(
        "accuracy",
        help="What ranks trained networks: accuracy (test, at the end), curve (validation "
        "accuracy, mean over the epochs), training (minus the training loss of the last "
        "epoch) or loss (minus the test loss).",
    )
    seed: int = Seed(0)


@dataclass(frozen=True)
class VerifyOptions(RunOptions):
    """Options of ``nasurge table verify``."""

    table: str | Table = option(
        argument=True, metavar="NAME", help="A table that NASurge trained, such as nb201-digits."
    )
    n: int = option(
        5, name="-n --architectures", least=1, help="How many of its architectures to train."
    )
    _: KW_ONLY
    images: str | Path | None = option(None, help="Where the images are, if not where they were.")
    device: str = option("auto", help="auto, cpu, cuda, cuda:INDEX or mps.")


@dataclass(frozen=True)
class BuildOptions(TrainingOptions):
    """Options of ``nasurge table build``."""

    name: str = option(argument=True, metavar="NAME", help="Name of the table.")
    _: KW_ONLY
    space: str | Space = option("nb201", help="Space whose networks are trained.")
    architectures: int = option(100, name="-n", least=1, help="How many to train.")
    seeds: int = option(2, least=1, help="Trainings of each, with the seeds 0, 1, ...")
    sample_seed: int = option(0, least=0, help="Draws the architectures.")
    twins: bool = option(False, help="Let several architectures compute the same function.")
    proxies: str | Sequence[str] = option(
        (), help="Zero-cost proxies to add, separated by commas; all is every one."
    )
    threads: int = option(
        1, least=1, help="Threads of each training: results depend on it by rounding."
    )
    force: bool = option(False, help="Replace a table of that name.")
