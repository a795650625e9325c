"""Parameters of searchers, each declared once: name, type, default and what it may be."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import dataclass, field, fields
from functools import partial
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from ..data.parameters import Estimator
from ..data.seeds import Seed
from ..data.spaces import Codes, Space
from ..errors import ParameterError
from .base import Searcher


def check_whole_number(name: str, value: int, *, least: int = 1) -> int:
    """A checked integer of at least ``least``.

    Raises
    ------
    ParameterError
        If it is not.
    """
    if not isinstance(value, (int, np.integer)) or value < least:
        raise ParameterError(f"{name} must be an integer of at least {least}, not {value!r}")
    return int(value)


def _check_positive(name: str, value: float, *, most: float) -> float:
    if not isinstance(value, (int, float, np.number)) or not 0 < value <= most:
        limit = "" if np.isinf(most) else f" and at most {most:g}"
        raise ParameterError(f"{name} must be a number above 0{limit}, not {value!r}")
    return float(value)


def _check_probability(name: str, value: float) -> float:
    if not 0 <= value <= 1:
        raise ParameterError(f"{name} is a probability or a share, not {value!r}")
    return value


def _check_one_of(name: str, value: str | None, *, names: Sequence[str | None]) -> str | None:
    if value not in names:
        known = ", ".join(filter(None, names))
        raise ParameterError(f"{name} is one of {known}, not {value!r}")
    return value


def whole_number(default: int, *, least: int = 1) -> Any:
    """Parameter that is an integer of at least ``least``."""
    return field(default=default, metadata={"check": partial(check_whole_number, least=least)})


def positive_number(default: float, *, most: float = np.inf) -> Any:
    """Parameter that is a number above 0 and at most ``most``."""
    return field(default=default, metadata={"check": partial(_check_positive, most=most)})


def probability(default: float) -> Any:
    """Parameter that is a number from 0 to 1."""
    return field(default=default, metadata={"check": _check_probability})


def one_of(default: str | None, names: Sequence[str | None]) -> Any:
    """Parameter that is one of some names."""
    return field(default=default, metadata={"check": partial(_check_one_of, names=names)})


@dataclass(eq=False, repr=False, match_args=False, kw_only=True)
class DeclaredSearcher(Estimator, Searcher):
    """A searcher whose parameters and state are declared.

    An annotated attribute is a parameter: a keyword of the constructor with that default, checked
    where it says what it may be (``whole_number``, ``positive_number``, ``probability``,
    ``one_of``). Subclasses prepare what else they need in ``__post_init__``, after that of their
    parent, and name in ``_kept`` the attributes that ``_reset`` makes and a state holds.

    Raises
    ------
    ArchitectureError
        If a row of ``pool`` is not in the space.
    ParameterError
        If a parameter is outside its values, or ``pool`` is empty.
    """

    space: Space = field(kw_only=False)
    pool: ArrayLike | None = None
    seed: Seed = None

    _kept: ClassVar[tuple[str, ...]] = ()
    """Names, without the underscore, of arrays and numbers that are saved beside what was told."""

    def __post_init__(self) -> None:
        declared = fields(self)
        for parameter in declared:
            if check := parameter.metadata.get("check"):
                setattr(self, parameter.name, check(parameter.name, getattr(self, parameter.name)))
        names = {parameter.name for parameter in declared} & {"n_objectives", "bounds"}
        columns: dict[str, Any] = {name: getattr(self, name) for name in names}
        super().__init__(self.space, pool=self.pool, seed=self.seed, **columns)

    def _state(self) -> dict[str, Any]:
        return {name: copy(getattr(self, f"_{name}")) for name in self._kept}

    def _load_state(self, state: dict[str, Any]) -> None:
        for name in self._kept:
            # What is in place says of which type it is: files give lists and NumPy's numbers.
            before = getattr(self, f"_{name}")
            is_array = isinstance(before, np.ndarray)
            value = np.array(state[name], before.dtype) if is_array else type(before)(state[name])
            setattr(self, f"_{name}", value)

    def _collect(self, rounds: Iterable[Codes], n: int) -> Codes:
        """The first ``n`` different unseen rows of some rounds; no more rounds than that takes."""
        found = np.empty((0, self.space.n_variables), self.space.dtype)
        for codes in rounds:
            found = self._unseen(np.concatenate([found, codes]))[:n]
            if len(found) == n:
                break
        return found
