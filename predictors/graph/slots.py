"""What a node says beside its operation where nodes are variables: its place and its number."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ...data.spaces import Codes, Space
from ...data.types import Mask

# Weights of places start this large: ones of .07 and .2 were still too near nothing after a fit.
_START = 0.7


class NodeSlots(nn.Module):
    """Columns of the nodes of a space whose nodes are its variables (``nodes_are_variables``).

    The first is 1, so that places are told apart, the second the number of an ordered variable,
    standardised over its values, and 0 of others. Both are 0 for a variable that is not active, or
    passes on what it gets, and for input and output. They are linear in the shares of the values:
    a relaxed architecture has the expected number.

    Parameters
    ----------
    space : Space
    """

    columns: Tensor
    fields: Tensor

    def __init__(self, space: Space) -> None:
        super().__init__()
        self.space = space
        names = list(dict.fromkeys(space.fields))
        fields = torch.tensor([names.index(field) for field in space.fields])
        self.register_buffer("columns", torch.as_tensor(_value_columns(space)))
        self.register_buffer("fields", fields)

    def of_codes(self, codes: Codes, active: Mask) -> Tensor:
        """Columns (n, v, c) of codes and of which variables are active, (n, d) each."""
        device = self.columns.device
        chosen = torch.as_tensor(codes.astype(np.int64), device=device)
        own = self.columns[torch.arange(len(self.columns), device=device), chosen]
        return _with_ends(own * torch.as_tensor(active, device=device)[:, :, None])

    def of_shares(self, shares: Tensor) -> Tensor:
        """Columns (n, v, c) of shares (n, d, k), of as much as their variables are active."""
        return _with_ends(torch.einsum("ndk,dkc->ndc", shares, self.columns))

    def of_nodes(self, nodes: Tensor) -> Tensor:
        """Columns (n, v, c) of soft node types; values that share a type have their mean."""
        return torch.einsum("nvt,vtc->nvc", nodes, _type_columns(self.space).to(nodes))


@cache
def _value_columns(space: Space) -> NDArray[np.float32]:
    """Columns of each value of each variable, (d, k, c)."""
    columns = np.zeros((space.n_variables, max(space.cardinalities), 2), dtype=np.float32)
    for own, values, skips, numbers in zip(
        columns, space.choices, space.skips, space.numbers, strict=True
    ):
        own[: len(values), 0] = [value not in skips for value in values]
        if numbers is not None and len(values) > 1:
            standardised = (numbers - numbers.mean()) / numbers.std()
            own[: len(values), 1] = standardised * own[: len(values), 0]
    return columns


@cache
def _type_columns(space: Space) -> Tensor:
    """Mean columns of the values of which each type of each node stands, (v, t, c)."""
    columns, (nodes, types) = _value_columns(space), space.frame.places.T
    own = [part[:k] for part, k in zip(columns, space.cardinalities, strict=True)]
    shape = space.n_variables + 2, len(space.node_types), columns.shape[2]
    sums, counts = np.zeros(shape, dtype=np.float32), np.zeros(shape, dtype=np.float32)
    np.add.at(sums, (nodes, types), np.concatenate(own))
    np.add.at(counts, (nodes, types), 1)
    return torch.as_tensor(sums / np.maximum(counts, 1))


def _with_ends(columns: Tensor) -> Tensor:
    """Columns with those of input and output, which are 0, before them."""
    return nn.functional.pad(columns, (0, 0, 2, 0))


class SlotEmbedding(nn.Module):
    """States of nodes from their columns, by weights of the place and of the field it shares.

    Parameters
    ----------
    slots : NodeSlots
    width : int
    """

    fields: Tensor

    def __init__(self, slots: NodeSlots, width: int) -> None:
        super().__init__()
        c, count = slots.columns.shape[2], int(slots.fields.max()) + 1
        self.register_buffer("fields", slots.fields)
        self.of_place = nn.Parameter(torch.empty(len(slots.fields), c, width))
        self.of_field = nn.Parameter(torch.empty(count, c, width))
        for weight in (self.of_place, self.of_field):
            nn.init.uniform_(weight, -_START, _START)

    def forward(self, columns: Tensor) -> Tensor:
        """Node states (n, v, width)."""
        weights = self.of_place + self.of_field[self.fields]
        return _with_ends(torch.einsum("ndc,dcw->ndw", columns[:, 2:], weights))
