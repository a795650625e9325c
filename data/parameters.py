"""Parameters of a class: named once, with type and default, and described once.

>>> class Line(Estimator):
...     slope: float = 1.0
>>> class SteepLine(Line):
...     slope: float = 9.0
...     offset: float = 0.0
>>> vars(SteepLine(offset=2.0))
{'slope': 9.0, 'offset': 2.0}
"""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass, field
from typing import dataclass_transform

# A numpydoc section, up to the next one, and where it belongs.
_PARAMETERS = re.compile(r"\n\nParameters\n-+\n(.*?)(?=\n\n[A-Z]\w+\n-+\n|\Z)", re.DOTALL)
_RAISES = re.compile(r"\n\nRaises\n-+\n.*?(?=\n\n[A-Z]\w+\n-+\n|\Z)", re.DOTALL)
_NEXT = re.compile(r"\n\n(Raises|Attributes|References|Examples)\n-+\n|\Z")
_EXAMPLES = re.compile(r"\n\nExamples\n-+\n.*", re.DOTALL)
# A parameter, or several of one description, and the indented lines below.
_ENTRY = re.compile(r"^\S.*(?:\n(?:[ ].*)?)*", re.MULTILINE)


@dataclass_transform(kw_only_default=True, eq_default=False, field_specifiers=(field,))
class Estimator:
    """A class whose annotated attributes are its parameters, which the constructor stores.

    Subclasses are dataclasses: one names its new parameters, and those of its parents that have
    another default or, by ``field(init=False)``, are no parameters of it. All are keyword-only
    but for ``field(kw_only=False)``. A subclass with an ``__init__`` of its own keeps it, and so
    do its subclasses. What parents describe is described in the subclass too.
    """

    def __init_subclass__(cls, **options: object) -> None:
        constructed = next(parent for parent in cls.__mro__ if "__init__" in vars(parent))
        if constructed is object or "__dataclass_fields__" in vars(constructed):
            # Compared by identity and hashable, as scikit-learn's estimators are.
            dataclass(eq=False, repr=False, match_args=False, kw_only=True)(cls)
        super().__init_subclass__(**options)
        inherit_parameters(cls)


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
