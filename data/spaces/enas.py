"""The two spaces of ENAS: chains of layers with skip connections, and cells."""

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
from .genotypes import Genotypes

# Both in the order of the official numbers.
_MICRO = ("sep_conv_3x3", "sep_conv_5x5", "avg_pool_3x3", "max_pool_3x3", "identity")
_OPERATIONS = (
    *("conv_3x3", "sep_conv_3x3", "conv_5x5", "sep_conv_5x5"),
    *("avg_pool_3x3", "max_pool_3x3"),
)


class ENAS(NodeCell):
    """ENAS: six layers of 6 operations with any skip connections, 1.5 x 10^9 architectures.

    A layer reads the one before it and, by a skip connection each, any that came earlier, the
    input among them. Strings are lists of lists of the official numbers: of each layer its
    operation, and whether a skip connection comes from the input, the first layer and so on, as in
    ``[[0], [3, 1], [4, 0, 0], ..]``; the same numbers without brackets are read too. No two are
    equal: the chain fixes the order of the layers.

    Examples
    --------
    >>> space = ENAS()
    >>> space.n_functions == 6**6 * 2**15
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


class ENASMicro(Genotypes):
    """ENAS cells: two of five nodes that add two operations each, 3.1 x 10^23 genotypes.

    A node picks two earlier outputs, perhaps one twice, and one of 5 operations on each; the output
    of a cell are the nodes that none picks, so that every node counts. Strings are the official
    numbers, 20 of the normal and then 20 of the reduction cell: of each node an output, its
    operation, the other output and its operation. Genotypes as DARTS prints them are read too.

    The paper counts (5 * 5!)^4, 1.3 x 10^11. Where a node may pick any two of the outputs before it
    and any two operations, as in its text and its code, there are 2.6 x 10^25; of two orders of
    the edges into a node one is kept here.

    Examples
    --------
    >>> space = ENASMicro()
    >>> cell = "0 2 0 0 0 4 0 1 0 4 1 1 1 0 0 1 0 2 1 1"
    >>> space.format(space.parse(f"{cell} {cell}"))[0][:39]
    '0 2 0 0 0 4 0 1 0 4 1 1 0 1 1 0 0 2 1 1'
    >>> space.size == (3 * 6 * 10 * 15 * 21 * 25**5) ** 2
    True

    References
    ----------
    H. Pham et al. Efficient neural architecture search via parameter sharing. ICML 2018,
    arXiv:1802.03268.
    """

    def __init__(self) -> None:
        super().__init__(5, _MICRO, repeats=True, name="enas-micro")

    def spec(self) -> dict[str, Any]:
        """The name."""
        return {"name": self.name}

    @property
    def n_functions(self) -> int:
        """Number of pairs of cells that differ in more than the numbers of their nodes."""
        return 31_355_379_836**2

    def _parse(self, string: str) -> list[int]:
        if not re.fullmatch(r"[\[\]\d,\s]+", string):
            return super()._parse(string)
        numbers = re.findall(r"\d+", string)
        wanted = 4 * self.nodes * len(self.cells)
        if len(numbers) != wanted:
            raise ValueError(f"expected {wanted} numbers, found {len(numbers)}")
        kinds = list(map(int, numbers[1::2]))
        if max(kinds) >= len(_MICRO):
            raise ValueError(f"operations are 0 to {len(_MICRO) - 1}, received {max(kinds)}")
        pairs = list(zip((_MICRO[kind] for kind in kinds), numbers[::2], strict=True))
        half = len(pairs) // 2
        first, second = (
            self._cell(part, cell)
            for part, cell in zip((pairs[:half], pairs[half:]), self.cells, strict=True)
        )
        return [*first, *second]

    def format(self, codes: ArrayLike) -> list[str]:
        """The official numbers of each architecture, separated by spaces."""
        codes = self.check(codes)
        cells = self._cells(codes)
        numbers = np.stack([self._sources(cells), self._kinds(cells)], axis=2)
        return [" ".join(map(str, row)) for row in numbers.reshape(len(codes), -1).tolist()]
