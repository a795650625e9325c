"""How supernets are trained, as one value: for Python, studies and the command line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from ...errors import ParameterError, UnknownNameError
from ..studies.flags import Flag
from ..training import PRECISIONS, check_known, check_least

RULES = {
    "spos": "one path, drawn uniformly",
    "fairnas": "all operations of every edge, once each",
    "sandwich": "the largest path, the smallest, and two drawn ones",
}
"""Rules by which a step of a supernet's training draws its paths, and what each draws."""

Epochs = Annotated[int, Flag(least=1, help="Times that every image is learnt from.")]


@dataclass(frozen=True, kw_only=True)
class SupernetOptions:
    """How the shared weights of a supernet are trained; the seed is not in it.

    Attributes
    ----------
    rule : {"spos", "fairnas", "sandwich"}
        How paths are drawn: see ``RULES``.
    epochs, batch_size : int
    learning_rate, weight_decay : float
    clip : float
        The norm to which longer gradients are cut; 0 cuts none.
    flip, shift, precision, channels_last
        As for ``Recipe``.
    compile : bool
        Compile every operation with ``torch.compile``: pays for long trainings only.

    Raises
    ------
    ParameterError
        If a value is outside its range.
    UnknownNameError
        If there is no such rule.

    Examples
    --------
    >>> SupernetOptions(rule="fairnas").epochs
    20
    """

    rule: Annotated[str, Flag(help="How paths are drawn: spos, fairnas or sandwich.")] = "spos"
    epochs: Epochs = 20
    batch_size: Annotated[int, Flag(least=2, help="Images of a step, at most.")] = 64
    learning_rate: Annotated[float, Flag(least=0, help="The highest of a cosine.")] = 0.1
    weight_decay: float = 5e-4
    clip: float = 5.0
    flip: bool | None = None
    shift: int | None = None
    precision: Annotated[str, Flag(help="float32 or bfloat16.")] = "float32"
    channels_last: Annotated[
        bool, Flag(help="Keep images and weights in channels-last memory order.")
    ] = False
    compile: bool = False

    def __post_init__(self) -> None:
        if self.rule not in RULES:
            raise UnknownNameError("rule", self.rule, RULES)
        check_least(self, {"epochs": 1, "batch_size": 2, "clip": 0, "weight_decay": 0, "shift": 0})
        if self.learning_rate <= 0:
            raise ParameterError(f"learning_rate must be above 0, not {self.learning_rate}")
        check_known(self, {"precision": PRECISIONS})
