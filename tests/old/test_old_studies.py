"""Studies that the first version made, whole and killed, go on: see v0/README.md."""

import dataclasses
import json
import shlex
import shutil
from pathlib import Path

import pandas as pd
import pytest
from old_files import FILES, SPACE, STUDIES, WARM, run, units, unpacked
from typer.testing import CliRunner

import nasurge
from nasurge.benchmarks.studies import versions
from nasurge.benchmarks.training import Recipe, TrainedObjective
from nasurge.cli import app
from nasurge.data.images import load_images
from nasurge.search.studies import WarmStartStudy

TINY = "--limit 60 --width 2 --cells 1 --epochs 2 --device cpu"

# The commands that made the studies; --jobs 1 and --out are added.
COMMANDS = {
    "compare": "compare nb201-analog/cifar10 -p ridge,gp -n 5,10 --trials 2",
    "compare-cheap": "compare tiny/digits -p ridge,low-fidelity --cheap valid_accuracy_1ep -n 5 "
    "--trials 2",
    "compare-killed": "compare nb201-analog/cifar10 -p ridge,gp -n 5,10 --trials 2",
    "search": "search nb201-analog/cifar10 -s evolution --budget 6 --batch 3 --trials 2",
    "search-killed": "search nb201-analog/cifar10 -s evolution --budget 6 --batch 3 --trials 2",
    "search-constraint": "search nb201-analog/cifar10 -s evolution -p ridge "
    "--constraint 'flops<=100' --budget 8 --batch 4 --trials 2",
    "search-workers": "search tiny/digits -s evolution --workers 2 --budget 6 --trials 2",
    "fronts": "search tiny/digits --objectives accuracy,flops --constraint 'accuracy>=5' -s nsga2 "
    "--budget 8 --batch 4 --trials 2",
    "validate": "validate nb201-analog/cifar10 -p ridge --n-train 20 --top 3 --spread 3 "
    """--learn-from 6 --supernet '{"rule": "spos", "epochs": 2}' --supernet-architectures 2 """
    f"--images digits {TINY}",
    "validate-search": f"validate nb201-analog/cifar10 --search {STUDIES}/search --top 3 "
    f"--spread 3 --images digits {TINY}",
    "validate-space": "validate --space nb201 --random 5 --supernet "
    f"""'{{"rule": "fairnas", "epochs": 1, "tune": 2}}' --images digits {TINY}""",
    "verify": "table verify tiny -n 3 --device cpu",
    "table": f"table build tiny -n 16 --seeds 2 {TINY} --proxies params",
    "meta-tables": "meta tables nbgraph/photo --methods random,meta-evolution --budget 5 "
    "--trials 2",
    "meta-transfer": "meta transfer nbgraph/cora --to nbgraph/citeseer -n 0,5 --source-labels 30 "
    "--methods transfer,tasks-xgb --trials 2",
    "meta-transfer-file": f"meta transfer {FILES}/triples.npz --to tiny/digits -n 0,4 "
    "--methods transfer,tasks-gp --trials 2",
    "meta-latency": f"meta latency {FILES}/latencies.npz --table tiny -n 3 --trials 2",
    "meta-few-shot": "meta few-shot --images digits --train-classes 5 --split classes --way 2 "
    "--no-rotations --methods protonet,at-nas --seconds 0.5 --episodes 5 --shots 1 --trials 2 "
    "--width 2",
}
KILLED = ("compare-killed", "search-killed")
# Trainings follow the machine's rounding, and meta-trainings its speed.
TRAINED = ("validate", "validate-search", "validate-space", "verify", "table", "meta-few-shot")
# ``transfer`` ranks 16 architectures by predictors that hold a trained graph network: other
# processors round otherwise, and neighbours change places.
ROUNDED, SWAPS = ("meta-transfer-file", "transfer"), 5 * 2 / (16 * 15 / 2)

pytestmark = pytest.mark.usefixtures("one_thread")


def studied(name: str, folder: Path) -> Path:
    """A copy of a study's folder, as if today's packages had begun it: others are refused."""
    copied = folder / name
    shutil.copytree(STUDIES / name, copied)
    about = json.loads((copied / "study.json").read_text())
    (copied / "study.json").write_text(json.dumps({**about, "versions": versions()}))
    return copied


def cut(folder: Path) -> None:
    """Leave of the last unit what a kill leaves: half a line."""
    journal = folder / "rows.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:-1]) + lines[-1][: len(lines[-1]) // 2])


def run_again(name: str, folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Give the command that made a study again."""
    if name == "table":  # which other versions made: a table of that name may be another one
        patch.setenv("NASURGE_HOME", str(folder.parent))
    done = run(*shlex.split(COMMANDS[name]), "--jobs", "1", "--out", str(folder), "--json")
    assert done.exit_code == 0, done.output


def same(found: object, known: object, *, near: float) -> None:
    """Check that rows are the same, times aside."""
    if isinstance(known, dict):
        assert isinstance(found, dict)
        assert set(found) >= set(known)
        ends = ("low", "high") if known.get("n", 5) < 5 else ()  # fewer draws have no interval now
        for key in known:
            if "seconds" not in key and key not in ends:
                same(found[key], known[key], near=near)
    elif isinstance(known, list):
        assert isinstance(found, list)
        for one, other in zip(found, known, strict=True):
            same(one, other, near=near)
    elif isinstance(known, float):
        assert found == pytest.approx(known, rel=near, abs=near)
    else:
        assert found == known


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in KILLED])
def test_a_finished_study_is_only_read(
    name: str, old_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = studied(name, tmp_path)
    run_again(name, folder, monkeypatch)
    assert (folder / "rows.jsonl").read_bytes() == (STUDIES / name / "rows.jsonl").read_bytes()
    assert len(pd.read_parquet(folder / "rows.parquet"))
    if (STUDIES / name / "summary.json").exists():
        before = json.loads((STUDIES / name / "summary.json").read_text())
        after = json.loads((folder / "summary.json").read_text())
        for part in ("summary", "correlations", "architectures"):
            if part in before:
                known = before[part] if isinstance(before[part], list) else [before[part]]
                same(after[part], known, near=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "meta-transfer"])
def test_an_unfinished_study_goes_on(
    name: str, old_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, whole = studied(name, tmp_path), units(STUDIES / name.removesuffix("-killed"))
    if name not in KILLED:
        cut(folder)
    known = (folder / "rows.jsonl").read_bytes()
    known = known[: known.rfind(b"\n") + 1]
    run_again(name, folder, monkeypatch)
    assert (folder / "rows.jsonl").read_bytes().startswith(known)
    after = units(folder)
    assert set(after) == set(whole)
    if name not in TRAINED:
        for unit, rows in whole.items():
            for found, known in zip(after[unit], rows, strict=True):
                if (name, known.get("method")) == ROUNDED:
                    tau = known.pop("kendall_tau")
                    assert found["kendall_tau"] == pytest.approx(tau, abs=SWAPS)
                same(found, known, near=1e-4)


def test_a_supernet_in_a_studys_folder_is_only_read(
    old_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, whole = studied("validate", tmp_path), units(STUDIES / "validate")
    choice = (folder / "rows.jsonl").read_bytes().splitlines(keepends=True)[0]
    (folder / "rows.jsonl").write_bytes(choice)
    file = unpacked(FILES / "validate-supernet.safetensors.xz", tmp_path)
    file = file.rename(folder / "supernet.safetensors")
    before = file.read_bytes()
    run_again("validate", folder, monkeypatch)
    assert file.read_bytes() == before
    assert units(folder)["supernet"][0]["losses"] == whole["supernet"][0]["losses"]


def test_trainings_that_are_an_objective_are_kept(tmp_path: Path) -> None:
    folder, whole = studied("trained", tmp_path), units(STUDIES / "trained")
    cut(folder)
    images, recipe = load_images("digits", limit=60), Recipe(epochs=1, width=2, cells=1)
    objective = TrainedObjective(SPACE, images, recipe, device="cpu", folder=folder)
    codes = SPACE.sample(3, seed=0)
    found = objective(codes)
    rows = [whole[f"{text} seed 0"][0] for text in SPACE.format(codes)]
    assert found[:2].tolist() == [row["curve"][-1] for row in rows[:2]]
    assert set(units(folder)) == set(whole)


def warm_rows(folder: Path) -> list[dict]:
    """All rows of the study of warm starts, after what was missing was run."""
    return WarmStartStudy(dataclasses.replace(WARM, out=folder)).run().rows


def test_a_study_of_warm_starts_goes_on(tmp_path: Path) -> None:
    folder, whole = studied("warm", tmp_path), units(STUDIES / "warm")
    rows = warm_rows(folder)
    assert units(folder) == whole
    assert rows == [row for unit in whole.values() for row in unit]
    cut(folder)
    assert len(warm_rows(folder)) == len(rows)


@pytest.mark.parametrize(
    "name", [p.name for p in sorted(STUDIES.iterdir()) if p.name not in KILLED]
)
def test_report_writes_a_page(name: str, old_home: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(STUDIES / name, tmp_path / name)
    done = CliRunner().invoke(app, ["report", str(folder)])
    assert done.exit_code == 0, done.output
    assert (folder / "report.html").read_text().startswith("<!")


def test_a_table_search_in_a_database_is_read(old_home: Path, tmp_path: Path) -> None:
    folder = studied("search-stored", tmp_path)
    found = nasurge.search(
        "nb201-analog/cifar10",
        searcher="evolution",
        budget=6,
        batch=3,
        trials=1,
        jobs=1,
        study="kept",
        out=folder,
        storage=f"sqlite:///{unpacked(FILES / 'kept.db.xz', tmp_path)}",
    )
    kept = json.loads((STUDIES / "search-stored" / "summary.json").read_text())["summary"]
    for row, known in zip(found.summary, kept, strict=True):
        for measure in ("selected", "oracle", "regret"):
            same(row[measure], known[measure], near=0)
