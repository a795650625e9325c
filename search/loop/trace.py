"""Results of a search: everything evaluated, the incumbent, the front."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ...data.spaces import Codes, Space
from ...data.types import Values
from ...errors import ParameterError
from ..pareto import best_row, feasible_rows, non_dominated

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from ..base import Searcher


_SHOWN = 5  # architectures of a front in its text


class Incumbent(NamedTuple):
    """Best architecture of a search.

    Attributes
    ----------
    architecture : str
        As ``space.format`` writes it.
    value : float
        Its value, bigger is better.
    code : int array, shape (d,)
    """

    architecture: str
    value: float
    code: Codes


class Front(NamedTuple):
    """Pareto front of a search of several objectives.

    Attributes
    ----------
    architectures : list of str
        In the order in which they were evaluated.
    values : float array, shape (f, n_objectives)
    codes : int array, shape (f, d)
    """

    architectures: list[str]
    values: Values
    codes: Codes

    def __repr__(self) -> str:
        shown = "".join(
            f"\n{name}: {', '.join(f'{value:.6g}' for value in row)}"
            for name, row in zip(self.architectures[:_SHOWN], self.values.tolist(), strict=False)
        )
        more = len(self.architectures) - _SHOWN
        rest = f"\nand {more} more" if more > 0 else ""
        return f"<Front: {len(self.architectures)} architectures>{shown}{rest}"


@dataclass(frozen=True, repr=False)
class Trace:
    """Evaluations of a search, in the order they were told.

    Attributes
    ----------
    codes : int array, shape (b, d)
    values : float array, shape (b,), or (b, k) of several objectives
        Bigger is better; NaN is a failed evaluation.
    seconds : float array, shape (b,)
        Time of the search itself, without the objective, in seconds: that of a batch is shared
        equally by its architectures. NaN for those told before this run.
    space : Space
        Where the architectures come from.
    n_objectives : int
        Columns of ``values`` to be maximised; those after them are constraints.
    bounds : tuple of float
        The least feasible value of each column.
    names : tuple of str
        Of each column, where they have some.
    signs : tuple of float
        -1 for each column that is told with its sign turned, as smaller is better: ``best``,
        ``front`` and ``to_frame`` turn it back. By default none is.

    Examples
    --------
    >>> import nasurge
    >>> space = nasurge.make_space("nb201")
    >>> trace = nasurge.search(lambda c: (c == 3).sum(axis=1), space=space, searcher="random")
    >>> trace
    <Trace: 100 evaluations, 0 failed, best 4>
    >>> trace.best().value, len(trace.to_frame())
    (4.0, 100)
    """

    codes: Codes
    values: Values
    seconds: Values
    space: Space
    n_objectives: int = 1
    bounds: tuple[float, ...] = (-np.inf,)
    names: tuple[str, ...] = ()
    signs: tuple[float, ...] = ()

    @classmethod
    def of(cls, searcher: Searcher, seconds: Values) -> Trace:
        """Everything that a searcher has been told so far."""
        return cls(
            searcher.codes_.copy(),
            searcher.values_.copy(),
            seconds,
            searcher.space,
            searcher.n_objectives,
            tuple(searcher.bounds),
        )

    def __repr__(self) -> str:
        text = f"<Trace: {len(self.values)} evaluations, {self.failures} failed"
        if self.n_objectives > 1:
            return f"{text}>"
        known = feasible_rows(self._columns, self.bounds)
        best = f", best {self._own[0] * self._columns[known, 0].max():g}" if known.any() else ""
        return f"{text}{best}>"

    @property
    def _columns(self) -> Values:
        """Values as columns, shape (b, k)."""
        return self.values.reshape(len(self.values), len(self.bounds))

    @property
    def _own(self) -> Values:
        """Signs that turn each column into its own unit, shape (k,)."""
        return np.asarray(self.signs or (1.0,) * len(self.bounds))

    @property
    def failures(self) -> int:
        """Number of failed evaluations."""
        return int(np.isnan(self._columns).any(axis=1).sum())

    def best(self) -> Incumbent:
        """Incumbent: the best architecture, its value and its code; of equals the first.

        Failed evaluations, and those outside the bounds, are passed over.

        Raises
        ------
        LabelError
            If no evaluation has succeeded, or none is within the bounds.
        ParameterError
            If there are several objectives: ``front`` is what is best then.
        """
        if self.n_objectives > 1:
            raise ParameterError(
                f"of {self.n_objectives} objectives no architecture is the best: front() returns "
                "those that none is better than"
            )
        row = best_row(self._columns, self.bounds)
        code = self.codes[row].copy()
        value = float(self._own[0] * self._columns[row, 0])
        return Incumbent(self.space.format(code[None])[0], value, code)

    def front(self) -> Front:
        """Pareto front: what is within the bounds and no other evaluated one dominates."""
        rows = np.flatnonzero(feasible_rows(self._columns, self.bounds))
        rows = rows[non_dominated(self._columns[rows, : self.n_objectives])]
        codes = self.codes[rows]
        values = (self._own * self._columns[rows])[:, : self.n_objectives]
        return Front(self.space.format(codes), values, codes)

    def evaluations(self, start: int = 0) -> Iterator[tuple[int, str, dict[str, float]]]:
        """Evaluations from a number on: number, architecture, and what is known in numbers.

        These are the values by name, ``failed`` (1 or 0), ``search seconds``, and of one objective
        ``best``, the incumbent's value so far.
        """
        own = self._own * self._columns
        best = np.full(len(own), np.nan)
        if self.n_objectives == 1 and len(own):
            kept = np.where(feasible_rows(self._columns, self.bounds), self._columns[:, 0], np.nan)
            best = self._own[0] * np.fmax.accumulate(kept)
        for step, architecture in enumerate(self.space.format(self.codes[start:]), start):
            numbers = dict(zip(self._names, own[step].tolist(), strict=True))
            numbers["failed"] = float(np.isnan(own[step]).any())
            numbers |= {"search seconds": float(self.seconds[step]), "best": float(best[step])}
            finite = {name: value for name, value in numbers.items() if np.isfinite(value)}
            yield step, architecture, finite

    def to_frame(self) -> pd.DataFrame:
        """Table with a row per evaluation: architecture, variables, values, seconds of the search.

        Each variable has a column, None where it has no effect. Values are called by their names;
        without, one objective is the column ``value``, several are ``value 0`` and so on.
        """
        import pandas as pd

        names = self._names
        columns = dict(zip(names, (self._own * self._columns).T, strict=True))
        taken = ("architecture", *names, "seconds")
        return pd.DataFrame(
            {
                "architecture": self.space.format(self.codes),
                **self.space.to_columns(self.codes, taken=taken),
                **columns,
                "seconds": self.seconds,
            }
        )

    @property
    def _names(self) -> tuple[str, ...]:
        """Name of each column."""
        several = len(self.bounds) > 1
        return self.names or tuple(
            f"value {k}" if several else "value" for k in range(len(self.bounds))
        )

    def _repr_html_(self) -> str:
        """Beginning of the table, the best rows first, and the picture, for a notebook."""
        from ...benchmarks.studies import html_of_frame

        frame, first = self.to_frame(), self._names[0]
        if self.n_objectives == 1:
            frame = frame.sort_values(first, ascending=bool(self._own[0] < 0), kind="stable")
        figure = self.plot() if len(frame) else None
        text = f"{first} of {len(frame)} evaluations in their order, and the best so far"
        return html_of_frame(repr(self), frame, figure, text)

    def plot(self) -> Figure:
        """Picture of the search: values and the incumbent's after each query, or the front.

        Of several objectives the first two are shown. A notebook shows what is returned, and
        ``savefig`` writes it to a file.
        """
        from ...data.spaces import ShownFigure

        figure = ShownFigure(figsize=(5.0, 3.4), layout="constrained")
        axis = figure.subplots()
        axis.spines[["top", "right"]].set_visible(False)
        if self.n_objectives == 1:
            queries, values = np.arange(1, len(self.values) + 1), self._own[0] * self._columns[:, 0]
            known = np.where(feasible_rows(self._columns, self.bounds), values, np.nan)
            axis.plot(queries, values, ".", color="0.6", label="evaluated")
            best = np.fmin if self._own[0] < 0 else np.fmax
            axis.step(queries, best.accumulate(known), where="post", label="incumbent")
            axis.set(xlabel="queries", ylabel=self._names[0])
        else:
            front = self.front().values
            front = front[np.argsort(front[:, 0])]
            axis.plot(*(self._own * self._columns)[:, :2].T, ".", color="0.6", label="evaluated")
            axis.plot(*front[:, :2].T, "o-", label="front")
            axis.set(xlabel=self._names[0], ylabel=self._names[1])
        axis.legend(frameon=False)
        return figure
