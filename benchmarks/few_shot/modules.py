"""Models with choices for few-shot tasks: what stands before the last layer is the embedding."""

from __future__ import annotations

from typing import Any, cast

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn
from torch.func import functional_call

from ...data.arguments import checked
from ...data.networks.choices import Deciding, ModuleSpace, follow, named_failures, select
from ...data.seeds import Seed, as_generator, torch_seed
from ...data.spaces import Space
from ...errors import ParameterError
from ..supernet import ModuleSupernet
from .supernet import FewShotSupernet, FewShotWeights

_TRIED = 8  # architectures by which the last layer is told


class FewShotModel(FewShotWeights):
    """Supernet of a model for few-shot tasks: nothing is normalised by what is not in the episode.

    The model's last layer, if it is a ``torch.nn.Linear``, gives way to one for the classes of an
    episode; of another model what it gives is the embedding. Batch normalisation has no running
    statistics, and nothing is dropped out.

    Parameters
    ----------
    space : ModuleSpace
        Of a model from images of this size to logits.
    way : int
        Outputs.
    in_channels, size : int
        Of the images.
    seed : int, Generator or None

    Raises
    ------
    ParameterError
        If a size is not positive, or the model takes other images or gives no logits.
    SchemaError
        If an operation cannot be computed for several episodes at once, naming the module.

    Examples
    --------
    >>> from nasurge.nn import Choice, space_of
    >>> space = space_of(nn.Sequential(
    ...     nn.Conv2d(1, 4, 3, padding=1),
    ...     Choice(skip=nn.Identity(), conv=nn.Conv2d(4, 4, 3, padding=1)),
    ...     nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, 10),
    ... ), example=torch.zeros(2, 1, 8, 8))
    >>> supernet = FewShotModel(space, way=3, size=8, seed=0)
    >>> supernet.network([1])(torch.zeros(2, 1, 8, 8)).shape
    torch.Size([2, 3])
    """

    supernet: ModuleSupernet

    @checked
    def __init__(
        self,
        space: ModuleSpace,
        *,
        way: int = 5,
        in_channels: int = 1,
        size: int = 28,
        seed: Seed = None,
    ) -> None:
        super().__init__()
        if space.image_shape != (in_channels, size, size):
            shown = "x".join(map(str, space.image_shape or ()))
            raise ParameterError(
                f"{space.name} is made for {f'images of {shown}' if shown else 'other input'}, "
                f"these have {in_channels}x{size}x{size} (channels, height, width): give its "
                "space such an example="
            )
        rng = as_generator(seed)
        self.supernet = ModuleSupernet(space, seed=rng)
        self.sizes = {
            "way": way,
            "in_channels": in_channels,
            "size": size,
            "weights": self.supernet.sizes["weights"],
        }
        self._used: dict[bytes, list[str]] = {}
        self._blank = (2, in_channels, size, size)
        codes = space.sample(_TRIED, seed=0)
        last = _last_layer(self.supernet, codes, torch.zeros(self._blank))
        if last:
            parent, _, name = last.rpartition(".")
            setattr(self.supernet.model.get_submodule(parent), name, nn.Identity())
        torch.func.replace_all_batch_norm_modules_(self.supernet)
        self.eval()
        widths = [self._path(code)(torch.zeros(self._blank)).shape[1] for code in codes]
        with torch_seed(rng):
            head = nn.Sequential(nn.Linear(max(widths), way))
        follow(head)  # embeddings of several widths
        self.head = cast(nn.Linear, head[0])
        with named_failures(self.supernet.model):
            torch.vmap(self.network(codes[0]))(torch.zeros(1, *self._blank))

    def _path(self, code: ArrayLike) -> _Path:
        selection = self.space.selection(code)  # type: ignore[attr-defined]
        key = bytes(selection.values())
        model = self.supernet.model
        weights = dict(model.named_parameters())
        if key not in self._used:
            select(model, selection)
            with torch.enable_grad():
                total = model(torch.zeros(self._blank, device=self.supernet.device)).sum()
            each: Any = [None] * len(weights)
            if total.requires_grad:
                each = torch.autograd.grad(total, list(weights.values()), allow_unused=True)
            used = [name for name, g in zip(weights, each, strict=True) if g is not None]
            self._used[key] = used
        return _Path(model, selection, {name: weights[name] for name in self._used[key]})

    def network(self, code: ArrayLike) -> nn.Sequential:
        """Network of one encoding; its weights are the supernet's own, those that it uses."""
        return nn.Sequential(self._path(code), self.head)

    def mixture(self, x: Tensor, shares: Tensor) -> Tensor:
        """Logits of all options at once, weighted by ``shares``, shape (d, k)."""
        logits: Tensor = self.head(self.supernet(x, mixture=shares))
        return logits


class _Path(nn.Module):
    """What a model computes under a selection; it has the weights that this uses and no others."""

    def __init__(
        self, model: nn.Module, selection: dict[str, int], weights: dict[str, nn.Parameter]
    ) -> None:
        super().__init__()
        self._model, self._selection = (model,), selection  # a tuple: no module of this one
        self._names = list(weights)
        self.weights = nn.ParameterList(weights.values())

    def forward(self, x: Tensor) -> Tensor:
        [model] = self._model
        select(model, self._selection)
        weights = dict(zip(self._names, self.weights, strict=True))
        result: Tensor = functional_call(model, weights, (x,))
        return result


def _last_layer(supernet: ModuleSupernet, codes: Any, x: Tensor) -> str:
    """Path of the linear layer whose output is that of the model, whatever is chosen; "" if none.

    A layer whose own width is chosen is none of these.
    """
    found: set[str] = set()
    given: dict[int, str] = {}
    kept: list[Tensor] = []  # so that no other tensor gets the id of one of them
    handles = []
    for path, module in supernet.model.named_modules():
        if isinstance(module, nn.Linear) and not isinstance(module, Deciding):

            def note(module: Any, args: Any, result: Tensor, path: str = path) -> None:
                del module, args
                given[id(result)] = path
                kept.append(result)

            handles.append(module.register_forward_hook(note))
    with torch.no_grad():
        for code in codes:
            found.add(given.get(id(supernet(x, code)), ""))
    for handle in handles:
        handle.remove()
    return found.pop() if len(found) == 1 else ""


@checked
def make_few_shot_supernet(
    space: Space,
    *,
    way: int = 5,
    in_channels: int = 1,
    size: int = 28,
    width: int = 16,
    fold: int = 2,
    seed: Seed = None,
) -> FewShotWeights:
    """Supernet for few-shot tasks: of cells, of a chain of layers, or of the model that a space is.

    Parameters
    ----------
    space : Space
        One with ``networks``.
    way, in_channels, size, width, fold
        As for ``FewShotSupernet``; a model is as wide as it is, and takes whole images.
    seed : int, Generator or None

    Raises
    ------
    ParameterError, SchemaError
        As ``FewShotSupernet`` and ``FewShotModel``.

    Examples
    --------
    >>> make_few_shot_supernet("nb201", way=3, size=8, width=4, seed=0).sizes["fold"]
    2
    """
    sizes = {"way": way, "in_channels": in_channels, "size": size}
    if space.model is not None:
        return FewShotModel(cast(ModuleSpace, space), **sizes, seed=seed)
    return FewShotSupernet(space, **sizes, width=width, fold=fold, seed=seed)
