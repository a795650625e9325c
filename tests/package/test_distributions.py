"""What is uploaded to a package index: an sdist that can test itself, a wheel that works alone."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path
from typing import NamedTuple

import pytest

import nasurge

ROOT = Path(__file__).resolve().parent.parent.parent
# Made by running things in a clone: no part of it.
MADE = shutil.ignore_patterns(
    *(".git", ".venv*", ".linktree", ".*_cache", ".hypothesis", "__pycache__", "*.egg-info"),
    *("build", "dist", "_build", "generated", "api", "runs"),
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


class Distributions(NamedTuple):
    """The two files, the tree that they were made of, and that of the sdist."""

    sdist: Path
    wheel: Path
    source: Path
    unpacked: Path

    @property
    def metadata(self) -> Message:
        """What the wheel says of itself."""
        with zipfile.ZipFile(self.wheel) as archive:
            (name,) = (n for n in archive.namelist() if n.endswith("dist-info/METADATA"))
            return Parser().parsestr(archive.read(name).decode())


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Distributions:
    """An sdist of a copy, where no earlier build lists files, and the wheel that it makes."""
    folder = tmp_path_factory.mktemp("distributions")
    source = folder / "source"
    shutil.copytree(ROOT, source, ignore=MADE)
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, source]
    subprocess.run(command, check=True, capture_output=True)
    (sdist,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    return Distributions(sdist, wheel, source, folder / f"nasurge-{nasurge.__version__}")


def files(folder: Path) -> set[str]:
    """Paths of the files in a tree."""
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


def test_the_sdist_is_the_whole_clone(built: Distributions) -> None:
    made = {"PKG-INFO", "setup.cfg"}
    kept = {n for n in files(built.unpacked) if not n.startswith("nasurge.egg-info/")} - made
    sources = {n for n in files(built.source) if not n.startswith("nasurge.egg-info/")} - made
    assert sources - kept <= {".gitignore"}
    assert kept <= sources


def test_the_sdist_tests_itself(built: Distributions) -> None:
    """All tests are collected, and some run, on the sdist's own code."""
    subprocess.run([sys.executable, "tools/linktree.py"], check=True, cwd=built.unpacked)
    # The folder itself, which Python looks into first, has a part of the package only.
    environment = {
        **os.environ,
        "PYTHONPATH": str(built.unpacked / ".linktree"),
        "PYTHONSAFEPATH": "1",
    }
    pytest_here = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
    wanted = {"cwd": built.unpacked, "env": environment, "capture_output": True, "text": True}
    collected = subprocess.run([*pytest_here, "--collect-only"], **wanted)
    assert collected.returncode == 0, collected.stdout[-3000:]
    assert "test_distributions.py" in collected.stdout
    where = "import nasurge; print(nasurge.__file__)"
    found = subprocess.run([sys.executable, "-c", where], check=True, **wanted)
    assert Path(found.stdout.strip()).is_relative_to(built.unpacked)
    chosen = ["tests/benchmarks/test_metrics.py", "tests/package/test_registry.py"]
    done = subprocess.run([*pytest_here, *chosen], **wanted)
    assert done.returncode == 0, done.stdout[-3000:]


def test_the_wheel_works_outside_the_clone(built: Distributions, tmp_path: Path) -> None:
    with zipfile.ZipFile(built.wheel) as archive:
        names = archive.namelist()
        archive.extractall(tmp_path / "site")  # noqa: S202 -- our own
    tops = {name.split("/")[0] for name in names}
    assert tops == {"nasurge", f"nasurge-{nasurge.__version__}.dist-info"}
    for wanted in (
        "nasurge/py.typed",
        "nasurge/data/sources/schemas/nb201.toml",
        "nasurge/data/shipped/nb201-digits.safetensors",
        "nasurge/data/shipped/at-nas-glyphs.safetensors",
        "nasurge/benchmarks/templates/report.html",
    ):
        assert wanted in names
    code = (
        "import nasurge; assert 'site' in nasurge.__file__, nasurge.__file__;"
        "print(len(nasurge.load_table('nb201-analog')))"
    )
    # The unpacked wheel comes before the editable install of the clone.
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, 'site'); {code}"],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    assert done.stdout.strip() == "15625"


def test_a_package_index_takes_both(built: Distributions) -> None:
    twine = [sys.executable, "-m", "twine", "check", "--strict", built.sdist, built.wheel]
    subprocess.run(twine, check=True)
    subprocess.run([sys.executable, "-m", "check_wheel_contents", built.wheel], check=True)


def test_the_description_needs_no_file_beside_it(built: Distributions) -> None:
    text = str(built.metadata.get_payload())
    assert "## Results" in text
    targets = re.findall(r"\]\(([^)]+)\)", text) + re.findall(r"(?:src|href)=\"([^\"]+)", text)
    assert [t for t in targets if not t.startswith(("https://", "#"))] == []
    for name in re.findall(r"\(`([^`]+)`\)", text):  # what was a link
        assert (built.unpacked / name).exists(), name


def test_the_metadata_is_what_setup_cfg_says(built: Distributions) -> None:
    metadata = built.metadata
    assert metadata["Author"] == "The NASurge developers"
    assert metadata["License-Expression"] == "MIT"
    assert metadata["Description-Content-Type"] == "text/markdown"
