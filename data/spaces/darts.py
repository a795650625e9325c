"""The cells of DARTS, which NAS-Bench-301 and most tables of genotypes share."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from numpy.typing import ArrayLike

from .genotypes import Genotypes
from .vocabulary import read_object

_PREFIX = "NetworkSelectorDatasetInfo:darts:"
# Also without the prefix, and with the colons of data frames.
_KEY = re.compile(
    r"(?:NetworkSelectorDatasetInfo(?::|_COLON_)darts(?::|_COLON_))?"
    r"(?:edge_(?P<edge>normal|reduce)_(?P<number>\d{1,2})"
    r"|inputs_node_(?P<inputs>normal|reduce)_(?P<node>\d))"
)

_OPERATIONS = (
    *("max_pool_3x3", "avg_pool_3x3", "skip_connect"),
    *("sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5"),
)


class DARTS(Genotypes):
    """DARTS and NAS-Bench-301 genotypes: two cells, 7 operations, 1.1 x 10^18 architectures.

    Beside genotypes ``parse`` takes the configurations of NAS-Bench-301, dicts or JSON with keys
    such as ``NetworkSelectorDatasetInfo:darts:edge_normal_0``, or a whole file of the benchmark;
    ``to_nasbench301`` gives them.

    Examples
    --------
    >>> space = DARTS()
    >>> space.size == (1 * 3 * 6 * 10 * 7**8) ** 2
    True
    >>> f"{space.n_functions:.2g}"
    '1.5e+17'

    References
    ----------
    H. Liu, K. Simonyan, Y. Yang. DARTS: Differentiable architecture search. ICLR 2019;
    A. Zela et al. Surrogate NAS benchmarks: Going beyond the limited search spaces of tabular NAS
    benchmarks. ICLR 2022 (NAS-Bench-301).
    """

    def __init__(self) -> None:
        super().__init__(4, _OPERATIONS, name="darts")

    def spec(self) -> dict[str, Any]:
        """The name."""
        return {"name": self.name}

    @property
    def n_functions(self) -> int:
        """Number of pairs of cells that differ in more than the numbers of their nodes."""
        return 382_128_166**2

    def _parse(self, string: str) -> list[int]:
        if _KEY.search(string) is None:
            return super()._parse(string)
        return self._from_mapping(read_object(string.strip()))

    def _from_mapping(self, values: Mapping[Any, Any]) -> list[int]:
        whole = values.get("optimized_hyperparamater_config")  # sic, in the files of the benchmark
        values = whole if isinstance(whole, Mapping) else values
        found: dict[str, dict[int, str]] = {cell: {} for cell in self.cells}
        picked: dict[tuple[str, int], Any] = {}
        for key, value in values.items():
            match = _KEY.fullmatch(key) if isinstance(key, str) else None
            if match is None or value is None or value != value:  # NaN in a data frame
                continue  # of a configuration most keys say how to train
            if match["edge"]:
                found[match["edge"]][int(match["number"])] = str(value)
            else:
                picked[match["inputs"], int(match["node"])] = value
        if not any(found.values()) and not picked:
            return super()._from_mapping(values)
        pairs = {cell: self._pairs(cell, edges, picked) for cell, edges in found.items()}
        if picked:
            cell, node = min(picked)
            raise ValueError(f"it has 'inputs_node_{cell}_{node}': nodes 3 to 5 pick")
        return [number for cell in self.cells for number in self._cell(pairs[cell], cell)]

    def _pairs(
        self, cell: str, edges: dict[int, str], picked: dict[tuple[str, int], Any]
    ) -> list[tuple[str, str]]:
        """Operation and source of each edge of a cell, by nodes.

        The edges of all sources into all nodes are numbered, node by node.
        """
        pairs, first = [], 0
        for node in range(self.inputs, self.inputs + self.nodes):
            written = picked.pop((cell, node), None) if node > self.inputs else "0_1"
            key = f"inputs_node_{cell}_{node}"
            if written is None:
                raise ValueError(f"it has no {key!r}")
            if not re.fullmatch(r"\d_\d", str(written)):
                raise ValueError(f"{key!r} is {written!r}, expected two numbers such as '0_1'")
            for source in sorted(map(int, str(written).split("_"))):
                operation = edges.pop(first + source, None)
                if operation is None:
                    raise ValueError(
                        f"it has no 'edge_{cell}_{first + source}', which {key!r} picks"
                    )
                pairs.append((operation, str(source)))
            first += node
        if edges:
            raise ValueError(f"it has 'edge_{cell}_{min(edges)}', which no node picks")
        return pairs

    def to_nasbench301(self, codes: ArrayLike) -> list[dict[str, str]]:
        """Configuration of NAS-Bench-301 of each architecture.

        The keys, ``NetworkSelectorDatasetInfo:darts:edge_normal_0`` and so on, are those of its
        surrogates' ``ConfigSpace``; edges are numbered by the nodes that they lead to.

        Parameters
        ----------
        codes : array_like of int, shape (n, d)

        Raises
        ------
        ArchitectureError
            If a row is not in the space.

        Examples
        --------
        >>> space = DARTS()
        >>> found = space.to_nasbench301(space.from_keys([0]))[0]
        >>> found["NetworkSelectorDatasetInfo:darts:inputs_node_reduce_5"]
        '0_1'
        """
        codes = self.check(codes)
        cells = self._cells(codes)
        sources, kinds = self._sources(cells).tolist(), self._kinds(cells).tolist()
        found: list[dict[str, str]] = [{} for _ in codes]
        for k, (picked, chosen) in enumerate(zip(sources, kinds, strict=True)):
            one, cell, first = found[k // len(self.cells)], self.cells[k % len(self.cells)], 0
            for i in range(self.nodes):
                node, edges = self.inputs + i, slice(i * self.picks, (i + 1) * self.picks)
                for source, kind in zip(picked[edges], chosen[edges], strict=True):
                    one[f"{_PREFIX}edge_{cell}_{first + source}"] = self.own[kind].name
                if i:
                    key = f"{_PREFIX}inputs_node_{cell}_{node}"
                    one[key] = "_".join(map(str, picked[edges]))
                first += node
        return found


class DARTSWithNone(Genotypes):
    """DARTS genotypes with ``none`` and with two edges from one input: 2.2 x 10^21.

    What programs draw that do not keep to the rules of the paper: 8 operations, 10^21 genotypes.

    Examples
    --------
    >>> space = DARTSWithNone()
    >>> space.size == (3 * 6 * 10 * 15 * 8**8) ** 2
    True
    """

    def __init__(self) -> None:
        super().__init__(4, ("none", *_OPERATIONS), repeats=True, name="darts-none")

    def spec(self) -> dict[str, Any]:
        """The name."""
        return {"name": self.name}

    @property
    def n_functions(self) -> int:
        """Number of pairs of cells that differ in more than the numbers of their nodes."""
        return 2_448_702_390**2
