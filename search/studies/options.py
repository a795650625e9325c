"""Options of the studies of searches and of learning across tasks, each written once.

Read when the command line starts: this imports nothing heavy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from ...benchmarks.studies.flags import Flag, listed, whole_numbers
from ...benchmarks.studies.options import Jobs, RunOptions, Seed, Trials

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
