"""Predictors and searchers of one's own against ours: the page, and what it promises."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from pages import shown

import nasurge
from nasurge.errors import NasurgeError, ParameterError, UnknownNameError
from nasurge.predictors import Predictor
from nasurge.registry import make_predictor, make_searcher
from nasurge.search import Searcher

TABLE = "nbgraph/cora"
FEW = {"n_train": [20], "trials": 1, "jobs": 1}
SOME = {"budget": 6, "trials": 1, "jobs": 1}


class Sums(Predictor):
    """The sum of the numbers of a code."""

    sign: float = 1.0

    def _fit(self, codes, z, rng):
        self.weight_ = self.sign

    def _predict(self, codes):
        return self.weight_ * codes.sum(axis=1), None


class Draws(Searcher):
    """Whatever comes."""

    def _ask(self, n):
        return self._draw(n)


class Led(Draws):
    """Whatever comes first of a few."""

    def __init__(self, space, *, predictor, pool=None, seed=None):
        super().__init__(space, pool=pool, seed=seed)
        self.predictor = predictor

    def _ask(self, n):
        drawn = self._draw(4 * n)
        if len(self.values_) < 2 or len(np.unique(self.values_)) < 2:
            return drawn
        self.predictor.fit(self.codes_, self.values_)
        return drawn[np.argsort(-self.predictor.predict(drawn))]


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a test into a folder of its own, with its own modules."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "my_method", raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_method_of_one_s_own_is_compared_as_the_page_shows() -> None:
    everything, names = shown("your-method.md")
    frame = names["found"].to_frame()
    assert set(frame["predictor"]) == {"gp", "ridge", "nearest", "one"}
    assert frame["task"].nunique() == 3
    assert {"nearest", "one"} <= {e[k] for e in names["found"].paired for k in "ab"}
    report = (names["found"].folder / "report.html").read_text(encoding="utf-8")
    assert "nearest" in report
    assert "my_method:Nearest" in everything
    assert "my_method:Swaps" in everything
    assert {row["searcher"] for row in names["searched"].rows} == {"random", "evolution", "Swaps"}
    assert names["trace"].best().value > 2
    of_tasks = frame[~frame["unseen_functions_only"]].set_index(["task", "predictor"])
    better = of_tasks["kendall_tau"].unstack()
    assert (better["nearest"] > better["one"]).all(), "the mean of five is steadier than one"


def test_the_code_of_a_class_belongs_to_a_study(tmp_path: Path) -> None:
    def found(name: str, cls: type, **more) -> set[str]:
        kept = nasurge.compare(TABLE, {name: cls}, out=tmp_path / "mine", **{**FEW, **more})
        return {row["predictor"] for row in kept.rows}

    class Other(Sums):
        def _predict(self, codes):
            return -self.weight_ * codes.sum(axis=1), None

    assert found("mine", Sums) == {"mine"}
    assert found("mine", Sums, trials=2) == {"mine"}
    assert found("other", Other, trials=2) == {"other"}
    with pytest.raises(ParameterError, match=r"another study \(different: code\)"):
        found("mine", Other)
    assert found("mine", Sums, trials=2) == {"mine"}


def test_the_code_of_a_searcher_belongs_to_a_stored_search(tmp_path: Path) -> None:
    def search(searcher: object, budget: int) -> int:
        where = {"storage": tmp_path / "runs.db", "study": "mine", "space": "nb201"}
        ones = lambda codes: (codes == 3).sum(axis=1)  # noqa: E731 -- the same each time
        return len(nasurge.search(ones, searcher=searcher, budget=budget, **where).values)

    class Changed(Draws):
        def _ask(self, n):
            return self._draw(n)[::-1]

    Changed.__name__ = Changed.__qualname__ = "Draws"
    assert search(Draws, 4) == 4
    with pytest.raises(ParameterError, match=r"different: code of Draws in Python"):
        search(Changed, 8)
    assert search(Draws, 8) == 8


def test_names_tell_apart_what_is_given() -> None:
    five = make_predictor("rf", "nbgraph", n_estimators=5)
    ours = {"trees": five, "ridge": "ridge", "sums": lambda space, seed: Sums(space, seed=seed)}
    found = nasurge.compare(TABLE, ours, **FEW)
    assert {row["predictor"] for row in found.rows} == set(ours)
    found = nasurge.compare(TABLE, [five, Sums, "ridge"], **FEW)
    assert {row["predictor"] for row in found.rows} == {"rf(n_estimators=5)", "Sums", "ridge"}
    own = {"draws": Draws, "made": lambda space, pool=None, seed=None: Draws(space, pool=pool)}
    found = nasurge.search(TABLE, searcher=own, **SOME)
    assert {row["searcher"] for row in found.rows} == {"random", *own}


def test_a_class_guides_and_is_guided() -> None:
    found = nasurge.search(TABLE, searcher=[Led, "evolution"], predictor=[Sums, "ridge"], **SOME)
    pairs = {(row["searcher"], row["predictor"]) for row in found.rows}
    guided = {(one, guide) for one in ("Led", "evolution") for guide in ("Sums", "ridge")}
    assert pairs == {("random", None), *guided}
    function = lambda codes: codes.sum(axis=1)  # noqa: E731 -- of one line
    for guide in (Sums, "ridge", make_predictor("gp", "nb201")):
        trace = nasurge.search(function, space="nb201", searcher=Led, predictor=guide, budget=20)
        assert len(trace.values) == 20


def test_a_class_ranks() -> None:
    found = nasurge.rank("nb201-digits", predictor=Sums, propose=2, sample=300)
    assert found.predictor == "Sums"
    sums = found.frame["score"].to_numpy()
    assert (np.diff(sums) <= 0).all()
    with pytest.raises(ParameterError, match="one predictor ranks"):
        nasurge.rank("nb201-digits", predictor="all", propose=2)


WRONG_PREDICTORS = {
    "a class of something else": (int, "int is no class of a predictor.*nasurge.testing.predictor"),
    "a function without a name": ([lambda space, seed: 3], "without a name makes predictors"),
    "a function of something else": (
        {"x": lambda space, seed: 3},
        r"makes 3 \(int\), no predictor",
    ),
    "a function without a seed": ({"x": lambda space: 3}, "x is called with a space, seed="),
    "one class twice": ([Sums, Sums], "two predictors are called 'Sums'"),
    "a name and its object": (["gp", make_predictor("gp", "nbgraph")], "are called 'gp'"),
    "a module that is not there": ("nowhere:Net", "no module 'nowhere'"),
    "a class that is not there": ("json:Net", "unknown class 'Net'"),
    "an object": (object(), "predictors must be"),
}


@pytest.mark.parametrize("case", WRONG_PREDICTORS)
def test_what_is_no_predictor_is_refused(case: str) -> None:
    wrong, words = WRONG_PREDICTORS[case]
    with pytest.raises((ParameterError, UnknownNameError), match=words):
        nasurge.compare(TABLE, wrong, **FEW)


WRONG_SEARCHERS = {
    "a class of something else": (Sums, "Sums is no class of a searcher.*nasurge.testing.searcher"),
    "a searcher that is there": (make_searcher("random", "nbgraph"), "a fresh searcher for every"),
    "a function without a name": ([lambda space, seed: 3], "without a name makes searchers"),
    "a function of something else": ({"x": lambda space, seed: 3}, r"makes 3 \(int\), no searcher"),
    "one class twice": ([Draws, Draws], "two searchers are called 'Draws'"),
    "a name of ours": ({"bo": Draws}, "two searchers are called 'bo'"),
    "one that has no predictor": (Led, "Led is called with a space"),
}


@pytest.mark.parametrize("case", WRONG_SEARCHERS)
def test_what_is_no_searcher_is_refused(case: str) -> None:
    wrong, words = WRONG_SEARCHERS[case]
    with pytest.raises(ParameterError, match=words):
        nasurge.search(TABLE, searcher=wrong, **SOME)


def test_what_cannot_be_sent_to_a_process_says_so(tmp_path: Path) -> None:
    lock = threading.Lock()

    class Locked(Sums):
        def _fit(self, codes, z, rng):
            with lock:
                super()._fit(codes, z, rng)

    few = {"n_train": [20], "trials": 2}
    with pytest.raises(NasurgeError, match=r"cannot be sent to another process .*jobs=1"):
        nasurge.compare(TABLE, Locked, jobs=2, out=tmp_path / "two", **few)
    assert nasurge.compare(TABLE, Locked, jobs=1, out=tmp_path / "one", **few).rows
