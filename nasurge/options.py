"""Options of what stands in ``nasurge`` itself; read when the command line starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .benchmarks.studies.flags import listed, option, unseen

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
    predictor: str = option("auto", name="-p", help="What learns: a name of nasurge predictors.")
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
