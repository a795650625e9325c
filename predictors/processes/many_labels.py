"""Gaussian processes of many labels: what is searched, exact or of inducing rows, and from where.

Exact inference costs the cube of the number of labels, and a search of hyperparameters repeats it
up to a hundred times. Three to twenty hyperparameters do not need thousands of labels: they are
searched with some hundred that are drawn, and refined in a few steps with up to a thousand. With
them a process is exact for some thousand labels, and beyond rests on inducing rows, labelled ones
that are drawn, through which all labels act (FITC).

References
----------
J. Quiñonero-Candela and C. E. Rasmussen. A unifying view of sparse approximate Gaussian process
regression. JMLR 6, 2005.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np

from ...data.types import Index
from .inference import JITTER, Array, cholesky_factor, cholesky_solve, namespace, whiten_columns

SEARCHED = 400
"""Labels up to which all are searched with."""
BEGUN = 200
"""Labels, of more, that a search begins with."""
REFINED = 1000
"""Labels that it is refined with."""
REFINING = 10
"""Steps that refine it."""
EXACT = 2000
"""Labels up to which a process is exact, and inducing rows of one with more."""
_AT_ONCE = 2048

logger = logging.getLogger(__name__)


def drawn_rows(n: int, most: int) -> Index:
    """All of ``n`` rows, or ``most`` of them that are drawn: the same ones always, ascending.

    Examples
    --------
    >>> drawn_rows(3, 400).tolist()
    [0, 1, 2]
    >>> len(drawn_rows(1000, 400))
    400
    """
    if n <= most:
        return np.arange(n)
    return np.sort(np.random.default_rng(0).permutation(n)[:most])


@cache
def say_sparse(n: int) -> None:
    """Log, once for a number of labels, that a Gaussian process of so many is not exact."""
    logger.warning(
        "a Gaussian process of %d labels rests on %d inducing rows: beyond %d exact inference "
        "would take minutes and gigabytes",
        n,
        EXACT,
        EXACT,
    )


@dataclass
class InducingPosterior:
    """Posterior of a Gaussian process whose labels act through inducing rows.

    Attributes
    ----------
    factor : array, shape (m, m)
        Lower Cholesky factor of the covariance of the inducing rows.
    inner : array, shape (m, m)
        That of what labels tell of the whitened rows.
    weights : array, shape (m,)
        Of covariances with the inducing rows, in the mean.
    error, variance : array, shape (n,)
        Error and variance of each label as all others predict it.
    """

    factor: Array
    inner: Array
    weights: Array
    error: Array
    variance: Array


def inducing_posterior(
    covariance: Array,
    cross: Callable[[slice], Array],
    prior: Array,
    noise: float,
    labels: Array,
) -> InducingPosterior:
    """Posterior of centred labels, shape (n,), through m inducing rows.

    Parameters
    ----------
    covariance : array, shape (m, m)
        Of the inducing rows, without noise.
    cross : callable
        Covariance of the inducing rows and a part of the labelled ones, shape (m, part).
    prior : array, shape (n,)
        Variance of each labelled row before labels, without noise.
    noise : float
    labels : array, shape (n,)
    """
    xp = namespace(covariance)
    factor = cholesky_factor(covariance, JITTER * float(prior.max()))
    precision, pulled = 0 * covariance, 0 * covariance[0]
    own = 0 * labels
    parts = [slice(start, start + _AT_ONCE) for start in range(0, len(labels), _AT_ONCE)]
    for part in parts:
        white = whiten_columns(factor, cross(part))
        own[part] = xp.clip(prior[part] - (white * white).sum(0), 0, None) + noise
        scaled = white / own[part]
        precision = precision + scaled @ white.T
        pulled = pulled + scaled @ labels[part]
    inner = cholesky_factor(precision, 1.0)
    along = cholesky_solve(inner, pulled)
    error, variance = 0 * labels, 0 * labels
    for part in parts:
        white = whiten_columns(factor, cross(part))
        half = whiten_columns(inner, white) / own[part]
        variance[part] = 1 / (1 / own[part] - (half * half).sum(0))
        error[part] = (labels[part] - along @ white) / own[part] * variance[part]
    weights = backward_columns(factor, along)
    return InducingPosterior(factor, inner, weights, error, variance)


def backward_columns(factor: Array, column: Array) -> Array:
    """One column times the inverse of the factor's transpose, shape (m,)."""
    if isinstance(factor, np.ndarray):
        from scipy.linalg import solve_triangular

        return solve_triangular(factor, column, lower=True, trans="T", check_finite=False)
    import torch

    return torch.linalg.solve_triangular(factor.T, column[:, None], upper=True)[:, 0]


def inducing_moments(
    factor: Array, inner: Array, weights: Array, cross: Array, prior: Array
) -> tuple[Array, Array]:
    """Mean and variance of function values, each (k,), as ``moments`` of an exact process.

    ``cross`` (k, m) is their covariance with the inducing rows, ``prior`` (k,) their variance.
    """
    half = whiten_columns(factor, cross.T)
    gained = whiten_columns(inner, half)
    variance = prior - (half * half).sum(0) + (gained * gained).sum(0)
    return cross @ weights, namespace(cross).clip(variance, 0, None)


def picked(groups: dict[str, Array], rows: Index | slice) -> dict[str, Array]:
    """Some rows of every group."""
    return {name: group[rows] for name, group in groups.items()}


def inducing_rows(n: int) -> Index:
    """Rows of ``n`` labelled ones on which a process of so many rests, ascending."""
    return drawn_rows(n, EXACT)
