"""Images: what comes out is balanced, normalised and repeatable; bad files say what is wrong."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nasurge.data.images import Images, load_classes, load_images
from nasurge.errors import DataFileError, ParameterError, StorageError


def picture(value: int, size: tuple[int, int] = (6, 6), mode: str = "RGB") -> Image.Image:
    rng = np.random.default_rng(value)
    shape = (*size[::-1], 3) if mode == "RGB" else size[::-1]
    return Image.fromarray(rng.integers(256, size=shape, dtype=np.uint8))


def make_folder(root: Path, classes: str = "ab", train: int = 10, test: int = 3) -> Path:
    for part, count in (("train", train), ("test", test)):
        for label in classes:
            folder = root / part / label
            folder.mkdir(parents=True)
            for number in range(count):
                picture(number).save(folder / f"{number:02}.png")
    return root


def make_archive(folder: Path, path: Path, inside: str = "") -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for file in sorted(folder.rglob("*"), reverse=True):
            if file.is_file():
                archive.add(file, str(Path(inside) / file.relative_to(folder)))
    return path


def same(first: Images, second: Images) -> bool:
    return all(
        np.array_equal(getattr(first, f"{part}_{kind}"), getattr(second, f"{part}_{kind}"))
        for part in ("train", "valid", "test")
        for kind in "xy"
    )


def test_digits_are_whole_balanced_and_normalised() -> None:
    images = load_images("digits")
    labels = [images.train_y, images.valid_y, images.test_y]
    assert sum(map(len, labels)) == 1797
    assert len(images.test_y) == 359
    for part in labels:
        counts = np.bincount(part, minlength=10)
        assert counts.max() - counts.min() <= 0.1 * counts.max() + 1
    assert images.train_x.dtype == np.float32
    assert images.train_y.dtype == np.int64
    assert images.train_x.shape[1:] == (1, 8, 8)
    assert images.train_x.mean(dtype=np.float64) == pytest.approx(0, abs=1e-5)
    assert images.train_x.std(dtype=np.float64) == pytest.approx(1, abs=1e-5)


def test_no_digit_is_in_two_parts() -> None:
    # 1,797 drawings without a duplicate among them.
    images = load_images("digits")
    rows = np.concatenate([images.train_x, images.valid_x, images.test_x]).reshape(1797, -1)
    assert len(np.unique(rows, axis=0)) == 1797


def test_the_seed_chooses_the_split() -> None:
    assert same(load_images(seed=3), load_images(seed=3))
    assert not same(load_images(seed=3), load_images(seed=4))
    assert same(load_images(seed=3), load_images(seed=np.random.default_rng(3)))


def test_limit_keeps_a_balanced_part_of_the_same_training_images() -> None:
    full, part = load_images(), load_images(limit=55)
    assert set(np.bincount(part.train_y)) == {5, 6}
    assert np.array_equal(part.valid_y, full.valid_y)
    assert np.array_equal(part.test_y, full.test_y)
    assert sorted(load_images(limit=10).train_y) == list(range(10))


def test_size_resizes() -> None:
    assert load_images(size=12, limit=10).train_x.shape == (10, 1, 12, 12)


def test_folder_and_archives_hold_the_same_images(tmp_path) -> None:
    folder = make_folder(tmp_path / "set")
    images = load_images(folder)
    assert images.classes == ("a", "b")
    assert images.train_x.shape == (16, 3, 6, 6)
    assert (len(images.valid_y), len(images.test_y)) == (4, 6)
    assert images.name == "set"
    assert np.allclose(images.train_x.mean(axis=(0, 2, 3)), 0, atol=1e-5)
    before = sorted(tmp_path.rglob("*"))
    flat = make_archive(folder, tmp_path / "set.tar.gz")
    nested = make_archive(folder, tmp_path / "nested.tar.gz", "./top")
    assert same(images, load_images(flat))
    assert same(images, load_images(str(nested)))
    assert sorted(tmp_path.rglob("*")) == sorted([*before, flat, nested])


def test_pixels_are_those_of_the_file(tmp_path) -> None:
    folder = make_folder(tmp_path)
    images = load_images(folder)
    stored = np.asarray(picture(2)).transpose(2, 0, 1)
    shown = images.test_x[2]
    for channel in range(3):
        assert np.corrcoef(stored[channel].ravel(), shown[channel].ravel())[0, 1] > 0.9999


def test_other_files_and_hidden_ones_are_passed_over(tmp_path) -> None:
    folder = make_folder(tmp_path)
    (folder / "README").write_text("hello")
    (folder / "train" / "a" / "notes.txt").write_text("hello")
    (folder / "train" / "a" / "._00.png").write_bytes(b"finder")
    assert len(load_images(folder).test_y) == 6


def test_grey_images_keep_one_channel_unless_mixed(tmp_path) -> None:
    folder = make_folder(tmp_path)
    for file in folder.rglob("*.png"):
        picture(1, mode="L").save(file)
    assert load_images(folder).train_x.shape[1] == 1
    picture(1).save(folder / "test" / "a" / "00.png")
    assert load_images(folder).train_x.shape[1] == 3


def test_a_constant_channel_stays_finite(tmp_path) -> None:
    folder = make_folder(tmp_path)
    for file in folder.rglob("*.png"):
        Image.new("RGB", (6, 6), (0, 9, 255)).save(file)
    assert np.isfinite(load_images(folder).train_x).all()


def test_images_of_several_sizes_need_a_size(tmp_path) -> None:
    folder = make_folder(tmp_path)
    picture(0, (9, 7)).save(folder / "train" / "b" / "00.png")
    with pytest.raises(DataFileError, match=r"2 sizes .*9x7.*size="):
        load_images(folder)
    assert load_images(folder, size=5).train_x.shape == (16, 3, 5, 5)


@pytest.mark.parametrize("part", ["train", "test"])
def test_a_class_missing_in_one_part_is_named(tmp_path, part) -> None:
    folder = make_folder(tmp_path)
    for file in (folder / part / "b").iterdir():
        file.unlink()
    with pytest.raises(DataFileError, match=f"no {part} images of class b"):
        load_images(folder)


def test_a_class_with_one_training_image_is_named(tmp_path) -> None:
    folder = make_folder(tmp_path)
    for file in sorted((folder / "train" / "b").iterdir())[1:]:
        file.unlink()
    with pytest.raises(DataFileError, match="one train image of class b"):
        load_images(folder)


def test_a_plain_folder_of_classes_is_split_by_the_seed(tmp_path) -> None:
    plain = (make_folder(tmp_path / "whole", test=0) / "train").rename(tmp_path / "set")
    (plain / "b" / "notes.txt").write_text("no image")
    found = load_images(plain, seed=1)
    assert [len(y) for y in (found.train_y, found.valid_y, found.test_y)] == [13, 3, 4]
    assert (found.classes, found.name) == (("a", "b"), "set")
    assert same(found, load_images(plain, seed=1))
    assert not same(found, load_images(plain, seed=2))
    archive = make_archive(plain, tmp_path / "set.tar.gz", inside="top")
    assert same(found, load_images(archive, seed=1))
    for file in sorted((plain / "b").glob("*.png"))[2:]:
        file.unlink()
    with pytest.raises(DataFileError, match="2 images of class b; at least 3"):
        load_images(plain)
    assert load_classes(plain).counts.tolist() == [10, 2]


def test_parts_go_before_a_plain_folder_beside_them(tmp_path) -> None:
    folder = make_folder(tmp_path)
    (folder / "spare").mkdir()
    picture(0).save(folder / "spare" / "00.png")
    assert load_images(folder).classes == ("a", "b")


def test_two_sets_in_one_folder_are_not_mixed(tmp_path) -> None:
    make_folder(tmp_path / "first")
    make_folder(tmp_path / "second")
    with pytest.raises(DataFileError, match=r"several sets .*first and second"):
        load_images(tmp_path)


def test_missing_and_unreadable_files(tmp_path) -> None:
    with pytest.raises(StorageError, match=r"nowhere.*'digits'"):
        load_images(tmp_path / "nowhere")
    if os.name == "posix" and os.geteuid() != 0:
        locked = make_archive(make_folder(tmp_path / "set"), tmp_path / "set.tar.gz")
        locked.chmod(0)
        with pytest.raises(StorageError):
            load_images(locked)


def test_truncated_empty_and_foreign_files(tmp_path) -> None:
    whole = make_archive(make_folder(tmp_path / "set"), tmp_path / "set.tar.gz").read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 0xFF
    contents = {
        "empty": b"",
        "text": b"arch,accuracy\n1,2\n" * 100,
        "header": whole[:20],
        "cut": whole[: len(whole) // 2],
        "flipped": bytes(flipped),
        "tail": whole[:-1],
    }
    for name, content in contents.items():
        path = tmp_path / f"{name}.tar.gz"
        path.write_bytes(content)
        with pytest.raises(DataFileError, match=name):
            load_images(path)


def test_an_archive_or_folder_without_images_shows_the_layout(tmp_path) -> None:
    with pytest.raises(DataFileError, match=r"no images.*train,test"):
        load_images(tmp_path)
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w") as archive:
        archive.addfile(tarfile.TarInfo("b.png"), io.BytesIO())
    with pytest.raises(DataFileError, match=r"no images.*train,test"):
        load_images(path)


@pytest.mark.parametrize("content", [b"", b"no image at all", None])
def test_a_damaged_image_is_named(tmp_path, content) -> None:
    folder = make_folder(tmp_path)
    bad = folder / "train" / "b" / "03.png"
    bad.write_bytes(bad.read_bytes()[:-60] if content is None else content)
    with pytest.raises(DataFileError, match=r"train/b/03\.png"):
        load_images(folder)


def test_links_in_an_archive_are_not_followed(tmp_path) -> None:
    path = make_archive(make_folder(tmp_path / "set"), tmp_path / "set.tar")
    path.unlink()
    with tarfile.open(path, "w") as archive:
        archive.add(tmp_path / "set", ".")
        link = tarfile.TarInfo("train/c/secret.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    assert load_images(path).classes == ("a", "b")


def test_sixteen_bit_images_are_refused_and_not_clipped(tmp_path) -> None:
    folder = make_folder(tmp_path)
    deep = Image.fromarray(np.full((6, 6), 40_000, dtype=np.uint16))
    deep.save(folder / "train" / "a" / "00.png")
    with pytest.raises(DataFileError, match=r"train/a/00\.png .* has more than 8 bits"):
        load_images(folder)


def test_bad_numbers() -> None:
    with pytest.raises(ParameterError, match="at least one image per class"):
        load_images(limit=9)
    with pytest.raises(ParameterError, match="size"):
        load_images(size=0)
    with pytest.raises(ParameterError, match="seed"):
        load_images(seed=-1)


def test_importing_loads_neither_torch_nor_sklearn() -> None:
    code = (
        "import sys, nasurge.data.images.sets, nasurge.data.devices; "
        "sys.exit(bool({'torch', 'sklearn', 'PIL'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.reference
def test_the_cifar10_subset_reads() -> None:
    if "NASURGE_DATA" not in os.environ:
        pytest.skip("NASURGE_DATA is not set")
    images = load_images(Path(os.environ["NASURGE_DATA"]) / "cifar10_subset.tar.gz", limit=500)
    assert images.train_x.shape == (500, 3, 32, 32)
    assert len(images.valid_y) == len(images.test_y) == 2000
    assert images.name == "cifar10_subset"
    assert images.classes[0] == "airplane"
