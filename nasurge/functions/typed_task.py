"""What ``nasurge search`` searches, as it was typed: a function, or trainings on images."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..benchmarks.training import Recipe
from ..data.devices import device_kind, resolve_device
from ..data.images import Images
from ..data.spaces import Space
from ..errors import ParameterError
from ..options import SearchCommandOptions
from .task import FunctionTask, Wanted, check_names
from .trained import MEASURED, RANGES, TrainedValues, check_measured, check_trainable, costs_of
from .typed import function_named


@dataclass(frozen=True)
class TypedTask:
    """What is searched, as it was typed: a process of its own makes the function of it."""

    space: Space
    options: SearchCommandOptions
    images: Images | None
    recipe: Recipe
    jobs: int = 1  # processes of a search that train

    def __post_init__(self) -> None:
        """Refuse a space whose networks cannot be trained on the images.

        Raises
        ------
        ParameterError
        DeviceError
            If the machine does not have the device.
        """
        if self.images is None:
            return
        resolve_device(self.options.device)
        check_trainable(self.space, self.images, self.recipe)

    @property
    def label(self) -> str:
        """What is searched, in a word or two."""
        if self.images is None:
            return str(self.options.objective)
        return f"training on {self.images.name}"

    def limits(self, name: str) -> dict[str, float]:
        """Least and largest value of an objective, as ``interval`` takes them."""
        return {} if self.images is None else RANGES.get(name, {"least": 0.0})

    def about(self) -> dict[str, Any]:
        """JSON description of the trainings; nothing of another function."""
        if self.images is None:
            return {}
        return {
            "images": {**self.images.options, "digest": self.images.digest},
            "recipe": self.recipe.to_dict(),
            "device": device_kind(self.options.device),
        }

    def __call__(self, folder: Path) -> FunctionTask:
        """Function on the space, as the objective of a searcher; trainings are kept in a folder."""
        task = self._function() if self.images is None else self._trainings(self.images, folder)
        check_names(task)
        return task

    def _trainings(self, images: Images, folder: Path) -> FunctionTask:
        """Trainings on images as the objective."""
        options = self.options
        objectives = options.objectives or "accuracy"
        wanted = Wanted.of(objectives=objectives, constraints=options.constraints)
        names = (*wanted.objectives, *(limit.name for limit in wanted.constraints))
        check_measured(names)
        wanted = replace(wanted, costs=costs_of(self.space, names))
        measured = tuple(name for name in MEASURED if name in names)
        function = TrainedValues(
            self.space, images, self.recipe, measured, folder, options.device, self.jobs
        )
        return FunctionTask(function, self.space, wanted)

    def _function(self) -> FunctionTask:
        """The function that was named as the objective."""
        options = self.options
        costs = {}
        for text in options.costs:
            name, equals, place = (part.strip() for part in text.partition("="))
            if not equals or not name or name in costs:
                raise ParameterError(f"--cost is NAME=MODULE:FUNCTION, each once, not {text!r}")
            costs[name] = function_named(place, option="--cost")
        wanted = Wanted.of(
            objectives=options.objectives,
            constraints=options.constraints,
            costs=costs,
            minimise=options.minimise,
            maximise=options.maximise,
            form=options.form,
        )
        return FunctionTask(function_named(str(options.objective)), self.space, wanted)
