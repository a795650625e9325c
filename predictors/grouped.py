"""A Gaussian process over groups of features, fitted by maximum a posteriori in milliseconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..errors import ParameterError

Matrix = NDArray[np.float64]

_ROWS_AT_ONCE = 2048
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

    groups: tuple[int, ...]
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

    Examples
    --------
    >>> import numpy as np
    >>> x = np.linspace(-1, 1, 30)[:, None]
    >>> gp = GroupedGP([Term((0,), 1.5)]).fit([x], np.sin(3 * x[:, 0]))
    >>> mean, std = gp.predict([x])
    >>> bool(np.abs(mean - np.sin(3 * x[:, 0])).max() < 0.1)
    True
    """

    terms: Sequence[Term]
    prior: Prior = field(default_factory=Prior)

    def _priors(self) -> tuple[Matrix, Matrix]:
        """Return mean and deviation of every log hyperparameter, in the order of ``_kernel``."""
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

    def _kernel(
        self, theta: Matrix, squares: dict[int, Matrix], products: dict[int, Matrix]
    ) -> tuple[Matrix, list[Matrix]]:
        """Return the kernel and its derivatives in every log hyperparameter but the noise."""
        total, slopes, at = np.zeros_like(next(iter((squares or products).values()))), [], 0
        for term in self.terms:
            amplitude = np.exp(theta[at])
            at += 1
            if not term.smoothness:
                part = amplitude * np.sum([products[g] for g in term.groups], axis=0)
                slopes.append(part)
            else:
                weights = np.exp(-2 * theta[at : at + len(term.groups)])
                at += len(term.groups)
                scaled = [w * squares[g] for w, g in zip(weights, term.groups, strict=True)]
                value, slope = _matern(np.sum(scaled, axis=0), term.smoothness)
                part = amplitude * value
                slopes += [part, *(-2 * amplitude * slope * square for square in scaled)]
            total = total + part
        return total, slopes

    def _between(
        self, a: list[Matrix], b: list[Matrix]
    ) -> tuple[dict[int, Matrix], dict[int, Matrix]]:
        """Return squared distances and inner products of the groups that need them."""
        curved = {g for term in self.terms if term.smoothness for g in term.groups}
        linear = {g for term in self.terms if not term.smoothness for g in term.groups}
        squares = {g: _distances(a[g], b[g]) for g in sorted(curved)}
        return squares, {g: a[g] @ b[g].T for g in sorted(linear)}

    def fit(self, groups: list[Matrix], z: Matrix) -> Self:
        """Learn labels ``z``, shape (n,), of ``groups``, each of shape (n, columns)."""
        from scipy.linalg import cho_factor, cho_solve
        from scipy.optimize import minimize

        self.groups_, self.mean_ = groups, float(z.mean())
        y, eye = z - self.mean_, np.eye(len(z))
        between = self._between(groups, groups)
        centre, width = self._priors()

        def loss(theta: Matrix) -> tuple[float, Matrix]:
            kernel, slopes = self._kernel(theta, *between)
            noise = np.exp(theta[-1])
            factor = cho_factor(kernel + (noise + _JITTER) * eye, lower=True)
            inverse = cho_solve(factor, eye)
            alpha = inverse @ y
            gap = (theta - centre) / width
            value = 0.5 * y @ alpha + np.log(np.diag(factor[0])).sum() + 0.5 * gap @ gap
            pull = inverse - np.outer(alpha, alpha)
            slope = [0.5 * np.vdot(pull, s) for s in slopes] + [0.5 * noise * np.trace(pull)]
            return float(value), np.array(slope) + gap / width

        bounds = list(zip(centre - 4 * width, centre + 4 * width, strict=True))
        found: Any = minimize(
            loss, centre, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 60}
        )
        self.theta_ = found.x
        self.noise_ = float(np.exp(found.x[-1]))
        kernel, _ = self._kernel(self.theta_, *between)
        self._factor = cho_factor(kernel + (self.noise_ + _JITTER) * eye, lower=True)
        self.alpha_ = cho_solve(self._factor, y)
        self.left_out_variance_ = 1 / np.diag(cho_solve(self._factor, eye))
        self.left_out_error_ = self.alpha_ * self.left_out_variance_
        return self

    def predict(self, groups: list[Matrix]) -> tuple[Matrix, Matrix]:
        """Return mean and standard deviation of a new label (noise included), each (n,)."""
        n = len(groups[0])
        means, variances = np.empty(n), np.empty(n)
        for first in range(0, n, _ROWS_AT_ONCE):
            part = slice(first, first + _ROWS_AT_ONCE)
            means[part], variances[part] = self._predict_few([group[part] for group in groups])
        return means, np.sqrt(variances)

    def _predict_few(self, groups: list[Matrix]) -> tuple[Matrix, Matrix]:
        """Return mean and variance of a few thousand labels."""
        from scipy.linalg import solve_triangular

        cross, _ = self._kernel(self.theta_, *self._between(groups, self.groups_))
        half = solve_triangular(self._factor[0], cross.T, lower=True, check_finite=False)
        variance = self._diagonal(groups) - (half * half).sum(axis=0)
        return self.mean_ + cross @ self.alpha_, np.maximum(variance, 0) + self.noise_

    def _diagonal(self, groups: list[Matrix]) -> Matrix:
        """Return the prior variance of every row."""
        at, total = 0, np.zeros(len(groups[0]))
        for term in self.terms:
            amplitude = np.exp(self.theta_[at])
            at += 1 + (len(term.groups) if term.smoothness else 0)
            if term.smoothness:
                total += amplitude
            else:
                total += amplitude * np.sum([(groups[g] ** 2).sum(1) for g in term.groups], axis=0)
        return total
