"""Results in Python and in a notebook: the best, the front, a table, a picture, a short text."""

from __future__ import annotations

import dataclasses
import html
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

import nasurge
from nasurge.benchmarks.intervals import interval
from nasurge.benchmarks.metrics import METRICS
from nasurge.benchmarks.studies import BuildOptions, TableStudy, VerifyOptions, VerifyStudy
from nasurge.benchmarks.training import Recipe
from nasurge.data.images import load_images
from nasurge.errors import LabelError, ParameterError, UnknownNameError
from nasurge.functions import FunctionStudy
from nasurge.meta import meta_study
from nasurge.options import SearchCommandOptions
from nasurge.search.pareto import non_dominated
from nasurge.search.studies import (
    FewShotOptions,
    FewShotStudy,
    LatencyOptions,
    LatencyStudy,
    TransferOptions,
    TransferStudy,
)

FEW: dict[str, Any] = {"trials": 2, "jobs": 1}
MODULE = """
def cost(architecture):
    depth, width = architecture["depth"], architecture["width"]
    return {"value": depth + width / 8, "latency": depth * width}
"""
SPACE = {"depth": [1, 2, 3, 4], "width": [8, 16, 24, 32]}


def compared(folder: Path) -> Any:
    tables = "nbgraph/cora,nbgraph/proteins"
    return nasurge.compare(tables, ["ridge", "rf"], n_train=[20, 40], out=folder, **FEW)


def searched(folder: Path) -> Any:
    return nasurge.search("nbgraph/cora", searcher="bo", budget=12, out=folder, **FEW)


def fronts(folder: Path) -> Any:
    many = {"searcher": "nsga2", "objectives": "accuracy,latency"}
    return nasurge.search("nbgraph/cora", budget=12, out=folder, **many, **FEW)


def of_function(folder: Path, objectives: str | None = "value,latency") -> Any:
    folder.mkdir()
    lines = "".join(f"{name} = {values}\n" for name, values in SPACE.items())
    (folder / "space.toml").write_text(f"[variables]\n{lines}")
    typed = {"space": str(folder / "space.toml"), "objective": "costs_of_mine:cost"}
    typed |= {"objectives": objectives, "form": "dicts", "out": folder / "out"}
    return FunctionStudy(SearchCommandOptions(budget=8, **typed, **FEW)).run()


def validated(folder: Path) -> Any:
    how = {"epochs": 1, "limit": 100, "top": 3, "spread": 3, "predictors": "ridge", "jobs": 1}
    return nasurge.validate("nb201-digits", out=folder, **how)


def ranked(folder: Path) -> Any:
    return nasurge.rank("nb201-digits", predictor="gp", propose=3, sample=300)


def traced(folder: Path) -> Any:
    return nasurge.search(lambda codes: (codes == 3).sum(axis=1), space="nb201", budget=15)


def built(folder: Path) -> Any:
    recipe = Recipe(epochs=1, width=2, batch_size=30, shift=0)
    how = {"space": "nb201", "images": load_images("digits", limit=60), "recipe": recipe}
    how |= {"force": True, "device": "cpu"}
    how |= {"architectures": 5, "seeds": FEW["trials"], "out": folder, "jobs": 1}
    return TableStudy(BuildOptions("mine", **how)).run()


def verified(folder: Path) -> Any:
    table = built(folder / "table").table
    return VerifyStudy(VerifyOptions(table, 3, out=folder / "again", device="cpu", jobs=1)).run()


def latencies(folder: Path) -> Any:
    rng, rows = np.random.default_rng(0), len(nasurge.load_table("nb201-digits"))
    np.savez("l.npz", **{f"d{k}": rng.uniform(1, 2, rows) for k in range(3)})
    how = {"file": "l.npz", "table": "nb201-digits", "measurements": (5, 8), **FEW}
    how |= {"methods": ("nearest", "scratch"), "out": folder}
    return LatencyStudy(LatencyOptions(**how)).run()


def transferred(folder: Path) -> Any:
    how = {"source_labels": 15, "labels": (0, 5), "methods": ("tasks-gp", "tasks-xgb"), **FEW}
    options = TransferOptions(sources="nbgraph/cora", target="nbgraph/citeseer", out=folder, **how)
    return TransferStudy(options).run()


def few_shot(folder: Path) -> Any:
    how = {"images": "digits", "train_classes": 5, "way": 2, "split": "classes", "episodes": 5}
    how |= {"methods": ("protonet", "maml"), "shots": (1, 2), "seconds": 1e-9}
    return FewShotStudy(FewShotOptions(**how, rotations=False, out=folder, **FEW)).run()


def across_tables(folder: Path) -> Any:
    how = {"methods": "random,meta-evolution", "budget": 4, "out": folder, **FEW}
    return meta_study("nbgraph/photo", **how)


def trained(folder: Path) -> Any:
    recipe = '{"epochs": 1, "width": 2, "cells": 1, "batch_size": 30, "shift": 0}'
    how = {"space": "nb201", "images": "digits", "limit": 60, "recipe": recipe, "device": "cpu"}
    how |= {"searchers": "random", "budget": 3, "out": folder, **FEW}
    return FunctionStudy(SearchCommandOptions(**how)).run()


TABLES = (compared, searched, fronts, of_function, validated, ranked, traced)
OTHERS = (trained, built, verified, latencies, transferred, few_shot, across_tables)
KINDS = {one.__name__: one for one in (*TABLES, *OTHERS)}


@pytest.fixture(autouse=True)
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a test into a folder with a function."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "costs_of_mine.py").write_text(MODULE)


@pytest.mark.parametrize("kind", KINDS)
def test_a_result_is_short_and_shows_itself(kind: str, tmp_path: Path) -> None:
    found = KINDS[kind](tmp_path / "kept")
    assert len(repr(found)) < 400
    assert len(repr(found).splitlines()) < 4
    frame = found.to_frame()
    assert len(frame)
    assert not any(isinstance(cell, dict | list) for cell in frame.to_numpy().ravel())
    assert isinstance(found.plot(), Figure)
    shown = found._repr_html_()
    assert html.escape(repr(found)) in shown
    assert '<img alt="' in shown
    assert 1 <= shown.count("<tr>") - 1 <= 8
    assert not re.search(r"<(script|svg)", shown)
    check_ranges(kind, found)


SIGNED, SHARE, PERCENT, POSITIVE = (-1, 1), (0, 1), (0, 100), (0, np.inf)
RANGES = {
    **{name: (metric.least, metric.most) for name, metric in METRICS.items()},
    **dict.fromkeys(("tau", "tau_between_seeds", "agreement", "ceiling"), SIGNED),
    **dict.fromkeys(("selected_share", "hypervolume_share", "true_front_found"), SHARE),
    **dict.fromkeys(("accuracy", "test_accuracy", "valid_accuracy"), PERCENT),
    **dict.fromkeys(("regret", "search_regret", "regret_at", "queries", "hypervolume"), POSITIVE),
    **dict.fromkeys(("front_size", "meta_steps"), POSITIVE),
    **dict.fromkeys(("selected", "oracle"), SHARE),  # accuracies of the graph networks
    "hypervolume_share_at": SHARE,
    "saving": (-np.inf, 1),
    "difference": (-2, 2),
}
"""Least and largest value of what is measured, by its key."""


NO_TRIALS = ("ranked", "traced", "validated", "verified")
"""Kinds whose intervals are not over trials."""


def quantities(found: Any, name: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every measured quantity with the key that says what it is of."""
    if isinstance(found, Mapping):
        if {"mean", "low", "high", "n"} <= set(found):
            yield name, found
            return
        inner = found.items()
    elif isinstance(found, list | tuple):
        inner = (("", each) for each in found)
    else:
        return
    for key, value in inner:
        # What is by task, number or rival is of what holds it.
        is_case = not key or key.isdigit() or "/" in key or key in ("random", "evolution")
        yield from quantities(value, name if is_case else key)


def limits_of(kind: str, key: str) -> tuple[float, float]:
    """Least and largest value of a quantity."""
    if key.endswith("seconds"):
        return POSITIVE
    if key in ("best", "measured") and kind in ("of_function", "searched", "trained"):
        return PERCENT if kind == "trained" else (-np.inf, np.inf)
    if key not in RANGES:
        pytest.fail(f"say in RANGES what {key!r} of {kind} can be")
    return RANGES[key]


def check_ranges(kind: str, found: Any) -> None:
    """No number or interval outside what can be, and no interval of fewer than five draws."""
    if kind in ("ranked", "traced"):
        parts = {"kendall_tau": found.quality} if kind == "ranked" else {}
    else:
        parts = found.parts
        assert parts["summary"]
    for key, one in quantities(parts):
        least, most = limits_of(kind, key)
        mean, low, high = (one[side] for side in ("mean", "low", "high"))
        values = [mean, low, high, *one.get("values", ())]
        assert all(least <= v <= most for v in values if v is not None), (key, one)
        assert low is None or low <= mean <= high
        if one["n"] < 5:
            assert low is high is None, "so few have no interval"
            # A ratio of means, and a correlation over few architectures, have no single values.
            single = key in ("saving", "tau", "kendall_tau") and kind != "compared"
            assert mean is None or single or len(one["values"]) == one["n"]


@pytest.mark.parametrize("kind", [k for k in KINDS if k not in NO_TRIALS])
def test_no_interval_of_five_trials_leaves_the_range_of_its_measure(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(FEW, "trials", 5)
    check_ranges(kind, KINDS[kind](tmp_path / "kept"))


def test_the_best_of_a_comparison_ranks_best(tmp_path: Path) -> None:
    found = compared(tmp_path / "kept")
    best = found.best("nbgraph/cora", n_train=20)
    taus = {
        entry["predictor"]: entry["kendall_tau"]["mean"]
        for entry in found.summary
        if entry["task"] == "cora" and entry["n_train"] == 20 and not entry["unseen_functions_only"]
    }
    assert taus[best["predictor"]] == max(taus.values())
    assert found.best("nbgraph/cora")["n_train"] == 40
    frame = found.to_frame()
    row = frame[(frame["task"] == "cora") & (frame["predictor"] == best["predictor"])].iloc[0]
    assert row["kendall_tau"] == max(taus.values())
    with pytest.raises(ParameterError, match="name one of the tasks"):
        found.best()
    with pytest.raises(UnknownNameError):
        found.best("nbgraph/nothing")
    with pytest.raises(ParameterError, match="n_train is one of 20, 40"):
        found.best("nbgraph/cora", n_train=30)
    with pytest.raises(UnknownNameError, match="tau-by-size"):
        found.plot("nothing")
    assert isinstance(found.plot("tau-by-time"), Figure)


def test_the_best_of_a_built_table_is_best_on_validation(tmp_path: Path) -> None:
    found = built(tmp_path / "kept")
    best = found.best()
    means = [entry["valid_accuracy"]["mean"] for entry in found.summary]
    assert best["valid_accuracy"]["mean"] == max(means)
    lost = [{**e, "valid_accuracy": interval([])} for e in found.summary]
    with pytest.raises(LabelError, match="no training has succeeded"):
        dataclasses.replace(found, summary=lost).best()


@pytest.mark.parametrize(
    ("kind", "measure", "number"),
    [
        (latencies, "spearman", "measurements"),
        (transferred, "kendall_tau", "labels"),
        (few_shot, "accuracy", "shot"),
    ],
)
def test_the_best_method_has_the_highest_mean(
    kind: Any, measure: str, number: str, tmp_path: Path
) -> None:
    found = kind(tmp_path / "kept")
    entries = [e for e in found.summary if e.get("device") in (None, "mean")]
    numbers = sorted({entry[number] for entry in entries})
    assert len(numbers) == 2
    for n in numbers:
        best = found.best(n)
        means = [entry[measure]["mean"] for entry in entries if entry[number] == n]
        assert (best[number], best[measure]["mean"]) == (n, max(means))
    assert found.best() == found.best(numbers[-1])
    with pytest.raises(ParameterError, match=f"{number} is one of .*, not 77"):
        found.best(77)


def test_the_best_across_tables_asked_least(tmp_path: Path) -> None:
    found = across_tables(tmp_path / "kept")
    assert found.best()["queries"]["mean"] == min(e["queries"]["mean"] for e in found.summary)
    with pytest.raises(UnknownNameError):
        found.best("nbgraph/nothing")


def test_the_front_of_a_search_is_that_of_all_searchers(tmp_path: Path) -> None:
    found = fronts(tmp_path / "kept")
    front = found.front()
    names = {entry["architecture"] for entry in found.found}
    values = np.array([[e["values"]["accuracy"], -e["values"]["latency"]] for e in front])
    assert len(non_dominated(values)) == len(front)
    assert {entry["architecture"] for entry in front} <= names
    for entry in found.found:
        own = np.array([entry["values"]["accuracy"], -entry["values"]["latency"]])
        on_front = entry["architecture"] in {e["architecture"] for e in front}
        assert on_front == (not any((v >= own).all() and (v > own).any() for v in values))
    with pytest.raises(ParameterError, match=r"front\(\)"):
        found.best()
    one = searched(tmp_path / "one")
    assert one.front() == [one.best()]


def test_the_best_of_a_function_is_known_by_hand(tmp_path: Path) -> None:
    every = of_function(tmp_path / "one", objectives="value")
    best = every.best()
    assert best["value"] == max(row["value"] for row in every.rows)
    assert best["variables"]["depth"] + best["variables"]["width"] / 8 == best["value"]
    two = of_function(tmp_path / "two")
    with pytest.raises(ParameterError, match=r"front\(\)"):
        two.best()
    points = {tuple(entry["values"].values()) for entry in two.front()}
    assert len({latency for _, latency in points}) == len(points), "the best of each latency"


def test_the_best_of_a_validation_is_trained_best(tmp_path: Path) -> None:
    found = validated(tmp_path / "kept")
    trained = [row["trained_accuracy"] for row in found.architectures]
    assert found.best()["trained_accuracy"] == max(trained)


def test_a_ranking_begins_with_what_to_measure(tmp_path: Path) -> None:
    found = ranked(tmp_path)
    assert found.best() == found.proposed[0]
    assert found.to_frame()["score"].is_monotonic_decreasing
    assert all(one.architecture in html.unescape(found._repr_html_()) for one in found.proposed)


def test_names_are_escaped_in_a_notebook() -> None:
    space = nasurge.make_space({"<script>": ["<b>", "&"], "width": [8, 16]})
    shown = nasurge.search(lambda codes: codes.sum(axis=1), space=space, budget=4)._repr_html_()
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown
    assert "<b>" not in shown


def test_a_failed_search_and_an_empty_front_have_texts_too() -> None:
    space = nasurge.make_space("nb201")
    searcher = nasurge.make_searcher("random", space, seed=0)
    nothing = nasurge.search(lambda codes: codes.sum(axis=1), space=space, budget=0)
    assert "0 evaluations" in nothing._repr_html_()
    with pytest.raises(LabelError):
        nothing.best()
    assert len(repr(searcher)) < 100


def test_a_front_shows_its_first_architectures() -> None:
    def three(codes: np.ndarray) -> np.ndarray:
        return np.stack([codes.sum(axis=1), -codes.sum(axis=1)], axis=1)

    searcher = nasurge.make_searcher("nsga2", "nb201", n_objectives=2, seed=0)
    front = nasurge.search(three, space="nb201", searcher=searcher, budget=20).front()
    assert repr(front).splitlines()[0] == "<Front: 20 architectures>"
    assert repr(front).splitlines()[-1] == "and 15 more"
    assert front.architectures[0] in repr(front)
