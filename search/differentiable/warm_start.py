"""Warm starts of differentiable searches: donors from earlier tasks, and the gate to pass."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike

from ...benchmarks.training import (
    ARRAYS,
    Kind,
    TaskEmbedding,
    read_checkpoint,
    read_embedding,
    task_distances,
    write_checkpoint,
)
from ...data.arguments import InShort, as_numbers, checked
from ...data.files import DAMAGED
from ...data.spaces import Space
from ...data.types import Values
from ...errors import DataFileError, IncompatibleDonorError, NasurgeError, ParameterError

ENDING = ".experience.safetensors"
FORMAT = 1
_LEAST_SHARE = 1e-3  # of an operation that a donor gave up: a search may still take it


@dataclass(frozen=True, eq=False, repr=False)
class Donor(InShort):
    """Result of a finished search on one task, from which searches on others can start.

    Attributes
    ----------
    task : str
    space : str
        Name of the space.
    sizes : dict
        Of the supernet, for reports: width, cells and so on.
    shares : float array, shape (d, k)
        Probabilities of the operations at the end of the search.
    architecture : str
    accuracy : float
        Test accuracy of the architecture, trained alone, in percent.
    seconds : float
        Of the search.
    steps : int
    embedding : TaskEmbedding
    """

    task: str
    space: str
    sizes: Mapping[str, Any]
    shares: Values
    architecture: str
    accuracy: float
    seconds: float
    steps: int
    embedding: TaskEmbedding


@checked
def keep_donor(folder: Path, donor: Donor) -> Path:
    """File of a donor in a folder, written in place of an older one of the same task and space.

    Returns
    -------
    Path
        A safetensors file, written whole or not at all.

    Raises
    ------
    StorageError
        If it cannot be written.
    """
    about = {
        "format": FORMAT,
        **{name: getattr(donor, name) for name in _FIELDS},
        "sizes": dict(donor.sizes),
        "embedding_seconds": donor.embedding.seconds,
    }
    arrays = {"shares": donor.shares, **donor.embedding.arrays()}
    tensors = {name: torch.from_numpy(np.ascontiguousarray(a)) for name, a in arrays.items()}
    name = re.sub(r"[^A-Za-z0-9]+", "-", Path(donor.task).name)[:40].strip("-")
    # Other tasks and spaces may have the same name.
    digest = hashlib.sha256(f"{donor.space}\n{donor.task}".encode()).hexdigest()[:8]
    path = folder / f"{name}-{digest}{ENDING}"
    write_checkpoint(path, tensors, about)
    return path


_FIELDS = ("task", "space", "architecture", "accuracy", "seconds", "steps")


@checked
def read_donors(folder: Path) -> list[Donor]:
    """Donors that a folder holds, by the names of their tasks; nothing is unpickled.

    Raises
    ------
    DataFileError
        If a file is damaged or of another kind.
    StorageError
        If one cannot be read.

    Examples
    --------
    >>> read_donors(Path("nothing"))
    []
    """
    return sorted((_read(path) for path in folder.glob(f"*{ENDING}")), key=lambda e: e.task)


def _read(path: Path) -> Donor:
    if (checkpoint := read_checkpoint(path)) is None:
        raise DataFileError(f"{path} is gone")
    tensors, about = checkpoint
    try:
        if about["format"] != FORMAT:
            raise DataFileError(
                f"{path} has format {about['format']}, this version reads {FORMAT}: make it again"
            )
        arrays = {name: tensors[name].double().numpy() for name in ("shares", *ARRAYS)}
        embedding = read_embedding({**arrays, "seconds": about["embedding_seconds"]})
        return Donor(
            **{name: about[name] for name in _FIELDS},
            sizes=about["sizes"],
            shares=arrays["shares"],
            embedding=embedding,
        )
    except NasurgeError:
        raise
    except DAMAGED as error:
        reason = f"{type(error).__name__}: {error}"
        raise DataFileError(f"{path} is no donor of a search ({reason}): make it again") from error


@checked
def donor_distances(
    embedding: TaskEmbedding, donors: Sequence[Donor], kind: Kind = "transport"
) -> Values:
    """Distance of each donor's task from a task, shape (donors,).

    Parameters
    ----------
    embedding : TaskEmbedding
        Of the task to be searched.
    donors : sequence of Donor
    kind : {"fisher", "transport"}

    Raises
    ------
    ParameterError
        If there is no such kind.
    """
    pairs = [task_distances([embedding, donor.embedding], kind)[0, 1] for donor in donors]
    return np.array(pairs)


@checked
def donor_weights(distances: ArrayLike, *, sharpness: float = 4.0) -> Values:
    """Weights of donors that fall with distance and add to one, shape (donors,).

    Parameters
    ----------
    distances : array_like, shape (donors,)
    sharpness : float
        The weight falls by a factor e with every median distance over ``sharpness``; 0 weights
        all alike.

    Raises
    ------
    ParameterError
        If there is no donor or ``sharpness`` is negative.

    Examples
    --------
    >>> donor_weights([0.1, 0.2, 0.3], sharpness=2).round(2).tolist()
    [0.67, 0.24, 0.09]
    """
    distant = np.atleast_1d(as_numbers("distances", distances))
    if not len(distant):
        raise ParameterError(
            "there is no donor to weight: a folder without earlier searches has none"
        )
    if not sharpness >= 0:
        raise ParameterError(f"sharpness must be at least 0, not {sharpness}")
    scale = float(np.median(distant)) or 1.0
    weights = np.exp(-sharpness * (distant - distant.min()) / scale)
    return np.asarray(weights / weights.sum())


@checked
def transferred_logits(
    donors: Sequence[Donor],
    space: Space,
    *,
    weights: ArrayLike | None = None,
    strength: float = 1.0,
) -> Values:
    """Logits that start a search, shape (d, k): the donors' mean shares, as centred logarithms.

    One donor gives its own architecture; several give a meta-transfer architecture.

    Parameters
    ----------
    donors : sequence of Donor
    space : Space
        To be searched.
    weights : array_like, shape (donors,), optional
        Such as those of ``donor_weights``. By default all alike.
    strength : float
        Multiplies the logits: 0 is a cold start, 1 begins from the donors' own shares, more is
        surer of them than they were.

    Raises
    ------
    IncompatibleDonorError
        If a donor is of another space.
    ParameterError
        If there is no donor, ``strength`` is negative, or weights do not fit.

    References
    ----------
    M. Grobelnik, J. Vanschoren. Warm-starting DARTS using meta-learning. arXiv 2205.06355, 2022.
    """
    shape = (len(space.cardinalities), max(space.cardinalities))
    for donor in donors:
        if donor.space != space.name or donor.shares.shape != shape:
            raise IncompatibleDonorError(
                f"the donor of task {donor.task!r} cannot start a search of space "
                f"{space.name!r}, whose shares have shape {shape}: it is of space "
                f"{donor.space!r}, shape {donor.shares.shape}; search that space, or leave this "
                "donor out"
            )
    shared = np.ones(len(donors)) if weights is None else np.asarray(weights, dtype=np.float64)
    if not len(donors) or shared.shape != (len(donors),) or shared.min() < 0 or not shared.sum():
        raise ParameterError(
            f"there must be donors and a weight for each, some above 0, not {len(donors)} donors "
            f"and weights {shared.tolist()}"
        )
    if not 0 <= strength < np.inf:
        raise ParameterError(f"strength must be a number of at least 0, not {strength}")
    mean = np.average(np.stack([d.shares for d in donors]), axis=0, weights=shared)
    logits = np.log(np.maximum(mean, _LEAST_SHARE))
    exists = np.arange(mean.shape[1]) < np.array(space.cardinalities)[:, None]
    centre = (logits * exists).sum(axis=1, keepdims=True) / exists.sum(axis=1, keepdims=True)
    # A softmax ignores the centre; the optimiser, which sees logits, should begin around zero.
    started: Values = np.where(exists, strength * (logits - centre), -np.inf)
    return started
