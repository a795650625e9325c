"""What each member of ``auto`` adds: mean Kendall tau over trials, all and inside the best 5 %.

Run as ``python tests/measured/auto_ablation.py nb201/cifar100 -n 20,100 --trials 8``. One fit of
all members serves every subset, so that subsets are compared on the same trials.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

import nasurge
from nasurge.benchmarks.metrics import kendall_tau, kendall_tau_top
from nasurge.predictors.ensembles.automatic import MEMBERS, PROCESSES

SUBSETS = (
    MEMBERS,
    *((name,) for name in PROCESSES),
    (*PROCESSES, "trees"),
    *(tuple(m for m in MEMBERS if m != left) for left in MEMBERS),
)
# NAS-Bench-201 is reported on test accuracy after 200 epochs, as published bars are.
METRICS = {"nb201/cifar10": "c10_test_200ep", "nb201/cifar100": "c100_test_200ep"}


def main() -> None:
    """Print one row per subset, and the seconds and coverage of the whole."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tables")
    parser.add_argument("-n", default="20,50,100,156,400")
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--labels", default="blended")
    parser.add_argument("--members", default=",".join(MEMBERS))
    parser.add_argument("--only-all", action="store_true")
    parser.add_argument("--peers", default="", help="other predictors, such as gp,xgb")
    given = parser.parse_args()
    for name in given.tables.split(","):
        for n in map(int, given.n.split(",")):
            _one(name, n, given)


def _one(name: str, n: int, given: argparse.Namespace) -> None:
    """Print the rows of one table and number of labels."""
    table = nasurge.load_table(name.split("/")[0])
    task = name.split("/")[1]
    if name in METRICS:
        y = np.asarray(table.values(task=task, metric=METRICS[name]), dtype=float)
    else:
        y = np.asarray(table.data[table.default(task).report], dtype=float)
    measured = np.flatnonzero(np.isfinite(y))
    subsets = SUBSETS[:1] if given.only_all else SUBSETS
    found: dict[str, list[tuple[float, float]]] = {}
    seconds, covered = [], []
    for trial in range(given.trials):
        train = np.random.default_rng(trial).choice(measured, n, replace=False)
        rest = np.setdiff1d(measured, train)
        for peer in filter(None, given.peers.split(",")):
            other = nasurge.make_predictor(peer, table.space, seed=trial)
            scores = other.fit(table.codes[train], y[train]).predict(table.codes[rest])
            found.setdefault(peer, []).append(_taus(y[rest], scores))
        start = time.perf_counter()
        auto = nasurge.make_predictor(
            "auto",
            table.space,
            seed=trial,
            labels=given.labels,
            members=tuple(given.members.split(",")),
        )
        auto.fit(table.codes[train], y[train])
        scores, std = auto.predict(table.codes[rest], return_std=True)
        seconds.append(time.perf_counter() - start)
        gap = np.abs(y[rest] - scores)
        covered.append([(gap <= 1.2816 * std).mean(), (gap <= 1.96 * std).mean()])
        found.setdefault(f"auto: {given.members}", []).append(_taus(y[rest], scores))
        if len(subsets) > 1:
            members = auto.member_scores(table.codes[rest])
            for subset in subsets[1:]:
                present = [m for m in subset if m in members]
                if not present:
                    continue
                votes = [auto.votes_.get(m, 1) for m in present]
                mean = np.average([members[m] for m in present], axis=0, weights=votes)
                found.setdefault("+".join(subset), []).append(_taus(y[rest], mean))
    for key, taus in found.items():
        tau, top = np.mean(taus, axis=0)
        print(f"{name} n={n} {key:42s} tau {tau:.3f}  top 5 % {top:.2f}")
    low, high = np.mean(covered, axis=0)
    time_taken = f"{np.median(seconds):.1f} s"
    print(f"{name} n={n} {time_taken}, coverage of 80 %: {low:.2f}, 95 %: {high:.2f}", flush=True)


def _taus(y: np.ndarray, scores: np.ndarray) -> tuple[float, float]:
    """Return tau over all and inside the true best 5 %."""
    return float(kendall_tau(y, scores)), float(kendall_tau_top(y, scores))


if __name__ == "__main__":
    main()
