"""Modules that leave something open: one of several, a number of them, which inputs."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from functools import reduce
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx, nn

from ....errors import ParameterError, SchemaError
from ...arguments import brief
from .decisions import Decision, Elastic, Selection, elastic_of

Mixture = Mapping[str, Tensor | Sequence[Tensor | None]]
"""Weights of the values of decisions, by the names of decisions."""

_MOST_INPUTS = 10


class Deciding(nn.Module):
    """Module that leaves decisions open; under no selection it takes its first or largest.

    Attributes
    ----------
    selection : mapping of str to int, or None
        What is chosen, by the name of the decision.
    mixture : mapping of str to Tensor or sequence, or None
        Weights of the values of decisions, shape (k,): those are computed together and added; a
        value whose weight is None is not computed.
    exploring : bool
        Whether every part is computed once, to see where data flows.
    """

    selection: Selection | None = None
    mixture: Mixture | None = None
    exploring: bool = False

    @property
    def decisions(self) -> dict[str, tuple[Decision, ...]]:
        """Decisions by the part they decide, such as ``out_channels``; "" where it is one."""
        raise NotImplementedError

    def plain(self, selection: Selection, memo: dict[int, Any], width: int | None) -> nn.Module:
        """Module of a selection without a decision, its weights copied.

        Parameters
        ----------
        selection : mapping of str to int
        memo : dict
            Of ``copy.deepcopy``, with what stands for the modules inside.
        width : int or None
            Channels or features that it receives, where it follows them.
        """
        raise NotImplementedError

    @property
    def mixable(self) -> bool:
        """Whether its values can be computed together, weighted and added."""
        return False

    def inner(self, selection: Selection | None) -> Sequence[nn.Module]:
        """Modules inside that a selection uses."""
        del selection
        return ()


class Choice(Deciding):
    """One of several modules.

    Parameters
    ----------
    *options : mapping from str to Module
        Modules by name, where names are no identifiers, such as ``{"3x3": ...}``.
    name : str, optional
        Name of the variable; by default the place in the model. Choices of one name, and of the
        same options, are one decision.
    **modules : Module
        Modules by name. A ``torch.nn.Identity`` counts as passing on what it gets.

    Raises
    ------
    ParameterError
        If there are fewer than two, one is no module, or one has no name.

    Examples
    --------
    >>> layer = Choice(skip=nn.Identity(), conv=nn.Conv2d(4, 4, 3, padding=1))
    >>> layer(torch.ones(1, 4, 8, 8)).shape
    torch.Size([1, 4, 8, 8])
    """

    def __init__(
        self,
        *options: Mapping[str, nn.Module],
        name: str = "",
        **modules: nn.Module,
    ) -> None:
        super().__init__()
        nameless = next((one for one in options if not isinstance(one, Mapping)), None)
        if nameless is not None:
            raise ParameterError(
                "options of a Choice have names, which architectures are written with: "
                'Choice(skip=nn.Identity(), conv=...) or Choice({"3x3": ..., "5x5": ...}); '
                f"received {brief(nameless)}"
            )
        given = {**dict(chain.from_iterable(one.items() for one in options)), **modules}
        wrong = next((k for k, v in given.items() if not isinstance(v, nn.Module)), None)
        if wrong is not None:
            raise ParameterError(
                f"option {wrong!r} of a Choice is a torch.nn.Module, received {brief(given[wrong])}"
            )
        if len(given) < 2:
            raise ParameterError(
                "a Choice has two options or more, such as Choice(skip=nn.Identity(), "
                f"conv=nn.Conv2d(16, 16, 3, padding=1)); received {len(given)}"
            )
        skip = tuple(k for k, v in given.items() if type(v) is nn.Identity)
        self.decision = Decision(tuple(given), skip=skip, name=name)
        self.options = nn.ModuleList(given.values())

    @property
    def decisions(self) -> dict[str, tuple[Decision, ...]]:
        """Which option."""
        return {"": (self.decision,)}

    @property
    def mixable(self) -> bool:
        """Options can be computed together."""
        return True

    def inner(self, selection: Selection | None) -> Sequence[nn.Module]:
        """The chosen option."""
        return (self.options[self.decision.chosen(selection)],)

    def forward(self, *inputs: Any, **more: Any) -> Any:
        """Output of the chosen option, or the weighted sum of those of all."""
        if self.exploring:
            return self._all([option(*inputs, **more) for option in self.options])
        weights = (self.mixture or {}).get(self.decision.name)
        if weights is None:
            return self.options[self.decision.chosen(self.selection)](*inputs, **more)
        outputs = [
            weight * option(*inputs, **more)
            for weight, option in zip(weights, self.options, strict=True)
            if weight is not None
        ]
        return reduce(torch.add, outputs)

    def _all(self, outputs: Sequence[Any]) -> Any:
        """Sum of what all options give, which has to be of one shape."""
        if not all(isinstance(output, Tensor) for output in outputs):
            return outputs[0]
        shapes = [tuple(output.shape) for output in outputs]
        for name, shape in zip(self.decision.values, shapes, strict=True):
            if shape != shapes[0]:
                raise SchemaError(
                    f"the options of Choice {self.decision.name!r} give different shapes: "
                    f"{self.decision.values[0]!r} {shapes[0]}, {name!r} {shape}; give all options "
                    "the same channels and stride (a width is chosen with Elastic)"
                )
        return reduce(torch.add, outputs)

    def plain(self, selection: Selection, memo: dict[int, Any], width: int | None) -> nn.Module:
        """The chosen option."""
        del width
        option: nn.Module = deepcopy(self.options[self.decision.chosen(selection)], memo)
        return option


class Repeat(Deciding):
    """The first few of a chain of modules: depth.

    Parameters
    ----------
    blocks : sequence of Module, or callable
        The modules; or what makes the module of a place, from 0.
    times : sequence of int, or Elastic, optional
        Possible numbers of modules, 0 included; by default from 1 to all. An ``Elastic`` that is
        shared makes several repeats equally deep.
    name : str, optional
        Name of the variable; by default the place in the model.

    Raises
    ------
    ParameterError
        If there are fewer than two different numbers, or more than there are modules.

    Examples
    --------
    >>> stage = Repeat(lambda i: nn.Linear(4, 4), times=(1, 2, 4))
    >>> stage(torch.ones(2, 4)).shape
    torch.Size([2, 4])
    """

    def __init__(
        self,
        blocks: Iterable[nn.Module] | Callable[[int], nn.Module],
        times: Iterable[int] | Elastic | None = None,
        *,
        name: str = "",
    ) -> None:
        super().__init__()
        made = list(_made(blocks, times)) if callable(blocks) else list(blocks)
        if times is None:
            times = range(1, len(made) + 1)
        if isinstance(times, Elastic):
            if len(times.decisions) > 1:
                raise ParameterError(f"times of a Repeat follows from one decision, not {times!r}")
            self.times = times
        else:
            values = sorted({int(n) for n in times})
            if len(values) < 2 or values[0] < 0:
                raise ParameterError(
                    "a Repeat has two or more different numbers of modules, such as times=(2, 3, "
                    f"4); received {', '.join(map(str, values)) or 'none'}"
                )
            self.times = _depths(values, name)
        wrong = next((block for block in made if not isinstance(block, nn.Module)), None)
        if wrong is not None:
            raise ParameterError(f"a Repeat is of torch.nn.Modules, received {brief(wrong)}")
        if self.times.largest > len(made):
            raise ParameterError(
                f"{len(made)} modules cannot be repeated {self.times.largest} times: give as many "
                "modules as the largest of times"
            )
        self.blocks = nn.ModuleList(made[: self.times.largest])

    @property
    def decisions(self) -> dict[str, tuple[Decision, ...]]:
        """How many."""
        return {"": self.times.decisions}

    def inner(self, selection: Selection | None) -> Sequence[nn.Module]:
        """The modules that are computed."""
        return tuple(self.blocks[: self.times.at(selection)])

    def forward(self, x: Any) -> Any:
        """Output of the last module that is computed; each gets what the one before gives."""
        for block in self.blocks[: self.times.at(self.selection)]:
            x = block(x)
        return x

    def plain(self, selection: Selection, memo: dict[int, Any], width: int | None) -> nn.Module:
        """Sequence of the modules that are computed."""
        del width
        blocks = self.blocks[: self.times.at(selection)]
        return nn.Sequential(*(deepcopy(block, memo) for block in blocks))


def _made(blocks: Any, times: Any) -> Iterable[nn.Module]:
    """Modules of a maker, as many as can be asked for."""
    if times is None:
        raise ParameterError("a Repeat of a maker needs times=, such as times=(2, 3, 4)")
    most = times.largest if isinstance(times, Elastic) else max(times)
    return [blocks(i) for i in range(int(most))]


def _depths(values: Sequence[int], name: str) -> Elastic:
    """Elastic number of which the smallest may be 0."""
    decision = Decision(tuple(values), ordered=True, name=name)
    return elastic_of((decision,), np.array(values))


class Inputs(Deciding):
    """Which of several earlier outputs are used, and their sum, mean or concatenation.

    Called with a list of tensors. Those that are added have one shape.

    Parameters
    ----------
    candidates : int
        Length of the list.
    choose : int or sequence of int
        How many are used; several numbers leave that open, too.
    combine : {"sum", "mean", "cat"}
        ``cat`` joins channels (dimension 1) and takes one number only.
    name : str, optional
        Name of the variable; by default the place in the model.

    Raises
    ------
    ParameterError
        If there is nothing to choose.

    Examples
    --------
    >>> inputs = Inputs(3, choose=2)
    >>> inputs.decision.values
    ('0+1', '0+2', '1+2')
    >>> inputs([torch.ones(2), torch.ones(2), torch.zeros(2)])
    tensor([2., 2.])
    """

    def __init__(
        self,
        candidates: int,
        choose: int | Iterable[int] = 1,
        *,
        combine: str = "sum",
        name: str = "",
    ) -> None:
        super().__init__()
        counts = [choose] if isinstance(choose, int) else sorted(set(choose))
        if combine not in ("sum", "mean", "cat"):
            raise ParameterError(f"combine must be one of sum, mean, cat, not {combine!r}")
        if combine == "cat" and len(counts) > 1:
            raise ParameterError("inputs that are joined are always as many: give one choose=")
        if not 1 <= candidates <= _MOST_INPUTS or not all(1 <= n <= candidates for n in counts):
            raise ParameterError(
                f"choose is from 1 to the number of candidates, which is at most {_MOST_INPUTS}; "
                f"received choose={choose} of {candidates}"
            )
        self.subsets = [
            subset for n in counts for subset in itertools.combinations(range(candidates), n)
        ]
        if len(self.subsets) < 2:
            raise ParameterError(f"choosing {choose} of {candidates} inputs leaves nothing open")
        values = tuple("+".join(map(str, subset)) for subset in self.subsets)
        self.candidates, self.combine = candidates, combine
        self.decision = Decision(values, name=name)

    @property
    def decisions(self) -> dict[str, tuple[Decision, ...]]:
        """Which inputs."""
        return {"": (self.decision,)}

    @property
    def mixable(self) -> bool:
        """Sums of other shares of the inputs."""
        return self.combine != "cat"

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Sum, mean or concatenation of the chosen ones."""
        if len(inputs) != self.candidates:
            raise ParameterError(
                f"Inputs({self.candidates}) chooses among {self.candidates} tensors, received "
                f"{len(inputs)}"
            )
        if self.exploring:
            everything: Tensor = reduce(torch.add, inputs)
            return everything if self.combine != "cat" else self._some(inputs, 0)
        weights = (self.mixture or {}).get(self.decision.name)
        if weights is None:
            return self._some(inputs, self.decision.chosen(self.selection))
        outputs = [w * self._some(inputs, k) for k, w in enumerate(weights) if w is not None]
        mixed: Tensor = reduce(torch.add, outputs)
        return mixed

    def _some(self, inputs: Sequence[Tensor], number: int) -> Tensor:
        parts = [inputs[i] for i in self.subsets[number]]
        if self.combine == "cat":
            return torch.cat(parts, dim=1)
        total: Tensor = reduce(torch.add, parts)
        return total / len(parts) if self.combine == "mean" else total

    def plain(self, selection: Selection, memo: dict[int, Any], width: int | None) -> nn.Module:
        """Module of torch.fx that takes the list and gives the chosen ones combined."""
        del memo, width
        subset = self.subsets[self.decision.chosen(selection)]
        graph = fx.Graph()
        tensors = graph.placeholder("inputs")
        parts = [graph.call_function(operator.getitem, (tensors, i)) for i in subset]
        if self.combine == "cat":
            total = graph.call_function(torch.cat, (parts,), {"dim": 1})
        else:
            total = reduce(lambda a, b: graph.call_function(operator.add, (a, b)), parts)
            if self.combine == "mean":
                total = graph.call_function(operator.truediv, (total, len(parts)))
        graph.output(total)
        return fx.GraphModule(nn.Module(), graph, class_name="Inputs")
