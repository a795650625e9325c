"""How many architectures the loops that rank a sample need, in a space that nobody can list.

In spaces of independent variables of ten values, whose values are linear in the choices beside
interactions of neighbouring variables, searches by the same seeds rank samples of 20,000 and fewer:

    python tests/measured/ranked_sample.py [--trials N] [--variables D]
"""

from __future__ import annotations

import argparse

import numpy as np

from nasurge.benchmarks.intervals import interval
from nasurge.data.devices import one_thread
from nasurge.data.spaces import Codes, ProductSpace
from nasurge.data.types import Values
from nasurge.registry import make_searcher

SEARCHERS = ("brp-nas", "weaknas")
SAMPLES = (20_000, 10_000, 5_000)
BUDGET, BATCH = 60, 5


def values_of(codes: Codes, seed: int) -> Values:
    """Values of architectures, in deviations over the space."""
    rng, places = np.random.default_rng(seed), np.arange(codes.shape[1])
    single = rng.normal(size=(codes.shape[1], 10))
    pairs = 0.5 * rng.normal(size=(codes.shape[1] - 1, 10, 10))
    total = single[places, codes].sum(axis=1)
    total += pairs[places[:-1], codes[:, :-1], codes[:, 1:]].sum(axis=1)
    return np.asarray(total / np.sqrt(1.25 * codes.shape[1]))


def best_found(searcher: str, ranked: int, variables: int, seed: int) -> float:
    """Best value of a search."""
    space = ProductSpace([range(10)] * variables)
    search = make_searcher(searcher, space, seed=seed, candidates=2 * ranked)  # half of them are
    for _ in range(BUDGET // BATCH):
        codes = search.ask(BATCH)
        search.tell(codes, values_of(codes, seed))
    return float(search.best()[1])


def main() -> None:
    """Print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=10)
    parser.add_argument("--variables", type=int, default=20)
    given = parser.parse_args()
    print("| searcher | ranked | best found, deviations | less than of 20,000 |")
    print("| --- | --- | --- | --- |")
    for searcher in SEARCHERS:
        first = np.empty(0)
        for count in SAMPLES:
            with one_thread():
                found = np.array(
                    [
                        best_found(searcher, count, given.variables, seed)
                        for seed in range(given.trials)
                    ]
                )
            first = first if len(first) else found
            cells = [_written(interval(x)) for x in (found, first - found)]
            print(f"| `{searcher}` | {count:,} | {' | '.join(cells)} |", flush=True)


def _written(found: dict[str, float | int | None]) -> str:
    return f"{found['mean']:.2f} [{found['low']:.2f}, {found['high']:.2f}]"


if __name__ == "__main__":
    main()
