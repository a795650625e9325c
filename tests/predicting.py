"""Settings that make every predictor quick, spaces and labels, for tests of predictors."""

import inspect
from functools import cache

import numpy as np

from nasurge.data.spaces import ProductSpace, Space, make_space
from nasurge.registry import predictor_class, predictor_entry, predictor_names

# Values that make any predictor quick which has a parameter of that name, a new one too.
QUICK = {
    "steps": 30,
    "n_estimators": 20,
    "pretraining_steps": 10,
    "pseudo_labels": 40,
    "unlabelled": 100,
    "width": 16,
    "latent": 8,
    "cells": 1,
    "batch": 4,
    "size": 4,
}
# Enough where a test does not ask how well a predictor learns.
BRIEF = {
    "steps": 5,
    "n_estimators": 5,
    "pretraining_steps": 3,
    "pseudo_labels": 10,
    "unlabelled": 30,
}
# Where these are too little to learn the made-up labels, or more than it takes.
FAST = {
    # The made-up label depends on positions, which path sums of a cell do not tell: with its own
    # labels the process takes most of it for noise (correlation .497 after an update).
    "gp-soft": {"labels": "normal-scores"},
    "mlp": {"steps": 60, "width": 128},
    "bananas": {"steps": 60, "width": 128},
    "xgb": {"n_estimators": 60, "learning_rate": 0.2},
    "lightgbm": {"n_estimators": 40, "learning_rate": 0.2},
    "ngboost": {"n_estimators": 5, "learning_rate": 0.4},
    "stacking": {"n_estimators": 10},
    "auto": {"members": ("joint", "random", "trees")},  # networks: test_auto
    "auto-zero-cost": {"members": ("joint",)},
    "gated-gcn": {"steps": 60},  # the slowest to learn the labels of an update
    "brp-nas": {"steps": 40},
    "arch2vec": {"width": 32},
    "assessor": {"width": 32, "steps": 60},
    "seminas": {"width": 32},
    "graph-ensemble": {"width": 32},
    "weaknas": {"base": "gp"},
}
# Spaces that a predictor refuses though they offer what lists say it needs: all look alike to it.
REFUSED = {"transfer-graph": ("transnas-macro", "product")}
SPACES = {
    "nb201": make_space("nb201"),
    "nbgraph": make_space("nbgraph"),
    "transnas-macro": make_space("transnas-macro"),
    "product": ProductSpace([list("abc"), list("defg"), list("hij"), list("kl")]),
}


def serves(name: str, space: Space) -> bool:
    """Whether a predictor serves a space, by what lists say that it needs."""
    if space.name in REFUSED.get(name, ()):
        return False
    return predictor_entry(name).needs != "networks" or space.networks is not None


def quick_parameters(name: str) -> dict:
    """Parameters that make a predictor quick: by their names, and what stands in ``FAST``."""
    quick = QUICK
    if predictor_entry(name).needs == "networks":
        quick = QUICK | {"width": 2, "steps": 1}
    known = inspect.signature(predictor_class(name)).parameters
    return {k: v for k, v in quick.items() if k in known} | FAST.get(name, {})


def settings(name: str, space: Space, *, brief: bool = False) -> dict:
    """What makes a predictor quick, and what it cannot do without on a space.

    A ``brief`` one need not learn anything.
    """
    needs = predictor_entry(name).needs
    if needs == "earlier tasks":
        return {"prior": earlier(name, space)}
    if needs != "cheap values":
        quick = quick_parameters(name)
        return {k: min(v, BRIEF.get(k, v)) if brief else v for k, v in quick.items()}
    every = space.all_codes()
    return {"cheap": every.sum(axis=1) + 0.1 * every[:, 0], "cheap_codes": every}


@cache
def earlier(name: str, space: Space) -> object:
    """What a predictor that transfers learnt of one earlier task."""
    from nasurge.predictors.processes import GaussianProcess
    from nasurge.predictors.transfer import GraphPrior, TaskPrior

    if name == "transfer-graph":
        prior = GraphPrior(space, members=1, steps=60, seed=0)
    else:
        prior = TaskPrior(space, learner=GaussianProcess)
    codes, y = labelled(space, 100)
    return prior.fit(codes, y + 0.3 * np.sin(9 * y), ["earlier"] * len(y))


def one_of_each_code() -> set[str]:
    """The first of all predictors that learn, refuse and predict by the same functions."""
    shared = "fit", "update", "predict", "_learn", "_fit", "_update", "_predict"
    first = {}
    for name in predictor_names():
        cls = predictor_class(name)
        first.setdefault(tuple(getattr(cls, method) for method in shared), name)
    return set(first.values())


def labelled(space: Space, n: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """Codes and a label that is a sum over the variables: every predictor can learn it."""
    codes = space.canonical(space.sample(n, seed=0))
    rng = np.random.default_rng(1)
    effects = [rng.normal(size=k) for k in space.cardinalities]
    y = sum(effect[codes[:, i]] for i, effect in enumerate(effects))
    return codes, np.asarray(90 + y, dtype=float)
