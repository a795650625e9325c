"""Every space that has a name: its size, what it offers, and what it takes to work in it.

Run as ``python tests/measured/spaces_table.py``. Processor seconds of one thread: a thousand draws
with their canonical forms, ``gp`` fitted to 50 architectures and predicting 1,000 others, and an
ask for five of ``evolution``, ``bo`` and ``prednas`` after 30 told. Labels are made up. What is
computed once per space is paid for by a first fit that is not counted.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np

import nasurge
from nasurge.data.devices import one_thread
from nasurge.data.spaces import Space, make_space, space_names
from nasurge.errors import NasurgeError


def seconds(work: Callable[[], Any]) -> float:
    """Processor seconds of some work."""
    start = time.process_time()
    work()
    return time.process_time() - start


def offers(space: Space) -> str:
    """What a space offers beside its variables."""
    own = ["graph" if type(space).graphs is not Space.graphs else "chain"]
    with suppress(NasurgeError):
        own += ["relaxation"] if len(space.frame.flows) else []
    own += ["networks"] if space.networks is not None else []
    own += ["costs"] if space.costs is not None else []
    return ", ".join(own)


def row(name: str) -> str:
    """Line of the table."""
    space = make_space(name)
    codes = space.sample(1000, seed=0)
    known, others = codes[:50], space.sample(1000, seed=1)
    y = known.sum(axis=1) + 0.1 * np.random.default_rng(0).normal(size=50)
    predictor = nasurge.make_predictor("gp", space, seed=0)
    cells = [seconds(lambda: space.canonical(space.sample(1000, seed=2)))]
    predictor.fit(known, y).predict(others[:50])
    cells.append(seconds(lambda: predictor.fit(known, y).predict(others)))
    for searcher in ("evolution", "bo", "prednas"):
        times = []
        for seed in (0, 1):
            search = nasurge.make_searcher(searcher, space, seed=seed)
            search.tell(known[:30], y[:30])
            times.append(seconds(lambda search=search: search.ask(5)))
        cells.append(times[-1])
    size = f"{space.size:,}" if space.size < 10**7 else f"{space.size:.1e}"
    return (
        f"| `{name}` | {size} | {offers(space)} | " + " | ".join(f"{c:.2f}" for c in cells) + " |"
    )


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default=",".join(space_names()))
    given = parser.parse_args()
    print("| space | architectures | offers | draw, s | `gp`, s | `evolution` | `bo` | `prednas` |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for name in given.only.split(","):
        with one_thread():
            print(row(name), flush=True)


if __name__ == "__main__":
    main()
