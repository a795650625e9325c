"""Differentiable search: gradients as published, warm starts, resumed searches, collapse told."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch

from nasurge.benchmarks.supernet import Supernet
from nasurge.data.images import Images, load_images
from nasurge.data.spaces import make_space
from nasurge.errors import ParameterError, UnknownNameError
from nasurge.search.differentiable import (
    RULES,
    best_code,
    search_supernet,
)
from nasurge.search.differentiable.darts import gradient_ahead
from nasurge.search.differentiable.relaxations import MIXTURES, no_logits

SPACES = {name: make_space(name) for name in ("nb201", "mobile")}
NB201 = SPACES["nb201"]
every_method = pytest.mark.parametrize("method", RULES)


@pytest.fixture(scope="module")
def few() -> Images:
    return load_images("digits", limit=60)


pytestmark = pytest.mark.usefixtures("one_thread")


def small(space=NB201, seed=0) -> Supernet:
    return Supernet(space, classes=10, in_channels=1, width=2, cells=1, seed=seed)


@every_method
@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_a_search_finds_an_architecture_and_leaves_global_randomness(method, space, few):
    torch.manual_seed(3)
    before = torch.get_rng_state()
    found = search_supernet(
        small(space), few, method, epochs=1, batch_size=20, device="cpu", seed=0
    )
    assert torch.equal(torch.get_rng_state(), before)
    assert space.parse(found.architecture).tolist() == [found.code.tolist()]
    np.testing.assert_allclose(found.shares.sum(axis=1), 1, rtol=1e-6)  # of 32-bit numbers
    assert found.shares.shape == found.logits.shape
    assert not np.allclose(found.logits, 0)
    assert found.steps == 3
    assert np.isfinite(found.losses).all()


class KilledError(Exception):
    """Ends a search from within."""


@every_method
def test_a_killed_search_goes_on_to_the_same_logits(method, few, tmp_path):
    settings = {"epochs": 2, "batch_size": 32, "seed": 1, "device": "cpu"}
    whole = search_supernet(small(), few, method, **settings)

    def kill(done, total):
        raise KilledError

    path = tmp_path / "search.safetensors"
    with pytest.raises(KilledError):
        search_supernet(small(), few, method, **settings, checkpoint=path, progress=kill)
    again = search_supernet(small(seed=7), few, method, **settings, checkpoint=path)
    assert np.array_equal(again.logits, whole.logits)
    assert again.losses == whole.losses
    with pytest.raises(ParameterError, match="another run: epochs"):
        search_supernet(small(), few, method, **{**settings, "epochs": 3}, checkpoint=path)
    with pytest.raises(ParameterError, match="another run: options differ"):
        search_supernet(small(), few, method, **settings, shift=0, checkpoint=path)


@pytest.mark.parametrize("method", ["darts", "gdas", "balenas"])
def test_a_warm_start_begins_where_it_is_told(method, few):
    logits = np.zeros((6, 5))
    logits[:, 3] = 4
    found = search_supernet(small(), few, method, logits=logits, epochs=1, device="cpu", seed=0)
    assert found.code.tolist() == [3] * 6
    assert found.skip_share == 0
    assert not found.collapsed


def test_a_collapse_to_skips_is_reported(few):
    logits = np.zeros((6, 5))
    logits[:4, 1], logits[4:, 3] = 4, 4
    found = search_supernet(small(), few, "darts", logits=logits, epochs=1, device="cpu", seed=0)
    assert found.skip_share == pytest.approx(4 / 6)
    assert found.collapsed


def quadratic(target):
    """A loss that is least where the mixture is ``target``."""

    def loss(mixture, code):
        return (mixture - target).square().sum()

    return loss


@every_method
def test_every_relaxation_finds_the_least_loss_of_a_known_function(method):
    torch_state = torch.get_rng_state()
    torch.manual_seed(0)
    target = torch.eye(4)[torch.tensor([2, 0, 3])]
    rate = 0.3 if method == "ddpnas" else 0.1
    relaxation = MIXTURES[method](
        torch.from_numpy(no_logits((4, 4, 4))), steps=300, learning_rate=rate
    )
    for _ in range(300):
        relaxation.learn(quadratic(target))
    torch.set_rng_state(torch_state)
    assert relaxation.shares().argmax(dim=1).tolist() == [2, 0, 3]


def test_values_that_do_not_exist_are_never_drawn():
    for method in MIXTURES.values():
        relaxation = method(torch.from_numpy(no_logits((3, 1))), steps=10, learning_rate=0.1)
        mixture, _ = relaxation.draw()
        assert mixture[1].detach()[1:].abs().max() < 1e-6
        assert relaxation.shares()[1, 0] == 1


def test_second_order_is_the_gradient_after_a_step_of_the_weights(few):
    # The gradient by the logits of the validation loss at w - rate * dL_train/dw, by autograd.
    class Linear(torch.nn.Module):
        """Stands for a supernet: logits of two classes from a mixture and two weights."""

        def __init__(self):
            super().__init__()
            self.w = torch.nn.Parameter(torch.tensor([[0.5, -0.3], [0.2, 0.7]]))

        def forward(self, x, code=None, *, mixture):
            return x @ (self.w * mixture)

    net = Linear().double()
    relaxation = MIXTURES["darts-2"](
        torch.tensor([[0.1, -0.2], [0.3, 0.0]], dtype=torch.float64), steps=5, learning_rate=0.1
    )
    x, labels = torch.randn(2, 5, 2, dtype=torch.float64), torch.tensor([[0, 1, 1, 0, 1]] * 2)
    labels[1, 2:] = torch.tensor([0, 0, 1])

    def loss(part, mixture, _):
        return torch.nn.functional.cross_entropy(net(x[part], mixture=mixture), labels[part])

    def loss_at(w, part):
        mixture = relaxation.shares()
        return torch.nn.functional.cross_entropy(x[part] @ (w * mixture), labels[part])

    losses = [partial(loss, part) for part in (0, 1)]
    found = gradient_ahead(net, relaxation, *losses, rate=0.5)
    (step,) = torch.autograd.grad(loss_at(net.w, 0), net.w, create_graph=True)
    (true,) = torch.autograd.grad(loss_at(net.w - 0.5 * step, 1), relaxation.logits)
    torch.testing.assert_close(found, true, rtol=1e-3, atol=1e-6)


def test_every_rule_is_described_and_there():
    assert list(RULES) == list(MIXTURES)


def test_cuts_are_left_out_when_they_cut_everything():
    shares = np.tile([0.4, 0.1, 0.1, 0.3, 0.1], (6, 1))
    assert best_code(NB201, shares).tolist() == [3] * 6
    shares[3] = [0.1, 0.6, 0.1, 0.1, 0.1]
    assert best_code(NB201, shares).tolist() == [0, 0, 0, 1, 0, 0]


def test_wrong_arguments_are_named(few):
    with pytest.raises(UnknownNameError, match="gdas"):
        search_supernet(small(), few, "gdaz")
    with pytest.raises(ParameterError, match="shape \\(6, 5\\)"):
        search_supernet(small(), few, logits=np.zeros((5, 6)))
    with pytest.raises(ParameterError, match="logit_rate"):
        search_supernet(small(), few, logit_rate=0)
    with pytest.raises(ParameterError, match="epochs"):
        search_supernet(small(), few, epochs=0)
