"""Options of a command as fields of a dataclass: each is written once, for Python and the shell.

A command's options are one frozen dataclass. A field ``n: int = option(5, name="-n", help="")`` is
an argument of the function, an option of the command, and a line of the reference page.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import re
import textwrap
import types
from collections.abc import Callable, Sequence
from typing import Any, ParamSpec, TypeVar, Union, get_args, get_origin, get_type_hints

from ...data.arguments import accepts, argument, check_bounds, misfit
from ...errors import ParameterError

P = ParamSpec("P")
Options = TypeVar("Options")
Result = TypeVar("Result")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Flag:
    """How a field of an options class is typed at the command line.

    Attributes
    ----------
    help : str
        One sentence; it also describes the parameter in Python.
    name : str
        Further or other names, such as ``"-t"``, separated by blanks. Without a long one it is
        ``--field-name``.
    metavar : str, optional
    least, most : float, optional
        Bounds of a number.
    parse : callable, optional
        Makes the value of what was typed, where that is text and the value is not.
    repeated : bool
        Whether it may be typed several times; the value is a tuple.
    argument : bool
        Whether it is positional.
    section : str, optional
        Heading in the help of the command, where a command has many options.
    shown : str, optional
        What the default comes to, in words, where the value itself does not say it.
    """

    help: str
    name: str = ""
    metavar: str | None = None
    least: float | None = None
    most: float | None = None
    parse: Callable[[str], Any] | None = None
    repeated: bool = False
    argument: bool = False
    section: str | None = None
    shown: str | None = None

    @property
    def names(self) -> list[str]:
        """Names of ``name``."""
        return self.name.split()


def option(default: Any = dataclasses.MISSING, **flag: Any) -> Any:
    """Field of an options class that can be typed at the command line; required if no default.

    Parameters
    ----------
    default : object, optional
    **flag
        As of ``Flag``.
    """
    return dataclasses.field(default=default, metadata={"flag": Flag(**flag)})


def unseen(default: Any, text: str) -> Any:
    """Field of an options class that is for Python only, and its description."""
    return dataclasses.field(default=default, metadata={"text": text})


@dataclasses.dataclass(frozen=True)
class Described:
    """One field of an options class: its name, type, default and flag."""

    name: str
    type: Any
    default: Any
    flag: Flag

    @property
    def required(self) -> bool:
        """Whether it has no default."""
        return self.default is dataclasses.MISSING

    @property
    def option(self) -> str:
        """Its name at the command line, such as ``--trials`` or, of an argument, ``TABLE/TASK``."""
        if self.flag.argument:
            return self.flag.metavar or self.name.upper()
        long = [name for name in self.flag.names if name.startswith("--")]
        return long[0] if long else f"--{self.name.replace('_', '-')}"

    @property
    def default_text(self) -> str:
        """Its default as it would be typed, or in words; empty where there is none."""
        if self.flag.shown is not None:
            return self.flag.shown
        if self.required or self.default is None:
            return ""
        if isinstance(self.default, (tuple, list)):
            return ",".join(map(str, self.default))
        return str(self.default)


def described_fields(options: type[Any]) -> list[Described]:
    """Fields of an options class that can be typed at the command line, its own before inherited.

    A field without a ``Flag`` is for Python only.
    """
    hints = get_type_hints(options)
    return [
        Described(field.name, hints[field.name], field.default, field.metadata["flag"])
        for field in _ordered(options)
        if "flag" in field.metadata
    ]


def _ordered(options: type[Any]) -> list[dataclasses.Field[Any]]:
    """Fields of a dataclass, those of the class itself before those of its bases."""
    home: dict[str, int] = {}  # the number of the furthest base that has the field
    for rank, base in enumerate(options.__mro__):
        home |= dict.fromkeys(vars(base).get("__annotations__", {}), rank)
    return sorted(dataclasses.fields(options), key=lambda field: home[field.name])


def refuse_unused(options: Any, names: Sequence[str], reason: str) -> None:
    """Error if one of these fields of an options object differs from its default.

    Raises
    ------
    ParameterError
        With the names as they are typed, and the reason: ``"with --space"``.
    """
    fields = {field.name: field for field in described_fields(type(options))}
    unused = [
        fields[name].option for name in names if getattr(options, name) != fields[name].default
    ]
    if unused:
        raise ParameterError(
            f"not used {reason}: {', '.join(unused)}; leave out what has no effect"
        )


def called_with(
    options: Callable[P, Options], work: Callable[[Options], Result]
) -> Callable[P, Result]:
    """Function that takes the fields of ``options`` as its arguments and calls ``work``.

    Its signature is that of the options class, its documentation that of ``work`` with the fields'
    descriptions as parameters. An argument that is no field is an error that names the fields, and
    one of another type or out of bounds an error that says what it may be.
    """
    name = work.__name__.strip("_")
    fields: Any = options
    names = [field.name for field in _ordered(fields)]

    @functools.wraps(work)
    def call(*args: P.args, **kwargs: P.kwargs) -> Result:
        return work(_made(options, name, args, kwargs))

    # What Python calls it is all that help() shows of it: the types stand in the docstring.
    parameters = inspect.signature(options).parameters
    ordered = sorted(parameters.values(), key=lambda p: (p.kind, names.index(p.name)))
    call.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [parameter.replace(annotation=inspect.Parameter.empty) for parameter in ordered]
    )
    call.__name__ = call.__qualname__ = name
    call.__annotations__ = {}
    del call.__wrapped__
    call.__doc__ = _documented(work.__doc__ or "", fields)
    return call


def _made(
    options: Callable[..., Options], name: str, args: Sequence[Any], kwargs: dict[str, Any]
) -> Options:
    """Options object of arguments, each checked; one thing stands for a sequence of one."""
    signature = inspect.signature(options)
    try:
        given = signature.bind(*args, **kwargs).arguments
    except TypeError as error:
        raise ParameterError(misfit(name, signature, kwargs, str(error))) from None
    fields: Any = options
    hints = get_type_hints(fields)
    flags = {field.name: field.flag for field in described_fields(fields)}
    for key, value in given.items():
        hint, flag = hints[key], flags.get(key)
        several = get_origin(hint) in (Sequence, tuple)
        if several and accepts(value, get_args(hint)[0]):
            parse = flag.parse if flag and isinstance(value, str) else None
            given[key] = value = parse(value) if parse else (value,)
        given[key] = value = argument(f"{name}: {key}", value, hint)
        if flag:
            check_bounds(f"{name}: {key}", value, flag.least, flag.most)
    return options(**given)


_HEADING = re.compile(r"^\w+\n-{3,}$", re.MULTILINE)


def _documented(text: str, options: type[Any]) -> str:
    """Docstring with a section of parameters made from an options class's fields."""
    text = inspect.cleandoc(text)
    heading = _HEADING.search(text)
    place = heading.start() if heading else len(text)
    hints = get_type_hints(options)
    lines = ["Parameters", "----------"]
    for field in _ordered(options):
        lines.append(f"{field.name} : {type_text(hints[field.name])}")
        flag, words = field.metadata.get("flag"), field.metadata.get("text", "")
        words = (flag.help if flag else words).replace(
            "*", r"\*"
        )  # no emphasis in reStructuredText
        lines += textwrap.wrap(words, 96, initial_indent=" " * 4, subsequent_indent=" " * 4)
    return "\n".join([text[:place].rstrip(), "", *lines, "", text[place:]]).rstrip() + "\n"


def type_text(kind: Any) -> str:
    """Type as numpydoc writes it, such as ``str or sequence of Problem``."""
    parts = [part for part in get_args(kind) if part is not ...]
    if get_origin(kind) in (Union, types.UnionType):
        text = " or ".join(type_text(part) for part in parts if part is not type(None))
        return f"{text}, optional" if type(None) in parts else text
    if get_origin(kind) is Callable:
        return "callable"
    if parts:
        return f"sequence of {type_text(parts[0])}"
    return str(getattr(kind, "__name__", kind))


def listed(text: str) -> tuple[str, ...]:
    """Names in a comma-separated list, without blanks around them.

    Examples
    --------
    >>> listed("auto, xgb,")
    ('auto', 'xgb')
    """
    return tuple(part.strip() for part in text.split(",") if part.strip())


def chosen(given: str | Sequence[str], known: Sequence[str], *, kind: str = "name") -> list[str]:
    """Names that a comma-separated list, or a sequence, asks for; each once, in its order.

    Parameters
    ----------
    given : str or sequence of str
        ``all`` stands for every known one, ``-NAME`` leaves one out again.
    known : sequence of str
        What may be asked for; anything may if it is empty.
    kind : str
        What the names are of, for an error.

    Raises
    ------
    UnknownNameError
        If a name is not known.
    ParameterError
        If a name is left out that was not asked for, or none is left.

    Examples
    --------
    >>> chosen("all,-bo", ["bo", "random", "local"])
    ['random', 'local']
    """
    from ...errors import UnknownNameError

    names = listed(given) if isinstance(given, str) else tuple(given)
    left_out = [name[1:] for name in names if name.startswith("-")]
    asked = [name for name in names if not name.startswith("-")]
    if "all" in asked:
        asked = [*known, *(name for name in asked if name != "all")]
    if unknown := [name for name in left_out if name not in asked]:
        raise ParameterError(f"nothing to leave out is called {', '.join(unknown)}: see the names")
    for name in asked:
        if known and name not in known:
            raise UnknownNameError(kind, name, known)
    left = [name for name in dict.fromkeys(asked) if name not in left_out]
    if not left:
        raise ParameterError(f"name at least one {kind}; known: {', '.join(known)}")
    return left


def whole_numbers(text: str) -> tuple[int, ...]:
    """Whole numbers in a comma-separated list.

    Raises
    ------
    ParameterError
        If a part is no whole number.

    Examples
    --------
    >>> whole_numbers("20,50")
    (20, 50)
    """
    try:
        return tuple(int(part) for part in listed(text))
    except ValueError:
        raise ParameterError(
            f"whole numbers are separated by commas, such as 20,50; received {text!r}"
        ) from None
