"""How well thousands of labels rank the best 5 %: what more labels can add there.

Run as ``python tests/measured/top_ceiling.py``; needs the imported table ``nb201``. Prints, for
two data sets, Kendall's tau of boosted trees on all features of ``auto`` over all other cells and
inside their true best 5 %.
"""

from __future__ import annotations

import numpy as np
from xgboost import XGBRegressor

import nasurge
from nasurge.benchmarks.metrics import kendall_tau, kendall_tau_top
from nasurge.predictors.labels import Blended
from nasurge.predictors.processes import feature_groups


def main() -> None:
    """Print one row per data set and number of labels."""
    table = nasurge.load_table("nb201")
    space = table.space
    canonical = space.canonical(table.codes)
    _, first, function = np.unique(space.index(canonical), return_index=True, return_inverse=True)
    groups = feature_groups(space, canonical[first], untrained=True)
    features = np.concatenate(list(groups.values()), axis=1)
    for task, metric in (("cifar10", "c10_test_200ep"), ("cifar100", "c100_test_200ep")):
        y = np.asarray(table.values(task=task, metric=metric), dtype=float)
        for n in (400, 1500, 4000):
            train = np.random.default_rng(1).choice(len(y), n, replace=False)
            rest = np.setdiff1d(np.arange(len(y)), train)
            z = Blended().fit(y[train]).transform(y[train])
            models = [
                XGBRegressor(
                    n_estimators=800,
                    max_depth=4,
                    learning_rate=0.04,
                    subsample=0.8,
                    colsample_bytree=0.3,
                    n_jobs=1,
                    random_state=seed,
                ).fit(features[function[train]], z)
                for seed in range(2)
            ]
            scores = np.mean([model.predict(features) for model in models], axis=0)[function[rest]]
            everywhere, top = kendall_tau(y[rest], scores), kendall_tau_top(y[rest], scores)
            print(f"{task} n={n}: tau {everywhere:.3f}, inside the best 5 % {top:.3f}", flush=True)


if __name__ == "__main__":
    main()
