"""Warm starts: embeddings, the store, donors of other spaces, the gate, and a small whole study."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from nasurge.benchmarks.study import Study, read_about
from nasurge.benchmarks.supernet import Supernet
from nasurge.benchmarks.task_embeddings import (
    KINDS,
    embed_task,
    fisher_distances,
    task_distances,
    transport_distances,
)
from nasurge.benchmarks.task_map import draw_task_map
from nasurge.cli import app
from nasurge.data.image_tasks import default_tasks, load_task
from nasurge.data.images import load_images
from nasurge.data.spaces import make_space
from nasurge.errors import (
    DataFileError,
    IncompatibleDonorError,
    ParameterError,
    UnknownNameError,
)
from nasurge.search.darts import best_code, search_supernet
from nasurge.search.warm_start import (
    Experience,
    Gate,
    donor_distances,
    donor_weights,
    keep_experience,
    read_experiences,
    transferred_logits,
    warm_search,
)
from nasurge.search.warm_study import (
    METHODS,
    WarmStudy,
    _distances,
    _embed,
    _Run,
    name,
    run_warm_study,
)
from nasurge.search.warm_summary import Ledger, summarise, task_map

SPACE = make_space("nb201")
SMALL = {"size": 8, "classes": 5, "train": 60, "held_out": 30}


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def few():
    return load_images("digits", limit=60)


@pytest.fixture(scope="module")
def embedding(few):
    return embed_task(few)


def experience(embedding, task="digits", operation=3, share=0.6, space="nb201") -> Experience:
    shares = np.full((6, 5), (1 - share) / 4)
    shares[:, operation] = share
    code = np.full((1, 6), operation, dtype=np.int8)
    return Experience(
        task=task,
        space=space,
        sizes={"width": 2},
        shares=shares,
        architecture=SPACE.format(code)[0],
        accuracy=90.0,
        seconds=1.5,
        steps=10,
        embedding=embedding,
    )


def test_a_task_is_some_classes_of_a_set_and_no_larger_than_wanted():
    images = load_task("glyphs#GREEK", size=10, classes=3, train=50, held_out=20)
    assert images.train_x.shape == (50, 1, 10, 10)
    assert len(images.classes) == 3
    assert all(name.startswith("GREEK/") for name in images.classes)
    assert (len(images.valid_y), len(images.test_y)) == (20, 36)
    assert load_task("digits#1+7").classes == ("1", "7")
    for spec, error in {
        "digits#eleven": UnknownNameError,
        "glyphs#KLINGON": UnknownNameError,
        "digits#3": ParameterError,
    }.items():
        with pytest.raises(error):
            load_task(spec)


def test_there_are_six_tasks_on_every_machine(monkeypatch):
    monkeypatch.delenv("NASURGE_DATA", raising=False)
    assert len(default_tasks()) >= 6
    assert default_tasks() == default_tasks("offline")


def test_embeddings_are_repeatable_and_leave_global_randomness(few, embedding):
    torch.manual_seed(3)
    before = torch.get_rng_state()
    again = embed_task(few)
    assert torch.equal(torch.get_rng_state(), before)
    for key, value in embedding.arrays().items():
        np.testing.assert_array_equal(value, again.arrays()[key])


@pytest.mark.parametrize("kind", KINDS)
def test_distances_are_symmetric_and_two_alphabets_are_nearer_than_digits(kind):
    tasks = [load_task(name, size=12, train=300, classes=20) for name in NAMES]
    found = task_distances([embed_task(task) for task in tasks], kind)
    np.testing.assert_allclose(found, found.T)
    assert (np.diag(found) == 0).all()
    assert found[0, 1] < min(found[0, 2], found[1, 2])


NAMES = ("glyphs#CYRILLIC", "glyphs#GREEK", "digits")


def test_fisher_distances_do_not_depend_on_scale():
    rows = np.abs(np.random.default_rng(0).normal(size=(3, 8)))
    np.testing.assert_allclose(fisher_distances(rows), fisher_distances(rows * 7), atol=1e-12)


def test_a_transport_distance_of_single_classes_is_that_of_their_gaussians(embedding):
    def moved(by):
        means = np.zeros((1, 12))
        means[0, 0] = by
        return replace(
            embedding, weights=np.ones(1), means=means, covariances=np.eye(12)[None].copy()
        )

    found = transport_distances([moved(0.0), moved(3.0)])
    np.testing.assert_allclose(found, [[0, 3], [3, 0]], atol=1e-6)


def test_a_store_gives_back_what_it_was_given(embedding, tmp_path):
    for task in ("digits", "a/path to#some+classes", "digits"):
        keep_experience(tmp_path, experience(embedding, task))
    found = read_experiences(tmp_path)
    assert [e.task for e in found] == ["a/path to#some+classes", "digits"]
    np.testing.assert_array_equal(found[1].shares, experience(embedding).shares)
    assert found[1].architecture == experience(embedding).architecture
    assert found[1].sizes == {"width": 2}
    np.testing.assert_allclose(donor_distances(embedding, found), 0, atol=1e-6)


def test_a_damaged_experience_is_an_error(embedding, tmp_path):
    path = keep_experience(tmp_path, experience(embedding))
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(DataFileError, match=r"truncated|no checkpoint"):
        read_experiences(tmp_path)


def test_a_donor_of_another_space_is_refused_with_the_reason(embedding):
    donor = experience(embedding, task="cora", space="nbgraph")
    with pytest.raises(IncompatibleDonorError, match=r"'cora'.*'nb201'.*'nbgraph'"):
        transferred_logits([donor], SPACE)


def test_strength_and_weights_say_how_sure_a_start_is(embedding):
    donors = [experience(embedding, operation=k) for k in (3, 1)]
    assert not transferred_logits(donors, SPACE, strength=0).any()

    def shares(logits):
        return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)

    np.testing.assert_allclose(shares(transferred_logits(donors[:1], SPACE)), donors[0].shares)
    mixed = shares(transferred_logits(donors, SPACE, weights=[0.75, 0.25]))
    np.testing.assert_allclose(mixed, 0.75 * donors[0].shares + 0.25 * donors[1].shares)
    sure = shares(transferred_logits(donors[:1], SPACE, strength=3))
    assert (sure[:, 3] > 0.95).all()
    for bad in ({"strength": -1.0}, {"weights": [1.0]}, {"weights": [0.0, 0.0]}):
        with pytest.raises(ParameterError):
            transferred_logits(donors, SPACE, **bad)


def test_weights_fall_with_distance():
    assert donor_weights([2.0, 1.0, 3.0]).argsort().tolist() == [2, 0, 1]
    np.testing.assert_allclose(donor_weights([0.5, 2.0], sharpness=0), 0.5)
    np.testing.assert_allclose(donor_weights([0.0, 0.0]), 0.5)
    with pytest.raises(ParameterError):
        donor_weights([])


def small_supernet() -> Supernet:
    return Supernet(SPACE, classes=10, in_channels=1, width=2, cells=1, seed=0)


def test_a_refused_donor_leaves_the_cold_search_as_it_was(few, embedding):
    options = {"epochs": 3, "batch_size": 20, "device": "cpu"}
    cold = search_supernet(small_supernet(), few, "ddpnas", seed=4, **options)
    nothing = experience(embedding, operation=0)
    logits = transferred_logits([nothing], SPACE)
    gate = Gate(after=1, rivals=10, beaten=1.0)
    found = warm_search(small_supernet(), few, logits, "ddpnas", gate=gate, seed=4, **options)
    assert not found.accepted
    np.testing.assert_array_equal(found.result.logits, cold.logits)
    assert found.result.losses == cold.losses
    trusted = warm_search(
        small_supernet(), few, logits, "ddpnas", gate=replace(gate, beaten=0), seed=4, **options
    )
    assert trusted.accepted
    assert trusted.result.losses[0] == cold.losses[0]
    assert not np.array_equal(trusted.result.logits, cold.logits)


class KilledError(Exception):
    """Ends a search or a study from within."""


def test_a_gated_search_that_was_killed_goes_on_to_the_same_verdict(few, embedding, tmp_path):
    options = {"epochs": 3, "batch_size": 20, "device": "cpu", "seed": 4}
    gate = Gate(after=1, beaten=0)
    logits = transferred_logits([experience(embedding)], SPACE)
    whole = warm_search(small_supernet(), few, logits, "ddpnas", gate=gate, **options)

    def kill(done, total):
        if done == 2:
            raise KilledError

    options["checkpoint"] = tmp_path / "search.safetensors"
    with pytest.raises(KilledError):
        warm_search(small_supernet(), few, logits, "ddpnas", gate=gate, progress=kill, **options)
    again = warm_search(small_supernet(), few, logits, "ddpnas", gate=gate, **options)
    assert (again.accepted, again.beaten) == (True, whole.beaten)
    assert again.gate_seconds > 0
    assert again.result.losses == whole.result.losses
    np.testing.assert_array_equal(again.result.logits, whole.result.logits)

    other = transferred_logits([experience(embedding, operation=1)], SPACE)
    with pytest.raises(ParameterError, match="another run: donor differ"):
        warm_search(small_supernet(), few, other, "ddpnas", gate=gate, **options)
    strict = replace(gate, beaten=1.0)
    with pytest.raises(ParameterError, match="another run: gate differ"):
        warm_search(small_supernet(), few, logits, "ddpnas", gate=strict, **options)
    with pytest.raises(ParameterError, match="another run: gate, donor differ"):
        search_supernet(small_supernet(), few, "ddpnas", **options)


def test_a_gate_that_is_never_asked_is_an_error(few):
    logits = np.zeros((6, 5))
    for gate, options in {Gate(after=3): {"epochs": 3}, Gate(after=10): {}}.items():
        with pytest.raises(ParameterError, match=f"after {gate.after} epochs is never asked"):
            warm_search(small_supernet(), few, logits, gate=gate, **options)


def test_a_search_can_end_early_on_the_same_way(few):
    options = {"epochs": 3, "batch_size": 20, "device": "cpu", "seed": 1}
    whole = search_supernet(small_supernet(), few, "drnas", **options)
    part = search_supernet(small_supernet(), few, "drnas", until=2, **options)
    assert part.losses == whole.losses[:2]
    np.testing.assert_array_equal(part.codes, whole.codes[:2])
    np.testing.assert_array_equal(whole.codes[-1], whole.code)


@pytest.mark.parametrize("bad", [{"after": 0}, {"rivals": 0}, {"beaten": 2.0}, {"limit": 1}])
def test_a_gate_outside_its_range_is_an_error(bad):
    with pytest.raises(ParameterError, match="rivals"):
        Gate(**bad)


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
    run = _Run(study, Study(folder, read_about(folder)), 1, None)
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
    kept = Study(tmp_path, {"kind": "warm-start"})
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


def test_embeddings_and_distances_are_timed_with_one_thread(embedding, tmp_path):
    study, seen = WarmStudy(TASKS, **TINY), set()
    for task in TASKS:
        keep_experience(tmp_path / "seed-0", experience(embedding, task))
    hook = torch.nn.modules.module.register_module_forward_hook(
        lambda *_: seen.add(torch.get_num_threads())
    )
    torch.set_num_threads(2)
    try:
        _embed(study, "embed", "digits")
        _distances(study, "distances", "digits", 0, tmp_path)
    finally:
        hook.remove()
    assert seen == {1}


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
    run = _Run(study, Study(folder, read_about(folder)), 1, None)
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
