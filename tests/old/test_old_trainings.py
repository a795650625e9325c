"""Trainings that the first version was stopped in go on: see v0/README.md."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from old_files import SPACE, V0, unpacked

from nasurge.benchmarks.few_shot import (
    FewShotLearner,
    FewShotSupernet,
    four_convolutions,
    meta_train,
)
from nasurge.benchmarks.supernet import Supernet, train_supernet
from nasurge.benchmarks.training import Recipe, train_network
from nasurge.data.images import EpisodeSampler, load_classes, load_images
from nasurge.data.networks import build_network
from nasurge.data.seeds import as_generator, torch_seed
from nasurge.search.at_nas import ATNAS, JointLearner
from nasurge.search.differentiable import Gate, search_supernet

pytestmark = pytest.mark.usefixtures("one_thread")

CHECKPOINTS = json.loads((V0 / "checkpoints.json").read_text())


def names(beginning: str) -> list[str]:
    return [name for name in CHECKPOINTS if name.startswith(beginning)]


def checkpoint(name: str, folder: Path) -> dict:
    """The arguments that continue from a copy of a checkpoint."""
    return {"checkpoint": unpacked(V0 / "checkpoints" / f"{name}.safetensors.xz", folder)}


def goes_on(losses: tuple[float, ...], name: str, kept: int) -> None:
    """Check that losses before the stop are those of the file, and all as without a stop."""
    known = CHECKPOINTS[name]["losses"]
    assert list(losses[:kept]) == known[:kept]
    np.testing.assert_allclose(losses, known, rtol=1e-3)


@pytest.fixture(scope="module")
def few():
    return load_images("digits", limit=60)


def network(seed: int = 0) -> torch.nn.Module:
    with torch_seed(as_generator(seed)):
        code = [3, 1, 0, 1, 0, 1]
        return build_network(SPACE, code, classes=10, in_channels=1, width=2, cells=1)


def supernet() -> Supernet:
    return Supernet(SPACE, classes=10, in_channels=1, width=1, cells=1, seed=0)


@pytest.mark.parametrize("name", names("network"))
def test_a_training_goes_on(name: str, few, tmp_path: Path) -> None:
    teacher = {"teacher": network(5)} if name == "network-taught" else {}
    recipe, kept = Recipe(epochs=3, width=2, cells=1), checkpoint(name, tmp_path)
    found = train_network(network(), few, recipe, device="cpu", seed=0, **kept, **teacher)
    goes_on(found.losses, name, 2)
    assert list(found.curve[:2]) == CHECKPOINTS[name]["curve"][:2]


@pytest.mark.parametrize("name", names("supernet"))
def test_a_supernets_training_goes_on(name: str, few, tmp_path: Path) -> None:
    rule = name.removeprefix("supernet-").replace("finished", "spos")
    settings = {"rule": rule, "epochs": 1 if "finished" in name else 3, "seed": 1}
    shared = supernet()
    found = train_supernet(shared, few, **settings, device="cpu", **checkpoint(name, tmp_path))
    goes_on(found.losses, name, 1 if "finished" in name else 2)
    inherited = shared.evaluate(SPACE.sample(4, seed=0), few, seed=0)
    np.testing.assert_allclose(inherited.loss, CHECKPOINTS[name]["loss"], rtol=1e-2)


@pytest.mark.parametrize("name", [name for name in names("search-") if name != "search-warm"])
def test_a_differentiable_search_goes_on(name: str, few, tmp_path: Path) -> None:
    settings = {"epochs": 3, "seed": 1, "device": "cpu", **checkpoint(name, tmp_path)}
    found = search_supernet(supernet(), few, name.removeprefix("search-"), **settings)
    goes_on(found.losses, name, 2)
    assert found.codes[:2].tolist() == CHECKPOINTS[name]["codes"][:2]


def test_a_warm_search_goes_on(few, tmp_path: Path) -> None:
    start, known = np.log([[0.1, 0.1, 0.1, 0.6, 0.1]] * 6), CHECKPOINTS["search-warm"]
    settings = {"epochs": 3, "seed": 1, "device": "cpu", **checkpoint("search-warm", tmp_path)}
    settings |= {"logits": start, "gate": Gate(after=1, beaten=0)}
    found = search_supernet(supernet(), few, "gdas", **settings)
    goes_on(found.losses, "search-warm", 2)
    assert (found.accepted, found.beaten) == (known["accepted"], known["beaten"])


@pytest.mark.parametrize("name", names("meta-"))
def test_a_meta_training_goes_on(name: str, tmp_path: Path) -> None:
    digits, rule = load_classes("digits"), name.removeprefix("meta-")
    episodes = {"way": 3, "shot": 2, "query": 4, "seed": 0}
    shared = FewShotSupernet(SPACE, way=3, size=8, width=2, seed=0)
    if rule == "at-nas":
        small = {"population": 4, "offspring": 4, "episodes": 3, "steps": 2, "seed": 0}
        learner = ATNAS(shared, EpisodeSampler(digits.only([7, 8, 9]), **episodes), **small)
    elif rule in ("t-nas", "metanas"):
        learner = JointLearner(shared, rule)
    else:
        convolutions = four_convolutions(3, size=8, width=2, seed=0)
        learner = FewShotLearner(convolutions, rule, steps=1)
    sampler = EpisodeSampler(digits.only(range(7)), **episodes)
    found = meta_train(learner, sampler, steps=8, tasks=2, **checkpoint(name, tmp_path))
    goes_on(found.losses, name, 5)
