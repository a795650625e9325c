"""Rows of one architecture as tasks, epochs and runs: never a mean that nobody asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....errors import DataFileError, SchemaError
from ...files.limits import check_limit
from ...tables import Column, needs_training
from ...types import Index, Mask, Values
from .cells import Cells
from .numbers import numbers
from .schema import RowKeys, check_task

_SEEDS_PER_RUN = 4  # times the runs of one architecture: more seeds are drawn for each anew
_MOST_KEYS = 64  # different values of what may tell rows of one architecture apart


@dataclass(frozen=True, eq=False)
class Rows:
    """What tells the rows of a file apart.

    Attributes
    ----------
    group : int array, shape (n,)
        Number of each row's architecture.
    task, epoch, seed : int arrays, shape (n,), or None
        Number of each row's task among ``tasks``; its epoch; its seed.
    tasks : list of str
    """

    group: Index
    task: Index | None
    epoch: Index | None
    seed: Index | None
    tasks: list[str] = field(default_factory=list)

    @property
    def keys(self) -> NDArray[np.int64]:
        """Architecture, task and epoch of each row, shape (n, 3)."""
        zero = np.zeros(len(self.group), dtype=np.int64)
        parts = [self.group, *(zero if key is None else key for key in (self.task, self.epoch))]
        return np.stack(parts, axis=1)

    def kept(self, rows: Mask) -> Rows:
        """The same of some rows."""

        def own(key: Index | None) -> Index | None:
            return None if key is None else key[rows]

        parts = own(self.task), own(self.epoch), own(self.seed)
        return Rows(self.group[rows], *parts, self.tasks)


def rows_of(cells: Cells, keys: RowKeys, group: Index, path: Path) -> Rows:
    """What tells the rows of a file apart, by the columns that say it.

    Raises
    ------
    DataFileError
        If an epoch is no whole number, or a task or seed is empty.
    SchemaError
        If a value cannot name a task.
    """
    task, tasks = None, list[str]()
    if keys.task:
        texts = _full(cells, keys.task, path)
        tasks = list(dict.fromkeys(texts))
        for name in tasks:
            check_task(name, f"{path}, column {keys.task!r}")
        number = {name: k for k, name in enumerate(tasks)}
        task = np.array([number[text] for text in texts])
    epoch = None if not keys.epoch else _whole(cells, keys.epoch, path)
    seed = None if not keys.seed else _seeds(cells, keys.seed, path)
    return Rows(group, task, epoch, seed, tasks)


def _full(cells: Cells, name: str, path: Path) -> list[str]:
    texts = cells.texts(cells.place[name])
    if "" in texts:
        raise DataFileError(
            f"{path}: column {name!r} is empty in row {cells.lines[texts.index('')]}; it "
            "tells rows of one architecture apart"
        )
    return texts


def _whole(cells: Cells, name: str, path: Path) -> Index:
    _full(cells, name, path)
    values = numbers(cells, cells.place[name], decimal=".", path=path).values
    if np.isnan(values).any() or (values != np.floor(values)).any() or np.abs(values).max() > 1e9:
        raise DataFileError(f"{path}: column {name!r} holds epochs: they are whole numbers")
    found: Index = values.astype(np.int64)
    return found


def _seeds(cells: Cells, name: str, path: Path) -> Index:
    """Seeds as whole numbers; texts are numbered in the order in which they come."""
    texts = _full(cells, name, path)
    try:
        values = np.array([float(text) for text in texts])
    except ValueError:
        values = np.array([np.nan])
    if np.isfinite(values).all() and (values == np.floor(values)).all() and abs(values).max() < 1e9:
        return values.astype(np.int64)
    number = {text: k for k, text in enumerate(dict.fromkeys(texts))}
    return np.array([number[text] for text in texts])


@dataclass(frozen=True, eq=False)
class Spread:
    """Columns with one row per architecture, and what was made of repeated ones."""

    measured: list[tuple[Column, Values]]
    said: list[str]
    left_out: list[str]


def spread(
    rows: Rows, measured: Sequence[tuple[Column, Values]], *, path: Path, lines: Index
) -> Spread:
    """Columns of one row per architecture, of those of a file.

    Tasks and epochs become columns of their own, and so do the runs of one architecture: beside
    them stands their mean. What is the same in all rows of an architecture is kept once.

    Parameters
    ----------
    rows : Rows
    measured : sequence of (Column, values of shape (n,))
    path : Path
        For messages.
    lines : int array, shape (n,)
        Line of the file in which each row stands.

    Raises
    ------
    DataFileError
        If two rows are of one architecture, task, epoch and seed, and differ.
    LimitError
        If there are too many columns.
    """
    left_out: list[str] = []
    data = np.stack([values for _, values in measured], axis=1)
    kept = _without_repeats(rows, data, path, lines)
    if not kept.all():
        left_out.append(f"{int((~kept).sum()):,} rows that repeat another one in every number")
        rows, data = rows.kept(kept), data[kept]
    run, numbered = _runs(rows)
    groups = int(rows.group.max()) + 1
    found: list[tuple[Column, Values]] = []
    averaged: dict[str, list[int]] = {}
    for task in range(len(rows.tasks) or 1):
        own = np.ones(len(data), dtype=bool) if rows.task is None else rows.task == task
        if not own.any():
            continue
        name = rows.tasks[task] if rows.tasks else None
        for (column, _), values in zip(measured, data.T, strict=True):
            about = replace(column, task=name) if name is not None else column
            part = _Part(about, values[own], rows.group[own], run[own], groups)
            epochs = None if rows.epoch is None else rows.epoch[own]
            found += part.columns(epochs, averaged)
        check_limit("columns", len(found), str(path))
    return Spread(found, _said(rows, averaged, numbered), left_out)


def _without_repeats(rows: Rows, data: Values, path: Path, lines: Index) -> Mask:
    """Rows that are kept: of those that are the same in all, the first.

    Rows without a seed are runs as soon as some of them differ, also those that are equal.
    """
    seed = np.zeros(len(data), np.int64) if rows.seed is None else rows.seed
    keys = np.column_stack([rows.keys, seed])
    _, first, place = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    place = place.reshape(-1)
    if len(first) == len(data):
        return np.ones(len(data), dtype=bool)
    original = first[place]
    same = ((data == data[original]) | (np.isnan(data) & np.isnan(data[original]))).all(axis=1)
    if same.all():
        first_of_all: Mask = original == np.arange(len(data))
        return first_of_all
    if rows.seed is None:
        return np.ones(len(data), dtype=bool)
    row = int(np.argmin(same))
    raise DataFileError(
        f"{path}: rows {lines[original[row]]} and {lines[row]} are of one architecture, task, "
        "epoch and seed, and hold different numbers: which is right?"
    )


def _runs(rows: Rows) -> tuple[Index, bool]:
    """Seed or number of each row's run, and whether runs are numbered for want of seeds."""
    _, group, counts = np.unique(rows.keys, axis=0, return_inverse=True, return_counts=True)
    group = group.reshape(-1)
    if rows.seed is not None:
        different = len(np.unique(rows.seed))
        if different <= _SEEDS_PER_RUN * counts.max():
            return rows.seed, False
    seed = np.zeros(len(group), np.int64) if rows.seed is None else rows.seed
    order = np.lexsort((np.arange(len(group)), seed, group))
    starts = np.r_[0, np.cumsum(counts)[:-1]]
    number = np.empty(len(group), dtype=np.int64)
    number[order] = np.arange(len(group)) - starts[group[order]]
    return number, True


@dataclass(frozen=True, eq=False)
class _Part:
    """One measured column on one task."""

    column: Column
    values: Values
    group: Index
    run: Index
    groups: int

    def columns(
        self, epochs: Index | None, averaged: dict[str, list[int]]
    ) -> list[tuple[Column, Values]]:
        """Columns of a table, those of the last epoch under the name of the file's column."""
        cost = not needs_training(self.column.metric, minimise=self.column.minimise)
        alike = cost and epochs is not None and len(np.unique(epochs)) == 1
        if epochs is None or alike or self._is_constant(self.values, self.group):
            return self._of_runs(np.ones(len(self.values), dtype=bool), "", averaged, None)
        found: list[tuple[Column, Values]] = []
        last = int(epochs.max())
        for epoch in np.unique(epochs).tolist():
            words = "" if epoch == last else f"epoch {epoch}"
            found += self._of_runs(epochs == epoch, words, averaged, epoch)
        return found

    @staticmethod
    def _is_constant(values: Values, group: Index) -> bool:
        """Whether no architecture has two different values, and some has two."""
        measured = ~np.isnan(values)
        values, group = values[measured], group[measured]
        _, first, place = np.unique(group, return_index=True, return_inverse=True)
        return len(first) < len(group) and bool((values == values[first[place]]).all())

    def _of_runs(
        self, rows: Mask, words: str, averaged: dict[str, list[int]], epoch: int | None
    ) -> list[tuple[Column, Values]]:
        values, group, run = self.values[rows], self.group[rows], self.run[rows]
        column = self.column if epoch is None else replace(self.column, epoch=epoch)
        source = f"{column.source} ({words})" if words else column.source
        runs = np.unique(run).tolist()
        counts = np.bincount(group[~np.isnan(values)], minlength=self.groups)
        if self._is_constant(values, group) or counts.max(initial=0) < 2:
            mean = _mean(values, group, self.groups)
            return [(replace(column, source=source), mean)]
        if column.seed is not None:
            raise SchemaError(
                f"column {column.source!r} is one of several runs, and rows of one architecture "
                "differ in it: say in a schema what tells the rows apart, in a section [rows]: "
                "task or epoch; or keep one row of each architecture"
            )
        averaged.setdefault(column.source, []).extend(counts[counts > 0].tolist())
        mean = _mean(values, group, self.groups)
        found = [(replace(column, source=source, seed="mean"), mean)]
        for seed in runs:
            own = run == seed
            name = ", ".join(filter(None, (words, f"seed {seed}")))
            spread_out = np.full(self.groups, np.nan)
            spread_out[group[own]] = values[own]
            about = replace(column, source=f"{column.source} ({name})", seed=int(seed))
            found.append((about, spread_out))
        return found


def _mean(values: Values, group: Index, groups: int) -> Values:
    """Mean of each group's measured values, NaN where there is none."""
    measured = ~np.isnan(values)
    total = np.bincount(group[measured], values[measured], minlength=groups)
    count = np.bincount(group[measured], minlength=groups)
    result: Values = np.divide(total, count, out=np.full(groups, np.nan), where=count > 0)
    return result


def _said(rows: Rows, averaged: dict[str, list[int]], numbered: bool) -> list[str]:
    """What became of tasks, epochs and runs, in words."""
    said = []
    if rows.tasks:
        noun = "task" if len(rows.tasks) == 1 else "tasks"
        said.append(f"{len(rows.tasks)} {noun}: {_few(rows.tasks)}")
    if rows.epoch is not None and len(np.unique(rows.epoch)) > 1:
        epochs = np.unique(rows.epoch).tolist()
        said.append(f"{len(epochs)} epochs: {_few(epochs)}; a column's own name is its last epoch")
    if rows.seed is not None and len(np.unique(rows.seed)) == 1:
        said.append("every architecture has one run, all of one seed")
    for source, counts in averaged.items():
        least, most = min(counts), max(counts)
        times = f"{most}" if least == most else f"{least} to {most}"
        how = "rows of one architecture" if numbered else "seeds"
        said.append(f"{source!r} is the mean of {times} runs ({how}), which are kept beside it")
    return said


def _few(values: Sequence[Any]) -> str:
    shown = ", ".join(map(str, values[:8]))
    return shown + (", ..." if len(values) > 8 else "")


def check_all_keys_are_known(
    cells: Cells, rows: Rows, unused: Sequence[str], unclear: Sequence[str], *, path: Path
) -> None:
    """Refuse repeated architectures that a column tells apart of which nobody said what it is.

    Parameters
    ----------
    cells : Cells
    rows : Rows
    unused : sequence of str
        Columns of text.
    unclear : sequence of str
        Columns of numbers whose names say nothing: settings, if their few values repeat.
    path : Path
        For messages.

    Raises
    ------
    SchemaError
        Naming the column and how to say what it is.
    """
    seed = np.zeros(len(rows.group), np.int64) if rows.seed is None else rows.seed
    keys = np.column_stack([rows.keys, seed])
    groups, counts = np.unique(keys, axis=0, return_counts=True)
    if len(groups) == len(keys):
        return
    telling: dict[str, Index] = {}
    for name in (*unused, *unclear):
        texts = cells.texts(cells.place[name])
        number = {text: k for k, text in enumerate(dict.fromkeys(texts))}
        most = _MOST_KEYS if name in unused else 2 * counts.max()
        own = np.array([number[text] for text in texts])
        if 2 <= len(number) <= most and _distinct([keys, own]) > len(groups):
            telling[name] = own
    alone = [name for name, own in telling.items() if _distinct([keys, own]) == len(keys)]
    # A text that differs is a question even if rows remain that are alike in it.
    names = alone[:1] or [name for name in telling if name in unused]
    if not names and telling and _distinct([keys, *telling.values()]) == len(keys):
        names = list(telling)
    if names:
        shown = _few(list(dict.fromkeys(cells.texts(cells.place[names[0]]))))
        raise SchemaError(
            f"{path}: architectures occur several times, told apart by column "
            f"{' and '.join(map(repr, names))} ({shown}): say in a schema what it is, in a section "
            f'[rows]: task, epoch or seed = "{names[0]}"; or take it out of the file'
        )


def _distinct(parts: Sequence[Index]) -> int:
    """How many different rows there are of some columns side by side."""
    return len(np.unique(np.column_stack(parts), axis=0))
