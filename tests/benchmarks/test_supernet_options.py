"""Block-wise supervision and data-adapted pruning of supernets."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nasurge.benchmarks.supernet import Supernet
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
