"""Best value that searches find among a few thousand rows of a space that nobody can list.

Run as ``NASURGE_DATA=FOLDER python tests/measured/sparse_tables.py -s random,evolution``, with the
files of ``real_rows.py``. Searches ask one at a time for rows of the file only. ``drawn`` is the share
of asks, after the 20 first, that were filled up with a uniform draw, since nothing that the search
wanted was a row; ``same`` is how many of the variables of what was asked then agree with the nearest
row told before.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
from real_rows import TASKS, Rows

import nasurge
from nasurge.benchmarks.intervals import interval
from nasurge.data.types import Values

FILES = ("Accel-NASBench", "DARTS, SWAP", "DARTS, OnceNAS", "FBNet latency")


def search(name: str, rows: Rows, seed: int, budget: int) -> tuple[Values, float, float]:
    """Best value after each ask, share of asks filled up, and of variables the nearest shares."""
    space, codes, values = rows
    of_key = dict(zip(space.keys(codes).tolist(), values.tolist(), strict=True))
    searcher: Any = nasurge.make_searcher(name, space, pool=codes, seed=seed)
    # An ask draws outside of what the search proposes only where it fills up.
    own_ask, own_draw, inside, drawn = searcher._ask, searcher._draw, [False], []

    def ask(n: int) -> Any:
        inside[0] = True
        try:
            return own_ask(n)
        finally:
            inside[0] = False

    def draw(n: int) -> Any:
        if not inside[0]:
            drawn.append(len(searcher.values_))
        return own_draw(n)

    searcher._ask, searcher._draw = ask, draw
    found, agree = [], []
    for _ in range(budget):
        asked = searcher.ask(1)
        if len(found) >= 20:
            agree.append((searcher.codes_ == asked).mean(axis=1).max())
        found.append(of_key[space.keys(asked).tolist()[0]])
        searcher.tell(asked, found[-1:])
    filled = [count for count in drawn if count >= 20]
    return np.maximum.accumulate(found), len(filled) / (budget - 20), float(np.mean(agree))


def main() -> None:
    """Print a Markdown table as the numbers come."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-s", "--searchers", default="random,evolution,local,annealing,nsga2")
    parser.add_argument("--budget", type=int, default=100)
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--only", default=",".join(FILES).replace(", ", "~"))
    given = parser.parse_args()
    at = [given.budget // 2, given.budget]
    print("| rows | searcher |", " | ".join(f"regret after {n}" for n in at), end="")
    print(" | rank of the best | drawn | same | ms |\n| --- | --- |", " --- |" * (len(at) + 4))
    for task in (name.replace("~", ", ") for name in given.only.split(",")):
        rows = TASKS[task]()
        for name in given.searchers.split(","):
            start = time.process_time()
            runs = [search(name, rows, seed, given.budget) for seed in range(given.trials)]
            each = (time.process_time() - start) / given.trials / given.budget * 1e3
            best = np.array([run[0] for run in runs])
            regrets = [rows[2].max() - best[:, n - 1] for n in at]
            ranks = [int((rows[2] > value).sum()) + 1 for value in best[:, -1]]
            drawn, same = np.mean([run[1:] for run in runs], axis=0)
            cells = [_written(interval(regret.tolist())) for regret in regrets]
            print(
                f"| {task} ({len(rows[2])}) | `{name}` |",
                " | ".join(cells),
                f"| {np.median(ranks):.0f} | {drawn:.2f} | {same:.2f} | {each:.0f} |",
                flush=True,
            )


def _written(mean: Any) -> str:
    return f"{mean['mean']:.2f} [{mean['low']:.2f}, {mean['high']:.2f}]"


if __name__ == "__main__":
    main()
