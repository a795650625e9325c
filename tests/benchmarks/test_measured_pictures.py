"""Pictures of measured quantities and of trainings say what the numbers say."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection

import nasurge
from nasurge.benchmarks.intervals import interval
from nasurge.benchmarks.metrics import spearman
from nasurge.benchmarks.studies import Picture, by_name, by_number, read_points
from nasurge.benchmarks.studies.panels import names_of_points
from nasurge.benchmarks.studies.training_pictures import accuracies_picture, retrained_picture
from nasurge.registry import study_of_folder
from nasurge.search.studies import LatencyOptions, LatencyStudy

OLD = Path(__file__).parent.parent / "old" / "v0" / "studies"
FINISHED = [path.name for path in OLD.iterdir() if "killed" not in path.name]
MANY = interval([0.9, 1.0, 1.0, 1.0, 1.0], least=-1, most=1)
FEW, NONE = interval([0.2, 0.4]), interval([])


def axes_of(picture: Picture) -> list[Axes]:
    return [figure.axes[0] for figure in picture.figures()]


def named(axis: Axes) -> list[str]:
    return [name for artist in axis.collections for name in names_of_points(artist)]


def pale(axis: Axes) -> list[list[float]]:
    """Points without a name."""
    return [
        point
        for artist in axis.collections
        if isinstance(artist, PathCollection) and not names_of_points(artist)
        for point in np.asarray(artist.get_offsets()).tolist()
    ]


def test_an_interval_is_a_line_and_few_values_are_points() -> None:
    groups = {"one": {"many": MANY, "few": FEW, "none": NONE}}
    [axis] = axes_of(by_name("p", "t", groups, quantity="tau"))
    assert [label.get_text() for label in axis.get_yticklabels()] == ["many", "few", "none"]
    [line] = axis.get_lines()
    np.testing.assert_allclose(line.get_xdata(), [MANY["low"], 1.0])
    assert pale(axis) == [[0.2, 1.0], [0.4, 1.0]]
    assert named(axis) == ["many: tau 0.980 [0.924, 1.000]", "few: tau 0.200, 0.400"]
    assert axis.yaxis_inverted()


def test_what_else_was_measured_can_be_the_points() -> None:
    singles = {"one": {"many": {"task a": 0.5, "task b": 0.25}}}
    picture = by_name("p", "t", {"one": {"many": MANY}}, quantity="tau", singles=singles)
    [axis] = axes_of(picture)
    assert named(axis)[:2] == ["many, task a: 0.5", "many, task b: 0.25"]


@pytest.mark.parametrize("numbers", [(0, 5, 20), (5, 20), (0,), (7,)])
def test_a_number_may_be_zero(numbers: tuple[int, ...]) -> None:
    entries = [
        {"method": method, "labels": n, "tau": measured, "regret": NONE}
        for n in numbers
        for method, measured in (("a", MANY), ("b", FEW), ("c", NONE))
    ]
    measures = {"tau": "Kendall tau", "regret": "regret"}
    number = ("labels", "labels")
    picture = by_number("p", "t", entries, line="method", number=number, measures=measures)
    first, second = axes_of(picture)
    assert [label.get_text() for label in first.get_xticklabels()] == [str(n) for n in numbers]
    assert len(named(first)) == 2 * len(numbers)
    assert sorted(pale(first)) == sorted([n, value] for n in numbers for value in (0.2, 0.4))
    assert named(second) == []
    assert f"With {numbers[-1]}: a 0.980 [0.924, 1.000]; b 0.200, 0.400" in picture.description
    low, high = first.get_xlim()
    assert low <= numbers[0] <= numbers[-1] <= high


def trained(k: int, test: list[float], **more: Any) -> dict[str, Any]:
    accuracies = interval(test, least=0, most=100)
    return {
        "architecture": f"a{k}",
        "test_accuracy": accuracies,
        "valid_accuracy": accuracies,
        "train_seconds": interval([2.0 + k]),
        "diverged": 0,
        "parameters": 1000 * (k + 1),
        **more,
    }


def test_trainings_that_diverged_have_no_point() -> None:
    summary = [
        trained(0, [90.0, 80.0]),
        trained(1, [70.0, 60.0]),
        trained(2, [50.0], diverged=1),
        trained(3, [], diverged=2),
    ]
    bars, seconds, weights, seeds = axes_of(accuracies_picture(summary))
    # Two outlines: how many architectures are in each bin.
    for outline in bars.patches:
        assert max(y for _, y in outline.get_path().vertices) == 1
    assert len(named(seconds)) == len(named(weights)) == 3
    assert len(named(seeds)) == 2
    assert named(seeds)[1] == "a1: test 65.00 %, 3.0 s"
    x, y = np.asarray(seeds.collections[0].get_offsets()).T
    assert (x.tolist(), y.tolist()) == ([90.0, 70.0], [80.0, 60.0])
    old = [{key: value for key, value in e.items() if key != "parameters"} for e in summary]
    assert len(accuracies_picture(old).panels) == 3


def test_a_large_table_names_its_best_only() -> None:
    summary = [trained(k, [90.0 - k / 10]) for k in range(400)]
    _, seconds, _ = axes_of(accuracies_picture(summary))
    assert named(seconds)[0].startswith("a0: test 90.00 %")
    assert len(pale(seconds)) == 400
    assert len(named(seconds)) < 400


def test_a_training_that_diverged_again_is_left_out() -> None:
    rows = [
        {"architecture": f"a{k}", "seed": 0, "stored": 80.0 + k, "retrained": again}
        for k, again in enumerate((80.0, 82.0, None))
    ]
    entry = {"equal": 1, "trainings": 3, "seed_difference": 0.5, "tau": NONE}
    same, gaps = axes_of(retrained_picture(rows, entry))
    assert len(named(same)) == len(named(gaps)) == 2
    assert {0.0, 0.5, -0.5} <= {line.get_ydata()[0] for line in gaps.get_lines()}
    assert len(retrained_picture(rows, {**entry, "seed_difference": None}).legend) == 1


@pytest.mark.parametrize("folder", FINISHED)
def test_every_report_has_a_picture(folder: str, tmp_path: Path) -> None:
    shutil.copytree(OLD / folder, tmp_path / folder)
    study = study_of_folder(tmp_path / folder)
    page = study.page(study.read(tmp_path / folder), tmp_path / folder)
    pictures = [picture for section in page.sections for picture in section.pictures]
    assert pictures
    assert len({picture.name for picture in pictures}) == len(pictures)
    for picture in pictures:
        assert picture.title
        assert all(panel.description for panel in picture.panels)


def test_latencies_of_a_picture_are_those_that_were_measured(tmp_path: Path) -> None:
    table = nasurge.load_table("nb201-digits")
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "l.npz", **{f"d{k}": rng.uniform(1, 2, len(table)) for k in range(3)})
    methods, out = ("nearest", "scratch"), tmp_path / "out"
    few = {"devices": ("d0", "d1"), "measurements": (5,), "methods": methods, "trials": 2}
    options = LatencyOptions(file=tmp_path / "l.npz", table=table.name, out=out, jobs=1, **few)
    found = LatencyStudy(options).run()
    points = read_points(out, "d0", methods, 5)
    measured = {r["method"]: r for r in found.rows if r["device"] == "d0" and r["trial"] == 0}
    for method, (true, predicted) in points.items():
        assert len(true) == min(300, len(table) - 5)
        # A part of the architectures that the row is over: n = 300, four standard errors.
        assert spearman(true, predicted) == pytest.approx(measured[method]["spearman"], abs=0.24)
    assert set(found.pictures) == {
        "by-measurements",
        "by-device",
        "predictions-0",
        "predictions-1",
    }
    assert json.loads((out / "summary.json").read_text())["summary"]
