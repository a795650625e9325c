"""What asking and telling costs without a predictor: microseconds an architecture.

Run as ``python tests/measured/loop_overhead.py``; with ``--storage`` also what an Optuna study on
SQLite adds.
"""

from __future__ import annotations

import argparse
import tempfile
import time

import numpy as np

import nasurge
from nasurge.search.loop import run
from nasurge.search.store import run_stored


def main() -> None:
    """Print the least over repeats, to which other load on the machine adds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--space", default="nb201")
    parser.add_argument("--budget", type=int, default=2000)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--storage", action="store_true")
    given = parser.parse_args()
    space = nasurge.make_space(given.space)
    for name in ("random", "evolution"):
        for batch in (100, 10, 1):
            spent = []
            for repeat in range(given.repeats):
                searcher = nasurge.make_searcher(name, space, seed=repeat)
                trace = run(searcher, _value, budget=given.budget, batch=batch)
                spent.append(trace.seconds.sum() / given.budget)
            print(f"{name:10} batch {batch:3}: {1e6 * min(spent):7.1f} us an architecture")
    if given.storage:
        _stored(space)


def _stored(space: nasurge.data.spaces.Space) -> None:
    """Print what a trial in a SQLite file costs."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/runs.db"
        for budget in (10, 110):
            searcher = nasurge.make_searcher("random", space, seed=0)
            begin = time.perf_counter()
            run_stored(searcher, _value, storage=url, study="s", budget=budget, batch=10)
        spent = time.perf_counter() - begin
    print(f"on SQLite: {1e3 * spent / 100:.1f} ms a trial")


def _value(codes: np.ndarray) -> np.ndarray:
    return np.sin(codes @ np.arange(1.0, codes.shape[1] + 1))


if __name__ == "__main__":
    main()
