"""``search`` on tables: what it reports, and that guiding helps."""

from pathlib import Path

import numpy as np
import pytest

import nasurge
from nasurge.data.tables import Table
from nasurge.errors import ParameterError, UnknownNameError
from nasurge.registry import searcher_names, takes_objectives
from nasurge.search.loop import Trace
from nasurge.search.searchers import RandomSearch
from nasurge.search.studies import SearchOptions
from nasurge.search.studies.found import found_picture
from nasurge.searching import make_search_study


@pytest.fixture(scope="module")
def found(nbgraph: Table, tmp_path_factory: pytest.TempPathFactory):
    return nasurge.search(
        "nbgraph/cora",
        searcher="evolution",
        predictor="xgb",
        budget=30,
        trials=4,
        batch=10,
        jobs=2,
        out=tmp_path_factory.mktemp("search") / "study",
        command="it",
    )


def test_random_search_is_always_beside(found) -> None:
    assert [(e["searcher"], e["predictor"]) for e in found.summary] == [
        ("random", None),
        ("evolution", "xgb"),
    ]


def test_selected_is_the_test_value_of_the_best_validation_value(found, nbgraph: Table) -> None:
    valid = nbgraph.values(task="cora", metric="valid_perf")
    test = nbgraph.values(task="cora", metric="perf")
    for entry in found.summary:
        picked, seen = [], []
        for trial in range(4):
            rows = [
                r for r in found.rows if r["trial"] == trial and r["searcher"] == entry["searcher"]
            ]
            index = nbgraph.rows(nbgraph.space.parse([r["architecture"] for r in rows]))
            assert len(set(index)) == 30, "an architecture was evaluated twice"
            assert [r["search_value"] for r in rows] == valid[index].tolist()
            picked.append(test[index][np.argmax(valid[index])])
            seen.append(test[index].max())
        assert entry["selected"]["mean"] == pytest.approx(np.mean(picked))
        assert entry["oracle"]["mean"] == pytest.approx(np.mean(seen))
        assert entry["regret"]["mean"] == pytest.approx(test.max() - np.mean(picked))


def test_the_summary_has_the_documented_fields(found) -> None:
    for entry in found.summary:
        for field in ("table", "task", "searcher", "predictor", "budget", "trials"):
            assert field in entry
        for measure in ("selected", "oracle", "regret", "search_seconds"):
            assert set(entry[measure]) == {"mean", "low", "high", "n", "values"}
            assert np.mean(entry[measure]["values"]) == pytest.approx(entry[measure]["mean"])
        assert set(entry["queries_to_optimum"]) == {"mean", "median", "reached", "n"}
        assert entry["queries_to_optimum"]["n"] == 4


def test_a_miss_counts_as_budget_plus_one(found) -> None:
    missed = [
        e["queries_to_optimum"] for e in found.summary if not e["queries_to_optimum"]["reached"]
    ]
    assert missed, "30 random queries among 26,206 are expected to miss"
    assert all(q["mean"] == q["median"] == 31 for q in missed)


def test_the_best_of_each_searcher_is_found(found, nbgraph: Table) -> None:
    assert [entry["searcher"] for entry in found.found] == ["random", "evolution"]
    valid = nbgraph.values(task="cora", metric="valid_perf")
    for entry in found.found:
        rows = [row for row in found.rows if row["searcher"] == entry["searcher"]]
        best = max(rows, key=lambda row: row["search_value"])
        assert entry["value"] == best["search_value"]
        code = nbgraph.space.parse([entry["architecture"]])
        assert valid[nbgraph.rows(code)[0]] == entry["value"]
        assert list(entry["variables"]) == list(nbgraph.space.variables)
        latency = nbgraph.values(task="cora", metric="latency")
        assert entry["costs"]["latency"] == latency[nbgraph.rows(code)[0]]
    assert found.best() == found.best("nbgraph/cora")
    assert found.best()["value"] == max(entry["value"] for entry in found.found)
    assert found.best()["architecture"] in (found.folder / "report.html").read_text()
    with pytest.raises(UnknownNameError, match="nbgraph/cora"):
        found.best("nbgraph/pubmed")


def test_the_report_stands_alone(found) -> None:
    text = (found.folder / "report.html").read_text()
    drawn = found_picture(found.found, found.graphs)
    assert drawn is not None
    assert text.count("<svg") == 2 + len(drawn.panels)
    assert {panel.text.split(". ")[-1] for panel in drawn.panels} <= set(found.graphs)
    assert "evolution + xgb" in text
    assert ">it<" in text


@pytest.mark.slow
def test_guided_evolution_beats_random_search(analog: Table, tmp_path: Path) -> None:
    """20 trials of 60: regret about 0.15 against 0.75, standard errors 0.05; false alarm < 1e-4."""
    found = nasurge.search(
        "nb201-analog/cifar10",
        searcher="evolution",
        predictor="gp",
        budget=60,
        trials=20,
        out=tmp_path / "s",
    )
    random, guided = found.summary
    assert guided["regret"]["high"] < random["regret"]["low"]


def test_a_function_is_searched_directly() -> None:
    space = nasurge.make_space("nb201")
    calls = []

    def objective(codes: np.ndarray) -> np.ndarray:
        calls.append(len(codes))
        return -np.abs(codes - 2).sum(axis=1)

    trace = nasurge.search(objective, space=space, searcher="evolution", budget=43, batch=10)
    assert isinstance(trace, Trace)
    assert calls == [10, 10, 10, 10, 3]
    assert len(trace.values) == 43


def test_a_searcher_of_ones_own_can_be_given(analog: Table) -> None:
    searcher = nasurge.make_searcher("evolution", analog.space, predictor="xgb", seed=0)
    trace = nasurge.search(
        lambda codes: analog.lookup(codes, task="cifar10", metric="baseline_accuracy"),
        space=analog.space,
        searcher=searcher,
        budget=40,
    )
    assert trace.values.max() > 90


def test_refusals(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="needs space="):
        nasurge.search(len, budget=3)
    with pytest.raises(ParameterError, match="trials"):
        nasurge.search(len, space=nasurge.make_space("nb201"), trials=3)
    with pytest.raises(UnknownNameError, match="did you mean 'evolution'"):
        nasurge.search("nbgraph/cora", searcher="evolutoin", out=tmp_path)
    with pytest.raises(ParameterError, match="none of the searchers uses a predictor"):
        nasurge.search("nbgraph/cora", searcher="random", predictor="gp", out=tmp_path)
    with pytest.raises(ParameterError, match="2021 measured"):
        nasurge.search("nbgraph/proteins", budget=3000, out=tmp_path / "x")
    with pytest.raises(ParameterError, match="take one of: evolution"):
        nasurge.make_searcher("random", nasurge.make_space("nb201"), predictor="gp")
    with pytest.raises(UnknownNameError, match="population_size"):
        nasurge.make_searcher("evolution", nasurge.make_space("nb201"), populaton_size=3)


@pytest.mark.parametrize(
    ("unused", "named"),
    [
        ({"objectives": "accuracy,latency"}, "--objectives"),
        ({"batch": 5}, "--batch"),
        ({"timeout": 9.0}, "--timeout"),
        ({"storage": "runs.db", "study": "mine"}, "--storage, --study"),
    ],
)
def test_simulated_workers_refuse_what_they_do_not_use(unused: dict, named: str) -> None:
    with pytest.raises(ParameterError, match=f"one architecture at a time.*: {named}; leave out"):
        nasurge.search("nbgraph/cora", workers=2, **unused)


def test_names_are_left_out_of_all() -> None:
    def labels(**options) -> list[str]:
        study = make_search_study(SearchOptions("nbgraph/cora", **options))
        return [contender.label for contender in study.contenders]

    known = searcher_names()
    several = [name for name in known if takes_objectives(name)]
    front = labels(searchers="all,-nat", objectives="accuracy,latency")
    assert front == [name for name in several if name != "nat"]
    kept = [f"-{name}" for name in known if name not in ("local", "evolution")]
    assert labels(searchers=["all", *kept], predictors=["gp", "xgb"]) == [
        "random",
        "evolution + gp",
        "evolution + xgb",
        "local",
    ]
    with pytest.raises(ParameterError, match="nothing to leave out is called bo"):
        labels(searchers="local,-bo")


def test_an_argument_that_is_none_is_an_error_that_names_them() -> None:
    with pytest.raises(ParameterError, match=r"no argument 'trails'; did you mean 'trials'"):
        nasurge.search("nbgraph/cora", trails=3)
    with pytest.raises(ParameterError, match="only a search with a function"):
        nasurge.search("nbgraph/cora", space=nasurge.make_space("nbgraph"))
    space = nasurge.make_space("nb201")
    with pytest.raises(ParameterError, match="give yours to your own searcher"):
        nasurge.search(len, space=space, searcher=RandomSearch(space), predictor="gp")


def test_a_search_study_grows_by_trials_and_searchers(nbgraph: Table, tmp_path: Path) -> None:
    def run(folder: str, trials: int, **more):
        found = nasurge.search(
            "nbgraph/cora", budget=10, trials=trials, jobs=1, out=tmp_path / folder, **more
        )
        return [{k: v for k, v in row.items() if k != "search_seconds"} for row in found.rows]

    run("grown", 2)
    lines = (tmp_path / "grown" / "rows.jsonl").read_text()
    grown = run("grown", 3, predictor="ridge")
    assert (tmp_path / "grown" / "rows.jsonl").read_text().startswith(lines)
    assert grown == run("at once", 3, predictor="ridge")
    with pytest.raises(ParameterError, match=r"different: batch\)"):
        run("grown", 2, batch=2)
