"""Block-wise supervision, data-adapted pruning and tuning of supernets."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nasurge.benchmarks.supernet import Supernet, tuned_losses
from nasurge.benchmarks.supernet.blocks import rate_blockwise, train_blockwise
from nasurge.benchmarks.supernet.prune import (
    _easiest,
    _operation_scores,
    _without_worst,
    train_pruned,
)
from nasurge.data.images import Images, load_images
from nasurge.data.spaces import make_space
from nasurge.errors import ParameterError

SPACES = {name: make_space(name) for name in ("nb201", "mobile")}
NB201 = SPACES["nb201"]
QUICK = {"device": "cpu", "seed": 0}


@pytest.fixture(scope="module")
def few() -> Images:
    return load_images("digits", limit=100)


pytestmark = pytest.mark.usefixtures("one_thread")


def small(space=NB201, seed=0, width=2) -> Supernet:
    return Supernet(space, classes=10, in_channels=1, width=width, cells=1, seed=seed)


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_blocks_learn_to_do_what_the_teachers_do(space, few):
    supernet, teacher = small(space), small(space, seed=1).extract(space.sample(1, seed=1)[0])
    head = [p.clone() for p in supernet.layers[-1].parameters()]
    history = train_blockwise(supernet, teacher, few, epochs=4, batch_size=20, **QUICK)
    assert history.losses[-1] < history.losses[0]
    assert history.steps == 20
    assert all(map(torch.equal, head, supernet.layers[-1].parameters()))


def test_the_teachers_own_path_with_its_weights_has_no_loss(few):
    supernet = small()
    codes = [[3, 1, 2, 3, 4, 1], [2, 1, 2, 3, 0, 3]]
    teacher = supernet.extract(codes[0]).train()
    before = [b.clone() for b in supernet.buffers()]
    losses = rate_blockwise(supernet, _batch_statistics(teacher), codes, few)
    np.testing.assert_allclose(losses[0], 0, atol=1e-6)
    assert (losses[1] > 0.01).any()
    assert all(map(torch.equal, before, supernet.buffers()))


def _batch_statistics(network):
    """A network whose normalisation takes the batch's statistics also in evaluation."""
    for layer in network.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.running_mean = layer.running_var = None
    return network


class StoppedError(Exception):
    """Ends a training from its progress."""


def stop_at(number: int):
    """A progress that ends the training at its ``number``-th call."""
    calls = []

    def progress(*done: int) -> None:
        calls.append(done)
        if len(calls) == number:
            raise StoppedError

    return progress


def test_a_stopped_block_wise_training_goes_on_to_the_same_weights(few, tmp_path):
    teacher = small(seed=1).extract([3] * 6)
    settings = {"epochs": 3, "batch_size": 20, "checkpoint_seconds": 0, **QUICK}
    whole, path = small(), tmp_path / "blocks.safetensors"
    history = train_blockwise(whole, teacher, few, **settings)
    settings |= {"checkpoint": path}
    with pytest.raises(StoppedError):
        train_blockwise(small(), teacher, few, **settings, progress=stop_at(2))
    resumed = small(seed=9)  # a new process: other weights, until the checkpoint is read
    seen: list[tuple[int, int]] = []
    again = train_blockwise(resumed, teacher, few, **settings, progress=lambda *at: seen.append(at))
    assert seen == [(3, 3)]
    assert again.losses == history.losses
    assert all(map(torch.equal, whole.state_dict().values(), resumed.state_dict().values()))
    with pytest.raises(ParameterError, match="another run: teacher differ"):
        train_blockwise(small(), small(seed=2).extract([3] * 6), few, **settings)


@pytest.mark.parametrize("stop", [1, 3, 4])  # in the first round, in the second, at its end
def test_a_stopped_pruning_goes_on_to_the_same_operations(stop, few, tmp_path):
    settings = {"rounds": 3, "first": 0.4, "epochs": 2, "paths": 10, "limit": 50, **QUICK}
    settings |= {"checkpoint_seconds": 0}
    whole, path = small(), tmp_path / "pruning.safetensors"
    expected = train_pruned(whole, few, **settings)
    settings |= {"checkpoint": path}
    with pytest.raises(StoppedError):
        train_pruned(small(), few, **settings, progress=stop_at(stop))
    resumed, seen = small(seed=9), []
    found = train_pruned(resumed, few, **settings, progress=lambda *done: seen.append(done))
    assert len(seen) == 6 - stop
    assert np.array_equal(found.allowed, expected.allowed)
    assert np.array_equal(found.scores, expected.scores, equal_nan=True)
    assert [h.losses for h in found.histories] == [h.losses for h in expected.histories]
    assert all(map(torch.equal, whole.state_dict().values(), resumed.state_dict().values()))
    with pytest.raises(ParameterError, match=r"another run: .*root"):
        train_pruned(small(), few, **{**settings, "paths": 11})


def test_stopped_tuning_goes_on_with_the_sub_networks_that_are_left(few, tmp_path):
    supernet, codes = small(), NB201.sample(4, seed=0)
    settings = {"steps": 5, "checkpoint_seconds": 0, **QUICK}
    expected = tuned_losses(supernet, codes, few, **settings)
    settings |= {"checkpoint": tmp_path / "tuning.safetensors"}
    with pytest.raises(StoppedError):
        tuned_losses(supernet, codes, few, **settings, progress=stop_at(2))
    seen = []
    found = tuned_losses(supernet, codes, few, **settings, progress=lambda *at: seen.append(at))
    assert np.array_equal(found, expected)
    assert seen == [(3, 4), (4, 4)]
    with pytest.raises(ParameterError, match="another run: weights differ"):
        tuned_losses(small(seed=1), codes, few, **settings)


def test_a_teacher_of_another_size_is_refused(few):
    for other in (small(width=4).extract([3] * 6), small(SPACES["mobile"]).extract([1] * 8)):
        with pytest.raises(ParameterError, match="same space and sizes"):
            train_blockwise(small(), other, few, epochs=1, **QUICK)


def test_pruning_gives_up_one_operation_a_round_on_growing_data(few):
    found = train_pruned(small(), few, rounds=3, first=0.4, epochs=1, paths=10, limit=50, **QUICK)
    assert found.allowed.sum(axis=1).tolist() == [3] * 6
    assert found.images == (40, 70, 100)
    assert found.scores.shape == (2, 6, 5)
    assert len(found.histories) == 3
    again = train_pruned(small(), few, rounds=3, first=0.4, epochs=1, paths=10, limit=50, **QUICK)
    assert np.array_equal(found.allowed, again.allowed)
    with pytest.raises(ParameterError, match="rounds must be 1 to 5"):
        train_pruned(small(), few, rounds=6)


def test_an_operation_is_worth_what_its_paths_reach():
    codes = np.array([[0, 1], [0, 0], [1, 1]], dtype=np.int8)
    allowed = np.ones((2, 3), dtype=bool)
    scores = _operation_scores(codes, np.array([10.0, 20.0, 60.0]), allowed)
    np.testing.assert_allclose(scores, [[15, 60, np.nan], [20, 35, np.nan]])
    assert _without_worst(scores, allowed).tolist() == [[False, True, True]] * 2
    one = np.array([[True, False, False], [True, True, False]])
    assert _without_worst(scores, one).tolist() == [[True, False, False], [False, True, False]]


def test_the_easiest_images_of_every_class_come_first():
    labels = np.array([0, 1, 0, 1, 0, 0])
    hardness = np.array([3.0, 1.0, 2.0, 0.0, 9.0, 1.0])
    assert _easiest(hardness, labels, 0.5).tolist() == [2, 3, 5]
