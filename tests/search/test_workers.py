"""Simulated workers, and trials on a cluster."""

import sys

import numpy as np
import pytest

import nasurge
from nasurge.benchmarks.studies import backend
from nasurge.data.spaces import make_space
from nasurge.data.tables import Table
from nasurge.errors import MissingExtraError, ParameterError, UnknownNameError
from nasurge.search.searchers import RandomSearch
from nasurge.search.studies.asynchronous import run_simulated

SPACE = make_space("nb201")


def simulate(workers: int, times: list[float], budget: int):
    left = iter(times)
    return run_simulated(
        RandomSearch(SPACE, seed=0),
        lambda codes: codes.sum(axis=1),
        lambda codes: [next(left)],
        budget=budget,
        workers=workers,
    )


def test_a_worker_that_is_free_gets_the_next_architecture() -> None:
    """Two workers, by hand: 5 | 1, then 1+2=3, 3+4=7; 5+1=6."""
    trace, ended = simulate(2, [5.0, 1.0, 2.0, 4.0, 1.0], 5)
    assert ended.tolist() == [1.0, 3.0, 5.0, 6.0, 7.0]
    order = RandomSearch(SPACE, seed=0)
    asked = np.concatenate([order.ask(1) for _ in range(5)])
    assert trace.codes.tolist() == asked[[1, 2, 0, 4, 3]].tolist()


def test_one_worker_takes_the_sum_and_many_the_longest() -> None:
    assert simulate(1, [3.0, 1.0, 2.0], 3)[1].tolist() == [3.0, 4.0, 6.0]
    assert simulate(9, [3.0, 1.0, 2.0], 3)[1].tolist() == [1.0, 2.0, 3.0]
    with pytest.raises(ParameterError, match="training time"):
        simulate(1, [float("nan")], 1)
    with pytest.raises(ParameterError, match="at least 1"):
        simulate(0, [1.0], 1)


def test_a_table_without_training_times_is_refused(analog: Table, tmp_path) -> None:
    with pytest.raises(ParameterError, match="does not know how long training takes"):
        nasurge.search("nb201-analog/cifar10", workers=4, out=tmp_path / "s")
    with pytest.raises(ParameterError, match="--study; leave out"):
        nasurge.search("nb201-analog/cifar10", workers=4, study="s", out=tmp_path / "s")


@pytest.mark.reference
def test_more_workers_take_less_time(reference, tmp_path) -> None:
    (path,) = reference.glob("transnas*.csv*")
    nasurge.import_table(path, replace_existing=True)
    ended = []
    for workers in (1, 4):
        found = nasurge.search(
            "transnas-micro/class_scene",
            budget=20,
            trials=2,
            jobs=1,
            workers=workers,
            out=tmp_path / str(workers),
        )
        ended.append(found.summary[1]["simulated_seconds"]["mean"])
    assert 3 < ended[0] / ended[1] <= 4.5  # other architectures, so not quite at most four


@pytest.mark.slow
@pytest.mark.parametrize("name", ["dask", "ray"])
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning")
def test_trials_run_on_a_cluster(analog: Table, tmp_path, name: str) -> None:
    pytest.importorskip({"dask": "distributed", "ray": "ray"}[name], reason="nasurge[cluster]")
    settings = {"searcher": "evolution", "budget": 10, "trials": 2, "jobs": 2}
    here = nasurge.search("nb201-analog/cifar10", **settings, out=tmp_path / "here")
    with backend(name):
        there = nasurge.search("nb201-analog/cifar10", **settings, out=tmp_path / "there")
    assert [r["architecture"] for r in there.rows] == [r["architecture"] for r in here.rows]


def test_a_backend_that_is_not_there_says_what_to_install(monkeypatch) -> None:
    with pytest.raises(UnknownNameError, match="dask"), backend("desk"):
        pass
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"nasurge\[cluster\]"), backend("ray"):
        pass
