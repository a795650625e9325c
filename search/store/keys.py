"""Identities of architectures as JSON values, by which a study keeps them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike

from ...data.spaces import Codes, Space

Key = int | str
"""Number of an architecture, or in spaces too large to be numbered the bytes of its row in hex."""


def keys_of(space: Space, codes: ArrayLike) -> list[Key]:
    """Identity of each architecture, a list of n.

    Examples
    --------
    >>> from nasurge.data.spaces import ProductSpace, make_space
    >>> keys_of(make_space("nb201"), [[0, 0, 0, 0, 1, 2]])
    [7]
    >>> keys_of(ProductSpace([range(10)] * 20), [[9, 8, 7] + [0] * 17])
    ['0908070000000000000000000000000000000000']
    """
    keys = space.keys(codes)
    if keys.dtype.kind != "S":
        return list(keys.tolist())
    width = keys.dtype.itemsize  # NumPy drops zeros at the end
    return [key.ljust(width, b"\0").hex() for key in keys.tolist()]


def codes_of(space: Space, keys: Iterable[Key]) -> Codes:
    """Architectures of identities, shape (n, d): the inverse of ``keys_of``."""
    return space.from_keys(np.array([bytes.fromhex(k) if isinstance(k, str) else k for k in keys]))
