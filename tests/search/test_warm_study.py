"""A small whole study of warm starts: what it keeps, and what its searches cost."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from nasurge.benchmarks.studies import Findings, Journal
from nasurge.cli import app
from nasurge.data.spaces import make_space
from nasurge.errors import ParameterError, StorageError
from nasurge.search.differentiable import best_code, read_donors, transferred_logits
from nasurge.search.studies import WARM_START_METHODS, WarmStartOptions, WarmStartStudy
from nasurge.search.studies.warm_start import starts_of, trials_of
from nasurge.search.studies.warm_start_summary import SearchCosts, WarmStartRows, tasks_and_ranks
from nasurge.search.studies.warm_start_units import ColdUnit, TrainUnit, looked_epochs

SPACE = make_space("nb201")
TASKS = ("digits", "glyphs#HEBREW", "glyphs#LAO")
TINY = WarmStartOptions(
    tasks=TASKS,
    size=8,
    classes=5,
    train=60,
    held_out=30,
    seeds=2,
    epochs=4,
    gate=1,
    width=2,
    train_epochs=1,
    shared=3,
    strengths=(1.0,),
)

pytestmark = pytest.mark.usefixtures("one_thread")


def run(options, folder) -> Findings:
    return WarmStartStudy(replace(options, out=folder)).run()


@pytest.fixture(scope="module")
def studied(tmp_path_factory):
    """A small study in a folder: its options, the folder and what it found."""
    folder = tmp_path_factory.mktemp("warm")
    return TINY, folder, run(TINY, folder)


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """The same where no donor's architecture was good enough: all is searched to the end."""
    options, folder = replace(TINY, seeds=1), tmp_path_factory.mktemp("searched")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WarmStartRows, "as_good", lambda *_: False)
        return options, folder, run(options, folder)


def test_a_study_goes_on_from_its_folder(studied):
    options, folder, findings = studied
    assert len(read_donors(folder / "experiences" / "seed-1")) == 3
    before = (folder / "rows.jsonl").read_bytes()
    assert run(options, folder).rows == findings.rows
    assert (folder / "rows.jsonl").read_bytes() == before
    with pytest.raises(ParameterError, match="another study"):
        run(replace(options, epochs=5), folder)
    assert len(findings.summary) == 5 * (3 + 1)
    for row in findings.summary:
        assert row["saving"]["n"] == 2
        if row["method"] == "cold":
            assert row["saving"]["mean"] == 0
    np.testing.assert_allclose(np.diag(findings.task_map["rank_correlation"]), 1)
    frame = pd.read_parquet(folder / "rows.parquet")
    assert set(frame.columns) == set(WarmStartStudy.columns())


def test_a_folder_without_a_summary_has_one_in_its_rows(studied, tmp_path):
    _, folder, findings = studied
    for name in ("study.json", "rows.jsonl"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    found = WarmStartStudy.read(tmp_path)
    assert found["summary"] == findings.summary
    lines = (folder / "rows.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "rows.jsonl").write_text("".join(lines[:-1]))
    with pytest.raises(StorageError, match="no finished study"):
        WarmStartStudy.report(tmp_path)


def test_a_task_on_which_all_are_equal_is_on_the_map_without_a_rank_correlation(studied):
    options, folder, findings = studied
    tied = [
        {**row, "accuracies": [50.0]}
        if (row["kind"], row.get("task")) == ("shared", TASKS[0])
        else row
        for row in findings.rows
    ]
    found = tasks_and_ranks(WarmStartRows(options, tied))
    assert np.isnan(found["rank_correlation"][0]).all()
    assert np.isfinite(found["rank_correlation"][1:, 1:]).all()
    assert WarmStartStudy.page({**findings.parts, "task_map": found}, folder).sections[-1].pictures


def test_a_study_leaves_each_task_out(studied):
    options, _, findings = studied
    rows = WarmStartRows(options, findings.rows)
    labels = {task: row["label"] for task, row in rows.embedded.items()}
    named = {
        (r["task"], r["seed"], r["method"]): r["donor_label"]
        for r in findings.rows
        if "method" in r
    }
    for task, seed in trials_of(options):
        others = sorted({*TASKS} - {task})
        for method, (donors, weights) in starts_of(rows, task, seed).items():
            assert weights.sum() == pytest.approx(1)
            if method == "meta-transfer":
                assert [donor.task for donor in donors] == others
            else:
                assert [labels[donor.task] for donor in donors] == [named[task, seed, method]]
                assert donors[0].task in others


class KilledError(Exception):
    """Ends a study from within."""


def untimed(rows):
    """Return rows without what differs from run to run."""
    return [{k: v for k, v in row.items() if not k.endswith("seconds")} for row in rows]


def test_a_study_that_was_stopped_and_grew_is_as_one_done_at_once(studied, tmp_path):
    options, _, whole = studied
    first = replace(options, seeds=1, strengths=(0.5,))

    def stop(done, total, unit):
        if unit.startswith("warm"):
            raise KilledError

    with pytest.raises(KilledError):
        run(replace(first, progress=stop), tmp_path)
    run(first, tmp_path)
    grown = run(options, tmp_path)
    assert untimed(grown.rows) == untimed(whole.rows)
    for key in ("cost_epochs", "accuracy", "reached", "donors"):
        assert [row.get(key) for row in grown.summary] == [row.get(key) for row in whole.summary]


def test_what_is_as_good_does_not_depend_on_later_trainings(tmp_path):
    """The tolerance is that of the cold searches' trainings: here sqrt(200 / 2) = 10 points."""
    options = replace(TINY, seeds=1)
    kept = Journal(tmp_path, {"kind": "warm-start"})
    cold, offered, later = ([[k] * 6] for k in (3, 1, 4))

    def trained(task, codes, accuracies):
        unit = TrainUnit(options, task, tuple(SPACE.canonical(np.array(codes))[0].tolist()), 2)
        row = {"kind": "train", "task": task, "architecture": unit.architecture}
        kept.add(unit.name, [{**row, "accuracies": accuracies}])

    for task in TASKS:
        row = {"kind": "cold", "task": task, "seed": 0, "codes": cold, "seconds": 1.0}
        kept.add(ColdUnit(options, task, 0).name, [row])
        trained(task, cold, [40.0, 60.0])
        trained(task, offered, [41.0, 41.0])
    assert WarmStartRows(options, kept.rows).as_good("digits", 0, offered)
    trained("digits", later, [70.0, 70.0])
    more = {**row, "task": "digits", "seed": 1, "codes": later}
    kept.add(ColdUnit(options, "digits", 1).name, [more])
    rows = WarmStartRows(options, kept.rows)
    assert rows.as_good("digits", 0, offered)
    assert rows.goal("digits", 0) == pytest.approx(40)


def costs_of(options, rows, tolerance=None) -> SearchCosts:
    """Costs by rows, with another tolerance for all tasks."""
    sorted_rows = WarmStartRows(options, rows)
    if tolerance is not None:
        sorted_rows.tolerance = lambda _: tolerance
    return SearchCosts(sorted_rows)


def test_a_warm_search_costs_what_was_measured_and_random_donors_no_look_at_the_task(studied):
    """At the gate, after 1 epoch, 2 s are over, after 4 epochs 8 s: 2 s an epoch."""
    options, _, findings = studied
    seconds = {"embed": 100.0, "distances": 200.0, "cold": 1e-3}
    timed = [
        {**row, "seconds": seconds.get(row["kind"], 2.0 * row.get("until", 0)), "gate_seconds": 0.0}
        for row in findings.rows
    ]
    costs = costs_of(options, timed)
    for task, seed, method in costs.rows.at_gate:
        cost = costs.warm(task, seed, method, (0.0, 1.0))
        looking = 0 if method == "random" else 300
        assert cost.seconds == pytest.approx(2 * cost.epochs + looking)
        refused = costs.warm(task, seed, method, (1.1, 1.0))
        assert refused.seconds == pytest.approx(1e-3 + looking)


@pytest.mark.parametrize("tolerance", [1e3, -1e3])  # all is as good; nothing is
def test_a_donor_that_is_trusted_is_there_at_once_and_not_tested(searched, tolerance):
    options, _, findings = searched
    seconds = {"embed": 100.0, "distances": 200.0, "cold": 1e-3}
    timed = [
        {
            **row,
            # 2 s an epoch, and half a second of the gate
            "seconds": seconds.get(
                row["kind"], 2.0 * row.get("until", 0) + 0.5 * (row["kind"] == "warm")
            ),
            "gate_seconds": 0.5,
            "beaten": 0.5,
        }
        for row in findings.rows
    ]
    costs = costs_of(options, timed, tolerance)
    for key in costs.rows.at_gate:
        looking = 0 if key[2] == "random" else 300
        trusted = costs.warm(*key, (0.0, 1.0))
        tested = costs.warm(*key, (0.3, 1.0))
        assert trusted.offered == tested.offered
        if tolerance > 0:
            assert (trusted.epochs, tested.epochs) == (0, options.gate)
            assert trusted.seconds == looking
        else:
            assert trusted.epochs == tested.epochs == options.epochs + 1
            assert tested.seconds - trusted.seconds == pytest.approx(0.5)


def test_a_search_without_a_gate_is_one_of_its_own_from_the_donor_on(searched):
    """It is looked at before its first epoch; one donor is made bad here, its second look good."""
    options, _, findings = searched
    rows, looked = findings.rows, looked_epochs(options)
    found = {(r["task"], r["seed"], r["method"]): r for r in rows if r["kind"] == "open"}
    gated = [r for r in rows if r["kind"] == "warm" and r["until"] == options.epochs]
    assert len(found) == len(gated) == len(TASKS) * len(WARM_START_METHODS)
    for row in gated:
        codes = found[row["task"], row["seed"], row["method"]]["codes"]
        assert codes[0] == row["codes"][0]
        assert len(codes) == 1 + len(row["codes"]) == 1 + len(looked)
    key = TASKS[0], 0, "fisher"
    donors, weights = starts_of(WarmStartRows(options, rows), *key[:2])["fisher"]
    logits = transferred_logits(donors, SPACE, weights=weights)
    offered = best_code(SPACE, np.exp(logits))
    assert found[key]["codes"][0] == offered.tolist()

    looks = [[3] * 6, [2] * 6]
    codes = [*looks, *looks[:1] * (len(looked) - 1)]
    told = [
        {"kind": "train", "task": key[0], "architecture": text, "accuracies": [accuracy] * 2}
        for text, accuracy in zip(SPACE.format(SPACE.canonical(looks)), (0.0, 100.0), strict=True)
    ]
    timed = [{**r, "seconds": 0.0} if r["kind"] in ("embed", "distances") else r for r in rows]
    for epochs in (4, 2):  # the second search diverged, at the same cost of an epoch
        row = {
            **found[key],
            "seconds": 2.0 * epochs,
            "epochs": epochs,
            "codes": codes[: epochs + 1],
        }
        cost = costs_of(options, [*timed, *told, row]).warm(*key, (0.0, 1.0))
        assert (cost.offered, cost.accuracy, cost.epochs) == (0.0, 100.0, looked[0])
        assert cost.seconds == pytest.approx(2 * looked[0])


def test_a_search_that_is_never_as_good_costs_no_less_than_the_cold_one(studied):
    """Such as one that diverged: here all warm searches take no time at all."""
    options, _, findings = studied
    rows = [{**row, "seconds": 4.0 if row["kind"] == "cold" else 0.0} for row in findings.rows]
    costs = costs_of(options, rows, -1e3)  # nothing is as good
    assert all(costs.warm(*key, (0.0, 1.0)).seconds >= 5.0 for key in costs.rows.at_gate)


def test_three_tasks_at_least_and_none_twice():
    for tasks in (TASKS[:2], (*TASKS, "digits")):
        with pytest.raises(ParameterError, match="three"):
            WarmStartStudy(replace(TINY, tasks=tasks))


def test_the_command_prints_rows_and_writes_a_picture(tmp_path):
    arguments = ["meta", "warm-start", "--tasks", ", ".join(TASKS), "--seeds", "1", "--json"]
    arguments += ["--epochs", "3", "--size", "8", "--train", "40", "--width", "2"]
    arguments += ["--train-epochs", "1", "--shared", "3", "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert {row["method"] for row in found["summary"]} >= {"cold", "fisher", "transport"}
    assert (tmp_path / "out" / "task_map.svg").read_text().startswith("<svg")
    assert found["picture"] == str(tmp_path / "out" / "task_map.svg")
    done = CliRunner().invoke(app, ["report", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    assert "drawn at random" in (tmp_path / "out" / "report.html").read_text()
