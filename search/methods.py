"""Methods that are no predictor or searcher by name, and the command or class that has each.

They learn from other tasks or devices, or train a supernet, so that a space alone makes none.
"""

from __future__ import annotations

from typing import NamedTuple


class MethodEntry(NamedTuple):
    """One method of a command that carries over what was learnt, or of a class of Python."""

    name: str
    summary: str
    usage: str
    """The command, with the option that takes the name."""


_TRANSFER = "nasurge meta transfer --methods"
_LATENCY = "nasurge meta latency --methods"
_TABLES = "nasurge meta tables --methods"
_FEW_SHOT = "nasurge meta few-shot --methods"
_WARM_START = "nasurge meta warm-start"
_SUPERNET = "nasurge supernet search --method"

PREDICTING = (
    MethodEntry("transfer", "Earlier tasks' scorers, corrected by the new labels.", _TRANSFER),
    MethodEntry("transfer-anchors", "The same, labels chosen by ``nasurge.anchors``.", _TRANSFER),
    MethodEntry(
        "transfer-graph", "One graph network for all tasks, with a vector of each.", _TRANSFER
    ),
    MethodEntry("scratch", "``auto`` on the new labels alone.", _TRANSFER),
    MethodEntry("scratch-anchors", "The same, labels chosen by ``nasurge.anchors``.", _TRANSFER),
    MethodEntry("tasks-xgb", "``xgb`` on the labels of all tasks together.", _TRANSFER),
    MethodEntry("tasks-gp", "``gp`` on the labels of all tasks together.", _TRANSFER),
    MethodEntry("transfer", "Latencies from those of known devices and a few anchors.", _LATENCY),
    MethodEntry("transfer-random", "The same, from architectures drawn at random.", _LATENCY),
    MethodEntry("components", "A ridge on three principal components of known devices.", _LATENCY),
    MethodEntry("nearest", "The known device that ranks what was measured best.", _LATENCY),
    MethodEntry("scratch", "A ridge on operation counts.", _LATENCY),
)
"""Methods that predict, beside ``nasurge predictors``."""

SEARCHING = (
    MethodEntry(
        "meta-bo", "``bo`` with a process that knows the scores on earlier tasks.", _TABLES
    ),
    MethodEntry(
        "meta-evolution", "Evolution that begins with, and is led by, earlier tasks.", _TABLES
    ),
    MethodEntry(
        "catch", "CATCH: a controller whose context is what was evaluated so far.", _TABLES
    ),
    MethodEntry("gp-ei", "Cold: a plain Gaussian process with expected improvement.", _TABLES),
    MethodEntry("at-nas", "AT-NAS: an evolved cell that adapts by prototypes.", _FEW_SHOT),
    MethodEntry("t-nas", "T-NAS: cell and weights learnt together by first-order MAML.", _FEW_SHOT),
    MethodEntry(
        "metanas", "MetaNAS: the same by Reptile, the softmax cooled to one cell.", _FEW_SHOT
    ),
    MethodEntry("random", "A cell drawn uniformly that adapts by prototypes.", _FEW_SHOT),
    MethodEntry("maml", "First-order MAML with a network of four convolutions.", _FEW_SHOT),
    MethodEntry("reptile", "Reptile with a network of four convolutions.", _FEW_SHOT),
    MethodEntry("anil", "ANIL: only the last layer of four convolutions adapts.", _FEW_SHOT),
    MethodEntry("protonet", "Prototypes on a network of four convolutions.", _FEW_SHOT),
    MethodEntry(
        "fisher", "Starts from the donor that is nearest by Fisher information.", _WARM_START
    ),
    MethodEntry(
        "transport", "Starts from the donor that is nearest by optimal transport.", _WARM_START
    ),
    MethodEntry("meta-transfer", "Starts from all donors, weighed by their nearness.", _WARM_START),
    MethodEntry("random", "Starts from any donor.", _WARM_START),
    MethodEntry("darts", "DARTS, first order: a softmax over the operations.", _SUPERNET),
    MethodEntry("darts-2", "DARTS, second order: one step of the weights ahead.", _SUPERNET),
    MethodEntry("gdas", "GDAS: one operation drawn by a Gumbel softmax.", _SUPERNET),
    MethodEntry("drnas", "DrNAS: shares drawn from a Dirichlet distribution.", _SUPERNET),
    MethodEntry("balenas", "BaLeNAS: a Gaussian over the logits.", _SUPERNET),
    MethodEntry("ddpnas", "DDPNAS: the operations that did worst are given up.", _SUPERNET),
)
"""Methods that search, beside ``nasurge searchers``."""
