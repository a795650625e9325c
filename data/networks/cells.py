"""Architectures as PyTorch networks, and what a network costs; cells in the skeleton of NB201."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from ...errors import ParameterError
from ..arguments import checked

if TYPE_CHECKING:  # spaces ask for their networks, so that networks import no space
    from ..spaces import CellSpace, Space

STAGES = 3


class ReLUConvBN(nn.Sequential):
    """ReLU, convolution without bias, batch normalisation: a convolution of the benchmarks."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, affine: bool) -> None:
        super().__init__(
            nn.ReLU(),
            nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False),
            nn.BatchNorm2d(outputs, affine=affine),
        )


def _conv(kernel: int) -> Callable[[int, bool], nn.Module]:
    return lambda width, affine: ReLUConvBN(width, width, kernel, 1, affine)


def _skip(width: int, affine: bool) -> nn.Module:  # noqa: ARG001 - one signature for all
    return nn.Identity()


def _pool(width: int, affine: bool) -> nn.Module:  # noqa: ARG001 - one signature for all
    return nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)


OPERATIONS: dict[str, Callable[[int, bool], nn.Module]] = {
    "skip_connect": _skip,
    "skip": _skip,
    "nor_conv_1x1": _conv(1),
    "conv1x1": _conv(1),
    "nor_conv_3x3": _conv(3),
    "conv3x3": _conv(3),
    "avg_pool_3x3": _pool,
}
"""Maker of each operation that computes something, from its width and ``affine``."""


class LiveCell(nn.Module):
    """The operations on the live edges of a cell; every node sums what its edges bring.

    Parameters
    ----------
    edges : dict of str to Module
        Operations by edge, ``SOURCE-TARGET``.
    sources : sequence of sequence of (int, str)
        Of every node, the nodes and edges that reach it. A last node that nothing reaches is zero.
    """

    def __init__(
        self, edges: dict[str, nn.Module], sources: Sequence[Sequence[tuple[int, str]]]
    ) -> None:
        super().__init__()
        self.edges = nn.ModuleDict(edges)
        self.sources = sources

    def forward(self, x: Tensor) -> Tensor:
        """Sum at the last node, shape (n, width, height, width) like ``x``."""
        if not self.sources[-1]:
            return torch.zeros_like(x)
        nodes: dict[int, Tensor] = {0: x}
        for target, sources in enumerate(self.sources):
            if sources:
                terms = [self.edges[name](nodes[source]) for source, name in sources]
                nodes[target] = reduce(torch.add, terms)
        return nodes[len(self.sources) - 1]


class Cell(LiveCell):
    """One cell: every node sums what its live edges bring.

    All operations are built, so that parameters count as published; only the edges on a path from
    input to output that no zero operation cuts are computed. A cell without such a path is zero.
    """

    def __init__(self, space: CellSpace, code: ArrayLike, width: int, *, affine: bool) -> None:
        row = np.asarray(code)[None]
        alive = space.graphs(row).mask[0, 2:]
        edges: dict[str, nn.Module] = {}
        sources: list[list[tuple[int, str]]] = [[] for _ in range(space.n_nodes)]
        for (source, target), value, live in zip(space.edges, row[0], alive, strict=True):
            operation = space.operations[value]
            if operation.kind == "zero":
                continue
            name = f"{source}-{target}"
            edges[name] = OPERATIONS[operation.name](width, affine)
            if live:
                sources[target].append((source, name))
        super().__init__(edges, sources)


REDUCTIONS = ("residual", "plain")


class Reduction(nn.Module):
    """Layer between two stages: half the height and width, twice the channels.

    ``residual`` is the published block, two 3x3 convolutions beside a shortcut. ``plain`` is a
    pooling and a 1x1 convolution with normalisation.
    """

    def __init__(self, inputs: int, *, affine: bool, kind: str = "residual") -> None:
        super().__init__()
        # The block comes first: the order in which weights are drawn is part of what a seed means.
        self.block = None
        if kind == "residual":
            self.block = nn.Sequential(
                ReLUConvBN(inputs, 2 * inputs, 3, 2, affine),
                ReLUConvBN(2 * inputs, 2 * inputs, 3, 1, affine),
            )
        self.shortcut = nn.Sequential(
            nn.AvgPool2d(2, stride=2, ceil_mode=True),
            nn.Conv2d(inputs, 2 * inputs, 1, bias=False),
        )
        if kind == "plain":
            self.shortcut.append(nn.BatchNorm2d(2 * inputs, affine=affine))

    def forward(self, x: Tensor) -> Tensor:
        """Sum of both branches, where there are two."""
        result: Tensor = self.shortcut(x)
        return result if self.block is None else self.block(x) + result


def unknown_operations(space: Space) -> list[str]:
    """Names of operations of a space that no cell can be built with."""
    names = {operation.name for operation in space.operations if operation.kind != "zero"}
    return sorted(names - set(OPERATIONS))


@checked
def why_no_network(space: Space) -> str | None:
    """Reason why no networks can be built for a space; None if they can."""
    if space.networks is not None:
        return None
    if ":" in space.name:  # MODULE:NAME
        return (
            f"a table describes the variables of the model {space.name} and holds none of its "
            f"code: name the model itself, as search and validate do with --space {space.name}"
        )
    if space.cell is None:
        return f"networks are built for cells, 'mobile' and 'nb-macro'; {space.name!r} is not one"
    return (
        f"no network for operations {', '.join(unknown_operations(space))} of space "
        f"{space.name!r}; known: {', '.join(OPERATIONS)}"
    )


def cell_layers(
    make: Callable[[int], nn.Module],
    *,
    classes: int,
    in_channels: int,
    width: int,
    cells: int,
    affine: bool,
    reduction: str,
) -> list[nn.Module]:
    """Layers of the skeleton, with what ``make`` gives for the width of each cell."""
    layers: list[nn.Module] = [
        nn.Sequential(
            nn.Conv2d(in_channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)
        )
    ]
    for stage in range(STAGES):
        if stage:
            layers.append(Reduction(width, affine=affine, kind=reduction))
            width *= 2
        layers += [make(width) for _ in range(cells)]
    return [
        *layers,
        nn.Sequential(nn.BatchNorm2d(width), nn.ReLU()),
        nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()),
        nn.Linear(width, classes),
    ]


class CellNetworks:
    """Maker of the networks of a space of cells, in the skeleton of NAS-Bench-201.

    Parameters
    ----------
    space : CellSpace
    """

    def __init__(self, space: CellSpace) -> None:
        self.space = space

    def __call__(
        self,
        code: ArrayLike,
        *,
        affine: bool,
        **skeleton: Any,
    ) -> nn.Sequential:
        """Network of one architecture; for the arguments see ``build_network``."""

        def cell(width: int) -> Cell:
            return Cell(self.space, code, width, affine=affine)

        return nn.Sequential(*cell_layers(cell, affine=affine, **skeleton))


def check_sizes(**sizes: int) -> None:
    """Refuse a size of a network that is not positive.

    Raises
    ------
    ParameterError
        Naming it.
    """
    for name, value in sizes.items():
        if value < 1:
            raise ParameterError(f"{name} must be at least 1, not {value}")


def check_reduction(kind: str) -> None:
    """Refuse an unknown kind of reduction.

    Raises
    ------
    ParameterError
        If it is none of ``REDUCTIONS``.
    """
    if kind not in REDUCTIONS:
        raise ParameterError(f"reduction must be one of {', '.join(REDUCTIONS)}, not {kind!r}")


@checked
def build_network(
    space: Space,
    code: ArrayLike,
    *,
    classes: int,
    in_channels: int = 3,
    width: int = 16,
    cells: int = 5,
    affine: bool = True,
    reduction: str = "residual",
) -> nn.Module:
    """PyTorch network of one architecture, of a cell space, ``mobile`` or a plug-in's space.

    Cells stand in the macro skeleton that NAS-Bench-201 trains: a 3x3 convolution to ``width``
    channels; three stages of ``cells`` equal cells with ``width``, twice and four times as many
    channels, a residual reduction between two stages; batch normalisation, ReLU, global average
    pooling and a linear layer. Convolutions are ReLU-convolution-normalisation. The defaults are
    the published network, and have the published number of parameters: operations on dead edges
    (not on a path from the cell's input to its output that no zero cuts) are built. They are not
    computed, so their weights stay as they were initialised. The benchmark's own code also
    computes convolutions of an all-zero node, whose output is then the bias of the normalisation;
    here, as in the benchmark's own notion of equal cells, such an edge contributes nothing.

    Cells of TransNAS-Bench-101 (micro) are put in this same skeleton, which is not the one they
    were published with.

    A network of ``mobile`` is a 3x3 convolution to ``width`` channels, the eight layers, a 1x1
    convolution to eight times ``width``, global average pooling and a linear layer.

    Parameters
    ----------
    space : Space
        One with ``networks``: cells, ``mobile``, or a plug-in's.
    code : array_like of int, shape (d,)
        One architecture.
    classes : int
        Number of outputs.
    in_channels : int
        Channels of the images.
    width : int
        Channels of the first stage.
    cells : int
        Cells per stage; ``mobile`` has none, its networks do not depend on it.
    affine : bool
        Whether batch normalisation learns scale and shift.
    reduction : {"residual", "plain"}
        Between two stages: the published residual block, or a pooling and a 1x1 convolution. With
        few cells a stage the residual blocks do most of the work whatever the cell is; plain ones
        leave it to the cells, as many cells do. ``mobile`` has none.

    Returns
    -------
    torch.nn.Module
        From images (n, in_channels, height, width) to logits (n, classes). Weights are drawn from
        torch's global random state: build inside ``nasurge.data.seeds.torch_seed``.

    Raises
    ------
    ParameterError
        If the space has no networks, an operation is unknown, or a size is not positive.
    ArchitectureError
        If ``code`` is not in the space.

    References
    ----------
    X. Dong and Y. Yang. NAS-Bench-201: Extending the scope of reproducible neural architecture
    search. ICLR 2020.

    Examples
    --------
    >>> from nasurge.data.spaces import make_space
    >>> network = build_network(make_space("nb201"), [3, 1, 3, 1, 4, 2], classes=10)
    >>> count_parameters(network)
    587386
    >>> mobile = make_space("mobile")
    >>> count_parameters(build_network(mobile, [1, 0, 2, 0, 1, 2, 0, 0], classes=10))
    51434
    """
    build = space.networks
    if build is None:
        raise ParameterError(why_no_network(space))
    row = space.check(np.asarray(code)[None])[0]
    check_sizes(classes=classes, in_channels=in_channels, width=width, cells=cells)
    check_reduction(reduction)
    return build(
        row,
        classes=classes,
        in_channels=in_channels,
        width=width,
        cells=cells,
        affine=affine,
        reduction=reduction,
    )


@checked
def count_parameters(network: nn.Module) -> int:
    """Number of learnable weights.

    Examples
    --------
    >>> count_parameters(nn.Linear(3, 2))
    8
    """
    return sum(parameter.numel() for parameter in network.parameters())


def _flops(module: nn.Module, x: Tensor, result: Tensor) -> int:
    """Operations of one layer on one image."""
    if isinstance(module, nn.Conv2d):
        window = int(np.prod(module.kernel_size)) * module.in_channels // module.groups
        return window * result[0].numel()
    if isinstance(module, nn.Linear):
        return module.in_features * result[0].numel()
    if isinstance(module, nn.BatchNorm2d):
        return 2 * result[0].numel()
    if isinstance(module, nn.ReLU | nn.ReLU6):
        return result[0].numel()
    if isinstance(module, nn.AvgPool2d):
        return int(module.kernel_size) ** 2 * result[0].numel()  # type: ignore[arg-type]
    if isinstance(module, nn.AdaptiveAvgPool2d):
        return x[0].numel()
    return 0


@checked
def count_flops(network: nn.Module, input_shape: tuple[int, int, int]) -> int:
    """Floating-point operations of one image in forward direction.

    Counted: a multiply-add of a convolution or linear layer as 1, batch normalisation as 2 per
    value, ReLU as 1 per value, average pooling as 1 per value of its window. Sums of edges are
    not counted. Only what is computed counts, so dead edges cost nothing.

    With the default skeleton and (3, 32, 32) this is the count of the published table of
    NAS-Bench-201 (``flops_M``) for cells without dead edges, except for 0.0011 MFLOPs that the
    table has more for every cell.

    Parameters
    ----------
    network : torch.nn.Module
        Left as it was, in training or evaluation mode and with its statistics.
    input_shape : tuple of int
        (channels, height, width) of an image.

    Examples
    --------
    >>> count_flops(nn.Conv2d(3, 4, 3, padding=1), (3, 8, 8))
    6912
    """
    total = 0

    def add(module: nn.Module, inputs: tuple[Any, ...], result: Any) -> None:
        nonlocal total
        total += _flops(module, inputs[0], result)

    layers = [module for module in network.modules() if not list(module.children())]
    hooks = [layer.register_forward_hook(add) for layer in layers]
    modes = [(module, module.training) for module in network.modules()]
    where = next(network.parameters()).device
    try:
        network.eval()
        with torch.no_grad():
            network(torch.zeros(1, *input_shape, device=where))
    finally:
        for hook in hooks:
            hook.remove()
        for module, training in modes:
            module.training = training
    return total
