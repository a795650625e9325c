"""The supernet of a PyTorch model with choices: the model itself, told what to compute."""

from __future__ import annotations

import hashlib
from typing import Any, cast

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from ...data.arguments import checked
from ...data.images import Images
from ...data.networks.choices import Deciding, ModuleSpace, evaluating, named_failures, select
from ...data.seeds import Seed, as_generator, torch_seed
from ...data.spaces import Space
from ...errors import ParameterError
from .network import Supernet
from .shared import NO_STAGES, SharedWeights


class ModuleSupernet(SharedWeights):
    """One set of weights for all architectures of a model with choices: the model itself.

    A path computes the chosen options, and of elastic layers the chosen slice of the weights. A
    step changes what the path used; of an elastic layer the momentum moves the other slices too.

    Parameters
    ----------
    space : ModuleSpace
        One of ``space_of``, of a model from images to logits.
    seed : int, Generator or None
        Draws the weights.

    Attributes
    ----------
    model : Module
        Holds the weights. What it computes is what was asked for last.

    Raises
    ------
    ParameterError
        If the model gives anything else than logits, shape (n, classes).

    References
    ----------
    Z. Guo et al. Single path one-shot neural architecture search with uniform sampling. ECCV 2020.
    H. Cai et al. Once-for-all: Train one network and specialize it for efficient deployment.
    ICLR 2020.

    Examples
    --------
    >>> from nasurge.nn import Choice, space_of
    >>> space = space_of(nn.Sequential(
    ...     nn.Conv2d(1, 4, 3, padding=1),
    ...     Choice(skip=nn.Identity(), conv=nn.Conv2d(4, 4, 3, padding=1)),
    ...     nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 10),
    ... ))
    >>> supernet = ModuleSupernet(space, seed=0)
    >>> supernet(torch.ones(2, 1, 8, 8), [1]).shape
    torch.Size([2, 10])
    >>> supernet.extract([0])[1]
    Identity()
    """

    space: ModuleSpace

    @checked
    def __init__(self, space: ModuleSpace, *, seed: Seed = None) -> None:
        super().__init__()
        if len(space.output) != 1:
            shape = ", ".join(map(str, ("n", *space.output)))
            raise ParameterError(
                f"a supernet gives logits, shape (n, classes); {space.name} gives "
                f"{f'shape ({shape})' if space.output else 'no tensor'}"
            )
        self.space = space
        with torch_seed(as_generator(seed)):
            self.model = space.fresh()
        first: Any = (
            space.example_input[0]
            if isinstance(space.example_input, tuple)
            else space.example_input
        )
        weights = ", ".join(f"{k} {tuple(v.shape)}" for k, v in self.model.state_dict().items())
        self.sizes: dict[str, Any] = {
            "classes": space.output[0],
            "in_channels": first.shape[1] if first.ndim > 1 else 0,
            # Another model of the same name has other checkpoints.
            "weights": hashlib.sha256(weights.encode()).hexdigest()[:16],
        }
        self.mixable = space.mixable()

    def forward(
        self,
        x: Tensor,
        code: ArrayLike | None = None,
        *,
        mixture: Tensor | None = None,
        layers: slice | None = None,
    ) -> Tensor:
        """Logits of one sub-network, or of a mixture of all: see ``SharedWeights``.

        With ``code``, the weights of variables that cannot be mixed are left out.
        """
        if code is None and mixture is None:
            raise ParameterError("a supernet computes a path or a mixture: give code= or mixture=")
        if layers is not None:
            raise ParameterError(f"space {self.space.name!r} {NO_STAGES}")
        selection = None if code is None else self.space.selection(code)
        if mixture is None:
            select(self.model, selection)
            logits: Tensor = self.model(x)
            return logits
        if selection is None:
            self.require_mixable()
        weights: dict[str, list[Tensor | None]] = {
            name: list(mixture[i, :k])
            for i, (name, k) in enumerate(
                zip(self.space.variables, self.space.cardinalities, strict=True)
            )
            if self.mixable[name]
        }
        if selection is not None:
            weights = {
                name: [w if k == selection[name] else None for k, w in enumerate(row)]
                for name, row in weights.items()
            }
        select(self.model, selection, weights)
        try:
            logits = self.model(x)
        finally:
            select(self.model, selection)  # a model that holds parts of a graph has no copies
        return logits

    def extract(self, code: ArrayLike) -> nn.Module:
        """Stand-alone network of one architecture, with copies of the weights it uses."""
        return self.space.network(code, weights=self.model)

    @property
    def blocks(self) -> list[slice]:
        """A model has no stages: an error."""
        raise ParameterError(f"space {self.space.name!r} {NO_STAGES}")

    def operations(self) -> list[nn.Module]:
        """Largest modules without a decision inside, those with weights."""

        def parts(module: nn.Module) -> list[nn.Module]:
            if any(isinstance(inner, Deciding) for inner in module.modules()):
                return [part for child in module.children() for part in parts(child)]
            return [module] if any(True for _ in module.parameters()) else []

        return parts(self.model)

    def require_mixable(self) -> None:
        """Refuse a space whose values cannot all be computed together, weighted and added."""
        wrong = [name for name, able in self.mixable.items() if not able]
        if wrong:
            raise ParameterError(
                f"values of variable {wrong[0]!r} of space {self.space.name!r} cannot be mixed: "
                "widths, depths and joined inputs are taken one at a time; leave its decision out "
                "of the model, make it a Choice of whole modules, or search with 'ddpnas', which "
                "mixes nothing, or with a trained supernet"
            )

    def check_images(self, images: Images) -> None:
        """Refuse images that the model does not take, naming the module that fails."""
        super().check_images(images)
        select(self.model, None)
        with evaluating(self.model), named_failures(self.model):
            self.model(torch.tensor(images.train_x[:1], device=self.device))


@checked
def make_supernet(
    space: Space,
    *,
    classes: int,
    in_channels: int = 3,
    width: int = 16,
    cells: int = 5,
    affine: bool = True,
    reduction: str = "residual",
    seed: Seed = None,
) -> SharedWeights:
    """Supernet of a space: of its cells, its chain of layers, or the model that it is.

    Parameters
    ----------
    space : Space
        One with ``networks``.
    classes, in_channels
        Of the images. A model has its own, and they have to agree.
    width, cells, affine, reduction
        As for ``build_network``; a model is as wide and deep as it is.
    seed : int, Generator or None
        Draws the weights.

    Raises
    ------
    ParameterError
        If the space has no networks, a size is not positive, or a model takes other images.

    Examples
    --------
    >>> make_supernet("nb201", classes=10, width=4, cells=1, seed=0).sizes["width"]
    4
    """
    if space.model is not None:
        supernet = ModuleSupernet(cast(ModuleSpace, space), seed=seed)
        supernet.space.networks.check_sizes(classes=classes, in_channels=in_channels)
        return supernet
    return Supernet(
        space,
        classes=classes,
        in_channels=in_channels,
        width=width,
        cells=cells,
        affine=affine,
        reduction=reduction,
        seed=seed,
    )
