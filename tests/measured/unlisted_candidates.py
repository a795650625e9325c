"""Bayesian optimisation that ranks everything beside one that must propose its candidates.

Run as ``NASURGE_DATA=FOLDER python tests/measured/unlisted_candidates.py --trials 10``. The same
spaces, tables and seeds twice: as they are, where ``bo`` ranks every architecture in each batch,
and behind a class that says it cannot be listed, where candidates
are drawn as in a space of 10**20.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

import numpy as np

import nasurge
from nasurge.benchmarks.intervals import interval
from nasurge.data.devices import one_thread
from nasurge.data.spaces import Codes, Space, make_space
from nasurge.data.tables import Table
from nasurge.data.types import Values

FOLDER = Path(os.environ.get("NASURGE_DATA", "."))


def hidden(space: Space) -> Space:
    """The same space, which says that it cannot be listed."""

    def canonical(self: Space, codes: Any) -> Codes:
        del self
        return space.canonical(codes)

    kind = type(space)
    parts = {"listed": property(lambda _: False), "canonical": canonical}
    parts["name"] = f"hidden-{space.name}"  # what is kept for a space is kept for equal ones
    made: Space = type(f"Hidden{kind.__name__}", (kind,), parts)()
    return made


def best_found(space: Space, values: Values, table: Table, budget: int, seed: int) -> Values:
    """Best value after each evaluation, shape (budget,)."""
    searcher = nasurge.make_searcher("bo", space, seed=seed)
    found: list[float] = []
    while len(found) < budget:
        codes = searcher.ask(5)
        told = values[table.rows(codes)]
        searcher.tell(codes, told)
        found += told.tolist()
    return np.maximum.accumulate(found)


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=10)
    parser.add_argument("--budget", type=int, default=100)
    given = parser.parse_args()
    (nb201,) = nasurge.import_table(FOLDER / "nb201.csv.gz")
    (macro,) = nasurge.import_table(FOLDER / "benchmarks" / "nas-bench-macro_cifar10.json")
    tasks = [
        ("NAS-Bench-201, CIFAR-10", nb201, "cifar10-valid"),
        ("NAS-Bench-201, NinaPro", nb201, "ninapro"),
        ("NAS-Bench-Macro", macro, "cifar10"),
    ]
    print("| table | candidates | regret after half | at the end | evaluations to the best |")
    print("| --- | --- | --- | --- | --- |")
    for name, table, task in tasks:
        values = table.data[table.roles[task].search]
        curves = {}
        for kind in ("all ranked", "proposed"):
            space = make_space(table.space.name)
            space = space if kind == "all ranked" else hidden(space)
            with one_thread():
                curves[kind] = np.array(
                    [
                        best_found(space, values, table, given.budget, seed)
                        for seed in range(given.trials)
                    ]
                )
            regret = np.nanmax(values) - curves[kind]
            first = [int(np.argmax(r <= 1e-9)) + 1 if r[-1] <= 1e-9 else len(r) + 1 for r in regret]
            half = regret[:, len(regret[0]) // 2 - 1]
            cells = [_written(interval(x, least=0)) for x in (half, regret[:, -1], first)]
            print(f"| {name} | {kind} | {' | '.join(cells)} |", flush=True)
        paired = interval(curves["proposed"][:, -1] - curves["all ranked"][:, -1])
        print(f"| {name} | proposed - all, best after {given.budget} | | {_written(paired)} | |")


def _written(found: Any) -> str:
    return f"{found['mean']:.3f} [{found['low']:.3f}, {found['high']:.3f}]"


if __name__ == "__main__":
    main()
