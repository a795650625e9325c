"""Cheap values of every architecture help, and never are the answer itself."""

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import kendalltau

import nasurge
from nasurge.benchmarks.objectives import make_problem
from nasurge.benchmarks.studies.cheap import cheap_columns, give_cheap
from nasurge.data.sources import read_tables
from nasurge.data.spaces import CellSpace, make_space
from nasurge.data.tables import Column, Table, build_table
from nasurge.errors import ArchitectureError, LabelError, ParameterError, UnknownNameError
from nasurge.registry import make_predictor

SPACE = nasurge.make_space("nb201")


@pytest.fixture(scope="module")
def cheap() -> tuple[np.ndarray, np.ndarray]:
    """A noisy look at a label that no structure tells, for every cell; the label."""
    rng = np.random.default_rng(0)
    function = rng.normal(size=SPACE.n_functions)
    label = function[SPACE.function_ids(SPACE.all_codes())]
    return label + rng.normal(0, 0.3, len(label)), label


def test_it_learns_what_only_the_cheap_values_tell(cheap) -> None:
    """Tau of the noisy values is about 0.8, of what structure tells 0: 60 labels for both."""
    values, label = cheap
    codes = SPACE.all_codes()
    train = np.random.default_rng(1).choice(len(codes), 60, replace=False)
    model = make_predictor("low-fidelity", SPACE, cheap=values, cheap_codes=codes)
    scores = model.fit(codes[train], label[train]).predict(codes[::7])
    gp = make_predictor("gp", SPACE).fit(codes[train], label[train]).predict(codes[::7])
    assert kendalltau(scores, label[::7])[0] > 0.7
    assert abs(kendalltau(gp, label[::7])[0]) < 0.2


@pytest.mark.parametrize("sign", [1, -1])
def test_the_direction_of_a_cheap_value_does_not_matter(sign: int, cheap) -> None:
    values, label = cheap
    codes = SPACE.all_codes()
    model = make_predictor("low-fidelity", SPACE, cheap=sign * values, cheap_codes=codes)
    scores = model.fit(codes[::200], label[::200]).predict(codes[::7])
    assert kendalltau(scores, label[::7])[0] > 0.7


def test_twins_share_the_mean_of_their_values_and_a_callable_serves_as_well(cheap) -> None:
    values, label = cheap
    codes = SPACE.all_codes()
    ids = SPACE.function_ids(codes)
    means = np.bincount(ids, values) / np.bincount(ids)
    columns = {"array": {"cheap": values, "cheap_codes": codes}}
    asked = []

    def measure(wanted: np.ndarray) -> np.ndarray:
        asked.append(wanted)
        return means[SPACE.function_ids(wanted)]

    columns["callable"] = {"cheap": measure}
    found = {}
    for name, given in columns.items():
        model = make_predictor("low-fidelity", SPACE, **given).fit(codes[::200], label[::200])
        found[name] = model.predict(codes[::50])
    # A callable's values are ranked among those of the labelled cells only.
    assert kendalltau(found["array"], found["callable"])[0] > 0.9
    assert all(np.array_equal(wanted, SPACE.canonical(wanted)) for wanted in asked)


def test_a_missing_value_names_how_many_and_the_first(cheap) -> None:
    values, label = cheap
    codes = SPACE.all_codes()
    ids = SPACE.function_ids(codes)
    gone = ids[[40, 90]]
    holes = np.where(np.isin(ids, gone), np.nan, values)
    first = SPACE.format(SPACE.canonical(codes[40:41]))[0]
    train = np.flatnonzero(~np.isin(ids, gone))[::150]
    model = make_predictor("low-fidelity", SPACE, cheap=holes, cheap_codes=codes)
    model.fit(codes[train], label[train])
    with pytest.raises(ArchitectureError, match="2 of 3 architectures") as caught:
        model.predict(codes[[3, 40, 90]])
    assert repr(first) in str(caught.value)
    with pytest.raises(ArchitectureError, match="1 of"):
        model.fit(np.concatenate([codes[train], codes[90:91]]), np.append(label[train], 0.0))
    assert np.isfinite(model.predict(codes[train])).all()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "cheap=..., or name columns"),
        ({"cheap": np.arange(15_625.0)}, "cheap_codes"),
        ({"cheap": np.arange(9.0), "cheap_codes": SPACE.all_codes()}, r"received \(9,\)"),
        ({"cheap": ["a"] * 15_625, "cheap_codes": SPACE.all_codes()}, "numbers"),
        ({"cheap": np.full(15_625, np.nan), "cheap_codes": SPACE.all_codes()}, "all of them"),
        ({"cheap": np.ones(15_625), "cheap_codes": SPACE.all_codes()}, "tell nothing"),
        ({"cheap": lambda codes: codes[:, :0]}, "received"),
    ],
)
def test_cheap_values_that_cannot_be(given, words) -> None:
    codes = SPACE.all_codes()[::300]
    with pytest.raises(ParameterError, match=words):
        make_predictor("low-fidelity", SPACE, **given).fit(codes, np.arange(float(len(codes))))


@pytest.fixture(scope="module")
def table() -> Table:
    """Cells with a curve of validation accuracies, and a column with a gap."""
    assert isinstance(SPACE, CellSpace)
    codes = np.unique(SPACE.canonical(SPACE.sample(900, seed=0)), axis=0)
    rng = np.random.default_rng(0)
    label = rng.normal(size=len(codes))
    noisy = label + rng.normal(0, 0.5, len(codes))
    measured = [
        (Column("a", "accuracy", "valid", 200, source="final_valid"), label),
        (Column("a", "accuracy", "test", 200, source="final_test"), label),
        (Column("a", "accuracy", "valid", 12, source="early_valid"), noisy),
        (Column("a", "accuracy", "test", 12, source="early_test"), noisy),
        (Column("a", "accuracy", "valid", 50, source="gap"), np.where(label > 1, np.nan, noisy)),
        (Column("b", "flops", source="flops_M"), codes.sum(axis=1)),
    ]
    return build_table("t", SPACE, codes, measured, roles={"a": ("final_test",) * 2}, origin="")


@pytest.mark.parametrize(
    ("name", "number"),
    [("early_valid", 2), ("early_test", 3), ("accuracy@12", 2), ("flops_M", 5)],
)
def test_columns_are_found_by_metric_and_epoch(name: str, number: int, table: Table) -> None:
    assert cheap_columns(make_problem(table, "a"), [name, name]) == [number]


@pytest.mark.parametrize(
    ("name", "error", "words"),
    [
        ("final_test", ParameterError, "would be the answer"),
        ("accuracy@200", ParameterError, "would be the answer"),
        ("final_valid", ParameterError, "same training as the label"),
        ("accuracy@13", UnknownNameError, "13"),
        ("accuracy@x", ParameterError, "METRIC@EPOCH"),
        ("gap", LabelError, "not measured for"),
        ("flopz", UnknownNameError, "flopz"),
    ],
)
def test_columns_that_are_refused(name: str, error, words: str, table: Table) -> None:
    with pytest.raises(error, match=words):
        cheap_columns(make_problem(table, "a"), [name])


def test_compare_gives_cheap_values_to_those_that_take_them(table: Table, tmp_path: Path) -> None:
    problem = make_problem(table, "a")
    found = nasurge.compare(
        [problem],
        ["low-fidelity", "gp"],
        n_train=(30,),
        trials=2,
        cheap=["accuracy@12"],
        jobs=1,
        out=tmp_path / "study",
    )
    label = "a valid accuracy, 12 epochs"
    assert {r["predictor"]: r["cheap"] for r in found.rows} == {"low-fidelity": label, "gp": None}
    taus = {
        e["predictor"]: e["kendall_tau"]["mean"]
        for e in found.summary
        if not e["unseen_functions_only"]
    }
    assert taus["low-fidelity"] > 0.5 > taus["gp"] + 0.3
    assert found.about["cheap"] == {"t/a": [label]}
    expected = kendalltau(problem.report_values, table.data[2])[0]
    assert found.cheap["t/a"][label] == pytest.approx(expected)
    assert f"{label} {expected:.3f}" in (found.folder / "report.html").read_text()
    gp = give_cheap(make_predictor("gp", SPACE), problem, [2])
    assert "cheap" not in gp.get_params()


def test_without_cheap_values_all_leaves_it_out_and_others_refuse_them(
    table: Table, tmp_path: Path
) -> None:
    problems = [make_problem(table, "a")]
    with pytest.raises(ParameterError, match="--cheap"):
        nasurge.compare(problems, "low-fidelity", n_train=(30,), trials=1, out=tmp_path / "a")
    with pytest.raises(ParameterError, match="add low-fidelity"):
        nasurge.compare(problems, "gp", cheap=["flops_M"], n_train=(30,), out=tmp_path / "b")
    assert not list(tmp_path.iterdir())


def test_a_run_of_the_label_is_no_cheap_column(tmp_path) -> None:
    space = make_space("nb201")
    rows = [
        f"{text},{seed},{k + seed}"
        for k, text in enumerate(space.format(space.sample(20, seed=0)))
        for seed in (0, 1)
    ]
    (tmp_path / "runs.csv").write_text("\n".join(["arch,seed,acc", *rows]))
    [table] = read_tables(tmp_path / "runs.csv")
    with pytest.raises(ParameterError, match="would be the answer"):
        cheap_columns(make_problem(table, "default"), ["acc (seed 0)"])
