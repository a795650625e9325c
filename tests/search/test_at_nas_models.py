"""AT-NAS and few-shot learners over the supernet of a PyTorch model with choices."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from nasurge.benchmarks.few_shot import FewShotLearner, FewShotModel, meta_train
from nasurge.data.images import EpisodeSampler, ImageClasses, load_classes
from nasurge.errors import ParameterError, SchemaError
from nasurge.nn import Choice, Conv2d, Elastic, Repeat, space_of
from nasurge.search import ATNAS
from nasurge.search.at_nas import JointLearner

pytestmark = pytest.mark.usefixtures("one_thread")

DIGITS = load_classes("digits")
EXAMPLE = torch.zeros(2, 1, 8, 8)


class Plain(nn.Module):
    """Choices alone; the head is of the images' size."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 8, 3, padding=1)
        self.blocks = nn.Sequential(
            *(
                Choice(
                    skip=nn.Identity(),
                    conv=nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU()),
                )
                for _ in range(2)
            )
        )
        self.head = nn.Sequential(nn.AvgPool2d(2), nn.Flatten(), nn.Linear(128, 10))

    def forward(self, x):
        return self.head(self.blocks(self.stem(x)))


class Sized(nn.Module):
    """Embeddings of two widths, and layers that are left out."""

    def __init__(self) -> None:
        super().__init__()
        width = Elastic(4, 8, name="width")
        self.stem = nn.Sequential(Conv2d(1, width, 3), nn.BatchNorm2d(8))
        self.stage = Repeat(
            lambda _: nn.Sequential(nn.ReLU(), Conv2d(width, width, 3), nn.BatchNorm2d(8)),
            times=(0, 1),
        )
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10))
        self.dropout = nn.Dropout(0.2)

    def forward(self, x):
        return self.head(self.dropout(self.stage(self.stem(x))))


SPACES = {
    "plain": space_of(Plain, example=EXAMPLE),
    "elastic": space_of(Sized, example=EXAMPLE),
}
every_space = pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)


def classes(*labels: int) -> ImageClasses:
    return DIGITS.only(labels)


def episodes(data: ImageClasses, seed: int = 0) -> EpisodeSampler:
    return EpisodeSampler(data, way=3, shot=3, query=5, seed=seed)


def supernet(space=SPACES["plain"]) -> FewShotModel:
    return FewShotModel(space, way=3, size=8, seed=0)


def search(space, rule="protonet") -> ATNAS:
    settings = {"population": 4, "offspring": 4, "episodes": 5}
    return ATNAS(supernet(space), episodes(classes(7, 8, 9), 1), rule=rule, seed=0, **settings)


@every_space
def test_a_network_has_the_supernet_s_own_weights_and_those_that_it_uses_only(space):
    shared = supernet(space)
    everything = set(map(id, shared.parameters()))
    counts = []
    for code in space.all_codes():
        network = shared.network(code)
        own = list(network.parameters())
        assert set(map(id, own)) <= everything
        logits = network(torch.randn(4, 1, 8, 8, generator=torch.Generator().manual_seed(0)))
        gradients = torch.autograd.grad(logits.square().sum(), own)
        assert all(g.shape == w.shape for g, w in zip(gradients, own, strict=True))
        counts.append(len(own))
    assert min(counts) < max(counts)
    # The layer for the model's own classes gave way to one for those of an episode.
    assert shared.head.out_features == 3
    assert not any(w.shape[:1] == (10,) for w in shared.parameters())


@every_space
@pytest.mark.parametrize("rule", ["protonet", "anil", "maml", "reptile"])
def test_meta_training_learns_to_tell_new_classes_apart(space, rule):
    found = search(space, rule)
    history = meta_train(found, episodes(classes(0, 1, 2, 3, 4)), steps=40)
    assert np.isfinite(history.losses).all()
    assert np.mean(history.losses[-10:]) < np.mean(history.losses[:10])
    assert found.architecture == space.format([found.encoding])[0]
    if rule == "protonet":
        # 900 answers, of which a third would be right by chance.
        test = EpisodeSampler(classes(5, 6, 7), way=3, shot=3, seed=5)
        assert found.learner().accuracy(test, 20).mean() > 45


def test_a_killed_meta_training_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    settings, file = {"steps": 12, "checkpoint_seconds": 0}, tmp_path / "state"
    whole, killed, resumed = (search(SPACES["elastic"]) for _ in "123")
    meta_train(whole, episodes(classes(0, 1, 2, 3)), **settings)

    def kill(done: float) -> None:
        if done >= 0.5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        meta_train(
            killed, episodes(classes(0, 1, 2, 3)), **settings, checkpoint=file, progress=kill
        )
    meta_train(resumed, episodes(classes(0, 1, 2, 3)), **settings, checkpoint=file)
    expected, found = whole.supernet.state_dict(), resumed.supernet.state_dict()
    assert all(torch.equal(expected[name], found[name]) for name in expected)
    assert whole.encoding.tolist() == resumed.encoding.tolist()


def test_weights_and_options_are_learnt_together_where_they_can_be_mixed() -> None:
    learner = JointLearner(supernet(), "t-nas")
    start = learner.network.logits.detach().clone()
    history = meta_train(learner, episodes(classes(0, 1, 2, 3)), steps=5)
    assert np.isfinite(history.losses).all()
    assert not torch.equal(learner.network.logits, start)
    with pytest.raises(ParameterError, match="'width' of space 'Sized' cannot be mixed"):
        JointLearner(supernet(SPACES["elastic"]), "metanas")


class Counted(nn.Module):
    """Looks at a number in its input, which no two episodes share."""

    def forward(self, x):
        return x if x.sum().item() > 0 else 2 * x


@pytest.mark.filterwarnings("ignore:forward of Sequential looks at values:UserWarning")
def test_models_that_cannot_be_are_named_before_anything_is_trained() -> None:
    with pytest.raises(ParameterError, match=r"made for images of 1x8x8, these have 3x9x9"):
        FewShotModel(SPACES["plain"], in_channels=3, size=9)
    counted = nn.Sequential(
        Choice(skip=nn.Identity(), conv=nn.Conv2d(1, 1, 3, padding=1)),
        Counted(),
        nn.Flatten(),
        nn.Linear(64, 4),
    )
    with pytest.raises(SchemaError, match=r"1 \(Counted\)"):
        FewShotModel(space_of(counted, example=EXAMPLE), size=8)
    embedding = space_of(nn.Sequential(*counted[:1], nn.Flatten()), example=EXAMPLE)
    learner = FewShotLearner(FewShotModel(embedding, way=3, size=8, seed=0).network([1]))
    assert learner.logits(episodes(DIGITS).draw(2)).shape == (2, 15, 3)
