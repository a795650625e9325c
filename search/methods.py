"""Methods that are no predictor or searcher by name, and the command that has each.

They learn from other tasks or devices, or train a supernet, so that a space alone makes none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from .across_tables.names import METHODS as TABLE_METHODS
from .differentiable.options import RULES
from .searchers.names import SEARCHERS
from .studies.names import (
    FEW_SHOT_METHODS,
    LATENCY_METHODS,
    TRANSFER_METHODS,
    WARM_START_METHODS,
)


class ListedMethod(NamedTuple):
    """One method of a command."""

    name: str
    summary: str
    usage: str
    """The command, with the option that takes the name."""


def _entries(usage: str, methods: Mapping[str, str]) -> list[ListedMethod]:
    return [ListedMethod(name, summary, usage) for name, summary in methods.items()]


PREDICTING = [
    *_entries("nasurge meta transfer --methods", TRANSFER_METHODS),
    *_entries("nasurge meta latency --methods", LATENCY_METHODS),
]
"""Methods that predict, beside ``nasurge predictors``."""

_TABLES = {
    name: summary.removesuffix(".")
    for name, summary in TABLE_METHODS.items()
    if name not in SEARCHERS
}
SEARCHING = [
    *_entries("nasurge meta tables --methods", _TABLES),
    *_entries("nasurge meta few-shot --methods", FEW_SHOT_METHODS),
    *_entries("nasurge meta warm-start", WARM_START_METHODS),
    *_entries("nasurge supernet search --method", RULES),
]
"""Methods that search, beside ``nasurge searchers``."""
