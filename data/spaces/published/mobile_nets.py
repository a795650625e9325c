"""Published spaces of mobile networks in stages: MnasNet and once-for-all MobileNetV3."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ...types import Values
from ..structure import CostFormula
from .base import PublishedSpace, values_of


class MnasNet(PublishedSpace):
    """MnasNet as in Accel-NASBench: seven blocks of inverted residuals, about 10**11 networks.

    Of each block the expansion (1, 4, 6), the kernel (3, 5), the number of layers (1 to 3; 1 to 4
    in ``block5``) and squeeze-excitation are chosen. An architecture is the official JSON object,
    ``{"block0_e": 4, "block0_k": 5, "block0_l": 1, "block0_se": false, ...}``; ``parse`` takes a
    whole file of the benchmark, too. ``costs`` are those of the published files.

    Examples
    --------
    >>> space = MnasNet()
    >>> space.size == 36**6 * 48
    True
    >>> block = {"e": 4, "k": 5, "l": 1, "se": False}
    >>> space.parse({f"block{i}_{key}": v for i in range(7) for key, v in block.items()})[0, :4]
    array([1, 1, 0, 0], dtype=int8)

    References
    ----------
    M. Tan et al. MnasNet: Platform-aware neural architecture search for mobile. CVPR 2019.
    A. Ahmad et al. Accel-NASBench: Sustainable benchmarking for accelerator-aware NAS. DAC 2024.
    """

    name = "mnasnet"
    description: ClassVar[Mapping[str, Any]] = {
        f"block{i}_{key}": values
        for i in range(7)
        for key, values in {
            "e": {"ordered": (1, 4, 6), "field": "expansion"},
            "k": {"ordered": (3, 5), "field": "kernel"},
            "l": {"ordered": (1, 2, 3, 4) if i == 5 else (1, 2, 3), "field": "layers"},
            "se": {"choice": (False, True), "field": "squeeze-excitation"},
        }.items()
    }
    channels = (16, 24, 40, 80, 112, 192, 320)
    """Channels that each block gives."""
    strides = (1, 2, 2, 2, 1, 2, 1)
    """Stride of the first layer of each block."""

    def _from_mapping(self, values: Mapping[Any, Any]) -> list[int]:
        whole = values.get("architecture")
        return super()._from_mapping(whole if isinstance(whole, Mapping) else values)

    def format(self, codes: ArrayLike) -> list[str]:
        """JSON object of each network."""
        return [json.dumps(values) for values in self.to_dicts(codes)]

    @property
    def costs(self) -> CostFormula:
        """Formula of the published multiply-adds and parameters for ImageNet, in millions."""
        return self._costs

    def _costs(self, codes: ArrayLike) -> dict[str, Values]:
        rows = self.check(codes)
        base, tables = self._tables
        summed = np.repeat(base[:, None], len(rows), axis=1)
        for i, table in enumerate(tables):
            summed += table[(slice(None), *rows[:, 4 * i : 4 * i + 4].T)]
        return {"flops": summed[0] / 1e6, "parameters": summed[1] / 1e6}

    @cached_property
    def _tables(self) -> tuple[Values, list[Values]]:
        """Costs of stem and head, (2,), and of each choice of every block, (2, 3, 2, k, 2)."""
        size, before = 112, 32
        base = np.array(_convolution(3, before, 3, size), np.float64)
        tables = []
        for i, (channels, stride) in enumerate(zip(self.channels, self.strides, strict=True)):
            options = self.values[4 * i : 4 * i + 4]
            counts = tuple(map(len, options))
            table = np.zeros((2, *counts))
            for place in np.ndindex(counts):
                e, k, n, se = (v[j] for v, j in zip(options, place, strict=True))
                block = _Block(channels, int(e), int(k), bool(se))
                for layer in range(int(n)):
                    given = (before, stride, size) if layer == 0 else (channels, 1, size // stride)
                    table[(slice(None), *place)] += _inverted_residual(*given, block)
            tables.append(table)
            size, before = size // stride, channels
        base += _convolution(before, 1280, 1, size)
        return base + np.array([1280 * (size**2 + 1) + 1280 * 1000, 1281 * 1000]), tables


def _convolution(inputs: int, outputs: int, kernel: int, size: int, groups: int = 1) -> Values:
    """Multiply-adds and parameters of a convolution and its normalisation, four an element."""
    weights = inputs * outputs * kernel**2 // groups
    return np.array([(weights + 4 * outputs) * size**2, weights + 2 * outputs], np.float64)


class _Block(NamedTuple):
    """What the layers of a block have in common."""

    outputs: int
    expansion: int
    kernel: int
    squeeze: bool


def _inverted_residual(inputs: int, stride: int, size: int, block: _Block) -> Values:
    """Multiply-adds and parameters of one layer, shape (2,)."""
    inner, small = inputs * block.expansion, size // stride
    cost = _convolution(inner, inner, block.kernel, small, inner)
    cost += _convolution(inner, block.outputs, 1, small)
    if block.expansion > 1:
        cost += _convolution(inputs, inner, 1, size)
    if block.squeeze:
        weights = 2 * inner * (inputs // 4)
        cost += weights + inner * (small**2 + 1), weights + inner + inputs // 4
    return cost


def _stages(stages: int, most: int) -> dict[str, Any]:
    """Variables of a space: resolution, and of every stage the depth and its layers."""
    described: dict[str, Any] = {"r": {"ordered": range(128, 225, 4), "field": "resolution"}}
    for stage in range(1, stages + 1):
        described[f"d{stage}"] = {"ordered": (2, 3, 4), "field": "depth"}
        for layer in range(1, most + 1):
            active = {"active": f"d{stage} >= {layer}"} if layer > 2 else {}
            number = most * (stage - 1) + layer
            described[f"ks{number}"] = {"ordered": (3, 5, 7), "field": "kernel"} | active
            described[f"e{number}"] = {"ordered": (3, 4, 6), "field": "expansion"} | active
    return described


class OFAMobileNetV3(PublishedSpace):
    """Once-for-all MobileNetV3: five stages of 2 to 4 layers, 5.4 * 10**20 networks.

    Of each layer the kernel (3, 5, 7) and the expansion (3, 4, 6) are chosen; layers beyond the
    depth of their stage are inactive. With one resolution instead of 25 (128, 132, ..., 224) there
    are 2.2 * 10**19. An architecture is the official dict, ``{"ks": [...], "e": [...], "d": [...],
    "r": [224]}``, with 20 kernels and expansions and five depths: those of inactive layers are
    read as they come and written as 3. The resolution may be a number, or called ``image_size``.

    Examples
    --------
    >>> space = OFAMobileNetV3()
    >>> arch = {"ks": [3, 5, 7, 0] * 5, "e": [6, 4, 3, 0] * 5, "d": [3] * 5, "r": [224]}
    >>> code = space.parse(arch)
    >>> int(space.active(code).sum())
    36
    >>> space.format(code)[0][:32]
    '{"ks": [3, 5, 7, 3, 3, 5, 7, 3, '

    References
    ----------
    H. Cai, C. Gan, T. Wang, Z. Zhang, S. Han. Once-for-all: Train one network and specialize it
    for efficient deployment. ICLR 2020, arXiv:1908.09791.
    """

    name = "ofa-mbv3"
    stages, most = 5, 4
    description = _stages(stages, most)

    def _from_mapping(self, values: Mapping[Any, Any]) -> list[int]:
        if not {"ks", "e", "d"} & set(values):
            return super()._from_mapping(values)
        odd = set(values) - {"ks", "e", "d", "r", "image_size", "wid"}
        if odd:
            raise ValueError(f"{sorted(map(str, odd))[0]!r} is none of ks, e, d and r")
        resolution = values.get("r", values.get("image_size"))
        if isinstance(resolution, list | tuple):
            [resolution] = resolution if len(resolution) == 1 else [resolution]
        layers = self.stages * self.most
        depths = values_of(values, "d", self.stages)
        named: dict[str, Any] = {"r": resolution}
        named |= {f"d{s + 1}": depth for s, depth in enumerate(depths)}
        for key in ("ks", "e"):
            for i, value in enumerate(values_of(values, key, layers)):
                deep = depths[i // self.most]
                if not isinstance(deep, int) or i % self.most < deep:
                    named[f"{key}{i + 1}"] = value
        return super()._from_mapping(named)

    def format(self, codes: ArrayLike) -> list[str]:
        """JSON of the official dict of each network."""
        rows = self.check(codes).tolist()
        found = []
        for row in rows:
            values = {
                name: v[k] for name, v, k in zip(self.variables, self.values, row, strict=True)
            }
            lists = {
                key: [values[f"{key}{i + 1}"] for i in range(self.stages * self.most)]
                for key in ("ks", "e")
            }
            depths = [values[f"d{s + 1}"] for s in range(self.stages)]
            found.append(json.dumps(lists | {"d": depths, "r": [values["r"]]}))
        return found
