"""What the names of columns say: settings, runs side by side, shares; and gaps in them."""

import numpy as np
import pandas as pd
import pytest

from nasurge.benchmarks.objectives import make_problem
from nasurge.data.sources import read_tables
from nasurge.data.spaces import make_space
from nasurge.errors import DataFileError, SchemaError

NB201 = make_space("nb201")
CODES = NB201.sample(30, seed=3, unique=True)
STRINGS = NB201.format(CODES)
VALUES = np.round(np.random.default_rng(0).uniform(60, 95, len(CODES)), 3)


@pytest.fixture
def read(write):
    """Return a function that writes a frame as CSV and reads it as one table."""

    def read(frame, *, schema=None):
        options = {} if schema is None else {"schema": write(schema, "s.toml")}
        [table] = read_tables(write(pd.DataFrame(frame).to_csv(index=False), "t.csv"), **options)
        return table

    return read


def values(table, metric, **query):
    """Values of a column, in the order of ``CODES``."""
    return table.lookup(CODES, task="default", metric=metric, **query)


def long(**columns):
    """Rows of every architecture for every combination of the columns' values."""
    index = pd.MultiIndex.from_product([range(len(STRINGS)), *columns.values()])
    frame = index.to_frame(index=False, name=["k", *columns])
    frame["arch"] = [STRINGS[k] for k in frame.pop("k")]
    frame["acc"] = np.random.default_rng(1).uniform(50, 90, len(frame)).round(4)
    frame["flops"] = frame["arch"].map(len)
    return frame


@pytest.mark.parametrize(
    "name", ["lr", "learning_rate", "weightDecay", "wd", "batch-size", "z_hparam_float", "m_seed"]
)
def test_settings_drawn_anew_in_each_row_are_left_out_and_said(read, name) -> None:
    frame = long(seed=[0, 1])
    frame[name] = np.random.default_rng(2).uniform(size=len(frame))
    table = read(frame)
    assert table.metrics == ["acc", "flops"]
    assert f"{name!r} (a setting)" in table.imported.left_out
    assert read({"arch": STRINGS, "acc": VALUES, f"{name}_loss": VALUES}).metrics[1:] == [
        f"{name}_loss"
    ]


def test_a_column_of_a_name_that_says_nothing_is_taken_as_measured_and_it_is_said(read) -> None:
    table = read({"arch": STRINGS, "acc": VALUES, "zeta": VALUES})
    assert table.metrics == ["acc", "zeta"]
    assert "'zeta' taken as measured, a guess" in " ".join(table.imported.recognised)
    assert "guess: a schema" not in " ".join(
        read({"arch": STRINGS, "zeta": VALUES}).imported.recognised
    )


def test_a_setting_beside_columns_of_choices_is_asked_about(read) -> None:
    rng = np.random.default_rng(0)
    file = {f"op{k}": rng.choice(["conv", "skip"], 20) for k in range(6)}
    file |= {"lr": rng.choice([0.1, 0.01], 20), "acc": rng.uniform(size=20)}
    with pytest.raises(SchemaError, match="'lr' are choices or were measured"):
        read(file)


RUNS = np.round(VALUES[:, None] + np.random.default_rng(4).normal(size=(30, 3)), 2)


@pytest.mark.parametrize(
    "spell",
    ["acc_seed{}", "acc_run{}", "acc-Trial-{}", "acc (seed {})", "seed{}_acc", "acc rep {}"],
)
def test_columns_called_as_runs_are_runs_beside_their_mean(read, spell) -> None:
    file = {"arch": STRINGS} | {spell.format(k): RUNS[:, k] for k in range(3)} | {"flops": VALUES}
    table = read(file)
    np.testing.assert_allclose(values(table, "acc"), RUNS.mean(axis=1))
    assert np.array_equal(values(table, "acc", seed=2), RUNS[:, 2])
    problem = make_problem(table, "default")
    assert np.array_equal(table.runs(problem.roles.report)[table.rows(CODES)], RUNS)
    names = ", ".join(repr(spell.format(k)) for k in range(3))
    assert table.imported.runs == (f"'acc' is the mean of {names}, runs that are kept beside it",)
    assert table.imported.minimised == ("flops",)


def test_the_mean_of_runs_may_stand_beside_them(read) -> None:
    runs = {f"acc_seed{k}": RUNS[:, k] for k in range(3)}
    table = read({"arch": STRINGS, "acc_mean": RUNS.mean(axis=1).round(2), **runs})
    assert np.array_equal(values(table, "acc", seed="mean"), RUNS.mean(axis=1).round(2))
    assert "'acc_mean' is the mean of the runs" in " ".join(table.imported.runs)
    assert make_problem(table, "default").report_column.seed == "mean"
    with pytest.raises(SchemaError, match="'acc' is not the mean of 'acc_seed1', 'acc_seed2'"):
        read({"arch": STRINGS, "acc": RUNS[:, 0], **dict(list(runs.items())[1:])})


def test_a_run_that_is_missing_is_no_part_of_the_mean(read) -> None:
    runs = RUNS.copy()
    runs[0, 1:], runs[1] = np.nan, np.nan
    table = read({"arch": STRINGS} | {f"acc_seed{k}": runs[:, k] for k in range(3)})
    assert values(table, "acc")[0] == runs[0, 0]
    assert np.isnan(values(table, "acc")[1])


def test_runs_in_columns_and_in_rows_are_asked_about(read) -> None:
    frame = pd.concat([long(), long()])
    frame["acc_seed0"], frame["acc_seed1"] = np.random.default_rng(0).uniform(size=(2, 60))
    with pytest.raises(SchemaError, match="one of several runs, and rows"):
        read(frame.drop(columns="acc"))


def test_columns_that_are_only_numbered_are_hinted_at(read) -> None:
    table = read({"arch": STRINGS} | {f"acc{k}": RUNS[:, k - 1] for k in (1, 2, 3)})
    assert table.metrics == ["acc1", "acc2", "acc3"]
    [hint] = [line for line in table.imported.recognised if "runs of one" in line]
    assert "'acc1' to 'acc3' are taken as 3 metrics" in hint
    said = read({"arch": STRINGS, "top1": VALUES, "top5": VALUES}).imported.recognised
    assert "runs of one" not in " ".join(said)


def test_architectures_without_a_value_are_counted(read) -> None:
    gaps = np.where(np.arange(30) % 7 == 0, np.nan, VALUES)
    notes = read({"arch": STRINGS, "acc": gaps, "flops": VALUES}).imported
    assert notes.unmeasured == ("'acc' of 5 of 30 architectures",)
    assert "not measured: 'acc' of 5 of 30 architectures" in notes.lines()
    frame = long(dataset=["a", "b"], seed=[0, 1])
    frame.loc[(frame["dataset"] == "b") & (frame["arch"] == STRINGS[0]), "acc"] = np.nan
    frame.loc[1, "acc"] = np.nan  # of two runs, one is there
    assert read(frame).imported.unmeasured == ("'acc' on b of 1 of 30 architectures",)


def test_all_columns_are_listed_with_their_direction(read) -> None:
    costs = {f"latency_{k}": VALUES for k in "abcdefghijklmnop"}
    lines = read({"arch": STRINGS, "acc": VALUES, **costs}).imported.lines()
    [line] = [line for line in lines if line.startswith("smaller is better")]
    assert line.partition(": ")[2].split("; ") == list(costs)


def test_fractions_among_percentages_are_asked_about(read) -> None:
    mixed = np.where(np.arange(30) % 3 == 0, VALUES / 100, VALUES)
    file = {"arch": STRINGS, "val_acc": mixed}
    with pytest.raises(DataFileError, match=r"'val_acc' holds 10 values below 1.*percentages"):
        read(file)
    schema = 'architecture = "arch"\n[column]\nval_acc = { unit = "%" }\n'
    assert np.array_equal(values(read(file, schema=schema), "val_acc"), mixed)


@pytest.mark.parametrize(
    "column",
    [
        {"acc": VALUES / 100},
        {"latency": np.where(np.arange(30) % 3 == 0, VALUES / 100, VALUES)},
        {"loss": np.where(np.arange(30) % 3 == 0, VALUES / 100, VALUES)},
        {"acc": np.where(np.arange(30) < 2, 1.0, VALUES)},  # chance of 100 classes
        {"acc": np.where(np.arange(30) < 2, 0.1, VALUES)},  # chance of 1000
        {"error": np.geomspace(0.5, 90, 30)},
    ],
)
def test_numbers_of_one_sort_are_not_asked_about(read, column) -> None:
    [name] = column
    assert np.array_equal(values(read({"arch": STRINGS, **column}), name), column[name])


def test_a_choice_that_is_missing_is_refused(read) -> None:
    file = {"op0": ["conv", "nan", "skip"], "op1": ["skip", "conv", "conv"], "acc": [1, 2, 3]}
    with pytest.raises(DataFileError, match="'op0' is empty in row 3"):
        read(file)
