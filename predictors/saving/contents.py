"""The container of a saved predictor: a safetensors file with a description and a checksum."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...data.files import DAMAGED, check_depth
from ...data.files.limits import read_bounded
from ...errors import DataFileError, LimitError, StorageError

FORMAT = 2
KEY = "nasurge-predictor"
_READABLE = (1, FORMAT)
_MADE_WITH = ("nasurge", "numpy", "scikit-learn", "torch", "xgboost", "lightgbm", "ngboost")


def read_contents(path: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Checked description and arrays of a file.

    Raises
    ------
    StorageError
        If it cannot be read.
    DataFileError
        If it is no saved predictor, damaged, of another format, or over the limits.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        with path.open("rb") as file:
            data = read_bounded(file, str(path))
        length = int.from_bytes(data[:8], "little")
        about = json.loads(json.loads(data[8 : 8 + length])["__metadata__"][KEY])
        found, digest = about["format"], about.pop("sha256")
        arrays = load(data) if found in _READABLE else {}
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror or error}") from error
    except LimitError:
        raise
    except (*DAMAGED, SafetensorError) as error:
        raise DataFileError(
            f"{path} is truncated or not a predictor saved by NASurge ({error})"
        ) from error
    if found not in _READABLE:
        raise DataFileError(
            f"{path} has format {found!r}, this version reads {' and '.join(map(str, _READABLE))}: "
            "fit and save it again"
        )
    if contents_digest(about, arrays) != digest:
        raise DataFileError(f"{path} was changed or damaged: its checksum does not fit")
    check_depth(about, str(path))
    if not _is_header(about):
        raise DataFileError(
            f"{path} does not say what a saved predictor says (predictor, made_with, probes): fit "
            "and save it again"
        )
    return about, arrays


def _is_header(about: Mapping[str, Any]) -> bool:
    """Whether a description has its parts, each of its kind."""
    predictor, made_with, probes = (about.get(k) for k in ("predictor", "made_with", "probes"))
    return (
        isinstance(predictor, dict)
        and isinstance(predictor.get("class"), str)
        and isinstance(made_with, dict)
        and isinstance(probes, dict)
        and isinstance(probes.get("name"), str)
    )


def contents_digest(about: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> str:
    """Checksum of a description and of arrays."""
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    for name in sorted(arrays):
        digest.update(f"{name} {arrays[name].dtype} {arrays[name].shape}".encode())
        digest.update(np.ascontiguousarray(arrays[name]).data)
    return digest.hexdigest()


def installed_versions() -> dict[str, str]:
    """Versions of the packages that what is saved depends on."""
    found = {}
    for name in _MADE_WITH:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def versions_text(versions: Mapping[str, str]) -> str:
    """Versions in words."""
    return ", ".join(f"{name} {number}" for name, number in versions.items())
