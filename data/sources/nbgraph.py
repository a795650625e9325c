"""The data folder of the package nas-bench-graph: graph networks on nine tasks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import DataFileError
from ..files import NumberType, number, read_pickle
from ..spaces import make_space
from ..tables import Column, Table, build_table
from .contract import refuse_schema

TASKS = (
    "cora",
    "citeseer",
    "pubmed",
    "cs",
    "physics",
    "photo",
    "computers",
    "arxiv",
    "proteins",
)


_ALLOWED: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy", "dtype"): NumberType,
    ("numpy.core.multiarray", "scalar"): number,
    ("numpy._core.multiarray", "scalar"): number,
}

_COLUMNS = {
    "valid_perf": {"metric": "accuracy", "split": "valid"},
    "perf": {"metric": "accuracy", "split": "test"},
    "latency": {"metric": "latency", "unit": "s", "minimise": True},
    "para": {"metric": "parameters", "unit": "M", "minimise": True},
}


def accepts(path: Path) -> bool:
    """Whether a folder has the package's file of every task."""
    return all((path / f"{task}.bench").is_file() for task in TASKS)


def read(path: Path, *, name: str | None = None, schema: Path | None = None) -> list[Table]:
    """Table of the package's folder of data files.

    Accuracies are fractions (area under the ROC curve for ``proteins``). ``proteins`` was measured
    for 2,021 of the architectures; the others are NaN there.

    Raises
    ------
    ParameterError
        If a schema is given.
    DataFileError
        If a file is damaged or not the package's.
    """
    refuse_schema(schema, path)
    space = make_space("nbgraph")
    digits = 10 ** np.arange(4, -1, -1)
    found = {}
    for task in TASKS:
        file = path / f"{task}.bench"
        entries = read_pickle(file, _ALLOWED)
        try:
            keys = np.array([int(key) for key in entries], dtype=np.int64)
            if not len(keys) or keys.max() > 99999:
                raise ValueError("its keys are not five digits")  # noqa: TRY301 -- reported below
            codes = (keys[:, None] // digits % 10).astype(np.int8)
            space.check(codes)
            values = np.array([[float(e[k]) for k in _COLUMNS] for e in entries.values()])
        except (TypeError, ValueError, LookupError, AttributeError) as error:
            message = f"{file} does not hold what nas-bench-graph holds: {error}"
            raise DataFileError(message) from error
        found[task] = (space.index(codes), values)
    every = np.unique(np.concatenate([index for index, _ in found.values()]))
    columns = []
    for task, (index, values) in found.items():
        spread = np.full((len(every), len(_COLUMNS)), np.nan)
        spread[np.searchsorted(every, index)] = values
        columns += [
            (Column(task, source=source, **about), spread[:, k])  # type: ignore[arg-type]
            for k, (source, about) in enumerate(_COLUMNS.items())
        ]
    table = build_table(
        name or "nbgraph",
        space,
        space.from_index(every),
        columns,
        roles=dict.fromkeys(TASKS, ("valid_perf", "perf")),
        origin="PyPI package nas-bench-graph",
    )
    return [table]
