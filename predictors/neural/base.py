"""What neural predictors share: stored parameters, the fit and the prediction in parts."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from ...data.devices import one_thread, resolve_device
from ...data.parameters import device_name, one_of, whole_number
from ...data.seeds import torch_seed
from ...data.spaces import Codes
from ..base import Predictor, Scores
from ..labels import Labels
from .losses import IN_UNITS, LOSSES, Loss, make_loss
from .parameters import TrainingParameters
from .training import train


class NeuralPredictor(TrainingParameters, Predictor):
    """A torch network trained with AdamW on the transformed labels.

    A subclass turns codes into tensors (``_tensors``) and makes the network (``_network``), which
    returns the score of each member of an ensemble, shape (members, n). What a ranking loss learnt
    gets the unit of the labels by a line through the training labels.

    Parameters
    ----------
    loss : str
        One of ``losses.LOSSES``.
    patience : int, optional
        Hold out a fifth of the labels and stop when their ranking loss has not fallen for so many
        steps; the best weights are kept. Without, all labels are learnt in all steps.
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.
    """

    minimum_labels = 5
    batch_size: ClassVar[int] = 128
    """Architectures a gradient step sees; all of them where there are fewer."""
    predict_batch: ClassVar[int] = 4096
    """Architectures predicted at once."""

    loss: str = one_of("hinge", LOSSES)
    patience: int | None = whole_number(None)
    device: str = device_name("auto")

    def _prepare(self, codes: Codes) -> None:
        """Learn what ``_tensors`` needs from the training codes."""

    @abstractmethod
    def _tensors(self, codes: Codes) -> list[Tensor]:
        """Inputs of the network, each (n, ...), on ``device_``."""

    @abstractmethod
    def _network(self, inputs: list[Tensor]) -> nn.Module:
        """A fresh network for inputs such as these."""

    def _fit(self, codes: Codes, z: Labels, rng: np.random.Generator) -> None:
        self.device_ = resolve_device(self.device)
        self._prepare(codes)
        inputs = self._tensors(codes)
        with torch_seed(rng, self.device_), one_thread():
            module = self._network(inputs).to(self.device_)
            self._train(module, inputs, z, rng, steps=self.steps)

    def _train(
        self,
        module: nn.Module,
        inputs: list[Tensor],
        z: Labels,
        rng: np.random.Generator,
        *,
        steps: int,
    ) -> None:
        """Train a network of this predictor, and predict with it from now on."""
        targets = torch.as_tensor(z, dtype=torch.float32, device=self.device_)
        self.steps_ = train(
            module,
            inputs,
            targets,
            criterion=self._criterion(),
            steps=steps,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            rng=rng,
            patience=self.patience,
        )
        self.module_ = module
        self._finish(inputs, targets)

    def _criterion(self) -> Loss:
        """Loss, a function of the network's output and the targets."""
        return make_loss(self.loss)

    def _finish(self, inputs: list[Tensor], targets: Tensor) -> None:
        """Learn what predictions need from the trained network."""
        self.line_ = 0.0, 1.0
        if self.loss not in IN_UNITS:
            with torch.inference_mode():
                self.line_ = fitted_line(self._votes(inputs)[0].double(), targets.double())

    def _votes(self, inputs: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Scores, shape (n,), and those whose spread is their uncertainty, shape (k, n)."""
        votes = self.module_(*inputs)
        return votes.mean(dim=0), votes

    def _predict(self, codes: Codes) -> tuple[Scores, Scores | None]:
        scores, deviations = [], []
        with torch.inference_mode():
            for start in range(0, len(codes), self.predict_batch):
                inputs = self._tensors(codes[start : start + self.predict_batch])
                score, votes = self._votes(inputs)
                scores.append(score.double().cpu().numpy())
                deviations.append(votes.double().cpu().numpy().std(axis=0))
        offset, slope = self.line_
        return offset + slope * np.concatenate(scores), slope * np.concatenate(deviations)


def fitted_line(scores: Tensor, targets: Tensor) -> tuple[float, float]:
    """Offset and slope of the least-squares line, which gives a ranking its unit."""
    away = scores - scores.mean()
    slope = float((away * targets).sum() / (away**2).sum().clamp(min=1e-12))
    slope = slope if slope > 0 else 1.0  # the order of the scores is what was learnt
    return float(targets.mean() - slope * scores.mean()), slope
