"""A Gaussian process over groups of features, fitted by maximum a posteriori in milliseconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ...errors import ParameterError

Matrix = NDArray[np.float64]
Groups = dict[str, Matrix]
# Features scaled by the hyperparameters of one term, and their squared norms under a Matern.
Embedded = tuple[Matrix, Matrix | None]

_ROWS_AT_ONCE = 512
_JITTER = 1e-6


@dataclass(frozen=True)
class Prior:
    """Normal priors, as (mean, deviation), of the logarithms of the hyperparameters."""

    amplitude: tuple[float, float] = (0.0, 1.5)
    length: tuple[float, float] = (0.0, 1.0)
    noise: tuple[float, float] = (float(np.log(0.1)), 1.0)


@dataclass(frozen=True)
class Term:
    """One summand of the kernel: a Matern over some groups, or their linear kernel.

    ``smoothness`` is 1.5 or 2.5; 0 stands for the linear kernel. A Matern term has one length
    scale per group.
    """

    groups: tuple[str, ...]
    smoothness: float


def _distances(a: Matrix, b: Matrix) -> Matrix:
    """Return squared distances, shape (len(a), len(b))."""
    squares = (a * a).sum(axis=1)[:, None] + (b * b).sum(axis=1)[None] - 2 * a @ b.T
    return np.asarray(np.maximum(squares, 0))


def _matern(squares: Matrix, smoothness: float) -> tuple[Matrix, Matrix]:
    """Return the kernel at squared scaled distances, and its derivative in them."""
    if smoothness == 1.5:
        root = np.sqrt(3 * squares)
        fall = np.exp(-root)
        return (1 + root) * fall, -1.5 * fall
    if smoothness == 2.5:
        root = np.sqrt(5 * squares)
        fall = np.exp(-root)
        return (1 + root + root**2 / 3) * fall, -5 / 6 * (1 + root) * fall
    raise ParameterError(f"a Matern kernel here has smoothness 1.5 or 2.5, not {smoothness}")


@dataclass
class GroupedGP:
    """A Gaussian process whose kernel is a sum of terms over groups of features.

    Hyperparameters maximise the posterior (marginal likelihood times priors) by L-BFGS with
    analytic gradients. Groups are expected scaled so that the mean squared distance between two
    rows is about 1, and labels of about unit variance.

    Parameters
    ----------
    terms : sequence of Term
    prior : Prior
    learnt : tuple of two float arrays, optional
        Means and deviations of the log hyperparameters (``theta_``), in the place of ``prior``.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.linspace(-1, 1, 30)[:, None]
    >>> gp = GroupedGP([Term(("x",), 1.5)]).fit({"x": x}, np.sin(3 * x[:, 0]))
    >>> mean, std = gp.predict({"x": x})
    >>> bool(np.abs(mean - np.sin(3 * x[:, 0])).max() < 0.1)
    True
    """

    terms: Sequence[Term]
    prior: Prior = field(default_factory=Prior)
    learnt: tuple[Matrix, Matrix] | None = None

    def _priors(self) -> tuple[Matrix, Matrix]:
        """Return mean and deviation of every log hyperparameter, in the order of ``_kernel``."""
        if self.learnt is not None:
            return self.learnt
        means, deviations = [], []
        for term in self.terms:
            means.append(self.prior.amplitude[0] - np.log(len(self.terms)))
            deviations.append(self.prior.amplitude[1])
            if term.smoothness:
                # Distances add over the groups: the scales grow with their number.
                means += [self.prior.length[0] + 0.5 * np.log(len(term.groups))] * len(term.groups)
                deviations += [self.prior.length[1]] * len(term.groups)
        means.append(self.prior.noise[0])
        deviations.append(self.prior.noise[1])
        return np.array(means), np.array(deviations)

    @property
    def n_hyperparameters(self) -> int:
        """How many logarithms of hyperparameters there are."""
        return len(self._priors()[0])

    def _kernel(
        self, theta: Matrix, squares: Groups, products: Groups
    ) -> tuple[Matrix, list[tuple[Matrix, Matrix | None]]]:
        """Return the kernel, and each term's part of it and slope in the scaled distances."""
        parts: list[tuple[Matrix, Matrix | None]] = []
        at = 0
        for term in self.terms:
            amplitude = np.exp(theta[at])
            at += 1
            if not term.smoothness:
                parts.append((amplitude * np.sum([products[g] for g in term.groups], axis=0), None))
                continue
            weights = np.exp(-2 * theta[at : at + len(term.groups)])
            at += len(term.groups)
            scaled = weights[0] * squares[term.groups[0]]
            for weight, group in zip(weights[1:], term.groups[1:], strict=True):
                scaled += weight * squares[group]
            value, slope = _matern(scaled, term.smoothness)
            parts.append((amplitude * value, amplitude * slope))
        return np.sum([part for part, _ in parts], axis=0), parts

    def _gradient(
        self,
        theta: Matrix,
        pull: Matrix,
        parts: list[tuple[Matrix, Matrix | None]],
        squares: Groups,
    ) -> Matrix:
        """Return the derivatives of ``(pull * kernel).sum()`` in every log hyperparameter."""
        found: list[float] = []
        for term, (part, slope) in zip(self.terms, parts, strict=True):
            found.append(float(np.vdot(pull, part)))
            if slope is not None:
                weights = np.exp(-2 * theta[len(found) : len(found) + len(term.groups)])
                steep = pull * slope
                found += [
                    float(-2 * weight * np.vdot(steep, squares[group]))
                    for weight, group in zip(weights, term.groups, strict=True)
                ]
        return np.array([*found, np.exp(theta[-1]) * np.trace(pull)])

    def _between(self, a: Groups, b: Groups) -> tuple[Groups, Groups]:
        """Return squared distances and inner products of the groups that need them."""
        curved = dict.fromkeys(g for t in self.terms if t.smoothness for g in t.groups)
        linear = dict.fromkeys(g for t in self.terms if not t.smoothness for g in t.groups)
        return {g: _distances(a[g], b[g]) for g in curved}, {g: a[g] @ b[g].T for g in linear}

    def fit(self, groups: Groups, z: Matrix) -> Self:
        """Learn labels ``z``, shape (n,), of ``groups``, each of shape (n, columns)."""
        from scipy.linalg import cho_factor, cho_solve
        from scipy.optimize import minimize

        self.groups_, self.mean_ = groups, float(z.mean())
        y, eye = z - self.mean_, np.eye(len(z))
        squares, products = self._between(groups, groups)
        centre, width = self._priors()

        def loss(theta: Matrix) -> tuple[float, Matrix]:
            kernel, parts = self._kernel(theta, squares, products)
            factor = cho_factor(kernel + (np.exp(theta[-1]) + _JITTER) * eye, lower=True)
            inverse = cho_solve(factor, eye)
            alpha = inverse @ y
            gap = (theta - centre) / width
            value = 0.5 * y @ alpha + np.log(np.diag(factor[0])).sum() + 0.5 * gap @ gap
            pull = 0.5 * (inverse - np.outer(alpha, alpha))
            return float(value), self._gradient(theta, pull, parts, squares) + gap / width

        bounds = list(zip(centre - 4 * width, centre + 4 * width, strict=True))
        found: Any = minimize(
            loss, centre, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 60}
        )
        self.take(found.x)
        kernel, _ = self._kernel(self.theta_, squares, products)
        self._factor = cho_factor(kernel + (self.noise_ + _JITTER) * eye, lower=True)
        self.alpha_ = cho_solve(self._factor, y)
        self.left_out_variance_ = 1 / np.diag(cho_solve(self._factor, eye))
        self.left_out_error_ = self.alpha_ * self.left_out_variance_
        return self

    def take(self, theta: Matrix) -> Self:
        """Use these log hyperparameters, such as another process's ``theta_``."""
        self.theta_, self.noise_ = theta, float(np.exp(theta[-1]))
        return self

    def kernel(self, a: Groups, b: Groups) -> Matrix:
        """Return the fitted kernel without noise, shape (rows of a, rows of b)."""
        return self.between(self.embedded(a), self.embedded(b))

    def embedded(self, groups: Groups) -> list[Embedded]:
        """Return rows as the kernel sees them, to be kept for many calls of ``between``."""
        found: list[Embedded] = []
        at = 0
        for term in self.terms:
            log_amplitude = self.theta_[at]
            at += 1
            if not term.smoothness:
                joined = np.concatenate([groups[g] for g in term.groups], axis=1)
                found.append((np.exp(log_amplitude / 2) * joined, None))
                continue
            lengths = np.exp(self.theta_[at : at + len(term.groups)])
            at += len(term.groups)
            joined = np.concatenate([groups[g] for g in term.groups], axis=1)
            joined /= np.repeat(lengths, [groups[g].shape[1] for g in term.groups])
            found.append((joined, np.einsum("ij,ij->i", joined, joined)))
        return found

    def between(self, a: Sequence[Embedded], b: Sequence[Embedded]) -> Matrix:
        """Return the fitted kernel without noise of embedded rows.

        Distances add over the groups, so that one product of matrices per term has them all.
        """
        at, total = 0, np.zeros((len(a[0][0]), len(b[0][0])))
        for term, (left, left_squares), (right, right_squares) in zip(
            self.terms, a, b, strict=True
        ):
            inner = left @ right.T
            if left_squares is None or right_squares is None:
                total += inner
            else:
                squares = left_squares[:, None] - 2 * inner + right_squares
                values, _ = _matern(np.maximum(squares, 0, out=squares), term.smoothness)
                total += np.exp(self.theta_[at]) * values
            at += 1 + (len(term.groups) if term.smoothness else 0)
        return total

    def predict(self, groups: Groups) -> tuple[Matrix, Matrix]:
        """Return mean and standard deviation of a new label (noise included), each (n,)."""
        n = len(next(iter(groups.values())))
        means, variances = np.empty(n), np.empty(n)
        for first in range(0, n, _ROWS_AT_ONCE):
            part = slice(first, first + _ROWS_AT_ONCE)
            few = {name: group[part] for name, group in groups.items()}
            means[part], variances[part] = self._predict_few(few)
        return means, np.sqrt(variances)

    def _predict_few(self, groups: Groups) -> tuple[Matrix, Matrix]:
        """Return mean and variance of a few thousand labels."""
        from scipy.linalg import solve_triangular

        cross = self.kernel(groups, self.groups_)
        half = solve_triangular(self._factor[0], cross.T, lower=True, check_finite=False)
        variance = self.prior_variance(groups) - (half * half).sum(axis=0)
        return self.mean_ + cross @ self.alpha_, np.maximum(variance, 0) + self.noise_

    def prior_variance(self, groups: Groups) -> Matrix:
        """Return the fitted prior variance of every row, without noise."""
        at, total = 0, np.zeros(len(next(iter(groups.values()))))
        for term in self.terms:
            amplitude = np.exp(self.theta_[at])
            at += 1 + (len(term.groups) if term.smoothness else 0)
            if term.smoothness:
                total += amplitude
            else:
                total += amplitude * np.sum([(groups[g] ** 2).sum(1) for g in term.groups], axis=0)
        return total
