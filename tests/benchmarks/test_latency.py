"""Latency of networks: measured as stated, and nothing is left changed."""

import os
import subprocess
import sys

import pytest
import torch
from torch import nn

from nasurge.benchmarks import Latency, measure_latencies, measure_latency
from nasurge.errors import DeviceError, ParameterError


class Watching(nn.Module):
    """Layer that says how it is called."""

    calls: list = []  # noqa: RUF012 -- copies of the module share it

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls.append((self.training, torch.is_grad_enabled(), torch.get_num_threads()))
        return x


def test_it_is_measured_as_stated_and_the_network_left_alone() -> None:
    Watching.calls.clear()
    network = nn.Sequential(nn.BatchNorm1d(4), Watching())
    before = torch.get_num_threads()
    found = measure_latency(network, torch.ones(2, 4), threads=2, warmup=3, repeats=7)
    assert isinstance(found, Latency)
    assert (found.repeats, found.threads, found.device) == (7, 2, "cpu")
    assert 0 < found.fastest <= found.quartiles[0] <= found.median <= found.quartiles[1]
    assert (
        Watching.calls == [(False, False, 2)] * 11
    )  # one pass fills caches before the second burst
    assert torch.get_num_threads() == before
    assert network.training
    assert network[0].num_batches_tracked == 0


def test_several_inputs_and_failures() -> None:
    found = measure_latency(nn.Bilinear(2, 2, 2), [torch.ones(1, 2)] * 2, repeats=2)
    assert found.median > 0
    before = torch.get_num_threads()
    with pytest.raises(ParameterError, match=r"network 0 .from 0. cannot be computed in Linear"):
        measure_latency(nn.Linear(2, 2), torch.ones(1, 3), threads=before + 1)
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("wrong", [{"threads": 0}, {"warmup": -1}, {"repeats": 0}])
def test_numbers_that_are_too_small_are_named(wrong) -> None:
    with pytest.raises(ParameterError, match=next(iter(wrong))):
        measure_latency(nn.Identity(), torch.ones(1), **wrong)


def test_devices_that_are_not_there_are_named() -> None:
    if torch.cuda.is_available():
        pytest.skip("there is one")
    with pytest.raises(DeviceError):
        measure_latency(nn.Identity(), torch.ones(1), device="cuda")


def test_networks_that_take_turns_are_told_apart_beside_other_work() -> None:
    """Depths, each twice the one before, in order twice while all cores work."""
    layers = [nn.Sequential(nn.Conv2d(16, 16, 3, padding=1), nn.ReLU()) for _ in range(16)]
    networks = [nn.Sequential(*layers[:depth]) for depth in (16, 8, 4, 2)]
    busy = [sys.executable, "-c", "while True: sum(range(1000))"]
    others = [subprocess.Popen(busy) for _ in range(os.cpu_count() or 1)]
    try:
        for _ in range(2):
            found = measure_latencies(networks, torch.rand(1, 16, 32, 32))
            steady = [latency.steady for latency in found]
            assert steady == sorted(steady, reverse=True)
    finally:
        for other in others:
            other.kill()
            other.wait()


def test_a_pass_alone_takes_what_it_takes_in_turns() -> None:
    networks = [nn.Conv2d(16, 32, 3), nn.Conv2d(16, 128, 5)]
    image = torch.rand(1, 16, 32, 32)
    together = measure_latencies(networks, image)
    small, large = (measure_latency(network, image).steady for network in networks)
    assert small < large
    assert together[0].steady < together[1].steady
    assert large / small == pytest.approx(together[1].steady / together[0].steady, rel=0.6)
    assert measure_latencies([], image) == []
