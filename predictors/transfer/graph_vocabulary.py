"""Graphs of all spaces in one vocabulary of operations, and the network of many tasks on them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ...data.devices import one_thread
from ...data.seeds import torch_seed
from ...data.spaces import Codes, Space
from ...data.types import Matrix
from ..graph import Gated, GraphReader, Network, SoftGraphs, TwoWay
from ..labels import Labels
from ..neural import TrainingParameters, make_loss, train
from .between_spaces import common_features

_WORDS = ("input", "output", "conv", "pool")
_LAYERS = 2
_BATCH = 128
_AT_ONCE = 512


class TaskNetwork(nn.Module):
    """An encoder of graphs that all tasks share, and a vector of each task."""

    def __init__(self, tasks: int, sums: int, width: int, dropout: float) -> None:
        super().__init__()
        layers: list[nn.Module] = [
            TwoWay(Gated(width), Gated(width), width) for _ in range(_LAYERS)
        ]
        self.encoder = Network(len(_WORDS) + 1, sums, layers, width, dropout)
        self.encoder.head = nn.Sequential(
            nn.Dropout(dropout), nn.Linear(self.encoder.inputs, width), nn.ReLU()
        )
        self.common = nn.Parameter(torch.randn(width) / width**0.5)
        self.own = nn.Parameter(torch.zeros(tasks, width))
        self.level = nn.Parameter(torch.zeros(tasks))

    def embedding(self, *graphs: Tensor) -> Tensor:
        """Embedding that all tasks share, shape (n, width)."""
        found: Tensor = self.encoder.head(self.encoder.readout(SoftGraphs(*graphs)))
        return found

    def forward(self, task: Tensor, *graphs: Tensor) -> Tensor:
        """Score of each architecture on its task, shape (1, n)."""
        vectors = self.common + self.own[task]
        return ((self.embedding(*graphs) * vectors).sum(dim=1) + self.level[task])[None]

    def vectors(self) -> Matrix:
        """Vectors of the tasks, shape (tasks, width)."""
        found: Matrix = (self.common + self.own).detach().double().numpy()
        return found

    def embedded(self, space: Space, codes: Codes) -> Matrix:
        """Embedding of canonical codes of any space, shape (n, width)."""
        parts = [np.empty((0, len(self.common)))]
        with torch.inference_mode(), one_thread():
            for first in range(0, len(codes), _AT_ONCE):
                graphs = common_graphs(space, codes[first : first + _AT_ONCE])
                parts.append(self.embedding(*graphs).double().numpy())
        return np.concatenate(parts)


def common_graphs(space: Space, codes: Codes) -> SoftGraphs:
    """Graphs whose node types are kinds of operations, and depth, in every space.

    Path sums are the numbers of ``Common``, scaled over the space.
    """
    graphs: SoftGraphs = _reader(space)(codes)
    sums = torch.as_tensor(common_features(space, codes), dtype=torch.float32)
    return graphs._replace(types=graphs.types @ _words(space), sums=sums)


@cache
def _reader(space: Space) -> GraphReader:
    return GraphReader(space, path_sums=False)


@cache
def _words(space: Space) -> Tensor:
    """Node types of a space in the vocabulary, and their depths, shape (t, words + 1)."""
    kinds = ["input", "output", *(operation.kind for operation in space.operations)]
    depths = [0.0, 0.0, *(operation.depth for operation in space.operations)]
    rows = [[float(kind == word) for word in _WORDS] for kind in kinds]
    return torch.tensor([[*row, depth] for row, depth in zip(rows, depths, strict=True)])


def train_tasks(
    lessons: Sequence[tuple[Space, Codes, Labels]],
    training: TrainingParameters,
    *,
    rng: np.random.Generator,
) -> TaskNetwork:
    """Network that learnt all tasks, each as (space, codes, labels)."""
    graphs = [common_graphs(space, codes) for space, codes, _ in lessons]
    most = max(part.types.shape[1] for part in graphs)
    every = [torch.cat(parts) for parts in zip(*(_padded(g, most) for g in graphs), strict=True)]
    counts = [len(z) for _, _, z in lessons]
    task = torch.repeat_interleave(torch.arange(len(lessons)), torch.tensor(counts))
    targets = torch.as_tensor(np.concatenate([z for _, _, z in lessons]), dtype=torch.float32)
    with torch_seed(rng), one_thread():
        network = TaskNetwork(len(lessons), every[4].shape[1], training.width, training.dropout)
        train(
            network,
            [task, *every],
            targets,
            criterion=make_loss("mse"),
            steps=training.steps,
            batch_size=_BATCH,
            learning_rate=training.learning_rate,
            weight_decay=training.weight_decay,
            rng=rng,
        )
    return network


def _padded(graphs: SoftGraphs, most: int) -> SoftGraphs:
    """Graphs with nodes that do not exist up to ``most``."""
    more = most - graphs.types.shape[1]
    types = functional.pad(graphs.types, (0, 0, 0, more))
    return graphs._replace(
        types=types,
        flow=functional.pad(graphs.flow, (0, more, 0, more)),
        live=functional.pad(graphs.live, (0, more)),
        reach=functional.pad(graphs.reach, (0, more, 0, more)),
        slots=types[..., :0],
    )
