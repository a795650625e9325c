"""From a comparison to the paper, and a search in a tracker: the pages."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from pages import shown

import nasurge


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a test into a folder of its own, with its own modules."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_predictor_of_ones_own_becomes_a_table_with_significance(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    printed, names = shown("paper.md")
    monkeypatch.delitem(sys.modules, "nearest", raising=False)
    paper = Path("runs/paper/paper")
    table = (paper / "differences.tex").read_text(encoding="utf-8")
    body = [line for line in table.splitlines() if line.endswith(r"\\") and "n=50" in line]
    assert len(body) == 8  # each leader against two others, on three benchmarks and over all
    assert sum("Nearest" in line for line in body) >= 3
    tested = [line.split(" & ") for line in body if "all tasks" not in line]
    assert all(0 < float(cells[-1].rstrip("\\ ")) <= 1 for cells in tested)
    assert "nearest:Nearest" in table
    assert f"nasurge {nasurge.__version__}" in table
    written = [Path(line) for line in printed.split() if line.startswith("runs/paper/paper/")]
    assert {path.suffix for path in written} == {".tex", ".csv", ".pdf"}
    assert all(path.is_file() for path in written)
    assert {path.parent for path in names["paths"]} == {Path("paper/tables")}
    if shutil.which("pdflatex") is None:
        pytest.skip("no pdflatex is installed, such as by apt install texlive-latex-recommended")
    tables = "".join(rf"\input{{{path.stem}}}" for path in written if path.suffix == ".tex")
    text = r"\documentclass{article}\usepackage{booktabs,longtable,graphicx}\begin{document}"
    (paper / "whole.tex").write_text(rf"{text}{tables}\clearpage\end{{document}}")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "whole.tex"]
    done = subprocess.run(command, cwd=paper, capture_output=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout[-2000:]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:Warning")  # MLflow's own
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_a_search_is_followed_by_trackers() -> None:
    for package in ("mlflow", "tensorboard", "wandb"):
        pytest.importorskip(package, reason=f"the extra {package} is not installed")
    _, names = shown("trackers.md")
    assert len(names["trace"].values) == 6
    assert Path("mlflow.db").is_file()
    assert len(list(Path("runs/tensorboard").glob("*/*"))) == 6  # one, four of tables, a report
