"""Foreign pickles as data: plain values and stand-ins, read by what can build nothing else.

Python's own unpickler allocates what a file claims, hashes and nests without bound, and hands out
the classes that an allow-list names. This one knows the instructions that published tables and
images consist of; every other is refused, and nothing it reads takes more than a few times the
file's size.
"""

from __future__ import annotations

import codecs
import math
import pickle
import pickletools
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ...errors import DataFileError, LimitError, StorageError, UnsafePickleError
from .limits import check_limit, limits, read_bounded

Allowed = Mapping[tuple[str, str], Callable[..., Any]]
"""From module and name of what a pickle may name, to what stands in for it."""

_SCALARS = frozenset((str, bytes, int, float, bool, type(None)))
_WIDEST = 1 << 63  # integers that arrays can hold
_LONGEST_NUMBER, _LONGEST_NAME = 64, 200  # characters
_WIDEST_KEY = 64  # parts of a tuple, which is hashed anew each time
_OBJECT_BYTES = 100  # what an instruction's value takes in memory, at most
_TEXT_BYTES = 4  # bytes of memory for each byte of text


class Record:
    """Stand-in of a foreign object: its attributes and nothing else."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        if type(state) is not dict or not all(type(name) is str for name in state):
            raise ValueError("attributes of an object that are no dictionary")
        self.__dict__.update(state)


class NumberType:
    """Stand-in of ``numpy.dtype``: one of a few plain numbers, little-endian."""

    _KNOWN = ("u1", "i8", "f8")

    def __init__(self, kind: str | bytes, *_: Any) -> None:
        self.kind = _as_text(kind)
        if self.kind not in self._KNOWN:
            raise ValueError(f"a number of type {self.kind[:20]!r}, not {', '.join(self._KNOWN)}")

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if _as_text(state[1]) not in ("<", "|", "="):
            raise ValueError("numbers that are not little-endian")


class PlainArray:
    """Stand-in of ``numpy.ndarray``: shape, type and bytes, checked against each other."""

    values: NDArray[Any]

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, kind, fortran, content = state
        if type(kind) is not NumberType or type(content) is not bytes or type(shape) is not tuple:
            raise ValueError("an array that is not of plain numbers")
        if len(shape) > 4 or not all(type(n) is int and 0 <= n < _WIDEST for n in shape):
            raise ValueError("an array whose shape is none")
        dtype = np.dtype(f"<{kind.kind}")
        if math.prod(shape) * dtype.itemsize != len(content):
            raise ValueError(f"an array of shape {shape} in {len(content)} bytes")
        self.values = np.frombuffer(content, dtype).reshape(shape, order="F" if fortran else "C")


def number(kind: NumberType, content: bytes) -> float:
    """Stand-in of NumPy's scalars: a double."""
    if kind.kind != "f8":
        raise ValueError(f"a number of type {kind.kind!r}, not f8")
    return float(struct.unpack("<d", content)[0])


def array_parts(most: int) -> Allowed:
    """What a pickle of arrays names, for one file of ``most`` bytes."""
    left = most

    def encode(text: str, encoding: str) -> bytes:
        """Bytes as Python 3 writes them for Python 2, no more of them than the file has."""
        nonlocal left
        left -= len(text)
        if left < 0 or encoding != "latin1":
            raise ValueError("texts that are encoded again and again, or not as latin1")
        return text.encode("latin1")

    modules = ("numpy.core.multiarray", "numpy._core.multiarray")
    return {
        **{(module, "_reconstruct"): lambda *_: PlainArray() for module in modules},
        ("numpy", "ndarray"): PlainArray,
        ("numpy", "dtype"): NumberType,
        ("_codecs", "encode"): encode,
        ("__builtin__", "bytes"): lambda: b"",  # as Python 3 writes no bytes for Python 2
    }


def read_pickle(path: Path, allowed: Allowed) -> Any:
    """Object in a pickle, its classes replaced by the stand-ins in ``allowed``.

    No code of the file or of the packages it names is imported or run.

    Parameters
    ----------
    path : Path
    allowed : mapping from (module, name) to callable
        What may be built, and what stands in for it.

    Raises
    ------
    UnsafePickleError
        If the pickle names anything else.
    DataFileError
        If the file is empty, truncated, no pickle or over the limits.
    StorageError
        If it cannot be read.
    """
    try:
        with path.open("rb") as file:
            content = read_bounded(file, str(path))
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror or error}") from error
    return unpickle(content, allowed, where=str(path))


def unpickle(
    content: bytes,
    allowed: Allowed,
    *,
    where: str,
    strings: Literal["text", "bytes"] = "text",
) -> Any:
    """Object in the bytes of a pickle, as ``read_pickle`` reads it.

    Parameters
    ----------
    content : bytes
    allowed : mapping from (module, name) to callable
    where : str
        The file's name, for messages.
    strings : {"text", "bytes"}
        What strings of Python 2 become.

    Raises
    ------
    UnsafePickleError, DataFileError
        As ``read_pickle``.
    """
    try:
        return _Machine(content, allowed, strings).read(where)
    except UnsafePickleError as error:
        raise UnsafePickleError(f"{where}: {error}") from None
    except LimitError:
        raise
    except Exception as error:
        raise DataFileError(
            f"{where} is empty, truncated or not a pickle ({type(error).__name__}: "
            f"{str(error)[:_LONGEST_NAME]}); get it again from its publisher"
        ) from error


def _as_text(value: Any) -> str:
    text = value.decode("latin1") if type(value) is bytes else value
    if type(text) is not str:
        raise ValueError("a name that is no text")
    return text


class _Machine:
    """A machine for the instructions of a pickle; its values are plain, its keys hashed quickly."""

    def __init__(self, content: bytes, allowed: Allowed, strings: Literal["text", "bytes"]) -> None:
        self.content, self.at = content, 0
        self.allowed, self.strings = allowed, strings
        self.stack: list[Any] = []
        self.outer: list[list[Any]] = []  # stacks below the marks
        self.memo: dict[int, Any] = {}
        self.callable = {id(part) for part in allowed.values()}

    def read(self, where: str) -> Any:
        """Object, unless its instructions may make more than the limits allow."""
        content, steps, memo = self.content, _STEPS, self.memo
        stack, at = self.stack, 0
        left = limits().memory - _TEXT_BYTES * len(content)
        for _ in range(max(left // _OBJECT_BYTES, 0)):
            code = content[at]
            at += 1
            # Most of a table's instructions are these three: a call for each would double the time.
            if code == _BINGET:
                stack.append(memo[content[at]])
                at += 1
            elif code == _BINFLOAT:
                stack.append(_DOUBLE(content, at)[0])
                at += 8
            elif code == _MEMOIZE:
                memo[len(memo)] = stack[-1]
            else:
                self.at = at
                if code == _STOP:
                    return self.last(1)[0]
                step = steps.get(code)
                if step is None:
                    raise _refused(code)
                step(self)
                stack, at = self.stack, self.at
        check_limit("memory", 2 * limits().memory, where)
        raise LimitError(where)  # which a limit that was raised meanwhile comes to

    # Bytes and lines

    def take(self, count: int) -> bytes:
        start = self.at
        self.at = end = start + count
        if count < 0 or end > len(self.content):
            raise ValueError(f"{count} bytes where fewer are left")
        return self.content[start:end]

    def line(self, most: int) -> bytes:
        end = self.content.find(b"\n", self.at)
        if not self.at <= end <= self.at + most:
            raise ValueError("a line that does not end, or is too long")
        start, self.at = self.at, end + 1
        return self.content[start:end]

    def length(self, size: int) -> int:
        return int.from_bytes(self.take(size), "little")

    # Values

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def push_integer(self, value: int) -> None:
        if not -_WIDEST <= value < 2 * _WIDEST:
            raise ValueError("an integer of more than 64 bits")
        self.stack.append(value)

    def integer_line(self) -> None:
        line = self.line(_LONGEST_NUMBER)
        if line in (b"00", b"01"):
            self.stack.append(line == b"01")
        else:
            self.push_integer(int(line.removesuffix(b"L")))

    def float_line(self) -> None:
        self.stack.append(float(self.line(_LONGEST_NUMBER)))

    def quoted_line(self) -> None:
        line = self.line(len(self.content))
        if len(line) < 2 or line[:1] != line[-1:] or line[:1] not in (b"'", b'"'):
            raise ValueError("a string without its quotes")
        self.string(codecs.escape_decode(line[1:-1])[0])

    def string(self, content: bytes) -> None:
        text = self.strings == "text"
        self.stack.append(content.decode("ascii") if text else content)

    def unicode_line(self) -> None:
        self.stack.append(str(self.line(len(self.content)), "raw-unicode-escape"))

    def put(self, place: int) -> None:
        self.memo[place] = self.stack[-1]

    def get(self, place: int) -> None:
        self.stack.append(self.memo[place])

    # Containers

    def mark(self) -> None:
        self.outer.append(self.stack)
        self.stack = []

    def since_mark(self) -> list[Any]:
        items, self.stack = self.stack, self.outer.pop()
        return items

    def last(self, count: int) -> list[Any]:
        items = self.stack[-count:]
        if len(items) < count:
            raise ValueError("an instruction without its values")
        del self.stack[-count:]
        return items

    def extend(self, items: list[Any]) -> None:
        if type(self.stack[-1]) is not list:
            raise ValueError("items for what is no list")
        self.stack[-1].extend(items)

    def set_items(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if type(target) is not dict or len(items) % 2:
            raise ValueError("pairs for what is no dictionary")
        for key in items[::2]:
            if type(key) in _SCALARS:
                continue
            plain = type(key) is tuple and _SCALARS.issuperset(map(type, key))
            if not plain or len(key) > _WIDEST_KEY:
                raise ValueError("a key that is neither a plain value nor a tuple of them")
        target.update(zip(items[::2], items[1::2], strict=True))

    def new_dict(self, items: list[Any]) -> None:
        self.stack.append({})
        self.set_items(items)

    # What a file may name

    def name(self, module: Any, name: Any) -> None:
        key = _as_text(module), _as_text(name)
        if key not in self.allowed:
            allowed = ", ".join(f"{m}.{n}" for m, n in self.allowed) or "none"
            raise UnsafePickleError(
                f"the pickle asks for {'.'.join(key)[:_LONGEST_NAME]}, which is not on the "
                f"allow-list ({allowed}): nothing of it was run: get the file from its publisher "
                "again"
            )
        self.stack.append(self.allowed[key])

    def call(self) -> None:
        stand_in, values = self.last(2)
        if id(stand_in) not in self.callable or type(values) is not tuple:
            raise UnsafePickleError("the pickle calls what it may not: nothing of it was run")
        self.stack.append(stand_in(*values))

    def build(self) -> None:
        [state] = self.last(1)
        made = self.stack[-1]
        if type(made) not in (NumberType, PlainArray) and not isinstance(made, Record):
            raise ValueError("the state of what has none")
        made.__setstate__(state)


def _refused(code: int) -> Exception:
    """Error for an instruction that is not read."""
    known = {ord(op.code): op.name for op in pickletools.opcodes}
    if code not in known:
        return ValueError(f"no instruction {code:#04x}")
    return UnsafePickleError(
        f"the pickle has an instruction {known[code]}, which no published table or image set "
        "needs: nothing of it was run: get the file from its publisher again"
    )


def _constant(value: Any) -> Callable[[_Machine], None]:
    return lambda reader: reader.stack.append(value)


def _fixed(layout: str, use: Callable[[_Machine, Any], None]) -> Callable[[_Machine], None]:
    """Step that reads a number of a fixed layout and uses it."""
    form = struct.Struct(layout)
    unpack, size = form.unpack_from, form.size

    def step(reader: _Machine) -> None:
        (value,) = unpack(reader.content, reader.at)
        reader.at += size
        use(reader, value)

    return step


def _bytes(size: int, as_value: Callable[[bytes], Any]) -> Callable[[_Machine], None]:
    """Step that reads so many bytes as a length of ``size`` bytes says."""
    return lambda reader: reader.stack.append(as_value(reader.take(reader.length(size))))


def _utf8(content: bytes) -> str:
    return str(content, "utf-8", "surrogatepass")


def _long(reader: _Machine) -> None:
    content = reader.take(reader.length(1))
    reader.push_integer(int.from_bytes(content, "little", signed=True))


def _skip_protocol(reader: _Machine) -> None:
    if reader.length(1) > pickle.HIGHEST_PROTOCOL:
        raise ValueError("a protocol that is not known")


def _new(make: Callable[[], Any]) -> Callable[[_Machine], None]:
    return lambda reader: reader.stack.append(make())


def _tuple_of(count: int) -> Callable[[_Machine], None]:
    return lambda reader: reader.stack.append(tuple(reader.last(count)))


_STOP, _BINGET, _BINFLOAT, _MEMOIZE = b"".join(
    (pickle.STOP, pickle.BINGET, pickle.BINFLOAT, pickle.MEMOIZE)
)
_DOUBLE = struct.Struct(">d").unpack_from
_STEPS: dict[int, Callable[[_Machine], Any]] = {
    code[0]: step
    for code, step in (
        (pickle.PROTO, _skip_protocol),
        (pickle.FRAME, lambda reader: reader.length(8)),
        (pickle.MARK, _Machine.mark),
        (pickle.NONE, _constant(None)),
        (pickle.NEWTRUE, _constant(value=True)),
        (pickle.NEWFALSE, _constant(value=False)),
        (pickle.EMPTY_TUPLE, _constant(())),
        (pickle.EMPTY_LIST, _new(list)),
        (pickle.EMPTY_DICT, _new(dict)),
        (pickle.INT, _Machine.integer_line),
        (pickle.LONG, _Machine.integer_line),
        (pickle.LONG1, _long),
        (pickle.BININT, _fixed("<i", _Machine.push)),
        (pickle.BININT1, _fixed("<B", _Machine.push)),
        (pickle.BININT2, _fixed("<H", _Machine.push)),
        (pickle.FLOAT, _Machine.float_line),
        (pickle.STRING, _Machine.quoted_line),
        (pickle.BINSTRING, lambda reader: reader.string(reader.take(reader.length(4)))),
        (pickle.SHORT_BINSTRING, lambda reader: reader.string(reader.take(reader.length(1)))),
        (pickle.UNICODE, _Machine.unicode_line),
        (pickle.BINUNICODE, _bytes(4, _utf8)),
        (pickle.SHORT_BINUNICODE, _bytes(1, _utf8)),
        (pickle.BINUNICODE8, _bytes(8, _utf8)),
        (pickle.BINBYTES, _bytes(4, bytes)),
        (pickle.SHORT_BINBYTES, _bytes(1, bytes)),
        (pickle.BINBYTES8, _bytes(8, bytes)),
        (pickle.TUPLE, lambda reader: reader.push(tuple(reader.since_mark()))),
        (pickle.TUPLE1, _tuple_of(1)),
        (pickle.TUPLE2, _tuple_of(2)),
        (pickle.TUPLE3, _tuple_of(3)),
        (pickle.LIST, lambda reader: reader.push(reader.since_mark())),
        (pickle.DICT, lambda reader: reader.new_dict(reader.since_mark())),
        (pickle.APPEND, lambda reader: reader.extend(reader.last(1))),
        (pickle.APPENDS, lambda reader: reader.extend(reader.since_mark())),
        (pickle.SETITEM, lambda reader: reader.set_items(reader.last(2))),
        (pickle.SETITEMS, lambda reader: reader.set_items(reader.since_mark())),
        (pickle.PUT, lambda reader: reader.put(int(reader.line(_LONGEST_NUMBER)))),
        (pickle.BINPUT, _fixed("<B", _Machine.put)),
        (pickle.LONG_BINPUT, _fixed("<I", _Machine.put)),
        (pickle.GET, lambda reader: reader.get(int(reader.line(_LONGEST_NUMBER)))),
        (pickle.LONG_BINGET, _fixed("<I", _Machine.get)),
        (pickle.GLOBAL, lambda r: r.name(r.line(_LONGEST_NAME), r.line(_LONGEST_NAME))),
        (pickle.STACK_GLOBAL, lambda reader: reader.name(*reader.last(2))),
        (pickle.REDUCE, _Machine.call),
        (pickle.NEWOBJ, _Machine.call),
        (pickle.BUILD, _Machine.build),
    )
}
