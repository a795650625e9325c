"""The command line: JSON that scripts depend on, errors in one line, stopping and going on."""

import inspect
import json
import os
import signal
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from processes import Process, run_command
from typer.testing import CliRunner

from nasurge import api
from nasurge.cli import app, comparing, validating
from nasurge.data.tables import Table
from nasurge.registry import DEFAULT_PREDICTOR

COMPARE = ["compare", "nb201-analog/cifar10", "-p", "gp", "-n", "20,40", "--trials", "2", "-j", "1"]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, analog: Table):
    """Run a command in an empty folder, as a user would; return exit code, stdout and stderr."""
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str):
        monkeypatch.setattr(sys, "argv", ["nasurge", *arguments])
        return CliRunner().invoke(app, list(arguments))

    return call


def one_line(result) -> str:
    """The error of a command that a user got wrong."""
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    lines = result.stderr.strip().splitlines()
    errors = [line for line in lines if line.startswith("error: ")]
    assert len(errors) == 1, result.stderr
    assert "Traceback" not in result.stderr
    return errors[0]


def test_tables_json(run) -> None:
    found = json.loads(run("tables", "--json").stdout)["tables"]
    by_name = {table["name"]: table for table in found}
    analog = by_name["nb201-analog"]
    fields = {"name", "space", "architectures", "tasks", "metrics", "minimised", "source"}
    assert set(analog) == fields
    assert analog["architectures"] == 15_625
    assert analog["tasks"] == ["cifar10"]
    assert len(analog["metrics"]) == 5
    assert len(by_name["nbgraph"]["tasks"]) == 9


def test_compare_json_and_files(run) -> None:
    result = run(*COMPARE, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    more = {"ceilings", "cheap", "not_measured", "paired"}
    assert set(found) == {"kind", "summary", *more, "rows", "report", "made"}
    entry = found["summary"][0]
    for field in ("table", "task", "predictor", "n_train", "trials", "unseen_functions_only"):
        assert field in entry
    for measure in (
        "kendall_tau",
        "spearman",
        "kendall_tau_top5",
        "regret_at_10",
        "fit_seconds",
        "predict_seconds",
    ):
        assert set(entry[measure]) == {"mean", "low", "high", "n", "values"}  # of two trials
    assert Path(found["rows"]).is_file()
    assert "nasurge compare nb201-analog/cifar10 -p gp" in Path(found["report"]).read_text()


def test_compare_prints_how_each_number_was_made(run) -> None:
    result = run(*COMPARE)
    for needle in ("Kendall tau", "seed 0", "2 trials", "test baseline_accuracy", "again: nasurge"):
        assert needle in result.stdout


def test_the_same_command_again_only_reads(run) -> None:
    first = json.loads(run(*COMPARE, "--json").stdout)
    start = time.perf_counter()
    again = json.loads(run(*COMPARE, "--json").stdout)
    assert again == first
    assert time.perf_counter() - start < 20


def test_search_json(run) -> None:
    options = ["-s", "evolution", "-p", "xgb", "--budget", "25", "--trials", "2", "-j", "1"]
    found = json.loads(run("search", "nbgraph/cora", *options, "--json").stdout)
    assert set(found) == {"kind", "summary", "found", "paired", "rows", "report", "made"}
    assert [e["searcher"] for e in found["summary"]] == ["random", "evolution"]
    for entry in found["summary"]:
        for field in ("table", "task", "searcher", "predictor", "budget", "trials"):
            assert field in entry
        assert set(entry["queries_to_optimum"]) == {"mean", "median", "reached", "n"}
    assert Path(found["report"]).is_file()


def test_search_runs_on_the_backend_that_is_named(run) -> None:
    options = ["-s", "evolution", "--budget", "25", "--trials", "2"]
    here = run("search", "nb201-analog/cifar10", *options, "-j", "1", "--out", "a", "--json")
    there = run(
        *("search", "nb201-analog/cifar10", *options, "--backend", "loky", "-j", "2"),
        *("--out", "b", "--json"),
    )
    rows = [
        pd.read_parquet(json.loads(x.stdout)["rows"]).architecture.tolist() for x in (here, there)
    ]
    assert rows[0] == rows[1]
    wrong = run("search", "nb201-analog/cifar10", *options, "--backend", "desk")
    assert "dask" in one_line(wrong)


@pytest.mark.reference
def test_search_with_simulated_workers(run, reference: Path) -> None:
    (path,) = reference.glob("transnas*.csv*")
    assert run("import", str(path), "--force").exit_code == 0
    options = ["-s", "evolution", "--budget", "12", "--trials", "1", "-j", "1", "--workers", "4"]
    found = run("search", "transnas-micro/class_scene", *options, "--json")
    for entry in json.loads(found.stdout)["summary"]:
        assert entry["simulated_seconds"]["mean"] > 0
    assert "simulated workers need a table" in one_line(
        run("search", "nb201-analog/cifar10", *options)
    )


def test_validate_json_and_report(run) -> None:
    options = ["--top", "1", "--spread", "4", "--limit", "100", "--epochs", "1", "-j", "1"]
    result = run("validate", "nb201-analog/cifar10", *options, "--width", "2", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert set(found) == {
        *("kind", "summary", "rows", "report", "made"),
        *("correlations", "architectures", "costs", "ceiling"),
    }
    assert {"a", "b", "n", "kendall_tau"} == set(found["correlations"][0])
    assert len(found["architectures"]) == 5
    folder = str(Path(found["report"]).parent)
    Path(found["report"]).unlink()
    again = json.loads(run("report", folder, "--json").stdout)
    assert again == found
    assert Path(found["report"]).is_file()


def test_validate_scores_in_every_way_that_is_asked_for(run) -> None:
    options = ["--stratified", "5", "--learn-from", "6", "-p", "gp", "-j", "1", "--noise", "1"]
    options += ["--supernet", '{"rule": "sandwich", "epochs": 1}', "--supernet-architectures", "3"]
    recipe = ["--recipe", '{"epochs": 2, "width": 2}', "--limit", "100", "--score", "curve"]
    result = run("validate", "nb201-digits", *options, *recipe, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert {entry["column"] for entry in found["costs"]} == {
        *("predicted", "own_predicted", "inherited_accuracy", "trained_accuracy")
    }
    assert found["made"]["recipe"]["epochs"] == 2
    assert found["made"]["supernet"]["rule"] == "sandwich"
    text = run("validate", "nb201-digits", *options, *recipe).stdout
    for needle in (
        "gp from own trainings",
        "once, s",
        "mean validation accuracy",
        "again: nasurge",
    ):
        assert needle in text


def test_import_of_a_strangers_file_then_compare(run, analog: Table, tmp_path: Path) -> None:
    strings = analog.space.format(analog.codes[::20])
    y = analog.values(task="cifar10", metric="baseline_accuracy")[::20]
    lines = ["cell,acc", *(f"{s},{v}" for s, v in zip(strings, y, strict=True))]
    (tmp_path / "mine.csv").write_text("\n".join(lines))
    result = run("import", "mine.csv", "--as", "strangers")
    assert result.exit_code == 0, result.output
    assert "782 architectures of space nb201" in result.stdout
    result = run("compare", "strangers", "-p", "gp", "-n", "50", "--trials", "1", "--json")
    entry = json.loads(result.stdout)["summary"][0]
    assert entry["kendall_tau"]["mean"] > 0.5
    assert entry["kendall_tau"]["low"] is None


@pytest.mark.reference
def test_import_of_the_reference_tables(run, reference: Path) -> None:
    assert run("import", str(reference / "nb201.csv.gz"), "--as", "nb201").exit_code == 0
    assert run("import", str(reference / "transnas.csv.gz")).exit_code == 0
    found = {t["name"]: t for t in json.loads(run("tables", "--json").stdout)["tables"]}
    assert found["nb201"]["tasks"] == ["cifar10", "cifar10-valid", "cifar100", "ninapro"]
    assert found["transnas-micro"]["architectures"] == 4096
    assert found["transnas-macro"]["architectures"] == 3256


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["compare", "nb201-analog/cifar11"], ["cifar11", "did you mean 'cifar10'"]),
        (["compare", "nb201-analgo/cifar10"], ["did you mean 'nb201-analog'"]),
        (["compare", "nb201-analog/cifar10", "-p", "gpp"], ["did you mean 'gp'"]),
        (["compare", "nb201-analog/cifar10", "-n", "20,x"], ["whole numbers", "'20,x'"]),
        (["compare", "nb201-analog/cifar10", "-n", "0"], ["training size above 0"]),
        (["compare", "nb201-analog/cifar10", "-n", "20000"], ["15625", "smaller -n"]),
        (["compare", "nb201-analog/cifar10", "-m", "accuracy"], ["baseline_accuracy"]),
        (
            ["compare", "nb201-analog/cifar10", "-p", "gp", "-n", "2"],
            ["gp", "at least 3", "-n asks for 2"],
        ),
        (["search", "nb201-analog/cifar10", "-s", "evolve"], ["did you mean 'evolution'"]),
        (["search", "nb201-analog/cifar10", "-s", "random", "-p", "gp"], ["-p"]),
        (["search", "nbgraph/proteins", "--budget", "9999"], ["2021", "--budget"]),
        (["validate", "nbgraph/cora"], ["no networks"]),
        (["validate"], ["--search FOLDER", "--space"]),
        (["validate", "nb201-digits", "--verify", "3"], ["nasurge table verify NAME -n N"]),
        (["table", "verify", "nb201-analog"], ["no recipe", "nb201-digits"]),
        (["table", "build", "mine", "--proxies", "nwat"], ["did you mean 'nwot'"]),
        (["validate", "--space", "nb201", "--supernet", "spos", "-n", "9"], ["--n-train"]),
        (["validate", "nb201-analog/cifar10", "--supernet", "spas"], ["did you mean 'spos'"]),
        (["validate", "nb201-analog/cifar10", "--recipe", "{"], ["recipe", "JSON"]),
        (["validate", "--search", "."], ["no results"]),
        (["validate", "nb201-analog/cifar10", "--images", "nowhere"], ["nowhere"]),
        (["validate", "nb201-analog/cifar10", "--device", "gpu"], ["cpu"]),
        (["import", "nothing.csv"], ["no file nothing.csv"]),
        (["import", "setup.bin"], ["no file"]),
        (["report", "."], ["no results"]),
        (["report", "nowhere"], ["nowhere does not exist"]),
        (["rank", "FILE", "--space", "s.toml"], ["no file FILE"]),
    ],
)
def test_user_errors_are_one_line_that_says_what_to_do(run, arguments, words) -> None:
    error = one_line(run(*arguments))
    for word in words:
        assert word in error


def test_a_known_table_that_was_not_imported_says_how(run, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("NASURGE_HOME", str(tmp_path / "empty"))
    error = one_line(run("compare", "nb201/cifar10"))
    assert "nasurge import PATH/nb201.csv.gz --as nb201" in error


@pytest.mark.parametrize(
    ("about", "words"),
    [
        ('{"seed": 0}', ["study.json does not say of what kind"]),
        ('{"kind": "compere"}', ["unknown kind of study 'compere'", "did you mean 'compare'"]),
        ('{"kind": ["compare"]}', ["study.json does not say of what kind"]),
        ("[]", ["study.json", "damaged (a list, not an object)"]),
        ('{"kind": "compare"}', ["no finished study"]),
    ],
)
def test_a_report_of_no_known_study_is_one_line(run, about: str, words: list[str]) -> None:
    Path("study").mkdir()
    Path("study/study.json").write_text(about)
    error = one_line(run("report", "study"))
    for word in words:
        assert word in error


def test_an_unknown_command_or_option_suggests_the_nearest(run) -> None:
    result = run("comprae")
    assert result.exit_code == 2
    assert "compare" in result.stderr
    result = run("compare", "nb201-analog/cifar10", "--trails", "3")
    assert result.exit_code == 2
    assert "--trials" in result.stderr


def test_a_folder_that_cannot_be_written_is_named(run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    error = one_line(run(*COMPARE, "--out", "file/below"))
    assert "file/below" in error
    assert "--out" in error


def test_results_of_another_run_are_not_overwritten(run) -> None:
    assert run(*COMPARE, "--out", "here").exit_code == 0
    before = Path("here/rows.jsonl").read_bytes()
    error = one_line(run(*COMPARE, "--seed", "1", "--out", "here"))
    assert "seed" in error
    assert Path("here/rows.jsonl").read_bytes() == before


@pytest.mark.parametrize(
    "command",
    ["", *["tables", "import", "compare", "search", "validate", "report", "demo", "predictors"]],
)
def test_help_says_what_a_command_does(run, command: str) -> None:
    result = run(*command.split(), "--help")
    assert result.exit_code == 0
    assert len(result.stdout.split()) > 20


def test_names_are_listed(run) -> None:
    for command, names in (("predictors", ["xgb", "gin"]), ("searchers", ["random", "evolution"])):
        listed = json.loads(run(command, "--json").stdout)[command]
        assert set(names) <= {entry["name"] for entry in listed}
        text = run(command).stdout
        assert all(name in text for name in names)
    listed = json.loads(run("predictors", "--json").stdout)["predictors"]
    assert [entry["name"] for entry in listed if entry["default"]] == ["auto"]
    assert "auto (default)" in run("predictors").stdout


def test_the_default_predictor_is_everywhere_the_default() -> None:
    for function in (api.compare, api.validate, comparing.compare, validating.validate):
        default = next(
            p.default
            for name, p in inspect.signature(function).parameters.items()
            if name in ("predictors", "predictor", "names", "name")
        )
        assert default.split(",")[0] == DEFAULT_PREDICTOR


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "scheduler"])
def test_a_stopped_command_keeps_what_was_done_and_goes_on(
    tmp_path: Path, stop: signal.Signals
) -> None:
    """A real process, a real signal, in the middle of the run."""
    options = ["-p", "gp", "-n", "20,60", "--trials", "15", "--out", "study", "-j", "2"]
    arguments = ["compare", "nb201-analog/cifar10", *options]
    journal = tmp_path / "study" / "rows.jsonl"
    process = Process(run_command, *arguments, folder=tmp_path)
    while process.running() and not (journal.exists() and journal.read_bytes().count(b"\n") >= 5):
        time.sleep(0.02)
    os.killpg(process.pid, stop)
    assert process.end() == 130, process.stderr
    assert "what was done is kept" in process.stderr
    assert "Traceback" not in process.stderr
    kept = [json.loads(line)["unit"] for line in journal.read_text().splitlines()]
    assert 5 <= len(kept) < 30
    alone = [*arguments[:-1], "1"]  # how many processes there are is no setting of a study
    again = Process(run_command, *alone, folder=tmp_path)
    assert again.end() == 0
    assert "report: study/report.html" in again.stdout
    units = [json.loads(line)["unit"] for line in journal.read_text().splitlines()]
    assert units[: len(kept)] == kept
    assert len(set(units)) == len(units) == 30
