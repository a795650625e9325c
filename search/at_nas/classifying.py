"""Classes of pictures, by a search that was adapted to some classes."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from ...benchmarks.studies import Row
from ...data.arguments import checked
from ...data.devices import one_thread
from ...data.images import Episodes, ImageClasses, load_pictures
from ...data.types import Pixels, Values
from ...errors import DataFileError, ParameterError
from .evolve import ATNAS
from .files import load_search
from .options import ClassifyOptions

_AT_ONCE = 500  # images that are computed together


@checked
def class_scores(search: ATNAS, learnt: ImageClasses, images: Pixels) -> Values:
    """Shares of the classes in the answer for each image, shape (n, classes); rows add to one.

    Every image is normalised with those that were learnt from and with no other: an answer does
    not depend on what else is asked. (Episodes ask for all at once, which tells a learner which
    images there are.) Shares are a softmax of logits, and are no probabilities of being right.

    Parameters
    ----------
    search : ATNAS
        Adapted to the classes.
    learnt : ImageClasses
        The images that it learns them from.
    images : float32 array, shape (n, channels, height, width)
        Scaled as those are.

    Raises
    ------
    ParameterError
        If the images have another shape than those that were learnt from.

    Examples
    --------
    >>> from nasurge.data.images import load_classes
    >>> from nasurge.search.at_nas import load_search
    >>> search, _ = load_search()
    >>> glyphs = load_classes("glyphs").only(range(3))
    >>> class_scores(search, glyphs, glyphs.images[:4]).argmax(axis=1).tolist()
    [0, 0, 0, 0]
    """
    if images.ndim != 4 or images.shape[1:] != learnt.images.shape[1:]:
        raise ParameterError(
            f"images have the shape (n, {', '.join(map(str, learnt.images.shape[1:]))}), as those "
            f"that were learnt from, not {images.shape}"
        )
    order = np.argsort(learnt.labels, kind="stable")
    support, labels = learnt.images[order], learnt.labels[order]
    learner, n_classes = search.learner(), len(learnt.classes)
    at_once = max(1, _AT_ONCE // (2 * len(support) + 1))
    scores = np.empty((len(images), n_classes))
    for start in range(0, len(images), at_once):
        asked = images[start : start + at_once]
        again = np.repeat(support[None], len(asked), axis=0)
        episodes = Episodes(
            again,
            labels,
            np.concatenate([again, asked[:, None]], axis=1),
            np.append(labels, 0),
            np.tile(np.arange(n_classes), (len(asked), 1)),
        )
        with one_thread(), torch.no_grad():
            logits = learner.logits(episodes)[:, -1, :n_classes]
        scores[start : start + at_once] = logits.double().softmax(dim=1).cpu().numpy()
    return scores


def classify_file(options: ClassifyOptions) -> tuple[list[Row], dict[str, Any]]:
    """Classes of pictures by an adapted search in a file, and what ``load_search`` says of it.

    Returns
    -------
    list of dict
        Per picture ``image``, ``class``, ``score``, and ``scores``, of each class, the best first.
    dict

    Raises
    ------
    DataFileError
        If the file is of a search that was not adapted, or ``load_pictures`` raises it.
    NasurgeError
        As ``load_search`` and ``load_pictures``.
    """
    if not options.pictures:
        raise ParameterError("name the pictures to classify: PNG or JPEG files, or folders")
    search, about = load_search(options.search, model=options.space)
    learnt: ImageClasses | None = about["task"]
    if learnt is None:
        raise DataFileError(
            f"{options.search} is a search that was not adapted to classes, or by an older version "
            f"that did not keep their images: nasurge meta adapt {options.search} --images FOLDER "
            "--out FILE makes one that can classify"
        )
    sizes = search.supernet.sizes
    files, pixels = load_pictures(
        options.pictures, size=sizes["size"], channels=sizes["in_channels"]
    )
    low, high = learnt.levels
    scores = class_scores(search, learnt, (pixels - np.float32(low)) / np.float32(high - low))
    rows: list[Row] = []
    for file, own in zip(files, scores, strict=True):
        ranks = np.argsort(-own, kind="stable")
        named = {learnt.classes[k]: float(own[k]) for k in ranks}
        best = learnt.classes[ranks[0]]
        rows.append({"image": str(file), "class": best, "score": named[best], "scores": named})
    return rows, about
