"""Graph neural networks on PyTorch Geometric."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
import torch
from torch import Tensor, nn
from torch_geometric.nn import DenseGCNConv, DenseGINConv

from ..data.seeds import Seed
from ..data.spaces import Codes, Space
from .base import Scores
from .neural_base import NeuralPredictor


class _TwoWay(nn.Module):
    """A layer that sends messages along the data flow and against it, with separate weights."""

    def __init__(self, along: nn.Module, against: nn.Module, width: int) -> None:
        super().__init__()
        self.along, self.against = along, against
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, adjacency: Tensor, mask: Tensor) -> Tensor:
        """Return node states (n, v, width)."""
        # The dense layers of PyTorch Geometric sum over the columns of a node's row.
        messages = self.along(x, adjacency.transpose(1, 2), mask)
        messages = messages + self.against(x, adjacency, mask)
        return x + torch.relu(self.norm(messages))


class _Network(nn.Module):
    """Node types embedded, two-way layers, mean and output node read out by a perceptron."""

    def __init__(self, types: int, layers: list[_TwoWay], width: int, dropout: float) -> None:
        super().__init__()
        self.embedding = nn.Linear(types, width, bias=False)
        self.layers = nn.ModuleList(layers)
        self.head = nn.Sequential(
            nn.Dropout(dropout), nn.Linear(2 * width, width), nn.ReLU(), nn.Linear(width, 1)
        )

    def forward(self, nodes: Tensor, adjacency: Tensor, mask: Tensor) -> Tensor:
        """Return the scores, shape (1, n), of soft node types (n, v, t) and flows (n, v, v)."""
        keep = mask.unsqueeze(-1)
        x = self.embedding(nodes) * keep
        for layer in self.layers:
            x = layer(x, adjacency, mask) * keep
        readout = torch.cat([x.sum(dim=1) / keep.sum(dim=1), x[:, 1]], dim=1)
        return self.head(readout).squeeze(-1).unsqueeze(0)  # type: ignore[no-any-return]


class GraphPredictor(NeuralPredictor):
    """A graph neural network over the operations of an architecture.

    Messages flow both ways along the directed graph; operations that no data passes are left out.
    Graphs are dense batches: node types (n, v, t), flows (n, v, v).

    Parameters
    ----------
    space : Space
    layers, width : int
    steps : int
        Gradient steps.
    learning_rate, weight_decay, dropout : float
    loss : str
        One of ``losses.LOSSES``.
    labels : {"normal-scores", "standardised"}
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.
    seed : int, Generator or None
    """

    def __init__(
        self,
        space: Space,
        *,
        layers: int = 4,
        width: int = 64,
        steps: int = 150,
        learning_rate: float = 5e-3,
        weight_decay: float = 0.05,
        dropout: float = 0.1,
        loss: str = "mse",
        labels: str = "normal-scores",
        device: str = "auto",
        seed: Seed = None,
    ) -> None:
        super().__init__(
            space,
            width=width,
            steps=steps,
            learning_rate=learning_rate,
            weight_decay=weight_decay,
            dropout=dropout,
            loss=loss,
            labels=labels,
            device=device,
            seed=seed,
        )
        self.layers = layers

    @abstractmethod
    def _convolution(self) -> nn.Module:
        """Return one direction of one layer."""

    def _tensors(self, codes: Codes) -> list[Tensor]:
        graphs = self.space.graphs(codes)
        nodes = torch.as_tensor(graphs.nodes, device=self.device_)
        return [
            nn.functional.one_hot(nodes, len(self.space.node_types)).float(),
            torch.as_tensor(graphs.adjacency.astype(np.float32), device=self.device_),
            torch.as_tensor(graphs.mask.astype(np.float32), device=self.device_),
        ]

    def _network(self, inputs: list[Tensor]) -> nn.Module:
        layers = [
            _TwoWay(self._convolution(), self._convolution(), self.width)
            for _ in range(self.layers)
        ]
        return _Network(inputs[0].shape[2], layers, self.width, self.dropout)

    def _predict(self, codes: Codes) -> tuple[Scores, Scores | None]:
        return super()._predict(codes)[0], None


class GIN(GraphPredictor):
    """A graph isomorphism network over operations.

    Parameters as ``GraphPredictor``.

    References
    ----------
    K. Xu, W. Hu, J. Leskovec, S. Jegelka. How powerful are graph neural networks? ICLR 2019.

    Examples
    --------
    >>> import nasurge
    >>> table = nasurge.load_table("nb201-analog")
    >>> y = table.values(task="cifar10", metric="baseline_accuracy")
    >>> gin = GIN(table.space, steps=20, seed=0).fit(table.codes[::150], y[::150])
    >>> gin.predict(table.codes[:5]).shape
    (5,)
    """

    def _convolution(self) -> nn.Module:
        perceptron = nn.Sequential(
            nn.Linear(self.width, self.width), nn.ReLU(), nn.Linear(self.width, self.width)
        )
        convolution: nn.Module = DenseGINConv(perceptron, train_eps=True)
        return convolution


class GCN(GraphPredictor):
    """A graph convolutional network over operations.

    Parameters as ``GraphPredictor``.

    References
    ----------
    T. N. Kipf and M. Welling. Semi-supervised classification with graph convolutional networks.
    ICLR 2017. As a predictor: W. Wen et al. Neural predictor for NAS. ECCV 2020.

    Examples
    --------
    >>> import nasurge
    >>> table = nasurge.load_table("nb201-analog")
    >>> y = table.values(task="cifar10", metric="baseline_accuracy")
    >>> gcn = GCN(table.space, steps=20, seed=0).fit(table.codes[::150], y[::150])
    >>> gcn.predict(table.codes[:5]).shape
    (5,)
    """

    def _convolution(self) -> nn.Module:
        convolution: nn.Module = DenseGCNConv(self.width, self.width)
        return convolution
