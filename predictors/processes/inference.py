"""Gaussian process inference, of numpy arrays and of torch tensors: written once."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
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


def whiten(factor: Array, columns: Array) -> Array:
    """Columns with the factor's correlations taken out, ``inv(factor) @ columns``."""
    if isinstance(factor, np.ndarray):
        from scipy.linalg import solve_triangular

        return solve_triangular(factor, columns, lower=True, check_finite=False)
    import torch

    return torch.linalg.solve_triangular(factor, columns, upper=False)


def cholesky_solve(factor: Array, columns: Array) -> Array:
    """Columns times the inverse of the cholesky_factor covariance, shape as ``columns``."""
    if isinstance(factor, np.ndarray):
        from scipy.linalg import cho_solve

        return cho_solve((factor, True), columns)
    import torch

    return torch.cholesky_solve(columns[:, None], factor)[:, 0]


def moments(factor: Array, weights: Array, cross: Array, prior: Array) -> tuple[Array, Array]:
    """Mean and variance of function values after labels, each (m,).

    Parameters
    ----------
    factor : (n, n) array
        From ``cholesky_factor``.
    weights : (n,) array
        The centred labels through ``cholesky_solve``.
    cross : (m, n) array
        Covariance of the function values and the labels.
    prior : (m,) array
        Variance before labels.
    """
    half = whiten(factor, cross.T)
    # Rounding takes the difference of two nearly equal variances below 0.
    variance = namespace(cross).clip(prior - (half * half).sum(0), 0, None)
    return cross @ weights, variance


def eigen_posteriors(
    covariance: Matrix, residuals: Matrix, amplitude: Matrix, noise: Matrix
) -> tuple[Matrix, Matrix, Matrix, Matrix]:
    """Posteriors under many amplitudes and noises of one covariance, by one eigendecomposition.

    Parameters
    ----------
    covariance : ndarray of float, shape (n, n)
        Of the labelled rows at amplitude 1, without noise.
    residuals : ndarray of float, shape (h, n)
        What is left of the labels under each of ``h`` hypotheses.
    amplitude, noise : ndarray of float, shape (h,)
        Variances by which the hypotheses differ.

    Returns
    -------
    axes : ndarray of float, shape (n, n)
        Eigenvectors of the covariance; new rows are seen as their covariance ``@ axes``.
    weights : ndarray of float, shape (h, n)
        Of the axes in the mean.
    explained : ndarray of float, shape (h, n)
        What the labels take from the variance along the axes.
    evidence : ndarray of float, shape (h,)
        Log marginal likelihoods, less a constant.
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
    """Posterior of the weights of a linear model, and the evidence.

    Parameters
    ----------
    design : ndarray of float, shape (n, f)
    residuals : ndarray of float, shape (n,)
        Labels less what the prior mean predicts.
    mean, covariance : ndarrays of float, shapes (f,) and (f, f)
        Of the weights before labels.
    noise : float
        Variance of a label.

    Returns
    -------
    mean, covariance : ndarrays of float, shapes (f,) and (f, f)
        Of the weights after labels.
    evidence : float
        Log marginal likelihood, less a constant.
    """
    cross = design @ covariance
    inner = cross @ design.T + noise * np.eye(len(design))
    gain = np.linalg.solve(inner, cross).T
    evidence = -0.5 * (residuals @ np.linalg.solve(inner, residuals))
    evidence -= 0.5 * np.linalg.slogdet(inner)[1]
    return mean + gain @ residuals, covariance - gain @ cross, float(evidence)


def left_out_moments(factor: Matrix, weights: Matrix) -> tuple[Matrix, Matrix]:
    """Error and variance of each label as all others predict it, each (n,)."""
    variance = 1 / np.diag(cholesky_solve(factor, np.eye(len(factor))))
    return weights * variance, variance
