"""Names of the formats that tables are imported from, and where each is."""

from __future__ import annotations

from ..plugins import Entry

_ENTRIES = (
    Entry(
        "analog-nasbench",
        "nasurge.data.sources.analog",
        "The data file of the package analog-nasbench: NAS-Bench-201 cells, digital and analog.",
    ),
    Entry(
        "nas-bench-graph",
        "nasurge.data.sources.nbgraph",
        "The data folder of the package nas-bench-graph: graph networks on nine tasks.",
    ),
    Entry(
        "tabular",
        "nasurge.data.sources.tabular",
        "CSV (also .gz) and Parquet files: a short description says what each column measures.",
    ),
)
SOURCES = {entry.name: entry for entry in _ENTRIES}
"""Our formats by name; plug-ins add theirs by entry points of ``nasurge.sources``."""
