"""One read of a file in a child process: what came of it, within limits of memory and time."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from nasurge.errors import NasurgeError

LIMITS = "memory=3e8,pixels=1e6,members=1e4"
"""What the readers are told; the child may have as much again, and a little, on top of its own."""
MEMORY = 700_000_000
SECONDS = 20


class Outcome(NamedTuple):
    """``read``, ``refused``, ``traceback``, ``crash`` or ``hang``; and the message."""

    kind: str
    message: str


def outcome(read: Callable[[], object], folder: Path) -> Outcome:
    """What comes of a read in a fork of this process, whose current folder is ``folder``."""
    sending = os.pipe()
    child = os.fork()
    if not child:
        _report(sending[1], read, folder)
    os.close(sending[1])
    with os.fdopen(sending[0], "rb") as stream:
        sent = _until(stream, time.monotonic() + SECONDS)
    if sent is None:
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if sent is None:
        return Outcome("hang", f"longer than {SECONDS} s")
    if os.WIFSIGNALED(status) or not sent:
        return Outcome("crash", f"status {status}")
    return Outcome(*json.loads(sent))


def _until(stream, end: float) -> bytes | None:
    """All that is sent before the other side ends, None if it takes too long."""
    import select

    parts = []
    while (left := end - time.monotonic()) > 0:
        ready, _, _ = select.select([stream], [], [], left)
        if ready:
            part = os.read(stream.fileno(), 65536)
            if not part:
                return b"".join(parts)
            parts.append(part)
    return None


def _report(pipe: int, read: Callable[[], object], folder: Path) -> None:
    """In the child: read, say what came of it, and end without cleaning up."""
    try:
        os.chdir(folder)
        silent = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silent, 1)
        os.dup2(silent, 2)
        used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        found = _what_came(read)
        os.write(pipe, json.dumps(found).encode())
    finally:
        with contextlib.suppress(OSError):
            os.close(pipe)
        os._exit(0)


def _what_came(read: Callable[[], object]) -> tuple[str, str]:
    try:
        read()
    except NasurgeError as error:
        return "refused", f"{type(error).__name__}: {error}"
    except BaseException:  # noqa: BLE001 -- whatever it is, it is a fault
        last = traceback.format_exc().splitlines()
        return "traceback", " | ".join(last[-8:])[:2000]
    return "read", ""
