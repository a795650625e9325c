"""The example model for colour images, searched by real trainings on CIFAR-10."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from nasurge.cli import app

MODEL = Path(__file__).resolve().parents[2] / "docs" / "example_models" / "colour.py"


@pytest.mark.reference
@pytest.mark.timeout(300)
def test_a_model_is_searched_on_colour_images_in_one_process_as_in_two(
    reference: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "colour", raising=False)
    shutil.copy(MODEL, "colour.py")

    def search(jobs: str) -> pd.DataFrame:
        ran = CliRunner().invoke(
            app,
            [
                *("search", "--space", "colour:Net", "--limit", "300", "--recipe", '{"epochs": 1}'),
                *("--images", str(reference / "cifar10_subset.tar.gz"), "--device", "cpu"),
                *("-s", "nsga2", "-b", "3", "--objectives", "accuracy,latency", "--jobs", jobs),
                *("--constraint", "flops<=0.5M", "--out", jobs, "--json"),
            ],
        )
        assert ran.exit_code == 0, ran.output
        found = json.loads(ran.stdout)
        assert found["found"]
        assert all(entry["costs"]["flops"] <= 0.5 for entry in found["found"])
        return pd.read_parquet(found["rows"])

    rows = search("1")
    assert len(rows) == rows["architecture"].nunique() == 3
    assert np.isfinite(rows[["accuracy", "latency"]].to_numpy()).all()
    columns = ["architecture", "accuracy", "feasible"]
    pd.testing.assert_frame_equal(search("2")[columns], rows[columns])
