"""The JSON file of NAS-Bench-Macro: three runs on CIFAR-10 of every chain of eight layers."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from ...errors import ArchitectureError, DataFileError
from ..files import read_document
from ..spaces import make_space
from ..tables import Column, Table, build_table
from .contract import refuse_schema

_START = re.compile(rb'\s*\{\s*"[012]{8}"\s*:\s*\{\s*"test_acc"')
_ROLE = "mean_acc"


def accepts(path: Path) -> bool:
    """Whether a file begins with an architecture and its accuracies, as the published one does."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return _START.match(file.read(4096)) is not None


def read(path: Path, *, name: str | None = None, schema: Path | None = None) -> list[Table]:
    """Table of the published file: accuracies in %, parameters and FLOPs in millions.

    Raises
    ------
    ParameterError
        If a schema is given.
    StorageError, DataFileError
        If the file cannot be read, is damaged or another one.
    """
    refuse_schema(schema, path)
    found, space = read_document(path), make_space("nb-macro")
    try:
        codes = space.parse(list(found))
        runs = np.array([[float(run) for run in row["test_acc"]] for row in found.values()])
        keys = (_ROLE, "params", "flops")
        numbers = np.array([[float(row[key]) for key in keys] for row in found.values()])
        columns = [
            (Column("cifar10", "accuracy", "test", seed=k, unit="%", source=f"test_acc_{k}"), run)
            for k, run in enumerate(runs.T)
        ]
    except (TypeError, ValueError, LookupError, AttributeError, ArchitectureError) as error:
        raise DataFileError(f"{path} does not hold what NAS-Bench-Macro holds: {error}") from error
    mean = Column("cifar10", "accuracy", "test", seed="mean", unit="%", source=_ROLE)
    costs = [
        Column("cifar10", metric, minimise=True, unit="M", source=key)
        for metric, key in (("parameters", "params"), ("flops", "flops"))
    ]
    columns += [(mean, numbers[:, 0]), (costs[0], numbers[:, 1] / 1e6)]
    columns += [(costs[1], numbers[:, 2] / 1e6)]
    roles, origin = {"cifar10": (_ROLE, _ROLE)}, "NAS-Bench-Macro (X. Su et al., CVPR 2021)"
    return [build_table(name or "nb-macro", space, codes, columns, roles=roles, origin=origin)]
