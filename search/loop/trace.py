"""Results of a search: everything evaluated, the incumbent, the front."""

from __future__ import annotations

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
        return f"{text}, best {self._columns[known, 0].max():g}>" if known.any() else f"{text}>"

    @property
    def _columns(self) -> Values:
        """Values as columns, shape (b, k)."""
        return self.values.reshape(len(self.values), len(self.bounds))

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
        return Incumbent(self.space.format(code[None])[0], float(self._columns[row, 0]), code)

    def front(self) -> Front:
        """Pareto front: what is within the bounds and no other evaluated one dominates."""
        rows = np.flatnonzero(feasible_rows(self._columns, self.bounds))
        rows = rows[non_dominated(self._columns[rows, : self.n_objectives])]
        codes = self.codes[rows]
        return Front(self.space.format(codes), self._columns[rows, : self.n_objectives], codes)

    def to_frame(self) -> pd.DataFrame:
        """Table with a row per evaluation: architecture, its values, seconds of the search.

        One objective is the column ``value``; several columns are ``value 0`` and so on.
        """
        import pandas as pd

        names = [f"value {k}" for k in range(len(self.bounds))]
        columns = {"value": self._columns[:, 0]} if len(names) == 1 else {}
        columns = columns or dict(zip(names, self._columns.T, strict=True))
        architectures = self.space.format(self.codes)
        return pd.DataFrame({"architecture": architectures, **columns, "seconds": self.seconds})

    def plot(self) -> Figure:
        """Picture of the search: values and the incumbent's after each query, or the front.

        Of several objectives the first two are shown. A notebook shows what is returned, and
        ``savefig`` writes it to a file.
        """
        from matplotlib.figure import Figure

        figure = Figure(figsize=(5.0, 3.4), layout="constrained")
        axis = figure.subplots()
        axis.spines[["top", "right"]].set_visible(False)
        if self.n_objectives == 1:
            queries, values = np.arange(1, len(self.values) + 1), self._columns[:, 0]
            known = np.where(feasible_rows(self._columns, self.bounds), values, np.nan)
            axis.plot(queries, values, ".", color="0.6", label="evaluated")
            axis.step(queries, np.fmax.accumulate(known), where="post", label="incumbent")
            axis.set(xlabel="queries", ylabel="value")
        else:
            front = self.front().values
            front = front[np.argsort(front[:, 0])]
            axis.plot(*self._columns[:, :2].T, ".", color="0.6", label="evaluated")
            axis.plot(*front[:, :2].T, "o-", label="front")
            axis.set(xlabel="value 0", ylabel="value 1")
        axis.legend(frameon=False)
        return figure
