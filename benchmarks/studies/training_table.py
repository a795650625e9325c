"""The table that trainings make: accuracies by seed and epoch, losses, costs and proxies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ...data.images import Images
from ...data.spaces import Codes, Space
from ...data.tables import Column, Table, build_table
from ...data.types import Values
from ..objectives import TRAINING_TIME
from ..training import Recipe
from .journal import Row


def table_of_trainings(
    name: str,
    space: Space,
    codes: Codes,
    rows: Sequence[Row],
    images: Images,
    recipe: Recipe,
    *,
    made: Mapping[str, Any],
    proxies: Sequence[str] = (),
) -> Table:
    """Table of trainings: every seed, their mean, learning curves and costs.

    A training that diverged has no value, and an architecture none of whose trainings ended well
    has no mean.

    Parameters
    ----------
    name : str
    space : Space
    codes : int8 array, shape (n, d)
    rows : sequence of dict
        A ``TrainingRow`` for each of ``codes`` with each of some seeds.
    images : Images
    recipe : Recipe
    made : mapping
        JSON values that say how the trainings can be repeated.
    proxies : sequence of str
    """
    seeds = sorted({row["seed"] for row in rows})
    found = {(row["architecture"], row["seed"]): row for row in rows}
    runs = [[found[text, seed] for seed in seeds] for text in space.format(codes)]
    shape = (len(codes), len(seeds))

    def over_seeds(value: Any) -> Values:
        values = [[np.nan if r["diverged"] else value(r) for r in line] for line in runs]
        return np.array(values, dtype=np.float64).reshape(shape)

    measured: list[tuple[Column, Values]] = []

    def add(metric: str, split: str, epoch: int, values: Values, **how: Any) -> None:
        source = f"{split}_{metric}_{epoch}ep"
        mean = Column(images.name, metric, split, epoch, "mean", source=source, **how)
        measured.append((mean, _mean(values)))
        for k, seed in enumerate(seeds):
            measured.append((replace(mean, seed=seed, source=f"{source}_seed{seed}"), values[:, k]))

    last = recipe.epochs
    add("accuracy", "test", last, over_seeds(lambda r: r["test_accuracy"]), unit="%")
    for epoch in range(last, 0, -1):
        curve = over_seeds(lambda r, at=epoch - 1: r["curve"][at])
        add("accuracy", "valid", epoch, curve, unit="%")
    add("loss", "test", last, over_seeds(lambda r: r["test_loss"]), minimise=True)
    add("loss", "valid", last, over_seeds(lambda r: r["valid_loss"]), minimise=True)
    seconds = _mean(over_seeds(lambda r: r["train_seconds"]))
    cost = Column(images.name, TRAINING_TIME, minimise=True, unit="s", source="train_seconds")
    measured.append((cost, seconds))
    measured += _costs(space, codes, images, recipe)
    measured += _proxies(space, codes, images, recipe, proxies)
    roles = {images.name: (f"valid_accuracy_{last}ep", f"test_accuracy_{last}ep")}
    origin = f"trained by NASurge on {images.name}, {len(seeds)} seeds, {last} epochs"
    return build_table(name, space, codes, measured, roles=roles, origin=origin, made=made)


def _mean(values: Values) -> Values:
    """Mean of each row's numbers, shape (n,); NaN where there is none."""
    return np.asarray(np.ma.masked_invalid(values).mean(axis=1).filled(np.nan))


def _costs(
    space: Space, codes: Codes, images: Images, recipe: Recipe
) -> list[tuple[Column, Values]]:
    """FLOPs and parameters of the networks that were trained, in millions, shape (n,) each."""
    import torch

    from ...data.networks import build_network, count_flops, count_parameters

    channels, height, width = images.train_x.shape[1:]
    counted = np.empty((len(codes), 2))
    with torch.random.fork_rng(devices=[]):
        for row, code in enumerate(codes):
            network = build_network(
                space,
                code,
                classes=len(images.classes),
                in_channels=channels,
                **recipe.skeleton,
            )
            flops = count_flops(network, (channels, height, width))
            counted[row] = flops, count_parameters(network)
    names = (("flops", "flops_M"), ("parameters", "params_M"))
    return [
        (Column(images.name, metric, minimise=True, unit="M", source=source), counted[:, k] / 1e6)
        for k, (metric, source) in enumerate(names)
    ]


def _proxies(
    space: Space, codes: Codes, images: Images, recipe: Recipe, names: Sequence[str]
) -> list[tuple[Column, Values]]:
    """Zero-cost proxies of the networks that were trained, on the first images, shape (n,) each."""
    if not names:
        return []
    from ...data.networks import first_images, zero_cost

    x, y = first_images(images)
    values = zero_cost(
        space, codes, names=names, images=x, labels=y, device="cpu", **recipe.skeleton
    )
    return [
        (Column(images.name, name, source=f"proxy_{name}"), values[:, k])
        for k, name in enumerate(names)
    ]
