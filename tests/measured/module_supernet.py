"""How well the supernet of a PyTorch model ranks its architectures, beside that of cells.

    python tests/measured/module_supernet.py [--architectures 40] [--seeds 2] [--epochs 20]

A model of eight blocks, each a skip or an inverted bottleneck of expansion 3 or 6, on noisy digits
of 8x8 pixels, and cells of NAS-Bench-201 on the same images (table ``nb201-digits``). Drawn
architectures of both were trained alone, each twice. Prints what a step costs beside the
sub-network's own, and, per space and way of training the supernet, Kendall's tau of inherited
against mean stand-alone accuracy.
"""

import argparse
import json
import time

import numpy as np
import torch
from supernet_step import inputs, ratios
from torch import nn

from nasurge import load_table
from nasurge.benchmarks.metrics import kendall_tau
from nasurge.benchmarks.supernet import make_supernet, train_supernet
from nasurge.benchmarks.training import Recipe, train_architectures
from nasurge.data.images import load_images
from nasurge.data.networks import build_network, count_parameters
from nasurge.nn import Choice, space_of

IMAGES = load_images("digits", noise=1.0)
RECIPE = Recipe(epochs=3, batch_size=64, shift=0, width=4, cells=2, channels_last=True)
# Steps of sub-networks are about as many for all: the sandwich rule takes four a batch.
WAYS = {
    "spos": ({"rule": "spos"}, 1),
    "sandwich": ({"rule": "sandwich", "distil": False}, 4),
    "sandwich, distilled": ({"rule": "sandwich", "distil": True}, 4),
}


class Bottleneck(nn.Module):
    """Inverted bottleneck with a shortcut."""

    def __init__(self, channels, expansion):
        super().__init__()
        inner = channels * expansion
        self.layers = nn.Sequential(
            nn.Conv2d(channels, inner, 1, bias=False),
            nn.BatchNorm2d(inner),
            nn.ReLU(),
            nn.Conv2d(inner, inner, 3, padding=1, groups=inner, bias=False),
            nn.BatchNorm2d(inner),
            nn.ReLU(),
            nn.Conv2d(inner, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x):
        """Sum of the input and what the layers make of it."""
        return x + self.layers(x)


class Blocks(nn.Module):
    """Eight blocks, each of which is a choice."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16))
        self.blocks = nn.Sequential(
            *(
                Choice(skip=nn.Identity(), mb3=Bottleneck(16, 3), mb6=Bottleneck(16, 6))
                for _ in range(8)
            )
        )
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10))

    def forward(self, x):
        """Logits, shape (n, 10)."""
        return self.head(self.blocks(self.stem(x)))


def fresh(space, seed):
    """Return an untrained supernet of the skeleton that the architectures are trained in."""
    return make_supernet(
        space,
        classes=10,
        in_channels=1,
        width=RECIPE.width,
        cells=RECIPE.cells,
        seed=seed,
    )


def alone(space, codes):
    """Return stand-alone validation accuracies of two trainings, shape (2, n)."""
    return np.array(
        [
            [
                result.valid_accuracy
                for result in train_architectures(space, codes, IMAGES, RECIPE, seed=seed)
            ]
            for seed in (100, 101)
        ]
    )


def problems(n):
    """Return spaces, drawn architectures of each, and the accuracies they reach alone.

    Those of cells are in the table, the mean of two trainings by this very recipe.
    """
    blocks, table = space_of(Blocks, example=torch.zeros(2, 1, 8, 8)), load_table("nb201-digits")
    rows = np.random.default_rng(0).choice(len(table.codes), n, replace=False)
    cells = table.codes[rows]
    codes = blocks.sample(n, seed=0, unique=True)
    for space, some in ((blocks, codes), (table.space, cells)):
        steps = np.quantile(
            ratios(fresh(space, 0), some[:8], *inputs((1, 8, 8), "cpu"), repeats=8), [0, 0.5, 1]
        )
        show({"space": space.name, "step ratio": steps.tolist()})
    start = time.process_time()
    reached = alone(blocks, codes)
    ranges = np.quantile(reached, [0, 0.5, 1]).tolist()
    agree = kendall_tau(*reached)
    spent = time.process_time() - start
    show({"space": blocks.name, "alone": ranges, "agree": agree, "seconds": spent})
    truth = table.values(task="digits", metric="valid_accuracy_3ep")[rows]
    found = ((blocks, codes, reached.mean(axis=0)), (table.space, cells, truth))
    for space, some, values in found:
        counted = parameters(space, some)
        show({"space": space.name, "way": "parameters", "tau": kendall_tau(values, counted)})
    return found


def parameters(space, codes):
    """Return the number of weights of some networks: what ranks without a supernet."""
    sizes = {"classes": 10, "in_channels": 1, "width": RECIPE.width, "cells": RECIPE.cells}
    return np.array([count_parameters(build_network(space, code, **sizes)) for code in codes])


def rank(space, codes, truth, name, *, epochs, seed):
    """Print how well a supernet ranks some architectures."""
    options, paths = WAYS[name]
    start = time.process_time()
    supernet = fresh(space, seed)
    train_supernet(
        supernet,
        IMAGES,
        epochs=max(1, epochs // paths),
        shift=0,
        channels_last=True,
        seed=seed,
        **options,
    )
    spent = time.process_time() - start
    inherited = supernet.evaluate(codes, IMAGES, calibration=4)
    show(
        {
            "space": space.name,
            "way": name,
            "seed": seed,
            "tau": kendall_tau(truth, inherited.accuracy),
            "of loss": kendall_tau(truth, -inherited.loss),
            "inherited": inherited.accuracy.mean(),
            "seconds": spent,
        }
    )


def show(row):
    """Print a row as JSON."""
    print(json.dumps(row, default=float), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--architectures", type=int, default=40)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=20)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    found = problems(arguments.architectures)
    for seed in range(arguments.seeds):
        for name in WAYS:
            for problem in found:
                rank(*problem, name, epochs=arguments.epochs, seed=seed)
