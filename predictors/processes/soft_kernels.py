"""A Gaussian process that scores relaxed architectures and hands out gradients."""

from __future__ import annotations

from functools import cache
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from ...data.devices import one_thread, resolve_device
from ...data.parameters import device_name
from ...data.spaces import Codes, Space
from ..base import Predictor, Scores
from ..graph import GraphReader
from ..labels import Labels
from ..relaxed import Relaxation, SoftNumbers, relaxation
from .covariance import Term, cross_covariance, embed_rows, prior_variance
from .grouped import GroupedGP
from .inference import JITTER, ROWS_AT_ONCE, cholesky_factor, cholesky_solve, moments
from .kernels import needs_search
from .many_labels import (
    EXACT,
    inducing_moments,
    inducing_posterior,
    inducing_rows,
    picked,
    say_sparse,
)

SoftGroups = dict[str, Tensor]

_REFERENCE_ROWS = 2000


class SoftFeatures:
    """Groups of features of soft graphs, scaled over the space; differentiable.

    ``sums`` are path sums, ``numbers`` those of ordered variables and, in spaces where positions
    matter, ``values`` the shares themselves, of conditional variables as far as they are active.
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
        self._numbers = SoftNumbers(self.relaxation).to(device)
        self._scales: dict[str, tuple[Tensor, Tensor]] = {}
        sample = np.unique(space.canonical(space.sample(_REFERENCE_ROWS, seed=0)), axis=0)
        for name, group in self.of_codes(sample).items():
            deviation, centre = torch.std_mean(group, dim=0)
            total = (deviation**2).sum().clamp(min=1e-12)
            self._scales[name] = centre, 1 / torch.sqrt(2 * total)

    def of_codes(self, codes: Codes) -> SoftGroups:
        """Groups of canonical codes, each (n, columns)."""
        return self._groups(self.reader.sums(codes), self.relaxation.one_hot(codes))

    def of_shares(self, shares: Tensor) -> SoftGroups:
        """Groups of relaxed architectures, each (n, columns)."""
        return self._groups(self.reader.relaxed_sums(shares), shares)

    def _groups(self, sums: Tensor, shares: Tensor) -> SoftGroups:
        groups = {"sums": sums.double()}
        if self.reader.space.positional:
            groups["values"] = self.relaxation.active_shares(shares).double()
        if self._numbers.width:
            active, activity = (
                self.relaxation.active_shares(shares),
                self.relaxation.activity(shares),
            )
            groups["numbers"] = self._numbers(active.double(), activity.double())
        for name, (centre, scale) in self._scales.items():
            groups[name] = (groups[name] - centre) * scale
        return groups


@cache
def soft_features(space: Space, device: str) -> SoftFeatures:
    """Features of a space, made once per process."""
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

    labels: str = "blended"
    device: str = device_name("auto")

    def _terms(self, groups: SoftGroups) -> list[Term]:
        names = tuple(groups)
        return [Term(names, self.smoothness), Term(names, 0)]

    def _fit(self, codes: Codes, z: Labels, rng: np.random.Generator) -> None:  # noqa: ARG002
        self.device_ = resolve_device(self.device)
        groups = soft_features(self.space, self.device_).of_codes(codes)
        arrays = {name: group.cpu().numpy() for name, group in groups.items()}
        with one_thread():
            self.theta_ = GroupedGP(self._terms(groups)).search(arrays, z).theta_
        self.searched_with_ = len(codes)
        self._condition(groups, z)

    def _update(self, codes: Codes, z: Labels, rng: np.random.Generator) -> None:
        if needs_search(len(codes), self.searched_with_):
            self._fit(codes, z, rng)
        else:
            self._condition(soft_features(self.space, self.device_).of_codes(codes), z)

    def _condition(self, groups: SoftGroups, z: Labels) -> None:
        """Keep what predictions need, with the hyperparameters as they are."""
        targets = torch.as_tensor(z, device=self.device_).double()
        self.groups_, self.mean_ = groups, float(targets.mean())
        noise, labels = float(np.exp(self.theta_[-1])), targets - self.mean_
        self.inner_: Tensor | None = None
        if len(z) <= EXACT:
            self.factor_ = cholesky_factor(self._kernel(groups, groups), noise + JITTER)
            self.alpha_ = cholesky_solve(self.factor_, labels)
            return
        say_sparse(len(z))
        some = self.groups_ = picked(groups, inducing_rows(len(z)))
        found = inducing_posterior(
            self._kernel(some, some),
            lambda part: self._kernel(some, picked(groups, part)),
            prior_variance(self._terms(groups), self.theta_, groups),
            noise,
            labels,
        )
        self.factor_, self.inner_, self.alpha_ = found.factor, found.inner, found.weights

    def _kernel(self, a: SoftGroups, b: SoftGroups) -> Tensor:
        """Covariance without noise, (rows of a, rows of b)."""
        terms, theta = self._terms(a), self.theta_
        rows = embed_rows(terms, theta, a), embed_rows(terms, theta, b)
        covariance: Tensor = cross_covariance(terms, theta, *rows)
        return covariance

    def _posterior(self, groups: SoftGroups) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of a new label, noise included, each (n,)."""
        # Files of the first versions hold the weights as a column.
        weights = self.alpha_.flatten()
        prior = prior_variance(self._terms(groups), self.theta_, groups)
        cross = self._kernel(groups, self.groups_)
        inner = getattr(self, "inner_", None)  # files of before have none
        if inner is None:
            mean, variance = moments(self.factor_, weights, cross, prior)
        else:
            mean, variance = inducing_moments(self.factor_, inner, weights, cross, prior)
        return self.mean_ + mean, torch.sqrt(variance + float(np.exp(self.theta_[-1])))

    def score_relaxed(self, shares: Tensor) -> tuple[Tensor, Tensor]:
        """Scores and standard deviations, each (n,), with gradients.

        As ``GraphPredictor.score_relaxed``.
        """
        self._check_fitted()
        return self._posterior(soft_features(self.space, self.device_).of_shares(shares))

    def _predict(self, codes: Codes) -> tuple[Scores, Scores | None]:
        features = soft_features(self.space, self.device_)
        means, deviations = [], []
        with torch.inference_mode():
            for start in range(0, len(codes), ROWS_AT_ONCE):
                groups = features.of_codes(codes[start : start + ROWS_AT_ONCE])
                mean, deviation = self._posterior(groups)
                means.append(mean.cpu().numpy())
                deviations.append(deviation.cpu().numpy())
        return np.concatenate(means), np.concatenate(deviations)
