"""Meta-trained searches in files: weights, population, and how they were made."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ...benchmarks.few_shot import FewShotSupernet, FewShotWeights, make_few_shot_supernet
from ...benchmarks.studies import shaped_space
from ...benchmarks.training import read_checkpoint, write_checkpoint
from ...data.arguments import checked
from ...data.files import DAMAGED
from ...data.images import ImageClasses
from ...data.spaces import stored_space
from ...errors import (
    DataFileError,
    LabelError,
    NasurgeError,
    ParameterError,
    StorageError,
    UnknownNameError,
)
from .evolve import ATNAS

FORMAT = 1
_LARGEST = 4096  # classes, pixels or channels of a network for few-shot tasks
SHIPPED = "at-nas-glyphs.safetensors"
"""The search that comes with the package, meta-trained on alphabets of glyphs."""


@checked
def save_search(
    path: Path,
    search: ATNAS,
    made: Mapping[str, Any],
    trained: Sequence[str],
    *,
    task: ImageClasses | None = None,
) -> None:
    """Write a meta-trained search to a safetensors file, whole or not at all.

    Parameters
    ----------
    path : Path
    search : ATNAS
    made : mapping
        How it was made, as JSON values.
    trained : sequence of str
        ``class_keys`` of the classes it was meta-trained on.
    task : ImageClasses, optional
        The images that it learnt from, of a search that was adapted to their classes.

    Raises
    ------
    StorageError
        If it cannot be written.
    """
    search.encoding  # noqa: B018 - chosen now, if the meta-training did not come so far
    tensors, about = search.state()
    described = {**search.describe(), "chosen": about["chosen"]}
    kept = {"format": FORMAT, "search": described, "made": dict(made), "trained": list(trained)}
    if task is not None:
        kept["task"] = {"classes": task.classes, "name": task.name, "levels": task.levels}
        learnt = {"task.images": task.images, "task.labels": task.labels}
        tensors |= {k: torch.from_numpy(np.ascontiguousarray(a)) for k, a in learnt.items()}
    write_checkpoint(path, tensors, {"at-nas": kept})


@checked
def load_search(
    path: Path | None = None, *, model: str | None = None
) -> tuple[ATNAS, dict[str, Any]]:
    """Meta-trained search in a file, and how it was made.

    Parameters
    ----------
    path : Path, optional
        By default the search that comes with the package.
    model : str, optional
        ``MODULE:NAME`` of the model, where the search is one of a model: a file holds no code, and
        what it says is never imported.

    Returns
    -------
    ATNAS
        It can be asked and adapted; it has no classes kept aside to go on with its meta-training.
        A predictor of one's own that screened is not kept: then the default one screens.
    dict
        ``made``, as given to ``save_search``, ``trained``, and ``task``, None of a search that was
        not adapted to one.

    Raises
    ------
    StorageError
        If there is no such file, or it cannot be read.
    DataFileError
        If it is damaged or no search of ours.
    ParameterError
        If it is of a model that is not named, of another one, or of none.

    Examples
    --------
    >>> search, about = load_search()
    >>> search.supernet.space.name, about["made"]["images"]
    ('nb201', 'glyphs')
    """
    file = Path(str(files("nasurge.data") / "shipped" / SHIPPED)) if path is None else path
    checkpoint = read_checkpoint(file)
    if checkpoint is None:
        raise StorageError(f"there is no file {file}: make one with nasurge meta train")
    tensors, about = checkpoint
    try:
        kept = about["at-nas"]
        if kept["format"] != FORMAT:
            raise DataFileError(
                f"{file} has format {kept['format']}, this version reads {FORMAT}: make one with "
                "nasurge meta train"
            )
        described = kept["search"]
        population, offspring, episodes = described["evolution"]
        names: tuple[str, ...] = ("way", "in_channels", "size")
        names += ("weights",) if "weights" in described else ("width", "cells", "fold")
        sizes = {k: described[k] for k in names}
        if any(isinstance(value, int) and value > _LARGEST for value in sizes.values()):
            raise DataFileError(f"{file} describes a network of {sizes}: make one anew")
        supernet = _supernet(described["space"], sizes, model, file)
        search = ATNAS(
            supernet,
            None,
            rule=described["rule"],
            steps=described["steps"],
            rate=described.get("rate"),  # files before had none
            population=population,
            offspring=offspring,
            episodes=episodes,
            predictor=described["predictor"] != type(None).__name__,
            seed=0,
        )
        search.load_weights(tensors, described["chosen"])
        task = _task(kept["task"], tensors, sizes) if "task" in kept else None
        return search, {"made": kept["made"], "trained": kept["trained"], "task": task}
    except NasurgeError:
        raise
    except DAMAGED as error:
        raise DataFileError(
            f"{file} is no search that nasurge meta train wrote ({error}): make one with it"
        ) from error


def _task(
    about: Mapping[str, Any], tensors: Mapping[str, torch.Tensor], sizes: Mapping[str, Any]
) -> ImageClasses:
    """Images that an adapted search learnt from; ``ValueError`` if they are not for it."""
    images, labels = tensors["task.images"].numpy(), tensors["task.labels"].numpy()
    low, high = map(float, about["levels"])
    shape = (len(labels), sizes["in_channels"], sizes["size"], sizes["size"])
    if images.shape != shape or images.dtype != np.float32 or not low < high:
        raise ValueError(f"images of {images.shape} and levels {low} and {high}")
    if set(labels.tolist()) != set(range(len(about["classes"]))):
        raise ValueError(f"labels that are not those of {len(about['classes'])} classes")
    classes = tuple(map(str, about["classes"]))
    return ImageClasses(images, labels, classes, str(about["name"]), (low, high))


def _supernet(name: str, sizes: dict[str, Any], model: str | None, file: Path) -> FewShotWeights:
    """Supernet of sizes that a file holds; of a model, the one that was named beside it."""
    weights = sizes.pop("weights", None)
    if weights is None:
        if model is not None:
            raise ParameterError(
                f"{file} is a search of space {name!r}, not of a model: leave out {model}"
            )
        return FewShotSupernet(stored_space(name), **sizes, seed=0)
    if model is None:
        raise ParameterError(
            f"{file} is a search of the model {name}, whose code is in no file of ours: name it, "
            f"--space {name}"
        )
    space = shaped_space(model, (sizes["in_channels"], sizes["size"], sizes["size"]))
    supernet = make_few_shot_supernet(space, **sizes, seed=0)
    if supernet.sizes.get("weights") != weights:
        raise ParameterError(
            f"{file} is a search of the model {name} as it was then; {model} has other weights: "
            "give the model back the layers it had, or make the search anew"
        )
    return supernet


@checked
def class_keys(data: ImageClasses) -> list[str]:
    """Digests of the images of each class, eight characters whatever the class is called.

    The same images of another size, or one more or fewer of them, are other images.

    Examples
    --------
    >>> from nasurge.data.images import load_classes
    >>> digits = load_classes("digits")
    >>> class_keys(digits)[3] == class_keys(digits.only([3]))[0]
    True
    """
    order = np.argsort(data.labels, kind="stable")
    ends = np.cumsum(data.counts)[:-1]
    return [
        hashlib.sha256(np.ascontiguousarray(data.images[rows]).tobytes()).hexdigest()[:8]
        for rows in np.split(order, ends)
    ]


@checked
def unseen_classes(data: ImageClasses, trained: Sequence[str], way: int) -> ImageClasses:
    """Classes that a search was not meta-trained on.

    Raises
    ------
    LabelError
        If fewer than ``way`` are left.
    """
    seen = set(trained)
    kept = [k for k, key in enumerate(class_keys(data)) if key not in seen]
    if len(kept) < way:
        raise LabelError(
            f"{len(kept)} of the {len(data.classes)} classes of {data.name} were not in the "
            f"meta-training, too few for {way}-way episodes: take other images, or fewer ways"
        )
    return data.only(kept)


@checked
def classes_named(data: ImageClasses, beginnings: Sequence[str]) -> ImageClasses:
    """Classes whose names have one of some beginnings.

    Raises
    ------
    UnknownNameError
        If none begins like one of them.
    """
    wanted = [text.strip() for text in beginnings]
    for text in wanted:  # every name begins with nothing
        if not text or not any(name.startswith(text) for name in data.classes):
            raise UnknownNameError("class", text, data.classes)
    return data.only([k for k, name in enumerate(data.classes) if name.startswith(tuple(wanted))])


def check_images(data: ImageClasses, search: ATNAS) -> ImageClasses:
    """The same images in the channels that a search is for: colours become grey, grey is repeated.

    Raises
    ------
    ParameterError
        If they have another size than the search is for, or channels that cannot be converted.
    """
    sizes = search.supernet.sizes
    if data.images.shape[2:] != (sizes["size"], sizes["size"]):
        raise ParameterError(
            f"images of {data.name} are {'x'.join(map(str, data.images.shape[2:]))}, the search "
            f"is for {sizes['size']}x{sizes['size']}: give load_classes the size {sizes['size']}"
        )
    return data.with_channels(sizes["in_channels"])


def conversion(data: ImageClasses, search: ATNAS) -> str | None:
    """What ``check_images`` does to the colours of images, in words; None if nothing."""
    before, after = data.images.shape[1], search.supernet.sizes["in_channels"]
    if before == after:
        return None
    if after == 1:
        return "colours were made grey, for which the search was meta-trained"
    return f"grey was repeated in the {after} channels for which the search was meta-trained"
