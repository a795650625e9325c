"""What every searcher shares: ask for architectures, tell their values, save and resume."""

from __future__ import annotations

import hashlib
import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..data.arguments import checked
from ..data.files import DAMAGED
from ..data.parameters import inherit_parameters
from ..data.seeds import Seed, as_generator
from ..data.spaces import Codes, Space, make_space
from ..data.types import Index, Keys, Mask, Values
from ..errors import ExhaustedError as ExhaustedError
from ..errors import LabelError, NasurgeError, ParameterError
from .loop.results import plain
from .pareto import best_row, column_bounds, feasible_rows, non_dominated
from .pools import Remaining, Sparse, function_keys, remaining, twins_in
from .searchers.names import searcher_name, with_names

STATE_VERSION = 2
BIT_GENERATORS = ("PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64")


class Searcher(ABC):
    """A search that is asked for architectures and told their values; bigger is better.

    A searcher never asks for an architecture that was asked or told before. It may be told
    architectures it did not ask for (a warm start), in any order, and one more than once. A
    value of NaN is a failed evaluation: kept, but never a parent or a training label.

    Subclasses override ``_ask``, and where they keep more than the observed values also ``_tell``,
    ``_state`` and ``_load_state``.

    With several objectives, values are told as columns, each bigger is better; a row with a NaN
    has failed. Columns after the objectives are constraints: what has to reach a bound and is not
    otherwise wanted large. A class that can do this says so by ``several_objectives``.

    Parameters
    ----------
    space : Space or str
        Where architectures come from, or its name.
    n_objectives : int
        Number of columns to be maximised, at least 1.
    bounds : sequence of float, optional
        The least feasible value of each column, ``-inf`` for none; more bounds than objectives
        make columns that are constraints only.
    pool : array_like of int, shape (m, d), optional
        The only architectures that may be proposed, for tables that measure a part of the space;
        by default all of it. Architectures outside the pool may still be told.
    seed : int, Generator or None

    Raises
    ------
    ArchitectureError
        If a row of ``pool`` is not in the space.
    ParameterError
        If ``pool`` is empty, ``n_objectives`` or ``bounds`` is wrong, or the class takes one
        objective without bounds only.
    """

    several_objectives: ClassVar[bool] = False
    """Whether the class takes ``n_objectives`` above 1, and ``bounds``."""
    most_proposed: ClassVar[int] = 1000
    """Proposals at once; an ``ask`` for more is filled up with uniform draws, in bounded time."""

    def __init_subclass__(cls, **options: object) -> None:
        super().__init_subclass__(**options)
        inherit_parameters(cls)

    def __init__(
        self,
        space: str | Space,
        *,
        n_objectives: int = 1,
        bounds: Sequence[float] = (),
        pool: ArrayLike | None = None,
        seed: Seed = None,
    ) -> None:
        self.space = space = make_space(space)
        self.n_objectives = n_objectives
        self.bounds: Sequence[float] = column_bounds(n_objectives, bounds)
        if not self.several_objectives and (len(self.bounds) > 1 or bounds):
            raise ParameterError(f"{type(self).__name__} searches for one objective without bounds")
        self.seed = seed
        self._rng = as_generator(seed)
        self._limited = pool is not None
        self._allowed: Keys | None = None
        self._stand_ins: Index | None = None
        self._feasible_only: Callable[[Codes], Mask] | None = None
        if pool is not None:
            self._allowed = np.unique(space.keys(pool))
            if not len(self._allowed):
                raise ParameterError(
                    "pool is empty; give the codes that may be proposed, or None for all"
                )
        elif space.listed:
            self._allowed = space.keys(space.all_codes())
        self._reset()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of space {self.space.name}: {len(self.values_)} told>"

    def _reset(self) -> None:
        """Forget everything asked and told."""
        self._codes: list[Codes] = [np.empty((0, self.space.n_variables), self.space.dtype)]
        width = len(self.bounds)
        self._values: list[Values] = [np.empty((0, width) if width > 1 else 0)]
        self._pending: dict[int | bytes, None] = {}
        self._remaining: Remaining = remaining(self.space, self._allowed, self._feasible_only)

    # -- what a searcher overrides ----------------------------------------------------------------

    @abstractmethod
    def _ask(self, n: int) -> Codes:
        """Proposals, the most wanted first: any number of rows, seen ones among them.

        ``ask`` drops what was seen or is outside the pool, keeps the first ``n`` and fills up with
        uniform draws. Randomness comes from ``self._rng`` alone.
        """

    def _tell(self, codes: Codes, values: Values) -> None:
        """Record checked observations."""
        self._codes.append(codes)
        self._values.append(values)

    def _check_values(self, values: ArrayLike, n: int) -> Values:
        """Values of ``n`` architectures, shape (n,), or (n, columns) of several."""
        try:
            array = np.array(plain(values), dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise LabelError(f"values must be numbers, one per architecture: {error}") from None
        width = len(self.bounds)
        if n == 1 and array.shape == ((width,) if width > 1 else ()):
            array = array[None]
        if array.shape != (n, width) and (width > 1 or array.shape != (n,)):
            raise LabelError(self._wrong_shape(array, n))
        if np.isinf(array).any():
            raise LabelError(
                f"value {int(np.argwhere(np.isinf(array))[0][0])} is infinite; values are finite, "
                "or NaN for a failed evaluation"
            )
        return array if width > 1 else array.reshape(n)

    def _wrong_shape(self, array: Values, n: int) -> str:
        """Message on the wrong shape of observed values."""
        width, name = len(self.bounds), type(self).__name__
        if width > 1:
            extra = width - self.n_objectives
            return (
                f"values must have shape ({n}, {width}), a row per told architecture: this {name} "
                f"has {self.n_objectives} objectives"
                + (f" and {extra} constraints" if extra else "")
                + f"; received {array.shape}"
            )
        if array.ndim == 2 and array.shape[1] > 1:
            return (
                f"values have {array.shape[1]} columns, but this {name} maximises one objective; "
                "tell one column, or use a multi-objective searcher with n_objectives="
                f"{array.shape[1]}"
            )
        return f"values must have shape ({n},), one per told architecture, not {array.shape}"

    def _state(self) -> dict[str, Any]:
        """State of the searcher besides the observations, as JSON values and arrays."""
        return {}

    def _load_state(self, state: dict[str, Any]) -> None:
        """Take back what ``_state`` returned; everything told is already in place."""
        del state

    # -- what a searcher builds on ----------------------------------------------------------------

    def _draw(self, n: int) -> Codes:
        """Up to ``n`` different unseen architectures, drawn uniformly, shape (m, d)."""
        return self.space.from_keys(self._remaining.draw(n, self._rng))

    def _unseen(self, codes: Codes) -> Codes:
        """Rows that may still be proposed, each once, in their order.

        A row outside the pool stands for its twin in the pool, where there is one: a table that
        measures each function once is as easy to walk in as the whole space.
        """
        keys = self._moved(self._in_pool(self.space.keys(codes)))
        keys = keys[np.sort(np.unique(keys, return_index=True)[1])]
        return self.space.from_keys(keys[self._remaining.free(keys)])

    def _moved(self, keys: Keys) -> Keys:
        """Identities, those outside a pool of few rows being those of the nearest unseen rows.

        In a space that is not listed children of rows are hardly ever rows. Others are unchanged.
        """
        return self._remaining.stand_ins(keys) if isinstance(self._remaining, Sparse) else keys

    def _can_propose(self, codes: Codes) -> NDArray[np.bool_]:
        """Whether architectures are in the pool or have a twin there, seen ones too, shape (n,)."""
        if self._allowed is None:
            kept = self.space.is_valid(codes)
            if self._feasible_only is not None:
                kept[kept] = self._feasible_only(codes[kept])
            return kept
        return np.isin(self._in_pool(self.space.keys(codes)), self._allowed)

    def _in_pool(self, keys: Keys) -> Keys:
        """Identities of what stands for each function: in the pool if one there is known."""
        space = self.space
        if self._allowed is None:
            return function_keys(space, keys)
        if not space.listed or np.isin(keys, self._allowed).all():
            return keys
        if space.n_functions == space.size:
            return keys
        if self._stand_ins is None:
            self._stand_ins = twins_in(space, self._allowed)
        return self._stand_ins[keys]

    def _check_codes(self, codes: ArrayLike) -> Codes:
        """Copy of codes that are in the space."""
        return self.space.check(codes).copy()

    def check_values(self, values: ArrayLike, n: int) -> Values:
        """Values of ``n`` architectures as ``tell`` would record them.

        Raises
        ------
        LabelError
            If they are not one finite number or NaN per architecture.
        """
        return self._check_values(values, n)

    # -- ask and tell -----------------------------------------------------------------------------

    def ask(self, n: int = 1) -> Codes:
        """Architectures to evaluate next, shape (n, d), none of them asked or told before.

        Parameters
        ----------
        n : int
            How many, at least 1.

        Returns
        -------
        int array, shape (n, d)
            Fewer rows when fewer are left.

        Raises
        ------
        ExhaustedError
            If no architecture is left.
        ParameterError
            If ``n`` is not a positive integer.
        """
        try:
            count = operator.index(n)
        except TypeError:
            raise ParameterError(f"ask takes a number of architectures, not {n!r}") from None
        if count < 1:
            raise ParameterError(f"ask takes a number of at least 1, not {count}")
        before, kept = self._rng.bit_generator.state, self._state()
        try:
            codes = self._unseen(self._ask(min(count, self.most_proposed)))[:count]
            if len(codes) < count:
                spare = self._unseen(np.concatenate([codes, self._draw(count)]))
                codes = spare[:count]
            keys = self.space.keys(codes)
            self._remaining.take(keys)
        except BaseException:  # an interrupted fit must not change what a resumed search asks
            self._rng.bit_generator.state = before
            self._load_state(kept)
            raise
        if not len(codes):
            within = "" if self._feasible_only is None else " that was drawn and is feasible"
            where = f"space{within}" if self._allowed is None else f"pool of {len(self._allowed)}"
            raise ExhaustedError(
                f"every architecture of the {where} in space {self.space.name!r} has been asked "
                "or told; lower the budget or allow more architectures"
            )
        self._pending.update(dict.fromkeys(keys.tolist()))
        return codes

    def tell(self, codes: ArrayLike, values: ArrayLike) -> None:
        """Record the values of architectures, asked for or not.

        Parameters
        ----------
        codes : array_like of int, shape (n, d)
        values : array_like of float, shape (n,), or (n, k) of several columns
            Bigger is better; NaN, None and masked ones are failed evaluations. Tensors are
            detached.

        Raises
        ------
        ArchitectureError
            If a row is not in the space.
        LabelError
            If values are not one finite number or NaN per row and column.
        """
        checked = self._check_codes(codes)
        numbers = self._check_values(values, len(checked))
        keys = self.space.keys(checked)
        self._remaining.take(keys)
        self._tell(checked, numbers)
        for key in keys.tolist():
            self._pending.pop(key, None)

    def reserve(self, codes: ArrayLike) -> None:
        """Leave architectures to somebody else: pending until told, and never asked for.

        Parameters
        ----------
        codes : array_like of int, shape (n, d)

        Raises
        ------
        ArchitectureError
            If a row is not in the space.
        """
        keys = self.space.keys(codes)
        self._remaining.take(keys)
        self._pending.update(dict.fromkeys(keys.tolist()))

    def keep_to(self, feasible: Callable[[Codes], Mask]) -> None:
        """Propose only what is feasible, without a list of the space; no part of a state.

        Parameters
        ----------
        feasible : callable
            From codes, shape (n, d), to a bool array, shape (n,).

        Raises
        ------
        ParameterError
            If the searcher has a pool, or was asked or told before.
        """
        if self._limited or self._pending or len(self.values_):
            raise ParameterError("keep_to is for a fresh searcher without a pool: give pool= else")
        self._allowed, self._feasible_only = None, feasible
        self._reset()

    @property
    def pool_digest(self) -> str | None:
        """Checksum of the only architectures that may be proposed; None without a pool."""
        if not self._limited or self._allowed is None:
            return None
        return hashlib.sha256(self._allowed.tobytes()).hexdigest()[:16]

    @property
    def codes_(self) -> Codes:
        """All architectures observed so far, shape (n, d), in the order they were told."""
        if len(self._codes) > 1:
            self._codes = [np.concatenate(self._codes)]
        return self._codes[0]

    @property
    def values_(self) -> Values:
        """All values observed so far, shape (n,) or (n, k), NaN for failed evaluations."""
        if len(self._values) > 1:
            self._values = [np.concatenate(self._values)]
        return self._values[0]

    @property
    def pending_(self) -> Codes:
        """The architectures asked for and not told yet, shape (n, d), in the order asked."""
        return self.space.from_keys(np.array(list(self._pending)))

    def best(self) -> tuple[Codes, float]:
        """Incumbent, shape (d,), and its value; of equal values the first told.

        Raises
        ------
        LabelError
            If no evaluation has succeeded yet, or none is within the bounds.
        ParameterError
            If there are several objectives: ``front`` is what is best then.
        """
        if self.n_objectives > 1:
            raise ParameterError(
                f"of {self.n_objectives} objectives no architecture is the best: front() returns "
                "those that none is better than"
            )
        position = best_row(self._columns(), self.bounds)
        return self.codes_[position].copy(), float(self._columns()[position, 0])

    def front(self) -> tuple[Codes, Values]:
        """Pareto front: what is within the bounds and no other told one dominates.

        Returns
        -------
        codes : int array, shape (f, d)
            In the order they were told; none as long as no feasible evaluation has succeeded.
        values : float array, shape (f, n_objectives)
        """
        feasible = np.flatnonzero(self._feasible())
        objectives = self._columns()[feasible, : self.n_objectives]
        kept = non_dominated(objectives)
        return self.codes_[feasible[kept]], objectives[kept]

    @property
    def has_columns(self) -> bool:
        """Whether it searches for several objectives, or within bounds."""
        return len(self.bounds) > 1 or self.bounds[0] > -np.inf

    def _columns(self) -> Values:
        """All values observed so far as columns, shape (n, k)."""
        return self.values_.reshape(len(self.values_), len(self.bounds))

    def _feasible(self) -> NDArray[np.bool_]:
        """Whether each evaluation has succeeded and is within the bounds, shape (n,)."""
        return feasible_rows(self._columns(), self.bounds)

    # -- state ------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Everything that the search has learnt, as JSON values and NumPy arrays.

        A searcher made with the same arguments (any seed) that loads it goes on as this one would.
        """
        return {
            "version": STATE_VERSION,
            "searcher": searcher_name(type(self)),
            "space": self.space.spec(),
            "n_objectives": self.n_objectives,
            "rng": _plain(self._rng.bit_generator.state),
            "codes": self.codes_.copy(),
            "values": self.values_.copy(),
            "pending": self.pending_,
            **self._state(),
        }

    @checked
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what ``state_dict`` returned; what was asked and told before is forgotten.

        Raises
        ------
        ParameterError
            If the state is of another searcher, space, number of objectives or version, or damaged.
        """
        if not isinstance(state, dict):
            raise ParameterError(f"a state is what state_dict returned, not {type(state).__name__}")
        try:
            self._take_state(state)
        except NasurgeError:
            raise
        except DAMAGED as error:
            raise ParameterError(
                f"this state is damaged ({type(error).__name__}: {str(error)[:200]}): load what "
                "state_dict returned"
            ) from error

    def _take_state(self, state: dict[str, Any]) -> None:
        """Go on from a state that may be another searcher's, or lack parts."""
        expected = {
            "version": STATE_VERSION,
            "searcher": searcher_name(type(self)),
            "space": self.space.spec(),
            "n_objectives": self.n_objectives,
        }
        known = with_names(state)
        for key, value in with_names(expected).items():
            if known.get(key) != value:
                raise ParameterError(
                    f"this state has {key} {state.get(key)!r}, the searcher has {value!r}; load "
                    "it into a searcher made with the arguments of the saved one"
                )
        codes, pending = self._check_codes(state["codes"]), self._check_codes(state["pending"])
        values = self._check_values(state["values"], len(codes))
        self._rng = _restore_generator(state["rng"])
        self._reset()
        self._codes, self._values = [codes], [values]
        keys = self.space.keys(pending)
        self._pending = dict.fromkeys(keys.tolist())
        self._remaining.take(np.concatenate([self.space.keys(codes), keys]))
        self._load_state(state)


def _plain(state: Any) -> Any:
    """State of a bit generator with its arrays as lists."""
    if isinstance(state, dict):
        return {key: _plain(value) for key, value in state.items()}
    return state.tolist() if isinstance(state, np.ndarray) else state


def _restore_generator(state: dict[str, Any]) -> np.random.Generator:
    """A new generator in that state."""
    name = state.get("bit_generator")
    if name not in BIT_GENERATORS:
        raise ParameterError(f"unknown bit generator {name!r}; known: {', '.join(BIT_GENERATORS)}")
    bits = getattr(np.random, name)()
    bits.state = state
    return np.random.Generator(bits)
