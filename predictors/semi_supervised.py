"""Predictors that learn from unlabelled architectures of the space as well."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.pipeline import Pipeline, make_pipeline
from torch import Tensor, nn

from ..data.devices import resolve_device
from ..data.seeds import Seed
from ..data.spaces import Codes, Space
from .auto_encoder import AutoEncoder, pretrained, unlabelled
from .graph import GIN
from .kernels import GaussianProcess
from .labels import Labels
from .neural_base import NeuralPredictor

_LAYERS = 2


class Embedding(TransformerMixin, BaseEstimator):
    """A transformer from codes to what a trained auto-encoder makes of them.

    Centred and scaled, all columns alike, over unlabelled architectures of the space.

    Parameters
    ----------
    encoder : AutoEncoder
    """

    def __init__(self, encoder: AutoEncoder) -> None:
        self.encoder = encoder

    def fit(self, codes: ArrayLike, y: Any = None) -> Self:  # noqa: ARG002 -- scikit-learn's signature
        """Learn centre and scale from the space; ``codes`` are not used."""
        usual = self._embed(unlabelled(self.encoder.reader.space, 2000))
        self.centre_ = usual.mean(axis=0)
        self.scale_ = float(np.sqrt(usual.var(axis=0).mean()))
        return self

    def transform(self, codes: Codes) -> NDArray[np.float64]:
        """Return the embedding of canonical codes, shape (n, 2 * latent)."""
        return (self._embed(codes) - self.centre_) / self.scale_

    def _embed(self, codes: Codes) -> NDArray[np.float64]:
        embedded: NDArray[np.float64] = self.encoder.embed(codes).double().cpu().numpy()
        return embedded


class Arch2Vec(GaussianProcess):
    def __init__(
        self,
        space: Space,
        *,
        width: int = 64,
        latent: int = 32,
        pretraining_steps: int = 1000,
        labels: str = "normal-scores",
        device: str = "auto",
        seed: Seed = None,
    ) -> None:
        super().__init__(space, labels=labels, seed=seed)
        self.width = width
        self.latent = latent
        self.pretraining_steps = pretraining_steps
        self.device = device

    def make_pipeline(self, seed: int) -> Pipeline:  # noqa: ARG002
        encoder = pretrained(
            self.space,
            layers=_LAYERS,
            width=self.width,
            latent=self.latent,
            steps=self.pretraining_steps,
            device=resolve_device(self.device),
        )
        return make_pipeline(Embedding(encoder), self._process(self._kernel(2 * self.latent)))


class SemiNAS(GIN):
    def __init__(
        self,
        space: Space,
        *,
        members: int = 1,
        pseudo_labels: int = 1000,
        width: int = 64,
        latent: int = 32,
        pretraining_steps: int = 1000,
        steps: int = 150,
        learning_rate: float = 5e-3,
        weight_decay: float = 0.05,
        dropout: float = 0.1,
        loss: str = "hinge",
        labels: str = "normal-scores",
        device: str = "auto",
        seed: Seed = None,
    ) -> None:
        super().__init__(
            space,
            members=members,
            layers=_LAYERS,
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
        self.pseudo_labels = pseudo_labels
        self.latent = latent
        self.pretraining_steps = pretraining_steps

    def _network(self, inputs: list[Tensor]) -> nn.Module:
        members = super()._network(inputs)
        if self.pretraining_steps:
            encoder = pretrained(
                self.space,
                layers=_LAYERS,
                width=self.width,
                latent=self.latent,
                steps=self.pretraining_steps,
                device=self.device_,
            )
            for network in members.networks:
                network.embedding.load_state_dict(encoder.embedding.state_dict())
                network.layers.load_state_dict(encoder.layers.state_dict())
        return members

    def _fit(self, codes: Codes, z: Labels, rng: np.random.Generator) -> None:
        super()._fit(codes, z, rng)
        if self.pseudo_labels:
            others = unlabelled(self.space, self.pseudo_labels)
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

    def __init__(self, known: Tensor, known_near: Tensor, width: int, dropout: float) -> None:
        super().__init__()
        self.register_buffer("known", known)
        self.register_buffer("known_near", known_near)
        inputs = known.shape[1]
        self.first = nn.Linear(2 * inputs, width)
        self.second = nn.Sequential(nn.Dropout(dropout), nn.Linear(2 * width, 1))

    def _hidden(self, x: Tensor, near: Tensor) -> Tensor:
        return torch.relu(self.first(torch.cat([x, near], dim=1)))

    def forward(self, x: Tensor, near: Tensor, neighbours: Tensor, shares: Tensor) -> Tensor:
        """Return the scores, shape (1, n)."""
        known = self._hidden(self.known, self.known_near)
        around = (shares[:, :, None] * known[neighbours]).sum(dim=1)
        scores: Tensor = self.second(torch.cat([self._hidden(x, near), around], dim=1))
        return scores.T


class Assessor(NeuralPredictor):
    def __init__(
        self,
        space: Space,
        *,
        unlabelled: int = 1000,
        neighbours: int = 10,
        width: int = 64,
        latent: int = 32,
        pretraining_steps: int = 1000,
        steps: int = 200,
        learning_rate: float = 5e-3,
        weight_decay: float = 0.05,
        dropout: float = 0.1,
        loss: str = "hinge",
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
        self.unlabelled = unlabelled
        self.neighbours = neighbours
        self.latent = latent
        self.pretraining_steps = pretraining_steps

    def _prepare(self, codes: Codes) -> None:
        encoder = pretrained(
            self.space,
            layers=_LAYERS,
            width=self.width,
            latent=self.latent,
            steps=self.pretraining_steps,
            device=self.device_,
        )
        self.embedding_ = Embedding(encoder).fit(codes)
        others = unlabelled(self.space, self.unlabelled)
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
        """Return the mean embedding of the neighbours, which they are, and their shares."""
        distances, neighbours = self._nearest(x)
        shares = torch.softmax(-((distances / self.reach_) ** 2), dim=1)
        return (shares[:, :, None] * self.known_[neighbours]).sum(dim=1), neighbours, shares

    def _tensors(self, codes: Codes) -> list[Tensor]:
        x = self._embedded(codes)
        return [x, *self._around(x)]

    def _network(self, inputs: list[Tensor]) -> nn.Module:  # noqa: ARG002
        near, _, _ = self._around(self.known_)
        return _SimilarityNetwork(self.known_, near, self.width, self.dropout)
