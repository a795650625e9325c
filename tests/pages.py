"""Pages of the documentation, run as they are shown."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from typer.testing import CliRunner

from nasurge.cli import app

GUIDE = Path(__file__).resolve().parents[1] / "docs" / "guide"
PAGES = GUIDE / "how-to"


class Shown(NamedTuple):
    """A block of a page that is not only to be read."""

    kind: str
    text: str

    @property
    def file(self) -> str:
        """Name of the file that the block is, by its first line; "" if it is none."""
        first = self.text.partition("\n")[0].removeprefix("# ")
        return first if first.endswith((".py", ".toml")) and " " not in first else ""

    @property
    def commands(self) -> list[tuple[str, str]]:
        """Commands, each with what the page says that it prints."""
        found: list[tuple[str, str]] = []
        for line in self.text.replace("\\\n", " ").splitlines():
            if line.startswith("$ "):
                found.append((line.removeprefix("$ "), ""))
            elif found:
                found[-1] = (found[-1][0], f"{found[-1][1]}{line}\n")
        return found


def blocks(path: Path) -> list[Shown]:
    """Blocks of a page in order, those of text left out."""
    whole = path.read_text(encoding="utf-8")
    found = re.findall(r"^```(\w+)\n(.*?)^```", whole, flags=re.DOTALL | re.MULTILINE)
    return [Shown(kind, text) for kind, text in found if kind != "text"]


def nothing(text: str) -> str:
    """Every command, and all Python, as it is shown."""
    return text


def shown(
    page: str,
    *,
    command: Callable[[str], str | None] = nothing,
    python: Callable[[str], str] = nothing,
) -> tuple[str, dict[str, Any]]:
    """What the commands of a page print, and what its Python names, when all is run in order.

    Files that it shows are written; those of a program that is run by itself, ``use.py``, are not
    run.

    Parameters
    ----------
    page : str
        Below ``docs/guide``, or in its folder ``how-to``.
    command : callable, optional
        From a command to the one that is run for it, or None to leave it out.
    python : callable, optional
        From the text of a block of Python to what is run for it.
    """
    path = PAGES / page if (PAGES / page).exists() else GUIDE / page
    names: dict[str, Any] = {}
    printed: list[str] = []
    for block in blocks(path):
        if block.file:
            Path(block.file).write_text(block.text, encoding="utf-8")
        if block.kind == "python" and block.file != "use.py":
            with contextlib.redirect_stdout(io.StringIO()):
                exec(compile(python(block.text), page, "exec"), names)  # noqa: S102 -- our own page
        elif block.kind == "console":
            for line, says in block.commands:
                if (line := command(line)) is None:
                    continue
                ran = CliRunner().invoke(app, shlex.split(line.removeprefix("nasurge ")))
                refused = says.startswith("error: ")
                assert ran.exit_code == (2 if refused else 0), f"{line}: {ran.output}"
                if refused:
                    assert ran.stderr.split() == says.split()
                printed.append(ran.stdout)
    return "".join(printed), names
