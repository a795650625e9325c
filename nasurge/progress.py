"""The progress bar of commands and of ``nasurge.search(..., progress=True)``."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from .benchmarks.studies import Progress
    from .search.base import Searcher

P = ParamSpec("P")
Result = TypeVar("Result")


@contextmanager
def progress_bar(title: str) -> Iterator[Progress]:
    """Bar on stderr, or in a notebook; nothing where stderr is a file or a pipe.

    What it gives is called with the parts done, those in all, and a note.
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", style="dim", markup=False),
    )
    console = Console(stderr=True)
    shown = console.is_terminal or console.is_jupyter
    with Progress(*columns, console=console, transient=True, disable=not shown) as bar:
        task = bar.add_task(title, total=None, note="")

        def advance(done: int, total: int, note: str) -> None:
            bar.update(task, completed=done, total=total, note=note)

        yield advance


def with_bar(study: Callable[P, Result]) -> Callable[P, Result]:
    """Function that runs a study and takes ``progress=True`` for a progress bar."""

    @functools.wraps(study)
    def call(*args: P.args, **kwargs: P.kwargs) -> Result:
        if not isinstance(kwargs.get("progress"), bool):
            return study(*args, **kwargs)
        if not kwargs.pop("progress"):
            return study(*args, **kwargs)
        with progress_bar(study.__name__) as advance:
            kwargs["progress"] = advance
            return study(*args, **kwargs)

    del call.__dict__["__wrapped__"]
    return call


def after_every_batch(
    progress: Progress, budget: int, callback: Callable[[Searcher], None] | None
) -> Callable[[Searcher], None]:
    """Callback of a search that reports how far it is, and calls another one."""
    import numpy as np

    def report(searcher: Searcher) -> None:
        values = searcher.values_
        known = values.ndim == 1 and np.isfinite(values).any()
        note = f"best {np.nanmax(values):.6g}" if known else ""
        progress(min(len(values), budget), budget, note)
        if callback is not None:
            callback(searcher)

    return report
