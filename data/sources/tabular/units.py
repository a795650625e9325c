"""Units behind numbers: what those that are known measure, and how large they are."""

from __future__ import annotations

import re

_PREFIXES = {"n": 1e-9, "u": 1e-6, "µ": 1e-6, "μ": 1e-6, "m": 1e-3}
_PREFIXES |= {"k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
_KINDS = {
    "s": "time",
    "J": "energy",
    "W": "power",
    "B": "memory",
    "FLOPs": "FLOPs",
    "FLOPS": "FLOPs",
    "MACs": "MACs",
}
UNITS = (
    {f"{prefix}{base}": (kind, size) for base, kind in _KINDS.items()
     for prefix, size in {"": 1.0, **_PREFIXES}.items()}
    | {prefix: ("number", size) for prefix, size in _PREFIXES.items() if size > 1}
    | {"min": ("time", 60.0), "h": ("time", 3600.0), "%": ("share", 0.01), "‰": ("share", 0.001)}
    | {"KiB": ("memory", 2.0**10), "MiB": ("memory", 2.0**20), "GiB": ("memory", 2.0**30)}
)  # fmt: skip
"""Kind and size of each unit by its name."""
KNOWN = "|".join(sorted(map(re.escape, UNITS), key=len, reverse=True))
"""Pattern of the units, which may stand at a number without a blank between."""


def are_of_one_kind(units: set[str]) -> bool:
    """Whether all are known and measure the same, so that one can be made of another."""
    return units <= set(UNITS) and len({UNITS[unit][0] for unit in units}) == 1
