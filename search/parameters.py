"""Searchers whose parameters are declared once: name, type, default and range."""

from __future__ import annotations

from collections.abc import Iterable
from copy import copy
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from ..data.parameters import Estimator, check_parameters
from ..data.seeds import Seed
from ..data.spaces import Codes, Space
from .base import Searcher


@dataclass(eq=False, repr=False, match_args=False, kw_only=True)
class DeclaredSearcher(Estimator, Searcher):
    """A searcher whose parameters and state are declared.

    An annotated attribute is a parameter: a keyword of the constructor with that default, checked
    where it says what it may be (``nasurge.data.parameters``). Subclasses prepare what else they
    need in ``__post_init__``, after that of their parent, and name in ``_kept`` the attributes that
    ``_reset`` makes and a state holds.

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
        check_parameters(self)
        declared = fields(self)
        for parameter in declared:
            allowed, value = parameter.metadata.get("range"), getattr(self, parameter.name)
            if allowed is not None and allowed.kind is not None:
                setattr(self, parameter.name, allowed.kind(value))  # states are read by their type
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
