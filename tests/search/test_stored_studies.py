"""``search`` kept in a database, on tables and with functions, from Python and the shell."""

import json
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
import optuna
import pytest
from click.testing import Result
from processes import Process, run_command
from typer.testing import CliRunner

import nasurge
from nasurge.cli import app
from nasurge.data.tables import Table
from nasurge.errors import ParameterError, StoppedError
from nasurge.search.loop import Trace

SPACE = nasurge.make_space("nb201")
FIELDS = ("trial", "query", "searcher", "architecture", "search_value", "report_value")


def ones(codes: np.ndarray) -> np.ndarray:
    return (codes == 3).sum(axis=1)


def table_rows(folder: Path, **more) -> list[tuple]:
    settings = {"searcher": "evolution", "budget": 6, "trials": 2, "batch": 3, "jobs": 1}
    found = nasurge.search("nb201-analog/cifar10", out=folder, **settings, **more)
    return [tuple(row[field] for field in FIELDS) for row in found.rows]


def studies(url: str) -> dict[str, int]:
    storage = optuna.storages.RDBStorage(url)
    found = {s.study_name: s.n_trials for s in optuna.get_all_study_summaries(storage)}
    storage.remove_session()
    storage.engine.dispose()
    return found


def test_every_search_on_a_table_is_a_study(analog: Table, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/runs.db"
    kept = table_rows(tmp_path / "kept", storage=url, study="mine")
    assert kept == table_rows(tmp_path / "plain")
    assert not (tmp_path / "kept" / "rows.jsonl").exists()
    assert studies(url) == {
        f"mine/nb201-analog/cifar10/{name}/{trial}": 6
        for name in ("random", "evolution")
        for trial in (0, 1)
    }
    assert table_rows(tmp_path / "again", storage=url, study="mine") == kept
    assert set(studies(url).values()) == {6}, "the same call again evaluates nothing"


def test_a_time_limit_keeps_what_is_done(analog: Table, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/runs.db"
    with pytest.raises(StoppedError, match="0 of 4 searches are complete"):
        table_rows(tmp_path / "kept", storage=url, study="mine", timeout=0)
    with pytest.raises(StoppedError, match="0 of 4 parts are done"):
        table_rows(tmp_path / "journal", timeout=0)
    assert len(table_rows(tmp_path / "journal")) == 24


def test_a_function_is_searched_in_a_database(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    shown = []
    settings = {"space": SPACE, "study": "ones", "batch": 3}
    first = nasurge.search(ones, **settings, budget=6, progress=lambda *told: shown.append(told))
    assert [done for done, _, _ in shown] == [3, 6]
    assert shown[-1][1:] == (6, f"best {first.values.max():.6g}")
    assert studies("sqlite:///nasurge.db") == {"ones": 6}
    again = nasurge.search(ones, **settings, budget=9, storage="nasurge.db")
    assert np.array_equal(again.codes[:6], first.codes)
    with pytest.raises(ParameterError, match=r"different: seed\)"):
        nasurge.search(ones, **settings, budget=9, seed=1)
    with pytest.raises(ParameterError, match="name of a study"):
        nasurge.search(ones, space=SPACE, storage="nasurge.db")


def both(codes: np.ndarray) -> np.ndarray:
    return np.stack([ones(codes), -(codes == 2).sum(axis=1)], axis=1)


def fewest(codes: np.ndarray) -> np.ndarray:
    return -ones(codes)


def own(name: str = "evolution", space=SPACE, **settings) -> nasurge.search.Searcher:
    return nasurge.make_searcher(name, space, **{"seed": 0, **settings})


def bounded(least: float) -> nasurge.search.Searcher:
    return own("nsga2", n_objectives=1, bounds=[-np.inf, least])


SMALL = nasurge.make_space({"depth": [1, 2, 3], "width": [8, 16, 32, 64]})
OTHERS = {  # a call, another one, and what is different
    "pool": (
        {"searcher": lambda: own(pool=SPACE.sample(200, seed=0))},
        {"searcher": lambda: own(pool=SPACE.sample(200, seed=1))},
        "pool",
    ),
    "a pool or none": (
        {"searcher": lambda: own(pool=SPACE.sample(200, seed=0))},
        {"searcher": own},
        "pool",
    ),
    "seed": ({"searcher": own}, {"searcher": lambda: own(seed=1)}, "seed"),
    "seed of a name": (
        {"searcher": lambda: "evolution", "seed": 0},
        {"searcher": lambda: "evolution", "seed": 1},
        "seed",
    ),
    "bounds": (
        {"objective": both, "searcher": lambda: bounded(-3.0)},
        {"objective": both, "searcher": lambda: bounded(-2.0)},
        "bounds",
    ),
    "constraints": (
        {"searcher": lambda: "evolution", "constraints": "flops<=80"},
        {"searcher": lambda: "evolution", "constraints": "flops<=90"},
        "constraints",
    ),
    "direction": ({"searcher": own}, {"searcher": own, "minimise": "value"}, "signs"),
    "a function that is negated": (
        {"searcher": own},
        {"objective": fewest, "searcher": own},
        "objective",
    ),
    "space": (
        {"searcher": own},
        {"searcher": lambda: own(space=SMALL), "space": SMALL},
        "space",
    ),
}


@pytest.mark.parametrize("case", OTHERS)
def test_another_search_under_one_name_is_refused(case: str, tmp_path: Path) -> None:
    def search(call: dict, budget: int) -> Trace:
        settings = {"objective": ones, "space": SPACE, "batch": 2, **call, "budget": budget}
        settings["searcher"] = settings["searcher"]()
        objective = settings.pop("objective")
        where = {"storage": tmp_path / "runs.db", "study": "mine"}
        return nasurge.search(objective, **settings, **where)

    first, second, different = OTHERS[case]
    search(first, 4)
    with pytest.raises(ParameterError, match=rf"different: [a-z, ]*\b{different}\b"):
        search(second, 6)
    assert len(search(first, 6).values) == 6


def test_a_seed_that_is_no_number_is_not_compared(tmp_path: Path) -> None:
    where = {"space": SPACE, "storage": tmp_path / "runs.db", "study": "mine"}
    for budget, seed in ((4, None), (6, None), (8, np.random.default_rng(0)), (10, 3)):
        found = nasurge.search(ones, searcher=own(seed=seed), budget=budget, batch=2, **where)
        assert len(found.values) == budget


def test_a_searcher_is_for_one_search() -> None:
    searcher = own()
    with pytest.raises(ParameterError, match="is of space 'nb201', the search of 'space'"):
        nasurge.search(ones, space=SMALL, searcher=searcher, budget=4)
    with pytest.raises(ParameterError, match="has its own seed"):
        nasurge.search(ones, space=SPACE, searcher=searcher, budget=4, seed=1)
    nasurge.search(ones, space=SPACE, searcher=searcher, budget=4)
    with pytest.raises(ParameterError, match="different: objective"):
        nasurge.search(fewest, space=SPACE, searcher=searcher, budget=8)
    with pytest.raises(ParameterError, match=r"different: .*signs"):
        nasurge.search(ones, space=SPACE, searcher=searcher, budget=8, minimise="value")
    assert len(nasurge.search(ones, space=SPACE, searcher=searcher, budget=8).values) == 8


def test_the_code_of_a_function_counts_where_names_are_wanted_of_it(tmp_path, caplog) -> None:
    where = {"space": SPACE, "storage": tmp_path / "runs.db", "study": "mine"}
    for function in (lambda codes: 1 * ones(codes), lambda codes: -ones(codes)):
        with caplog.at_level("WARNING", logger="nasurge"):
            nasurge.search(function, searcher=own(), budget=4, **where)
    assert "is not the one that the study began with" in caplog.text


def test_more_evaluations_than_were_asked_for_are_returned_and_said(tmp_path, caplog) -> None:
    def search(budget: int) -> Trace:
        where = {"storage": tmp_path / "runs.db", "study": "mine"}
        return nasurge.search(ones, space="nb201", searcher="random", budget=budget, **where)

    search(12)
    with caplog.at_level("WARNING", logger="nasurge"):
        assert len(search(12).values) == 12
        assert not caplog.text
        assert len(search(5).values) == 12
    assert "'mine': all of the 12 evaluations that are there are returned" in caplog.text
    assert "a budget of 5" in caplog.text


def test_a_progress_bar_is_shown_in_a_terminal(capsys, monkeypatch) -> None:
    nasurge.search(ones, space=SPACE, budget=10, progress=True)
    assert not capsys.readouterr().err, "a file or a pipe has no use for a bar"
    monkeypatch.setenv("FORCE_COLOR", "1")  # what tells rich that this is one
    monkeypatch.setenv("COLUMNS", "120")
    nasurge.search(ones, space=SPACE, budget=10, progress=True)
    shown = capsys.readouterr().err
    assert "10/10" in shown
    assert "best " in shown


def arguments(folder: Path, *more: str) -> list[str]:
    options = ["-s", "random", "--budget", "40", "--trials", "1", "--batch", "2", "-j", "1"]
    where = ["--storage", f"sqlite:///{folder}/runs.db", "--study", "mine"]
    return ["search", "nb201-analog/cifar10", *options, *where, *more]


def run_here(folder: Path, *more: str) -> Result:
    return CliRunner().invoke(app, arguments(folder, *more))


@pytest.mark.slow
def test_the_command_stops_cleanly_and_goes_on(
    analog: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    url = f"sqlite:///{tmp_path}/runs.db"
    long = ("--budget", "150")  # seconds, also where a trial is written in 10 ms
    stopped = run_here(tmp_path, *long, "--timeout", "0", "--json")
    assert stopped.exit_code == 0, stopped.stderr
    assert "goes on from there" in json.loads(stopped.stdout)["stopped"]
    name = "mine/nb201-analog/cifar10/random/0"
    studies(url)  # imports what the loop below needs
    process = Process(run_command, *arguments(tmp_path, *long), folder=tmp_path)
    while studies(url).get(name, 0) < 4:
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGINT)
    assert process.end() == 130
    assert "the same command again goes on from there" in process.stderr
    assert "Traceback" not in process.stderr
    found = json.loads(run_here(tmp_path, *long, "--json").stdout)
    assert found["summary"][0]["budget"] == 150
    trials = optuna_trials(url, name)
    done = [t.user_attrs["architecture"] for t in trials if t.state.name == "COMPLETE"]
    assert len(set(done)) == len(done) == 150
    assert not [t for t in trials if t.state.name == "RUNNING"]


def optuna_trials(url: str, name: str) -> list[optuna.trial.FrozenTrial]:
    storage = optuna.storages.RDBStorage(url)
    trials = optuna.load_study(study_name=name, storage=storage).trials
    storage.remove_session()
    storage.engine.dispose()
    return trials


def test_no_password_is_written_down(monkeypatch) -> None:
    from nasurge.cli.common import typed_command

    url = "postgresql://me:secret@host/runs"
    monkeypatch.setattr(sys, "argv", ["nasurge", "search", "x/y", "--storage", url])
    assert "secret" not in typed_command()
    assert "postgresql://me:***@host/runs" in typed_command()
