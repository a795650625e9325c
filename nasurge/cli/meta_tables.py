"""The command ``nasurge meta tables``."""

from __future__ import annotations

from ..search.studies.options import MetaTablesOptions
from .options import command_of, run_and_print


def _tables(options: MetaTablesOptions, as_json: bool) -> None:
    """Leave one task of a table out, learn from its others, and search it.

    Each task named is held out in its turn. Cold searches run beside, with the same budget and
    seeds; what counts are the queries to the best 0.1 % of the searched column, where a search
    ends. Try:

        nasurge meta tables nbgraph/photo --methods evolution,meta-evolution --trials 3
    """
    from ..search.studies import MetaTablesStudy

    run_and_print(MetaTablesStudy(options), as_json=as_json)


tables = command_of(MetaTablesOptions, _tables)
