"""Training as an objective of a search."""

import json
import re

import numpy as np
import pytest
import torch
from processes import Process, run_code
from torch import nn

import nasurge
from nasurge.benchmarks import measure_latencies
from nasurge.benchmarks.studies.trainings import TrainingUnit
from nasurge.benchmarks.training import Recipe, TrainedObjective
from nasurge.data.images import load_images
from nasurge.data.networks import zero_cost
from nasurge.data.spaces import make_space
from nasurge.errors import ArchitectureError, LabelError, OutOfMemoryError, ParameterError

QUICK = Recipe(epochs=1, width=2, cells=1)


@pytest.fixture(scope="module")
def images():
    return load_images("digits", limit=100)


@pytest.fixture
def own_tables(tmp_path, monkeypatch):
    monkeypatch.setenv("NASURGE_HOME", str(tmp_path / "home"))


def objective(images, tmp_path, **given):
    return TrainedObjective(
        make_space("nb201"), images, QUICK, device="cpu", folder=tmp_path / "trained", **given
    )


def test_a_search_trains_and_what_it_trained_is_a_table(images, tmp_path, own_tables):
    asked = objective(images, tmp_path, seeds=2)
    found = nasurge.search(asked, space=asked.space, searcher="random", budget=6, seed=0)
    assert len(asked.rows) == 12
    table = asked.keep_table("mine")
    assert len(nasurge.load_table("mine").codes) == len(table.codes) == 6
    values = table.values(task="digits", metric="accuracy", split="valid", seed="mean")
    best = found.codes[np.argmax(found.values)]
    assert np.isclose(values[table.rows(best[None])[0]], max(found.values))


def test_nothing_is_trained_twice_also_by_a_later_search(images, tmp_path, monkeypatch):
    codes = make_space("nb201").sample(3, seed=0)
    values = objective(images, tmp_path)(codes)
    monkeypatch.setattr(TrainingUnit, "__call__", None)
    again = objective(images, tmp_path)
    assert np.array_equal(again(codes[::-1]), values[::-1])
    assert np.array_equal(again(codes[[0, 0]]), values[[0, 0]])


def test_what_cannot_be_trained_is_named(images, tmp_path, own_tables):
    asked = objective(images, tmp_path)
    with pytest.raises(ArchitectureError, match="row 0"):
        asked([[9] * 6])
    with pytest.raises(LabelError, match="no trainings"):
        asked.keep_table("mine")
    with pytest.raises(ParameterError, match="seeds"):
        objective(images, tmp_path, seeds=0)
    with pytest.raises(ParameterError, match="nbgraph"):
        TrainedObjective(make_space("nbgraph"), images, QUICK, folder=tmp_path / "other")
    with pytest.raises(ParameterError, match="another study"):
        TrainedObjective(
            make_space("nb201"), images, Recipe(epochs=2), device="cpu", folder=asked.folder
        )


def test_a_training_that_diverged_has_no_value(images, tmp_path):
    wild = Recipe(epochs=1, width=2, cells=1, learning_rate=1e30)
    asked = TrainedObjective(
        make_space("nb201"), images, wild, device="cpu", folder=tmp_path / "trained"
    )
    assert np.isnan(asked([[3, 3, 3, 3, 3, 3]])).all()


def test_processes_that_share_a_folder_train_each_architecture_once(tmp_path):
    code = """
        import sys
        from pathlib import Path
        from nasurge.benchmarks.training import Recipe, TrainedObjective
        from nasurge.data.images import load_images
        from nasurge.data.spaces import make_space
        space = make_space("nb201")
        asked = TrainedObjective(
            space, load_images("digits", limit=100), Recipe(epochs=1, width=2, cells=1),
            device="cpu", folder=Path("trained"),
        )
        codes = space.sample(6, seed=0)
        for batch in (codes[:4], codes[2:]) if sys.argv[1] == "0" else (codes[::-1],):
            print(asked(batch).tolist())
    """
    both = [Process(run_code, code, k, folder=tmp_path, name=f"worker{k}") for k in "01"]
    assert [one.end() for one in both] == [0, 0], [one.stderr for one in both]
    lines = (tmp_path / "trained" / "rows.jsonl").read_text().splitlines()
    assert len(lines) == len({json.loads(line)["unit"] for line in lines}) == 6
    first, second = ([json.loads(line) for line in one.stdout.splitlines()] for one in both)
    assert second[0] == (first[0] + first[1][2:])[::-1]
    left = {path.name for path in (tmp_path / "trained").iterdir()}
    assert left == {"study.json", "rows.jsonl", "checkpoints"}


class Huge(nn.Module):
    """Asks for 40 TB while it is trained."""

    def forward(self, x):
        return x + torch.zeros(10**13).sum() if self.training else x


class Net(nn.Sequential):
    """One of two options has the memory that this machine lacks."""

    def __init__(self):
        super().__init__(
            nn.Conv2d(1, 2, 3),
            nasurge.nn.Choice(small=nn.ReLU(), huge=Huge()),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(2, 10),
        )


def greedy(images, folder):
    space = nasurge.nn.space_of(Net, example=torch.zeros(2, 1, 8, 8))
    return TrainedObjective(space, images, QUICK, device="cpu", folder=folder)


def test_what_the_memory_does_not_suffice_for_has_failed_and_the_search_goes_on(
    images, tmp_path, own_tables, caplog
):
    asked = greedy(images, tmp_path / "trained")
    values = asked([[1], [0], [1]])
    assert np.isnan(values).tolist() == [True, False, True]
    assert "architecture 1=huge: cpu has no memory" in caplog.text
    assert "1 (Huge)" in asked.failures["1=huge"]
    found = nasurge.search(asked, space=asked.space, searcher="random", budget=2, seed=0)
    assert found.failures == 1
    assert found.best().architecture == "1=small"
    # Elsewhere there may be more memory: what failed is tried again, what is known is not.
    again = greedy(images, tmp_path / "trained")
    assert again([[0]]) == values[1]
    with pytest.raises(OutOfMemoryError, match=r"1=huge: cpu has no memory.*1 \(Huge\)"):
        again([[1]])
    assert [row["architecture"] for row in again.rows] == ["1=small"]
    assert len(again.keep_table("some").codes) == 1


class Picky(nn.Module):
    """A layer that does not take what it gets while it is trained."""

    def forward(self, x):
        return x.flatten(1) @ torch.ones(7, 2) if self.training else x


def test_what_cannot_be_computed_has_failed_and_its_batch_goes_on(images, tmp_path):
    def net():
        choice = nasurge.nn.Choice(plain=nn.ReLU(), picky=Picky())
        end = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 10)
        return nn.Sequential(nn.Conv2d(1, 2, 3), choice, *end)

    space = nasurge.nn.space_of(net, example=torch.zeros(2, 1, 8, 8))
    asked = TrainedObjective(space, images, QUICK, device="cpu", folder=tmp_path / "trained")
    assert np.isnan(asked([[1], [0]])).tolist() == [True, False]
    assert re.match(
        r"architecture 1=picky cannot be computed in 1 \(Picky\)", asked.failures["1=picky"]
    )
    with pytest.raises(ParameterError, match="1=picky cannot be computed"):
        asked([[1]])


def test_proxies_name_what_lacks_memory(images, tmp_path):
    asked = greedy(images, tmp_path / "trained")
    with pytest.raises(OutOfMemoryError, match=r"proxies of architecture 1=huge: .*1 \(Huge\)"):
        zero_cost(asked.space, [[0], [1]], names=["nwot"])


class Always(Huge):
    """Asks for them when it is not trained, too."""

    def forward(self, x):
        return x + torch.zeros(10**13).sum()


def test_a_latency_names_what_lacks_memory():
    networks = [nn.Conv2d(1, 2, 3), nn.Sequential(nn.Conv2d(1, 2, 3), Always())]
    with pytest.raises(OutOfMemoryError, match=r"latency of network 1 .*in 1 \(Always\)"):
        measure_latencies(networks, torch.zeros(1, 1, 8, 8), warmup=1, repeats=5)


class Infinite(nn.Module):
    """Divides by nothing."""

    def forward(self, x):
        return x / 0 if self.training else x


def test_a_model_that_trains_to_nan_has_failed_and_the_others_go_on(images, tmp_path):
    class Wild(Net):
        def __init__(self):
            super().__init__()
            self[1] = nasurge.nn.Choice(small=nn.ReLU(), wild=Infinite())

    space = nasurge.nn.space_of(Wild, example=torch.zeros(2, 1, 8, 8))
    asked = TrainedObjective(space, images, QUICK, device="cpu", folder=tmp_path / "trained")
    assert np.isnan(asked([[1], [0]])).tolist() == [True, False]
    assert {row["architecture"]: row["diverged"] for row in asked.rows} == {
        "1=wild": True,
        "1=small": False,
    }
