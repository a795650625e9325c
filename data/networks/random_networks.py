"""Features of untrained networks of a cell on random inputs; no labels needed."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...errors import ParameterError
from ..devices import one_thread
from ..encoders import Encoder, Features
from ..spaces import CellShape, Codes, Space
from ..types import Keys
from .ranks import normal_scores, rank_scores

if TYPE_CHECKING:
    import torch

_CHANNELS, _PIXELS, _IMAGES, _STAGES = 8, 4, 16, 2
_CELLS_AT_ONCE = 16
_USUAL = 1000  # cells by whose statistics those of a space that is not listed are ranked
_STATISTICS = ("similarity", "log_volume", "effective_rank", "power", "roughness")


class RandomNetworks(Encoder):
    """Features of how networks of two cells with random weights tell random inputs apart.

    Every cell of the space is run with the same weights on the same 16 random images of 4x4 pixels
    and 8 channels, all functions of the space once per process (a few seconds). After each stage:
    mean cosine similarity of two images' activations, log-determinant of the similarities,
    effective rank of the pooled activations, their power and spatial roughness; over all ReLUs the
    log-determinant of the agreement of their signs (NWOT). Each is turned into normal scores over
    the functions of the space.

    Parameters
    ----------
    space : Space
        One of cells.

    Raises
    ------
    ParameterError
        By ``transform``, if the space is not one of cells.

    References
    ----------
    J. Mellor et al. Neural architecture search without training. ICML 2021.

    Examples
    --------
    >>> from nasurge.data.spaces import make_space
    >>> space = make_space("transnas-micro")
    >>> RandomNetworks(space).fit_transform(space.sample(3, seed=0)).shape
    (3, 11)
    """

    def _names(self) -> list[str]:
        stages = [f"{what}_{stage}" for stage in range(_STAGES) for what in _STATISTICS]
        return [*stages, "nwot"]

    def transform(self, codes: ArrayLike) -> Features:
        """Features of each architecture, shape (n, 11)."""
        self._check()
        canonical = self.space.canonical(codes)
        if not self.space.listed:
            return normal_scores(_statistics_of(self.space, canonical), _usual(self.space))
        known, values = _whole_space(self.space)
        return np.asarray(values[np.searchsorted(known, self.space.keys(canonical))])


@cache
def _whole_space(space: Space) -> tuple[Keys, Features]:
    """Identity of every function's representative, ascending, and its features, shape (m, 11)."""
    known = np.unique(space.keys(space.canonical(space.all_codes())))
    return known, rank_scores(_statistics_of(space, space.from_keys(known)), axis=0)


@cache
def _usual(space: Space) -> Features:
    """Statistics of a sample of a space that is not listed, shape (m, 11)."""
    return _statistics_of(space, space.canonical(space.sample(_USUAL, seed=0)))


def _statistics_of(space: Space, codes: Codes) -> Features:
    """Statistics of canonical cells, shape (n, 11)."""
    import torch

    cell = space.cell
    if cell is None:
        raise ParameterError(
            f"random networks are made of cells; space {space.name!r} has none, take other features"
        )
    with torch.no_grad(), one_thread():
        weights = _Weights(space)
        parts = [
            _run(space, cell, weights, codes[first : first + _CELLS_AT_ONCE])
            for first in range(0, len(codes), _CELLS_AT_ONCE)
        ]
    # Rounded, so that what is equal but for rounding stays tied.
    return np.asarray(np.round(torch.cat(parts).numpy().astype(np.float64), 4))


class _Weights:
    """Inputs and weights shared by all cells."""

    def __init__(self, space: Space) -> None:
        import torch

        self.generator = torch.Generator().manual_seed(0)
        noise = torch.randn(_IMAGES, 3, _PIXELS, _PIXELS, generator=self.generator)
        blurred = torch.nn.functional.avg_pool2d(noise, 3, 1, 1, count_include_pad=False)
        self.images = blurred + 0.3 * noise
        self.stem = self._draw(3, 3)
        self.reductions = [self._draw(_CHANNELS, 3) for _ in range(_STAGES)]
        self.edges = {
            (stage, edge, k): self._draw(_CHANNELS, 1 if "1x1" in operation.name else 3)
            for stage in range(_STAGES)
            for edge in range(space.n_variables)
            for k, operation in enumerate(space.operations)
            if operation.kind == "conv"
        }

    def _draw(self, channels: int, size: int) -> torch.Tensor:
        import torch

        shape = (_CHANNELS, channels, size, size)
        # He's gain: the power of activations stays the same from layer to layer.
        gain = (2 / (channels * size**2)) ** 0.5
        drawn: torch.Tensor = torch.randn(*shape, generator=self.generator) * gain
        return drawn


def _live(space: Space, codes: Codes) -> NDArray[Any]:
    """Codes in which every operation that is on no live path is the zero, shape (n, d)."""
    keep = space.graphs(codes).mask[:, 2:]
    zero = [operation.kind for operation in space.operations].index("zero")
    return np.where(keep, codes, zero)


def _run(space: Space, cell: CellShape, weights: _Weights, codes: Codes) -> torch.Tensor:
    """Statistics of a few cells, shape (n, 11)."""
    import torch
    from torch.nn import functional as F  # noqa: N812 -- its usual name

    cells, codes = len(codes), _live(space, codes)
    stem = F.conv2d(weights.images, weights.stem, padding=1)
    x = _normalised(stem[None]).expand(cells, *stem.shape)
    agreement = torch.zeros(cells, _IMAGES, _IMAGES)
    found = []
    for stage in range(_STAGES):
        if stage:
            flat = x.reshape(-1, *x.shape[2:])
            halved = F.conv2d(F.relu(flat), weights.reductions[stage], stride=2, padding=1)
            x = _normalised(halved.view(cells, _IMAGES, *halved.shape[1:]))
            x = x + F.avg_pool2d(flat, 2).view_as(x)
        nodes = [x]
        for node in range(1, cell.n_nodes):
            total = torch.zeros_like(x)
            for edge, (source, target) in enumerate(cell.edges):
                if target == node:
                    _add_edge(space, weights, codes, (stage, edge), nodes[source], total, agreement)
            nodes.append(total)
        x = nodes[-1]
        found += _statistics(x)
    # The ridges keep the determinant finite where two images agree in everything.
    found.append(_log_volume(agreement, 1e-3))
    return torch.stack(found, dim=1)


def _add_edge(
    space: Space,
    weights: _Weights,
    codes: NDArray[Any],
    place: tuple[int, int],
    given: torch.Tensor,
    total: torch.Tensor,
    agreement: torch.Tensor,
) -> None:
    """Add to ``total`` what one edge passes on, each cell by its own operation."""
    import torch
    from torch.nn import functional as F  # noqa: N812

    for k, operation in enumerate(space.operations):
        rows = torch.from_numpy(np.flatnonzero(codes[:, place[1]] == k))
        if operation.kind == "zero" or not len(rows):
            continue
        x = given[rows]
        if operation.kind == "conv":
            weight = weights.edges[*place, k]
            signs = (x > 0).float().flatten(2)
            for active in (signs, 1 - signs):
                agreement.index_add_(0, rows, active @ active.transpose(1, 2))
            y = F.conv2d(F.relu(x).flatten(0, 1), weight, padding=weight.shape[-1] // 2)
            x = _normalised(y.view_as(x))
        elif operation.kind == "pool":
            x = F.avg_pool2d(x.flatten(0, 1), 3, 1, 1, count_include_pad=False).view_as(x)
        total.index_add_(0, rows, x)


def _normalised(x: torch.Tensor) -> torch.Tensor:
    """Activations, shape (cells, images, channels, h, w), batch-normalised cell by cell."""
    mean = x.mean(dim=(1, 3, 4), keepdim=True)
    variance = x.var(dim=(1, 3, 4), keepdim=True, unbiased=False)
    return (x - mean) * (variance + 1e-5).rsqrt()


def _log_volume(gram: torch.Tensor, ridge: float) -> torch.Tensor:
    """Log-determinant of each matrix with a ridge, shape (cells,)."""
    import torch

    volume: torch.Tensor = torch.linalg.slogdet(gram + ridge * torch.eye(gram.shape[1]))[1]
    return volume


def _statistics(x: torch.Tensor) -> list[torch.Tensor]:
    """Statistics of the activations after a stage, each shape (cells,)."""
    import torch

    flat = x.flatten(2)
    flat = flat / (flat.norm(dim=2, keepdim=True) + 1e-6)
    similar = flat @ flat.transpose(1, 2)
    others = similar.sum(dim=(1, 2)) - similar.diagonal(dim1=1, dim2=2).sum(dim=1)
    pooled = x.mean(dim=(3, 4))
    values = torch.linalg.svdvals(pooled - pooled.mean(dim=1, keepdim=True))
    shares = values / (values.sum(dim=1, keepdim=True) + 1e-9)
    power = (x**2).mean(dim=(1, 2, 3, 4))
    steps = ((x[..., 1:, :] - x[..., :-1, :]) ** 2).mean(dim=(1, 2, 3, 4))
    return [
        others,
        _log_volume(similar, 1e-2),
        -(shares * torch.log(shares + 1e-9)).sum(dim=1),
        torch.log(power + 1e-6),
        steps / (power + 1e-6),
    ]
