"""How well supernets rank cells that were trained alone, and what differentiable searches find.

    python tests/measured/supernet_ranking.py [--epochs 60] [--seeds 3] [--cells 100]

The truth is the table ``nb201-digits``: each cell trained twice on noisy digits, in the skeleton
that the supernets here have. Prints, per way of training shared weights, Kendall's tau between what
cells inherit and what they reach; and per differentiable search the cell it found, trained as the
table's cells were, with the share of the table's cells that are worse.
"""

import argparse
import json
import time

import numpy as np
import torch
from scipy.stats import kendalltau

import nasurge
from nasurge.benchmarks.supernet import Supernet, train_supernet
from nasurge.benchmarks.supernet.blocks import rate_blockwise, train_blockwise
from nasurge.benchmarks.supernet.prune import train_pruned
from nasurge.benchmarks.training import Recipe, train_architectures, train_network
from nasurge.data.images import load_images
from nasurge.search.differentiable import search_supernet
from nasurge.search.differentiable.relaxations import MIXTURES

RECIPE = Recipe(epochs=3, batch_size=64, shift=0, width=4, cells=2, channels_last=True)
IMAGES = load_images("digits", noise=1.0)
TABLE = nasurge.load_table("nb201-digits")


def fresh(seed):
    """Return an untrained supernet of the table's skeleton."""
    return Supernet(
        TABLE.space, classes=10, in_channels=1, width=RECIPE.width, cells=RECIPE.cells, seed=seed
    )


def by_rule(rule, seed, epochs):
    """Return scores of cells by a supernet trained on single paths."""
    supernet = fresh(seed)
    train_supernet(
        supernet, IMAGES, rule=rule, epochs=epochs, shift=0, channels_last=True, seed=seed
    )
    return lambda codes: inherited(supernet, codes)


def inherited(supernet, codes):
    """Return inherited accuracies and losses, on the validation images."""
    found = supernet.evaluate(codes, IMAGES)
    return {"accuracy": found.accuracy, "loss": -found.loss}


def blockwise(seed, epochs):
    """Return scores by block-wise supervision, of a teacher of 3x3 convolutions."""
    supernet = fresh(seed)
    teacher = supernet.extract([3] * TABLE.space.n_variables)
    train_network(teacher, IMAGES, RECIPE, epochs=15, seed=seed)
    train_blockwise(supernet, teacher, IMAGES, epochs=epochs, seed=seed)
    return lambda codes: {"loss": -rate_blockwise(supernet, teacher, codes, IMAGES).sum(axis=1)}


def pruned(seed, epochs):
    """Return scores by a supernet on growing data that gave up operations."""
    supernet = fresh(seed)
    train_pruned(supernet, IMAGES, epochs=epochs // 3, seed=seed, shift=0, channels_last=True)
    return lambda codes: inherited(supernet, codes)


def rankings(arguments, truth, codes):
    """Print the taus of every way of training shared weights."""
    ways = {
        "spos": lambda seed: by_rule("spos", seed, arguments.epochs),
        "fairnas": lambda seed: by_rule("fairnas", seed, max(1, arguments.epochs // 5)),
        "sandwich": lambda seed: by_rule("sandwich", seed, max(1, arguments.epochs // 4)),
        "dna": lambda seed: blockwise(seed, arguments.epochs),
        "da-nas": lambda seed: pruned(seed, arguments.epochs),
    }
    for name, way in ways.items():
        taus, seconds = {}, []
        for seed in range(arguments.seeds):
            start = time.process_time()
            scores = way(seed)(codes)
            seconds.append(time.process_time() - start)
            for kind, values in scores.items():
                taus.setdefault(kind, []).append(float(kendalltau(truth, values)[0]))
        show({"supernet": name, "tau": taus, "seconds": seconds})


def searches(arguments, everything):
    """Print what the six searches find, trained as the table's cells were."""
    for method in MIXTURES:
        found, worse, seconds = [], [], []
        for seed in range(arguments.seeds):
            result = search_supernet(
                fresh(seed), IMAGES, method, epochs=arguments.search_epochs, shift=0, seed=seed
            )
            seconds.append(result.seconds)
            reached = np.mean(
                [
                    train_architectures(TABLE.space, [result.code], IMAGES, RECIPE, seed=s)[
                        0
                    ].test_accuracy
                    for s in (100, 101)
                ]
            )
            found.append(result.architecture)
            worse.append(float((everything < reached).mean()))
        show({"search": method, "cells": found, "share worse": worse, "seconds": seconds})


def show(row):
    """Print a row as JSON, numbers short."""
    print(json.dumps(row, default=str), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--search-epochs", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--cells", type=int, default=100)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    truth = TABLE.values(task="digits", metric="test_accuracy_3ep")
    order = np.argsort(truth)
    some = order[np.linspace(0, len(order) - 1, arguments.cells).round().astype(int)]
    rankings(arguments, truth[some], TABLE.codes[some])
    searches(arguments, truth)
