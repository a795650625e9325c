"""Bounds on the costs of a model whose architectures are too many to be counted one by one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import nasurge
from nasurge.errors import InfeasibleError
from nasurge.nn import Choice, space_of


class Deep(nn.Module):
    """Model of 2,187 architectures, each of another cost for its operations."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 2, 1)
        self.blocks = nn.Sequential(
            *[
                Choice(
                    skip=nn.Identity(), one=nn.Conv2d(2, 2, 1), three=nn.Conv2d(2, 2, 3, padding=1)
                )
                for _ in range(7)
            ]
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.blocks(self.stem(x)).mean(dim=(2, 3))


@pytest.fixture
def space():
    return space_of(Deep, example=torch.zeros(2, 1, 4, 4))


def value(codes: np.ndarray) -> np.ndarray:
    """More work is better: the bound is what holds a search back."""
    return codes.sum(axis=1).astype(float)


@pytest.mark.parametrize("searcher", ["random", "evolution", "local", "bo", "nsga2", "prednas"])
def test_what_is_proposed_keeps_the_bound_and_few_are_counted(space, searcher) -> None:
    assert space.listed
    assert space.size == 2187
    median = float(np.median(space.costs(space.sample(200, seed=1))["flops"]))
    found = nasurge.search(
        value, space=space, searcher=searcher, constraints=f"flops<={median}", budget=25, seed=0
    )
    assert len(found.codes) == 25
    assert space.costs(found.codes)["flops"].max() <= median
    assert len(np.unique(space.keys(found.codes))) == 25
    if searcher in ("random", "evolution", "nsga2"):
        assert len(space._costs) < 1000, "architectures are counted as they are proposed"


def test_a_bound_that_few_keep_is_found_by_all_and_one_that_none_keeps_is_said(space) -> None:
    costs = space.costs(space.all_codes())["flops"]
    least = np.sort(np.unique(costs))[:2]
    few = int((costs <= least[1]).sum())
    assert few < 20
    bound = f"flops<={least[1]}"
    found = nasurge.search(
        value, space=space, searcher="evolution", constraints=bound, budget=25, seed=0
    )
    assert len(found.codes) == few, "all that keep it, and no others"
    assert space.costs(found.codes)["flops"].max() <= least[1]
    with pytest.raises(InfeasibleError, match=r"excludes all 2,187 .* the smallest flops is"):
        nasurge.search(value, space=space, constraints=f"flops<={least[0] / 2}", budget=5)
