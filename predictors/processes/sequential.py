"""A Gaussian process over fixed candidates to which labels are added one at a time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

import numpy as np

from ...data.types import Matrix
from .grouped import GroupedGP, Groups
from .inference import cholesky_factor, whiten_columns


class _Rows:
    """Rows of an array, shape (n, ...), to which more are added without a copy of the others."""

    def __init__(self, rows: Matrix) -> None:
        self._kept, self.n = rows, len(rows)

    @property
    def array(self) -> Matrix:
        """The rows."""
        return self._kept[: self.n]

    def add(self, row: Matrix) -> None:
        """Add one row, shape (1, ...)."""
        if self.n == len(self._kept):
            grown = np.empty((self.n + self.n // 2 + 16, *self._kept.shape[1:]))
            grown[: self.n] = self._kept
            self._kept = grown
        self._kept[self.n] = row[0]
        self.n += 1


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
    factor_: Matrix = field(init=False)
    """Lower Cholesky factor of the rows' kernel, shape (n, n)."""
    _cross: _Rows = field(init=False)
    _seen: list[tuple[_Rows, _Rows | None]] = field(init=False)

    @property
    def cross_(self) -> Matrix:
        """The candidates' kernel to the rows, whitened by the factor, shape (n, m)."""
        return self._cross.array

    def refit(self, rows: Groups, z: Matrix) -> Self:
        """Choose the hyperparameters for labels ``z``, shape (n,), of these rows."""
        self.process.search(rows, z)
        return self.restart(rows)

    def restart(self, rows: Groups) -> Self:
        """Take these rows, and no others, with the hyperparameters as they are."""
        own = self.process.embed(rows)
        self._seen = [(_Rows(x), None if squares is None else _Rows(squares)) for x, squares in own]
        self._prior = self.process.prior_variance(self.candidates)
        self._embedded = self.process.embed(self.candidates)
        self.factor_ = cholesky_factor(self.process.kernel(rows, rows), self.process.noise_)
        between = self.process.cross_covariance(own, self._embedded)
        self._cross = _Rows(whiten_columns(self.factor_, between))
        self._unexplained = self._prior - np.einsum("ij,ij->j", self.cross_, self.cross_)
        return self

    def append(self, row: Groups) -> Self:
        """Add one row, each group of shape (1, columns)."""
        gp, factor = self.process, self.factor_
        embedded = gp.embed(row)
        seen = [(x.array, squares and squares.array) for x, squares in self._seen]
        near = gp.cross_covariance(seen, embedded)[:, 0]
        left = whiten_columns(factor, near)
        own = float(gp.cross_covariance(embedded, embedded)[0, 0] + gp.noise_ - left @ left)
        # A row that the others nearly repeat leaves no variance, which rounding makes negative.
        corner = float(np.sqrt(np.maximum(own, 1e-9)))
        n = len(factor)
        self.factor_ = np.zeros((n + 1, n + 1))
        self.factor_[:n, :n], self.factor_[n, :n], self.factor_[n, n] = factor, left, corner
        new = (gp.cross_covariance(embedded, self._embedded) - left @ self.cross_) / corner
        self._cross.add(new)
        self._unexplained = self._unexplained - new[0] ** 2
        for (x, squares), (own_x, own_squares) in zip(self._seen, embedded, strict=True):
            x.add(own_x)
            if squares is not None and own_squares is not None:
                squares.add(own_squares)
        return self

    def forget(self, n: int) -> Self:
        """Keep the first ``n`` rows only."""
        for removed in self.cross_[n:]:
            self._unexplained = self._unexplained + removed**2
        self.factor_, self._cross.n = self.factor_[:n, :n], n
        for x, squares in self._seen:
            x.n = n
            if squares is not None:
                squares.n = n
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
