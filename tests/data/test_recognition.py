"""What an import recognises in a file that nobody described, and what it asks about."""

import json
import pickle
import re

import numpy as np
import pandas as pd
import pytest

from nasurge.benchmarks.objectives import make_problem, parse_problems
from nasurge.benchmarks.quantities import constrained, many_objectives
from nasurge.data.sources import read_tables
from nasurge.data.spaces import make_space
from nasurge.data.tables import import_table, is_minimised, load_table
from nasurge.errors import (
    ArchitectureError,
    DataFileError,
    ParameterError,
    SchemaError,
    UnknownNameError,
)

NB201 = make_space("nb201")
CODES = NB201.sample(30, seed=3, unique=True)
STRINGS = NB201.format(CODES)
VALUES = np.round(np.random.default_rng(0).uniform(60, 95, len(CODES)), 3)


@pytest.fixture
def read(tmp_path):
    """Return a function that writes a frame, or text, and reads it as one table."""

    def read(content, *, schema=None, name="t.csv", **options):
        path = tmp_path / name
        if isinstance(content, str):
            path.write_text(content, encoding="utf-8")
        else:
            pd.DataFrame(content).to_csv(path, index=False)
        if schema is not None:
            schema_file = tmp_path / "s.toml"
            schema_file.write_text(schema)
            options["schema"] = schema_file
        [table] = read_tables(path, **options)
        return table

    return read


def values(table, metric, **query):
    """Values of a column, in the order of ``CODES``."""
    return table.lookup(CODES, task=query.pop("task", "default"), metric=metric, **query)


# Spaces.


def as_tuples(strings):
    """Cells as the tuples of (operation, source) that the benchmark's own code prints."""
    nodes = [[part.split("~") for part in node.strip("|").split("|")] for node in
             (string.split("+") for string in strings) for node in node]  # fmt: skip
    cells = [nodes[k : k + 3] for k in range(0, len(nodes), 3)]
    return [str(tuple(tuple((op, int(k)) for op, k in node) for node in cell)) for cell in cells]


@pytest.mark.parametrize(
    "spell",
    [
        lambda strings: strings,
        lambda strings: [s.replace("+", " + ") for s in strings],
        lambda strings: [s.replace("|", " | ") for s in strings],
        lambda strings: [s.upper() for s in strings],
        lambda strings: [f" {s}\t" for s in strings],
        as_tuples,
    ],
    ids=["as published", "blanks", "blanks at bars", "capitals", "blanks around", "tuples"],
)
@pytest.mark.parametrize("schema", [None, 'architecture = "arch"\n[column]\nacc = {}\n'])
def test_cells_are_recognised_whatever_stands_between_their_words(read, spell, schema) -> None:
    table = read({"arch": spell(STRINGS), "acc": VALUES}, schema=schema)
    assert table.space == NB201
    assert np.array_equal(values(table, "acc"), VALUES)
    assert "those of space nb201" in " ".join(table.imported.recognised)


def test_six_numbers_are_asked_about_and_read_by_their_convention(read) -> None:
    ours = np.array([1, 0, 3, 2, 4])  # NASLib's operations in the order of NAS-Bench-201's
    naslib = np.argsort(ours)[CODES][:, np.argsort([0, 1, 3, 2, 4, 5])]
    for rows in (map(str, map(tuple, naslib.tolist())), ("".join(map(str, r)) for r in naslib)):
        file = {"arch": list(rows), "acc": VALUES}
        with pytest.raises(SchemaError, match=r"convention naslib .*convention codes.*space own"):
            read(file)
        table = read(file, convention="naslib")
        assert table.space == NB201
        assert np.array_equal(values(table, "acc"), VALUES)
    table = read(
        {"arch": map(str, CODES.tolist()), "acc": VALUES}, convention="codes", space="nb201"
    )
    assert np.array_equal(values(table, "acc"), VALUES)
    assert read({"arch": map(str, CODES.tolist()), "acc": VALUES}, space="own").space.name == "t"
    with pytest.raises(SchemaError, match="six numbers, but there are names"):
        read({"arch": STRINGS, "acc": VALUES}, convention="naslib")
    with pytest.raises(ArchitectureError, match="operations are numbered 0 to 4"):
        read('arch,acc\n"(0, 0, 0, 0, 0, 5)",1\n', convention="naslib")
    with pytest.raises(SchemaError, match="needs the name of a space"):
        read({"arch": ["1-2"], "acc": [1]}, convention="codes")
    with pytest.raises(UnknownNameError, match="did you mean 'naslib'"):
        read(
            {"arch": ["1-2"], "acc": [1]},
            schema='architecture="arch"\n[[table]]\nconvention="naslip"\n[column]\nacc={}\n',
        )


def test_digits_are_a_choice_each(read) -> None:
    strings = [f"{k:08d}" for k in (0, 20002, 110011, 200020, 220022, 11111111, 22222222)]
    table = read({"arch": strings, "acc": range(7)})
    assert table.space.cardinalities == (3,) * 8
    assert table.space.format(table.space.parse(strings)) == strings
    lost = {"arch": [s.lstrip("0") or "0" for s in strings], "acc": range(7)}
    with pytest.raises(SchemaError, match="zeros in front"):
        read(lost, schema='architecture = "arch"\n[column]\nacc = {}\n')


@pytest.mark.parametrize("between", [" ", ",", "-"])
def test_lists_of_widths_are_no_thousands(read, between) -> None:
    rows = [between.join(map(str, (128, w, v))) for w in (128, 256) for v in (256, 512)]
    table = read({"arch": rows, "acc": range(4)})
    assert table.space.cardinalities == (2, 2)
    assert table.metrics == ["acc"]


def test_words_that_never_change_are_no_choices_and_are_written_again(read) -> None:
    strings = [f"net(depth={d}, width={w}, act=relu)" for d in (1, 2) for w in (8, 16, 32)]
    table = read({"net": strings, "acc": range(6)})
    assert table.space.cardinalities == (2, 3)
    assert table.space.format(table.codes) == strings
    assert np.array_equal(table.space.parse(strings), table.codes)
    assert np.array_equal(table.space.parse(["1|8", "2 16"]), table.codes[[0, 4]])
    with pytest.raises(ArchitectureError, match="'gelu', expected 'relu'"):
        table.space.parse(["net(depth=1, width=8, act=gelu)"])
    assert pickle.loads(pickle.dumps(table.space)) == table.space


def test_genotypes_of_darts_are_said_to_be_no_space_that_is_known(read) -> None:
    rng = np.random.default_rng(0)
    operations = ["sep_conv_3x3", "skip_connect", "max_pool_3x3"]

    def genotype(edges):
        cell = [(str(rng.choice(operations)), int(rng.integers(2))) for _ in range(edges)]
        return f"Genotype(normal={cell}, normal_concat=range(2, 6), reduce={cell})"

    table = read({"genotype": [genotype(4) for _ in range(20)], "acc": range(20)})
    assert "DARTS" in " ".join(table.imported.recognised)
    assert max(map(len, table.space.choices)) <= 3
    large = read({"genotype": [genotype(15) for _ in range(20)], "acc": range(20)})
    assert not large.space.listed


def test_a_column_per_choice_is_one_architecture(read) -> None:
    rng = np.random.default_rng(0)
    file = {f"layer{k}": rng.choice(["conv3", "conv5", "skip"], 40) for k in range(10)}
    file |= {"width": rng.choice([0.5, 1], 40), "resolution": rng.choice([160, 224], 40)}
    file |= {"accuracy": rng.uniform(size=40)}
    with pytest.raises(SchemaError, match="'width', 'resolution' are choices or were") as caught:
        read(file)
    listed = str(caught.value).partition("architecture = ")[2].partition(" if")[0]
    schema = f"architecture = {listed}\n[column]\naccuracy = {{}}\n"
    table = read(file, schema=schema)
    assert table.space.n_variables == 12
    assert len(table) == 40
    for name in ("width", "resolution"):
        del file[name]
    table = read(file)
    assert table.space.n_variables == 10
    assert "10 columns, 'layer0' to 'layer9'" in table.imported.recognised[0]


def test_columns_of_known_operations_hint_at_the_space_and_are_read_in_its_order(read) -> None:
    names = np.array(NB201.choices[0])[CODES]
    file = {f"op{k}": names[:, k] for k in range(6)} | {"acc": VALUES}
    table = read(file)
    assert table.space != NB201
    assert "--space nb201" in " ".join(table.imported.recognised)
    table = read(file, space="nb201")
    assert np.array_equal(values(table, "acc"), VALUES)


# Rows.


def long(**columns):
    """Rows of every architecture for every combination of the columns' values."""
    index = pd.MultiIndex.from_product([range(len(STRINGS)), *columns.values()])
    frame = index.to_frame(index=False, name=["k", *columns])
    frame["arch"] = [STRINGS[k] for k in frame.pop("k")]
    frame["acc"] = np.random.default_rng(1).uniform(50, 90, len(frame)).round(4)
    frame["flops"] = frame["arch"].map(len)
    return frame


def test_data_sets_are_tasks(read) -> None:
    frame = long(dataset=["cifar10", "ImageNet16-120"])
    table = read(frame.sample(frac=1, random_state=0))
    assert sorted(table.tasks) == ["ImageNet16-120", "cifar10"]
    for task, own in frame.groupby("dataset"):
        assert np.array_equal(values(table, "acc", task=task), own["acc"])
    assert not table.imported.runs or "mean" not in " ".join(table.imported.runs)
    with pytest.raises(SchemaError, match="cannot name a task"):
        read(frame.replace("cifar10", "cifar/10"))


@pytest.mark.parametrize("name", ["seed", "run", "Trial", "run_id"])
def test_seeds_are_runs_beside_their_mean(read, name) -> None:
    frame = long(**{name: [777, 888, 999]})
    table = read(frame)
    expected = frame["acc"].to_numpy().reshape(-1, 3)
    np.testing.assert_allclose(values(table, "acc"), expected.mean(axis=1))
    column = table.find(task="default", metric="acc")
    assert table.columns[column].seed == "mean"
    assert np.array_equal(table.runs(column)[np.argsort(table.rows(CODES))], expected) or (
        np.array_equal(table.runs(column)[table.rows(CODES)], expected)
    )
    assert np.array_equal(values(table, "acc", seed=888), expected[:, 1])
    assert table.metrics == ["acc", "flops"]  # what is the same in every run is kept once
    assert table.runs(table.find(task="default", metric="flops")) is None
    assert "mean of 3 runs (seeds)" in " ".join(table.imported.runs)
    problem = make_problem(table, "default")
    assert table.runs(problem.roles.report).shape == (len(CODES), 3)


def test_epochs_are_columns_and_the_last_has_the_name(read) -> None:
    frame = long(epoch=[1, 12, 200], seed=[0, 1])
    table = read(frame)
    last = frame[frame["epoch"] == 200]["acc"].to_numpy().reshape(-1, 2).mean(axis=1)
    first = frame[(frame["epoch"] == 1) & (frame["seed"] == 1)]["acc"]
    np.testing.assert_allclose(values(table, "acc"), last)
    assert np.array_equal(values(table, "acc", epoch=1, seed=1), first)
    assert table.find(task="default", metric="flops") >= 0
    assert make_problem(table, "default").report_column.epoch == 200


def test_rows_without_seeds_are_runs_and_equal_ones_are_counted_once(read) -> None:
    frame = long(k2=[0, 1, 2]).drop(columns="k2")
    table = read(frame)
    assert table.runs(table.find(task="default", metric="acc")).shape == (30, 3)
    assert "3 runs (rows of one architecture)" in " ".join(table.imported.runs)
    once = long()
    table = read(pd.concat([once, once]))
    assert np.array_equal(values(table, "acc"), once["acc"])
    assert table.runs(table.find(task="default", metric="acc")) is None
    assert "30 rows that repeat another" in " ".join(table.imported.left_out)


def test_random_seeds_are_numbered_within_their_architecture(read) -> None:
    frame = long(seed=[0, 1])
    frame["seed"] = np.random.default_rng(5).permutation(100000)[: len(frame)]
    table = read(frame)
    runs = table.runs(table.find(task="default", metric="acc"))
    assert runs.shape == (30, 2)
    assert np.isfinite(runs).all()


def test_two_rows_of_one_seed_that_differ_are_refused(read) -> None:
    frame = pd.concat([long(seed=[0]), long(seed=[0]).assign(acc=1.0).head(1)])
    with pytest.raises(DataFileError, match="rows 2 and 32 are of one architecture"):
        read(frame)


def test_a_column_that_nobody_named_and_tells_rows_apart_is_asked_about(read) -> None:
    frame = long(device=["phone", "server"])
    with pytest.raises(SchemaError, match=r"column 'device' \(phone, server\).*section \[rows\]"):
        read(frame)
    schema = 'architecture = "arch"\n[rows]\ntask = "device"\n[column]\nacc = {}\n'
    assert read(frame, schema=schema).tasks == ["phone", "server"]
    schema = 'architecture = "arch"\n[rows]\nseed = "device"\n[column]\nacc = {}\n'
    assert read(frame, schema=schema).runs(0).shape == (30, 2)


def test_a_setting_that_tells_rows_apart_is_asked_about(read) -> None:
    frame = long(lr=[0.01, 0.1])
    with pytest.raises(SchemaError, match=r"column 'lr' \(0.01, 0.1\)"):
        read(frame)
    schema = 'architecture = "arch"\n[rows]\ntask = "lr"\n[column]\nacc = {}\n'
    assert read(frame, schema=schema).tasks == ["0.01", "0.1"]


def test_columns_that_only_together_tell_rows_apart_are_asked_about(read) -> None:
    with pytest.raises(SchemaError, match="column 'device'"):
        read(long(device=["phone", "server"], batch=[1, 8]))
    with pytest.raises(SchemaError, match="column 'lr' and 'wd'"):
        read(long(lr=[0.01, 0.1], wd=[0.5, 0.25]))


def test_a_column_of_words_that_may_be_one_choice_of_several_is_asked_about(read) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"kernel": rng.choice([3, 5, 7], 40), "act": rng.choice(["relu", "gelu"], 40)}
    )
    frame["acc"] = rng.uniform(50, 90, 40)
    with pytest.raises(SchemaError, match="'act' has 2 different words in 40 rows"):
        read(frame)
    schema = 'architecture = ["kernel", "act"]\n[column]\nacc = {}\n'
    assert read(frame, schema=schema).space.cardinalities == (3, 2)


def test_one_repeated_row_hides_no_column_that_tells_rows_apart(read) -> None:
    frame = long(device=["phone", "server"])
    with pytest.raises(SchemaError, match="column 'device'"):
        read(pd.concat([frame, frame.iloc[-1:].assign(acc=50.5)]))


def test_a_schema_without_rows_knows_data_sets_epochs_and_seeds_by_their_names(read) -> None:
    frame = long(dataset=["a", "b"], seed=[1, 2])
    schema = 'architecture = "arch"\n[task.b]\nreport = "acc"\n[column]\nacc = {}\n'
    table = read(frame, schema=schema)
    assert table.tasks == ["a", "b"]
    assert make_problem(table, "b").report_column.seed == "mean"
    with pytest.raises(SchemaError, match="'dataset' tells tasks apart"):
        read(frame, schema='architecture = "arch"\n[column]\nacc = { task = "a" }\n')
    with pytest.raises(UnknownNameError, match="unknown task 'c'"):
        read(frame, schema=schema.replace("task.b", "task.c"))


def test_one_row_each_of_different_epochs_is_asked_about(read) -> None:
    frame = long().assign(epoch=range(30))
    with pytest.raises(SchemaError, match=r"differ in column 'epoch'.*\[rows\] epoch"):
        read(frame)
    assert len(read(frame, schema='architecture = "arch"\n[column]\nacc = {}\n')) == 30
    table = read(frame.assign(epoch=200, dataset="cifar10", seed=777))
    assert table.tasks == ["cifar10"]
    assert table.columns[table.find(task="cifar10", metric="acc")].epoch == 200


# Columns.


def test_numberings_empty_and_nameless_columns_are_left_out_and_said(read) -> None:
    lines = [f"{k},{s},{v},{k + 100},hello,," for k, (s, v) in enumerate(zip(STRINGS, VALUES))]  # noqa: B905
    table = read(",arch,acc,arch_id,note,nothing,\n" + "\n".join(lines))
    assert table.metrics == ["acc"]
    said = " ".join(table.imported.left_out)
    for name in ("column 1 without a name", "'arch_id' (a numb", "'note' (text)", "'nothing' (em"):
        assert name in said
    trailing = "arch,acc\n" + "".join(f"{s},{v},\n" for s, v in zip(STRINGS, VALUES))  # noqa: B905
    assert np.array_equal(values(read(trailing), "acc"), VALUES)


def test_an_index_of_architectures_needs_no_name(read) -> None:
    text = pd.Series(VALUES, index=STRINGS, name="acc").to_csv()
    assert text.startswith(",acc")
    assert np.array_equal(values(read(text), "acc"), VALUES)


@pytest.mark.parametrize(
    "text",
    [
        "".join(f"{s},{v}\n" for s, v in zip(STRINGS, VALUES)),  # noqa: B905
        "conv3-pool,70.5\nconv5-pool,71.5\n",
        "conv3-pool,70\nconv5-pool,71\n",
        "0,conv3-pool,70.5\n1,conv5-pool,71.5\n",
    ],
)
def test_a_file_without_names_is_refused(read, text) -> None:
    with pytest.raises(DataFileError, match=r"first line is a row .* write a line of names"):
        read(text)


def test_names_may_be_numbers_of_epochs(read) -> None:
    table = read("arch,1,12,200\nconv3-pool,70,71,72\nconv5-pool,71,72,73\n")
    assert table.metrics == ["1", "12", "200"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("arch,acc\na-b\n", "row 2 has 1 cells, the header line has 2 names"),
        ("arch,acc\na-b,1\na-c,2\na-d", "row 4 has 1 cells"),
        ("arch,acc\na-b,\na-c,\n", "empty|cannot tell"),
        ("arch,acc,acc\na-b,1,2\n", "two columns are called 'acc'"),
        ("arch,acc\x1b[31m\na-b,1\n", r"column 2 is called 'acc\\x1b\[31m'"),
        ("arch,acc\na\x1b[31m-b,1\n", r"control characters in row 2: 'a\\x1b"),
        ("arch\na-b\n", "first line is one cell, 'arch'"),
    ],
)
def test_what_is_no_table_is_refused(read, text, message) -> None:
    with pytest.raises((DataFileError, SchemaError), match=message):
        read(text)


def test_an_empty_column_that_a_schema_names_is_refused(read) -> None:
    schema = 'architecture = "arch"\n[column]\nacc = {}\nms = {}\n'
    with pytest.raises(DataFileError, match="'ms' is empty in every row"):
        read("arch,acc,ms\na-b,1,\na-c,2,\n", schema=schema)


def test_units_in_brackets_are_part_of_the_name(read) -> None:
    table = read("arch,acc [/b],latency [ms]\na-b,1,2\na-c,2,3\n")
    assert table.metrics == ["acc [/b]", "latency [ms]"]
    assert table.imported.minimised == ("latency [ms]",)


# Directions.


def test_costs_and_errors_are_minimised_by_custom_and_others_are_not() -> None:
    costs = (
        "error, val_loss, top1_err, FLOPs, latency [ms], n_params, training-time, energy_mJ, lat, "
        "peakMemory, regret, perplexity, valLoss, accuracy_loss, test_rmse, cross_entropy, erreur"
    )
    others = "acc, val_acc, Top-1, mIoU, neg_loss, negative-loss, x, throughput, kernel_size"
    assert [name for name in re.split(", ", costs) if not is_minimised(name)] == []
    assert [name for name in re.split(", ", others) if is_minimised(name)] == []


def test_directions_are_said_and_kept_and_can_be_turned(read, tmp_path, monkeypatch) -> None:
    file = {"arch": STRINGS, "error": VALUES, "quality": -VALUES}
    table = read(file)
    assert (table.imported.minimised, table.imported.maximised) == (("error",), ("quality",))
    problem = make_problem(table, "default", metric="error")
    assert VALUES[problem.search_values.argmax()] == VALUES.min()
    turned = read(file, minimise=["quality"], maximise=["error"])
    assert (turned.imported.minimised, turned.imported.maximised) == (("quality",), ("error",))
    assert [c.minimise for c in turned.columns] == [False, True]
    with pytest.raises(UnknownNameError, match="did you mean 'error'"):
        read(file, minimise=["eror"])
    with pytest.raises(ParameterError, match="both"):
        read(file, minimise=["error"], maximise=["error"])
    schema = 'architecture = "arch"\n[column]\nerror = { minimise = false }\nquality = {}\n'
    assert not read(file, schema=schema).imported.minimised
    monkeypatch.setenv("NASURGE_HOME", str(tmp_path / "home"))
    import_table(tmp_path / "t.csv", name="kept", minimise="quality")
    kept = load_table("kept")
    assert kept.columns[kept.find(task="default", metric="quality")].minimise
    assert set(kept.imported.minimised) == {"error", "quality"}


def test_the_only_column_that_is_no_cost_is_searched(read) -> None:
    file = {"arch": STRINGS, "acc": VALUES, "flops": VALUES, "fps": VALUES}
    assert make_problem(read(file), "default").report_column.metric == "acc"
    with pytest.raises(SchemaError, match="--metric"):
        make_problem(read(file | {"test_acc": VALUES}), "default")


def test_objectives_and_constraints_need_no_metric(read, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("NASURGE_HOME", str(tmp_path / "home"))
    flops = np.arange(30) + 1.0
    file = {"arch": STRINGS, "val_acc": VALUES, "val_loss": VALUES, "flops": flops, "fps": flops}
    read(file, name="own.csv")
    import_table(tmp_path / "own.csv")
    [problem] = parse_problems("own", objectives=["val_acc", "flops"])
    many = many_objectives(problem, ["val_acc", "flops"], ["fps>=10"])
    assert many.objectives[1].minimise
    assert len(many.codes) == 21
    assert many.search_values[:, 1].max() == -10
    [problem] = parse_problems("own", metric="val_acc")
    assert len(constrained(problem, ["flops<=5"]).codes) == 5
    with pytest.raises(ParameterError, match="val_loss is known only after training"):
        constrained(problem, ["val_loss<=70"])


# Notes.


def test_notes_are_kept_with_the_table_and_written_as_json(read, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("NASURGE_HOME", str(tmp_path / "home"))
    read(long(seed=[0, 1]))
    [table] = import_table(tmp_path / "t.csv")
    notes = load_table("t").imported
    assert notes == table.imported
    assert notes.rows == 60
    assert json.loads(json.dumps(notes.as_dict()))["runs"] == list(notes.runs)
    assert any(line.startswith("smaller is better: flops") for line in notes.lines())


@pytest.mark.parametrize("name", ["CON", "nul", "com1", "LPT9", "aux.v2", "end."])
def test_names_of_windows_devices_are_refused(read, name) -> None:
    with pytest.raises(ParameterError, match="Windows"):
        read({"arch": STRINGS, "acc": VALUES}, name="t.csv") and read_as(read, name)


def read_as(read, name):
    """Read a table under another name."""
    schema = f'architecture = "arch"\n[[table]]\nname = "{name}"\n[column]\nacc = {{}}\n'
    return read({"arch": STRINGS, "acc": VALUES}, schema=schema)


def test_two_tables_of_one_name_are_refused(read) -> None:
    tables = '[[table]]\nname = "a"\n[[table]]\nname = "a"\n'
    with pytest.raises(SchemaError, match=r"two \[\[table\]\] are called 'a'"):
        read(
            {"arch": STRINGS, "acc": VALUES},
            schema=f'architecture = "arch"\n{tables}[column]\nacc = {{}}\n',
        )
