"""nasurge.data.tables and .catalogue: what is kept, how it is found, and what cannot destroy it."""

import gc
import itertools
import os
import pickle
import subprocess
import sys
import textwrap
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import labels, product_spaces

from nasurge.data.catalogue import SHIPPED, import_table, load_table, table_names
from nasurge.data.files import atomic_write, home
from nasurge.data.spaces import ProductSpace, make_space
from nasurge.data.table_files import content_digest, open_table, read_table, write_table
from nasurge.data.tables import Column, build_table
from nasurge.errors import (
    ArchitectureError,
    DataFileError,
    ParameterError,
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


def stored(folder):
    """Return the files below a folder, locks aside."""
    return sorted(
        p.name for p in folder.rglob("*") if p.is_file() and p.suffix not in (".lock", ".pyc")
    )


# A file and what is in it.


def test_a_written_table_is_read_back_whole(tmp_path):
    table = small()
    path = tmp_path / "t.safetensors"
    write_table(path, table)
    found = read_table(path)
    assert_same(found, table)
    assert (found.name, found.origin, found.path) == ("small", "a test", path)
    assert found.digest == content_digest(table) == content_digest(found)
    assert stored(tmp_path) == [path.name]


@settings(max_examples=25)
@given(st.data(), product_spaces())
def test_any_strangers_table_survives_its_file(tmp_path_factory, data, space):
    n = data.draw(st.integers(1, min(space.size, 20)))
    codes = space.sample(n, seed=0, unique=True)
    values = data.draw(labels(n, ties=False, missing=True))
    column = Column(data.draw(st.text(max_size=5)), "é accuracy", source="x")
    table = build_table("t", space, codes, [(column, values)], roles={}, origin="")
    path = tmp_path_factory.mktemp("any") / "t.safetensors"
    write_table(path, table)
    assert_same(read_table(path), table)


def test_a_table_cannot_be_changed(tmp_path):
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


def test_arrays_are_views_of_the_mapped_file(analog):
    for array in (analog.codes, *analog.data):
        assert isinstance(origin_of(array), np.memmap)
        assert Path(origin_of(array).filename) == analog.path


def test_a_file_is_read_once_per_process_and_again_when_it_changes(tmp_path):
    path = tmp_path / "t"
    write_table(path, small())
    first = open_table(path)
    assert open_table(path) is first
    write_table(path, small(n=21))
    assert len(open_table(path)) == 21
    assert len(first) == 20
    assert np.isfinite(first.data[0]).all()


def test_the_checksum_is_of_the_content_not_of_the_name(tmp_path):
    assert content_digest(small("x")) == content_digest(small("y"))
    others = [
        small(n=19),
        small(extra=[Column("b", "size")]),
        small(space=ProductSpace([list("abcde")] * 6)),
    ]
    digests = [content_digest(table) for table in (small(), *others)]
    assert len(set(digests)) == len(digests)


def test_damage_anywhere_in_a_file_is_seen(tmp_path):
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


def test_a_truncated_empty_or_foreign_file_is_refused(tmp_path):
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


def test_a_file_of_another_format_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr("nasurge.data.table_files.FORMAT", 99)
    write_table(tmp_path / "t", small())
    monkeypatch.undo()
    with pytest.raises(DataFileError, match=r"format 99, .* import the table again"):
        read_table(tmp_path / "t")


def test_a_missing_file_or_a_folder_is_a_storage_error(tmp_path):
    for path in (tmp_path / "none", tmp_path):
        for read in (open_table, read_table):
            with pytest.raises(StorageError, match=str(path)):
                read(path)


# Processes.


def look(table):
    """Say, from another process, what memory a table's values are."""
    column = table.data[0]
    return os.getpid(), str(origin_of(column).filename), float(np.nansum(column))


def test_a_worker_process_maps_the_same_file(analog):
    assert len(pickle.dumps(analog)) < 1000
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        pid, path, total = pool.submit(look, analog).result(timeout=120)
    assert pid != os.getpid()
    assert Path(path) == analog.path
    assert total == float(np.nansum(analog.data[0]))


def test_a_table_in_memory_is_pickled_whole():
    table = small()
    assert_same(pickle.loads(pickle.dumps(table)), table)


def python(code, folder):
    """Start a process of its own that works in the home ``folder``."""
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={**os.environ, "NASURGE_HOME": str(folder)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def end(process):
    """Return what a process printed; it must have ended well."""
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return out.strip()


@pytest.mark.parametrize("before", ["nothing", "damage"])
def test_processes_that_make_a_shipped_table_at_once_all_get_it(analog, tmp_path, before):
    shipped = tmp_path / "tables" / "shipped"
    if before == "damage":
        shipped.mkdir(parents=True)
        (shipped / analog.path.name).write_bytes(analog.path.read_bytes()[:-100] + b"x" * 100)
    code = """
        import sys, time
        from nasurge.data.catalogue import load_table
        sys.stdin.readline()
        table = load_table("nb201-analog")
        print(table.digest, table.values(task="cifar10", metric="baseline_accuracy").sum())
    """
    processes = [python(code, tmp_path) for _ in range(3)]
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    expected = f"{analog.digest} {analog.values(**QUERY).sum()}"
    for process in processes:
        assert end(process) == expected
    assert [p.name for p in shipped.iterdir() if p.suffix != ".lock"] == [analog.path.name]


def test_a_damaged_shipped_table_is_made_again(analog, elsewhere):
    path = elsewhere / "tables" / "shipped" / analog.path.name
    path.parent.mkdir(parents=True)
    whole = analog.path.read_bytes()
    for damaged in (b"", whole[:1000], whole[:-8] + b"damage!!", b"not a table at all"):
        path.write_bytes(damaged)
        assert_same(load_table("nb201-analog"), analog)
        assert path.read_bytes() == whole


# Disks that do not take what is written.


def blocked(tmp_path):
    """Return a folder that nobody, root included, can make: its parent is a file."""
    (tmp_path / "file").write_text("in the way")
    return tmp_path / "file" / "home"


def test_a_home_that_cannot_be_made_is_named_with_the_way_out(tmp_path, monkeypatch):
    folder = blocked(tmp_path)
    monkeypatch.setenv("NASURGE_HOME", str(folder))
    csv = tmp_path / "t.csv"
    csv.write_text("arch,acc\na-b,1\n")
    for attempt in (lambda: load_table("nb201-analog"), lambda: import_table(csv)):
        with pytest.raises(StorageError, match="NASURGE_HOME") as caught:
            attempt()
        assert str(folder) in str(caught.value)
        assert "make it writable" in str(caught.value)
    assert table_names() == list(SHIPPED)
    with pytest.raises(UnknownNameError):
        load_table("t")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "t.csv"]


FULL = """
    import resource, sys
    from nasurge.data.catalogue import import_table, load_table
    from nasurge.errors import StorageError
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
    try:
        {}
    except StorageError as error:
        print(error)
    else:
        sys.exit("it was written")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX limits on file sizes")
def test_a_full_disk_leaves_nothing_half_written(tmp_path):
    message = end(python(FULL.format("load_table('nb201-analog')"), tmp_path))
    assert str(tmp_path) in message
    assert "free some space" in message
    assert "File too large" in message
    assert stored(tmp_path) == []


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX limits on file sizes")
def test_a_full_disk_leaves_the_table_that_was_there(elsewhere, tmp_path):
    csv = tmp_path / "t.csv"
    csv.write_text("arch,acc\na-b,1\na-c,2\n")
    [before] = import_table(csv)
    content = before.path.read_bytes()
    csv.write_text("arch,acc\n" + "".join(f"a-{k // 90}-{k % 90},{k}\n" for k in range(3000)))
    code = f"import_table({str(csv)!r}, replace_existing=True)"
    assert "free some space" in end(python(FULL.format(code), elsewhere))
    assert stored(elsewhere) == [before.path.name]
    assert before.path.read_bytes() == content


def test_an_error_while_writing_keeps_the_earlier_file(tmp_path):
    path = tmp_path / "deep" / "file"
    with atomic_write(path) as file:
        file.write(b"first")

    def interrupted(error):
        with atomic_write(path) as file:
            file.write(b"second")
            raise error

    for error, seen in (
        (ValueError, ValueError),
        (KeyboardInterrupt,) * 2,
        (OSError, StorageError),
    ):
        with pytest.raises(seen):
            interrupted(error)
    assert path.read_bytes() == b"first"
    assert stored(tmp_path) == ["file"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_write_to_a_full_device_is_a_storage_error(tmp_path, monkeypatch):
    def no_space(*_, **__):
        return os.open("/dev/full", os.O_WRONLY), str(tmp_path / "part")

    (tmp_path / "part").write_bytes(b"")
    monkeypatch.setattr("tempfile.mkstemp", no_space)
    with pytest.raises(StorageError, match="No space left on device"):
        write_table(tmp_path / "t", small())
    assert stored(tmp_path) == []


# Queries.


def test_a_query_finds_the_one_column():
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
def test_a_query_that_fits_nothing_suggests_what_is_there(query, message):
    for ask in (small().find, small().values):
        with pytest.raises(UnknownNameError, match=message):
            ask(**query)
    with pytest.raises(UnknownNameError, match=message):
        small().lookup(small().codes, **query)


def test_a_query_that_fits_several_columns_lists_them():
    with pytest.raises(SchemaError, match="4 columns of small/a are 'accuracy'") as caught:
        small().find(task="a", metric="accuracy")
    for choice in ("split='valid', epoch=12, seed=None", "seed=1", "seed='mean'"):
        assert choice in str(caught.value)


def test_defaults_are_what_the_description_says_or_the_only_column():
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


def test_a_role_that_names_no_column_is_refused():
    space, measured = make_space("nb201"), [(Column("a", "m", source="x"), [1.0])]
    with pytest.raises(UnknownNameError, match=r"column 'y'.*role of task 'a'"):
        build_table("t", space, [[0] * 6], measured, roles={"a": ("x", "y")}, origin="")
    with pytest.raises(SchemaError, match="no measured column"):
        build_table("t", space, [[0] * 6], [], roles={}, origin="")


def test_runs_are_the_training_runs_behind_a_mean():
    table = small()
    assert np.array_equal(
        table.runs(3), np.stack([table.data[1], table.data[2]], axis=1), equal_nan=True
    )
    assert table.runs(0) is None
    assert table.runs(1) is None


def test_lookup_gives_each_architecture_its_own_value(analog):
    order = np.random.default_rng(0).permutation(len(analog))
    values = analog.values(**QUERY)
    assert np.array_equal(analog.lookup(analog.codes[order], **QUERY), values[order])
    assert np.array_equal(analog.rows(analog.codes[order]), order)
    assert analog.lookup(analog.codes[[5, 5]], **QUERY).tolist() == [values[5]] * 2
    assert analog.lookup(analog.codes[:0], **QUERY).shape == (0,)
    assert analog.lookup(analog.codes[order].astype(float).tolist(), **QUERY).shape == (15625,)


def test_lookup_refuses_what_the_table_does_not_hold():
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


def test_lookup_of_what_was_not_measured_is_nan(nbgraph):
    values = nbgraph.values(task="proteins", metric="accuracy", split="test")
    assert np.isnan(values).sum() == 26206 - 2021
    row = int(np.argmax(np.isnan(values)))
    query = {"task": "proteins", "metric": "accuracy", "split": "test"}
    assert np.isnan(nbgraph.lookup(nbgraph.codes[[row]], **query)[0])


def test_a_twin_is_looked_up_as_its_function(nbgraph):
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


def test_a_table_of_a_space_too_large_to_list_is_searched():
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


# Names.


def test_an_unknown_table_says_how_to_get_it(elsewhere):
    with pytest.raises(UnknownNameError, match="did you mean 'nb201-analog'"):
        load_table("nb201-analogue")
    for name in ("nb201", "transnas-micro", "transnas-macro"):
        with pytest.raises(UnknownNameError, match=f"nasurge import .* --as {name}"):
            load_table(name)
    for name in ("../../etc/passwd", "", "a/b", "shipped/x", "\0", "x" * 5000):
        with pytest.raises(UnknownNameError):
            load_table(name)


def test_a_missing_package_is_named(elsewhere, monkeypatch):
    shipped = SHIPPED["nbgraph"]
    gone = type(shipped)("no-such-package", "no_such_package", "x", "nbgraph")
    monkeypatch.setitem(SHIPPED, "nbgraph", gone)
    with pytest.raises(StorageError, match="pip install no-such-package"):
        load_table("nbgraph")


def test_the_home_does_not_depend_on_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NASURGE_HOME", "here")
    assert home() == tmp_path / "here"
    monkeypatch.setenv("NASURGE_HOME", "~/there")
    assert home() == Path.home() / "there"
    monkeypatch.delenv("NASURGE_HOME")
    assert home().is_absolute()


def test_import_refuses_to_replace_other_content_unless_told(elsewhere, tmp_path):
    csv = tmp_path / "t.csv"
    csv.write_text("arch,acc\na-b,1\na-c,2\n")
    [first] = import_table(csv)
    assert table_names() == [*SHIPPED, "t"]
    content, stamp = first.path.read_bytes(), first.path.stat().st_mtime_ns

    csv.write_text("arch,acc\na-b,1\na-c,3\n")
    with pytest.raises(ParameterError, match=r"'t' of other content exists.*--as.*--force"):
        import_table(csv)
    assert first.path.read_bytes() == content

    schema = tmp_path / "other.toml"
    schema.write_text('architecture = "arch"\n[column]\nacc = { task = "other" }\n')
    csv.write_text("arch,acc\na-b,1\na-c,2\n")
    with pytest.raises(ParameterError, match="other content"):  # the same file, read otherwise
        import_table(csv, schema=schema)
    assert import_table(csv)[0].path.stat().st_mtime_ns == stamp  # the same content: nothing to do
    csv.rename(tmp_path / "renamed.csv")
    assert import_table(tmp_path / "renamed.csv", name="t")[0].digest == first.digest
    assert first.path.stat().st_mtime_ns == stamp

    [second] = import_table(
        tmp_path / "renamed.csv", name="t", schema=schema, replace_existing=True
    )
    assert load_table("t").tasks == second.tasks == ["other"]
    assert stored(elsewhere) == [first.path.name]


def test_a_failed_import_changes_nothing(elsewhere, tmp_path):
    csv = tmp_path / "t.csv"
    csv.write_text("arch,acc\na-b,1\n")
    [table] = import_table(csv)
    content = table.path.read_bytes()
    for bad in ("", "arch,acc\n", "arch,acc\na-b,x\na-c,1\n", "arch,acc\na-b,inf\n"):
        csv.write_text(bad)
        with pytest.raises((DataFileError, SchemaError)):
            import_table(csv, replace_existing=True)
    for name in SHIPPED:
        csv.write_text("arch,acc\na-b,1\n")
        with pytest.raises(ParameterError, match="shipped table"):
            import_table(csv, name=name, replace_existing=True)
    assert stored(elsewhere) == [table.path.name]
    assert table.path.read_bytes() == content


def test_an_imported_table_that_is_damaged_is_said_so_and_can_be_imported_again(
    elsewhere, tmp_path
):
    csv = tmp_path / "t.csv"
    csv.write_text("arch,acc\na-b,1\na-c,2\n")
    [table] = import_table(csv)
    whole = table.path.read_bytes()
    table.path.write_bytes(whole[:-3])
    with pytest.raises(DataFileError, match=str(table.path)):
        load_table("t")
    assert "t" in table_names()
    import_table(csv)
    assert table.path.read_bytes() == whole
