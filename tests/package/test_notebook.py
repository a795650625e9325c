"""A notebook of the guide, executed by nbconvert: what each cell shows."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("nbconvert")
pytest.importorskip("ipykernel")

NOTEBOOK = Path(__file__).resolve().parents[2] / "docs" / "notebooks" / "from-a-file.ipynb"


def executed(folder: Path) -> list[dict[str, Any]]:
    """Code cells of the notebook after it was run in a folder, in a process of its own."""
    shutil.copy(NOTEBOOK, folder)  # it is run where it lies
    command = [
        *(sys.executable, "-m", "nbconvert", "--to", "notebook", "--execute", NOTEBOOK.name),
        *("--output", "executed.ipynb", "--ExecutePreprocessor.timeout=300"),
    ]
    done = subprocess.run(command, cwd=folder, env=os.environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    cells = json.loads((folder / "executed.ipynb").read_text(encoding="utf-8"))["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


def shown(cell: dict[str, Any]) -> dict[str, str]:
    """What the value of a cell is displayed as, by type."""
    results = [one for one in cell["outputs"] if one["output_type"] == "execute_result"]
    (result,) = results
    return {kind: "".join(data) for kind, data in result["data"].items()}


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_notebook_leads_from_a_file_to_proposals_and_a_search(tmp_path: Path) -> None:
    cells = executed(tmp_path)
    assert not [o for cell in cells for o in cell["outputs"] if o["output_type"] == "error"]
    by_source = {"".join(cell["source"]): cell for cell in cells}
    for source, cell in by_source.items():
        last = source.splitlines()[-1]
        if last in ("ranking", "trace", "found"):
            html = shown(cell)["text/html"]
            assert "<table>" in html
            assert "data:image/svg+xml;base64," in html
            assert len(shown(cell)["text/plain"]) < 400
        elif last.endswith(".plot()"):
            assert len(shown(cell)["image/png"]) > 5000, "a picture, not its address"
    assert "width=128" in shown(by_source["trace.best()"])["text/plain"]
    assert (tmp_path / "compared" / "report.html").exists()


def test_the_notebook_is_kept_without_what_it_showed() -> None:
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    assert not [cell for cell in notebook["cells"] if cell.get("outputs")]
