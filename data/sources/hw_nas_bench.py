"""The pickle of HW-NAS-Bench: latency and energy of NAS-Bench-201 cells on devices."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import ArchitectureError, DataFileError
from ..files import Record, read_pickle
from ..spaces import make_space
from ..tables import Column, ImportNotes, Table, build_table
from ..types import Values
from .contract import refuse_schema

_CELLS = "nasbench201"
_UNITS = {"latency": "ms", "energy": "mJ", "intensity": "ops/B"}
_BETTER_BIGGER = ("intensity",)


class _Number(Record):
    """Stands in for the types of the numbers; any other type is refused."""

    def __init__(self, kind: str, *_: Any) -> None:
        if kind not in ("f8", "f4"):
            raise ValueError(f"a number of type {kind!r}")
        self.kind = kind

    def __setstate__(self, state: Any) -> None:
        """Ignore the byte order's description: the file is little-endian."""


def _number(kind: _Number, data: bytes) -> float:
    return float(struct.unpack("<d" if kind.kind == "f8" else "<f", data)[0])


_ALLOWED: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy", "dtype"): _Number,
    ("numpy.core.multiarray", "scalar"): _number,
    ("numpy._core.multiarray", "scalar"): _number,
}


def accepts(path: Path) -> bool:
    """Whether a file is a pickle that begins with the file's own words."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        start = file.read(4096)
    return start.startswith(b"\x80") and (_CELLS.encode() in start or b"fbnet" in start)


def read(path: Path, *, name: str | None = None, schema: Path | None = None) -> list[Table]:
    """Table of the NAS-Bench-201 cells in the file, a task for each data set.

    Latencies are in ms and energies in mJ, as published. The file's other space, FBNet, is none
    that is known here.

    Raises
    ------
    ParameterError
        If a schema is given.
    DataFileError
        If the file is damaged or another one.
    UnsafePickleError
        If the pickle asks for anything but numbers.

    References
    ----------
    C. Li et al. HW-NAS-Bench: Hardware-aware neural architecture search benchmark. ICLR 2021.
    """
    refuse_schema(schema, path)
    found = read_pickle(path, _ALLOWED)
    space = make_space("nb201")
    try:
        tasks = {str(task): _columns(entries) for task, entries in found[_CELLS].items()}
        strings = list(dict.fromkeys(text for own, _ in tasks.values() for text in own))
        row = {text: k for k, text in enumerate(strings)}
        codes = space.parse(strings)
        columns = [
            (_column(task, metric), _at(values, [row[text] for text in own], len(strings)))
            for task, (own, measured) in tasks.items()
            for metric, values in measured.items()
        ]
        if not columns or len(np.unique(space.keys(codes))) < len(codes):
            raise ValueError("it holds no measured cell, or one twice")  # noqa: TRY301
    except (TypeError, ValueError, LookupError, AttributeError, ArchitectureError) as error:
        raise DataFileError(f"{path} does not hold what HW-NAS-Bench holds: {error}") from error
    others = [f"the space {key!r}" for key in found if key != _CELLS]
    sources = [column.source for column, _ in columns]
    notes = ImportNotes(
        len(strings),
        ("pickle of HW-NAS-Bench, latencies in ms and energies in mJ",),
        left_out=tuple(others),
        minimised=tuple(dict.fromkeys(s for s in sources if not s.endswith(_BETTER_BIGGER))),
        maximised=tuple(dict.fromkeys(s for s in sources if s.endswith(_BETTER_BIGGER))),
    )
    return [
        build_table(
            name or "hw-nas-bench",
            space,
            codes,
            columns,
            roles={},
            origin="HW-NAS-Bench (C. Li et al., ICLR 2021)",
            imported=notes,
        )
    ]


def _columns(entries: Any) -> tuple[list[str], dict[str, Values]]:
    """Architectures of a data set, and each of its measurements."""
    strings = [str(entry["arch_str"]) for entry in entries["config"]]
    measured = {
        str(metric): np.array([float(value) for value in values])
        for metric, values in entries.items()
        if metric != "config"
    }
    for metric, values in measured.items():
        if values.shape != (len(strings),) or np.isinf(values).any():
            raise ValueError(f"{metric} is not one number for each of {len(strings)} cells")
    return strings, measured


def _column(task: str, metric: str) -> Column:
    last = metric.rpartition("_")[2]
    return Column(
        task,
        metric.replace("_", "-"),
        minimise=last not in _BETTER_BIGGER,
        unit=_UNITS.get(last, ""),
        source=metric,
    )


def _at(values: Values, rows: list[int], size: int) -> Values:
    found = np.full(size, np.nan)
    found[rows] = values
    return found
