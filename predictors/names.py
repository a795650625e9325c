"""Names of our predictors: where each class is, what lists say of it, and what it needs.

The table stands in ``saving/names.json``, for files name predictors by it. Lists are made from it,
so that they import no predictor.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple


class ListedPredictor(NamedTuple):
    """What is known of a predictor before its class is imported."""

    name: str
    """On the command line and in files; one that has been written to a file stays."""
    place: str
    """``"module:Class"``."""
    summary: str
    """The first line of the class's docstring."""
    fewest: int = 2
    """Fewest labels it learns from (``minimum_labels``)."""
    std: bool = False
    """Whether it offers standard deviations (``offers_std``)."""
    needs: str = ""
    """``"networks"``: a space that offers some; ``"cheap values"`` or ``"earlier tasks"``."""
    extra: str = ""
    """The extra of the package that it needs: ``pip install nasurge[EXTRA]``."""


_FILE = Path(__file__).with_name("saving") / "names.json"
TABLES = json.loads(_FILE.read_text(encoding="utf-8"))
"""Predictors by name, other classes by alias, and names of both by their places in format 1."""

PREDICTORS = {name: ListedPredictor(name, **entry) for name, entry in TABLES["predictors"].items()}
"""Our predictors by name; plug-ins add theirs by entry points of ``nasurge.predictors``."""
