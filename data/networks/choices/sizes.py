"""How much each value of a decision computes: which architecture is the largest."""

from __future__ import annotations

from torch import nn

from .exploring import deciding_modules
from .modules import Choice, Deciding, Inputs


def value_sizes(model: nn.Module) -> dict[str, list[float]]:
    """How much each value of each decision of a model computes, by the names of decisions.

    Of options the number of their parameters, of inputs how many they are, of ordered numbers
    their rank. Values of different decisions do not compare.

    Parameters
    ----------
    model : Module
        One whose decisions have names.

    Examples
    --------
    >>> from nasurge.data.networks.choices import space_of
    >>> net = nn.Sequential(Choice(skip=nn.Identity(), linear=nn.Linear(4, 4), name="op"))
    >>> value_sizes(space_of(net).model)
    {'op': [0.0, 20.5]}
    """
    found: dict[str, list[float]] = {}
    for _, module in deciding_modules(model):
        for decisions in module.decisions.values():
            for decision in decisions:
                own = range(len(decision.values)) if decision.ordered else _of_values(module)
                before = found.get(decision.name, [0.0] * len(decision.values))
                found[decision.name] = [a + b for a, b in zip(before, own, strict=True)]
    return found


def _of_values(module: Deciding) -> list[float]:
    """How much each value of a decision that is no number computes."""
    if isinstance(module, Inputs):
        return [float(len(subset)) for subset in module.subsets]
    if isinstance(module, Choice):
        # Of options without parameters, one that only passes on is smaller than a pooling.
        return [
            sum(p.numel() for p in option.parameters()) + 0.5 * (type(option) is not nn.Identity)
            for option in module.options
        ]
    return [0.0] * len(module.decisions)
