"""Faults of training: killed, out of memory, NaN, and cells that see nothing."""

from __future__ import annotations

import dataclasses
import json
import signal

import pytest
import torch
from processes import Process, run_code
from torch import nn

from nasurge.benchmarks.training import (
    Recipe,
    TrainResult,
    make_recipe,
    read_checkpoint,
    read_recipe,
    train_architecture,
    train_architectures,
    train_network,
)
from nasurge.data.images import Images, load_images
from nasurge.data.spaces import make_space
from nasurge.errors import (
    DataFileError,
    DeviceError,
    OutOfMemoryError,
    ParameterError,
    StorageError,
)

SPACE = make_space("nb201")
GOOD, EMPTY = [3, 1, 0, 1, 0, 1], [0] * 6
RECIPE = Recipe(epochs=4, width=2, batch_size=25)


@pytest.fixture(scope="module")
def few() -> Images:
    return load_images("digits", limit=100)


def facts(result: TrainResult) -> dict:
    return {k: v for k, v in vars(result).items() if k != "train_seconds"}


class StopError(Exception):
    """Ends a training from its progress."""


def network(seed: int = 0) -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.BatchNorm1d(16), nn.Linear(16, 10))


@pytest.mark.parametrize("optimiser", ["sgd", "adamw"])
@pytest.mark.parametrize("schedule", ["one-cycle", "cosine", "constant"])
def test_a_stopped_training_ends_as_an_uninterrupted_one(few, tmp_path, optimiser, schedule):
    settings = {"epochs": 4, "batch_size": 25, "optimiser": optimiser, "schedule": schedule}
    settings |= {"learning_rate": 0.01, "device": "cpu", "seed": 3}
    whole = network()
    expected = train_network(whole, few, **settings)

    def stop(done: int, total: int) -> None:
        if done == 2:
            raise StopError

    path = tmp_path / "kept.safetensors"
    settings |= {"checkpoint": path, "checkpoint_seconds": 0}
    with pytest.raises(StopError):
        train_network(network(), few, **settings, progress=stop)
    seen: list[int] = []
    second = network()
    result = train_network(second, few, **settings, progress=lambda done, _: seen.append(done))
    assert seen == [3, 4]
    assert facts(result) == facts(expected)
    for a, b in zip(whole.state_dict().values(), second.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    again = train_network(network(), few, **settings, progress=lambda *_: seen.append(0))
    assert facts(again) == facts(expected)
    assert seen == [3, 4]


def test_a_killed_process_loses_nothing_that_was_kept(few, tmp_path):
    code = """
        import os, signal
        from pathlib import Path
        from nasurge.benchmarks.training import Recipe, train_architecture
        from nasurge.benchmarks.training.loop import run_training
        from nasurge.benchmarks.training.networks import NetworkTraining
        from nasurge.data.images import load_images
        from nasurge.data.spaces import make_space
        epoch = NetworkTraining.step
        def dies(self):
            if len(self.curve) == 2:
                os.kill(os.getpid(), signal.SIGKILL)
            epoch(self)
        NetworkTraining.step = dies
        run_training.__kwdefaults__["checkpoint_seconds"] = 0
        train_architecture(
            make_space("nb201"), [3, 1, 0, 1, 0, 1], load_images("digits", limit=100),
            Recipe(epochs=4, width=2, batch_size=25), seed=1, device="cpu",
            checkpoint=Path("kept.safetensors"),
        )
    """
    killed = Process(run_code, code, folder=tmp_path)
    assert killed.end() == -signal.SIGKILL, killed.stderr
    path = tmp_path / "kept.safetensors"
    kept = read_checkpoint(path)
    assert kept is not None
    assert len(kept[1]["state"]["curve"]) == 2
    given = (SPACE, GOOD, few, RECIPE)
    expected = train_architecture(*given, seed=1, device="cpu")
    result = train_architecture(
        *given, seed=1, device="cpu", checkpoint=path, keep_checkpoint=False
    )
    assert facts(result) == facts(expected)
    assert not path.exists()


def test_a_checkpoint_of_another_training_is_refused(few, tmp_path):
    path = tmp_path / "kept.safetensors"
    settings = {"epochs": 1, "device": "cpu", "checkpoint": path, "checkpoint_seconds": 0}
    train_network(network(), few, **settings, seed=0)
    for other, what in (({"seed": 1}, "seed"), ({"seed": 0, "batch_size": 10}, "recipe")):
        with pytest.raises(ParameterError, match=f"another run: .*{what}"):
            train_network(network(), few, **{**settings, **other})
    with pytest.raises(ParameterError, match="weights"):
        train_network(network(1), few, **settings, seed=0)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DataFileError, match="begins anew"):
        train_network(network(), few, **settings, seed=0)


class Greedy(nn.Module):
    """Has no memory for more than ``most`` images."""

    def __init__(self, most: int, error: type[RuntimeError]) -> None:
        super().__init__()
        self.inner, self.most, self.error = network(), most, error

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.training and len(x) > self.most:
            raise self.error("CUDA out of memory. Tried to allocate 2 GiB")
        return self.inner(x)


@pytest.mark.parametrize("error", [torch.OutOfMemoryError, RuntimeError])
def test_out_of_memory_halves_the_batch_and_says_so(few, error):
    result = train_network(Greedy(15, error), few, epochs=2, batch_size=48, device="cpu", seed=0)
    assert result.batch_size == 12
    enough = train_network(Greedy(99, error), few, epochs=2, batch_size=12, device="cpu", seed=0)
    # Other sizes of evaluation batches round the loss otherwise.
    assert result.valid_loss == pytest.approx(enough.valid_loss, rel=1e-5)
    assert (result.curve, result.test_accuracy) == (enough.curve, enough.test_accuracy)
    with pytest.raises(DeviceError, match="no memory"):
        train_network(Greedy(0, error), few, epochs=1, device="cpu", seed=0)


class Square(nn.Module):
    """Asks for as many numbers as the twelfth power of the batch."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        torch.empty(len(x) ** 12 if self.training else 1)
        return x


def test_a_cpu_that_lacks_memory_halves_the_batch_or_names_the_module(few):
    inner = network()
    small = nn.Sequential(Square(), inner)
    result = train_network(small, few, epochs=1, batch_size=32, device="cpu", seed=0)
    assert result.batch_size == 4
    huge = nn.Sequential(inner, nn.Sequential(Greed()))
    with pytest.raises(OutOfMemoryError, match=r"batch of 2 images in 1\.0 \(Greed\) .*40000000"):
        train_network(huge, few, epochs=1, batch_size=2, device="cpu", seed=0)


class Greed(nn.Module):
    """Asks for 40 TB."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + torch.empty(10**13)[0]


def test_another_error_of_the_network_is_not_taken_for_memory(few):
    class Broken(nn.Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            raise RuntimeError("shapes do not fit")

    wanted = r"cannot be computed in Broken \(shapes do not fit\)"
    with pytest.raises(ParameterError, match=wanted) as raised:
        train_network(Broken(2, 2), few, epochs=1, device="cpu")
    assert isinstance(raised.value.__cause__, RuntimeError)


def test_a_diverging_architecture_is_marked_and_the_others_go_on(few):
    broken = dataclasses.replace(few, train_x=few.train_x * float("nan"))
    bad = train_architectures(SPACE, [GOOD, EMPTY], broken, RECIPE, seed=0, device="cpu")
    assert bad[0].diverged
    assert bad[0].epochs == 1
    wild = make_recipe(RECIPE, learning_rate=1e25, weight_decay=0.0)
    results = train_architectures(SPACE, [GOOD, GOOD], few, wild, seed=0, device="cpu")
    assert [result.diverged for result in results] == [True, True]


def test_a_cell_that_sees_nothing_trains_to_chance(few):
    (result,) = train_architectures(SPACE, [EMPTY], few, RECIPE, seed=0, device="cpu")
    assert not result.diverged
    assert result.test_accuracy < 25


def test_recipes_are_stored_as_json(tmp_path):
    recipe = Recipe(epochs=3, optimiser="adamw", shift=0, label_smoothing=0.1)
    assert make_recipe(json.loads(json.dumps(recipe.to_dict()))) == recipe
    path = tmp_path / "recipe.json"
    path.write_text(json.dumps(recipe.to_dict()))
    assert read_recipe(str(path)) == recipe
    assert read_recipe(None, epochs=2, width=None) == Recipe(epochs=2)
    for text, error in (("{", DataFileError), ("nothing.json", StorageError)):
        with pytest.raises(error, match="recipe"):
            read_recipe(text)
    for bad in ({"optimiser": "adam"}, {"schedule": "x"}, {"label_smoothing": 1}, {"lr": 1}):
        with pytest.raises(ParameterError, match=next(iter(bad))):
            make_recipe(bad)


def test_mixed_precision_learns_too(few):
    result = train_network(network(), few, epochs=3, precision="bfloat16", device="cpu", seed=0)
    assert result.test_accuracy > 30
