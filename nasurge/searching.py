"""Searches by name: of a function once, or of tables over trials with random search beside."""

from __future__ import annotations

import logging
import os
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .arguments import check_search
from .benchmarks.studies import called_with
from .data.spaces import Space, make_space
from .errors import ObjectiveError, ParameterError
from .functions import (
    FunctionTask,
    Wanted,
    constraints_of,
    contenders_of,
    searcher_of,
)
from .progress import after_every_batch, progress_bar
from .search import Searcher
from .search.loop import Objective, Trace, Tracker, Tracking, run, stored_key
from .search.store import differences, function_name, run_stored, storage_of
from .search.studies import FrontsStudy, SearchFindings, SearchOptions, SearchStudy
from .trackers import trackers_of

logger = logging.getLogger(__name__)

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

    from .benchmarks.objectives import Problem
    from .benchmarks.studies import Progress
    from .benchmarks.studies.options import Predictors
    from .search.guided import Regressor
    from .search.studies.options import Searchers, Trackers


Bounds = tuple[float | None, float | None]
_SEARCHED: weakref.WeakKeyDictionary[Searcher, dict[str, Any]] = weakref.WeakKeyDictionary()
"""What each searcher of somebody's own was last told the values of."""


def search(
    objective: str | Sequence[Problem] | Objective,
    *,
    space: str | Path | Mapping[str, Any] | Space | None = None,
    objectives: str | Sequence[str] | None = None,
    constraints: str | Sequence[str] | Mapping[str, Bounds] = (),
    costs: Mapping[str, Callable[..., Any]] | None = None,
    minimise: str | Sequence[str] = (),
    maximise: str | Sequence[str] = (),
    form: str = "codes",
    pool: Any = None,
    searcher: Searchers | Searcher | None = None,
    predictor: Predictors | Regressor | None = None,
    budget: int = 100,
    batch: int | None = None,
    seed: int | None = None,
    callback: Callable[[Searcher], None] | None = None,
    storage: str | os.PathLike[str] | BaseStorage | None = None,
    study: str | None = None,
    retry_failed: bool = False,
    timeout: float | None = None,
    progress: bool | Progress = False,
    track: Trackers | None = None,
    **tables: Any,
) -> Trace | SearchFindings:
    """Architectures with the highest value, searched for in a space or in tables.

    With a function, runs one search and returns its trace. With ``TABLE/TASK``, runs every named
    searcher, and random search beside them, over several trials and returns what was measured.

    Parameters
    ----------
    objective : callable, str, or sequence of Problem
        From codes (n, d) to values (n,), bigger is better; (n, k) for a searcher of several
        objectives. NaN, None, infinite and masked values are failed evaluations; for one
        architecture it may be a number. With ``objectives``, a mapping from their names to values,
        or columns in their order. Or the address of a table's task.
    space : str, Path, mapping or Space
        Needed with a function that has no ``space`` of its own, as a ``TrainedObjective`` has; what
        ``nasurge.make_space`` takes will do: a name, the path of a TOML file, a dict from variables
        to their values.
    objectives : str or sequence of str, optional
        Names of what is searched, their Pareto front if there are several: of what the function
        returns or ``costs`` know, or of columns of a table. Errors and costs, known by their names
        as in an import, are minimised.
    constraints : str, sequence of str, or mapping
        Bounds, ``"flops<=80"`` or ``{"flops": (None, 80)}``, either of the two None. What ``costs``
        know is never proposed beyond them; other names are of what the function returns, which is
        known after an evaluation only.
    costs : mapping from str to callable, optional
        What is known before an evaluation, with a function only: from codes (n, d) to (n,), cheap,
        since thousands are asked for. ``flops`` and ``parameters`` of cell spaces are known anyway.
    minimise, maximise : str or sequence of str
        Objectives of which smaller, or bigger, is better whatever their names say, with a function
        only; ``value`` is one without a name.
    form : {"codes", "dicts", "strings"}
        What functions are called with: all codes, or each architecture by itself, as a dict from
        variables to values or as a string.
    pool : array_like of int, shape (m, d), or sequence of str or dict, optional
        The only architectures that may be proposed, with a function only: codes, strings, or dicts
        from variables to values.
    searcher : str, type, callable, Searcher, or on tables a sequence or mapping of the first three
        A name of ``nasurge searchers``, a class, ``MODULE:CLASS``, or a function of ``space``,
        ``pool`` and ``seed`` that makes one; a mapping gives them names. By default ``bo``, with a
        predictor ``evolution``, with several objectives or bounds on what the function returns
        ``nsga2``. With a function it may be a searcher that is there.
    predictor : str, type, Predictor or regressor, or on tables a sequence or mapping, optional
        Guides the searchers that can be guided; several are tried one by one on tables.
    budget : int
        Architectures evaluated.
    batch : int, optional
        Architectures asked for at once; 5 by default.
    seed : int, optional
        0 by default; your own searcher has its own.
    callback : callable, optional
        Called with the searcher after every batch, with a function only.
    storage : str, Path or optuna.storages.BaseStorage, optional
        Where the search is kept as an Optuna study: the URL of a database, or the path of a SQLite
        file; ``sqlite:///nasurge.db`` if only ``study`` is given. The same call again goes on
        where it was, up to the budget, and several processes may share it. Where there are more
        evaluations than that already, all are returned, and a warning is logged.
    study : str, optional
        Name of that study; on tables, how the names begin.
    retry_failed : bool
        Evaluate again what a study holds as failed, such as by an objective that is mended since.
    timeout : float, optional
        Seconds after which no further batch is started.
    progress : bool or callable
        Show a progress bar, or call with evaluations (on tables searches) done, those in all, and
        a note.
    track : str, Tracker, or sequence of them, optional
        Experiment trackers that follow the search: objects of ``nasurge.trackers``, or their names,
        ``mlflow``, ``tensorboard``, ``wandb``.
    **tables
        With a table: further arguments of ``search_study``, such as ``trials``, ``metric``,
        ``workers``, ``jobs``, ``out``.

    Returns
    -------
    Trace or SearchFindings

    Raises
    ------
    ParameterError
        If ``space`` is missing, an argument does not belong to the way it is called, or the study
        holds another search.
    ObjectiveError
        If the function raises whatever it is given. Its ``trace`` has what was evaluated before,
        where no study keeps it; so have an interruption and what a callback raises.
    InfeasibleError
        If no architecture keeps the bounds on costs.
    StorageError
        If the database cannot be used.

    Examples
    --------
    >>> import nasurge
    >>> space = nasurge.make_space("nb201")
    >>> trace = nasurge.search(lambda codes: (codes == 3).sum(axis=1), space=space, budget=60)
    >>> trace
    <Trace: 60 evaluations, 0 failed, best 6>
    >>> trace.best().architecture[:32]
    '|nor_conv_3x3~0|+|nor_conv_3x3~0'
    >>> def train(architecture):
    ...     depth, width = architecture["depth"], architecture["width"]
    ...     return {"accuracy": depth + width / 32, "latency": depth * width}
    >>> own = {"depth": [2, 3, 4], "width": [16, 32, 64]}
    >>> wanted = {"objectives": "accuracy,latency", "constraints": {"latency": (None, 130)}}
    >>> found = nasurge.search(train, space=own, form="dicts", budget=9, seed=0, **wanted)
    >>> found.to_frame().columns.tolist()
    ['architecture', 'depth', 'width', 'accuracy', 'latency', 'seconds']
    >>> sorted(found.front().values.tolist())
    [[2.5, 32.0], [3.5, 48.0], [4.5, 64.0], [5.0, 128.0]]
    """
    limits: dict[str, Any] = {"budget": budget, "timeout": timeout}
    limits |= {"storage": storage, "study": study}
    check_search(objective, tables, **limits, seed=seed, callback=callback, progress=progress)
    own = {"costs": costs, "minimise": minimise, "maximise": maximise, "pool": pool}
    trackers = trackers_of(track)
    with progress_bar("search") if progress is True else nullcontext(progress or None) as shown:
        if callable(objective):
            if tables:
                raise ParameterError(f"{', '.join(tables)}: only a search on a table takes these")
            batch = 5 if batch is None else batch
            if shown is not None:
                callback = after_every_batch(shown, budget, callback)
            wanted = Wanted.of(objectives=objectives, constraints=constraints, form=form, **own)
            task = FunctionTask(objective, _space_of(space, objective), wanted)
            own_searcher = isinstance(searcher, Searcher)
            if own_searcher and seed is not None:
                raise ParameterError("your own searcher has its own seed: leave seed out")
            made = searcher_of(searcher, task, predictor, seed or 0)
            _check_told(made, {"objective": function_name(task), **task.about()})
            about = {"batch": batch, **({} if own_searcher else {"seed": seed or 0})}
            limits |= {"callback": callback, "batch": batch, "retry_failed": retry_failed}
            about |= task.about()
            tracking = _tracking(trackers, task, limits, about)
            with tracking.search(study or tracking.group, searcher=type(made).__name__) as follow:
                try:
                    trace = _run(made, task, about=about, track=follow, **limits)
                except ObjectiveError as error:
                    error.args = (f"{error}{task.hint(error.__cause__)}",)
                    raise
            return trace if wanted.plain else replace(trace, names=task.names, signs=task.signs)
        if isinstance(searcher, Searcher):
            raise ParameterError(
                "a search on a table makes a fresh searcher for every trial: give its name or its "
                "class, or a function of space, pool and seed that makes it"
            )
        given = (value is not None and len(value) for value in own.values())
        if space is not None or callback is not None or retry_failed or any(given):
            raise ParameterError(
                f"space, callback, retry_failed, {', '.join(own)}: only a search with a function "
                "takes these; a table says itself which of its columns are minimised"
            )
        tables |= {
            "objectives": objectives,
            "constraints": [*map(str, constraints_of(constraints))],
        }
        settings = {**limits, "batch": batch, "seed": seed or 0, "progress": shown, **tables}
        settings["track"] = trackers
        return search_study(objective, searcher, predictors=predictor, **settings)  # type: ignore[arg-type]


def _tracking(
    trackers: tuple[Tracker, ...],
    task: FunctionTask,
    limits: Mapping[str, Any],
    about: Mapping[str, Any],
) -> Tracking:
    """Who follows a search with a function; one that is kept is found again."""
    storage, study = limits["storage"], limits["study"]
    key = None if study is None else stored_key(storage, study)
    made = {"budget": limits["budget"], "space": task.space.name, **about}
    group = function_name(task) or "search"
    return Tracking(trackers, group, key, task.names, task.signs, made)


def _space_of(space: Any, function: Any) -> Space:
    """Space of a search with a function; one that has a space says it itself.

    Raises
    ------
    ParameterError
        If there is none, or the function's is another one.
    """
    own = getattr(function, "space", None)
    if space is None and isinstance(own, Space):
        return own
    if space is None:
        raise ParameterError(
            'a search with a function needs space=..., such as nasurge.make_space("nb201")'
        )
    if not isinstance(space, str | os.PathLike | Mapping | Space):
        raise ParameterError(
            f"space is a name or what nasurge.make_space makes, not {type(space).__name__}"
        )
    made = make_space(Path(space) if isinstance(space, os.PathLike) else space)
    if isinstance(own, Space) and made.spec() != own.spec():
        raise ParameterError(
            f"the search is in space {made.name!r}, and what {type(function).__name__} evaluates "
            f"are architectures of {own.name!r}: leave space out"
        )
    return made


def _check_told(searcher: Searcher, about: dict[str, Any]) -> None:
    """Refuse a searcher that holds values of another function, or in another direction."""
    before = _SEARCHED.get(searcher, about) if len(searcher.values_) else about
    if changed := differences(before, about):
        raise ParameterError(
            f"this searcher was told values of another search (different: {', '.join(changed)}): "
            "make a new one, or tell it what it shall start from"
        )
    _SEARCHED[searcher] = about


def _run(
    searcher: Searcher,
    objective: Objective,
    *,
    storage: str | os.PathLike[str] | BaseStorage | None,
    study: str | None,
    retry_failed: bool,
    about: dict[str, Any],
    **limits: Any,
) -> Trace:
    """Trace of a search, kept in a database if one is named."""
    storage = storage_of(storage, study)
    if storage is None or study is None:
        if retry_failed:
            raise ParameterError("retry_failed is for a search that is kept: give it study=NAME")
        return run(searcher, objective, **limits)
    limits |= {"study": study, "retry_failed": retry_failed, "about": about}
    trace = run_stored(searcher, objective, storage=storage, **limits)
    if len(trace.values) > limits["budget"]:  # on tables the line below the table says it
        logger.warning(
            "study %r: all of the %d evaluations that are there are returned, for a budget of %d",
            study,
            len(trace.values),
            limits["budget"],
        )
    return trace


def make_search_study(options: SearchOptions) -> SearchStudy | FrontsStudy:
    """Study of searches on tables, with random search always among them.

    Parameters
    ----------
    options : SearchOptions

    Raises
    ------
    ParameterError
        If predictors are given and no searcher uses one, a searcher takes one objective only, or an
        option would not be used.
    UnknownNameError
        If there is no such table, task, searcher, predictor or quantity.
    InfeasibleError
        If no architecture meets the constraints.
    """
    several = options.objectives is not None
    own = options.searchers, options.predictors
    contenders = contenders_of(*own, beside="random", several=several)
    options = replace(options, track=trackers_of(options.track))
    return (FrontsStudy if several else SearchStudy)(options, contenders)


def _search_study(options: SearchOptions) -> SearchFindings:
    """Measures of searches on tables over trials, random search always among them.

    Raises
    ------
    NasurgeError
        A leaf that says what was wrong: an unknown name, too large a budget, a full disk.
    """
    return make_search_study(options).run()


search_study = called_with(SearchOptions, _search_study)
