"""Arguments of public functions, checked against their annotations before anything is done."""

from __future__ import annotations

import builtins
import dataclasses
import difflib
import functools
import inspect
import math
import os
import types
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Literal, ParamSpec, TypeVar, Union, get_args, get_origin, get_type_hints

from ..errors import LabelError, ParameterError, StorageError, UnknownNameError
from .plugins import import_place

P = ParamSpec("P")
Result = TypeVar("Result")

_WORDS: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    str: "text",
    bool: "True or False",
    Path: "a path",
    type(None): "None",
}


_MAKERS = {
    "Path": "nasurge.data.arguments:as_path",
    "Space": "nasurge.data.spaces.making:make_space",
    "Table": "nasurge.data.tables.catalogue:load_table",
}
"""What makes an object of a class of its name."""


class _Array:
    """Stands for everything that NumPy makes an array of."""


class ndarray:  # noqa: N801 -- what it is told by
    """Stands for an array."""


class _Callable:
    """Stands for everything that can be called."""


# Aliases that a module may import for a type checker only.
_ALIASES: dict[str, Any] = {
    "ArrayLike": _Array,
    **dict.fromkeys(
        ("Allowed", "Codes", "Index", "Labels", "Mask", "Pixels", "Scores", "Values"), _Array
    ),
    **dict.fromkeys(("Objective", "Progress"), _Callable),
    "Regressor": object,  # a protocol: whoever takes one looks at its methods
}


class _Foreign(type):
    """A class that was not imported: of it are the objects whose class, or a parent, has its name.

    What a module imports for a type checker only is so neither imported here.
    """

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return _Foreign(name, (), {})


class _Names(dict[str, Any]):
    """Names in annotations: those of the module, or stand-ins."""

    def __init__(self, module: Mapping[str, Any]) -> None:
        super().__init__()
        self._module = module

    def __missing__(self, name: str) -> Any:
        if name in _ALIASES:
            return _ALIASES[name]
        if name in self._module:
            return self._module[name]
        if hasattr(builtins, name):
            return getattr(builtins, name)
        return _Foreign(name, (), {})


def checked(function: Callable[P, Result]) -> Callable[P, Result]:
    """Function that refuses arguments of other types than its annotations name.

    Where a space or a table is wanted its name will do, and text where a path is. An argument that
    the function does not have, or one too few, is refused with the names that there are; a method
    adds the ``usage`` of its object, if that has one.

    Parameters
    ----------
    function : callable

    Examples
    --------
    >>> @checked
    ... def repeated(word: str, times: int = 2) -> str:
    ...     return word * times
    >>> repeated("ab", times="2")
    Traceback (most recent call last):
    nasurge.errors.ParameterError: repeated: times must be a whole number, not '2' (str)
    >>> repeated("ab", time=2)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    nasurge.errors.ParameterError: repeated has no argument 'time'; did you mean 'times'? ...
    """
    name = function.__qualname__.removesuffix(".__init__").rpartition(".")[2].strip("_")

    @functools.cache  # at the first call: a command starts faster without
    def described() -> tuple[inspect.Signature, dict[str, Any]]:
        signature = inspect.signature(function)
        found = get_type_hints(function, localns=_Names(function.__globals__))
        return signature, {key: found[key] for key in _named(signature) if key in found}

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> Result:
        signature, hints = described()
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError as error:
            usage = getattr(args[0], "usage", "") if args else ""
            more = f"; {usage}" if isinstance(usage, str) and usage else ""
            raise ParameterError(misfit(name, signature, kwargs, str(error)) + more) from None
        given: dict[str, Any] = bound.arguments
        for key, hint in hints.items():
            if key in given:
                given[key] = argument(f"{name}: {key}", given[key], hint)
        return function(*bound.args, **bound.kwargs)

    return call


def _named(signature: inspect.Signature) -> list[str]:
    """Names of the parameters, without ``*args`` and ``**kwargs``."""
    several = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    known = [key for key, one in signature.parameters.items() if one.kind not in several]
    return [key for key in known if key != "self"]


def misfit(
    name: str, signature: inspect.Signature, keywords: Iterable[str], reason: str = ""
) -> str:
    """Message on a call whose arguments are not those of a function."""
    known = _named(signature)
    takes = f"it takes: {', '.join(known)}" if known else "it takes none"
    for keyword in keywords:
        if keyword not in known:
            near = difflib.get_close_matches(keyword, known, n=2, cutoff=0.5)
            near = near or [one for one in known if one.startswith(keyword)]
            meant = f"did you mean {' or '.join(map(repr, near))}? " if near else ""
            return f"{name} has no argument {keyword!r}; {meant}{takes}"
    return f"{name}: {reason}; {takes}"


def argument(name: str, value: Any, hint: Any) -> Any:
    """Value of a type; text may name a space or a table or be a path, and a path may be text.

    Raises
    ------
    ParameterError
        If it is not of the type: with the name, what is allowed and what was received.
    """
    if accepts(value, hint):
        return value
    if isinstance(value, str):
        for kind in get_args(hint) or (hint,):
            if place := _MAKERS.get(getattr(kind, "__name__", "")):
                return import_place(place)(value)
        if get_origin(hint) is Literal:
            raise UnknownNameError(name, value, map(str, get_args(hint)))
    if isinstance(value, os.PathLike) and accepts("", hint):
        return os.fspath(value)
    if isinstance(value, list | tuple) and any(map(_is_array_hint, (hint, *get_args(hint)))):
        return _as_array(name, value, hint)
    raise ParameterError(f"{name} must be {words_of(hint)}, not {brief(value)}")


def _as_array(name: str, value: Any, hint: Any) -> Any:
    """Array of a list of numbers, where an array is asked for."""
    import numpy as np

    try:
        array = np.asarray(value)
    except ValueError:
        array = np.empty(0, dtype=object)
    if array.dtype.kind not in "biuf":
        raise ParameterError(f"{name} must be {words_of(hint)}, not {brief(value)}")
    return array


def check_bounds(name: str, value: Any, least: float | None, most: float | None) -> None:
    """Error if a number, or one of several, is outside its bounds, or NaN; other values pass.

    Raises
    ------
    ParameterError
        With the name, the bounds and what was received.
    """
    if isinstance(value, Sequence) and not isinstance(value, str):
        for one in value:
            check_bounds(name, one, least, most)
    if not isinstance(value, Real) or isinstance(value, bool):
        return
    number = float(value)
    inside = (least is None or number >= least) and (most is None or number <= most)
    if not inside or math.isnan(number):
        bounds = "a number" if least is None else f"at least {least:g}"
        if most is not None:
            bounds = f"at most {most}" if least is None else f"from {least:g} to {most}"
        raise ParameterError(f"{name} must be {bounds}, not {value}")


def brief(value: Any) -> str:
    """Value and its type in a few words."""
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 -- a stranger's class: its repr may do anything
        text = "an object"
    text = " ".join(text.split())
    return f"{text if len(text) <= 60 else text[:57] + '...'} ({type(value).__name__})"


class InShort:
    """A dataclass whose text is one line: numbers, short texts, and how many of everything else.

    Examples
    --------
    >>> @dataclasses.dataclass(repr=False)
    ... class Losses(InShort):
    ...     epochs: int
    ...     losses: list
    >>> Losses(3, [0.5, 0.4, 0.3])
    <Losses: epochs 3, losses [3]>
    """

    def __repr__(self) -> str:
        values = [(f.name, getattr(self, f.name)) for f in dataclasses.fields(self)]  # type: ignore[arg-type]
        shown = ", ".join(
            f"{name} {_in_short(value)}" for name, value in values if value is not None
        )
        return f"<{type(self).__name__}: {shown}>"


def _in_short(value: Any) -> str:
    """Number or short text as it is, the size of an array or a collection, or a type."""
    if isinstance(value, Real) and not isinstance(value, bool):
        return f"{value:.6g}" if isinstance(value, float) else str(value)
    if hasattr(value, "shape"):
        return str(list(value.shape)) if value.shape else str(value)
    if isinstance(value, bool | str):
        text = str(value)
        return text if len(text) <= 120 else f"{text[:117]}..."
    return f"[{len(value)}]" if hasattr(value, "__len__") else type(value).__name__


def as_path(path: str | Path) -> Path:
    """Path of a path or text, with ``~`` for the user's own folder.

    Raises
    ------
    StorageError
        If this user has no folder.

    Examples
    --------
    >>> as_path("runs/one").name
    'one'
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise StorageError(f"{path}: {error}; give the whole path") from error


def accepts(value: Any, hint: Any) -> bool:
    """Whether a value is of a type; what a type says of elements is looked at in sequences only."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return any(map(functools.partial(accepts, value), parts))
    if origin is not None and getattr(hint, "__metadata__", None):  # Annotated
        return accepts(value, parts[0])
    if origin is Literal:
        return isinstance(value, str | int | None) and value in parts
    if origin is type:
        kind = parts[0] if parts else object
        return isinstance(value, type) and (not isinstance(kind, type) or _is_called(value, kind))
    if hint is Any or isinstance(hint, TypeVar | str):
        return True
    if _is_array_hint(hint):
        return _is_array(value, listed="_SupportsArray" in str(hint) or hint is _Array)
    if hint is _Callable or origin is Callable or hint is Callable:
        return callable(value)
    if origin is not None and isinstance(origin, type):
        return _fits_generic(value, origin, parts)
    return _is_of(value, hint)


def _is_of(value: Any, kind: Any) -> bool:
    """Whether a value is of a class; numbers of NumPy are numbers, and truths are not."""
    if kind is None:
        return value is None
    if kind is bool:
        return isinstance(value, bool) or getattr(value, "dtype", None) == "bool"
    if kind in (int, float):
        numbers = Integral if kind is int else Real
        return isinstance(value, numbers) and not isinstance(value, bool)
    if not isinstance(kind, type) or getattr(kind, "_is_protocol", False):
        return True
    return isinstance(value, kind) or _is_called(type(value), kind)


def _is_called(cls: type, kind: type) -> bool:
    """Whether a class or a parent of it has the name of another, which may be its stand-in."""
    return kind.__name__ in [parent.__name__ for parent in cls.__mro__]


def _fits_generic(value: Any, origin: type, parts: tuple[Any, ...]) -> bool:
    """Whether a value is a sequence or mapping, with elements of the type that is named."""
    if issubclass(origin, Mapping):
        known = isinstance(value, Mapping)
        return known and (
            not parts or all(map(functools.partial(accepts, hint=parts[1]), value.values()))
        )
    if issubclass(origin, Sequence):
        if isinstance(value, str | bytes | Mapping) or not isinstance(value, Collection):
            return False
        elements = [part for part in parts if part is not ...]
        if len(elements) > 1 and ... not in parts:  # a tuple of so many
            return len(value) == len(elements) and all(map(accepts, value, elements))
        return not elements or all(map(functools.partial(accepts, hint=elements[0]), value))
    return isinstance(value, origin)


def _is_array_hint(hint: Any) -> bool:
    """Whether a type is an array, or ``ArrayLike``, NumPy's union of its own protocols."""
    name = getattr(get_origin(hint) or hint, "__name__", "")
    return hint is _Array or name == "ndarray" or "_SupportsArray" in str(hint)


def _is_array(value: Any, *, listed: bool) -> bool:
    """Whether a value is an array, or, where it may be listed, what NumPy makes one of."""
    if isinstance(value, str | bytes | type):
        return False
    return hasattr(value, "__array__") or (listed and isinstance(value, Sequence | Real))


def as_numbers(name: str, values: Any) -> Any:
    """Float array of what is given as one, of any shape.

    Raises
    ------
    LabelError
        If it holds something else than numbers.
    """
    import numpy as np

    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise LabelError(f"{name} must be numbers: {error}") from None


def words_of(hint: Any) -> str:
    """Type in words, such as ``a whole number or None``."""
    origin, parts = get_origin(hint), get_args(hint)
    if _is_array_hint(hint):
        return "an array of numbers"
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(map(words_of, parts)))
    if getattr(hint, "__metadata__", None):
        return words_of(parts[0])
    if origin is Literal:
        return " or ".join(map(repr, parts))
    if hint is _Callable or origin is Callable:
        return "a function"
    if origin is type:
        return f"a class of a {parts[0].__name__}" if isinstance(parts[0], type) else "a class"
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return "a mapping"
    if isinstance(origin, type) and issubclass(origin, Sequence):
        inner = [part for part in parts if part is not ...]
        return f"a sequence of ({words_of(inner[0])})" if inner else "a sequence"
    if hint in _WORDS:
        return _WORDS[hint]
    name = str(getattr(hint, "__name__", hint))
    return f"{'an' if name[:1] in 'AEIOU' else 'a'} {name}"
