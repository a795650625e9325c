"""Ranking of the architectures that nobody has measured, and which of them to measure next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from .benchmarks.studies.flags import called_with
from .errors import DataFileError, ExhaustedError, LabelError, ParameterError, StorageError
from .options import RankOptions

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.figure import Figure

    from .benchmarks.intervals import Interval
    from .benchmarks.objectives import Problem
    from .benchmarks.studies import Factory
    from .benchmarks.studies.options import OnePredictor
    from .data.spaces import Codes, Space
    from .data.types import Mask, Values
    from .predictors.base import Predictor

_SHOWN = 120  # characters of an architecture in a line
_NEAR = 10  # best measured architectures whose neighbours and mutants are ranked
_FOLDS = 5
_AT_ONCE = 5000  # architectures predicted at once
_SHORT_LIST = 500  # candidates between which expected improvement chooses
_CLIMBS, _CLIMBERS = 2, 50  # how often the best predicted have mutants, and how many of them
_ROUNDS = 4  # of proposals, by predictors that are fitted again to believe the ones before


class Proposal(NamedTuple):
    """Architecture to measure next.

    Attributes
    ----------
    architecture : str
    variables : dict
        Value of each variable that has an effect.
    score, std : float
        Prediction and its standard deviation in the unit of the metric; NaN without deviations.
    """

    architecture: str
    variables: dict[str, Any]
    score: float
    std: float


@dataclass(frozen=True, repr=False)
class Ranking:
    """Architectures that were not measured, best first, and those to measure next.

    Attributes
    ----------
    proposed : list of Proposal
        In the order in which they were chosen.
    frame : DataFrame
        Every ranked architecture: ``architecture``, a column for each variable (missing where it
        has no effect), ``score`` and ``std``.
    metric, predictor : str
        What is predicted, and by what.
    minimise : bool
        Whether smaller is better, so that the smallest score comes first.
    n_labels : int
        Measured architectures that were learnt.
    whole : bool
        Whether all others of the space are ranked, and not a sample of them.
    quality : dict
        Kendall tau between labels and predictions that never saw their function, by five-fold
        cross-validation, with its 95 % interval over architectures; None where it is undefined.
    at_the_top : dict
        Of the same predictions: ``regret_at_10``, the best label minus the best among the ten that
        were predicted best, and ``kendall_tau_top5``, tau among the best 5 %; None of fewer labels
        than 20 and 100, or where undefined.
    rule : str
        How the proposals were chosen.
    path : Path or None
        Where ``frame`` was written as CSV.
    imported : tuple of str
        What was recognised in a file of measurements, guessed and left out, a line each.
    """

    proposed: list[Proposal]
    frame: pd.DataFrame
    metric: str
    predictor: str
    minimise: bool
    n_labels: int
    whole: bool
    quality: Interval
    at_the_top: dict[str, float | None]
    rule: str
    path: Path | None = None
    imported: tuple[str, ...] = ()

    def __repr__(self) -> str:
        best = self.proposed[0]
        name = best.architecture
        name = name if len(name) <= _SHOWN else f"{name[: _SHOWN - 3]}..."
        return f"<Ranking: {len(self.frame):,} ranked, first to measure {name}>"

    def best(self) -> Proposal:
        """Architecture to measure next, the first of those proposed."""
        return self.proposed[0]

    def to_frame(self) -> pd.DataFrame:
        """Every ranked architecture, the best score first."""
        return self.frame

    def plot(self) -> Figure:
        """Picture of the scores by rank, and of those proposed with their deviations."""
        import numpy as np

        from .data.spaces import ShownFigure

        figure = ShownFigure(figsize=(5.0, 3.4), layout="constrained")
        axis = figure.subplots()
        axis.spines[["top", "right"]].set_visible(False)
        scores = self.frame["score"].to_numpy()
        rank = {name: place for place, name in enumerate(self.frame["architecture"], start=1)}
        axis.plot(np.arange(1, len(scores) + 1), scores, color="0.6", label="ranked")
        x, y = [rank[one.architecture] for one in self.proposed], [p.score for p in self.proposed]
        deviations = np.nan_to_num([one.std for one in self.proposed])
        axis.errorbar(x, y, deviations, fmt="o", capsize=2, markersize=4, label="proposed")
        axis.set(xscale="log", xlabel="rank", ylabel=f"predicted {self.metric}")
        axis.legend(frameon=False)
        return figure

    def _repr_html_(self) -> str:
        """Architectures to measure next, and the picture, for a notebook."""
        import pandas as pd

        from .benchmarks.studies import html_of_frame

        rows = [
            {"architecture": p.architecture, "score": p.score, "std": p.std, **p.variables}
            for p in self.proposed
        ]
        text = f"Predicted {self.metric} of {len(self.frame)} architectures by rank"
        return html_of_frame(repr(self), pd.DataFrame(rows), self.plot(), text)

    def as_json(self) -> dict[str, Any]:
        """JSON values of what ``nasurge rank --json`` prints."""
        return {
            "proposed": [one._asdict() for one in self.proposed],
            "ranking": None if self.path is None else str(self.path),
            "metric": self.metric,
            "minimise": self.minimise,
            "predictor": self.predictor,
            "labels": self.n_labels,
            "ranked": len(self.frame),
            "whole_space": self.whole,
            "kendall_tau": self.quality,
            **self.at_the_top,
            "rule": self.rule,
            "imported": list(self.imported),
        }


def _rank(options: RankOptions) -> Ranking:
    """Ranking of the architectures that were not measured, learnt from those that were.

    Proposals maximise the expected improvement one after the other, each chosen as if the ones
    before had returned what was predicted of them; no two compute the same function, and none that
    of a measured one. Predictors without deviations propose what they score best.

    Returns
    -------
    Ranking

    Raises
    ------
    StorageError, DataFileError, SchemaError, ArchitectureError
        If a file cannot be read, or a row of it is not in the space.
    UnknownNameError
        If there is no such table, metric or predictor.
    LabelError
        If there are too few labels to learn from.
    ExhaustedError
        If every architecture of the space was measured.

    Examples
    --------
    >>> import nasurge
    >>> found = nasurge.rank("nb201-digits", predictor="gp", propose=3, sample=500)
    >>> len(found.proposed), found.frame.columns[-2:].tolist()
    (3, ['score', 'std'])
    """
    import numpy as np

    name, make = _named(options.predictor)
    problem = measured_problem(options)
    space, codes, labels = problem.space, problem.codes, problem.search_values
    rng = np.random.default_rng(options.seed)
    fresh = make(space, seed=options.seed)
    left_out = left_out_scores(fresh, codes, labels, options.seed)
    fitted = fresh.fit(codes, labels)
    pool, whole = _candidates(space, codes, labels, options.sample, rng)
    scores, deviations = _predicted(fitted, pool)
    for _ in range(0 if whole else _CLIMBS):
        best = pool[np.argsort(-scores, kind="stable")[:_CLIMBERS]]
        near = space.mutate(best[rng.integers(len(best), size=options.sample // 8)], seed=rng)
        near = _unmeasured(space, near, np.concatenate([codes, pool]))
        more = _predicted(fitted, near)
        pool = np.concatenate([pool, near])
        scores, deviations = np.append(scores, more[0]), np.append(deviations, more[1])
    order = np.argsort(-scores, kind="stable")
    pool, scores, deviations = pool[order], scores[order], deviations[order]
    new = _new_functions(space, pool, codes)
    chosen, rule = _chosen(fitted, pool, (scores, deviations), new, labels.max(), options.propose)
    sign = -1.0 if problem.search_column.minimise else 1.0
    frame = _frame(space, pool, sign * scores, deviations)
    texts, values = space.format(pool[chosen]), space.to_dicts(pool[chosen])
    found = Ranking(
        [
            Proposal(text, own, float(sign * scores[k]), float(deviations[k]))
            for text, own, k in zip(texts, values, chosen, strict=True)
        ],
        frame,
        str(problem.search_column).removeprefix("default "),
        name,
        sign < 0,
        len(codes),
        whole,
        *_qualities(labels, left_out, options.seed),
        rule,
        imported=_lines_of(problem) if _as_file(options.measured) else (),
    )
    out = Path("ranking.csv") if options.out is None and options.write else options.out
    return found if out is None else replace(found, path=_written(frame, Path(out)))


def _named(predictor: OnePredictor) -> tuple[str, Factory]:
    """Name and maker of the predictor that learns."""
    from .arguments import predictor_factories

    made = predictor_factories([predictor])
    if len(made) > 1:
        raise ParameterError("one predictor ranks: name it")
    return next(iter(made.items()))


rank = called_with(RankOptions, _rank)


def _lines_of(problem: Problem) -> tuple[str, ...]:
    """What an import says of a table."""
    notes = problem.table.imported
    return tuple(notes.lines()) if notes else ()


def measured_problem(options: RankOptions) -> Problem:
    """Task whose architectures were measured: of a file, or of a table that is there.

    Raises
    ------
    ParameterError
        If it has several tasks, or a space is named beside a table.
    """
    from .benchmarks.objectives import problems_of
    from .data.sources import directed, read_tables
    from .data.spaces import make_space
    from .data.tables import load_table

    given, space = options.measured, options.space
    path = _as_file(given, of_a_file=space is not None)
    task = ""
    if path is not None:
        if isinstance(space, Path | Mapping):
            space = make_space(space)
        tables = read_tables(path) if space is None else read_tables(path, space=space)
        if len(tables) > 1:
            names = ", ".join(table.name for table in tables)
            raise ParameterError(
                f"{path} holds several tables ({names}): import it, and name one of them"
            )
        given = tables[0]
    elif space is not None:
        raise ParameterError("space is that of a file's architectures; a table knows its own")
    elif isinstance(given, str):
        name, _, task = given.partition("/")
        given = load_table(name)
    if not hasattr(given, "search_values") and (options.minimise or options.maximise):
        down, up = options.minimise, options.maximise
        (given,) = directed([given], minimise=down, maximise=up)  # type: ignore[list-item]
    problems = problems_of(given, metric=options.metric)  # type: ignore[arg-type]
    problems = [one for one in problems if not task or one.task == task]
    if len(problems) != 1:
        known = ", ".join(given.tasks)  # type: ignore[union-attr]
        raise ParameterError(
            f"one task is ranked at a time: name TABLE/TASK with one of {known}"
            + (f" (import {path} first)" if path else "")
        )
    return problems[0]


def _as_file(given: Any, *, of_a_file: bool = False) -> Path | None:
    """Path of a file of measurements; None of a table or its name."""
    from .data.tables import table_names

    if not isinstance(given, str | Path):
        return None
    path = Path(given).expanduser()
    if isinstance(given, Path) or path.is_file():
        return path
    named = str(given).partition("/")[0] in table_names()
    if not named and (path.suffix or of_a_file):
        raise StorageError(f"there is no file {path}" + (": it is a folder" * path.is_dir()))
    return None


def _qualities(
    labels: Values, left_out: Values, seed: int
) -> tuple[Interval, dict[str, float | None]]:
    """Kendall tau with its interval, and what is felt at the top, of predictions of the left out.

    An interval by resampling is for the whole order: those of extremes would mislead.
    """
    import numpy as np

    from .benchmarks.intervals import bootstrap_interval
    from .benchmarks.metrics import METRICS, kendall_tau

    top = {"regret_at_10": 20, "kendall_tau_top5": 100}  # architectures of which they say anything
    if not np.isfinite(left_out).all():
        undefined: Interval = {"mean": None, "low": None, "high": None, "n": len(labels)}
        return undefined, dict.fromkeys(top)
    values = {
        name: METRICS[name].measure(labels, left_out) if len(labels) >= fewest else np.nan
        for name, fewest in top.items()
    }
    known = {name: value if np.isfinite(value) else None for name, value in values.items()}
    return bootstrap_interval(kendall_tau, labels, left_out, seed=seed), known


def left_out_scores(
    predictor: Predictor, codes: Codes, labels: Values, seed: int, folds: int = _FOLDS
) -> Values:
    """Predictions that never saw their function, shape (n,); NaN where it learns of too few.

    Parameters
    ----------
    predictor : Predictor
        Unfitted.
    codes, labels : arrays, shapes (n, d) and (n,)
    seed : int
        Of the folds.
    folds : int
        Parts into which the functions are split; each is predicted from the others.
    """
    import numpy as np
    from sklearn.base import clone

    space = predictor.space
    _, function = np.unique(space.function_ids(codes), return_inverse=True)
    function = function.reshape(-1)
    n = int(function.max()) + 1
    folds = min(folds, n)
    part = np.random.default_rng(seed).permutation(np.arange(n) % folds)[function]
    predicted = np.full(len(labels), np.nan)
    try:
        for fold in range(folds):
            test = part == fold
            fitted = clone(predictor).fit(codes[~test], labels[~test])
            predicted[test] = fitted.predict(codes[test])
    except LabelError:  # a part of so few cannot be learnt from
        return np.full(len(labels), np.nan)
    return predicted


def _candidates(
    space: Space, codes: Codes, labels: Values, most: int, rng: np.random.Generator
) -> tuple[Codes, bool]:
    """Architectures to rank, none of them measured, and whether these are all there are."""
    import numpy as np

    whole = space.listed and space.size <= most
    if whole:
        pool = space.all_codes()
    else:
        best = codes[np.argsort(-labels, kind="stable")[:_NEAR]]
        near, _ = space.neighbours(best)
        near = rng.permutation(near)[: most // 8]
        mutants = space.mutate(best[rng.integers(len(best), size=most // 8)], seed=rng)
        mutants = space.mutate(mutants, seed=rng)
        drawn = space.sample(most - most // 2, seed=rng)
        pool = np.concatenate([near, mutants, drawn])
    pool = _unmeasured(space, pool, codes)
    if not len(pool):
        raise ExhaustedError(
            f"all {len(codes)} architectures of space {space.name!r} were measured: there is none "
            "to rank"
        )
    return pool, whole


def _unmeasured(space: Space, pool: Codes, codes: Codes) -> Codes:
    """Rows of a pool that are not among others, each once, in their order."""
    import numpy as np

    keys = space.keys(pool)
    first = np.sort(np.unique(keys, return_index=True)[1])
    return pool[first[~np.isin(keys[first], space.keys(codes))]]


def _predicted(fitted: Predictor, codes: Codes) -> tuple[Values, Values]:
    """Score and deviation of each architecture, (n,) each; NaN deviations where there are none."""
    import numpy as np

    parts = []
    for start in range(0, len(codes), _AT_ONCE):
        rows = codes[start : start + _AT_ONCE]
        if fitted.has_std:
            parts.append(fitted.predict(rows, return_std=True))
        else:
            parts.append((fitted.predict(rows), np.full(len(rows), np.nan)))
    scores, deviations = (np.concatenate(one) for one in zip(*parts, strict=True))
    return scores, deviations


def _new_functions(space: Space, pool: Codes, codes: Codes) -> Mask:
    """Whether each candidate is the first of its function, and that was not measured, (n,)."""
    import numpy as np

    functions = space.function_ids(pool)
    new = np.zeros(len(pool), dtype=bool)
    new[np.unique(functions, return_index=True)[1]] = True
    return new & ~np.isin(functions, space.function_ids(codes))


def _chosen(
    fitted: Predictor,
    pool: Codes,
    predicted: tuple[Values, Values],
    new: Mask,
    best: float,
    n: int,
) -> tuple[list[int], str]:
    """Rows of the pool to measure next, and by which rule."""
    import copy

    import numpy as np

    from .search.searchers import log_expected_improvement

    free = np.flatnonzero(new)
    if not len(free):
        raise ExhaustedError(
            "every function among the ranked architectures was measured: none is left to propose"
        )
    if not fitted.has_std:
        return free[:n].tolist(), "the best scores, since this predictor has no deviations"
    mean, std = (values[free] for values in predicted)
    worth = log_expected_improvement(mean, std, best)
    free = free[np.argsort(-worth, kind="stable")[: max(_SHORT_LIST, n)]]
    rounds = n if fitted.quick_update else min(n, _ROUNDS)
    sizes = [len(part) for part in np.array_split(np.arange(min(n, len(free))), rounds)]
    chosen: list[int] = []
    believer = copy.copy(fitted)
    for size in filter(None, sizes):
        mean, std = believer.predict(pool[free], return_std=True)
        worth = log_expected_improvement(mean, std, best)
        picked = np.argsort(-worth, kind="stable")[:size]
        chosen += free[picked].tolist()
        if len(chosen) < n:
            believer.update(pool[free[picked]], mean[picked])
        free = np.delete(free, picked)
    rule = "expected improvement, each as if those before had returned what was predicted"
    if not fitted.quick_update:
        rule = f"expected improvement in {rounds} rounds, each believing the predictions before"
    return chosen, rule


def _frame(space: Space, pool: Codes, scores: Values, deviations: Values) -> pd.DataFrame:
    """Table of the ranked architectures."""
    import pandas as pd

    columns = space.to_columns(pool, taken=("architecture", "score", "std"))
    frame = pd.DataFrame({"architecture": space.format(pool), **columns})
    return frame.assign(score=scores, std=deviations)


def _written(frame: pd.DataFrame, path: Path) -> Path:
    """Write a table as CSV, whole or not at all."""
    from .data.files import atomic_write

    if path.is_dir():
        raise DataFileError(f"{path} is a folder: name a file for the ranking, such as ranking.csv")
    with atomic_write(path) as file:
        frame.to_csv(file, index=False)
    return path
