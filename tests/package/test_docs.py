"""What the documentation takes from the program is complete, and what it imports is there."""

import ast
import importlib
import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from typer.main import get_command

from nasurge.cli import app
from nasurge.registry import predictor_names, searcher_names

DOCS = Path(__file__).resolve().parents[2] / "docs"
WITH_PYTHON = [
    path for path in sorted(DOCS.rglob("*.md")) if "```python\n" in path.read_text(encoding="utf-8")
]


@pytest.fixture(scope="module")
def conf() -> ModuleType:
    """The configuration of the site, whose functions write the generated parts."""
    spec = importlib.util.spec_from_file_location("conf", DOCS / "conf.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def commands(group: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Every command with its whole name."""
    for part, command in getattr(group, "commands", {}).items():
        yield f"{name} {part}", command
        yield from commands(command, f"{name} {part}")


def test_the_command_line_reference_has_every_option(conf: ModuleType) -> None:
    text = conf.commands()
    sections = dict(re.findall(r"^#+ `(.+?)`$(.*?)(?=^#+ `|\Z)", text, re.MULTILINE | re.DOTALL))
    for name, command in commands(get_command(app), "nasurge"):
        for parameter in command.params:
            option = max((o for o in parameter.opts if o.startswith("--")), key=len, default="")
            hidden = getattr(parameter, "hidden", False)  # it only says where it has gone
            assert hidden or option in sections[name], f"{name} {option}"


def test_the_lists_have_every_name(conf: ModuleType) -> None:
    for names, made in (
        (predictor_names(), conf.predictors_table()),
        (searcher_names(), conf.searchers_table()),
    ):
        for name in names:
            assert f"`{name} <" in made


@pytest.mark.parametrize("path", WITH_PYTHON, ids=lambda path: str(path.relative_to(DOCS)))
def test_python_shown_parses_and_its_imports_are_there(path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL)
    own = {name for block in blocks for name in re.findall(r"\A# (\w+)\.py\n", block)}
    for block in blocks:
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and node.module not in own:
                module = importlib.import_module(str(node.module))
                for alias in node.names:
                    assert hasattr(module, alias.name), f"{node.module} has no {alias.name}"
