"""A PyTorch model of one's own, ``MODULE:NAME``, as the space of a search by training."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from typer.testing import CliRunner

from nasurge.cli import app
from nasurge.data.images import load_images
from nasurge.data.networks import PROXIES, zero_cost
from nasurge.data.spaces import make_space, model_space, stored_space
from nasurge.errors import ParameterError, SchemaError, UnknownNameError

MODULE = """
from torch import nn
import nasurge.nn as N

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(1, 4, 3, padding=1)
        self.blocks = nn.Sequential(*[
            N.Choice(skip=nn.Identity(), three=nn.Conv2d(4, 4, 3, padding=1),
                     five=nn.Conv2d(4, 4, 5, padding=2)) for _ in range(3)])
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 10))

    def forward(self, x):
        return self.head(self.blocks(self.stem(x)))

class Broken(Net):
    def __init__(self):
        raise RuntimeError("no such weights")

class Many(Net):
    def __init__(self):
        super().__init__()
        self.head[2] = nn.Linear(4, 7)

number = 3
"""
SHORT = ("--images", "digits", "--limit", "100", "--recipe", '{"epochs": 1}', "--device", "cpu")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Working folder with a module of models."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "own_models", raising=False)
    (tmp_path / "own_models.py").write_text(MODULE)
    return tmp_path


def search(*arguments: str, code: int = 0) -> str:
    """Output of a search, or its error."""
    ran = CliRunner().invoke(app, ["search", *arguments])
    assert ran.exit_code == code, ran.output
    return ran.stdout if code == 0 else ran.stderr


def test_a_model_is_a_space_by_its_place() -> None:
    space = make_space("own_models:Net")
    assert space.name == "own_models:Net"
    assert space.size == 27


@pytest.mark.parametrize(
    ("place", "error", "words"),
    [
        ("own_model:Net", ParameterError, "did you mean own_models"),
        ("own_models:Nett", UnknownNameError, "Nett"),
        ("own_models:number", ParameterError, "not a torch.nn.Module"),
        ("own_models:Broken", ParameterError, "RuntimeError: no such weights"),
    ],
)
def test_what_is_no_model_is_said(place, error, words) -> None:
    with pytest.raises(error, match=words):
        make_space(place)


def test_a_stored_description_imports_nothing() -> None:
    sys.modules.pop("own_models", None)
    with pytest.raises(SchemaError, match="does not name code"):
        stored_space("own_models:Net")
    assert "own_models" not in sys.modules


def test_trainings_have_a_front_of_accuracy_and_latency_and_go_on(tmp_path) -> None:
    command = (
        *("--space", "own_models:Net", *SHORT, "-s", "random", "--objectives", "accuracy,latency"),
        *("--constraint", "flops<=80M", "--out", str(tmp_path / "found"), "--json"),
    )
    first = pd.read_parquet(json.loads(search(*command, "-b", "3"))["rows"])
    found = json.loads(search(*command, "-b", "5"))
    rows = pd.read_parquet(found["rows"])
    assert rows["architecture"][:3].tolist() == first["architecture"].tolist()
    assert rows["latency"][:3].tolist() == first["latency"].tolist()
    assert len(rows) == 5
    assert all(entry["costs"]["flops"] <= 80 for entry in found["found"])
    assert (rows["latency"] > 0).all()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is one")
def test_a_device_that_is_not_there_is_said_before(tmp_path) -> None:
    given = ("--images", "digits", "--limit", "100", "--device", "cuda", "--out", "kept")
    error = search("--space", "own_models:Net", *given, "--budget", "2", code=2)
    assert error.startswith("error: ")
    assert "cuda" in error
    assert not (tmp_path / "kept").exists()


def test_what_cannot_be_trained_is_said_before() -> None:
    assert "7" in search("--space", "own_models:Many", *SHORT, code=2)
    wrong = ("--space", "own_models:Net", *SHORT, "--objectives", "accuracy,power")
    assert "'power' is not known of a trained network" in search(*wrong, code=2)


def test_a_model_is_validated_on_images_of_its_own_size(folder) -> None:
    own = "\nclass Flat(Net):\n    def __init__(self):\n        super().__init__()\n"
    own += "        self.head = nn.Sequential(nn.Flatten(), nn.Linear(4 * 8 * 8, 10))\n"
    with (folder / "own_models.py").open("a") as file:
        file.write(own)
    chosen = ("--random", "5", "--learn-from", "6", "-p", "ridge", "--out", "found", "--json")
    ran = CliRunner().invoke(app, ["validate", "--space", "own_models:Flat", *SHORT, *chosen])
    assert ran.exit_code == 0, ran.output
    drawn = [a for a in json.loads(ran.stdout)["architectures"] if a["group"] == "random"]
    assert len(drawn) == 5


def test_zero_cost_proxies_of_a_model_or_what_has_none() -> None:
    space = model_space("own_models:Net", example=torch.zeros(2, 1, 8, 8))
    images = load_images("digits", limit=40)
    given = {"images": images.train_x[:16], "labels": images.train_y[:16], "device": "cpu"}
    codes = space.sample(3, seed=0)
    scores = zero_cost(space, codes, **given)
    assert scores.shape == (3, len(PROXIES))
    assert np.isfinite(scores).all()
    with pytest.raises(ParameterError, match="fourier knows the stages"):
        zero_cost(space, codes, names=["fourier"], **given)
