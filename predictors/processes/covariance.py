"""Kernels over groups of features, of numpy arrays and of torch tensors: written once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ...data.types import Matrix
from ...errors import ParameterError
from .inference import Array, namespace

Embedded = tuple[Array, Array]
"""Features scaled by the hyperparameters of one term, and their squared norms, None if linear."""

# The root has no gradient at 0, which torch needs: two equal rows are this far apart there.
_LEAST_SQUARE = 1e-12


@dataclass(frozen=True)
class Term:
    """One summand of the kernel: a Matern over some groups, or their linear kernel.

    ``smoothness`` is 1.5 or 2.5; 0 stands for the linear kernel. A Matern term has one length
    scale per group.
    """

    groups: tuple[str, ...]
    smoothness: float


def matern(squares: Array, smoothness: float) -> tuple[Array, Array]:
    """Matern kernel of unit amplitude at squared scaled distances, and its derivative in them.

    Parameters
    ----------
    squares : array
    smoothness : {1.5, 2.5}

    Raises
    ------
    ParameterError
        If the smoothness is another.
    """
    xp = namespace(squares)
    if smoothness == 1.5:
        root = xp.sqrt(3 * squares)
        decay = xp.exp(-root)
        return (1 + root) * decay, -1.5 * decay
    if smoothness == 2.5:
        root = xp.sqrt(5 * squares)
        decay = xp.exp(-root)
        return (1 + root + root**2 / 3) * decay, -5 / 6 * (1 + root) * decay
    raise ParameterError(f"a Matern kernel here has smoothness 1.5 or 2.5, not {smoothness}")


def hyperparameters(
    terms: Sequence[Term], theta: Matrix
) -> Iterator[tuple[Term, np.float64, Matrix]]:
    """Terms with the logarithms of their amplitude and, of a Matern, of each group's length."""
    at = 0
    for term in terms:
        lengths = theta[at + 1 : at + 1 + (len(term.groups) if term.smoothness else 0)]
        yield term, theta[at], lengths
        at += 1 + len(lengths)


def embed_rows(terms: Sequence[Term], theta: Matrix, groups: Mapping[str, Array]) -> list[Embedded]:
    """Rows as the kernel sees them, one entry per term, kept for ``cross_covariance``."""
    found: list[Embedded] = []
    xp = namespace(next(iter(groups.values())))
    for term, log_amplitude, log_lengths in hyperparameters(terms, theta):
        if term.smoothness:
            joined = _scaled([groups[name] for name in term.groups], np.exp(log_lengths).tolist())
            found.append((joined, xp.einsum("ij,ij->i", joined, joined)))
        else:
            parts = [groups[name] for name in term.groups]
            joined = parts[0] if len(parts) == 1 else xp.concatenate(parts, axis=1)
            found.append((float(np.exp(log_amplitude / 2)) * joined, None))
    return found


def _scaled(groups: Sequence[Array], lengths: Sequence[float]) -> Array:
    """Groups side by side, each divided by its length."""
    xp = namespace(groups[0])
    if xp is not np:
        scaled = [group / length for group, length in zip(groups, lengths, strict=True)]
        return xp.concatenate(scaled, axis=1)
    joined = np.empty((len(groups[0]), sum(group.shape[1] for group in groups)))
    at = 0
    for group, length in zip(groups, lengths, strict=True):  # no copy of what may be 50 MB
        np.divide(group, length, out=joined[:, at : at + group.shape[1]])
        at += group.shape[1]
    return joined


def cross_covariance(
    terms: Sequence[Term],
    theta: Matrix,
    a: Sequence[Embedded],
    b: Sequence[Embedded],
) -> Array:
    """Covariance of embedded rows without noise, shape (rows of a, rows of b).

    Distances add over the groups, so that one product of matrices per term has them all.
    """
    total = 0.0
    each = zip(hyperparameters(terms, theta), a, b, strict=True)
    for (term, log_amplitude, _), (left, left_squares), (right, right_squares) in each:
        part = left @ right.T
        if left_squares is not None and right_squares is not None:
            xp = namespace(left)
            least = 0.0 if xp is np else _LEAST_SQUARE
            squares = left_squares[:, None] - 2 * part + right_squares
            part = matern(xp.clip(squares, least, None), term.smoothness)[0]
            part = float(np.exp(log_amplitude)) * part
        total = total + part
    return total


def prior_variance(terms: Sequence[Term], theta: Matrix, groups: Mapping[str, Array]) -> Array:
    """Variance of every row before labels, without noise, shape (n,)."""
    first = next(iter(groups.values()))
    total = 0 * first[:, 0]
    for term, log_amplitude, _ in hyperparameters(terms, theta):
        amplitude = float(np.exp(log_amplitude))
        if term.smoothness:
            total = total + amplitude
        else:
            total = total + amplitude * sum((groups[name] ** 2).sum(1) for name in term.groups)
    return total
