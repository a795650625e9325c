"""Vision transformers of AutoFormer: the tiny, small and base spaces."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ...types import Values
from ..structure import CostFormula
from ..vocabulary import LONGEST
from .base import PublishedSpace, values_of

_RELATIVE = 2 * 2 * 30 * 64  # of keys and values, along rows and columns, distances up to 14


def _blocks(
    depths: tuple[int, ...],
    widths: tuple[int, ...],
    ratios: tuple[float, ...],
    heads: tuple[int, ...],
) -> dict[str, Any]:
    """Variables of a space: depth, width, and the MLP ratio and the heads of every block."""
    described: dict[str, Any] = {
        "depth": {"ordered": depths},
        "embed_dim": {"ordered": widths},
    }
    for i in range(1, max(depths) + 1):
        active = {"active": f"depth >= {i}"} if i > min(depths) else {}
        described[f"mlp_ratio{i}"] = {"ordered": ratios, "field": "mlp_ratio"} | active
        described[f"num_heads{i}"] = {"ordered": heads, "field": "num_heads"} | active
    return described


class AutoFormer(PublishedSpace):
    """AutoFormer, tiny: vision transformers of 12 to 14 blocks, about 10**9 networks.

    The depth, the embedding width (192, 216, 240), and the MLP ratio (3.5, 4) and number of heads
    (3, 4) of each block are chosen; the width of queries, keys and values is 64 times the heads.
    An architecture is the JSON of the official description, ``{"MLP_RATIO": [...], "NUM_HEADS":
    [...], "DEPTH": 13, "EMBED_DIM": 216}``; ``parse`` also takes the tuple of the official search:
    depth, MLP ratios, heads, width. ``costs`` are those for ImageNet with 196 patches; parameters
    include the embeddings of relative positions of each block.

    Examples
    --------
    >>> space = AutoFormer()
    >>> space.size == 3 * (4**12 + 4**13 + 4**14)
    True
    >>> code = space.parse(str((12, *[3.5] * 12, *[3] * 12, 192)))
    >>> space.format(code)[0].endswith('"DEPTH": 12, "EMBED_DIM": 192}')
    True

    References
    ----------
    M. Chen, H. Peng, J. Fu, H. Ling. AutoFormer: Searching transformers for visual recognition.
    ICCV 2021, arXiv:2107.00651.
    """

    name = "autoformer"
    description = _blocks((12, 13, 14), (192, 216, 240), (3.5, 4.0), (3, 4))

    def _parse(self, string: str) -> list[int]:
        text = string.strip()
        if text[:1] not in "([" or len(text) > LONGEST:
            return super()._parse(text)
        try:
            numbers = ast.literal_eval(text)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            raise ValueError("expected a tuple of depth, MLP ratios, heads and width") from None
        depth = numbers[0] if numbers else None
        if not isinstance(depth, int) or len(numbers) != 2 * depth + 2:
            raise ValueError(
                "expected depth, as many MLP ratios and heads, and the width: a tuple of "
                f"2 * depth + 2 numbers, found {len(numbers)}"
            )
        return self._from_mapping(
            {
                "DEPTH": depth,
                "MLP_RATIO": numbers[1 : depth + 1],
                "NUM_HEADS": numbers[depth + 1 : -1],
                "EMBED_DIM": numbers[-1],
            }
        )

    def _from_mapping(self, values: Mapping[Any, Any]) -> list[int]:
        keys = {"MLP_RATIO", "NUM_HEADS", "DEPTH", "EMBED_DIM"}
        if not keys & set(values):
            return super()._from_mapping(values)
        if odd := set(values) - keys:
            raise ValueError(f"{sorted(map(str, odd))[0]!r} is none of {', '.join(sorted(keys))}")
        depth = values.get("DEPTH")
        if not isinstance(depth, int):
            raise TypeError(f"'DEPTH' is a whole number, received {depth!r}")
        named: dict[str, Any] = {"depth": depth, "embed_dim": values.get("EMBED_DIM")}
        for key in ("MLP_RATIO", "NUM_HEADS"):
            listed = values_of(values, key, depth)
            named |= {f"{key.lower()}{i}": value for i, value in enumerate(listed, start=1)}
        return super()._from_mapping(named)

    def format(self, codes: ArrayLike) -> list[str]:
        """JSON of the official description of each network."""
        found = []
        for values in self.to_dicts(codes):
            depth = int(values["depth"])
            lists = {
                key.upper(): [values[f"{key}{i}"] for i in range(1, depth + 1)]
                for key in ("mlp_ratio", "num_heads")
            }
            found.append(json.dumps(lists | {"DEPTH": depth, "EMBED_DIM": values["embed_dim"]}))
        return found

    @property
    def costs(self) -> CostFormula:
        """Formula of FLOPs (multiply-adds) and parameters for ImageNet, in millions."""
        return self._costs

    def _costs(self, codes: ArrayLike) -> dict[str, Values]:
        rows = self.check(codes)
        depth, width, *blocks = (
            np.asarray(values, np.float64)[k] for values, k in zip(self.values, rows.T, strict=True)
        )
        inner, attention = (
            width[:, None] * np.stack(blocks[::2], axis=1),
            64 * np.stack(blocks[1::2], axis=1),
        )
        there = self.active(rows)[:, 2::2]
        wide = width[:, None]
        weights = np.where(there, 4 * wide * attention + 2 * wide * inner, 0).sum(axis=1)
        biases = np.where(there, 3 * attention + inner, 0).sum(axis=1) + 6 * width * depth
        both = np.where(there, 2 * attention, 0).sum(axis=1)
        flops = 196 * 768 * width + 197 * weights + 197**2 * both + 1000 * width
        positions = 198 * width + _RELATIVE * depth
        parameters = 769 * width + weights + biases + positions + 2 * width + 1000 * (width + 1)
        return {"flops": flops / 1e6, "parameters": parameters / 1e6}


class AutoFormerSmall(AutoFormer):
    """AutoFormer, small: vision transformers of 12 to 14 blocks, about 8 * 10**13 networks.

    As ``AutoFormer``, with embedding widths 320, 384, 448, MLP ratios 3, 3.5, 4 and 5 to 7 heads.

    Examples
    --------
    >>> AutoFormerSmall().size == 3 * (9**12 + 9**13 + 9**14)
    True
    """

    name = "autoformer-s"
    description = _blocks((12, 13, 14), (320, 384, 448), (3.0, 3.5, 4.0), (5, 6, 7))


class AutoFormerBase(AutoFormer):
    """AutoFormer, base: vision transformers of 14 to 16 blocks, about 10**13 networks.

    As ``AutoFormer``, with embedding widths 528, 576, 624, MLP ratios 3, 3.5, 4 and 9 or 10 heads.

    Examples
    --------
    >>> AutoFormerBase().size == 3 * (6**14 + 6**15 + 6**16)
    True
    """

    name = "autoformer-b"
    description = _blocks((14, 15, 16), (528, 576, 624), (3.0, 3.5, 4.0), (9, 10))
