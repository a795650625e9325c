"""What a script calls: ``compare``, ``search`` and ``validate``, with names instead of classes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .benchmarks.constraints import parse_constraints
from .benchmarks.objectives import Problem, parse_problems
from .benchmarks.protocol import Comparison
from .benchmarks.protocol import compare as _compare
from .benchmarks.quantities import constrained, many_objectives
from .benchmarks.report import compare_report, write_summary
from .benchmarks.study import Progress
from .benchmarks.validate import Validation, validate_report
from .benchmarks.validate import validate as _validate
from .errors import ParameterError
from .registry import (
    DEFAULT_PREDICTOR,
    can_be_guided,
    make_predictor,
    make_searcher,
    predictor_class,
    predictor_names,
    searcher_names,
    takes_objectives,
)
from .search.front_report import front_report
from .search.front_study import search_fronts
from .search.loop import Objective, Trace, run
from .search.report import search_report
from .search.study import Contender, SearchStudy, search_tables

if TYPE_CHECKING:
    from .data.spaces import Space
    from .predictors.base import Predictor
    from .search.base import Searcher

REPORTS = {
    "compare": compare_report,
    "search": search_report,
    "fronts": front_report,
    "validate": validate_report,
}


def _problems(tables: str | Sequence[Problem], metric: str | None) -> list[Problem]:
    return parse_problems(tables, metric=metric) if isinstance(tables, str) else list(tables)


def _names(given: str | Sequence[str], known: Sequence[str]) -> list[str]:
    """Return names, also from a string with commas: ``all`` is every one, ``-NAME`` not that."""
    names = given.split(",") if isinstance(given, str) else list(given)
    names = [name.strip() for name in names if name.strip()]
    left_out = [name[1:] for name in names if name.startswith("-")]
    asked = [name for name in names if not name.startswith("-")]
    if "all" in asked:
        asked = [*known, *(name for name in asked if name != "all")]
    if unknown := [name for name in left_out if name not in asked]:
        raise ParameterError(f"nothing to leave out is called {', '.join(unknown)}: see the names")
    return [name for name in dict.fromkeys(asked) if name not in left_out]


def compare(
    tables: str | Sequence[Problem],
    predictors: str | Sequence[str] = "auto,xgb,gp,gin",
    *,
    n_train: Sequence[int] = (20, 50, 100),
    trials: int = 10,
    metric: str | None = None,
    cheap: Sequence[str] = (),
    seed: int = 0,
    jobs: int = -1,
    out: str | Path | None = None,
    command: str = "",
    progress: Progress | None = None,
) -> Comparison:
    """Return how well predictors rank the architectures they were not given.

    Parameters
    ----------
    tables : str or sequence of Problem
        ``TABLE/TASK``, several separated by commas; ``TABLE`` alone means all its tasks.
    predictors : str or sequence of str
        Names of ``nasurge predictors``; ``"all"`` is every one that can serve the table's space,
        ``"all,-gennas"`` every one but that.
    n_train, trials, cheap, seed, jobs, out, command, progress
        As ``nasurge.benchmarks.protocol.compare``.
    metric : str, optional
        A metric or column to predict instead of the task's own.

    Returns
    -------
    Comparison
        Its folder holds ``rows.parquet``, ``summary.json`` and ``report.html``.

    Raises
    ------
    NasurgeError
        A leaf that says what was wrong: an unknown name, too few architectures, a full disk.
    """
    problems = _problems(tables, metric)
    names = _names(predictors, predictor_names())
    asked = predictors.split(",") if isinstance(predictors, str) else predictors
    for name in names:
        predictor_class(name)
    found = _compare(
        problems,
        {name: partial(make_predictor, name) for name in names},
        n_train=n_train,
        trials=trials,
        cheap=cheap,
        seed=seed,
        skip_unfit="all" in asked,
        jobs=jobs,
        out=Path(out) if out else None,
        command=command,
        progress=progress,
    )
    _keep(found.folder, found, ("summary", "ceilings", "cheap", "about"))
    compare_report(found.folder)
    return found


def search(
    objective: str | Sequence[Problem] | Objective,
    *,
    space: Space | None = None,
    searcher: str | Searcher = "evolution",
    predictor: str | Predictor | None = None,
    budget: int = 100,
    batch: int = 5,
    seed: int = 0,
    callback: Callable[[Searcher], None] | None = None,
    **study: Any,
) -> Trace | SearchStudy:
    """Search for the architecture with the highest value.

    With a function, runs one search and returns its trace. With ``TABLE/TASK``, runs every named
    searcher, and random search beside them, over several trials and returns the study.

    Parameters
    ----------
    objective : callable, str, or sequence of Problem
        From codes (n, d) to values (n,), bigger is better, NaN is a failed evaluation; (n, k) for a
        searcher of several objectives; or the address of a table's task.
    space : Space
        Needed with a function.
    searcher : str or Searcher
        Names of ``nasurge searchers``.
    predictor : str or Predictor, optional
        Guides the searchers that can be guided; several names are tried one by one on tables.
    budget : int
        Architectures evaluated.
    batch : int
        Architectures asked for at once.
    seed : int
    callback : callable, optional
        Called with the searcher after every batch, with a function only.
    **study
        With a table: ``objectives``, ``constraints``, ``trials``, ``metric``, ``jobs``, ``out``,
        ``command``, ``progress``.

    Returns
    -------
    Trace or SearchStudy

    Raises
    ------
    ParameterError
        If ``space`` is missing, or an argument does not belong to the way it is called.
    ObjectiveError
        If the function raises whatever it is given.

    Examples
    --------
    >>> import nasurge
    >>> space = nasurge.make_space("nb201")
    >>> trace = nasurge.search(lambda codes: (codes == 3).sum(axis=1), space=space, budget=60)
    >>> float(trace.values.max())
    6.0
    """
    if callable(objective):
        if study:
            unknown = ", ".join(study)
            raise ParameterError(f"{unknown}: only a search on a table takes these")
        if space is None:
            raise ParameterError(
                'a search with a function needs space=..., such as nasurge.make_space("nb201")'
            )
        if isinstance(searcher, str):
            searcher = make_searcher(searcher, space, predictor=predictor, seed=seed)
        return run(searcher, objective, budget=budget, batch=batch, callback=callback)
    if not isinstance(searcher, str) or not isinstance(predictor, str | None):
        raise ParameterError(
            "a search on a table makes a fresh searcher and predictor for every trial: give their "
            "names; your own can join as plug-ins (entry points)"
        )
    return search_study(
        objective,
        searcher,
        predictors=predictor,
        budget=budget,
        batch=batch,
        seed=seed,
        **study,
    )


def search_study(
    tables: str | Sequence[Problem],
    searchers: str | Sequence[str] = "evolution",
    *,
    predictors: str | Sequence[str] | None = None,
    budget: int = 100,
    trials: int = 20,
    batch: int = 5,
    metric: str | None = None,
    objectives: str | Sequence[str] | None = None,
    constraints: str | Sequence[str] = (),
    seed: int = 0,
    jobs: int = -1,
    out: str | Path | None = None,
    command: str = "",
    progress: Progress | None = None,
) -> SearchStudy:
    """Return how searches do on tables, random search always among them.

    Parameters
    ----------
    tables : str or sequence of Problem
    searchers : str or sequence of str
    predictors : str or sequence of str, optional
        Each guides each of the searchers that can be guided.
    budget, trials, batch, seed, jobs, out, command, progress
        As ``nasurge.search.study.search_tables``.
    metric : str, optional
        A metric or column to search and report instead of the task's own.
    objectives : str or sequence of str, optional
        Two or more, such as ``"accuracy,flops"``: the search is for their Pareto front.
    constraints : str or sequence of str, optional
        Such as ``"flops<=100"``, in the table's units.

    Raises
    ------
    ParameterError
        If predictors are given and no searcher uses one, or a searcher takes one objective only.
    InfeasibleError
        If no architecture meets the constraints.
    NasurgeError
        Another leaf that says what was wrong.
    """
    problems = _problems(tables, metric)
    limits = [str(limit) for limit in parse_constraints(constraints)]
    known = [n for n in searcher_names() if objectives is None or takes_objectives(n)]
    contenders = _contenders(_names(searchers, known), predictors)
    settings: dict[str, Any] = {
        "constraints": limits,
        "budget": budget,
        "trials": trials,
        "batch": batch,
        "seed": seed,
        "jobs": jobs,
        "out": Path(out) if out else None,
        "command": command,
        "progress": progress,
    }
    if objectives is None:
        problems = [constrained(problem, limits) for problem in problems]
        found = search_tables(problems, contenders, **settings)
    else:
        single = [c.searcher for c in contenders if not takes_objectives(c.searcher)]
        if single:
            raise ParameterError(
                f"{single[0]} searches for one objective: leave --objectives out, or take one of: "
                f"{', '.join(known)}"
            )
        many = [many_objectives(p, _names(objectives, []), limits) for p in problems]
        found = search_fronts(many, contenders, **settings)
    _keep(found.folder, found, ("summary", "curves", "about"))
    REPORTS[found.about["kind"]](found.folder)
    return found


def _contenders(
    searchers: Sequence[str], predictors: str | Sequence[str] | None
) -> list[Contender]:
    """Return random search and every named searcher, once with each predictor it can use."""
    guides = _names(predictors, predictor_names()) if predictors else []
    for guide in guides:
        predictor_class(guide)
    contenders = [Contender("random", None, partial(make_searcher, "random"))]
    for name in searchers:
        if guides and can_be_guided(name):
            contenders += [
                Contender(name, guide, partial(make_searcher, name, predictor=guide))
                for guide in guides
            ]
        elif name != "random":
            contenders.append(Contender(name, None, partial(make_searcher, name)))
    if guides and not any(contender.predictor for contender in contenders):
        raise ParameterError(
            "-p was given, but none of the searchers uses a predictor: leave it out"
        )
    return contenders


def validate(
    table: str | Problem,
    predictor: str = DEFAULT_PREDICTOR,
    *,
    metric: str | None = None,
    out: str | Path | None = None,
    **settings: Any,
) -> Validation:
    """Train some architectures and return how predicted, published and trained values agree.

    Parameters
    ----------
    table : str or Problem
        One ``TABLE/TASK`` of a cell space.
    predictor : str
    metric : str, optional
    out : str or Path, optional
    **settings
        As ``nasurge.benchmarks.validate.validate``.

    Raises
    ------
    ParameterError
        If more than one task is named, or the space has no networks.
    NasurgeError
        Another leaf that says what was wrong.
    """
    problems = _problems(table if isinstance(table, str) else [table], metric)
    if len(problems) != 1:
        addresses = ", ".join(problem.address for problem in problems)
        raise ParameterError(f"validate takes one task, received {len(problems)}: {addresses}")
    predictor_class(predictor)
    found = _validate(
        problems[0],
        predictor,
        partial(make_predictor, predictor),
        out=Path(out) if out else None,
        **settings,
    )
    _keep(found.folder, found, ("correlations", "architectures", "about"))
    validate_report(found.folder)
    return found


def _keep(folder: Path, found: Any, parts: Sequence[str]) -> None:
    """Keep what the report is made from."""
    kept = {part: getattr(found, part) for part in parts}
    write_summary(folder, {**kept, "command": found.about.get("command", "")})
