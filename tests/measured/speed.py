"""Processor seconds of fits and predictions by number of labels, beside the libraries' own models.

Run as ``python tests/measured/speed.py -p auto,gp,xgb,rf,gin --labels 100,1000``. One thread; each
model has a process of its own, in which a first fit, of imports and of what is computed once per
space, is left out. Predicted are all 15,625 cells of ``nb201-analog``; tau is over those that
were not learnt.
"""

from __future__ import annotations

import argparse
import resource
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
from sklearn.ensemble import RandomForestRegressor
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel
from xgboost import XGBRegressor

import nasurge
from nasurge.benchmarks.metrics import kendall_tau
from nasurge.data.devices import one_thread
from nasurge.data.encoders import OneHot

KERNEL = ConstantKernel() * Matern(nu=1.5) + WhiteKernel()
PEERS = {
    "scikit-learn GP on one-hot": lambda: GaussianProcessRegressor(KERNEL, normalize_y=True),
    "scikit-learn forest on one-hot": lambda: RandomForestRegressor(n_jobs=1),
    "XGBoost on one-hot": lambda: XGBRegressor(n_estimators=400, n_jobs=1),
}
MOST = {"scikit-learn GP on one-hot": 2000}  # more would take minutes and gigabytes


def measured(name: str, sizes: list[int], runs: int) -> list[str]:
    """Rows of one model."""
    table = nasurge.load_table("nb201-analog")
    y = table.values(task="cifar10", metric="baseline_accuracy")
    encoder, rows = OneHot(table.space), []
    for n in [20, *(n for n in sizes if n <= MOST.get(name, n))]:
        found = []
        for trial in range(1 if n == 20 else runs):
            order = np.random.default_rng([trial, n]).permutation(len(y))
            some, rest = order[:n], order[n:]
            ours = name not in PEERS
            model = nasurge.make_predictor(name, table.space, seed=0) if ours else PEERS[name]()
            shown = (lambda codes: codes) if ours else encoder.transform
            with one_thread():
                start = time.process_time()
                model.fit(shown(table.codes[some]), y[some])
                fitted = time.process_time()
                scores = model.predict(shown(table.codes))
                ended = time.process_time()
            found.append((fitted - start, ended - fitted, kendall_tau(y[rest], scores[rest])))
        fit, predict, tau = np.mean(found, axis=0)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        label = f"`{name}`" if ours else name
        rows.append(f"| {label} | {n} | {fit:.2f} | {predict:.2f} | {tau:.3f} | {peak:.0f} |")
    return rows[1:]


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-p", "--predictors", default="auto,gp,xgb,rf,gin")
    parser.add_argument("--labels", default="100")
    parser.add_argument("--runs", type=int, default=3)
    given = parser.parse_args()
    sizes = [int(n) for n in given.labels.split(",")]
    columns = ("model", "labels", "fit, s", "predict, s", "tau", "peak, MB")
    print(f"| {' | '.join(columns)} |\n{'| --- ' * len(columns)}|")
    for name in (*PEERS, *given.predictors.split(",")):
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            print("\n".join(pool.submit(measured, name, sizes, given.runs).result()), flush=True)


if __name__ == "__main__":
    main()
