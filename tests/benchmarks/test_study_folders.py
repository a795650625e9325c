"""Folders of studies: a stranger's are left alone, deleted ones are written again, budgets grow."""

from __future__ import annotations

import json
import shutil
from functools import partial
from pathlib import Path

import pytest
import typer

import nasurge
from nasurge.benchmarks.studies.journal import Journal, read_units
from nasurge.cli.common import reported_errors
from nasurge.errors import DataFileError, ParameterError


def rows_of(k: int) -> list[dict]:
    return [{"k": k}]


def deletes(folder: Path, k: int) -> list[dict]:
    shutil.rmtree(folder)
    return rows_of(k)


@pytest.mark.parametrize("lost", [0, 1, 4])
def test_what_is_deleted_from_a_folder_is_written_again(tmp_path: Path, lost: int) -> None:
    folder = tmp_path / "o"
    units = {f"unit {k}": partial(rows_of, k) for k in range(5)}
    journal = Journal(folder, {"kind": "test", "trials": 2}, grows=("trials",))
    rows = journal.run({**units, f"unit {lost}": partial(deletes, folder, lost)}, jobs=1)
    assert [row["k"] for row in rows] == list(range(5))
    assert len(read_units(folder)) == 5
    assert json.loads((folder / "study.json").read_text()) == {"kind": "test", "trials": 2}
    again = Journal(folder, {"kind": "test", "trials": 2}, grows=("trials",))
    assert again.run(units, jobs=1) == rows


def test_a_folder_that_cannot_be_written_again_is_an_error(tmp_path: Path) -> None:
    folder = tmp_path / "o"

    def replaced(k: int) -> list[dict]:
        shutil.rmtree(folder)
        folder.write_text("a file of somebody")
        return rows_of(k)

    with pytest.raises(nasurge.NasurgeError, match="a file is in the way"):
        Journal(folder, {"kind": "test"}).run({"a": partial(replaced, 1)}, jobs=1)


def test_a_folder_with_files_of_somebody_is_refused(tmp_path: Path) -> None:
    for name in ("report.html", "rows.csv"):
        (tmp_path / name).write_text("mine")
    search = partial(nasurge.search, "nb201-analog/cifar10", searcher="random", trials=1, jobs=1)
    with pytest.raises(
        ParameterError, match=r"holds no study of NASurge \(report.html, rows.csv\)"
    ):
        search(budget=10, out=tmp_path)
    assert [path.read_text() for path in sorted(tmp_path.iterdir())] == ["mine", "mine"]
    (tmp_path / "study.json").write_text('{"mine": 1}')
    with pytest.raises(ParameterError, match="another study"):
        search(budget=10, out=tmp_path)
    (tmp_path / "study.json").write_text("not JSON")
    with pytest.raises(DataFileError, match="damaged"):
        search(budget=10, out=tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / ".gitignore").write_text("*")
    assert search(budget=10, out=tmp_path / "empty").rows


@pytest.mark.parametrize("stored", [False, True])
def test_a_larger_budget_goes_on_and_a_smaller_one_says_so(tmp_path: Path, stored: bool) -> None:
    where = {"storage": tmp_path / "runs.db", "study": "s"} if stored else {}

    def search(budget: int, out: str, **more):
        options = {"searcher": "evolution", "trials": 2, "jobs": 1, "out": tmp_path / out, **more}
        return nasurge.search("nb201-analog/cifar10", budget=budget, **options)

    def asked(found) -> list[str]:
        return [row["architecture"] for row in found.rows]

    small = search(30, "o", **where)
    large = search(60, "o", **where)
    assert asked(large) == asked(search(60, "fresh"))
    again = search(30, "o", **where)
    assert asked(again) == asked(small)
    assert again.about["held"] == 60
    assert "held" not in large.about
    assert again.summary[0]["budget"] == 30
    assert asked(search(60, "o", **where)) == asked(large)


def test_an_interruption_before_anything_is_done_says_nothing_of_it(tmp_path: Path) -> None:
    def stop(done: int, total: int, note: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        nasurge.search("nb201-analog/cifar10", budget=5, jobs=1, out=tmp_path / "o", progress=stop)
    assert not hasattr(caught.value, "__notes__")


def test_an_interruption_says_what_is_kept(tmp_path: Path) -> None:
    def stop(done: int, total: int, note: str) -> None:
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        nasurge.search(
            "nb201-analog/cifar10",
            searcher="random",
            budget=5,
            trials=2,
            jobs=1,
            out=tmp_path / "o",
            progress=stop,
        )
    assert caught.value.__notes__ == [
        "what was done is kept; the same command again goes on from there"
    ]
    assert len(read_units(tmp_path / "o")) == 1


def test_a_stopped_command_that_keeps_nothing_says_so(capsys) -> None:
    with pytest.raises(typer.Exit) as ended, reported_errors():
        raise KeyboardInterrupt
    assert ended.value.exit_code == 130
    assert capsys.readouterr().err == "stopped: nothing of it is kept\n"


def test_results_and_searchers_have_short_reprs(tmp_path: Path) -> None:
    found = nasurge.search(
        "nb201-analog/cifar10", searcher="random", budget=50, trials=2, jobs=1, out=tmp_path
    )
    assert repr(found) == f"<SearchFindings: 1 case of 100 rows, in {tmp_path}>"
    searcher = nasurge.make_searcher("evolution", nasurge.make_space("nb201"), predictor="gp")
    assert repr(searcher) == "<GuidedEvolution of space nb201: 0 told>"
