"""Zero-cost proxies as predictors, and what they add to structure: mean Kendall tau over trials.

Run as ``python tests/measured/zero_cost_features.py nb201/cifar100,nb201/cifar10``. The first run
computes the proxies of all functions, which takes some minutes; later ones look them up.
"""

from __future__ import annotations

import argparse

import numpy as np

import nasurge
from nasurge.benchmarks.metrics import kendall_tau, kendall_tau_top
from nasurge.data.networks import PROXIES, ZeroCost

# NAS-Bench-201 is reported on test accuracy after 200 epochs, as published bars are.
METRICS = {"nb201/cifar10": "c10_test_200ep", "nb201/cifar100": "c100_test_200ep"}
FEATURES = {
    "structure, paths": ("structure", "paths"),
    "structure, paths, zero-cost": ("structure", "paths", "zero-cost"),
    "zero-cost": ("zero-cost",),
}


def main() -> None:
    """Print two Markdown tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tables")
    parser.add_argument("-n", default="20,50,100,400")
    parser.add_argument("--trials", type=int, default=5)
    parser.add_argument("-p", "--predictors", default="xgb,gp")
    parser.add_argument("--proxies", default=",".join(PROXIES))
    parser.add_argument("--cells", type=int, help="measure proxies on so many cells, not on all")
    given = parser.parse_args()
    tables, sizes = given.tables.split(","), [int(n) for n in given.n.split(",")]
    problems = {name: _problem(name) for name in tables}

    print("| proxy | " + " | ".join(f"{name} | best 5 %" for name in tables) + " |")
    print("| --- " * (1 + 2 * len(tables)) + "|")
    for proxy in given.proxies.split(","):
        line = [f"`{proxy}`"]
        for space, codes, y in problems.values():
            chosen = np.random.default_rng(0).permutation(len(y))[: given.cells]
            codes, y = codes[chosen], y[chosen]
            scores = ZeroCost(space, names=(proxy,)).values(codes)[:, 0]
            line += [f"{kendall_tau(y, scores):.3f}", f"{kendall_tau_top(y, scores):.2f}"]
        print("| " + " | ".join(line) + " |", flush=True)

    print("\n| table | predictor | features | " + " | ".join(map(str, sizes)) + " |")
    print("| --- " * (3 + len(sizes)) + "|")
    for name in tables:
        for predictor in filter(None, given.predictors.split(",")):
            for label, features in FEATURES.items():
                line = [name, f"`{predictor}`", label]
                for n in sizes:
                    taus = [
                        _trial(problems[name], predictor, features, n, t)
                        for t in range(given.trials)
                    ]
                    line.append(
                        f"{np.mean(taus):.3f} ± {np.std(taus, ddof=1) / np.sqrt(len(taus)):.3f}"
                    )
                print("| " + " | ".join(line) + " |", flush=True)


def _problem(name: str) -> tuple:
    table = nasurge.load_table(name.split("/")[0])
    task = name.split("/")[1]
    if name in METRICS:
        y = np.asarray(table.values(task=task, metric=METRICS[name]), dtype=float)
    else:
        y = np.asarray(table.data[table.default(task).report], dtype=float)
    return table.space, table.codes[np.isfinite(y)], y[np.isfinite(y)]


def _trial(problem: tuple, predictor: str, features: tuple[str, ...], n: int, trial: int) -> float:
    """Return tau over all cells that were not learnt."""
    space, codes, y = problem
    order = np.random.default_rng(trial).permutation(len(y))
    train, rest = order[:n], order[n:]
    made = nasurge.make_predictor(predictor, space, features=features, seed=trial)
    return float(kendall_tau(y[rest], made.fit(codes[train], y[train]).predict(codes[rest])))


if __name__ == "__main__":
    main()
