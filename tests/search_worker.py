"""Searches in processes of their own, to be killed: what they evaluate stands in a log."""

from __future__ import annotations

import os
import time
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
import optuna
from processes import SERVER

import nasurge
from nasurge.data.spaces import Codes
from nasurge.search.base import Searcher
from nasurge.search.loop import Trace
from nasurge.search.store import run_stored

SPACE = nasurge.make_space("nb201")
BUDGET, BATCH = 40, 4


def searcher() -> Searcher:
    return nasurge.make_searcher("evolution", SPACE, population_size=10, seed=0)


def value(codes: Codes) -> np.ndarray:
    """Made-up values, some of them failures."""
    values = np.sin(codes @ np.arange(1.0, 7.0))
    return np.where(codes.sum(axis=1) % 7 == 3, np.nan, values)


def work(url: str, study: str, log: Path, seconds: float, budget: int = BUDGET) -> None:
    """Run a search whose every evaluation takes some time and is written down."""

    def objective(codes: Codes) -> np.ndarray:
        for key in SPACE.index(codes).tolist():
            _write(log, f"begin {key} {os.getpid()}\n")
            time.sleep(seconds)
        return value(codes)

    trace = run_stored(searcher(), objective, storage=url, study=study, budget=budget, batch=BATCH)
    _write(log, f"done {len(trace.values)} {os.getpid()}\n")


def _write(log: Path, line: str) -> None:
    handle = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(handle, line.encode())
    os.close(handle)


def start(*arguments: object) -> BaseProcess:
    process = SERVER.Process(target=work, args=arguments, daemon=True)
    process.start()
    return process


def begun(log: Path) -> list[tuple[int, int]]:
    """What was begun to be evaluated, and by which process, in order."""
    lines = [line.split() for line in log.read_text().splitlines()] if log.exists() else []
    return [(int(key), int(by)) for what, key, by in lines if what == "begin"]


def told(url: str, study: str) -> tuple[list[int], list[float]]:
    """The architectures of a study that are known, by the study alone, and their values."""
    storage = optuna.storages.RDBStorage(url)
    keys, values = [], []
    for trial in optuna.load_study(study_name=study, storage=storage).trials:
        failed = trial.state.name == "FAIL" and "failure" in trial.user_attrs
        if trial.state.name == "COMPLETE" or failed:
            keys.append(int(SPACE.index(SPACE.parse(trial.user_attrs["architecture"]))[0]))
            values.append(np.nan if failed else trial.value)
    storage.remove_session()
    storage.engine.dispose()
    return keys, values


def expected() -> Trace:
    """What a search that nobody interrupts finds."""
    from nasurge.search.loop import run

    return run(searcher(), value, budget=BUDGET, batch=BATCH)


def killed_and_resumed(url: str, folder: Path, kills: int, seed: int) -> int:
    """Kill a search at random moments, let it end, check what it has found; return its resumes."""
    rng = np.random.default_rng(seed)
    log = folder / "log"
    for _ in range(kills):
        before = len(begun(log))
        process = start(url, "killed", log, 0.01)
        while len(begun(log)) == before and process.is_alive():
            time.sleep(0.002)
        time.sleep(rng.uniform(0, 0.3))
        process.kill()
        process.join()
    process = start(url, "killed", log, 0.0)
    process.join()
    assert process.exitcode == 0
    keys, values = told(url, "killed")
    whole = expected()
    assert len(set(keys)) == len(keys), "told twice"
    assert dict(zip(keys, map(str, values), strict=True)) == dict(
        zip(SPACE.index(whole.codes).tolist(), map(str, whole.values.tolist()), strict=True)
    ), "not what an uninterrupted search finds"
    return len({by for _, by in begun(log)})
