"""``validate`` scores in several ways, trains what it chose, and sets the ways side by side."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import numpy as np
import pytest
from processes import Process, run_code
from scipy.stats import kendalltau

import nasurge
from nasurge import api
from nasurge.benchmarks.studies import SupernetRecipe, read_supernet_recipe
from nasurge.benchmarks.studies.journal import read_units
from nasurge.benchmarks.studies.validate_choice import chosen_rows, counts_of, from_search
from nasurge.benchmarks.studies.validate_columns import (
    add_trainings,
    correlations,
    pairs_that_matter,
)
from nasurge.benchmarks.training import Recipe
from nasurge.data.images import load_images
from nasurge.data.tables import Table
from nasurge.errors import LabelError, ParameterError, UnknownNameError

TABLE = "nb201-analog/cifar10"
QUICK = {"limit": 100, "epochs": 1, "width": 2, "jobs": 1, "device": "cpu"}
WHOLE = {
    "table": TABLE,
    "predictors": "gp,xgb",
    "n_train": 30,
    "stratified": 6,
    "learn_from": 8,
    "supernet": SupernetRecipe(epochs=1, limit=50, calibration=1, tune=2),
    "supernet_architectures": 5,
    "seeds": 2,
    "score": "curve",
    **QUICK,
}


@pytest.fixture(scope="module")
def found(analog: Table, tmp_path_factory: pytest.TempPathFactory):
    return nasurge.validate(
        TABLE,
        "gp",
        top=2,
        spread=4,
        limit=200,
        epochs=1,
        width=4,
        jobs=2,
        out=tmp_path_factory.mktemp("validate") / "study",
    )


@pytest.fixture(scope="module")
def whole(analog: Table, tmp_path_factory: pytest.TempPathFactory):
    """Every way to score at once."""
    return nasurge.validate(**WHOLE, out=tmp_path_factory.mktemp("validate") / "whole")


def test_the_table_value_is_the_tables(found, analog: Table) -> None:
    assert len(found.architectures) == 6
    for entry in found.architectures:
        codes = analog.space.parse(entry["architecture"])
        value = analog.lookup(codes, task="cifar10", metric="baseline_accuracy")
        assert entry["table_value"] == value[0]
        assert 0 <= entry["trained_accuracy"] <= 100
        assert entry["train_seconds"] > 0


def test_the_top_is_predicted_above_the_spread(found) -> None:
    top = [e["predicted"] for e in found.architectures if e["group"] == "top"]
    spread = [e["predicted"] for e in found.architectures if e["group"] == "spread"]
    assert len(top) == 2
    assert min(top) >= max(spread)


def test_correlations_are_what_scipy_gives(found) -> None:
    assert [(c["a"], c["b"]) for c in found.correlations] == [
        ("predicted", "table_value"),
        ("predicted", "trained_accuracy"),
        ("table_value", "trained_accuracy"),
    ]
    for entry in found.correlations:
        x, y = ([a[entry[side]] for a in found.architectures] for side in ("a", "b"))
        assert entry["kendall_tau"]["mean"] == pytest.approx(kendalltau(x, y)[0])
        assert entry["n"] == 6
    assert found.ceiling is None


def test_the_report_is_written(found, whole) -> None:
    for study in (found, whole):
        text = (study.folder / "report.html").read_text()
        columns = study.about["columns"]
        panels = len(pairs_that_matter(columns)) + 1 + ("table_value" in columns)
        assert text.count("<svg") == panels
        assert all(e["architecture"] in text for e in study.architectures)


def test_every_way_to_score_is_a_column(whole) -> None:
    columns = list(whole.about["columns"])
    assert columns == [
        *("predicted", "own_predicted", "predicted_xgb", "own_predicted_xgb"),
        *("inherited_accuracy", "inherited_tuned", "table_value"),
        *("trained_accuracy", "trained_score"),
    ]
    assert len(whole.correlations) == 9 * 8 / 2
    groups = {"stratified": 6, "learnt": 8, "inherited": 5}
    for group, n in groups.items():
        assert sum(e["group"] == group for e in whole.architectures) == n
    for entry in whole.architectures:
        assert ("trained_score" in entry) == (entry["group"] != "inherited")
        assert ("own_predicted" in entry) == (entry["group"] != "learnt")
        assert np.isfinite(entry["inherited_loss"])
        assert np.isfinite(entry["inherited_tuned"])
    assert len({e["architecture"] for e in whole.architectures}) == 19


def test_who_is_learnt_from_is_not_compared(whole) -> None:
    n = {(c["a"], c["b"]): c["n"] for c in whole.correlations}
    assert n["own_predicted", "trained_score"] == 6
    assert n["inherited_accuracy", "table_value"] == 11
    assert n["table_value", "trained_accuracy"] == 6


def test_values_are_means_over_the_seeds_and_costs_add_up(whole) -> None:
    done = read_units(whole.folder)
    entry = next(e for e in whole.architectures if e["group"] == "stratified")
    runs = [done[f"{entry['architecture']} seed {seed}"][0] for seed in (0, 1)]
    assert entry["trained_accuracy"] == np.mean([run["test_accuracy"] for run in runs])
    assert entry["trained_score"] == np.mean([np.mean(run["curve"]) for run in runs])
    rank_by_loss = {"architecture": entry["architecture"]}
    add_trainings([rank_by_loss], runs, "training")
    assert rank_by_loss["trained_score"] == -np.mean([run["losses"][-1] for run in runs])
    assert entry["train_seconds"] == sum(run["train_seconds"] for run in runs)
    costs = {cost["column"]: cost for cost in whole.costs}
    assert set(costs) == set(whole.about["columns"]) - {"table_value", "trained_score"}
    learnt = sum(e["train_seconds"] for e in whole.architectures if e["group"] == "learnt")
    assert costs["own_predicted"]["once_seconds"] > learnt
    trained = costs["trained_accuracy"]
    assert trained["architectures"] == 6
    assert trained["seconds"] == pytest.approx(6 * trained["seconds_per_architecture"])
    assert costs["inherited_accuracy"]["once_seconds"] == done["supernet"][0]["seconds"]
    assert costs["inherited_tuned"]["once_seconds"] == done["supernet"][0]["seconds"]
    assert -1 <= whole.ceiling["mean"] <= 1
    assert whole.ceiling["n"] == 6


def test_the_same_call_again_only_reads(whole) -> None:
    before = (whole.folder / "rows.jsonl").read_bytes()
    again = nasurge.validate(**WHOLE, out=whole.folder)
    assert (whole.folder / "rows.jsonl").read_bytes() == before
    assert again.correlations == whole.correlations
    assert again.costs == whole.costs


def test_a_killed_validation_goes_on(tmp_path: Path) -> None:
    code = """
        import os, signal, sys
        import nasurge
        from nasurge.benchmarks.studies import Journal
        add = Journal.add
        def dies(self, unit, rows):
            add(self, unit, rows)
            if len(self.done) == 4:
                os.kill(os.getpid(), signal.SIGKILL)
        Journal.add = dies
        nasurge.validate(
            space="nb201", random=5, supernet="spos", recipe='{"epochs": 1}', limit=100, width=2,
            jobs=1, device="cpu", out=sys.argv[1],
        )
    """
    killed = Process(run_code, code, str(tmp_path / "a"), folder=tmp_path)
    assert killed.end() == -signal.SIGKILL, killed.stderr
    kept = read_units(tmp_path / "a")
    assert list(kept)[:2] == ["choice", "supernet"]
    assert len(kept) == 4
    resumed, unbroken = (
        nasurge.validate(space="nb201", random=5, supernet="spos", out=tmp_path / folder, **QUICK)
        for folder in ("a", "b")
    )
    assert dict(list(read_units(tmp_path / "a").items())[:4]) == kept
    assert resumed.correlations == unbroken.correlations


def test_a_supernet_and_trainings_that_diverge_are_marked(tmp_path: Path) -> None:
    wild = {"learning_rate": 1e25, "weight_decay": 0.0}
    found = nasurge.validate(
        TABLE,
        "gp",
        n_train=30,
        random=5,
        supernet=SupernetRecipe(epochs=2, clip=0, **wild),
        recipe=Recipe(**wild),
        out=tmp_path / "wild",
        **QUICK,
    )
    assert found.about["supernet_diverged"]
    assert found.about["diverged"] == 5
    assert all(entry["diverged"] for entry in found.architectures)
    for entry in found.correlations:
        lost = {"trained_accuracy", "inherited_accuracy"} & {entry["a"], entry["b"]}
        assert entry["n"] == (0 if lost else 5)
        assert (entry["kendall_tau"]["mean"] is None) == bool(lost)
    assert "undefined" in (found.folder / "report.html").read_text()


def test_a_bare_space_is_compared_with_what_is_trained_here(tmp_path: Path) -> None:
    found = nasurge.validate(
        space="mobile", predictors="gp", learn_from=6, random=5, out=tmp_path / "s", **QUICK
    )
    assert [(c["a"], c["b"]) for c in found.correlations] == [("own_predicted", "trained_accuracy")]
    assert (found.folder / "report.html").is_file()


def test_what_a_search_evaluated_is_validated(analog: Table, tmp_path: Path) -> None:
    searched = api.search_study(
        TABLE, "evolution", budget=12, trials=2, jobs=1, out=tmp_path / "search"
    )
    seen = {row["architecture"]: row["search_value"] for row in searched.rows}
    found = nasurge.validate(
        search=searched.folder, predictors="gp", n_train=30, top=5, spread=0,
        out=tmp_path / "v", **QUICK,
    )  # fmt: skip
    best = sorted(seen.values(), reverse=True)
    for entry in found.architectures:
        assert entry["searched"] == seen[entry["architecture"]] == entry["table_value"]
        assert entry["group"] == "top"
    assert found.architectures[0]["searched"] == best[0]
    assert "predicted" in found.about["columns"]
    assert "search" in found.about
    candidates = from_search(searched.folder, None, 30)
    learnt = analog.space.function_ids(candidates.lesson[0])
    assert not np.isin(learnt, analog.space.function_ids(candidates.codes)).any()


def test_choosing_leaves_out_twins() -> None:
    scores = np.array([1.0, 5.0, 5.0, 4.0, 3.0, 2.0, 0.0])
    functions = np.array([0, 1, 1, 2, 3, 4, 5])
    chosen = chosen_rows(scores, scores, functions, {"top": 1, "spread": 3})
    assert {group: rows.tolist() for group, rows in chosen.items()} == {
        "top": [1],
        "spread": [3, 5, 6],
    }
    with pytest.raises(LabelError, match="6 different functions"):
        chosen_rows(scores, scores, functions, {"top": 4, "spread": 3})
    with pytest.raises(ParameterError, match="--random instead of --top"):
        chosen_rows(None, None, functions, {"top": 1})


def test_strata_are_equal_parts_of_the_ranking() -> None:
    values = np.random.default_rng(0).permutation(100).astype(float)
    functions = np.arange(100)
    counts = {"stratified": 10, "random": 20, "learnt": 30, "inherited": 40}
    found = chosen_rows(None, values, functions, counts, seed=1)
    assert sorted(values[found["stratified"]] // 10) == list(range(10))
    assert len(set(np.concatenate(list(found.values())).tolist())) == 100
    again = chosen_rows(None, values, functions, {"stratified": 10, "inherited": 5}, seed=1)
    assert again["stratified"].tolist() == found["stratified"].tolist()
    other = chosen_rows(None, values, functions, {"stratified": 10}, seed=2)
    assert other["stratified"].tolist() != found["stratified"].tolist()


def test_what_is_chosen_if_nothing_is_said() -> None:
    nothing = dict.fromkeys(("top", "spread", "stratified", "random"))
    assert counts_of(nothing, ranked=True) == {"top": 5, "spread": 10}
    assert counts_of(nothing, ranked=False) == {"random": 15}
    assert counts_of({**nothing, "stratified": 60}, ranked=True) == {"stratified": 60}


def test_a_network_without_a_value_is_left_out_of_the_correlations() -> None:
    rows = [
        {"group": "top", "inherited_loss": loss, "trained_accuracy": accuracy}
        for loss, accuracy in (
            (3.0, 10.0),
            (2.0, 20.0),
            (1.0, 30.0),
            (float("nan"), 5.0),
            (0, None),
        )
    ]
    (entry,) = correlations(rows, ["inherited_loss", "trained_accuracy"])
    assert entry["n"] == 3
    assert entry["kendall_tau"] == {"mean": 1.0, "low": None, "high": None, "n": 3}


def test_supernet_recipes(tmp_path: Path) -> None:
    recipe = SupernetRecipe(rule="sandwich", epochs=3, score="loss")
    path = tmp_path / "supernet.json"
    path.write_text(json.dumps(recipe.to_dict()))
    assert read_supernet_recipe(str(path)) == recipe
    assert read_supernet_recipe("spos") == SupernetRecipe()
    for bad in ({"epochs": 0}, {"part": "all"}, {"lr": 1}, {"limit": 0}, {"learning_rate": 0}):
        with pytest.raises(ParameterError, match=next(iter(bad))):
            read_supernet_recipe(json.dumps(bad))
    with pytest.raises(UnknownNameError, match="spos"):
        read_supernet_recipe("spas")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"table": "nbgraph/cora"}, "no networks to train"),
        ({"table": "nbgraph"}, "takes one task, received 9"),
        ({"table": TABLE, "top": 1, "spread": 1}, "at least 5 architectures"),
        ({"table": TABLE, "supernet_architectures": 9}, "--supernet"),
        ({"table": TABLE, "seeds": 0}, "seeds must be at least 1"),
        ({"table": TABLE, "score": "f1"}, "score must be one of accuracy"),
        ({"table": TABLE, "space": "nb201"}, "leave --space out"),
        ({"table": TABLE, "n_train": 20000}, "smaller -n"),
        ({"table": TABLE, "learn_from": 1}, "gp learns from at least"),
        ({"space": "nb201"}, "nothing to compare"),
        ({"space": "nbgraph", "supernet": "spos"}, "no networks to train"),
        ({"space": "nb201", "supernet": "spos"}, "not used with --space .*: --predictors"),
        ({"space": "nb201", "learn_from": 9, "n_train": 30}, "not used with --space: --n-train"),
        ({"images": "IMAGES", "limit": 9, "table": TABLE}, "not used beside .*: --limit"),
        ({}, "say what to validate"),
    ],
)
def test_refusals(tmp_path: Path, given, words: str) -> None:
    if given.get("images") == "IMAGES":
        given = {**given, "images": load_images("digits", limit=100)}
    with pytest.raises((ParameterError, LabelError), match=words):
        nasurge.validate(predictors="gp", out=tmp_path / "a", **given)
    assert not (tmp_path / "a" / "rows.jsonl").exists()


def test_a_folder_of_another_run_is_refused(found, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=r"another study .*counts"):
        nasurge.validate(
            TABLE, "gp", top=2, spread=5, limit=200, epochs=1, width=4, out=found.folder
        )
    with pytest.raises(ParameterError, match="holds a validate, not a search"):
        nasurge.validate(search=found.folder, out=tmp_path / "b")
