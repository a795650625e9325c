"""Methods that are no predictor or searcher by name, and the command or class that has each.

They learn from other tasks or devices, or train a supernet, so that a space alone makes none.
"""

from __future__ import annotations

from typing import NamedTuple


class Method(NamedTuple):
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
    Method("transfer", "Earlier tasks' scorers, corrected by the new labels.", _TRANSFER),
    Method("transfer-anchors", "The same, labels chosen by ``nasurge.anchors``.", _TRANSFER),
    Method("transfer-graph", "One graph network for all tasks, with a vector of each.", _TRANSFER),
    Method("scratch", "``auto`` on the new labels alone.", _TRANSFER),
    Method("scratch-anchors", "The same, labels chosen by ``nasurge.anchors``.", _TRANSFER),
    Method("tasks-xgb", "``xgb`` on the labels of all tasks together.", _TRANSFER),
    Method("tasks-gp", "``gp`` on the labels of all tasks together.", _TRANSFER),
    Method("transfer", "Latencies from those of known devices and a few anchors.", _LATENCY),
    Method("transfer-random", "The same, from architectures drawn at random.", _LATENCY),
    Method("components", "A ridge on three principal components of known devices.", _LATENCY),
    Method("nearest", "The known device that ranks what was measured best.", _LATENCY),
    Method("scratch", "A ridge on operation counts.", _LATENCY),
)
"""Methods that predict, beside ``nasurge predictors``."""

SEARCHING = (
    Method("meta-bo", "``bo`` with a process that knows the scores on earlier tasks.", _TABLES),
    Method("meta-evolution", "Evolution that begins with, and is led by, earlier tasks.", _TABLES),
    Method("catch", "CATCH: a controller whose context is what was evaluated so far.", _TABLES),
    Method("gp-ei", "Cold: a plain Gaussian process with expected improvement.", _TABLES),
    Method("at-nas", "AT-NAS: an evolved cell that adapts by prototypes.", _FEW_SHOT),
    Method("t-nas", "T-NAS: cell and weights learnt together by first-order MAML.", _FEW_SHOT),
    Method("metanas", "MetaNAS: the same by Reptile, the softmax cooled to one cell.", _FEW_SHOT),
    Method("random", "A cell drawn uniformly that adapts by prototypes.", _FEW_SHOT),
    Method("maml", "First-order MAML with a network of four convolutions.", _FEW_SHOT),
    Method("reptile", "Reptile with a network of four convolutions.", _FEW_SHOT),
    Method("anil", "ANIL: only the last layer of four convolutions adapts.", _FEW_SHOT),
    Method("protonet", "Prototypes on a network of four convolutions.", _FEW_SHOT),
    Method("fisher", "Starts from the donor that is nearest by Fisher information.", _WARM_START),
    Method("transport", "Starts from the donor that is nearest by optimal transport.", _WARM_START),
    Method("meta-transfer", "Starts from all donors, weighed by their nearness.", _WARM_START),
    Method("random", "Starts from any donor.", _WARM_START),
    Method("darts", "DARTS, first order: a softmax over the operations.", _SUPERNET),
    Method("darts-2", "DARTS, second order: one step of the weights ahead.", _SUPERNET),
    Method("gdas", "GDAS: one operation drawn by a Gumbel softmax.", _SUPERNET),
    Method("drnas", "DrNAS: shares drawn from a Dirichlet distribution.", _SUPERNET),
    Method("balenas", "BaLeNAS: a Gaussian over the logits.", _SUPERNET),
    Method("ddpnas", "DDPNAS: the operations that did worst are given up.", _SUPERNET),
)
"""Methods that search, beside ``nasurge searchers``."""
