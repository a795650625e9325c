"""The cells of NAS-Bench-101 and EC-NAS."""

from __future__ import annotations

from .dags import NodeCell

# In the order of the official label numbers, which the official hash reads.
_OPERATIONS = ("conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3")


class NASBench101(NodeCell):
    """NAS-Bench-101 cells: up to 7 vertices, 9 edges and 3 operations, 423,624 functions.

    Strings are the official adjacency matrix and operations as JSON; ``hashes`` gives the official
    hash.

    Examples
    --------
    >>> space = NASBench101()
    >>> cell = '{"matrix": [[0, 1], [0, 0]], "ops": ["input", "output"]}'
    >>> space.hashes(space.parse(cell))
    ['043721b9c7fe8c5fad811d47d83132ec']
    >>> space.n_functions
    423624

    References
    ----------
    C. Ying et al. NAS-Bench-101: Towards reproducible neural architecture search. ICML 2019.
    """

    def __init__(self) -> None:
        super().__init__(7, _OPERATIONS, max_edges=9, name="nb101")

    def spec(self) -> dict[str, str]:
        """The name."""
        return {"name": self.name}

    @property
    def n_functions(self) -> int:
        """Number of cells that are not isomorphic."""
        return 423_624


class ECNAS(NodeCell):
    """EC-NAS: NAS-Bench-101 cells of up to 5 vertices, 2,532 functions.

    Examples
    --------
    >>> ECNAS().n_functions
    2532

    References
    ----------
    P. Bakhtiarifard, C. Igel, R. Selvan. EC-NAS: Energy consumption aware tabular benchmarks for
    neural architecture search. ICASSP 2024.
    """

    def __init__(self) -> None:
        super().__init__(5, _OPERATIONS, max_edges=9, name="ec-nas")

    def spec(self) -> dict[str, str]:
        """The name."""
        return {"name": self.name}
