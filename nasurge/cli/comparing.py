"""The command ``nasurge compare``."""

from __future__ import annotations

from ..benchmarks.studies.options import CompareOptions
from .options import command_of, run_and_print


def _compare(options: CompareOptions, as_json: bool) -> None:
    """Measure how well predictors rank the architectures they were not given.

    In each trial all predictors learn the same architectures and rank all others of the table.
    Prints rank correlations with 95 % intervals over trials, also for architectures whose function
    no training architecture computes; writes tidy rows and a report to open in a browser. Try:

        nasurge compare nb201-analog/cifar10 -p auto,xgb,gp -n 20,50,100 --trials 5
    """
    from ..arguments import compare_study

    run_and_print(compare_study(options), as_json=as_json)


compare = command_of(CompareOptions, _compare)
