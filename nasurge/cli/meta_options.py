"""Options that the commands of few-shot learning share."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .common import IMAGES_HELP

if TYPE_CHECKING:
    from ..search.studies import FewShotTask

Images = Annotated[
    str,
    typer.Option("--images", help=f"glyphs (characters of matplotlib's fonts), {IMAGES_HELP}"),
]
Size = Annotated[
    int | None,
    typer.Option(
        "--size",
        min=1,
        help="Resize images to so many pixels: 28 for Omniglot's own zips.",
        show_default=False,
    ),
]
Way = Annotated[int, typer.Option("--way", min=2, help="Classes of an episode.")]
Shots = Annotated[str, typer.Option("--shots", help="Images a class that are learnt from.")]
Episodes = Annotated[
    int | None,
    typer.Option(
        "--episodes",
        min=1,
        help="Of every test: by default 1000 after a meta-training, 300 for a search in a file.",
        show_default=False,
    ),
]
TrainClasses = Annotated[
    str, typer.Option("--train-classes", help="Classes for meta-training: a number, or a share.")
]
Split = Annotated[
    str,
    typer.Option("--split", help="groups keeps alphabets whole; classes draws single characters."),
]
Rotations = Annotated[
    bool,
    typer.Option(
        "--rotations/--no-rotations",
        help="Meta-train on turned classes too, as is usual for characters.",
    ),
]
SpaceName = Annotated[
    str, typer.Option("--space", help="Of the searched networks: a cell space, or mobile.")
]
Width = Annotated[int, typer.Option("--width", min=1, help="Channels of their first stage.")]
Device = Annotated[str, typer.Option("--device", help="cpu, cuda, cuda:INDEX or auto.")]
Search = Annotated[
    Path | None,
    typer.Argument(
        help="A file of nasurge meta train; by default the search that comes with the package.",
        show_default=False,
    ),
]


def few_shot_task(
    images: str, size: int | None, train_classes: str, split: str, *, rotations: bool, way: int
) -> FewShotTask:
    """Return what the options say of images and their split.

    Raises
    ------
    ParameterError
        If ``train_classes`` is no number.
    UnknownNameError
        If there is no such split.
    """
    from ..errors import ParameterError, UnknownNameError
    from ..search.studies import FewShotTask

    try:
        share = int(train_classes) if train_classes.isdigit() else float(train_classes)
    except ValueError:
        share = math.nan
    if not math.isfinite(share):
        raise ParameterError(
            f"--train-classes takes a number of classes, such as 700, or a share, such as 0.7; "
            f"received {train_classes!r}"
        )
    if split not in ("groups", "classes"):
        raise UnknownNameError("split", split, ("groups", "classes"))
    return FewShotTask(
        images=images,
        size=size,
        train_classes=share,
        whole_groups=split == "groups",
        rotations=rotations,
        way=way,
    )
