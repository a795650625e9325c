"""Pages of the documentation, run as they are shown."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from nasurge.cli import app

PAGES = Path(__file__).resolve().parents[1] / "docs" / "guide" / "how-to"


def shown(page: str) -> tuple[str, dict[str, Any]]:
    """What the commands of a page print, and what its Python names, when all is run in order.

    Files that it shows are written; those of a program that is run by itself, ``use.py``, are not
    run.
    """
    whole = (PAGES / page).read_text(encoding="utf-8")
    names: dict[str, Any] = {}
    printed: list[str] = []
    for kind, text in re.findall(r"```(\w+)\n(.*?)```", whole, flags=re.DOTALL):
        name = text.splitlines()[0].removeprefix("# ")
        file = name.endswith((".py", ".toml"))
        if file:
            Path(name).write_text(text, encoding="utf-8")
        if kind == "python" and not (file and name == "use.py"):
            with contextlib.redirect_stdout(io.StringIO()):
                exec(compile(text, page, "exec"), names)  # noqa: S102 -- our own page
        elif kind == "console":
            for line in text.splitlines():
                ran = CliRunner().invoke(app, shlex.split(line.removeprefix("$ nasurge ")))
                assert ran.exit_code == 0, f"{line}: {ran.output}"
                printed.append(ran.stdout)
    return "".join(printed), names
