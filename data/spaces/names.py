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
    Entry(
        "nb101",
        "nasurge.data.spaces.nb101:NASBench101",
        "NAS-Bench-101 cells: up to 7 vertices, 9 edges and 3 operations, 423,624 functions.",
    ),
    Entry(
        "ec-nas",
        "nasurge.data.spaces.nb101:ECNAS",
        "EC-NAS: NAS-Bench-101 cells of up to 5 vertices, 2,532 functions.",
    ),
    Entry(
        "darts",
        "nasurge.data.spaces.darts:DARTS",
        "DARTS and NAS-Bench-301 genotypes: two cells, 7 operations, 1.1 x 10^18 architectures.",
    ),
    Entry(
        "darts-none",
        "nasurge.data.spaces.darts:DARTSWithNone",
        "DARTS genotypes with ``none`` and with two edges from one input: 2.2 x 10^21.",
    ),
    Entry(
        "enas",
        "nasurge.data.spaces.enas:ENAS",
        "ENAS: six layers of 6 operations with any skip connections, 1.5 x 10^9 architectures.",
    ),
    Entry(
        "enas-micro",
        "nasurge.data.spaces.enas:ENASMicro",
        "ENAS cells: two of five nodes that add two operations each, 3.1 x 10^23 genotypes.",
    ),
    Entry(
        "nats-size",
        "nasurge.data.spaces.published:NATSBenchSize",
        "The size space of NATS-Bench: widths 8 to 64 of five stages, 32,768 networks.",
    ),
    Entry(
        "nb-macro",
        "nasurge.data.spaces.published:NASBenchMacro",
        "NAS-Bench-Macro: eight layers of three operations, 6,561 networks, 3,969 functions.",
    ),
    Entry(
        "fbnet",
        "nasurge.data.spaces.published:FBNet",
        "FBNet: 22 layers, each one of nine blocks, about 10**21 networks.",
    ),
    Entry(
        "mnasnet",
        "nasurge.data.spaces.published:MnasNet",
        "MnasNet as in Accel-NASBench: seven blocks of inverted residuals, about 10**11 networks.",
    ),
    Entry(
        "ofa-mbv3",
        "nasurge.data.spaces.published:OFAMobileNetV3",
        "Once-for-all MobileNetV3: five stages of 2 to 4 layers, 5.4 * 10**20 networks.",
    ),
    Entry(
        "regnet",
        "nasurge.data.spaces.published:RegNet",
        "RegNet: four stages of a quantised line of widths, 43 million settings.",
    ),
    Entry(
        "autoformer",
        "nasurge.data.spaces.published:AutoFormer",
        "AutoFormer, tiny: vision transformers of 12 to 14 blocks, about 10**9 networks.",
    ),
    Entry(
        "autoformer-s",
        "nasurge.data.spaces.published:AutoFormerSmall",
        "AutoFormer, small: vision transformers of 12 to 14 blocks, about 8 * 10**13 networks.",
    ),
    Entry(
        "autoformer-b",
        "nasurge.data.spaces.published:AutoFormerBase",
        "AutoFormer, base: vision transformers of 14 to 16 blocks, about 10**13 networks.",
    ),
)
SPACES = {entry.name: entry for entry in _ENTRIES}
"""Our spaces by name; plug-ins add theirs by entry points of ``nasurge.spaces``."""
