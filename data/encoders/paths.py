"""Encoders that read the paths and the structure of architectures."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..spaces import Codes, PathSet, Space
from ..types import Index, Mask
from .base import Encoder, Features

# Beyond this many columns, whole paths are replaced by the short pieces they are made of.
_MAX_PATH_COLUMNS = 256
_REFERENCE_ROWS = 256  # architectures that say how many and how long paths are


class Paths(Encoder):
    """Counts of each sequence of operations among the live paths, skips removed.

    Dead paths (cut by a zero operation) do not count, so that many cells which compute the same
    function get the same features. Spaces with more than 256 sequences count the pieces of one and
    two operations (or as many as fit) instead of whole paths.

    Parameters
    ----------
    space : Space

    References
    ----------
    C. White, W. Neiswanger, Y. Savani. BANANAS. AAAI 2021 (path encoding).

    Examples
    --------
    >>> from nasurge.data.spaces import make_space
    >>> space = make_space("nb201")
    >>> Paths(space).fit_transform(space.sample(3, seed=0)).shape
    (3, 40)
    """

    @property
    def _layout(self) -> tuple[list[int], int, bool]:
        """Operations that count, the longest sequence, and whether sequences are whole paths."""
        kept = self._weighed
        longest = _most(self.space)[1]
        columns = np.cumsum(len(kept) ** np.arange(longest + 1.0))
        if columns[-1] <= _MAX_PATH_COLUMNS:
            return kept, longest, True
        return kept, max(1, int((columns <= _MAX_PATH_COLUMNS).sum()) - 1), False

    def _sequences(self) -> list[tuple[int, ...]]:
        """Operations of each column's sequence."""
        kept, longest, _ = self._layout
        return [s for length in range(longest + 1) for s in product(kept, repeat=length)]

    def _names(self) -> list[str]:
        names = [operation.name for operation in self.space.operations]
        what = "path" if self._layout[2] else "piece"
        return [f"{what}:{'>'.join(names[k] for k in s) or '(skip)'}" for s in self._sequences()]

    @property
    def without_convolution(self) -> Mask:
        """Whether each column counts sequences without a convolution, shape (f,)."""
        convolutions = {k for k, o in enumerate(self.space.operations) if o.kind == "conv"}
        return np.array([convolutions.isdisjoint(s) for s in self._sequences()])

    def _features(self, codes: Codes) -> Features:
        """Count of each sequence, shape (n, f)."""
        kept, longest, whole = self._layout
        found = _paths(self.space, codes)
        number = np.full(len(self.space.operations) + 1, -1, dtype=np.int64)
        number[kept] = np.arange(len(kept))  # the last entry serves the -1 past a path's end
        steps = number[found.operations]
        order = np.argsort(steps < 0, axis=2, kind="stable")
        steps = np.take_along_axis(steps, order, axis=2)
        lengths = (steps >= 0).sum(axis=2)
        starts = np.cumsum([0, *(len(kept) ** np.arange(longest + 1))])
        counts = [
            _counts(np.zeros(found.alive.shape, dtype=np.int64), found.alive & (lengths == 0), 1)
        ]
        for length in range(1, longest + 1):
            weights = len(kept) ** np.arange(length - 1, -1, -1)
            pieces = np.lib.stride_tricks.sliding_window_view(steps, length, axis=2) @ weights
            if whole:
                pieces, chosen = pieces[:, :, :1], (lengths == length)[:, :, None]
            else:
                chosen = np.arange(length, steps.shape[2] + 1) <= lengths[:, :, None]
            width = int(starts[length + 1] - starts[length])
            counts.append(_counts(pieces, chosen & found.alive[:, :, None], width))
        return np.concatenate(counts, axis=1, dtype=np.float64)


class Structure(Encoder):
    """Structural features, as read off a drawing: numbers, depths and widths of live paths.

    Parameters
    ----------
    space : Space

    References
    ----------
    G. Kadlecová et al. Surprisingly strong performance prediction with neural graph features.
    ICML 2024 (the idea that a few such counts carry most of the ranking).

    Examples
    --------
    >>> from nasurge.data.spaces import make_space
    >>> space = make_space("nb201")
    >>> features = Structure(space).fit_transform(space.all_codes())
    >>> features.shape
    (15625, 29)
    """

    @property
    def _on_paths(self) -> list[int]:
        """Operations that are counted along paths.

        Not where all is one path, as in chains, which counts them anyway: they may be hundreds.
        Spaces that are listed have those columns since the first version.
        """
        return self._weighed if self.space.listed or _most(self.space)[0] > 1 else []

    @property
    def _counted(self) -> list[int] | None:
        """Operations whose number says all, in a plain chain of variables; else None.

        Of fields that several layers have, where there are any: what one variable chooses is in the
        one-hot code.
        """
        space = self.space
        if type(space).paths is not Space.paths:
            return None
        shared = {f for f, n in Counter(space.fields).items() if n > 1} or set(space.fields)
        names = [o.name.split("=")[0] for o in space.operations]
        return [k for k, name in enumerate(names) if name in shared] or None

    def _names(self) -> list[str]:
        operations, counted = self.space.operations, self._counted
        if counted is not None:
            return ["live_variables", "depth_0", *(f"live:{operations[k].name}" for k in counted)]
        live = [o.name for o in operations if o.kind != "zero"]
        weighed = [operations[k].name for k in self._on_paths]
        slots = _most(self.space)[0]
        return [
            "paths",
            "distinct_paths",
            "live_variables",
            *(f"live:{name}" for name in live),
            *(f"most_on_a_path:{name}" for name in weighed),
            *(f"over_all_paths:{name}" for name in weighed),
            "most_convs",
            "fewest_convs",
            "fewest_pools",
            "skip_path",
            *(f"{what}_{k}" for what in ("depth", "pools", "convs") for k in range(slots)),
        ]

    def _features(self, codes: Codes) -> Features:
        """Structural features, shape (n, f)."""
        kinds = np.array([o.kind for o in self.space.operations] + [""])  # last: past the end
        depth = np.array([o.depth for o in self.space.operations] + [0.0])
        found = _paths(self.space, codes)
        alive, steps = found.alive, found.operations

        chosen, counted = _on_live_paths(self.space, found), self._counted
        if counted is not None:
            plain = [(chosen >= 0).sum(axis=1), depth[steps].sum(axis=2)[:, 0]]
            plain += [(chosen == k).sum(axis=1) for k in counted]
            return np.stack(plain, axis=1).astype(np.float64)
        live_counts, zero = _counts(chosen, chosen >= 0, len(kinds) - 1), kinds[:-1] == "zero"
        if zero.any():
            live_counts = live_counts[:, ~zero]
        on_paths = self._on_paths
        per_path = np.zeros((*alive.shape, 0), dtype=np.int64)
        if on_paths:  # counting for no column takes as long
            on_live = (steps >= 0) & alive[:, :, None]
            per_path = _counts(steps.reshape(-1, steps.shape[2]), on_live, len(kinds) - 1)
            per_path = per_path.reshape(*alive.shape, len(kinds) - 1)[:, :, on_paths]
        convs = (kinds == "conv")[steps].sum(axis=2)
        pools = (kinds == "pool")[steps].sum(axis=2)
        depths = depth[steps].sum(axis=2)
        never = steps.shape[2] + 1  # stands for "no live path at all" among the fewest
        skip_only = (alive & (convs + pools == 0)).any(axis=1)

        def ranked(values: NDArray[Any]) -> NDArray[Any]:
            """Values of the live paths in falling order, 0 for the dead."""
            return -np.sort(-np.where(alive, values, 0), axis=1)

        distinct = _distinct_paths(self.space, found)
        columns = [
            alive.sum(axis=1)[:, None],
            distinct[:, None],
            (chosen >= 0).sum(axis=1)[:, None],
            live_counts,
            per_path.max(axis=1),
            per_path.sum(axis=1),
            np.where(alive, convs, 0).max(axis=1)[:, None],
            np.where(alive, convs, never).min(axis=1)[:, None],
            np.where(alive, pools, never).min(axis=1)[:, None],
            skip_only[:, None],
            ranked(depths),
            ranked(pools),
            ranked(convs),
        ]
        return np.concatenate(columns, axis=1, dtype=np.float64)


class Common(Encoder):
    """Numbers that mean the same in every space: lengths of live paths, by kind of operation.

    Operations are told apart by what they do (``Operation.kind`` and ``depth``), not by name: the
    vocabulary that cells of different spaces share. Of every measure of a live path its largest,
    mean and least value and its sum over the paths stand beside the number of paths and of
    variables that take part.

    Parameters
    ----------
    space : Space

    References
    ----------
    Y. Akhauri, M. S. Abdelfattah. Encodings for prediction-based neural architecture search. ICML
    2024 (predictors carried from space to space).

    Examples
    --------
    >>> from nasurge.data.spaces import make_space
    >>> [Common(make_space(name)).fit_transform(make_space(name).sample(3, seed=0)).shape
    ...  for name in ("nb201", "nbgraph")]
    [(3, 22), (3, 22)]
    """

    _MEASURES = ("depth", "convs", "pools", "skips")

    def _names(self) -> list[str]:
        summaries = ("most", "mean", "least", "total")
        numbers = ["paths", "distinct_paths", "live_share"]
        told = [f"{what}:{how}" for what in self._MEASURES for how in summaries]
        return [*numbers, *told, "steps:most", "steps:mean", "skip_path"]

    def _features(self, codes: Codes) -> Features:
        """Features of each architecture, shape (n, f)."""
        kinds = np.array([o.kind for o in self.space.operations] + [""])  # last: past the end
        depth = np.array([o.depth for o in self.space.operations] + [0.0])
        found = _paths(self.space, codes)
        alive, steps = found.alive, found.operations
        count = alive.sum(axis=1)
        per_path = [depth[steps].sum(axis=2)]
        per_path += [(kinds == kind)[steps].sum(axis=2) for kind in ("conv", "pool", "skip")]
        columns = [np.log1p(count), np.log1p(_distinct_paths(self.space, found))]
        columns.append((_on_live_paths(self.space, found) >= 0).mean(axis=1))
        for values in per_path:
            mean = np.where(alive, values, 0).sum(axis=1) / np.maximum(count, 1)
            columns += [np.where(alive, values, 0).max(axis=1), mean]
            # Without a live path the least is what no path reaches.
            least = np.where(alive, values, np.inf).min(axis=1)
            columns += [np.where(count > 0, least, -1.0), np.sqrt(mean * count)]
        worked = np.where(alive, per_path[1] + per_path[2], 0)
        columns += [worked.max(axis=1), worked.sum(axis=1) / np.maximum(count, 1)]
        columns.append((alive & (per_path[1] + per_path[2] == 0)).any(axis=1))
        return np.stack([np.asarray(column, dtype=np.float64) for column in columns], axis=1)


@lru_cache(maxsize=64)
def _most(space: Space) -> tuple[int, int]:
    """Paths and steps of a path that features have room for."""
    slots, longest = space.paths(space.sample(_REFERENCE_ROWS, seed=0)).operations.shape[1:]
    return slots, longest


def _paths(space: Space, codes: Codes) -> PathSet:
    """Paths of each architecture, always as many and as long, whatever stands beside it."""
    found, (slots, longest) = space.paths(codes), _most(space)
    n, given, steps = found.operations.shape
    if (given, steps) == (slots, longest):
        return found
    kept = np.s_[:, : min(slots, given), : min(longest, steps)]
    operations, variables = np.full((2, n, slots, longest), -1, dtype=found.operations.dtype)
    operations[kept], variables[kept] = found.operations[kept], found.variables[kept]
    alive = np.zeros((n, slots), dtype=bool)
    alive[kept[:2]] = found.alive[kept[:2]]
    return PathSet(operations, variables, alive)


def _counts(values: NDArray[np.integer[Any]], chosen: Mask, width: int) -> Index:
    """How often each number below ``width`` is in each row where ``chosen``, shape (n, width)."""
    n = len(values)
    each = int(np.prod(values.shape[1:]))  # -1 would not do for no rows
    values, chosen = values.reshape(n, each), chosen.reshape(n, each)
    flat = (np.arange(n)[:, None] * width + values)[chosen]
    return np.bincount(flat, minlength=n * width).reshape(n, width)


def _on_live_paths(space: Space, paths: PathSet) -> Index:
    """Operation that each variable chose for the live paths, -1 if on none, shape (n, d)."""
    steps, n = paths.operations, len(paths.operations)
    chosen = np.full((n, space.n_variables + 1), -1, dtype=np.int64)
    rows = np.broadcast_to(np.arange(n)[:, None, None], steps.shape)
    on_live = np.broadcast_to(paths.alive[:, :, None], steps.shape)
    chosen[rows[on_live], paths.variables[on_live]] = steps[on_live]
    return chosen[:, :-1]  # the last column took the steps past a path's end


def _distinct_paths(space: Space, paths: PathSet) -> Index:
    """Number of different live paths of each row, shape (n,)."""
    if paths.alive.shape[1] == 1:
        return np.asarray(paths.alive.sum(axis=1), dtype=np.int64)
    return _distinct(np.where(paths.alive, _path_ids(space, paths.operations), -1))


def _path_ids(space: Space, steps: NDArray[np.integer[Any]]) -> Index:
    """Number of each path, equal for equal sequences of operations without their skips."""
    skips = [k for k, o in enumerate(space.operations) if o.kind == "skip"]
    ids = np.zeros(steps.shape[:2], dtype=np.int64)
    for position in range(steps.shape[2]):
        step = steps[:, :, position].astype(np.int64)
        counts = (step >= 0) & ~np.isin(step, skips)
        ids = np.where(counts, ids * (len(space.operations) + 1) + step + 1, ids)
    return ids & np.int64(2**63 - 1)  # long paths overflow: a negative number stands for none


def _distinct(ids: Index) -> Index:
    """Count of different values other than -1 in each row, shape (n,)."""
    ordered = np.sort(ids, axis=1)
    fresh = np.ones(ordered.shape, dtype=bool)
    fresh[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    return np.asarray((fresh & (ordered >= 0)).sum(axis=1), dtype=np.int64)
