"""Named parts: ours, that a table places, and those of plug-ins, that an entry point announces."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import NasurgeError, PluginError, UnknownNameError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint


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
