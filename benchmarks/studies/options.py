"""Options of the studies of predictors and trained networks, each written once.

Read when the command line starts: this imports nothing heavy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from .flags import Flag

Seed = Annotated[int, Flag(least=0, most=2**31 - 1, help="Seed of everything random.")]
Trials = Annotated[int, Flag("-t", least=1, help="Trials of each.")]
Jobs = Annotated[int, Flag("-j", help="Processes; -1 is one per core.")]


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """How and where a study is run; the options of every kind begin from these."""

    jobs: Jobs = -1
    out: Annotated[
        Path | None,
        Flag(
            help="Folder for rows, summary and report; by default runs/KIND-XXXXXXXX, named by "
            "what is run. A run that was stopped goes on where it was; there, more may also be "
            "asked for, such as trials."
        ),
    ] = None
    command: str = ""
    progress: Callable[[int, int, str], None] | None = None
