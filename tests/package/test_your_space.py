"""What the page on a space of one's own shows works word for word, in its order."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from nasurge.cli import app

PAGE = Path(__file__).resolve().parents[2] / "docs" / "guide" / "how-to" / "your-space.md"
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)


def test_both_journeys_run_as_they_are_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NASURGE_HOME", str(tmp_path / "home"))
    names: dict[str, object] = {}
    printed: list[str] = []
    for kind, text in BLOCKS:
        if kind == "toml":
            name = text.splitlines()[0].removeprefix("# ")
            Path(name).write_text(text, encoding="utf-8")
        elif kind == "python":
            with contextlib.redirect_stdout(io.StringIO()):
                exec(compile(text, PAGE.name, "exec"), names)  # noqa: S102 -- our own page
        else:
            for line in text.splitlines():
                ran = CliRunner().invoke(app, shlex.split(line.removeprefix("$ nasurge ")))
                assert ran.exit_code == 0, f"{line}: {ran.output}"
                printed.append(ran.stdout)
    everything = "".join(printed)
    assert "mixed: 10 variables" in everything
    assert "mixed: 60 architectures of space mixed" in everything
    tau = [float(one) for one in re.findall(r"95 % interval\): (-?[\d.]+)", everything)]
    assert len(tau) == 2
    assert min(tau) > 0.5, "the made-up formulas can be learnt"
    ranked = pd.read_csv("ranking.csv")
    assert len(ranked) > 1500
    assert ranked.columns[1:11].tolist() == list(names["space"].variables)
    assert ranked["score"].is_monotonic_decreasing
    assert names["found"].best().value > 85
    assert (names["result"].to_frame()["value"] > 0).all()
