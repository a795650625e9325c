"""Experiment trackers: what they hold of a search, read back with their own readers."""

from __future__ import annotations

import logging
import pickle
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from offline_runs import offline_part

import nasurge
from nasurge.errors import MissingExtraError, ParameterError, UnknownNameError
from nasurge.search.loop import TrackedRun, Tracker
from nasurge.trackers import MLflow, TensorBoard, WandB, trackers_of

SPACE = "nb201"


def value(codes: np.ndarray) -> np.ndarray:
    """An objective with a failure."""
    found = (codes == 3).sum(axis=1).astype(float)
    found[(codes == 0).all(axis=1)] = np.nan
    return found


class Kept(TrackedRun):
    """A run in memory."""

    def __init__(self) -> None:
        self.steps: list[tuple[int, str, dict[str, float]]] = []
        self.files: list[str] = []
        self.closed = 0

    @property
    def logged(self) -> int:
        return len(self.steps)

    def log(self, step: int, architecture: str, numbers: Mapping[str, float]) -> None:
        self.steps.append((step, architecture, dict(numbers)))

    def close(self, files: Any) -> None:
        self.files += [path.read_text() for path in files if path.suffix == ".csv"]
        self.closed += 1


class InMemory(Tracker):
    """A tracker in memory, that finds runs by their keys."""

    def __init__(self) -> None:
        self.runs: dict[str, Kept] = {}

    def open(
        self, name: str, *, key: str | None, group: str, about: Mapping[str, Any]
    ) -> TrackedRun:
        assert group
        assert all(isinstance(v, str | int | float | list) for v in about.values()), about
        return self.runs.setdefault(key or f"{name} {len(self.runs)}", Kept())


class Broken(Tracker):
    """A tracker that fails when it is told of an evaluation."""

    def open(
        self, name: str, *, key: str | None, group: str, about: Mapping[str, Any]
    ) -> TrackedRun:
        raise ConnectionError("no such server")


def test_every_evaluation_is_told_once_with_its_numbers() -> None:
    tracker = InMemory()
    trace = nasurge.search(value, space=SPACE, searcher="random", budget=12, batch=5, track=tracker)
    [run] = tracker.runs.values()
    assert [step for step, _, _ in run.steps] == list(range(12))
    assert [name for _, name, _ in run.steps] == trace.space.format(trace.codes)
    assert [numbers.get("value", np.nan) for *_, numbers in run.steps] == pytest.approx(
        trace.values.tolist(), nan_ok=True
    )
    best = np.fmax.accumulate(trace.values)
    assert [numbers["best"] for *_, numbers in run.steps] == best.tolist()
    assert all(numbers["search seconds"] >= 0 for *_, numbers in run.steps)
    assert run.closed == 1
    assert run.files[0].splitlines()[0].startswith("architecture,")
    assert len(run.files[0].splitlines()) == 13


def test_values_have_their_names_and_units() -> None:
    def measured(architecture: dict[str, Any]) -> dict[str, float]:
        return {"accuracy": architecture["a"], "latency": architecture["a"] * 2.0}

    tracker = InMemory()
    own = {"a": [1, 2, 3], "b": [1, 2]}
    nasurge.search(
        measured,
        space=own,
        form="dicts",
        objectives="accuracy,latency",
        constraints="latency<=4",
        budget=6,
        track=tracker,
    )
    [run] = tracker.runs.values()
    assert all(n["latency"] == 2 * n["accuracy"] for *_, n in run.steps)
    assert not any("best" in n for *_, n in run.steps)


def test_a_search_that_goes_on_is_not_told_twice(tmp_path: Path) -> None:
    tracker = InMemory()
    kept = {"storage": f"sqlite:///{tmp_path}/runs.db", "study": "s", "batch": 4}
    common: dict[str, Any] = {"space": SPACE, "searcher": "random", "track": tracker, **kept}

    def interrupted(codes: np.ndarray) -> np.ndarray:
        if len(next(iter(tracker.runs.values())).steps) >= 8:
            raise KeyboardInterrupt
        return value(codes)

    with pytest.raises(KeyboardInterrupt):
        nasurge.search(interrupted, budget=20, **{**common, "searcher": "random"})
    [run] = tracker.runs.values()
    assert run.logged == 8
    trace = nasurge.search(interrupted, budget=8, **common)
    assert run.logged == 8
    trace = nasurge.search(value, budget=20, **common)
    nasurge.search(value, budget=20, **common)
    assert list(tracker.runs.values()) == [run]
    assert [step for step, _, _ in run.steps] == list(range(20))
    assert [name for _, name, _ in run.steps] == trace.space.format(trace.codes)


def test_what_was_evaluated_before_a_tracker_came_is_told_too(tmp_path: Path) -> None:
    tracker = InMemory()
    kept = {"storage": f"sqlite:///{tmp_path}/runs.db", "study": "s", "space": SPACE}
    nasurge.search(value, searcher="random", budget=5, **kept)
    nasurge.search(value, searcher="random", budget=10, track=[tracker], **kept)
    [run] = tracker.runs.values()
    assert [step for step, _, _ in run.steps] == list(range(10))


def test_a_tracker_that_fails_is_given_up_once_and_the_search_goes_on(
    caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    tracker = InMemory()
    with caplog.at_level(logging.WARNING):
        trace = nasurge.search(
            value, space=SPACE, searcher="random", budget=12, track=[Broken(), tracker]
        )
    assert len(trace.values) == 12
    # On tables, a tracker that does not answer is asked once for all searches.
    nasurge.search(
        "nbgraph/proteins", budget=3, trials=2, jobs=1, out=tmp_path / "a", track=Broken()
    )
    said = [record for record in caplog.records if "no longer follows" in record.message]
    assert len(said) == 2
    assert next(iter(tracker.runs.values())).logged == 12


def test_searches_on_tables_are_followed_one_by_one(tmp_path: Path) -> None:
    tracker = InMemory()
    options: dict[str, Any] = {"searcher": "evolution", "budget": 6, "trials": 2, "jobs": 1}
    for _ in range(2):
        found = nasurge.search("nbgraph/proteins", out=tmp_path / "a", track=tracker, **options)
    assert len(tracker.runs) == 5  # two searchers, two trials, and the report
    searches = [run for key, run in tracker.runs.items() if not key.endswith("report")]
    assert sorted(run.logged for run in searches) == [6, 6, 6, 6]
    names = [name for run in searches for _, name, _ in run.steps]
    assert sorted(names) == sorted(row["architecture"] for row in found.rows)
    numbers = searches[0].steps[0][2]
    assert set(numbers) == {"proteins valid accuracy", "failed", "search seconds", "best"}


def test_fronts_of_tables_are_followed(tmp_path: Path) -> None:
    tracker = InMemory()
    nasurge.search(
        "nb201-analog/cifar10",
        searcher="nsga2",
        objectives="accuracy,flops",
        constraints="accuracy>=50",
        budget=6,
        trials=1,
        jobs=1,
        out=tmp_path / "a",
        track=tracker,
    )
    run = next(run for key, run in tracker.runs.items() if not key.endswith("report"))
    assert run.logged == 6
    assert all(n["flops"] > 0 and n["accuracy"] > 0 for *_, n in run.steps)


def test_names_of_trackers_are_checked() -> None:
    with pytest.raises(UnknownNameError, match="unknown tracker 'mlflo'; did you mean 'mlflow'"):
        nasurge.search(value, space=SPACE, track="mlflo")
    with pytest.raises(ParameterError, match="track is mlflow"):
        nasurge.search("nbgraph/proteins", track=[3])
    with pytest.raises(ParameterError, match="mode is one of"):
        WandB(mode="off")


@pytest.mark.parametrize(
    ("module", "make"), [("mlflow", MLflow), ("tensorboard", TensorBoard), ("wandb", WandB)]
)
def test_a_package_that_is_missing_is_named(
    module: str, make: Callable[[], Tracker], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=rf"pip install 'nasurge\[{module}\]'"):
        make()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_a_server_that_is_gone_and_a_missing_login_end_no_search(
    caplog: pytest.LogCaptureFixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("mlflow", reason="the extra mlflow is not installed")
    pytest.importorskip("wandb", reason="the extra wandb is not installed")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    for name in ("WANDB_API_KEY", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)
    gone = MLflow("http://127.0.0.1:9")  # a port that nobody answers
    begin = time.perf_counter()
    with caplog.at_level(logging.WARNING):
        trace = nasurge.search(
            value, space=SPACE, searcher="random", budget=4, track=[gone, WandB(mode="online")]
        )
    assert time.perf_counter() - begin < 100  # of its own MLflow would ask for minutes
    assert len(trace.values) == 4
    said = [r.getMessage() for r in caplog.records if "no longer follows" in r.message]
    assert len(said) == 2
    assert "127.0.0.1" in said[0]
    assert 'type "wandb login", or set WANDB_MODE=offline' in said[1]


def searched(tracker: Tracker, folder: Path) -> nasurge.search.loop.Trace:
    """A search of twelve evaluations that was stopped after five, and one on a table."""
    assert pickle.loads(pickle.dumps(tracker))  # other processes run searches too
    kept = {"storage": f"sqlite:///{folder}/runs.db", "study": "s", "space": SPACE}
    for budget in (5, 12, 12):
        trace = nasurge.search(value, searcher="random", budget=budget, track=tracker, **kept)
    for _ in range(2):
        nasurge.search(
            "nbgraph/proteins",
            searcher="random",
            budget=3,
            trials=2,
            jobs=2,
            out=folder / "table",
            track=tracker,
        )
    return trace


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:Warning")  # MLflow's own
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_mlflow_holds_a_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = pytest.importorskip("mlflow", reason="the extra mlflow is not installed")
    monkeypatch.chdir(tmp_path)
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    trace = searched(MLflow(uri), tmp_path)
    client = mlflow.MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name("nasurge")
    runs = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
    assert len(runs) == 4
    run = runs["s"]
    history = client.get_metric_history(run.info.run_id, "value")
    assert [metric.step for metric in history] == list(range(12))
    assert [metric.value for metric in history] == trace.values.tolist()
    best = client.get_metric_history(run.info.run_id, "best")[-1].value
    assert best == trace.best().value
    assert run.data.tags["best architecture"] in trace.space.format(trace.codes)
    assert run.data.params["space"] == SPACE
    assert run.info.status == "FINISHED"
    [file] = client.list_artifacts(run.info.run_id)
    rows = pd.read_csv(client.download_artifacts(run.info.run_id, file.path))
    assert rows["architecture"].tolist() == trace.space.format(trace.codes)
    report = {f.path for f in client.list_artifacts(runs["table: report"].info.run_id)}
    history = client.get_metric_history(runs["table: report"].info.run_id, "files")
    assert [metric.value for metric in history] == [3]
    assert report == {"rows.parquet", "summary.json", "report.html"}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:Warning")  # MLflow's own
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_mlflow_writes_into_the_folder_of_each_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("mlflow", reason="the extra mlflow is not installed")
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        run = MLflow("sqlite:///own.db").open(name, key=None, group="g", about={})
        run.close([])
        assert (tmp_path / name / "own.db").is_file()


@pytest.mark.slow
def test_tensorboard_holds_a_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reason = "the extra tensorboard is not installed"
    pytest.importorskip("tensorboard", reason=reason)
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    monkeypatch.chdir(tmp_path)
    trace = searched(TensorBoard(tmp_path / "tb"), tmp_path)
    folders = sorted((tmp_path / "tb").glob("*/*"))
    assert len(folders) == 4
    events = EventAccumulator(
        str(next(f for f in folders if f.name.startswith("s-"))),
        size_guidance={"scalars": 0, "tensors": 0},
    )
    events.Reload()
    assert [e.step for e in events.Scalars("value")] == list(range(12))
    assert [e.value for e in events.Scalars("value")] == trace.values.tolist()
    report = EventAccumulator(str(next(f for f in folders if f.name.startswith("table-report"))))
    report.Reload()
    assert [e.value for e in report.Scalars("files")] == [3]
    texts = events.Tensors("architecture/text_summary")
    names = [text.tensor_proto.string_val[0].decode().strip("`") for text in texts]
    assert names == trace.space.format(trace.codes)


@pytest.mark.slow
def test_wandb_holds_a_search_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb", reason="the extra wandb is not installed")
    monkeypatch.chdir(tmp_path)
    trace = searched(WandB(mode="offline", folder=tmp_path), tmp_path)
    files = sorted((tmp_path / "wandb").glob("offline-run-*/*.wandb"))
    by_run: dict[str, list[dict[str, Any]]] = {}
    artifacts = []
    for file in files:
        part = offline_part(file)
        by_run.setdefault(part.name, []).extend(part.history)
        artifacts += [part.name] * part.artifacts
    assert len(by_run) == 4
    assert len(files) == 5  # the search that went on has two parts
    steps = by_run["s"]
    assert [step["_step"] for step in steps] == list(range(12))
    assert [step["value"] for step in steps] == trace.values.tolist()
    assert [step["architecture"] for step in steps] == trace.space.format(trace.codes)
    assert artifacts.count("s") == 2
    assert artifacts.count("table: report") == 1


def test_a_command_follows_its_searches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tensorboard", reason="the extra tensorboard is not installed")
    from typer.testing import CliRunner

    from nasurge.cli import app

    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "counted_here.py").write_text("def value(codes):\n    return codes.sum(axis=1)\n")
    typed = "search --space nb201 --objective counted_here:value -s random -b 4 --track tensorboard"
    shown = CliRunner().invoke(app, typed.split())
    assert shown.exit_code == 0, shown.output
    assert len(list((tmp_path / "runs" / "tensorboard").glob("*/*"))) == 2
    assert trackers_of("tensorboard")[0].__class__ is TensorBoard
