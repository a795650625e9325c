"""Predictors that learn from unlabelled architectures of the space as well."""

from __future__ import annotations

from dataclasses import field
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.pipeline import Pipeline, make_pipeline
from torch import Tensor, nn

from ...data.devices import resolve_device
from ...data.parameters import Estimator, device_name, whole_number
from ...data.spaces import Codes, Space
from ..graph import GIN, networks
from ..labels import Labels
from ..neural import NeuralPredictor
from ..processes import GaussianProcess
from .auto_encoder import LAYERS, AutoEncoder, pretrained_encoder, unlabelled_codes


class Embedding(Estimator, TransformerMixin, BaseEstimator):
    """A transformer from codes to what a trained auto-encoder makes of them.

    Centred and scaled, all columns alike, over unlabelled architectures of the space.

    Parameters
    ----------
    encoder : AutoEncoder
    """

    encoder: AutoEncoder = field(kw_only=False)

    def fit(self, codes: ArrayLike, y: Any = None) -> Self:  # noqa: ARG002 -- scikit-learn's signature
        """Learn centre and scale from the space; ``codes`` are not used."""
        usual = self._embed(unlabelled_codes(self.encoder.reader.space, 2000))
        self.centre_ = usual.mean(axis=0)
        self.scale_ = float(np.sqrt(usual.var(axis=0).mean()))
        return self

    def transform(self, codes: Codes) -> NDArray[np.float64]:
        """Embedding of canonical codes, shape (n, 2 * latent)."""
        embedded: NDArray[np.float64] = (self._embed(codes) - self.centre_) / self.scale_
        return embedded

    def _embed(self, codes: Codes) -> NDArray[np.float64]:
        embedded: NDArray[np.float64] = self.encoder.embed(codes).double().cpu().numpy()
        return embedded


class WithAutoEncoder(Estimator):
    """A predictor that starts from a graph auto-encoder, trained without labels.

    Parameters
    ----------
    width : int
        Of the encoder and of what is trained on top of it.
    latent : int
        Numbers a node is described by; the embedding of an architecture has twice as many.
    pretraining_steps : int
        Gradient steps of the auto-encoder, each on 256 architectures.
    """

    space: Space = field(kw_only=False)
    width: int = whole_number(64)
    latent: int = whole_number(32)
    pretraining_steps: int = whole_number(1000)

    def _auto_encoder(self, device: str) -> AutoEncoder:
        """Trained auto-encoder, shared by all of the process with these parameters."""
        return pretrained_encoder(
            self.space,
            width=self.width,
            latent=self.latent,
            steps=self.pretraining_steps,
            device=device,
        )


class Arch2Vec(WithAutoEncoder, GaussianProcess):
    """arch2vec: a Gaussian process on the embedding of a graph auto-encoder.

    The auto-encoder is trained on unlabelled architectures, once per process and setting (see
    ``auto_encoder.pretrained_encoder``), and kept as it is; labels only fit the process. Beside
    operations and connections, as in the paper, the embedding is asked for path lengths.

    Parameters
    ----------
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.
    seed : int, Generator or None
        Not used: the auto-encoder has a seed of its own and the process is deterministic.

    References
    ----------
    S. Yan, Y. Zheng, W. Ao, X. Zeng, M. Zhang. Does unsupervised architecture representation
    learning help neural architecture search? NeurIPS 2020.

    Examples
    --------
    >>> import nasurge
    >>> table = nasurge.load_table("nb201-analog")
    >>> y = table.values(task="cifar10", metric="baseline_accuracy")
    >>> model = Arch2Vec(table.space, pretraining_steps=10, seed=0)
    >>> model.fit(table.codes[::150], y[::150]).predict(table.codes[:5]).shape
    (5,)
    """

    heavy_imports = ("sklearn.gaussian_process", "torch_geometric.nn")

    features: tuple[str, ...] | None = field(default=None, init=False)
    device: str = device_name("auto")

    def make_pipeline(self, seed: int) -> Pipeline:  # noqa: ARG002
        """Embedding and the process, from canonical codes to transformed labels."""
        encoder = self._auto_encoder(resolve_device(self.device))
        return make_pipeline(Embedding(encoder), self._process(self._kernel(2 * self.latent)))


class SemiNAS(WithAutoEncoder, GIN):
    """SemiNAS: a predictor labels architectures that were not measured and learns from these too.

    The encoder starts as that of a graph auto-encoder (see ``auto_encoder.pretrained_encoder``),
    where the paper trains a sequence auto-encoder and the predictor together. The network learns
    the labels, guesses those of other architectures, and a fresh one learns both, the measured ones
    repeated until they weigh as much.

    Standard deviations are offered with ``members`` > 1.

    Parameters
    ----------
    members : int
        Networks of the ensemble.
    pseudo_labels : int
        Architectures whose labels are guessed; with 0 there is no second round.
    steps : int
        Gradient steps of each round.

    References
    ----------
    R. Luo, X. Tan, R. Wang, T. Qin, E. Chen, T.-Y. Liu. Semi-supervised neural architecture search.
    NeurIPS 2020.

    Examples
    --------
    >>> import nasurge
    >>> table = nasurge.load_table("nb201-analog")
    >>> y = table.values(task="cifar10", metric="baseline_accuracy")
    >>> model = SemiNAS(table.space, pretraining_steps=10, steps=20, pseudo_labels=50, seed=0)
    >>> model.fit(table.codes[::150], y[::150]).predict(table.codes[:5]).shape
    (5,)
    """

    pretraining_steps: int = whole_number(1000, least=0)  # with 0 the encoder starts at random
    pseudo_labels: int = whole_number(1000, least=0)
    layers: int = field(default=LAYERS, init=False)
    dropout_samples: int = field(default=0, init=False)
    path_sums: bool = field(default=True, init=False)
    steps: int = 150
    patience: int | None = field(default=None, init=False)

    def _network(self, inputs: list[Tensor]) -> nn.Module:
        members = super()._network(inputs)
        if self.pretraining_steps:
            encoder = self._auto_encoder(self.device_)
            for network in networks(members):
                network.embedding.load_state_dict(encoder.embedding.state_dict())
                network.layers.load_state_dict(encoder.layers.state_dict())
        return members

    def _fit(self, codes: Codes, z: Labels, rng: np.random.Generator) -> None:
        super()._fit(codes, z, rng)
        if self.pseudo_labels:
            others = unlabelled_codes(self.space, self.pseudo_labels)
            guessed = self._predict(others)[0]
            times = max(1, len(others) // len(codes))
            super()._fit(
                np.concatenate([*[codes] * times, others]),
                np.concatenate([*[z] * times, guessed]),
                rng,
            )


class _SimilarityNetwork(nn.Module):
    """Two graph convolutions over architectures that are joined where they are alike."""

    known: Tensor
    known_near: Tensor

    def __init__(self, nodes: Tensor, nodes_near: Tensor, width: int, dropout: float) -> None:
        super().__init__()
        self.register_buffer("known", nodes)
        self.register_buffer("known_near", nodes_near)
        inputs = nodes.shape[1]
        self.first = nn.Linear(2 * inputs, width)
        self.second = nn.Sequential(nn.Dropout(dropout), nn.Linear(2 * width, 1))

    def _hidden(self, x: Tensor, near: Tensor) -> Tensor:
        return torch.relu(self.first(torch.cat([x, near], dim=1)))

    def forward(self, x: Tensor, near: Tensor, neighbours: Tensor, shares: Tensor) -> Tensor:
        """Scores, shape (1, n)."""
        known = self._hidden(self.known, self.known_near)
        around = (shares[:, :, None] * known[neighbours]).sum(dim=1)
        scores: Tensor = self.second(torch.cat([self._hidden(x, near), around], dim=1))
        return scores.T


class Assessor(WithAutoEncoder, NeuralPredictor):
    """The semi-supervised assessor: a graph network over architectures that lie near each other.

    Nodes are the labelled architectures and a sample of unlabelled ones, described by the embedding
    of a graph auto-encoder (see ``auto_encoder.pretrained_encoder``); each is joined to its
    nearest, the nearer the more. Two convolutions over this graph learn the labels. Any other
    architecture is joined to its nearest nodes in the same way, so that its score depends on no
    other one asked for; in the paper all architectures are nodes and the auto-encoder is trained
    along.

    Parameters
    ----------
    unlabelled : int
        Unlabelled architectures in the graph.
    neighbours : int
        Nearest nodes that an architecture is joined to.
    steps : int
        Gradient steps of the convolutions.

    References
    ----------
    Y. Tang et al. A semi-supervised assessor of neural architectures. CVPR 2020, arXiv 2005.06733.

    Examples
    --------
    >>> import nasurge
    >>> table = nasurge.load_table("nb201-analog")
    >>> y = table.values(task="cifar10", metric="baseline_accuracy")
    >>> model = Assessor(table.space, pretraining_steps=10, steps=20, unlabelled=100, seed=0)
    >>> model.fit(table.codes[::150], y[::150]).predict(table.codes[:5]).shape
    (5,)
    """

    heavy_imports = ("torch_geometric.nn",)

    unlabelled: int = whole_number(1000, least=0)
    neighbours: int = whole_number(10)
    patience: int | None = field(default=None, init=False)

    def _prepare(self, codes: Codes) -> None:
        encoder = self._auto_encoder(self.device_)
        self.embedding_ = Embedding(encoder).fit(codes)
        others = unlabelled_codes(self.space, self.unlabelled)
        known = np.unique(np.concatenate([codes, others]), axis=0)
        self.known_ = self._embedded(known)
        distances, _ = self._nearest(self.known_)
        self.reach_ = float(distances[:, -1].mean()) or 1.0

    def _embedded(self, codes: Codes) -> Tensor:
        return torch.as_tensor(
            self.embedding_.transform(codes), dtype=torch.float32, device=self.device_
        )

    def _nearest(self, x: Tensor) -> tuple[Tensor, Tensor]:
        count = min(self.neighbours, len(self.known_))
        found = torch.cdist(x, self.known_).topk(count, dim=1, largest=False)
        return found.values, found.indices

    def _around(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Mean embedding of the neighbours, their rows, and their shares."""
        distances, neighbours = self._nearest(x)
        shares = torch.softmax(-((distances / self.reach_) ** 2), dim=1)
        return (shares[:, :, None] * self.known_[neighbours]).sum(dim=1), neighbours, shares

    def _tensors(self, codes: Codes) -> list[Tensor]:
        x = self._embedded(codes)
        return [x, *self._around(x)]

    def _network(self, inputs: list[Tensor]) -> nn.Module:  # noqa: ARG002
        near, _, _ = self._around(self.known_)
        return _SimilarityNetwork(self.known_, near, self.width, self.dropout)
