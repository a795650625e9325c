"""A Gaussian process over fixed candidates to which labels are added one at a time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

import numpy as np

from ...data.types import Matrix
from .grouped import GroupedGP, Groups
from .inference import cholesky_factor, whiten_columns


def _joined(a: Groups, b: Groups) -> Groups:
    """Rows of both, group by group."""
    return {name: np.concatenate([a[name], b[name]]) for name in a}


@dataclass
class SequentialGP:
    """A Gaussian process over fixed candidates, to which labelled rows are appended one at a time.

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
        self.process.search(rows, z)
        return self.restart(rows)

    def restart(self, rows: Groups) -> Self:
        """Take these rows, and no others, with the hyperparameters as they are."""
        self.rows_ = rows
        self._prior = self.process.prior_variance(self.candidates)
        self._embedded = self.process.embed(self.candidates)
        self.factor_ = cholesky_factor(self.process.kernel(rows, rows), self.process.noise_)
        between = self.process.cross_covariance(self.process.embed(rows), self._embedded)
        self.cross_ = whiten_columns(self.factor_, between)
        self._unexplained = self._prior - np.einsum("ij,ij->j", self.cross_, self.cross_)
        return self

    def append(self, row: Groups) -> Self:
        """Add one row, each group of shape (1, columns)."""
        gp, factor = self.process, self.factor_
        near = gp.kernel(self.rows_, row)[:, 0]
        left = whiten_columns(factor, near)
        own = float(gp.kernel(row, row)[0, 0] + gp.noise_ - left @ left)
        # A row that the others nearly repeat leaves no variance, which rounding makes negative.
        corner = float(np.sqrt(np.maximum(own, 1e-9)))
        n = len(factor)
        self.factor_ = np.zeros((n + 1, n + 1))
        self.factor_[:n, :n], self.factor_[n, :n], self.factor_[n, n] = factor, left, corner
        new = (gp.cross_covariance(gp.embed(row), self._embedded) - left @ self.cross_) / corner
        self.cross_ = np.concatenate([self.cross_, new])
        self._unexplained = self._unexplained - new[0] ** 2
        self.rows_ = _joined(self.rows_, row)
        return self

    def forget(self, n: int) -> Self:
        """Keep the first ``n`` rows only."""
        self.rows_ = {name: group[:n] for name, group in self.rows_.items()}
        for removed in self.cross_[n:]:
            self._unexplained = self._unexplained + removed**2
        self.factor_, self.cross_ = self.factor_[:n, :n], self.cross_[:n]
        return self

    def left_out_density(self, z: Matrix) -> float:
        """Log density of the rows' labels, each predicted from all the others, summed."""
        n = len(z)
        half = whiten_columns(self.factor_[:n, :n], np.eye(n))
        variance = 1 / (half * half).sum(axis=0)
        error = variance * (half.T @ (half @ (z - z.mean())))
        return float(-0.5 * (error**2 / variance + np.log(2 * np.pi * variance)).sum())

    def posterior(self, z: Matrix) -> tuple[Matrix, Matrix]:
        """Mean and deviation of a new label of every candidate, noise included, each (m,).

        Parameters
        ----------
        z : ndarray of float, shape (n,)
            Labels of the rows; of those appended last none are needed for the deviation: with
            fewer labels than rows the mean rests on the labels there are.
        """
        k = len(z)
        centre = float(z.mean())
        white = whiten_columns(self.factor_[:k, :k], z - centre)
        variance = np.maximum(self._unexplained, 0) + self.process.noise_
        return centre + white @ self.cross_[:k], np.sqrt(variance)
