"""Functions as objectives: several columns by name, their directions, and bounds on them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ..benchmarks.constraints import Constraint, cost_values, feasible, parse_constraints
from ..data.arguments import brief
from ..data.networks import COSTS, counts_each, has_network_costs, network_costs
from ..data.tables import is_minimised
from ..errors import ObjectiveError, ParameterError, UnknownNameError

if TYPE_CHECKING:
    from ..data.spaces import Codes, Space
    from ..data.types import Mask, Values

FORMS = ("codes", "dicts", "strings")
_COUNTED = 2_000  # architectures of a space whose costs, a millisecond each, are all counted
_DRAWN = (200, 2_000, 20_000)  # architectures some of which must keep the bounds, if few do more
_SHARE = 0.05
_PLAIN = "value"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Wanted:
    """What is wanted of a function's results, as it was typed.

    Attributes
    ----------
    objectives : sequence of str, optional
        Names of what is searched; without them it is one number.
    constraints : sequence of Constraint
    costs : mapping from str to callable
        What is known before an evaluation.
    minimise, maximise : sequence of str
        Names of which smaller, or bigger, is better, whatever they say.
    form : str
        One of ``FORMS``: what functions are called with.
    pool : sequence, optional
        The only architectures: codes, or strings, or dicts from variables to values.
    """

    objectives: Sequence[str] = ()
    constraints: Sequence[Constraint] = ()
    costs: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    minimise: Sequence[str] = ()
    maximise: Sequence[str] = ()
    form: str = "codes"
    pool: Any = None

    @classmethod
    def of(cls, **typed: Any) -> Wanted:
        """What is wanted, checked.

        Raises
        ------
        ParameterError
            If a name is missing, twice there, or in both directions.
        """
        names = typed.pop("objectives", None) or ()
        names = [part.strip() for part in names.split(",")] if isinstance(names, str) else names
        down, up = (_names(typed.pop(key, ())) for key in ("minimise", "maximise"))
        limits = constraints_of(typed.pop("constraints", ()))
        form = typed.pop("form", "codes")
        if form not in FORMS:
            raise ParameterError(f"form is one of {', '.join(FORMS)}, not {form!r}")
        if len(set(names)) < len(names):
            raise ParameterError(f"an objective is named twice: {', '.join(names)}")
        if both := sorted(set(down) & set(up)):
            raise ParameterError(f"{', '.join(both)} cannot be both minimised and maximised")
        if odd := [name for name in (*down, *up) if name not in (names or [_PLAIN])]:
            known = ", ".join(names) or f"{_PLAIN}, if it is one number"
            raise ParameterError(f"{odd[0]!r} is none of the objectives: {known}")
        costs = dict(typed.pop("costs", None) or {})
        pool = typed.pop("pool", None)
        return cls(tuple(names), limits, costs, tuple(down), tuple(up), form, pool)

    @property
    def plain(self) -> bool:
        """Whether the function is an objective as it is."""
        named = self.objectives or self.constraints or self.costs
        return not named and not self.minimise and self.form == "codes"


def _names(given: str | Sequence[str]) -> list[str]:
    """Names in a sequence, or in a text that separates them by commas."""
    return [part.strip() for part in given.split(",")] if isinstance(given, str) else list(given)


def constraints_of(given: Any) -> tuple[Constraint, ...]:
    """Constraints as texts, such as ``flops<=80``, or by name: ``{"flops": (None, 80)}``.

    Raises
    ------
    ParameterError
        If one is written otherwise, or its bounds are no two numbers in order.
    """
    if not isinstance(given, Mapping):
        return parse_constraints(given or ())
    made = []
    for name, pair in given.items():
        try:
            low, high = (None if bound is None else float(bound) for bound in pair)
        except (TypeError, ValueError):
            raise ParameterError(
                f"constraint {name!r} is (low, high), numbers or None, not {brief(pair)}"
            ) from None
        if low is not None and high is not None and low > high:
            raise ParameterError(f"constraint {name!r}: low {low:g} is above high {high:g}")
        made += [Constraint(name, upper=False, bound=low)] if low is not None else []
        made += [Constraint(name, upper=True, bound=high)] if high is not None else []
    return tuple(made)


class FunctionTask:
    """A function on a space as the objective of a searcher: columns that are better when bigger.

    Parameters
    ----------
    function : callable
    space : Space
    wanted : Wanted

    Attributes
    ----------
    names : tuple of str
        Of each column that a searcher is told: objectives, then what is bounded and known after an
        evaluation only.
    signs : tuple of float
        -1 where smaller is better, or where a bound is from above.
    """

    def __init__(self, function: Callable[[Codes], Any], space: Space, wanted: Wanted) -> None:
        self.space, self.wanted = space, wanted
        self._function = function
        self.__qualname__ = getattr(function, "__qualname__", type(function).__qualname__)
        self.__wrapped__ = function
        self.objectives = wanted.objectives or (_PLAIN,)
        self._costs = {name: self._called(cost) for name, cost in wanted.costs.items()}
        for limit in wanted.constraints:
            if limit.name in COSTS and has_network_costs(space) and limit.name not in self._costs:
                self._costs[limit.name] = self._network_cost(limit.name)
        self.known = [c for c in wanted.constraints if c.name in self._costs]
        self.told = [c for c in wanted.constraints if c.name not in self._costs]
        if self.told and not wanted.objectives:
            raise ParameterError(
                f"{self.told[0]}: give costs={{{self.told[0].name!r}: function}} if it is known "
                "before an evaluation; if your function returns it, name objectives= too, and "
                "return a dict"
            )
        self.names = (*self.objectives, *(limit.name for limit in self.told))
        down = [
            name in wanted.minimise or (name not in wanted.maximise and is_minimised(name) is True)
            for name in self.objectives
        ]
        self.signs = (
            *(-1.0 if least else 1.0 for least in down),
            *(-1.0 if limit.upper else 1.0 for limit in self.told),
        )

    @property
    def n_objectives(self) -> int:
        """Number of columns to be maximised."""
        return len(self.objectives)

    @property
    def bounds(self) -> tuple[float, ...]:
        """The least feasible value of each column."""
        told = (limit.rising(0.0)[1] for limit in self.told)
        return (*(-np.inf for _ in self.objectives), *told)

    def about(self) -> dict[str, Any]:
        """What tells a search of it from another one, as JSON values."""
        if self.wanted.plain:
            return {}
        return {
            "objectives": list(self.objectives),
            "signs": list(self.signs),
            "constraints": [str(limit) for limit in self.wanted.constraints],
            "form": self.wanted.form,
        }

    def hint(self, error: BaseException | None) -> str:
        """What to do about a function that raised, if it wants its architectures otherwise."""
        words = {"codes": ("indices", "ndarray"), "dicts": ("'dict'",), "strings": ("'str'",)}
        if not any(word in str(error) for word in words[self.wanted.form]):
            return ""
        if self.wanted.form == "codes":
            return (
                "; functions are called with the codes of all that are asked for: with "
                'form="dicts" with each architecture by itself, as a dict from variables to values'
            )
        return (
            f'; with form="{self.wanted.form}" functions are called with one architecture, of '
            f'{", ".join(self.space.variables)}: with form="codes" with an array of all that are '
            "asked for"
        )

    def __call__(self, codes: Codes) -> Any:
        """Columns of each architecture, shape (n, columns), or (n,) of one."""
        needed = [name for name in dict.fromkeys(self.names) if name not in self._costs]
        if self.wanted.plain:
            result = self._function(codes)
            if isinstance(result, Mapping):
                self._require(result, needed)
            return result
        columns = self._columns(self._called(self._function)(codes), needed, len(codes))
        columns |= {name: self._costs[name](codes) for name in self.names if name in self._costs}
        found = np.stack(
            [sign * columns[name] for name, sign in zip(self.names, self.signs, strict=True)], 1
        )
        return found if len(self.names) > 1 else found[:, 0]

    @property
    def failures(self) -> Any:
        """What the function itself says of architectures without a value; None if nothing."""
        return getattr(self._function, "failures", None)

    def feasible(self, codes: Codes) -> Mask:
        """Whether each architecture keeps the bounds on what is known beforehand, shape (n,)."""
        kept = np.ones(len(codes), dtype=bool)
        for limit in self.known:
            kept &= limit.met(self.cost(limit.name, codes))
        return kept

    def pool(self) -> Codes | None:
        """The only architectures that may be proposed; None for all, or where nobody lists them.

        A large space whose costs are counted network by network is not listed: what is proposed is
        then checked.

        Raises
        ------
        InfeasibleError
            If none keeps the bounds, of all or of many that were drawn.
        """
        if self.wanted.pool is not None:
            codes = self._only
            return codes[self._kept(codes, "the pool")] if self.known else codes
        if not self.known:
            return None
        space = self.space
        slow = counts_each(space) and any(c.name not in self.wanted.costs for c in self.known)
        if not space.listed or (slow and space.size > _COUNTED):
            for n in _DRAWN:
                drawn = space.sample(n, seed=0)
                if self.feasible(drawn).mean() >= _SHARE:
                    return None
            if not space.listed or space.size > _DRAWN[-1]:
                self._kept(drawn, f"a sample of {space.name!r}")
                return None
        codes = space.all_codes()
        return codes[self._kept(codes, f"space {space.name!r}")]

    @cached_property
    def _only(self) -> Codes:
        """Codes of the architectures that somebody limits the search to, shape (m, d).

        Raises
        ------
        ArchitectureError
            If one is not in the space.
        ParameterError
            If there are none.
        """
        only = self.wanted.pool
        if isinstance(only, str | Mapping) or (not isinstance(only, np.ndarray) and not len(only)):
            raise ParameterError(
                "pool is a sequence of architectures: codes, strings, or dicts from variables to "
                f"values; not {brief(only)}"
            )
        named = isinstance(only[0], str | Mapping)
        return self.space.parse(only) if named else self.space.check(only)

    def _kept(self, codes: Codes, where: str) -> Mask:
        """Whether each architecture keeps the bounds; one has to."""
        columns = {limit.name: self.cost(limit.name, codes) for limit in self.known}
        return feasible(columns, self.known, where=where)

    def cost(self, name: str, codes: Codes) -> Values:
        """What is known of architectures before an evaluation, shape (n,)."""
        return cost_values(name, self._costs[name], codes)

    def _network_cost(self, name: str) -> Callable[[Codes], Values]:
        return lambda codes: np.asarray(network_costs(self.space, codes, name))

    def _called(self, function: Callable[..., Any]) -> Callable[[Codes], Any]:
        """Function of codes of one that may want each architecture by itself."""
        if self.wanted.form == "codes":
            return function
        form = self.space.to_dicts if self.wanted.form == "dicts" else self.space.format

        def each(codes: Codes) -> list[Any]:
            results, errors = [], []
            for architecture in form(codes):
                try:
                    results.append(function(architecture))
                except Exception as error:
                    logger.warning("%s failed", architecture, exc_info=True)
                    errors.append(error)
                    results.append(None)
            if len(errors) == len(results) and errors:
                raise errors[0]
            return results

        return each

    def _columns(self, result: Any, names: Sequence[str], n: int) -> dict[str, Values]:
        """Columns of the names in what the function returned."""
        from ..search.loop import evaluated

        if isinstance(result, Mapping):
            self._require(result, names)
            return {name: evaluated(result[name], n, 1).values for name in names}
        if isinstance(result, list | tuple | Iterator):
            result = list(result)
            if any(isinstance(row, Mapping) for row in result):
                return self._of_rows(result, names, n)
            if len(names) > 1 and len(result) == n:
                result = [[np.nan] * len(names) if row is None else row for row in result]
        found = evaluated(result, n, len(names))
        if found.error is not None:
            raise found.error
        values = found.values.reshape(n, len(names))
        return dict(zip(names, values.T, strict=True))

    def _of_rows(self, rows: Sequence[Any], names: Sequence[str], n: int) -> dict[str, Values]:
        """Columns of a mapping for each architecture; None has failed."""
        from ..search.loop import evaluated

        if len(rows) != n:
            raise ObjectiveError(f"the objective was given {n} architectures, not {len(rows)}")
        for row in rows:
            if row is not None and not isinstance(row, Mapping):
                raise ObjectiveError(f"the objective returned {row!r:.60} beside a mapping")
            self._require(row, names)
        return {
            name: evaluated([np.nan if row is None else row[name] for row in rows], n, 1).values
            for name in names
        }

    def _require(self, row: Mapping[str, Any] | None, names: Sequence[str]) -> None:
        missing = [name for name in names if row is not None and name not in row]
        known = ", ".join(map(str, row or ()))
        if row is not None and not self.wanted.objectives:
            raise ObjectiveError(
                f"the objective returned a mapping of {known}: say what is searched, objectives="
                f"{list(row)[:1]}, and what else of it is bounded"
            )
        if missing:
            raise ObjectiveError(
                f"the objective returned {known}, and no {missing[0]!r}, which is named in "
                "objectives or constraints"
            )


def check_names(task: FunctionTask) -> None:
    """Refuse a cost that nothing is bounded by, or searched for.

    Raises
    ------
    UnknownNameError
    """
    used = {*task.objectives, *(limit.name for limit in task.wanted.constraints)}
    for name in task.wanted.costs:
        if name not in used:
            raise UnknownNameError("cost", name, sorted(used), hint="of objectives and constraints")
