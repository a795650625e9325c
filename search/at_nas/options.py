"""Options of few-shot tasks and of meta-trained searches, each written once.

Read when the command line starts: this imports nothing heavy.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from ...benchmarks.studies.flags import Flag, listed, whole_numbers
from ...benchmarks.studies.options import Seed
from ...errors import ParameterError, UnknownNameError

_IMAGES = (
    "glyphs (characters of matplotlib's fonts), digits, mnist5k, fashion-mnist, or a path: CIFAR's "
    "or Omniglot's own files, or a folder or archive {train,test}/CLASS/*.jpg."
)
SPLITS = ("groups", "classes")

Images = Annotated[str, Flag(help=_IMAGES)]
Way = Annotated[int, Flag(least=2, help="Classes of an episode.")]
Shots = Annotated[
    tuple[int, ...],
    Flag(parse=whole_numbers, help="Images a class that are learnt from, separated by commas."),
]
SearchFile = Annotated[
    Path | None,
    Flag(
        argument=True,
        metavar="FILE",
        help="A file of nasurge meta train; by default the search that comes with the package.",
    ),
]


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

    images: Images = "glyphs"
    size: Annotated[
        int | None,
        Flag(least=1, help="Resize images to so many pixels: 28 for Omniglot's own zips."),
    ] = None
    way: Way = 5
    train_classes: Annotated[
        int | float,
        Flag(parse=number_or_share, help="Classes for meta-training: a number, or a share."),
    ] = 0.7
    split: Annotated[
        str, Flag(help="groups keeps alphabets whole; classes draws single characters.")
    ] = "groups"
    rotations: Annotated[
        bool,
        Flag(
            "--rotations/--no-rotations",
            help="Meta-train on turned classes too, as is usual for characters.",
        ),
    ] = True
    space: Annotated[str, Flag(help="Of the searched networks: a cell space, or mobile.")] = "nb201"
    width: Annotated[int, Flag(least=1, help="Channels of their first stage.")] = 16
    device: Annotated[str, Flag(help="cpu, cuda, cuda:INDEX or auto.")] = "cpu"
    query: Annotated[int, "Images a class that are classified."] = 15

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

    shot: Annotated[int, Flag(least=1, help="Images a class in a training episode.")] = 1
    rule: Annotated[
        str,
        Flag(
            help="How a network adapts: protonet (distances to the classes' means), anil (the last "
            "layer from zero), maml, or reptile."
        ),
    ] = "protonet"
    steps: Annotated[int | None, Flag(least=1, help="Meta-steps.")] = None
    seconds: Annotated[
        float | None, Flag(least=0, help="Instead of --steps: processor time. By default 300.")
    ] = None
    seed: Seed = 0
    out: Annotated[Path, Flag(help="File of the search.")] = Path("at-nas.safetensors")
    command: str = ""
    progress: Callable[[float], None] | None = None


@dataclass(frozen=True, kw_only=True)
class EvaluateOptions:
    """Options of ``nasurge meta evaluate``."""

    search: SearchFile = None
    images: Images = "glyphs"
    way: Way = 5
    shots: Shots = (1, 5)
    episodes: Annotated[int, Flag(least=1, help="Of every test.")] = 300
    seed: Seed = 0


@dataclass(frozen=True, kw_only=True)
class AdaptOptions:
    """Options of ``nasurge meta adapt``."""

    search: SearchFile = None
    images: Images = "digits"
    classes: Annotated[
        tuple[str, ...],
        Flag(
            parse=listed,
            help="Those of the task, by the beginnings of their names, separated by commas: "
            "GREEK, COPTIC. By default all.",
        ),
    ] = ()
    shots: Annotated[int, Flag(least=1, help="Images a class that are learnt from.")] = 5
    generations: Annotated[int, Flag(least=0, help="Of the search.")] = 2
    steps: Annotated[int, Flag(least=0, help="Gradient steps.")] = 20
    seed: Seed = 0
    out: Annotated[Path | None, Flag(help="File for the adapted search.")] = None
    command: str = ""
