"""Settings that make every predictor quick, spaces and labels, for tests of predictors."""

from functools import partial

import numpy as np

from nasurge.data.spaces import ProductSpace, Space, make_space
from nasurge.predictors.processes import GaussianProcess
from nasurge.predictors.transfer import GraphPrior, TaskPrior

GRAPH = ["gin", "gcn", "gat", "gated-gcn", "gates", "flan", "transformer"]
PROXIES = [
    *("synflow", "nwot", "jacov", "snip", "grasp", "fisher", "grad-norm"),
    *("l2-norm", "plain", "zen", "epe-nas", "params", "flops", "fourier"),
]
PRETRAINED = {"pretraining_steps": 10, "width": 32, "latent": 8}
FAST = {
    # The made-up label depends on positions, which path sums of a cell do not tell: with its own
    # labels the process takes most of it for noise (correlation .497 after an update).
    "gp-soft": {"labels": "normal-scores"},
    "mlp": {"steps": 60},
    "bananas": {"steps": 60},
    "xgb": {"n_estimators": 60, "learning_rate": 0.2},
    "rf": {"n_estimators": 20},
    "et": {"n_estimators": 20},
    "lightgbm": {"n_estimators": 40, "learning_rate": 0.2},
    "ngboost": {"n_estimators": 5, "learning_rate": 0.4},
    "stacking": {"n_estimators": 10},
    "auto": {"members": ("joint", "random", "trees")},  # networks: test_auto
    "auto-zero-cost": {"members": ("joint",)},
    "brp-nas": {"steps": 40, "width": 16},
    "arch2vec": PRETRAINED,
    "assessor": PRETRAINED | {"steps": 60, "unlabelled": 100},
    "seminas": PRETRAINED | {"steps": 30, "pseudo_labels": 40},
    "graph-ensemble": PRETRAINED | {"steps": 30, "members": 2},
    "weaknas": {"base": "gp"},
} | {name: {"steps": 30, "width": 16, "layers": 2} for name in GRAPH}
FAST |= {name: {"width": 2, "cells": 1, "batch": 4, "size": 4} for name in PROXIES}
FAST |= {name: {**FAST["zen"], "steps": 1} for name in ("genas", "gennas")}
FAST["gated-gcn"]["steps"] = 60  # the slowest to learn the labels of an update
TRANSFER = {
    "transfer": partial(TaskPrior, learner=GaussianProcess),
    "transfer-graph": partial(GraphPrior, members=1, steps=60, seed=0),
}
SPACES = {
    "nb201": make_space("nb201"),
    "nbgraph": make_space("nbgraph"),
    "transnas-macro": make_space("transnas-macro"),
    "product": ProductSpace([list("abc"), list("defg"), list("hij"), list("kl")]),
}


def labelled(space: Space, n: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """Codes and a label that is a sum over the variables: every predictor can learn it."""
    codes = space.canonical(space.sample(n, seed=0))
    rng = np.random.default_rng(1)
    effects = [rng.normal(size=k) for k in space.cardinalities]
    y = sum(effect[codes[:, i]] for i, effect in enumerate(effects))
    return codes, np.asarray(90 + y, dtype=float)
