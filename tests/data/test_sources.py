"""nasurge.data.sources: the shipped tables, other people's files, and pickles that are not run."""

import gzip
import pickle

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from nasurge.data.sources import analog as analog_source
from nasurge.data.sources import nbgraph as nbgraph_source
from nasurge.data.sources import tabular
from nasurge.data.spaces import make_space
from nasurge.data.tables.catalogue import SHIPPED, import_table
from nasurge.errors import (
    ArchitectureError,
    DataFileError,
    ParameterError,
    SchemaError,
    StorageError,
    UnknownNameError,
)

BEST = (
    "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+"
    "|skip_connect~0|nor_conv_3x3~1|nor_conv_1x1~2|"
)


def only(path, **options):
    [table] = tabular.read(path, **options)
    return table


# What packages ship.


def test_analog_holds_every_cell_once(analog) -> None:
    assert len(analog) == 15625
    assert np.array_equal(analog.codes, make_space("nb201").all_codes())
    assert analog.tasks == ["cifar10"]
    assert analog.metrics == list(analog_source.METRICS)
    for values in analog.data:
        assert values.min() >= 0
        assert 80 < values.max() <= 100


@pytest.mark.reference
def test_analog_agrees_with_the_published_accuracies(analog, nb201) -> None:
    ours = analog.values(task="cifar10", metric="baseline_accuracy")
    theirs = nb201.lookup(analog.codes, task="cifar10", metric="c10_test_200ep")
    assert stats.kendalltau(ours, theirs).statistic == pytest.approx(0.926, abs=0.001)


def test_nbgraph_holds_nine_tasks_of_four_measures(nbgraph) -> None:
    assert len(nbgraph) == 26206
    assert nbgraph.tasks == list(nbgraph_source.TASKS)
    for task in nbgraph.tasks:
        measured = 2021 if task == "proteins" else 26206
        for split in ("valid", "test"):
            values = nbgraph.values(task=task, metric="accuracy", split=split)
            values = values[~np.isnan(values)]
            assert len(values) == measured
            assert values.min() >= 0
            assert values.max() <= 1
        assert np.nanmin(nbgraph.values(task=task, metric="parameters")) > 0
        roles = nbgraph.default(task)
        assert [nbgraph.columns[k].split for k in (roles.search, roles.report)] == ["valid", "test"]


def test_nbgraph_holds_what_the_publisher_reads(nbgraph) -> None:
    with (SHIPPED["nbgraph"].location() / "cora.bench").open("rb") as file:
        published = pickle.load(file)
    row = 12345
    key = int("".join(map(str, nbgraph.codes[row])))
    for source in ("perf", "valid_perf", "latency", "para"):
        assert nbgraph.values(task="cora", metric=source)[row] == published[key][source]


# The reference files.


@pytest.mark.reference
def test_nb201_has_its_tasks_epochs_and_seeds(nb201) -> None:
    assert nb201.space == make_space("nb201")
    assert len(nb201) == 15625
    assert nb201.tasks == ["cifar10", "cifar10-valid", "cifar100", "ninapro"]
    query = {"task": "cifar10", "metric": "accuracy", "split": "test"}
    best = nb201.lookup(nb201.space.parse(BEST), **query, epoch=200, seed="mean")[0]
    values = nb201.values(**query, epoch=200, seed="mean")
    assert best == values.max() == pytest.approx(94.37, abs=0.005)
    assert np.isfinite(nb201.values(**query, epoch=12)).all()
    hundred = nb201.values(task="cifar100", metric="accuracy", split="test", epoch=200)
    assert hundred.max() == pytest.approx(73.51, abs=0.005)
    # What a search sees and what is reported are different splits; its best is the known cell.
    roles = nb201.default("cifar10")
    assert nb201.columns[roles.search].split == "valid"
    assert nb201.columns[roles.report].split == "test"
    found = nb201.data[roles.search]
    assert nb201.space.format(nb201.codes[[np.argmax(found)]]) == [BEST]
    assert found.max() == pytest.approx(91.61, abs=0.005)


@pytest.mark.reference
def test_nb201_runs_are_one_to_three_and_three_average_to_the_mean(nb201) -> None:
    column = nb201.find(task="cifar10", metric="accuracy", split="test", epoch=200, seed="mean")
    runs = nb201.runs(column)
    assert runs.shape == (15625, 3)
    counts = np.bincount(np.isfinite(runs).sum(axis=1), minlength=4)
    assert counts.tolist() == [0, 2225, 5439, 7961]
    three = np.isfinite(runs).all(axis=1)
    np.testing.assert_allclose(runs[three].mean(axis=1), nb201.data[column][three], atol=1e-4)
    for seed in range(3):
        query = {"metric": "accuracy", "split": "test", "epoch": 200, "seed": seed}
        values = nb201.values(task="cifar10", **query)
        assert np.array_equal(values, runs[:, seed], equal_nan=True)


@pytest.mark.reference
def test_nb201_costs_are_linear_in_the_operation_counts(nb201) -> None:
    counts = np.stack([(nb201.codes == k).sum(axis=1) for k in range(5)], axis=1)
    for metric, tolerance in (("flops", 1e-3), ("parameters", 1e-4)):
        costs = nb201.values(task="cifar10", metric=metric)
        assert nb201.columns[nb201.find(task="cifar10", metric=metric)].minimise
        fitted = np.linalg.lstsq(counts, costs, rcond=None)[0]
        np.testing.assert_allclose(counts @ fitted, costs, atol=tolerance)


@pytest.mark.reference
def test_every_number_of_a_csv_is_kept_exactly(nb201, reference) -> None:
    with gzip.open(reference / "nb201.csv.gz", "rt") as file:
        published = pd.read_csv(file, dtype=str)
    rows = nb201.rows(nb201.space.parse(published["arch"]))
    for column, values in zip(nb201.columns, nb201.data, strict=True):
        exactly = [float(cell) for cell in published[column.source]]
        assert np.array_equal(values[rows], exactly, equal_nan=True)


@pytest.mark.reference
def test_transnas_is_two_tables(reference) -> None:
    tables = {table.name: table for table in tabular.read(reference / "transnas.csv.gz")}
    assert {name: len(table) for name, table in tables.items()} == {
        "transnas-micro": 4096,
        "transnas-macro": 3256,
    }
    for name, table in tables.items():
        assert table.space == make_space(name)
        assert len(np.unique(table.space.index(table.codes))) == table.space.size
        assert table.tasks == ["class_scene", "class_object", "room_layout", "segmentsemantic"]
        for task in table.tasks:
            roles = table.default(task)
            splits = [table.columns[k].split for k in (roles.search, roles.report)]
            assert splits == ["valid", "test"]
            assert not table.columns[roles.search].minimise
            assert (table.values(task=task, metric="training-time") > 0).all()
    macro = tables["transnas-macro"]
    first = macro.space.parse("64-4111-basic")
    assert macro.lookup(first, task="class_scene", metric="accuracy", split="test")[0] == 62.0969


@pytest.mark.reference
def test_one_table_of_several_can_be_asked_for_or_all_be_renamed(reference) -> None:
    path = reference / "transnas.csv.gz"
    assert [table.name for table in tabular.read(path, name="transnas-macro")] == ["transnas-macro"]
    names = [table.name for table in tabular.read(path, name="mine")]
    assert names == ["mine-micro", "mine-macro"]
    with pytest.raises(ParameterError, match="a/b"):
        tabular.read(path, name="a/b")


# A stranger's files.

CELLS = [
    "|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|",
    "|none~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|",
    "|none~0|+|none~0|none~1|+|nor_conv_1x1~0|none~1|none~2|",
]


@pytest.mark.parametrize(
    ("strings", "space"),
    [
        (CELLS, "nb201"),
        (["0-1-2-1|gcn|fc|gcn|cheb", "0-0-2-1|gcn|fc|gcn|gat"], "nbgraph"),
        (["64-41414-1_23_012", "64-41414-0_00_000"], "transnas-micro"),
        (["64-21231-basic", "64-4111-basic"], "transnas-macro"),
        (["(0, 3, 1)", "(1, 2, 1)"], "t"),
        (["[0 3 1]", "[1 2 1]"], "t"),
        (["conv3-pool-skip", "conv1-pool-skip"], "t"),
        (["lr=0.1;depth=3", "lr=0.01;depth=5"], "t"),
    ],
)
def test_two_columns_are_enough(tmp_path, strings, space) -> None:
    path = tmp_path / "t.csv"
    frame = pd.DataFrame({"model": strings, "top1": np.arange(len(strings)) + 0.5})
    frame.to_csv(path, index=False)
    table = only(path)
    assert table.space.name == space
    assert table.name == "t"
    assert table.tasks == ["default"]
    values = table.lookup(table.space.parse(strings), task="default", metric="top1")
    assert values.tolist() == frame["top1"].tolist()
    assert "t.csv" in table.origin
    role = table.default("default")
    assert role.search == role.report == 0


def test_the_architecture_is_found_among_other_texts(write) -> None:
    path = write(f"note,cell,acc,ms\nhello,{CELLS[0]},1,2\nworld,{CELLS[1]},3,4\n")
    table = only(path)
    assert table.space.name == "nb201"
    assert table.metrics == ["acc", "ms"]


def test_one_wrong_string_does_not_make_it_another_space(write) -> None:
    wrong = CELLS[2].replace("nor_conv_1x1", "nor_conv_9x9")
    path = write("arch,acc\n" + "".join(f"{cell},1\n" for cell in (*CELLS, wrong)))
    with pytest.raises(ArchitectureError, match="'nor_conv_9x9~0' is none of"):
        tabular.read(path)


SCHEMA = """
architecture = "model"
origin = "our lab"
[[table]]
name = "ours"
space = "nb201"
[task.cifar10]
search = "va"
report = "te"
[column]
va = { task = "cifar10", metric = "accuracy", split = "valid", epoch = 200, unit = "%" }
te = { task = "cifar10", metric = "accuracy", split = "test", epoch = 200, seed = 0 }
"""
TABLE = "model,va,te,other\n" + "".join(f"{cell},{k},{k + 10},x\n" for k, cell in enumerate(CELLS))


@pytest.mark.parametrize("place", ["t.csv.toml", "t.toml", "given"])
def test_a_schema_says_what_the_columns_are(write, place) -> None:
    path = write(TABLE)
    schema = write(SCHEMA, "elsewhere.toml" if place == "given" else place)
    if place == "given":
        write("nonsense", "t.toml")
    table = only(path, schema=schema if place == "given" else None)
    assert (table.name, table.space.name, table.origin) == ("ours", "nb201", "our lab")
    assert [c.source for c in table.columns] == ["va", "te"]
    roles = table.default("cifar10")
    assert (roles.search, roles.report) == (0, 1)
    assert table.values(task="cifar10", metric="accuracy", seed=0).tolist() == [10, 11, 12]
    assert only(path, schema=schema, name="renamed").name == "renamed"


@pytest.mark.parametrize(
    ("old", "new", "error", "message"),
    [
        ('origin = "our lab"', "origin = our lab", SchemaError, "not valid TOML"),
        ("architecture", "architektur", UnknownNameError, "did you mean 'architecture'"),
        ('architecture = "model"', "", SchemaError, 'needs architecture = "COLUMN"'),
        ('"model"', '"modell"', UnknownNameError, "unknown column 'modell'; did you mean 'model'"),
        ("split =", "spilt =", UnknownNameError, "'spilt'; did you mean 'split'.*column 'va'"),
        ('search = "va"', 'search = "vb"', UnknownNameError, "'vb'; did you mean 'va'.*cifar10"),
        ('report = "te"', "", SchemaError, "task 'cifar10' needs report"),
        ("search =", "serch =", UnknownNameError, "did you mean 'search'"),
        ("[task.cifar10]", "[task.cifar]", UnknownNameError, "'cifar'; did you mean 'cifar10'"),
        ('space = "nb201"', 'space = "nb-201"', UnknownNameError, "did you mean 'nb201'"),
        ("[[table]]", "[table]", SchemaError, "two brackets"),
        ('space = "nb201"', 'select = "("', SchemaError, "no regular expression"),
        ('space = "nb201"', 'select = "zzz"', SchemaError, "no architecture of .* matches 'zzz'"),
        ("epoch = 200, unit", 'epoch = "200", unit', SchemaError, "epoch is '200'.*an integer"),
        ('unit = "%"', "minimise = 0", SchemaError, "minimise is 0.*true or false"),
        ('metric = "accuracy", split = "valid"', "metric = 3", SchemaError, "metric is 3.*a text"),
        ('name = "ours"', 'name = "a/b"', ParameterError, "'a/b' cannot name a table.*--as"),
        ('name = "ours"', "name = 3", SchemaError, "name is 3"),
        ("\nte = ", "\ntest = ", UnknownNameError, "unknown column"),
        ("\nva = {", "\nva = 3 #", SchemaError, "column 'va' is 3, not a table of task"),
        ("[column]", "[columns]", UnknownNameError, "did you mean 'column'"),
    ],
)
def test_a_wrong_schema_names_the_key_and_the_nearest(write, old, new, error, message) -> None:
    assert SCHEMA.count(old) >= 1
    schema = write(SCHEMA.replace(old, new, 1), "s.toml")
    with pytest.raises(error, match=message):
        tabular.read(write(TABLE), schema=schema)


def test_a_schema_that_cannot_be_read_is_named(write, tmp_path) -> None:
    path = write(TABLE)
    for schema in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(StorageError, match=str(schema)):
            tabular.read(path, schema=schema)
    with pytest.raises(SchemaError, match="not a text file"):
        tabular.read(path, schema=write(b"\xff\xfe\x00", "s.toml"))
    for empty in ("", 'architecture = "model"\n', 'architecture = "model"\n[column]\n'):
        with pytest.raises(SchemaError, match="needs architecture"):
            tabular.read(path, schema=write(empty, "s.toml"))


def test_rows_are_chosen_by_a_pattern_with_groups_and_counted_from_the_file(write) -> None:
    schema = write(
        'architecture = "a"\n[[table]]\nselect = "^(x)-"\n[column]\nacc = {}\n', "s.toml"
    )
    table = only(write("a,acc\nx-1,1\ny-1,2\nx-2,3\n"), schema=schema)
    assert table.data[0].tolist() == [1, 3]
    assert table.imported is not None
    assert table.imported.left_out == ("1 row that '^(x)-' does not match",)
    with pytest.raises(DataFileError, match="'bad' in row 4"):
        tabular.read(write("a,acc\nx-1,1\ny-1,2\nx-2,bad\n"), schema=schema)


@pytest.mark.parametrize(("cell", "shown"), [("high", "high"), ("93.1%", "93.1%"), ("inf", "inf")])
def test_a_cell_that_is_no_finite_number_names_its_row_and_value(write, cell, shown) -> None:
    path = write(f"arch,acc\na-b,1\na-c,{cell}\nb-b,2\n")
    with pytest.raises(DataFileError, match=f"column 'acc' holds '{shown}' in row 3"):
        tabular.read(path)


def test_an_empty_architecture_names_its_row(write) -> None:
    with pytest.raises(DataFileError, match="column 'arch' is empty in row 3"):
        tabular.read(write("arch,acc\na-b,1\n,2\na-c,3\n"))


def test_empty_cells_are_not_measured(write) -> None:
    table = only(write("arch,acc\na-b,\na-c,2\na-d,NaN\n"))
    assert np.array_equal(table.data[0], [np.nan, 2, np.nan], equal_nan=True)


RANDOM = np.random.default_rng(0)  # the same in every process that collects tests


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"", "t.csv"),
        (b"\n\n\n", "t.csv"),
        (b"arch,acc\n", "t.csv"),
        (RANDOM.bytes(5000), "t.csv"),
        (b"\0" * 5000, "t.csv"),
        ("árch,acc\na-b,1\n".encode("latin-1"), "t.csv"),
        (b"arch,acc\na-b,1\na-c,1,2\n", "t.csv"),
        (b"arch,acc\na-b,1,5\na-c,1,2\n", "t.csv"),
        (
            gzip.compress(b"arch,acc\n" + RANDOM.bytes(999).hex().encode(), mtime=0)[:-200],
            "t.csv.gz",
        ),
        (b"", "t.csv.gz"),
        (b"", "t.parquet"),
        (RANDOM.bytes(500), "t.parquet"),
        (b"PK\3\4rest", "t.zip"),
    ],
)
def test_a_broken_file_is_refused_by_name(write, content, name) -> None:
    path = write(content, name)
    with pytest.raises(DataFileError, match=str(path)):
        tabular.read(path)


def test_a_latin_1_file_is_told_to_be_utf_8(write) -> None:
    with pytest.raises(DataFileError, match="UTF-8"):
        tabular.read(write("arch,acc\nÄ-b,1\n".encode("latin-1")))


def test_a_missing_file_or_a_folder_is_a_storage_error(tmp_path) -> None:
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(StorageError, match=f"no file {path}"):
            tabular.read(path)


@pytest.mark.parametrize("content", ["arch,note\na-b,c-d\n", "a,b\n1,2\n", "x,y,acc\na b,c d,1\n"])
def test_a_file_that_leaves_it_open_which_column_is_which_asks_for_a_schema(write, content) -> None:
    with pytest.raises(
        SchemaError, match=r"cannot tell which column.*t\.csv\.toml or with --schema"
    ):
        tabular.read(write(content))


@pytest.mark.parametrize(
    "content",
    [
        "arch,acc\n1-2,3\n",
        "\ufeffarch,acc\r\n1-2,3\r\n",
        'arch,acc\n"(1, 2)",3\n',
        '"arch","acc"\n"(1,2)","3"\n',
        "acc,arch\n3.0,1-2",
        "arch,acc\n1-2,3e0\n",
    ],
)
def test_spellings_of_the_same_file(write, content) -> None:
    table = only(write(content))
    assert len(table) == 1
    assert table.space.format(table.codes) == ["1|2"]
    assert table.values(task="default", metric="acc").tolist() == [3]


def test_codes_of_digits_keep_their_zeros(write) -> None:
    schema = write('architecture = "arch"\n[column]\nacc = {}\n', "s.toml")
    table = only(write("arch,acc\n012,1\n112,2\n"), schema=schema)
    assert len(table) == 2
    with pytest.raises(SchemaError, match="zeros in front"):
        only(write("arch,acc\n012,1\n12,2\n"), schema=schema)


@pytest.mark.parametrize("indexed", [False, True])
def test_parquet_says_the_same_as_csv(tmp_path, indexed) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"cell": CELLS, "acc": rng.normal(size=3), "ms": [1, None, 3]})
    frame.to_csv(tmp_path / "t.csv", index=False)
    written = frame.set_index("cell") if indexed else frame
    written.to_parquet(tmp_path / "t.parquet")
    one, other = only(tmp_path / "t.csv"), only(tmp_path / "t.parquet")
    assert one.space == other.space
    assert np.array_equal(one.codes, other.codes)
    for a, b in zip(one.data, other.data, strict=True):
        assert np.array_equal(a, b, equal_nan=True)


def test_parquet_cells_that_are_no_numbers_are_named(tmp_path) -> None:
    path = tmp_path / "t.parquet"
    pd.DataFrame({"cell": CELLS, "acc": [[1.0], [2.0], [3.0]]}).to_parquet(path)
    (tmp_path / "t.toml").write_text('architecture = "cell"\n[column]\nacc = {}\n')
    with pytest.raises(DataFileError, match=r"column 'acc' holds .* in row 2"):
        tabular.read(path)


@pytest.mark.parametrize("name", ["a/b", "..", "", " x", "a\\b", "x" * 65, "é", "-x", "con fig"])
def test_a_name_that_cannot_be_a_files_is_refused(write, name) -> None:
    with pytest.raises(ParameterError, match="cannot name a table"):
        only(write("arch,acc\na-b,1\n"), name=name)


def test_a_file_whose_own_name_does_not_do_asks_for_one(write) -> None:
    path = write("arch,acc\na-b,1\n", "my table (2).csv")
    with pytest.raises(ParameterError, match="--as NAME"):
        import_table(path)
    assert only(path, name="mine").name == "mine"
