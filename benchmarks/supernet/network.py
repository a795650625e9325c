"""Supernets: one set of weights for all architectures of a space, which inherit it."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike
from torch import Tensor, nn

from ...data.arguments import checked
from ...data.networks import (
    Reduction,
    build_network,
    cell_layers,
    chain_layers,
    check_reduction,
    check_sizes,
    why_no_network,
)
from ...data.seeds import Seed, as_generator, torch_seed
from ...data.spaces import Space
from ...errors import ParameterError
from .layers import Path, SharedBlock, SharedCell, SharedLayer, make_path
from .shared import NO_STAGES, SharedWeights

HEAD_LAYERS = 3
_MOST_PATHS = 20_000


class Supernet(SharedWeights):
    """Every operation of a space at every place of its network, with shared weights.

    The layers are those of ``build_network``. A path, the sub-network of one architecture, uses
    one operation at each place, and a step through it costs what a step of the network itself
    costs. In training, batch normalisation uses the statistics of the batch; the running
    statistics mix all paths, so that a sub-network is given its own before it is evaluated.

    Parameters
    ----------
    space : Space
        One of cells, or a chain, with ``networks``.
    classes, in_channels, width, cells, affine, reduction
        As for ``build_network``.
    seed : int, Generator or None
        Draws the weights.

    Raises
    ------
    ParameterError
        If the space has no networks or a size is not positive.

    References
    ----------
    Z. Guo et al. Single path one-shot neural architecture search with uniform sampling. ECCV 2020.

    Examples
    --------
    >>> import torch
    >>> from nasurge.data.spaces import make_space
    >>> supernet = Supernet(make_space("nb201"), classes=10, width=4, cells=1, seed=0).eval()
    >>> images, code = torch.ones(2, 3, 8, 8), [3, 1, 3, 1, 4, 2]
    >>> logits = supernet(images, code)
    >>> bool((logits == supernet.extract(code).eval()(images)).all())
    True
    """

    @checked
    def __init__(
        self,
        space: Space,
        *,
        classes: int,
        in_channels: int = 3,
        width: int = 16,
        cells: int = 5,
        affine: bool = True,
        reduction: str = "residual",
        seed: Seed = None,
    ) -> None:
        super().__init__()
        if reason := why_no_network(space):
            raise ParameterError(reason)
        if space.model is not None:
            raise ParameterError(f"space {space.name!r} {NO_STAGES}")
        cell, chain = space.cell, space.chain
        if cell is None and chain is None:
            raise ParameterError(
                f"a supernet is made of cells or of a chain of layers; space {space.name!r} is "
                "neither: train its networks one by one"
            )
        sizes = {"classes": classes, "in_channels": in_channels, "width": width}
        check_sizes(**sizes, cells=cells)
        self.space = space
        check_reduction(reduction)
        self.sizes: dict[str, Any] = {
            **sizes,
            "cells": cells,
            "affine": affine,
            "reduction": reduction,
        }
        with torch_seed(as_generator(seed)):
            if chain is not None:
                layers = chain_layers(
                    chain,
                    lambda i, place: SharedBlock(space, i, place),
                    **sizes,
                    affine=affine,
                )
            elif cell is not None:
                layers = cell_layers(
                    lambda width: SharedCell(space, cell, width, affine=affine),
                    **sizes,
                    cells=cells,
                    affine=affine,
                    reduction=reduction,
                )
        self.layers = nn.ModuleList(layers)
        self._paths: dict[bytes, Path] = {}

    def path(self, code: ArrayLike) -> Path:
        """Architecture as the layers need it.

        Raises
        ------
        ArchitectureError
            If ``code`` is not in the space.
        """
        key = np.asarray(code, dtype=np.int8).tobytes()
        if key not in self._paths:
            if len(self._paths) >= _MOST_PATHS:
                self._paths.clear()
            self._paths[key] = make_path(self.space, self.space.check(np.asarray(code)[None])[0])
        return self._paths[key]

    def forward(
        self,
        x: Tensor,
        code: ArrayLike | None = None,
        *,
        mixture: Tensor | None = None,
        layers: slice | None = None,
    ) -> Tensor:
        """Logits of one sub-network, or of a mixture of all: see ``SharedWeights``."""
        if code is None and mixture is None:
            raise ParameterError("a supernet computes a path or a mixture: give code= or mixture=")
        path = None if code is None else self.path(code)
        for layer in self.layers[layers] if layers else self.layers:
            if not isinstance(layer, SharedLayer):
                x = layer(x)
            elif mixture is None:
                x = layer(x, path)
            else:
                x = layer.mix(x, mixture, None if path is None else path.code)
        return x

    @property
    def blocks(self) -> list[slice]:
        """The layers of each stage, the stem with the first, without the head."""
        chain = self.space.chain or ()
        strided = {variable for variable, place in enumerate(chain) if place.stride == 2}
        starts = [
            i
            for i, layer in enumerate(self.layers)
            if isinstance(layer, Reduction)
            or (isinstance(layer, SharedBlock) and layer.variable in strided)
        ]
        ends = [*starts, len(self.layers) - HEAD_LAYERS]
        return [slice(a, b) for a, b in zip([0, *starts], ends, strict=True)]

    def share(self, code: ArrayLike) -> nn.Sequential:
        """Sub-network of one architecture as the supernet's own layers, no copies.

        It has the weights that the path computes with and no others, so that a step on them is a
        step of the supernet.

        Raises
        ------
        ArchitectureError
            If ``code`` is not in the space.
        """
        path = self.path(code)
        return nn.Sequential(
            *(layer.own(path) if isinstance(layer, SharedLayer) else layer for layer in self.layers)
        )

    def extract(self, code: ArrayLike) -> nn.Sequential:
        """Stand-alone network of one architecture, with copies of the weights."""
        path = self.path(code)
        with torch_seed(as_generator(0)):  # every weight is replaced
            built = build_network(self.space, path.code, **self.sizes)
        network = cast(nn.Sequential, built)
        state: dict[str, Tensor] = {}
        for i, layer in enumerate(self.layers):
            own = layer.path_state(path) if isinstance(layer, SharedLayer) else layer.state_dict()
            state |= {f"{i}.{key}": value for key, value in own.items()}
        network.load_state_dict(state)
        return network.to(self.device)

    def operations(self) -> list[nn.Module]:
        """Modules that a path is made of: operations, stem, reductions and head."""
        modules: list[nn.Module] = []
        for layer in self.layers:
            if isinstance(layer, SharedCell):
                modules += [op for edge in layer.edges.values() for op in cast(nn.ModuleList, edge)]
            elif isinstance(layer, SharedBlock):
                modules += list(layer.choices)
            else:
                modules.append(layer)
        return [module for module in modules if any(True for _ in module.parameters())]
