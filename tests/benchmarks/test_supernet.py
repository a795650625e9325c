"""Supernets: paths are the sub-networks, training repeats itself, inherited weights rank."""

from __future__ import annotations

import importlib.util
import json
import socket
from dataclasses import replace

import numpy as np
import pytest
import torch
from processes import Process, run_code
from typer.testing import CliRunner

from nasurge.benchmarks.supernet import RULES, train_supernet, tuned_losses, uniform_codes
from nasurge.benchmarks.supernet.network import Supernet
from nasurge.benchmarks.supernet.rules import DRAWS, extremes, fairnas
from nasurge.benchmarks.supernet.shared import recalibrate
from nasurge.cli import app
from nasurge.data.images import Images, load_images
from nasurge.data.spaces import make_space
from nasurge.errors import (
    ArchitectureError,
    DataFileError,
    DeviceError,
    MissingExtraError,
    ParameterError,
    UnknownNameError,
)

SPACES = {name: make_space(name) for name in ("nb201", "transnas-micro", "mobile")}
NB201 = SPACES["nb201"]
every_space = pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)


@pytest.fixture(scope="module")
def few() -> Images:
    return load_images("digits", limit=150)


pytestmark = pytest.mark.usefixtures("one_thread")


def small(space=NB201, **options) -> Supernet:
    options = {"width": 2, "cells": 1, "seed": 0} | options
    return Supernet(space, classes=10, in_channels=1, **options)


def images(n=6) -> torch.Tensor:
    return torch.randn(n, 1, 8, 8, generator=torch.Generator().manual_seed(0))


def weights(supernet) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in supernet.state_dict().items()}


def same(a, b) -> bool:
    return all(torch.equal(a[name], b[name]) for name in a)


@every_space
def test_an_extracted_network_computes_what_its_path_does(space):
    supernet, x = small(space), images()
    for code in space.sample(5, seed=0):
        for mode in (False, True):
            network = supernet.extract(code)
            supernet.train(mode)
            assert torch.equal(network.train(mode)(x), supernet(x, code))


@every_space
def test_a_mixture_of_one_operation_each_is_the_path(space):
    supernet, x = small(space).eval(), images()
    for code in space.sample(3, seed=1):
        one_hot = torch.eye(max(space.cardinalities))[torch.tensor(code, dtype=torch.long)]
        path = supernet(x, code)
        torch.testing.assert_close(supernet(x, mixture=one_hot), path)
        torch.testing.assert_close(supernet(x, code, mixture=one_hot), path)


def test_a_mixture_has_gradients_for_the_weights_of_all_operations():
    shares = torch.full((6, 5), 0.2, requires_grad=True)
    small()(images(), mixture=shares).square().sum().backward()
    assert (shares.grad[:, 1:] != 0).all()
    assert (shares.grad[:, 0] == 0).all()  # a cut edge adds nothing to its node


def test_a_cell_without_a_path_is_zero_and_evaluates_to_chance(few):
    supernet = small().eval()
    logits = supernet(images(), [0] * 6)
    assert torch.equal(logits, logits[:1].expand_as(logits))
    assert supernet.evaluate([[0] * 6], few).accuracy[0] < 20


def test_a_step_changes_the_operations_of_its_path_only(few):
    supernet = small()
    supernet(images(), [3, 1, 1, 3, 0, 1]).sum().backward()
    moved = {n for n, p in supernet.named_parameters() if p.grad is not None and ".edges." in n}
    assert moved
    assert all(".0-1.3." in name or ".0-3.3." in name for name in moved)


@every_space
def test_blocks_are_the_stages(space):
    supernet, x = small(space).eval(), images()
    (code,) = space.sample(1, seed=2)
    assert len(supernet.blocks) == 3
    for block in supernet.blocks:
        x = supernet(x, code, layers=block)
    rest = supernet(x, code, layers=slice(supernet.blocks[-1].stop, None))
    assert torch.equal(rest, supernet(images(), code))


@every_space
@pytest.mark.parametrize("rule", RULES)
def test_the_same_seed_trains_the_same_weights_and_leaves_global_randomness(space, rule, few):
    torch.manual_seed(5)
    before, found = torch.get_rng_state(), []
    for _ in range(2):
        supernet = small(space)
        history = train_supernet(supernet, few, rule=rule, epochs=1, device="cpu", seed=3)
        found.append((weights(supernet), history.losses))
    assert same(found[0][0], found[1][0])
    assert found[0][1] == found[1][1]
    assert torch.equal(torch.get_rng_state(), before)
    assert not same(found[0][0], weights(small(space)))


def test_training_lowers_the_loss(few):
    history = train_supernet(small(width=4), few, epochs=12, batch_size=16, seed=0, device="cpu")
    # Seeds 0 to 4 begin between 2.33 and 2.38 and end between 2.03 and 2.23.
    assert history.losses[-1] < 2.2 < 2.3 < history.losses[0]
    assert history.steps == 12 * 10
    assert not history.diverged


def test_every_rule_is_described_and_there():
    assert list(RULES) == list(DRAWS)


def test_fairnas_uses_every_operation_of_every_edge_once_a_step():
    codes = fairnas(NB201, 7, np.random.default_rng(0), None)
    assert codes.shape == (7, 5, 6)
    assert (np.sort(codes, axis=1) == np.arange(5)[:, None]).all()


def test_paths_are_drawn_from_the_allowed_values_and_live():
    allowed = np.zeros((6, 5), dtype=bool)
    allowed[:, [0, 3]] = True
    rng = np.random.default_rng(0)
    codes = uniform_codes(NB201, 500, rng, allowed)
    assert set(np.unique(codes)) == {0, 3}
    assert NB201.graphs(codes).mask[:, 2:].any(axis=1).all()
    for rule in DRAWS.values():
        assert set(np.unique(rule(NB201, 5, rng, allowed))) <= {0, 3}
    assert extremes(NB201, allowed)[0].tolist() == [3] * 6


def test_recalibration_gives_the_statistics_of_the_images():
    network = small().extract([3] * 6)
    x = images(20)
    recalibrate(network, x, batch_size=20)
    stem = network[0]
    torch.testing.assert_close(stem[1].running_mean, stem[0](x).mean(dim=(0, 2, 3)))
    # With the statistics of the very images, evaluation is what training computes, nearly.
    assert (network(x) - network.train()(x)).abs().max() < 0.1


def test_evaluation_leaves_the_supernet_and_repeats_itself(few):
    supernet, codes = small(), NB201.sample(3, seed=0)
    before = weights(supernet)
    first = supernet.evaluate(codes, few, limit=100)
    again = supernet.evaluate(codes[::-1], few, limit=100)
    assert np.array_equal(first.accuracy, again.accuracy[::-1])
    assert np.array_equal(first.loss, again.loss[::-1])
    assert same(before, weights(supernet))
    by_batches = supernet.evaluate(codes, few, part="test", calibration=0)
    assert np.isfinite(by_batches.loss).all()


def test_the_order_of_the_images_does_not_matter(few):
    """Files come class by class; batches of one class would be normalised by its statistics."""
    supernet, code = small(width=4), [3] * 6
    train_supernet(
        supernet,
        few,
        allowed=np.arange(5)[None] == np.full((6, 1), 3),
        epochs=25,
        device="cpu",
        seed=0,
    )
    order = np.argsort(few.train_y, kind="stable")
    by_class = replace(few, train_x=few.train_x[order], train_y=few.train_y[order])
    settings = {"calibration": 0, "batch_size": 20, "part": "train"}
    mixed = supernet.evaluate([code], few, **settings).accuracy[0]
    assert mixed > 60
    assert supernet.evaluate([code], by_class, **settings).accuracy[0] > mixed - 15


def test_a_few_steps_from_inherited_weights_rank_what_learns_fast(few):
    supernet = small(width=4)
    train_supernet(supernet, few, epochs=5, device="cpu", seed=0)
    before = weights(supernet)
    codes = [[3] * 6, [0] * 6, [2] * 6]
    settings = {"steps": 15, "device": "cpu", "seed": 0}
    losses = tuned_losses(supernet, codes, few, **settings)
    assert losses.argmax() == 1, "a cell that no data passes learns nothing"
    assert np.array_equal(losses, tuned_losses(supernet, codes, few, **settings))
    assert losses[2] == tuned_losses(supernet, codes[2:], few, **settings)[0], "the same batches"
    assert all(torch.equal(value, before[name]) for name, value in supernet.state_dict().items())
    assert np.isnan(tuned_losses(supernet, codes[:1], few, learning_rate=1e30, **settings)).all()
    with pytest.raises(ParameterError, match="steps must be at least 1"):
        tuned_losses(supernet, codes, few, steps=0)


def test_a_loss_that_is_no_number_ends_the_training_and_is_marked(few):
    history = train_supernet(
        small(), few, epochs=5, learning_rate=1e30, clip=0, device="cpu", seed=0
    )
    assert history.diverged
    assert len(history.losses) < 5


def test_out_of_memory_halves_the_batch_begins_again_and_says_so(few, monkeypatch, tmp_path):
    forward, most = Supernet.forward, 15

    def greedy(self, x, *rest, **options):
        if len(x) > most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        return forward(self, x, *rest, **options)

    settings = {"epochs": 2, "seed": 0, "device": "cpu"}
    path = tmp_path / "supernet.safetensors"
    enough, short, resumed = small(), small(), small(seed=9)
    expected = train_supernet(enough, few, batch_size=12, **settings)
    monkeypatch.setattr(Supernet, "forward", greedy)
    history = train_supernet(short, few, batch_size=48, checkpoint=path, **settings)
    assert history.batch_size == 12
    assert history.losses == expected.losses
    assert same(weights(short), weights(enough))
    again = train_supernet(resumed, few, batch_size=48, checkpoint=path, **settings)
    assert (again.batch_size, again.losses) == (12, history.losses)
    assert same(weights(resumed), weights(enough))
    most = 0
    with pytest.raises(DeviceError, match="no memory"):
        train_supernet(small(), few, **settings)
    monkeypatch.setattr(Supernet, "forward", lambda *_, **__: torch.ones(2) @ torch.ones(3))
    with pytest.raises(RuntimeError, match="size"):
        train_supernet(small(), few, **settings)


class KilledError(Exception):
    """Ends a training from within."""


@pytest.mark.parametrize("rule", ["spos", "sandwich"])
def test_a_killed_training_goes_on_to_the_same_weights(rule, few, tmp_path):
    settings = {"rule": rule, "epochs": 3, "seed": 1, "device": "cpu", "checkpoint_seconds": 0}
    whole, killed, path = small(), small(), tmp_path / "supernet.safetensors"
    history = train_supernet(whole, few, **settings)

    def kill(done, total):
        if done == 2:
            raise KilledError

    with pytest.raises(KilledError):
        train_supernet(killed, few, **settings, checkpoint=path, progress=kill)
    resumed = small(seed=9)  # a new process: other weights, until the checkpoint is read
    again = train_supernet(resumed, few, **settings, checkpoint=path)
    assert again.losses == history.losses
    assert same(weights(whole), weights(resumed))
    done = small(seed=9)
    assert train_supernet(done, few, **settings, checkpoint=path).losses == history.losses
    assert same(weights(whole), weights(done))
    with pytest.raises(ParameterError, match="another run: epochs"):
        train_supernet(done, few, **{**settings, "epochs": 4}, checkpoint=path)
    with pytest.raises(ParameterError, match="another run: options differ"):
        train_supernet(done, few, **settings, flip=True, checkpoint=path)
    path.write_bytes(b"no")
    with pytest.raises(DataFileError, match="no checkpoint"):
        train_supernet(done, few, **settings, checkpoint=path)


TWO = """
import sys
import torch
from nasurge.benchmarks.supernet import Supernet, train_supernet
from nasurge.data.images import load_images
from nasurge.data.spaces import make_space

torch.set_num_threads(1)
images = load_images("digits", limit=150)
net = Supernet(make_space("nb201"), classes=10, in_channels=1, width=2, cells=1, seed=0)
history = train_supernet(net, images, epochs=1, seed=0, device="cpu", distributed=True)
sys.stdout.write(f"{sum(float(p.sum()) for p in net.parameters())!r} {history.losses}\\n")
"""


def two_processes(source, folder):
    """What the code prints in each of two processes that torchrun would have started."""
    pytest.importorskip("accelerate")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # What torchrun tells each of its processes.
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    both = [
        Process(
            run_code,
            source,
            folder=folder,
            name=rank,
            environment={**shared, "RANK": rank, "LOCAL_RANK": rank},
        )
        for rank in "01"
    ]
    assert [process.end() for process in both] == [0, 0], [process.stderr for process in both]
    return [process.stdout for process in both]


@pytest.mark.slow
def test_two_processes_train_the_same_weights(tmp_path):
    first, second = two_processes(TWO, tmp_path)
    assert first == second
    assert "(" in first


# No normalisation, which would see half a batch; every batch halves evenly.
MODEL = """
import json
import sys
import torch
from torch import nn
from nasurge.benchmarks.supernet import make_supernet, train_supernet
from nasurge.data.images import load_images
from nasurge.nn import Choice, Conv2d, Elastic, space_of


def model():
    width = Elastic(2, 4, name="width")
    option = [nn.Sequential(Conv2d(width, width, k), nn.ReLU()) for k in (3, 5)]
    return nn.Sequential(
        Conv2d(1, width, 3),
        *(Choice(skip=nn.Identity(), conv=conv) for conv in option),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(16, 10),
    )


def train(distributed):
    torch.set_num_threads(1)
    images = load_images("digits", limit=128)
    space = space_of(model, example=torch.zeros(2, 1, 8, 8), name="net")
    found = []
    for rule in ("spos", "fairnas", "sandwich"):
        net = make_supernet(space, classes=10, in_channels=1, seed=0)
        settings = {"epochs": 2, "batch_size": 32, "learning_rate": 0.05, "device": "cpu"}
        train_supernet(net, images, rule=rule, seed=0, distributed=distributed, **settings)
        found.append([p.detach().double().square().sum().item() for p in net.parameters()])
    return found
"""
PRINTED = "\n\nsys.stdout.write(json.dumps(train({})))\n"


@pytest.mark.slow
def test_two_processes_train_a_model_as_one_does_though_a_step_has_several_paths(tmp_path):
    first, second = two_processes(f"{MODEL}{PRINTED.format('True')}", tmp_path)
    assert first == second
    alone = Process(run_code, f"{MODEL}{PRINTED.format('False')}", folder=tmp_path, name="alone")
    assert alone.end() == 0, alone.stderr
    for weights, expected in zip(*map(json.loads, (first, alone.stdout)), strict=True):
        np.testing.assert_allclose(weights, expected, rtol=1e-4)


def test_a_distributed_training_needs_a_seed_and_accelerate(few):
    with pytest.raises(ParameterError, match="seed"):
        train_supernet(small(), few, distributed=True)
    if importlib.util.find_spec("accelerate") is None:
        with pytest.raises(MissingExtraError, match="distributed"):
            train_supernet(small(), few, seed=0, distributed=True)


def test_mixed_precision_and_channels_last_train(few):
    history = train_supernet(
        small(), few, epochs=1, precision="bfloat16", channels_last=True, device="cpu", seed=0
    )
    assert np.isfinite(history.losses[0])


def test_a_supernet_is_placed_as_a_whole():
    supernet = small().to("meta")
    assert (
        supernet(torch.empty(2, 1, 8, 8, device="meta"), [3, 1, 2, 4, 0, 3]).device.type == "meta"
    )
    assert {p.device.type for p in supernet.parameters()} == {"meta"}


def test_wrong_arguments_are_named(few):
    with pytest.raises(ParameterError, match="not one"):
        Supernet(make_space("nbgraph"), classes=2)
    with pytest.raises(ParameterError, match="width must be at least 1"):
        small(width=0)
    with pytest.raises(ParameterError, match="code= or mixture="):
        small()(images())
    with pytest.raises(ArchitectureError):
        small()(images(), [9] * 6)
    with pytest.raises(UnknownNameError, match="spos"):
        train_supernet(small(), few, rule="spas")
    for name, value in {"epochs": 0, "batch_size": 1, "clip": -1, "learning_rate": 0}.items():
        with pytest.raises(ParameterError, match=name):
            train_supernet(small(), few, **{name: value})
    with pytest.raises(ParameterError, match="part"):
        small().evaluate([[1] * 6], few, part="all")


@pytest.mark.parametrize(
    ("command", "key"), [("train", "train_seconds"), ("search", "search_seconds")]
)
def test_the_commands_print_one_json_object(command, key, tmp_path):
    quick = ["--epochs", "1", "--width", "2", "--batch-size", "600", "--device", "cpu", "--json"]
    path = ["--checkpoint", str(tmp_path / "state.safetensors")]
    done = CliRunner().invoke(app, ["supernet", command, *quick, *path])
    assert done.exit_code == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["summary"][0][key] > 0
    assert found["summary"][0]["steps"] == 2
    assert (tmp_path / "state.safetensors").exists()
    wrong = CliRunner().invoke(app, ["supernet", command, "--space", "nbgraph", *quick])
    assert wrong.exit_code == 2
    assert "'nbgraph' is not one" in wrong.stderr
