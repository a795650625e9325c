"""Options of few-shot tasks and of meta-trained searches, each written once.

Read when the command line starts: this imports nothing heavy.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ...benchmarks.studies.flags import listed, option, unseen, whole_numbers
from ...benchmarks.studies.options import Seed
from ...errors import ParameterError, UnknownNameError

_IMAGES = (
    "glyphs (characters of matplotlib's fonts), digits, mnist5k, fashion-mnist, or a path: CIFAR's "
    "or Omniglot's own files, or a folder or archive CLASS/NAME.jpg or {train,test}/CLASS/NAME.jpg."
)
SPLITS = ("groups", "classes")
_TASKS = "Images and their classes"

Tasks = partial(option, section=_TASKS)
Networks = partial(option, section="The networks")

Images = partial(option, help=_IMAGES)
Way = partial(option, least=2, help="Classes of an episode.")
Shots = partial(
    option, parse=whole_numbers, help="Images a class that are learnt from, separated by commas."
)
Model = partial(
    option, help="MODULE:NAME of the model, where the search in the file is one of a model."
)
SearchFile = partial(
    option,
    argument=True,
    metavar="FILE",
    help="A file of nasurge meta train; by default the search that comes with the package.",
)


def number_or_share(text: str) -> int | float:
    """Number of classes, or share of them.

    Raises
    ------
    ParameterError
        If it is neither.

    Examples
    --------
    >>> number_or_share("700"), number_or_share("0.7")
    (700, 0.7)
    """
    try:
        share = int(text) if text.isdigit() else float(text)
    except ValueError:
        share = math.nan
    if not math.isfinite(share):
        raise ParameterError(
            f"a number of classes, such as 700, or a share, such as 0.7, is asked for; received "
            f"{text!r}"
        )
    return share


@dataclass(frozen=True, kw_only=True)
class EpisodeOptions:
    """Which images are classified, how their classes are split, and by which networks."""

    images: str = Images("glyphs", section=_TASKS)
    size: int | None = Tasks(
        None, least=1, help="Resize images to so many pixels: 28 for Omniglot's own zips."
    )
    way: int = Way(5, section=_TASKS)
    train_classes: int | float = Tasks(
        0.7, parse=number_or_share, help="Classes for meta-training: a number, or a share."
    )
    split: str = Tasks(
        "groups", help="groups keeps alphabets whole; classes draws single characters."
    )
    rotations: bool = Tasks(
        True,
        name="--rotations/--no-rotations",
        help="Meta-train on turned classes too, as is usual for characters.",
    )
    space: str = Networks(
        "nb201",
        help="Of the searched networks: a cell space, mobile, or MODULE:NAME, your own PyTorch "
        "model.",
    )
    width: int = Networks(16, least=1, help="Channels of their first stage.")
    device: str = Networks("cpu", help="cpu, cuda, cuda:INDEX or auto.")
    query: int = unseen(15, "Images a class that are classified.")

    @property
    def task(self) -> dict[str, Any]:
        """JSON values that tell the classes and their episodes from others.

        Raises
        ------
        UnknownNameError
            If there is no such split.
        """
        if self.split not in SPLITS:
            raise UnknownNameError("split", self.split, SPLITS)
        names = "images", "size", "train_classes", "whole_groups", "rotations", "way", "query"
        values = {**vars(self), "whole_groups": self.split == "groups"}
        return {name: values[name] for name in names}


@dataclass(frozen=True, kw_only=True)
class MetaTrainOptions(EpisodeOptions):
    """Options of ``nasurge meta train``."""

    shot: int = option(1, least=1, help="Images a class in a training episode.")
    rule: str = option(
        "protonet",
        help="How a network adapts: protonet (distances to the classes' means), anil (the last "
        "layer from zero), maml, or reptile.",
    )
    steps: int | None = option(None, least=1, help="Meta-steps.")
    seconds: float | None = option(
        None, least=0, help="Instead of --steps: processor time. By default 300."
    )
    seed: int = Seed(0)
    out: Path = option(Path("at-nas.safetensors"), help="File of the search.")
    command: str = ""
    progress: Callable[[float], None] | None = None


@dataclass(frozen=True, kw_only=True)
class EvaluateOptions:
    """Options of ``nasurge meta evaluate``."""

    search: Path | None = SearchFile(None)
    space: str | None = Model(None)
    images: str = Images("glyphs")
    way: int = Way(5)
    shots: tuple[int, ...] = Shots((1, 5))
    episodes: int = option(300, least=1, help="Of every test.")
    seed: int = Seed(0)


@dataclass(frozen=True, kw_only=True)
class AdaptOptions:
    """Options of ``nasurge meta adapt``."""

    search: Path | None = SearchFile(None)
    space: str | None = Model(None)
    images: str = Images("digits")
    classes: tuple[str, ...] = option(
        (),
        parse=listed,
        help="Those of the task, by the beginnings of their names, separated by commas: "
        "GREEK, COPTIC. By default all.",
    )
    unseen: bool = option(
        False, name="--unseen", help="Leave out classes that were in the meta-training."
    )
    shots: int = option(5, least=1, help="Images a class that are learnt from.")
    generations: int = option(2, least=0, help="Of the search.")
    steps: int = option(20, least=0, help="Gradient steps.")
    seed: int = Seed(0)
    out: Path | None = option(
        None, help="File for the adapted search, with which nasurge meta classify works."
    )
    command: str = ""


@dataclass(frozen=True, kw_only=True)
class ClassifyOptions:
    """Options of ``nasurge meta classify``."""

    search: Path = option(
        argument=True, metavar="FILE", help="A file that nasurge meta adapt --out wrote."
    )
    pictures: tuple[str, ...] = option(
        (),
        argument=True,
        metavar="IMAGE...",
        repeated=True,
        help="PNG or JPEG files, and folders of them.",
    )
    space: str | None = Model(None)
