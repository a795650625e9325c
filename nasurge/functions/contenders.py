"""Searchers of functions, and of tables, by name."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from ..benchmarks.studies import chosen, listed
from ..errors import ParameterError
from ..registry import (
    can_be_guided,
    installed_of,
    make_searcher,
    predictor_class,
    predictor_names,
    searcher_names,
    takes_objectives,
)
from ..search.studies import Contender
from .task import FunctionTask, check_names

if TYPE_CHECKING:
    from ..predictors.base import Predictor
    from ..search import Searcher


def searcher_of(
    searcher: str | Searcher | None,
    task: FunctionTask,
    predictor: str | Predictor | None,
    seed: int,
) -> Searcher:
    """Searcher of a search with a function, for its objectives and within its bounds.

    Raises
    ------
    ParameterError, UnknownNameError
        If it cannot search for them, or there is none of that name.
    """
    check_names(task)
    several = len(task.names) > 1
    searcher = searcher or ("nsga2" if several else "evolution" if predictor else "bo")
    pool = task.pool()
    if not isinstance(searcher, str):
        if predictor is not None:
            raise ParameterError(
                "a predictor guides a searcher that is named: give yours to your own searcher"
            )
        own = searcher.n_objectives, len(searcher.bounds)
        if not task.wanted.plain and (own != (task.n_objectives, len(task.names)) or task.known):
            raise ParameterError(
                "your own searcher has its n_objectives, bounds and pool: name a searcher, or make "
                f"it with n_objectives={task.n_objectives}, bounds={list(task.bounds)} and, for "
                "bounds on costs, the feasible codes as pool"
            )
        return searcher
    settings: dict[str, Any] = {}
    if several:
        check_takes_objectives(searcher)
        settings = {"n_objectives": task.n_objectives, "bounds": task.bounds}
    if pool is not None:
        settings["pool"] = pool
    made = make_searcher(searcher, task.space, predictor=predictor, seed=seed, **settings)
    if task.known and pool is None:
        made.keep_to(task.feasible)
    return made


def check_takes_objectives(*names: str) -> None:
    """Refuse searchers of one objective without bounds.

    Raises
    ------
    ParameterError
        Naming those that take several.
    """
    for name in names:
        if not takes_objectives(name):
            known = ", ".join(filter(takes_objectives, searcher_names()))
            raise ParameterError(
                f"{name} searches for one objective: leave --objectives out, or take one of: "
                f"{known}"
            )


def contenders_of(
    searchers: Sequence[str], predictors: str | Sequence[str] | None
) -> list[Contender]:
    """Every named searcher, once with each predictor it can use.

    Raises
    ------
    UnknownNameError
        If there is no such predictor.
    ParameterError
        If predictors are given and no searcher uses one.
    """
    guides = chosen(predictors, predictor_names(), kind="predictor") if predictors else []
    named = listed(predictors) if isinstance(predictors, str) else predictors or ()
    if "all" in named:
        kept = {*named, *installed_of(guides)}
        guides = [guide for guide in guides if guide in kept]
    for guide in guides:
        predictor_class(guide)
    contenders = []
    for name in searchers:
        if guides and can_be_guided(name):
            contenders += [
                Contender(name, guide, partial(make_searcher, name, predictor=guide))
                for guide in guides
            ]
        else:
            contenders.append(Contender(name, None, partial(make_searcher, name)))
    if guides and not any(contender.predictor for contender in contenders):
        raise ParameterError(
            "-p was given, but none of the searchers uses a predictor: leave it out"
        )
    return contenders
