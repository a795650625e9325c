"""What a script calls: ``compare``, ``search`` and ``validate``, with names instead of classes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .arguments import given_names, given_problems, keep_summary
from .benchmarks.constraints import parse_constraints
from .benchmarks.objectives import Problem
from .benchmarks.quantities import constrained, many_objectives
from .benchmarks.studies import (
    Comparison,
    Progress,
    SupernetRecipe,
    Validation,
    Verification,
    candidates_of,
    compare_report,
    counts_of,
    read_supernet_recipe,
    validate_report,
    verify_report,
)
from .benchmarks.studies import compare as _compare
from .benchmarks.studies import validate as _validate
from .benchmarks.studies import verify as _verify
from .benchmarks.training import Recipe, read_recipe
from .data.images import Images, load_images
from .data.tables import load_table
from .errors import ParameterError
from .progress import after_every_batch, bar
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
from .search.loop import Objective, Trace, run
from .search.store import run_stored, storage_of
from .search.studies import (
    Contender,
    SearchStudy,
    front_report,
    meta_report,
    search_fronts,
    search_report,
    search_tables,
)

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

    from .data.spaces import Space
    from .data.tables import Table
    from .predictors.base import Predictor
    from .search.base import Searcher

REPORTS = {
    "compare": compare_report,
    "search": search_report,
    "fronts": front_report,
    "validate": validate_report,
    "verify": verify_report,
    "meta-tables": meta_report,
}


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
        As ``nasurge.benchmarks.studies.comparing.compare``.
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
    problems = given_problems(tables, metric)
    names = given_names(predictors, predictor_names())
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
    keep_summary(found.folder, found, ("summary", "ceilings", "cheap", "about"))
    compare_report(found.folder)
    return found


def search(
    objective: str | Sequence[Problem] | Objective,
    *,
    space: Space | None = None,
    searcher: str | Searcher | None = None,
    predictor: str | Predictor | None = None,
    budget: int = 100,
    batch: int = 5,
    seed: int = 0,
    callback: Callable[[Searcher], None] | None = None,
    storage: str | BaseStorage | None = None,
    study: str | None = None,
    timeout: float | None = None,
    progress: bool | Progress = False,
    **tables: Any,
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
    searcher : str or Searcher, optional
        Names of ``nasurge searchers``; by default ``bo``, with a predictor ``evolution``.
    predictor : str or Predictor, optional
        Guides the searchers that can be guided; several names are tried one by one on tables.
    budget : int
        Architectures evaluated.
    batch : int
        Architectures asked for at once.
    seed : int
    callback : callable, optional
        Called with the searcher after every batch, with a function only.
    storage : str or optuna.storages.BaseStorage, optional
        Where the search is kept as an Optuna study: the URL of a database, or the path of a SQLite
        file; ``sqlite:///nasurge.db`` if only ``study`` is given. The same call again goes on
        where it was, up to the budget, and several processes may share it.
    study : str, optional
        Name of that study; on tables, how the names begin.
    timeout : float, optional
        Seconds after which no further batch is started.
    progress : bool or callable
        Show a progress bar, or call with evaluations (on tables searches) done, those in all, and
        a note.
    **tables
        With a table: ``objectives``, ``constraints``, ``trials``, ``metric``, ``jobs``,
        ``workers``, ``out``, ``command``.

    Returns
    -------
    Trace or SearchStudy

    Raises
    ------
    ParameterError
        If ``space`` is missing, an argument does not belong to the way it is called, or the study
        holds another search.
    ObjectiveError
        If the function raises whatever it is given.
    StorageError
        If the database cannot be used.

    Examples
    --------
    >>> import nasurge
    >>> space = nasurge.make_space("nb201")
    >>> trace = nasurge.search(lambda codes: (codes == 3).sum(axis=1), space=space, budget=60)
    >>> float(trace.values.max())
    6.0
    """
    limits: dict[str, Any] = {"budget": budget, "batch": batch, "timeout": timeout}
    limits |= {"storage": storage, "study": study}
    with bar("search") if progress is True else nullcontext(progress or None) as shown:
        if callable(objective):
            if tables:
                unknown = ", ".join(tables)
                raise ParameterError(f"{unknown}: only a search on a table takes these")
            if shown is not None:
                callback = after_every_batch(shown, budget, callback)
            searcher = searcher or ("evolution" if predictor else "bo")
            made = _made(searcher, space, predictor, seed)
            about = {"batch": batch, **({"seed": seed} if isinstance(searcher, str) else {})}
            return _run(made, objective, about=about, callback=callback, **limits)
        if not isinstance(searcher, str | None) or not isinstance(predictor, str | None):
            raise ParameterError(
                "a search on a table makes a fresh searcher and predictor for every trial: give "
                "their names; your own can join as plug-ins (entry points)"
            )
        return search_study(
            objective, searcher, predictors=predictor, seed=seed, progress=shown, **limits, **tables
        )


def _made(
    searcher: str | Searcher, space: Space | None, predictor: str | Predictor | None, seed: int
) -> Searcher:
    """Return the searcher of a search with a function."""
    if space is None:
        raise ParameterError(
            'a search with a function needs space=..., such as nasurge.make_space("nb201")'
        )
    if isinstance(searcher, str):
        return make_searcher(searcher, space, predictor=predictor, seed=seed)
    return searcher


def _run(
    searcher: Searcher,
    objective: Objective,
    *,
    storage: str | BaseStorage | None,
    study: str | None,
    about: dict[str, Any],
    **limits: Any,
) -> Trace:
    """Run a search, in a database if one is named."""
    storage = storage_of(storage, study)
    if storage is None or study is None:
        return run(searcher, objective, **limits)
    return run_stored(searcher, objective, storage=storage, study=study, about=about, **limits)


def search_study(
    tables: str | Sequence[Problem],
    searchers: str | Sequence[str] | None = None,
    *,
    predictors: str | Sequence[str] | None = None,
    budget: int = 100,
    trials: int = 20,
    metric: str | None = None,
    objectives: str | Sequence[str] | None = None,
    constraints: str | Sequence[str] = (),
    workers: int | None = None,
    out: str | Path | None = None,
    **settings: Any,
) -> SearchStudy:
    """Return how searches do on tables, random search always among them.

    Parameters
    ----------
    tables : str or sequence of Problem
    searchers : str or sequence of str, optional
        By default ``bo``, with predictors ``evolution``, with objectives ``nsga2``.
    predictors : str or sequence of str, optional
        Each guides each of the searchers that can be guided.
    budget, trials, workers, out
        As ``nasurge.search.studies.table.search_tables``.
    metric : str, optional
        A metric or column to search and report instead of the task's own.
    objectives : str or sequence of str, optional
        Two or more, such as ``"accuracy,flops"``: the search is for their Pareto front.
    constraints : str or sequence of str, optional
        Such as ``"flops<=100"``, in the table's units.
    **settings
        As ``nasurge.search.studies.search_tables``: ``batch``, ``seed``, ``jobs``, ``timeout``,
        ``storage``, ``study``, ``command``, ``progress``.

    Raises
    ------
    ParameterError
        If predictors are given and no searcher uses one, or a searcher takes one objective only.
    InfeasibleError
        If no architecture meets the constraints.
    """
    problems = given_problems(tables, metric)
    limits = [str(limit) for limit in parse_constraints(constraints)]
    known = [n for n in searcher_names() if objectives is None or takes_objectives(n)]
    if searchers is None:
        searchers = "nsga2" if objectives else "evolution" if predictors else "bo"
    contenders = _contenders(given_names(searchers, known), predictors)
    settings |= {"constraints": limits, "budget": budget, "trials": trials}
    settings["out"] = Path(out) if out else None
    if objectives is None:
        problems = [constrained(problem, limits) for problem in problems]
        found = search_tables(problems, contenders, workers=workers, **settings)
    else:
        single = [c.searcher for c in contenders if not takes_objectives(c.searcher)]
        if single:
            raise ParameterError(
                f"{single[0]} searches for one objective: leave --objectives out, or take one of: "
                f"{', '.join(known)}"
            )
        if workers:
            raise ParameterError("simulated workers search for one objective: leave one out")
        many = [many_objectives(p, given_names(objectives, []), limits) for p in problems]
        found = search_fronts(many, contenders, **settings)
    keep_summary(found.folder, found, ("summary", "curves", "about"))
    REPORTS[found.about["kind"]](found.folder)
    return found


def _contenders(
    searchers: Sequence[str], predictors: str | Sequence[str] | None
) -> list[Contender]:
    """Return random search and every named searcher, once with each predictor it can use."""
    guides = given_names(predictors, predictor_names()) if predictors else []
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
    table: str | Problem | None = None,
    predictors: str | Sequence[str] = DEFAULT_PREDICTOR,
    *,
    space: str | Space | None = None,
    search: str | Path | None = None,
    metric: str | None = None,
    n_train: int = 100,
    top: int | None = None,
    spread: int | None = None,
    stratified: int | None = None,
    random: int | None = None,
    learn_from: int = 0,
    supernet: str | SupernetRecipe | None = None,
    supernet_architectures: int = 0,
    images: str | Path | Images = "digits",
    size: int | None = None,
    limit: int | None = None,
    noise: float = 0.0,
    recipe: str | Recipe | None = None,
    width: int | None = None,
    cells: int | None = None,
    epochs: int | None = None,
    seed: int = 0,
    out: str | Path | None = None,
    **settings: Any,
) -> Validation:
    """Train some architectures and return how far scores, table and training agree.

    Parameters
    ----------
    table : str or Problem, optional
        One ``TABLE/TASK``.
    predictors : str or sequence of str
        Names of ``nasurge predictors``.
    space : str or Space, optional
        Instead of a table: nothing is known of the architectures but what is trained here.
    search : str or Path, optional
        Folder of ``nasurge search``: what it evaluated (on ``table``) is chosen from.
    metric : str, optional
        A metric or column of the table instead of the task's own.
    n_train : int
        Architectures of the table that predictors learn from.
    top, spread, stratified, random : int, optional
        How many to choose of each, as ``choose``. By default 5 and 10 of ``top`` and ``spread``,
        none of these where another is given; of a bare space 15 at random.
    learn_from : int
        Further architectures, at random, that are trained for predictors to learn from.
    supernet : str or SupernetRecipe, optional
        As for ``read_supernet_recipe``.
    supernet_architectures : int
        Further architectures that the supernet scores and nobody trains.
    images, size, limit, noise
        As for ``nasurge.data.images.sets.load_images``.
    recipe : str or Recipe, optional
        By default a small network trained for 2 epochs.
    width, cells, epochs
        As for ``nasurge.benchmarks.training.recipe.read_recipe``.
    seed : int
    out : str or Path, optional
    **settings
        As ``nasurge.benchmarks.studies.validate``: ``seeds``, ``score``, ``device``, ``jobs``,
        ``command``, ``progress``.

    Raises
    ------
    ParameterError
        If it is not said what to validate, or the space has no networks.
    NasurgeError
        Another leaf that says what was wrong.
    """
    names = given_names(predictors, predictor_names())
    for name in names:
        predictor_class(name)
    counts = counts_of(
        {"top": top, "spread": spread, "stratified": stratified, "random": random},
        ranked=space is None,
    )
    counts |= {"learnt": learn_from, "inherited": supernet_architectures}
    found = _validate(
        candidates_of(
            table,
            space=space,
            search=search,
            metric=metric,
            n_train=n_train,
            n=sum(counts.values()),
            seed=seed,
        ),
        images
        if isinstance(images, Images)
        else load_images(images, size=size, limit=limit, noise=noise),
        read_recipe(recipe or Recipe(epochs=2), width=width, cells=cells, epochs=epochs),
        predictors={name: partial(make_predictor, name) for name in names},
        counts=counts,
        supernet=read_supernet_recipe(supernet) if isinstance(supernet, str) else supernet,
        seed=seed,
        out=Path(out) if out else None,
        **settings,
    )
    keep_summary(
        found.folder, found, ("correlations", "architectures", "costs", "ceiling", "about")
    )
    validate_report(found.folder)
    return found


def verify(
    table: str | Table, n: int, *, out: str | Path | None = None, **settings: Any
) -> Verification:
    """Train ``n`` architectures of a table that NASurge trained again, and compare.

    Parameters
    ----------
    table : str or Table
        A table's name, also with a task, such as ``"nb201-digits/digits"``.
    n : int
    out : str or Path, optional
    **settings
        As ``nasurge.benchmarks.studies.verifying.verify``.

    Raises
    ------
    NasurgeError
        A leaf that says what was wrong: a table without a recipe, other images.
    """
    if isinstance(table, str):
        table = load_table(table.partition("/")[0])
    found = _verify(table, n, out=Path(out) if out else None, **settings)
    keep_summary(found.folder, found, ("summary", "architectures", "about"))
    verify_report(found.folder)
    return found
