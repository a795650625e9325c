"""Points of pictures of predicted against true values, which a study keeps beside its rows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ...data.files import atomic_write, read_npz
from ...data.types import Values
from .journal import fingerprint

Points = tuple[Values, Values]
"""True and predicted values, shape (n,) each."""


def predictions_path(folder: Path, address: str, predictor: str, n: int) -> Path:
    """Where the points of a picture are kept; names of tasks may be no file names."""
    return folder / "predictions" / f"{fingerprint({address: predictor})}-{n}.npz"


def keep_points(path: Path, true: Values, predicted: Values) -> None:
    """Keep true and predicted values for the report.

    Raises
    ------
    StorageError
        If they cannot be written.
    """
    with atomic_write(path) as file:
        np.savez(file, true=true, predicted=predicted)


def read_points(folder: Path, address: str, names: Sequence[str], n: int) -> dict[str, Points]:
    """True and predicted values of each predictor that has kept them, by its name.

    Parameters
    ----------
    folder : Path
        Of the study.
    address : str
        What is predicted.
    names : sequence of str
        Of the predictors.
    n : int
        Number of labels that they learnt.

    Raises
    ------
    DataFileError
        If a file is damaged.
    """
    found: dict[str, Points] = {}
    for name in names:
        path = predictions_path(folder, address, name, n)
        if path.exists():
            remedy = "delete it and run the command again"
            arrays = read_npz(path, names=("true", "predicted"), remedy=remedy)
            found[name] = (arrays["true"], arrays["predicted"])
    return found
