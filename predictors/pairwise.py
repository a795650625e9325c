"""Pairwise predictors: a relation says which of two architectures is the better one."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import field

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

from ..data.devices import one_thread
from ..data.parameters import positive_number, some_of
from ..data.spaces import Codes
from ..errors import ArchitectureError
from .base import Predictor, Scores
from .classical import ENCODERS, make_features
from .graph import GCN, SoftGraphs, networks
from .labels import Labels
from .neural import Loss, fitted_line

# Labelled architectures that every other one is compared with.
_MOST_ANCHORS = 128
# Log odds that a lead of one normal score stands for: unseen pairs are likeliest about here.
_ODDS = 3.0
# How far a network wants the better architecture ahead, as in ``losses.hinge``.
_MARGIN = 0.1
# Directions of the feature space that a support vector machine looks at.
_MOST_DIRECTIONS = 256


class PairwisePredictor(Predictor):
    """A predictor that compares two architectures.

    ``line_`` are offset and slope by which its relation has the unit of transformed labels.
    """

    line_: tuple[float, float] = field(init=False)

    @abstractmethod
    def _relation(self, first: Codes, second: Codes) -> Scores:
        """Lead, shape (n,), of each row of ``first`` over that of ``second``."""

    def compare(self, first: ArrayLike, second: ArrayLike) -> Scores:
        """Probability that each architecture has a better label than its rival.

        Parameters
        ----------
        first, second : array_like of int, shape (n, d)

        Returns
        -------
        ndarray of float, shape (n,)
            ``compare(second, first)`` is 1 minus this.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        ArchitectureError
            If a row is not in the space, or there are not as many of one as of the other.
        """
        self._check_fitted()
        a, b = self.space.canonical(first), self.space.canonical(second)
        if a.shape != b.shape:
            raise ArchitectureError(
                f"compare takes as many architectures as rivals, received {len(a)} and {len(b)}"
            )
        probability: Scores = expit(_ODDS * self.line_[1] * self._relation(a, b))
        return probability


class RelationHead(nn.Module):
    """The lead of one architecture over another, from what a network read of each."""

    anchors: Tensor

    def __init__(self, inputs: int, width: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.ends = nn.Linear(inputs, 2 * width)
        self.out = nn.Linear(width, 1, bias=False)
        self.register_buffer("anchors", torch.zeros(1, inputs))

    def lead(self, first: Tensor, second: Tensor) -> Tensor:
        """Leads (...), antisymmetric, of readouts (..., inputs) that broadcast."""
        a, b = self.ends(first).chunk(2, dim=-1), self.ends(second).chunk(2, dim=-1)
        won, lost = torch.relu(a[0] + b[1]), torch.relu(a[1] + b[0])
        lead: Tensor = self.out(won) - self.out(lost)
        return lead.squeeze(-1)

    def forward(self, read: Tensor) -> Tensor:
        """All pairs (n, n) in training, afterwards the mean against the anchors (n, 1)."""
        if self.training:
            read = self.dropout(read)
            return self.lead(read[:, None], read)
        return self.lead(read[:, None], self.anchors).mean(dim=1, keepdim=True)


def relation_loss(leads: Tensor, targets: Tensor) -> Tensor:
    """Mean hinge of leads (..., n, n) over the pairs that labels (n,) tell apart."""
    better = (targets[:, None] > targets).to(leads.dtype).expand_as(leads)
    return (torch.relu(_MARGIN - leads) * better).sum() / better.sum().clamp(min=1)


class BRPNAS(PairwisePredictor, GCN):
    """BRP-NAS: a graph convolutional network reads two architectures and says which is better.

    Trained on all pairs of labels at once. The relation is antisymmetric by construction: what
    speaks for the first less what speaks for the second. The score of an architecture is its mean
    lead over at most 128 of the labelled ones, so that ranking a space never takes all its pairs. A
    lead is turned into a probability by the line that gives scores their unit. Network, graphs and
    path sums are those of ``GCN`` and the loss is a hinge, which ranked better with few labels; the
    paper has four layers of width 600 on plain graphs and the cross-entropy.

    Standard deviations are offered with ``members`` > 1.

    Parameters
    ----------
    members : int
        Networks of the ensemble; the mean of their leads counts.

    References
    ----------
    Ł. Dudziak, T. Chau, M. S. Abdelfattah, R. Lee, H. Kim, N. D. Lane. BRP-NAS: prediction-based
    NAS using GCNs. NeurIPS 2020.

    Examples
    --------
    >>> import nasurge
    >>> table = nasurge.load_table("nb201-analog")
    >>> y = table.values(task="cifar10", metric="baseline_accuracy")
    >>> brp = BRPNAS(table.space, steps=20, seed=0).fit(table.codes[::150], y[::150])
    >>> brp.compare(table.codes[:3], table.codes[:3])
    array([0.5, 0.5, 0.5])
    """

    predict_batch = 1024  # memory for all pairs with the anchors

    dropout_samples: int = field(default=0, init=False)
    path_sums: bool = field(default=True, init=False)
    loss: str = field(default="hinge", init=False)
    patience: int | None = field(default=None, init=False)

    def _network(self, inputs: list[Tensor]) -> nn.Module:
        members = super()._network(inputs)
        for network in networks(members):
            network.head = RelationHead(network.inputs, self.width, self.dropout)
        return members

    def _criterion(self) -> Loss:
        return relation_loss

    def _finish(self, inputs: list[Tensor], targets: Tensor) -> None:
        count = min(len(targets), _MOST_ANCHORS)
        places = torch.linspace(0, len(targets) - 1, count, device=targets.device).round().long()
        picked = torch.argsort(targets, stable=True)[places]
        anchors = SoftGraphs(*(tensor[picked] for tensor in inputs))
        with torch.no_grad():
            for network in networks(self.module_):
                network.head.anchors = network.readout(anchors)
        super()._finish(inputs, targets)

    def _relation(self, first: Codes, second: Codes) -> Scores:
        parts = []
        with torch.inference_mode():
            for start in range(0, len(first), self.predict_batch):
                rows = slice(start, start + self.predict_batch)
                a, b = (SoftGraphs(*self._tensors(codes[rows])) for codes in (first, second))
                leads = [n.head.lead(n.readout(a), n.readout(b)) for n in networks(self.module_)]
                parts.append(torch.stack(leads).mean(dim=0).double().cpu().numpy())
        return np.concatenate(parts)


class SMEMRelation(PairwisePredictor):
    """The surrogate of SMEM-NAS: a support vector machine that compares two architectures.

    A pair is classified by the antisymmetric product kernel ``k(a, c) k(b, d) - k(a, d) k(b, c)``,
    with ``k`` a constant plus a Matern-3/2 kernel on standardised features: the difference of two
    scores and whatever else depends on both. With this kernel the machine is an antisymmetric
    matrix between the labelled architectures, so all pairs are learnt at once, under the squared
    hinge. The score is the mean over the labelled architectures of what the machine says about the
    pair. The paper has a stock classifier on the two encodings side by side.

    Parameters
    ----------
    regularisation : float
        Weight of the machine's norm against the mean loss of a pair.
    features : tuple of str
        Encoders used: ``"structure"``, ``"paths"``, ``"onehot"``.
    seed : int, Generator or None
        Not used: the fit is deterministic. Accepted as by every predictor.

    References
    ----------
    Y. Xue, P. Jiang, C. Zhu, M. Zhou, M. Wahib, M. Gabbouj. A pairwise comparison relation-assisted
    multi-objective evolutionary neural architecture search method with multi-population mechanism.
    arXiv 2407.15600. Kernel: T. Pahikkala, W. Waegeman, E. Tsivtsivadze, T. Salakoski, B. De Baets.
    Learning intransitive reciprocal relations with kernel methods. European Journal of Operational
    Research 206, 2010.

    Examples
    --------
    >>> import nasurge
    >>> table = nasurge.load_table("nb201-analog")
    >>> y = table.values(task="cifar10", metric="baseline_accuracy")
    >>> smem = SMEMRelation(table.space).fit(table.codes[::150], y[::150])
    >>> best, worst = table.codes[[y.argmax()]], table.codes[[y.argmin()]]
    >>> bool(smem.compare(best, worst)[0] > 0.9)
    True
    """

    minimum_labels = 3
    heavy_imports = ("sklearn.gaussian_process",)

    regularisation: float = positive_number(1e-4)
    features: tuple[str, ...] = some_of(("structure", "onehot"), ENCODERS)

    def _kernel(self, codes: Codes) -> NDArray[np.float64]:
        """Kernel of architectures with the labelled ones, shape (n, labelled)."""
        from sklearn.gaussian_process.kernels import Matern

        scaled = self.scaler_.transform(self.encoder_.transform(codes))
        matern = Matern(2 * np.sqrt(scaled.shape[1]), nu=1.5)
        kernel: NDArray[np.float64] = 4 + matern(scaled, self.known_)
        return kernel

    def _fit(self, codes: Codes, z: Labels, rng: np.random.Generator) -> None:  # noqa: ARG002
        self.encoder_ = make_features(self.space, self.features)
        self.scaler_ = StandardScaler()
        self.known_ = self.scaler_.fit_transform(self.encoder_.fit_transform(codes))
        kernel = self._kernel(codes)
        with one_thread():
            self.machine_ = _pairwise_machine(kernel, z, self.regularisation)
        self.weights_ = self.machine_ @ kernel.mean(axis=0)
        scores, targets = torch.as_tensor(kernel @ self.weights_), torch.as_tensor(z)
        self.line_ = fitted_line(scores, targets)

    def _predict(self, codes: Codes) -> tuple[Scores, None]:
        offset, slope = self.line_
        return offset + slope * (self._kernel(codes) @ self.weights_), None

    def _relation(self, first: Codes, second: Codes) -> Scores:
        lead: Scores = ((self._kernel(first) @ self.machine_) * self._kernel(second)).sum(axis=1)
        return lead


def _pairwise_machine(
    kernel: NDArray[np.float64], z: Labels, regularisation: float
) -> NDArray[np.float64]:
    """Antisymmetric matrix M whose ``kernel @ M @ kernel.T`` tells who wins each pair.

    In the eigenbasis of the kernel the norm of the machine is that of a matrix, so that the primal
    problem is smooth and unconstrained.
    """
    from scipy.linalg import eigh
    from scipy.optimize import minimize

    n = len(kernel)
    values, vectors = eigh(kernel, subset_by_index=(max(0, n - _MOST_DIRECTIONS), n - 1))
    kept = values > 1e-6 * values[-1]
    root = np.sqrt(values[kept])
    basis = vectors[:, kept] * root
    won = z[:, None] > z

    def objective(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        matrix = flat.reshape(len(root), -1)
        matrix = (matrix - matrix.T) / 2
        short = np.maximum(1 - basis @ matrix @ basis.T, 0) * won
        slope = -2 / won.sum() * (basis.T @ short @ basis)
        slope = (slope - slope.T) / 2 + 2 * regularisation * matrix
        loss = (short**2).sum() / won.sum() + regularisation * (matrix**2).sum()
        return float(loss), slope.ravel()

    start = np.zeros(len(root) ** 2)
    found = minimize(objective, start, method="L-BFGS-B", jac=True, options={"maxiter": 100})
    matrix = found.x.reshape(len(root), -1)
    dual = vectors[:, kept] / root
    machine: NDArray[np.float64] = dual @ ((matrix - matrix.T) / 2) @ dual.T
    return machine
