"""A Gaussian process over groups of features, fitted by maximum a posteriori in milliseconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from ...data.types import Matrix
from .covariance import (
    Embedded,
    Term,
    cross_covariance,
    embed_rows,
    hyperparameters,
    matern,
    prior_variance,
)
from .inference import (
    JITTER,
    ROWS_AT_ONCE,
    cholesky_factor,
    cholesky_solve,
    inverse_of,
    left_out_moments,
    moments,
    steps_of,
)
from .many_labels import (
    BEGUN,
    EXACT,
    REFINED,
    REFINING,
    SEARCHED,
    drawn_rows,
    inducing_moments,
    inducing_posterior,
    inducing_rows,
    picked,
    say_sparse,
)

Groups = dict[str, Matrix]
# A term's part of the kernel, and of a Matern its derivative in the scaled squared distances.
Part = tuple[Matrix, Matrix | None]


@dataclass(frozen=True)
class Prior:
    """Normal priors, as (mean, deviation), of the logarithms of the hyperparameters."""

    amplitude: tuple[float, float] = (0.0, 1.5)
    length: tuple[float, float] = (0.0, 1.0)
    noise: tuple[float, float] = (float(np.log(0.1)), 1.0)


def _distances(a: Matrix, b: Matrix) -> Matrix:
    """Squared distances, shape (len(a), len(b))."""
    squares = (a * a).sum(axis=1)[:, None] + (b * b).sum(axis=1)[None] - 2 * a @ b.T
    return np.asarray(np.maximum(squares, 0))


@dataclass
class GroupedGP:
    """A Gaussian process whose kernel is a sum of terms over groups of features.

    Hyperparameters maximise the posterior (marginal likelihood times priors) by L-BFGS with
    analytic gradients. Groups are expected scaled so that the mean squared distance between two
    rows is about 1, and labels of about unit variance.

    Parameters
    ----------
    terms : sequence of Term
        Summands of the kernel.
    prior : Prior
        Of the logarithms of the hyperparameters.
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
    # Of inducing rows; exact processes, and files of before, have none.
    _inner: Matrix | None = field(default=None, init=False, repr=False, compare=False)

    def _priors(self) -> tuple[Matrix, Matrix]:
        """Mean and deviation of every log hyperparameter, in the order of ``theta_``."""
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
        """Number of log hyperparameters."""
        return len(self._priors()[0])

    def _kernel(
        self, theta: Matrix, squares: Groups, products: Groups
    ) -> tuple[Matrix, list[Part]]:
        """Kernel of the labelled rows, shape (n, n), and its parts.

        A search of hyperparameters asks a hundred times for the same rows: their distances and
        products do not depend on the hyperparameters and are passed in.
        """
        parts: list[Part] = []
        for term, log_amplitude, log_lengths in hyperparameters(self.terms, theta):
            amplitude = np.exp(log_amplitude)
            if not term.smoothness:
                parts.append((amplitude * np.sum([products[g] for g in term.groups], axis=0), None))
                continue
            weights = np.exp(-2 * log_lengths)
            scaled = weights[0] * squares[term.groups[0]]
            for weight, group in zip(weights[1:], term.groups[1:], strict=True):
                scaled += weight * squares[group]
            value, slope = matern(scaled, term.smoothness)
            parts.append((amplitude * value, amplitude * slope))
        return np.sum([part for part, _ in parts], axis=0), parts

    def _gradient(self, theta: Matrix, pull: Matrix, parts: list[Part], squares: Groups) -> Matrix:
        """Derivatives of ``(pull * kernel).sum()`` in every log hyperparameter."""
        found: list[float] = []
        each = zip(hyperparameters(self.terms, theta), parts, strict=True)
        for (term, _, log_lengths), (part, slope) in each:
            found.append(float(np.vdot(pull, part)))
            if slope is not None:
                steep = pull * slope
                found += [
                    float(-2 * weight * np.vdot(steep, squares[group]))
                    for weight, group in zip(np.exp(-2 * log_lengths), term.groups, strict=True)
                ]
        return np.array([*found, np.exp(theta[-1]) * np.trace(pull)])

    def _between(self, groups: Groups) -> tuple[Groups, Groups]:
        """Squared distances and inner products of rows, for the groups that need them."""
        curved = dict.fromkeys(g for t in self.terms if t.smoothness for g in t.groups)
        linear = dict.fromkeys(g for t in self.terms if not t.smoothness for g in t.groups)
        products = {g: groups[g] @ groups[g].T for g in linear}
        return {g: _distances(groups[g], groups[g]) for g in curved}, products

    def fit(self, groups: Groups, z: Matrix) -> Self:
        """Learn labels ``z``, shape (n,), of ``groups``, each of shape (n, columns)."""
        return self.search(groups, z).condition(groups, z)

    def search(self, groups: Groups, z: Matrix) -> Self:
        """Choose the hyperparameters for labels ``z``, shape (n,): with some of many."""
        self.set_theta(self._priors()[0])
        few = len(z) <= SEARCHED
        for most, steps in [(SEARCHED, 60)] if few else [(BEGUN, 60), (REFINED, REFINING)]:
            rows = drawn_rows(len(z), most)
            self._search(picked(groups, rows), z[rows] - z[rows].mean(), steps)
        return self

    def _search(self, groups: Groups, y: Matrix, steps: int) -> None:
        """Improve the hyperparameters for centred labels."""
        squares, products = self._between(groups)
        centre, width = self._priors()

        def loss(theta: Matrix) -> tuple[float, Matrix]:
            kernel, parts = self._kernel(theta, squares, products)
            factor = cholesky_factor(kernel, np.exp(theta[-1]) + JITTER)
            inverse = inverse_of(factor)
            alpha = inverse @ y
            gap = (theta - centre) / width
            value = 0.5 * y @ alpha + np.log(np.diag(factor)).sum() + 0.5 * gap @ gap
            pull = 0.5 * (inverse - np.outer(alpha, alpha))
            return float(value), self._gradient(theta, pull, parts, squares) + gap / width

        bounds = np.stack([centre - 4 * width, centre + 4 * width], axis=1)
        self.set_theta(steps_of(loss, self.theta_, bounds, steps)[0])

    def condition(self, groups: Groups, z: Matrix) -> Self:
        """Learn labels ``z``, shape (n,), with the hyperparameters as they are."""
        self.groups_, self.mean_ = groups, float(z.mean())
        if len(z) > EXACT:
            return self._rest_on_some(groups, z - self.mean_)
        factor = cholesky_factor(self.kernel(groups, groups), self.noise_ + JITTER)
        self._factor, self._inner = (factor, True), None  # a pair, as saved files hold it
        self.alpha_ = cholesky_solve(factor, z - self.mean_)
        self.left_out_error_, self.left_out_variance_ = left_out_moments(factor, self.alpha_)
        return self

    def _rest_on_some(self, groups: Groups, y: Matrix) -> Self:
        """Learn centred labels through inducing rows."""
        say_sparse(len(y))
        self.groups_ = picked(groups, inducing_rows(len(y)))
        found = inducing_posterior(
            self.kernel(self.groups_, self.groups_),
            lambda part: self.kernel(self.groups_, picked(groups, part)),
            self.prior_variance(groups),
            self.noise_,
            y,
        )
        self._factor, self._inner, self.alpha_ = (found.factor, True), found.inner, found.weights
        self.left_out_error_, self.left_out_variance_ = found.error, found.variance
        return self

    def set_theta(self, theta: Matrix) -> Self:
        """Use these log hyperparameters, such as another process's ``theta_``."""
        self.theta_, self.noise_ = theta, float(np.exp(theta[-1]))
        return self

    def kernel(self, a: Groups, b: Groups) -> Matrix:
        """Fitted kernel without noise, shape (rows of a, rows of b)."""
        return self.cross_covariance(self.embed(a), self.embed(b))

    def embed(self, groups: Groups) -> list[Embedded]:
        """Rows as the fitted kernel sees them, kept for ``cross_covariance``."""
        return embed_rows(self.terms, self.theta_, groups)

    def cross_covariance(self, a: Sequence[Embedded], b: Sequence[Embedded]) -> Matrix:
        """Fitted kernel of embedded rows without noise, shape (rows of a, rows of b)."""
        return np.asarray(cross_covariance(self.terms, self.theta_, a, b))

    def prior_variance(self, groups: Groups) -> Matrix:
        """Fitted prior variance of every row, without noise, shape (n,)."""
        return np.asarray(prior_variance(self.terms, self.theta_, groups))

    def predict(self, groups: Groups) -> tuple[Matrix, Matrix]:
        """Mean and standard deviation of a new label (noise included), each (n,)."""
        n = len(next(iter(groups.values())))
        means, variances = np.empty(n), np.empty(n)
        for first in range(0, n, ROWS_AT_ONCE):
            part = slice(first, first + ROWS_AT_ONCE)
            few = picked(groups, part)
            cross, prior = self.kernel(few, self.groups_), self.prior_variance(few)
            if self._inner is None:
                found = moments(self._factor[0], self.alpha_, cross, prior)
            else:
                found = inducing_moments(self._factor[0], self._inner, self.alpha_, cross, prior)
            means[part], variances[part] = found
        return self.mean_ + means, np.sqrt(variances + self.noise_)
