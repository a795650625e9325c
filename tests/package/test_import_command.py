"""``nasurge import``: what it prints of a file, and what its options say."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from nasurge.cli import app
from nasurge.data.spaces import make_space

NB201 = make_space("nb201")
STRINGS = NB201.format(NB201.sample(8, seed=0, unique=True))


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Return a function that imports a file into a home of its own."""
    monkeypatch.setenv("NASURGE_HOME", str(tmp_path / "home"))

    def run(text: str, *options: str) -> Result:
        path = tmp_path / "t.csv"
        path.write_text(text, encoding="utf-8")
        return CliRunner().invoke(app, ["import", str(path), "--force", *options])

    return run


LONG = ";arch;seed;latency [ms];note\n" + "".join(
    f"{2 * k + seed};{string};{seed};{k},{seed}1;x\n"
    for k, string in enumerate(STRINGS)
    for seed in (0, 1)
)


def test_what_was_recognised_is_said(run) -> None:
    lines = run(LONG).stdout.splitlines()
    assert lines[0] == "t: 8 architectures of space nb201, tasks default"
    said = dict(line.strip().split(": ", 1) for line in lines[1:])
    assert said["rows"] == "16"
    assert said["read"] == "CSV separated by semicolons; decimal commas"
    assert "a guess: architectures in column 'arch'" in said["recognised"]
    assert "'latency [ms]' is the mean of 2 runs (seeds)" in said["runs"]
    assert said["left out"] == "column 1 without a name (a numbering); 'note' (text)"
    assert said["smaller is better"] == "latency [ms]"


def test_the_same_is_in_the_json(run) -> None:
    [found] = json.loads(run(LONG, "--json").stdout)["tables"]
    assert found["rows"] == 16
    assert found["space"] == "nb201"
    assert found["minimised"] == ["latency [ms]"]
    assert found["maximised"] == []
    [found] = json.loads(run(LONG, "--json", "--maximise", "latency [ms]").stdout)["tables"]
    assert found["maximised"] == ["latency [ms]"]


def test_what_has_two_readings_is_said_by_an_option(run) -> None:
    text = "arch,acc\n" + "".join(f'"{tuple(row)}",{k}\n' for k, row in enumerate(
        NB201.parse(STRINGS).tolist()))  # fmt: skip
    refused = run(text)
    assert refused.exit_code == 2
    assert "--convention" in refused.stderr
    for options, space in (
        (["--convention", "naslib"], "nb201"),
        (["--convention", "codes", "--space", "nb201"], "nb201"),
        (["--space", "own"], "t"),
    ):
        assert f"architectures of space {space}," in run(text, *options).stdout
    wrong = run(text, "--space", "nb2001", "--convention", "codes")
    assert "did you mean 'nb201'" in wrong.stderr
    wrong = run(text, "--convention", "naslip")
    assert "did you mean 'naslib'" in wrong.stderr
