"""What a script calls to learn over tasks: names instead of classes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .arguments import given_names, given_problems, keep_summary
from .benchmarks.objectives import Problem
from .search.studies import COLD, WARM, MetaStudy, meta_report, meta_tables


def meta_study(
    tables: str | Sequence[Problem],
    methods: str | Sequence[str] = "gp-ei,bo,evolution,meta-bo,meta-evolution,catch",
    *,
    file: str | Path | None = None,
    out: str | Path | None = None,
    **settings: Any,
) -> MetaStudy:
    """Return how searches that learnt from a table's other tasks do on the one that is held out.

    Parameters
    ----------
    tables : str or sequence of Problem
        The tasks that are held out, each in its turn.
    methods : str or sequence of str
        ``meta-bo``, ``meta-evolution``, ``catch``, and the cold ``gp-ei`` (a plain Gaussian
        process on structural features), ``bo``, ``evolution``, ``random``.
    file : str or Path, optional
        To learn from the labels in it, instead of the table's other tasks.
    out : str or Path, optional
    **settings
        As ``nasurge.search.studies.meta_tables``: ``budget``, ``trials``, ``batch``, ``seed``,
        ``jobs``, ``command``, ``progress``.

    Raises
    ------
    NasurgeError
        A leaf that says what was wrong: an unknown name, a table of one task, a full disk.
    """
    found = meta_tables(
        given_problems(tables),
        given_names(methods, (*COLD, *WARM)),
        file=Path(file) if file else None,
        out=Path(out) if out else None,
        **settings,
    )
    keep_summary(found.folder, found, ("summary", "curves", "maps", "about"))
    meta_report(found.folder)
    return found
