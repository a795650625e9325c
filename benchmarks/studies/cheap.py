"""Columns of a table that are cheap to measure, given to the predictors that take them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...errors import LabelError, ParameterError, SchemaError, UnknownNameError
from ...predictors.base import Predictor
from ..metrics import kendall_tau
from ..objectives import Problem


def cheap_columns(problem: Problem, names: Sequence[str]) -> list[int]:
    """Numbers of the columns that are known for every architecture of a problem.

    Parameters
    ----------
    problem : Problem
    names : sequence of str
        ``METRIC`` or ``METRIC@EPOCH``, a metric's name or a column's: of the problem's own task or
        else of any other. Where several splits fit, the validation split is meant.

    Raises
    ------
    UnknownNameError, SchemaError
        If there is no such column, or more than one.
    ParameterError
        If a column is the label, or comes from the very training that the label is of.
    LabelError
        If a column was not measured for every architecture.

    Examples
    --------
    >>> from nasurge.benchmarks.objectives import parse_problems
    >>> problem = parse_problems("nbgraph/cora")[0]
    >>> [str(problem.table.columns[k]) for k in cheap_columns(problem, ["parameters"])]
    ['cora parameters']
    """
    found = [_find(problem, name) for name in names]
    label = problem.report_column
    for k, name in zip(found, names, strict=True):
        column = problem.table.columns[k]
        of_training = column.split is not None and label.split is not None
        same = (column.task, column.epoch) == (label.task, label.epoch)
        # A run of the label's own metric is a part of the label, which is the mean of the runs.
        of_training |= column.metric == label.metric
        if k == problem.roles.report or (of_training and same):
            raise ParameterError(
                f"--cheap {name}: {column} comes from the same training as the label of "
                f"{problem.address} ({label}): that would be the answer; take a cheaper column"
            )
        missing = int(np.isnan(problem.table.data[k][problem.rows]).sum())
        if missing:
            raise LabelError(
                f"--cheap {name}: {column} was not measured for {missing} of the "
                f"{len(problem.rows)} architectures of {problem.address}; take a column that was"
            )
    return list(dict.fromkeys(found))


def _find(problem: Problem, name: str) -> int:
    metric, _, epoch = name.strip().partition("@")
    if epoch and not epoch.isdecimal():
        raise ParameterError(f"--cheap takes METRIC or METRIC@EPOCH, received {name!r}")
    table, wanted = problem.table, int(epoch) if epoch else None
    try:
        return table.find(task=problem.task, metric=metric, epoch=wanted)
    except SchemaError:
        if "valid" not in {c.split for c in table.columns if c.task == problem.task}:
            raise
        return table.find(task=problem.task, metric=metric, epoch=wanted, split="valid")
    except UnknownNameError:
        elsewhere = [
            k
            for k, c in enumerate(table.columns)
            if c.source == metric and wanted in (None, c.epoch)
        ]
        if len(elsewhere) != 1:
            raise
        return elsewhere[0]


def takes_cheap(predictor: Predictor) -> bool:
    """Whether a predictor has the parameters ``cheap`` and ``cheap_codes``."""
    return {"cheap", "cheap_codes"} <= set(predictor.get_params(deep=False))


def give_cheap(predictor: Predictor, problem: Problem, columns: Sequence[int]) -> Predictor:
    """Predictor with the values of the columns, if it takes them."""
    if columns and takes_cheap(predictor):
        values = np.stack([problem.table.data[k][problem.rows] for k in columns], axis=1)
        predictor.set_params(cheap=values, cheap_codes=problem.codes)
    return predictor


def cheap_labels(problem: Problem, columns: Sequence[int]) -> list[str]:
    """Description of the columns in words."""
    return [str(problem.table.columns[k]) for k in columns]


def cheap_taus(problem: Problem, columns: Sequence[int]) -> dict[str, float]:
    """Kendall tau of each column, as published, over all architectures."""
    table = problem.table
    values = [table.data[k][problem.rows] for k in columns]
    taus = [float(kendall_tau(problem.report_values, value)) for value in values]
    return dict(zip(cheap_labels(problem, columns), taus, strict=True))
