"""The example plug-in of the documentation is a package that installs, is found and keeps faith."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).resolve().parent.parent.parent / "docs" / "example_plugin"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a process that has the example installed."""
    folder = tmp_path_factory.mktemp("plugin")
    shutil.copytree(EXAMPLE, folder / "source", ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation"]
    command += ["--disable-pip-version-check", "--no-index", "--target", folder / "site"]
    subprocess.run([*command, folder / "source"], check=True)
    paths = [str(folder / "site"), *filter(None, [os.environ.get("PYTHONPATH")])]
    example = {"PYTHONPATH": os.pathsep.join(paths), "EXAMPLE": str(folder / "source")}
    return {**os.environ, **example}


def run(environment: dict[str, str], *arguments: str, cwd: Path | None = None) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], env=environment, cwd=cwd, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_command_line_lists_it(installed) -> None:
    listed = json.loads(run(installed, "-m", "nasurge", "predictors", "--json"))["predictors"]
    assert {"name": "depth", "std": False, "default": False} in listed


def test_it_keeps_the_contracts(installed) -> None:
    folder = Path(installed["EXAMPLE"])
    out = run(installed, "-m", "pytest", "-q", "-p", "no:cacheprovider", ".", cwd=folder)
    assert " passed" in out
    assert "failed" not in out


def test_its_file_becomes_a_table_of_its_space(installed, tmp_path) -> None:
    code = (
        "import json, nasurge; s = nasurge.make_space('tower');"
        "towers = dict(zip(s.format(s.all_codes()), range(81)));"
        "open('towers.json', 'w').write(json.dumps(towers));"
        "nasurge.import_table('towers.json'); t = nasurge.load_table('towers');"
        "y = t.values(task='default', metric='accuracy');"
        "p = nasurge.make_predictor('ridge', t.space).fit(t.codes, y);"
        "print(t.space.name, len(p.predict(s.sample(5))))"
    )
    environment = {**installed, "NASURGE_HOME": str(tmp_path / "home")}
    assert run(environment, "-c", code, cwd=tmp_path).strip() == "tower 5"


def test_its_file_is_read_where_it_is_installed_and_refused_elsewhere(installed, tmp_path) -> None:
    path = str(tmp_path / "depth.nasurge")
    code = (
        "import nasurge; t = nasurge.load_table('nb201-analog');"
        "y = t.values(task='cifar10', metric='baseline_accuracy');"
        "p = nasurge.make_predictor('depth', t.space).fit(t.codes[::150], y[::150]);"
        f"p.save({path!r}); print(nasurge.load_predictor({path!r}).alpha)"
    )
    assert run(installed, "-c", code).strip() == "1.0"
    import nasurge

    with pytest.raises(nasurge.NasurgeError, match="nasurge_depth:Depth, which is not among"):
        nasurge.load_predictor(path)
