"""The house stands as drawn: packages, arrows, light imports, true doctests."""

import ast
import configparser
import doctest
import importlib
import inspect
import os
import shutil
import subprocess
import sys
from collections import defaultdict
from functools import cache
from pathlib import Path

import pytest
from import_graph import Tree

import nasurge

ROOT = Path(__file__).resolve().parent.parent.parent
CFG = configparser.ConfigParser(interpolation=None)
CFG.read(ROOT / "setup.cfg")
PACKAGES = CFG["options"]["packages"].split()
PAIRS = [line.split("=") for line in CFG["options"]["package_dir"].strip().splitlines()]
FOLDERS = {name.strip(): ROOT / folder.strip() for name, folder in PAIRS}

# Who may import whom; nasurge.errors is a leaf that everyone may.
ARROWS = {
    "data": {"data"},
    "predictors": {"data", "predictors"},
    "benchmarks": {"data", "predictors.base", "benchmarks"},
    "search": {"data", "predictors", "benchmarks", "search"},
}
# The one arrow against the flow: calling the package nasurge.search runs nasurge.searching.search.
EXCEPTIONS = {("search/__init__.py", "searching")}


def modules() -> list[str]:
    """Every module in the tree, under its real name."""
    names = []
    for name, folder in FOLDERS.items():
        for path in folder.rglob("*.py"):
            parts = path.relative_to(folder).with_suffix("").parts
            names.append(".".join([name, *parts]).removesuffix(".__init__"))
    return sorted(names)


def test_every_package_is_listed() -> None:
    found = {m for m in modules() if importlib.import_module(m).__spec__.submodule_search_locations}
    assert found == set(PACKAGES)


class Examples(doctest.DocTestFinder):
    """Examples in docstrings, those of decorated functions too."""

    def _from_module(self, module, thing) -> bool:
        return super()._from_module(module, inspect.unwrap(thing))


@pytest.mark.parametrize("name", modules())
def test_doctests(name: str) -> None:
    runner = doctest.DocTestRunner()
    for examples in Examples().find(importlib.import_module(name)):
        assert runner.run(examples).failed == 0


def imported(path: Path, package: str) -> set[str]:
    """Modules of nasurge that a file imports, below the root: 'data.spaces', 'errors', ..."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package.split(".")[: len(package.split(".")) - node.level + 1]
            target = ".".join([*base, node.module or ""]).strip(".")
            names = [target] if node.module else [f"{target}.{a.name}" for a in node.names]
            found |= {n.removeprefix("nasurge").strip(".") for n in names}
        elif isinstance(node, ast.ImportFrom):
            found.add(f"absolute {node.module}")
        elif isinstance(node, ast.Import):
            found |= {f"absolute {alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("room", ARROWS)
def test_arrows(room: str) -> None:
    for path in (ROOT / room).rglob("*.py"):
        parts = path.relative_to(ROOT).with_suffix("").parts
        package = ".".join(["nasurge", *parts[:-1]])
        for target in imported(path, package):
            bare = target.removeprefix("absolute ").split(".")[0]
            if target.startswith("absolute "):
                assert bare not in {*ARROWS, "nasurge"}, f"{path} imports {target}: be relative"
            elif (str(path.relative_to(ROOT)), target) not in EXCEPTIONS:
                allowed = {*ARROWS[room], "errors"}
                assert any(target == a or target.startswith(f"{a}.") for a in allowed), (
                    f"{path.relative_to(ROOT)} imports {target}, against the arrows"
                )


def test_modules_import_each_other_in_one_direction() -> None:
    """Also by imports inside functions, and through the faces of packages."""
    upward = {("nasurge.search", "nasurge.searching")}  # ADR 7: the package that can be called
    assert Tree(FOLDERS).cycles(leave_out=upward) == []


@cache
def parsed() -> tuple[tuple[str, ast.Module], ...]:
    """Every module of the tree, by its path."""
    paths = [path for folder in FOLDERS.values() for path in sorted(folder.rglob("*.py"))]
    return tuple(
        (path.relative_to(ROOT).as_posix(), ast.parse(path.read_text(encoding="utf-8")))
        for path in paths
    )


def test_what_a_space_offers_is_asked_for_by_name() -> None:
    spaces = {
        node.name
        for name, tree in parsed()
        if name.startswith("data/spaces/")
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    } - {"Space", "Variable", "Layers"}  # the last two are parts of a description, no spaces
    for name, tree in parsed():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in {
                "isinstance",
                "issubclass",
            }:
                kinds = {n.id for n in ast.walk(node.args[1]) if isinstance(n, ast.Name)}
                assert not kinds & spaces, f"{name}:{node.lineno} asks for {kinds & spaces}"


def test_a_room_shows_at_most_fifteen_entries() -> None:
    for room in ARROWS:
        entries = {path.name for path in (ROOT / room).iterdir()} - {"__pycache__"}
        entries = {"face" if name.startswith("__init__.") else name for name in entries}
        assert len(entries) <= 15, f"{room}: {sorted(entries)}"


def test_a_function_fits_a_screen() -> None:
    long = set()
    for name, tree in parsed():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                body = node.body[ast.get_docstring(node) is not None :]
                if body and (body[-1].end_lineno or 0) - body[0].lineno >= 60:
                    long.add((name, node.name))
    assert not long


def test_no_two_classes_share_a_name() -> None:
    places = defaultdict(set)
    for name, tree in parsed():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                places[node.name].add(name)
    assert {name for name, where in places.items() if len(where) > 1} == set()


def test_a_docstring_begins_with_a_noun_phrase() -> None:
    documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    found = set()
    for name, tree in parsed():
        for node in ast.walk(tree):
            text = (isinstance(node, documented) and ast.get_docstring(node)) or ""
            if text.startswith("Return"):
                found.add(name)
    assert not found


def run_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout


def test_importing_nasurge_is_light() -> None:
    heavy = "torch", "xgboost", "matplotlib", "sklearn", "pandas", "typer"
    code = f"import sys, nasurge, nasurge.cli; print([m for m in {heavy} if m in sys.modules])"
    assert run_python(code).strip() == "['typer']"


def test_metrics_need_nothing_heavy() -> None:
    code = (
        "import sys; from nasurge.benchmarks import metrics;"
        "print([m for m in ('torch', 'xgboost', 'matplotlib', 'pandas') if m in sys.modules])"
    )
    assert run_python(code).strip() == "[]"


def test_a_command_that_trains_nothing_does_not_load_torch() -> None:
    code = "import sys, nasurge.api; print('torch' in sys.modules)"
    assert run_python(code).strip() == "False"


@pytest.mark.parametrize("package", PACKAGES)
def test_what_a_package_offers_is_there(package: str) -> None:
    """A face loads a name when it is first used: one that is missing would be found by a user."""
    face = importlib.import_module(package)
    for name in getattr(face, "__all__", ()):
        assert getattr(face, name) is not None


def test_public_names_are_there_and_search_can_be_called() -> None:
    for name in nasurge.__all__:
        assert getattr(nasurge, name)
    importlib.import_module(
        "nasurge.search.searchers.uniform"
    )  # binds the package over any function
    trace = nasurge.search(lambda c: c.sum(axis=1), space=nasurge.make_space("nb201"), budget=3)
    assert trace.codes.shape == (3, 6)
    with pytest.raises(AttributeError, match="predictorz"):
        _ = nasurge.predictorz


def test_source_has_no_assert_print_or_free_unpickling() -> None:
    """Contracts in nasurge/testing may assert: that is how a plug-in's test fails."""
    for folder in FOLDERS.values():
        for path in folder.rglob("*.py"):
            if "testing" in path.parts:
                continue
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                assert not isinstance(node, ast.Assert), f"assert in {path}:{node.lineno}"
                if isinstance(node, ast.Call):
                    called = ast.unparse(node.func)
                    banned = {"print", "eval", "exec", "pickle.load", "pickle.loads", "torch.load"}
                    assert called not in banned, f"{called} in {path}:{node.lineno}"


def test_files_stay_short() -> None:
    long = [
        f"{path.relative_to(ROOT)}: {lines}"
        for folder in (*FOLDERS.values(), ROOT / "tests")
        for path in folder.rglob("*.py")
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > 500
    ]
    assert not long


def test_two_mixed_checkouts_are_one_clear_error(tmp_path: Path) -> None:
    if Path(nasurge.__file__).resolve().parent != (ROOT / "nasurge").resolve():
        pytest.skip("the tests of an installed package, whose folders are not a checkout's")
    shutil.copytree(ROOT / "nasurge", tmp_path / "nasurge")
    # Python looks into the current folder first, unless it is told that this is not safe.
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONSAFEPATH"}
    command = [sys.executable, "-c", "import nasurge"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    error = done.stderr.strip().splitlines()[-1]
    assert error.startswith("ImportError: two checkouts of NASurge are mixed")
    for wanted in (f"nasurge comes from {tmp_path}", "pip install -e", "cd "):
        assert wanted in error
