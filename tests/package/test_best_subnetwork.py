"""From a supernet to its best sub-network, trained by itself and exported, by one command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

from nasurge.cli import app
from nasurge.data.images import load_images
from nasurge.data.networks import build_network, network_costs
from nasurge.data.spaces import make_space

pytestmark = pytest.mark.usefixtures("one_thread")
SHORT = [
    "--images",
    "digits",
    "--device",
    "cpu",
    "--epochs",
    "2",
    "--train-epochs",
    "2",
    "--budget",
    "8",
    "--valid-limit",
    "60",
    "--top",
    "2",
    "--width",
    "4",
]
MODEL = """
from torch import nn

from nasurge.nn import Choice


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1),
            Choice(skip=nn.Identity(), conv=nn.Conv2d(8, 8, 3, padding=1)),
            nn.ReLU(),
            Choice(skip=nn.Identity(), conv=nn.Conv2d(8, 8, 3, padding=1)),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Linear(32, 10),
        )

    def forward(self, x):
        return self.layers(x)
"""


def best(*options: str) -> Any:
    return CliRunner().invoke(app, ["supernet", "best", *SHORT, *options])


def found(*options: str) -> dict[str, Any]:
    done = best(*options, "--json")
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("best")


@pytest.fixture(scope="module")
def answer(folder: Path) -> dict[str, Any]:
    where = ("--out", str(folder / "cells"), "--checkpoint", str(folder / "net.safetensors"))
    return found(*where, "--constraint", "flops<=80", "--random", "3")


def test_the_best_on_validation_is_the_answer(answer: dict[str, Any]) -> None:
    [row] = answer["summary"]
    searched = [one for one in answer["trained"] if one["of"] == "search"]
    assert len(searched) == 2
    assert len(answer["trained"]) == 5
    assert row["valid_accuracy"] == max(one["valid_accuracy"] for one in searched)
    assert answer["evaluated"] == 8
    space = make_space("nb201")
    codes = space.parse([one["architecture"] for one in answer["trained"]])
    flops = network_costs(space, codes, "flops")
    assert flops.max() <= 80
    assert [one["costs"]["flops"] for one in answer["trained"]] == pytest.approx(flops.tolist())
    # Those searched for are the best of eight by what they inherit, each function once.
    assert len(np.unique(space.keys(space.canonical(codes[:2])))) == 2


def test_the_files_hold_the_network_that_was_trained(answer: dict[str, Any]) -> None:
    [row] = answer["summary"]
    images = load_images("digits")
    x = torch.from_numpy(images.test_x)
    network = torch.export.load(answer["network"]).module()
    logits = network(x)
    right = (logits.argmax(dim=1).numpy() == images.test_y).mean()
    assert 100 * right == pytest.approx(row["test_accuracy"])
    space = make_space("nb201")
    [code] = space.parse([row["architecture"]])
    own = build_network(space, code, classes=10, in_channels=1, width=4, cells=1)
    own.load_state_dict(load_file(answer["weights"]))
    assert torch.allclose(own.eval()(x), logits, atol=1e-4)


def test_the_same_command_goes_on_and_trains_nothing_twice(
    folder: Path, answer: dict[str, Any]
) -> None:
    kept = sorted((folder / "cells" / "trainings").iterdir())
    before = [path.stat().st_mtime_ns for path in kept]
    done = best(
        *("--out", str(folder / "cells"), "--checkpoint", str(folder / "net.safetensors")),
        *("--constraint", "flops<=80", "--random", "3"),
    )
    assert done.exit_code == 0, done.stderr
    assert done.stdout.splitlines()[0] == answer["summary"][0]["architecture"]
    assert "of 3 drawn at random" in done.stdout
    assert [path.stat().st_mtime_ns for path in kept] == before
    assert sorted((folder / "cells" / "trainings").iterdir()) == kept


def test_training_goes_on_from_what_was_inherited(folder: Path, answer: dict[str, Any]) -> None:
    where = ("--out", str(folder / "tuned"), "--checkpoint", str(folder / "net.safetensors"))
    tuned = found(*where, "--constraint", "flops<=80", "--random", "0", "--start", "inherited")
    assert {one["start"] for one in tuned["trained"]} == {"inherited"}
    assert {one["of"] for one in tuned["trained"]} == {"search"}
    scratch = {one["architecture"]: one for one in answer["trained"] if one["of"] == "search"}
    for one in tuned["trained"]:
        assert one["inherited_accuracy"] == scratch[one["architecture"]]["inherited_accuracy"]
        assert one["valid_accuracy"] != scratch[one["architecture"]]["valid_accuracy"]


def test_a_front_of_accuracy_and_cost(folder: Path) -> None:
    asked = ("-s", "nsga2", "--objectives", "accuracy,flops", "--out", str(folder / "front"))
    fronts = found(*asked, "--random", "0", "--checkpoint", str(folder / "net.safetensors"))
    front = fronts["front"]
    assert front
    assert all(set(row) == {"architecture", "accuracy", "flops"} for row in front)
    for one in front:
        assert not any(
            other["accuracy"] >= one["accuracy"] and other["flops"] < one["flops"]
            for other in front
        )
    most = sorted(front, key=lambda row: -row["accuracy"])[0]["architecture"]
    assert fronts["trained"][0]["architecture"] == most


def test_a_model_of_one_s_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_net_of_best.py").write_text(MODEL)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    command = [part for part in SHORT if part not in ("--width", "4")]
    asked = ["--space", "own_net_of_best:Net", "--out", "mine", "--random", "1", "--json"]
    done = CliRunner().invoke(app, ["supernet", "best", *command, *asked])
    assert done.exit_code == 0, done.stderr
    row = json.loads(done.stdout)["summary"][0]
    assert set(row["variables"].values()) <= {"skip", "conv"}
    images = load_images("digits")
    network = torch.export.load(tmp_path / "mine" / "network.pt2").module()
    answers = network(torch.from_numpy(images.test_x)).argmax(dim=1).numpy()
    assert 100 * (answers == images.test_y).mean() == pytest.approx(row["test_accuracy"])


def test_what_cannot_be_is_said(folder: Path, answer: dict[str, Any]) -> None:
    del answer
    kept = ("--out", str(folder / "no"), "--checkpoint", str(folder / "net.safetensors"))
    for options, said in (
        (("--objectives", "accuracy,latency"), "objectives of sub-networks are accuracy and"),
        (("--start", "warm"), "start"),
        (("--constraint", "flops<=1"), "flops"),
        (("--recipe", '{"width": 32}'), "the supernet has width 4, the recipe 32"),
        (("-s", "darts"), "darts"),
    ):
        done = best(*kept, *options)
        assert done.exit_code == 2, options
        assert said in done.stderr.replace("\n", " "), done.stderr
