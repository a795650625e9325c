"""The command ``nasurge search``."""

from __future__ import annotations

from ..search.studies.options import SearchOptions
from .common import reported_stop
from .options import command_of, run_and_print


def _search(options: SearchOptions, as_json: bool) -> None:
    """Search a table, with random search beside it in the same run.

    A search sees the searched value only (validation accuracy, where the table has one).
    **selected** is the reported value (test accuracy) of the architecture it would pick,
    **oracle** the best it evaluated, which nobody could pick. Try:

        nasurge search nb201-analog/cifar10 -s bo,evolution --budget 50 --trials 10

    With --objectives it is the Pareto front that is searched, and its hypervolume that counts.
    """
    from ..searching import make_search_study

    with reported_stop(as_json=as_json):
        run_and_print(make_search_study(options), as_json=as_json)


search = command_of(SearchOptions, _search)
