"""Searches in a database: killed, shared by workers, with failures and limits."""

import signal
import sys
import time
from pathlib import Path

import numpy as np
import optuna
import pytest
from postgres import postgresql
from search_worker import (
    BATCH,
    BUDGET,
    SPACE,
    begun,
    expected,
    killed_and_resumed,
    searcher,
    start,
    told,
    value,
)

import nasurge
from nasurge.data.spaces import SPACES, Codes, make_space
from nasurge.errors import MissingExtraError, ParameterError, StorageError
from nasurge.registry import searcher_names
from nasurge.search.base import Searcher
from nasurge.search.loop import ObjectiveError, Trace, run
from nasurge.search.store import run_stored
from nasurge.search.store.ledger import distributions

needs_kill = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/runs.db"


def stored(url, objective=value, **more) -> Trace:
    settings = {"storage": url, "study": "s", "budget": BUDGET, "batch": BATCH, **more}
    return run_stored(searcher(), objective, **settings)


def same(first: Trace, second: Trace) -> bool:
    return np.array_equal(first.codes, second.codes) and np.array_equal(
        first.values, second.values, equal_nan=True
    )


def states(url, study: str = "s") -> list[str]:
    storage = optuna.storages.RDBStorage(url) if isinstance(url, str) else url
    found = [t.state.name for t in optuna.load_study(study_name=study, storage=storage).trials]
    if isinstance(url, str):
        storage.remove_session()
        storage.engine.dispose()
    return found


# -- what stands in the study ----------------------------------------------------------------------


def test_a_search_in_a_database_is_the_search_without_one(url: str) -> None:
    assert same(stored(url), expected())


def test_optuna_reads_parameters_values_and_architectures(url: str) -> None:
    trace = stored(url, budget=12)
    storage = optuna.storages.RDBStorage(url)
    study = optuna.load_study(study_name="s", storage=storage)
    assert study.direction == optuna.study.StudyDirection.MAXIMIZE
    assert study.best_value == np.nanmax(trace.values)
    for trial, codes, expected_value in zip(study.trials, trace.codes, trace.values, strict=True):
        assert SPACE.parse(trial.user_attrs["architecture"]).tolist() == [codes.tolist()]
        assert list(trial.params) == [f"edge {a}-{b}" for b in (1, 2, 3) for a in range(b)]
        assert [SPACE.choices[i].index(v) for i, v in enumerate(trial.params.values())] == list(
            codes
        )
        assert trial.distributions["edge 0-1"].choices[3] == "nor_conv_3x3"
        assert trial.value == (None if np.isnan(expected_value) else expected_value)
    storage.remove_session()
    storage.engine.dispose()


@pytest.mark.parametrize("name", SPACES)
def test_every_space_has_names_for_all_its_choices(name: str) -> None:
    space = make_space(name)
    found = distributions(space)
    assert [len(d.choices) for d in found.values()] == list(space.cardinalities)
    assert len(found) == space.n_variables


# -- faults of the objective -----------------------------------------------------------------------


def test_failures_are_marked_and_the_search_goes_on(url: str) -> None:
    def objective(codes: Codes) -> np.ndarray:
        if (codes[:, 0] == 1).any():
            raise ValueError("no such convolution")
        return value(codes)

    trace = stored(url, objective, batch=1)
    assert len(trace.values) == BUDGET
    assert trace.failures == states(url).count("FAIL") > 0
    assert f"{trace.failures} failed" in repr(trace)
    storage = optuna.storages.RDBStorage(url)
    reasons = {
        t.user_attrs["failure"]
        for t in optuna.load_study(study_name="s", storage=storage).trials
        if t.state.name == "FAIL"
    }
    assert reasons == {"NaN", "ValueError: no such convolution"}
    storage.remove_session()
    storage.engine.dispose()
    assert same(stored(url, objective, batch=1), trace), "failures are not tried again"


def test_a_broken_objective_stops_the_search() -> None:
    storage = optuna.storages.InMemoryStorage()
    with pytest.raises(ObjectiveError, match="first 5 batches"):
        stored(storage, lambda codes: 1 / 0)
    with pytest.raises(ObjectiveError, match="one number"):
        stored(storage, lambda codes: [1.0], study="other")
    assert "RUNNING" not in states(storage) + states(storage, "other")


# -- limits ----------------------------------------------------------------------------------------


def test_a_spent_budget_evaluates_nothing_more(url: str) -> None:
    first = stored(url, budget=10)
    assert same(stored(url, lambda codes: pytest.fail("evaluated"), budget=10), first)
    more = stored(url, budget=14)
    assert np.array_equal(more.codes[:10], first.codes)
    assert len(more.values) == len(states(url)) == 14
    assert len(stored(url, budget=5).values) == 14, "what is known is returned"


def test_a_timeout_lets_the_batch_end_and_starts_no_other(url: str) -> None:
    def slow(codes: Codes) -> np.ndarray:
        time.sleep(0.3)
        return value(codes)

    trace = stored(url, slow, timeout=0.2)
    assert len(trace.values) == BATCH
    assert len(stored(url, timeout=0).values) == BATCH
    assert same(stored(url), expected())


def test_an_exhausted_pool_ends_the_search(url: str) -> None:
    pool = SPACE.sample(9, seed=0, unique=True)
    made = nasurge.make_searcher("random", SPACE, pool=pool, seed=0)
    trace = run_stored(made, value, storage=url, study="pool", budget=20, batch=4)
    assert len(trace.values) == 9


def test_an_interruption_gives_back_what_was_claimed() -> None:
    storage = optuna.storages.InMemoryStorage()
    calls = []

    def interrupted(codes: Codes) -> np.ndarray:
        calls.append(codes)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return value(codes)

    with pytest.raises(KeyboardInterrupt):
        stored(storage, interrupted)
    assert (
        states(storage)
        == ["COMPLETE" if np.isfinite(v) else "FAIL" for v in expected().values][: 3 * BATCH]
        + ["FAIL"] * BATCH
    )
    assert same(stored(storage), expected())


@pytest.mark.slow
@pytest.mark.parametrize("name", searcher_names())
def test_every_searcher_goes_on_in_a_study(name: str) -> None:
    quick = {"optuna-gp": {"startup": 15}, "diffusion": {"training_steps": 20}}.get(name, {})

    def made() -> Searcher:
        try:
            return nasurge.make_searcher(name, SPACE, seed=0, **quick)
        except ParameterError:  # it cannot do without a predictor
            return nasurge.make_searcher(name, SPACE, predictor="ridge", seed=0)

    def smooth(codes: Codes) -> np.ndarray:
        columns = np.sin(codes @ np.arange(1.0, 7.0))[:, None].repeat(len(made().bounds), 1)
        return columns if columns.shape[1] > 1 else columns[:, 0]

    def interrupted(codes: Codes) -> np.ndarray:
        calls.append(codes)
        if len(calls) in (2, 5):
            raise KeyboardInterrupt
        return smooth(codes)

    calls: list[Codes] = []
    settings = {"storage": optuna.storages.InMemoryStorage(), "study": "s"}
    limits = {"budget": 25, "batch": 5}
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            run_stored(made(), interrupted, **settings, **limits)
    assert same(
        run_stored(made(), interrupted, **settings, **limits), run(made(), smooth, **limits)
    )


# -- beginnings ------------------------------------------------------------------------------------


def test_what_a_searcher_was_told_before_counts(url: str) -> None:
    given = searcher()
    start_codes = SPACE.sample(6, seed=1, unique=True)
    given.tell(start_codes, value(start_codes))
    trace = run_stored(given, value, storage=url, study="warm", budget=20, batch=4)
    assert np.array_equal(trace.codes[:6], start_codes)
    assert len(told(url, "warm")[0]) == 20
    again = run_stored(searcher(), value, storage=url, study="warm", budget=20, batch=4)
    assert same(again, trace)


def test_what_a_searcher_was_asked_before_comes_first(url: str) -> None:
    asked = searcher()
    first = asked.ask(3)
    trace = run_stored(asked, value, storage=url, study="asked", budget=8, batch=4)
    assert np.array_equal(trace.codes[:3], first)


def test_trials_that_others_add_are_told() -> None:
    storage = optuna.storages.InMemoryStorage()
    stored(storage, budget=8)
    study = optuna.load_study(study_name="s", storage=storage)
    code = SPACE.sample(50, seed=3, unique=True)[-1]
    params = {n: c[k] for n, c, k in zip(SPACE.variables, SPACE.choices, code, strict=True)}
    study.add_trial(
        optuna.trial.create_trial(value=9.0, params=params, distributions=distributions(SPACE))
    )
    study.add_trial(optuna.trial.create_trial(value=10.0))  # of something else: passed over
    trace = stored(storage, budget=16)
    assert len(trace.values) == 16
    assert trace.codes[np.nanargmax(trace.values)].tolist() == code.tolist()


# -- refusals --------------------------------------------------------------------------------------


def test_another_search_is_refused(url: str) -> None:
    stored(url, budget=4)
    other = nasurge.make_searcher("random", SPACE, seed=0)
    with pytest.raises(ParameterError, match=r"different: searcher\)"):
        run_stored(other, value, storage=url, study="s", budget=4)
    with pytest.raises(ParameterError, match=r"different: seed\)"):
        stored(url, about={"seed": 1})
    storage = optuna.storages.InMemoryStorage()
    optuna.create_study(study_name="s", storage=storage, direction="minimize")
    with pytest.raises(ParameterError, match="does not maximise"):
        stored(storage)


def test_a_study_that_holds_class_names_as_at_first_goes_on(url: str) -> None:
    def guided():
        return nasurge.make_searcher("evolution", SPACE, predictor="ridge", seed=0)

    settings = {"storage": url, "study": "s", "batch": BATCH}
    run_stored(guided(), value, budget=8, **settings)
    storage = optuna.storages.RDBStorage(url)
    study = optuna.load_study(study_name="s", storage=storage)
    about = study.user_attrs["nasurge"]
    assert (about["searcher"], about["predictor"]) == ("guided-evolution", "ridge")
    old = {"searcher": "GuidedEvolution", "predictor": "BayesianRidge"}
    study.set_user_attr("nasurge", {**about, **old})
    storage.remove_session()
    storage.engine.dispose()
    again = run_stored(guided(), value, budget=16, **settings)
    assert same(again, run(guided(), value, budget=16, batch=BATCH))


def test_databases_that_cannot_be_used_say_why(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot be read or written"):
        stored(f"sqlite:///{tmp_path}/missing/runs.db")
    with pytest.raises(ParameterError, match="no URL of a database"):
        stored("nonsense://host/runs")
    with pytest.raises(StorageError) as error:
        stored("postgresql://me:secret@127.0.0.1:1/none")
    assert "secret" not in str(error.value)
    with pytest.raises(MissingExtraError, match="driver"):
        stored("mysql+pymysql://me@127.0.0.1/none")


# -- kills and workers -----------------------------------------------------------------------------


@needs_kill
@pytest.mark.slow
def test_a_search_that_is_killed_loses_nothing(url: str, tmp_path: Path) -> None:
    """8 kills at random moments; tests/measured/kill.py does 50."""
    assert killed_and_resumed(url, tmp_path, kills=8, seed=0) >= 8


def shared(url: str, folder: Path, workers: int, *, kill: bool) -> None:
    """Let workers share a search; check that no architecture is lost or evaluated twice."""
    log = folder / "log"
    processes = [start(url, "shared", log, 0.05) for _ in range(workers)]
    killed = None
    if kill:
        victim = processes[-1]
        while not any(by == victim.pid for _, by in begun(log)):
            time.sleep(0.005)
        victim.kill()
        killed = victim.pid
    for process in processes:
        process.join()
        assert process.exitcode == (-signal.SIGKILL if process.pid == killed else 0)
    keys, values = told(url, "shared")
    assert len(set(keys)) == len(keys) == BUDGET
    assert np.array_equal(values, value(SPACE.from_index(keys)), equal_nan=True)
    finished = [key for key, by in begun(log) if by != killed]
    assert len(set(finished)) == len(finished), "evaluated twice by living workers"
    unfinished = {key for key, by in begun(log) if by == killed} - set(finished)
    assert unfinished <= set(keys), "what a dead worker had begun is lost"
    assert set(keys) == {key for key, _ in begun(log)}
    assert len({by for _, by in begun(log)}) == workers


@needs_kill
@pytest.mark.slow
def test_workers_share_a_file(url: str, tmp_path: Path) -> None:
    shared(url, tmp_path, 2, kill=True)


@pytest.fixture(scope="module")
def server():
    with postgresql() as url:
        yield url


@needs_kill
@pytest.mark.slow
@pytest.mark.parametrize(("workers", "kill"), [(2, False), (4, True)])
def test_workers_share_a_server(server: str, tmp_path: Path, workers: int, kill: bool) -> None:
    clean(server)
    shared(server, tmp_path, workers, kill=kill)


def clean(url: str) -> None:
    storage = optuna.storages.RDBStorage(url.replace("postgresql://", "postgresql+psycopg://"))
    for study in storage.get_all_studies():
        storage.delete_study(study._study_id)
    storage.remove_session()
    storage.engine.dispose()
