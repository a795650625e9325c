"""scikit-learn's Gaussian process, also for thousands of labels."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import clone
from sklearn.gaussian_process import GaussianProcessRegressor

from ...data.types import Matrix
from .inference import steps_of
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
    say_sparse,
)


def refining_steps(objective: Any, start: Matrix, bounds: Matrix) -> tuple[Matrix, float]:
    """Hyperparameters after a few more steps, as scikit-learn asks an optimiser for them."""
    return steps_of(objective, start, bounds, REFINING)


class ManyLabelsRegressor(GaussianProcessRegressor):
    """Gaussian process whose hyperparameters are searched with some of many labels.

    With thousands of labels it rests on inducing rows: see ``many_labels``. With as many as
    hyperparameters are searched with, or fewer, it is scikit-learn's.

    Parameters
    ----------
    kernel : Kernel
        A sum, of which the second part is the noise (``WhiteKernel``).
    """

    inducing_: tuple[Matrix, Matrix, Matrix] | None = None
    """Of an ``InducingPosterior`` the factor, what labels tell, and the weights."""

    def fit(self, X: Matrix, y: Matrix) -> Self:
        """Learn labels, shape (n,), of rows, shape (n, f)."""
        n = len(X)
        if n <= SEARCHED or (self.optimizer is None and n <= EXACT):
            return super().fit(X, y)  # type: ignore[no-any-return]
        kernel = self.kernel
        if self.optimizer is not None:
            for most, optimiser in ((BEGUN, self.optimizer), (REFINED, refining_steps)):
                rows = drawn_rows(n, most)
                process = GaussianProcessRegressor(kernel, optimizer=optimiser)
                kernel = process.fit(X[rows], y[rows]).kernel_
        if n <= EXACT:
            fitted = clone(self).set_params(kernel=kernel, optimizer=None).fit(X, y)
            for name, value in vars(fitted).items():
                if name not in self.get_params(deep=False):
                    setattr(self, name, value)
            return self
        return self._rest_on_some(X, y, kernel)

    def _rest_on_some(self, X: Matrix, y: Matrix, kernel: Any) -> Self:
        """Learn labels through inducing rows, with the hyperparameters of a kernel."""
        say_sparse(len(X))
        self.kernel_ = clone(kernel)
        self.n_features_in_ = X.shape[1]
        self.X_train_ = X[inducing_rows(len(X))]
        signal, noise = self.kernel_.k1, float(self.kernel_.k2.noise_level)
        found = inducing_posterior(
            signal(self.X_train_),
            lambda part: signal(self.X_train_, X[part]),
            signal.diag(X),
            noise,
            np.asarray(y, dtype=np.float64),
        )
        self.inducing_ = found.factor, found.inner, found.weights
        return self

    def predict(self, X: Matrix, return_std: bool = False, return_cov: bool = False) -> Any:
        """Means, shape (n,), and deviations of labels, as scikit-learn's."""
        if self.inducing_ is None:
            return super().predict(X, return_std=return_std, return_cov=return_cov)
        signal, noise = self.kernel_.k1, self.kernel_.k2.noise_level
        cross, prior = signal(X, self.X_train_), signal.diag(X)
        means, variances = inducing_moments(*self.inducing_, cross, prior)
        return (means, np.sqrt(variances + noise)) if return_std else means
