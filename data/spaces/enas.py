"""The macro space of ENAS: a chain of layers, with any skip connections."""

from __future__ import annotations

import json
import re
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..seeds import Seed
from ..types import Codes
from .base import Space
from .dags import NodeCell

# In the order of the official numbers.
_OPERATIONS = (
    *("conv_3x3", "sep_conv_3x3", "conv_5x5", "sep_conv_5x5"),
    *("avg_pool_3x3", "max_pool_3x3"),
)


class ENAS(NodeCell):
    """ENAS: six layers of 6 operations with any skip connections, 1.5 x 10^9 architectures.

    A layer reads the one before it and, by a skip connection each, any that came earlier, the
    input among them. Strings are lists of lists of the official numbers: of each layer its
    operation, and whether a skip connection comes from the input, the first layer and so on, as in
    ``[[0], [3, 1], [4, 0, 0], ..]``; the same numbers without brackets are read too. No two
    networks are known to be equal.

    Examples
    --------
    >>> space = ENAS()
    >>> space.n_codes == 6**6 * 2**15
    True
    >>> space.format(space.parse("0 1 1 2 0 1 3 0 0 0 4 1 0 0 0 5 0 0 0 0 1"))
    ['[[0], [1, 1], [2, 0, 1], [3, 0, 0, 0], [4, 1, 0, 0, 0], [5, 0, 0, 0, 0, 1]]']

    References
    ----------
    H. Pham et al. Efficient neural architecture search via parameter sharing. ICML 2018 (the macro
    space, there of 12 layers); M. Zhang et al. D-VAE. NeurIPS 2019 (of six).
    """

    layers = 6

    def __init__(self) -> None:
        super().__init__(self.layers + 2, _OPERATIONS, name="enas")

    @cached_property
    def edges(self) -> tuple[tuple[int, int], ...]:
        """(source, target) vertices of the skip connections, by target."""
        targets = range(2, self.layers + 1)
        return tuple((source, target) for target in targets for source in range(target - 1))

    @property
    def fixed_edges(self) -> tuple[tuple[int, int], ...]:
        """(source, target) vertices of the chain."""
        return tuple((vertex, vertex + 1) for vertex in range(self.layers + 1))

    def spec(self) -> dict[str, Any]:
        """The name."""
        return {"name": self.name}

    def sample(self, n: int, *, seed: Seed = None, unique: bool = False) -> Codes:
        """Architectures drawn uniformly, shape (n, d)."""
        return Space.sample(self, n, seed=seed, unique=unique)

    def canonical(self, codes: ArrayLike) -> Codes:
        """The codes themselves, shape (n, d): the chain fixes the order of the layers."""
        return self.check(codes)

    def _parse(self, string: str) -> list[int]:
        if not re.fullmatch(r"[\[\]\d,\s]+", string):
            raise ValueError("expected lists of numbers, [[operation], [operation, skip], ..]")
        numbers = list(map(int, re.findall(r"\d+", string)))
        wanted = self.layers + len(self.edges)
        if len(numbers) != wanted:
            raise ValueError(f"expected {wanted} numbers, found {len(numbers)}")
        starts = np.cumsum(range(self.layers))
        chosen = [numbers[start] for start in starts]
        bits = [number for place, number in enumerate(numbers) if place not in set(starts)]
        if max(chosen) >= len(self.operations) or max(bits) > 1:
            raise ValueError(
                f"operations are 0 to {len(self.operations) - 1} and skip connections 0 or 1"
            )
        return [*bits, *chosen]

    def format(self, codes: ArrayLike) -> list[str]:
        """Lists of the numbers of each layer."""
        found, e = [], len(self.edges)
        for row in self.check(codes).tolist():
            bits = iter(row[:e])
            layers = [[op, *(next(bits) for _ in range(i))] for i, op in enumerate(row[e:])]
            found.append(json.dumps(layers))
        return found
