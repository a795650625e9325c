"""Devices by number: every command takes them, and workers on several are of one study."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from pages import PAGES, shown
from processes import Process, run_command
from typer.main import get_command
from typer.testing import CliRunner

from nasurge.benchmarks.studies import Journal, TrainingPlan
from nasurge.benchmarks.training import Recipe
from nasurge.cli import app
from nasurge.data.images import load_images
from nasurge.data.spaces import make_space
from nasurge.errors import ParameterError

MISSING = "cuda:7"
NEEDED = {
    "search": "--space nb201 --images digits --budget 2",
    "validate": "nb201-analog/cifar10",
    "table build": "own --space nb201",
    "table verify": "nb201-digits",
    "supernet train": "",
    "supernet search": "",
    "supernet best": "",
    "meta train": "--steps 1",
    "meta few-shot": "",
    "meta warm-start": "--from store --images digits",
}
"""What else each command with ``--device`` has to be given."""


def with_device(group: Any = None, before: str = "") -> Iterator[str]:
    """Every command that has ``--device``."""
    for name, command in getattr(group or get_command(app), "commands", {}).items():
        if any("--device" in parameter.opts for parameter in command.params):
            yield f"{before}{name}"
        if getattr(command, "commands", {}):
            yield from with_device(command, f"{before}{name} ")


def test_all_commands_with_a_device_are_tried() -> None:
    assert set(with_device()) == set(NEEDED)


@pytest.mark.parametrize("name", NEEDED)
def test_a_device_that_is_not_there_is_named(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "store").mkdir()
    typed = [*name.split(), *shlex.split(NEEDED[name]), "--device", MISSING]
    done = CliRunner().invoke(app, typed)
    assert done.exit_code == 2, done.output
    said = done.stderr.replace("\n", " ")
    assert f"this machine has no device '{MISSING}'" in said
    assert not list(tmp_path.glob("runs/*/rows.jsonl"))


def test_workers_on_two_gpus_are_of_one_study(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the names of devices alone: no GPU is asked for anything."""
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    images = load_images("digits", limit=20)
    plans = [
        TrainingPlan(make_space("nb201"), images, Recipe(), device)
        for device in ("cuda:0", "cuda:1", "cpu")
    ]
    assert [plan.device for plan in plans] == ["cuda:0", "cuda:1", "cpu"]
    first, second, third = (plan.about() for plan in plans)
    Journal(tmp_path, first)
    assert second == first
    Journal(tmp_path, second)
    Journal(tmp_path, {**first, "device": "cuda:1"})  # as folders said before
    Journal(tmp_path, {**first, "device": "auto"})
    with pytest.raises(ParameterError, match="different: device"):
        Journal(tmp_path, third)


@pytest.mark.skipif(torch.cuda.is_available(), reason="auto is another device than cpu here")
def test_two_workers_with_other_devices_share_the_search_of_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (PAGES / "workers.md").read_text(encoding="utf-8")
    [line] = re.findall(r"^```console\n\$ nasurge (.*)\n```$", page, re.MULTILINE)
    command = shlex.split(line)
    other = ["auto" if word == "cpu" else word for word in command]
    assert other != command
    workers = [
        Process(run_command, *words, folder=tmp_path, name=name)
        for name, words in (("first", command), ("second", other))
    ]
    ends = [worker.end(300) for worker in workers]
    assert ends == [0, 0], [worker.stderr for worker in workers]
    rows = pd.read_parquet(tmp_path / "team" / "rows.parquet")
    assert len(rows) == 4
    assert rows["accuracy"].notna().all()
    journals = list((tmp_path / "team" / "trainings").rglob("rows.jsonl"))
    trained = [line for path in journals for line in path.read_text().splitlines()]
    assert len(trained) == len(rows.drop_duplicates("architecture")) == 4
    monkeypatch.chdir(tmp_path)
    assert "4 evaluations" in shown("workers.md")[0]  # once more: nothing is left to do
    assert sum(len(path.read_text().splitlines()) for path in journals) == 4
