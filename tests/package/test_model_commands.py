"""A PyTorch model of one's own, ``MODULE:NAME``, in the commands of supernets."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from nasurge.cli import app

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
        # Computed for images of 8 x 8 only.
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(4 * 8 * 8, 10))

    def forward(self, x):
        return self.head(self.blocks(self.stem(x)))

class Wide(Net):
    def __init__(self):
        super().__init__()
        width = N.Elastic(2, 4, name="width")
        self.stem = N.Conv2d(1, width, 3)
        self.blocks = nn.Conv2d(4, 4, 3, padding=1)
"""


WRONG = """
from torch import nn
import nasurge.nn as N

def conv(width, **options):
    return nn.Conv2d(1, width, 1, **options)

def shapes():
    return nn.Sequential(N.Choice(a=conv(2), b=conv(3)))

class Unreached(nn.Module):
    def __init__(self):
        super().__init__()
        self.head, self.rest = conv(2), N.Choice(a=conv(2), b=conv(2))

    def forward(self, x):
        return self.head(x)

def twice():
    return nn.Sequential(
        N.Choice(a=conv(1), b=conv(1), name="op"), N.Choice(a=conv(1), c=conv(1), name="op"))
"""
"""Models that are no spaces."""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Working folder with a module of models."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "own_models", raising=False)
    monkeypatch.delitem(sys.modules, "wrong_models", raising=False)
    (tmp_path / "own_models.py").write_text(MODULE)
    (tmp_path / "wrong_models.py").write_text(WRONG)
    return tmp_path


def run(*arguments: str, code: int = 0) -> str:
    """Output of a command, or its error."""
    ran = CliRunner().invoke(app, [*arguments])
    assert ran.exit_code == code, ran.output
    return ran.stdout if code == 0 else ran.stderr


def supernet(command: str, *arguments: str, code: int = 0, space: str = "own_models:Net") -> str:
    """Output of a command of supernets on digits, or its error."""
    chosen = ("--space", space, "--images", "digits", "--epochs", "1", "--device", "cpu")
    return run("supernet", command, *chosen, *arguments, code=code)


@pytest.mark.parametrize("rule", ["spos", "fairnas", "sandwich"])
def test_the_supernet_of_a_model_is_trained_on_images_of_its_size_and_read_again(rule) -> None:
    options = ("--rule", rule, "--evaluate", "3", "--checkpoint", "kept.safetensors", "--json")
    first, again = (json.loads(supernet("train", *options)) for _ in "12")
    assert first["architectures"] == again["architectures"]
    assert first["summary"][0]["train_seconds"] == again["summary"][0]["train_seconds"]
    assert all("blocks.0=" in row["architecture"] for row in first["architectures"])
    error = supernet("train", *options, space="own_models:Wide", code=2)
    assert "is the checkpoint of another run: network differ" in error


def test_a_model_is_searched_by_gradient_or_the_variable_that_cannot_be_is_named() -> None:
    found = json.loads(supernet("search", "--method", "darts", "--json"))["summary"][0]
    assert found["architecture"].startswith("blocks.0=")
    error = supernet("search", "--method", "darts", space="own_models:Wide", code=2)
    assert "values of variable 'width'" in error
    assert "'ddpnas'" in error
    supernet("search", "--method", "ddpnas", space="own_models:Wide")


def test_sizes_of_cells_are_refused_for_a_model() -> None:
    assert "--width" in supernet("train", "--width", "8", code=2)
    assert "--cells" in supernet("search", "--cells", "2", code=2)


def test_a_model_is_validated_by_its_supernet_without_predictors() -> None:
    short = ("--images", "digits", "--limit", "100", "--recipe", '{"epochs": 1}')
    chosen = ("--random", "5", "--device", "cpu", "--out", "found", "--json")
    inherit = ("--supernet", '{"rule": "sandwich", "epochs": 1}', "--supernet-architectures", "3")
    found = json.loads(run("validate", "--space", "own_models:Net", *short, *chosen, *inherit))
    inherited = [row["inherited_accuracy"] for row in found["architectures"]]
    assert len(inherited) == 8
    assert all(0 <= value <= 100 for value in inherited)


def test_a_model_is_meta_trained_and_named_again_where_its_file_is_used(folder) -> None:
    few = ("--images", "digits", "--way", "2")
    train = (*few, "--train-classes", "6", "--split", "classes", "--no-rotations", "--steps", "6")
    command = ("meta", "train", "--space", "own_models:Net", *train, "--json")
    first = json.loads(run(*command))["summary"][0]
    assert first["architecture"].startswith("blocks.0=")
    assert json.loads(run(*command))["summary"][0] == first  # done, so only read
    error = run("meta", "evaluate", "at-nas.safetensors", *few, code=2)
    assert "a search of the model own_models:Net, whose code is in no file of ours" in error
    named = ("at-nas.safetensors", "--space", "own_models:Net")
    tested = json.loads(run("meta", "evaluate", *named, *few, "--episodes", "20", "--json"))
    assert {row["method"] for row in tested["summary"]} == {"at-nas", "uniform"}
    short = ("--generations", "0", "--steps", "2", "--json")
    adapted = json.loads(run("meta", "adapt", *named, "--images", "digits", *short))["summary"][0]
    assert adapted["classes"] == 10
    unseen = run("meta", "adapt", *named, "--images", "digits", "--unseen", *short)
    assert json.loads(unseen)["summary"][0]["classes"] == 4
    other = ("at-nas.safetensors", "--space", "own_models:Wide")
    assert "own_models:Wide has other weights" in run("meta", "evaluate", *other, *few, code=2)
    assert "not of a model: leave out" in run("meta", "evaluate", *named[1:], code=2)
    assert "--width" in run(*command[:-1], "--width", "4", "--out", "w", code=2)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("shapes", "options of Choice '0' give different shapes: 'a' (2, 2, 8, 8), 'b' (2, 3"),
        ("Unreached", "rest (Choice) is never reached"),
        ("twice", "two decisions are called 'op' and differ: 0 has a, b, 1 has a, c"),
    ],
)
def test_a_model_that_is_no_space_names_the_module_and_nothing_starts(name, words, folder) -> None:
    error = supernet("train", "--checkpoint", "kept", space=f"wrong_models:{name}", code=2)
    assert words in error
    assert len(error.splitlines()) == 1
    assert not (folder / "kept").exists()


def test_warm_starts_across_tasks_refuse_a_model() -> None:
    error = run("meta", "warm-start", "--space", "own_models:Wide", code=2)
    assert "own_models:Wide is made for one of them" in error
