"""A Gaussian process over fixed candidates to which labels are added one at a time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

import numpy as np

from .grouped import GroupedGP, Groups, Matrix


def _joined(a: Groups, b: Groups) -> Groups:
    """Return the rows of both, group by group."""
    return {name: np.concatenate([a[name], b[name]]) for name in a}


@dataclass
class SequentialGP:
    """What a Gaussian process says of fixed candidates while labelled rows are appended.

    A row costs one pass over the candidates and the earlier rows instead of a new factorisation, so
    a search over tens of thousands of candidates can ask after every label. Hyperparameters stay as
    ``refit`` found them.

    Parameters
    ----------
    process : GroupedGP
        Its kernel and priors.
    candidates : dict of str to ndarray
        Groups of features, each of shape (m, columns).

    Examples
    --------
    >>> import numpy as np
    >>> from nasurge.predictors.processes import Term
    >>> x = np.linspace(-1, 1, 50)[:, None]
    >>> process = SequentialGP(GroupedGP([Term(("x",), 1.5)]), {"x": x})
    >>> z = np.sin(3 * x[::10, 0])
    >>> mean, std = process.refit({"x": x[::10]}, z).posterior(z)
    >>> more = np.append(z, np.sin(3 * x[45, 0]))
    >>> bool(process.append({"x": x[45:46]}).posterior(more)[1][45] < std[45])
    True
    """

    process: GroupedGP
    candidates: Groups
    rows_: Groups = field(init=False)
    factor_: Matrix = field(init=False)
    """Lower Cholesky factor of the rows' kernel, shape (n, n)."""
    cross_: Matrix = field(init=False)
    """The candidates' kernel to the rows, whitened by the factor, shape (n, m)."""

    def refit(self, rows: Groups, z: Matrix) -> Self:
        """Choose the hyperparameters for labels ``z``, shape (n,), of these rows."""
        self.process.fit(rows, z)
        return self.restart(rows)

    def restart(self, rows: Groups) -> Self:
        """Take these rows, and no others, with the hyperparameters as they are."""
        from scipy.linalg import cholesky, solve_triangular

        noise = self.process.noise_ * np.eye(len(next(iter(rows.values()))))
        self.rows_ = rows
        self._prior = self.process.prior_variance(self.candidates)
        self._embedded = self.process.embedded(self.candidates)
        self.factor_ = cholesky(self.process.kernel(rows, rows) + noise, lower=True)
        between = self.process.between(self.process.embedded(rows), self._embedded)
        self.cross_ = solve_triangular(self.factor_, between, lower=True, check_finite=False)
        self._unexplained = self._prior - np.einsum("ij,ij->j", self.cross_, self.cross_)
        return self

    def append(self, row: Groups) -> Self:
        """Add one row, each group of shape (1, columns)."""
        from scipy.linalg import solve_triangular

        gp, factor = self.process, self.factor_
        near = gp.kernel(self.rows_, row)[:, 0]
        left = solve_triangular(factor, near, lower=True, check_finite=False)
        own = float(gp.kernel(row, row)[0, 0] + gp.noise_ - left @ left)
        corner = float(np.sqrt(np.maximum(own, 1e-9)))
        n = len(factor)
        self.factor_ = np.zeros((n + 1, n + 1))
        self.factor_[:n, :n], self.factor_[n, :n], self.factor_[n, n] = factor, left, corner
        new = (gp.between(gp.embedded(row), self._embedded) - left @ self.cross_) / corner
        self.cross_ = np.concatenate([self.cross_, new])
        self._unexplained = self._unexplained - new[0] ** 2
        self.rows_ = _joined(self.rows_, row)
        return self

    def forget(self, n: int) -> Self:
        """Keep the first ``n`` rows only."""
        self.rows_ = {name: group[:n] for name, group in self.rows_.items()}
        for gone in self.cross_[n:]:
            self._unexplained = self._unexplained + gone**2
        self.factor_, self.cross_ = self.factor_[:n, :n], self.cross_[:n]
        return self

    def left_out_density(self, z: Matrix) -> float:
        """Return the log density of the rows' labels, each told by all the others, summed."""
        from scipy.linalg import solve_triangular

        n = len(z)
        half = solve_triangular(self.factor_[:n, :n], np.eye(n), lower=True, check_finite=False)
        variance = 1 / (half * half).sum(axis=0)
        error = variance * (half.T @ (half @ (z - z.mean())))
        return float(-0.5 * (error**2 / variance + np.log(2 * np.pi * variance)).sum())

    def posterior(self, z: Matrix) -> tuple[Matrix, Matrix]:
        """Return mean and deviation of a new label of every candidate, noise included, each (m,).

        Parameters
        ----------
        z : ndarray of float, shape (n,)
            Labels of the rows; of those appended last none are needed for the deviation: with
            fewer labels than rows the mean rests on the labels there are.
        """
        from scipy.linalg import solve_triangular

        k = len(z)
        centre = float(z.mean())
        white = solve_triangular(self.factor_[:k, :k], z - centre, lower=True, check_finite=False)
        variance = np.maximum(self._unexplained, 0) + self.process.noise_
        return centre + white @ self.cross_[:k], np.sqrt(variance)
