"""Best value that searches find among a few thousand rows of a space that nobody can list.

Run as ``NASURGE_DATA=FOLDER python tests/measured/sparse_tables.py -s random,evolution``, with the
files of ``real_rows.py``. Searches ask one at a time for rows of the file only. Of the asks after
the first 20, ``drawn`` is the share that were uniform draws, and ``same`` the share of variables in
which what was asked agrees with the nearest row told before.
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

_START = 20
FILES = ("Accel-NASBench", "DARTS, SWAP", "DARTS, OnceNAS", "FBNet latency")


def made_up(*, ordered: bool) -> Rows:
    """Rows drawn uniformly among 20 variables of ten values, each as bad as far from its best."""
    kind = nasurge.ordered if ordered else lambda values: nasurge.choice(*values)
    values = range(10) if ordered else [f"v{value}" for value in range(10)]
    space = nasurge.Space({f"x{i}": kind(values) for i in range(20)}, name="made-up")
    codes = space.sample(3000, seed=0, unique=True)
    return space, codes, -np.abs(codes - np.arange(20) % 10).sum(axis=1).astype(float)


ROWS = {
    **{name: TASKS[name] for name in FILES},
    "made up, no order": lambda: made_up(ordered=False),
    "made up, ordered": lambda: made_up(ordered=True),
}


def search(name: str, rows: Rows, seed: int, budget: int) -> tuple[Values, float, float]:
    """Best value after each ask, share of uniform draws, and of variables that the nearest has."""
    space, codes, values = rows
    of_key = dict(zip(space.keys(codes).tolist(), values.tolist(), strict=True))
    searcher: Any = nasurge.make_searcher(name, space, pool=codes, seed=seed)
    own_draw, drawn = searcher._draw, []

    def draw(n: int) -> Any:
        if n:
            drawn.append(len(searcher.values_))
        return own_draw(n)

    searcher._draw = draw
    found, agree = [], []
    for _ in range(budget):
        asked = searcher.ask(1)
        if len(found) >= _START:
            agree.append((searcher.codes_ == asked).mean(axis=1).max())
        found.append(of_key[space.keys(asked).tolist()[0]])
        searcher.tell(asked, found[-1:])
    filled = {count for count in drawn if count >= _START}
    return np.maximum.accumulate(found), len(filled) / (budget - _START), float(np.mean(agree))


def main() -> None:
    """Print a Markdown table as the numbers come."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-s", "--searchers", default="random,evolution,local,annealing,nsga2")
    parser.add_argument("--budget", type=int, default=100)
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--only", default=",".join(ROWS).replace(", ", "~"))
    given = parser.parse_args()
    at = [given.budget // 2, given.budget]
    print("| rows | searcher |", " | ".join(f"regret after {n}" for n in at), end="")
    print(" | rank of the best | drawn | same | ms |\n| --- | --- |", " --- |" * (len(at) + 4))
    for task in (name.replace("~", ", ") for name in given.only.split(",")):
        rows = ROWS[task]()
        for name in given.searchers.split(","):
            start = time.process_time()
            runs = [search(name, rows, seed, given.budget) for seed in range(given.trials)]
            each = (time.process_time() - start) / given.trials / given.budget * 1e3
            best = np.array([run[0] for run in runs])
            regrets = [rows[2].max() - best[:, n - 1] for n in at]
            ranks = [int((rows[2] > value).sum()) + 1 for value in best[:, -1]]
            drawn, same = np.mean([run[1:] for run in runs], axis=0)
            cells = [_written(interval(regret.tolist(), least=0)) for regret in regrets]
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
