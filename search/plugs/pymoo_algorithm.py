"""Our spaces as a problem for pymoo's algorithms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pymoo.core.problem import Problem

from ...data.arguments import checked
from ...data.spaces import Space
from ...errors import ParameterError
from ..loop import Objective
from ..loop.results import plain


class ArchitectureProblem(Problem):
    """A search space and an objective as a pymoo problem of integer variables.

    pymoo minimises and we maximise: ``F`` is the negated values. The first constraint is that a row
    is an architecture of the space and its evaluation has not failed; each bound is one more.

    Parameters
    ----------
    space : Space
    objective : callable
        From codes (n, d) to values (n,), or (n, k) of several columns; bigger is better, NaN has
        failed.
    n_objectives : int
        How many columns are maximised: the first ones.
    bounds : sequence of float, optional
        The least feasible value of each column, ``-inf`` for none; more bounds than objectives make
        columns that are constraints only.

    Raises
    ------
    ParameterError
        If there is no objective, or fewer bounds than objectives.

    Examples
    --------
    >>> import numpy as np
    >>> from nasurge.data.spaces import make_space
    >>> from pymoo.algorithms.moo.nsga2 import NSGA2
    >>> from pymoo.operators.crossover.sbx import SBX
    >>> from pymoo.operators.mutation.pm import PM
    >>> from pymoo.operators.repair.rounding import RoundingRepair
    >>> from pymoo.operators.sampling.rnd import IntegerRandomSampling
    >>> from pymoo.optimize import minimize
    >>> def convolutions_and_skips(codes):
    ...     return np.stack([(codes == 3).sum(axis=1), (codes == 1).sum(axis=1)], axis=1)
    >>> problem = ArchitectureProblem(
    ...     make_space("nb201"), convolutions_and_skips, n_objectives=2
    ... )
    >>> algorithm = NSGA2(
    ...     pop_size=20,
    ...     sampling=IntegerRandomSampling(),
    ...     crossover=SBX(vtype=float, repair=RoundingRepair()),
    ...     mutation=PM(vtype=float, repair=RoundingRepair()),
    ... )
    >>> found = minimize(problem, algorithm, ("n_gen", 5), seed=0)
    >>> found.X.shape[1], found.F.shape[1]
    (6, 2)
    """

    @checked
    def __init__(
        self,
        space: Space,
        objective: Objective,
        *,
        n_objectives: int = 1,
        bounds: Sequence[float] = (),
    ) -> None:
        limits = np.asarray(bounds, dtype=np.float64)
        if n_objectives < 1 or 0 < len(limits) < n_objectives:
            raise ParameterError(
                f"a problem has at least one objective and no bounds or one for each column, not "
                f"{n_objectives} objectives and {len(limits)} bounds"
            )
        self.space, self._objective = space, objective
        self._limited = np.flatnonzero(np.isfinite(limits))
        self._limits = limits[self._limited]
        super().__init__(
            n_var=space.n_variables,
            n_obj=n_objectives,
            n_ieq_constr=1 + len(self._limited),
            xl=np.zeros(space.n_variables),
            xu=np.asarray(space.cardinalities, dtype=np.float64) - 1,
            vtype=int,
        )

    def _evaluate(self, x: ArrayLike, out: dict[str, Any], *args: Any, **kwargs: Any) -> None:
        """Evaluate rows of variables, as pymoo asks for it."""
        del args, kwargs
        codes = np.rint(np.asarray(x, dtype=np.float64)).astype(np.int64)
        good = self.space.is_valid(codes)
        found: NDArray[np.float64] = np.full((len(codes), self.n_obj), np.nan)
        if good.any():
            result = plain(self._objective(self.space.check(codes[good])))
            told = np.asarray(result, dtype=np.float64).reshape(int(good.sum()), -1)
            found = np.full((len(codes), told.shape[1]), np.nan)
            found[good] = told
        failed: NDArray[np.bool_] = np.asarray(~np.isfinite(found).all(axis=1), dtype=np.bool_)
        values = np.where(failed[:, None], 0.0, found)
        limits = np.zeros((len(codes), len(self._limits)))
        if good.any():
            limits = np.where(failed[:, None], 0.0, self._limits - values[:, self._limited])
        out["F"] = -values[:, : self.n_obj]
        out["G"] = np.column_stack([failed.astype(np.float64), limits])
