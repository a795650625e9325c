"""A macro space in the style of MobileNet: a chain of eight layers, each skipped or a block."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from ..types import Codes, Index
from .base import Space
from .frame import Frame, node_places
from .structure import Graphs, Layer, NetworkBuilder, Operation, PathSet, identities_first


class Mobile(Space):
    """Eight layers, each a skip, ``mb3k3`` or ``mb6k5``: 6,561 networks, 3,087 functions.

    ``mbEkK`` is an inverted residual: a 1x1 convolution to ``E`` times the channels, a depthwise
    convolution of kernel ``K``, a 1x1 convolution back. The layers stand in three stages of 2, 3
    and 3; the first layer of the second and third stage doubles the channels and halves height and
    width. A skip there is a projection (average pooling and a 1x1 convolution), elsewhere the
    identity: within a stage, where the identities stand makes no difference to the function.
    Strings are the operations joined by ``|``.

    Examples
    --------
    >>> space = Mobile()
    >>> code = space.parse("mb3k3|skip|mb6k5|skip|mb3k3|mb6k5|skip|skip")
    >>> code
    array([[1, 0, 2, 0, 1, 2, 0, 0]], dtype=int8)
    >>> space.format(space.canonical(code))
    ['skip|mb3k3|mb6k5|skip|mb3k3|mb6k5|skip|skip']
    >>> space.size, space.n_functions
    (6561, 3087)

    References
    ----------
    M. Sandler et al. MobileNetV2: Inverted residuals and linear bottlenecks. CVPR 2018.
    H. Cai, L. Zhu, S. Han. ProxylessNAS: Direct neural architecture search on target task and
    hardware. ICLR 2019 (layers of such blocks or skips as a search space).
    """

    name = "mobile"
    operations = (
        Operation("skip", "skip"),
        Operation("mb3k3", "conv", 1.0),
        Operation("mb6k5", "conv", 1.0),
    )
    layers = (
        *(Layer(1, 1), Layer(1, 1)),
        *(Layer(2, 2), Layer(2, 1), Layer(2, 1)),
        *(Layer(4, 2), Layer(4, 1), Layer(4, 1)),
    )
    cardinalities = (len(operations),) * len(layers)

    @cached_property
    def variables(self) -> tuple[str, ...]:
        """The layers in order: ``layer 1`` and so on."""
        return tuple(f"layer {position + 1}" for position in range(self.n_variables))

    def _parse(self, string: str) -> list[int]:
        words = string.strip().split("|")
        names = [operation.name for operation in self.operations]
        if len(words) != self.n_variables:
            raise ValueError(f"expected {self.n_variables} layers, found {len(words)}")
        for word in words:
            if word not in names:
                raise ValueError(f"{word!r} is none of {', '.join(names)}")
        return [names.index(word) for word in words]

    def format(self, codes: ArrayLike) -> list[str]:
        """Operations of each network, joined by ``|``."""
        names = [operation.name for operation in self.operations]
        return ["|".join(names[k] for k in row) for row in self.check(codes).tolist()]

    def _signatures(self, codes: Codes) -> Index:
        """Number of each row once the identities of a stage come before its blocks, shape (n,)."""
        changes = [layer.stride == 2 for layer in self.layers]
        return self.index(identities_first(codes, changes, identity=0))

    def paths(self, codes: ArrayLike) -> PathSet:
        """The one path of each network, its layers in order."""
        operations = self.check(codes)[:, None, :]
        variables = np.arange(self.n_variables, dtype=np.int8)
        alive = np.ones((len(operations), 1), dtype=bool)
        return PathSet(operations, np.broadcast_to(variables, operations.shape), alive)

    @cached_property
    def _flow(self) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
        """(v, v) connections of the chain, from the input through the layers to the output."""
        v = self.n_variables + 2
        flow = np.zeros((v, v), dtype=bool)
        flow[0, 2] = flow[v - 1, 1] = True
        flow[range(2, v - 1), range(3, v)] = True
        return flow

    @property
    def chain(self) -> tuple[Layer, ...]:
        """The eight layers."""
        return self.layers

    @property
    def networks(self) -> NetworkBuilder:
        """Chains of inverted residuals and projections."""
        from ..networks.mobile import ChainNetworks

        return ChainNetworks(self)

    @property
    def frame(self) -> Frame:
        """One chain, in which a skip passes its input on."""
        return Frame(node_places(self.cardinalities), self._flow[None])

    def graphs(self, codes: ArrayLike) -> Graphs:
        """Chains of 10 nodes: input, output and the layers' operations."""
        codes = self.check(codes)
        v = self.n_variables + 2
        nodes = np.empty((len(codes), v), dtype=np.int64)
        nodes[:, 0], nodes[:, 1], nodes[:, 2:] = 0, 1, codes.astype(np.int64) + 2
        shape = (len(codes), v, v)
        return Graphs(nodes, np.broadcast_to(self._flow, shape), np.ones(shape[:2], dtype=bool))
