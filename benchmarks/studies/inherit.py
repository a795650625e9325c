"""Scores by inheritance: architectures are evaluated with the weights of a trained supernet."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ...data.devices import one_thread
from ...data.spaces import Codes
from ..supernet import SupernetOptions
from ..training import REDUCTIONS, check_known, check_least, read_json, with_changes
from .journal import Row
from .trainings import TrainingPlan

SCORES = ("accuracy", "loss")

_TUNING = ("batch_size", "weight_decay", "flip", "shift", "channels_last")


@dataclass(frozen=True, kw_only=True)
class SupernetRecipe(SupernetOptions):
    """How a supernet is trained and its sub-networks are scored; the seed is not in it.

    Attributes
    ----------
    rule, epochs, batch_size, learning_rate, weight_decay, clip, flip, shift, precision,
    channels_last, compile
        As of ``SupernetOptions``.
    width, cells, reduction : int or str or None
        Of the network; None is that of the networks that are trained alone.
    part : {"valid", "train", "test"}
        The images that sub-networks classify.
    limit : int or None
        Only so many of them.
    calibration : int
        As for ``Supernet.evaluate``.
    score : {"accuracy", "loss"}
        What ranks the sub-networks. A loss has no ties, and smaller is better.
    tune : int
        Steps that every sub-network is then trained by itself from what it inherited; their mean
        training loss is a column more (``tuned_losses``). 0 for none.

    Raises
    ------
    ParameterError
        If a value is outside its range.
    UnknownNameError
        If there is no such rule.

    Examples
    --------
    >>> read_supernet_recipe("fairnas") == SupernetRecipe(rule="fairnas")
    True
    """

    epochs: int = 30
    width: int | None = None
    cells: int | None = None
    reduction: str | None = None
    part: Literal["train", "valid", "test"] = "valid"
    limit: int | None = None
    calibration: int = 8
    score: str = "accuracy"
    tune: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_least(self, {"width": 1, "cells": 1, "limit": 1, "calibration": 0, "tune": 0})
        check_known(self, {"part": ("train", "valid", "test"), "score": SCORES})
        check_known(self, {"reduction": (*REDUCTIONS, None)})


def read_supernet_recipe(text: str) -> SupernetRecipe:
    """Recipe of a rule's name, of a JSON object, or of a file that holds one.

    Parameters
    ----------
    text : str
        Such as ``spos``, or ``{"rule": "fairnas", "epochs": 60}``.

    Raises
    ------
    StorageError, DataFileError
        If it is a file that cannot be read, or no JSON object.
    ParameterError, UnknownNameError
        As ``SupernetRecipe``, or if a field is unknown.
    """
    if text.isidentifier():
        return SupernetRecipe(rule=text)
    fields = read_json(text, "supernet recipe")
    return with_changes(SupernetRecipe(), fields, "a supernet recipe")


@dataclass(frozen=True, eq=False)
class InheritUnit:
    """A supernet trained, and architectures evaluated with its weights; calling it gives the row.

    The weights stay in the folder; a training that was killed goes on from them.
    """

    plan: TrainingPlan
    codes: Codes
    recipe: SupernetRecipe
    seed: int
    folder: Path

    def __call__(self) -> list[Row]:
        """Row with the ``accuracy``, ``loss`` and ``tuned`` loss of every architecture."""
        with one_thread():
            return [self._row()]

    def _row(self) -> Row:
        from ..supernet import make_supernet, train_supernet, tuned_losses

        recipe, images, device = self.recipe, self.plan.images, self.plan.device
        supernet = make_supernet(
            self.plan.space,
            classes=len(images.classes),
            in_channels=images.train_x.shape[1],
            width=recipe.width or 1,
            cells=recipe.cells or 1,
            reduction=recipe.reduction or "residual",
            seed=self.seed,
        )
        history = train_supernet(
            supernet,
            images,
            recipe,
            device=device,
            seed=self.seed,
            checkpoint=self.folder / "supernet.safetensors",
        )
        row: Row = {**vars(history), "losses": list(history.losses)}
        if history.diverged:
            nothing = ("evaluate_seconds", "tune_seconds", *SCORES, "tuned")
            return {**row, **dict.fromkeys(nothing)}
        evaluated = supernet.evaluate(
            self.codes,
            images,
            part=recipe.part,
            limit=recipe.limit,
            calibration=recipe.calibration,
            seed=self.seed,
        )
        start = time.perf_counter()
        tuned = None
        if recipe.tune:
            same = {name: getattr(recipe, name) for name in _TUNING}
            steps, seed = recipe.tune, self.seed
            tuned = tuned_losses(
                supernet, self.codes, images, steps=steps, device=device, seed=seed, **same
            ).tolist()
        return {
            **row,
            "evaluate_seconds": evaluated.seconds,
            "tune_seconds": time.perf_counter() - start,
            "accuracy": evaluated.accuracy.tolist(),
            "loss": evaluated.loss.tolist(),
            "tuned": tuned,
        }
