"""Options of what stands in ``nasurge`` itself; read when the command line starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .benchmarks.studies.flags import listed, option, refuse_unused, unseen
from .benchmarks.studies.options import Jobs, OnePredictor, Trials
from .errors import ParameterError
from .search.studies.options import SearchOptions, Tables

if TYPE_CHECKING:
    from .benchmarks.objectives import Problem
    from .data.spaces import Space
    from .data.tables import Table
else:
    # The command line reads the types of the fields and must not import what they are.
    Space, Table, Problem = (type(name, (), {}) for name in ["Space", "Table", "Problem"])


@dataclass(frozen=True)
class RankOptions:
    """Options of ``nasurge rank``."""

    measured: str | Path | Table | Problem = option(
        argument=True,
        metavar="FILE",
        help="Measured architectures: a CSV or Parquet file as nasurge import takes it, or "
        "TABLE/TASK of a table that is there.",
    )
    _: KW_ONLY
    space: str | Path | Mapping[str, Any] | Space | None = option(
        None,
        metavar="SPACE",
        help="Space of the architectures of a file: FILE.toml that describes it, or a name; by "
        "default the one that is recognised.",
    )
    propose: int = option(20, least=1, help="Architectures to propose for measuring next.")
    predictor: OnePredictor = option(
        "auto", name="-p", help="What learns: a name of nasurge predictors, or MODULE:CLASS."
    )
    metric: str | None = option(None, name="-m", help="Column to rank by, where there are several.")
    minimise: Sequence[str] = option(
        (),
        metavar="COLUMN",
        parse=listed,
        help="Columns of which smaller is better, separated by commas; errors and costs are known "
        "by their names.",
    )
    maximise: Sequence[str] = option(
        (), metavar="COLUMN", parse=listed, help="Columns of which bigger is better, likewise."
    )
    sample: int = option(
        20_000,
        least=2,
        help="Most architectures ranked: of a larger space so many, half of them drawn uniformly, "
        "a quarter near the best measured, and a quarter mutants of the best predicted.",
    )
    seed: int = option(0, least=0, most=2**31 - 1, help="Seed of everything random.")
    out: Path | None = option(
        None,
        shown="ranking.csv",
        help="CSV file for all ranked architectures: architecture, a column for each variable, "
        "score, std.",
    )
    write: bool = unseen(False, "Write ``ranking.csv`` even if no ``out`` is named.")


Own = partial(option, section="A function of your own in the place of a table")
Trained = partial(option, section="Networks that are trained in the place of a table")


@dataclass(frozen=True, kw_only=True)
class FunctionOptions:
    """Options of a search with a function: what is searched, and where."""

    space: str | None = Own(
        None,
        metavar="SPACE",
        help="Space to search: FILE.toml that describes it, a name, such as darts, or a model with "
        "choices, MODULE:CLASS, such as my_module:Net.",
    )
    images: str | None = Trained(
        None,
        help="Instead of --objective: train networks of the space on digits, mnist5k, "
        "fashion-mnist or a path; searched is accuracy, or --objectives of accuracy, latency "
        "(milliseconds on this machine), flops and parameters (millions).",
    )
    size: int | None = Trained(None, least=1, help="Side of the images in pixels.")
    limit: int | None = Trained(None, help="Most training images.")
    recipe: str | None = Trained(
        None, help="How to train on --images: a JSON object or a file of one."
    )
    device: str = Trained("auto", help="Where to train: auto, cpu, cuda, cuda:INDEX or mps.")
    objective: str | None = Own(
        None,
        metavar="MODULE:FUNCTION",
        help="A Python function from architectures to values, bigger is better: train:accuracy "
        "is accuracy of train.py here. With --objectives it returns a dict.",
    )
    form: str = Own(
        "codes",
        help="What it is called with: codes (an array of all that are asked for), or each "
        "architecture by itself, as one of dicts or strings.",
    )
    minimise: Sequence[str] = Own(
        (),
        metavar="NAME",
        parse=listed,
        help="Objectives of which smaller is better, separated by commas; value is one without a "
        "name, and errors and costs are known by their names.",
    )
    maximise: Sequence[str] = Own(
        (), metavar="NAME", parse=listed, help="Objectives of which bigger is better, likewise."
    )
    costs: Sequence[str] = Own(
        (),
        name="--cost",
        metavar="NAME=MODULE:FUNCTION",
        repeated=True,
        help="What is known before an evaluation, for a --constraint or as an objective; may be "
        "repeated.",
    )
    retry_failed: bool = Own(False, help="Evaluate again what has failed before.")


@dataclass(frozen=True)
class SearchCommandOptions(FunctionOptions, SearchOptions):
    """Options of ``nasurge search``, with tables or with a function."""

    tables: str | None = Tables(None)  # type: ignore[assignment]
    _: KW_ONLY
    trials: int = Trials(None, shown="20; with --objective 1")
    jobs: int = Jobs(None, shown="-1; with --objective 1")

    def __post_init__(self) -> None:
        """Refuse what belongs to the other of tables and functions.

        Raises
        ------
        ParameterError
            If both are given, neither, or an option would have no effect.
        """
        of_function = self.objective is not None or self.images is not None
        if self.objective is not None and self.images is not None:
            raise ParameterError(
                "search either trainings on --images or your --objective, not both"
            )
        if self.tables is not None and (of_function or self.space is not None):
            raise ParameterError(
                f"search either a table ({self.tables}) or a --space with an --objective, not both"
            )
        if self.space is not None and not of_function:
            raise ParameterError(
                "--space needs the function to search: --objective MODULE:FUNCTION, such as "
                "train:accuracy; or --images, to train its networks on"
            )
        if of_function and self.space is None:
            raise ParameterError(
                "--objective or --images needs the space of its architectures: --space "
                "FILE.toml, or a name, such as darts"
            )
        if not of_function and self.tables is None:
            raise ParameterError(
                "name what to search: TABLE/TASK, such as nb201-analog/cifar10 (see: nasurge "
                "tables), or --space and --objective for a function of your own"
            )
        if of_function:
            way = "--objective" if self.images is None else "--images"
            refuse_unused(self, ("metric", "workers"), f"with {way}")
            if self.images is None:
                names = ["size", "limit", "recipe", "device"]
                refuse_unused(self, names, "without --images, on which networks are trained")
            else:
                names = ["form", "costs", "minimise", "maximise"]
                refuse_unused(self, names, "with --images, whose trainings have known values")
        else:
            names = [field.name for field in fields(FunctionOptions)]
            refuse_unused(self, names, "with a table, which knows all values")
        for name, table in (("trials", 20), ("jobs", -1)):
            if getattr(self, name) is None:
                object.__setattr__(self, name, 1 if of_function else table)
        super().__post_init__()

    def of_tables(self) -> SearchOptions:
        """Options of a search on tables."""
        return SearchOptions(**{f.name: getattr(self, f.name) for f in fields(SearchOptions)})
