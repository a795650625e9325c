"""What setup.cfg requires is what the source uses, at versions that are tested."""

import ast
import configparser
import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from nasurge.data.tables.catalogue import SHIPPED

ROOT = Path(__file__).resolve().parent.parent.parent
CFG = configparser.ConfigParser(interpolation=None)
CFG.read(ROOT / "setup.cfg")
TOOLS = ("check", "docs")
# Tried at the versions of constraints.txt alone: older ones do not import beside the others.
LATEST = {"mlflow-skinny", "tensorboard", "wandb", "playwright", "pypdf"}
MODULES = {"mlflow": "mlflow-skinny"}
"""Distributions of modules, where they are not installed and are called otherwise."""
ROOMS = ("nasurge", "data", "predictors", "benchmarks", "search")


def requirements(text: str) -> dict[str, Requirement]:
    """Requirements, one a line, by name; what stands for another extra is none."""
    lines = [line for line in text.split("\n") if line.strip() and "%(" not in line]
    return {canonicalize_name(r.name): r for r in map(Requirement, lines)}


REQUIRED = requirements(CFG["options"]["install_requires"])
EXTRAS = {name: requirements(text) for name, text in CFG["options.extras_require"].items()}
OPTIONAL = {
    name: requirement
    for extra, wanted in EXTRAS.items()
    if extra not in TOOLS
    for name, requirement in wanted.items()
}


def pins(name: str) -> dict[str, Version]:
    """Versions that a file of constraints names."""
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    pinned = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(package): Version(version) for package, version in pinned}


def imported() -> set[str]:
    """Distributions whose modules the source imports."""
    modules = set()
    for path in (path for room in ROOMS for path in (ROOT / room).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                modules |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
                modules.add(node.module.split(".")[0])
    own = packages_distributions()
    modules -= {*sys.stdlib_module_names, "nasurge"}
    return {
        canonicalize_name(name)
        for module in modules
        for name in own.get(module, [MODULES.get(module, module)])
    }


def test_what_is_imported_is_required_and_what_is_required_is_used() -> None:
    shipped = {canonicalize_name(one.distribution) for one in SHIPPED.values()}
    by_name = {"lightgbm", "ngboost"}  # as heavy_imports
    not_imported = {"configspace", "dask", "psycopg"}  # objects of users, a part of it, a driver
    found = imported() - {"distributed"}  # by dask[distributed]
    assert found - {*REQUIRED, *OPTIONAL} == set()
    assert set(REQUIRED) - found - shipped == set()
    unused = set(OPTIONAL) - set(EXTRAS["test"]) - found - shipped - by_name
    assert unused == not_imported


@pytest.mark.parametrize("name", sorted({*REQUIRED, *OPTIONAL} - LATEST))
def test_the_oldest_version_is_the_one_that_is_tested(name: str) -> None:
    """The lower bound, but for torch: its oldest wheel brings CUDA."""
    requirement = REQUIRED.get(name) or OPTIONAL[name]
    (bound,) = (one for one in requirement.specifier if one.operator == ">=")
    oldest = pins("constraints-oldest.txt")[name]
    assert oldest in requirement.specifier
    assert name == "torch" or oldest == Version(bound.version)


@pytest.mark.parametrize("extra", [None, *EXTRAS])
def test_what_is_pinned_is_allowed(extra: str | None) -> None:
    tested = pins("constraints.txt")
    for name, requirement in (EXTRAS[extra] if extra else REQUIRED).items():
        if name != "setuptools":  # of the environment that builds
            assert tested[name] in requirement.specifier


def test_an_error_names_an_extra_that_there_is() -> None:
    for path in (path for room in ROOMS for path in (ROOT / room).rglob("*.py")):
        for extra in re.findall(r"nasurge\[(\w+)\]", path.read_text(encoding="utf-8")):
            assert extra in {*EXTRAS, "EXTRA"}, f"{path}: {extra}"
