"""What the page on models of one's own shows works word for word, killed and shared on its way."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from pages import PAGES, shown
from processes import killed_and_shared
from typer.testing import CliRunner

from nasurge.cli import app

PAGE = (PAGES / "your-model.md").read_text(encoding="utf-8")
COMMAND = shlex.split(re.search(r"^\$ nasurge (search .*--study digits.*)$", PAGE, re.MULTILINE)[1])
ALONE = """
import importlib.util, sys
sys.path.insert(0, sys.argv[1])
assert importlib.util.find_spec("nasurge") is None, "NASurge must not be there"
assert importlib.util.find_spec("my_model") is None
exec(open("use.py", encoding="utf-8").read())
"""


def trained(folder: Path) -> list[str]:
    """Architectures whose training is kept, one for each training."""
    path = folder / "found" / "trainings" / "nsga2-0" / "rows.jsonl"
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    return [json.loads(line)["unit"] for line in lines if line.endswith("\n")]


@pytest.fixture(scope="module")
def journey(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Folder after the page's search was killed and ended by two workers, and the page was run."""
    folder = tmp_path_factory.mktemp("journey")
    (folder / "my_model.py").write_text(
        re.search(r"```python\n(# my_model.py\n.*?)```", PAGE, re.S)[1]
    )
    killed: list[str] = []

    def done() -> int:
        killed[:] = trained(folder)
        return len(killed)

    workers = killed_and_shared(COMMAND, folder, done=done)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "path", [str(folder), *sys.path])
        patch.delitem(sys.modules, "my_model", raising=False)
        patch.setenv("NASURGE_HOME", str(folder / "home"))
        printed, names = shown("your-model.md")
        again = CliRunner().invoke(app, [*COMMAND, "--json"])
        assert again.exit_code == 0, again.output
        sys.modules.pop("my_model", None)
    return {
        "folder": folder,
        "killed": killed,
        "workers": workers,
        "printed": printed,
        "names": names,
        "found": json.loads(again.stdout),
    }


@pytest.mark.timeout(900)
def test_a_killed_search_is_ended_by_two_workers_and_nothing_is_trained_twice(journey) -> None:
    assert 8 <= len(journey["killed"]) < 30
    units = trained(journey["folder"])
    assert len(units) == len(set(units)) == 30
    assert units[: len(journey["killed"])] == journey["killed"]
    rows = pd.read_parquet(journey["folder"] / "found" / "rows.parquet")
    assert len(rows) == rows["architecture"].nunique() == 30
    assert {f"{name} seed 0" for name in rows["architecture"]} == set(units)
    assert np.isfinite(rows[["accuracy", "latency"]].to_numpy()).all()
    tables = [
        re.sub(r"\n(again|rows|report): .*", "", worker.stdout) for worker in journey["workers"]
    ]
    assert tables[0] == tables[1], "both tell of all"


@pytest.mark.timeout(900)
def test_the_front_is_printed_and_within_the_bound(journey) -> None:
    rows = pd.read_parquet(journey["folder"] / "found" / "rows.parquet").set_index("architecture")
    values = np.stack([rows["accuracy"], -rows["latency"]], axis=1)
    beaten = [
        any((other >= own).all() and (other > own).any() for other in values) for own in values
    ]
    front = {entry["architecture"]: entry for entry in journey["found"]["found"]}
    assert set(front) == set(rows.index[~np.array(beaten)])
    names = journey["names"]
    costs = names["space"].costs(names["space"].parse(list(rows.index)))["flops"]
    assert costs.max() <= 1
    assert all(entry["costs"]["flops"] <= 1 for entry in front.values())
    for name, entry in front.items():
        line = rf"nsga2 +([\d.]+) .*[ ]{re.escape(name)}(?=\s)"
        shown = [float(value) for value in re.findall(line, journey["printed"])]
        # A column's digits are those that tell its rows apart.
        assert pytest.approx(entry["values"]["accuracy"], rel=1e-3) in shown


@pytest.mark.timeout(900)
def test_the_rest_of_the_page_gives_what_it_says(journey) -> None:
    names = journey["names"]
    assert names["space"].n_variables == 7
    assert names["space"].costs([names["found"].best().code])["flops"][0] <= 1
    assert names["found"].best().value > 15
    assert set(names["both"].to_frame()) >= {"accuracy", "latency", "width"}
    assert not [m for m in names["network"].modules() if "nasurge" in type(m).__module__]
    assert "best found, accuracy" in journey["printed"]
    reloaded = torch.export.load(journey["folder"] / "digits.pt2").module()
    x = torch.rand(5, 1, 8, 8)
    torch.testing.assert_close(reloaded(x), names["network"].eval()(x))


@pytest.mark.timeout(900)
@pytest.mark.skipif(os.name == "nt", reason="links to installed packages")
def test_the_best_network_works_where_nasurge_is_not_installed(journey, tmp_path) -> None:
    installed = Path(torch.__file__).parents[1]
    site = tmp_path / "site"
    site.mkdir()
    for path in installed.iterdir():
        if not path.name.startswith(("nasurge", "__editable__")):
            (site / path.name).symlink_to(path)
    ran = subprocess.run(
        [sys.executable, "-I", "-S", "-c", ALONE, str(site)],
        capture_output=True,
        text=True,
        cwd=journey["folder"],
    )
    assert ran.returncode == 0, ran.stderr
    assert float(ran.stdout) == journey["names"]["result"].test_accuracy
