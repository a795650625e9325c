"""The command ``nasurge search``."""

from __future__ import annotations

from ..options import SearchCommandOptions
from .common import reported_stop
from .options import command_of, run_and_print


def _search(options: SearchCommandOptions, as_json: bool) -> None:
    """Search a table, with random search beside it in the same run, or a function of your own.

    On a table a search sees the searched value only (validation accuracy, where there is one).
    **selected** is the reported value (test accuracy) of the architecture it would pick,
    **oracle** the best it evaluated, which nobody could pick. Try:

        nasurge search nb201-analog/cifar10 -s bo,evolution --budget 50 --trials 10

    With --objectives it is the Pareto front that is searched, and its hypervolume that counts.

    With --space and --objective a Python function is called for every architecture. Each
    evaluation is kept in the folder, or in --storage, at once: the same command goes on there.

        nasurge search --space darts --objective train:accuracy --budget 50

    With --space and --images the networks of the space are trained, such as those of a PyTorch
    model with choices of nasurge.nn inside:

        nasurge search --space my_module:Net --images digits --budget 30
    """
    with reported_stop(as_json=as_json):
        if options.objective is None and options.images is None:
            from ..searching import make_search_study

            run_and_print(make_search_study(options.of_tables()), as_json=as_json)
        else:
            from ..functions import FunctionStudy

            run_and_print(FunctionStudy(options), as_json=as_json)


search = command_of(SearchCommandOptions, _search)
