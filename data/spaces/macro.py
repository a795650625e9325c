"""The macro space of TransNAS-Bench-101: a chain of four to six modules."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from ..types import Codes, Mask
from .base import Space
from .frame import Frame, node_places
from .structure import Graphs, Operation, PathSet


class TransNASMacro(Space):
    """The macro space of TransNAS-Bench-101: what each of four to six modules does to its input.

    Six variables: 0 no module (only at the end), 1 plain, 2 doubles the channels, 3 halves the
    resolution, 4 both. Between 1 and 3 modules double and between 1 and 4 halve: 3,256 networks.
    Strings are the official ones, ``64-MODULES-basic``.

    Examples
    --------
    >>> TransNASMacro().parse("64-21231-basic")
    array([[2, 1, 2, 3, 1, 0]], dtype=int8)
    >>> TransNASMacro().size
    3256

    References
    ----------
    Y. Duan et al. TransNAS-Bench-101. CVPR 2021.
    """

    name = "transnas-macro"
    cardinalities = (5,) * 6
    operations = (
        Operation("absent", "skip"),
        Operation("plain", "conv", 1.0),
        Operation("double", "conv", 1.0),
        Operation("halve", "conv", 1.0),
        Operation("double-halve", "conv", 1.0),
    )

    @cached_property
    def variables(self) -> tuple[str, ...]:
        """The modules in order: ``module 1`` and so on."""
        return tuple(f"module {position + 1}" for position in range(self.n_variables))

    def _parse(self, string: str) -> list[int]:
        first, _, rest = string.strip().partition("-")
        modules, _, last = rest.partition("-")
        if (first, last) != ("64", "basic"):
            raise ValueError("expected 64-MODULES-basic")
        if not 4 <= len(modules) <= 6 or not set(modules) <= set("1234"):
            raise ValueError("expected 4 to 6 modules out of 1, 2, 3, 4")
        return [int(module) for module in modules.ljust(6, "0")]

    def format(self, codes: ArrayLike) -> list[str]:
        """Official string of each network."""
        rows = self.check(codes).tolist()
        return ["64-" + "".join(str(m) for m in row if m) + "-basic" for row in rows]

    def _valid(self, codes: Codes) -> Mask:
        present = codes > 0
        doubles = ((codes == 2) | (codes == 4)).sum(axis=1)
        halves = ((codes == 3) | (codes == 4)).sum(axis=1)
        no_gap = (present[:, 1:] <= present[:, :-1]).all(axis=1)
        counted = (doubles >= 1) & (doubles <= 3) & (halves >= 1) & (halves <= 4)
        return np.asarray(no_gap & present[:, 3] & counted, dtype=bool)

    def paths(self, codes: ArrayLike) -> PathSet:
        """The one path of each network, its modules in order."""
        codes = self.check(codes)
        present = codes > 0
        operations = np.where(present, codes, np.int8(-1))[:, None, :]
        variables = np.where(present, np.arange(6, dtype=np.int8), np.int8(-1))[:, None, :]
        return PathSet(operations, variables, np.ones((len(codes), 1), dtype=bool))

    @property
    def frame(self) -> Frame:
        """One chain of six modules, in which an absent one passes its input on."""
        flow = np.zeros((1, 8, 8), dtype=bool)
        flow[0, 0, 2] = flow[0, 7, 1] = True
        flow[0, range(2, 7), range(3, 8)] = True
        return Frame(node_places(self.cardinalities), flow)

    def graphs(self, codes: ArrayLike) -> Graphs:
        """Chains of 8 nodes: input, output and the modules; absent ones are masked out."""
        codes = self.check(codes)
        mask = np.ones((len(codes), 8), dtype=bool)
        mask[:, 2:] = codes > 0
        flow = np.zeros((len(codes), 8, 8), dtype=bool)
        flow[:, 0, 2] = True
        for i in range(2, 7):
            flow[:, i, i + 1] = mask[:, i + 1]
        last = 1 + mask[:, 2:].sum(axis=1)
        flow[np.arange(len(codes)), last, 1] = True
        nodes = np.empty((len(codes), 8), dtype=np.int64)
        nodes[:, 0], nodes[:, 1], nodes[:, 2:] = 0, 1, codes.astype(np.int64) + 2
        return Graphs(nodes, flow, mask)
