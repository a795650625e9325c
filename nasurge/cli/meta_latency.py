"""The command ``nasurge meta latency``."""

from __future__ import annotations

from ..search.studies.options import LatencyOptions
from .options import command_of, run_and_print


def _latency(options: LatencyOptions, as_json: bool) -> None:
    """Measure how well latencies on a new device are told from ten measurements.

    What the known devices teach is adapted to each device that is left out by a few measurements
    there, and ranks all other architectures. Prints Spearman correlations with 95 % intervals over
    trials. Try, with a file of your own:

        nasurge meta latency latencies.npz --table nb201 -n 5,10,20
    """
    from ..search.studies import LatencyStudy

    run_and_print(LatencyStudy(options), as_json=as_json)


latency = command_of(LatencyOptions, _latency)
