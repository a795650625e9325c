"""Saved predictors with a checksum that fits and contents that do not."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np
from safetensors.numpy import load, save

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
