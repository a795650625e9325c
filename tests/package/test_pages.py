"""Blocks of the guide run, page by page, in order; commands have the options that are shown."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import click
import numpy as np
import pandas as pd
import pytest
import typer
from pages import GUIDE, blocks, shown
from PIL import Image

import nasurge
from nasurge.cli import app
from nasurge.search.studies import NewTaskOptions, start_task

DOCS = GUIDE.parent
TESTS = Path(__file__).resolve().parents[1]
# Pages that a test runs at full size, and looks at what comes out.
ELSEWHERE = {
    "how-to/few-images.md": "package/test_few_images.py",
    "how-to/read-a-report.md": "benchmarks/test_paired.py",
    "how-to/your-cells.md": "package/test_your_space.py",
    "how-to/your-method.md": "package/test_your_method.py",
    "how-to/your-model.md": "package/test_your_model.py",
    "how-to/your-space.md": "package/test_your_space.py",
    "how-to/your-training.md": "package/test_your_training.py",
    "how-to/plug-in.md": "package/test_plugin.py",
}
# Pages that import the published files themselves.
PUBLISHED = ("how-to/import.md",)
# What a test cannot do: other programs, other machines, and files that only some people have.
APART = (
    r"^(pip|pytest|python|make) ",
    r"postgresql://|--backend (dask|ray)",
    r"PATH/|FILE \[|\bnb201/|transnas-micro/",
    r"cifar10_subset|large\.tar",
)
SMALLER = (
    (r"--trials \d+|-t \d+", "--trials 2"),
    (r"--budget (?:[2-9]\d|\d{3})|-b \d+", "--budget 12"),
    (r"-n (\d+)(?:,\d+)+", r"-n \1"),
    (r"--seconds \d+", "--seconds 1"),
    (r'"epochs": \d+', '"epochs": 1'),
    (r"--learn-from \d+", "--learn-from 8"),
    (r"--supernet-architectures \d+", "--supernet-architectures 3"),
    (r"--stratified \d+", "--stratified 5"),
    (r"-n 100 --seeds 2 --epochs 3", "-n 6 --seeds 2 --epochs 1"),
    (r"-s bo,prednas,nat,nsga2|-s bo,nsga2,nat", "-s nsga2"),
)
SMALL_TASK = "--size 8 --train 60 --width 2 --epochs 3 --gate 1 --train-epochs 1"
APPENDED = {
    "meta adapt": "--generations 0 --steps 1",
    "meta evaluate": "--episodes 5",
    "meta train --images": "--seconds 1 --width 4",
    "meta train --space": "--seconds 1",
    "meta warm-start --from": SMALL_TASK,
    "meta warm-start --tasks": f"{SMALL_TASK} --seeds 1 --shared 3",
    "meta few-shot": "--train-classes 5 --episodes 5 --trials 1 --methods protonet,at-nas",
    "meta latency": "--table nb201-analog -n 3 --trials 2",
    "supernet train --space nb201": "--epochs 1 --width 4 --cells 1",
    "supernet search": "--epochs 1 --width 4 --cells 1",
    "supernet best": "--epochs 1 --train-epochs 1 --width 4 --cells 1 --limit 100 --budget 10",
    "table verify": "-n 1",
    "validate": "--epochs 1 --limit 100 --width 2 --cells 1",
}


def smaller(line: str) -> str | None:
    """Command at a size that takes seconds; None for one that a test cannot give."""
    if any(re.search(pattern, line) for pattern in APART):
        return None
    for pattern, instead in SMALLER:
        line = re.sub(pattern, instead, line)
    more = [options for start, options in APPENDED.items() if line.startswith(f"nasurge {start}")]
    return " ".join([line.partition("  #")[0], *more])


def quicker(text: str) -> str:
    """Python of a page, with the meta-trainings of seconds."""
    return re.sub(r"steps=\d{3}", "steps=3", text)


def pictures(folder: Path) -> None:
    """A picture, and the model that stands on another page."""
    Image.fromarray(np.full((20, 20), 200, np.uint8)).save(folder / "picture.png")
    [model] = [b for b in blocks(GUIDE / "models.md") if b.kind == "python"][:1]
    (folder / "my_module.py").write_text(model.text, encoding="utf-8")


def latencies(folder: Path) -> None:
    """Made-up latencies of every cell on some devices."""
    codes = nasurge.load_table("nb201-analog").codes
    costs = np.random.default_rng(0).uniform(0.1, 1, (5, 6))
    latencies = {f"device-{k}": column for k, column in enumerate(costs[codes].sum(axis=1).T)}
    np.savez(folder / "FILE.npz", **latencies)


def runs(folder: Path) -> None:
    """Results of three seeds, as a spreadsheet writes them."""
    space = nasurge.make_space("nb201")
    texts = space.format(space.sample(40, seed=0, unique=True))
    rows = [
        (10 * k + seed, text, seed, f"{85 + k % 7 + seed / 10:.1f}".replace(".", ","), "3,5", "ok")
        for k, text in enumerate(texts)
        for seed in range(3)
    ]
    frame = pd.DataFrame(rows, columns=["", "arch", "seed", "val_acc", "latency [ms]", "note"])
    frame.to_csv(folder / "runs.csv", sep=";", index=False)


def earlier_tasks(folder: Path) -> None:
    """A store of two small tasks, and the images of a new one."""
    tiny = NewTaskOptions(size=8, train=60, width=2, epochs=3, gate=1, train_epochs=1, device="cpu")
    (folder / "store").mkdir()
    for task in ("digits#0+1+2", "digits#3+4"):
        start_task(replace(tiny, store=folder / "store", images=task))
    rng = np.random.default_rng(0)
    for name, brightness in (("dark", 60), ("light", 180)):
        (folder / "my-images" / name).mkdir(parents=True)
        for k in range(12):
            pixels = rng.integers(brightness, brightness + 60, (10, 10, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(folder / "my-images" / name / f"{k}.png")


def measured(folder: Path) -> None:
    """Accuracies and latencies on a task, by a column for each."""
    space = nasurge.make_space("nb201")
    codes = space.sample(100, seed=0, unique=True)
    cells = [cell for cell in space.format(codes) if cell.startswith("|nor_conv")][:40]
    rows = [
        ("flowers", run, cell, 60.5 + k, 61.5 + k + run, 3.5 + k)
        for k, cell in enumerate([*cells, "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"])
        for run in (1, 2)
    ]
    names = ["dataset", "run", "cell", "flowers_valid", "flowers_test", "latency_ms"]
    frame = pd.DataFrame(rows, columns=names)
    frame.to_csv(folder / "mine.csv", sep=";", decimal=",", index=False)


PREPARED: dict[str, Callable[[Path], None]] = {
    "at-nas.md": pictures,
    "supernets.md": pictures,
    "latency.md": latencies,
    "warm-start.md": earlier_tasks,
    "how-to/import.md": measured,
    "how-to/your-file.md": runs,
}
GUIDED = sorted(
    path.relative_to(GUIDE).as_posix()
    for path in GUIDE.rglob("*.md")
    if any(block.kind in ("python", "console") for block in blocks(path))
)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("page", [page for page in GUIDED if page not in {*ELSEWHERE, *PUBLISHED}])
def test_a_page_runs_in_order(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("NASURGE_HOME", str(tmp_path / "home"))
    PREPARED.get(page, lambda _: None)(tmp_path)
    shown(page, command=smaller, python=quicker)


@pytest.mark.slow
@pytest.mark.reference
@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("page", PUBLISHED)
def test_a_page_runs_on_the_published_files(
    page: str, reference: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NASURGE_HOME", str(tmp_path / "home"))
    PREPARED[page](tmp_path)

    def command(line: str) -> str | None:
        if "FILE [" in line:  # a pattern
            return None
        return line.partition("  #")[0].replace("PATH/", f"{reference}/")

    printed, _ = shown(page, command=command)
    says = [says for block in blocks(GUIDE / page) for _, says in block.commands if says]
    assert says
    for text in says:
        assert text.removesuffix("...\n") in printed


def test_pages_that_run_elsewhere_do() -> None:
    assert {*ELSEWHERE, *PUBLISHED} <= set(GUIDED)
    for page, test in ELSEWHERE.items():
        name = "example_plugin" if "plug-in" in page else Path(page).name
        assert name in (TESTS / test).read_text(encoding="utf-8")


COMMANDS = [
    (path.relative_to(DOCS.parent).as_posix(), line)
    for path in [DOCS.parent / "README.md", *sorted(DOCS.rglob("*.md"))]
    if "_build" not in path.parts
    for block in re.findall(r"^```\w*\n(.*?)^```", path.read_text("utf-8"), re.S | re.M)
    for line in block.replace("\\\n", " ").splitlines()
    if re.match(r"(\$ )?nasurge [a-z]", line)
]


@pytest.mark.parametrize(("page", "line"), COMMANDS, ids=[page for page, _ in COMMANDS])
def test_a_command_has_the_options_it_is_shown_with(page: str, line: str) -> None:
    words = shlex.split(line.removeprefix("$ ").partition("  #")[0])[1:]
    if any(word.startswith("[") or word == "..." for word in words):
        pytest.skip("a pattern, not a command")
    command: click.Command = typer.main.get_command(app)
    context = None
    while isinstance(command, click.Group):
        name = words.pop(0)
        assert name in command.commands, f"{page}: {line}"
        command = command.commands[name]
    context = command.make_context("nasurge", words, resilient_parsing=False)
    context.close()
