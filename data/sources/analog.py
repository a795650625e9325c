"""The data file of the package analog-nasbench: NAS-Bench-201 cells, digital and analog."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...errors import DataFileError
from ..files import Record, read_pickle
from ..spaces import make_space
from ..tables import Column, Table, build_table
from .contract import refuse_schema

METRICS = (
    "baseline_accuracy",
    "ptq_accuracy",
    "qat_accuracy",
    "noisy_accuracy",
    "analog_accuracy",
)
# The package's edges are 0-1, 0-2, 0-3, 1-2, 1-3, 2-3 and its operations skip_connect, none,
# nor_conv_3x3, nor_conv_1x1, avg_pool_3x3; ours are in the official order.
_EDGES = [0, 1, 3, 2, 4, 5]
_OPERATIONS = np.array([1, 0, 3, 2, 4], dtype=np.int8)
_MODULE = "analognasbench.data"


def accepts(path: Path) -> bool:
    """Whether a file is a pickle that begins with the package's own classes."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        start = file.read(4096)
    return start.startswith(b"\x80") and _MODULE.encode() in start


def read(path: Path, *, name: str | None = None, schema: Path | None = None) -> list[Table]:
    """Table of the package's data file.

    Raises
    ------
    ParameterError
        If a schema is given.
    DataFileError
        If the file is damaged or not the package's.
    """
    refuse_schema(schema, path)
    allowed = {(_MODULE, "Architecture"): Record, (_MODULE, "DriftMeasurement"): Record}
    found = read_pickle(path, allowed)
    try:
        published = np.array([[int(number) for number in key] for key in found], dtype=np.int64)
        rows = [vars(record) for record in found.values()]
        values = np.array([[float(row[metric]) for metric in METRICS] for row in rows])
        codes = _OPERATIONS[published][:, _EDGES]
        space = make_space("nb201")
        space.check(codes)
    except (TypeError, ValueError, LookupError, AttributeError) as error:
        raise DataFileError(f"{path} does not hold what analog-nasbench holds: {error}") from error
    order = np.argsort(space.keys(codes))
    columns = [
        (Column("cifar10", metric, split="test", unit="%", source=metric), values[order, k])
        for k, metric in enumerate(METRICS)
    ]
    table = build_table(
        name or "nb201-analog",
        space,
        codes[order],
        columns,
        roles={"cifar10": ("baseline_accuracy", "baseline_accuracy")},
        origin="PyPI package analog-nasbench",
    )
    return [table]
