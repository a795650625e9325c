"""What an objective may return, when it counts as broken, and what a trace says of a search."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from searching import smooth

import nasurge
from nasurge.data.spaces import make_space
from nasurge.errors import LabelError, ObjectiveError, ParameterError
from nasurge.search.loop import run
from nasurge.search.searchers import RandomSearch

NAN = float("nan")


@pytest.fixture
def nb201():
    return make_space("nb201")


def test_an_objective_that_only_raises_is_an_error_however_small_the_budget(nb201):
    def broken(codes):
        raise KeyError("acc")

    for budget, batch in ((6, 5), (3, 5), (1, 1)):
        with pytest.raises(ObjectiveError, match="KeyError: 'acc'"):
            run(RandomSearch(nb201, seed=0), broken, budget=budget, batch=batch)
    trace = run(RandomSearch(nb201, seed=0), lambda c: [NAN] * len(c), budget=6, batch=3)
    assert trace.failures == 6, "no error of its own: nothing was raised"


def test_an_objective_that_breaks_on_the_way_does_not_burn_the_budget(nb201):
    calls = []

    def breaks(codes):
        calls.append(codes)
        if len(calls) > 3:
            raise OSError("no space left on device")
        return smooth(codes)

    with pytest.raises(ObjectiveError, match=r"last 20 evaluations.*no space left") as caught:
        run(RandomSearch(nb201, seed=0), breaks, budget=500, batch=5)
    assert len(calls) == 7
    assert np.array_equal(caught.value.trace.values[:15], smooth(np.concatenate(calls[:3])))


RESULTS = {
    "list": lambda y: y.tolist(),
    "tuple of 0-d": lambda y: tuple(np.array(v) for v in y),
    "column": lambda y: y[:, None],
    "iterator": iter,
    "series": pd.Series,
    "frame": lambda y: pd.DataFrame({"acc": y}),
    "tensor": torch.tensor,
    "tensor with gradient": lambda y: torch.tensor(y, requires_grad=True) * 1,
    "tensors": lambda y: [torch.tensor(v, requires_grad=True) for v in y],
    "bfloat16": lambda y: torch.tensor(y, dtype=torch.bfloat16),
    "masked": lambda y: np.ma.array(y, mask=False),
}


@pytest.mark.parametrize("kind", RESULTS)
def test_whatever_holds_a_number_per_architecture_is_taken(nb201, kind):
    counted = lambda codes: (codes == 3).sum(axis=1).astype(float)  # noqa: E731
    trace = run(RandomSearch(nb201, seed=0), lambda c: RESULTS[kind](counted(c)), budget=7, batch=4)
    assert np.array_equal(trace.values, counted(trace.codes))


@pytest.mark.parametrize("one", [float, np.float32, np.array, torch.tensor, lambda v: [v]])
def test_of_one_architecture_a_number_is_taken(nb201, one):
    trace = run(RandomSearch(nb201, seed=0), lambda c: one(smooth(c)[0]), budget=3, batch=1)
    assert np.allclose(trace.values, smooth(trace.codes))


def test_of_one_architecture_a_row_of_objectives_is_taken(nb201):
    searcher = RandomSearch(nb201, n_objectives=2, seed=0)
    trace = run(searcher, lambda c: (smooth(c)[0], float(c.sum())), budget=3, batch=1)
    assert np.array_equal(trace.values[:, 1], trace.codes.sum(axis=1))


@pytest.mark.parametrize(
    "failed",
    [
        [NAN, 1.0, 2.0],
        [np.inf, 1.0, 2.0],
        [-np.inf, 1.0, 2.0],
        [None, 1.0, 2.0],
        np.ma.array([5.0, 1.0, 2.0], mask=[True, False, False]),
        np.ma.array([5, 1, 2], mask=[True, False, False]),
    ],
)
def test_what_is_no_finite_number_has_failed_and_the_others_are_kept(nb201, failed):
    trace = run(RandomSearch(nb201, seed=0), lambda c: failed, budget=3, batch=3)
    assert np.array_equal(trace.values, [NAN, 1.0, 2.0], equal_nan=True)


def test_an_infinite_objective_fails_its_row(nb201):
    searcher = RandomSearch(nb201, n_objectives=2, seed=0)
    trace = run(searcher, lambda c: [[np.inf, 1.0], [2.0, 3.0]], budget=2, batch=2)
    assert trace.failures == 1
    assert trace.front().values.tolist() == [[2.0, 3.0]]


def test_a_searcher_is_told_what_an_objective_may_return(nb201):
    searcher = RandomSearch(nb201, seed=0)
    searcher.tell(searcher.ask(2), np.ma.array([1.0, 2.0], mask=[True, False]))
    searcher.tell(searcher.ask(2), torch.tensor([3.0, 4.0], requires_grad=True))
    searcher.tell(searcher.ask(1), 5.0)
    assert np.array_equal(searcher.values_, [NAN, 2.0, 3.0, 4.0, 5.0], equal_nan=True)
    two = RandomSearch(nb201, n_objectives=2, seed=0)
    two.tell(two.ask(1), [1.0, 2.0])
    assert two.values_.tolist() == [[1.0, 2.0]]


def test_numbers_beside_what_is_none_are_kept_before_the_error(nb201):
    with pytest.raises(ObjectiveError, match="'diverged' is no number") as caught:
        run(RandomSearch(nb201, seed=0), lambda c: [1.0, "diverged", 3.0], budget=9, batch=3)
    assert np.array_equal(caught.value.trace.values, [1.0, NAN, 3.0], equal_nan=True)


@pytest.mark.parametrize("result", [0.0, [1.0], np.zeros((3, 2)), None, "abc", {"a": 1}, [1j] * 3])
def test_a_wrong_result_is_an_error_at_once(nb201, result):
    searcher = RandomSearch(nb201, seed=0)
    with pytest.raises(ObjectiveError, match="given 3 architectures"):
        run(searcher, lambda codes: result, budget=9, batch=3)
    assert not len(searcher.values_)
    assert len(searcher.pending_) == 3


def test_a_wrong_result_stands_in_the_error(nb201):
    with pytest.raises(ObjectiveError, match=r"list: \[93.25, 91.5\]"):
        run(RandomSearch(nb201, seed=0), lambda codes: [93.25, 91.5], budget=9, batch=3)


def test_the_best_is_never_a_failed_one(nb201):
    values = iter([NAN, 2.0, 5.0, np.inf, 5.0, 1.0])
    trace = run(RandomSearch(nb201, seed=0), lambda c: next(values), budget=6, batch=1)
    architecture, value, code = trace.best()
    assert value == 5.0
    assert np.array_equal(code, trace.codes[2])
    assert nb201.parse([architecture]).tolist() == [code.tolist()]
    assert repr(trace) == "<Trace: 6 evaluations, 2 failed, best 5>"
    frame = trace.to_frame()
    assert list(frame) == ["architecture", "value", "seconds"]
    assert frame["value"].isna().sum() == 2


def test_a_trace_of_nothing_says_so(nb201):
    for searcher in (RandomSearch(nb201), RandomSearch(nb201, n_objectives=2)):
        trace = run(searcher, smooth, budget=0)
        assert repr(trace).startswith("<Trace: 0 evaluations, 0 failed")
        assert trace.front().architectures == []
    with pytest.raises(LabelError, match="no incumbent yet"):
        run(RandomSearch(nb201), smooth, budget=0).best()


def test_of_several_objectives_the_front_is_best(nb201):
    searcher = RandomSearch(nb201, n_objectives=2, bounds=[-np.inf, 10.0], seed=0)
    trace = run(searcher, lambda c: np.stack([smooth(c), c.sum(axis=1)], axis=1), budget=40)
    front = trace.front()
    assert np.array_equal(front.values, searcher.front()[1])
    assert np.array_equal(nb201.parse(front.architectures), front.codes)
    assert (front.values[:, 1] >= 10).all()
    with pytest.raises(ParameterError, match="front"):
        trace.best()


@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize("budget", [0, 12])
def test_a_trace_is_plotted(nb201, n, budget):
    searcher = RandomSearch(nb201, n_objectives=n, seed=0)

    def partly_failing(codes):
        columns = np.stack([smooth(codes), codes.sum(axis=1)], axis=1)[:, :n]
        return np.where(codes[:, :1] == 0, NAN, columns)

    (axis,) = run(searcher, partly_failing, budget=budget, batch=4).plot().axes
    labels = [line.get_label() for line in axis.get_lines()]
    assert labels == ["evaluated", "incumbent" if n == 1 else "front"]


@pytest.mark.parametrize("timeout", [NAN, -1, float("-inf"), float("inf")])
def test_a_time_limit_that_is_none_is_refused(nb201, timeout, tmp_path) -> None:
    refused = pytest.raises(ParameterError, match="timeout must be")
    with refused:
        run(RandomSearch(nb201), smooth, budget=3, timeout=timeout)
    with refused:
        nasurge.search(smooth, space=nb201, budget=3, timeout=timeout)
    with refused:
        nasurge.search(smooth, space=nb201, timeout=timeout, storage=tmp_path / "a.db", study="s")
    with refused:
        nasurge.search("nb201-analog/cifar10", budget=3, timeout=timeout, out=tmp_path / "o")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("when", ["objective", "callback"])
@pytest.mark.parametrize("kind", [KeyboardInterrupt, ZeroDivisionError])
def test_whatever_ends_a_search_has_what_was_evaluated(nb201, when, kind) -> None:
    batches = []

    def objective(codes):
        batches.append(codes)
        if when == "objective" and len(batches) == 3:
            raise KeyboardInterrupt
        return smooth(codes)

    def callback(searcher):
        if when == "callback" and len(batches) == 3:
            raise kind

    with pytest.raises(kind if when == "callback" else KeyboardInterrupt) as caught:
        nasurge.search(objective, space=nb201, budget=30, batch=5, callback=callback)
    told = np.concatenate(batches[: 2 if when == "objective" else 3])
    trace = caught.value.trace
    assert np.array_equal(trace.codes, told)
    assert np.array_equal(trace.values, smooth(told))
    assert len(trace.seconds) == len(told)
    assert trace.best().value == smooth(told).max()


class OwnError(Exception):
    """An exception whose attribute of that name cannot be set."""

    @property
    def trace(self):
        return None


def test_an_exception_that_takes_no_trace_is_raised_as_it_is(nb201) -> None:
    def callback(searcher):
        raise OwnError

    with pytest.raises(OwnError):
        run(RandomSearch(nb201, seed=0), smooth, budget=3, callback=callback)


TIMES = {
    "date": np.datetime64("2026-01-01"),
    "duration": np.timedelta64(5, "s"),
    "stamp": pd.Timestamp("2026-01-01"),
    "missing": np.datetime64("NaT"),
}


@pytest.mark.parametrize("one", TIMES.values(), ids=TIMES)
@pytest.mark.parametrize("form", [list, np.array, pd.Series])
def test_times_are_no_numbers(nb201, one, form) -> None:
    with pytest.raises(ObjectiveError, match="must return one number"):
        run(RandomSearch(nb201, seed=0), lambda codes: form([one] * 2), budget=2, batch=2)
    with pytest.raises(ObjectiveError, match="is no number; the others are kept"):
        run(RandomSearch(nb201, seed=0), lambda codes: [one, 1.0], budget=2, batch=2)


class Unreadable:
    """An array that cannot be made."""

    def __array__(self, *_args, **_options):
        raise OSError("gone")


@pytest.mark.parametrize("odd", [[10**400] * 2, Unreadable(), (1 / 0 for _ in range(2))])
def test_what_cannot_be_read_has_failed_and_loses_nothing(nb201, odd) -> None:
    batches = iter([[1.0, 2.0], odd, [3.0, 4.0]])
    trace = run(RandomSearch(nb201, seed=0), lambda codes: next(batches), budget=6, batch=2)
    assert np.isnan(trace.values[2:4]).all()
    assert trace.values[[0, 1, 4, 5]].tolist() == [1.0, 2.0, 3.0, 4.0]
