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
        "hw-nas-bench",
        "nasurge.data.sources.hw_nas_bench",
        "The pickle of HW-NAS-Bench: latency and energy of NAS-Bench-201 cells on devices.",
    ),
    Entry(
        "nas-bench-macro",
        "nasurge.data.sources.nas_bench_macro",
        "The JSON file of NAS-Bench-Macro: three runs on CIFAR-10 of every chain of eight layers.",
    ),
    Entry(
        "accel-nasbench",
        "nasurge.data.sources.accel_nasbench",
        "The archive of Accel-NASBench: accuracies and speeds on devices of MnasNet networks.",
    ),
    Entry(
        "tabular",
        "nasurge.data.sources.tabular",
        "CSV and Parquet files, also packed: a short description says what each column measures.",
    ),
)
SOURCES = {entry.name: entry for entry in _ENTRIES}
"""Our formats by name; plug-ins add theirs by entry points of ``nasurge.sources``."""
