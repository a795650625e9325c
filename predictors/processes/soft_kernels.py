"""A Gaussian process that scores relaxed architectures and hands out gradients."""

from __future__ import annotations

import math
from functools import cache
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from ...data.devices import one_thread, resolve_device
from ...data.seeds import Seed
from ...data.spaces import Codes, Space
from ...errors import NotFittedError
from ..base import Predictor, Scores
from ..graph import GraphReader, SoftGraphs
from ..labels import Labels
from ..relaxed import Relaxation, relaxation
from .grouped import GroupedGP, Term
from .kernels import grown

SoftGroups = dict[str, Tensor]

_REFERENCE_ROWS = 2000
_JITTER = 1e-6


class SoftFeatures:
    """Groups of features of soft graphs, scaled over the space; differentiable.

    ``sums`` are path sums and, in spaces where positions matter, ``values`` the shares themselves.
    As in ``feature_groups``, the mean squared distance between two architectures of the space is 1
    in each group.

    Parameters
    ----------
    space : Space
    device : str
    """

    def __init__(self, space: Space, device: str) -> None:
        self.reader = GraphReader(space).to(device)
        self.relaxation: Relaxation = relaxation(space, device)
        self._scales: dict[str, tuple[Tensor, Tensor]] = {}
        sample = np.unique(space.canonical(space.sample(_REFERENCE_ROWS, seed=0)), axis=0)
        for name, group in self.of_codes(sample).items():
            deviation, centre = torch.std_mean(group, dim=0)
            total = (deviation**2).sum().clamp(min=1e-12)
            self._scales[name] = centre, 1 / torch.sqrt(2 * total)

    def of_codes(self, codes: Codes) -> SoftGroups:
        """Return the groups of canonical codes, each (n, columns)."""
        return self._groups(self.reader(codes), self.relaxation.one_hot(codes))

    def of_shares(self, shares: Tensor) -> SoftGroups:
        """Return the groups of relaxed architectures, each (n, columns)."""
        return self._groups(self.reader.relaxed(shares), shares)

    def _groups(self, graphs: SoftGraphs, shares: Tensor) -> SoftGroups:
        groups = {"sums": graphs.sums.double()}
        if self.reader.space.positional:
            groups["values"] = shares.double()
        for name, (centre, scale) in self._scales.items():
            groups[name] = (groups[name] - centre) * scale
        return groups


@cache
def soft_features(space: Space, device: str) -> SoftFeatures:
    """Return the features of a space, made once per process."""
    return SoftFeatures(space, device)


class SoftGaussianProcess(Predictor):
    """A Gaussian process on features of soft graphs: differentiable in the architecture.

    A Matern-3/2 kernel with one length scale per group of features (path sums and, where positions
    matter, the values themselves) plus a linear one; hyperparameters maximise the posterior. The
    features exist for relaxed architectures too, so that scores and uncertainty can be climbed by
    gradients: it is the default guide of PredNAS.

    Parameters
    ----------
    space : Space
        One that has a relaxation.
    labels : {"blended", "normal-scores", "standardised"}
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``; where relaxed architectures are scored.
    seed : int, Generator or None
        Not used: the fit is deterministic. Accepted as by every predictor.

    References
    ----------
    C. E. Rasmussen and C. K. I. Williams. Gaussian processes for machine learning. 2006.

    Examples
    --------
    >>> import nasurge
    >>> table = nasurge.load_table("nb201-analog")
    >>> y = table.values(task="cifar10", metric="baseline_accuracy")
    >>> gp = SoftGaussianProcess(table.space).fit(table.codes[::150], y[::150])
    >>> shares = torch.full((1, 30), 0.2, requires_grad=True)  # every operation a fifth
    >>> score, std = gp.score_relaxed(shares)
    >>> score.sum().backward()
    >>> shares.grad.shape
    torch.Size([1, 30])
    """

    minimum_labels = 3
    offers_std = True
    quick_update = True
    smoothness: ClassVar[float] = 1.5

    def __init__(
        self,
        space: Space,
        *,
        labels: str = "blended",
        device: str = "auto",
        seed: Seed = None,
    ) -> None:
        self.space = space
        self.labels = labels
        self.device = device
        self.seed = seed

    def _terms(self, groups: SoftGroups) -> list[Term]:
        names = tuple(groups)
        return [Term(names, self.smoothness), Term(names, 0)]

    def _fit(self, codes: Codes, z: Labels, rng: np.random.Generator) -> None:  # noqa: ARG002
        self.device_ = resolve_device(self.device)
        groups = soft_features(self.space, self.device_).of_codes(codes)
        arrays = {name: group.cpu().numpy() for name, group in groups.items()}
        with one_thread():
            self.theta_ = GroupedGP(self._terms(groups)).fit(arrays, z).theta_
        self.searched_with_ = len(codes)
        self._condition(groups, z)

    def _update(self, codes: Codes, z: Labels, rng: np.random.Generator) -> None:
        if grown(len(codes), self.searched_with_):
            self._fit(codes, z, rng)
        else:
            self._condition(soft_features(self.space, self.device_).of_codes(codes), z)

    def _condition(self, groups: SoftGroups, z: Labels) -> None:
        """Keep what predictions need, with the hyperparameters as they are."""
        targets = torch.as_tensor(z, device=self.device_).double()
        self.groups_, self.mean_ = groups, float(targets.mean())
        kernel = self._kernel(groups, groups)
        kernel.diagonal().add_(math.exp(self.theta_[-1]) + _JITTER)
        self.factor_ = torch.linalg.cholesky(kernel)
        centred = (targets - self.mean_)[:, None]
        self.alpha_ = torch.cholesky_solve(centred, self.factor_)

    def _kernel(self, a: SoftGroups, b: SoftGroups) -> Tensor:
        """Return the covariance, (len(a), len(b)), of the function without its noise."""
        amplitude, *lengths, slope, _ = self.theta_.tolist()
        squares = products = torch.zeros((), device=self.device_, dtype=torch.double)
        for length, name in zip(lengths, a, strict=True):
            product = a[name] @ b[name].T
            norms = (a[name] ** 2).sum(1)[:, None] + (b[name] ** 2).sum(1)
            squares = squares + math.exp(-2 * length) * (norms - 2 * product)
            products = products + product
        root = torch.sqrt(3 * squares.clamp(min=1e-12))
        curved = math.exp(amplitude) * (1 + root) * torch.exp(-root)
        return curved + math.exp(slope) * products

    def _posterior(self, groups: SoftGroups) -> tuple[Tensor, Tensor]:
        """Return mean and standard deviation of a new label, noise included, each (n,)."""
        amplitude, slope, noise = np.exp(self.theta_[[0, -2, -1]])
        cross = self._kernel(groups, self.groups_)
        norms = torch.stack([(group**2).sum(1) for group in groups.values()]).sum(0)
        half = torch.linalg.solve_triangular(self.factor_, cross.T, upper=False)
        variance = amplitude + slope * norms - (half**2).sum(0)
        return self.mean_ + (cross @ self.alpha_)[:, 0], torch.sqrt(variance.clamp(min=0) + noise)

    def score_relaxed(self, shares: Tensor) -> tuple[Tensor, Tensor]:
        """Return scores and standard deviations, each (n,), with gradients.

        As ``GraphPredictor.score_relaxed``.
        """
        if not hasattr(self, "factor_"):
            raise NotFittedError("SoftGaussianProcess is not fitted: call fit(codes, y) first")
        return self._posterior(soft_features(self.space, self.device_).of_shares(shares))

    def _predict(self, codes: Codes) -> tuple[Scores, Scores | None]:
        features = soft_features(self.space, self.device_)
        means, deviations = [], []
        with torch.inference_mode():
            for start in range(0, len(codes), 4096):
                groups = features.of_codes(codes[start : start + 4096])
                mean, deviation = self._posterior(groups)
                means.append(mean.cpu().numpy())
                deviations.append(deviation.cpu().numpy())
        return np.concatenate(means), np.concatenate(deviations)
