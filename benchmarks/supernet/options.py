"""How supernets are trained, as one value: for Python, studies and the command line."""

from __future__ import annotations

from dataclasses import dataclass

from ...errors import UnknownNameError
from ..studies.flags import option
from ..training import PRECISIONS, EpochOptions, check_known, check_least

RULES = {
    "spos": "SPOS: one path, drawn uniformly",
    "fairnas": "FairNAS: all operations of every edge, once each",
    "sandwich": "sandwich rule: the largest path, the smallest, and two drawn ones",
}
"""Rules by which a step of a supernet's training draws its paths, and what each draws."""


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
