"""What a model leaves open: its decisions by name, when each has an effect, how data flows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map

from ....errors import SchemaError
from ..failures import RAISED
from .decisions import Decision
from .elastic import _Convolution
from .modules import Choice, Deciding, Inputs, Repeat
from .slices import FOLLOWING, PLAIN

INPUT, OUTPUT = "input", "output"
Guard = tuple[str, tuple[int, ...]] | None
"""Name of a decision and the values under which something is computed; None for always."""


@dataclass
class Flow:
    """How data flows between the decisions of a model.

    Attributes
    ----------
    order : list of str
        Decisions in the order in which they are met.
    edges : list of (str, str)
        From a decision, or ``"input"``, to another, or ``"output"``.
    opens : list of (str, int, str)
        Decision which inputs, number of its value, and the decision whose output that one takes.
    reached : set of str
        Paths of the modules with decisions that were called.
    whole : bool
        Whether the output was seen to follow from the input.
    looks : bool
        Whether Python looked at values that follow from the input, as ``if x.mean() > 0`` does.
    output : tuple of int
        Shape of the output without the batch; empty where it is no tensor.
    widths : dict
        Channels or features that each layer that follows a width receives where all are largest,
        and how many it has weights for.
    """

    order: list[str] = field(default_factory=list)
    edges: list[tuple[str, str]] = field(default_factory=list)
    opens: list[tuple[str, int, str]] = field(default_factory=list)
    reached: set[str] = field(default_factory=set)
    whole: bool = False
    looks: bool = False
    output: tuple[int, ...] = ()
    widths: dict[str, tuple[int, int]] = field(default_factory=dict)


def deciding_modules(model: nn.Module) -> list[tuple[str, Deciding]]:
    """Modules with decisions and their paths, outer ones first."""
    return [(path, m) for path, m in model.named_modules() if isinstance(m, Deciding)]


def check_registered(model: nn.Module) -> None:
    """Refuse decisions in plain lists, tuples and dicts, which PyTorch does not see.

    Raises
    ------
    SchemaError
        Naming the attribute.
    """
    for path, module in model.named_modules():
        for name, value in vars(module).items():
            if name == "_modules" or not isinstance(value, list | tuple | dict):
                continue
            held = value.values() if isinstance(value, dict) else value
            if any(isinstance(one, nn.Module) and deciding_modules(one) for one in held):
                place, kind = ".".join(filter(None, (path, name))), type(value).__name__
                instead = "ModuleDict" if isinstance(value, dict) else "ModuleList"
                raise SchemaError(
                    f"{place} of {type(model).__name__} is a plain {kind} of modules, which "
                    f"PyTorch does not see: use torch.nn.{instead}"
                )


def name_decisions(model: nn.Module) -> dict[str, Decision]:
    """Decisions of a model by their names, which those without one get from their place.

    Raises
    ------
    SchemaError
        If two of one name have different values, or one is called what the place of another is,
        naming both places.
    """
    known: dict[str, tuple[str, Decision]] = {}
    placed: set[int] = set()
    for path, module in deciding_modules(model):
        for part, decisions in module.decisions.items():
            place = ".".join(filter(None, (path, part))) or type(module).__name__.lower()
            for k, decision in enumerate(decisions):
                if not decision.name:
                    decision.name = place if len(decisions) == 1 else f"{place}.{k}"
                    placed.add(id(decision))
                first, other = known.setdefault(decision.name, (place, decision))
                if other is not decision and {id(other), id(decision)} & placed:
                    raise SchemaError(
                        f"{first} and {place} are two decisions, and both are called "
                        f"{decision.name!r}, one by name= and one by its place in the model: "
                        "choose another name="
                    )
                if (other.values, other.ordered) != (decision.values, decision.ordered):
                    raise SchemaError(
                        f"two decisions are called {decision.name!r} and differ: {first} has "
                        f"{_listed(other)}, {place} has {_listed(decision)}; give them two names, "
                        "or the same options"
                    )
    return {name: decision for name, (_, decision) in known.items()}


def _listed(decision: Decision) -> str:
    return ", ".join(map(str, decision.values))


def field_of(name: str) -> str:
    """What a decision decides, in whichever layer: its name without numbers of layers."""
    kept = [part for part in name.split(".") if not part.isdigit()]
    return ".".join(kept) or re.sub(r"[_-]?\d+$", "", name) or name


def guards(model: nn.Module) -> dict[str, list[Guard]]:
    """Under which values of other decisions each decision is computed: any of these is enough."""
    found: dict[str, list[Guard]] = {}

    def walk(module: nn.Module, guard: Guard) -> None:
        if isinstance(module, Deciding):
            for decisions in module.decisions.values():
                for decision in decisions:
                    found.setdefault(decision.name, []).append(guard)
        if isinstance(module, Choice):
            for k, option in enumerate(module.options):
                walk(option, (module.decision.name, (k,)))
        elif isinstance(module, Repeat):
            [decision] = module.times.decisions
            counts = [module.times.at({decision.name: k}) for k in range(len(decision.values))]
            for i, block in enumerate(module.blocks):
                enough = tuple(k for k, count in enumerate(counts) if count > i)
                walk(block, guard if len(enough) == len(counts) else (decision.name, enough))
        else:
            for child in module.children():
                walk(child, guard)

    walk(model, None)
    return found


def active_of(name: str, alternatives: list[Guard], decisions: dict[str, Decision]) -> Any:
    """Condition of a decision, as ``nasurge.choice(active=...)`` takes it; None for always.

    Raises
    ------
    SchemaError
        If the decision depends on itself.
    """
    merged: dict[str, set[int]] = {}
    if any(guard is not None and guard[0] == name for guard in alternatives):
        raise SchemaError(
            f"decision {name!r} is made inside one of its own options: give it another name"
        )
    for guard in alternatives:
        if guard is None:
            return None
        merged.setdefault(guard[0], set()).update(guard[1])
    found = [
        {owner: [decisions[owner].values[k] for k in sorted(values)]}
        for owner, values in merged.items()
    ]
    return found[0] if len(found) == 1 else found


def in_order(order: list[str], conditions: dict[str, list[Guard]]) -> list[str]:
    """Names, each behind those that it depends on, otherwise as they were.

    Raises
    ------
    SchemaError
        If decisions depend on each other.
    """
    placed: list[str] = []
    waiting = list(order)
    while waiting:
        ready = next(
            (
                name
                for name in waiting
                if all(
                    guard is None or guard[0] in placed or guard[0] == name
                    for guard in conditions.get(name, [])
                )
                or None in conditions.get(name, [])
            ),
            None,
        )
        if ready is None:
            raise SchemaError(
                f"decisions {', '.join(waiting)} depend on each other: each is made inside an "
                "option of another; give them different names"
            )
        placed.append(ready)
        waiting.remove(ready)
    return placed


_LOOKS = {
    *(Tensor.item, Tensor.tolist, Tensor.__bool__, Tensor.__int__, Tensor.__float__),
    Tensor.__index__,
}
"""What gives Python the values of a tensor."""


class _Sources(TorchFunctionMode):
    """Remembers which decisions every tensor follows from."""

    def __init__(self) -> None:
        super().__init__()
        self.looks = False
        self._of: dict[int, frozenset[str]] = {}
        self._kept: list[Tensor] = []  # so that no other tensor gets the id of one of them

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        del types
        result = func(*args, **(kwargs or {}))
        sources = self.of((args, kwargs))
        self.looks |= bool(sources) and func in _LOOKS
        if sources:
            for value in tree_leaves(result):
                self.mark(value, sources)
        return result

    def of(self, values: Any) -> frozenset[str]:
        """Sources of all tensors in some arguments."""
        tensors = [value for value in tree_leaves(values) if isinstance(value, Tensor)]
        return frozenset().union(*(self._of.get(id(value), frozenset()) for value in tensors))

    def mark(self, value: Any, sources: frozenset[str]) -> Any:
        """The value, with sources if it is a tensor."""
        if isinstance(value, Tensor):
            self._of[id(value)] = sources
            self._kept.append(value)
        return value

    def alias(self, values: Any, sources: frozenset[str]) -> Any:
        """Arguments with every tensor behind a new name, which has these sources."""

        def renamed(value: Any) -> Any:
            return self.mark(value.detach(), sources) if isinstance(value, Tensor) else value

        return tree_map(renamed, values)


def explore(model: nn.Module, example: Any) -> Flow:
    """Flow of data in a model whose decisions have names, seen by computing everything once.

    Parameters
    ----------
    model : Module
        Left as it was.
    example : Tensor, or tuple of Tensor
        What it is called with.

    Raises
    ------
    SchemaError
        If it cannot be computed, naming the module that fails.
    """
    flow, sources = Flow(), _Sources()
    inputs = example if isinstance(example, tuple) else (example,)
    with ExitStack() as stack:
        stack.enter_context(evaluating(model))
        stack.enter_context(_exploring(model))
        for path, module in deciding_modules(model):

            def enter(module: nn.Module, args: Any, kwargs: Any, path: str = path) -> Any:
                flow.reached.add(path)
                return _enter(module, (args, kwargs), flow, sources)

            handle = module.register_forward_pre_hook(enter, with_kwargs=True)
            stack.callback(handle.remove)
        for path, module in model.named_modules():
            if type(module) in PLAIN:
                handle = module.register_forward_pre_hook(_width(path, flow))
                stack.callback(handle.remove)
        stack.enter_context(named_failures(model))
        stack.enter_context(sources)
        result = model(*(sources.mark(x.detach().clone(), frozenset([INPUT])) for x in inputs))
    if result is None:
        raise SchemaError(
            f"forward of {type(model).__name__} returns None: let it return what it computes"
        )
    flow.looks, last = sources.looks, sources.of(result)
    flow.whole = bool(last) and all(
        any(target == name for _, target in flow.edges)
        or any(owner == name for owner, _, _ in flow.opens)
        for name in flow.order
    )
    flow.edges += [(name, OUTPUT) for name in sorted(last)]
    flow.output = tuple(result.shape[1:]) if isinstance(result, Tensor) else ()
    return flow


def is_random(model: nn.Module, example: Any) -> bool:
    """Whether a model gives different outputs for one input in evaluation mode."""
    inputs = example if isinstance(example, tuple) else (example,)
    with evaluating(model):
        first, *others = [tree_leaves(model(*inputs)) for _ in range(3)]
    return any(
        isinstance(a, Tensor)
        and (
            a.shape != b.shape
            or not torch.isclose(a, b, rtol=1e-3, atol=1e-5, equal_nan=True).all()
        )
        for other in others
        for a, b in zip(first, other, strict=True)
    )


def _width(path: str, flow: Flow) -> Any:
    """Hook that notes how wide what a following layer receives is."""

    def enter(module: nn.Module, args: Any) -> None:
        following = FOLLOWING[PLAIN[type(module)]]
        if args and isinstance(args[0], Tensor):
            flow.widths[path] = (int(args[0].shape[following.axis]), following.width(module))

    return enter


def check_widths(model: nn.Module, flow: Flow) -> None:
    """Refuse layers that are wider than what ever arrives.

    Such a layer would be cut to what does, and hide that it was written for something else.

    Raises
    ------
    SchemaError
        Naming the layer.
    """
    if any(isinstance(m, Inputs) and m.combine == "cat" for m in model.modules()):
        return  # what is joined may be wider than what was seen
    for path, (received, own) in flow.widths.items():
        kind = type(model.get_submodule(path)).__name__
        if received < own:
            raise SchemaError(
                f"{path} ({kind}) has weights for {own} channels or features, and at most "
                f"{received} arrive: write it for the largest width"
            )


@contextmanager
def _exploring(model: nn.Module) -> Iterator[None]:
    """Modules with decisions compute everything inside the block."""
    modules = [module for _, module in deciding_modules(model)]
    for module in modules:
        module.exploring = True
    try:
        yield
    finally:
        for module in modules:
            module.exploring = False


def _enter(module: nn.Module, args: Any, flow: Flow, sources: _Sources) -> Any:
    """Arguments of a module with decisions, which now follow from these."""
    own: Any = module
    names = [d.name for part in own.decisions.values() for d in part]
    new = [name for name in dict.fromkeys(names) if name not in flow.order]
    flow.order += new
    if isinstance(module, Inputs) and new:
        each = [sources.of(tensor) for tensor in _listed_inputs(args)]
        flow.opens += [
            (new[0], k, source)
            for k, subset in enumerate(module.subsets)
            for source in sorted(frozenset().union(*(each[i] for i in subset)))
        ]
        return sources.alias(args, frozenset(new))
    before = sources.of(args)
    for name in new:
        flow.edges += [(source, name) for source in sorted(before)]
        before = frozenset([name])
    return sources.alias(args, before) if new else args


def _listed_inputs(args: Any) -> Any:
    """The list of tensors that Inputs was called with."""
    positional, named = args
    return positional[0] if positional else next(iter(named.values()))


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Model in evaluation mode inside the block, without gradients or a trace in random state."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):  # a forward may draw
            yield
    finally:
        for module, training in modes:
            module.training = training


@contextmanager
def named_failures(model: nn.Module) -> Iterator[None]:
    """Errors of PyTorch inside the block become one that names the module they come from.

    Raises
    ------
    SchemaError
        Instead of an error that its forward raised.
    """
    stack: list[tuple[str, str, Any]] = []
    handles = []
    for path, module in model.named_modules():

        def enter(module: nn.Module, args: Any, path: str = path) -> None:
            shapes = [tuple(x.shape) for x in tree_leaves(args) if isinstance(x, Tensor)]
            stack.append((path, type(module).__name__, shapes))

        def leave(module: nn.Module, args: Any, result: Any) -> None:
            del module, args, result
            stack.pop()

        handles += [module.register_forward_pre_hook(enter), module.register_forward_hook(leave)]
    try:
        yield
    except SchemaError:
        raise
    except RAISED as error:
        path, kind, shapes = stack[-1] if stack else ("", type(model).__name__, [])
        received = f", which received {', '.join(map(str, shapes))}" if shapes else ""
        raise SchemaError(
            f"the model cannot be computed: {path or 'its forward'} ({kind}){_option(model, path)}"
            f"{received}: "
            f"{str(error).splitlines()[0] if str(error) else type(error).__name__}"
        ) from error
    finally:
        for handle in handles:
            handle.remove()


def _option(model: nn.Module, path: str) -> str:
    """Option of the innermost choice that a module is in, in words."""
    said = ""
    for place, module in deciding_modules(model):
        before = f"{place}.options." if place else "options."
        if isinstance(module, Choice) and path.startswith(before):
            number = int(path[len(before) :].partition(".")[0])
            value, name = module.decision.values[number], module.decision.name or place
            said = f" of option {value!r} of {name}"
    return said


def guess_example(model: nn.Module) -> Tensor | None:
    """Input that the first layer with weights could take; None where there is no telling."""
    for module in model.modules():
        layer: Any = module.layer if isinstance(module, _Convolution) else module
        if isinstance(layer, nn.Conv2d):
            return torch.zeros(2, layer.in_channels, 32, 32)
        if isinstance(layer, nn.Conv1d):
            return torch.zeros(2, layer.in_channels, 64)
        if isinstance(layer, nn.Linear):
            return torch.zeros(2, layer.in_features)
        if isinstance(layer, nn.Embedding):
            return None
    return None
