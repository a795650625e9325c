"""Files of many tasks with few labels each, and of many devices: ``npz`` archives of arrays."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...errors import DataFileError, LabelError, UnknownNameError
from ..arguments import checked
from ..files import read_npz
from ..spaces import Codes, Space
from ..types import Values


class TaskLabels(NamedTuple):
    """Labels of architectures on several tasks."""

    codes: Codes
    """(n, d)"""
    y: Values
    """(n,) bigger is better"""
    tasks: NDArray[np.str_]
    """(n,) which task each label belongs to"""


@checked
def read_task_labels(path: str | Path, space: Space) -> TaskLabels:
    """Labels in an ``npz`` file with the arrays ``arch``, ``task`` and ``acc``.

    The form in which MetaD2A's training triples are shared: one architecture string, number of a
    task and accuracy a row.

    Parameters
    ----------
    path : str or Path
    space : Space
        That ``arch`` is written in.

    Raises
    ------
    StorageError, DataFileError
        As ``read_npz``; also if the arrays do not belong together.
    UnknownNameError
        If an array is missing.
    ArchitectureError
        If a string is no architecture of the space.
    LabelError
        If an accuracy is not a finite number.

    References
    ----------
    H. Lee, E. Hyung, S. J. Hwang. Rapid neural architecture search by learning to generate graphs
    from datasets (MetaD2A). ICLR 2021.
    """
    found = read_npz(path)
    for name in ("arch", "task", "acc"):
        if name not in found:
            raise UnknownNameError("array", name, found, hint=f"in {path}")
    strings, tasks, y = found["arch"], found["task"], found["acc"]
    shapes = {strings.shape, tasks.shape, y.shape}
    if (
        len(shapes) > 1
        or strings.ndim != 1
        or strings.dtype.kind != "U"
        or y.dtype.kind not in "fiu"
    ):
        raise DataFileError(
            f"{path}: arch, task and acc are texts, names and numbers of one length; received "
            f"{[(a.dtype.name, a.shape) for a in (strings, tasks, y)]}"
        )
    labels = y.astype(np.float64)
    if not np.isfinite(labels).all():
        raise LabelError(f"{path}: {int((~np.isfinite(labels)).sum())} accuracies are not finite")
    return TaskLabels(space.parse(list(strings)), labels, tasks.astype(str))


@checked
def read_latencies(path: str | Path, rows: int) -> tuple[list[str], Values]:
    """Names of devices and the latencies on them, shape (rows, devices).

    Parameters
    ----------
    path : str or Path
        An ``npz`` file with one array a device.
    rows : int
        How many architectures there must be: those of a table, in its order.

    Raises
    ------
    StorageError, DataFileError
        As ``read_npz``; also if an array is no latency of so many architectures.
    """
    found = read_npz(path)
    for name, values in found.items():
        if values.shape != (rows,) or values.dtype.kind not in "fiu":
            raise DataFileError(
                f"{path}: {name} is {values.dtype.name} {values.shape}; a device has one number "
                f"for each of the {rows} architectures, in the order of the table"
            )
    if not found:
        raise DataFileError(f"{path} holds no device")
    names = list(found)
    latencies = np.stack([found[name].astype(np.float64) for name in names], axis=1)
    if not (np.isfinite(latencies) & (latencies > 0)).all():
        raise DataFileError(f"{path}: latencies are finite and above 0")
    return names, latencies
