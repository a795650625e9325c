"""Searches in a database: objectives that broke, databases that go, studies of other searches."""

from __future__ import annotations

import logging
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from functools import partial, wraps
from pathlib import Path

import numpy as np
import optuna
import pytest
from postgres import control, postgresql
from search_worker import BATCH, SPACE, searcher
from sqlalchemy.exc import OperationalError

import nasurge
from nasurge.data.spaces import Codes
from nasurge.errors import ObjectiveError, ParameterError, StorageError
from nasurge.search.loop import Trace, run
from nasurge.search.searchers import RegularisedEvolution
from nasurge.search.store import database, run_stored
from nasurge.search.store.code import code_of, is_other_code


def smooth(codes: Codes) -> np.ndarray:
    return np.sin(codes @ np.arange(1.0, 7.0))


def stored(storage, objective=smooth, made=None, **more) -> Trace:
    settings = {"storage": storage, "study": "s", "budget": 12, "batch": BATCH, **more}
    return run_stored(made or searcher(), objective, **settings)


# -- failed evaluations ----------------------------------------------------------------------------


def broken(codes: Codes) -> np.ndarray:
    raise KeyError("acc")


def test_after_a_repair_failed_evaluations_are_made_again(caplog) -> None:
    storage = optuna.storages.InMemoryStorage()
    with pytest.raises(
        ObjectiveError, match=r"KeyError: 'acc'.* 8 failed of 8 .*retry_failed=True"
    ):
        stored(storage, broken)
    asked = []

    def repaired(codes: Codes) -> np.ndarray:
        asked.extend(SPACE.index(codes).tolist())
        return smooth(codes)

    trace = stored(storage, repaired, retry_failed=True)
    assert trace.failures == 0
    assert len(trace.values) == len(asked) == len(set(asked)) == 12
    assert np.array_equal(trace.values, smooth(trace.codes))
    again = stored(storage, lambda codes: pytest.fail("evaluated"))
    assert np.array_equal(again.values, trace.values)
    assert np.array_equal(again.codes, trace.codes)


def test_only_failed_evaluations_are_made_again_and_a_study_says_so(caplog) -> None:
    storage = optuna.storages.InMemoryStorage()
    first = stored(storage, lambda c: np.where(c[:, 0] < 3, smooth(c), np.nan), budget=20)
    assert 0 < first.failures < 20
    with caplog.at_level(logging.WARNING, logger="nasurge"):
        same = stored(storage, budget=20)
    assert f"20 evaluations, {first.failures} of them failed: retry_failed=True" in caplog.text
    assert same.failures == first.failures
    asked = []

    def counted(codes: Codes) -> np.ndarray:
        asked.extend(codes.tolist())
        return smooth(codes)

    trace = stored(storage, counted, budget=24, retry_failed=True)
    assert len(asked) == first.failures + 4
    assert np.array_equal(trace.codes[:20], first.codes), "their place is as it was"
    assert trace.failures == 0


def test_a_retry_that_is_interrupted_goes_on() -> None:
    storage = optuna.storages.InMemoryStorage()
    with pytest.raises(ObjectiveError):
        stored(storage, broken)
    calls = []

    def interrupted(codes: Codes) -> np.ndarray:
        calls.append(len(codes))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return smooth(codes)

    with pytest.raises(KeyboardInterrupt):
        stored(storage, interrupted, retry_failed=True)
    trace = stored(storage, interrupted)
    assert trace.failures == 0
    assert sum(calls) == 12 + BATCH


def test_retrying_needs_a_study() -> None:
    with pytest.raises(ParameterError, match="study=NAME"):
        nasurge.search(smooth, space="nb201", budget=2, retry_failed=True)


def test_a_paid_evaluation_is_kept_though_its_worker_was_taken_for_dead() -> None:
    storage = optuna.storages.InMemoryStorage()

    def slow(codes: Codes) -> np.ndarray:
        study = optuna.load_study(study_name="s", storage=storage)
        for trial in study.trials:
            if not trial.state.is_finished():
                storage.set_trial_state_values(trial._trial_id, optuna.trial.TrialState.FAIL)
        return smooth(codes)

    trace = stored(storage, slow, budget=4)
    assert np.array_equal(trace.values, smooth(trace.codes))


# -- which search it is ----------------------------------------------------------------------------


def evolution(**changes):
    return RegularisedEvolution(SPACE, **{"population_size": 10, "seed": 0, **changes})


POOL = SPACE.sample(50, seed=0, unique=True)


@pytest.mark.parametrize(
    ("made", "other", "different"),
    [
        (evolution(), evolution(pool=POOL), "pool"),
        (evolution(pool=POOL), evolution(pool=POOL[1:]), "pool"),
        (evolution(), evolution(population_size=5), "population_size"),
        (
            nasurge.make_searcher("random", SPACE, bounds=[0.0], seed=0),
            nasurge.make_searcher("random", SPACE, bounds=[0.5], seed=0),
            "bounds",
        ),
        (
            nasurge.make_searcher("evolution", SPACE, predictor="ridge", seed=0),
            nasurge.make_searcher(
                "evolution",
                SPACE,
                predictor=nasurge.make_predictor("ridge", SPACE, labels="standardised"),
                seed=0,
            ),
            "predictor labels",
        ),
    ],
)
def test_a_searcher_of_other_settings_is_refused(made, other, different: str) -> None:
    storage = optuna.storages.InMemoryStorage()
    stored(storage, made=made, budget=4)
    with pytest.raises(ParameterError, match=rf"different: {different}\)"):
        stored(storage, made=other, budget=4)


def negated(codes: Codes) -> np.ndarray:
    return -smooth(codes)


def test_another_objective_is_refused_by_its_name() -> None:
    storage = optuna.storages.InMemoryStorage()

    stored(storage, budget=4)
    with pytest.raises(ParameterError, match=r"different: objective\)"):
        stored(storage, negated)
    assert len(stored(storage, lambda codes: 1 * smooth(codes)).values) == 12  # no name to compare


def scaled(by: float):
    def objective(codes: Codes) -> np.ndarray:
        return by * smooth(codes)

    return objective


def with_extra(codes: Codes, extra: float = 0.0) -> np.ndarray:
    return smooth(codes) + extra


OTHER_CODE = {
    "lambdas": (lambda codes: +smooth(codes), lambda codes: -smooth(codes)),
    "constants": (lambda codes: 2 * smooth(codes), lambda codes: 3 * smooth(codes)),
    "closures": (scaled(1.0), scaled(-1.0)),
    "a closure of numpy": (scaled(np.float32(1)), scaled(np.float32(2))),
    "partials": (partial(with_extra, extra=1.0), partial(with_extra, extra=2.0)),
    "one that is wrapped": (
        wraps(smooth)(lambda codes, f=smooth: f(codes)),
        wraps(smooth)(lambda codes, f=negated: f(codes)),
    ),
}


@pytest.mark.parametrize("pair", OTHER_CODE.values(), ids=OTHER_CODE)
def test_another_function_without_a_name_of_its_own_is_said(pair, caplog) -> None:
    for first, other, said in ((pair[0], pair[1], True), (pair[0], pair[0], False)):
        caplog.clear()
        storage = optuna.storages.InMemoryStorage()
        stored(storage, first, budget=4)
        with caplog.at_level("WARNING", logger="nasurge"):
            assert len(stored(storage, other).values) == 12
        assert ("is not the one that the study began with" in caplog.text) == said


MODULE = """
def counter():
    calls = 0
    known = []

    def objective(codes):
        nonlocal calls
        calls += len(codes)
        known.append(codes)
        return [0.0 if row[0] in {"a", "b", "c", 0} else 1.0 for row in codes.tolist()]

    return objective
"""


def test_a_function_is_the_same_wherever_it_is_imported_and_whatever_it_has_counted(
    tmp_path, caplog
) -> None:
    where = {"storage": tmp_path / "runs.db", "study": "s", "batch": 2}
    script = (
        "from MODULE import counter; import nasurge, sys; f = counter(); "
        "nasurge.search(f, space='nb201', searcher='random', budget=int(sys.argv[1]), "
        "storage='runs.db', study='s', batch=2)"
    )
    for number, space in enumerate(["", "# moved\n"]):
        (tmp_path / f"m{number}.py").write_text(space + MODULE)
        done = subprocess.run(
            [sys.executable, "-c", script.replace("MODULE", f"m{number}"), str(4 + 2 * number)],
            cwd=tmp_path,
            env={**os.environ, "PYTHONHASHSEED": str(number), "PYTHONSAFEPATH": ""},
            capture_output=True,
            text=True,
            check=True,
        )
        assert not done.stderr
    names = {}
    exec(MODULE, names)  # noqa: S102 -- as a notebook does
    function = names["counter"]()
    search = partial(nasurge.search, function, space="nb201", searcher="random", **where)
    with caplog.at_level("WARNING", logger="nasurge"):
        assert len(search(budget=8).values) == 8
        assert len(search(budget=10).values) == 10
    assert not caplog.text


def test_code_of_others_and_of_other_pythons_is_passed_over() -> None:
    assert code_of(len) is None
    assert code_of(nasurge.search) is None
    found = code_of(smooth)
    assert not is_other_code(None, found)
    assert not is_other_code({"python": "2.7", "digest": "x"}, found)
    assert is_other_code({**found, "digest": "x"}, found)


def test_a_search_without_a_seed_goes_on_with_the_random_numbers_of_the_study() -> None:
    storage = optuna.storages.InMemoryStorage()
    stored(storage, made=evolution(seed=0), budget=4)
    with pytest.raises(ParameterError, match=r"different: seed\)"):
        stored(storage, made=evolution(seed=1))
    trace = stored(storage, made=evolution(seed=None))
    assert np.array_equal(trace.codes, run(evolution(seed=0), smooth, budget=12, batch=BATCH).codes)


def test_a_space_by_name_and_a_storage_by_path(tmp_path: Path) -> None:
    limits = {"searcher": "random", "storage": tmp_path / "a.db", "study": "s"}
    assert len(nasurge.search(smooth, space="nb201", budget=5, **limits).values) == 5
    with pytest.raises(ParameterError, match="space is a name"):
        nasurge.search(smooth, space=[[1, 2]], budget=5)


@pytest.mark.parametrize("name", ["x" * 513, "caf\udce9", "a\0b"])
def test_names_that_a_database_does_not_take_are_refused_up_front(name: str) -> None:
    called = []
    with pytest.raises(ParameterError, match="name of a study"):
        stored(optuna.storages.InMemoryStorage(), called.append, study=name)
    with pytest.raises(ParameterError, match="name of a study"):
        nasurge.search("nb201-analog/cifar10", budget=5, trials=1, study=name)
    assert not called


# -- databases -------------------------------------------------------------------------------------


def test_a_file_that_is_no_database_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "junk.db").write_bytes(np.random.default_rng(0).bytes(2000))
    with pytest.raises(
        StorageError, match=r"file is not a database; nothing was evaluated"
    ) as error:
        stored(str(tmp_path / "junk.db"))
    assert "kept" not in str(error.value)


def test_a_server_that_was_never_reached_is_not_waited_for() -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(StorageError, match=r"cannot be opened.*nothing was evaluated"):
        stored("postgresql://me@127.0.0.1:1/none")


@pytest.fixture
def impatient(monkeypatch) -> None:
    monkeypatch.setattr(database, "WAIT_SECONDS", 0.5)
    monkeypatch.setattr(database, "_PAUSE", 0.1)
    monkeypatch.setattr(database, "LOCK_SECONDS", 0.1)


def test_a_file_that_cannot_be_written_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    stored(str(path), budget=4)
    with pytest.raises(StorageError, match=r"readonly database; nothing was evaluated"):
        stored(f"sqlite:///file:{path}?mode=ro&uri=true", lambda codes: pytest.fail("evaluated"))


@pytest.mark.usefixtures("impatient")
def test_a_file_that_is_moved_away_ends_the_search_with_the_truth(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    calls = []

    def moving(codes: Codes) -> np.ndarray:
        calls.append(codes)
        if len(calls) == 2:
            shutil.move(path, tmp_path / "elsewhere.db")
        return smooth(codes)

    with pytest.raises(StorageError, match="was moved or deleted while the search ran") as error:
        stored(str(path), moving)
    assert SPACE.format(calls[1])[0] in str(error.value), "what could not be recorded is there"
    assert not path.exists(), "no empty file takes its place"
    shutil.move(tmp_path / "elsewhere.db", path)
    trace = stored(str(path), moving)
    assert np.array_equal(trace.values, smooth(trace.codes))
    assert sum(map(len, calls)) == 12 + BATCH


def test_a_file_that_comes_back_is_waited_for(tmp_path: Path, monkeypatch, caplog) -> None:
    monkeypatch.setattr(database, "_PAUSE", 0.1)
    path, away = tmp_path / "runs.db", tmp_path / "away.db"
    back = threading.Timer(0.5, lambda: shutil.move(away, path))

    def moving(codes: Codes) -> np.ndarray:
        if not back.ident:
            shutil.move(path, away)
            back.start()
        return smooth(codes)

    trace = stored(str(path), moving)
    assert len(trace.values) == 12
    assert "waiting for up to 300 seconds" in caplog.text
    assert "answers again" in caplog.text


@pytest.mark.usefixtures("impatient")
def test_a_file_that_somebody_locks_is_waited_for_and_then_left(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    other = []

    def locking(codes: Codes) -> np.ndarray:
        if not other:
            other.append(sqlite3.connect(path, check_same_thread=False))
            other[0].execute("BEGIN EXCLUSIVE")
        return smooth(codes)

    with pytest.raises(
        StorageError, match=r"has not answered for 0 seconds \(database is locked\)"
    ):
        stored(str(path), locking)
    other[0].close()
    assert len(stored(str(path), locking).values) == 12


def test_a_full_disk_is_not_waited_for() -> None:
    class Full:
        def set_study_user_attr(self, *arguments: object) -> None:
            reason = sqlite3.OperationalError("database or disk is full")
            raise optuna.exceptions.StorageInternalError from OperationalError("x", {}, reason)

    patient = database.Patient(Full(), "runs.db")
    patient.at_work = True
    with pytest.raises(StorageError, match="goes on from there once there is space"):
        patient.set_study_user_attr(0, "key", 1)
    with pytest.raises(StorageError, match="once there is space"):
        patient.set_study_user_attr(0, "key", 1)


def test_a_file_that_is_damaged_in_the_middle_is_not_said_to_be_whole(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"

    def damaging(codes: Codes) -> np.ndarray:
        with path.open("r+b") as file:
            file.write(b"x" * 200_000)
        return smooth(codes)

    with pytest.raises(StorageError, match="may be damaged"):
        stored(str(path), damaging)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_server_that_goes_is_waited_for_and_then_left(monkeypatch, caplog) -> None:
    monkeypatch.setattr(database, "_PAUSE", 0.2)
    with postgresql() as url:
        calls, back = [], threading.Timer(2.0, lambda: control(url, "restart"))

        def stopping(codes: Codes) -> np.ndarray:
            calls.append(codes)
            if len(calls) == 2:
                control(url, "-m", "immediate", "stop")
                back.start()
            return smooth(codes)

        trace = stored(url, stopping)
        assert sum(map(len, calls)) == len(trace.values) == 12
        assert "answers again" in caplog.text
        assert np.array_equal(trace.values, smooth(trace.codes))
        back.join()

        monkeypatch.setattr(database, "WAIT_SECONDS", 1.0)
        calls.clear()
        back.start = lambda: None  # it does not come back
        with pytest.raises(StorageError, match="has not answered for 1 seconds") as error:
            stored(url, stopping, budget=24)
        assert SPACE.format(calls[1])[0] in str(error.value)
        control(url, "restart")
        trace = stored(url, smooth, budget=24)
        assert np.array_equal(trace.values, smooth(trace.codes))
