"""Seconds of a fit on 100 cells and a prediction of all 15,625, beside the libraries' own models.

Run as ``python tests/measured/speed.py -p auto,gp,xgb,rf,gin``. One thread; the median of some
runs, of which the first is left out: it pays for imports and for what is computed once per space.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable

import numpy as np
from sklearn.ensemble import RandomForestRegressor
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel
from xgboost import XGBRegressor

import nasurge
from nasurge.data.devices import one_thread
from nasurge.data.encoders import OneHot

KERNEL = ConstantKernel() * Matern(nu=1.5) + WhiteKernel()
PEERS = {
    "scikit-learn GP on one-hot": lambda: GaussianProcessRegressor(KERNEL, normalize_y=True),
    "scikit-learn forest on one-hot": lambda: RandomForestRegressor(n_jobs=1),
    "XGBoost on one-hot": lambda: XGBRegressor(n_estimators=400, n_jobs=1),
}


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-p", "--predictors", default="auto,gp,xgb,rf,gin")
    parser.add_argument("--runs", type=int, default=4)
    given = parser.parse_args()
    table = nasurge.load_table("nb201-analog")
    y = table.values(task="cifar10", metric="baseline_accuracy")
    encoder = OneHot(table.space)

    def ours(name: str) -> Callable[[np.ndarray, np.ndarray], float]:
        def run(codes: np.ndarray, labels: np.ndarray) -> float:
            start = time.perf_counter()
            nasurge.make_predictor(name, table.space, seed=0).fit(codes, labels).predict(
                table.codes
            )
            return time.perf_counter() - start

        return run

    def peer(name: str) -> Callable[[np.ndarray, np.ndarray], float]:
        def run(codes: np.ndarray, labels: np.ndarray) -> float:
            start = time.perf_counter()
            model = PEERS[name]().fit(encoder.transform(codes), labels)
            model.predict(encoder.transform(table.codes))
            return time.perf_counter() - start

        return run

    every = {name: peer(name) for name in PEERS} | {
        f"`{name}`": ours(name) for name in given.predictors.split(",")
    }
    print("| model | seconds |\n| --- | --- |")
    for name, run in every.items():
        seconds = []
        for trial in range(given.runs):
            train = np.random.default_rng(trial).choice(len(y), 100, replace=False)
            with one_thread():
                seconds.append(run(table.codes[train], y[train]))
        print(f"| {name} | {np.median(seconds[1:]):.2f} |", flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"\nPeak memory of this process: {peak:.0f} MB")


if __name__ == "__main__":
    main()
