"""What a script calls: ``compare``, ``search`` and ``validate``, with names instead of classes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .arguments import given_names, given_problems, keep_summary
from .benchmarks.objectives import Problem
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
from .registry import DEFAULT_PREDICTOR, make_predictor, predictor_class, predictor_names
from .searching import search as search
from .searching import search_study as search_study

if TYPE_CHECKING:
    from .data.spaces import Space
    from .data.tables import Table

REPORTS = {
    "compare": compare_report,
    "validate": validate_report,
    "verify": verify_report,
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
