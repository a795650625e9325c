"""WeakNAS in its own setting: does the series find the optimum sooner than its base alone?

Ten random cells, then ten a round, drawn from the hundred unseen functions predicted best. Run as
``python tests/measured/weak.py --trials 10`` with ``nb201`` imported. Prints Markdown rows.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np

import nasurge

ROUNDS, BATCH, TOP = 15, 10, 100


def loop(table: nasurge.Table, valid: np.ndarray, base: str, series: bool, trial: int) -> list:
    """Return the best value after 50, 100 and 150 labels, and the labels until the optimum."""
    rng = np.random.default_rng([5, trial])
    functions = table.space.function_ids(table.codes)
    seen = list(rng.choice(len(valid), BATCH, replace=False))
    for _ in range(ROUNDS):
        name, parameters = ("weaknas", {"base": base}) if series else (base, {})
        predictor = nasurge.make_predictor(name, table.space, seed=trial, **parameters)
        scores = predictor.fit(table.codes[seen], valid[seen]).predict(table.codes)
        scores[np.isin(functions, functions[seen])] = -np.inf
        order = np.argsort(-scores, kind="stable")
        _, first = np.unique(functions[order], return_index=True)
        seen += list(rng.choice(order[np.sort(first)[:TOP]], BATCH, replace=False))
    found = np.flatnonzero(valid[seen] == valid.max())
    until = found[0] + 1 if len(found) else len(seen) + 1
    return [*(valid[seen[:n]].max() for n in (50, 100, 150)), until]


def main() -> None:
    """Compare each base with the series of it, on the same starts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bases", default="gp,xgb,mlp")
    parser.add_argument("--trials", type=int, default=10)
    given = parser.parse_args()
    table = nasurge.load_table("nb201")
    valid = np.asarray(table.values(task="cifar100", metric="c100_val_200ep"), dtype=float)
    for base in given.bases.split(","):
        for series in (False, True):
            rows = [loop(table, valid, base, series, trial) for trial in range(given.trials)]
            *best, until = np.mean(rows, axis=0)
            reached = sum(row[-1] <= BATCH * (ROUNDS + 1) for row in rows)
            label = f"`weaknas`, `{base}`" if series else f"`{base}`"
            cells = " | ".join(f"{value:.2f}" for value in best)
            print(f"| {label} | {cells} | {until:.0f} | {reached} of {given.trials} |", flush=True)


if __name__ == "__main__":
    sys.exit(main())
