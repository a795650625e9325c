"""Published chains of layers: NATS-Bench size, NAS-Bench-Macro, FBNet."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from ...types import Codes, Values
from .. import Frame, Graphs, Layer, Mobile, Operation, PathSet, choice, ordered
from ..flat import flat_frame, flat_graphs, flat_operations, flat_paths
from ..structure import CostFormula, identities_first
from .base import PublishedSpace


class NATSBenchSize(PublishedSpace):
    """The size space of NATS-Bench: widths 8 to 64 of five stages, 32,768 networks.

    The cell is fixed; what is chosen is the number of channels of each stage, in steps of 8.
    Strings are the widths joined by ``:``. No two describe the same function.

    Examples
    --------
    >>> space = NATSBenchSize()
    >>> space.parse("8:16:64:8:32")
    array([[0, 1, 7, 0, 3]], dtype=int8)
    >>> space.size == space.n_functions == 32768
    True

    References
    ----------
    X. Dong, L. Liu, K. Musial, B. Gabrys. NATS-Bench: Benchmarking NAS algorithms for architecture
    topology and size. TPAMI 2021, arXiv:2009.00437.
    """

    name = "nats-size"
    recognised = False
    description: ClassVar[Mapping[str, Any]] = {"width{1..5}": ordered(range(8, 65, 8))}

    def _parse(self, string: str) -> list[int]:
        if "=" in string or "{" in string or "|" in string:
            return super()._parse(string)
        words = string.strip().split(":")
        if len(words) != self.n_variables:
            raise ValueError(f"expected 5 widths joined by ':', found {len(words)}")
        return self._from_mapping(dict(zip(self.variables, words, strict=True)))

    def format(self, codes: ArrayLike) -> list[str]:
        """Widths of each network, joined by ``:``."""
        return [":".join(str(8 * (k + 1)) for k in row) for row in self.check(codes).tolist()]


class NASBenchMacro(Mobile):
    """NAS-Bench-Macro: eight layers of three operations, 6,561 networks, 3,969 functions.

    Each layer is the identity (``0``), an inverted residual of expansion 3 and kernel 3 (``1``),
    or of expansion 6 and kernel 5 (``2``); a string is the eight digits. The stages have 2, 3 and
    3 layers, and the first layer of each doubles the channels and halves height and width: its
    identity is a strided projection. Where the other identities of a stage stand makes no
    difference to the function. ``costs`` are those of the published file.

    Examples
    --------
    >>> space = NASBenchMacro()
    >>> space.format(space.canonical(space.parse("21101010")))
    ['21101001']
    >>> space.costs(space.parse("02012100"))["parameters"]
    array([0.890666])

    References
    ----------
    X. Su et al. Prioritized architecture sampling with Monto-Carlo tree search. CVPR 2021,
    arXiv:2103.11922.
    """

    name = "nb-macro"
    recognised = False
    choices = (("skip", "mb3k3", "mb6k5"),) * 8
    layers = (
        *(Layer(2, 2), Layer(2, 1)),
        *(Layer(4, 2), Layer(4, 1), Layer(4, 1)),
        *(Layer(8, 2), Layer(8, 1), Layer(8, 1)),
    )

    @cached_property
    def fields(self) -> tuple[str, ...]:
        """What each layer decides: it changes the shape, or is one of its stage."""
        stages = np.cumsum([layer.stride == 2 for layer in self.layers])
        return tuple(
            "change" if layer.stride == 2 else f"stage {stage}"
            for layer, stage in zip(self.layers, stages.tolist(), strict=True)
        )

    @property
    def skips(self) -> tuple[tuple[str, ...], ...]:
        """The identity, where it is no projection."""
        return tuple(() if layer.stride == 2 else ("skip",) for layer in self.layers)

    @cached_property
    def operations(self) -> tuple[Operation, ...]:  # type: ignore[override]
        """The three operations, and each as it is in a stage or where the shape changes.

        Without the stages, graphs of different functions would be the same once identities are
        bridged.
        """
        return (*Mobile.operations, *flat_operations(self))

    def paths(self, codes: ArrayLike) -> PathSet:
        """The one path of each network, its layers in order."""
        return flat_paths(self, self.check(codes))

    def graphs(self, codes: ArrayLike) -> Graphs:
        """Chains of 10 nodes: input, output and the layers' operations."""
        return flat_graphs(self, self.check(codes))

    @property
    def frame(self) -> Frame:
        """One chain, in which an identity passes its input on."""
        return flat_frame(self)

    def _parse(self, string: str) -> list[int]:
        text = string.strip()
        if len(text) != self.n_variables or set(text) - set("012"):
            raise ValueError("expected eight digits 0, 1 or 2 (zeros in front must not be lost)")
        return [int(digit) for digit in text]

    def format(self, codes: ArrayLike) -> list[str]:
        """The eight digits of each network."""
        return ["".join(map(str, row)) for row in self.check(codes).tolist()]

    @property
    def costs(self) -> CostFormula:
        """Formula of FLOPs (multiply-adds) and parameters for CIFAR-10, in millions."""
        return self._costs

    def _costs(self, codes: ArrayLike) -> dict[str, Values]:
        rows = self.check(codes).astype(np.int64)
        base, added = self._added
        summed = base + added[:, np.arange(self.n_variables), rows].sum(axis=2)
        return {"flops": summed[0] / 1e6, "parameters": summed[1] / 1e6}

    @cached_property
    def _added(self) -> tuple[Values, Values]:
        """FLOPs and parameters of stem and head, (2, 1), and of each operation, (2, 8, 3)."""
        channels, size = 32, 32
        added = np.zeros((2, self.n_variables, 3))
        base = np.array([[27 * channels * size**2], [27 * channels + 2 * channels]], np.float64)
        for k, layer in enumerate(self.layers):
            after, small = 32 * layer.widening, size // layer.stride
            if layer.stride == 2:
                added[:, k, 0] = channels * after * small**2, channels * after + 2 * after
            for choice_, (expansion, kernel) in enumerate(((3, 3), (6, 5)), start=1):
                inner, area = expansion * channels, kernel**2
                added[0, k, choice_] = channels * inner * size**2 + inner * (area + after) * (
                    small**2
                )
                added[1, k, choice_] = inner * (channels + area + after + 4) + 2 * after
            channels, size = after, small
        head = np.array([[channels * 1280 * size**2 + 12800], [channels * 1280 + 2560 + 12810]])
        return base + head, added


class FBNet(PublishedSpace):
    """FBNet: 22 layers, each one of nine blocks, about 10**21 networks.

    The blocks are eight inverted residuals, ``kK_eE`` of kernel ``K`` and expansion ``E`` (``_g2``:
    in two groups), and ``skip``, numbered 0 to 8 in this order as HW-NAS-Bench does. The layers
    stand in stages of 1, 4, 4, 4, 4, 4 and 1; where the channels or the resolution change, in the
    first layer of every stage but the first, a skip is a projection. Where the other skips of a
    stage stand makes no difference to the function. Strings are the 22 numbers joined by ``-``;
    ``parse`` also takes the names of the blocks, and 22 digits.

    Examples
    --------
    >>> space = FBNet()
    >>> code = space.parse("7-8-1-8-4-8-8-8-7-4-1-4-7-3-2-7-3-2-4-2-4-5")
    >>> space.format(space.canonical(code))
    ['7-8-8-1-4-8-8-8-7-4-1-4-7-3-2-7-3-2-4-2-4-5']

    References
    ----------
    B. Wu et al. FBNet: Hardware-aware efficient ConvNet design via differentiable neural
    architecture search. CVPR 2019, arXiv:1812.03443.
    C. Li et al. HW-NAS-Bench: Hardware-aware neural architecture search benchmark. ICLR 2021.
    """

    name = "fbnet"
    recognised = False
    blocks = (
        *("k3_e1", "k3_e1_g2", "k3_e3", "k3_e6"),
        *("k5_e1", "k5_e1_g2", "k5_e3", "k5_e6", "skip"),
    )
    description: ClassVar[Mapping[str, Any]] = {"block{1..22}": choice(*blocks, skip="skip")}
    shape_changes = tuple(position in range(1, 22, 4) for position in range(22))
    """Whether each layer changes the channels or the resolution."""

    @cached_property
    def fields(self) -> tuple[str, ...]:
        """What each layer decides: the block of its stage, the first of which changes the shape.

        Without the stages, graphs of different functions would be the same once skips are bridged.
        """
        stages = np.cumsum(self.shape_changes).tolist()
        changes = zip(stages, self.shape_changes, strict=True)
        return tuple(f"change {k}" if first else f"stage {k}" for k, first in changes)

    @cached_property
    def skips(self) -> tuple[tuple[str, ...], ...]:
        """The skip, where it is no projection."""
        return tuple(() if change else ("skip",) for change in self.shape_changes)

    def _parse(self, string: str) -> list[int]:
        text = string.strip()
        if "=" in text or "{" in text:
            return super()._parse(text)
        words = list(text) if text.isdecimal() else text.replace("|", "-").split("-")
        if len(words) != self.n_variables:
            raise ValueError(f"expected 22 blocks joined by '-', found {len(words)}")
        numbers = {str(k): name for k, name in enumerate(self.blocks)}
        named = (numbers.get(word.strip(), word.strip()) for word in words)
        return self._from_mapping(dict(zip(self.variables, named, strict=True)))

    def format(self, codes: ArrayLike) -> list[str]:
        """Numbers of the blocks of each network, joined by ``-``."""
        return ["-".join(map(str, row)) for row in self.check(codes).tolist()]

    def canonical(self, codes: ArrayLike) -> Codes:
        """Each network with the skips of a stage before its other blocks, shape (n, d)."""
        skip = self.blocks.index("skip")
        return identities_first(self.check(codes), self.shape_changes, identity=skip)

    @cached_property
    def n_functions(self) -> int:
        """Number of different functions: skips may stand anywhere between changes of shape."""
        changes = [*np.flatnonzero(self.shape_changes).tolist(), self.n_variables]
        runs = [changes[0], *(after - before - 1 for before, after in pairwise(changes))]
        count: int = len(self.blocks) ** sum(self.shape_changes)
        for length in runs:
            count *= sum((len(self.blocks) - 1) ** k for k in range(length + 1))
        return count
