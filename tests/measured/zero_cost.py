"""Our zero-cost proxies beside the published ones, and what each says of the trained networks.

Run as ``python tests/measured/zero_cost.py --cells 60`` with ``NASURGE_DATA`` naming the folder
of reference tables and ``nb201`` imported. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import kendalltau, spearmanr

import nasurge
from nasurge.data.images import load_images
from nasurge.data.networks.zero_cost_scores import PROXIES, image_batch, zero_cost


def main() -> None:
    """Compare on cells drawn evenly over the published accuracies."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    folder = Path(os.environ["NASURGE_DATA"])
    table = nasurge.load_table("nb201")
    space = table.space
    published = pd.read_csv(folder / "nb201_zero_cost.csv.gz")
    codes = space.parse(published["arch"].tolist())
    accuracy = np.asarray(table.lookup(codes, task="cifar10", metric="c10_test_200ep"), dtype=float)
    # One cell from each slice of the ranking.
    slices = np.array_split(np.argsort(accuracy, kind="stable"), given.cells)
    rng = np.random.default_rng(given.seed)
    rows = np.array([rng.choice(some) for some in slices])
    codes, accuracy = codes[rows], accuracy[rows]
    theirs = published.iloc[rows][list(PROXIES)].to_numpy()

    archive = folder / "cifar10_subset.tar.gz"
    photos = load_images(archive, limit=64)
    settings = {
        "published skeleton": {
            "images": photos.train_x,
            "labels": photos.train_y,
            "width": 16,
            "cells": 5,
        },
        "small, random images": dict(zip(("images", "labels"), image_batch(None), strict=True)),
        "small, CIFAR-10": dict(zip(("images", "labels"), image_batch(str(archive)), strict=True)),
    }
    ours = {}
    for name, setting in settings.items():
        start = time.perf_counter()
        ours[name] = zero_cost(space, codes, device="cpu", **setting)
        seconds = (time.perf_counter() - start) / len(codes)
        print(f"{name}: {seconds:.3f} s a cell", file=sys.stderr, flush=True)

    columns = [f"{what}, {name}" for name in ours for what in ("agree", "tau")]
    print("| proxy | published: tau | " + " | ".join(columns) + " |")
    print("| --- " * (len(columns) + 2) + "|")
    for k, proxy in enumerate(PROXIES):
        line = [f"`{proxy}`", f"{kendalltau(theirs[:, k], accuracy)[0]:.2f}"]
        for values in ours.values():
            tau = kendalltau(values[:, k], theirs[:, k])[0]
            rho = spearmanr(values[:, k], theirs[:, k])[0]
            line += [f"{tau:.2f} ({rho:.2f})", f"{kendalltau(values[:, k], accuracy)[0]:.2f}"]
        print("| " + " | ".join(line) + " |")


if __name__ == "__main__":
    main()
