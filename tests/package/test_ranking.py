"""``nasurge rank``, and tables in a space that is described."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import nasurge
from nasurge import choice, ordered
from nasurge.cli import app
from nasurge.errors import (
    ArchitectureError,
    ExhaustedError,
    ParameterError,
    SchemaError,
    StorageError,
)

SPACE = nasurge.Space(
    {
        "depth": ordered(2, 3, 4),
        "width": [16, 32, 64],
        "stem": ["conv", "pool", "none"],
        "norm": [True, False],
        "op{1..4}": choice("conv3", "mb6", active="depth >= {i}"),
    },
    name="mixed",
)


def values_of(codes: np.ndarray) -> np.ndarray:
    """Made-up accuracies: a sum over the variables."""
    return 70 + codes @ np.array([3, 2, 1, 0.5, 1, 2, 1, 0.3])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with ``d.csv``, 80 of 504 architectures, and ``s.toml``, their space."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NASURGE_HOME", str(tmp_path / "home"))
    codes = SPACE.sample(80, seed=0, unique=True)
    frame = pd.DataFrame(SPACE.to_dicts(codes)).assign(
        accuracy=values_of(codes), latency_ms=1.0 + codes[:, 0] + codes[:, 1]
    )
    frame.to_csv("d.csv", index=False)
    Path("s.json").write_text(json.dumps(SPACE.spec()), encoding="utf-8")
    return tmp_path


def test_a_column_a_variable_strings_and_json_are_one_table(folder: Path) -> None:
    (table,) = nasurge.import_table("d.csv", space="s.json", name="columns")
    assert table.space == SPACE
    assert np.allclose(table.values(task="default", metric="accuracy"), values_of(table.codes))
    assert {c.metric for c in table.columns if c.minimise} == {"latency_ms"}
    rows = SPACE.to_dicts(table.codes)
    accuracy = table.values(task="default", metric="accuracy")
    texts = {"model": SPACE.format(table.codes), "cfg": [json.dumps(row) for row in rows]}
    for name, strings in texts.items():
        pd.DataFrame({name: strings, "note": "text", "accuracy": accuracy}).to_csv(
            "t.csv", index=False
        )
        (other,) = nasurge.import_table("t.csv", space=SPACE, name=name)
        assert np.array_equal(other.codes, table.codes)
    assert nasurge.load_table("columns").space.values == SPACE.values


@pytest.mark.parametrize(
    ("row", "column", "value", "words"),
    [
        (
            4,
            "width",
            "48",
            "d.csv: row 6 is not in space 'mixed': width: '48' is none of 16, 32, 64",
        ),
        (7, "stem", "patch", "row 9 is not in space 'mixed': stem: 'patch' is none of conv"),
        (9, "depth", None, "row 11 is not in space 'mixed': it has no value of 'depth'"),
    ],
)
def test_a_row_outside_the_space_is_named(folder, row, column, value, words) -> None:
    frame = pd.read_csv("d.csv", keep_default_na=False, dtype=str)
    frame.loc[row, column] = value
    frame.to_csv("d.csv", index=False)
    with pytest.raises(ArchitectureError) as raised:
        nasurge.import_table("d.csv", space=SPACE)
    assert words in str(raised.value)


def test_a_variable_without_a_column_is_named(folder) -> None:
    pd.read_csv("d.csv").drop(columns="stem").to_csv("d.csv", index=False)
    with pytest.raises(SchemaError, match="no column of the variable 'stem' of space 'mixed'"):
        nasurge.import_table("d.csv", space=SPACE)


def test_the_best_are_found_and_proposed(folder) -> None:
    found = nasurge.rank("d.csv", space="s.json", predictor="gp", metric="accuracy", propose=8)
    assert found.path is None
    assert found.whole
    assert len(found.frame) == SPACE.size - 80
    assert found.quality["mean"] > 0.8
    assert found.quality["low"] < found.quality["mean"] < found.quality["high"]
    truth = values_of(SPACE.parse(found.frame["architecture"].tolist()))
    assert truth[:10].min() > np.quantile(truth, 0.9)
    proposed = SPACE.parse([one.architecture for one in found.proposed])
    assert len(np.unique(SPACE.keys(proposed))) == 8
    (table,) = nasurge.import_table("d.csv", space=SPACE)
    assert not np.isin(SPACE.keys(proposed), SPACE.keys(table.codes)).any()
    assert found.proposed[0].variables == SPACE.to_dicts(proposed[:1])[0]
    missing = found.frame["op4"].isna()
    assert (missing == (found.frame["depth"] < 4)).all(), "a missing cell has no effect"


def test_smaller_may_be_better(folder) -> None:
    found = nasurge.rank("d.csv", space=SPACE, predictor="gp", metric="latency_ms", propose=2)
    assert found.minimise
    assert found.frame["score"].is_monotonic_increasing
    other = nasurge.rank(
        "d.csv", space=SPACE, predictor="gp", metric="latency_ms", propose=2, maximise="latency_ms"
    )
    assert other.proposed[0].score > found.proposed[0].score


def test_no_two_twins_are_proposed() -> None:
    found = nasurge.rank("nb201-digits", predictor="xgb", propose=30)
    assert "no deviations" in found.rule
    assert all(np.isnan(one.std) for one in found.proposed)
    table = nasurge.load_table("nb201-digits")
    codes = table.space.parse([one.architecture for one in found.proposed])
    functions = table.space.function_ids(codes)
    assert len(np.unique(functions)) == 30
    assert not np.isin(functions, table.space.function_ids(table.codes)).any()


def test_a_space_that_cannot_be_listed_is_sampled(tmp_path) -> None:
    space = nasurge.Space({f"x{k}": [1, 2, 3] for k in range(30)}, name="wide")
    codes = space.sample(60, seed=0)
    frame = pd.DataFrame(space.to_dicts(codes)).assign(accuracy=codes.sum(axis=1))
    frame.to_csv(tmp_path / "w.csv", index=False)
    found = nasurge.rank(tmp_path / "w.csv", space=space, predictor="ridge", sample=1000, seed=1)
    assert not found.whole
    assert 800 < len(found.frame) <= 1000
    best = space.parse([one.architecture for one in found.proposed]).sum(axis=1)
    measured = codes.sum(axis=1)
    assert np.median(best) > np.quantile(measured, 0.95)
    assert best.max() > measured.max()


def test_the_command_prints_json_and_writes_the_ranking(folder) -> None:
    command = ["rank", "d.csv", "--space", "s.json", "-p", "gp", "-m", "accuracy", "--propose", "3"]
    ran = CliRunner().invoke(app, [*command, "--json"])
    assert ran.exit_code == 0, ran.output
    told = json.loads(ran.stdout)
    assert [set(one) for one in told["proposed"]] == [
        {"architecture", "variables", "score", "std"}
    ] * 3
    assert pd.read_csv(told["ranking"]).columns[0] == "architecture"
    text = CliRunner().invoke(app, [*command, "--out", "other.csv"]).stdout
    assert "to measure next: 3" in text
    assert "Kendall tau on those left out" in text
    assert Path("other.csv").is_file()
    shown = CliRunner().invoke(app, ["space", "s.json", "--json"])
    assert json.loads(shown.stdout)["size"] == SPACE.size


def test_what_cannot_be_ranked_is_said(folder) -> None:
    for error, words, call in (
        (StorageError, "no file nothing.csv", {"measured": "nothing.csv"}),
        (StorageError, "no file FILE$", {"measured": "FILE", "space": "s.toml"}),
        (StorageError, "it is a folder", {"measured": str(folder), "space": "nb201"}),
        (ParameterError, "a table knows its own", {"measured": "nb201-digits", "space": "nb201"}),
        (ParameterError, "propose must be at least 1", {"measured": "d.csv", "propose": 0}),
    ):
        with pytest.raises(error, match=words):
            nasurge.rank(**call)
    rows = SPACE.all_codes()
    frame = pd.DataFrame(SPACE.to_dicts(rows)).assign(accuracy=values_of(rows))
    frame.to_csv("all.csv", index=False)
    with pytest.raises(ExhaustedError, match="were measured"):
        nasurge.rank("all.csv", space=SPACE, predictor="ridge")
