"""nasurge.data.tables: what is kept, how it is found, and what cannot destroy it."""

import gc
import itertools
import os
import pickle
import shutil
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import labels, product_spaces

from nasurge.data.spaces import ProductSpace, make_space
from nasurge.data.tables import Column, build_table, files
from nasurge.data.tables.files import content_digest, open_table, read_table, write_table
from nasurge.errors import (
    ArchitectureError,
    DataFileError,
    SchemaError,
    StorageError,
    UnknownNameError,
)

QUERY = {"task": "cifar10", "metric": "baseline_accuracy"}


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A home of its own for one test."""
    monkeypatch.setenv("NASURGE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def small(name="small", n=20, *, space=None, extra=()):
    """Return a table of two tasks, two lengths and three runs."""
    space = space or make_space("nb201")
    codes = space.sample(n, seed=0, unique=True)
    rng = np.random.default_rng(0)
    described = [
        Column("a", "accuracy", "valid", 12, source="va"),
        *(Column("a", "accuracy", "test", 200, seed, source=f"t{seed}") for seed in (0, 1, "mean")),
        Column("b", "accuracy", unit="%"),
        Column("b", "latency", minimise=True, unit="ms"),
        *extra,
    ]
    measured = [(column, rng.normal(size=n)) for column in described]
    measured[1][1][0] = np.nan
    return build_table(name, space, codes, measured, roles={"a": ("va", "tmean")}, origin="a test")


def assert_same(first, second):
    assert first.space == second.space
    assert first.columns == second.columns
    assert first.roles == second.roles
    assert np.array_equal(first.codes, second.codes)
    for ours, theirs in zip(first.data, second.data, strict=True):
        assert np.array_equal(ours, theirs, equal_nan=True)


def origin_of(array):
    """Return the object that owns the memory an array looks at."""
    while getattr(array, "base", None) is not None and not isinstance(array, np.memmap):
        array = array.base
    return array


# A file and what is in it.


def test_a_written_table_is_read_back_whole(tmp_path) -> None:
    table = small()
    path = tmp_path / "t.safetensors"
    write_table(path, table)
    found = read_table(path)
    assert_same(found, table)
    assert (found.name, found.origin, found.path) == ("small", "a test", path)
    assert found.digest == content_digest(table) == content_digest(found)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@settings(max_examples=25)
@given(st.data(), product_spaces())
def test_any_strangers_table_survives_its_file(tmp_path_factory, data, space) -> None:
    n = data.draw(st.integers(1, min(space.size, 20)))
    codes = space.sample(n, seed=0, unique=True)
    values = data.draw(labels(n, ties=False, missing=True))
    column = Column(data.draw(st.text(max_size=5)), "é accuracy", source="x")
    table = build_table("t", space, codes, [(column, values)], roles={}, origin="")
    path = tmp_path_factory.mktemp("any") / "t.safetensors"
    write_table(path, table)
    assert_same(read_table(path), table)


def test_a_table_cannot_be_changed(tmp_path) -> None:
    values = np.arange(3.0)
    space = make_space("nb201")
    codes = space.sample(3, seed=0, unique=True)
    table = build_table("t", space, codes, [(Column("a", "m"), values)], roles={}, origin="")
    values[0] = 9
    codes[0] = 0
    write_table(tmp_path / "t", table)
    for made in (table, read_table(tmp_path / "t"), pickle.loads(pickle.dumps(table))):
        assert made.values(task="a", metric="m").tolist() == [0, 1, 2]
        for array in (made.codes, *made.data):
            with pytest.raises(ValueError, match="read-only"):
                array[0] = 1
        with pytest.raises(AttributeError):
            made.name = "other"
        looked = made.lookup(made.codes, task="a", metric="m")
        looked[0] = 7  # a copy is the caller's


def test_arrays_of_a_large_table_are_views_of_the_mapped_file(analog, monkeypatch) -> None:
    monkeypatch.setattr(files, "MOST_COPIED", 1000)
    table = read_table(analog.path)
    for array in (table.codes, *table.data):
        assert isinstance(origin_of(array), np.memmap)
        assert Path(origin_of(array).filename) == analog.path


def test_a_file_that_is_cut_short_while_it_is_used_changes_nothing(tmp_path, analog) -> None:
    """Of a mapped file, the process would be ended by SIGBUS."""
    path = tmp_path / "t"
    shutil.copy(analog.path, path)
    table = read_table(path)
    os.truncate(path, 5000)
    assert_same(table, analog)


def test_a_file_is_read_once_per_process_and_again_when_it_changes(tmp_path) -> None:
    path = tmp_path / "t"
    write_table(path, small())
    first = open_table(path)
    assert open_table(path) is first
    write_table(path, small(n=21))
    assert len(open_table(path)) == 21
    assert len(first) == 20
    assert np.isfinite(first.data[0]).all()


def test_the_checksum_is_of_the_content_not_of_the_name(tmp_path) -> None:
    assert content_digest(small("x")) == content_digest(small("y"))
    others = [
        small(n=19),
        small(extra=[Column("b", "size")]),
        small(space=ProductSpace([list("abcde")] * 6)),
    ]
    digests = [content_digest(table) for table in (small(), *others)]
    assert len(set(digests)) == len(digests)


def test_damage_anywhere_in_a_file_is_seen(tmp_path) -> None:
    path = tmp_path / "t.safetensors"
    table = small(n=4)
    write_table(path, table)
    whole = path.read_bytes()
    seen = 0
    for position, bit in itertools.product(range(len(whole)), (1, 64)):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ bit]) + whole[position + 1 :])
        try:
            found = read_table(path)
        except DataFileError:
            seen += 1
        else:
            assert_same(found, table)  # the bit was in the name, the origin or padding
    assert seen > 1.8 * len(whole)
    gc.collect()


def test_a_truncated_empty_or_foreign_file_is_refused(tmp_path) -> None:
    path = tmp_path / "t.safetensors"
    write_table(path, small(n=3))
    whole = path.read_bytes()
    for content in (
        *(whole[:length] for length in range(0, len(whole), 7)),
        whole + b"\0",
        b"\0" * 100,
        os.urandom(500),
        pickle.dumps({"a": 1}),
        b"\x02\0\0\0\0\0\0\0{}",
        b"\x02\0\0\0\0\0\0\0[]",
    ):
        path.write_bytes(content)
        with pytest.raises(DataFileError, match="truncated or not a table"):
            read_table(path)


def test_a_file_of_another_format_says_what_to_do(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("nasurge.data.tables.files.FORMAT", 99)
    write_table(tmp_path / "t", small())
    monkeypatch.undo()
    with pytest.raises(DataFileError, match=r"format 99, .* import the table again"):
        read_table(tmp_path / "t")


def test_a_missing_file_or_a_folder_is_a_storage_error(tmp_path) -> None:
    for path in (tmp_path / "none", tmp_path):
        for read in (open_table, read_table):
            with pytest.raises(StorageError, match=str(path)):
                read(path)


def look(table):
    """Say, from another process, what file a table is of."""
    return os.getpid(), str(table.path), float(np.nansum(table.data[0]))


def test_a_worker_process_reads_the_same_file(analog) -> None:
    assert len(pickle.dumps(analog)) < 1000
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        pid, path, total = pool.submit(look, analog).result(timeout=120)
    assert pid != os.getpid()
    assert Path(path) == analog.path
    assert total == float(np.nansum(analog.data[0]))


def test_a_table_in_memory_is_pickled_whole() -> None:
    table = small()
    assert_same(pickle.loads(pickle.dumps(table)), table)


# Queries.


def test_a_query_finds_the_one_column() -> None:
    table = small()
    assert table.tasks == ["a", "b"]
    assert table.metrics == ["accuracy", "latency"]
    assert table.find(task="a", metric="accuracy", epoch=12) == 0
    assert table.find(task="a", metric="accuracy", split="test", seed=1) == 2
    assert table.find(task="a", metric="accuracy", seed="mean") == 3
    assert table.find(task="a", metric="t1") == 2
    assert table.find(task="b", metric="accuracy") == 4
    # As a command line or NumPy may give them.
    assert table.find(task="a", metric="accuracy", epoch="200", seed="1") == 2
    assert table.find(task="a", metric="accuracy", epoch=np.int64(200), seed=np.int64(0)) == 1
    for k, values in enumerate(table.data):
        described = table.columns[k]
        query = {key: getattr(described, key) for key in ("task", "split", "epoch", "seed")}
        assert table.values(metric=described.metric, **query) is values
    assert "latency" in str(table.columns[5])
    assert str(table.columns[1]) == "a test accuracy, 200 epochs, seed 0"


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"task": "cifar", "metric": "accuracy"}, "unknown task 'cifar'; known: a, b .*'small'"),
        ({"task": "a", "metric": "acuracy"}, "'acuracy'; did you mean 'accuracy'.*small/a"),
        ({"task": "a", "metric": "xyz"}, "unknown metric 'xyz'; known: accuracy, va"),
        ({"task": "a", "metric": "accuracy", "epoch": 100}, "unknown epoch '100'.*has 12, 200"),
        ({"task": "a", "metric": "accuracy", "seed": 7}, "unknown seed '7'; known: None, 0, 1"),
        ({"task": "a", "metric": "accuracy", "split": "tst"}, "did you mean 'test'"),
        ({"task": "b", "metric": "accuracy", "epoch": 12}, "unknown epoch '12'; known: None"),
    ],
)
def test_a_query_that_fits_nothing_suggests_what_is_there(query, message) -> None:
    for ask in (small().find, small().values):
        with pytest.raises(UnknownNameError, match=message):
            ask(**query)
    with pytest.raises(UnknownNameError, match=message):
        small().lookup(small().codes, **query)


def test_a_query_that_fits_several_columns_lists_them() -> None:
    with pytest.raises(SchemaError, match="4 columns of small/a are 'accuracy'") as caught:
        small().find(task="a", metric="accuracy")
    for choice in ("split='valid', epoch=12, seed=None", "seed=1", "seed='mean'"):
        assert choice in str(caught.value)


def test_defaults_are_what_the_description_says_or_the_only_column() -> None:
    table = small()
    assert (table.default("a").search, table.default("a").report) == (0, 3)
    with pytest.raises(SchemaError, match=r"small/b has several columns.*--metric.*latency"):
        table.default("b")
    with pytest.raises(UnknownNameError, match="unknown task 'c'"):
        table.default("c")
    space = make_space("nb201")
    one = [(Column("c", "m"), [1.0])]
    alone = build_table("t", space, space.sample(1, seed=0), one, roles={}, origin="")
    assert alone.default("c").search == alone.default("c").report == 0


def test_a_role_that_names_no_column_is_refused() -> None:
    space, measured = make_space("nb201"), [(Column("a", "m", source="x"), [1.0])]
    with pytest.raises(UnknownNameError, match=r"column 'y'.*role of task 'a'"):
        build_table("t", space, [[0] * 6], measured, roles={"a": ("x", "y")}, origin="")
    with pytest.raises(SchemaError, match="no measured column"):
        build_table("t", space, [[0] * 6], [], roles={}, origin="")


def test_runs_are_the_training_runs_behind_a_mean() -> None:
    table = small()
    assert np.array_equal(
        table.runs(3), np.stack([table.data[1], table.data[2]], axis=1), equal_nan=True
    )
    assert table.runs(0) is None
    assert table.runs(1) is None


def test_lookup_gives_each_architecture_its_own_value(analog) -> None:
    order = np.random.default_rng(0).permutation(len(analog))
    values = analog.values(**QUERY)
    assert np.array_equal(analog.lookup(analog.codes[order], **QUERY), values[order])
    assert np.array_equal(analog.rows(analog.codes[order]), order)
    assert analog.lookup(analog.codes[[5, 5]], **QUERY).tolist() == [values[5]] * 2
    assert analog.lookup(analog.codes[:0], **QUERY).shape == (0,)
    assert analog.lookup(analog.codes[order].astype(float).tolist(), **QUERY).shape == (15625,)


def test_lookup_refuses_what_the_table_does_not_hold() -> None:
    table = small()
    space = table.space
    ids = set(space.function_ids(table.codes).tolist())
    others = space.all_codes()
    others = others[~np.isin(space.function_ids(others), list(ids))]
    codes = np.vstack([table.codes[:2], others[:1]])
    with pytest.raises(ArchitectureError, match="not among the 20 architectures") as caught:
        table.lookup(codes, task="b", metric="latency")
    assert "row 2" in str(caught.value)
    assert space.format(others[:1])[0] in str(caught.value)
    with pytest.raises(ArchitectureError, match="is 9, allowed"):
        table.lookup([[9] * 6], task="b", metric="latency")
    with pytest.raises(ArchitectureError, match="shape"):
        table.lookup(table.codes[0], task="b", metric="latency")


def test_lookup_of_what_was_not_measured_is_nan(nbgraph) -> None:
    values = nbgraph.values(task="proteins", metric="accuracy", split="test")
    assert np.isnan(values).sum() == 26206 - 2021
    row = int(np.argmax(np.isnan(values)))
    query = {"task": "proteins", "metric": "accuracy", "split": "test"}
    assert np.isnan(nbgraph.lookup(nbgraph.codes[[row]], **query)[0])


def test_a_twin_is_looked_up_as_its_function(nbgraph) -> None:
    space = nbgraph.space
    query = {"task": "cora", "metric": "accuracy", "split": "test"}
    # The order of siblings does not matter, nor does which node has which name.
    twins = space.parse(
        ["0-0-0-0|gcn|gat|fc|gin", "0-0-0-0|gin|fc|gat|gcn", "0-0-0-0|fc|gin|gcn|gat"]
    )
    assert len(np.unique(nbgraph.lookup(twins, **query))) == 1
    # Every architecture of the space has a row, that of its function.
    everything = space.all_codes()
    rows = nbgraph.rows(everything)
    held = space.function_ids(nbgraph.codes)
    assert np.array_equal(held[rows], space.function_ids(everything))
    assert np.array_equal(nbgraph.rows(nbgraph.codes), np.arange(len(nbgraph)))


def test_a_table_of_a_space_too_large_to_list_is_searched() -> None:
    space = ProductSpace([list("abcdefghij")] * 12)
    codes = space.sample(1000, seed=0, unique=True)
    values = np.arange(1000.0)
    table = build_table("t", space, codes, [(Column("a", "m"), values)], roles={}, origin="")
    order = np.random.default_rng(0).permutation(1000)
    assert np.array_equal(table.lookup(codes[order], task="a", metric="m"), order)
    assert table.lookup(codes[:0], task="a", metric="m").shape == (0,)
    stranger = space.sample(1, seed=1)
    ends = space.from_index([0, space.size - 1])
    for other in (stranger, *ends[:, None]):
        with pytest.raises(ArchitectureError, match=f"{space.format(other)[0]}.*row 1"):
            table.rows(np.vstack([codes[:1], other]))
