"""The files of tables: one per table, checked by a checksum; large ones are memory-mapped."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import DataFileError, StorageError
from ..files import DAMAGED, atomic_write
from ..spaces import stored_space
from .notes import ImportNotes
from .table import Column, Roles, Table

FORMAT = 1
MOST_COPIED = 64 * 2**20
"""Bytes up to which a table is read into memory; a larger one is memory-mapped.

A mapped file that is cut short while it is in use ends the process, and nothing can be said of it.
"""
_LONGEST_HEADER = 10_000_000


def write_table(path: Path, table: Table) -> None:
    """Write ``table`` to one file, whole or not at all.

    Raises
    ------
    StorageError
        If it cannot be written; an earlier file is then untouched.
    """
    from safetensors.numpy import save

    about, arrays = _contents(table)
    with atomic_write(path) as file:
        file.write(save(arrays, metadata={"nasurge": json.dumps(about)}))


def content_digest(table: Table) -> str:
    """Checksum of what was measured, whatever the table and its origin are called."""
    digest: str = _contents(table)[0]["sha256"]
    return digest


def _contents(table: Table) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Description and the arrays that a table's file holds."""
    arrays: dict[str, NDArray[Any]] = {"codes": np.ascontiguousarray(table.codes)}
    arrays |= {f"c{k}": np.ascontiguousarray(v, np.float64) for k, v in enumerate(table.data)}
    about = {
        "format": FORMAT,
        "name": table.name,
        "space": table.space.spec(),
        "columns": [asdict(column) for column in table.columns],
        "roles": {task: asdict(roles) for task, roles in table.roles.items()},
        "origin": table.origin,
        **({"made": table.made} if table.made else {}),
        **({"imported": table.imported.as_dict()} if table.imported else {}),
    }
    return {**about, "sha256": _digest(about, arrays)}, arrays


def _digest(about: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> str:
    """Checksum of a description, its names, origin and notes aside, and of the arrays."""
    space = {key: value for key, value in about["space"].items() if key != "name"}
    described = [space or about["space"], about["columns"], about["roles"]]
    if "made" in about:
        described.append(about["made"])
    digest = hashlib.sha256(json.dumps(described, sort_keys=True).encode())
    for name in sorted(arrays):
        digest.update(f"{name} {arrays[name].dtype} {arrays[name].shape}".encode())
        digest.update(np.ascontiguousarray(arrays[name]).data)
    return digest.hexdigest()


def read_about(path: Path) -> tuple[dict[str, Any], dict[str, Any], int]:
    """Description in a table's file, its tensors' places and where the data begins.

    Raises
    ------
    DataFileError
        If the file is no table of ours, or truncated.
    StorageError
        If it cannot be read.
    """
    foreign = f"{path} is truncated or not a table of NASurge"
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            text = file.read(min(length, _LONGEST_HEADER))
            size = path.stat().st_size
        header = json.loads(text)
        about = json.loads(header.pop("__metadata__")["nasurge"])
        end = 8 + length + max(entry["data_offsets"][1] for entry in header.values())
        found = about["format"]
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror or error}") from error
    except DAMAGED as error:
        raise DataFileError(f"{foreign} ({error}): import the table again") from error
    if size != end:
        raise DataFileError(f"{foreign} ({size} bytes instead of {end}): import the table again")
    if found != FORMAT:
        raise DataFileError(
            f"{path} has format {found!r}, this version reads {FORMAT}: import the table again"
        )
    return about, header, 8 + length


def read_table(path: Path) -> Table:
    """Table in a file, its arrays read-only, and memory-mapped if it has more than 64 MiB.

    Raises
    ------
    DataFileError
        If the file is no table, truncated, or its checksum does not fit.
    StorageError
        If it cannot be read.
    """
    about, header, start = read_about(path)
    content = _content(path)
    kinds = {"I8": np.int8, "I16": np.int16, "F64": np.float64}
    arrays: dict[str, NDArray[Any]] = {}
    try:
        for name, entry in header.items():
            first, last = (start + offset for offset in entry["data_offsets"])
            arrays[name] = content[first:last].view(kinds[entry["dtype"]]).reshape(entry["shape"])
        if _digest(about, arrays) == about["sha256"] and _fits(about, arrays):
            return Table(
                name=about["name"],
                space=stored_space(about["space"]),
                codes=arrays["codes"],
                columns=tuple(Column(**column) for column in about["columns"]),
                data=tuple(arrays[f"c{k}"] for k in range(len(about["columns"]))),
                roles={task: Roles(**roles) for task, roles in about["roles"].items()},
                origin=about["origin"],
                digest=about["sha256"],
                path=path,
                made=about.get("made", {}),
                imported=_notes(about),
                opener=open_table,
            )
    except DAMAGED:
        pass  # a description that the damage made unreadable
    raise DataFileError(
        f"{path} is damaged: its checksum does not fit; delete it and make the table again"
    )


def _content(path: Path) -> NDArray[np.uint8]:
    """Bytes of a file, read-only."""
    try:
        if path.stat().st_size > MOST_COPIED:
            return np.memmap(path, dtype=np.uint8, mode="r").view(np.ndarray)
        return np.frombuffer(path.read_bytes(), dtype=np.uint8)
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror or error}") from error


def _notes(about: Mapping[str, Any]) -> ImportNotes | None:
    """What an import made of a file; None for a table that was not, or by an older version."""
    return ImportNotes.from_dict(about["imported"]) if "imported" in about else None


def _fits(about: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> bool:
    """Whether the codes are of the space and every column has as many rows."""
    codes, most = arrays["codes"], np.array(stored_space(about["space"]).cardinalities)
    return (
        codes.shape == (len(codes), len(most))
        and bool((codes.min(axis=0) >= 0).all() and (codes.max(axis=0) < most).all())
        and all(arrays[f"c{k}"].shape == codes.shape[:1] for k in range(len(about["columns"])))
    )


def open_table(path: Path) -> Table:
    """Table in a file, read once per process as long as the file is the same.

    Raises
    ------
    DataFileError, StorageError
        As ``read_table``.
    """
    try:
        stat = path.stat()
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror or error}") from error
    return _open(path, stat.st_mtime_ns, stat.st_size)


@cache
def _open(path: Path, mtime: int, size: int) -> Table:  # noqa: ARG001 -- keys of the cache
    return read_table(path)
