"""What a function computes, as far as its code says: told from another of the same name."""

from __future__ import annotations

import dis
import functools
import hashlib
import sys
from collections.abc import Callable
from contextlib import suppress
from types import CodeType, FunctionType, MethodType
from typing import Any

import numpy as np

_PLAIN = (bool, int, float, complex, str, bytes, type(None))


def code_of(function: Callable[..., Any]) -> dict[str, str] | None:
    """Checksum of a function's code, and the Python that it is for.

    Counts: instructions, constants, names, default values, and plain values and functions that it
    closes over; of a partial its arguments, of an object its ``__call__``. Does not count: where
    it stands, the global variables and functions that it uses, and the attributes of an object.

    Parameters
    ----------
    function : callable

    Returns
    -------
    dict or None
        None where there is no such code: of built-in functions, and of those of NASurge, which may
        change with its version.

    Examples
    --------
    >>> code_of(len) is None
    True
    """
    parts = _parts(function, set())
    if parts is None:
        return None
    digest = hashlib.sha256(repr(parts).encode()).hexdigest()[:16]
    return {"python": ".".join(map(str, sys.version_info[:2])), "digest": digest}


def code_digest(part: Any) -> str | None:
    """Checksum of the code of a class of somebody's own, with its parents', or of a function.

    Parameters
    ----------
    part : type or callable

    Returns
    -------
    str or None
        None for classes and functions of NASurge.

    Examples
    --------
    >>> from nasurge.search import RandomSearch
    >>> code_digest(RandomSearch) is None
    True
    """
    if not isinstance(part, type):
        found = code_of(part)
        return found["digest"] if found else None
    parts: list[Any] = []
    for cls in part.__mro__:
        if _is_ours(cls.__module__):
            break
        for name, value in sorted(vars(cls).items()):
            inner = getattr(value, "fget", None) or getattr(value, "__func__", value)
            # What Python itself keeps in a class is no part of what was written.
            if not name.startswith("__") or isinstance(inner, FunctionType):
                parts.append([name, _value(inner, set())])
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16] if parts else None


def is_other_code(found: Any, given: Any) -> bool:
    """Whether two checksums are of one Python and differ; what either side lacks is passed over."""
    if not (isinstance(found, dict) and isinstance(given, dict)):
        return False
    return found.get("python") == given.get("python") and found != given


def _parts(function: Any, seen: set[int]) -> list[Any] | None:
    """Values that a function's code consists of; None where it has none."""
    if id(function) in seen:  # one that closes over itself
        return []
    seen.add(id(function))
    if isinstance(function, functools.partial):
        inner = _parts(function.func, seen)
        given = [*function.args, *sorted(function.keywords.items())]
        return inner and [*inner, *(_value(value, seen) for value in given)]
    if not isinstance(function, FunctionType | MethodType):
        if callable(inner := getattr(function, "__wrapped__", None)):  # such as a FunctionTask
            return _parts(inner, seen)
        function = getattr(type(function), "__call__", None)  # noqa: B004 -- the one it is called by
    function = getattr(function, "__func__", function)
    if not isinstance(function, FunctionType) or _is_ours(function.__module__):
        return None
    defaults = [*(function.__defaults__ or ()), *sorted((function.__kwdefaults__ or {}).items())]
    return [
        *_code(function.__code__),
        *(_value(value, seen) for value in defaults),
        *_closed_over(function, seen),
    ]


def _is_ours(module: str | None) -> bool:
    """Whether a module is NASurge's."""
    return str(module).partition(".")[0] == "nasurge"


def _code(code: CodeType) -> list[Any]:
    """Instructions, names and constants, those of inner functions too."""
    return [code.co_code, code.co_names, code.co_varnames, [_constant(c) for c in code.co_consts]]


def _constant(value: Any) -> Any:
    if isinstance(value, CodeType):
        return _code(value)
    if isinstance(value, frozenset):  # of which the order differs from process to process
        return sorted(map(repr, value))
    return [_constant(one) for one in value] if isinstance(value, tuple) else value


def _closed_over(function: FunctionType, seen: set[int]) -> list[Any]:
    """Values from the function around it, but those that it sets itself, such as a counter."""
    is_set = {i.argval for i in dis.get_instructions(function) if i.opname == "STORE_DEREF"}
    names = function.__code__.co_freevars
    cells = dict(zip(names, function.__closure__ or (), strict=True))
    found = []
    for name, cell in cells.items():
        with suppress(ValueError):  # of one that is set later
            found += [] if name in is_set else [(name, _value(cell.cell_contents, seen))]
    return found


def _value(value: Any, seen: set[int]) -> Any:
    """A value if it is plain, a function's code, or the name of its type."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, tuple):
        return [_value(one, seen) for one in value]
    if isinstance(value, FunctionType | functools.partial):
        return _parts(value, seen)
    return type(value).__qualname__
