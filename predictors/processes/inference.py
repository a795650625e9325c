"""Gaussian process inference, of numpy arrays and of torch tensors: written once."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
Array = TypeVar("Array", bound=Any)

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


def factorised(covariance: Array, diagonal: float) -> Array:
    """Lower Cholesky factor of a covariance with noise on its diagonal, shape (n, n)."""
    if isinstance(covariance, np.ndarray):
        from scipy.linalg import cholesky

        return cholesky(covariance + diagonal * np.eye(len(covariance)), lower=True)
    import torch

    noise = torch.full_like(covariance[0], diagonal)
    return torch.linalg.cholesky(covariance + torch.diag(noise))


def whitened(factor: Array, columns: Array) -> Array:
    """Columns with the factor's correlations taken out, ``inv(factor) @ columns``."""
    if isinstance(factor, np.ndarray):
        from scipy.linalg import solve_triangular

        return solve_triangular(factor, columns, lower=True, check_finite=False)
    import torch

    return torch.linalg.solve_triangular(factor, columns, upper=False)


def solved(factor: Array, columns: Array) -> Array:
    """Columns times the inverse of the factorised covariance, shape as ``columns``."""
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
        From ``factorised``.
    weights : (n,) array
        The centred labels through ``solved``.
    cross : (m, n) array
        Covariance of the function values and the labels.
    prior : (m,) array
        Variance before labels.
    """
    half = whitened(factor, cross.T)
    # Rounding takes the difference of two nearly equal variances below 0.
    variance = namespace(cross).clip(prior - (half * half).sum(0), 0, None)
    return cross @ weights, variance


def left_out(factor: Matrix, weights: Matrix) -> tuple[Matrix, Matrix]:
    """Error and variance of each label as all others predict it, each (n,)."""
    variance = 1 / np.diag(solved(factor, np.eye(len(factor))))
    return weights * variance, variance
