"""From folders of coloured pictures to the class of a new one, by commands alone."""

from __future__ import annotations

import colorsys
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pages import shown
from PIL import Image
from sklearn.datasets import load_digits
from typer.testing import CliRunner

from nasurge.benchmarks.training import read_checkpoint, write_checkpoint
from nasurge.cli import app

CLASSES, OF_EACH = 4, 9
pytestmark = [pytest.mark.usefixtures("one_thread"), pytest.mark.timeout(300)]


def draw(pixels: Any, path: Path, rng: np.random.Generator) -> None:
    """Write a digit as a picture of bright ink on dark paper, each of some colour."""
    ink = np.array(colorsys.hsv_to_rgb(rng.random(), 0.6, 1.0))
    paper = np.array(colorsys.hsv_to_rgb(rng.random(), 0.5, 0.25))
    page = 255 * (paper + (ink - paper) * pixels.reshape(8, 8, 1) / 16)
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(page.round().astype(np.uint8))
    picture.resize((41, 37), Image.Resampling.BICUBIC).save(path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with classes, new pictures whose names begin with their class, and other classes."""
    whole, rng = tmp_path_factory.mktemp("few"), np.random.default_rng(0)
    pixels, labels = load_digits(return_X_y=True)
    for digit in range(CLASSES):
        rows = np.flatnonzero(labels == digit)
        for number, row in enumerate(rows[:OF_EACH]):
            ending = ("png", "jpg", "JPEG")[number % 3]
            draw(pixels[row], whole / f"my-images/digit-{digit}/{number}.{ending}", rng)
        for row in rows[OF_EACH : OF_EACH + 6]:
            draw(pixels[row], whole / f"new/digit-{digit} {row}.png", rng)
    draw(pixels[np.flatnonzero(labels == 3)[20]], whole / "new/first.png", rng)
    for digit in range(CLASSES, 10):
        for row in np.flatnonzero(labels == digit)[:8]:
            draw(pixels[row], whole / f"colours/digit-{digit}/{row}.png", rng)
    return whole


@pytest.fixture(scope="module")
def page(folder: Path) -> str:
    """What the commands of the page print."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("COLUMNS", "200")
        return shown("few-images.md")[0]


def run(*command: str) -> Any:
    return CliRunner().invoke(app, ["meta", *command])


def test_the_page_leads_from_a_folder_to_a_class(page: str, folder: Path) -> None:
    assert f"{CLASSES} classes, 5 images of each learnt from, drawn by seed 0" in page
    assert "colours were made grey" in page
    found = json.loads(page[page.index("{") : page.rindex("}") + 1])
    assert found["task"] == "my-images"
    new = {Path(row["image"]).name: row for row in found["summary"]}
    assert len(new) == 6 * CLASSES + 1
    right = [row["class"] == name.split()[0] for name, row in new.items() if name[0] == "d"]
    assert sum(right) >= 18  # of 24; by chance once in ten million times
    for row in new.values():
        assert sum(row["scores"].values()) == pytest.approx(1)
        assert row["score"] == max(row["scores"].values()) == row["scores"][row["class"]]
    first = next(line for line in page.splitlines() if "new/first.png" in line)
    assert new["first.png"]["class"] in first
    assert (folder / "mine-in-colour.safetensors").exists()


def test_an_answer_does_not_depend_on_what_else_is_asked(page: str, folder: Path) -> None:
    del page
    found, new = str(folder / "mine.safetensors"), folder / "new"
    alone = json.loads(run("classify", found, str(new / "first.png"), "--json").stdout)
    among = json.loads(run("classify", found, str(new), "--json").stdout)
    others = {row["image"]: row["scores"] for row in among["summary"]}
    [row] = alone["summary"]
    assert row["scores"] == pytest.approx(others[row["image"]], abs=1e-5)


def test_what_cannot_be_classified_is_named(page: str, folder: Path, tmp_path: Path) -> None:
    del page
    found = str(folder / "mine.safetensors")
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "empty").mkdir()
    for command, said in (
        ([found, str(tmp_path / "text.png")], "text.png is no image, or a damaged one"),
        ([found, str(tmp_path / "nothing.png")], "cannot read"),
        ([found, str(tmp_path / "empty")], "holds no pictures"),
        ([found], "name the pictures"),
        ([str(tmp_path / "none.safetensors"), "x.png"], "nasurge meta train"),
        ([str(folder / "colour.safetensors"), "x.png"], "was not adapted to classes"),
        ([str(folder / "new/first.png"), "x.png"], "first.png is truncated or no checkpoint"),
    ):
        done = run("classify", *command)
        assert done.exit_code == 2, command
        assert said in done.stderr.replace("\n", " ")


def test_a_task_that_does_not_fit_its_search_is_refused(
    page: str, folder: Path, tmp_path: Path
) -> None:
    del page
    tensors, about = read_checkpoint(folder / "mine.safetensors") or ({}, {})
    inner = about["at-nas"]
    path = tmp_path / "changed.safetensors"
    for changed, task in (
        ({"task.labels": torch.zeros_like(tensors["task.labels"])}, inner["task"]),
        ({"task.images": tensors["task.images"][:, :, :-1].contiguous()}, inner["task"]),
        ({}, {**inner["task"], "levels": [5, 5]}),
        ({}, {"classes": 3}),
    ):
        write_checkpoint(path, {**tensors, **changed}, {"at-nas": {**inner, "task": task}})
        done = run("classify", str(path), str(folder / "new" / "first.png"))
        assert done.exit_code == 2
        assert "is no search that nasurge meta train wrote" in done.stderr.replace("\n", " ")


def test_own_classes_are_the_task_also_where_the_search_knows_them(folder: Path) -> None:
    search, images = str(folder / "colour.safetensors"), str(folder / "colours")
    asked = ["adapt", search, "--images", images, "--generations", "0", "--steps", "1"]
    whole = json.loads(run(*asked, "--json").stdout)["summary"][0]
    unseen = json.loads(run(*asked, "--unseen", "--json").stdout)["summary"][0]
    assert whole["classes"] == 10 - CLASSES
    assert unseen["classes"] == whole["classes"] - whole["known"]
    assert 0 < whole["known"] < whole["classes"]
    assert unseen["known"] == 0
    assert whole["converted"] is None
    assert "--unseen leaves them out" in run(*asked).stdout


def test_a_folder_of_one_class_is_no_task(folder: Path) -> None:
    done = run("adapt", "--images", str(folder / "my-images"), "--classes", "digit-3")
    assert done.exit_code == 2
    assert "two classes or more" in done.stderr
