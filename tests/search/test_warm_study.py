"""A small whole study of warm starts: what it keeps, and what its searches cost."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from nasurge.benchmarks.studies import Journal, draw_task_map, read_about
from nasurge.cli import app
from nasurge.data.spaces import make_space
from nasurge.errors import (
    ParameterError,
)
from nasurge.search.differentiable import (
    best_code,
    read_experiences,
    transferred_logits,
)
from nasurge.search.studies.warm_start import (
    METHODS,
    WarmStudy,
    _Run,
    name,
    run_warm_study,
)
from nasurge.search.studies.warm_start_summary import Ledger, summarise, task_map

SPACE = make_space("nb201")
SMALL = {"size": 8, "classes": 5, "train": 60, "held_out": 30}

pytestmark = pytest.mark.usefixtures("one_thread")


TINY = {
    **SMALL,
    "seeds": 2,
    "epochs": 4,
    "gate": 1,
    "width": 2,
    "train_epochs": 1,
    "shared": 3,
    "strengths": (1.0,),
}
TASKS = ("digits", "glyphs#HEBREW", "glyphs#LAO")


@pytest.fixture(scope="module")
def studied(tmp_path_factory):
    """A small study in a folder: the study, the folder and its rows."""
    study, folder = WarmStudy(TASKS, **TINY), tmp_path_factory.mktemp("warm")
    return study, folder, run_warm_study(study, folder)


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """The same where no donor's architecture was good enough: all is searched to the end."""
    study, folder = WarmStudy(TASKS, **{**TINY, "seeds": 1}), tmp_path_factory.mktemp("searched")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_Run, "as_good", lambda *_: False)
        return study, folder, run_warm_study(study, folder)


def test_a_study_goes_on_from_its_folder(studied):
    study, folder, rows = studied
    assert len(read_experiences(folder / "experiences" / "seed-1")) == 3
    before = (folder / "rows.jsonl").read_bytes()
    assert run_warm_study(study, folder) == rows
    assert (folder / "rows.jsonl").read_bytes() == before
    with pytest.raises(ParameterError, match="another study"):
        run_warm_study(replace(study, epochs=5), folder)
    summary = summarise(study, rows)
    assert len(summary) == 5 * (3 + 1)
    for row in summary:
        assert row["saving"]["n"] == 2
        if row["method"] == "cold":
            assert row["saving"]["mean"] == 0
    found = task_map(study, rows)
    np.testing.assert_allclose(np.diag(found["rank_correlation"]), 1)


def test_a_task_on_which_all_are_equal_is_on_the_map_without_a_rank_correlation(studied):
    study, _, rows = studied
    tied = [
        {**row, "accuracies": [50.0]}
        if (row["kind"], row.get("task")) == ("shared", TASKS[0])
        else row
        for row in rows
    ]
    found = task_map(study, tied)
    assert np.isnan(found["rank_correlation"][0]).all()
    assert np.isfinite(found["rank_correlation"][1:, 1:]).all()
    assert draw_task_map(found).startswith("<svg")


def test_a_study_leaves_each_task_out(studied):
    study, folder, rows = studied
    run = _Run(study, Journal(folder, read_about(folder)), 1, None)
    labels = {row["task"]: row["label"] for row in rows if row["kind"] == "embed"}
    named = {(r["task"], r["seed"], r["method"]): r["donor_label"] for r in rows if "method" in r}
    for task, seed in run.trials():
        others = sorted({*TASKS} - {task})
        for method, (donors, weights) in run.starts(task, seed).items():
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
    study, _, rows = studied
    first = replace(study, seeds=1, strengths=(0.5,))

    def stop(done, total, unit):
        if unit.startswith("warm"):
            raise KilledError

    with pytest.raises(KilledError):
        run_warm_study(first, tmp_path, progress=stop)
    run_warm_study(first, tmp_path)
    grown = run_warm_study(study, tmp_path)
    assert untimed(grown) == untimed(rows)
    told, wanted = summarise(study, grown), summarise(study, rows)
    for key in ("cost_epochs", "accuracy", "reached", "donors"):
        assert [row.get(key) for row in told] == [row.get(key) for row in wanted]


def test_what_is_as_good_does_not_depend_on_later_trainings(tmp_path):
    """The tolerance is that of the cold searches' trainings: here sqrt(200 / 2) = 10 points."""
    study = WarmStudy(TASKS, **{**TINY, "seeds": 1})
    kept = Journal(tmp_path, {"kind": "warm-start"})
    cold, offered, later = ([[k] * 6] for k in (3, 1, 4))

    def trained(task, codes, accuracies):
        text = SPACE.format(SPACE.canonical(np.array(codes, dtype=np.int8)))[0]
        row = {"kind": "train", "task": task, "architecture": text, "accuracies": accuracies}
        kept.add(name("train", task, text), [row])

    for task in TASKS:
        row = {"kind": "cold", "task": task, "seed": 0, "codes": cold, "seconds": 1.0}
        kept.add(name("cold", task, 0), [row])
        trained(task, cold, [40.0, 60.0])
        trained(task, offered, [41.0, 41.0])
    run = _Run(study, kept, 1, None)
    assert run.as_good("digits", 0, {"codes": offered})
    trained("digits", later, [70.0, 70.0])
    kept.add(name("cold", "digits", 1), [{**row, "task": "digits", "seed": 1, "codes": later}])
    assert run.as_good("digits", 0, {"codes": offered})
    assert Ledger(study, kept.rows).goal("digits", 0) == pytest.approx(40)


def test_a_warm_search_costs_what_was_measured_and_random_donors_no_look_at_the_task(studied):
    """At the gate, after 1 epoch, 2 s are over, after 4 epochs 8 s: 2 s an epoch."""
    study, _, rows = studied
    seconds = {"embed": 100.0, "distances": 200.0, "cold": 1e-3}
    timed = [
        {**row, "seconds": seconds.get(row["kind"], 2.0 * row.get("until", 0)), "gate_seconds": 0.0}
        for row in rows
    ]
    ledger = Ledger(study, timed)
    for task, seed, method in ledger.begun:
        found = ledger.warm_trial(task, seed, method, (0.0, 1.0))
        looking = 0 if method == "random" else 300
        assert found.seconds == pytest.approx(2 * found.epochs + looking)
        refused = ledger.warm_trial(task, seed, method, (1.1, 1.0))
        assert refused.seconds == pytest.approx(1e-3 + looking)


@pytest.mark.parametrize("tolerance", [1e3, -1e3])  # all is as good; nothing is
def test_a_donor_that_is_trusted_is_there_at_once_and_not_tested(searched, tolerance):
    study, _, rows = searched
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
        for row in rows
    ]
    ledger = Ledger(study, timed)
    ledger.tolerances = dict.fromkeys(TASKS, tolerance)
    for key in ledger.begun:
        looking = 0 if key[2] == "random" else 300
        trusted = ledger.warm_trial(*key, (0.0, 1.0))
        tested = ledger.warm_trial(*key, (0.3, 1.0))
        assert trusted.offered == tested.offered
        if tolerance > 0:
            assert (trusted.epochs, tested.epochs) == (0, study.gate)
            assert trusted.seconds == looking
        else:
            assert trusted.epochs == tested.epochs == study.epochs + 1
            assert tested.seconds - trusted.seconds == pytest.approx(0.5)


def test_a_search_without_a_gate_is_one_of_its_own_from_the_donor_on(searched):
    """It is looked at before its first epoch; one donor is made bad here, its second look good."""
    study, folder, rows = searched
    found = {(r["task"], r["seed"], r["method"]): r for r in rows if r["kind"] == "open"}
    gated = [r for r in rows if r["kind"] == "warm" and r["until"] == study.epochs]
    assert len(found) == len(gated) == len(TASKS) * len(METHODS)
    for row in gated:
        codes = found[row["task"], row["seed"], row["method"]]["codes"]
        assert codes[0] == row["codes"][0]
        assert len(codes) == 1 + len(row["codes"]) == 1 + len(study.looked)
    run = _Run(study, Journal(folder, read_about(folder)), 1, None)
    key = TASKS[0], 0, "fisher"
    donors, weights = run.starts(*key[:2])["fisher"]
    logits = transferred_logits(donors, SPACE, weights=weights)
    offered = best_code(SPACE, np.exp(logits))
    assert found[key]["codes"][0] == offered.tolist()

    looks = [[3] * 6, [2] * 6]
    codes = [*looks, *looks[:1] * (len(study.looked) - 1)]
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
        trial = Ledger(study, [*timed, *told, row]).warm_trial(*key, (0.0, 1.0))
        assert (trial.offered, trial.accuracy, trial.epochs) == (0.0, 100.0, study.looked[0])
        assert trial.seconds == pytest.approx(2 * study.looked[0])


def test_a_search_that_is_never_as_good_costs_no_less_than_the_cold_one(studied):
    """Such as one that diverged: here all warm searches take no time at all."""
    study, _, rows = studied
    rows = [{**row, "seconds": 4.0 if row["kind"] == "cold" else 0.0} for row in rows]
    ledger = Ledger(study, rows)
    ledger.tolerances = dict.fromkeys(TASKS, -1e3)  # nothing is as good
    assert all(ledger.warm_trial(*key, (0.0, 1.0)).seconds >= 5.0 for key in ledger.begun)


def test_three_tasks_at_least_and_none_twice():
    for tasks in (TASKS[:2], (*TASKS, "digits"), ()):
        with pytest.raises(ParameterError, match="three"):
            WarmStudy(tasks)


def test_the_command_prints_rows_and_writes_a_picture(tmp_path):
    arguments = ["meta", "warm-start", "--tasks", ", ".join(TASKS), "--seeds", "1", "--json"]
    arguments += ["--epochs", "3", "--size", "8", "--train", "40", "--width", "2"]
    arguments += ["--train-epochs", "1", "--shared", "3", "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert {row["method"] for row in found["summary"]} >= {"cold", "fisher", "transport"}
    assert (tmp_path / "out" / "task_map.svg").read_text().startswith("<svg")
