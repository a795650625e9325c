"""The archive of Accel-NASBench: accuracies and speeds on devices of MnasNet networks."""

from __future__ import annotations

import re
import tarfile
import zlib
from collections.abc import Iterator
from lzma import LZMAError
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from ...errors import ArchitectureError, DataFileError, NasurgeError, StorageError
from ..files import decode, open_tar, parse_json, read_text
from ..files.limits import check_limit
from ..spaces import Space, make_space
from ..tables import Column, ImportNotes, Table, build_table
from ..types import Codes, Values
from .contract import refuse_schema

_NAME = re.compile(r"result_(\d{1,9})\.json")
_START = re.compile(r'\s*\{\s*"architecture"\s*:\s*\{\s*"block0_')
_DEVICE = re.compile(r"(latency|throughput)_(\w+)")
_DAMAGE = (tarfile.TarError, EOFError, zlib.error, LZMAError, ValueError)
_TASK, _ROLE = "imagenet", "val_top1"
_REMEDY = "download the archive again"
_COLUMNS = {
    "val_top1": Column(_TASK, "accuracy", "valid", unit="%", source="val_top1"),
    "val_top5": Column(_TASK, "accuracy-top5", "valid", unit="%", source="val_top5"),
    "train_time": Column(_TASK, "train-time", minimise=True, unit="s", source="train_time"),
    "macs": Column(_TASK, "flops", minimise=True, unit="M", source="macs"),
    "params": Column(_TASK, "parameters", minimise=True, unit="M", source="params"),
}
_MOST_LOOKED_AT = 5  # members in which the first network is looked for


def accepts(path: Path) -> bool:
    """Whether a folder or tar archive has a file with a network, as the published ones do."""
    try:
        if path.is_dir():
            first = next((f for f in path.iterdir() if _NAME.fullmatch(f.name)), None)
            return first is not None and _START.match(_beginning(first)) is not None
        if not path.is_file():
            return False
        with open_tar(path) as members:
            for _, (name, content) in zip(range(_MOST_LOOKED_AT), members, strict=False):
                if content is not None and _NAME.fullmatch(PurePosixPath(name).name):
                    return _START.match(content().decode("utf-8", "replace")) is not None
    except (OSError, NasurgeError, *_DAMAGE):
        pass
    return False


def _beginning(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(4096).decode("utf-8", "replace")


def read(path: Path, *, name: str | None = None, schema: Path | None = None) -> list[Table]:
    """Table of the published archive, packed or unpacked: a JSON file for each network.

    Accuracies are in %, of one short training, whose epochs the files do not state; latencies in
    ms, throughputs in images per second, multiply-adds (``flops``) and parameters in millions. A
    network of several files has their means.

    Raises
    ------
    ParameterError
        If a schema is given.
    StorageError, DataFileError
        If it cannot be read, or a file in it is damaged, which the message names.
    LimitError
        If it is over the limits.

    References
    ----------
    A. Ahmad et al. Accel-NASBench: Sustainable benchmarking for accelerator-aware NAS. DAC 2024.
    """
    refuse_schema(schema, path)
    space, found = make_space("mnasnet"), []
    for number, where, text in _documents(path):
        found.append((number, *_network(space, text, where)))
    if not found:
        raise DataFileError(f"{path} holds no file of a network, result_0.json and so on")
    found.sort(key=lambda entry: entry[0])
    codes = np.concatenate([code for _, code, _ in found])
    keys = space.keys(codes)
    _, firsts, groups = np.unique(keys, return_index=True, return_inverse=True)
    order = np.argsort(firsts)
    sources = list(dict.fromkeys(source for *_, row in found for source in row))
    measured = []
    for source in sources:
        values = np.array([row.get(source, np.nan) for *_, row in found])
        measured.append((_column(source), _means(values, groups, len(firsts))[order]))
    return [
        build_table(
            name or "accel-nasbench",
            space,
            codes[np.sort(firsts)],
            measured,
            roles={_TASK: (_ROLE, _ROLE)},
            origin="Accel-NASBench (A. Ahmad et al., DAC 2024)",
            imported=_notes(measured, len(found), path),
        )
    ]


def _documents(path: Path) -> Iterator[tuple[int, str, str]]:
    """Number, name and text of each file of a network."""
    if path.is_dir():
        for count, file in enumerate(sorted(path.iterdir()), start=1):
            check_limit("members", count, str(path))
            match = _NAME.fullmatch(file.name)
            if match:
                yield int(match[1]), str(file), read_text(file, remedy=_REMEDY)
        return
    try:
        with open_tar(path) as members:
            for member, content in members:
                match = _NAME.fullmatch(PurePosixPath(member).name)
                if match and content is not None:
                    where = f"{member[:200]} of {path}"
                    yield int(match[1]), where, decode(content(), where, remedy=_REMEDY)
    except NasurgeError:
        raise
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror or error}") from error
    except _DAMAGE as error:
        raise DataFileError(f"{path} is damaged or cut ({error}): {_REMEDY}") from error


def _network(space: Space, text: str, where: str) -> tuple[Codes, dict[str, float]]:
    """Code of a network, and its numbers by their names."""
    found = parse_json(
        text, where, keys=("architecture", "metrics", "model_info", "platform_perf"), remedy=_REMEDY
    )
    try:
        code = space.parse([found["architecture"]])
        row = {key: _number(found["metrics"][key]) for key in ("val_top1", "val_top5")}
        row["train_time"] = _number(found["metrics"]["train_time"])
        row |= {key: _number(found["model_info"][key]) for key in ("macs", "params")}
        for key, values in sorted(found["platform_perf"].items()):
            match = _DEVICE.fullmatch(key)
            if match:
                row[key] = _number(values[f"{match[1]}_mean"])
    except (
        *(TypeError, ValueError, LookupError, AttributeError, OverflowError),
        ArchitectureError,
    ) as error:
        reason = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise DataFileError(
            f"{where} does not hold what Accel-NASBench holds ({reason}): {_REMEDY}"
        ) from error
    return code, row


def _number(value: Any) -> float:
    """Measured number; NaN where the file says null."""
    if value is None:
        return np.nan
    if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
        raise ValueError(f"{value!r} is no number")
    return float(value)


def _column(source: str) -> Column:
    """Description of a column by its name in the files."""
    if source in _COLUMNS:
        return _COLUMNS[source]
    kind, _, device = source.partition("_")
    slow = kind == "latency"
    unit = "ms" if slow else "images/s"
    return Column(_TASK, f"{device}-{kind}", minimise=slow, unit=unit, source=source)


def _means(values: Values, groups: Any, count: int) -> Values:
    """Mean of what was measured of each group, NaN where nothing was."""
    there = ~np.isnan(values)
    sums = np.bincount(groups[there], values[there], minlength=count)
    counts = np.bincount(groups[there], minlength=count)
    found: Values = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    return found


def _notes(measured: list[tuple[Column, Values]], files: int, path: Path) -> ImportNotes:
    """What the table is made of."""
    size = len(measured[0][1])
    kind = "folder" if path.is_dir() else "tar archive"
    again = f"{files:,} files of {size:,} networks: those of several have their means"
    gaps = [(column.source, int(np.isnan(values).sum())) for column, values in measured]
    return ImportNotes(
        files,
        (f"{kind} of Accel-NASBench, latencies in ms, throughputs in images per second",),
        runs=(again,) if files > size else (),
        left_out=("standard deviations of the throughputs",),
        unmeasured=tuple(f"{s!r} of {n:,} of {size:,} architectures" for s, n in gaps if n),
        minimised=tuple(column.source for column, _ in measured if column.minimise),
        maximised=tuple(column.source for column, _ in measured if not column.minimise),
    )
