"""Files of earlier tasks and devices, and the commands that read them."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from truths import CODES, SPACE, costs
from typer.testing import CliRunner

import nasurge
from nasurge.benchmarks.objectives import parse_problems
from nasurge.benchmarks.studies import Findings
from nasurge.cli import app
from nasurge.data.tables import Table, read_latencies, read_task_labels
from nasurge.errors import (
    DataFileError,
    ParameterError,
    UnknownNameError,
)
from nasurge.registry import make_predictor
from nasurge.search.studies import (
    LatencyOptions,
    LatencyStudy,
    TransferOptions,
    TransferStudy,
    parse_sources,
)
from nasurge.search.studies.transfer import anchored_split

LEARNER = partial(make_predictor, "ridge")


def test_files_of_tasks_are_read_and_wrong_ones_named(tmp_path: Path) -> None:
    path = tmp_path / "t.npz"
    arch = np.array(SPACE.format(CODES[:3]))
    np.savez(path, arch=arch, task=np.array([1, 1, 2]), acc=np.array([1.0, 2.0, 3.0]))
    found = read_task_labels(path, SPACE)
    np.testing.assert_array_equal(found.codes, CODES[:3])
    assert list(found.tasks) == ["1", "1", "2"]
    np.savez(path, arch=arch, task=np.array([1, 1, 2]))
    with pytest.raises(UnknownNameError, match="acc"):
        read_task_labels(path, SPACE)
    path.write_bytes(b"no archive")
    with pytest.raises(DataFileError):
        read_task_labels(path, SPACE)
    np.savez(path, device=np.ones(4))
    assert read_latencies(path, 4)[0] == ["device"]
    with pytest.raises(DataFileError, match="one number"):
        read_latencies(path, 5)


def write_labels(path: Path, codes: np.ndarray, y: np.ndarray, task: str = "0") -> None:
    """Write labels of one task as a file of triples."""
    np.savez(path, arch=SPACE.format(codes), task=np.repeat(task, len(y)), acc=y)


def said(*arguments: str) -> dict:
    """What a command prints with ``--json``."""
    result = CliRunner().invoke(app, ["meta", *arguments, "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_the_command_for_devices(tmp_path: Path) -> None:
    table = nasurge.load_table("nb201-analog")
    path = tmp_path / "latencies.npz"
    values = {f"d{k}": costs(k)[SPACE.index(table.codes)] for k in range(4)}
    np.savez(path, **values)
    options = ["latency", str(path), "--table", "nb201-analog", "--devices", "d0,d1"]
    found = said(*options, "--trials", "2", "--out", str(tmp_path / "out"))["summary"]
    entry = next(r for r in found if r["device"] == "mean" and r["method"] == "transfer")
    assert entry["measurements"] == 10
    assert entry["spearman"]["n"] == 2
    assert entry["spearman"]["mean"] > 0.95
    wrong = CliRunner().invoke(app, ["meta", *options[:-1], "d7"])
    assert wrong.exit_code == 2
    options[-1] = "d0, d1"
    found = said(*options, "--trials", "1", "--methods", "nearest, scratch", "-n", "600")["summary"]
    assert {entry["method"] for entry in found} == {"nearest", "scratch"}


def latency(**options: Any) -> Findings:
    return LatencyStudy(LatencyOptions(**options)).run()


def test_measurements_that_a_table_does_not_have_are_refused(tmp_path: Path) -> None:
    """Also of a table that holds a part of its space only."""
    table = nasurge.load_table("nb201-digits")
    path = tmp_path / "latencies.npz"
    np.savez(path, **{f"d{k}": costs(k)[SPACE.index(table.codes)] for k in range(3)})
    options = {"file": path, "table": table.name, "devices": ("d0",), "trials": 1}
    options["out"] = tmp_path / "out"
    found = latency(methods=("transfer", "scratch"), **options)
    assert len(found.rows) == 2
    for n, methods in ((len(table) - 9, ("scratch",)), (501, ("transfer",))):
        with pytest.raises(ParameterError, match=f"not {n}"):
            latency(measurements=(n,), methods=methods, **options)
    with pytest.raises(ParameterError, match="name at least one method"):
        latency(methods=(), **options)


def test_the_command_for_tasks(tmp_path: Path) -> None:
    table = nasurge.load_table("nbgraph")
    rows = np.arange(0, len(table), 400)
    y = table.values(task="cora", metric="accuracy", split="test")[rows]
    path = tmp_path / "triples.npz"
    arch = np.array(table.space.format(table.codes[rows]))
    np.savez(path, arch=arch, task=np.arange(len(rows)) // 2, acc=y)
    options = ["transfer", str(path), "--to", "nbgraph/citeseer", "-n", "0"]
    options += ["--methods", "transfer, tasks-xgb", "--trials", "1", "--out", str(tmp_path / "out")]
    found = said(*options)["summary"]
    assert [(r["method"], r["labels"]) for r in found] == [
        ("transfer", 0),
        ("tasks-xgb", 0),
    ]
    assert all(r["kendall_tau"]["mean"] is not None for r in found)
    options[5:] = ["0,5", "--methods", "transfer,transfer-anchors,scratch-anchors"]
    options += ["--trials", "1", "--out", str(tmp_path / "anchors")]
    found = said(*options)["summary"]
    assert [(r["method"], r["labels"]) for r in found] == [
        ("transfer", 0),
        ("transfer", 5),
        ("transfer-anchors", 5),
        ("scratch-anchors", 5),
    ]
    assert found[1]["kendall_tau"] != found[2]["kendall_tau"]
    problem = "nbgraph/citeseer"
    with pytest.raises(ParameterError, match="1501 labels are too many for transfer-anchors"):
        TransferStudy(TransferOptions(sources=str(path), target=problem, labels=(1501,)))
    with pytest.raises(ParameterError, match="used whole: --source-labels"):
        TransferStudy(TransferOptions(sources=str(path), target=problem, source_labels=30))
    same = ["meta", "transfer", "nbgraph/cora", "--to", "nbgraph/cora"]
    assert CliRunner().invoke(app, same).exit_code == 2


def test_no_anchor_is_among_those_tested() -> None:
    [problem] = parse_problems("nbgraph/cora")
    train, test = anchored_split(problem, 7, 0, 0)
    assert len(train) == 7
    np.testing.assert_array_equal(np.sort([*train, *test]), np.arange(len(problem.rows)))
    assert len(np.intersect1d(train, anchored_split(problem, 7, 1, 0)[0])) < 7


def test_labels_too_few_for_all_methods_are_refused() -> None:
    tasks = {"sources": "nbgraph/cora", "target": "nbgraph/arxiv"}
    with pytest.raises(ParameterError, match="too few"):
        TransferStudy(TransferOptions(**tasks, labels=(0,), methods="scratch, transfer-anchors"))


def test_a_whole_table_leaves_out_what_is_on_the_data_of_the_new_task(nb201: Table) -> None:
    """The searched column of cifar10 is that of cifar10-valid."""
    del nb201
    found, _ = parse_sources("nb201", "nb201/cifar10")
    assert [source.name for source in found] == ["nb201/cifar100", "nb201/ninapro"]
    found, _ = parse_sources("nb201/cifar10-valid,nb201", "nb201/cifar10")
    assert [source.name for source in found] == [
        "nb201/" + t for t in ("cifar10-valid", "cifar100", "ninapro")
    ]


def test_no_earlier_task_is_drawn_twice() -> None:
    found, _ = parse_sources("nbgraph/cora, nbgraph", "nbgraph/arxiv")
    names = [source.name for source in found]
    assert len(names) == len(set(names)) == 8
    with pytest.raises(ParameterError, match="no earlier task is left"):
        parse_sources("nb201-analog", "nb201-analog/cifar10")


def test_files_keep_their_tasks_apart(tmp_path: Path) -> None:
    files = [tmp_path / folder / "t.npz" for folder in ("a", "b")]
    for file in files:
        file.parent.mkdir()
        write_labels(file, CODES[:40], np.arange(40.0))
    found, problem = parse_sources(f"{files[0]},{files[1]}", "nb201-analog/cifar10")
    assert len({source.name for source in found}) == 2
    tasks = np.concatenate([source.draw(9, np.random.default_rng(0)).tasks for source in found])
    assert len(set(tasks)) == 2
    assert [source.name for source in parse_sources(str(files[0]), problem.address)[0]] == ["t"]


def test_other_content_of_a_file_is_another_study(tmp_path: Path) -> None:
    """The sums of labels and of codes are the same each time."""
    file, y = tmp_path / "t.npz", np.arange(40.0)
    digests = set()
    for labels, tasks in ((y, "0"), (y[::-1], "0"), (y, "1")):
        write_labels(file, CODES[:40], labels, tasks)
        digests.add(parse_sources(str(file), "nb201-analog/cifar10")[0][0].digest)
    assert len(digests) == 3


def test_latencies_in_another_order_are_another_study(tmp_path: Path) -> None:
    table = nasurge.load_table("nb201-analog")
    path = tmp_path / "latencies.npz"
    options = {"file": path, "table": table.name, "trials": 1, "methods": "scratch"}
    values = {f"d{k}": 1.0 + np.roll(np.arange(len(table)), k) for k in range(2)}
    np.savez(path, **values)
    latency(out=tmp_path / "out", **options)
    np.savez(path, **{name: each[::-1] for name, each in values.items()})
    with pytest.raises(ParameterError, match="latencies"):
        latency(out=tmp_path / "out", **options)


def test_the_command_between_spaces(tmp_path: Path) -> None:
    """Tasks of another space: what ignores tasks has nothing to say and is left out."""
    options = ["transfer", "nbgraph/cora", "--to", "nb201-analog/cifar10", "-n", "0,5"]
    options += ["--methods", "transfer,tasks-xgb", "--trials", "1", "--source-labels", "60"]
    found = said(*options, "--out", str(tmp_path / "out"))["summary"]
    assert [(r["method"], r["labels"]) for r in found] == [("transfer", 0), ("transfer", 5)]
