"""``nasurge search --space --objective``: a function of one's own from the command line."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from nasurge.cli import app

SPACE = """
name = "own"
[variables]
depth = [2, 3, 4]
width = [16, 32, 64, 128]
op = ["a", "b", "c"]
"""
MODULE = """
import os
from pathlib import Path

def value(codes):
    with Path("log.txt").open("a") as log:
        log.writelines(f"{row}\\n" for row in codes.tolist())
    if Path("die").exists() and Path("log.txt").read_text().count("\\n") > 12:
        os._exit(9)
    return codes.sum(axis=1)

def measured(architecture):
    size = architecture["depth"] * architecture["width"]
    return {"accuracy": 50 + size**0.5, "latency": float(size)}

def size(architecture):
    return architecture["depth"] * architecture["width"]

def short(codes):
    return [1.0]

def unmeasured(codes):
    return [float("nan")] * len(codes)

def broken(codes):
    raise RuntimeError("no memory")

def noisy(codes):
    seen = Path("log.txt").read_text().count("\\n") if Path("log.txt").exists() else 0
    return value(codes) + [(37 * (seen + k) % 11) / 20 for k in range(len(codes))]

number = 3
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Working folder with a space and a module of functions."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    for name in ("own_functions", "no_import", "cannot"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    (tmp_path / "own.toml").write_text(SPACE)
    (tmp_path / "own_functions.py").write_text(MODULE)
    (tmp_path / "no_import.py").write_text("import not_there_at_all\n")
    (tmp_path / "cannot.py").write_text("raise SystemExit('no')\n")
    return tmp_path


def search(*arguments: str, code: int = 0) -> str:
    """Output of a search of the space, or its error."""
    ran = CliRunner().invoke(app, ["search", *arguments])
    assert ran.exit_code == code, ran.output
    return ran.stdout if code == 0 else ran.stderr


OWN = ("--space", "own.toml", "--objective", "own_functions:value")


def test_one_value_is_searched_and_found() -> None:
    found = json.loads(search(*OWN, "-b", "20", "-t", "2", "-s", "bo,random", "--json"))
    assert [entry["searcher"] for entry in found["summary"]] == ["bo", "random"]
    assert not [key for key in found["summary"][0] if "regret" in key or "optimum" in key]
    best = found["found"][0]
    assert best["value"] == 7
    assert best["variables"] == {"depth": 4, "width": 128, "op": "c"}
    rows = pd.read_parquet(found["rows"])
    assert len(rows) == 80
    assert not rows.duplicated(["searcher", "trial", "architecture"]).any()


def test_a_search_ends_with_its_architecture() -> None:
    lines = search(*OWN, "-b", "100", "-t", "3", "-s", "random").splitlines()
    start = next(k for k, line in enumerate(lines) if line.startswith("best found, value 7: "))
    assert lines[start + 1 : start + 3] == [
        '  as a dict: {"depth": 4, "width": 128, "op": "c"}',
        "  its value: the same in each of 3 evaluations",
    ]
    text = search(*OWN, "-b", "100", "-t", "1", "-s", "random")
    assert "its value: of one evaluation, so that it has no interval" in text


def test_what_was_evaluated_again_counts_by_its_mean() -> None:
    noisy = ("--space", "own.toml", "--objective", "own_functions:noisy")
    found = json.loads(search(*noisy, "-b", "100", "-t", "5", "-s", "random", "-j", "1", "--json"))
    rows = pd.read_parquet(found["rows"])
    means = rows.groupby("architecture")["value"].mean()
    best = found["found"][0]
    assert best["value"] == pytest.approx(means.max())
    assert best["architecture"] == means.idxmax()
    measured = best["measured"]
    assert measured["n"] == 5
    assert measured["low"] < best["value"] < measured["high"]


def test_a_search_on_a_table_ends_with_its_architectures() -> None:
    text = search("nb201-digits", "-s", "random", "-b", "10", "-t", "1", "-j", "1")
    assert re.search(r"digits: best found, searched value [\d.]+: \|", text)
    assert '  as a dict: {"edge 0-1": "' in text
    assert "  its value: mean of 2 trainings: " in text
    assert re.search(r"  its costs: .*flops [\d.]+", text)
    several = ("--objectives", "accuracy,flops")
    text = search("nb201-digits", "-s", "nsga2", *several, "-b", "10", "-t", "1", "-j", "1")
    assert "front of nb201-digits/digits, of all searchers over all trials" in text
    assert len(re.findall(r"^ +(?:nsga2|random) +[\d.]+ +[\d.]+ .*~2\|", text, re.MULTILINE)) > 1


def test_several_objectives_have_a_front_within_bounds() -> None:
    functions = ("--objective", "own_functions:measured", "--form", "dicts")
    text = search(
        *("--space", "own.toml", *functions, "--objectives", "accuracy,latency"),
        *("--constraint", "latency<=130", "-b", "30", "--json"),
    )
    front = [entry["values"] for entry in json.loads(text)["found"]]
    assert max(value["latency"] for value in front) <= 130
    assert json.loads(text)["summary"][0]["best"] is None


def test_costs_are_known_before_an_evaluation_and_minimised_values_are_their_own() -> None:
    functions = ("--objective", "own_functions:size", "--form", "dicts", "--minimise", "value")
    text = search(
        *("--space", "own.toml", *functions, "--constraint", "size>=60"),
        *("--cost", "size=own_functions:size", "-b", "20", "--json"),
    )
    found = json.loads(text)
    assert found["found"][0]["value"] == found["found"][0]["costs"]["size"] == 64
    assert pd.read_parquet(found["rows"])["value"].min() >= 60


def test_a_name_of_a_space_that_nobody_lists_will_do() -> None:
    text = search("--space", "darts", "--objective", "own_functions:value", "-b", "5")
    assert "1 trial of 5 evaluations" in text


def killed(*arguments: str) -> int:
    """Exit code of a command in a process of its own."""
    command = [sys.executable, "-m", "nasurge", "search", *arguments]
    return subprocess.run(command, check=False, env=os.environ, capture_output=True).returncode


@pytest.mark.parametrize("storage", [(), ("--storage", "sqlite:///own.db", "--study", "mine")])
def test_a_killed_search_goes_on_where_it_was(folder: Path, storage: tuple[str, ...]) -> None:
    arguments = (*OWN, *storage, "-b", "20", "-s", "evolution", "--json")
    whole = json.loads(search(*arguments, "--out", "whole", *(("--seed", "1") if storage else ())))
    (folder / "log.txt").unlink()
    (folder / "die").touch()
    again = (*OWN, "-b", "20", "-s", "evolution", "--json", "--out", "again")
    again = (*again, *(("--storage", "sqlite:///other.db", "--study", "b") if storage else ()))
    again = (*again, *(("--seed", "1") if storage else ()))
    assert killed(*again) == 9
    (folder / "die").unlink()
    found = json.loads(search(*again))
    frames = [pd.read_parquet(one["rows"])["architecture"] for one in (whole, found)]
    pd.testing.assert_series_equal(*frames)
    told = (folder / "log.txt").read_text().splitlines()
    assert len(told) <= 25, "at most a batch is evaluated again"
    further = json.loads(search(*[a if a != "20" else "25" for a in again]))
    assert len(pd.read_parquet(further["rows"])) == 25
    assert len((folder / "log.txt").read_text().splitlines()) == len(told) + 5


def test_failures_stay_until_they_are_tried_again(folder: Path) -> None:
    arguments = ("--space", "own.toml", "--objective", "own_functions:unmeasured", "-b", "6")
    assert "nothing found" in search(*arguments, "--out", "kept")
    (folder / "own_functions.py").write_text(MODULE.replace('float("nan")', "2.5"))
    del sys.modules["own_functions"]
    assert "nothing found" in search(*arguments, "--out", "kept")
    assert "value 2.5" in search(*arguments, "--out", "kept", "--retry-failed")


WRONG = {
    "no function named": (("--space", "own.toml"), "--objective MODULE:FUNCTION"),
    "no space": (("--objective", "own_functions:value"), "--space FILE.toml"),
    "nothing": ((), "name what to search"),
    "a table too": (("nb201-analog/cifar10", *OWN), "not both"),
    "no colon": (("--space", "own.toml", "--objective", "own_functions"), "is MODULE:FUNCTION"),
    "a file": (("--space", "own.toml", "--objective", "./x.py:value"), "is MODULE:FUNCTION"),
    "misspelt module": (
        ("--space", "own.toml", "--objective", "own_funtions:value"),
        "did you mean own_functions",
    ),
    "misspelt function": (
        ("--space", "own.toml", "--objective", "own_functions:vale"),
        "did you mean 'value'",
    ),
    "module lacks another": (
        ("--space", "own.toml", "--objective", "no_import:f"),
        "imports 'not_there_at_all'",
    ),
    "module ends": (("--space", "own.toml", "--objective", "cannot:f"), "SystemExit: no"),
    "no function": (
        ("--space", "own.toml", "--objective", "own_functions:number"),
        "not a function",
    ),
    "wrong shape": (
        ("--space", "own.toml", "--objective", "own_functions:short"),
        "must return one number",
    ),
    "a dict without objectives": (
        ("--space", "own.toml", "--objective", "own_functions:measured", "--form", "dicts"),
        "say what is searched",
    ),
    "raises": (("--space", "own.toml", "--objective", "own_functions:broken"), "no memory"),
    "misspelt space": (
        ("--space", "drats", "--objective", "own_functions:value"),
        "unknown space 'drats'",
    ),
    "metric": ((*OWN, "--metric", "m"), "not used with --objective: --metric"),
    "form on a table": (("nb201-analog/cifar10", "--form", "dicts"), "with a table"),
    "form": ((*OWN, "--form", "dict"), "codes, dicts, strings"),
    "cost": ((*OWN, "--cost", "size"), "NAME=MODULE:FUNCTION"),
    "unused cost": ((*OWN, "--cost", "size=own_functions:size"), "'size'"),
    "searcher": ((*OWN, "-s", "bow"), "unknown searcher 'bow'"),
    "predictor": ((*OWN, "-s", "random", "-p", "gp"), "none of the searchers"),
    "bound that excludes all": (
        *((*OWN, "--constraint", "size<=1", "--cost", "size=own_functions:costly"),),
        "size",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_one_clear_error(case: str, folder: Path) -> None:
    arguments, words = WRONG[case]
    with (folder / "own_functions.py").open("a") as file:
        file.write("\ndef costly(codes):\n    return codes.sum(axis=1) + 100\n")
    error = search(*arguments, "-b", "10", code=2)
    assert words in error
    assert [line.startswith("error: ") for line in error.splitlines()][-1]
