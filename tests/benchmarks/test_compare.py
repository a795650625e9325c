"""``compare`` measures what it says: same training sets, unseen functions, ceilings, reports."""

import re
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import kendalltau

import nasurge
from nasurge.benchmarks.metrics import METRICS, Metric, precision_at_k
from nasurge.benchmarks.objectives import make_problem, parse_problems
from nasurge.benchmarks.studies import (
    CompareOptions,
    CompareStudy,
    interval_text,
    read_summary,
    split_rows,
)
from nasurge.data.tables import Table
from nasurge.errors import LabelError, ParameterError, SchemaError, StorageError, UnknownNameError
from nasurge.predictors.classical import BayesianRidge
from nasurge.registry import make_predictor, predictor_names


class Picky(BayesianRidge):
    """Serves no space there is."""

    @property
    def refusal(self) -> str | None:
        return "only for rings"


@pytest.fixture(scope="module")
def found(analog: Table, tmp_path_factory: pytest.TempPathFactory):
    out = tmp_path_factory.mktemp("compare") / "study"
    return nasurge.compare(
        "nb201-analog/cifar10", "xgb,gp", n_train=(20, 60), trials=3, jobs=2, out=out, command="it"
    )


def test_every_number_is_what_scipy_gives_for_that_split(found, analog: Table) -> None:
    problem = make_problem(analog, "cifar10")
    train, test = split_rows(problem, 60, trial=1, seed=0)
    y = analog.values(task="cifar10", metric="baseline_accuracy")
    gp = make_predictor("gp", analog.space, seed=1).fit(analog.codes[train], y[train])
    expected = kendalltau(y[test], gp.predict(analog.codes[test]))[0]
    rows = [
        row
        for row in found.rows
        if (row["predictor"], row["n_train"], row["trial"]) == ("gp", 60, 1)
    ]
    every, unseen = sorted(rows, key=lambda row: row["unseen_functions_only"])
    assert every["kendall_tau"] == pytest.approx(expected, abs=1e-6)
    assert every["n_test"] == 15_625 - 60
    ids = analog.space.function_ids(analog.codes)
    fresh = test[~np.isin(ids[test], ids[train])]
    assert unseen["n_test"] == len(fresh) < every["n_test"]
    expected = kendalltau(y[fresh], gp.predict(analog.codes[fresh]))[0]
    assert unseen["kendall_tau"] == pytest.approx(expected, abs=1e-6)


def test_training_sets_are_nested_and_shared(analog: Table) -> None:
    problem = make_problem(analog, "cifar10")
    small, rest = split_rows(problem, 20, trial=2, seed=0)
    large, _ = split_rows(problem, 60, trial=2, seed=0)
    assert np.array_equal(small, large[:20])
    assert len(set(small) | set(rest)) == 15_625
    other, _ = split_rows(problem, 20, trial=3, seed=0)
    assert not np.array_equal(small, other)


def test_the_summary_has_the_documented_fields(found) -> None:
    assert len(found.summary) == 2 * 2 * 2
    for entry in found.summary:
        assert {"table", "task", "predictor", "n_train", "trials"} <= set(entry)
        assert isinstance(entry["unseen_functions_only"], bool)
        for measure in ("kendall_tau", "spearman", "kendall_tau_top5", "regret_at_10"):
            assert set(entry[measure]) == {"mean", "low", "high", "n", "values"}
            assert entry[measure]["n"] == 3
            assert entry[measure]["mean"] == pytest.approx(np.mean(entry[measure]["values"]))
            assert entry[measure]["low"] is entry[measure]["high"] is None
        assert entry["fit_seconds"]["mean"] > 0


def test_more_labels_rank_better(found) -> None:
    """On this table tau rises by about 0.09 from 20 to 60; its standard error here is 0.02."""
    taus = {
        e["n_train"]: e["kendall_tau"]["mean"]
        for e in found.summary
        if e["predictor"] == "gp" and not e["unseen_functions_only"]
    }
    assert taus[60] > taus[20] > 0.5


def test_the_report_stands_alone(found) -> None:
    text = (found.folder / "report.html").read_text()
    assert text.count("<svg") == 6  # two panels of predicted ranks and of mean ranks
    for needle in ("Kendall tau", "nb201-analog/cifar10", ">it<", "torch"):
        assert needle in text
    for outside in ("http://", "https://", "src="):
        assert outside not in text.replace("http://www.w3.org", "").replace(
            "https://matplotlib.org", ""
        ).replace("http://purl.org", "").replace("http://creativecommons.org", "")
    before = text
    assert CompareStudy.report(found.folder).read_text() == before


def test_one_process_and_two_give_the_same_rows(analog: Table, tmp_path: Path) -> None:
    problems = [make_problem(analog, "cifar10")]
    factories = {name: partial(make_predictor, name) for name in ("xgb", "mlp")}
    settings = {"n_train": [20], "trials": 2}
    runs = [
        CompareStudy(
            CompareOptions(problems, jobs=jobs, out=tmp_path / str(jobs), **settings), factories
        ).run()
        for jobs in (1, 2)
    ]
    timed = ("fit_seconds", "predict_seconds")
    one, two = ([{k: v for k, v in r.items() if k not in timed} for r in run.rows] for run in runs)
    assert one == two


@pytest.mark.reference
def test_the_ceiling_is_given_where_runs_were_repeated(nb201: Table, tmp_path: Path) -> None:
    found = nasurge.compare(
        "nb201/cifar10,nb201/cifar100", "gp", n_train=(30,), trials=1, jobs=1, out=tmp_path / "s"
    )
    assert list(found.ceilings) == ["nb201/cifar10"]
    ceiling = found.ceilings["nb201/cifar10"]
    assert 0.94 < ceiling["kendall_tau"] < 0.97
    entry = next(e for e in found.summary if e["task"] == "cifar10")
    share = entry["kendall_tau"]["mean"] / ceiling["kendall_tau"]
    assert entry["share_of_ceiling"] == pytest.approx(share)
    assert "Noise ceiling" in (found.folder / "report.html").read_text()


def test_addresses(nbgraph: Table) -> None:
    assert len(parse_problems("nbgraph")) == 9
    proteins = parse_problems("nbgraph/proteins")[0]
    assert len(proteins.codes) == 2021
    assert np.isfinite(proteins.report_values).all()
    with pytest.raises(UnknownNameError, match="did you mean 'cora'"):
        parse_problems("nbgraph/coro")
    with pytest.raises(UnknownNameError, match="did you mean 'nbgraph'"):
        parse_problems("nbgraf/cora")
    with pytest.raises(ParameterError, match="name a table"):
        parse_problems(" , ")


def test_a_label_to_be_minimised_is_flipped_once(nbgraph: Table) -> None:
    problem = make_problem(nbgraph, "cora", metric="latency")
    published = nbgraph.values(task="cora", metric="latency")
    assert np.array_equal(problem.report_values, -published)
    assert np.array_equal(problem.search(nbgraph.codes[:5]), -published[:5])


def test_an_ambiguous_metric_lists_the_choices(nbgraph: Table) -> None:
    with pytest.raises(SchemaError, match=r"split='valid'.*split='test'"):
        make_problem(nbgraph, "cora", metric="accuracy")


def test_refusals(tmp_path: Path) -> None:
    run = partial(nasurge.compare, "nbgraph/proteins", out=tmp_path / "x", jobs=1)
    with pytest.raises(LabelError, match="2021 measured"):
        run("gp", n_train=(2020,), trials=1)
    with pytest.raises(LabelError, match="at least 3"):
        run("gp", n_train=(2,), trials=1)
    with pytest.raises(ParameterError, match="at least one"):
        nasurge.compare("nbgraph/proteins", "", n_train=(20,), trials=1, out=tmp_path / "y")
    with pytest.raises(StorageError, match="finished"):
        read_summary(tmp_path)


def test_few_values_are_shown_one_by_one() -> None:
    assert interval_text({"mean": None, "low": None, "high": None, "n": 0}) == "undefined"
    assert interval_text({"mean": 0.5, "low": None, "high": None, "n": 1}) == "0.500"
    three = {"mean": 0.8, "low": None, "high": None, "n": 3, "values": [0.81, 0.82, 0.79]}
    assert interval_text(three, digits=2) == "0.81, 0.82, 0.79"


def test_a_predictor_that_cannot_serve_the_space_is_refused_or_left_out(
    analog: Table, tmp_path: Path
) -> None:
    problems = parse_problems("nb201-analog/cifar10")
    names = {"picky": Picky, "ridge": partial(make_predictor, "ridge")}
    settings = {"n_train": [20], "trials": 1, "jobs": 1}
    with pytest.raises(ParameterError, match=r"picky on nb201-analog/cifar10: only for rings"):
        CompareStudy(CompareOptions(problems, out=tmp_path / "a", **settings), names)
    options = CompareOptions(problems, out=tmp_path / "b", **settings)
    found = CompareStudy(options, names, skip_unfit=True).run()
    assert {row["predictor"] for row in found.rows} == {"ridge"}
    codes, y = analog.codes[:20], np.arange(20.0)
    with pytest.raises(ParameterError, match="only for rings"):
        Picky(analog.space, seed=0).fit(codes, y)


def test_all_predictors_but_some(tmp_path: Path) -> None:
    others = [f"-{name}" for name in predictor_names() if name not in ("ridge", "synflow")]
    settings = {"n_train": (20,), "trials": 1, "jobs": 1}
    names = ",".join(["all", *others])
    found = nasurge.compare("nbgraph/proteins", names, out=tmp_path / "a", **settings)
    assert {row["predictor"] for row in found.rows} == {"ridge"}, "synflow serves cells only"
    with pytest.raises(ParameterError, match="nothing to leave out is called gin"):
        nasurge.compare("nb201-analog/cifar10", "ridge,-gin", out=tmp_path / "b", **settings)


def test_a_comparison_grows_and_equals_one_made_at_once(tmp_path: Path) -> None:
    def run(folder: str, names: str, sizes: tuple[int, ...], trials: int):
        return nasurge.compare(
            "nb201-analog/cifar10",
            names,
            n_train=sizes,
            trials=trials,
            jobs=1,
            out=tmp_path / folder,
        )

    def plain(found) -> list[dict]:
        timed = ("fit_seconds", "predict_seconds")
        return [{k: v for k, v in row.items() if k not in timed} for row in found.rows]

    first = run("grown", "ridge", (20,), 2)
    journal = tmp_path / "grown" / "rows.jsonl"
    lines = journal.read_text()
    grown = run("grown", "gp,ridge", (20, 40), 3)
    assert journal.read_text().startswith(lines), "what was done is done again"
    assert plain(grown) == plain(run("at once", "gp,ridge", (20, 40), 3))
    assert grown.about["trials"] == 3
    assert [e["trials"] for e in grown.summary] == [3] * 8
    whole = journal.read_text()
    again = run("grown", "ridge", (20,), 2)
    assert again.rows == first.rows
    assert journal.read_text() == whole, "a smaller question forgets"
    # Without markup: terms are links.
    text = re.sub(r"<[^>]+>", "", (tmp_path / "grown" / "report.html").read_text())
    assert "Trial 0 with 20 training architectures" in text
    assert "2 trials" in text
    with pytest.raises(ParameterError, match=r"different: labels\)"):
        nasurge.compare(
            "nb201-analog/cifar10", "ridge", metric="qat_accuracy", out=tmp_path / "grown"
        )


def test_a_metric_is_one_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is measured, summarised and shown; it is undefined for fewer than it needs."""
    top = Metric(
        "precision_at_20",
        partial(precision_at_k, k=20),
        "share of the predicted top 20 in the true top 20",
        heading="precision@20",
        digits=2,
        fewest=20,
    )
    monkeypatch.setitem(METRICS, top.name, top)
    few = {"trials": 1, "jobs": 1}
    found = nasurge.compare("nbgraph/proteins", "ridge", n_train=(2006,), out=tmp_path / "a", **few)
    assert all(np.isnan(row["precision_at_20"]) for row in found.rows)
    assert found.summary[0]["precision_at_10"]["mean"] is not None
    found = nasurge.compare("nbgraph/proteins", "ridge", n_train=(20,), out=tmp_path / "b", **few)
    share = found.summary[0]["precision_at_20"]["mean"]
    assert 0 <= share <= 1
    table = CompareStudy.table_of(found.parts)
    assert table.rows[0][table.columns.index("precision@20")] == f"{share:.2f}"
    assert CompareStudy.columns()["precision_at_20"].startswith("share of")


def test_a_predictor_may_be_a_class_and_is_made_once_for_the_checks(tmp_path: Path) -> None:
    made = []

    class Counted(BayesianRidge):
        def __init__(self, *args, **kwargs) -> None:
            made.append(1)
            super().__init__(*args, **kwargs)

    options = CompareOptions("nbgraph/cora,nbgraph/proteins", n_train=[20], trials=1, jobs=1)
    study = CompareStudy(options, {"counted": Counted})
    assert len(made) == 1
    assert list(study.unfit) == []
    found = nasurge.compare(
        "nbgraph/proteins", ["gp", BayesianRidge], n_train=[20], trials=1, jobs=1, out=tmp_path
    )
    assert {row["predictor"] for row in found.rows} == {"gp", "BayesianRidge"}
