"""Files damaged at random: every reader refuses them with an error of ours, or reads them."""

from __future__ import annotations

import contextlib
import io
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from cases import V0, old
from damage import tar
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nasurge.benchmarks.studies.journal import read_about, read_units
from nasurge.benchmarks.training import read_checkpoint, write_checkpoint
from nasurge.data.files import array_parts, parse_json, parse_toml, read_npz, unpickle
from nasurge.data.images import load_images
from nasurge.data.tables.files import read_table
from nasurge.errors import DataFileError, NasurgeError
from nasurge.registry import load_predictor

WAYS = ("flip", "cut", "insert", "zeros", "again", "head-gone")
DAMAGE = st.lists(
    st.tuples(st.sampled_from(WAYS), st.floats(0, 1), st.binary(min_size=1, max_size=9)),
    min_size=1,
    max_size=4,
)
often = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


def damaged(content: bytes, damage) -> bytes:
    """A file after some accidents, one after the other."""
    for way, share, some in damage:
        place = int(share * max(len(content) - 1, 0))
        head, tail = content[:place], content[place:]
        content = {
            "flip": head
            + bytes(a ^ b for a, b in zip(tail, some, strict=False))
            + tail[len(some) :],
            "cut": head,
            "insert": head + some + tail,
            "zeros": head + bytes(min(len(tail), 40)) + tail[40:],
            "again": head + content,
            "head-gone": tail,
        }[way]
    return content


def batch() -> bytes:
    """A batch as CIFAR's publishers write it."""
    return pickle.dumps({b"data": np.zeros((4, 3072), np.uint8), b"labels": [0, 1, 0, 1]}, 2)


def _pickle(path: Path) -> object:
    content = path.read_bytes()
    return unpickle(content, array_parts(len(content)), where=str(path), strings="bytes")


def _idx(path: Path) -> object:
    (path.parent / "train-images-idx3-ubyte").write_bytes(path.read_bytes())
    return load_images(path.parent)


def _study(path: Path) -> object:
    (path.parent / "study.json").write_bytes(path.read_bytes())
    return read_about(path.parent)


def _rows(path: Path) -> object:
    (path.parent / "rows.jsonl").write_bytes(path.read_bytes())
    return read_units(path.parent)


def _image_set(path: Path) -> object:
    return load_images(path.rename(path.with_suffix(".tar.gz")))


def _text(parse: Callable[[str, str], object]) -> Callable[[Path], object]:
    return lambda path: parse(path.read_bytes().decode("latin1"), path.name)


def _array() -> bytes:
    out = io.BytesIO()
    np.savez_compressed(out, a=np.arange(50.0), b=np.array(["x", "yy"]))
    return out.getvalue()


SCHEMA = b'architecture = "arch"\n[[table]]\nname = "a"\n[column]\nacc = {task = "x", epoch = 3}\n'
PIXELS = b"\0\0\x08\x03" + b"\0\0\0\2" * 3 + bytes(8)
READERS: dict[str, tuple[Callable[[], bytes], Callable[[Path], object]]] = {
    "pickle": (batch, _pickle),
    "npz": ((V0 / "files" / "triples.npz").read_bytes, read_npz),
    "npz-packed": (_array, read_npz),
    "study.json": ((V0 / "studies" / "compare" / "study.json").read_bytes, _study),
    "rows.jsonl": ((V0 / "studies" / "search" / "rows.jsonl").read_bytes, _rows),
    "json": (lambda: b'{"a": [1, {"b": "c"}], "d": null}', _text(parse_json)),
    "toml": (lambda: SCHEMA, _text(parse_toml)),
    "idx": (lambda: PIXELS, _idx),
    "tar": (lambda: tar({"train/a/1.png": bytes(99)}, "gz"), _image_set),
}


@often
@pytest.mark.parametrize("reader", READERS)
@given(damage=DAMAGE)
def test_damage_is_an_error_of_ours_or_does_no_harm(reader, tmp_path, damage) -> None:
    make, read = READERS[reader]
    path = tmp_path / "file"
    path.write_bytes(damaged(make(), damage))
    with contextlib.suppress(NasurgeError):
        read(path)


@often
@given(damage=DAMAGE)
def test_a_damaged_checkpoint_is_refused(tmp_path, damage) -> None:
    path = tmp_path / "kept.safetensors"
    tensors = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.tensor([True])}
    write_checkpoint(path, tensors, {"about": {"seed": 1}, "state": {}})
    whole = path.read_bytes()
    path.write_bytes(damaged(whole, damage))
    try:
        found, about = read_checkpoint(path) or ({}, {})
    except DataFileError:
        return
    assert about == {"about": {"seed": 1}, "state": {}}
    assert set(found) == set(tensors)
    assert all(torch.equal(found[name], tensors[name]) for name in tensors)


@often
@pytest.mark.parametrize("kind", ["table", "predictor"])
@given(damage=DAMAGE)
def test_a_damaged_table_or_predictor_is_refused(kind, tmp_path, damage) -> None:
    table = V0 / "home" / "tables" / "tiny.safetensors"
    whole = table.read_bytes() if kind == "table" else old("predictors/flops.save")
    content = damaged(whole, damage)
    path = tmp_path / "file"
    path.write_bytes(content)
    if content != whole:
        with pytest.raises(DataFileError):
            (read_table if kind == "table" else load_predictor)(path)
