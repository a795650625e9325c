"""What ``compare`` says of gaps in the labels and of a ceiling that does not hold."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import nasurge
from nasurge.cli import app
from nasurge.data.spaces import make_space
from nasurge.predictors import Predictor

SPACE = make_space("nb201")
CODES = SPACE.sample(300, seed=1, unique=True)
TRUE = 60 + (CODES == 3).sum(axis=1) + 0.01 * (CODES == 2).sum(axis=1)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Return a function that runs a command in a home of its own."""
    monkeypatch.setenv("NASURGE_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)

    def run(*typed: str) -> str:
        result = CliRunner().invoke(app, list(typed))
        assert result.exit_code == 0, result.output
        return result.stdout

    return run


def words(folder: Path) -> str:
    """Report of a folder without its markup: terms are links."""
    return re.sub(r"<[^>]+>", "", (folder / "report.html").read_text())


def test_gaps_and_a_ceiling_below_a_measured_tau_are_said(run) -> None:
    runs = np.repeat(TRUE[:, None], 2, axis=1).astype(float)
    runs[:, 0] += np.tile([-9.0, 9.0], 150)  # the runs differ, their mean does not
    runs[:, 1] -= np.tile([-9.0, 9.0], 150)
    runs[:7] = np.nan
    frame = pd.DataFrame({"arch": SPACE.format(CODES)})
    frame["acc_seed0"], frame["acc_seed1"] = runs.T
    frame.to_csv("own.csv", index=False)
    run("import", "own.csv")
    typed = ("compare", "own", "-p", "xgb", "-n", "60", "--trials", "1", "-j", "1", "--out", "s")
    said = run(*typed)
    assert "own/default: 7 architectures without a label left out" in said
    assert "own/default: xgb with n=60 ranks with 0." in said
    assert ", above the ceiling of 0." in said
    page = words(Path("s"))
    assert "7 architectures without a label" in page
    assert "above the ceiling of" in page
    found = json.loads(run(*typed, "--json"))
    assert found["not_measured"] == {"own/default": 7}


class Constant(Predictor):
    """Gives every architecture the same score."""

    def _fit(self, codes, z, rng) -> None:
        pass

    def _predict(self, codes):
        return np.ones(len(codes)), None


def test_a_predictor_that_ranks_nothing_is_said_to(tmp_path) -> None:
    options = {"n_train": [20], "trials": 2, "out": tmp_path / "c", "jobs": 1}
    nasurge.compare("nb201-analog/cifar10", [Constant, "ridge"], **options)
    page = words(tmp_path / "c")
    assert "Constant with n=20 gave the same score to all in 2 of 2 trials" in page
    assert "ridge with n=20 gave" not in page


def test_the_direction_of_each_objective_is_said(run) -> None:
    pd.DataFrame(
        {
            "arch": SPACE.format(CODES),
            "acc": TRUE,
            "lat": -TRUE,
            "zeta": TRUE**2,
            "eta": CODES[:, 0],
        }
    ).to_csv("own.csv", index=False)
    run("import", "own.csv", "--minimise", "eta")
    said = run("search", "own", "--objectives", "acc,lat,zeta,eta", "--budget", "20", "--trials",
               "1", "-j", "1", "--out", "f")  # fmt: skip
    said = " ".join(said.split())
    assert "acc, bigger is better, as its name says" in said
    assert "lat, smaller is better, as its name says" in said
    assert "zeta, bigger is better, as nothing says otherwise" in said
    assert "eta, smaller is better, as the table says" in said
