"""Trainings on images as what is searched: ``nasurge search --space my_module:Net --images``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..benchmarks.training import Recipe, TrainedObjective, network_for, read_recipe
from ..data.networks import (
    COSTS,
    has_network_costs,
    network_costs,
    why_no_network,
)
from ..data.seeds import as_generator, torch_seed
from ..data.spaces import Space
from ..data.types import Codes, Values
from ..errors import ParameterError

if TYPE_CHECKING:
    from ..data.images import Images

MEASURED = ("accuracy", "latency")
"""What a training tells; costs of networks are known before."""
RANGES = {"accuracy": {"least": 0.0, "most": 100.0}}
"""Least and largest value of what is searched, where that is not 0 and infinity."""


@dataclass(frozen=True, eq=False)
class TrainedValues:
    """Validation accuracy in percent after training, and latency on this machine, by name.

    Parameters
    ----------
    space : Space
    images : Images
    recipe : Recipe
    names : tuple of str
        Of ``MEASURED``.
    folder : Path
        Where every training is kept the moment it is done.
    device : str
    jobs : int
        Processes that train on a CPU; latency is measured when they are done.
    """

    space: Space
    images: Images
    recipe: Recipe
    names: tuple[str, ...]
    folder: Path
    device: str = "auto"
    jobs: int = 1

    def __call__(self, codes: Codes) -> dict[str, Values]:
        """Values of each architecture, shape (n,) each; NaN where a training diverged."""
        found = {}
        if "accuracy" in self.names:
            found["accuracy"] = self._trainings(codes)
        if "latency" in self.names:
            trained = np.isfinite(found.get("accuracy", np.zeros(len(codes))))
            found["latency"] = np.full(len(codes), np.nan)
            found["latency"][trained] = self._latencies(codes[trained])
        return found

    @cached_property
    def _trainings(self) -> TrainedObjective:
        """Trainings of the folder."""
        return TrainedObjective(
            self.space,
            self.images,
            self.recipe,
            device=self.device,
            jobs=self.jobs,
            folder=self.folder,
        )

    @property
    def failures(self) -> dict[str, str]:
        """Why architectures have no accuracy, as ``TrainedObjective.failures``."""
        return self._trainings.failures if "accuracy" in self.names else {}

    def _latencies(self, codes: Codes) -> list[float]:
        """Steady milliseconds of one image on one thread of this machine's CPU, taking turns."""
        import torch

        from ..benchmarks.latency import measure_latencies

        shape = self.images.train_x.shape[1:]
        with torch_seed(as_generator(0), "cpu"):
            networks = [network_for(self.space, code, self.images, self.recipe) for code in codes]
        return [one.steady for one in measure_latencies(networks, torch.zeros(1, *shape))]


def check_trainable(space: Space, images: Images, recipe: Recipe) -> None:
    """Refuse a space without networks, or whose networks do not take the images.

    Raises
    ------
    ParameterError
    """
    if reason := why_no_network(space):
        raise ParameterError(f"there are no networks to train: {reason}")
    [code] = space.sample(1, seed=0)
    with torch_seed(as_generator(0), "cpu"):
        network_for(space, code, images, recipe)


def check_measured(names: tuple[str, ...]) -> None:
    """Refuse what neither a training nor a network tells.

    Raises
    ------
    ParameterError
    """
    known = (*MEASURED, *COSTS)
    if odd := [name for name in names if name not in known]:
        raise ParameterError(
            f"{odd[0]!r} is not known of a trained network: name {', '.join(known)}, or search "
            "with --objective MODULE:FUNCTION, which returns it"
        )


def costs_of(space: Space, names: tuple[str, ...]) -> dict[str, Callable[[Codes], Values]]:
    """Costs of the networks of a space that are among the names."""
    if not has_network_costs(space):
        return {}

    def cost(name: str) -> Callable[[Codes], Values]:
        return lambda codes: np.asarray(network_costs(space, codes, name))

    return {name: cost(name) for name in names if name in COSTS}


def recipe_typed(text: str | None) -> Recipe:
    """Recipe that was typed: a JSON object, or the file of one."""
    return read_recipe(text)
