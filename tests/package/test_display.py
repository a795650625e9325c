"""What commands print: names as data, digits that tell, tables as wide as the terminal."""

import os
import re
import subprocess
import sys
from collections import Counter
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import typer.main
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.axes import Axes
from typer.testing import CliRunner

from nasurge import registry
from nasurge.benchmarks.intervals import interval
from nasurge.benchmarks.studies import (
    Key,
    Page,
    Panel,
    Picture,
    Section,
    TextTable,
    interval_text,
    number_text,
    scatter_named,
    to_svg,
)
from nasurge.benchmarks.studies.digits import numeric_columns
from nasurge.benchmarks.studies.rendering import render
from nasurge.benchmarks.studies.svg import page_svg
from nasurge.cli import app, common
from nasurge.cli.printing import print_table, printable, say
from nasurge.data import plugins
from nasurge.errors import PluginError
from nasurge.progress import progress_bar

HOSTILE = ["latency [ms]", "acc [/b]", "[red]x", "\x1b]0;PWNED\x07\x1b[31mred", "<b>&amp;", "a\nb"]


def printed(capsys: pytest.CaptureFixture[str], *table: object, **options: object) -> str:
    print_table(*table, **options)  # type: ignore[arg-type]
    return capsys.readouterr().out


@pytest.mark.parametrize("name", HOSTILE)
def test_names_are_data(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, ("metric", name), [[name, "1"], ["other", "2"]])
    assert text.count(printable(name)) == 2
    say(f"metric {name}", err=True)
    error = capsys.readouterr().err
    with progress_bar(name) as advance:
        advance(1, 2, name)
    assert "\x1b" not in text + error
    assert "\x07" not in text + error


@pytest.mark.parametrize("name", HOSTILE)
def test_names_are_data_in_a_report(name: str, tmp_path: Path) -> None:
    section = Section(name, name, columns=("", name), rows=[[name, "1"]])
    page = Page(name, [section], {name: name}, title=name)
    text = render(tmp_path / "report.html", page, title="t", command=name).read_text()
    assert "<b>" not in text
    assert name not in text or "<" not in name


@pytest.mark.parametrize("name", [*HOSTILE, r"cost $\no$ [/b] $"])
def test_names_are_data_in_a_picture(name: str) -> None:
    def draw(axis: Axes) -> None:
        axis.plot([1, 10, 100], [1, 2, 3])
        scatter_named(axis, [1], [2], [name])
        axis.set(xlabel=name, xscale="log")
        axis.set_yticks([1, 2], [name, "other"])

    picture = Picture("p", name, [Panel(name, name, draw)], [Key(name)])
    assert to_svg(picture.sheet()).startswith("<svg")
    [figure] = picture.figures()
    text = page_svg(figure, title=name, description=name, prefix="a-")
    root = ElementTree.fromstring(text)  # noqa: S314 -- made on the line before
    shown = [element.text for element in root.iter() if element.text]
    said = re.sub(r"[\x00-\x08\x0b-\x1f]", "\N{REPLACEMENT CHARACTER}", name)
    assert shown[:2] == [said, said]
    assert said in shown[2:]


@given(st.text(max_size=20), st.sampled_from(["utf-8", "cp1252", "ascii"]))
def test_anything_can_be_printed(text: str, encoding: str) -> None:
    shown = printable(text, encoding=encoding)
    shown.encode(encoding)
    assert shown.isprintable() or not shown.isascii()


def test_a_narrow_encoding_gets_escapes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    csv = "arch,точность\n" + "".join(f"conv{k}-3-{k % 2},{k / 10}\n" for k in range(1, 21))
    (tmp_path / "t.csv").write_text(csv, encoding="utf-8")
    environment = {**os.environ, "NASURGE_HOME": str(tmp_path / "home"), "COLUMNS": "150"}
    for encoding in ("utf-8", "cp1252", "ascii"):
        environment["PYTHONIOENCODING"] = encoding
        for words in (["import", "t.csv", "--as", "uni"], ["tables"]):
            done = subprocess.run(
                [sys.executable, "-m", "nasurge", *words],
                cwd=tmp_path,
                env=environment,
                capture_output=True,
                check=False,
            )
            assert done.returncode == 0, done.stderr
        wanted = "точность" if encoding == "utf-8" else r"\u0442\u043e"
        assert wanted in done.stdout.decode(encoding)


WIDE = ("table", "predictor", "n", "Kendall tau", "unseen only", "tau in the top 5 %", "fit s")
ROWS = [
    ["nb201-analog/cifar10", name, "50", "0.733 [0.708, 0.758]", "0.719 [0.687, 0.752]", x, "0.34"]
    for name, x in (("rf", "0.082 [-0.089, 0.252]"), ("ridge", "0.126 [0.040, 0.212]"))
]


@pytest.mark.parametrize("width", [40, 60, 80, 100, 200])
def test_a_table_is_as_wide_as_the_terminal(
    width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    text = printed(capsys, WIDE, ROWS, elsewhere="in the report")
    table, _, note = text.partition("left out")
    assert max(map(len, table.splitlines())) <= width
    names = note.partition(": ")[2].partition(";")[0].replace(" (nb201-analog/cifar10)", "")
    left_out = set(names.split(", ")) - {""}
    for row in ROWS:
        for head, cell in zip(WIDE, row, strict=True):
            assert (cell in table) != (head in left_out), f"{head} is shown or said to be left out"
    assert ("in the report" in note) == bool(left_out) == (width < 150)
    assert width == 40 or "0.733 [0.708, 0.758]" in table


def test_a_pipe_has_no_width(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    text = printed(capsys, ("what", "n"), [["word " * 80, "3"]])
    assert "word " * 79 in text


def test_text_is_wrapped_between_words(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    words = "architecture representation learning without supervision"
    text = printed(capsys, ("name", "what it is"), [["x", words]])
    assert all(word in text for word in words.split())


COMMANDS = [
    words
    for name, command in typer.main.get_command(app).commands.items()  # type: ignore[attr-defined]
    for words in [[name], *([name, sub] for sub in getattr(command, "commands", {}))]
]


OLD = Path(__file__).parent.parent / "old" / "v0" / "studies"


@pytest.mark.parametrize("folder", [p.name for p in OLD.iterdir() if "killed" not in p.name])
def test_results_fit_a_terminal(
    folder: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    study = registry.study_of_folder(OLD / folder)
    for table in study.tables_of(study.read(OLD / folder)):
        text = printed(capsys, table.columns, table.rows, best=table.best)
        shown, _, note = text.partition("left out")
        assert max(map(len, shown.splitlines())) <= 80
        words, numeric = set(shown.split()), numeric_columns(table.rows, len(table.columns))
        for k, head in enumerate(table.columns):
            if any(f" {head}{end}" in note for end in (",", ";", " (")):
                continue
            assert {*head.split()} <= words, "titles are broken between words only"
            for row in table.rows:
                assert not numeric[k] or row[k] in shown, "no number is broken"


MOST_OPTIONS = 10  # of a help's section: more are not looked through
NUMBER = re.compile(r"\d[\d.,e+-]*\d|\d")


def command_at(words: list[str]) -> Any:
    """Command of these words."""
    found: Any = typer.main.get_command(app)
    for word in words:
        found = found.commands[word]
    return found


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_help_cuts_nothing(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    text = CliRunner().invoke(app, [*words, "--help"]).output
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= 80
    shown = [one for one in command_at(words).params if not getattr(one, "hidden", False)]
    names = {name for line in text.splitlines() for name in re.split(r"[\s,│]+", line)}
    squeezed = re.sub(r"[\s│]", "", text)
    for one in shown:
        if one.param_type_name == "option":
            assert {*one.opts, *one.secondary_opts} <= names
        said = re.sub(r"\\([\\`*_<\[])", r"\1", getattr(one, "help", None) or "")
        assert re.sub(r"\s", "", said) in squeezed, "as it was written, nothing left out"
        for number in NUMBER.findall(said):
            assert number in text, "no number is broken"


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_long_help_has_headings(words: list[str]) -> None:
    options = [one for one in command_at(words).params if one.param_type_name == "option"]
    shown = [one for one in options if not one.hidden]
    sections = Counter(getattr(one, "rich_help_panel", None) or "Options" for one in shown)
    assert not {name: n for name, n in sections.items() if n > MOST_OPTIONS}


@pytest.mark.parametrize("scale", [1e-11, 1e-3, 1.0, 1e4, 1e11])
def test_digits_tell_rows_apart(scale: float) -> None:
    measured = [interval(scale * np.array([7.0, 7.1, 7.2, 7.3, 7.4]) * k) for k in (1, 1.02, 1.04)]
    table = TextTable(("x",), [[interval_text(one)] for one in measured])
    cells = [row[0] for row in table.rows]
    assert len(set(cells)) == 3
    for cell, one in zip(cells, measured, strict=True):
        assert float(cell.split()[0].replace(",", "")) == pytest.approx(one["mean"], rel=0.02)
        assert len(cell) < 60


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ([0.703, 0.68], ["0.703", "0.680"]),
        ([0.5, 0.5], ["0.500", "0.500"]),
        ([93.754, 92.1], ["93.754", "92.100"]),
        ([0.52312, 0.52334], ["0.52312", "0.52334"]),
        ([7.1e-11, 7.9e-11], ["7.10e-11", "7.90e-11"]),
        ([0.0, 3e-11], ["0", "3.00e-11"]),
        ([0.0, 0.0], ["0.000", "0.000"]),
        ([2.5e8, 1.25e8], ["250,000,000", "125,000,000"]),
    ],
)
def test_digits_by_hand(values: list[float], shown: list[str]) -> None:
    table = TextTable(("x",), [[number_text(value)] for value in values])
    assert [row[0] for row in table.rows] == shown


def test_few_draws_are_shown_one_by_one() -> None:
    assert interval_text(interval([0.2, -0.4], least=-1, most=1)) == "0.200, -0.400"
    assert interval([1.0, 1.0, 1.0, 1.0, 0.2], least=-1, most=1)["high"] == 1


def test_memory_and_depth_end_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    for error, word in ((MemoryError(), "memory"), (RecursionError(), "nested")):
        with pytest.raises(typer.Exit) as ended, common.reported_errors():
            raise error
        assert ended.value.exit_code == 2
        [line] = capsys.readouterr().err.splitlines()
        assert line.startswith("error: ")
        assert word in line


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device is always full here")
def test_a_full_output_ends_in_one_line() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "nasurge", "searchers"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert line.startswith("error: ")


@pytest.mark.parametrize("place", ["no_such_module:Thing", "json:dumps", "json:no_such_name"])
def test_a_plugin_that_is_broken_is_a_line(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = {"broken": EntryPoint("broken", place, "nasurge.predictors")}
    monkeypatch.setattr(plugins, "plugins", lambda group: broken if "predict" in group else {})
    with pytest.raises(PluginError, match="broken"):
        registry.make_predictor("broken", "nb201")
    result = CliRunner().invoke(app, ["predictors"])
    assert result.exit_code == 0
    [line] = result.stderr.splitlines()
    assert line.startswith("warning: predictor 'broken'")
    assert "auto (default)" in result.stdout
