"""Latency of networks: measured as stated, and nothing is left changed."""

import pytest
import torch
from torch import nn

from nasurge.benchmarks import Latency, measure_latency
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
    assert 0 < found.quartiles[0] <= found.median <= found.quartiles[1]
    assert Watching.calls == [(False, False, 2)] * 10
    assert torch.get_num_threads() == before
    assert network.training
    assert network[0].num_batches_tracked == 0


def test_several_inputs_and_failures() -> None:
    found = measure_latency(nn.Bilinear(2, 2, 2), [torch.ones(1, 2)] * 2, repeats=2)
    assert found.median > 0
    before = torch.get_num_threads()
    with pytest.raises(RuntimeError):
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
