"""Names of our searchers: where each class is, what lists say of it, and what it takes.

Lists are made from ``searchers.toml``, so that they import no searcher; states and studies hold its
names.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib.resources import files
from typing import Any, NamedTuple

from ...predictors.saving.names import OLD_CLASS_NAMES, class_path


class ListedSearcher(NamedTuple):
    """What is known of a searcher before its class is imported."""

    name: str
    """On the command line, in states and in studies."""
    place: str
    """``"module:Class"``."""
    summary: str
    """The first line of the class's docstring."""
    guided: bool = False
    """Whether it takes a predictor."""
    several_objectives: bool = False
    """Whether it takes several objectives."""


_ENTRIES = tomllib.loads((files(__package__) / "searchers.toml").read_text(encoding="utf-8"))
SEARCHERS = {name: ListedSearcher(name, **entry) for name, entry in _ENTRIES.items()}
"""Our searchers by name; plug-ins add theirs by entry points of ``nasurge.searchers``."""

GUIDED = {"evolution": "nasurge.search.searchers.evolution:GuidedEvolution"}
"""What a searcher's name means when a predictor is given with it."""

# Those that learn from earlier tasks are made from what they learnt, not by name.
TASK_SEARCHERS = {
    "meta-bo": "nasurge.search.across_tables.bayes:MetaBayes",
    "meta-evolution": "nasurge.search.across_tables.evolution:MetaEvolution",
    "catch": "nasurge.search.across_tables.catch:CATCH",
}
_NAMES = {entry.place: name for name, entry in SEARCHERS.items()}
_NAMES |= {place: name for name, place in TASK_SEARCHERS.items()}
_NAMES |= {place: f"guided-{name}" for name, place in GUIDED.items()}
# States and studies held class names at first. A class that is renamed keeps its old one here.
OLD_NAMES = {place.rpartition(":")[2]: name for place, name in _NAMES.items()}


def searcher_name(cls: type[object]) -> str:
    """Name of a registered searcher; the class name of another one.

    Examples
    --------
    >>> from nasurge.search import RandomSearch
    >>> searcher_name(RandomSearch)
    'random'
    """
    return _NAMES.get(class_path(cls), cls.__name__)


def with_names(about: Mapping[str, Any]) -> dict[str, Any]:
    """Put names in the place of class names in the description of a search.

    Examples
    --------
    >>> with_names({"searcher": "RegularisedEvolution", "predictor": None})
    {'searcher': 'evolution', 'predictor': None}
    """
    old = {"searcher": OLD_NAMES, "predictor": OLD_CLASS_NAMES}
    return {
        key: old[key].get(value, value) if key in old and isinstance(value, str) else value
        for key, value in about.items()
    }
