"""nasurge.data.tables.catalogue: tables by name, several processes at once, and disks that fail."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from nasurge.data.files import atomic_write, home
from nasurge.data.tables.catalogue import OWN, SHIPPED, import_table, load_table, table_names
from nasurge.data.tables.files import write_table
from nasurge.errors import (
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


def stored(folder):
    """Return the files below a folder, locks aside."""
    return sorted(
        p.name for p in folder.rglob("*") if p.is_file() and p.suffix not in (".lock", ".pyc")
    )


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
def test_processes_that_make_a_shipped_table_at_once_all_get_it(analog, tmp_path, before) -> None:
    shipped = tmp_path / "tables" / "shipped"
    if before == "damage":
        shipped.mkdir(parents=True)
        (shipped / analog.path.name).write_bytes(analog.path.read_bytes()[:-100] + b"x" * 100)
    code = """
        import sys, time
        from nasurge.data.tables import load_table
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


def test_a_damaged_shipped_table_is_made_again(analog, elsewhere) -> None:
    path = elsewhere / "tables" / "shipped" / analog.path.name
    path.parent.mkdir(parents=True)
    whole = analog.path.read_bytes()
    for damaged in (b"", whole[:1000], whole[:-8] + b"damage!!", b"not a table at all"):
        path.write_bytes(damaged)
        assert load_table("nb201-analog").digest == analog.digest
        assert path.read_bytes() == whole


# Disks that do not take what is written.


def blocked(tmp_path):
    """Return a folder that nobody, root included, can make: its parent is a file."""
    (tmp_path / "file").write_text("in the way")
    return tmp_path / "file" / "home"


def test_a_home_that_cannot_be_made_is_named_with_the_way_out(tmp_path, monkeypatch) -> None:
    folder = blocked(tmp_path)
    monkeypatch.setenv("NASURGE_HOME", str(folder))
    csv = tmp_path / "t.csv"
    csv.write_text("arch,acc\na-b,1\n")
    for attempt in (lambda: load_table("nb201-analog"), lambda: import_table(csv)):
        with pytest.raises(StorageError, match="NASURGE_HOME") as caught:
            attempt()
        assert str(folder) in str(caught.value)
        assert "a file is in the way" in str(caught.value)
    assert table_names() == [*SHIPPED, *OWN]
    with pytest.raises(UnknownNameError):
        load_table("t")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "t.csv"]


FULL = """
    import resource, sys
    from nasurge.data.tables import import_table, load_table
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
def test_a_full_disk_leaves_nothing_half_written(tmp_path) -> None:
    message = end(python(FULL.format("load_table('nb201-analog')"), tmp_path))
    assert str(tmp_path) in message
    assert "free some space" in message
    assert "File too large" in message
    assert stored(tmp_path) == []


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX limits on file sizes")
def test_a_full_disk_leaves_the_table_that_was_there(elsewhere, tmp_path) -> None:
    csv = tmp_path / "t.csv"
    csv.write_text("arch,acc\na-b,1\na-c,2\n")
    [before] = import_table(csv)
    content = before.path.read_bytes()
    csv.write_text("arch,acc\n" + "".join(f"a-{k // 90}-{k % 90},{k}\n" for k in range(3000)))
    code = f"import_table({str(csv)!r}, replace_existing=True)"
    assert "free some space" in end(python(FULL.format(code), elsewhere))
    assert stored(elsewhere) == [before.path.name]
    assert before.path.read_bytes() == content


def test_an_error_while_writing_keeps_the_earlier_file(tmp_path) -> None:
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
def test_a_write_to_a_full_device_is_a_storage_error(analog, tmp_path, monkeypatch) -> None:
    def no_space(*_, **__):
        return os.open("/dev/full", os.O_WRONLY), str(tmp_path / "part")

    (tmp_path / "part").write_bytes(b"")
    monkeypatch.setattr("tempfile.mkstemp", no_space)
    with pytest.raises(StorageError, match="No space left on device"):
        write_table(tmp_path / "t", analog)
    assert stored(tmp_path) == []


def test_an_unknown_table_says_how_to_get_it(elsewhere) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'nb201-analog'"):
        load_table("nb201-analogue")
    for name in ("nb201", "transnas-micro", "transnas-macro"):
        with pytest.raises(UnknownNameError, match=f"nasurge import .* --as {name}"):
            load_table(name)
    for name in ("../../etc/passwd", "", "a/b", "shipped/x", "\0", "x" * 5000):
        with pytest.raises(UnknownNameError):
            load_table(name)


def test_a_missing_package_is_named(elsewhere, monkeypatch) -> None:
    shipped = SHIPPED["nbgraph"]
    gone = type(shipped)("no-such-package", "no_such_package", "x", "nbgraph")
    monkeypatch.setitem(SHIPPED, "nbgraph", gone)
    with pytest.raises(StorageError, match="pip install no-such-package"):
        load_table("nbgraph")


def test_the_home_does_not_depend_on_the_working_folder(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NASURGE_HOME", "here")
    assert home() == tmp_path / "here"
    monkeypatch.setenv("NASURGE_HOME", "~/there")
    assert home() == Path.home() / "there"
    monkeypatch.delenv("NASURGE_HOME")
    assert home().is_absolute()


def test_import_refuses_to_replace_other_content_unless_told(elsewhere, tmp_path) -> None:
    csv = tmp_path / "t.csv"
    csv.write_text("arch,acc\na-b,1\na-c,2\n")
    [first] = import_table(csv)
    assert table_names() == [*SHIPPED, *OWN, "t"]
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


def test_a_failed_import_changes_nothing(elsewhere, tmp_path) -> None:
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
) -> None:
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
