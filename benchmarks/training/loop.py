"""The loop of every training: steps, checkpoints, and batches that the device has memory for."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor

from ...errors import DeviceError
from .checkpoints import State, read_state, restore, write_checkpoint


class Training(Protocol):
    """Something that is trained step by step, and whose state can be kept in a file.

    Attributes
    ----------
    diverged : bool
        Whether the loss became infinite or NaN, after which no step is left.
    """

    diverged: bool

    @property
    def over(self) -> bool:
        """Whether no step is left."""

    def step(self) -> None:
        """Take the next step, such as an epoch."""

    def state(self) -> State:
        """All that the steps left depend on."""

    def load(self, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
        """Go to where ``state`` was taken."""


Trained = TypeVar("Trained", bound=Training)


def run_training(
    make: Callable[[int], Trained],
    *,
    identity: Mapping[str, Any],
    batch_size: int = 0,
    device: str = "cpu",
    checkpoint: Path | None = None,
    checkpoint_seconds: float = 30.0,
    progress: Callable[[Trained], object] | None = None,
    rank: int | None = None,
) -> Trained:
    """Training after its last step, begun anew or gone on with from its checkpoint.

    A device that is out of memory is given the training again from its start with half the batch
    size, as often as it takes.

    Parameters
    ----------
    make : callable
        From a batch size to the training at its start, whatever was trained before.
    identity : mapping
        The arguments of the run, as JSON values: a checkpoint of others is refused.
    batch_size : int
        To begin with; 0 for a training without batches, of which nothing can be halved.
    device : str
        Whose memory it is.
    checkpoint : Path, optional
        File in which the state is kept. A training that was killed goes on from it and ends as if
        it had not been; it must be given the same arguments. One that is done is only read.
    checkpoint_seconds : float
        The state is written after a step when so long has passed, and after the last one; that of a
        training that diverged stays as it was before.
    progress : callable, optional
        Called with the training after every step.
    rank : int, optional
        Of this process, where several share every batch: the first one writes, and none halves its
        part of the batch alone.

    Raises
    ------
    ParameterError
        If the checkpoint is of another run.
    DataFileError, StorageError
        If the checkpoint is damaged, or cannot be written.
    DeviceError
        If the device has no memory for a batch of two images.
    """
    kept = read_state(checkpoint, identity) if checkpoint else None
    begin = kept[1].get("batch_size", batch_size) if kept else batch_size
    file = checkpoint if not rank else None

    def attempt(size: int) -> Trained:
        training = make(size)
        if kept and checkpoint and size == begin:
            restore(training, kept, checkpoint)
        written = time.perf_counter()
        while not training.over:
            training.step()
            due = training.over or time.perf_counter() - written >= checkpoint_seconds
            if file and due and not training.diverged:
                tensors, state = training.state()
                write_checkpoint(file, tensors, {"about": identity, "state": state})
                written = time.perf_counter()
            if progress:
                progress(training)
        return training

    if not begin or rank is not None:
        return attempt(begin)
    return _in_memory(attempt, begin, device)


def _in_memory(attempt: Callable[[int], Trained], batch_size: int, device: str) -> Trained:
    """What an attempt gives, with half the batch size whenever memory is short."""
    while True:
        try:
            return attempt(batch_size)
        except RuntimeError as error:
            if not isinstance(error, torch.OutOfMemoryError) and (
                "out of memory" not in str(error).lower()
            ):
                raise
            if batch_size < 4:
                raise DeviceError(
                    f"{device} has no memory to train this network on a batch of {batch_size} "
                    f"images ({error}): take a smaller network or another device"
                ) from error
        # Outside of the handler: the error holds on to what filled the memory.
        batch_size //= 2
        if device.startswith("cuda"):
            torch.cuda.empty_cache()


def weights_digest(tensors: Mapping[str, Tensor]) -> str:
    """Checksum of tensors and their names, in 16 characters."""
    digest = hashlib.sha256()
    for name, tensor in tensors.items():
        digest.update(name.encode())
        digest.update(tensor.cpu().contiguous().numpy().data)
    return digest.hexdigest()[:16]
