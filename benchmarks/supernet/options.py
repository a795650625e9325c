"""How supernets are trained, as one value: for Python, studies and the command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ...errors import UnknownNameError
from ..studies.flags import option
from ..training import PRECISIONS, EpochOptions, check_known, check_least

RULES = {
    "spos": "SPOS: one path, drawn uniformly",
    "fairnas": "FairNAS: all operations of every edge, once each",
    "sandwich": "sandwich rule: the largest path, the smallest, and two drawn ones",
}
"""Rules by which a step of a supernet's training draws its paths, and what each draws."""
STARTS = {
    "scratch": "weights drawn anew",
    "inherited": "those of the supernet, from which training goes on",
}
"""Weights with which the network of an architecture is trained by itself."""


@dataclass(frozen=True, kw_only=True)
class SharedWeightOptions(EpochOptions):
    """How shared weights learn images in epochs: as ``EpochOptions``, with a ``clip``.

    Attributes
    ----------
    clip : float
        The norm to which longer gradients are cut; 0 cuts none.
    """

    clip: float = 5.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_least(self, {"clip": 0})


@dataclass(frozen=True, kw_only=True)
class SupernetOptions(SharedWeightOptions):
    """How the shared weights of a supernet are trained; the seed is not in it.

    Attributes
    ----------
    epochs, batch_size, learning_rate, weight_decay, flip, shift, channels_last, clip
        As of ``SharedWeightOptions``.
    rule : {"spos", "fairnas", "sandwich"}
        How paths are drawn: see ``RULES``.
    precision
        As of ``Recipe``.
    compile : bool
        Compile every operation with ``torch.compile``: pays for long trainings only.

    Examples
    --------
    >>> SupernetOptions(rule="fairnas").epochs
    20
    """

    rule: str = option("spos", help="How paths are drawn: spos, fairnas or sandwich.")
    learning_rate: float = option(0.1, least=0, help="The highest of a cosine.")
    precision: str = option("float32", help="float32 or bfloat16.")
    channels_last: bool = option(
        False, help="Keep images and weights in channels-last memory order."
    )
    compile: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.rule not in RULES:
            raise UnknownNameError("rule", self.rule, RULES)
        check_known(self, {"precision": PRECISIONS})


Searched = partial(option, section="The search with inherited weights")
Alone = partial(option, section="The trainings of the best")


@dataclass(frozen=True, kw_only=True)
class SubnetworkOptions:
    """How the best sub-networks of a supernet are searched for, and trained by themselves.

    Attributes
    ----------
    searcher, objectives, constraints, budget
        As for ``nasurge.search``; the function is the validation accuracy with inherited weights.
    valid_limit : int or None
        Validation images of an evaluation.
    top, random : int
        How many of the best are trained, and as many drawn uniformly within the same constraints
        unless ``random`` says how many.
    start : {"scratch", "inherited"}
        The weights with which these trainings begin.
    train_epochs : int
    recipe : str or None
        As for ``read_recipe``.
    out : Path
        Folder for the network.
    """

    searcher: str = Searched(
        "evolution",
        name="-s",
        help="Of nasurge searchers: evolution, nsga2 for --objectives, random, ...",
    )
    objectives: str | None = Searched(
        None, help="Instead of accuracy alone: accuracy and costs, such as accuracy,flops."
    )
    constraints: Sequence[str] = Searched(
        (),
        name="--constraint",
        metavar="BOUND",
        repeated=True,
        help="A bound that is kept, such as flops<=80 (millions); may be repeated.",
    )
    budget: int = Searched(
        200, name="-b", least=1, help="Sub-networks evaluated with inherited weights."
    )
    valid_limit: int | None = Searched(
        None, least=2, help="Validation images of an evaluation; by default all."
    )
    top: int = Alone(3, least=1, help="Of the best, how many are trained by themselves.")
    random: int | None = Alone(
        None,
        least=0,
        shown="as many",
        help="Sub-networks drawn uniformly within the same bounds that are trained beside them: "
        "what the supernet adds is what is better than these.",
    )
    start: str = Alone(
        "scratch", help="Weights with which trainings begin: scratch, or inherited (fine-tuning)."
    )
    train_epochs: int = Alone(30, least=1, help="Of each of these trainings.")
    recipe: str | None = Alone(
        None, help="How they are trained: a JSON object or a file of one, as for nasurge search."
    )
    out: Path = Alone(Path("best"), help="Folder for the best network.")

    def __post_init__(self) -> None:
        if self.start not in STARTS:
            raise UnknownNameError("start", self.start, STARTS)
