"""What a supernet adds to the best of a few trainings: the same number spent on random cells.

    python tests/measured/best_subnetwork.py [--seeds 6] [--epochs 30] [--budget 200] [--noise 1]

Per seed: a supernet is trained on noisy digits in the skeleton of the table ``nb201-digits``,
searched with inherited weights by evolution, and the best three are trained as the table's cells
were; nine cells drawn uniformly are trained too, three times three. Of each three that with the
highest validation accuracy is taken, and its test accuracy printed, one JSON object a seed.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from nasurge.benchmarks.supernet import SubnetworkOptions, Supernet, train_supernet
from nasurge.best import best_subnetwork
from nasurge.data.images import load_images
from nasurge.data.spaces import make_space

TOP = 3
RECIPE = {"epochs": 3, "batch_size": 64, "shift": 0, "channels_last": True}
SKELETON = {"width": 4, "cells": 2}


def taken(rows):
    """Return the test accuracy of the row with the highest validation accuracy."""
    return max(rows, key=lambda row: row["valid_accuracy"] or 0.0)["test_accuracy"]


def measured(arguments, images, seed):
    """Return what the best of three are, searched for and drawn, and what all of it cost."""
    supernet = Supernet(make_space("nb201"), classes=10, in_channels=1, **SKELETON, seed=seed)
    begin = time.process_time()
    train_supernet(
        supernet, images, epochs=arguments.epochs, shift=0, channels_last=True, seed=seed
    )
    trained = time.process_time() - begin
    with tempfile.TemporaryDirectory() as folder:
        options = SubnetworkOptions(
            budget=arguments.budget,
            top=TOP,
            random=3 * TOP,
            train_epochs=RECIPE["epochs"],
            recipe=json.dumps(RECIPE),
            out=Path(folder),
        )
        found = best_subnetwork(supernet, images, options, skeleton=SKELETON, seed=seed)
    searched, drawn = (
        [row for row in found["trained"] if row["of"] == of] for of in ("search", "random")
    )
    inherited = [row["inherited_accuracy"] for row in found["trained"]]
    return {
        "seed": seed,
        "searched": taken(searched),
        "drawn": [taken(drawn[k : k + TOP]) for k in range(0, len(drawn), TOP)],
        "of nine": taken(drawn),
        "all searched": [row["test_accuracy"] for row in searched],
        "all drawn": [row["test_accuracy"] for row in drawn],
        "inherited": inherited,
        "supernet_cpu_seconds": trained,
        "search_seconds": found["search_seconds"],
        "training_seconds": float(np.mean([row["train_seconds"] for row in found["trained"]])),
    }


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--budget", type=int, default=200)
    parser.add_argument("--noise", type=float, default=1.0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    images = load_images("digits", noise=arguments.noise)
    for seed in range(arguments.seeds):
        print(json.dumps(measured(arguments, images, seed)), flush=True)


if __name__ == "__main__":
    main()
