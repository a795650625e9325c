"""What the names of columns of numbers say: settings, and runs of one metric side by side."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ....errors import DataFileError, SchemaError
from ...tables import Column, is_minimised, words_of
from ...types import Index, Values

_REPEATED = (
    "seed seeds run runs runid trial trials trialid repeat repeats repetition repetitions rep "
    "replicate replica"
)
SEEDS = frozenset(_REPEATED.split())
"""Words for repeated trainings of one architecture."""
_SETTING = re.compile(
    r"\b(?:lr|learning ?rate|weight ?decay|wd|batch ?size|bs|momentum|dropout|drop (?:rate|path)|"
    r"seed(?! \d)|hparams?|hyper ?parameters?|optimi[sz]er|warmup|label ?smoothing)\b"
)
_RUN = re.compile(
    rf"(.*?)[ _.\-(\[]*(?<![^\W_])(?:{'|'.join(sorted(SEEDS, key=len, reverse=True))})"
    r"[ _.\-=#]*(\d{1,9})(?![^\W_])[)\]]?(.*)",
    re.IGNORECASE,
)
_NUMBERED = re.compile(r"(.*[^\W\d].*?)[ _.\-]?(\d{1,9})")
_PERCENTAGES = "acc accuracy accuracies error err top1 auc auroc map miou iou f1"
_SHARES = frozenset(_PERCENTAGES.split())
_GAP = 5  # times the largest fraction is below the smallest percentage, where both are in a column
_MEAN = {"mean", "avg", "average"}


def is_setting(name: str) -> bool:
    """Whether a name is that of a setting of the training, which nobody measured.

    Examples
    --------
    >>> is_setting("learning_rate"), is_setting("z_hparam_float"), is_setting("lr_loss")
    (True, True, False)
    """
    rest, found = _SETTING.subn("", " ".join(words_of(name)))
    return bool(found) and is_minimised(rest) is None


def is_run(name: str) -> bool:
    """Whether a name is that of one of several numbered runs, such as ``acc_seed0``."""
    return bool(_RUN.fullmatch(name))


def with_runs(columns: Sequence[Column]) -> list[Column]:
    """Columns of which those that are called as numbered runs of one metric are its runs.

    A column of the metric's own name beside them is their mean.

    Examples
    --------
    >>> three = [Column("t", name, source=name) for name in ("acc_seed0", "acc_seed1", "acc")]
    >>> [(column.metric, column.seed) for column in with_runs(three)]
    [('acc', 0), ('acc', 1), ('acc', 'mean')]
    """
    found: dict[str, dict[int, str]] = {}
    for column in columns:
        if run := _RUN.fullmatch(column.source):
            base = f"{run[1]}{run[3]}".strip(" _.-") or "value"
            found.setdefault(base, {}).setdefault(int(run[2]), column.source)
    found = {base: members for base, members in found.items() if len(members) > 1}
    about: dict[str, tuple[str, int | str]] = {
        source: (base, seed) for base, runs in found.items() for seed, source in runs.items()
    }
    bases = {tuple(words_of(base)): base for base in found}
    for column in columns:
        words = tuple(word for word in words_of(column.source) if word not in _MEAN)
        if column.source not in about and words in bases:
            about[column.source] = bases.pop(words), "mean"
    return [
        replace(column, metric=about[column.source][0], seed=about[column.source][1])
        if column.source in about
        else column
        for column in columns
    ]


def with_means(
    measured: Sequence[tuple[Column, Values]], *, path: Path
) -> tuple[list[tuple[Column, Values]], list[str]]:
    """Columns with the mean of runs before these, where the file has none; what to say of it.

    Raises
    ------
    SchemaError
        If the file has a column of the metric's name that is not the mean of the runs.
    """
    found, said = list(measured), []
    runs = [one for one in measured if isinstance(one[0].seed, int)]
    for metric in dict.fromkeys(c.metric for c, _ in runs if not c.source.endswith(" std")):
        members = [(c.source, values) for c, values in runs if c.metric == metric]
        table = np.stack([values for _, values in members], axis=1)
        counts = (~np.isnan(table)).sum(axis=1)
        total = np.nansum(table, axis=1)
        mean = np.divide(total, counts, out=np.full(len(table), np.nan), where=counts > 0)
        listed = ", ".join(repr(source) for source, _ in members)
        given = [one for one in measured if one[0].metric == metric and one[0].seed == "mean"]
        for column, values in given:
            if not _is_near(values, mean, table):
                raise SchemaError(
                    f"{path}: column {column.source!r} is not the mean of {listed}, which are "
                    "called as its runs: say in a schema what they are, such as "
                    f'"{members[0][0]}" = {{ metric = "{metric}", seed = 0 }}'
                )
            said.append(f"{column.source!r} is the mean of the runs {listed}, as the file gives it")
        if not given:
            place = next(k for k, (c, _) in enumerate(found) if c.source == members[0][0])
            about = replace(found[place][0], seed="mean", source=metric)
            found.insert(place, (about, mean))
            said.append(f"{metric!r} is the mean of {listed}, runs that are kept beside it")
    return found, said


def _is_near(given: Values, mean: Values, table: Values) -> bool:
    """Whether values differ from a mean by far less than the runs, shape (n, k), differ."""
    known = ~np.isnan(given) & ~np.isnan(table).any(axis=1)
    spread = np.ptp(table[known], axis=1)
    away = np.abs(given - mean)[known]
    return not known.any() or bool(np.median(away) <= 0.1 * np.median(spread))


def numbered(columns: Sequence[Column]) -> list[str]:
    """What to say of columns that are numbered from 0 or 1, which may be runs of one metric."""
    found: dict[str, dict[int, str]] = {}
    for column in columns:
        name = _NUMBERED.fullmatch(column.source)
        if name and column.seed is None:
            found.setdefault(name[1], {})[int(name[2])] = column.source
    said = []
    for base, names in found.items():
        first, last = min(names), max(names)
        if len(names) > 1 and first <= 1 and last - first == len(names) - 1:
            said.append(
                f"{names[first]!r} to {names[last]!r} are taken as {len(names)} metrics: if they "
                f'are runs of one, say so in a schema, "{names[first]}" = {{ metric = "{base}", '
                f"seed = {first} }}"
            )
    return said


def check_shares(
    measured: Sequence[tuple[Column, Values]], task: Index | None, *, path: Path
) -> None:
    """Refuse accuracies and errors of which some are fractions and others percentages.

    Some are below 1 and far below all that are above it, and would be among these as percentages.

    Parameters
    ----------
    measured : sequence of (Column, values of shape (n,))
    task : int array, shape (n,), or None
        Number of each row's task.
    path : Path
        For messages.

    Raises
    ------
    DataFileError
        Naming the column and one value of each sort.
    """
    for column, values in measured:
        if column.unit or not _SHARES & set(words_of(column.metric)):
            continue
        for one in [None] if task is None else np.unique(task):
            own = values if one is None else values[task == one]
            if (own < 0).any() or (own > 100).any():
                continue
            low, high = own[(own > 0) & (own < 1)], own[own > 1]
            if not (len(low) and len(high)) or _GAP * low.max() > high.min():
                continue
            inside = (100 * low >= high.min() / 2) & (100 * low <= high.max() * 1.1)
            if inside.all():
                raise DataFileError(
                    f"{path}: column {column.source!r} holds {len(low)} values below 1, such as "
                    f"{low[0]:g}, and others from {high.min():g} to {high.max():g}: fractions and "
                    "percentages? Write all in one way; or, if they are right, say so in a "
                    'schema: unit = "%"'
                )
