"""Studies of learning over tasks, as functions for scripts."""

from __future__ import annotations

from .benchmarks.studies import called_with
from .progress import with_bar
from .search.studies import MetaTablesFindings, MetaTablesOptions, MetaTablesStudy


def _meta_study(options: MetaTablesOptions) -> MetaTablesFindings:
    """Measures of searches that learnt from a table's other tasks, on the one held out.

    Raises
    ------
    NasurgeError
        A leaf that says what was wrong: an unknown name, a table of one task, a full disk.
    """
    return MetaTablesStudy(options).run()


meta_study = with_bar(called_with(MetaTablesOptions, _meta_study))
