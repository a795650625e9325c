"""Which architectures ``validate`` looks at: where they come from, and how some are chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ...data.arguments import as_path
from ...data.images import Images
from ...data.spaces import Codes, Space
from ...data.tables import Table
from ...data.types import Index, Values
from ...errors import LabelError, ParameterError
from ..objectives import Problem, parse_problems, problems_of
from .comparing import Factory, split_rows, timed_scores
from .flags import refuse_unused
from .journal import Row, fingerprint, read_about, read_units, whole_study
from .options import ValidateOptions
from .trainings import images_space, sample_architectures

GROUPS: dict[str, str] = {
    "top": "the best of the ranking",
    "spread": "at even steps down the ranking",
    "stratified": "one of each of so many equal parts of the table's ranking",
    "random": "drawn uniformly",
    "learnt": "trained for the predictors to learn from",
    "inherited": "scored by the supernet only",
}


@dataclass(frozen=True, eq=False)
class Candidates:
    """Architectures that may be chosen, and what is known of them before any is trained.

    Attributes
    ----------
    space : Space
    codes : int array, shape (n, d)
    known : mapping from str to float array, shape (n,)
        ``searched``, what a search saw, and ``table_value``, as far as there are such values.
    lesson : tuple of codes and values, optional
        What predictors learn from; none of ``codes`` computes a function that is in it.
    about : mapping
        Where they come from: JSON values.
    """

    space: Space
    codes: Codes
    known: Mapping[str, Values] = field(default_factory=dict)
    lesson: tuple[Codes, Values] | None = None
    about: Mapping[str, Any] = field(default_factory=dict)


def candidates_of(options: ValidateOptions, n: int, images: Images) -> Candidates:
    """Architectures of a table, of a search, or of a bare space, of which ``n`` will be chosen.

    A model in a module is tried on what the images are.

    Raises
    ------
    ParameterError
        If none or several of them are given, or more than one task is named.
    NasurgeError
        As ``from_table``, ``from_search`` and ``sample_architectures``.
    """
    table, space, seed = options.table, options.space, options.seed
    if space is not None:
        if table is not None or options.search is not None:
            raise ParameterError(
                "a bare space has no table and no search: leave --space out, or the others"
            )
        refuse_unused(options, ("metric", "n_train"), "with --space")
        made = images_space(space, images)
        codes = sample_architectures(made, n, seed=seed)
        return Candidates(made, codes, about={"space": made.spec()})
    metric, n_train = options.metric, options.n_train
    if options.search is not None:
        address = table.address if isinstance(table, Problem) else table
        if isinstance(address, Table):
            address = address.name
        return from_search(as_path(options.search), address, n_train, seed=seed, metric=metric)
    if table is None:
        raise ParameterError(
            "say what to validate: a TABLE/TASK such as nb201-analog/cifar10, --search FOLDER or "
            "--space nb201"
        )
    problems = problems_of(table, metric=metric)
    if len(problems) != 1:
        addresses = ", ".join(problem.address for problem in problems)
        raise ParameterError(f"validate takes one task, received {len(problems)}: {addresses}")
    return from_table(problems[0], n_train, seed=seed)


def counts_of(given: Mapping[str, int | None], *, ranked: bool) -> dict[str, int]:
    """Number of architectures of each group to choose, with what is not said.

    Parameters
    ----------
    given : mapping from group to int or None
    ranked : bool
        Whether there is a ranking to choose by.

    Examples
    --------
    >>> counts_of({"top": 3, "spread": None}, ranked=True)
    {'top': 3, 'spread': 10}
    >>> counts_of({"top": None, "random": 20}, ranked=True)
    {'random': 20}
    """
    asked = {group: n for group, n in given.items() if n is not None}
    if not ranked:
        return asked or {"random": 15}
    return asked if {"stratified", "random"} & set(asked) else {"top": 5, "spread": 10, **asked}


def from_table(problem: Problem, n_train: int, *, seed: int = 0) -> Candidates:
    """Architectures of a table that a predictor has not seen, twins of those neither.

    Parameters
    ----------
    problem : Problem
    n_train : int
        Drawn uniformly, for predictors to learn from.
    seed : int

    Raises
    ------
    LabelError
        If the table has not so many.
    """
    if n_train >= len(problem.rows):
        raise LabelError(
            f"{problem.address} has {len(problem.rows)} measured architectures: learning from "
            f"{n_train} leaves none to validate; choose a smaller -n"
        )
    train, test = split_rows(problem, n_train, trial=0, seed=seed)
    functions = problem.space.function_ids(problem.codes)
    test = test[~np.isin(functions[test], functions[train])]
    return Candidates(
        problem.space,
        problem.codes[test],
        {"table_value": problem.report_values[test]},
        (problem.codes[train], problem.report_values[train]),
        _table_about(problem, n_train),
    )


def from_search(
    folder: Path, address: str | None, n_train: int, *, seed: int = 0, metric: str | None = None
) -> Candidates:
    """Architectures that a search evaluated, with what it saw of each.

    Parameters
    ----------
    folder : Path
        Of ``nasurge search``. All its searchers and trials count, random search too.
    address : str or None
        Which ``TABLE/TASK``, if it searched several.
    n_train : int
        As for ``from_table``: none of the searched functions is among them.
    seed : int
    metric : str, optional
        What the search was told to look at, if not the task's own.

    Raises
    ------
    ParameterError
        If the folder is of another command, of another table, or of several.
    LabelError
        If nothing was evaluated, or too few others are left to learn from.
    StorageError, DataFileError
        If it holds no study, or a damaged one.
    """
    with whole_study(folder):
        return _searched(folder, address, n_train=n_train, seed=seed, metric=metric)


def _searched(
    folder: Path, address: str | None, *, n_train: int, seed: int, metric: str | None
) -> Candidates:
    """Candidates of ``from_search``, of a folder whose files may not fit together."""
    about = read_about(folder)
    if about.get("kind") != "search":
        raise ParameterError(
            f"{folder} holds a {about.get('kind')}, not a search for one objective: give the "
            "folder that nasurge search printed"
        )
    searched = list(about["tables"])
    if address is None and len(searched) > 1:
        raise ParameterError(f"{folder} searched {', '.join(searched)}: name one of them")
    address = address or searched[0]
    if address not in searched:
        raise ParameterError(f"{folder} did not search {address}, but {', '.join(searched)}")
    (problem,) = parse_problems(address, metric=metric)
    if about["tables"][address] != problem.table.digest:
        raise ParameterError(f"{folder} searched another {address}: the table has changed since")
    if about["searched"][address] != problem.search_label:
        raise ParameterError(
            f"{folder} looked at {about['searched'][address]}, not {problem.search_label}: give "
            "the --metric of the search"
        )
    rows = [row for unit in read_units(folder).values() for row in unit]
    seen = {
        row["architecture"]: row["search_value"]
        for row in rows
        if f"{row['table']}/{row['task']}" == address and row["search_value"] is not None
    }
    if not seen:
        raise LabelError(f"{folder} has evaluated nothing yet: run its command to the end")
    codes = problem.space.parse(list(seen))
    functions = problem.space.function_ids(problem.codes)
    left = np.flatnonzero(~np.isin(functions, problem.space.function_ids(codes)))
    if n_train > len(left):
        raise LabelError(
            f"{address} has {len(left)} architectures that {folder} did not evaluate: a predictor "
            f"cannot learn from {n_train} of them; choose a smaller -n"
        )
    train = np.random.default_rng([seed, 0]).permutation(left)[:n_train]
    return Candidates(
        problem.space,
        codes,
        {
            "searched": np.array(list(seen.values()), dtype=np.float64),
            "table_value": problem.report(codes),
        },
        (problem.codes[train], problem.report_values[train]),
        {
            **_table_about(problem, n_train),
            "search": fingerprint({**about, "evaluated": seen}),
            "searched": problem.search_label,
        },
    )


def _table_about(problem: Problem, n_train: int) -> dict[str, Any]:
    return {
        "table": problem.address,
        "checksum": problem.table.digest,
        "label": problem.report_label,
        "n_train": n_train,
    }


def chosen_rows(
    ranking: Values | None,
    strata: Values | None,
    functions: Index,
    counts: Mapping[str, int],
    *,
    seed: int = 0,
) -> dict[str, Index]:
    """Rows by group, as many as ``counts`` says; no two compute the same function.

    Parameters
    ----------
    ranking : float array, shape (n,), or None
        Bigger is better; ``top`` are its best, ``spread`` lie at even steps down the rest of it.
    strata : float array, shape (n,), or None
        ``stratified`` and ``inherited`` are one of each of so many equal parts of its ranking,
        drawn at random; if None, they are drawn uniformly.
    functions : int array, shape (n,)
        Equal for architectures that compute the same function.
    counts : mapping from group to int
        Keys of ``GROUPS``. Each group draws from what those before it there have left.
    seed : int

    Raises
    ------
    LabelError
        If there are not so many different functions.
    ParameterError
        If ``top`` or ``spread`` is asked for without a ranking, or ``stratified`` without strata.

    Examples
    --------
    >>> scores, functions = np.array([5.0, 4.0, 4.0, 3.0, 2.0, 1.0]), np.array([0, 1, 1, 2, 3, 4])
    >>> chosen_rows(scores, None, functions, {"top": 2, "spread": 2})
    {'top': array([0, 1]), 'spread': array([3, 5])}
    """
    different = len(np.unique(functions))
    if different < sum(counts.values()):
        asked = ", ".join(f"{group} {n}" for group, n in counts.items() if n)
        raise LabelError(
            f"{different} different functions are left to choose from; asked for: {asked}"
        )
    needs = {"top": ranking, "spread": ranking, "stratified": strata}
    if lacking := [g for g, values in needs.items() if counts.get(g) and values is None]:
        raise ParameterError(
            f"nothing ranks the architectures of a bare space before they are trained: ask for "
            f"--random instead of --{lacking[0]}"
        )
    found: dict[str, Index] = {}
    for number, group in enumerate(GROUPS):
        if not (count := counts.get(group, 0)):
            continue
        taken = np.concatenate([functions[rows] for rows in found.values()] or [functions[:0]])
        left = np.flatnonzero(~np.isin(functions, taken))
        rng = np.random.default_rng([seed, number])
        if group in ("top", "spread") and ranking is not None:
            left = left[np.argsort(-ranking[left], kind="stable")]
            left = _first_of_each(functions, left)
            picked = left[:count] if group == "top" else even_steps(left, count)
        else:
            left = _first_of_each(functions, rng.permutation(left))
            if group in ("stratified", "inherited") and strata is not None:
                left = left[np.argsort(-strata[left], kind="stable")]
                # Functions of equal parts; within a part all are equally likely.
                edges = np.linspace(0, len(left), count + 1).round().astype(np.int64)
                picked = left[rng.integers(edges[:-1], edges[1:])]
            else:
                picked = left[:count]
        found[group] = picked
    return found


def _first_of_each(functions: Index, rows: Index) -> Index:
    """Rows in their order, of each function the first only, shape (m,)."""
    _, first = np.unique(functions[rows], return_index=True)
    return np.asarray(rows[np.sort(first)])


def even_steps(rows: Index, count: int) -> Index:
    """Rows at even steps from the first to the last, shape (count,)."""
    return np.asarray(rows[np.linspace(0, len(rows) - 1, count).round().astype(np.int64)])


@dataclass(frozen=True, eq=False)
class ChoiceUnit:
    """Predictors that learn from the lesson, and the choice; calling it gives the one row.

    The first predictor ranks, unless a search did.
    """

    candidates: Candidates
    predictors: Mapping[str, Factory]
    counts: Mapping[str, int]
    seed: int

    def __call__(self) -> list[Row]:
        """Row with the chosen ``architectures``, their scores, and what each has cost."""
        candidates, seed = self.candidates, self.seed
        space, codes = candidates.space, candidates.codes
        columns, costs = {}, []
        if candidates.lesson is not None:
            for key, factory in self.predictors.items():
                columns[key], cost = learnt_scores(
                    space, factory, *candidates.lesson, codes, seed=seed
                )
                costs.append({"column": key, **cost})
        columns |= candidates.known
        ranking = columns.get("searched", columns.get("predicted"))
        strata = columns.get("table_value", ranking)
        chosen = chosen_rows(ranking, strata, space.function_ids(codes), self.counts, seed=seed)
        rows = [
            {
                "architecture": architecture,
                "group": group,
                **{key: float(values[row]) for key, values in columns.items()},
            }
            for group, picked in chosen.items()
            for row, architecture in zip(picked, space.format(codes[picked]), strict=True)
        ]
        return [{"architectures": rows, "costs": costs}]


def learnt_scores(
    space: Space, factory: Factory, codes: Codes, values: Values, test: Codes, *, seed: int
) -> tuple[Values, Row]:
    """Scores of ``test`` by a predictor that learnt from ``codes``, shape (m,), and its costs."""
    predictor = factory(space, seed=seed)
    predictor.preload()
    scores, (once, each) = timed_scores(predictor, codes, values, test)
    each /= max(1, len(test))
    cost = {"architectures": len(test), "once_seconds": once, "seconds_per_architecture": each}
    return np.asarray(scores), cost


def check_predictors(
    space: Space, predictors: Mapping[str, Factory], labels: Sequence[int]
) -> None:
    """Error, before anything is computed, about a predictor that cannot learn here.

    Raises
    ------
    ParameterError
        If it cannot serve the space.
    LabelError
        If it needs more labels than one of these numbers.
    """
    for name, factory in predictors.items():
        predictor = factory(space, seed=0)
        if predictor.refusal:
            raise ParameterError(f"{name}: {predictor.refusal}")
        if labels and min(labels) < predictor.minimum_labels:
            raise LabelError(
                f"{name} learns from at least {predictor.minimum_labels} architectures, not "
                f"{min(labels)}: ask for more, or leave {name} out"
            )
