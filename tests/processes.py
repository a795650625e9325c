"""Real processes that start at once: forked from one that has imported what they need."""

from __future__ import annotations

import atexit
import multiprocessing
import os
import signal
import sys
import textwrap
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(
    [
        *("nasurge.cli", "nasurge.api", "nasurge.benchmarks.studies", "nasurge.search.studies"),
        *("torch._dynamo", "torch.distributed.fsdp", "pandas", "pyarrow.parquet", "ot", "jinja2"),
        *(
            "sklearn.gaussian_process",
            "sklearn.linear_model",
            "sklearn.ensemble",
            "sklearn.pipeline",
        ),
        *("matplotlib.figure", "matplotlib.backends.backend_svg", "PIL.Image", "safetensors.torch"),
        *("optuna", "sqlalchemy.dialects.sqlite", "alembic.config", "pydantic", "rich.progress"),
        "pytest",
    ]
)


class Process:
    """A process that calls a function in a folder and writes what it prints into files there.

    It leads a process group of its own, and heeds Ctrl-C also where the tests are run in the
    background of a shell, which has them ignore it.
    """

    def __init__(
        self,
        target: Callable[..., object],
        *arguments: Any,
        folder: Path,
        name: str = "process",
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._printed = [folder / f"{name}.{kind}" for kind in ("stdout", "stderr")]
        given = (target, arguments, str(folder), list(map(str, self._printed)), environment or {})
        self._process = SERVER.Process(target=_call, args=given, daemon=False)
        self._process.start()
        self.pid = self._process.pid or 0
        self.kill = self._process.kill
        self.running = self._process.is_alive

    def end(self, timeout: float = 100) -> int:
        """Wait for the end; the exit status, or minus the signal that ended it."""
        self._process.join(timeout)
        if self._process.exitcode is None:
            self.kill()
            raise TimeoutError(f"not ended after {timeout} seconds: {self.stderr}")
        return self._process.exitcode

    @property
    def stdout(self) -> str:
        return self._printed[0].read_text()

    @property
    def stderr(self) -> str:
        return self._printed[1].read_text()


def _call(
    target: Callable[..., object],
    arguments: tuple[Any, ...],
    folder: str,
    printed: list[str],
    environment: Mapping[str, str],
) -> None:
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(folder)
    os.environ.update(environment)
    for number, path in enumerate(printed, 1):
        os.dup2(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC), number)
    sys.stdout, sys.stderr = (os.fdopen(k, "w", closefd=False) for k in (1, 2))
    status: object = 0
    try:
        target(*arguments)
    except SystemExit as end:
        status = end.code
    except BaseException:  # noqa: BLE001 -- as the interpreter does at the end of a program
        traceback.print_exc()
        status = 1
    # multiprocessing would wait for workers of joblib, which only these functions end.
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status if isinstance(status, int) else int(status is not None))


def run_command(*arguments: str) -> None:
    """``nasurge`` with these arguments; a target of a process."""
    from nasurge.cli import main

    sys.argv = ["nasurge", *arguments]
    main()


def run_code(text: str, *arguments: str) -> None:
    """Python's ``-c`` with these arguments; a target of a process."""
    sys.argv = ["-c", *arguments]
    exec(textwrap.dedent(text), {"__name__": "__main__"})  # noqa: S102


def killed_and_shared(
    arguments: Sequence[str], folder: Path, *, done: Callable[[], int], least: int = 8
) -> list[Process]:
    """Two workers that ended what a third had begun, which was killed after ``least`` were done."""
    first = Process(run_command, *arguments, folder=folder, name="first")
    until = time.monotonic() + 200
    while done() < least and first.running() and time.monotonic() < until:
        time.sleep(0.02)
    first.kill()
    assert first.end() == -signal.SIGKILL, first.stderr
    names = ("second", "third")
    workers = [Process(run_command, *arguments, folder=folder, name=name) for name in names]
    ends = [worker.end(300) for worker in workers]
    assert ends == [0, 0], [worker.stderr for worker in workers]
    return workers
