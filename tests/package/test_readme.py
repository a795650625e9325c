"""What the README shows works word for word."""

import contextlib
import io
import re
import shlex
from pathlib import Path

from typer.main import get_command

from nasurge.cli import app

TEXT = (Path(__file__).resolve().parent.parent.parent / "README.md").read_text(encoding="utf-8")


def test_the_example_runs_and_keeps_its_promise() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)
    assert len([line for line in code.splitlines() if line.strip()]) == 10
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        exec(compile(code, "README.md", "exec"), {})  # noqa: S102 -- our own README
    tau, found = output.getvalue().strip().split("\n")
    assert float(tau) > 0.75
    assert float(re.findall(r"best ([\d.]+)", found)[0]) > 93


def test_every_command_shown_is_understood() -> None:
    lines = [line for line in TEXT.splitlines() if line.startswith("nasurge ")]
    assert len(lines) >= 3
    root = get_command(app)
    for line in lines:
        name, *arguments = shlex.split(line.split("#")[0])[1:]
        command = root.commands[name]
        command.make_context(name, arguments)


def test_links_lead_somewhere() -> None:
    root = Path(__file__).resolve().parent.parent.parent
    for target in re.findall(r"\]\(([^)]+)\)", TEXT):
        assert (root / target).exists(), target
