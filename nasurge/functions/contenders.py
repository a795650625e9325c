"""Searchers of functions, and of tables: by name, or classes and functions of somebody's own."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from ..arguments import made_by, pairs_of, predictor_factories
from ..benchmarks.studies import chosen
from ..data.arguments import brief
from ..data.spaces import is_place
from ..errors import ParameterError
from ..registry import (
    can_be_guided,
    check_class,
    make_searcher,
    searcher_class,
    searcher_names,
    takes_objectives,
)
from ..search import Searcher
from ..search.store import code_digest, function_name
from ..search.studies import Contender
from .task import FunctionTask, check_names

if TYPE_CHECKING:
    from ..benchmarks.studies import Factory
    from ..benchmarks.studies.options import Predictors
    from ..data.spaces import Space
    from ..search.guided import Regressor
    from ..search.studies.options import Searchers


@dataclass(frozen=True)
class _Choice:
    """What makes searchers: called with a space, ``seed``, and what else is asked for.

    Attributes
    ----------
    guided, several_objectives : bool
        Whether it takes ``predictor``, and ``n_objectives`` with ``bounds``.
    code : str or None
        Checksum of the code of somebody's own.
    """

    name: str
    make: Callable[..., Any]
    guided: bool
    several_objectives: bool
    code: str | None = None

    @classmethod
    def of(cls, one: Any, name: str = "") -> _Choice:
        """Choice of a name, a class, or a function that makes searchers.

        Raises
        ------
        ParameterError, UnknownNameError
            If it is none of these.
        """
        if isinstance(one, str) and not is_place(one):
            make = partial(make_searcher, one)
            return cls(name or one, make, can_be_guided(one), takes_objectives(one))
        if isinstance(one, str):
            one, name = searcher_class(one), name or one
        if isinstance(one, type):
            check_class("searcher", one.__name__, one)
            several = bool(one.several_objectives)  # type: ignore[attr-defined]
        elif callable(one):
            several = "n_objectives" in inspect.signature(one).parameters
        else:
            raise ParameterError(
                "a searcher of several trials is a name of: nasurge searchers, a class of a "
                f"Searcher, or a function of space, pool and seed that makes one, not {brief(one)}"
            )
        name = name or function_name(one) or ""
        if not name:
            raise ParameterError(
                "a function without a name makes searchers: give it one, {NAME: function, ...}"
            )
        guided = "predictor" in inspect.signature(one).parameters
        return cls(name, _Checked(one, name), guided, several, code_digest(one))

    def contender(self, guide: str | None = None, made: Factory | None = None) -> Contender:
        """Contender of it, guided by a predictor if one is given."""
        code = ", ".join(filter(None, (self.code, getattr(made, "code", None)))) or None
        factory = self.make if made is None else _Guided(self.make, made)
        return Contender(self.name, guide, factory, self.several_objectives, code)


@dataclass(frozen=True)
class _Checked:
    """Maker of searchers of somebody's own, which are looked at."""

    make: Callable[..., Any]
    name: str

    def __call__(self, space: Space, **arguments: Any) -> Searcher:
        """Searcher of a space; a pool is handed on where there is one."""
        given = {
            key: value for key, value in arguments.items() if key != "pool" or value is not None
        }
        return made_by(self.make, "searcher", self.name, space, **given)  # type: ignore[no-any-return]


@dataclass(frozen=True)
class _Guided:
    """Maker of searchers that a predictor guides, which is made for their space."""

    make: Callable[..., Searcher]
    predictor: Factory

    def __call__(self, space: Space, **arguments: Any) -> Searcher:
        """Searcher of a space; the predictor's seed follows its own."""
        guide = self.predictor(space, seed=None)  # type: ignore[arg-type]
        return self.make(space, predictor=guide, **arguments)


def searcher_of(
    searcher: Searchers | Searcher | None,
    task: FunctionTask,
    predictor: Predictors | Regressor | None,
    seed: int,
) -> Searcher:
    """Searcher of a search with a function, for its objectives and within its bounds.

    Raises
    ------
    ParameterError, UnknownNameError
        If it cannot search for them, or there is none of that name.
    """
    check_names(task)
    if isinstance(searcher, Searcher):
        return _fitting(searcher, task, predictor)
    several = len(task.names) > 1
    searcher = searcher or ("nsga2" if several else "evolution" if predictor else "bo")
    # An object guides as it is, a regressor of scikit-learn, too.
    own = hasattr(predictor, "fit") and not isinstance(predictor, type)
    contenders = contenders_of(searcher, None if own else predictor)  # type: ignore[arg-type]
    if len(contenders) > 1:
        labels = ", ".join(one.label for one in contenders)
        raise ParameterError(f"one search of a function at a time, not of {labels}: call for each")
    [contender] = contenders
    if own:
        contender = replace(contender, factory=partial(contender.factory, predictor=predictor))
    return made_for(contender, task, seed)


def _fitting(searcher: Searcher, task: FunctionTask, predictor: Any) -> Searcher:
    """Searcher of somebody's own, if it is one for this search."""
    if predictor is not None:
        raise ParameterError(
            "a predictor guides a searcher that is named: give yours to your own searcher"
        )
    if searcher.space.spec() != task.space.spec():
        raise ParameterError(
            f"your own searcher is of space {searcher.space.name!r}, the search of "
            f"{task.space.name!r}: make it for the space that is searched"
        )
    if task.wanted.pool is not None:
        raise ParameterError("your own searcher has its own pool: leave pool out")
    own = searcher.n_objectives, len(searcher.bounds)
    if not task.wanted.plain and (own != (task.n_objectives, len(task.names)) or task.known):
        raise ParameterError(
            "your own searcher has its n_objectives, bounds and pool: name a searcher, or make "
            f"it with n_objectives={task.n_objectives}, bounds={list(task.bounds)} and, for "
            "bounds on costs, the feasible codes as pool"
        )
    return searcher


def made_for(contender: Contender, task: FunctionTask, seed: int) -> Searcher:
    """Searcher of a contender for the objectives of a task and within its bounds.

    Raises
    ------
    ParameterError
        If it cannot search for them.
    """
    settings: dict[str, Any] = {}
    if len(task.names) > 1:
        check_takes_objectives(contender)
        settings = {"n_objectives": task.n_objectives, "bounds": task.bounds}
    pool = task.pool()
    made = contender.factory(task.space, pool=pool, seed=seed, **settings)
    if task.known and pool is None:
        made.keep_to(task.feasible)
    return made


def check_takes_objectives(*contenders: Contender) -> None:
    """Refuse searchers of one objective without bounds.

    Raises
    ------
    ParameterError
        Naming those that take several.
    """
    for contender in contenders:
        if not contender.several_objectives:
            known = ", ".join(filter(takes_objectives, searcher_names()))
            raise ParameterError(
                f"{contender.searcher} searches for one objective: leave --objectives out, or take "
                f"one of: {known}"
            )


def choices_of(searchers: Searchers, *, several: bool = False) -> dict[str, _Choice]:
    """Searchers by name, of names, classes and functions.

    Parameters
    ----------
    searchers : str, type, callable, or a sequence or mapping of these
        Of names, ``all`` stands for every registered one, and ``-NAME`` leaves one out again.
    several : bool
        Whether ``all`` are those that take several objectives.

    Raises
    ------
    UnknownNameError
        If a name is not known.
    ParameterError
        If none is left, something else is given, or two have one name.
    """
    made: dict[str, _Choice] = {}
    names: list[str] = []
    for name, one in pairs_of(searchers):
        if isinstance(one, str) and not name and not is_place(one):
            names.append(one)
            continue
        choice = _Choice.of(one, name)
        if choice.name in (*made, *searcher_names()) and not (name and one == name):
            raise ParameterError(
                f"two searchers are called {choice.name!r}: give them names, {{NAME: searcher}}"
            )
        made[choice.name] = choice
        names.append(choice.name)
    known = searcher_names()
    for name in names:
        if name.removeprefix("-") not in (*known, *made, "all"):
            searcher_class(name.removeprefix("-"))  # an error that knows other words for it
    if several and "all" in names:
        known = [name for name in known if takes_objectives(name)]
    asked = chosen(names, [*known, *made], kind="searcher") if "all" in names else names
    asked = chosen(asked, [], kind="searcher")
    return {name: made.get(name) or _Choice.of(name) for name in asked}


def contenders_of(
    searchers: Searchers | None,
    predictors: Predictors | None,
    *,
    beside: str | None = None,
    several: bool = False,
) -> list[Contender]:
    """Every searcher, once with each predictor it can use.

    Parameters
    ----------
    searchers : as for ``choices_of``, optional
        By default ``bo``, with predictors ``evolution``, of several objectives ``nsga2``.
    predictors : as for ``predictor_factories``, optional
    beside : str, optional
        Name of a searcher that is always there, as the first.
    several : bool
        Whether they search for several objectives, or with bounds.

    Raises
    ------
    UnknownNameError
        If there is no such searcher or predictor.
    ParameterError
        If predictors are given and no searcher uses one, or a searcher takes one objective only.
    """
    default = "nsga2" if several else "evolution" if predictors else "bo"
    choices = choices_of(searchers or default, several=several)
    if beside is not None:
        choices = {beside: _Choice.of(beside), **choices}
    guides = predictor_factories(predictors) if predictors else {}
    contenders = []
    for choice in choices.values():
        if guides and choice.guided:
            contenders += [choice.contender(guide, made) for guide, made in guides.items()]
        else:
            contenders.append(choice.contender())
    if guides and not any(contender.predictor for contender in contenders):
        raise ParameterError(
            "-p was given, but none of the searchers uses a predictor: leave it out"
        )
    if several:
        check_takes_objectives(*(c for c in contenders if c.searcher != beside))
    return contenders
