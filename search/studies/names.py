"""Names of the methods that the studies across tasks and devices compare, one line each.

Read when the command line starts: this imports nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

LATENCY_METHODS = {
    "transfer": "costs of operations learnt on the known devices, measured where they say most",
    "transfer-random": "the same with measurements drawn at random",
    "components": "a ridge on three principal components of the known devices",
    "nearest": "the known device that ranks the measured architectures best",
    "scratch": "a ridge on operation counts, without other devices",
}
TRANSFER_METHODS = {
    "transfer": "scores learnt on each earlier task, corrected by the new labels",
    "transfer-anchors": "the same with labels of architectures chosen by structure",
    "transfer-graph": "one graph network for all tasks, corrected by the new labels",
    "scratch": "auto on the new labels alone",
    "scratch-anchors": "the same with labels of architectures chosen by structure",
    "tasks-xgb": "boosted trees on all labels together, whatever their task",
    "tasks-gp": "a Gaussian process on all labels together, whatever their task",
}
FEW_SHOT_METHODS = {
    "at-nas": "a meta-trained supernet whose encodings evolve",
    "random": "an architecture of the space drawn uniformly, meta-trained as it is",
    "t-nas": "weights and architecture adapted together, their start by first-order MAML",
    "metanas": "weights and architecture adapted together, their start by Reptile",
    "maml": "the hand-made network, all weights adapted by gradients (first order)",
    "reptile": "the hand-made network, moved to where adaptation leads",
    "anil": "the hand-made network, the last layer adapted from zero",
    "protonet": "the hand-made network, distances to the classes' mean features",
}
WARM_START_METHODS = {
    "fisher": "the task nearest by the Fisher information of a probe network",
    "transport": "the task nearest by optimal transport between classes",
    "meta-transfer": "all earlier tasks, weighted by nearness",
    "random": "any earlier task",
}
"""How the donor of a search is chosen."""
NEW_TASK_STARTS = {
    **{name: text for name, text in WARM_START_METHODS.items() if name != "random"},
    "cold": "none of them",
}
"""From what one new task is started."""


def described(methods: Mapping[str, str]) -> str:
    """Names and descriptions as one sentence, for the help of an option.

    Examples
    --------
    >>> described({"a": "first", "b": "second"})
    'a (first), b (second)'
    """
    return ", ".join(f"{name} ({text})" for name, text in methods.items())
