"""Few-shot episodes: classes that are split once and never mix, and tasks drawn from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import LabelError, ParameterError
from ..arguments import InShort, checked
from ..seeds import Seed, as_generator
from ..types import Index, Pixels
from .glyphs import read_glyphs
from .sets import read_raw

_GREY = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # of red, green and blue


@dataclass(frozen=True, eq=False)
class ImageClasses:
    """Labelled images for episodes: many classes, few images each, no parts.

    Attributes
    ----------
    images : float32 array, shape (n, channels, height, width)
    labels : int64 array, shape (n,)
        Index into ``classes``.
    classes : tuple of str
        ``GROUP/NAME`` where classes come in groups, as characters do in alphabets; else ``NAME``.
    name : str
        Where the images come from, for reports.
    levels : tuple of float
        Of 0 and of 1, in bytes of a picture: pictures from elsewhere are scaled by them.
    """

    images: Pixels
    labels: Index
    classes: tuple[str, ...]
    name: str
    levels: tuple[float, float] = (0.0, 255.0)

    @property
    def groups(self) -> tuple[str, ...]:
        """The group of each class; its own name where it is in none."""
        return tuple(name.partition("/")[0] for name in self.classes)

    @property
    def counts(self) -> Index:
        """Number of images of each class, shape (classes,)."""
        return np.bincount(self.labels, minlength=len(self.classes)).astype(np.int64)

    def only(self, classes: Sequence[int] | Index) -> ImageClasses:
        """Images of some of the classes, and nothing of the others."""
        kept = np.asarray(classes, dtype=np.int64)
        number = np.full(len(self.classes), -1)
        number[kept] = np.arange(len(kept))
        rows = number[self.labels] >= 0
        return ImageClasses(
            self.images[rows],
            number[self.labels[rows]],
            tuple(self.classes[k] for k in kept),
            self.name,
            self.levels,
        )

    def with_rotations(self) -> ImageClasses:
        """Four times the classes: each turned by 0, 90, 180 and 270 degrees is another one.

        For meta-training: it is what few-shot learning on Omniglot customarily does.
        """
        turned = [np.rot90(self.images, k, axes=(2, 3)) for k in range(4)]
        names = [f"{name}+{90 * k}" if k else name for k in range(4) for name in self.classes]
        labels = np.concatenate([self.labels + k * len(self.classes) for k in range(4)])
        return replace(
            self,
            images=np.ascontiguousarray(np.concatenate(turned)),
            labels=labels,
            classes=tuple(names),
        )

    def with_channels(self, n: int) -> ImageClasses:
        """The same images in one grey channel, or in several.

        Colours become the grey that the eye sees (Rec. 601, as Pillow does); grey is repeated.

        Raises
        ------
        ParameterError
            If the images have neither one nor so many channels, and are not of three for one.
        """
        return replace(self, images=in_channels(self.images, n, self.name))

    def __repr__(self) -> str:
        shape = "x".join(map(str, self.images.shape[1:]))
        groups = len(set(self.groups))
        within = f" in {groups} groups" if groups < len(self.classes) else ""
        return (
            f"<ImageClasses {self.name}: {len(self.labels)} images of {len(self.classes)} "
            f"classes{within}, {shape}>"
        )


def in_channels(images: Pixels, n: int, where: str) -> Pixels:
    """Images in so many channels, shape (images, n, height, width), as ``with_channels``."""
    channels = images.shape[1]
    if channels == n:
        return images
    if channels == 1:
        return np.repeat(images, n, axis=1)
    if (channels, n) == (len(_GREY), 1):
        return np.tensordot(images, _GREY, axes=([1], [0]))[:, None]
    raise ParameterError(f"images of {where} have {channels} channels: {n} cannot be made of them")


@checked
def load_classes(name_or_path: str | Path = "glyphs", *, size: int | None = None) -> ImageClasses:
    """Labelled images for episodes, training and test images together.

    Parameters
    ----------
    name_or_path : str or Path
        ``"glyphs"``, characters of the fonts that come with matplotlib, on every machine; or what
        ``load_images`` takes, of which training and test images become one set: Omniglot's
        official zips or an npz of them, a folder ``CLASS/NAME.jpg``, CIFAR's archives.
    size : int, optional
        Resize to ``size`` x ``size`` pixels; glyphs are drawn at it, by default 28.

    Raises
    ------
    StorageError, DataFileError, ParameterError
        As ``load_images``.

    Examples
    --------
    >>> load_classes("digits")
    <ImageClasses digits: 1797 images of 10 classes, 1x8x8>
    """
    if size is not None and size < 1:
        raise ParameterError(f"size must be at least 1 pixel, not {size}")
    raw = read_glyphs(size or 28) if name_or_path == "glyphs" else read_raw(name_or_path, size)
    parts = [(raw.train_x, raw.train_y)]
    if raw.test_x is not None and raw.test_y is not None:
        parts.append((raw.test_x, raw.test_y))
    pixels = np.concatenate([x for x, _ in parts]).astype(np.float32)
    low, high = float(pixels.min()), float(pixels.max())
    scaled = (pixels - low) / ((high - low) or 1.0)
    labels, byte = np.concatenate([y for _, y in parts]), 255.0 / raw.white
    return ImageClasses(scaled, labels, raw.classes, raw.name, (low * byte, high * byte))


@checked
def split_classes(
    data: ImageClasses, n_train: int | float = 0.7, *, whole_groups: bool = False, seed: Seed = 0
) -> tuple[ImageClasses, ImageClasses]:
    """Classes for meta-training and classes for meta-test, none in both.

    Neither part holds an image of the other, so that nothing can leak between them later on.

    Parameters
    ----------
    data : ImageClasses
    n_train : int or float
        How many classes meta-training gets, or which share of them. With ``whole_groups`` as many
        groups as come nearest.
    whole_groups : bool
        Keep groups together: an alphabet that is tested has no character in training.
    seed : int, Generator or None

    Raises
    ------
    ParameterError
        If a part would be empty.

    Examples
    --------
    >>> train, test = split_classes(load_classes("digits"), 7, seed=0)
    >>> len(train.classes), len(test.classes), set(train.classes) & set(test.classes)
    (7, 3, set())
    """
    n = len(data.classes)
    wanted = round(n_train * n) if isinstance(n_train, float) else int(n_train)
    order = as_generator(seed).permutation(n)
    if whole_groups:
        _, group = np.unique(data.groups, return_inverse=True)
        first = np.full(group.max() + 1, n)
        np.minimum.at(first, group[order], np.arange(n))  # groups in the order they were drawn
        order = order[np.argsort(first[group[order]], kind="stable")]
        ends = np.append(np.flatnonzero(np.diff(group[order])) + 1, n)
        wanted = int(ends[np.argmin(np.abs(ends - wanted))])
    if not 0 < wanted < n:
        parts = f"{n} classes" + (f" in {len(set(data.groups))} groups" if whole_groups else "")
        raise ParameterError(
            f"{wanted} classes for meta-training of {data.name}, which has {parts}, leave one part "
            "empty: choose n_train between"
        )
    return data.only(np.sort(order[:wanted])), data.only(np.sort(order[wanted:]))


@dataclass(frozen=True, eq=False, repr=False)
class Episodes(InShort):
    """Several N-way K-shot tasks as arrays; classes are numbered 0 to N - 1 within each.

    Attributes
    ----------
    support_x : float32 array, shape (tasks, way * shot, channels, height, width)
    support_y : int64 array, shape (way * shot,)
        The same for all tasks: the shots of class 0, then those of class 1, ...
    query_x : float32 array, shape (tasks, way * query, channels, height, width)
    query_y : int64 array, shape (way * query,)
    classes : int64 array, shape (tasks, way)
        Which classes of the data they are.

    Raises
    ------
    LabelError
        If a class has no support image: there is nothing to learn it from.
    """

    support_x: Pixels
    support_y: Index
    query_x: Pixels
    query_y: Index
    classes: Index

    def __post_init__(self) -> None:
        way = self.classes.shape[1]
        empty = np.setdiff1d(np.arange(way), self.support_y)
        if len(empty):
            raise LabelError(
                f"every class of an episode needs a support image: of {way} classes, numbered from "
                f"0, {', '.join(map(str, empty))} have none"
            )


class EpisodeSampler:
    """Draws N-way K-shot episodes from labelled images.

    Parameters
    ----------
    data : ImageClasses
        One part of ``split_classes``: episodes can only be of its classes.
    way : int
        Classes of an episode.
    shot, query : int
        Images a class that are learnt from, and others that are classified.
    seed : int, Generator or None

    Raises
    ------
    ParameterError
        If a number is not positive.
    LabelError
        If there are too few classes, or one has too few images; the message names it.

    References
    ----------
    O. Vinyals, C. Blundell, T. Lillicrap, K. Kavukcuoglu, D. Wierstra. Matching networks for one
    shot learning. NeurIPS 2016.

    Examples
    --------
    >>> sampler = EpisodeSampler(load_classes("digits"), way=5, shot=1, query=3, seed=0)
    >>> episodes = sampler.draw(4)
    >>> episodes.support_x.shape, episodes.query_x.shape, episodes.query_y[:4].tolist()
    ((4, 5, 1, 8, 8), (4, 15, 1, 8, 8), [0, 0, 0, 1])
    """

    @checked
    def __init__(
        self,
        data: ImageClasses,
        *,
        way: int = 5,
        shot: int = 1,
        query: int = 15,
        seed: Seed = None,
    ) -> None:
        if min(way, shot, query) < 1:
            raise ParameterError(
                f"way, shot and query must be at least 1, not {way}, {shot} and {query}"
            )
        counts = data.counts
        if way > len(counts):
            raise LabelError(
                f"{way}-way episodes need {way} classes, {data.name} has {len(counts)} here"
            )
        if (poorest := int(counts.argmin())) >= 0 and counts[poorest] < shot + query:
            raise LabelError(
                f"an episode takes {shot} + {query} images of a class, but "
                f"{data.classes[poorest]!r} of {data.name} has {counts[poorest]}: lower shot or "
                "query, or leave that class out with only()"
            )
        self.data, self.way, self.shot, self.query = data, way, shot, query
        self._rng = as_generator(seed)
        self._order = np.argsort(data.labels, kind="stable")  # images class by class
        self._start = np.concatenate([[0], np.cumsum(counts)[:-1]])
        self._counts = counts

    @property
    def random_state(self) -> dict[str, Any]:
        """State of the random numbers as JSON values; set it to draw again from there."""
        return dict(self._rng.bit_generator.state)

    @random_state.setter
    def random_state(self, state: dict[str, Any]) -> None:
        self._rng.bit_generator.state = state

    def draw(self, n: int) -> Episodes:
        """Episodes drawn at random; every image occurs at most once in each.

        Raises
        ------
        ParameterError
            If ``n`` is below 1.
        """
        if n < 1:
            raise ParameterError(f"draw takes a number of at least 1, not {n}")
        drawn = self._rng.random((n, len(self._counts)))
        classes = np.argpartition(drawn, self.way - 1, axis=1)[:, : self.way]
        classes = self._rng.permuted(classes, axis=1)
        keys = self._rng.random((n, self.way, int(self._counts.max())))
        places = np.arange(keys.shape[2])
        keys[places >= self._counts[classes][:, :, None]] = np.inf  # there is no such image
        both = self.shot + self.query
        chosen = np.argsort(keys, axis=2)[:, :, :both]
        rows = self._order[self._start[classes][:, :, None] + chosen]
        support, query = rows[:, :, : self.shot], rows[:, :, self.shot :]
        numbers = np.arange(self.way)
        return Episodes(
            self.data.images[support.reshape(n, -1)],
            np.repeat(numbers, self.shot),
            self.data.images[query.reshape(n, -1)],
            np.repeat(numbers, self.query),
            classes,
        )
