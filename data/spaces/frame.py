"""Relaxations of spaces: graphs of mixtures of architectures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..types import Index, Mask


class Frame(NamedTuple):
    """Relaxation of a space: how a graph follows from the shares of its variables' values.

    Node 0 is the input and node 1 the output. With one-hot shares the graph computes what
    ``Space.graphs`` gives, except that operations which no data passes are still in it.
    """

    places: Index
    """(s, 2) the node that each value of each variable gives a type to, and that type; -1: none."""
    flows: Mask
    """(k, v, v) the connections, before any operation cuts them."""
    topology: int | None = None
    """The variable whose ``k`` values choose among the flows; None where there is one flow."""
    opens: Index | None = None
    """(m, 3) connections that values open beside the flows: which of the ``s`` values, from which
    node, to which; each is as much there as its value's share. None: no value opens one."""
    fixed: Index | None = None
    """(f, 2) nodes beside input and output whose type no variable chooses, and that type."""
    absent: Index | None = None
    """(d, 2) the node that each variable gives a type to while it is not active, and that type; -1:
    none. None where every variable is always active, or leaves nothing in its place."""


def node_places(
    cardinalities: Sequence[int], *, first_type: ArrayLike = 2, first_variable: int = 0
) -> Index:
    """Places (``Frame.places``) of variables that choose the types of the nodes after the output.

    Parameters
    ----------
    cardinalities : sequence of int
        Of every variable.
    first_type : int, or array_like of int, shape (d,)
        The node type that the first value of a variable stands for; the others follow.
    first_variable : int
        The variable of node 2; those before it give no node a type.

    Examples
    --------
    >>> node_places((2, 3), first_variable=1).tolist()
    [[-1, -1], [-1, -1], [2, 2], [2, 3], [2, 4]]
    """
    types = np.broadcast_to(np.asarray(first_type), len(cardinalities))
    parts = []
    for i, cardinality in enumerate(cardinalities):
        places = np.full((cardinality, 2), -1, dtype=np.int64)
        if i >= first_variable:
            places[:, 0] = 2 + i - first_variable
            places[:, 1] = types[i] + np.arange(cardinality)
        parts.append(places)
    return np.concatenate(parts)
