"""Supernets for few-shot tasks: their sub-networks adapt to the images of an episode."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, cast

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from ...data.arguments import checked
from ...data.seeds import Seed, as_generator, torch_seed
from ...data.spaces import Space
from ...errors import ParameterError
from ..supernet import HEAD_LAYERS, SharedWeights, Supernet, uniform_codes

HEAD_SIDE = 4
"""Pixels of the side of the map that the last layer is given, at most."""


class FewShotWeights(nn.Module, ABC):
    """Shared weights of architectures whose networks adapt to the images of an episode.

    Attributes
    ----------
    supernet : SharedWeights
    sizes : dict of str to int or str
        What tells its network from others of the space.
    head : Linear
        The last layer of every network.
    """

    supernet: SharedWeights
    sizes: dict[str, Any]
    head: nn.Linear

    @property
    def space(self) -> Space:
        """Where encodings come from."""
        return self.supernet.space

    @abstractmethod
    def network(self, code: ArrayLike) -> nn.Sequential:
        """Network of one encoding; its weights are the supernet's own.

        Raises
        ------
        ArchitectureError
            If ``code`` is not in the space.
        """

    @abstractmethod
    def mixture(self, x: Tensor, shares: Tensor) -> Tensor:
        """Logits of all operations at once, weighted by ``shares``, shape (d, k)."""


class FewShotSupernet(FewShotWeights):
    """A supernet for few-shot tasks: nothing is normalised by what is not in the episode.

    Its sub-networks are those of ``Supernet`` with plain reductions, but the last layer is given
    the map and not its mean: where a stroke is tells characters apart. The map keeps its sign: no
    activation comes between the last normalisation and the last layer.

    Parameters
    ----------
    space : Space
    way : int
        Outputs.
    in_channels, size : int
        Of the images.
    width, cells : int
        As for ``Supernet``.
    fold : int
        Squares of so many pixels a side become one place with as many more channels, which makes
        the network ``fold ** 2`` times cheaper; a divisor of ``size``.
    seed : int, Generator or None

    Raises
    ------
    ParameterError
        If a size is not positive, ``fold`` does not divide ``size``, or the space has no networks.

    Examples
    --------
    >>> from nasurge.data.spaces import make_space
    >>> supernet = FewShotSupernet(make_space("nb201"), way=3, size=8, width=4, seed=0)
    >>> supernet.network([3, 1, 3, 1, 4, 2])(torch.zeros(2, 1, 8, 8)).shape
    torch.Size([2, 3])
    """

    supernet: Supernet

    @checked
    def __init__(
        self,
        space: Space,
        *,
        way: int = 5,
        in_channels: int = 1,
        size: int = 28,
        width: int = 16,
        cells: int = 1,
        fold: int = 2,
        seed: Seed = None,
    ) -> None:
        super().__init__()
        if fold < 1 or size % fold:
            raise ParameterError(f"fold must divide the {size} pixels of the images, not {fold}")
        rng = as_generator(seed)
        self.sizes = {
            "way": way,
            "in_channels": in_channels,
            "size": size,
            "width": width,
            "cells": cells,
            "fold": fold,
        }
        self.supernet = Supernet(
            space,
            classes=way,
            in_channels=in_channels * fold**2,
            width=width,
            cells=cells,
            reduction="plain",
            seed=rng,
        )
        cast(nn.Sequential, self.supernet.layers[-HEAD_LAYERS])[-1] = nn.Identity()
        torch.func.replace_all_batch_norm_modules_(self.supernet)
        self.fold = nn.PixelUnshuffle(fold)
        with torch_seed(rng):
            blank = torch.zeros(2, in_channels, size, size)
            code = uniform_codes(space, 1, rng)[0]
            self._shrink: nn.Module = nn.Identity()
            if nn.Sequential(*self._body(code)[:-1])(blank).shape[-1] > HEAD_SIDE:
                self._shrink = nn.AdaptiveAvgPool2d(HEAD_SIDE)
            self.head = nn.Linear(nn.Sequential(*self._body(code))(blank).shape[1], way)

    def _body(self, code: ArrayLike) -> list[nn.Module]:
        layers = list(self.supernet.share(code))[:-2]
        return [self.fold, *layers, self._shrink, nn.Flatten()]

    def network(self, code: ArrayLike) -> nn.Sequential:
        """Network of one encoding; its weights are the supernet's own."""
        return nn.Sequential(*self._body(code), self.head)

    def mixture(self, x: Tensor, shares: Tensor) -> Tensor:
        """Logits of all operations at once, weighted by ``shares``, shape (d, k)."""
        x = self.supernet(self.fold(x), mixture=shares, layers=slice(0, -2))
        logits: Tensor = self.head(self._shrink(x).flatten(1))
        return logits
