"""One new task from a store of earlier ones: what it starts from, finds and keeps."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from nasurge.cli import app
from nasurge.data.spaces import make_space
from nasurge.errors import IncompatibleDonorError, ParameterError
from nasurge.search.differentiable import donor_distances, keep_donor, read_donors
from nasurge.search.studies import NewTaskOptions, start_task

pytestmark = pytest.mark.usefixtures("one_thread")
SMALL = [
    "--size",
    "8",
    "--train",
    "60",
    "--width",
    "2",
    "--epochs",
    "3",
    "--gate",
    "1",
    "--train-epochs",
    "1",
]
TINY = NewTaskOptions(size=8, train=60, width=2, epochs=3, gate=1, train_epochs=1, device="cpu")


def start(store: Path, images: str, **options: Any) -> dict[str, Any]:
    return start_task(replace(TINY, store=store, images=images, **options))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Store that was begun empty, with three tasks one after the other."""
    folder = tmp_path_factory.mktemp("store")
    for task in ("digits#0+1+2+3", "glyphs#HEBREW", "glyphs#LAO"):
        start(folder, task)
    return folder


def test_a_store_grows_from_nothing(tmp_path: Path) -> None:
    first = start(tmp_path, "digits#0+1+2+3")
    [row] = first["summary"]
    assert (row["start"], row["accepted"], first["earlier"]) == ("cold", False, [])
    second = start(tmp_path, "digits#4+5+6")
    assert [each["task"] for each in second["earlier"]] == ["digits#0+1+2+3"]
    assert second["earlier"][0]["share"] == 1
    assert second["summary"][0]["start"] == "meta-transfer"
    kept = {donor.task: donor for donor in read_donors(tmp_path)}
    assert set(kept) == {"digits#0+1+2+3", "digits#4+5+6"}
    found = next(each for each in second["trained"] if each["of"] == "search")
    assert kept["digits#4+5+6"].architecture == found["architecture"]
    assert kept["digits#4+5+6"].accuracy == found["accuracy"]


def test_shares_follow_nearness(store: Path) -> None:
    found = start(store, "digits#4+5+6+7", keep=False)
    tasks = [each["task"] for each in found["earlier"]]
    distances = [each["transport"] for each in found["earlier"]]
    shares = [each["share"] for each in found["earlier"]]
    assert set(tasks) == {"digits#0+1+2+3", "glyphs#HEBREW", "glyphs#LAO"}
    assert distances == sorted(distances)
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) == pytest.approx(1)
    nearest = start(store, "digits#4+5+6+7", keep=False, start="fisher")["earlier"]
    assert [each["share"] for each in nearest] == [1, 0, 0]
    assert nearest[0]["fisher"] == min(each["fisher"] for each in nearest)
    cold = start(store, "digits#4+5+6+7", keep=False, start="cold")
    assert cold["summary"][0]["start"] == "cold"
    assert [each["task"] for each in cold["earlier"]] == tasks
    assert donor_distances(read_donors(store)[0].embedding, read_donors(store)[:1])[0] < 1e-6


def test_the_same_command_finds_the_same_and_does_not_start_from_itself(store: Path) -> None:
    before = {path: path.read_bytes() for path in store.iterdir()}
    first = start(store, "glyphs#LAO", keep=False)
    assert first["left_out"] == ["glyphs#LAO (this task)"]
    assert len(first["earlier"]) == 2
    again = start(store, "glyphs#LAO", keep=False)
    for key in ("architecture", "accuracy", "beaten", "accepted"):
        assert first["summary"][0][key] == again["summary"][0][key]
    assert {path: path.read_bytes() for path in store.iterdir()} == before
    assert first["kept"] is None


def test_the_architecture_is_that_of_the_higher_validation_accuracy(store: Path) -> None:
    found = start(store, "digits", keep=False)
    best = max(found["trained"], key=lambda each: each["valid_accuracy"])
    assert found["summary"][0]["architecture"] == best["architecture"]
    assert make_space("nb201").parse([best["architecture"]]).shape == (1, 6)


def test_what_cannot_be_started_is_refused_before_it_starts(store: Path, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="made for one of them"):
        start(store, "digits", space="my_module:Net")
    donor = read_donors(store)[0]
    keep_donor(tmp_path, replace(donor, shares=np.ones((6, 4)) / 4))
    with pytest.raises(IncompatibleDonorError, match="leave this donor out"):
        start(tmp_path, "digits")


def run(*command: str) -> Any:
    return CliRunner().invoke(app, ["meta", "warm-start", *command])


def test_the_command(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    rng = np.random.default_rng(0)
    for label, colour in (("red", (200, 30, 30)), ("blue", (30, 30, 200))):
        (tmp_path / "mine" / label).mkdir(parents=True)
        for number in range(12):
            noise = rng.integers(-20, 20, size=(9, 11, 3))
            page = Image.fromarray((np.array(colour) + noise).astype(np.uint8))
            page.save(tmp_path / "mine" / label / f"{number}.png")
    asked = ("--from", str(store), "--images", str(tmp_path / "mine"), "--no-keep", *SMALL)
    done = run(*asked)
    assert done.exit_code == 0, done.output
    for said in (
        "earlier task",
        "digits#0+1+2+3",
        "start: meta-transfer; ",
        "2 classes",
        "not kept",
    ):
        assert said in done.stdout
    found = json.loads(run(*asked, "--json").stdout)
    assert done.stdout.splitlines()[0] == found["summary"][0]["architecture"]
    (tmp_path / "empty").mkdir()
    for command, said in (
        (("--from", str(tmp_path / "nowhere"), "--images", "digits"), "there is no folder"),
        (("--from", str(store)), "give --from FOLDER --images FOLDER"),
        (("--images", "digits"), "not used without --from"),
        (("--from", str(store), "--images", "digits", "--seeds", "2"), "which searches one task"),
        (("--from", str(store), "--images", "digits", "--start", "near"), "near"),
        (("--from", str(store), "--images", str(tmp_path / "empty")), "holds no images"),
    ):
        done = run(*command)
        assert done.exit_code == 2, command
        assert said in done.stderr.replace("\n", " "), done.stderr


def test_the_folder_of_a_study_names_its_stores(store: Path, tmp_path: Path) -> None:
    inner = tmp_path / "experiences" / "seed-0"
    inner.mkdir(parents=True)
    donor = read_donors(store)[0]
    keep_donor(inner, donor)
    done = run("--from", str(tmp_path), "--images", "digits")
    assert done.exit_code == 2
    assert "seed-0" in done.stderr
