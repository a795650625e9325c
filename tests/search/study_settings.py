"""The studies of searches on tables at their smallest size, for the contract of all kinds."""

from __future__ import annotations

from collections.abc import Sequence

SETTINGS: dict[str, Sequence[str]] = {
    "search": (
        *("search", "nb201-analog/cifar10", "-s", "evolution", "-p", "ridge"),
        *("--constraint", "flops<=100", "-b", "6", "--batch", "3", "-t", "2"),
    ),
    "fronts": (
        *("search", "nb201-analog/cifar10", "-s", "nsga2", "--objectives", "accuracy,flops"),
        *("--constraint", "accuracy>=80", "-b", "6", "--batch", "3", "-t", "2"),
    ),
    "meta-tables": (
        *("meta", "tables", "nbgraph/photo", "--methods", "random,meta-evolution"),
        *("-b", "4", "-t", "2"),
    ),
}
"""The command of each kind; at least three units."""
