"""Options of a command as fields of a dataclass: each is written once, for Python and the shell.

A command's options are one frozen dataclass. A field ``n: Annotated[int, Flag("-n", help="")]``
is an argument of the function, an option of the command, and a line of the reference page.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Annotated, Any, ParamSpec, TypeVar, get_args, get_origin, get_type_hints

from ...errors import ParameterError

P = ParamSpec("P")
Options = TypeVar("Options")
Result = TypeVar("Result")


@dataclasses.dataclass(frozen=True)
class Flag:
    """How a field of an options class is typed at the command line.

    Parameters
    ----------
    *names : str
        Further or other names, such as ``"-t"``. Without a long one it is ``--field-name``.
    help : str
        One sentence; it also describes the parameter in Python.
    metavar : str, optional
    least, most : float, optional
        Bounds of a number.
    parse : callable, optional
        Makes the value of what was typed, where that is text and the value is not.
    repeated : bool
        Whether it may be typed several times; the value is a tuple.
    argument : bool
        Whether it is positional.
    """

    names: tuple[str, ...]
    help: str
    metavar: str | None
    least: float | None
    most: float | None
    parse: Callable[[str], Any] | None
    repeated: bool
    argument: bool

    def __init__(
        self,
        *names: str,
        help: str,  # noqa: A002 -- what every command line calls it
        metavar: str | None = None,
        least: float | None = None,
        most: float | None = None,
        parse: Callable[[str], Any] | None = None,
        repeated: bool = False,
        argument: bool = False,
    ) -> None:
        values = (names, help, metavar, least, most, parse, repeated, argument)
        for field, value in zip(dataclasses.fields(self), values, strict=True):
            object.__setattr__(self, field.name, value)


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


def described_fields(options: type[Any]) -> list[Described]:
    """Fields of an options class that can be typed at the command line, in order.

    A field without a ``Flag`` is for Python only.
    """
    hints = get_type_hints(options, include_extras=True)
    found = []
    for field in dataclasses.fields(options):
        hint = hints[field.name]
        if get_origin(hint) is not Annotated:
            continue
        kind, *extras = get_args(hint)
        for flag in extras:
            if isinstance(flag, Flag):
                default = field.default
                if field.default_factory is not dataclasses.MISSING:
                    default = field.default_factory()
                found.append(Described(field.name, kind, default, flag))
    return found


def called_with(
    options: Callable[P, Options], work: Callable[[Options], Result]
) -> Callable[P, Result]:
    """Function that takes the fields of ``options`` as its arguments and calls ``work``.

    Its signature is that of the options class, its documentation that of ``work`` with the fields'
    descriptions as parameters. An argument that is no field is an error that names the fields.
    """
    names = [field.name for field in dataclasses.fields(options)]  # type: ignore[arg-type]

    @functools.wraps(work)
    def call(*args: P.args, **kwargs: P.kwargs) -> Result:
        for name in kwargs:
            if name not in names:
                raise ParameterError(
                    f"{work.__name__} has no argument {name!r}; it takes: {', '.join(names)}"
                )
        return work(options(*args, **kwargs))

    call.__signature__ = inspect.signature(options)  # type: ignore[attr-defined]
    call.__doc__ = _documented(work.__doc__ or "", options)
    return call


def _documented(text: str, options: Any) -> str:
    """Docstring with a section of parameters made from an options class's flags."""
    summary, mark, rest = inspect.cleandoc(text).partition("\n\n")
    lines = ["Parameters", "----------"]
    hints = get_type_hints(options, include_extras=True)
    flags = {field.name: field for field in described_fields(options)}
    for field in dataclasses.fields(options):
        hint = hints[field.name]
        plain = get_args(hint)[0] if get_origin(hint) is Annotated else hint
        kind = plain.__name__ if isinstance(plain, type) else str(plain)
        lines.append(f"{field.name} : {kind}")
        if field.name in flags:
            lines.append(f"    {flags[field.name].flag.help}")
    return f"{summary}\n\n" + "\n".join(lines) + (f"\n\n{rest}" if mark else "")


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
