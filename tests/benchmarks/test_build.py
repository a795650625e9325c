"""Tables made by training: what stands in them, how a build resumes, and training them again."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from processes import Process, run_code
from typer.testing import CliRunner

import nasurge
from nasurge.benchmarks.studies import (
    BuildOptions,
    Built,
    TableStudy,
    sample_architectures,
)
from nasurge.benchmarks.studies.journal import read_units
from nasurge.benchmarks.studies.trainings import seed_agreement
from nasurge.benchmarks.training import Recipe, train_architectures
from nasurge.cli import app
from nasurge.data.images import Images, load_images
from nasurge.data.spaces import Space, make_space
from nasurge.errors import LabelError, ParameterError

SPACE = make_space("nb201")
RECIPE = Recipe(epochs=2, width=2, batch_size=32, shift=0)


def build(name: str, space: Space, images: Images, recipe: Recipe, **options) -> Built:
    given = {"space": space, "images": images, "recipe": recipe, **options}
    return TableStudy(BuildOptions(name, **given)).run()


@pytest.fixture(scope="module")
def few() -> Images:
    return load_images("digits", limit=100, noise=0.5)


@pytest.fixture(scope="module")
def built(few: Images, tmp_path_factory: pytest.TempPathFactory) -> Built:
    return build(
        "built",
        SPACE,
        few,
        RECIPE,
        architectures=5,
        seeds=2,
        proxies=["nwot"],
        device="cpu",
        jobs=1,
        out=tmp_path_factory.mktemp("build") / "study",
    )


def test_the_table_says_what_the_trainings_reached(built: Built, few: Images) -> None:
    table = nasurge.load_table("built")
    assert len(table) == 5
    for seed in (0, 1):
        again = train_architectures(SPACE, table.codes, few, RECIPE, seed=seed, device="cpu")
        stored = table.values(task="digits", metric="accuracy", split="test", seed=seed)
        assert stored.tolist() == [result.test_accuracy for result in again]
        for epoch in (1, 2):
            curve = table.values(
                task="digits", metric="accuracy", epoch=epoch, split="valid", seed=seed
            )
            assert curve.tolist() == [result.curve[epoch - 1] for result in again]
    assert table.columns[table.default("digits").report].seed == "mean"
    assert table.columns[table.default("digits").search].split == "valid"
    assert {"loss", "training-time", "flops", "parameters", "nwot"} <= set(table.metrics)
    assert (table.values(task="digits", metric="training-time") > 0).all()
    assert table.made["recipe"] == RECIPE.to_dict()
    assert not list((built.folder / "checkpoints").glob("*"))


def test_a_build_may_grow_and_uses_what_it_has(built: Built, few: Images) -> None:
    before = read_units(built.folder)
    settings = {"device": "cpu", "jobs": 1, "out": built.folder}
    with pytest.raises(ParameterError, match="another study"):
        build("other", SPACE, few, Recipe(epochs=1), architectures=5, **settings)
    with pytest.raises(ParameterError, match="--force"):
        build("built", SPACE, few, RECIPE, architectures=6, **settings)
    assert read_units(built.folder) == before  # refused before anything is trained
    grown = build("built", SPACE, few, RECIPE, architectures=6, force=True, **settings)
    assert len(grown.table) == 6
    assert list(read_units(built.folder).items())[:10] == list(before.items())
    assert len(read_units(built.folder)) == 12


def test_a_name_that_no_table_can_have_is_refused_at_once(few: Images, tmp_path: Path) -> None:
    for name in ("a/b", "", "nb201-analog"):
        with pytest.raises(ParameterError, match="table"):
            build(name, SPACE, few, RECIPE, device="cpu", out=tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_a_sample_has_no_twins_and_begins_a_larger_one() -> None:
    sample = sample_architectures(SPACE, 300, seed=3)
    assert len(set(SPACE.function_ids(sample).tolist())) == 300
    assert np.array_equal(sample_architectures(SPACE, 500, seed=3)[:300], sample)
    twins = sample_architectures(SPACE, 2000, seed=3, twins=True)
    assert len(set(SPACE.index(twins).tolist())) == 2000
    assert len(set(SPACE.function_ids(twins).tolist())) < 2000
    with pytest.raises(ParameterError, match="6466"):
        sample_architectures(SPACE, 7000)


def test_a_killed_build_goes_on(few: Images, tmp_path: Path) -> None:
    code = """
        from pathlib import Path
        from nasurge.benchmarks.studies import BuildOptions, TableStudy
        from nasurge.benchmarks.training import Recipe
        recipe = Recipe(epochs=2, width=2, batch_size=32, shift=0)
        TableStudy(BuildOptions(
            "killed", limit=100, noise=0.5, recipe=recipe, architectures=2000, seeds=1,
            device="cpu", jobs=1, out=Path("study"),
        )).run()
    """
    first = Process(run_code, code, folder=tmp_path)
    journal = tmp_path / "study" / "rows.jsonl"
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and (
        not journal.exists() or journal.read_bytes().count(b"\n") < 2
    ):
        time.sleep(0.05)
    first.kill()
    assert first.end() == -signal.SIGKILL, first.stderr
    kept = read_units(tmp_path / "study")
    assert len(kept) >= 2
    settings = {"seeds": 1, "device": "cpu", "jobs": 1, "out": tmp_path / "study"}
    build("killed", SPACE, few, RECIPE, architectures=len(kept) + 1, **settings)
    assert list(read_units(tmp_path / "study").items())[: len(kept)] == list(kept.items())
    assert len(nasurge.load_table("killed")) == len(kept) + 1


def test_verify_finds_equal_values_here(built: Built, tmp_path: Path) -> None:
    found = nasurge.verify(built.table, 3, device="cpu", jobs=1, out=tmp_path / "v")
    assert found.summary[0]["trainings"] == found.summary[0]["equal"] == 6
    assert found.summary[0]["largest_difference"] == 0
    assert found.summary[0]["tau_between_seeds"] == seed_agreement(
        built.table.runs(built.table.default("digits").report)
    )


def test_verify_refuses_what_it_cannot_train(analog, built: Built, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="no recipe"):
        nasurge.verify(analog, 3)
    with pytest.raises(LabelError, match="1 to 5"):
        nasurge.verify(built.table, 9)


def test_the_commands(built: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = CliRunner().invoke
    options = "--limit 60 --epochs 1 --width 2 -n 5 --seeds 2 -j 1 --device cpu --json"
    made = run(app, ["table", "build", "typed", *options.split()])
    assert made.exit_code == 0, made.output
    assert json.loads(made.stdout)["table"] == {"name": "typed", "architectures": 5}
    again = run(
        app, ["table", "verify", "typed", "-n", "2", "--device", "cpu", "-j", "1", "--json"]
    )
    assert again.exit_code == 0, again.output
    found = json.loads(again.stdout)
    assert found["summary"][0]["equal"] == 4
    assert Path(found["report"]).read_text(encoding="utf-8").count("diverged") == 0
    refused = run(
        app,
        [
            "table",
            "build",
            "nb201-analog",
            "-n",
            "5",
            "--limit",
            "60",
            "--epochs",
            "1",
            "--width",
            "2",
            "-j",
            "1",
        ],
    )
    assert refused.exit_code == 2
    assert "shipped" in refused.output
