"""What a probabilistic model's best guess is worth: expected improvement, its logarithm."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...predictors.processes import Array, namespace

# Nearer than this, the two summands of the expectation do not cancel.
_NEAR = -1.0
# Farther than this, Mills' ratio is known by its first term better than by floating point.
_FAR = -1e4
_LEAST_DEVIATION = 1e-9


def log_expected_improvement(mean: Array, std: Array, best: Array | float) -> Array:
    """Logarithm of the expected improvement over ``best``, shape (n,).

    The logarithm keeps an order among candidates whose improvement is too small for a float, and a
    gradient where the improvement itself is flat. Numpy arrays and torch tensors, differentiable.

    Parameters
    ----------
    mean, std : arrays of float, shape (n,)
        Of normal distributions, in the units of ``best``.
    best : float, or array of float
        Best value so far; an array is broadcast with the others.

    References
    ----------
    S. Ament, S. Daulton, D. Eriksson, M. Balandat, E. Bakshy. Unexpected improvements to expected
    improvement for Bayesian optimization. NeurIPS 2023.

    Examples
    --------
    >>> import numpy as np
    >>> log_expected_improvement(np.array([0.0, -2.0]), np.ones(2), 0.0).round(2)
    array([-0.92, -4.77])
    """
    xp = namespace(mean)
    special = special_functions(mean)
    std = xp.clip(std, _LEAST_DEVIATION, None)
    gap = (mean - best) / std
    constant = float(np.log(2 * np.pi) / 2)
    # Each branch sees values of its own range only: elsewhere its gradient would not be finite.
    near = xp.clip(gap, _NEAR, None)
    value_near = xp.log(xp.exp(-(near**2) / 2 - constant) + near * special.ndtr(near))
    middle = xp.clip(gap, _FAR, _NEAR)
    # The scaled error function keeps the difference of two summands that nearly cancel.
    ratio = xp.log(special.erfcx(-middle / 2**0.5) * -middle) + float(np.log(np.pi / 2) / 2)
    rest = xp.log(-xp.expm1(xp.clip(ratio, None, -1e-12)))
    far = xp.clip(gap, None, _FAR)
    rest = xp.where(gap > _FAR, rest, -2 * xp.log(-far))
    below = xp.clip(gap, None, _NEAR)
    value_below = -(below**2) / 2 - constant + rest
    return xp.log(std) + xp.where(gap > _NEAR, value_near, value_below)


def special_functions(array: Any) -> Any:
    """Module of special functions of the library that an array is of."""
    if isinstance(array, np.ndarray):
        import scipy.special

        return scipy.special
    import torch

    return torch.special
