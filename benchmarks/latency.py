"""Latency of a network on this machine: what a forward pass takes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..data.arguments import checked
from ..data.devices import resolve_device
from ..errors import ParameterError

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class Latency:
    """Latency of one network, in milliseconds of wall-clock time.

    Attributes
    ----------
    median : float
        Of all measured passes.
    quartiles : tuple of float
        The lower and the upper one: far apart where the machine was busy with other work.
    repeats : int
        Passes that were measured.
    threads : int
        Torch threads; on a GPU those of the process that feeds it.
    device : str
        Where it ran.
    """

    median: float
    quartiles: tuple[float, float]
    repeats: int
    threads: int
    device: str


@checked
def measure_latency(
    network: nn.Module,
    example: Tensor | Sequence[Tensor],
    *,
    threads: int = 1,
    warmup: int = 10,
    repeats: int = 50,
    device: str = "cpu",
) -> Latency:
    """Latency of a network in evaluation mode, without gradients: the median of many passes.

    A copy is measured; the network stays as it was, and so does torch's number of threads.

    Parameters
    ----------
    network : torch.nn.Module
    example : Tensor or sequence of Tensor
        What it is called with; the batch is as large as the example's.
    threads : int
        Torch threads of the measurement.
    warmup : int
        Passes before the first one that is measured.
    repeats : int
    device : str
        As for ``nasurge.data.devices.resolve_device``. A pass on a GPU ends when the GPU is done.

    Raises
    ------
    ParameterError
        If a number is too small.
    DeviceError
        If the machine does not have the device.

    Examples
    --------
    >>> import torch
    >>> latency = measure_latency(torch.nn.Linear(8, 8), torch.zeros(1, 8), repeats=5)
    >>> latency.repeats, latency.threads, latency.device, latency.median > 0
    (5, 1, 'cpu', True)
    """
    import torch

    for name, number, least in (
        ("threads", threads, 1),
        ("warmup", warmup, 0),
        ("repeats", repeats, 1),
    ):
        if number < least:
            raise ParameterError(f"{name} must be at least {least}, not {number}")
    place = resolve_device(device)
    given = (example,) if isinstance(example, torch.Tensor) else tuple(example)
    inputs = [tensor.to(place) for tensor in given]
    measured = deepcopy(network).to(place).eval()
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.inference_mode():
            for _ in range(warmup):
                _seconds(measured, inputs, place)
            seconds = [_seconds(measured, inputs, place) for _ in range(repeats)]
    finally:
        torch.set_num_threads(before)
    lower, median, upper = (float(q) for q in np.percentile(seconds, (25, 50, 75)) * 1e3)
    return Latency(median, (lower, upper), repeats, threads, place)


def _seconds(network: nn.Module, inputs: Sequence[Any], device: str) -> float:
    """Seconds of one pass, from an idle device to an idle device."""
    _wait(device)
    start = time.perf_counter()
    network(*inputs)
    _wait(device)
    return time.perf_counter() - start


def _wait(device: str) -> None:
    """Wait until a GPU has done all that it was given."""
    import torch

    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
    elif device == "mps":
        torch.mps.synchronize()
