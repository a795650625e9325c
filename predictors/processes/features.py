"""Groups of features of architectures, scaled over their space, for Gaussian processes."""

from __future__ import annotations

from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray

from ...data.encoders import Connections, OneHot, Paths, Structure
from ...data.networks import RandomNetworks
from ...data.spaces import Codes, Space
from ...data.types import Mask, Matrix

_REFERENCE_ROWS = 4000
_MOST_KINDS = 20
# Spaces of fewer codes have the features of all their functions kept in memory.
_MOST_KEPT = 100_000
# Families of structural features, by how their names begin.
FAMILIES = {
    "counts": ("paths", "distinct_paths", "live"),
    "operations": ("most_on_a_path", "over_all_paths"),
    "extremes": ("most_convs", "fewest_", "skip_path"),
    "depths": ("depth_",),
    "pools": ("pools_",),
    "convs": ("convs_",),
}
_OWN_SCALES = ("structure", "free paths", "shares", *FAMILIES)


def _raw_groups(space: Space, codes: Codes, *, untrained: bool) -> dict[str, Matrix]:
    """Named groups of raw features: structure, paths, and what more the space offers.

    Connections are left out where a space knows no structure (every choice its own operation), and
    the one-hot code where paths already tell everything; beside it stand the numbers of ordered
    variables. Paths without a convolution, which hand the input on as it is or blurred, are a group
    of their own. The families of structural features stand beside the whole for the process that
    weighs every group.
    """
    structure, paths = Structure(space), Paths(space)
    structural = structure.transform(codes)
    counts, free = paths.transform(codes), paths.without_convolution
    np.sqrt(counts, out=counts)
    groups = {
        "structure": structural,
        "free paths": counts[:, _places(free)],
        "paths": counts[:, _places(~free)],
    }
    if len(space.operations) <= _MOST_KINDS:
        encoder = Connections(space)
        connections = encoder.transform(codes)
        groups["feeds"] = connections[:, : encoder.n_pairs]
        groups["shares"] = connections[:, encoder.n_pairs :]
    if space.positional:
        one_hot = OneHot(space)
        marks = one_hot.transform(codes)
        groups["one-hot"] = marks[:, : one_hot.n_values]
        groups["numbers"] = marks[:, one_hot.n_values :]
    for family, columns in _family_columns(space).items():
        groups[family] = structural[:, columns]
    if untrained:
        groups["untrained"] = RandomNetworks(space).transform(codes)
    return groups


def _places(chosen: Mask) -> slice | NDArray[np.int64]:
    """Places that are chosen; where they are in a row a slice, which copies nothing."""
    places = np.flatnonzero(chosen)
    if len(places) and places[-1] - places[0] == len(places) - 1:
        return slice(int(places[0]), int(places[-1]) + 1)
    return places


@cache
def _family_columns(space: Space) -> dict[str, slice | NDArray[np.int64]]:
    """Columns of the structural features that each family is."""
    names = Structure(space).get_feature_names_out()
    return {
        family: _places(np.array([name.startswith(beginnings) for name in names]))
        for family, beginnings in FAMILIES.items()
    }


@cache
def _scales(space: Space, untrained: bool) -> dict[str, tuple[Matrix, Matrix]]:
    """Centre and scale of the columns of every group, over architectures of the space.

    Unlabelled architectures are free: scales from them are right with any number of labels. A
    constant column gets scale 0, a constant group is left out. Structural numbers have a scale
    each; counts of rare events share one, so that the rarest do not rule the distances.
    """
    count = min(space.n_codes, _REFERENCE_ROWS)
    rows = np.unique(space.canonical(space.sample(count, seed=0)), axis=0)
    found = {}
    for name, group in _raw_groups(space, rows, untrained=untrained).items():
        deviation = group.std(axis=0)
        varies = deviation > 1e-9
        if varies.any():
            own = name in _OWN_SCALES
            scale = np.where(varies, 1 / np.where(varies & own, deviation, 1), 0)
            total = float(((deviation * scale) ** 2).sum())
            found[name] = group.mean(axis=0), scale / np.sqrt(2 * total)
    return found


def feature_groups(space: Space, codes: Codes, *, untrained: bool) -> dict[str, Matrix]:
    """Named groups of features, each of shape (n, columns).

    Parameters
    ----------
    space : Space
    codes : int array, shape (n, d)
    untrained : bool
        Whether what untrained networks do to random inputs is a group (``"untrained"``).

    Returns
    -------
    dict of str to ndarray of float
        Centred over the space, and scaled so that the mean squared distance between two of its
        architectures is 1 in each group. Groups that are the same all over the space are left out.
    """
    groups = _raw_groups(space, codes, untrained=untrained)
    scales = _scales(space, untrained)
    # Groups are scaled in their place, as they may be large; structure last, since its families
    # are columns of it.
    scaled = {
        name: _scaled(groups[name].copy() if name in FAMILIES else groups[name], *scales[name])
        for name in sorted(scales, key="structure".__eq__)
    }
    return {name: scaled[name] for name in scales}


def _scaled(group: Matrix, centre: Matrix, scale: Matrix) -> Matrix:
    """The same array, with its columns centred and scaled."""
    group -= centre
    group *= scale
    return group


def function_groups(space: Space, codes: Codes) -> tuple[NDArray[np.int64], dict[str, Matrix]]:
    """Number of the function of each architecture, shape (n,), and the functions' features.

    The features are those of ``feature_groups`` without untrained networks, one row per function;
    those of all functions of a space that can be listed are kept from call to call.
    """
    canonical = space.canonical(codes)
    keys, first, inverse = np.unique(space.keys(canonical), return_index=True, return_inverse=True)
    if space.listed and space.n_codes <= _MOST_KEPT and len(keys) * 2 > space.n_functions:
        known, groups = _all_functions(space)
        rows = np.searchsorted(known, keys)
        return inverse, {name: group[rows] for name, group in groups.items()}
    return inverse, feature_groups(space, canonical[first], untrained=False)


@lru_cache(maxsize=2)
def _all_functions(space: Space) -> tuple[NDArray[np.int64], dict[str, Matrix]]:
    """Number of every function's representative, sorted, and its features."""
    keys = np.unique(space.keys(space.canonical(space.all_codes())))
    return keys, feature_groups(space, space.from_keys(keys), untrained=False)
