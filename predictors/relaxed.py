"""Relaxed architectures: shares of the values of every variable in the place of one value each."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn

from ..data.encoders import number_columns
from ..data.spaces import Codes, Space
from ..data.types import Values
from ..errors import ParameterError

# Ours, by their names in the registry; a plug-in's is told by its ``score_relaxed``.
DIFFERENTIABLE = (
    *("gp-soft", "gin", "gcn", "gat", "gated-gcn", "gates", "flan", "transformer"),
    *("brp-nas", "seminas"),
)


@runtime_checkable
class Differentiable(Protocol):
    """A fitted predictor that scores relaxed architectures, with gradients."""

    def score_relaxed(self, shares: Tensor) -> tuple[Tensor, Tensor]:
        """Scores and standard deviations, each (n,), of relaxed architectures."""


def require_differentiable(predictor: object) -> None:
    """Raise if a predictor has no gradients in the architecture.

    Raises
    ------
    ParameterError
        Naming the predictors that have.
    """
    if not isinstance(predictor, Differentiable):
        raise ParameterError(
            f"{type(predictor).__name__} cannot be climbed by gradients: it has no score_relaxed; "
            f"differentiable predictors: {', '.join(DIFFERENTIABLE)}; any predictor can guide "
            "evolution"
        )


Alternatives = tuple[tuple[tuple[int, int], ...], ...]
"""Of a condition: alternatives of tests, each the variable it is on and its number."""


def _tests(space: Space) -> tuple[list[Alternatives], Values]:
    """Alternatives of every variable's condition, and tests as rows (m, s) of accepted values.

    Tests on one variable are one, so that they do not count as independent.
    """
    starts = np.cumsum((0, *space.cardinalities))
    rows: dict[tuple[int, tuple[int, ...]], int] = {}
    found: list[Alternatives] = []
    for condition in space.conditions or ((),) * space.n_variables:
        kept: list[dict[int, set[int]]] = []
        for tests in condition:
            merged: dict[int, set[int]] = {}
            for parent, accepted in tests:
                merged[parent] = merged.get(parent, set(accepted)) & set(accepted)
            if kept and len(merged) == 1 and merged.keys() == kept[-1].keys():
                parent = next(iter(merged))
                kept[-1][parent] |= merged[parent]
            else:
                kept.append(merged)
        keys = [[(parent, tuple(sorted(v))) for parent, v in tests.items()] for tests in kept]
        found.append(
            tuple(tuple((k[0], rows.setdefault(k, len(rows))) for k in tests) for tests in keys)
        )
    matrix = np.zeros((len(rows), starts[-1]), dtype=np.float32)
    for (parent, accepted), row in rows.items():
        matrix[row, starts[parent] + np.asarray(accepted, dtype=np.int64)] = 1
    return found, matrix


class NodeShares(NamedTuple):
    """Shares of the node types that the nodes of relaxed architectures may have."""

    values: Tensor
    """(n, k) shares."""
    nodes: Tensor
    """(k,) the node of each."""
    types: Tensor
    """(k,) the type that it is a share of."""


class Relaxation(nn.Module):
    """From shares of values to soft graphs, and from logits to shares.

    An architecture of ``d`` variables is relaxed to ``s`` numbers, as many as its variables have
    values in all, in the order of the one-hot code; the shares of a variable sum to 1. The graphs
    are exact where the shares are one-hot, and affine in them where no variable is conditional. The
    shares of a conditional one count as far as it is likely to be active, its alternatives and
    tests taken as independent, and the rest is the operation that stands for absence. A module, so
    that its tensors move between devices.

    Parameters
    ----------
    space : Space

    Raises
    ------
    ParameterError
        If the space has no relaxation.

    Examples
    --------
    >>> from nasurge.data.spaces import make_space
    >>> relaxation = Relaxation(make_space("nb201"))
    >>> shares = relaxation.softmax(torch.zeros(3, relaxation.size))
    >>> nodes, adjacency = relaxation.graphs(shares)
    >>> shares.shape, nodes.shape, adjacency.shape
    (torch.Size([3, 30]), torch.Size([3, 8, 7]), torch.Size([3, 8, 8]))
    """

    there: Tensor
    columns: Tensor
    cells: Tensor
    flows: Tensor
    weighing: Tensor
    opening: Tensor
    opened: Tensor
    fixed: Tensor
    owners: Tensor
    tests: Tensor
    gone: Tensor
    leaving: Tensor

    def __init__(self, space: Space) -> None:
        super().__init__()
        self.space = space
        frame = space.frame
        self._alternatives, tests = _tests(space)
        absent = np.full((0, 2), -1) if frame.absent is None else frame.absent
        leaving = np.flatnonzero(absent[:, 0] >= 0)
        self._shape = frame.flows.shape[1], len(space.node_types)
        cardinalities = np.asarray(space.cardinalities)
        there = np.arange(cardinalities.max()) < cardinalities[:, None]
        columns = np.flatnonzero(frame.places[:, 0] >= 0)
        cells = frame.places[columns] @ np.array([self._shape[1], 1])
        starts = np.cumsum((0, *space.cardinalities))
        weighing = columns[:0]
        if frame.topology is not None:
            weighing = np.arange(starts[frame.topology], starts[frame.topology + 1])
        none = np.empty((0, 3), dtype=np.int64)
        opens = none if frame.opens is None else frame.opens
        fixed = none[:, :2] if frame.fixed is None else frame.fixed
        for name, array in (
            ("there", there),
            ("columns", columns),
            ("cells", cells),
            ("flows", frame.flows.astype(np.float32)),
            ("weighing", weighing),
            ("opening", opens[:, 0]),
            ("opened", opens[:, 1:] @ np.array([self._shape[0], 1])),
            ("fixed", fixed @ np.array([self._shape[1], 1])),
            ("owners", np.repeat(np.arange(len(cardinalities)), cardinalities)),
            ("tests", tests),
            ("gone", absent[leaving] @ np.array([self._shape[1], 1])),
            ("leaving", leaving),
        ):
            self.register_buffer(name, torch.as_tensor(array))

    @property
    def size(self) -> int:
        """Number of shares of an architecture."""
        return sum(self.space.cardinalities)

    def check(self, shares: Tensor) -> None:
        """Raise if these are not shares of this space.

        Raises
        ------
        ParameterError
            If the shape is wrong.
        """
        if shares.ndim != 2 or shares.shape[1] != self.size:
            raise ParameterError(
                f"relaxed architectures of space {self.space.name!r} have shape (n, {self.size}), "
                f"a share for every value of every variable, received {tuple(shares.shape)}"
            )

    def pad_values(self, columns: Tensor, fill: float) -> Tensor:
        """Numbers (n, s) as (n, d, k), with ``fill`` for values that a variable lacks."""
        table = columns.new_full((len(columns), *self.there.shape), fill)
        table[:, self.there] = columns
        return table

    def softmax(self, logits: Tensor, temperature: float = 1.0) -> Tensor:
        """Shares, (n, s), of logits, (n, s)."""
        table = self.pad_values(logits / temperature, -torch.inf)
        return table.softmax(dim=2)[:, self.there]

    def one_hot(self, codes: Codes) -> Tensor:
        """Shares, (n, s), of architectures, (n, d), that are not relaxed."""
        chosen = torch.as_tensor(codes.astype(np.int64), device=self.there.device)
        hot = nn.functional.one_hot(chosen, self.there.shape[1])
        return hot[:, self.there].to(self.flows.dtype)

    def activity(self, shares: Tensor) -> Tensor:
        """Probability that each variable is active, (n, d)."""
        passed = (shares @ self.tests.to(shares.dtype).T).clamp(max=1)  # sums round up
        on = [torch.ones_like(shares[:, 0])] * self.space.n_variables
        known: dict[Alternatives, Tensor] = {}
        for i, alternatives in enumerate(self._alternatives):
            if alternatives and alternatives not in known:
                missed = torch.ones_like(on[0])
                for tests in alternatives:
                    met = torch.ones_like(on[0])
                    for parent, test in tests:
                        met = met * on[parent] * passed[:, test]
                    missed = missed * (1 - met)
                known[alternatives] = 1 - missed
            if alternatives:
                on[i] = known[alternatives]
        return torch.stack(on, dim=1)

    def active_shares(self, shares: Tensor) -> Tensor:
        """Shares (n, s) times the probability that their variable is active, (n, s)."""
        if not any(self._alternatives):
            return shares
        return shares * self.activity(shares)[:, self.owners]

    def _node_parts(self, shares: Tensor) -> tuple[list[Tensor], list[Tensor], Tensor]:
        """Cells of node types that are certain, those of others with their shares, active shares.

        The shares of node types are parts (n, k), the active shares (n, s).
        """
        self.check(shares)
        # The input's type, and the output's.
        ends = self.cells.new_tensor([0, self._shape[1] + 1])
        places, parts = [torch.cat([ends, self.fixed])], []
        values = shares
        if any(self._alternatives):
            activity = self.activity(shares)
            values = shares * activity[:, self.owners]
            places.append(self.gone)
            parts.append(1 - activity[:, self.leaving])
        return [*places, self.cells], [*parts, values[:, self.columns]], values

    def node_shares(self, shares: Tensor) -> NodeShares:
        """What ``graphs`` has as node types, without those that a node cannot have.

        Raises
        ------
        ParameterError
            If the shape of the shares is wrong.
        """
        places, parts, _ = self._node_parts(shares)
        certain = shares.new_ones(len(shares), len(places[0]))
        cells, types = torch.cat(places), self._shape[1]
        values = torch.cat([certain, *parts], dim=1)
        return NodeShares(values, cells // types, cells % types)

    def graphs(self, shares: Tensor) -> tuple[Tensor, Tensor]:
        """Node types (n, v, t) and adjacency (n, v, v).

        Raises
        ------
        ParameterError
            If the shape of the shares is wrong.
        """
        v, t = self._shape
        places, parts, values = self._node_parts(shares)
        nodes = shares.new_zeros(len(shares), v * t)
        nodes[:, places[0]] = 1
        for cells, part in zip(places[1:], parts, strict=True):
            nodes = nodes.index_add(1, cells, part)
        if len(self.weighing):
            adjacency = torch.einsum("nk,kvw->nvw", shares[:, self.weighing], self.flows)
        else:
            adjacency = self.flows.expand(len(shares), v, v)
        if len(self.opening):
            flat = adjacency.reshape(-1, v * v)
            flat = flat.index_add(1, self.opened, values[:, self.opening])
            adjacency = flat.view(-1, v, v)
        return nodes.view(-1, v, t), adjacency


class SoftNumbers(nn.Module):
    """Numbers of relaxed architectures, as ``NumberColumns`` gives those of others.

    Parameters
    ----------
    relaxation : Relaxation
    """

    own: Tensor
    sums: Tensor
    layers: Tensor

    def __init__(self, relaxation: Relaxation) -> None:
        super().__init__()
        space = relaxation.space
        columns = number_columns(space)
        starts = np.cumsum((0, *space.cardinalities))
        self.width = len(columns.names)
        own = np.zeros((starts[-1], columns.n_own), dtype=np.float32)
        at = 0
        for i, table in columns.own:
            own[starts[i] : starts[i + 1], at : at + table.shape[1]] = table
            at += table.shape[1]
        sums = np.zeros((starts[-1], len(columns.layers)), dtype=np.float32)
        layers = np.zeros((space.n_variables, len(columns.layers)), dtype=np.float32)
        for k, variables in enumerate(columns.layers):
            layers[list(variables), k] = 1
            for i in variables:
                sums[starts[i] : starts[i + 1], k] = space.numbers[i]
        for name, array in (("own", own), ("sums", sums), ("layers", layers)):
            self.register_buffer(name, torch.as_tensor(array))

    def forward(self, active_shares: Tensor, activity: Tensor) -> Tensor:
        """Columns (n, f) of shares (n, s) times activity, and activity (n, d)."""
        dtype = active_shares.dtype
        sums = active_shares @ self.sums.to(dtype)
        # No less than one layer: the gradient stays finite where all are absent.
        means = sums / (activity @ self.layers.to(dtype)).clamp(min=1)
        return torch.cat([active_shares @ self.own.to(dtype), sums, means], dim=1)


@cache
def relaxation(space: Space, device: str) -> Relaxation:
    """Relaxation of a space on a device, made once per process."""
    return Relaxation(space).to(device)
