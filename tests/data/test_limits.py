"""What a file may cost is limited, the limits can be raised, and messages say how."""

import io
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from nasurge.data.files import check_depth, home, parse_json, parse_toml, read_document, read_npz
from nasurge.data.files.limits import check_ratio, limits, read_bounded
from nasurge.data.images import load_images
from nasurge.errors import DataFileError, LimitError, ParameterError, StorageError


def test_the_environment_changes_one_limit_and_leaves_the_others(monkeypatch) -> None:
    before = limits()
    monkeypatch.setenv("NASURGE_LIMITS", " pixels = 2e8 ,")
    assert limits().pixels == 200_000_000
    assert limits().memory == before.memory


@pytest.mark.parametrize("text", ["pixels", "colour=3", "pixels=0", "pixels=many", "memory=-1e9"])
def test_a_limit_that_is_none_says_what_there_is(monkeypatch, text) -> None:
    monkeypatch.setenv("NASURGE_LIMITS", text)
    with pytest.raises(ParameterError, match=r"NASURGE_LIMITS.*NAME=NUMBER.*memory"):
        limits()


def test_reading_stops_where_the_limit_is(monkeypatch) -> None:
    monkeypatch.setenv("NASURGE_LIMITS", "memory=3e6")
    file = io.BytesIO(bytes(10_000_000))
    with pytest.raises(LimitError, match=r"x is over the limit of memory.*NASURGE_LIMITS=memory="):
        read_bounded(file, "x")
    assert file.tell() <= 4 << 20


def test_small_files_may_become_many_times_larger() -> None:
    check_ratio(10_000_000, 10, "x")
    with pytest.raises(LimitError, match="1,000 times the stored size"):
        check_ratio(100_000_000, 100_000, "x")


def picture_set(folder, size):
    for part in ("train", "test"):
        for name in "ab":
            (folder / part / name).mkdir(parents=True)
            for k in range(3):
                Image.new("L", (size, size)).save(folder / part / name / f"{k}.png")
    return folder


def test_images_over_a_limit_are_refused_and_read_once_it_is_raised(tmp_path, monkeypatch) -> None:
    folder = picture_set(tmp_path / "set", 40)
    assert load_images(folder).train_x.shape[2:] == (40, 40)
    monkeypatch.setenv("NASURGE_LIMITS", "pixels=1599")
    with pytest.raises(LimitError, match=r"png of .*set is over the limit of pixels: 1,600"):
        load_images(folder)
    monkeypatch.setenv("NASURGE_LIMITS", "pixels=1600")
    load_images(folder)
    monkeypatch.setenv("NASURGE_LIMITS", "memory=5e4")
    with pytest.raises(LimitError, match="set is over the limit of memory"):
        load_images(folder)


def test_arrays_come_back_as_numpy_reads_them(tmp_path) -> None:
    kept = {
        "a": np.arange(12.0).reshape(3, 4),
        "fortran": np.asfortranarray(np.arange(12).reshape(3, 4)),
        "scalar": np.array(3.5),
        "none": np.empty((0, 3)),
        "text": np.array(["x", "yy"]),
        "true": np.array([True, False]),
    }
    np.savez(tmp_path / "plain.npz", **kept)
    np.savez_compressed(tmp_path / "packed.npz", **kept)
    for file in ("plain.npz", "packed.npz"):
        found = read_npz(tmp_path / file)
        assert set(found) == set(kept)
        for name, array in kept.items():
            assert found[name].dtype == array.dtype
            assert np.array_equal(found[name], array)
            found[name][...] = found[name]  # may be written
    with pytest.raises(DataFileError, match=r"has no array b, but a, fortran.*run it again"):
        read_npz(tmp_path / "plain.npz", names=("a", "b"), remedy="run it again")


@pytest.mark.parametrize("depth", [101, 900, 100_000])
def test_what_is_nested_too_deeply_is_refused(depth) -> None:
    with pytest.raises(LimitError, match="limit of depth"):
        parse_json('{"a":' + "[" * depth + "]" * depth + "}", "x")
    with pytest.raises(LimitError, match="limit of depth"):
        parse_toml("a = " + "[" * depth + "]" * depth, "x")
    parse_json('{"a":' + "[" * 98 + "]" * 98 + "}", "x")
    check_depth([[1], {"a": [2]}], "x")


def test_a_document_names_the_file_what_was_found_and_the_way_out(tmp_path) -> None:
    path = tmp_path / "study.json"
    for content, words in {
        b"null": r"\(null, not an object\)",
        b"[]": r"\(a list, not an object\)",
        b"{}": r"\(no kind in it\)",
        b"{": r"no JSON \(Expecting property name.*",
        b"\xff": r"no text in UTF-8 \(byte 1 is 0xff\)",
    }.items():
        path.write_bytes(content)
        with pytest.raises(DataFileError, match=rf"study.json is damaged.*{words}: run it again"):
            read_document(path, keys=("kind",), remedy="run it again")
    with pytest.raises(StorageError, match=r"cannot read .*nothing"):
        read_document(tmp_path / "nothing")


def test_a_folder_of_tables_that_cannot_be_is_said(tmp_path, monkeypatch) -> None:
    file = tmp_path / "file"
    file.write_text("")
    monkeypatch.setenv("NASURGE_HOME", str(file))
    with pytest.raises(StorageError, match=r"file is a file, but NASURGE_HOME"):
        home()
    monkeypatch.setenv("NASURGE_HOME", "~nobody-of-that-name/x")
    with pytest.raises(StorageError, match=r"no folder for tables .*NASURGE_HOME"):
        home()
    for name in ("NASURGE_HOME", "HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", {}.__getitem__)  # a user without an entry
    with pytest.raises(StorageError, match=r"no folder for tables .*NASURGE_HOME"):
        home()


@pytest.mark.skipif(sys.platform != "linux", reason="needs /dev/full")
@pytest.mark.parametrize("arguments", [["searchers", "--json"], ["--help"]])
def test_a_full_device_is_told_in_one_line(arguments) -> None:
    with open("/dev/full", "wb") as full:  # noqa: PTH123 -- a device
        done = subprocess.run(
            [sys.executable, "-m", "nasurge", *arguments],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 2
    assert done.stderr.startswith("error: cannot write the output: No space left on device")
    assert done.stderr.count("\n") == 1
