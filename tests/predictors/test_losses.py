"""Losses by hand, their gradients, and what they do not depend on."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nasurge.errors import ParameterError
from nasurge.predictors.neural import OneCycleAdamW
from nasurge.predictors.neural.losses import LOSSES, make_loss

RANKING = ["hinge", "listmle", "warp", "bce-rank"]
SCORES = torch.tensor([0.0, 2.0, 1.0])
TARGETS = torch.tensor([3.0, 2.0, 1.0])


def softplus(x: float) -> float:
    return math.log1p(math.exp(x))


BY_HAND = {
    "mse": (9 + 0 + 0) / 3,
    # Beyond delta 0.5 the loss is 0.5 * (3 - 0.25).
    "huber": 0.5 * (3 - 0.25) / 3,
    # Pairs 0>1 and 0>2 are wrong by 2 and 1, pair 1>2 right by 1.
    "hinge": (2.1 + 1.1 + 0) / 3,
    "bce-rank": (softplus(2) + softplus(1) + softplus(-1)) / 3,
    # First of all three, then first of the other two, then the only one.
    "listmle": (math.log(1 + math.exp(2) + math.e) + math.log(math.exp(2) + math.e) - 2) / 3,
    # Architecture 0 is outranked by two worse ones: (1 + 1/2) times its mean hinge; two have worse.
    "warp": 1.5 * (2.1 + 1.1) / 2 / 2,
}


@pytest.mark.parametrize("name", LOSSES)
def test_by_hand(name: str) -> None:
    assert make_loss(name)(SCORES, TARGETS).item() == pytest.approx(BY_HAND[name], abs=1e-5)


def test_listmle_shares_ties() -> None:
    # Two equal ones above a third: each tied place is normalised over all three.
    value = make_loss("listmle")(torch.tensor([1.0, 0.0, 0.0]), torch.tensor([5.0, 5.0, 4.0]))
    everything = math.log(math.e + 2)
    assert value.item() == pytest.approx((everything - 1 + everything + 0) / 3, abs=1e-5)


@pytest.mark.parametrize("name", LOSSES)
def test_a_step_against_the_gradient_raises_what_is_scored_too_low(name: str) -> None:
    scores = SCORES.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(make_loss(name)(scores, TARGETS), scores)
    assert gradient[0] < 0
    if name in RANKING:
        assert gradient.sum().item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("name", RANKING)
def test_a_ranking_loss_ignores_a_shift_and_is_small_for_the_true_order(name: str) -> None:
    loss = make_loss(name)
    assert torch.allclose(loss(SCORES + 7, TARGETS), loss(SCORES, TARGETS), atol=1e-5)
    assert loss(20 * TARGETS, TARGETS) < 1e-3
    assert loss(-20 * TARGETS, TARGETS) > 5


@pytest.mark.parametrize("name", LOSSES)
@given(
    targets=st.lists(st.integers(-3, 3), min_size=2, max_size=12),
    seed=st.integers(0, 1000),
)
def test_the_order_of_the_architectures_does_not_matter(name, targets, seed) -> None:
    generator = torch.Generator().manual_seed(seed)
    truth = torch.tensor(targets, dtype=torch.float64)
    scores = torch.randn(len(truth), generator=generator, dtype=torch.float64)
    order = torch.randperm(len(truth), generator=generator)
    loss = make_loss(name)
    assert torch.allclose(loss(scores[order], truth[order]), loss(scores, truth))


@pytest.mark.parametrize("name", LOSSES)
def test_members_are_averaged(name: str) -> None:
    loss = make_loss(name)
    other = torch.tensor([1.0, 0.5, -1.0])
    both = loss(torch.stack([SCORES, other]), TARGETS)
    assert torch.allclose(both, (loss(SCORES, TARGETS) + loss(other, TARGETS)) / 2)


@pytest.mark.parametrize("name", LOSSES)
def test_values_and_gradients_stay_finite(name: str) -> None:
    for scores, targets in [
        (torch.tensor([1e4, -1e4, 0.0]), torch.tensor([1.0, 2.0, 3.0])),
        (torch.zeros(3), torch.ones(3)),
        (torch.zeros(1), torch.zeros(1)),
    ]:
        scores.requires_grad_()
        value = make_loss(name)(scores, targets)
        (gradient,) = torch.autograd.grad(value, scores)
        assert torch.isfinite(value)
        assert torch.isfinite(gradient).all()


def test_an_unknown_loss_is_an_error_that_lists_them() -> None:
    with pytest.raises(ParameterError, match="listmle, warp, bce-rank"):
        make_loss("rank")


@pytest.mark.parametrize("steps", [1, 2, 7, 40])
def test_steps_are_those_of_the_optimiser_and_schedule_of_torch(steps: int) -> None:
    x = torch.linspace(-1, 1, 20)[:, None]

    def network() -> torch.nn.Module:
        module = torch.nn.Linear(1, 2)
        for parameter in module.parameters():
            torch.nn.init.constant_(parameter, 0.3)
        return module

    ours, theirs = network(), network()
    optimiser = OneCycleAdamW(
        list(ours.parameters()), learning_rate=0.1, weight_decay=0.05, steps=steps
    )
    other = torch.optim.AdamW(theirs.parameters(), lr=0.1, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(other, 0.1, total_steps=steps)
    for step in range(steps):
        (ours(x) ** 2).mean().backward()
        optimiser.step(step)
        other.zero_grad()
        (theirs(x) ** 2).mean().backward()
        other.step()
        if step + 1 < steps:
            schedule.step()
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-6)
