"""Processor time per ask and peak memory of every searcher, from a space that is listed to 10**40.

Each searcher and space has a process of its own, of one thread. Values are linear in the choices.
After 28 told architectures five asks for four are timed, in each of several searches by other
seeds; the median of all is shown, beside how many times as long as in NAS-Bench-201 it is:

    python tests/measured/large_spaces.py [--seeds N] [SEARCHER ...]
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time

import numpy as np

from nasurge.data.devices import one_thread
from nasurge.data.spaces import ProductSpace, Space, make_space
from nasurge.registry import make_searcher, searcher_names

SPACES = ("nb201", "12", "20", "40")
ASKS, BATCH = 5, 4


def space_of(name: str) -> Space:
    """Space of a name, or of so many variables of ten values."""
    return ProductSpace([range(10)] * int(name)) if name.isdigit() else make_space(name)


def asks(searcher: str, space: Space, seed: int) -> list[float]:
    """Processor seconds of each ask of a search that counts."""
    weights = np.random.default_rng(seed).normal(size=(space.n_variables, 10))
    made = make_searcher(searcher, space, seed=seed)
    took = []
    for batch in (20, *([BATCH] * (2 + ASKS))):
        begin = time.process_time()
        codes = made.ask(batch)
        took.append(time.process_time() - begin)
        made.tell(codes, weights[np.arange(space.n_variables), codes].sum(axis=1))
    return took[-ASKS:]


def measure(searcher: str, name: str, seeds: int) -> tuple[float, float]:
    """Median milliseconds of an ask, and the process's peak memory in MB."""
    space = space_of(name)
    make_searcher(searcher, space, seed=0).ask(1)  # what it imports may set up threads
    with one_thread():
        took = [seconds for seed in range(seeds) for seconds in asks(searcher, space, seed)]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # kilobytes on Linux
    return float(np.median(took)) * 1e3, peak


def main() -> None:
    """Print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("searchers", nargs="*")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--one", help="space that the one searcher is measured in, as JSON")
    given = parser.parse_args()
    if given.one:
        print(json.dumps(measure(given.searchers[0], given.one, given.seeds)))
        return
    print("| searcher | nb201 | 10^12 | 10^20 | 10^40 | times at 10^40 | peak MB at 10^40 |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name in given.searchers or searcher_names():
        found = []
        for space in SPACES:
            command = [sys.executable, __file__, name, "--one", space, "--seeds", str(given.seeds)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            found.append(json.loads(done.stdout))
        cells = [f"{milliseconds:.1f}" for milliseconds, _ in found]
        cells += [f"{found[-1][0] / found[0][0]:.1f}", f"{found[-1][1]:.0f}"]
        print(f"| `{name}` | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
