"""Names of our search spaces, and where each class is."""

from __future__ import annotations

from ..plugins import Entry

_ENTRIES = (
    Entry(
        "nb201",
        "nasurge.data.spaces.cell:NASBench201",
        "The NAS-Bench-201 cell: 5 operations on 6 edges, 15,625 cells, 6,466 functions.",
    ),
    Entry(
        "nbgraph",
        "nasurge.data.spaces.nbgraph:NASBenchGraph",
        "NAS-Bench-Graph: a topology and four graph operations, 26,206 functions.",
    ),
    Entry(
        "transnas-micro",
        "nasurge.data.spaces.cell:TransNASMicro",
        "The micro space of TransNAS-Bench-101: 4 operations on 6 edges, 4,096 cells.",
    ),
    Entry(
        "transnas-macro",
        "nasurge.data.spaces.macro:TransNASMacro",
        "The macro space of TransNAS-Bench-101: what each of four to six modules does to its "
        "input.",
    ),
    Entry(
        "mobile",
        "nasurge.data.spaces.mobile:Mobile",
        "Eight layers, each a skip, ``mb3k3`` or ``mb6k5``: 6,561 networks, 3,087 functions.",
    ),
)
SPACES = {entry.name: entry for entry in _ENTRIES}
"""Our spaces by name; plug-ins add theirs by entry points of ``nasurge.spaces``."""
