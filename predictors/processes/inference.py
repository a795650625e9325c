"""Gaussian process inference, of numpy arrays and of torch tensors: written once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...data.types import Matrix

Array = Any
"""A numpy array, or a torch tensor with its gradients."""

JITTER = 1e-6
"""What the diagonal of a covariance gets beside the noise, so that rounding leaves it positive."""
ROWS_AT_ONCE = 1024
"""Rows whose covariance with the labelled ones is computed at once: it stays in the cache."""
GROWTH = 1.1
"""Factor by which labels have grown when hyperparameters are searched again."""


def namespace(array: Any) -> Any:
    """Library whose functions take an array: numpy, or torch for a tensor."""
    if isinstance(array, np.ndarray):
        return np
    import torch

    return torch


def cholesky_factor(covariance: Array, diagonal: float) -> Array:
    """Lower Cholesky factor of a covariance with noise on its diagonal, shape (n, n)."""
    if isinstance(covariance, np.ndarray):
        from scipy.linalg import cholesky

        return cholesky(covariance + diagonal * np.eye(len(covariance)), lower=True)
    import torch

    noise = torch.full_like(covariance[0], diagonal)
    return torch.linalg.cholesky(covariance + torch.diag(noise))


def inverse_of(factor: Matrix) -> Matrix:
    """Inverse of the covariance with this lower Cholesky factor, shape (n, n)."""
    from scipy.linalg.lapack import dpotri

    lower, _ = dpotri(factor, lower=1)
    lower = np.tril(lower)
    inverse: Matrix = lower + np.tril(lower, -1).T
    return inverse


def whiten_columns(factor: Array, columns: Array) -> Array:
    """Columns with the factor's correlations taken out, ``inv(factor) @ columns``."""
    if isinstance(factor, np.ndarray):
        from scipy.linalg import solve_triangular

        return solve_triangular(factor, columns, lower=True, check_finite=False)
    import torch

    return torch.linalg.solve_triangular(factor, columns, upper=False)


def cholesky_solve(factor: Array, columns: Array) -> Array:
    """Columns times the inverse of the factorised covariance, shape as ``columns``."""
    if isinstance(factor, np.ndarray):
        from scipy.linalg import cho_solve

        return cho_solve((factor, True), columns)
    import torch

    return torch.cholesky_solve(columns[:, None], factor)[:, 0]


def moments(factor: Array, weights: Array, cross: Array, prior: Array) -> tuple[Array, Array]:
    """Mean and variance of function values after labels, each (m,).

    Of the labels are given the factor (n, n) and the centred labels through ``cholesky_solve`` as
    ``weights``; of the values their covariance with the labels (m, n) and their prior variance.
    """
    half = whiten_columns(factor, cross.T)
    # Rounding takes the difference of two nearly equal variances below 0.
    variance = namespace(cross).clip(prior - (half * half).sum(0), 0, None)
    return cross @ weights, variance


def steps_of(
    objective: Callable[[Matrix], tuple[float, Matrix]],
    start: Matrix,
    bounds: Matrix,
    most: int,
) -> tuple[Matrix, float]:
    """Hyperparameters after at most so many steps of L-BFGS, and the objective there."""
    from scipy.optimize import minimize

    found = minimize(
        objective,
        start,
        method="L-BFGS-B",
        jac=True,
        bounds=[(float(low), float(high)) for low, high in bounds],
        options={"maxiter": most},
    )
    return found.x, float(found.fun)


def eigen_posteriors(
    covariance: Matrix, residuals: Matrix, amplitude: Matrix, noise: Matrix
) -> tuple[Matrix, Matrix, Matrix, Matrix]:
    """Posteriors under many amplitudes and noises of one covariance, by one eigendecomposition.

    The covariance (n, n) is that of the labels at amplitude 1 without noise; under each of ``h``
    hypotheses they leave residuals (h, n) and have an amplitude and a noise, each (h,). Returned
    are the axes (n, n), the weights of the axes in the mean (h, n), what labels take from the
    variance along them (h, n), and log marginal likelihoods (h,), less a constant.
    """
    values, axes = np.linalg.eigh(covariance)
    amplitude = amplitude[:, None]
    variance = amplitude * np.maximum(values, 0) + noise[:, None]
    along = residuals @ axes
    evidence = -0.5 * (along**2 / variance + np.log(variance)).sum(axis=1)
    return axes, amplitude * along / variance, amplitude**2 / variance, evidence


def linear_posterior(
    design: Matrix, residuals: Matrix, mean: Matrix, covariance: Matrix, noise: float
) -> tuple[Matrix, Matrix, float]:
    """Posterior mean (f,) and covariance (f, f) of a linear model's weights, and the evidence.

    Labels have a design (n, f), and residuals (n,) from what the prior mean predicts. The evidence
    is the log marginal likelihood, less a constant.
    """
    cross = design @ covariance
    inner = cross @ design.T + noise * np.eye(len(design))
    gain = np.linalg.solve(inner, cross).T
    evidence = -0.5 * (residuals @ np.linalg.solve(inner, residuals))
    evidence -= 0.5 * np.linalg.slogdet(inner)[1]
    return mean + gain @ residuals, covariance - gain @ cross, float(evidence)


def left_out_moments(factor: Matrix, weights: Matrix) -> tuple[Matrix, Matrix]:
    """Error and variance of each label as all others predict it, each (n,)."""
    variance = 1 / np.diag(inverse_of(factor))
    return weights * variance, variance
