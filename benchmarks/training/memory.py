"""Batches are halved until the device has the memory for a training."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch

from ...errors import DeviceError

Result = TypeVar("Result")


def halving(train: Callable[[int], Result], batch_size: int, *, device: str) -> Result:
    """Return what a training gives, with half the batch size whenever memory is short.

    Parameters
    ----------
    train : callable
        Takes the batch size and begins from the start.
    batch_size : int
        To begin with.
    device : str

    Raises
    ------
    DeviceError
        If the device has no memory for a batch of two images.

    Examples
    --------
    >>> def train(batch_size):
    ...     if batch_size > 20:
    ...         raise torch.OutOfMemoryError
    ...     return batch_size
    >>> halving(train, 64, device="cpu")
    16
    """
    while True:
        try:
            return train(batch_size)
        except RuntimeError as error:
            if not _is_out_of_memory(error):
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


def _is_out_of_memory(error: RuntimeError) -> bool:
    return isinstance(error, torch.OutOfMemoryError) or "out of memory" in str(error).lower()
