"""Tables and figures of studies for a paper: every kind, every format, any name."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as Tree

import pandas as pd
import pytest
from markdown_it import MarkdownIt
from typer.testing import CliRunner

import nasurge
from nasurge.benchmarks.studies import Comparison, TextTable
from nasurge.benchmarks.studies.export import frames, markdown_table
from nasurge.benchmarks.studies.latex import escaped, latex_table
from nasurge.cli import app
from nasurge.errors import ParameterError, StorageError, UnknownNameError
from nasurge.registry import study_of_folder

OLD = Path(__file__).resolve().parent.parent / "old" / "v0" / "studies"

HOSTILE = (
    "nor_conv_3x3~0",
    "50 % & more",
    "#1 {a} $x^2$",
    r"\input{/etc/passwd}",
    "|a|b|",
    "<b>bold</b>",
    "--budget `x` ''y''",
    '"quoted"',
    "Müller-Łódź ﬁ",
    "τ ≤ Ω ή",
    "架构 🚀",
    "two\nlines\tand a tab",
    "*star* _under_ [link](http://x) a\\b",
    "",
)
ENGINES = ("pdflatex", "lualatex")
DOCUMENT = r"""\documentclass{article}
\usepackage{booktabs, longtable, graphicx}
\begin{document}
%s
\end{document}
"""


def compiled(engine: str, text: str, folder: Path) -> str:
    """Log of a document that has compiled without an error."""
    (folder / "paper.tex").write_text(DOCUMENT % text, encoding="utf-8")
    command = [engine, "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, timeout=100, check=False)
    log = done.stdout.decode(errors="replace")
    assert done.returncode == 0, log[-2000:]
    assert (folder / "paper.pdf").stat().st_size > 1000
    return log


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    """A LaTeX that is installed."""
    name: str = request.param
    if shutil.which(name) is None:
        pytest.skip(f"no {name} is installed, such as by apt install texlive-latex-recommended")
    return name


@pytest.mark.slow
@pytest.mark.parametrize("rows", [len(HOSTILE), 50], ids=["float", "longtable"])
def test_latex_compiles_with_hostile_names(engine: str, rows: int, tmp_path: Path) -> None:
    names = [HOSTILE[k % len(HOSTILE)] for k in range(rows)]
    cells = [[name, name[::-1], f"-{k}.5 [-1.0, 7.1e-11]"] for k, name in enumerate(names)]
    table = TextTable([*HOSTILE[:2], "tau"], cells, [0, 3])
    text = latex_table(table, caption=escaped(" ".join(HOSTILE)), label="tab:any")
    compiled(engine, text, tmp_path)
    if shutil.which("pdftotext") is None:
        return
    subprocess.run(["pdftotext", "-raw", "paper.pdf"], cwd=tmp_path, check=True)
    printed = (tmp_path / "paper.txt").read_text(encoding="utf-8")
    for name in ("50 % & more", "#1 {a} $x", r"\input{/etc/passwd}", "|a|b|", "<b>bold</b>"):
        assert name in printed
    assert ("U+67B6" in printed) == (engine == "pdflatex")


@pytest.mark.slow
def test_tables_and_figures_of_a_study_are_one_document(
    engine: str, found: Comparison, tmp_path: Path
) -> None:
    written = found.export("latex,pdf", to=tmp_path)
    names = [path.stem for path in written if path.suffix == ".tex"]
    assert {"all-numbers", "differences", "figure-tau-by-size"} <= set(names)
    body = "\n".join([*(rf"\input{{{name}}}" for name in names), "See", r"\clearpage"])
    compiled(engine, body, tmp_path)


def test_markdown_shows_every_name_as_it_is() -> None:
    cells = [[name, f"-0.{k} [-1, 2]"] for k, name in enumerate(HOSTILE)]
    text = markdown_table(TextTable(["na|me", "tau"], cells, [1]))
    parsed = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).parse(text)
    shown = [token for token in parsed if token.type == "inline"]
    texts = ["".join(part.content for part in token.children or ()) for token in shown]
    assert texts[:2] == ["na|me", "tau"]
    assert texts[2::2] == [" ".join(name.split()) for name in HOSTILE]
    assert texts[3::2] == [row[1] for row in cells]
    kinds = {part.type for token in shown for part in token.children or ()}
    assert kinds == {"text", "strong_open", "strong_close"}
    assert "text-align:right" in MarkdownIt("commonmark").enable("table").render(text)


def test_a_table_of_numbers_has_numbers() -> None:
    few = {"mean": 0.5, "low": None, "high": None, "n": 2, "values": [0.25, 0.75]}
    many = {"mean": 1.5, "low": 1.0, "high": 2.0, "n": 9}
    curve = [{"mean": 3.0, "low": 2.0, "high": 4.0, "n": 9}, {"mean": 5.0, "low": 4, "high": 6}]
    found = {
        "summary": [{"name": "a,b", "tau": few, "at": {"25": 1}}, {"name": "c", "tau": many}],
        "curves": [{"name": "a", "regret": curve, "columns": ["x", "y"], "matrix": [[1, 2]]}],
        "about": {"kind": "any"},
        "command": "any",
        "ceilings": {},
    }
    tables = frames(found)
    assert list(tables) == ["summary", "curves"]
    summary = tables["summary"]
    assert summary["tau_mean"].tolist() == [0.5, 1.5]
    assert summary["tau_n"].tolist() == [2, 9]
    assert summary[["tau_values_0", "tau_values_1"]].iloc[0].tolist() == [0.25, 0.75]
    assert summary["tau_low"].isna().tolist() == [True, False]
    curves = tables["curves"]
    assert curves["step"].tolist() == [1, 2]
    assert curves["regret_mean"].tolist() == [3.0, 5.0]
    assert curves["columns"].tolist() == ["x; y"] * 2
    assert "matrix" not in curves


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    """A comparison of a few seconds."""
    out = tmp_path_factory.mktemp("compare") / "study"
    return nasurge.compare("nbgraph/proteins", "ridge,gp", n_train=[20], trials=6, jobs=1, out=out)


def test_tables_of_a_comparison_are_those_of_its_summary(found: Comparison) -> None:
    paths = {path.name: path for path in found.export("csv,latex,markdown")}
    assert set(paths) == {
        *("summary.csv", "paired.csv"),
        *("all-numbers.tex", "differences.tex", "all-numbers.md", "differences.md"),
    }
    assert {path.parent for path in paths.values()} == {found.folder / "paper"}
    summary = pd.read_csv(paths["summary.csv"])
    assert summary["kendall_tau_mean"].tolist() == [e["kendall_tau"]["mean"] for e in found.summary]
    assert summary["kendall_tau_n"].tolist() == [6] * len(found.summary)
    paired = pd.read_csv(paths["paired.csv"])
    assert paired["p_holm"].tolist() == [e["p_holm"] for e in found.paired]
    text = paths["differences.tex"].read_text(encoding="utf-8")
    assert r"\toprule" in text
    assert r"\caption{" in text
    assert rf"nasurge {nasurge.__version__}" in text
    assert r"\label{tab:compare-differences}" in text
    # One pair on one task: a single row, whose columns are all kept.
    assert r"nbgraph/proteins, n=20 & " in text
    assert r"\begin{tabular}{lllrrr}" in text


def test_somebody_elses_file_stays(found: Comparison, tmp_path: Path) -> None:
    theirs = tmp_path / "summary.csv"
    theirs.write_text("mine\n")
    (tmp_path / "differences.tex").mkdir()
    with pytest.raises(StorageError, match=r"already has .*differences.tex.*summary.csv"):
        found.export(["latex", "csv"], to=tmp_path)
    assert theirs.read_text() == "mine\n"
    assert not (tmp_path / "paired.csv").exists()
    theirs.unlink()
    written = found.export("csv", to=tmp_path)
    assert found.export("csv", to=tmp_path) == written
    theirs.write_text(theirs.read_text() + "a line of mine\n")
    with pytest.raises(StorageError, match="changed since"):
        found.export("csv", to=str(tmp_path))


def test_wrong_arguments_of_an_export_are_refused(found: Comparison) -> None:
    with pytest.raises(UnknownNameError, match="unknown format 'tex'"):
        found.export("tex")
    with pytest.raises(ParameterError, match="format"):
        found.export([])
    with pytest.raises(ParameterError, match="inches"):
        found.export("pdf", width=0)
    with pytest.raises(ParameterError, match="to must be"):
        found.export("csv", to=3)


def test_the_command_prints_what_it_wrote(
    found: Comparison, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed = ["report", str(found.folder), "--format", "latex,html", "--to", str(tmp_path / "a")]
    monkeypatch.setattr(sys, "argv", ["nasurge", *typed])
    shown = CliRunner().invoke(app, typed)
    assert shown.exit_code == 0, shown.output
    lines = shown.stdout.split()
    assert lines[0] == str(found.folder / "report.html")
    assert all(Path(line).is_file() for line in lines)
    as_json = CliRunner().invoke(app, [*typed, "--json"])
    assert json.loads(as_json.stdout)["written"] == lines[1:]


def test_figures_have_the_width_and_letters_of_a_paper(found: Comparison, tmp_path: Path) -> None:
    names = {"tau-by-size", "mean-ranks", "predictions-0", "tau-by-time"}
    written = found.export(["pdf", "svg"], to=tmp_path)
    assert {path.name for path in written} == {f"{n}.{f}" for n in names for f in ("pdf", "svg")}
    before = {path: path.read_bytes() for path in written}
    for path, content in before.items():
        if path.suffix == ".pdf":
            assert b"/MediaBox [ 0 0 239.76 " in content  # 3.33 inches
            assert b"/FontFile2" in content  # TrueType, embedded
            assert b"/Type3" not in content
            assert b"STIXGeneral" in content
        else:
            root = Tree.fromstring(content)  # noqa: S314 -- written just now
            assert root.attrib["width"] == "239.76pt"
            texts = root.findall(".//{http://www.w3.org/2000/svg}text")
            assert any("gp" in (text.text or "") for text in texts)
            assert all("Times New Roman" in text.attrib["style"] for text in texts)
    assert found.export("svg,pdf", to=tmp_path)
    assert {path: path.read_bytes() for path in written} == before
    [*_, wide] = found.export("pdf", to=tmp_path / "wide", width=7.0)
    assert b"/MediaBox [ 0 0 504 " in wide.read_bytes()


@pytest.mark.parametrize(
    "name",
    [
        path.name
        for path in sorted(OLD.iterdir())
        if (path / "study.json").exists() and "killed" not in path.name
    ],
)
def test_every_kind_has_tables(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "study"
    shutil.copytree(OLD / name, folder)
    written = study_of_folder(folder).export(folder, "all,-html", to=tmp_path / "paper")
    endings = {path.suffix for path in written}
    assert endings >= {".tex", ".md", ".csv"}
    assert (".pdf" in endings) == (".svg" in endings)
    for path in written:
        text = path.read_bytes().decode(errors="replace")
        if path.suffix == ".tex":
            drawn = path.name.startswith("figure-")
            assert (r"\includegraphics" if drawn else r"\toprule") in text
            assert text.count(r"\begin{") == text.count(r"\end{")
        if path.suffix == ".csv":
            frame = pd.read_csv(path)
            assert len(frame)
            measured = [column for column in frame if column.endswith(("_mean", "_low", "_high"))]
            assert all(frame[column].dtype.kind in "fi" for column in measured)
