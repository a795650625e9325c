"""Constraints such as ``flops<=100``, and what to say when nothing meets them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ..data.types import Codes, Mask, Values
from ..errors import InfeasibleError as InfeasibleError
from ..errors import LabelError, ParameterError, UnknownNameError, close_matches
from .studies.flags import listed

_WRITTEN = re.compile(
    r"\s*([A-Za-z][\w.@-]*)\s*(<=|>=)\s*([-+]?[\d.]+(?:[eE][-+]?\d+)?)([KMGB]?)\s*"
)
_MILLIONS = {"": 1.0, "K": 1e-3, "M": 1.0, "G": 1e3, "B": 1e3}
"""Suffixes of what is counted in millions, in millions."""
_COUNTED = ("flops", "macs", "parameters", "params")


@dataclass(frozen=True)
class Constraint:
    """A bound on a quantity, in the quantity's own unit.

    Attributes
    ----------
    name : str
        Of the quantity.
    upper : bool
        Whether the quantity must not exceed the bound; else it must not fall below it.
    bound : float

    Examples
    --------
    >>> limit = Constraint.parse("flops<=100")
    >>> limit.met([50.0, 100.0, 150.0, float("nan")]).tolist()
    [True, True, False, False]
    >>> str(limit)
    'flops<=100'
    """

    name: str
    upper: bool
    bound: float

    @classmethod
    def parse(cls, text: str) -> Constraint:
        """Constraint that ``NAME<=NUMBER`` or ``NAME>=NUMBER`` says; ``flops<=80M`` is 80 million.

        Raises
        ------
        ParameterError
            If it is written otherwise.
        """
        found = _WRITTEN.fullmatch(text)
        try:
            name, sign, number, suffix = found.groups()  # type: ignore[union-attr]
            bound = float(number)
        except (AttributeError, ValueError):
            raise ParameterError(
                f"a constraint is written NAME<=NUMBER or NAME>=NUMBER, such as flops<=100; "
                f"received {text!r}"
            ) from None
        if suffix and name not in _COUNTED:
            near = close_matches(name, _COUNTED)
            meant = f", did you mean {' or '.join(near)}?" if near else ""
            raise ParameterError(
                f"{text!r}: only {', '.join(_COUNTED)} are counted with K, M, G or B{meant}; write "
                f"a bound on anything else in its own unit"
            )
        return cls(name, sign == "<=", bound * _MILLIONS[suffix])

    def __str__(self) -> str:
        return f"{self.name}{'<=' if self.upper else '>='}{self.bound:g}"

    def met(self, values: ArrayLike) -> Mask:
        """Whether each value of the quantity is within the bound, shape (n,); NaN is not."""
        array = np.asarray(values, dtype=np.float64)
        within: Mask = array <= self.bound if self.upper else array >= self.bound
        return within

    def rising(self, values: ArrayLike) -> tuple[Values, float]:
        """Values and their least feasible one, so turned that bigger is more feasible.

        That is the form in which a searcher is told of a constraint: a column and its bound.
        """
        sign = -1.0 if self.upper else 1.0
        return sign * np.asarray(values, dtype=np.float64), sign * self.bound


def parse_constraints(given: Iterable[str | Constraint] | str) -> tuple[Constraint, ...]:
    """Constraints, each once; several in one text are separated by commas.

    Raises
    ------
    ParameterError
        If one is not written ``NAME<=NUMBER`` or ``NAME>=NUMBER``.

    Examples
    --------
    >>> [str(c) for c in parse_constraints("flops<=100, parameters>=0.5")]
    ['flops<=100', 'parameters>=0.5']
    """
    parts: list[Constraint] = []
    for one in [given] if isinstance(given, str) else given:
        if isinstance(one, Constraint):
            parts.append(one)
        else:
            parts += [Constraint.parse(text) for text in listed(one)]
    return tuple(dict.fromkeys(parts))


def feasible(
    columns: Mapping[str, ArrayLike],
    constraints: Iterable[str | Constraint] | str,
    *,
    where: str = "the given ones",
) -> Mask:
    """Whether each architecture meets all constraints, shape (n,).

    With the codes of those as ``pool``, any searcher keeps to them.

    Parameters
    ----------
    columns : mapping from a quantity's name to its values, shape (n,)
    constraints : sequence of str or Constraint
    where : str
        What the architectures are, for messages.

    Returns
    -------
    bool array, shape (n,)

    Raises
    ------
    InfeasibleError
        If none does.
    UnknownNameError
        If a constraint is on a quantity that is not given.
    LabelError
        If the columns are not of one length.

    Examples
    --------
    >>> flops = [20.0, 80.0, 200.0]
    >>> feasible({"flops": flops}, ["flops<=100"])
    array([ True,  True, False])
    >>> try:
    ...     feasible({"flops": flops}, ["flops<=10"])
    ... except InfeasibleError as error:
    ...     str(error)
    'flops<=10 excludes all 3 architectures of the given ones: the smallest flops is 20'
    """
    limits = parse_constraints(constraints)
    arrays = {name: np.asarray(column, dtype=np.float64) for name, column in columns.items()}
    shapes = {array.shape for array in arrays.values()}
    if len(shapes) != 1 or len(next(iter(shapes))) != 1:
        raise LabelError(f"columns have one shape (n,), received {sorted(shapes)}")
    for limit in limits:
        if limit.name not in arrays:
            raise UnknownNameError("quantity", limit.name, arrays, hint=f"in {limit}")
    each = [limit.met(arrays[limit.name]) for limit in limits]
    mask: Mask = np.logical_and.reduce([np.ones(next(iter(shapes)), dtype=bool), *each])
    if not mask.any():
        raise InfeasibleError(_why(limits, each, arrays, where))
    return mask


def _why(
    limits: Sequence[Constraint], each: Sequence[Mask], arrays: Mapping[str, Values], where: str
) -> str:
    """The bound that excludes everything, or the number that each of them leaves, in words."""
    for limit, met in zip(limits, each, strict=True):
        if not met.any():
            values = arrays[limit.name]
            return (
                f"{limit} excludes all {len(values):,} architectures of {where}: "
                f"{_nearest(limit, values)}"
            )
    for position in range(1, len(limits)):
        earlier: Mask = np.logical_and.reduce(each[:position])
        if not (earlier & each[position]).any():
            last = limits[position]
            met_so_far = " and ".join(map(str, limits[:position]))
            return (
                f"no architecture of {where} meets all constraints: of the {earlier.sum():,} that "
                f"meet {met_so_far}, {last} excludes all: "
                f"{_nearest(last, arrays[last.name][earlier])}"
            )
    return f"there is no architecture in {where}"


def _nearest(limit: Constraint, values: Values) -> str:
    """Bound that would let something through, in words."""
    known = values[np.isfinite(values)]
    if not len(known):
        return "none has a value"
    extreme = known.min() if limit.upper else known.max()
    return f"the {'smallest' if limit.upper else 'largest'} {limit.name} is {extreme:.6g}"


def cost_values(name: str, cost: Callable[[Codes], ArrayLike], codes: Codes) -> Values:
    """What a cost function says of architectures, shape (n,).

    Raises
    ------
    LabelError
        If it does not return a number for each.
    """
    found = np.asarray(cost(codes), dtype=np.float64)
    if found.shape != (len(codes),) or np.isnan(found).any():
        raise LabelError(
            f"cost {name!r} was given {len(codes)} architectures and must return a number for "
            f"each, not an array of shape {found.shape} with {int(np.isnan(found).sum())} NaN"
        )
    return found
