"""Spaces by name, ours and those of plug-ins."""

from __future__ import annotations

from typing import Any

from ..plugins import all_names, named_part
from .base import Space, the_space
from .names import SPACES
from .product import ProductSpace

GROUP = "nasurge.spaces"


def space_names() -> list[str]:
    """Names of all spaces: ours, then those of plug-ins (entry points ``nasurge.spaces``)."""
    return all_names(SPACES, group=GROUP)


def make_space(spec: str | dict[str, Any]) -> Space:
    """Space of a name, or the one that ``Space.spec`` described.

    Parameters
    ----------
    spec : str or dict
        ``"nb201"``, ``"nbgraph"``, ``"transnas-micro"``, ``"transnas-macro"``, ``"mobile"``, the
        name of a plug-in's, or a description.

    Raises
    ------
    UnknownNameError
        If no space has that name.

    Examples
    --------
    >>> make_space("nb201").size
    15625
    """
    if isinstance(spec, dict) and "choices" in spec:
        return ProductSpace(spec["choices"], name=spec["name"], written=spec.get("written", ()))
    name = spec if isinstance(spec, str) else spec["name"]
    places = {own: entry.place for own, entry in SPACES.items()}
    cls: type[Space] = named_part("space", name, places, group=GROUP)
    return the_space(cls)
