"""Ensembles of multilayer perceptrons on fixed features."""

from __future__ import annotations

import itertools
import math

import torch
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

from ...data.parameters import some_of, whole_number
from ...data.spaces import Codes
from ..classical import ENCODERS, make_features
from .base import NeuralPredictor


class _Members(nn.Module):
    """Independent perceptrons of equal shape, computed as one batched matrix product a layer."""

    def __init__(self, members: int, widths: list[int], dropout: float) -> None:
        super().__init__()
        self.weights = nn.ParameterList()
        self.biases = nn.ParameterList()
        for fan_in, fan_out in itertools.pairwise(widths):
            bound = math.sqrt(6 / fan_in) if fan_out > 1 else 1 / math.sqrt(fan_in)
            self.weights.append(nn.Parameter(torch.empty(members, fan_in, fan_out)))
            nn.init.uniform_(self.weights[-1], -bound, bound)
            self.biases.append(nn.Parameter(torch.zeros(members, 1, fan_out)))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Score of each member, shape (members, n), of features (n, f)."""
        hidden = x.expand(len(self.weights[0]), -1, -1)
        last = len(self.weights) - 1
        for k, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            hidden = torch.baddbmm(bias, hidden, weight)
            if k < last:
                hidden = self.dropout(nn.functional.silu(hidden))
        return hidden.squeeze(-1)


class MLPEnsemble(NeuralPredictor):
    """An ensemble of perceptrons on structural features (and one-hot, where positions matter).

    Members start differently and see the same data; their mean is the score and their spread the
    uncertainty. All are trained at once.

    Parameters
    ----------
    members : int
    width : int
        Units in each of the two hidden layers.
    features : tuple of str
        Encoders used.

    References
    ----------
    C. White, W. Neiswanger, Y. Savani. BANANAS. AAAI 2021.

    Examples
    --------
    >>> import nasurge
    >>> table = nasurge.load_table("nb201-analog")
    >>> y = table.values(task="cifar10", metric="baseline_accuracy")
    >>> mlp = nasurge.make_predictor("mlp", table.space, steps=20, seed=0)  # or "bananas"
    >>> mlp.fit(table.codes[::150], y[::150]).predict(table.codes[:5]).shape
    (5,)
    """

    offers_std = True

    members: int = whole_number(5)
    width: int = 128
    weight_decay: float = 1.0
    loss: str = "mse"
    features: tuple[str, ...] = some_of(("structure", "onehot"), ENCODERS)

    def _prepare(self, codes: Codes) -> None:
        self.encoder_ = make_features(self.space, self.features)
        self.scaler_ = StandardScaler().fit(self.encoder_.fit_transform(codes))

    def _tensors(self, codes: Codes) -> list[Tensor]:
        scaled = self.scaler_.transform(self.encoder_.transform(codes))
        return [torch.as_tensor(scaled, dtype=torch.float32, device=self.device_)]

    def _network(self, inputs: list[Tensor]) -> nn.Module:
        return _Members(self.members, [inputs[0].shape[1], self.width, self.width, 1], self.dropout)
