"""Every kind of study: run at its smallest size, stopped, killed, resumed and reported."""

from __future__ import annotations

import dataclasses
import json
import os
import pickle
import re
import signal
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from processes import Process, run_command

from nasurge.benchmarks.studies import Journal
from nasurge.registry import STUDIES, study_class, study_descriptions

NETWORKS = ("--limit", "60", "--epochs", "1", "--width", "2", "--device", "cpu")
SETTINGS: dict[str, Sequence[str]] = {
    "compare": ("compare", "nbgraph/proteins", "-p", "ridge,gp", "-n", "20", "-t", "2"),
    "validate": (
        *("validate", "nb201-analog/cifar10", "-p", "gp", "-n", "20", "--stratified", "5"),
        *("--learn-from", "4", "--supernet", '{"epochs": 1, "limit": 20, "tune": 1}'),
        *("--score", "curve", *NETWORKS),
    ),
    "table": ("table", "build", "tiny", "-n", "2", "--seeds", "2", "--force", *NETWORKS),
    "verify": ("table", "verify", "small", "-n", "2", "--device", "cpu"),
    "trained": ("python",),
    "search": (
        *("search", "nb201-analog/cifar10", "-s", "evolution", "-p", "ridge"),
        *("--constraint", "flops<=100", "-b", "6", "--batch", "3", "-t", "2"),
    ),
    "fronts": (
        *("search", "nb201-analog/cifar10", "-s", "nsga2", "--objectives", "accuracy,flops"),
        *("--constraint", "accuracy>=80", "-b", "6", "--batch", "3", "-t", "2"),
    ),
    "meta-tables": (
        *("meta", "tables", "nbgraph/photo", "--methods", "random,meta-evolution"),
        *("-b", "4", "-t", "2"),
    ),
    "transfer": (
        *("meta", "transfer", "nbgraph/cora", "--to", "nbgraph/citeseer", "-n", "0,5", "-t", "3"),
        *("--source-labels", "15", "--methods", "tasks-gp"),
    ),
    # So short a time is one meta-step each, whatever the machine's speed.
    "few-shot": (
        *("meta", "few-shot", "--images", "digits", "--train-classes", "5", "--way", "2"),
        *("--split", "classes", "--no-rotations", "--seconds", "1e-9", "--episodes", "5"),
        *("--shots", "1,2", "--methods", "protonet,maml"),
    ),
    "warm-start": (
        *("meta", "warm-start", "--tasks", "digits,glyphs#HEBREW,glyphs#LAO", "--seeds", "1"),
        *("--epochs", "3", "--gate", "1", "--size", "8", "--train", "40", "--width", "2"),
        *("--train-epochs", "1", "--shared", "3"),
    ),
    "function": (
        *("search", "--space", "nb201", "--objective", "counted:value", "-s", "random,local"),
        *("-b", "6", "-t", "2"),
    ),
    "latency": (
        *("meta", "latency", "latencies.npz", "--table", "nb201-analog", "-n", "5,8"),
        *("--devices", "d0,d1", "-t", "2"),
    ),
}
"""The command of each kind at its smallest size; at least three units."""


def trained(out: str) -> None:
    """What runs a study of the one kind that has no command."""
    from nasurge.benchmarks.training import Recipe, TrainedObjective
    from nasurge.data.images import load_images
    from nasurge.data.spaces import make_space

    space = make_space("nb201")
    recipe = Recipe(epochs=1, width=2, cells=1)
    images = load_images("digits", limit=60)
    objective = TrainedObjective(space, images, recipe, device="cpu", folder=Path(out))
    objective(space.sample(4, seed=0))


def stopped_command(*arguments: str, stop: tuple[int, int] | None) -> None:
    """Run a command; ``stop`` is after how many units it gets which signal."""
    run, add = Journal.run, Journal.add

    def checked_run(journal: Journal, units: Any, **options: Any) -> Any:
        for unit in units.values():
            assert dataclasses.is_dataclass(unit), unit
            pickle.loads(pickle.dumps(unit))
        return run(journal, units, **options)

    def stopped_add(journal: Journal, unit: str, rows: Any) -> None:
        add(journal, unit, rows)
        if stop and len(journal.done) == stop[0]:
            os.kill(os.getpid(), stop[1])

    Journal.run, Journal.add = checked_run, stopped_add  # type: ignore[method-assign]
    if arguments[0] == "python":
        trained(arguments[arguments.index("--out") + 1])
    else:
        run_command(*arguments)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with what some kinds need: latencies, and a table that NASurge trained."""
    folder = tmp_path_factory.mktemp("kinds")
    rng = np.random.default_rng(0)
    latencies = {f"d{k}": rng.uniform(1, 2, 15_625) for k in range(4)}
    np.savez(folder / "latencies.npz", **latencies)
    (folder / "counted.py").write_text("def value(codes):\n    return codes.sum(axis=1)\n")
    return folder


@pytest.fixture(scope="module")
def run(place: Path) -> Callable[..., str]:
    """Run a command; gives what it printed."""

    def call(*arguments: str, stop: tuple[int, int] | None = None, code: int = 0) -> str:
        environment = {"NASURGE_HOME": str(place / "home")}
        target = partial(stopped_command, stop=stop)
        process = Process(target, *arguments, folder=place, environment=environment)
        assert process.end() == code, (arguments, process.stderr)
        assert "Traceback" not in process.stderr
        return process.stdout

    call("table", "build", "small", "-n", "4", "-j", "1", *NETWORKS)
    return call


def documented(name: str, meanings: dict[str, str]) -> bool:
    """Whether a column or key is among those that are described; NAME stands for any name."""
    return any(
        re.fullmatch(re.escape(known).replace("NAME", ".+"), name) and meaning
        for known, meaning in meanings.items()
    )


def untimed(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[[column for column in frame if "seconds" not in column]]


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("kind", STUDIES)
def test_every_kind_is_stopped_killed_resumed_and_reported(
    kind: str, run: Callable[..., str], place: Path
) -> None:
    if kind not in SETTINGS:
        pytest.fail(f"say in SETTINGS how the kind {kind!r} is run at its smallest size")
    arguments = SETTINGS[kind]
    program = arguments[0] == "python"
    jobs = () if program else ("-j", "1")
    whole, broken = f"{kind}-whole", f"{kind}-broken"
    shown = run(*arguments, *jobs, "--out", whole)
    again = (*arguments, *jobs, "--out", broken, *(() if program else ("--json",)))
    run(*again, stop=(1, signal.SIGTERM), code=-signal.SIGTERM if program else 130)
    run(*again, stop=(2, signal.SIGKILL), code=-signal.SIGKILL)
    journal = place / broken / "rows.jsonl"
    kept = journal.read_text()
    assert kept.count("\n") == 2
    resumed = run(*again)
    assert journal.read_text().startswith(kept), "what was done is done again"

    study = study_class(kind)
    found = json.loads(run("report", broken, "--json"))
    assert {"kind", "summary", "rows", "report", "made"} <= set(found)
    assert found["kind"] == kind
    assert "<h1" in (place / found["report"]).read_text()
    paper = study.export(place / broken, "all,-html")
    assert {path.suffix for path in paper} == {".tex", ".md", ".csv", ".pdf", ".svg"}
    assert paper[0].parent == place / broken / "paper"
    for entry in found["summary"]:
        undocumented = [key for key in entry if not documented(key, study.summary_columns())]
        assert not undocumented
    if program:  # keeps rows as they are asked for, and no summary
        return
    assert json.loads(resumed) == found
    assert f"report: {whole}/report.html" in shown
    frames = [pd.read_parquet(place / folder / "rows.parquet") for folder in (whole, broken)]
    assert not [column for column in frames[0] if not documented(column, study.columns())]
    pd.testing.assert_frame_equal(*map(untimed, frames))


def test_every_kind_is_described_for_a_reference_page() -> None:
    described = study_descriptions()
    assert [one.kind for one in described] == list(STUDIES)
    for one in described:
        assert one.title
        assert one.summary
        assert one.rows
        assert all(one.rows.values()), one.kind
        assert all(one.summary.values()), one.kind
        assert bool(one.options) == bool(one.command)
        assert all(name and words for name, _, _, words in one.options)
