"""A graph auto-encoder, trained on architectures of a space without any label."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ...data.devices import one_thread
from ...data.seeds import as_generator, torch_seed
from ...data.spaces import Codes, Space
from ..graph import GraphReader, SoftGraphs, isomorphism_layer
from ..neural import train

LAYERS = 2
"""Of every encoder, and of the networks that start from one."""

_MOST_GRAPHS = 8192
_BATCH = 256
_AT_ONCE = 4096
# Weight of the divergence from the prior: small, so that embeddings tell graphs apart.
_DIVERGENCE = 5e-3


class AutoEncoder(nn.Module):
    """A variational auto-encoder of graphs by a graph isomorphism network.

    Every node gets a latent distribution. From latent states are read: the operation of each live
    node, the flow between two of them, and, of the whole, the path sums: what is near in the
    embedding then has not only the same operations but about the same paths.

    Parameters
    ----------
    reader : GraphReader
        Of the space that the graphs come from.
    width : int
        Of the encoder.
    latent : int
        Numbers a node is described by; the embedding of a graph has twice as many.

    References
    ----------
    S. Yan, Y. Zheng, W. Ao, X. Zeng, M. Zhang. Does unsupervised architecture representation
    learning help neural architecture search? (arch2vec). NeurIPS 2020.
    """

    def __init__(self, reader: GraphReader, *, width: int, latent: int) -> None:
        super().__init__()
        types, sums = len(reader.space.node_types), len(reader.centre)
        self.reader = reader
        self.embedding = nn.Linear(types, width, bias=False)
        self.layers = nn.ModuleList(isomorphism_layer(width) for _ in range(LAYERS))
        self.mean, self.log_variance = nn.Linear(width, latent), nn.Linear(width, latent)
        self.types = nn.Linear(latent, types)
        self.ends = nn.Linear(latent, latent, bias=False)
        self.sums = nn.Sequential(nn.Linear(2 * latent, width), nn.ReLU(), nn.Linear(width, sums))

    def encode(self, graphs: SoftGraphs) -> tuple[Tensor, Tensor]:
        """Mean and log variance of the latent states, each shape (n, v, latent)."""
        live = graphs.live[:, :, None]
        x = operations = self.embedding(graphs.types)
        for layer in self.layers:
            x = layer(x, operations, graphs) * live
        return self.mean(x) * live, self.log_variance(x)

    def decode(self, latent: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of the node types, (n, v, t), and of flow between nodes, (n, v, v)."""
        return self.types(latent), self.ends(latent) @ latent.transpose(1, 2)

    def forward(self, *tensors: Tensor) -> Tensor:
        """Loss of each graph, shape (n,)."""
        graphs = SoftGraphs(*tensors)
        mean, log_variance = self.encode(graphs)
        latent = mean + torch.randn_like(mean) * torch.exp(log_variance / 2)
        types, flow = self.decode(latent)
        live = graphs.live
        pairs = live[:, :, None] * live[:, None]
        of_types = functional.cross_entropy(
            types.transpose(1, 2), graphs.types.argmax(dim=2), reduction="none"
        )
        of_flow = functional.binary_cross_entropy_with_logits(
            flow, (graphs.flow > 0).float(), reduction="none"
        )
        of_sums = (self.sums(_pooled(latent, live)) - graphs.sums) ** 2
        spread = (mean**2 + log_variance.exp() - 1 - log_variance).sum(dim=2) / 2
        return (
            _mean(of_types[:, 2:], live[:, 2:])
            + _mean(of_flow, pairs)
            + _DIVERGENCE * _mean(spread, live)
            + (of_sums.mean(dim=1) if of_sums.shape[1] else 0)
        )

    def embed(self, codes: Codes) -> Tensor:
        """Embeddings of canonical codes, shape (n, 2 * latent)."""
        parts = []
        with torch.inference_mode():
            for start in range(0, len(codes), _AT_ONCE):
                graphs = self.reader(codes[start : start + _AT_ONCE])
                parts.append(_pooled(self.encode(graphs)[0], graphs.live))
        return torch.cat(parts)


def _mean(values: Tensor, weights: Tensor) -> Tensor:
    """Weighted mean over all but the first dimension, 0 where nothing has weight."""
    return (values * weights).flatten(1).sum(dim=1) / weights.flatten(1).sum(dim=1).clamp(min=1)


def _pooled(latent: Tensor, live: Tensor) -> Tensor:
    """Mean of the live nodes beside the output node, shape (n, 2 * latent)."""
    mean = (latent * live[:, :, None]).sum(dim=1) / live.sum(dim=1, keepdim=True)
    return torch.cat([mean, latent[:, 1]], dim=1)


def unlabelled_codes(space: Space, n: int) -> Codes:
    """Architectures of ``n`` different functions, or of as many as a sample finds, shape (n, d).

    Always the same ones for a space.
    """
    if space.size <= 2 * n:
        rows = np.unique(space.canonical(space.all_codes()), axis=0)
    else:
        rows = np.unique(space.canonical(space.sample(2 * n, seed=0)), axis=0)
    return as_generator(0).permutation(rows)[:n]


@cache
def pretrained_encoder(
    space: Space, *, width: int, latent: int, steps: int, device: str
) -> AutoEncoder:
    """Auto-encoder of a space, trained once per process and setting.

    It depends on nothing but the arguments: it is trained on at most 8,192 architectures of the
    space with a seed of its own, without labels.

    Parameters
    ----------
    space : Space
    width, latent : int
        As ``AutoEncoder``.
    steps : int
        Gradient steps, each on 256 architectures.
    device : str
        As ``resolve_device`` returns it.

    Returns
    -------
    AutoEncoder
        Shared: copy it before you train it on.
    """
    rng = as_generator(0)
    with torch_seed(rng, device), one_thread():
        reader = GraphReader(space).to(device)
        module = AutoEncoder(reader, width=width, latent=latent).to(device)
        graphs = reader(unlabelled_codes(space, _MOST_GRAPHS))
        train(
            module,
            list(graphs),
            torch.zeros(len(graphs.live), device=device),
            criterion=lambda losses, _: losses.mean(),
            steps=steps,
            batch_size=_BATCH,
            learning_rate=5e-3,
            weight_decay=1e-3,
            rng=rng,
        )
    return module.requires_grad_(requires_grad=False)
