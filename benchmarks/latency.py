"""Latency of networks on this machine: what a forward pass takes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from ..data.arguments import checked
from ..data.devices import resolve_device
from ..data.seeds import as_generator, torch_seed
from ..errors import ParameterError

if TYPE_CHECKING:
    from torch import Tensor, nn

BURST = 5  # passes without a break, beside which the reference makes as many
CALIBRATION = 2.0  # seconds: longer than the bursts in which a shared machine is slow


@dataclass(frozen=True)
class Latency:
    """Latency of one network, in milliseconds of wall-clock time.

    Attributes
    ----------
    steady : float
        What a pass takes where nothing disturbs it: how many times as long as one of a fixed
        reference network right beside it, times what that takes at its fastest. The one to rank by.
    median : float
        Of all measured passes.
    quartiles : tuple of float
        The lower and the upper one: far apart where the machine was busy with other work.
    fastest : float
        The shortest pass.
    repeats : int
        Passes that were measured.
    threads : int
        Torch threads; on a GPU those of the process that feeds it.
    device : str
        Where it ran.
    """

    steady: float
    median: float
    quartiles: tuple[float, float]
    fastest: float
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
    """Latency of a network in evaluation mode, without gradients.

    Parameters, errors and what is done are those of `measure_latencies`, for one network.

    Examples
    --------
    >>> import torch
    >>> latency = measure_latency(torch.nn.Linear(8, 8), torch.zeros(1, 8), repeats=5)
    >>> latency.repeats, latency.threads, latency.device, latency.median > 0
    (5, 1, 'cpu', True)
    """
    return measure_latencies(
        [network], example, threads=threads, warmup=warmup, repeats=repeats, device=device
    )[0]


@checked
def measure_latencies(
    networks: Sequence[nn.Module],
    example: Tensor | Sequence[Tensor],
    *,
    threads: int = 1,
    warmup: int = 10,
    repeats: int = 50,
    device: str = "cpu",
) -> list[Latency]:
    """Latencies of networks in evaluation mode, without gradients, each from many passes.

    The networks take turns, a burst of a few passes each, in a new order every time, so that a
    time in which the machine is slow hits all alike. Beside each burst a fixed small network makes
    as many passes: what both take divides out how fast the machine is at that moment. Copies are
    measured; the networks stay as they were, and so does torch's number of threads.

    Parameters
    ----------
    networks : sequence of torch.nn.Module
    example : Tensor or sequence of Tensor
        What each is called with; the batch is as large as the example's.
    threads : int
        Torch threads of the measurement.
    warmup : int
        Passes before the first one that is measured.
    repeats : int
        Passes of each network that are measured.
    device : str
        As for ``nasurge.data.devices.resolve_device``. A pass on a GPU ends when the GPU is done.

    Returns
    -------
    list of Latency
        One a network, in their order.

    Raises
    ------
    ParameterError
        If a number is too small.
    DeviceError
        If the machine does not have the device.
    OutOfMemoryError
        If it has no memory for a network, naming which and the module.
    """
    import torch

    from ..data.networks.failures import failures_told

    for name, number, least in (
        ("threads", threads, 1),
        ("warmup", warmup, 0),
        ("repeats", repeats, 1),
    ):
        if number < least:
            raise ParameterError(f"{name} must be at least {least}, not {number}")
    place = resolve_device(device)
    tensors = (example,) if isinstance(example, torch.Tensor) else tuple(example)
    inputs = [tensor.to(place) for tensor in tensors]
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.inference_mode():
            measured = [deepcopy(network).to(place).eval() for network in networks]
            for k, network in enumerate(measured):
                with failures_told(f"latency of network {k} (from 0)"):
                    _burst(network, inputs, place, warmup)
            passes, ratios = _turns(measured, inputs, place, repeats)
            unit = _reference_seconds(place, threads)
    finally:
        torch.set_num_threads(before)
    return [
        _latency(seconds, beside, unit, threads, place)
        for seconds, beside in zip(passes, ratios, strict=True)
    ]


def _latency(
    seconds: list[float], ratios: list[float], unit: float, threads: int, place: str
) -> Latency:
    """Figures of one network's passes; of bursts the lower quartile, as what disturbs is slow."""
    steady = float(np.percentile(ratios, 25)) * unit * 1e3
    shares = np.percentile(seconds, (0, 25, 50, 75)) * 1e3
    fastest, lower, median, upper = (float(milliseconds) for milliseconds in shares)
    return Latency(steady, median, (lower, upper), fastest, len(seconds), threads, place)


def _turns(
    networks: Sequence[nn.Module], inputs: Sequence[Any], place: str, repeats: int
) -> tuple[list[list[float]], list[list[float]]]:
    """Seconds of all passes, and each burst's fastest beside the reference's, by network."""
    reference, own = _reference(place)
    order = as_generator(0)  # any order will do that is not always the same
    passes: list[list[float]] = [[] for _ in networks]
    ratios: list[list[float]] = [[] for _ in networks]
    for start in range(0, repeats, BURST):
        count = min(BURST, repeats - start)
        for k in order.permutation(len(networks)):
            seconds = _burst(networks[k], inputs, place, count, again=start > 0)
            beside = _burst(reference, own, place, count, again=True)
            passes[k] += seconds
            ratios[k].append(min(seconds) / min(beside))
    return passes, ratios


def _burst(
    network: nn.Module, inputs: Sequence[Any], place: str, count: int, *, again: bool = False
) -> list[float]:
    """Seconds of so many passes, after one that fills caches again if others ran since."""
    if again:
        network(*inputs)
    return [_seconds(network, inputs, place) for _ in range(count)]


@cache
def _reference(place: str) -> tuple[nn.Module, list[Tensor]]:
    """Fixed convolutional network of half a millisecond or so, and what it is called with."""
    import torch
    from torch import nn

    with torch_seed(as_generator(0)):
        layers = [
            layer
            for _ in range(4)
            for layer in (nn.Conv2d(16, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU())
        ]
    return nn.Sequential(*layers).to(place).eval(), [torch.zeros(1, 16, 32, 32, device=place)]


@cache
def _reference_seconds(place: str, threads: int) -> float:  # noqa: ARG001 -- torch has them set
    """Seconds of the reference's shortest pass, of many over a while, once in a process."""
    reference, own = _reference(place)
    fastest, end = np.inf, time.perf_counter() + CALIBRATION
    while time.perf_counter() < end:
        fastest = min(fastest, *_burst(reference, own, place, BURST, again=True))
        time.sleep(0.01)
    return float(fastest)


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
