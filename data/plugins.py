"""Named parts: ours, that a table places, and those of plug-ins, that an entry point announces."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import NasurgeError, PluginError, UnknownNameError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint


# A numpydoc section, up to the next one, and where it belongs.
_PARAMETERS = re.compile(r"\n\nParameters\n-+\n(.*?)(?=\n\n[A-Z]\w+\n-+\n|\Z)", re.DOTALL)
_NEXT = re.compile(r"\n\n(Raises|Attributes|References|Examples)\n-+\n|\Z")
# A parameter, or several of one description, and the indented lines below.
_ENTRY = re.compile(r"^\S.*(?:\n(?:[ ].*)?)*", re.MULTILINE)


class Entry(NamedTuple):
    """One of our named parts, so that it can be listed without importing it."""

    name: str
    place: str
    """``"module:Class"``, or ``"module"``."""
    summary: str
    """The first line of its docstring."""


@cache
def plugins(group: str) -> dict[str, EntryPoint]:
    """Entry points of a group, such as ``"nasurge.spaces"``, by name."""
    from importlib.metadata import entry_points

    return {entry.name: entry for entry in entry_points(group=group)}


def import_place(place: str) -> Any:
    """Object at ``"module:name"``, or the module itself where no name follows."""
    module, _, attribute = place.partition(":")
    imported = importlib.import_module(module)
    return getattr(imported, attribute) if attribute else imported


def named_part(kind: str, name: str, places: Mapping[str, str], *, group: str) -> Any:
    """Class or module of a name: ours, or that of a plug-in; ours comes first.

    Parameters
    ----------
    kind : str
        What is named, for the message.
    name : str
    places : mapping from name to ``"module:Class"`` or ``"module"``
    group : str
        The entry points of plug-ins.

    Raises
    ------
    UnknownNameError
        If neither has that name.
    PluginError
        If the plug-in of that name cannot be imported.
    """
    if name in places:
        return import_place(places[name])
    if name in plugins(group):
        return _loaded(kind, plugins(group)[name])
    raise UnknownNameError(kind, name, all_names(places, group=group))


def _loaded(kind: str, entry: EntryPoint) -> Any:
    """Part of a plug-in, whose code may do anything when it is imported."""
    try:
        return entry.load()
    except NasurgeError:
        raise
    except Exception as error:
        package = f" of package {entry.dist.name}" if entry.dist else ""
        raise PluginError(
            f"{kind} {entry.name!r}{package} cannot be imported from {entry.value}: "
            f"{type(error).__name__}: {error}; mend or uninstall that package"
        ) from error


def all_names(names: Iterable[str], *, group: str) -> list[str]:
    """Names of ours, then those that only plug-ins have."""
    return list(dict.fromkeys([*names, *plugins(group)]))


def first_line(part: Any) -> str:
    """First line of the docstring of a class or module, what lists show."""
    return (part.__doc__ or "").strip().partition("\n")[0]


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
