"""Milliseconds per ask and peak memory of every searcher, from a space that is listed to 10**40.

Each searcher and space has a process of its own. Values are linear in the choices; after 28 told
architectures the median of five asks for four is taken, beside everything that runs by itself:

    python tests/measured/large_spaces.py [SEARCHER ...]
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time

import numpy as np

from nasurge.data.spaces import ProductSpace, Space, make_space
from nasurge.registry import make_searcher, searcher_names

SPACES = ("nb201", "12", "20", "40")
ASKS, BATCH = 5, 4


def space_of(name: str) -> Space:
    """Space of a name, or of so many variables of ten values."""
    return ProductSpace([range(10)] * int(name)) if name.isdigit() else make_space(name)


def measure(searcher: str, name: str) -> tuple[float, float]:
    """Median milliseconds of an ask, and the process's peak memory in MB."""
    space = space_of(name)
    weights = np.random.default_rng(0).normal(size=(space.n_variables, 10))
    made = make_searcher(searcher, space, seed=0)
    took = []
    for batch in (20, *([BATCH] * (2 + ASKS))):
        begin = time.perf_counter()
        codes = made.ask(batch)
        took.append(time.perf_counter() - begin)
        made.tell(codes, weights[np.arange(space.n_variables), codes].sum(axis=1))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # kilobytes on Linux
    return float(np.median(took[-ASKS:])) * 1e3, peak


def main(names: list[str]) -> None:
    """Print a table in Markdown."""
    print("| searcher | nb201 | 10^12 | 10^20 | 10^40 | times at 10^40 | peak MB at 10^40 |")
    print("|---|---|---|---|---|---|---|")
    for name in names or searcher_names():
        found = []
        for space in SPACES:
            command = [sys.executable, __file__, "--one", name, space]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            found.append(json.loads(done.stdout))
        asks = " | ".join(f"{milliseconds:.1f}" for milliseconds, _ in found)
        times = found[-1][0] / found[0][0]
        print(f"| `{name}` | {asks} | {times:.1f} | {found[-1][1]:.0f} |", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(measure(*sys.argv[2:])))
    else:
        main(sys.argv[1:])
