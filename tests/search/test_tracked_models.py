"""Searches of a PyTorch model by real trainings, killed and gone on, as trackers hold them."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from offline_runs import offline_part
from processes import Process, run_code, run_command

# A choice that diverges, and a process that dies in the middle of a training while it is asked to.
MODEL = """
import os, signal
from pathlib import Path
import torch
from torch import nn
import nasurge.nn as N

passes = 0

class Diverging(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, x):
        return x * (self.scale * float("inf"))

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(1, 4, 3, padding=1)
        self.blocks = nn.Sequential(*[
            N.Choice(skip=nn.Identity(), three=nn.Conv2d(4, 4, 3, padding=1), wild=Diverging())
            for _ in range(3)])
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 10))

    def forward(self, x):
        global passes
        passes += self.training and len(x) > 8
        if passes > 9 and Path("die").exists():
            os.kill(os.getpid(), signal.SIGKILL)
        return self.head(self.blocks(self.stem(x)))
"""
SCRIPT = """
import sys
from pathlib import Path
import torch
sys.path.insert(0, ".")
import nasurge
from nasurge.benchmarks import Recipe, TrainedObjective
from nasurge.data import load_images
from nasurge.trackers import MLflow, TensorBoard, WandB
from my_module import Net

torch.set_num_threads(1)
space = nasurge.nn.space_of(Net, example=torch.zeros(1, 1, 8, 8))
images, recipe = load_images("digits", limit=100), Recipe(epochs=1, batch_size=50)
accuracy = TrainedObjective(space, images, recipe, device="cpu", folder=Path("trainings"))
found = nasurge.search(
    accuracy, space=space, searcher="random", budget=9, batch=3, storage="own.db", study="own",
    track=[MLflow("sqlite:///mlflow.db"), TensorBoard(), WandB(mode="offline")],
)
found.to_frame().to_csv("evaluations.csv")
"""
COMMAND = [
    *("search", "--space", "my_module:Net", "--images", "digits"),
    *("--limit", "100", "--recipe", '{"epochs": 1, "batch_size": 50}', "--device", "cpu"),
    *("-s", "nsga2", "--objectives", "accuracy,flops", "--constraint", "flops<=0.05"),
    *("--budget", "9", "--batch", "3", "--out", "found"),
    *("--track", "mlflow,tensorboard,wandb"),
]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def killed_and_gone_on(
    target: Callable[..., object], arguments: Sequence[str], folder: Path
) -> None:
    """Call in a process that dies while it trains, and again in one that does not."""
    for module in ("mlflow", "tensorboard", "wandb"):
        pytest.importorskip(module, reason=f"the extra {module} is not installed")
    (folder / "my_module.py").write_text(MODEL)
    (folder / "die").touch()
    quiet = {"WANDB_MODE": "offline", "MLFLOW_TRACKING_URI": "sqlite:///mlflow.db"}
    for status in (-signal.SIGKILL, 0):
        process = Process(target, *arguments, folder=folder, environment=quiet)
        assert process.end() == status, process.stderr
        (folder / "die").unlink(missing_ok=True)


def by_step(steps: Sequence[int], values: Sequence[float]) -> np.ndarray:
    """Values of nine evaluations, NaN where there is none; each was logged once."""
    assert len(set(steps)) == len(steps)
    found = np.full(9, np.nan)
    found[list(steps)] = values
    return found


def of_tensorboard(folder: Path, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Values of the search by their names."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    [place] = [p for p in (folder / "runs" / "tensorboard").glob("*/*") if "report" not in p.name]
    events = EventAccumulator(str(place), size_guidance={"scalars": 0, "tensors": 0})
    events.Reload()
    assert len(events.Tensors("architecture/text_summary")) == 9
    scalars = {name: events.Scalars(name) for name in names}
    return {
        name: by_step([e.step for e in every], [e.value for e in every])
        for name, every in scalars.items()
    }


def of_mlflow(folder: Path, names: Sequence[str]) -> tuple[dict[str, np.ndarray], Any]:
    """Values of the search by their names, and its run."""
    import mlflow

    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{folder}/mlflow.db")
    experiment = client.get_experiment_by_name("nasurge")
    runs = client.search_runs([experiment.experiment_id])
    [run] = [run for run in runs if "report" not in run.info.run_name]
    assert run.info.status == "FINISHED"
    histories = {name: client.get_metric_history(run.info.run_id, name) for name in names}
    return {
        name: by_step([m.step for m in every], [m.value for m in every])
        for name, every in histories.items()
    }, run


def of_wandb(folder: Path, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Values of the search by their names, of all parts that ``wandb sync`` would send."""
    steps: list[dict[str, Any]] = []
    for file in sorted((folder / "wandb").glob("offline-run-*/*.wandb")):
        part = offline_part(file)
        steps += [] if "report" in part.name else part.history
    assert [step["_step"] for step in steps] == list(range(9))
    assert len(list((folder / "wandb").glob("killed-offline-run-*"))) == 1
    return {
        name: by_step(
            [step["_step"] for step in steps if name in step],
            [step[name] for step in steps if name in step],
        )
        for name in names
    }


@pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:Warning")  # MLflow's own
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_a_command_that_was_killed_is_followed_whole(tmp_path: Path) -> None:
    killed_and_gone_on(run_command, COMMAND, tmp_path)
    rows = pd.read_parquet(tmp_path / "found" / "rows.parquet").sort_values("query")
    failed = rows["accuracy"].isna().to_numpy()
    assert 0 < failed.sum() < 9
    names = ("accuracy", "flops", "failed")
    logged, run = of_mlflow(tmp_path, names)
    assert "best" not in run.data.metrics  # of two objectives there is none
    assert run.data.params["space"] == "my_module:Net"
    assert json.loads(run.data.params["constraints"]) == ["flops<=0.05"]
    assert '"epochs": 1' in run.data.params["recipe"]
    for held in (logged, of_tensorboard(tmp_path, names), of_wandb(tmp_path, names)):
        assert held["failed"].tolist() == failed.tolist()
        np.testing.assert_allclose(held["accuracy"], rows["accuracy"], rtol=1e-6)
        np.testing.assert_allclose(held["flops"][~failed], rows["flops"][~failed], rtol=1e-6)


@pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:Warning")  # MLflow's own
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_a_trained_objective_that_was_killed_is_followed_whole(tmp_path: Path) -> None:
    killed_and_gone_on(run_code, [SCRIPT], tmp_path)
    values = pd.read_csv(tmp_path / "evaluations.csv")["value"].to_numpy()
    assert 0 < np.isnan(values).sum() < 9
    names = ("value", "best", "failed")
    logged, run = of_mlflow(tmp_path, names)
    assert run.data.tags["best architecture"]
    for held in (logged, of_tensorboard(tmp_path, names), of_wandb(tmp_path, names)):
        assert held["failed"].tolist() == np.isnan(values).tolist()
        np.testing.assert_allclose(held["value"], values, rtol=1e-6)
        assert np.nanmax(held["best"]) == pytest.approx(np.nanmax(values))
