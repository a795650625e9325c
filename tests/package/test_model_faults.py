"""Models of one's own in scripts, killed, and models that train to NaN: marked, with the module."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import optuna
import pandas as pd
import pytest
import torch
from torch import nn
from typer.testing import CliRunner

import nasurge
from nasurge.benchmarks import Recipe, TrainedObjective
from nasurge.cli import app
from nasurge.data import load_images
from nasurge.nn import Choice, space_of

WILD = """
import torch
from torch import nn
import nasurge.nn as N

class Root(nn.Module):
    def forward(self, x):
        return torch.sqrt(-1 - x.abs())

class Net(nn.Sequential):
    def __init__(self):
        super().__init__(
            nn.Conv2d(1, 4, 3),
            N.Choice(tame=nn.ReLU(), wild=nn.Sequential(nn.ReLU(), Root())),
            N.Choice(small=nn.Conv2d(4, 4, 1), large=nn.Conv2d(4, 4, 3, padding=1)),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 10),
        )
"""
SCRIPT = """
from pathlib import Path

import torch
from torch import nn

import nasurge
from nasurge.benchmarks import Recipe, TrainedObjective
from nasurge.data import load_images


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(1, 8, 3, padding=1)
        self.blocks = nn.Sequential(*[
            nasurge.nn.Choice(skip=nn.Identity(), three=nn.Conv2d(8, 8, 3, padding=1),
                              five=nn.Conv2d(8, 8, 5, padding=2)) for _ in range(3)])
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10))

    def forward(self, x):
        return self.head(self.blocks(self.stem(x)))


space = nasurge.nn.space_of(Net, example=torch.zeros(2, 1, 8, 8))
accuracy = TrainedObjective(
    space, load_images("digits", limit=200), Recipe(epochs=1), device="cpu", jobs=2,
    folder=Path("trainings"),
)
found = nasurge.search(
    accuracy, space=space, searcher="evolution", budget=12, batch=2, storage="searches.db",
    study="script",
)
print(len(found.codes), found.failures, found.best().architecture)
"""


def failures(path: Path, study: str) -> dict[str, str]:
    """Why trials of a study have failed, by their architecture."""
    kept = optuna.load_study(study_name=study, storage=f"sqlite:///{path}")
    return {
        trial.user_attrs["architecture"]: trial.user_attrs["failure"]
        for trial in kept.trials
        if trial.state == optuna.trial.TrialState.FAIL
    }


@pytest.mark.timeout(300)
def test_a_script_that_is_killed_goes_on_with_its_own_model(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    journal = tmp_path / "trainings" / "rows.jsonl"

    def kept() -> list[str]:
        lines = journal.read_text().splitlines(keepends=True) if journal.exists() else []
        return [json.loads(line)["unit"] for line in lines if line.endswith("\n")]

    command = [sys.executable, "script.py"]
    with (tmp_path / "log").open("w") as log:
        first = subprocess.Popen(command, cwd=tmp_path, stdout=log, stderr=log)
        while len(kept()) < 3 and first.poll() is None:
            time.sleep(0.02)
        first.kill()
        assert first.wait() == -9, (tmp_path / "log").read_text()
    before = kept()
    assert 3 <= len(before) < 12
    again = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert again.stdout.startswith("12 0 blocks.0=")
    assert kept()[: len(before)] == before
    assert len(kept()) == len(set(kept())) == 12


def test_a_command_marks_what_trains_to_nan_with_its_module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "wild_model", raising=False)
    Path("wild_model.py").write_text(WILD)
    ran = CliRunner().invoke(
        app,
        [
            *("search", "--space", "wild_model:Net", "--images", "digits", "--limit", "100"),
            *("--recipe", '{"epochs": 2}', "--device", "cpu", "-s", "nsga2", "-b", "4"),
            *("--objectives", "accuracy,latency", "--out", "found", "--json"),
        ],
    )
    assert ran.exit_code == 0, ran.output
    found = json.loads(ran.stdout)
    assert found["summary"][0]["failures"] == 2
    assert all("1=tame" in entry["architecture"] for entry in found["found"])
    rows = pd.read_parquet(found["rows"])
    wild = rows["architecture"].str.contains("1=wild")
    assert (rows["accuracy"].isna() == wild).all()
    assert (rows["feasible"] == ~wild).all()
    said = failures(tmp_path / "found" / "searches.db", "search/nsga2/0")
    assert set(said) == set(rows["architecture"][wild])
    for name, why in said.items():
        assert why == (
            f"architecture {name} diverged in epoch 1: the first output that is not finite is that "
            "of 1.1 (Root)"
        )


class Root(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.sqrt(-1 - x.abs())


class Net(nn.Sequential):
    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(1, 4, 3),
            Choice(tame=nn.ReLU(), wild=nn.Sequential(nn.ReLU(), Root())),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(4, 10),
        )


@pytest.mark.parametrize(("rate", "module"), [(0.1, "1.1 (Root)"), (1e30, "4 (Linear)")])
def test_python_marks_what_trains_to_nan_with_its_module(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, rate: float, module: str
) -> None:
    space = space_of(Net, example=torch.zeros(2, 1, 8, 8))
    images, recipe = load_images("digits", limit=100), Recipe(epochs=2, learning_rate=rate)
    trained = TrainedObjective(space, images, recipe, device="cpu", folder=tmp_path / "trained")
    found = nasurge.search(
        trained,
        space=space,
        searcher="random",
        budget=2,
        storage=str(tmp_path / "s.db"),
        study="wild",
    )
    architecture = "1=wild" if rate < 1 else "1=tame"
    assert found.failures == (1 if rate < 1 else 2)
    assert np.isnan(found.values).sum() == found.failures
    said = failures(tmp_path / "s.db", "wild")
    assert said == trained.failures
    assert said[architecture].endswith(f"is that of {module}")
    assert said[architecture] in caplog.text
