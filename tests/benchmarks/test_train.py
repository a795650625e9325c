"""Training: it learns, repeats itself, keeps out of global state, and survives divergence."""

from __future__ import annotations

import dataclasses
import os

import numpy as np
import pytest
import torch

from nasurge.benchmarks.training import (
    Batches,
    TrainResult,
    read_checkpoint,
    train_architectures,
    train_network,
    write_checkpoint,
)
from nasurge.data.devices import resolve_device
from nasurge.data.images import Images, load_images
from nasurge.data.networks import build_network
from nasurge.data.spaces import make_space
from nasurge.errors import ArchitectureError, DeviceError, ParameterError

SPACE = make_space("nb201")
GOOD, EMPTY = [3, 1, 0, 1, 0, 1], [0] * 6
QUICK = {"width": 4, "cells": 1, "epochs": 2, "batch_size": 10, "device": "cpu"}


@pytest.fixture(scope="module")
def digits() -> Images:
    return load_images("digits")


@pytest.fixture(scope="module")
def few() -> Images:
    return load_images("digits", limit=100)


pytestmark = pytest.mark.usefixtures("one_thread")


def fresh(code=GOOD) -> torch.nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return build_network(SPACE, code, classes=10, in_channels=1, width=4, cells=1)


def facts(result: TrainResult) -> tuple:
    return result.valid_accuracy, result.test_accuracy, result.curve, result.diverged


def test_a_good_cell_learns_the_digits(digits):
    seen: list[tuple[int, int]] = []
    good, empty = train_architectures(
        SPACE, [GOOD, EMPTY], digits, seed=0, progress=lambda *at: seen.append(at)
    )
    # Seeds 0 to 9 gave 95 % to 99 %; an empty cell knows the most frequent class at best.
    assert good.test_accuracy > 85
    assert good.valid_accuracy > 85
    assert empty.test_accuracy < 15
    assert good.valid_accuracy == good.curve[-1]
    assert len(good.curve) == len(good.losses) == good.epochs == 8
    assert good.losses[-1] < good.losses[0]
    assert good.train_seconds > 0
    assert not good.diverged
    assert seen == [(1, 2), (2, 2)]


def test_the_same_seed_gives_the_same_result(few):
    results = [
        train_network(fresh(), few, epochs=2, batch_size=10, device="cpu", seed=seed)
        for seed in (0, np.random.default_rng(0), 1)
    ]
    assert facts(results[0]) == facts(results[1])
    assert facts(results[0]) != facts(results[2])


def test_results_do_not_depend_on_company_order_or_processes(few):
    codes = SPACE.sample(4, seed=1, unique=True)
    alone = [facts(train_architectures(SPACE, [code], few, seed=5, **QUICK)[0]) for code in codes]
    together = train_architectures(SPACE, codes[::-1], few, seed=5, **QUICK)
    spread = train_architectures(SPACE, codes, few, seed=5, n_jobs=2, **QUICK)
    assert list(map(facts, together))[::-1] == alone
    assert list(map(facts, spread)) == alone
    assert len(set(alone)) == 4


def test_architectures_start_from_weights_of_their_own(few):
    # Two cells of the same function: equal seeds would give equal networks.
    twins = [[0, 0, 0, 3, 0, 0], [1, 0, 0, 0, 3, 0]]
    first, second = train_architectures(SPACE, twins, few, seed=0, **QUICK)
    assert facts(first) != facts(second)


def test_global_random_state_and_threads_stay_as_they_were(few):
    before, threads = torch.random.get_rng_state(), torch.get_num_threads()
    numpy_before = np.random.get_state()[1].copy()  # noqa: NPY002 - the state that must not change
    train_architectures(SPACE, [GOOD], few, seed=0, threads=1, **QUICK)
    train_network(fresh(), few, epochs=1, device="cpu")
    assert torch.equal(before, torch.random.get_rng_state())
    assert np.array_equal(numpy_before, np.random.get_state()[1])  # noqa: NPY002
    assert torch.get_num_threads() == threads


def test_a_diverging_training_is_flagged_and_ends(few):
    result = train_network(
        fresh(), few, epochs=4, learning_rate=1e30, weight_decay=0, device="cpu", seed=0
    )
    assert result.diverged
    assert result.epochs == len(result.curve) < 4
    assert 0 <= result.test_accuracy <= 100


def test_an_interrupt_ends_everything(few):
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_network(fresh(), few, epochs=3, device="cpu", progress=interrupt)
    with pytest.raises(KeyboardInterrupt):
        train_architectures(SPACE, [GOOD, GOOD], few, progress=interrupt, **QUICK)


def test_progress_counts_epochs(few):
    seen = []
    train_network(fresh(), few, epochs=2, device="cpu", progress=lambda *at: seen.append(at))
    assert seen == [(1, 2), (2, 2)]


def batches(x: torch.Tensor, *, batch_size: int = 4, flip: bool = False, shift: int = 0):
    return Batches(x, torch.arange(len(x)), batch_size, flip, shift, torch.contiguous_format, 0)


def test_an_epoch_shows_every_image_once():
    x = torch.randn(10, 2, 5, 6)
    plan = batches(x)
    shown = list(plan.epoch())
    assert [len(y) for _, y in shown] == [4, 3, 3]
    assert plan.steps == 3
    order = torch.cat([y for _, y in shown])
    assert sorted(order.tolist()) == list(range(10))
    assert torch.equal(torch.cat([part for part, _ in shown]), x[order])
    assert not torch.equal(order, torch.cat([y for _, y in plan.epoch()]))


def test_flips_mirror_about_half_of_the_images():
    x = torch.randn(400, 1, 3, 4)
    mirrored = 0
    for part, y in batches(x, flip=True, batch_size=100).epoch():
        same = (part == x[y]).flatten(1).all(dim=1)
        other = (part == x[y].flip(3)).flatten(1).all(dim=1)
        assert (same ^ other).all()
        mirrored += int(other.sum())
    assert 140 < mirrored < 260  # 6 standard deviations


def test_shifts_move_whole_images_and_fill_with_zeros():
    x = torch.zeros(300, 1, 5, 5)
    x[:, :, 2, 2] = 1
    seen = set()
    for part, _ in batches(x, shift=1, batch_size=100).epoch():
        assert part.shape[1:] == (1, 5, 5)
        assert (part.flatten(1).sum(dim=1) == 1).all()
        seen |= {tuple(where) for where in part[:, 0].nonzero()[:, 1:].tolist()}
    assert seen == {(row, column) for row in (1, 2, 3) for column in (1, 2, 3)}


def test_grey_images_are_not_mirrored_by_default_and_coloured_ones_are(few):
    def run(images: Images, **options: bool) -> list:
        channels = images.train_x.shape[1]
        with torch.random.fork_rng():
            torch.manual_seed(0)
            network = build_network(SPACE, GOOD, classes=10, in_channels=channels, width=4, cells=1)
        train_network(network, images, epochs=1, device="cpu", seed=0, **options)
        return network[-1].weight.tolist()

    coloured = dataclasses.replace(
        few,
        **{
            f"{part}_x": np.repeat(getattr(few, f"{part}_x"), 3, 1)
            for part in ("train", "valid", "test")
        },
    )
    assert run(few) == run(few, flip=False) != run(few, flip=True)
    assert run(coloured) == run(coloured, flip=True) != run(coloured, flip=False)


def test_channels_last_trains_the_same_network(few):
    plain, last = (
        train_network(
            fresh(), few, epochs=2, batch_size=10, device="cpu", seed=0, channels_last=choice
        )
        for choice in (False, True)
    )
    assert abs(plain.test_accuracy - last.test_accuracy) < 10  # equal up to rounding


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_the_network_ends_on_the_device(few, device):
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device here")
    network = fresh()
    result = train_network(network, few, epochs=1, device=device, seed=0)
    assert result.device == device
    assert {weight.device.type for weight in network.parameters()} == {device}
    assert not network.training


def test_auto_picks_the_best_device_there_is(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert resolve_device() == "cpu"
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert resolve_device() == "mps"
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert resolve_device() == "cuda"
    assert resolve_device("cuda:1") == "cuda:1"
    assert resolve_device("cpu") == "cpu"
    with pytest.raises(DeviceError, match="cuda:2"):
        resolve_device("cuda:2")


def test_absent_and_unknown_devices(monkeypatch, few):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(DeviceError, match=r"no device 'cuda'; there are: cpu"):
        resolve_device("cuda")
    with pytest.raises(DeviceError, match="mps"):
        train_architectures(SPACE, [GOOD], few, device="mps")
    for name in ("gpu", "", "cuda:x", "cpux"):
        with pytest.raises(ParameterError, match="device must be"):
            resolve_device(name)


def test_bad_arguments(few):
    bad = [
        {"epochs": 0},
        {"batch_size": 1},
        {"shift": -1},
        {"learning_rate": 0},
        {"weight_decay": -1},
    ]
    for options in bad:
        with pytest.raises(ParameterError, match=next(iter(options))):
            train_network(fresh(), few, device="cpu", **options)
    with pytest.raises(ParameterError, match="threads"):
        train_architectures(SPACE, [GOOD], few, threads=0)
    with pytest.raises(ArchitectureError):
        train_architectures(SPACE, [[9] * 6], few)
    with pytest.raises(ParameterError, match="a recipe has no momentum"):
        train_architectures(SPACE, [GOOD], few, momentum=1, **QUICK)
    assert train_architectures(SPACE, np.empty((0, 6), dtype=np.int8), few) == []


def test_a_checkpoint_that_is_cut_short_while_it_is_used_changes_nothing(tmp_path) -> None:
    """Of a mapped file, the process would be ended by SIGBUS."""
    path = tmp_path / "c"
    write_checkpoint(path, {"weight": torch.arange(2e6)}, {})
    tensors, _ = read_checkpoint(path)
    os.truncate(path, 5000)
    assert float(tensors["weight"].sum()) == float(torch.arange(2e6).sum())
