"""Kendall tau of predictors on real rows of published spaces that are not listed tables here.

Run as ``NASURGE_DATA=FOLDER python tests/measured/real_rows.py -p auto,gp,xgb,gin,one-hot``. The
folder holds ``benchmarks/`` with the files of the authors. Labels are drawn at random, all other
rows are the test, and a trial draws the same rows for every predictor. No setting was chosen on
these rows. ``one-hot`` is XGBoost on one column a value, with neither numbers nor structure.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import os
import tarfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import nasurge
from nasurge.benchmarks.intervals import interval
from nasurge.benchmarks.metrics import kendall_tau
from nasurge.data.devices import one_thread
from nasurge.data.spaces import Codes, Space, make_space
from nasurge.data.types import Values

FOLDER = Path(os.environ.get("NASURGE_DATA", ".")) / "benchmarks"
Rows = tuple[Space, Codes, Values]


def merged(space: Space, codes: Codes, values: Any) -> Rows:
    """Each function once, with the mean of its values."""
    canonical = space.canonical(codes)
    keys, first, group = np.unique(space.keys(canonical), return_index=True, return_inverse=True)
    sums = np.bincount(group, np.asarray(values, dtype=float))
    return space, canonical[first], sums / np.bincount(group, minlength=len(keys))


def nb_macro() -> Rows:
    """NAS-Bench-Macro, mean CIFAR-10 test accuracy of three runs."""
    rows = json.loads((FOLDER / "nas-bench-macro_cifar10.json").read_text())
    space = make_space("nb-macro")
    return merged(space, space.parse(list(rows)), [row["mean_acc"] for row in rows.values()])


def accel() -> Rows:
    """Accel-NASBench, ImageNet accuracy of the proxy training."""
    strings, values = [], []
    with tarfile.open(FOLDER / "accel_nasbench.tar.gz") as archive:
        for member in archive:
            file = archive.extractfile(member)
            if file is not None:
                row = json.load(file)
                strings.append(json.dumps(row["architecture"]))
                values.append(row["metrics"]["val_top1"])
    space = make_space("mnasnet")
    return merged(space, space.parse(strings), values)


def ec_nas() -> Rows:
    """EC-NAS, CIFAR-10 test accuracy after four epochs, mean of the repeats."""
    found: dict[str, list[float]] = defaultdict(list)
    with gzip.open(FOLDER / "ecnas_4epoch.csv.gz", "rt") as file:
        for row in csv.DictReader(file):
            cell = {"matrix": row["module_adjacency"], "ops": row["module_operations"]}
            text = json.dumps({key: json.loads(value) for key, value in cell.items()})
            found[text].append(float(row["test_accuracy"]))
    space = make_space("ec-nas")
    return merged(space, space.parse(list(found)), [np.mean(values) for values in found.values()])


def darts_swap() -> Rows:
    """DARTS genotypes of SWAP, CIFAR-10 accuracy of a short training."""
    with (FOLDER / "darts_swap_cifar10.csv").open() as file:
        rows = [row for row in csv.reader(file) if row]
    space = make_space("darts-none")
    return merged(space, space.parse([row[0] for row in rows]), [float(row[1]) for row in rows])


def darts_once() -> Rows:
    """DARTS genotypes of OnceNAS-Bench, CIFAR-10 validation accuracy after 50 epochs."""
    with (FOLDER / "oncenas_545.csv").open() as file:
        rows = list(csv.DictReader(file))
    space = make_space("darts-none")
    codes = space.parse([row["architecture"] for row in rows])
    return merged(space, codes, [float(row["valid_acc50"]) for row in rows])


def fbnet() -> Rows:
    """FBNet, latency on one device, smaller is better."""
    with np.load(FOLDER / "fbnet_latency.npz") as arrays:
        codes, latency = arrays["blocks"], arrays["1080ti_64"]
    space = make_space("fbnet")
    return merged(space, space.check(codes), -latency)


TASKS: dict[str, Callable[[], Rows]] = {
    "NAS-Bench-Macro": nb_macro,
    "Accel-NASBench": accel,
    "EC-NAS": ec_nas,
    "DARTS, SWAP": darts_swap,
    "DARTS, OnceNAS": darts_once,
    "FBNet latency": fbnet,
}


def one_hot(codes: Codes) -> np.ndarray:
    """One column for each value of each variable that occurs, shape (n, f)."""
    columns = [codes[:, [i]] == np.unique(codes[:, i]) for i in range(codes.shape[1])]
    return np.concatenate(columns, axis=1).astype(float)


def scores(name: str, rows: Rows, train: np.ndarray, test: np.ndarray, seed: int) -> Values:
    """Scores of the test rows by a predictor that learnt from the training rows."""
    space, codes, y = rows
    if name == "one-hot":
        from xgboost import XGBRegressor

        features = one_hot(codes)
        settings = {"n_estimators": 400, "max_depth": 4, "learning_rate": 0.04, "subsample": 0.8}
        model = XGBRegressor(**settings, colsample_bytree=0.4, n_jobs=1, random_state=seed)
        return np.asarray(model.fit(features[train], y[train]).predict(features[test]))
    predictor = nasurge.make_predictor(name, space, seed=seed)
    return np.asarray(predictor.fit(codes[train], y[train]).predict(codes[test]))


def main() -> None:
    """Print a Markdown table as the numbers come."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-p", "--predictors", default="auto,gp,xgb,gin,one-hot")
    parser.add_argument("-n", default="20,50,100,400")
    parser.add_argument("--trials", type=int, default=10)
    parser.add_argument("--only", default=",".join(TASKS).replace(", ", "~"))
    given = parser.parse_args()
    sizes = [int(n) for n in given.n.split(",")]
    print("| rows | predictor |", " | ".join(f"n = {n}" for n in sizes), "| s |")
    print("| --- | --- |", " | ".join("---" for _ in sizes), "| --- |")
    for task in (name.replace("~", ", ") for name in given.only.split(",")):
        rows = TASKS[task]()
        for name in given.predictors.split(","):
            cells, start = [], time.process_time()
            for n in sizes:
                taus = []
                for trial in range(given.trials):
                    order = np.random.default_rng(trial).permutation(len(rows[2]))
                    if n >= len(order) - 50:
                        continue
                    with one_thread():
                        found = scores(name, rows, order[:n], order[n:], trial)
                    taus.append(kendall_tau(rows[2][order[n:]], found))
                mean = interval(taus, least=-1, most=1) if taus else None
                cells.append("-" if mean is None else _written(mean))
            seconds = (time.process_time() - start) / max(1, given.trials * len(sizes))
            print(
                f"| {task} ({len(rows[2])}) | {name} |",
                " | ".join(cells),
                f"| {seconds:.1f} |",
                flush=True,
            )


def _written(mean: Any) -> str:
    half = "" if mean["low"] is None else f" ± {(mean['high'] - mean['low']) / 2:.3f}"
    return f"{mean['mean']:.3f}{half}"


if __name__ == "__main__":
    main()
