"""The progress bar of ``nasurge.search(..., progress=True)``, in a terminal or a notebook."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

from .benchmarks.studies import Progress
from .search.base import Searcher


@contextmanager
def bar(title: str) -> Iterator[Progress]:
    """Show a progress bar: a widget in a notebook that has them, else a line on stderr."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # without ipywidgets tqdm falls back to text, and says so
        from tqdm.auto import tqdm

    with tqdm(total=1, desc=title, dynamic_ncols=True) as shown:

        def advance(done: int, total: int, note: str) -> None:
            shown.total = total
            shown.n = done
            shown.set_postfix_str(note)

        yield advance


def after_every_batch(
    progress: Progress, budget: int, callback: Callable[[Searcher], None] | None
) -> Callable[[Searcher], None]:
    """Return a callback of a search that reports how far it is, and calls another one."""

    def told(searcher: Searcher) -> None:
        values = searcher.values_
        known = values.ndim == 1 and np.isfinite(values).any()
        note = f"best {np.nanmax(values):.6g}" if known else ""
        progress(min(len(values), budget), budget, note)
        if callback is not None:
            callback(searcher)

    return told
