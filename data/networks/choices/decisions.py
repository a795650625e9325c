"""Decisions that modules of a model leave open: what they are called, and what is chosen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch.utils._pytree import tree_leaves

from ....errors import ParameterError
from ...arguments import brief
from ...types import Index

Selection = Mapping[str, int]
"""Number of the chosen value of each decision, by its name."""


@dataclass(eq=False)
class Decision:
    """One decision, made in one or several places of a model.

    Attributes
    ----------
    values : tuple of str or int
        What is chosen from; of an ordered decision, rising numbers.
    ordered : bool
        Whether the values are numbers whose distance counts.
    skip : tuple
        Values that pass on what they get.
    name : str
        The variable of the space. Decisions of one name are one; empty until it has one.
    """

    values: tuple[str | int, ...]
    ordered: bool = False
    skip: tuple[str, ...] = ()
    name: str = ""

    def chosen(self, selection: Selection | None) -> int:
        """Number of the chosen value: without a selection, the largest or the first."""
        if selection is None:
            return len(self.values) - 1 if self.ordered else 0
        return selection[self.name]


class Elastic:
    """A number that a decision sets: a width, a kernel size, an expansion, a number of heads.

    Layers that take one hold weights for the largest number and use a slice of them. One object
    in several places is one decision; so are several of one name. Whole numbers and other elastic
    ones may be added, multiplied and divided (``//``): the result follows from the same decisions.

    Parameters
    ----------
    *numbers : int
        Two or more different positive ones.
    name : str, optional
        Name of the variable; by default the place of the first layer that takes it.

    Raises
    ------
    ParameterError
        If they are not positive whole numbers, or fewer than two.

    Attributes
    ----------
    decisions : tuple of Decision
        The decisions that it follows from.
    numbers : int array
        What it is, an axis for each of them.

    Examples
    --------
    >>> expansion = Elastic(3, 6)
    >>> inner = 16 * expansion
    >>> inner
    Elastic(48, 96)
    >>> inner.largest
    96
    """

    def __init__(self, *numbers: int, name: str = "") -> None:
        wrong = [n for n in numbers if isinstance(n, bool) or not isinstance(n, int | np.integer)]
        if wrong or any(n < 1 for n in numbers):
            raise ParameterError(
                "an elastic number is one of several positive whole numbers, such as "
                f"Elastic(16, 24, 32); received {', '.join(map(brief, numbers))}"
            )
        values = tuple(sorted(int(n) for n in numbers))
        if len(set(values)) < max(2, len(values)):
            raise ParameterError(
                "an elastic number is one of two or more different numbers, such as "
                f"Elastic(16, 24, 32); received {', '.join(map(str, numbers)) or 'none'}"
            )
        self.decisions: tuple[Decision, ...] = (Decision(values, ordered=True, name=name),)
        self.numbers: Index = np.array(values)

    @property
    def largest(self) -> int:
        """The largest number that it can be."""
        return int(self.numbers.max())

    @property
    def smallest(self) -> int:
        """The smallest number that it can be."""
        return int(self.numbers.min())

    def at(self, selection: Selection | None) -> int:
        """The number that it is under a selection; without one, the largest."""
        return int(self.numbers[tuple(one.chosen(selection) for one in self.decisions)])

    def _with(self, other: Any, operation: Any) -> Elastic:
        """Elastic number of an operation with a whole number or another elastic one."""
        theirs: tuple[Decision, ...]
        if isinstance(other, int | np.integer) and not isinstance(other, bool):
            theirs, right = (), np.asarray(int(other))
        elif isinstance(other, Elastic):
            theirs, right = other.decisions, other.numbers
        else:
            raise ParameterError(
                f"an elastic number is combined with whole or elastic ones, not with {brief(other)}"
            )
        both = (*self.decisions, *(one for one in theirs if one not in self.decisions))
        result = operation(
            _spread(self.decisions, self.numbers, both), _spread(theirs, right, both)
        )
        if (result < 1).any():
            raise ParameterError(f"an elastic number must stay positive, not {result.min()}")
        return elastic_of(both, result)

    def __add__(self, other: Any) -> Elastic:
        return self._with(other, np.add)

    def __mul__(self, other: Any) -> Elastic:
        return self._with(other, np.multiply)

    def __floordiv__(self, other: Any) -> Elastic:
        return self._with(other, np.floor_divide)

    __radd__ = __add__
    __rmul__ = __mul__

    def _no_number(self, *_: Any) -> Any:
        """Refuse to be taken for one whole number, as a layer of PyTorch takes it.

        Raises
        ------
        ParameterError
        """
        raise ParameterError(
            f"{self!r} is no single number. A layer whose own width, kernel or heads are chosen is "
            "one of nasurge.nn (Conv1d, Conv2d, Linear, SelfAttention); layers of torch.nn behind "
            f"it take the largest number, {self.largest} (.largest), and follow by themselves. It "
            "can be added (+), multiplied (*) and divided (//), by whole numbers or elastic ones"
        )

    __index__ = __int__ = __float__ = __iter__ = __neg__ = _no_number
    __sub__ = __rsub__ = __truediv__ = __rtruediv__ = __rfloordiv__ = __pow__ = _no_number
    __mod__ = __rmod__ = __divmod__ = __lt__ = __le__ = __gt__ = __ge__ = _no_number

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Refuse to be the size of a tensor, as in ``torch.nn.BatchNorm2d(width)``."""
        del func, types
        held = [*tree_leaves(args), *tree_leaves(kwargs or {})]
        next(one for one in held if isinstance(one, cls)).__index__()

    def __repr__(self) -> str:
        return f"Elastic({', '.join(map(str, np.unique(self.numbers).tolist()))})"


def elastic_of(decisions: tuple[Decision, ...], numbers: Index) -> Elastic:
    """Elastic number that follows from decisions, an axis of the numbers for each."""
    made = Elastic.__new__(Elastic)
    made.decisions, made.numbers = decisions, numbers.astype(np.int64)
    return made


def _spread(names: tuple[Decision, ...], numbers: Index, both: tuple[Decision, ...]) -> Index:
    """Numbers with an axis for each of ``both``, of length 1 where they do not follow from it."""
    axes = [names.index(one) if one in names else None for one in both]
    kept = numbers.transpose([axis for axis in axes if axis is not None])
    shape = iter(kept.shape)
    return kept.reshape([1 if axis is None else next(shape) for axis in axes])


def largest(number: int | Elastic) -> int:
    """Largest that a whole or elastic number can be."""
    return number.largest if isinstance(number, Elastic) else int(number)


def current(number: int | Elastic, selection: Selection | None) -> int:
    """What a whole or elastic number is under a selection."""
    return number.at(selection) if isinstance(number, Elastic) else int(number)
