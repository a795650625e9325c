"""Tables: a space, its codes and named columns, immutable."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...errors import ArchitectureError, ParameterError, SchemaError, UnknownNameError
from ..arguments import checked
from ..spaces import Codes, Space
from ..types import Index, Keys, Values
from .notes import ImportNotes

_DEVICES = {
    "CON",
    "PRN",
    "AUX",
    "NUL",
    *(f"{port}{k}" for port in ("COM", "LPT") for k in range(10)),
}
_DENSE_LIMIT = 2_000_000  # spaces up to this size get a direct row number per code


@dataclass(frozen=True)
class Column:
    """Description of one column of a table.

    Attributes
    ----------
    task : str
        The task (data set) the architecture was trained or measured on.
    metric : str
        What was measured.
    split : str or None
        The part of the data: ``"train"``, ``"valid"``, ``"test"``.
    epoch : int or None
        Training length in epochs.
    seed : int, "mean" or None
        The training run; ``"mean"`` is the mean over runs, as published.
    minimise : bool
        Whether smaller is better. Values are stored as published; objectives flip them.
    unit : str
    source : str
        Name of the column in the file it came from; a query may use it as the metric's name.
    """

    task: str
    metric: str
    split: str | None = None
    epoch: int | None = None
    seed: int | str | None = None
    minimise: bool = False
    unit: str = ""
    source: str = ""

    @property
    def range(self) -> tuple[float, float]:
        """Least and largest value that there can be: 0 and 100 of percentages."""
        return (0.0, 100.0) if self.unit == "%" else (-math.inf, math.inf)

    def __str__(self) -> str:
        parts = [self.task, self.split, self.metric]
        text = " ".join(part for part in parts if part)
        if self.epoch is not None:
            text += f", {self.epoch} epochs"
        if self.seed == "mean":
            text += ", mean of runs"
        elif self.seed is not None:
            text += f", seed {self.seed}"
        return text


@dataclass(frozen=True)
class Roles:
    """Column that a search may look at and column that is reported, for one task."""

    search: int
    report: int


@dataclass(frozen=True, eq=False)
class Table:
    """Measured architectures: codes and columns, one row each.

    Made by ``nasurge.load_table``; never changes, holds no clock and no random state.

    Attributes
    ----------
    name : str
    space : Space
    codes : int array, shape (n, d)
    columns : tuple of Column
    roles : mapping from task to Roles
    origin : str
        Where the measurements came from.
    digest : str
        Checksum of the content.
    path : Path or None
        The file that is mapped.
    made : dict
        For a table that was trained here: the recipe, images and seeds that give it again.
    imported : ImportNotes or None
        For a table that was imported: what was recognised in the file, guessed and left out.
    opener : callable or None
        Opens ``path`` in another process.

    Examples
    --------
    >>> import nasurge
    >>> table = nasurge.load_table("nb201-analog")
    >>> table.values(task="cifar10", metric="baseline_accuracy").shape
    (15625,)
    """

    name: str
    space: Space
    codes: Codes
    columns: tuple[Column, ...]
    data: tuple[Values, ...] = field(repr=False)
    roles: Mapping[str, Roles]
    origin: str
    digest: str = ""
    path: Path | None = None
    made: Mapping[str, Any] = field(default_factory=dict, repr=False)
    opener: Callable[[Path], Table] | None = field(default=None, repr=False)
    imported: ImportNotes | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        arrays: tuple[NDArray[Any], ...] = (self.codes, *self.data)
        for array in arrays:
            array.flags.writeable = False

    def __reduce__(self) -> tuple[Any, ...]:
        if self.opener is not None:  # a worker process maps the same file instead of copying it
            return (self.opener, (self.path,))
        return (_rebuild, tuple(getattr(self, f.name) for f in fields(self)))

    def __len__(self) -> int:
        return len(self.codes)

    def __repr__(self) -> str:
        return f"<Table {self.name}: {len(self)} architectures, tasks {', '.join(self.tasks)}>"

    def __getitem__(self, key: object) -> NoReturn:
        raise ParameterError(f"a table is not indexed, as by {key!r}; {self.usage}")

    @property
    def usage(self) -> str:
        """How values are asked for, and the tasks and metrics there are, for messages."""
        column = self.columns[0]
        return (
            f"ask for table.values(task={column.task!r}, metric={column.metric!r}); tasks: "
            f"{', '.join(self.tasks)}; metrics: {', '.join(self.metrics)}"
        )

    @property
    def tasks(self) -> list[str]:
        """Names of the tasks, in the order of the file."""
        return list(dict.fromkeys(column.task for column in self.columns))

    @property
    def metrics(self) -> list[str]:
        """Names of the metrics, in the order of the file."""
        return list(dict.fromkeys(column.metric for column in self.columns))

    @checked
    def find(
        self,
        *,
        task: str,
        metric: str,
        split: str | None = None,
        epoch: int | str | None = None,
        seed: int | str | None = None,
    ) -> int:
        """Number of the one column that is asked for.

        Parameters
        ----------
        task, metric : str
            ``metric`` is a metric's name, or the name of a column in the file imported, which
            wins where several columns fit.
        split, epoch, seed
            Needed where more than one column would fit; ``seed="mean"`` is the mean of runs.

        Raises
        ------
        UnknownNameError
            If there is no such task, metric, split, epoch or seed.
        SchemaError
            If several columns fit: the message lists what tells them apart.
        """
        if task not in self.tasks:
            raise UnknownNameError("task", task, self.tasks, hint=f"of table {self.name!r}")
        found = [k for k, c in enumerate(self.columns) if c.task == task]
        known = dict.fromkeys(name for k in found for name in self._names(k))
        named = [k for k in found if metric in self._names(k)]
        if not named:
            raise UnknownNameError("metric", metric, known, hint=f"of {self.name}/{task}")
        for what, wanted in (("split", split), ("epoch", epoch), ("seed", seed)):
            if wanted is None:
                continue
            have = dict.fromkeys(str(getattr(self.columns[k], what)) for k in named)
            named = [k for k in named if str(getattr(self.columns[k], what)) == str(wanted)]
            if not named:
                hint = f"{metric!r} of {self.name}/{task} has {', '.join(have)}"
                raise UnknownNameError(what, str(wanted), have, hint=hint)
        exact = [k for k in named if self.columns[k].source == metric]
        if len(named) > 1 and len(exact) == 1:
            return exact[0]
        if len(named) > 1:
            fits = "; ".join(
                f"{c.source or c.metric} (split={c.split!r}, epoch={c.epoch!r}, seed={c.seed!r})"
                for c in (self.columns[k] for k in named)
            )
            raise SchemaError(
                f"{len(named)} columns of {self.name}/{task} are {metric!r}: say which by the "
                f"column's name, or by split, epoch and seed: {fits}"
            )
        return named[0]

    def _names(self, column: int) -> tuple[str, ...]:
        described = self.columns[column]
        return (described.metric, described.source) if described.source else (described.metric,)

    @checked
    def values(
        self,
        *,
        task: str,
        metric: str,
        split: str | None = None,
        epoch: int | str | None = None,
        seed: int | str | None = None,
    ) -> Values:
        """Values of one column as published, read-only, shape (n,).

        Architectures that were not measured are NaN. For the parameters and errors see ``find``.
        """
        return self.data[self.find(task=task, metric=metric, split=split, epoch=epoch, seed=seed)]

    @checked
    def runs(self, column: int) -> Values | None:
        """Single training runs behind a mean column, shape (n, k), or None.

        Runs that the table does not hold are NaN; the published mean may count more of them.
        """
        if not -len(self.columns) <= column < len(self.columns):
            raise ParameterError(
                f"table {self.name!r} has {len(self.columns)} columns, no column {column}"
            )
        mean = self.columns[column]
        same = [
            k
            for k, c in enumerate(self.columns)
            if isinstance(c.seed, int)
            and (c.task, c.metric, c.split, c.epoch)
            == (mean.task, mean.metric, mean.split, mean.epoch)
        ]
        if mean.seed != "mean" or len(same) < 2:
            return None
        return np.stack([self.data[k] for k in same], axis=1)

    @cached_property
    def _row_of_index(self) -> NDArray[np.int32] | None:
        """Row of every index of the space (-1: none), or None for a space too large for it.

        A code without a row of its own has the row of its function, if that was measured: tables
        like NAS-Bench-Graph hold one architecture per function.
        """
        if self.space.n_codes > _DENSE_LIMIT:
            return None
        rows = np.full(self.space.n_codes, -1, dtype=np.int32)
        rows[self.space.index(self.codes)] = np.arange(len(self.codes), dtype=np.int32)
        if len(self) < self.space.size and self.space.n_functions < self.space.size:
            ids = self.space.function_ids(self.codes)
            row_of_function = np.full(self.space.n_functions, -1, dtype=np.int32)
            row_of_function[ids] = np.arange(len(ids), dtype=np.int32)
            every = self.space.all_codes()
            missing = every[rows[self.space.index(every)] < 0]
            rows[self.space.index(missing)] = row_of_function[self.space.function_ids(missing)]
        return rows

    @cached_property
    def _sorted_keys(self) -> tuple[Keys, Index]:
        keys = self.space.keys(self.codes)
        order = np.argsort(keys)
        return keys[order], order

    @cached_property
    def _sorted_functions(self) -> tuple[Keys, Index]:
        keys = self.space.keys(self.space.canonical(self.codes))
        order = np.argsort(keys, kind="stable")
        return keys[order], order

    @checked
    def rows(self, codes: ArrayLike) -> Index:
        """Row of each architecture in the table, shape (n,).

        Raises
        ------
        ArchitectureError
            Naming the first architecture that the table does not hold.
        """
        checked = self.space.check(codes)
        if self._row_of_index is not None:
            rows = self._row_of_index[self.space.index(checked)].astype(np.int64)
        else:
            rows = _found(self._sorted_keys, self.space.keys(checked))
            if (other := np.flatnonzero(rows < 0)).size:
                twins = self.space.keys(self.space.canonical(checked[other]))
                rows[other] = _found(self._sorted_functions, twins)
        if len(rows) and rows.min() < 0:
            position = int(np.argmin(rows))
            text = self.space.format(checked[position : position + 1])[0]
            raise ArchitectureError(
                f"{text!r} (row {position}) is not among the {len(self)} architectures of table "
                f"{self.name!r}"
            )
        return rows

    @checked
    def lookup(
        self,
        codes: ArrayLike,
        *,
        task: str,
        metric: str,
        split: str | None = None,
        epoch: int | str | None = None,
        seed: int | str | None = None,
    ) -> Values:
        """Value of each architecture, shape (n,); NaN where it was not measured.

        Raises
        ------
        ArchitectureError
            Naming the first architecture that the table does not hold.
        UnknownNameError, SchemaError
            As ``find``.
        """
        column = self.find(task=task, metric=metric, split=split, epoch=epoch, seed=seed)
        return np.asarray(self.data[column][self.rows(codes)])

    @checked
    def default(self, task: str) -> Roles:
        """Columns of ``task`` that are searched and reported.

        Raises
        ------
        UnknownNameError
            If there is no such task.
        SchemaError
            If the table's description does not say it, and several columns are possible.
        """
        if task not in self.tasks:
            raise UnknownNameError("task", task, self.tasks, hint=f"of table {self.name!r}")
        if task in self.roles:
            return self.roles[task]
        found = [k for k, c in enumerate(self.columns) if c.task == task]
        if len(found) > 1:
            names = ", ".join(dict.fromkeys(name for k in found for name in self._names(k)))
            raise SchemaError(
                f"{self.name}/{task} has several columns and its description names no default: "
                f"say which with --metric (one of {names})"
            )
        return Roles(found[0], found[0])


def _rebuild(*parts: Any) -> Table:
    return Table(*parts)


@checked
def build_table(
    name: str,
    space: Space,
    codes: Codes,
    measured: Sequence[tuple[Column, ArrayLike]],
    *,
    roles: Mapping[str, tuple[str, str]],
    origin: str,
    made: Mapping[str, Any] | None = None,
    imported: ImportNotes | None = None,
) -> Table:
    """Table of columns in memory.

    Parameters
    ----------
    name : str
    space : Space
    codes : int array, shape (n, d)
    measured : sequence of (Column, values of shape (n,))
    roles : mapping from task to (searched, reported) column sources
    origin : str
    made : mapping, optional
        JSON values: what a table that was trained here is trained by.
    imported : ImportNotes, optional
        What was recognised in the file that the table is made of.

    Raises
    ------
    SchemaError
        If there is no column.
    UnknownNameError
        If a role names a column that is not there.
    """
    if not measured:
        raise SchemaError(f"table {name!r} has no measured column")
    columns = tuple(column for column, _ in measured)
    number = {(c.task, c.source): k for k, c in enumerate(columns)}
    anywhere = {c.source: k for k, c in enumerate(columns)}

    def place(task: str, source: str) -> int:
        if source not in anywhere:
            raise UnknownNameError("column", source, anywhere, hint=f"role of task {task!r}")
        return number.get((task, source), anywhere[source])

    return Table(
        name=name,
        space=space,
        codes=codes.copy(),
        columns=columns,
        data=tuple(np.array(values, dtype=np.float64) for _, values in measured),
        roles={
            task: Roles(place(task, searched), place(task, reported))
            for task, (searched, reported) in roles.items()
        },
        origin=origin,
        made=dict(made or {}),
        imported=imported,
    )


@checked
def check_name(name: str) -> None:
    """Raise ParameterError if ``name`` cannot name a table."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
        raise ParameterError(
            f"{name!r} cannot name a table: use letters, digits, '.', '_' and '-', at most 64; an "
            "import is given a name with --as NAME"
        )
    if name.split(".")[0].upper() in _DEVICES or name.endswith("."):
        raise ParameterError(
            f"{name!r} cannot name a table: no file can be called so on Windows; give another "
            "(import: with --as NAME)"
        )


def _found(listed: tuple[Keys, Index], wanted: Keys) -> Index:
    """Row of each identity among sorted ones and their rows, -1 for none, shape (n,)."""
    known, rows = listed
    place = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    return np.where(known[place] == wanted, rows[place], -1)
