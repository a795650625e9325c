"""Fixtures: a home for tables that is thrown away, and the reference tables where they are."""

import os

# The tests run in as many processes as there are cores: more threads would wait for each other.
os.environ["OMP_NUM_THREADS"] = "1"
# What is printed depends on the terminal: tests that ask for one set these themselves.
for _name in ("COLUMNS", "LINES", "FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "CLICOLOR_FORCE"):
    os.environ.pop(_name, None)

import gc
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from nasurge.data.tables import Table, import_table, load_table

# A busy machine is slow, not wrong; every test has a time limit of its own.
settings.register_profile("tests", deadline=None, max_examples=50)
settings.load_profile("tests")


@pytest.fixture(scope="session", autouse=True)
def _home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keep the tables of the tests away from the user's; workers of pytest-xdist have one each."""
    before = os.environ.get("NASURGE_HOME")
    home = tmp_path_factory.mktemp("home")
    os.environ["NASURGE_HOME"] = str(home)
    yield home
    if before is None:
        del os.environ["NASURGE_HOME"]
    else:
        os.environ["NASURGE_HOME"] = before


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Train with one thread of torch: small networks gain nothing from more, and round alike."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def reference() -> Path:
    """The folder of reference tables; tests that need it are skipped without."""
    folder = os.environ.get("NASURGE_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("NASURGE_DATA does not name the folder of reference tables")
    return Path(folder)


@pytest.fixture(scope="session")
def analog(_home: Path) -> Table:
    """The 15,625 NAS-Bench-201 cells that analog-nasbench ships."""
    return load_table("nb201-analog")


@pytest.fixture(scope="session")
def nbgraph(_home: Path) -> Table:
    """The 26,206 graph networks that nas-bench-graph ships."""
    return load_table("nbgraph")


@pytest.fixture(scope="session")
def nb201(_home: Path, reference: Path) -> Table:
    """NAS-Bench-201, imported from the reference tables."""
    return import_table(reference / "nb201.csv.gz", name="nb201")[0]


@pytest.fixture(scope="module")
def old_home(
    analog: Table, nbgraph: Table, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """A home with the tables and computed proxies of the first version: old/v0/README.md."""
    shipped = Path(os.environ["NASURGE_HOME"]) / "tables" / "shipped"
    folder = tmp_path_factory.mktemp("old") / "home"
    shutil.copytree(Path(__file__).parent / "old" / "v0" / "home", folder)
    shutil.copytree(shipped, folder / "tables" / "shipped")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NASURGE_HOME", str(folder))
        yield folder


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name of a parameter that is bytes: these may hold the time, and differ between processes."""
    return argname if isinstance(val, bytes) else None


def pytest_collection_finish() -> None:
    """What is imported by now stays: the garbage collector need not go through it."""
    gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Modules with slow tests come first: what is run last, while others idle, is quick."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture
def write(tmp_path):
    """Return a function that writes a file and returns its path."""

    def write(content, name="t.csv"):
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write
