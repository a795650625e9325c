"""Cells whose output does not depend on their input train to chance, wherever they are trained."""

from __future__ import annotations

import numpy as np
import pytest

from nasurge.benchmarks.few_shot import FewShotLearner, FewShotSupernet, meta_train
from nasurge.benchmarks.few_shot.learner import RULES
from nasurge.benchmarks.supernet import Supernet, tuned_losses
from nasurge.benchmarks.training import train_architectures
from nasurge.data.images import EpisodeSampler, load_classes, load_images
from nasurge.data.networks import zero_cost
from nasurge.data.spaces import make_space

SPACE = make_space("nb201")
CELLS = [
    "|none~0|+|none~0|none~1|+|none~0|nor_conv_3x3~1|none~2|",  # a convolution of nothing
    "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|",
    "|none~0|+|nor_conv_3x3~0|none~1|+|none~0|none~1|none~2|",  # a convolution that leads nowhere
]
CODES = SPACE.parse(CELLS)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("code", CODES, ids=CELLS)
def test_as_a_few_shot_learner(code, rule: str) -> None:
    sampler = EpisodeSampler(load_classes("digits"), way=3, shot=2, query=4, seed=0)
    supernet = FewShotSupernet(SPACE, way=3, size=8, width=4, seed=0)
    learner = FewShotLearner(supernet.network(code), rule)
    history = meta_train(learner, sampler, steps=3, tasks=2)
    assert not history.diverged
    assert learner.accuracy(sampler, 4).tolist() == pytest.approx([100 / 3] * 4)


def test_as_a_network_of_its_own() -> None:
    images = load_images("digits", limit=200)
    for result in train_architectures(
        SPACE, CODES, images, width=4, cells=1, epochs=2, device="cpu", seed=0
    ):
        assert not result.diverged
        assert result.test_accuracy < 25


def test_with_the_weights_of_a_supernet() -> None:
    images = load_images("digits", limit=200)
    supernet = Supernet(SPACE, classes=10, in_channels=1, width=4, cells=1, seed=0)
    losses = tuned_losses(supernet, CODES, images, steps=3, device="cpu")
    assert losses == pytest.approx(np.log(10), abs=0.3)


def test_by_every_zero_cost_score() -> None:
    assert np.isfinite(zero_cost(SPACE, CODES, jobs=1)).all()
