"""What the arguments of a script mean: tasks and names given as text, and where results stay."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .benchmarks.objectives import Problem, parse_problems
from .benchmarks.studies import write_summary
from .errors import ParameterError


def given_problems(tables: str | Sequence[Problem], metric: str | None = None) -> list[Problem]:
    """Return problems, also from text such as ``"nbgraph/cora,nb201"``.

    Parameters
    ----------
    tables : str or sequence of Problem
    metric : str, optional
        A metric or column to search and report instead of the task's own, where text is given.

    Raises
    ------
    UnknownNameError
        If there is no such table, task or metric.
    """
    return parse_problems(tables, metric=metric) if isinstance(tables, str) else list(tables)


def given_names(given: str | Sequence[str], known: Sequence[str]) -> list[str]:
    """Return names, each once, also from text with commas.

    Parameters
    ----------
    given : str or sequence of str
        ``all`` stands for every known one, ``-NAME`` leaves one out again.
    known : sequence of str

    Raises
    ------
    ParameterError
        If a name is left out that was not asked for.

    Examples
    --------
    >>> given_names("all,-bo", ["bo", "random", "local"])
    ['random', 'local']
    """
    names = given.split(",") if isinstance(given, str) else list(given)
    names = [name.strip() for name in names if name.strip()]
    left_out = [name[1:] for name in names if name.startswith("-")]
    asked = [name for name in names if not name.startswith("-")]
    if "all" in asked:
        asked = [*known, *(name for name in asked if name != "all")]
    if unknown := [name for name in left_out if name not in asked]:
        raise ParameterError(f"nothing to leave out is called {', '.join(unknown)}: see the names")
    return [name for name in dict.fromkeys(asked) if name not in left_out]


def keep_summary(folder: Path, found: Any, parts: Sequence[str]) -> None:
    """Write what a report is made from.

    Parameters
    ----------
    folder : Path
        Of the study.
    found : object
        What the study returned, with ``about``.
    parts : sequence of str
        Its attributes that are kept.

    Raises
    ------
    StorageError
        If the folder cannot be written to.
    """
    kept = {part: getattr(found, part) for part in parts}
    write_summary(folder, {**kept, "command": found.about.get("command", "")})
