"""Images to train networks on: sets known by name or by their files, or a folder of yours."""

from __future__ import annotations

import gzip
import hashlib
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...errors import DataFileError, NasurgeError, ParameterError, StorageError
from ..arguments import checked
from ..files import DAMAGED, open_tar
from ..files.limits import check_limit
from ..seeds import Seed, as_generator
from ..types import Index, Pixels
from .archives import open_image
from .sources import (
    FASHION_FOLDER,
    Raw,
    cifar_members,
    has_idx,
    read_cifar,
    read_idx,
    read_mnist5k,
    read_omniglot,
    resize_images,
)

SUFFIXES = (".jpg", ".jpeg", ".png")
HELD_OUT = 0.2  # share of the images that a split takes away
_LEAST = 3  # images of a class that is split into three parts
_PARTS = ("train", "test")
_LAYOUT = (
    "expected CLASS/NAME.{jpg,png} or {train,test}/CLASS/NAME.{jpg,png}, at the top or inside one "
    "folder"
)


@dataclass(frozen=True, eq=False)
class Images:
    """Labelled images in three parts, normalised, ready for a network.

    Attributes
    ----------
    train_x, valid_x, test_x : float32 array, shape (n, channels, height, width)
        Every channel has mean 0 and standard deviation 1 over the training images.
    train_y, valid_y, test_y : int64 array, shape (n,)
        Index into ``classes``.
    classes : tuple of str
        Names of the classes.
    name : str
        Where the images come from, for reports.
    options : dict
        Arguments of ``load_images`` that give them again.
    """

    train_x: Pixels
    train_y: Index
    valid_x: Pixels
    valid_y: Index
    test_x: Pixels
    test_y: Index
    classes: tuple[str, ...]
    name: str
    options: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def digest(self) -> str:
        """Checksum of which image is in which part, by shapes, classes and labels."""
        described = repr((self.name, self.classes, self.train_x.shape[1:]))
        digest = hashlib.sha256(described.encode())
        for labels in (self.train_y, self.valid_y, self.test_y):
            digest.update(labels.astype("<i8").tobytes() + b";")
        return digest.hexdigest()[:16]

    def __repr__(self) -> str:
        parts = f"{len(self.train_y)} train, {len(self.valid_y)} valid, {len(self.test_y)} test"
        shape = "x".join(map(str, self.train_x.shape[1:]))
        return f"<Images {self.name}: {parts}, {len(self.classes)} classes, {shape}>"


@checked
def load_images(
    name_or_path: str | Path = "digits",
    *,
    size: int | None = None,
    limit: int | None = None,
    noise: float = 0.0,
    seed: Seed = 0,
) -> Images:
    """Labelled images in training, validation and test parts.

    Names: ``"digits"``, scikit-learn's 1,797 grey 8x8 digits; ``"mnist5k"``, 5,000 of MNIST
    (``pip install nasurge[mnist]``); ``"fashion-mnist"``, as Debian's package
    dataset-fashion-mnist installs it. Anything else is a path: a folder with the four idx files of
    MNIST or Fashion-MNIST; an official archive of CIFAR-10 or CIFAR-100, as Python's pickles or
    binary, or its unpacked folder; an official zip or an npz of Omniglot; or a folder or tar
    archive (plain or compressed) with ``{train,test}/CLASS/NAME.{jpg,png}`` or
    ``CLASS/NAME.{jpg,png}``, at the top or inside one folder. Nothing is downloaded, extracted or
    unpickled freely.

    A fifth of the training images becomes the validation part, and before that a fifth the test
    part where a set has none (digits, mnist5k, Omniglot, a folder of classes). All splits keep the
    proportions of the classes.

    Parameters
    ----------
    name_or_path : str or Path
        A folder of the name digits is ``"./digits"``.
    size : int, optional
        Resize to ``size`` x ``size`` pixels (bilinear). Needed when the images differ in size.
    limit : int, optional
        Use at most so many training images, at least one per class; validation and test images
        are not limited.
    noise : float
        Standard deviation of Gaussian noise that is added to all normalised images, once: makes
        an easy set hard enough to tell architectures apart.
    seed : int, Generator or None
        Chooses the split, the images that ``limit`` keeps, and the noise.

    Raises
    ------
    StorageError
        If the file or folder is missing or cannot be read.
    DataFileError
        If it is truncated, has no images in this layout, has a damaged image, images of several
        sizes (without ``size``) or several sets, or misses a class in train or in test.
    ParameterError
        If ``size``, ``limit`` or ``noise`` is too small.

    Examples
    --------
    >>> load_images("digits")
    <Images digits: 1150 train, 288 valid, 359 test, 10 classes, 1x8x8>
    >>> load_images("digits", limit=100, size=16).train_x.shape
    (100, 1, 16, 16)
    """
    if size is not None and size < 1:
        raise ParameterError(f"size must be at least 1 pixel, not {size}")
    if not 0 <= noise < np.inf:
        raise ParameterError(f"noise must be a number of at least 0, not {noise}")
    options = {
        "name_or_path": str(name_or_path),
        "size": size,
        "limit": limit,
        "noise": noise,
        "seed": seed if isinstance(seed, int) else None,
    }
    raw = read_raw(name_or_path, size)
    return images_of(raw, limit=limit, noise=noise, seed=seed, options=options)


def images_of(
    stored: Raw,
    *,
    limit: int | None = None,
    noise: float = 0.0,
    seed: Seed = 0,
    options: Mapping[str, Any] | None = None,
) -> Images:
    """Split and normalise images as they were stored, as ``load_images`` does.

    Parameters
    ----------
    stored : Raw
    limit, noise, seed
        As for ``load_images``.
    options : mapping, optional
        What to keep as the arguments that give these images again.

    Raises
    ------
    ParameterError
        If ``limit`` is less than one image per class.

    Examples
    --------
    >>> images_of(read_raw("digits", None), limit=50)
    <Images digits: 50 train, 288 valid, 359 test, 10 classes, 1x8x8>
    """
    rng = as_generator(seed)
    raw = _with_test(stored, rng)
    n_classes = len(raw.classes)
    if limit is not None and limit < n_classes:
        raise ParameterError(
            f"limit must be at least one image per class ({n_classes}), not {limit}"
        )
    train, valid = _split(raw.train_y, rng)
    if limit is not None:
        train = np.sort(train[_stratified_order(raw.train_y[train], rng)[:limit]])
    mean = raw.train_x[train].mean(axis=(0, 2, 3), keepdims=True, dtype=np.float64)
    deviation = raw.train_x[train].std(axis=(0, 2, 3), keepdims=True, dtype=np.float64)
    deviation[deviation == 0] = 1.0  # a channel without content stays 0

    def normalised(pixels: Pixels) -> Pixels:
        clear = np.asarray((pixels - mean) / deviation, dtype=np.float32)
        if not noise:
            return clear
        return clear + np.float32(noise) * rng.standard_normal(clear.shape, dtype=np.float32)

    return Images(
        train_x=normalised(raw.train_x[train]),
        train_y=raw.train_y[train],
        valid_x=normalised(raw.train_x[valid]),
        valid_y=raw.train_y[valid],
        test_x=normalised(raw.test_x),
        test_y=raw.test_y,
        classes=raw.classes,
        name=raw.name,
        options=dict(options or {}),
    )


class _File(NamedTuple):
    """One stored image and its place in the layout; ``part`` is empty where there are none."""

    top: tuple[str, ...]
    part: str
    label: str
    name: str
    content: bytes


class _Whole(NamedTuple):
    """Images as they were stored, in two parts."""

    train_x: Pixels
    train_y: Index
    test_x: Pixels
    test_y: Index
    classes: tuple[str, ...]
    name: str


def _stratified_order(labels: Index, rng: np.random.Generator) -> Index:
    """Order of the images of which every beginning has the classes in proportion.

    The first ``n_classes`` are one image of each class.
    """
    shuffled = rng.permutation(len(labels))
    place = np.empty(len(labels))
    for label in np.unique(labels):
        members = np.flatnonzero(labels[shuffled] == label)
        place[members] = np.arange(len(members)) / len(members)
    return shuffled[np.argsort(place, kind="stable")]


def _split(labels: Index, rng: np.random.Generator) -> tuple[Index, ...]:
    """Images that stay and, a fifth of them, those that are held out."""
    order = _stratified_order(labels, rng)
    n_held = max(round(HELD_OUT * len(labels)), len(np.unique(labels)))
    return np.sort(order[n_held:]), np.sort(order[:n_held])


def read_raw(name_or_path: str | Path, size: int | None) -> Raw:
    """Images of a name or a path (as ``load_images`` takes), as they were stored."""
    if name_or_path == "digits":
        raw = _read_digits()
    elif name_or_path == "mnist5k":
        raw = read_mnist5k()
    elif name_or_path == "fashion-mnist":
        raw = read_idx(FASHION_FOLDER, name="fashion-mnist")
    else:
        path = Path(name_or_path).expanduser()
        known = _read_published(path)
        if known is None:
            return _read_path(path, size)
        raw = known
    if size is None:
        return raw
    test = None if raw.test_x is None else resize_images(raw.test_x, size)
    return raw._replace(train_x=resize_images(raw.train_x, size), test_x=test)


def _read_published(path: Path) -> Raw | None:
    """Images of a file or folder in its publisher's own format, else None."""
    if path.is_dir() and has_idx(path):
        return read_idx(path)
    if path.suffix in (".npz", ".zip"):
        return read_omniglot(path)
    try:
        members = cifar_members(path)
    except NasurgeError:
        raise
    except (OSError, tarfile.TarError, *DAMAGED):
        return None  # whoever reads it next says what is wrong with it
    return None if members is None else read_cifar(members, path)


def _with_test(raw: Raw, rng: np.random.Generator) -> _Whole:
    """Images with a fifth as the test part where they came without one."""
    if raw.test_x is not None and raw.test_y is not None:
        return _Whole(raw.train_x, raw.train_y, raw.test_x, raw.test_y, raw.classes, raw.name)
    counts = np.bincount(raw.train_y)
    if counts.min() < _LEAST:
        poorest = int(counts.argmin())
        raise DataFileError(
            f"{raw.name} has {counts[poorest]} images of class {raw.classes[poorest]}; at least "
            f"{_LEAST} are needed, one for training, one for validation and one for the test"
        )
    rest, test = _split(raw.train_y, rng)
    x, y = raw.train_x, raw.train_y
    return _Whole(x[rest], y[rest], x[test], y[test], raw.classes, raw.name)


def _read_digits() -> Raw:
    """The digits that come with scikit-learn."""
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    x = pixels.reshape(-1, 1, 8, 8).astype(np.float32)
    return Raw(x, labels.astype(np.int64), None, None, tuple("0123456789"), "digits", white=16)


def _read_path(path: Path, size: int | None) -> Raw:
    """Images of a folder or an archive."""
    try:
        files = list(_folder_files(path) if path.is_dir() else _archive_files(path))
    except NasurgeError:
        raise
    except (tarfile.TarError, gzip.BadGzipFile, *DAMAGED) as error:
        raise DataFileError(
            f"{path} is truncated, damaged or no tar archive ({error}); {_LAYOUT}"
        ) from error
    except OSError as error:
        raise StorageError(
            f"cannot read images from {path}: {error.strerror or error}; "
            "give a folder, a tar archive or 'digits'"
        ) from error
    files = [file for file in files if file.part] or files
    if not files:
        raise DataFileError(f"{path} holds no images; {_LAYOUT}")
    files.sort(key=lambda file: file[:4])
    if files[0].top != files[-1].top:
        raise DataFileError(
            f"{path} holds several sets of images ({'/'.join(files[0].top) or '.'} and "
            f"{'/'.join(files[-1].top)}); give the folder of one of them"
        )
    classes = sorted({file.label for file in files})
    for part in _PARTS if files[0].part else ():
        found = {file.label for file in files if file.part == part}
        if missing := [label for label in classes if label not in found]:
            shown = ", ".join(missing[:5]) + (", ..." if len(missing) > 5 else "")
            raise DataFileError(f"{path} has no {part} images of class {shown}; {_LAYOUT}")
    pixels = _stack(list(_decoded(files, size, path)), path)
    number = {label: index for index, label in enumerate(classes)}
    labels = np.array([number[file.label] for file in files], dtype=np.int64)
    name = (path.name or path.resolve().name).split(".tar")[0]
    if not files[0].part:
        return Raw(pixels, labels, None, None, tuple(classes), name)
    train = np.array([file.part == "train" for file in files])
    counts = np.bincount(labels[train])
    if counts.min() < 2:
        raise DataFileError(
            f"{path} has one train image of class {classes[int(counts.argmin())]}; at least two "
            "are needed, one of them for validation"
        )
    return Raw(pixels[train], labels[train], pixels[~train], labels[~train], tuple(classes), name)


def _place(parts: tuple[str, ...]) -> tuple[tuple[str, ...], str, str, str] | None:
    """Parts of a file's path (top folder, part, class, name); None if it is no such image."""
    if not parts or parts[-1].startswith(".") or not parts[-1].lower().endswith(SUFFIXES):
        return None
    if len(parts) in (3, 4) and parts[-3] in _PARTS:
        return parts[:-3], parts[-3], parts[-2], parts[-1]
    if len(parts) in (2, 3) and parts[-2] not in _PARTS and not parts[-2].startswith("."):
        return parts[:-2], "", parts[-2], parts[-1]
    return None


def _folder_files(folder: Path) -> Iterator[_File]:
    """Yield every image below a folder."""
    used = 0
    for pattern in ("*/*", "*/*/*", "*/*/*/*"):
        for file in folder.glob(pattern):
            place = _place(file.relative_to(folder).parts)
            if place and file.is_file():
                used += file.stat().st_size
                check_limit("memory", used, str(folder))
                yield _File(*place, file.read_bytes())


def _archive_files(path: Path) -> Iterator[_File]:
    """Yield every image in a tar archive, in stored order; nothing is written anywhere."""
    used = 0
    with open_tar(path) as members:
        for name, read in members:
            place = _place(PurePosixPath(name).parts)
            if place and read:
                content = read()
                used += len(content)
                check_limit("memory", used, str(path))
                yield _File(*place, content)


def _decoded(files: list[_File], size: int | None, path: Path) -> Iterator[NDArray[np.uint8]]:
    """Yield the pixels of images, as long as all of them together are within the limits."""
    used = sum(len(file.content) for file in files)
    for file in files:
        array = _decode(file, size, path)
        used += array.size * 6  # itself, once more, and as a float
        check_limit("memory", used, str(path))
        yield array


def _decode(file: _File, size: int | None, path: Path) -> NDArray[np.uint8]:
    """Pixels of one image, shape (height, width, 1 or 3)."""
    place = "/".join(filter(None, (file.part, file.label, file.name)))
    return decode_image(file.content, size, f"{place} of {path}")


def decode_image(content: bytes, size: int | None, where: str) -> NDArray[np.uint8]:
    """Pixels of an image file, shape (height, width, 1 or 3).

    Parameters
    ----------
    content : bytes
        Of the whole file.
    size : int or None
        Resize to ``size`` x ``size`` pixels.
    where : str
        What to call it in an error.

    Raises
    ------
    DataFileError
        If it is no image, a damaged or too large one, or has more than 8 bits a channel.
    """
    from PIL import Image

    with open_image(content, where) as image:
        deep = image.mode.startswith(("I", "F"))
        plain = image.convert("L" if image.mode in ("1", "L", "LA") else "RGB")
    if deep:
        raise DataFileError(f"{where} has more than 8 bits a channel; convert it first")
    if size is not None:
        plain = plain.resize((size, size), Image.Resampling.BILINEAR)
    array = np.asarray(plain)
    return array[..., None] if array.ndim == 2 else array


def _stack(arrays: list[NDArray[np.uint8]], path: Path) -> Pixels:
    """Images as one array (n, channels, height, width); grey only when all are grey."""
    sizes = sorted({array.shape[:2] for array in arrays})
    if len(sizes) > 1:
        shown = ", ".join(f"{width}x{height}" for height, width in sizes[:4])
        raise DataFileError(
            f"{path} holds images of {len(sizes)} sizes ({shown}, ...); give size= to resize them"
        )
    channels = max(array.shape[2] for array in arrays)
    same = [np.broadcast_to(array, (*array.shape[:2], channels)) for array in arrays]
    return np.stack(same).transpose(0, 3, 1, 2).astype(np.float32)
