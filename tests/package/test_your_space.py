"""What the pages on spaces of one's own show works word for word, in their order."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pandas as pd
import pytest
from pages import shown


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a test into a folder and a home of its own, with its own modules."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "training", raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NASURGE_HOME", str(tmp_path / "home"))


def qualities(printed: str) -> list[float]:
    """Kendall's tau of what was left out, of every ranking."""
    return [float(one) for one in re.findall(r"95 % interval\): (-?[\d.]+)", printed)]


def test_journeys_in_a_space_of_one_s_own_run_as_they_are_shown() -> None:
    everything, names = shown("your-space.md")
    assert "mixed: 10 variables" in everything
    assert "mixed: 60 architectures of space mixed" in everything
    tau = qualities(everything)
    assert len(tau) == 2
    assert min(tau) > 0.5, "the made-up formulas can be learnt"
    ranked = pd.read_csv("ranking.csv")
    assert len(ranked) > 1500
    assert ranked.columns[1:11].tolist() == list(names["space"].variables)
    assert ranked["score"].is_monotonic_decreasing
    proposed = [one.variables for one in names["ranking"].proposed]
    known = names["space"].to_dicts(names["space"].sample(60, seed=0, unique=True))
    assert len(proposed) == 5
    assert not [one for one in proposed if one in known]
    best = max(names["made_up"](one)["accuracy"] for one in known)
    assert max(names["made_up"](one)["accuracy"] for one in proposed) > best
    assert names["found"].best().value > 85
    assert (names["result"].to_frame()["value"] > 0).all()
    assert "best found, value 83.3" in everything
    assert "accuracy maximised, latency minimised" in everything


def test_journeys_with_cells_and_transformers_run_as_they_are_shown() -> None:
    everything, names = shown("your-cells.md")
    tau = qualities(everything)
    assert len(tau) == 3
    assert min(tau) > 0.3, "the made-up formulas can be learnt"
    assert names["found"].best().value > 85
    for space in ("cells", "darts", "transformer"):
        assert not names[space].listed
