"""Shipped pickles: what the packages hold is read, and nothing that a file says is run."""

import builtins
import contextlib
import os
import pickle
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from nasurge.data.files import (
    NumberType,
    Record,
    array_parts,
    number,
    read_pickle,
    unpickle,
)
from nasurge.data.sources import analog as analog_source
from nasurge.data.sources import nbgraph as nbgraph_source
from nasurge.errors import (
    DataFileError,
    LimitError,
    StorageError,
    UnsafePickleError,
)


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
        b"cpackage\nClass\n)R(dS'x'\nb.",  # a broken state
    ],
)
def test_a_file_that_is_no_pickle_is_refused(write, content) -> None:
    with pytest.raises(DataFileError, match="empty, truncated or not a pickle"):
        read_pickle(write(content), {("package", "Class"): Record})


@pytest.mark.parametrize(
    ("content", "instruction"),
    [
        (b"\x80\x04P1\n.", "PERSID"),
        (b"\x80\x04\x82\x01.", "EXT1"),
        (b"(cpackage\nClass\no.", "OBJ"),
        (b"\x80\x04(\x91.", "FROZENSET"),
    ],
)
def test_an_instruction_that_no_published_file_needs_is_refused(write, content, instruction):
    with pytest.raises(UnsafePickleError, match=f"instruction {instruction}"):
        read_pickle(write(content), {("package", "Class"): Record})


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(),
    lambda parts: (
        st.lists(parts)
        | st.tuples(parts, parts)
        | st.dictionaries(st.text() | st.integers(-9, 9) | st.tuples(st.integers(0, 9)), parts)
    ),
    max_leaves=20,
)


@given(PLAIN, st.integers(0, pickle.HIGHEST_PROTOCOL))
def test_plain_values_are_read_as_python_reads_them(value, protocol) -> None:
    content = pickle.dumps(value, protocol)
    assert unpickle(content, array_parts(len(content)), where="x") == value


@given(
    hnp.arrays(
        st.sampled_from([np.uint8, np.int64, np.float64]),
        hnp.array_shapes(max_dims=4),
        elements={"allow_nan": False},
    ),
    st.sampled_from("CF"),
    st.integers(0, 4),
)
def test_arrays_are_read_as_numpy_reads_them(array, order, protocol) -> None:
    content = pickle.dumps(np.asarray(array, order=order), protocol)
    found = unpickle(content, array_parts(len(content)), where="x", strings="bytes")
    assert found.values.dtype == array.dtype
    assert np.array_equal(found.values, array)


@pytest.mark.parametrize("flags", [0, 1, 63, -1])
def test_a_forged_type_of_numbers_is_none(flags) -> None:
    """Bytes of a file would be used as addresses of objects."""

    class Forged:
        def __reduce__(self):
            state = (3, "|", None, ("f",), {"f": (np.dtype("O"), 0)}, 8, 8, flags)
            return np.dtype, ("V8", False, True), state

    class Data:
        def __reduce__(self):
            make = np.zeros(0).__reduce__()[0]
            return make, (np.ndarray, (0,), b"b"), (1, (3,), Forged(), False, b"\x41" * 24)

    content = pickle.dumps({b"data": Data(), b"labels": [1]}, 2)
    with pytest.raises(DataFileError, match="number of type 'V8'"):
        unpickle(content, array_parts(len(content)), where="x", strings="bytes")


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x02Nr\x00\x00\x00\x10.",  # a place in the memo far away
        b"\x80\x05\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.",  # more bytes than there are
        b"\x80\x04)" + b"\x85" * 300_000 + b".",  # tuples within tuples
        b"]" * 100_000 + b"a" * 99_999 + b".",  # lists within lists
        b"\x80\x04)" + b"\x94h\x00\x86" * 60 + b".",  # 2**60 tuples, of which 60 are made
    ],
)
def test_what_a_pickle_claims_costs_nothing(content) -> None:
    resource = pytest.importorskip("resource")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with contextlib.suppress(DataFileError):
        unpickle(content, {}, where="x")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kB


@pytest.mark.parametrize("key", [b"\x80\x04})" + b"\x85" * 10**5, b"\x80\x04}N)\x86"])
def test_a_key_is_a_plain_value_or_a_tuple_of_them(key) -> None:
    with pytest.raises(DataFileError, match="a key that is neither"):
        unpickle(key + b"Ns.", {}, where="x")


def test_a_pickle_over_the_limit_is_refused(monkeypatch) -> None:
    monkeypatch.setenv("NASURGE_LIMITS", "memory=1e5")
    with pytest.raises(LimitError, match=r"x is over the limit of memory.*NASURGE_LIMITS=memory="):
        unpickle(b"]" * 5000 + b".", {}, where="x")


@given(st.binary(max_size=300))
def test_bytes_at_random_are_refused_or_read(content) -> None:
    with contextlib.suppress(DataFileError):
        unpickle(content, array_parts(len(content)), where="x")


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
    assert number(NumberType("f8"), struct.pack("<d", 0.25)) == 0.25
