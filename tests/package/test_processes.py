"""A command whose process is ended leaves nothing behind, however it is ended."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for processes there"),
    pytest.mark.usefixtures("analog"),
]
COMPARE = ["compare", "nb201-analog/cifar10", "-p", "ridge,gp", "-n", "20,50", "-j", "2"]


def command(
    folder: Path, mark: str, *more: str, before: str = "", trials: int = 100
) -> subprocess.Popen[bytes]:
    """A run on two processes that keep a mark in their environment.

    They heed a closed terminal, also where the tests themselves run under ``nohup``.
    """
    started = [before] if before else ["env", "--default-signal=HUP"]
    options = ["--out", "o", "--trials", str(trials), *more]
    with (folder / "stderr").open("wb") as stderr:
        return subprocess.Popen(
            [*started, sys.executable, "-m", "nasurge", *COMPARE, *options],
            cwd=folder,
            env={**os.environ, "NASURGE_TEST": mark},
            stderr=stderr,
            stdout=subprocess.DEVNULL,
        )


def marked(mark: str) -> set[int]:
    """Living processes of a run."""
    found = set()
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                if f"NASURGE_TEST={mark}".encode() in (folder / "environ").read_bytes():
                    found.add(int(folder.name))
            except OSError:  # it has ended, or is another user's
                continue
    return found


def ended(mark: str, seconds: float) -> bool:
    """Whether all processes of a run have ended in time; those that have not are ended now."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if not marked(mark):
            return True
        time.sleep(0.1)
    for process in marked(mark):
        os.kill(process, signal.SIGKILL)
    return False


def at_work(process: subprocess.Popen[bytes], folder: Path) -> None:
    while not (folder / "o" / "rows.jsonl").exists():
        assert process.poll() is None, (folder / "stderr").read_text()
        time.sleep(0.05)


@pytest.mark.timeout(400)
@pytest.mark.parametrize("backend", ["loky", pytest.param("dask", marks=pytest.mark.slow)])
def test_a_run_that_is_killed_leaves_no_worker(tmp_path: Path, backend: str) -> None:
    if backend == "dask":
        pytest.importorskip("distributed")
    mark = uuid.uuid4().hex
    process = command(tmp_path, mark, "--backend", backend)
    at_work(process, tmp_path)
    assert len(marked(mark)) >= 3
    process.kill()
    process.wait()
    assert ended(mark, 30)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_closed_terminal_ends_a_run_as_a_scheduler_does(tmp_path: Path) -> None:
    mark = uuid.uuid4().hex
    process = command(tmp_path, mark)
    at_work(process, tmp_path)
    process.send_signal(signal.SIGHUP)
    assert process.wait(timeout=60) == 130
    assert "what was done is kept" in (tmp_path / "stderr").read_text()
    assert ended(mark, 30)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_nohup_is_left_alone(tmp_path: Path) -> None:
    mark = uuid.uuid4().hex
    process = command(tmp_path, mark, before="nohup")
    at_work(process, tmp_path)
    process.send_signal(signal.SIGHUP)
    time.sleep(1)
    assert process.poll() is None
    process.terminate()
    assert process.wait(timeout=60) == 130
    assert ended(mark, 30)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_folder_that_is_deleted_on_the_way_is_written_again(tmp_path: Path) -> None:
    mark = uuid.uuid4().hex
    process = command(tmp_path, mark, trials=8)
    at_work(process, tmp_path)
    shutil.rmtree(tmp_path / "o", ignore_errors=True)
    code = process.wait(timeout=350)
    assert code == 0, (tmp_path / "stderr").read_text()
    assert "was deleted while the study ran" in (tmp_path / "stderr").read_text()
    assert (tmp_path / "o" / "study.json").exists()
    assert len((tmp_path / "o" / "rows.jsonl").read_text().splitlines()) == 32
    assert ended(mark, 30)
