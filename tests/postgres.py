"""A PostgreSQL server of our own on the loopback, for as long as a test needs it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest


def _binaries() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if found:
        return found[-1].parent
    initdb = shutil.which("initdb")
    return Path(initdb).resolve().parent if initdb else None


def _install() -> str:
    """Install PostgreSQL with apt; return why that was impossible, if it was."""
    if not shutil.which("apt-get") or not hasattr(os, "geteuid") or os.geteuid() != 0:
        return "PostgreSQL is not installed, and only root can install it with apt"
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update", "-q"], ["install", "-y", "-q", "postgresql"]):
        done = subprocess.run(
            ["apt-get", *command], env=environment, capture_output=True, text=True, timeout=300
        )
    return "" if done.returncode == 0 else f"apt cannot install it: {done.stderr.strip()[-200:]}"


def _account() -> dict[str, Any]:
    """Whom the server runs as: it refuses to run as root."""
    if os.geteuid() == 0:
        return {"user": "postgres", "group": "postgres", "extra_groups": []}
    return {}


def control(url: str, *arguments: str) -> None:
    """Call pg_ctl on the server of ``postgresql``; its options are those it had."""
    import psycopg

    if url not in _FOLDERS:
        with psycopg.connect(url) as connection:
            row = connection.execute("SHOW data_directory").fetchone()
        assert row is not None
        _FOLDERS[url] = str(row[0])
    binaries = _binaries()
    assert binaries is not None
    subprocess.run(
        [binaries / "pg_ctl", "-D", _FOLDERS[url], "-w", *arguments],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=Path(_FOLDERS[url]).parent,
        timeout=100,
        **_account(),
    )


_FOLDERS: dict[str, str] = {}


@contextmanager
def postgresql() -> Iterator[str]:
    """Yield the URL of an empty database; skip the test, with the reason, where there is none."""
    pytest.importorskip("psycopg", reason="psycopg is not installed: nasurge[postgresql]")
    if _binaries() is None and (reason := _install()):
        pytest.skip(reason)
    binaries = _binaries()
    assert binaries is not None
    account = _account()
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        if account:
            shutil.chown(folder, "postgres", "postgres")

        def call(program: str, *arguments: str) -> None:
            subprocess.run(
                [binaries / program, "-D", f"{folder}/data", *arguments],
                check=True,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd=folder,
                timeout=100,
                **account,
            )

        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        call("initdb", "-A", "trust", "-U", "nasurge", "-E", "UTF8")
        call("pg_ctl", "-w", "-o", options, "-l", f"{folder}/log", "start")
        try:
            yield f"postgresql://nasurge@127.0.0.1:{port}/postgres"
        finally:
            call("pg_ctl", "-w", "-m", "immediate", "stop")
