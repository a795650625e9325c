"""Recipes: how a network is made and trained, as one value that can be stored and repeated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from ...data.arguments import checked
from ...data.files import parse_json, read_document
from ...errors import ParameterError
from ..studies.flags import option

OPTIMISERS = ("sgd", "adamw")
SCHEDULES = ("one-cycle", "cosine", "constant")
PRECISIONS = ("float32", "bfloat16")
REDUCTIONS = ("residual", "plain")

AnyRecipe = TypeVar("AnyRecipe")
Epochs = partial(option, least=1, help="Times that every image is learnt from.")


@dataclass(frozen=True, kw_only=True)
class EpochOptions:
    """How a network learns images in epochs; every kind of training adds its own to these.

    Attributes
    ----------
    epochs : int
    batch_size : int
        The images of an epoch are cut into equal batches of at most this size.
    learning_rate : float
        The highest of the schedule.
    weight_decay : float
    flip : bool or None
        Mirror half of the training images left to right. None: only images of several channels;
        grey ones are mostly signs, which a mirror turns into others.
    shift : int or None
        Move training images by up to so many pixels, zeros coming in. None: an eighth of the
        height.
    channels_last : bool
        Keep images and weights in channels-last memory order, which some GPUs prefer.

    Raises
    ------
    ParameterError
        If a value is outside its range.
    """

    epochs: int = Epochs(20)
    batch_size: int = option(64, least=2, help="Images of a step, at most.")
    learning_rate: float = 0.1
    weight_decay: float = 5e-4
    flip: bool | None = None
    shift: int | None = None
    channels_last: bool = False

    def __post_init__(self) -> None:
        check_least(self, {"epochs": 1, "batch_size": 2, "weight_decay": 0, "shift": 0})
        if self.learning_rate <= 0:
            raise ParameterError(f"learning_rate must be above 0, not {self.learning_rate}")

    def to_dict(self) -> dict[str, Any]:
        """JSON values of the fields."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Recipe(EpochOptions):
    """How a network is made and trained; the seed is not in it.

    Attributes
    ----------
    epochs, batch_size, learning_rate, weight_decay, flip, shift, channels_last
        As of ``EpochOptions``.
    optimiser : {"sgd", "adamw"}
        ``sgd`` has Nesterov momentum 0.9.
    schedule : {"one-cycle", "cosine", "constant"}
        ``one-cycle`` rises over the first 30 % of the steps and falls to nothing, ``cosine`` falls
        from the start; both change after every step.
    label_smoothing : float
        Share of the target that is spread over all classes.
    width, cells : int
        Size of the network, as for ``build_network``.
    reduction : {"residual", "plain"}
        Between its stages, as for ``build_network``.
    precision : {"float32", "bfloat16"}
        ``bfloat16`` computes the layers that bear it in mixed precision; weights stay float32.
    compile : bool
        Compile the network with ``torch.compile``: pays for long trainings only.

    Raises
    ------
    ParameterError
        If a value is outside its range.

    Examples
    --------
    >>> recipe = Recipe(epochs=3, width=4)
    >>> make_recipe(recipe.to_dict()) == recipe
    True
    """

    epochs: int = 8
    optimiser: str = "sgd"
    schedule: str = "one-cycle"
    label_smoothing: float = 0.0
    width: int = 8
    cells: int = 1
    reduction: str = "residual"
    precision: str = "float32"
    compile: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_least(self, {"width": 1, "cells": 1})
        if not 0 <= self.label_smoothing < 1:
            raise ParameterError(
                f"label_smoothing must be at least 0 and below 1, not {self.label_smoothing}"
            )
        known = {"optimiser": OPTIMISERS, "schedule": SCHEDULES, "precision": PRECISIONS}
        check_known(self, known | {"reduction": REDUCTIONS})

    @property
    def skeleton(self) -> dict[str, Any]:
        """The network's size and reductions, as ``build_network`` takes them."""
        return {"width": self.width, "cells": self.cells, "reduction": self.reduction}


@checked
def make_recipe(base: Mapping[str, Any] | Recipe | None = None, **changes: Any) -> Recipe:
    """Recipe like the result of ``Recipe.to_dict``, another recipe, or the default one.

    Parameters
    ----------
    base : mapping or Recipe, optional
    **changes
        Fields to have other values.

    Raises
    ------
    ParameterError
        If a field is unknown or a value outside its range.

    Examples
    --------
    >>> make_recipe(epochs=2).epochs
    2
    """
    values = base.to_dict() if isinstance(base, Recipe) else dict(base or {})
    return with_changes(Recipe(), {**values, **changes}, "a recipe")


def with_changes(recipe: AnyRecipe, changes: Mapping[str, Any], what: str) -> AnyRecipe:
    """Copy of a frozen dataclass with other values of some fields.

    Parameters
    ----------
    recipe : dataclass
    changes : mapping
    what : str
        The recipe, for the message.

    Raises
    ------
    ParameterError
        If a field is unknown or a value outside its range.
    """
    names = [field.name for field in fields(recipe)]  # type: ignore[arg-type]
    if unknown := [name for name in changes if name not in names]:
        raise ParameterError(f"{what} has no {', '.join(unknown)}; it has {', '.join(names)}")
    return replace(recipe, **changes)  # type: ignore[type-var]


def check_least(recipe: Any, least: Mapping[str, float]) -> None:
    """Refuse numbers of a recipe that are too small; None is no number.

    Raises
    ------
    ParameterError
        If there is one.
    """
    for name, lowest in least.items():
        value = getattr(recipe, name)
        if value is not None and value < lowest:
            raise ParameterError(f"{name} must be at least {lowest}, not {value}")


def check_known(recipe: Any, allowed: Mapping[str, Sequence[str | None]]) -> None:
    """Refuse words in a recipe that are not allowed.

    Raises
    ------
    ParameterError
        If there is one.
    """
    for name, choices in allowed.items():
        if getattr(recipe, name) not in choices:
            words = ", ".join(map(str, choices))
            raise ParameterError(f"{name} must be one of {words}, not {getattr(recipe, name)!r}")


def read_recipe(text: str | Recipe | None, **changes: Any) -> Recipe:
    """Recipe in a JSON object, or in a file that holds one.

    Parameters
    ----------
    text : str, Recipe or None
        Begins with a brace, or is a path. The fields that are not named have their defaults.
    **changes
        Fields to have other values; None changes nothing.

    Raises
    ------
    StorageError
        If the file cannot be read.
    DataFileError
        If it is no JSON object.
    ParameterError
        As ``make_recipe``.

    Examples
    --------
    >>> read_recipe('{"epochs": 3}', width=4, cells=None).epochs
    3
    """
    base = text if isinstance(text, Recipe) else read_json(text or "{}", "recipe")
    return make_recipe(base, **{k: v for k, v in changes.items() if v is not None})


def read_json(text: str, what: str) -> dict[str, Any]:
    """JSON object that a text holds, or the file of which the text is the path.

    Parameters
    ----------
    text : str
        Begins with a brace, or is a path.
    what : str
        The kind of object, for the message.

    Raises
    ------
    StorageError
        If the file cannot be read.
    DataFileError
        If it is no JSON object, or damaged.

    Examples
    --------
    >>> read_json('{"epochs": 3}', "recipe")
    {'epochs': 3}
    """
    remedy = 'write an object, such as {"epochs": 3}'
    if text.lstrip().startswith("{"):
        return parse_json(text, f"the {what} {text[:60]}", remedy=remedy)
    missing = f"cannot read the {what} {text}: there is no such file, or it may not be read"
    return read_document(Path(text), missing=missing, remedy=remedy)
