"""Shipped pickles: what the packages hold is read, and nothing that a file says is run."""

import builtins
import os
import pickle
import struct

import numpy as np
import pytest

from nasurge.data.files import Record, read_pickle
from nasurge.data.sources import analog as analog_source
from nasurge.data.sources import nbgraph as nbgraph_source
from nasurge.errors import (
    DataFileError,
    StorageError,
    UnsafePickleError,
)


@pytest.fixture
def write(tmp_path):
    """Return a function that writes a file and returns its path."""

    def write(content, name="t.csv"):
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


class Attack:
    """A pickle that calls a function when it is read."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    ("function", "argument", "named"),
    [
        (os.system, "touch {}", "system"),
        (builtins.eval, "open({!r}, 'w').close()", "eval"),
        (builtins.exec, "open({!r}, 'w').close()", "exec"),
        (builtins.getattr, "{}", "getattr"),
        (builtins.open, "{}", "open"),
    ],
)
@pytest.mark.parametrize("where", ["alone", "among values"])
def test_a_pickle_that_calls_a_function_is_refused_and_not_run(
    tmp_path, write, function, argument, named, where, protocol
) -> None:
    target = tmp_path / "was run"
    arguments = [argument.format(str(target))] + (["w"] if function is builtins.open else [])
    attack = Attack(function, *arguments)
    content = attack if where == "alone" else {"perf": [0.5, {"deep": attack}]}
    path = write(pickle.dumps(content, protocol))
    allowed = {("package", "Class"): Record}
    for read in (lambda: read_pickle(path, allowed), lambda: analog_source.read(path)):
        with pytest.raises(UnsafePickleError, match=named) as caught:
            read()
        assert str(path) in str(caught.value)
        assert "allow-list" in str(caught.value)
    assert not target.exists()


def test_a_graph_benchmark_that_calls_a_function_is_refused(tmp_path) -> None:
    target = tmp_path / "was run"
    for task in nbgraph_source.TASKS:
        (tmp_path / f"{task}.bench").write_bytes(pickle.dumps({0: Attack(os.mkdir, str(target))}))
    with pytest.raises(UnsafePickleError, match="mkdir"):
        nbgraph_source.read(tmp_path)
    assert not target.exists()


@pytest.mark.parametrize(
    "opcodes",
    [
        b"cos\nsystem\n(S'true'\ntR.",  # protocol 0, by hand
        b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R.",  # STACK_GLOBAL
        b"(S'true'\nios\nsystem\n.",  # INST
        b"c__builtin__\neval\n(S'1'\ntR.",  # the name of Python 2
        b"cpackage\nClass.__init__.__globals__\n.",  # a path through an allowed class
    ],
)
def test_every_way_to_name_a_function_is_closed(write, opcodes) -> None:
    with pytest.raises(UnsafePickleError):
        read_pickle(write(opcodes), {("package", "Class"): Record})


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not a pickle",
        b"\x80\x04",
        pickle.dumps({"a": [1.0] * 100})[:-40],
        b"\x80\x04P1\n.",  # a persistent id
        b"\x80\x04\x82\x01.",  # an extension that nobody registered
        b"cpackage\nClass\n)R(dS'x'\nb.",  # a broken state
        os.urandom(300),
    ],
)
def test_a_file_that_is_no_pickle_is_refused(write, content) -> None:
    with pytest.raises(DataFileError, match="empty, truncated or not a pickle"):
        read_pickle(write(content), {("package", "Class"): Record})


def test_a_missing_pickle_is_a_storage_error(tmp_path) -> None:
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(StorageError, match=str(path)):
            read_pickle(path, {})


@pytest.mark.parametrize(
    "content", [{}, [], 3, {(1, 2): Record()}, {(0,) * 6: 1.0}, {(9,) * 6: Record()}, {"a": None}]
)
def test_a_pickle_that_is_not_the_packages_is_refused(write, monkeypatch, content) -> None:
    monkeypatch.setattr(analog_source, "read_pickle", lambda *_: content)
    with pytest.raises(DataFileError, match="does not hold what analog-nasbench holds"):
        analog_source.read(write(b""))


@pytest.mark.parametrize("content", [{}, [], 3, {"a": {}}, {1: {"perf": 1}}, {99999: {}}])
def test_a_graph_benchmark_that_is_not_the_packages_is_refused(tmp_path, content) -> None:
    (tmp_path / "cora.bench").write_bytes(pickle.dumps(content))
    with pytest.raises(DataFileError, match="does not hold what nas-bench-graph holds"):
        nbgraph_source.read(tmp_path)


def test_a_number_of_another_type_is_refused(tmp_path) -> None:
    (tmp_path / "cora.bench").write_bytes(pickle.dumps({1: {"perf": np.float32(1)}}, 2))
    with pytest.raises(DataFileError, match="number of type 'f4'"):
        nbgraph_source.read(tmp_path)
    assert nbgraph_source._number(None, struct.pack("<d", 0.25)) == 0.25
