"""Parameters of a class: declared once, with type, default and range, and described once.

>>> class Line(Estimator):
...     slope: float = positive_number(1.0)
>>> class SteepLine(Line):
...     slope: float = 9.0
...     offset: float = 0.0
>>> vars(SteepLine(offset=2.0))
{'slope': 9.0, 'offset': 2.0}
>>> check_parameters(SteepLine(slope=-1.0))
Traceback (most recent call last):
nasurge.errors.ParameterError: SteepLine: slope must be a number above 0, not -1.0 (float)
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Collection
from dataclasses import MISSING, Field, dataclass, field, fields
from sys import float_info
from typing import Any, dataclass_transform

from ..errors import ParameterError
from .arguments import accepts, brief

# A numpydoc section, up to the next one, and where it belongs.
_PARAMETERS = re.compile(r"\n\nParameters\n-+\n(.*?)(?=\n\n[A-Z]\w+\n-+\n|\Z)", re.DOTALL)
_RAISES = re.compile(r"\n\nRaises\n-+\n.*?(?=\n\n[A-Z]\w+\n-+\n|\Z)", re.DOTALL)
_NEXT = re.compile(r"\n\n(Raises|Attributes|References|Examples)\n-+\n|\Z")
_EXAMPLES = re.compile(r"\n\nExamples\n-+\n.*", re.DOTALL)
# A parameter, or several of one description, and the indented lines below.
_ENTRY = re.compile(r"^\S.*(?:\n(?:[ ].*)?)*", re.MULTILINE)
_MOST = 2**31 - 1  # what libraries in C take for an integer
_DEVICE = re.compile(r"auto|(?:cpu|cuda|mps)(?::\d+)?")


@dataclass(frozen=True)
class Range:
    """What a parameter may be: in words, and as a function of a value."""

    words: str
    holds: Callable[[Any], bool]
    kind: type[Any] | None = None
    """What a number is made of whatever type it has, where that matters."""

    def check(self, name: str, value: Any) -> None:
        """Error if a value is outside.

        Raises
        ------
        ParameterError
            With the name, what is allowed and what was received.
        """
        if not self.holds(value):
            raise ParameterError(f"{name} must be {self.words}, not {brief(value)}")


def _declared(default: Any, allowed: Range) -> Any:
    """Parameter of a default and a range; one that is None by default may be None."""
    if default is None:
        holds = allowed.holds
        allowed = Range(f"{allowed.words}, or None", lambda value: value is None or holds(value))
    return field(default=default, metadata={"range": allowed})


def _whole(least: int, multiple_of: int = 1) -> Range:
    words = f"a whole number of at least {least}"
    if multiple_of > 1:
        words += f" that {multiple_of} divides"
    return Range(
        words,
        lambda value: accepts(value, int) and least <= value <= _MOST and value % multiple_of == 0,
        int,
    )


def check_whole_number(name: str, value: int, *, least: int = 1) -> None:
    """Error if a value is no integer of at least ``least``.

    Raises
    ------
    ParameterError
        With the name, what is allowed and what was received.
    """
    _whole(least).check(name, value)


def whole_number(default: int | None, *, least: int = 1, multiple_of: int = 1) -> Any:
    """Parameter that is an integer of at least ``least``, and a multiple of a number."""
    return _declared(default, _whole(least, multiple_of))


def number(
    default: float | None,
    *,
    least: float | None = None,
    above: float | None = None,
    most: float | None = None,
    below: float | None = None,
) -> Any:
    """Parameter that is a finite number between bounds, which it may reach or not."""
    bounds = (("of at least", least), ("above", above), ("at most", most), ("below", below))
    limits = " and ".join(f"{word} {bound:g}" for word, bound in bounds if bound is not None)

    def holds(value: Any) -> bool:
        return (
            accepts(value, float)
            and abs(value) <= float_info.max
            and (least is None or value >= least)
            and (above is None or value > above)
            and (most is None or value <= most)
            and (below is None or value < below)
        )

    return _declared(default, Range(f"a number {limits}".rstrip(), holds, float))


def positive_number(default: float, *, most: float | None = None) -> Any:
    """Parameter that is a finite number above 0 and at most ``most``."""
    return number(default, above=0, most=most)


def probability(default: float) -> Any:
    """Parameter that is a number from 0 to 1."""
    return number(default, least=0, most=1)


def one_of(default: str | None, names: Collection[str]) -> Any:
    """Parameter that is one of some names."""
    known = ", ".join(names)
    return _declared(
        default, Range(f"one of {known}", lambda value: isinstance(value, str) and value in names)
    )


def some_of(default: tuple[str, ...] | None, names: Collection[str]) -> Any:
    """Parameter that is several of some names, or one in a tuple, none of them twice."""

    def holds(value: Any) -> bool:
        if not isinstance(value, tuple | list) or not value:
            return False
        return all(isinstance(one, str) for one in value) and (
            set(value) <= set(names) and len(set(value)) == len(value)
        )

    return _declared(default, Range(f"a tuple of some of {', '.join(names)}", holds))


def truth(default: bool | None) -> Any:
    """Parameter that is True or False."""
    return _declared(default, Range("True or False", lambda value: accepts(value, bool)))


def text(default: str | None) -> Any:
    """Parameter that is text, such as a name that is looked up where it is used."""
    return _declared(default, Range("text", lambda value: isinstance(value, str) and bool(value)))


def job_count(default: int) -> Any:
    """Parameter that is a number of threads or processes, as joblib counts them."""
    words = "a whole number above 0, or one below it: -1 for all cores, -2 for all but one"
    return _declared(
        default, Range(words, lambda value: accepts(value, int) and 0 < abs(value) <= _MOST)
    )


def device_name(default: str) -> Any:
    """Parameter that names a torch device; whether it is there is seen where it is used."""
    return _declared(
        default,
        Range(
            "'auto', 'cpu', 'cuda', 'cuda:INDEX' or 'mps'",
            lambda value: isinstance(value, str) and bool(_DEVICE.fullmatch(value)),
        ),
    )


def check_parameters(owner: Any, *, who: str | None = None) -> None:
    """Error if a parameter of an object is outside its range.

    Parameters
    ----------
    owner : Estimator
    who : str, optional
        What the error calls it; its class by default.

    Raises
    ------
    ParameterError
        With the name of the parameter, what is allowed and what was received.
    """
    for parameter in fields(owner):
        allowed: Range | None = parameter.metadata.get("range")
        if parameter.init and allowed is not None:
            name = f"{who or type(owner).__name__}: {parameter.name}"
            allowed.check(name, getattr(owner, parameter.name))


@dataclass_transform(kw_only_default=True, eq_default=False, field_specifiers=(field,))
class Estimator:
    """A class whose annotated attributes are its parameters, which the constructor stores.

    Subclasses are dataclasses: one names its new parameters, and those of its parents that have
    another default or, by ``field(init=False)``, are no parameters of it. All are keyword-only
    but for ``field(kw_only=False)``. A subclass with an ``__init__`` of its own keeps it, and so
    do its subclasses. What parents describe is described in the subclass too.

    What a parameter may be is said where it comes in (``whole_number``, ``number``, ``one_of`` and
    the others of this module) and holds where a subclass names another default. The constructor
    only stores; ``check_parameters`` compares.
    """

    def __init_subclass__(cls, **options: object) -> None:
        constructed = next(parent for parent in cls.__mro__ if "__init__" in vars(parent))
        if constructed is object or "__dataclass_fields__" in vars(constructed):
            _inherit_ranges(cls)
            # Compared by identity and hashable, as scikit-learn's estimators are.
            dataclass(eq=False, repr=False, match_args=False, kw_only=True)(cls)
        super().__init_subclass__(**options)
        inherit_parameters(cls)


def _inherit_ranges(cls: type[object]) -> None:
    """Give parameters that a class names with another default the range that they have."""
    parents = reversed(cls.__mro__[1:])  # as dataclasses gather fields
    known = {
        name: parameter
        for parent in parents
        for name, parameter in vars(parent).get("__dataclass_fields__", {}).items()
    }
    for name in inspect.get_annotations(cls):
        default = vars(cls).get(name, MISSING)
        metadata = known[name].metadata if name in known else {}
        if metadata and default is not MISSING and not isinstance(default, Field):
            setattr(cls, name, field(default=default, metadata=metadata))


def inherit_parameters(cls: type[object]) -> None:
    """Describe those parameters and errors of a class that only its parents describe, as they do.

    A parameter is described where it comes in, once; the docstring that a reader sees has all.
    A class that names no errors, or has no examples, has those of its nearest parent with some.
    """
    text = inspect.cleandoc(cls.__doc__ or "")
    if not text:
        return
    known: dict[str, str] = {}
    described = [inspect.cleandoc(parent.__doc__ or "") for parent in cls.__mro__]
    for docstring in described:
        for name, entry in _entries(docstring).items():
            known[name] = known.pop(name, entry)  # in the words of the nearest; the oldest are last
    parameters = inspect.signature(cls.__init__).parameters
    named = [name for name in known if name in parameters]
    named.sort(key=lambda name: parameters[name].kind)  # what may be given by position is first
    entries = dict.fromkeys(known[name] for name in named)
    rest = _PARAMETERS.sub("", text)
    end = _NEXT.search(rest)
    if entries and end is not None:
        section = "\n\nParameters\n----------\n" + "\n".join(entries)
        if not _RAISES.search(text):
            section += _first(_RAISES, described)
        text = rest[: end.start()] + section + rest[end.start() :]
    cls.__doc__ = _EXAMPLES.sub("", text) + _first(_EXAMPLES, described)


def _first(section: re.Pattern[str], docstrings: list[str]) -> str:
    """The section of the first docstring that has one; empty if none has."""
    return next((found[0] for text in docstrings if (found := section.search(text))), "")


def _entries(text: str) -> dict[str, str]:
    """Descriptions in a docstring, by the parameter."""
    section = _PARAMETERS.search(text)
    found = _ENTRY.findall(section[1]) if section else []
    return {
        name: entry.rstrip()
        for entry in found
        for name in entry.partition("\n")[0].partition(" : ")[0].split(", ")
    }
