"""Descriptions of parameters that a subclass has from its parents."""

from __future__ import annotations

import inspect
import re

# A numpydoc section, up to the next one, and where it belongs.
_PARAMETERS = re.compile(r"\n\nParameters\n-+\n(.*?)(?=\n\n[A-Z]\w+\n-+\n|\Z)", re.DOTALL)
_NEXT = re.compile(r"\n\n(Raises|Attributes|References|Examples)\n-+\n|\Z")
# A parameter, or several of one description, and the indented lines below.
_ENTRY = re.compile(r"^\S.*(?:\n(?:[ ].*)?)*", re.MULTILINE)


def inherit_parameters(cls: type[object]) -> None:
    """Describe those parameters of a class that only its parents describe, as they do.

    A parameter is described where it comes in, once; the docstring that a reader sees has all.
    """
    text = inspect.cleandoc(cls.__doc__ or "")
    if not text:
        return
    known: dict[str, str] = {}
    for parent in reversed(cls.__mro__[1:]):
        known |= _entries(inspect.cleandoc(parent.__doc__ or ""))
    known |= _entries(text)
    names = inspect.signature(cls.__init__).parameters
    entries = dict.fromkeys(known[name] for name in names if name in known)
    rest = _PARAMETERS.sub("", text)
    end = _NEXT.search(rest)
    if entries and end is not None:
        section = "\n\nParameters\n----------\n" + "\n".join(entries)
        cls.__doc__ = rest[: end.start()] + section + rest[end.start() :]


def _entries(text: str) -> dict[str, str]:
    """Descriptions in a docstring, by the parameter."""
    section = _PARAMETERS.search(text)
    found = _ENTRY.findall(section[1]) if section else []
    return {
        name: entry.rstrip()
        for entry in found
        for name in entry.partition("\n")[0].partition(" : ")[0].split(", ")
    }
