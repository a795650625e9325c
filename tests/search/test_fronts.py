"""``search`` for several objectives and under constraints, on tables."""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import nasurge
from nasurge.benchmarks.constraints import (
    Constraint,
    InfeasibleError,
    feasible,
    parse_constraints,
)
from nasurge.benchmarks.objectives import make_problem
from nasurge.benchmarks.quantities import constrained, many_objectives, quantity
from nasurge.cli import app
from nasurge.data.networks import network_costs
from nasurge.data.tables import Table
from nasurge.errors import LabelError, NasurgeError, ParameterError, UnknownNameError
from nasurge.search.pareto import Scale, non_dominated
from nasurge.search.studies import FrontsStudy
from nasurge.search.studies.found import found_picture


@pytest.fixture(scope="module")
def found(nbgraph: Table, tmp_path_factory: pytest.TempPathFactory):
    return nasurge.search(
        "nbgraph/cora",
        searcher="nsga2",
        objectives="accuracy,latency",
        constraints=["params<=1.5"],
        budget=40,
        trials=3,
        batch=10,
        jobs=1,
        out=tmp_path_factory.mktemp("fronts") / "study",
        command="it",
    )


def test_constraints_are_read() -> None:
    limit = Constraint.parse(" edgegpu-latency >= 2.5e-1")
    assert (limit.name, limit.upper, limit.bound) == ("edgegpu-latency", False, 0.25)
    assert [str(c) for c in parse_constraints(["a<=1,b>=2", limit, "a<=1"])] == [
        "a<=1",
        "b>=2",
        "edgegpu-latency>=0.25",
    ]
    for wrong in ("flops", "flops<100", "flops<=", "<=100", "flops<=1.2.3", "flops<=many"):
        with pytest.raises(ParameterError, match="a constraint is written"):
            Constraint.parse(wrong)
    values, bound = Constraint.parse("flops<=100").rising([50.0, 150.0])
    assert (values >= bound).tolist() == [True, False]


def test_the_message_says_which_bound_excludes_everything() -> None:
    columns = {"flops": [20.0, 80.0, 200.0], "accuracy": [60.0, 70.0, 94.0]}
    assert feasible(columns, "flops<=100,accuracy>=65").tolist() == [False, True, False]
    with pytest.raises(InfeasibleError, match=r"^flops<=10 excludes all 3 .* flops is 20$"):
        feasible(columns, ["accuracy>=65", "flops<=10"])
    with pytest.raises(InfeasibleError, match=r"accuracy>=95 excludes .* largest accuracy is 94"):
        feasible(columns, "accuracy>=95")
    with pytest.raises(
        InfeasibleError, match=r"of the 2 that meet flops<=100, accuracy>=90 excludes .* is 70"
    ):
        feasible(columns, ["flops<=100", "accuracy>=90"])
    with pytest.raises(InfeasibleError, match="none has a value"):
        feasible({"flops": [np.nan]}, "flops<=1")
    with pytest.raises(UnknownNameError, match="latency<=1"):
        feasible(columns, "latency<=1")
    with pytest.raises(LabelError, match="one shape"):
        feasible({"a": [1.0], "b": [1.0, 2.0]}, "a<=1")
    assert issubclass(InfeasibleError, NasurgeError)
    assert issubclass(InfeasibleError, ValueError)


def test_costs_are_those_of_the_networks() -> None:
    from nasurge.data.networks import build_network, count_flops, count_parameters

    space = nasurge.make_space("nb201")
    code = space.parse(
        "|nor_conv_3x3~0|+|nor_conv_1x1~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_3x3~1|skip_connect~2|"
    )
    network = build_network(space, code[0], classes=10)
    assert network_costs(space, code, "parameters") == count_parameters(network) / 1e6
    assert network_costs(space, code, "flops") == pytest.approx(
        count_flops(network, (3, 32, 32)) / 1e6
    )
    with pytest.raises(ParameterError, match="nbgraph"):
        network_costs(nasurge.make_space("nbgraph"), [[0, 8, 8, 8, 8]], "flops")
    with pytest.raises(UnknownNameError, match="did you mean 'flops'"):
        network_costs(space, code, "flop")


@pytest.mark.reference
def test_costs_are_the_published_ones(nb201: Table) -> None:
    for cost, column, off in (("flops", "flops_M", 0.0012), ("parameters", "params_M", 1e-4)):
        published = nb201.values(task="cifar10", metric=column)
        computed = network_costs(nb201.space, nb201.codes, cost)
        assert np.abs(computed - published).max() < off


@pytest.mark.reference
def test_a_cost_of_one_task_serves_the_others(nb201: Table) -> None:
    problem = make_problem(nb201, "cifar100")
    flops = quantity(problem, "flops")
    assert flops.label == "cifar10 flops (M)"
    assert flops.minimise
    accuracy = quantity(problem, "accuracy")
    assert accuracy.label.startswith("cifar100 valid")
    assert accuracy.report_label.startswith("cifar100 test")
    assert not accuracy.known


def test_a_name_that_means_nothing_is_told_with_those_that_do(
    analog: Table, nbgraph: Table
) -> None:
    with pytest.raises(UnknownNameError, match=r"known: accuracy.*flops, parameters"):
        quantity(make_problem(analog, "cifar10"), "latency")
    with pytest.raises(UnknownNameError, match="nbgraph/cora"):
        quantity(make_problem(nbgraph, "cora"), "flops")
    problem = make_problem(nbgraph, "cora")
    for names in (["accuracy"], ["accuracy", "accuracy"], ["params", "parameters"], []):
        with pytest.raises(ParameterError, match="two different objectives"):
            many_objectives(problem, names)


def test_constraints_leave_architectures_out(nbgraph: Table) -> None:
    problem = constrained(make_problem(nbgraph, "cora"), "params<=1,latency<=0.002")
    assert 0 < len(problem.codes) < 26206
    assert nbgraph.lookup(problem.codes, task="cora", metric="parameters").max() <= 1
    assert nbgraph.lookup(problem.codes, task="cora", metric="latency").max() <= 0.002
    with pytest.raises(ParameterError, match="accuracy is known only after training"):
        constrained(problem, "accuracy>=0.8")
    with pytest.raises(InfeasibleError, match=r"parameters>=9 excludes all .* nbgraph/cora"):
        constrained(problem, "parameters>=9")


def test_bounds_on_the_accuracy_are_told(analog: Table) -> None:
    problem = make_problem(analog, "cifar10")
    many = many_objectives(problem, ["accuracy", "flops"], ["accuracy>=93", "flops<=100"])
    assert many.bounds == (-np.inf, -np.inf, 93.0)
    told = many.search(many.codes)
    assert told.shape == (len(many.codes), 3)
    assert np.array_equal(told[:, 0], told[:, 2])
    assert (told[:, 1] >= -100).all()
    assert len(many.search_values) == (told[:, 0] >= 93).sum()
    with pytest.raises(
        InfeasibleError,
        match=r"meet accuracy>=93, flops<=20 excludes all: the smallest flops is 48\.",
    ):
        many_objectives(problem, ["accuracy", "flops"], ["accuracy>=93", "flops<=20"])


def test_the_summary_is_what_the_rows_say(found, nbgraph: Table) -> None:
    table = {m: nbgraph.values(task="cora", metric=m) for m in ("valid_perf", "perf", "latency")}
    fits = nbgraph.values(task="cora", metric="parameters") <= 1.5
    searched = np.stack([table["valid_perf"], -table["latency"]], axis=1)
    reported = np.stack([table["perf"], -table["latency"]], axis=1)
    truth, reported_truth = (v[fits][non_dominated(v[fits])] for v in (searched, reported))
    assert [e["searcher"] for e in found.summary] == ["random", "nsga2"]
    for entry in found.summary:
        shares, selected, sizes = [], [], []
        for trial in range(3):
            rows = [
                r for r in found.rows if r["trial"] == trial and r["searcher"] == entry["searcher"]
            ]
            index = nbgraph.rows(nbgraph.space.parse([r["architecture"] for r in rows]))
            assert len(set(index)) == 40
            assert fits[index].all()
            assert all(row["feasible"] for row in rows)
            assert [r["accuracy"] for r in rows] == table["valid_perf"][index].tolist()
            assert [r["reported_accuracy"] for r in rows] == table["perf"][index].tolist()
            assert [r["latency"] for r in rows] == table["latency"][index].tolist()
            front = index[non_dominated(searched[index])]
            scale, judged = Scale.of(truth), Scale.of(reported_truth)
            shares.append(scale.hypervolume(searched[front]) / scale.hypervolume(truth))
            selected.append(
                judged.hypervolume(reported[front]) / judged.hypervolume(reported_truth)
            )
            sizes.append(len(front))
        assert entry["hypervolume_share"]["mean"] == pytest.approx(np.mean(shares))
        assert entry["selected_share"]["mean"] == pytest.approx(np.mean(selected))
        assert entry["front_size"]["mean"] == pytest.approx(np.mean(sizes))
        assert entry["true_front_size"] == len(truth)
        assert entry["architectures"] == fits.sum()
        assert entry["ideal"]["latency"] == table["latency"][fits].min()
        assert set(entry["hypervolume_share_at"]) == {"25"}
        assert set(entry["hypervolume"]) == {"mean", "low", "high", "n", "values"}
        volumes = entry["hypervolume"]
        assert volumes["mean"] == pytest.approx(np.mean(volumes["values"]))
        reference = entry["nadir"]["accuracy"] - 0.1 * (
            entry["ideal"]["accuracy"] - entry["nadir"]["accuracy"]
        )
        assert entry["reference_point"]["accuracy"] == pytest.approx(reference)


def test_the_report_stands_alone(found) -> None:
    text = (found.folder / "report.html").read_text()
    drawn = found_picture(found.found, found.graphs)
    assert drawn is not None
    assert text.count("<svg") == 3 + len(drawn.panels)
    assert all(entry["architecture"] in text for entry in found.found)
    assert "Only what meets params&lt;=1.5 counts" in text
    assert "reference point accuracy" in text


def test_a_study_of_fronts_grows_by_trials_and_searchers(nbgraph: Table, tmp_path: Path) -> None:
    def run(folder: str, trials: int, searcher: str, **more):
        study = nasurge.search(
            "nbgraph/cora",
            searcher=searcher,
            objectives=["accuracy", "latency", "params"],
            budget=25,
            trials=trials,
            jobs=1,
            out=tmp_path / folder,
            **more,
        )
        return [{k: v for k, v in row.items() if k != "search_seconds"} for row in study.rows]

    run("grown", 1, "random")
    assert run("grown", 2, "nsga2") == run("at once", 2, "nsga2")
    with pytest.raises(ParameterError, match=r"different: constraints"):
        run("grown", 2, "nsga2", constraints="params<=1")


def test_one_objective_keeps_to_constraints(nbgraph: Table, tmp_path: Path) -> None:
    study = nasurge.search(
        "nbgraph/cora",
        searcher="evolution",
        constraints="params<=1",
        budget=30,
        trials=1,
        jobs=1,
        out=tmp_path / "s",
    )
    codes = nbgraph.space.parse([row["architecture"] for row in study.rows])
    parameters = nbgraph.values(task="cora", metric="parameters")
    assert nbgraph.lookup(codes, task="cora", metric="parameters").max() <= 1
    best = nbgraph.values(task="cora", metric="perf")[parameters <= 1].max()
    entry = study.summary[0]
    assert entry["regret"]["mean"] == pytest.approx(best - entry["selected"]["mean"])
    assert study.about["constraints"] == ["params<=1"]


def test_refusals(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="--metric baseline_accuracy is none of the objectiv"):
        nasurge.search("nb201-analog", objectives="flops,params", metric="baseline_accuracy")
    with pytest.raises(ParameterError, match=r"evolution searches for one.*bo, nsga2"):
        nasurge.search("nbgraph/cora", searcher="evolution", objectives="accuracy,latency")
    with pytest.raises(InfeasibleError, match="latency<=1e-09 excludes all 26,206"):
        nasurge.search("nbgraph/cora", constraints="latency<=1e-9", out=tmp_path / "x")
    with pytest.raises(ParameterError, match="nbgraph/cora that meet params<=0"):
        nasurge.search(
            "nbgraph/cora",
            searcher="nsga2",
            objectives="accuracy,latency",
            constraints="params<=0.44",
            budget=5000,
            out=tmp_path / "x",
        )
    assert not (tmp_path / "x").exists()


def test_the_command_line(analog: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """JSON has the documented fields; tables state the reference point; errors are one line."""
    command = ["search", "nb201-analog/cifar10", "-s", "nsga2", "--objectives", "accuracy,flops"]
    settings = ["--budget", "25", "--trials", "2", "-j", "1", "--out", "study"]

    def call(*arguments: str):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["nasurge", *command, *arguments])
        return CliRunner().invoke(app, [*command, *arguments])

    result = call("--constraint", "flops<=100", *settings, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert set(found) == {"kind", "summary", "found", "paired", "rows", "report", "made"}
    for searcher in {entry["searcher"] for entry in found["found"]}:
        own = [e["values"] for e in found["found"] if e["searcher"] == searcher]
        front = [(one["accuracy"], -one["flops"]) for one in own]
        assert sorted(front) == sorted(front, key=lambda point: -point[1]), "none dominates another"
    for entry in found["summary"]:
        assert set(entry) <= set(FrontsStudy.summary_columns())
        assert set(entry["reference_point"]) == {"accuracy", "flops"}
    assert (tmp_path / found["report"]).exists()
    shown = call("--constraint", "flops<=100", *settings)
    assert "reference point accuracy" in shown.stdout
    assert "only flops<=100" in shown.stdout
    wrong = call("--constraint", "flops<=5", *settings[:-1], "other")
    assert wrong.exit_code == 2
    assert wrong.stderr.splitlines()[-1].startswith("error: flops<=5 excludes all 15,625")
    assert not (tmp_path / "other").exists()
    stored = ["--storage", "sqlite:///runs.db", "--study", "mine"]
    kept = call(*settings[:-1], "kept", *stored, "--json")
    plain = call(*settings[:-1], "plain", "--json")
    assert kept.exit_code == 0, kept.output
    rows = [
        pd.read_parquet(json.loads(x.stdout)["rows"]).architecture.tolist() for x in (kept, plain)
    ]
    assert rows[0] == rows[1]
    again = call(*settings[:-1], "again", *stored)
    assert again.exit_code == 0, again.output


def test_a_function_with_two_values_is_searched_directly() -> None:
    space = nasurge.make_space("nb201")

    def objective(codes: np.ndarray) -> np.ndarray:
        return np.stack([(codes == 3).sum(axis=1), -network_costs(space, codes, "flops")], axis=1)

    searcher = nasurge.make_searcher("nsga2", space, n_objectives=2, seed=0)
    trace = nasurge.search(objective, space=space, searcher=searcher, budget=40, batch=10)
    assert trace.values.shape == (40, 2)
    assert len(searcher.front()[0])
