"""The search space that a PyTorch model with decisions is."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Sequence
from copy import deepcopy
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from torch import Tensor, nn

from ....errors import ParameterError, SchemaError
from ...arguments import brief, checked
from ...seeds import as_generator, torch_seed
from ...spaces import DescribedSpace
from ...spaces.structure import CostFormula
from ...spaces.variables import Variable
from ...types import Values
from .building import (
    Widths,
    has_slices,
    on_meta,
    plain_network,
    received_widths,
    reset,
)
from .counting import Counts
from .decisions import Decision
from .exploring import (
    Flow,
    active_of,
    check_registered,
    check_widths,
    deciding_modules,
    explore,
    field_of,
    guards,
    guess_example,
    in_order,
    is_random,
    name_decisions,
)
from .slices import FOLLOWING, follow

_PROBES = 16


class ModuleSpace(DescribedSpace):
    """Search space of a PyTorch model that holds choices: made by ``space_of``.

    Its variables are the decisions of the model; those inside an option have an effect only while
    it is chosen. The graph that predictors see is how data flows between the decisions.

    Attributes
    ----------
    model : Module
        Copy of the model, in which decisions have names.
    example_input : Tensor, or tuple of Tensor
        Input of the model, of which the shape counts.
    traced : bool
        Whether the flow of data could be followed; else the decisions are a chain in order.
    looks : bool
        Whether ``forward`` looks at values of its tensors, which may decide what it computes.
    """

    model: nn.Module

    def __init__(
        self,
        model: nn.Module,
        example: Any,
        name: str,
        maker: Callable[[], nn.Module] | None = None,
    ) -> None:
        # What other processes get; the copy below has classes that only live in this one.
        self._given = (model, example, name, maker)
        self.maker, self.example_input = maker, example
        check_registered(model)
        self.model = deepcopy(model)
        self.decisions = name_decisions(self.model)
        if not self.decisions:
            raise SchemaError(
                f"{type(model).__name__} leaves nothing open: put a nasurge.nn.Choice, Repeat, "
                "Inputs or an elastic layer into it"
            )
        if has_slices(self.model):
            follow(self.model)
        flow = explore(self.model, example)
        self._refuse_unreached(flow)
        check_widths(self.model, flow)
        self.traced, self.looks, self.output = flow.whole, flow.looks, flow.output
        conditions = guards(self.model)
        order = in_order(flow.order, conditions)
        super().__init__(
            {key: self._variable(key, conditions) for key in order},
            name=name,
            graph=_graph(flow, self.decisions) if flow.whole else None,
        )
        self._costs: dict[bytes, tuple[float, float]] = {}
        self._probe()

    def _variable(self, key: str, conditions: Any) -> Variable:
        decision = self.decisions[key]
        active = active_of(key, conditions[key], self.decisions)
        return Variable(
            decision.values,
            ordered=decision.ordered,
            skip=decision.skip,
            active=active,
            field=field_of(key),
        )

    def _refuse_unreached(self, flow: Flow) -> None:
        """Refuse decisions that no forward pass makes."""
        for path, module in deciding_modules(self.model):
            if path not in flow.reached and module.decisions:
                raise SchemaError(
                    f"{path} ({type(module).__name__}) is never reached: the model's forward does "
                    "not call it with this input; call it, or remove it from the model"
                )

    def _probe(self) -> None:
        """Refuse a model of which some architecture cannot be computed, or has another output."""
        model, example = self._shapes
        shapes: dict[tuple[int, ...], str] = {}
        for code in self.sample(_PROBES, seed=0):
            name = self.format(code[None])[0]
            try:
                _, result = received_widths(model, self.selection(code), example)
            except SchemaError as error:
                raise SchemaError(f"architecture {name}: {error}") from error
            shapes.setdefault(tuple(result.shape) if isinstance(result, Tensor) else (), name)
        if len(shapes) > 1:
            (one, first), (other, second) = list(shapes.items())[:2]
            raise SchemaError(
                f"architectures have outputs of different shapes: {first} {one}, {second} {other}; "
                "what follows the last choice must bring all to one shape"
            )

    @property
    def image_shape(self) -> tuple[int, int, int] | None:
        """Channels, height and width of the images that it takes; None of another input."""
        if not isinstance(self.example_input, Tensor) or self.example_input.ndim != 4:
            return None
        channels, height, width = self.example_input.shape[1:]
        return channels, height, width

    @property
    def classes(self) -> int | None:
        """Number of its logits; None of a model that gives something else."""
        return self.output[0] if len(self.output) == 1 else None

    def __reduce__(self) -> tuple[Any, ...]:
        return (ModuleSpace, self._given)

    def __hash__(self) -> int:
        return hash((self.name, self.cardinalities))

    def selection(self, code: ArrayLike) -> dict[str, int]:
        """Number of the value of each decision of an architecture, shape (d,), by name.

        Raises
        ------
        ArchitectureError
            If it is not in the space.
        """
        [row] = self.check(np.asarray(code)[None])
        return dict(zip(self.variables, row.tolist(), strict=True))

    @cached_property
    def _shapes(self) -> tuple[nn.Module, Any]:
        """Model and example that have shapes only; the real ones where these cannot do."""
        model, example = on_meta(self.model), _to(self.example_input, "meta")
        try:
            received_widths(model, self.selection(self.sample(1, seed=0)[0]), example)
        except (SchemaError, NotImplementedError):
            return self.model, self.example_input
        return model, example

    @cached_property
    def _counts(self) -> Counts:
        return Counts(*self._shapes)

    def _widths(self, code: ArrayLike) -> Widths:
        model, example = self._shapes
        return received_widths(model, self.selection(code), example)[0]

    @checked
    def network(self, code: ArrayLike, *, weights: nn.Module | None = None) -> nn.Module:
        """Plain PyTorch network of one architecture.

        It holds nothing of NASurge, and only the weights that the architecture uses.

        Parameters
        ----------
        code : array_like of int, shape (d,)
        weights : Module, optional
            A model of this space, such as a supernet's ``model``, whose weights are inherited. By
            default weights are drawn anew, from torch's global random state: by the class or
            function that the space was made of, or else by each layer that can
            (``reset_parameters``; other parameters begin as they are in the model).

        Raises
        ------
        ArchitectureError
            If ``code`` is not in the space.
        ParameterError
            If ``weights`` is no model of this space.
        """
        selection, widths = self.selection(code), self._widths(code)
        if weights is not None:
            return plain_network(self._named(weights), selection, widths)
        return plain_network(self.fresh(), selection, widths, fresh=True)

    def fresh(self) -> nn.Module:
        """Model of this space with new weights, from torch's global random state."""
        if self.maker is None:
            model = deepcopy(self.model)
            reset(model)
            return model
        model = self.maker()
        name_decisions(model)
        if has_slices(model):
            follow(model)
        return model

    def _named(self, model: nn.Module) -> nn.Module:
        """Model of this space whose decisions have names and whose layers follow: a copy, if not.

        Raises
        ------
        ParameterError
            If it is of another space.
        """

        def parts(of: nn.Module) -> dict[str, Any]:
            deciding = {path: type(module).__name__ for path, module in deciding_modules(of)}
            return deciding | {name: tuple(p.shape) for name, p in of.named_parameters()}

        known, found = parts(self.model), parts(model)
        if odd := [name for name in {**known, **found} if known.get(name) != found.get(name)]:
            raise ParameterError(
                f"weights is no model of space {self.name!r}, they differ in {odd[0]!r}: give one "
                "that the space was made of, or a supernet's model"
            )
        names = [
            d.name for _, m in deciding_modules(model) for ds in m.decisions.values() for d in ds
        ]
        plain = has_slices(model) and any(type(m) in FOLLOWING for m in model.modules())
        if all(names) and not plain:
            return model
        model = deepcopy(model)
        name_decisions(model)
        if has_slices(model):
            follow(model)
        return model

    @property
    def networks(self) -> ModuleNetworks:
        """Maker of the PyTorch networks of its architectures."""
        return ModuleNetworks(self)

    @property
    def costs(self) -> CostFormula:
        """Costs of each network, counted on the network itself."""
        return self._counted

    def _counted(self, codes: ArrayLike) -> dict[str, Values]:
        """Costs of each architecture in millions: ``flops``, ``parameters``, (n,) each.

        A multiply-add counts as one operation, as in the published tables: half of what
        ``torch.utils.flop_counter`` says, for one input.
        """
        rows = self.check(codes)
        found = []
        for row in rows:
            key = row.tobytes()
            if key not in self._costs:
                self._costs[key] = self._counts(self.selection(row))
            found.append(self._costs[key])
        flops, parameters = np.array(found, dtype=np.float64).reshape(-1, 2).T / 1e6
        return {"flops": flops, "parameters": parameters}

    def mixable(self) -> dict[str, bool]:
        """Whether the values of each variable can be computed together, weighted and added."""
        able = dict.fromkeys(self.variables, True)
        for _, module in deciding_modules(self.model):
            for decisions in module.decisions.values():
                for decision in decisions:
                    able[decision.name] &= module.mixable
        return able


class ModuleNetworks:
    """Maker of the networks of a model's space.

    Parameters
    ----------
    space : ModuleSpace
    """

    def __init__(self, space: ModuleSpace) -> None:
        self.space = space

    def __call__(
        self, code: ArrayLike, *, classes: int, in_channels: int, **skeleton: Any
    ) -> nn.Module:
        """Network of one architecture with new weights; its sizes are the model's own.

        Raises
        ------
        ParameterError
            As ``check_sizes``.
        """
        del skeleton
        self.check_sizes(classes=classes, in_channels=in_channels)
        return self.space.network(code)

    def check_sizes(self, *, classes: int, in_channels: int) -> None:
        """Refuse images that the model is not made for.

        Raises
        ------
        ParameterError
            If the model takes other channels or gives another number of outputs.
        """
        space = self.space
        first: Any = (
            space.example_input[0]
            if isinstance(space.example_input, tuple)
            else space.example_input
        )
        takes = first.shape[1] if first.ndim > 1 else 0
        if takes != in_channels:
            raise ParameterError(
                f"{space.name} takes {takes} channels, these images have {in_channels}: make the "
                "model for them"
            )
        if space.output != (classes,):
            shape = ", ".join(map(str, space.output))
            gives = f"outputs of shape ({shape})" if space.output else "no single tensor"
            raise ParameterError(
                f"{space.name} gives {gives}, these images have {classes} classes: make the model "
                "for them, with a number (logit) for each class"
            )


def _to(example: Any, device: str) -> Any:
    """Example on a device."""
    if isinstance(example, tuple):
        return tuple(_to(x, device) for x in example)
    return example.to(device)


def _graph(flow: Flow, decisions: dict[str, Decision]) -> dict[str, Any]:
    """Graph of a described space, from the flow of data."""
    opens = [[name, decisions[name].values[k], source] for name, k, source in flow.opens]
    edges = [list(edge) for edge in dict.fromkeys(flow.edges)]
    return {"edges": edges, **({"opens": opens} if opens else {})}


def _check_callable(maker: Callable[..., nn.Module]) -> None:
    """Refuse a class or function that cannot be called without arguments.

    Raises
    ------
    ParameterError
    """
    try:
        inspect.signature(maker).bind()
    except TypeError as error:
        name = getattr(maker, "__name__", type(maker).__name__)
        raise ParameterError(
            f"{name} is called without arguments, each time a network gets fresh weights, and it "
            f"has a {error}: give a function such as lambda: {name}(...)"
        ) from None
    except ValueError:  # nothing is known of its arguments
        return


@checked
def space_of(
    model: nn.Module | Callable[[], nn.Module],
    *,
    example: Tensor | Sequence[Tensor] | None = None,
    name: str | None = None,
) -> ModuleSpace:
    """Search space that a PyTorch model with choices inside is.

    The model is run once with everything computed, to see which decisions there are and how data
    flows between them, and for some architectures, to see that they work. It is left as it was.

    Parameters
    ----------
    model : Module, or callable
        A module that holds ``Choice``, ``Repeat``, ``Inputs`` or elastic layers; or the class or
        function that makes one, from which networks get fresh weights as it draws them.
    example : Tensor or sequence of Tensor, optional
        Input of the model: a batch of two or more. By default zeros that its first layer takes:
        images of 32 x 32 for a two-dimensional convolution.
    name : str, optional
        Name of the space; by default the class of the model.

    Raises
    ------
    SchemaError
        If nothing is open, options give different shapes, a decision is never reached or stands in
        a plain list, two of one name differ, or some architecture cannot be computed: naming the
        module.
    ParameterError
        If there is no telling what the model takes.

    Examples
    --------
    >>> from nasurge.data.networks import choices
    >>> net = nn.Sequential(
    ...     nn.Conv2d(3, 8, 3, padding=1),
    ...     choices.Choice(skip=nn.Identity(), conv=nn.Conv2d(8, 8, 3, padding=1)),
    ...     nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10),
    ... )
    >>> space = space_of(net)
    >>> space.variables, space.choices
    (('1',), (('skip', 'conv'),))
    >>> space.network([1])[1]
    Conv2d(8, 8, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))
    """
    maker = None if isinstance(model, nn.Module) else model
    if maker is not None:
        _check_callable(maker)
        with torch_seed(as_generator(0)):
            model = maker()
        if not isinstance(model, nn.Module):
            raise ParameterError(
                f"a space is made of a torch.nn.Module or of what makes one; it made {brief(model)}"
            )
    made: Any = model
    if example is None:
        example = guess_example(made)
    elif not isinstance(example, Tensor):
        example = tuple(example)
    if example is None:
        raise ParameterError(
            f"there is no telling what {type(model).__name__} takes: give example=, a tensor such "
            "as torch.zeros(2, 3, 32, 32)"
        )
    space = ModuleSpace(made, example, name or type(model).__name__, maker)
    if not space.traced:
        warnings.warn(
            f"the flow of data in {space.name} could not be followed (does it leave PyTorch?): its "
            "decisions are taken as a chain in their order",
            stacklevel=3,
        )
    if space.looks:
        warnings.warn(
            f"forward of {space.name} looks at values of its tensors (such as in `if x.mean() > "
            "0:`): its FLOPs, and the flow of data that predictors see, are those of the example",
            stacklevel=3,
        )
    if is_random(space.model, space.example_input):
        warnings.warn(
            f"{space.name} gives different outputs for one input in evaluation mode: what it draws "
            "at random makes accuracies, and perhaps FLOPs, those of one draw",
            stacklevel=3,
        )
    return space
