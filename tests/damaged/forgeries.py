"""Saved predictors with a checksum that fits and contents that do not."""

from __future__ import annotations

import contextlib
import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np
from safetensors.numpy import load, save

from nasurge.data.tables import files
from nasurge.predictors.saving import contents


def opened(data: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    """Description and arrays of a saved predictor."""
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    return json.loads(header["__metadata__"][contents.KEY]), load(data)


def sealed(about: Any, arrays: dict[str, Any]) -> bytes:
    """A saved predictor with a checksum that fits."""
    if isinstance(about, dict):
        about = {k: v for k, v in about.items() if k != "sha256"}
        about["sha256"] = contents.contents_digest(about, arrays)
    return save(arrays, metadata={contents.KEY: json.dumps(about)})


def forged_predictors(forest: bytes) -> dict[str, bytes]:
    """Predictors made of a forest: headers of other kinds, and trees that are none."""
    files = {}
    for key in ("predictor", "made_with", "probes", "format"):
        for label, value in (("null", None), ("list", []), ("text", "x"), ("number", 3)):
            about, arrays = opened(forest)
            files[f"{key}-{label}"] = sealed({**about, key: value}, arrays)
        about, arrays = opened(forest)
        del about[key]
        files[f"{key}-missing"] = sealed(about, arrays)
    for label, value in (("list", []), ("null", None), ("number", 3)):
        files[f"about-{label}"] = sealed(value, {})
    deep: Any = 1
    for _ in range(300):
        deep = {"kind": "list", "items": [deep]}
    for label, state in {
        "state-deep": deep,
        "state-kind": {"kind": "fields", "value": {}},
        "state-class": {"kind": "object", "class": "os:system", "state": {}},
        "state-array": {"kind": "array", "name": "nothing", "shape": [1], "turned": False},
        "state-module": {"kind": "module", "class": "torch.nn:Linear", "state": {}},
    }.items():
        about, arrays = opened(forest)
        about["predictor"]["state"]["pipeline_"] = state
        files[label] = sealed(about, arrays)
    for label, change in _TREES.items():
        about, arrays = opened(forest)
        _with_trees(about, arrays, change)
        files[f"tree-{label}"] = sealed(about, arrays)
    return files


def forged_tables(table: bytes) -> dict[str, bytes]:
    """Kept tables with a checksum that fits, where there is one, and contents that do not."""
    length = int.from_bytes(table[:8], "little")
    whole = json.loads(table[8 : 8 + length])
    about = json.loads(whole["__metadata__"]["nasurge"])
    arrays = load(table)

    def with_header(text: bytes) -> bytes:
        return len(text).to_bytes(8, "little") + text + table[8 + length :]

    def sealed_table(changed: dict[str, Any], held: dict[str, Any]) -> bytes:
        with contextlib.suppress(LookupError, TypeError, AttributeError):
            changed = {**changed, "sha256": files._digest(changed, held)}
        return save(held, metadata={"nasurge": json.dumps(changed)})

    deep: Any = json.loads("[" * 300 + "]" * 300)
    made = {
        f"about-{key}-{label}": sealed_table({**about, key: value}, arrays)
        for key in ("space", "columns", "roles")
        for label, value in (("null", None), ("text", "x"), ("deep", deep), ("list", [3]))
    }
    other = {**arrays, "codes": np.full_like(arrays["codes"], 99)}
    fewer = {name: array for name, array in arrays.items() if name != "c0"}
    shorter = {**arrays, "c0": arrays["c0"][:-1]}
    far = {**whole, "codes": {**whole["codes"], "data_offsets": [2**60, 2**61]}}
    below = {**whole, "codes": {**whole["codes"], "data_offsets": [-99, -3]}}
    return made | {
        "codes-outside": sealed_table(about, other),
        "column-missing": sealed_table(about, fewer),
        "column-short": sealed_table(about, shorter),
        "format": sealed_table({**about, "format": 99}, arrays),
        "header-deep": with_header(b"[" * 100_000),
        "header-list": with_header(b"[]"),
        "header-far": with_header(json.dumps(far).encode()),
        "header-below": with_header(json.dumps(below).encode()),
        "header-claims": (2**62).to_bytes(8, "little") + table[8:],
        "about-deep": with_header(
            json.dumps({**whole, "__metadata__": {"nasurge": "[" * 100_000}}).encode()
        ),
    }


def _put(name: str, place: int, value: int) -> Callable[[Any], None]:
    def change(nodes: Any) -> None:
        nodes[name][place] = value

    return change


_TREES = {
    "cycle": _put("left_child", 0, 0),
    "cycle-below": _put("right_child", 1, 1),
    "far-away": _put("left_child", 0, 2**40),
    "outside": _put("right_child", 0, 5_000_000),
    "below": _put("left_child", 0, -9),
    "feature": _put("feature", 0, 10**9),
    "feature-below": _put("feature", 0, -5),
}


def _with_trees(about: Any, arrays: dict[str, Any], change: Callable[[Any], None]) -> None:
    """Change the nodes of every tree in the archives of a description."""
    if isinstance(about, dict) and about.get("kind") == "skops":
        reference = about["data"]
        packed = _changed(arrays[reference["name"]].tobytes(), change)
        arrays[reference["name"]] = np.frombuffer(packed, np.uint8)
        reference["shape"] = [len(packed)]
        return
    for part in (
        about.values() if isinstance(about, dict) else about if isinstance(about, list) else ()
    ):
        _with_trees(part, arrays, change)


def _changed(archive: bytes, change: Callable[[Any], None]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as before, zipfile.ZipFile(out, "w") as after:
        for name in before.namelist():
            content = before.read(name)
            if name.endswith(".npy"):
                array = np.load(io.BytesIO(content))
                if array.dtype.names and "left_child" in array.dtype.names and len(array) > 1:
                    change(array)
                    changed = io.BytesIO()
                    np.save(changed, array)
                    content = changed.getvalue()
            after.writestr(name, content)
    return out.getvalue()
