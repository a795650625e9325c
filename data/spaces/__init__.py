"""Search spaces, one file each."""

from __future__ import annotations

from functools import cache
from typing import Any

from ...errors import UnknownNameError
from .base import Codes, Graphs, Operation, PathSet, Space
from .cell import CellSpace, NASBench201, TransNASMicro
from .frame import Frame
from .macro import TransNASMacro
from .mobile import Mobile
from .nbgraph import NASBenchGraph
from .product import ProductSpace

__all__ = [
    "SPACES",
    "CellSpace",
    "Codes",
    "Frame",
    "Graphs",
    "Mobile",
    "NASBench201",
    "NASBenchGraph",
    "Operation",
    "PathSet",
    "ProductSpace",
    "Space",
    "TransNASMacro",
    "TransNASMicro",
    "make_space",
]

SPACES: dict[str, type[Space]] = {
    cls.name: cls for cls in (NASBench201, NASBenchGraph, TransNASMicro, TransNASMacro, Mobile)
}


@cache
def _named(name: str) -> Space:
    """Return the one instance per process, so that its equivalence classes are computed once."""
    return SPACES[name]()


def make_space(spec: str | dict[str, Any]) -> Space:
    """Return the space of that name, or the one that ``Space.spec`` described.

    Parameters
    ----------
    spec : str or dict
        ``"nb201"``, ``"nbgraph"``, ``"transnas-micro"``, ``"transnas-macro"``, ``"mobile"``, or a
        description.

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
        return ProductSpace(spec["choices"], name=spec["name"])
    name = spec if isinstance(spec, str) else spec["name"]
    if name not in SPACES:
        raise UnknownNameError("space", name, SPACES)
    return _named(name)
