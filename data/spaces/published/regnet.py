"""RegNet: networks whose widths follow a quantised line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...types import Codes, Index, Mask, Values
from .. import ordered
from ..structure import CostFormula
from .base import PublishedSpace

STAGES = 4
_AT_ONCE = 500  # networks whose stages are looked up together, so that memory stays small
_DEPTHS = tuple(range(12, 29))
_STARTS = tuple(range(8, 257, 8))
_SLOPES = ordered(8, 256, steps=64, log=True)
_MULTIPLIERS = tuple(round(2 + k / 100, 2) for k in range(101))
_GROUPS = tuple(range(8, 129, 8))
_RATIOS = (1, 2, 4)
_KEYS = {
    "DEPTH": "depth",
    "W0": "w0",
    "WA": "wa",
    "WM": "wm",
    "GROUP_W": "group_width",
    "BOT_MUL": "bottleneck",
}
"""Names in the official configuration, of our variables."""


class Stages(NamedTuple):
    """Stages of ``n`` networks, shape (n, 4) each."""

    widths: Index
    """Channels that each stage gives."""
    depths: Index
    """Blocks of each stage."""
    inner: Index
    """Channels of the 3x3 convolutions."""
    groups: Index
    """Channels of each group of them."""


class RegNet(PublishedSpace):
    """RegNet: four stages of a quantised line of widths, 43 million settings.

    Six numbers make a network: the depth (12 to 28 blocks); the initial width ``w0`` (8 to 256),
    slope ``wa`` (8 to 256) and multiplier ``wm`` (2 to 3) of the line; the group width (8 to 128)
    and the bottleneck ratio (1, 2, 4). The published ranges are continuous; here ``wa`` has 59
    values on a geometric grid, ``wm`` steps of 0.01, the others whole steps of 1 or 8. The widths
    of blocks are ``w0 * wm**k`` rounded to multiples of 8, with ``k`` the whole number that comes
    nearest to ``w0 + wa * j``; blocks of one width are a stage, and settings that give other than
    four stages are not in the space. Settings that give the same stages are one function.

    An architecture is the JSON object of the official configuration, ``{"DEPTH": 13, "W0": 24,
    "WA": 37, "WM": 2.49, "GROUP_W": 8, "BOT_MUL": 1.0}``, with one over the ratio as ``BOT_MUL``. A
    setting between those of the grid is read where one of the grid gives the same stages. ``costs``
    are those of RegNetX for ImageNet.

    Examples
    --------
    >>> space = RegNet()
    >>> small = {"DEPTH": 13, "W0": 24, "WA": 36.44, "WM": 2.49, "GROUP_W": 8, "BOT_MUL": 1}
    >>> code = space.parse(small)  # RegNetX-200MF
    >>> space.stages(code).widths, space.stages(code).depths
    (array([[ 24,  56, 152, 368]]), array([[1, 1, 4, 7]]))
    >>> {name: value.round(1) for name, value in space.costs(code).items()}
    {'flops': array([199.]), 'parameters': array([2.7])}

    References
    ----------
    I. Radosavovic, R. P. Kosaraju, R. Girshick, K. He, P. Dollar. Designing network design spaces.
    CVPR 2020, arXiv:2003.13678.
    """

    name = "regnet"
    description: ClassVar[Mapping[str, Any]] = {
        "depth": ordered(*_DEPTHS),
        "w0": ordered(*_STARTS),
        "wa": _SLOPES,
        "wm": ordered(*_MULTIPLIERS),
        "group_width": ordered(*_GROUPS),
        "bottleneck": ordered(*_RATIOS),
    }

    @property
    def size(self) -> int:
        """Number of settings that give four stages."""
        return 42_878_496

    def stages(self, codes: ArrayLike) -> Stages:
        """Widths, depths and groups of the stages of each network, shape (n, 4) each.

        Raises
        ------
        ArchitectureError
            If a row is not in the space.
        """
        numbers = self._settings(self.check(codes))
        widths, depths, _ = _line(*numbers[:, :4].T)
        return _compatible(widths, depths, numbers[:, 4].astype(np.int64), numbers[:, 5])

    def _settings(self, codes: Codes) -> Values:
        """Numbers that rows choose, shape (n, 6)."""
        columns = [np.asarray(v, np.float64)[k] for v, k in zip(self.values, codes.T, strict=True)]
        return np.stack(columns, axis=1)

    def _valid(self, codes: Codes) -> Mask:
        return _line(*self._settings(codes)[:, :4].T)[2]

    def canonical(self, codes: ArrayLike) -> Codes:
        """First setting that gives the stages of each, shape (n, d)."""
        rows, inverse = np.unique(self.check(codes), axis=0, return_inverse=True)
        found = rows.copy()
        for start in range(0, len(rows), _AT_ONCE):
            part = rows[start : start + _AT_ONCE]
            for depth in np.unique(part[:, 0]).tolist():
                here = np.flatnonzero(part[:, 0] == depth)
                numbers, stages = part[here].astype(np.int64), self.stages(part[here])
                first = self._first(stages, numbers[:, 0][0], numbers[:, 4], numbers[:, 5])
                found[start + here] = first
        return found[inverse.ravel()]

    def _first(self, stages: Stages, depth: int, group: Index, ratio: Index) -> Index:
        """First row that gives the stages of each network of one depth, (n, d); -1 if none does.

        ``depth``, ``group`` and ``ratio`` are the numbers of the values that the networks have.
        """
        groups, ratios, known = np.array(_GROUPS), np.array(_RATIOS), _known(_DEPTHS[depth])
        # Where the groups are whole layers the least width that makes them so gives the same.
        whole = np.searchsorted(groups, stages.inner.max(axis=1))
        group = np.minimum(group, whole)
        slack = groups[group] * ratios[ratio] // 2  # to the nearest multiple of a group
        last = stages.widths[:, -1]
        low = np.searchsorted(known.place, _place(stages.depths, last - slack))
        high = np.searchsorted(known.place, _place(stages.depths, last + slack), side="right")
        network = np.repeat(np.arange(len(last)), high - low)
        candidate = np.arange(len(network)) + np.repeat(high - np.cumsum(high - low), high - low)
        widths = known.widths[candidate].astype(np.int64)
        made = _compatible(widths, widths, groups[group[network]], ratios[ratio[network]])
        same = np.flatnonzero((made.widths == stages.widths[network]).all(axis=1))
        same = same[np.argsort(known.line[candidate[same]], kind="stable")]
        found, first = np.unique(network[same], return_index=True)
        rows = np.full((len(last), self.n_variables), -1)
        line = np.unravel_index(known.line[candidate[same[first]]], self.cardinalities[1:4])
        rows[found] = np.stack(
            [np.full(len(found), depth), *line, group[found], ratio[found]], axis=1
        )
        return rows

    def _from_mapping(self, values: Mapping[Any, Any]) -> list[int]:
        if not set(_KEYS) & set(values):
            return super()._from_mapping(values)
        if odd := set(values) - set(_KEYS):
            raise ValueError(f"{sorted(map(str, odd))[0]!r} is none of {', '.join(_KEYS)}")
        named = {_KEYS[key]: value for key, value in values.items()}
        named["bottleneck"] = _ratio(named.get("bottleneck", 1))
        try:
            return super()._from_mapping(named)
        except ValueError:
            if not _between(named):
                raise
            return self._between_the_grid(named)

    def _between_the_grid(self, named: Mapping[str, Any]) -> list[int]:
        """Row that gives the stages of a setting whose ``wa`` or ``wm`` is not on the grid."""
        grid = {"wa": self.values[2][0], "wm": self.values[3][0]}
        row = super()._from_mapping({**named, **grid})
        line = [np.array([float(named[key])]) for key in ("depth", "w0", "wa", "wm")]
        widths, depths, valid = _line(*line)
        if not valid[0]:
            raise ValueError(f"wa {named['wa']} and wm {named['wm']} do not give four stages")
        ratio, group = np.array([_RATIOS[row[5]]]), np.array([_GROUPS[row[4]]])
        stages = _compatible(widths, depths, group, ratio)
        found = self._first(stages, row[0], np.array([row[4]]), np.array([row[5]]))
        if found[0, 0] < 0:
            raise ValueError(
                f"wa {named['wa']} and wm {named['wm']} are between those of the grid, none of "
                f"which gives the same stages: widths {stages.widths[0].tolist()}, depths "
                f"{stages.depths[0].tolist()}"
            )
        return [int(k) for k in found[0]]

    def format(self, codes: ArrayLike) -> list[str]:
        """JSON object of the official configuration of each network."""
        return [
            json.dumps(
                {
                    key: 1 / float(values[name]) if name == "bottleneck" else values[name]
                    for key, name in _KEYS.items()
                }
            )
            for values in self.to_dicts(codes)
        ]

    @property
    def costs(self) -> CostFormula:
        """Formula of FLOPs (multiply-adds) and parameters for ImageNet, in millions."""
        return self._costs

    def _costs(self, codes: ArrayLike) -> dict[str, Values]:
        widths, depths, inner, groups = self.stages(codes)
        size, before = 112, np.full(len(widths), 32)
        flops = np.full(len(widths), 27.0 * 32 * size**2)
        parameters = np.full(len(widths), 27.0 * 32 + 64)
        for width, depth, middle, group in zip(widths.T, depths.T, inner.T, groups.T, strict=True):
            small, repeats = size // 2, depth - 1
            spatial = 9 * middle * group + middle * width  # of the 3x3 and the last 1x1
            flops += before * middle * size**2 + (spatial + before * width) * small**2
            flops += repeats * (width * middle + spatial) * small**2
            norms = 4 * middle + 2 * width
            parameters += before * middle + spatial + norms + before * width + 2 * width
            parameters += repeats * (width * middle + spatial + norms)
            size, before = small, width
        head = before * 1000 + 1000
        return {"flops": (flops + head) / 1e6, "parameters": (parameters + head) / 1e6}


def _ratio(multiplier: Any) -> Any:
    """Bottleneck ratio of a multiplier; what is none comes back, to be refused by name."""
    number = isinstance(multiplier, int | float) and 0 < multiplier <= 1
    return 1 / multiplier if number else f"1 / {multiplier}"


def _between(named: Mapping[str, Any]) -> bool:
    """Whether slope and multiplier are numbers within the ends of the grid."""
    ends = {
        "wa": (_SLOPES.values[0], _SLOPES.values[-1]),
        "wm": (_MULTIPLIERS[0], _MULTIPLIERS[-1]),
    }
    return all(
        isinstance(named.get(key), int | float) and low <= named[key] <= high
        for key, (low, high) in ends.items()
    )


def _line(depth: Values, w0: Values, wa: Values, wm: Values) -> tuple[Index, Index, Mask]:
    """Widths and depths of four stages, shape (n, 4), and whether there are four, shape (n,)."""
    return _divided(depth, w0, wm, _powers(w0, wa, wm))


def _powers(w0: Values, wa: Values, wm: Values) -> Values:
    """Power of the multiplier that comes nearest to the line, of each block, shape (n, 28)."""
    line = (w0[:, None] + wa[:, None] * np.arange(_DEPTHS[-1])) / w0[:, None]
    return np.asarray(np.rint(np.log(line) / np.log(wm)[:, None]))


def _divided(
    depth: Values, w0: Values, wm: Values, power: NDArray[Any]
) -> tuple[Index, Index, Mask]:
    """Widths and depths of four stages, and whether there are four, of the powers of blocks."""
    new = np.arange(_DEPTHS[-1]) < depth[:, None]  # the first block of a stage: multipliers of 2
    new[:, 1:] &= power[:, 1:] != power[:, :-1]  # and more make widths of different powers differ
    valid = new.sum(axis=1) == STAGES
    row, first = (part.reshape(-1, STAGES) for part in np.nonzero(new[valid]))
    depths = np.zeros((len(depth), STAGES), dtype=np.int64)
    widths = np.zeros_like(depths)
    depths[valid] = np.diff(first, axis=1, append=depth[valid, None].astype(np.int64))
    exact = w0[valid, None] * wm[valid, None] ** power[valid][row, first]
    widths[valid] = np.rint(exact / 8).astype(np.int64) * 8
    return widths, depths, valid


def _compatible(widths: Index, depths: Index, group: Index, ratio: Values | Index) -> Stages:
    """Stages whose inner widths are multiples of their group widths, the nearest ones."""
    inner = np.maximum(widths // ratio.astype(np.int64)[:, None], 1)
    groups = np.minimum(group[:, None], inner)
    inner = np.maximum(groups, np.rint(inner / groups).astype(np.int64) * groups)
    return Stages(inner * ratio.astype(np.int64)[:, None], depths, inner, groups)


def _place(depths: Index, last: Index) -> Index:
    """Number of how blocks are divided among four stages, then of the last width, shape (n,)."""
    split = depths[:, 0] * 1024 + depths[:, 1] * 32 + depths[:, 2]
    placed: Index = split * 2**15 + np.maximum(last, 0)
    return placed


class _Known(NamedTuple):
    """Lines of one depth that give four stages, in the order of ``_place``."""

    place: Index
    """(n,) rising."""
    widths: Index
    """(n, 4) widths before they are made compatible with groups."""
    line: Index
    """(n,) number of the setting of ``w0``, ``wa`` and ``wm``."""


@cache
def _grid_powers() -> tuple[Values, NDArray[np.int8]]:
    """Multipliers of the lines of one initial width, (n,), and powers of all, (32, n, 28)."""
    slope, multiplier = (
        part.ravel().astype(np.float64)
        for part in np.meshgrid(_SLOPES.values, _MULTIPLIERS, indexing="ij")
    )
    found = [_powers(np.full(len(slope), float(w0)), slope, multiplier) for w0 in _STARTS]
    return multiplier, np.array(found, dtype=np.int8)


@cache
def _known(depth: int) -> _Known:
    """Lines of a depth that give four stages."""
    parts = []
    multiplier, powers = _grid_powers()
    n = len(multiplier)
    for position, w0 in enumerate(_STARTS):
        start = np.full(n, float(w0))
        found = _divided(np.full(n, float(depth)), start, multiplier, powers[position])
        kept = np.flatnonzero(found[2])
        widths, depths = found[0][kept], found[1][kept]
        parts.append((_place(depths, widths[:, -1]), widths.astype(np.int16), position * n + kept))
    place, made, line = (np.concatenate(part) for part in zip(*parts, strict=True))
    order = np.argsort(place, kind="stable")
    return _Known(place[order], made[order], line[order].astype(np.int32))
